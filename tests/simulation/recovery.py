"""How long after one crash the rows that it concerned are final, in virtual time, under the settings that ship."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil

from tests.simulation.crash_points import crash_points, name_of, run
from tests.simulation.crash_scenarios import SCENARIOS
from tests.simulation.schedule import Strike
from tests.simulation.stack import SimulatedStack, at
from usher.domain.hire import HireKey
from usher.domain.invitation import LIVE, SETTLED

PHASES = tuple(range(0, 60, 5))
"""By how many seconds the first word comes after a tick of the sweep, since it is the next tick that finds a lease at
its end, or a settle time."""


@dataclass(frozen=True, slots=True)
class Recovery:
    """One crash: which process died, and how long afterwards the last row that it concerned was final, in seconds."""

    seconds: float
    function: str
    scenario: str
    phase: int
    crash: Strike

    def __str__(self) -> str:
        return f"{self.seconds:6.1f} s  {self.function}  {self.scenario}, {self.phase} s  {name_of(self.crash)}"


def recoveries(provider: str, phases: Sequence[int] = PHASES) -> Iterator[Recovery]:
    """Give the recovery from every crash that concerned a row, in the scenarios where nothing else goes wrong."""
    for scenario in SCENARIOS:
        if not scenario.is_timed:
            continue
        for phase in phases:
            calm, _ = run(scenario, provider, phase=phase)
            for crash in crash_points(calm.steps):
                stack, problems = run(scenario, provider, (crash,), phase=phase)
                assert not problems, (scenario, crash, problems)
                seconds = recovered(stack)
                if seconds is not None:
                    function = stack.functions.get(stack.time.deaths[0][1], "sweep")
                    yield Recovery(seconds, function, scenario.name, phase, crash)


def recovered(stack: SimulatedStack) -> float | None:
    """
    Say how long after the first death the last row that it concerned was final.

    A row is concerned if it was live, or if what had been said of its hire was not planned yet; None where there is no
    such row.
    """
    if not stack.time.deaths:
        return None
    died_at, _ = stack.time.deaths[0]
    stood = {write.after.key: write.after for write in stack.store.writes if write.at <= died_at}
    concerned = [(row.key.hire, 0) for row in stood.values() if row.state in LIVE]
    for notice in stack.notices:
        hire = notice.hire
        if hire is None or notice.received_at > at(died_at):
            continue
        if all(row.key.hire != hire.key or row.hire_version < hire.version for row in stood.values()):
            concerned.append((hire.key, hire.version))
    # A hire that is taken back before it was planned has no row.
    ends = [end for one in concerned if (end := _final_at(stack, died_at, *one)) is not None]
    return max(ends) - died_at if ends else None


def _final_at(stack: SimulatedStack, died_at: float, hire: HireKey, version: int) -> float | None:
    return next(
        (
            write.at
            for write in stack.store.writes
            if write.at > died_at
            and write.after.key.hire == hire
            and write.after.hire_version >= version
            and write.after.state in SETTLED
        ),
        None,
    )


def percentile(recoveries: Sequence[Recovery], share: float) -> Recovery:
    """Give the recovery that so large a share of all is no slower than."""
    ordered = sorted(recoveries, key=lambda recovery: recovery.seconds)
    return ordered[ceil(share * len(ordered)) - 1]
