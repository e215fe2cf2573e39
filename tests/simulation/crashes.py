"""Try every crash point and every pair of crash points: `python -m tests.simulation.crashes [--scenario "a hire"]`."""

import argparse
import os
import sys
import time
from collections.abc import Sequence
from multiprocessing import get_context

from tests.simulation.crash_points import Tally, explore, parsed, run
from tests.simulation.crash_scenarios import PROVIDERS, SCENARIOS, Scenario
from tests.simulation.recovery import percentile, recoveries
from tests.simulation.schedule import Strike


def main(arguments: Sequence[str] | None = None) -> int:
    """Give 0 where no promise was broken; else print every failure and how to run it again."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.crashes", description=__doc__)
    parser.add_argument("--scenario", choices=[scenario.name for scenario in SCENARIOS], help="only this one")
    parser.add_argument("--provider", choices=PROVIDERS, help="only a provider like this one")
    parser.add_argument("--crash", action="append", type=parsed, help="only this crash: POINT:NUMBER:DEATH")
    parser.add_argument("--workers", type=int, default=os.process_cpu_count() or 1)
    chosen = parser.parse_args(arguments)
    cases = [
        (scenario, provider)
        for scenario in SCENARIOS
        for provider in PROVIDERS
        if chosen.scenario in (None, scenario.name) and chosen.provider in (None, provider)
    ]
    if chosen.crash:
        return max(_again(*case, chosen.crash) for case in cases)
    tally = _explored(cases, chosen.workers)
    if chosen.scenario is None:
        for provider in PROVIDERS:
            if chosen.provider in (None, provider):
                _say_recovery(provider)
    return 1 if tally.failures else 0


def _explored(cases: Sequence[tuple[Scenario, str]], workers: int) -> Tally:
    started, tally = time.monotonic(), Tally()
    # Fresh processes: a fork would take the threads of the simulator along, half alive.
    with get_context("spawn").Pool(workers) as pool:
        parts = [pool.apply_async(explore, case) for case in cases]
        for (scenario, provider), part in zip(cases, parts, strict=True):
            found = part.get()
            tally.add(found)
            _say(f"{provider:10} {scenario.name}: {found.singles} crash points, {found.pairs} pairs")
            for failure in found.failures:
                _say(f"\n{failure}\n")
    seconds = time.monotonic() - started
    counts = f"{tally.singles} crash points and {tally.pairs} pairs in {seconds:.0f} s"
    _say(f"{counts}: {len(tally.failures)} broke a promise")
    return tally


def _say_recovery(provider: str) -> None:
    found = list(recoveries(provider))
    for function in sorted({recovery.function for recovery in found}):
        some = [recovery for recovery in found if recovery.function == function]
        shares = " ".join(f"p{share:.0%} {percentile(some, share).seconds:.0f} s" for share in (0.5, 0.99, 1))
        _say(f"{provider:10} a crash of {function} ({len(some)}): final within {shares}")


def _again(scenario: Scenario, provider: str, crashes: Sequence[Strike]) -> int:
    _, problems = run(scenario, provider, crashes)
    _say(f"{provider}-like provider, {scenario.name}: {'; '.join(problems) or 'no promise is broken'}")
    return 1 if problems else 0


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
