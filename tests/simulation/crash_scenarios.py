"""Small stories, each of a few steps, in which a process is made to die at every step."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from tests.fakes.ledger import Fault
from tests.simulation.pacing import Pacing
from tests.simulation.schedule import FIRST_DAY, Event, Kind, Point, Schedule, Strike, Trouble
from usher.domain.hire import Change, NewHire
from usher.domain.invitation import State
from usher.domain.outcomes import Standing
from usher.domain.rate import Rate

PROVIDERS = ("sentry", "atlassian")
ANN, BEN, COY = "a@example.com", "b@example.com", "c@example.com"
SHIPPED = {
    "sentry": Pacing(Rate(requests=30, per=1), invites_per_day=100),
    "atlassian": Pacing(Rate(requests=60, per=60)),
}
"""The rates and budgets of a connection that says nothing of its own."""
DURING = 8.0
"""Seconds from the first word to the middle of a POST that takes all of its time."""


def says(at: float, hire_id: str, version: int, address: str | None, **changes: object) -> Event:
    """Somebody is hired, unless `changes` say otherwise."""
    hire = NewHire(
        source="canonical",
        hire_id=hire_id,
        version=version,
        change=Change.HIRED,
        work_email=address,
        start_date=FIRST_DAY,
        department="Engineering",
    )
    return Event(at, Kind.SAYS, hire.model_copy(update=changes))


def cancels(at: float, hire_id: str, version: int) -> Event:
    """Somebody is taken back."""
    return says(at, hire_id, version, None, change=Change.CANCELLED)


HIRED = says(0, "E-1", 1, ANN)
SLOW = Strike(Point.INVITE, 0, Trouble.SLOW)


@dataclass(frozen=True, slots=True)
class Scenario:
    """
    What happens, which faults belong to the story itself, whom the provider never takes, and how its rows end.

    `is_timed`: nothing goes wrong in it but the crash, so that how long it takes to recover says something.
    `is_long`: its pairs are too many for every test run; the command tries them.
    """

    name: str
    events: tuple[Event, ...]
    faults: tuple[Strike, ...] = ()
    refused: frozenset[str] = frozenset()
    ends: tuple[State, ...] = (State.INVITED,)
    is_timed: bool = False
    is_long: bool = False

    def schedule(self, provider: str, crashes: Iterable[Strike] = (), *, seed: int = 1, phase: float = 0) -> Schedule:
        """Let processes die in it; `phase` is by how many seconds the first word comes after a tick of the sweep."""
        events = tuple(replace(event, at=event.at + phase) for event in self.events)
        return Schedule(seed, provider, events, (*self.faults, *crashes), calm_after=0, pacing=SHIPPED[provider])


SCENARIOS = (
    Scenario("a hire", (HIRED,), is_timed=True),
    Scenario(
        "three hires",
        (HIRED, says(0, "E-2", 1, BEN), says(0, "E-3", 1, COY)),
        ends=(State.INVITED,) * 3,
        is_timed=True,
    ),
    Scenario("cancelled at once", (HIRED, cancels(1.5, "E-1", 2)), ends=(State.CANCELLED,), is_timed=True),
    Scenario("another address at once", (HIRED, says(1.5, "E-1", 2, BEN)), is_timed=True),
    Scenario(
        "a rehire",
        (HIRED, cancels(30, "E-1", 2), says(60, "E-1", 3, ANN)),
        ends=(State.INVITED,) * 2,
        is_timed=True,
        is_long=True,
    ),
    Scenario("cancelled during the send", (HIRED, cancels(DURING, "E-1", 2)), (SLOW,)),
    Scenario("another address during the send", (HIRED, says(DURING, "E-1", 2, BEN)), (SLOW,)),
    Scenario("an answer is lost", (HIRED,), (Strike(Point.INVITE, 0, Fault.UNKNOWN_ACTED),)),
    Scenario("a late effect", (HIRED,), (Strike(Point.INVITE, 0, Fault.UNKNOWN_ACTED_LATE),)),
    Scenario(
        "an unknown answer, and nothing was done",
        (HIRED,),
        (Strike(Point.INVITE, 0, Fault.UNKNOWN_IDLE),),
        is_long=True,
    ),
    Scenario(
        "a rehire waits for the truth about the former hire",
        (HIRED, cancels(20, "E-1", 2), says(40, "E-1", 3, ANN)),
        (Strike(Point.INVITE, 0, Fault.UNKNOWN_ACTED),),
        ends=(State.INVITED,) * 2,
        is_long=True,
    ),
    Scenario(
        "a bad address among three",
        (HIRED, says(0, "E-2", 1, BEN), says(0, "E-3", 1, COY)),
        refused=frozenset({BEN}),
        ends=(State.INVITED, State.INVITED, State.REJECTED),
        is_long=True,
    ),
    Scenario("a part fails and is mended", (HIRED,), (Strike(Point.INVITE, 0, Fault.PARTLY),)),
    Scenario(
        "a part is refused, parked and taken up again",
        (HIRED, Event(130, Kind.TAKES_UP)),
        (Strike(Point.INVITE, 0, Fault.PARTLY), Strike(Point.REPAIR, 0, Fault.PERSON)),
        is_long=True,
    ),
    Scenario(
        "a lapsed invitation is renewed",
        (Event(0, Kind.INVITES_ELSEWHERE, address=ANN, standing=Standing.EXPIRED), says(1, "E-1", 1, ANN)),
    ),
    Scenario(
        "completed by another system",
        (says(0, "E-1", 1, None), says(30, "H-1", 2, ANN, source="hr", same_as="canonical/E-1")),
    ),
    Scenario(
        "completed by another system, and taken back by it",
        (
            says(0, "H-1", 2, None, source="hr"),
            says(20, "H-1", 3, ANN, source="hr", same_as="canonical/E-1"),
            says(40, "E-1", 1, None),
            says(60, "H-1", 4, None, source="hr", change=Change.CANCELLED),
        ),
        ends=(State.INVITED,),
        is_long=True,
    ),
    Scenario("the secret is replaced during the send", (HIRED, Event(DURING, Kind.ROTATES)), (SLOW,)),
    Scenario(
        "the connection is refused and held",
        (HIRED, says(0, "E-2", 1, BEN)),
        (Strike(Point.INVITE, 0, Fault.CONNECTION_IDLE),),
        ends=(State.INVITED,) * 2,
        is_long=True,
    ),
    Scenario("an address that comes later", (says(0, "E-1", 1, None), says(30, "E-1", 2, ANN))),
    Scenario(
        "two hires of one mailbox",
        (HIRED, says(1, "E-2", 1, ANN)),
        (Strike(Point.INVITE, 0, Fault.PERSON),),
        ends=(State.INVITED, State.REJECTED),
    ),
    Scenario(
        "an organization goes live",
        (
            says(0, "E-1", 1, ANN, department="Research"),
            Event(30, Kind.REVIEWS),
            Event(200, Kind.GOES_LIVE),
        ),
    ),
)
