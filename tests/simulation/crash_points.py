"""
Every crash point of small stories, singly and in pairs.

The process that takes a step dies before it or after it, or in the middle of a batch of writes; then the story goes on
under the settings that ship. Steps are counted in the run that results, so the second crash may strike what only the
first has brought about.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from tests.fakes.ledger import Fault
from tests.simulation.checker import check, watch
from tests.simulation.crash_scenarios import Scenario
from tests.simulation.schedule import Point, Schedule, Strike, Trouble, Visit
from tests.simulation.stack import MOST_TICKS, SimulatedStack
from tests.simulation.virtual import START
from usher.domain.hold import HoldRules
from usher.domain.invitation import InvitationKey, Limits
from usher.domain.messages import SendingWakeUp

_BOTH = (Trouble.DIES_BEFORE, Trouble.DIES_AFTER)
_POST = (Fault.DIES_BEFORE, Fault.DIES_AFTER)
_DEATHS: Mapping[Point, tuple[Trouble | Fault, ...]] = {
    Point.INVITE: _POST,
    Point.REPAIR: _POST,
    Point.RESEND: _POST,
    Point.ANNOUNCE: (Trouble.DIES_AFTER,),
    Point.TICK: (Trouble.DROPPED,),
}
"""How a process dies at a step where it is not simply before or after it: a message, or a tick, whose process dies
before its first step is the same as one whose process dies before it reads."""

READS = frozenset({Point.READ, Point.DUE, Point.SECRET, Point.LOOK_UP})
"""Steps that change nothing: to die next to one is to die before the next step of the process that changes something,
or after its last one. Where there is no such step, all that dying does is that a message comes once more."""

QUICK = (0.02, 0.05, 0.1)
"""Of its budget of 13 s how much a request takes where nothing else goes wrong."""
MOST_FAILURES = 3


class ShippedStack(SimulatedStack):
    """
    A stack with the settings that ship, and with a tick each minute for as long as anything is under way.

    What ships: `usher.config` for limits and holds; the template for time-outs, for how long a queue hides a message
    that was not dealt with, for the window in which wake-ups are gathered, and for the sweep.
    """

    limits = Limits()
    hold_rules = HoldRules()
    visibility: ClassVar[Mapping[str, float]] = {"plan_invites": 180.0, "send_invites": 362.0}
    window = 2.0
    hours = 2
    """The second crash may strike the sweep of the first hour."""

    def __init__(self, schedule: Schedule) -> None:
        super().__init__(schedule)
        self._gathered: list[InvitationKey] = []

    def deliver(self, function: str, body: str, *, after: float, tries: int = 0) -> None:
        """Bring a message to its function; wake-ups that come within one window come together."""
        if function != "send_invites" or tries:
            super().deliver(function, body, after=after, tries=tries)
            return
        if not self._gathered:
            self.time.at(self.time.now + after + self.window, self._hand_over)
        self._gathered += SendingWakeUp.keys_in(body)

    def _hand_over(self) -> None:
        together, self._gathered = list(dict.fromkeys(self._gathered)), []
        super().deliver("send_invites", SendingWakeUp.of(together).model_dump_json(), after=0)

    def _calm(self) -> None:
        """Keep the crashes: the second of a pair may strike long after the last event."""

    def _quiet(self) -> None:
        for _ in range(MOST_TICKS):
            due = self.store.live
            if self.time.faults or not (due or self._under_way or not self.time.is_empty):
                return
            soonest = (min(due) - START).total_seconds() if due else 0
            # A tick that finds nothing changes nothing.
            if due and soonest <= self.time.now + self.skew:
                self._tick()
            if self.time.is_empty:
                self.time.now = max(self.time.now, (soonest - self.skew) // 60 * 60)
            self.time.run(self.time.now // 60 * 60 + 60)
        self.stuck = f"not quiet after {MOST_TICKS} ticks"


@dataclass(frozen=True, slots=True)
class Failure:
    """Crashes of a scenario that broke promises."""

    scenario: str
    provider: str
    crashes: tuple[Strike, ...]
    problems: tuple[str, ...]

    def __str__(self) -> str:
        crashes = " ".join(f"--crash {name_of(crash)}" for crash in self.crashes)
        again = f"--scenario '{self.scenario}' --provider {self.provider} {crashes}"
        return "\n".join(
            [
                f"{self.provider}-like provider, {self.scenario}: {'; '.join(self.problems)}",
                *(f"  {crash}" for crash in self.crashes),
                f"run it again: python -m tests.simulation.crashes {again}",
            ]
        )


@dataclass(slots=True)
class Tally:
    """How many crash points were tried, and which broke a promise."""

    singles: int = 0
    pairs: int = 0
    failures: list[Failure] = field(default_factory=list)

    def add(self, other: "Tally") -> None:
        """Take another part in."""
        self.singles += other.singles
        self.pairs += other.pairs
        self.failures += other.failures


def name_of(crash: Strike) -> str:
    """Name a crash as the command takes it."""
    return f"{crash.point.name}:{crash.nth}:{crash.fault.name}"


def parsed(name: str) -> Strike:
    """Read what `name_of` wrote; raises ValueError."""
    _, nth, _ = name.split(":")
    (crash,) = (
        crash for point in Point for crash in crash_points([Visit(point, int(nth), 3)]) if name_of(crash) == name
    )
    return crash


def run(
    scenario: Scenario, provider: str, crashes: Iterable[Strike] = (), *, phase: float = 0
) -> tuple[SimulatedStack, list[str]]:
    """Run a scenario with these crashes; gives what it broke as well."""
    stack = ShippedStack(scenario.schedule(provider, crashes, phase=phase))
    stack.provider.refused = scenario.refused
    if scenario.is_timed:
        stack.provider.shares = QUICK
    broken = watch(stack.store)
    stack.run()
    return stack, check(stack, broken)


def crash_points(steps: Sequence[Visit], *, reads: bool = True) -> Iterator[Strike]:
    """Give every way in which a process may die at these steps."""
    for step in steps:
        if step.point in READS and not reads:
            continue
        for death in _DEATHS.get(step.point, _BOTH):
            yield Strike(step.point, step.nth, death)
        if step.rows > 1:
            yield Strike(step.point, step.nth, Trouble.DIES_AFTER_FIRST)
        if step.rows > 2:
            yield Strike(step.point, step.nth, Trouble.DIES_BEFORE_LAST)


def steps_after(steps: Sequence[Visit], crash: Strike) -> Sequence[Visit]:
    """Give the steps that a run has taken after the one that the crash struck."""
    first = next(number for number, step in enumerate(steps) if (step.point, step.nth) == (crash.point, crash.nth))
    return steps[first + 1 :]


def explore(scenario: Scenario, provider: str, *, pairs: bool = True, reads: bool = True) -> Tally:
    """
    Try every crash point of a scenario at a provider, and every pair of them where `pairs` says so.

    Without `reads` pairs leave out the steps that only read, since to die next to another comes to the same (`READS`).
    """
    tally = Tally()

    def tried(*crashes: Strike) -> Sequence[Visit]:
        stack, problems = run(scenario, provider, crashes)
        if problems:
            tally.failures.append(Failure(scenario.name, provider, crashes, tuple(problems)))
        return stack.steps

    for first in crash_points(tried()):
        steps = tried(first)
        tally.singles += 1
        if not pairs or (first.point in READS and not reads):
            continue
        for second in crash_points(steps_after(steps, first), reads=reads):
            if len(tally.failures) >= MOST_FAILURES:
                return tally
            tried(first, second)
            tally.pairs += 1
    return tally
