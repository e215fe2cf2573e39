"""Many schedules, what they broke, and what they met on the way."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from tests.simulation.checker import check, watch
from tests.simulation.pace_promises import WAITS, paced_by
from tests.simulation.schedule import STRIKES, Kind, Schedule, drawn
from tests.simulation.stack import SimulatedStack
from usher.domain.invitation import State

FAULTS = tuple(f"{point}: {fault}" for point, faults in STRIKES.items() for fault in faults)
EVENTS = tuple(f"event: {kind}" for kind in Kind)
PACED = tuple(f"paced by: {cause}" for cause in WAITS)

_S = State
TRANSITIONS = (
    (None, _S.PENDING),
    (None, _S.PLANNED),
    (None, _S.DUPLICATE),
    (_S.PLANNED, _S.PENDING),
    (_S.PLANNED, _S.CANCELLED),
    (_S.DUPLICATE, _S.PENDING),
    (_S.DUPLICATE, _S.CANCELLED),
    (_S.PENDING, _S.PENDING),
    (_S.PENDING, _S.SENDING),
    (_S.PENDING, _S.CANCELLED),
    (_S.PENDING, _S.PARKED),
    (_S.PENDING, _S.DUPLICATE),
    (_S.SENDING, _S.SENDING),
    (_S.SENDING, _S.INVITED),
    (_S.SENDING, _S.ALREADY_MEMBER),
    (_S.SENDING, _S.REJECTED),
    (_S.SENDING, _S.PENDING),
    (_S.SENDING, _S.AMBIGUOUS),
    (_S.SENDING, _S.PARKED),
    (_S.AMBIGUOUS, _S.AMBIGUOUS),
    (_S.AMBIGUOUS, _S.INVITED),
    (_S.AMBIGUOUS, _S.PENDING),
    (_S.AMBIGUOUS, _S.PARKED),
    (_S.PARKED, _S.PENDING),
    (_S.PARKED, _S.AMBIGUOUS),
    (_S.PARKED, _S.CANCELLED),
    (_S.CANCELLED, _S.PENDING),
    (_S.REJECTED, _S.PENDING),
)
"""The edges of the state machine (design, section 4) that every campaign must take."""


def edge(before: State | None, after: State) -> str:
    """Name an edge."""
    return f"row: {before or 'nothing'} to {after}"


@dataclass(frozen=True, slots=True)
class Failure:
    """A schedule that broke promises, and the least of it that still breaks the first."""

    schedule: Schedule
    problems: tuple[str, ...]
    least: Schedule

    def __str__(self) -> str:
        kept = ",".join(map(str, self.least.kept or ()))
        rerun = f"python -m tests.simulation 1 --seed {self.schedule.seed}"
        return "\n".join(
            [
                f"seed {self.schedule.seed}: {'; '.join(self.problems)}",
                str(self.least),
                f"run it again: {rerun}",
                f"only the shrunk one: {rerun} --keep {kept}" if self.least.kept is not None else "",
            ]
        )


@dataclass(slots=True)
class Report:
    """What a campaign met."""

    schedules: int = 0
    met: Counter[str] = field(default_factory=Counter)
    failures: list[Failure] = field(default_factory=list)

    def add(self, other: "Report") -> None:
        """Take another part of the same campaign in."""
        self.schedules += other.schedules
        self.met += other.met
        self.failures += other.failures

    def missing(self, least: int) -> dict[str, int]:
        """Name what was met less often than it must be for the campaign to mean anything."""
        names = [*FAULTS, *EVENTS, *PACED, *(edge(*pair) for pair in TRANSITIONS)]
        return {name: self.met[name] for name in names if self.met[name] < least}


def problems_of(schedule: Schedule, met: Counter[str] | None = None) -> list[str]:
    """Run a schedule and check it; `met` counts what it went through."""
    stack = SimulatedStack(schedule)
    broken = watch(stack.store)
    stack.run()
    if met is not None:
        met += stack.fired
        for write in stack.store.writes:
            met[edge(write.before.state if write.before else None, write.after.state)] += 1
            if (cause := paced_by(write)) is not None:
                met[f"paced by: {cause}"] += 1
    return check(stack, broken)


def shrunk(schedule: Schedule, problem: str) -> Schedule:
    """Drop events and faults as long as the same promise breaks."""
    least = schedule.keeping(tuple(range(len(schedule))))
    numbers = list(least.kept or ())
    dropped = True
    while dropped:
        dropped = False
        for number in tuple(numbers):
            fewer = tuple(other for other in numbers if other != number)
            if problem in problems_of(schedule.keeping(fewer)):
                numbers.remove(number)
                dropped = True
    return schedule.keeping(tuple(numbers))


def campaign(seeds: Iterable[int], *, most_failures: int = 3) -> Report:
    """Run the schedules of these seeds; stops after so many failures."""
    report = Report()
    for seed in seeds:
        schedule = drawn(seed)
        report.schedules += 1
        problems = problems_of(schedule, report.met)
        if problems:
            report.failures.append(Failure(schedule, tuple(problems), shrunk(schedule, problems[0])))
            if len(report.failures) >= most_failures:
                break
    return report
