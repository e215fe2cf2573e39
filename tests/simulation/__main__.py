"""Run schedules: `python -m tests.simulation 100000 [--seed 0] [--keep 0,3]`."""

import argparse
import os
import sys
import time
from collections.abc import Sequence
from multiprocessing import get_context

from tests.simulation.campaign import Report, campaign, problems_of
from tests.simulation.schedule import drawn

SHARE = 500
"""Schedules that one worker runs before it reports."""
LEAST = 5
LEAST_AT_NIGHT = 100
NIGHT = 100_000
"""From so many schedules on, every fault and every transition must be met a hundred times."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Give 0 where no promise was broken and enough was met; else print every failure with its seed."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("schedules", type=int, help="how many schedules to run")
    parser.add_argument("--seed", type=int, default=0, help="the first seed")
    parser.add_argument("--keep", help="run one schedule with these events and faults alone")
    parser.add_argument("--workers", type=int, default=os.process_cpu_count() or 1)
    chosen = parser.parse_args(arguments)
    if chosen.keep is not None:
        return _one(chosen.seed, tuple(int(number) for number in chosen.keep.split(",") if number))
    started = time.monotonic()
    report = _campaign(chosen.seed, chosen.schedules, chosen.workers)
    for failure in report.failures:
        _say(f"{failure}\n")
    least = LEAST_AT_NIGHT if chosen.schedules >= NIGHT else LEAST
    # A few schedules cannot meet everything.
    missing = report.missing(least) if chosen.schedules > SHARE else {}
    seconds = time.monotonic() - started
    _say(f"{report.schedules} schedules in {seconds:.0f} s: {len(report.failures)} broke a promise")
    for name, times in missing.items():
        _say(f"met {times} times, of {least} that are asked for: {name}")
    return 1 if report.failures or missing else 0


def _campaign(seed: int, schedules: int, workers: int) -> Report:
    ends = seed + schedules
    shares = [range(start, min(start + SHARE, ends)) for start in range(seed, ends, SHARE)]
    report = Report()
    if workers == 1 or len(shares) == 1:
        for share in shares:
            report.add(campaign(share))
        return report
    # Fresh processes: a fork would take the threads of the simulator along, half alive.
    with get_context("spawn").Pool(workers) as pool:
        for part in pool.imap_unordered(campaign, shares):
            report.add(part)
    return report


def _one(seed: int, kept: tuple[int, ...]) -> int:
    schedule = drawn(seed).keeping(kept)
    problems = problems_of(schedule)
    _say(str(schedule))
    _say("; ".join(problems) or "no promise is broken")
    return 1 if problems else 0


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    sys.exit(main())
