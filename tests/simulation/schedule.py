"""What a schedule is: events that happen, faults that strike, all drawn from one seed and all droppable."""

from dataclasses import dataclass, replace
from datetime import date, timedelta
from enum import StrEnum
from random import Random

from tests.fakes.ledger import ACTING, Fault
from tests.simulation.pacing import FREE, Pacing, paced
from usher.domain.hire import Change, NewHire
from usher.domain.outcomes import Standing

MAILBOXES = ("a@example.com", "b@example.com", "c@example.com")
FIRST_DAY = date(2026, 9, 14)
WINDOW = 900.0
"""Seconds within which all events happen."""


class Kind(StrEnum):
    """An event."""

    SAYS = "a source says something of a person"
    ROTATES = "the secret is replaced"
    REVIEWS = "a new policy is deployed, and old code runs on for a while"
    GOES_LIVE = "an operator lets planned rows go live"
    TAKES_UP = "an operator takes parked rows up again"
    APPROVES = "an operator approves a mass of invitations"
    INVITES_ELSEWHERE = "somebody else invites a person"
    REMOVES = "a person removes the access of those who left"
    SUSPENDS = "the provider suspends a person"


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happens at a time, in seconds."""

    at: float
    kind: Kind
    hire: NewHire | None = None
    address: str = ""
    standing: Standing = Standing.INVITED

    def __str__(self) -> str:
        text = f"{self.at:6.1f} s  {self.kind}"
        if self.hire is not None:
            said = self.hire
            text += f": {said.hire_id} v{said.version} {said.change}, {said.work_email}, {said.department}"
            text += f", starts {said.start_date}"
        return text + (f": {self.address} ({self.standing})" if self.address else "")


class Trouble(StrEnum):
    """What may strike a step of our own, beside the provider's faults."""

    DIES_BEFORE = "the process dies before it"
    DIES_AFTER = "the process dies after it"
    DIES_AFTER_FIRST = "the process dies after the first of its rows"
    DIES_BEFORE_LAST = "the process dies before the last of its rows"
    NO_ANSWER = "it does nothing and nobody knows"
    LOST_ANSWER = "it is done and nobody knows"
    TRIED_TWICE = "the client tries it twice"
    SLOW = "it takes very long"
    DROPPED = "the message is lost"
    DOUBLED = "it comes twice"
    LATE = "it comes late"
    REFUSED = "the queue takes nothing"
    STALE = "the index is behind"
    READ_FAILED = "the directory does not answer"
    READ_LIMITED = "the directory names a time"
    READ_REFUSED = "the directory refuses the connection"
    READ_BROKEN = "the adapter breaks"


class Point(StrEnum):
    """Where a fault strikes."""

    READ = "table read"
    DUE = "due index"
    CLAIM = "claim"
    RECORD = "record of an attempt"
    SETTLE = "record of a read"
    COMMIT = "commit of a plan"
    NOTICE = "write of a notice"
    HOLD = "write of a hold"
    PACE = "write of rates and budgets"
    SECRET = "secret"
    INVITE = "invite"
    REPAIR = "repair"
    RESEND = "resend"
    LOOK_UP = "look up"
    ANNOUNCE = "notice on its queue"
    WAKE = "wake-up on its queue"
    TICK = "tick of the sweep"


_LIFE = (Trouble.DIES_BEFORE, Trouble.DIES_AFTER, Trouble.SLOW)
_WRITE = (*_LIFE, Trouble.NO_ANSWER, Trouble.LOST_ANSWER, Trouble.TRIED_TWICE)
_POST = tuple(fault for fault in Fault if fault is not Fault.UNAUTHORIZED)
_ONE = tuple(fault for fault in _POST if fault not in (Fault.BATCH_ACTED, Fault.BATCH_IDLE, Fault.PARTLY))

STRIKES: dict[Point, tuple[Trouble | Fault, ...]] = {
    Point.READ: (Trouble.NO_ANSWER, Trouble.SLOW, Trouble.DIES_BEFORE),
    Point.DUE: (Trouble.STALE, Trouble.NO_ANSWER),
    Point.CLAIM: _WRITE,
    Point.RECORD: _WRITE,
    Point.SETTLE: _WRITE,
    Point.COMMIT: _WRITE,
    Point.NOTICE: _WRITE,
    Point.HOLD: (*_LIFE, Trouble.NO_ANSWER, Trouble.LOST_ANSWER),
    Point.PACE: (*_LIFE, Trouble.NO_ANSWER, Trouble.LOST_ANSWER),
    Point.SECRET: (Trouble.NO_ANSWER,),
    Point.INVITE: (*_POST, Trouble.SLOW),
    Point.REPAIR: _ONE,
    Point.RESEND: _ONE,
    Point.LOOK_UP: (
        Trouble.READ_FAILED,
        Trouble.READ_LIMITED,
        Trouble.READ_REFUSED,
        Trouble.READ_BROKEN,
        Trouble.SLOW,
        Trouble.DIES_BEFORE,
    ),
    Point.ANNOUNCE: (Trouble.DOUBLED, Trouble.LATE, Trouble.DIES_AFTER),
    Point.WAKE: (Trouble.DROPPED, Trouble.DOUBLED, Trouble.LATE, Trouble.REFUSED),
    Point.TICK: (Trouble.DROPPED, Trouble.DOUBLED),
}
"""Every fault class there is: a kind of fault at a kind of step."""

_WEIGHTS = {
    Point.INVITE: 30,
    Point.LOOK_UP: 8,
    Point.CLAIM: 8,
    Point.RECORD: 10,
    Point.SETTLE: 6,
    Point.COMMIT: 6,
    Point.NOTICE: 9,
    Point.HOLD: 6,
    Point.WAKE: 6,
}


@dataclass(frozen=True, slots=True)
class Visit:
    """The n-th step of a kind (from 0), as a run has taken it, and how many rows it wrote at once."""

    point: Point
    nth: int
    rows: int


@dataclass(frozen=True, slots=True)
class Strike:
    """The n-th step of a kind (from 0) meets a fault."""

    point: Point
    nth: int
    fault: Trouble | Fault

    def __str__(self) -> str:
        return f"{self.point} number {self.nth}: {self.fault}"


@dataclass(frozen=True, slots=True)
class Schedule:
    """One run: the seed also draws delays and clocks on the way."""

    seed: int
    provider: str
    events: tuple[Event, ...]
    strikes: tuple[Strike, ...]
    calm_after: float = 300.0
    """Seconds after the last event when faults end."""
    pacing: Pacing = FREE
    kept: tuple[int, ...] | None = None
    """Which of the seed's events and strikes are left after shrinking; None for all."""

    def __len__(self) -> int:
        return len(self.events) + len(self.strikes)

    def keeping(self, numbers: tuple[int, ...]) -> "Schedule":
        """Leave out all events and strikes but those of these numbers."""
        count = len(self.events)
        return replace(
            self,
            events=tuple(event for number, event in enumerate(self.events) if number in numbers),
            strikes=tuple(strike for number, strike in enumerate(self.strikes, count) if number in numbers),
            kept=numbers,
        )

    def __str__(self) -> str:
        lines = [f"seed {self.seed}, {self.provider}-like provider, {self.pacing}"]
        return "\n".join(lines + [f"  {event}" for event in self.events] + [f"  {strike}" for strike in self.strikes])


class Theme(StrEnum):
    """What a schedule is mostly about; what needs several things at once would else hardly ever happen."""

    MIXED = "anything"
    HURRY = "much within seconds"
    RETURN = "one person is hired, taken back and hired again"
    LABS = "an organization goes live"
    OUTAGE = "the directory is down for long"
    REFUSAL = "people are refused, in part or for a time"
    REPAIR = "parts fail, invitations lapse, and mending them fails as well"
    CROWD = "more people at once than rate, budget and guard let go"


_SPAN = {Theme.HURRY: 20.0, Theme.RETURN: 200.0, Theme.REPAIR: 300.0, Theme.CROWD: 20.0}
_ACTED = tuple(fault for fault in Fault if fault in ACTING)
_REFUSALS = (
    Fault.PERSON,
    Fault.PERSON,
    Fault.GRANT_IDLE,
    Fault.LIMIT_IDLE,
    Fault.NOT_SENT,
    Fault.CONNECTION_IDLE,
    Trouble.SLOW,
)


def drawn(seed: int) -> Schedule:
    """Draw a schedule; even seeds meet a Sentry-like provider, odd ones an Atlassian-like one."""
    random = Random(seed)  # noqa: S311 - schedules must be repeatable, not secret.
    theme = random.choices(tuple(Theme), (6, 2, 3, 1, 2, 3, 4, 2))[0]
    span = _SPAN.get(theme, WINDOW)
    count = random.randint(6, 14) if theme is Theme.CROWD else random.randint(2, 11)
    moments = sorted(round(random.uniform(0, span) * random.choice((0.1, 0.5, 1)), 1) for _ in range(count))
    people = _People(random, theme)
    events = [_event(random, theme, moment, people) for moment in moments]
    if theme is Theme.REPAIR and random.random() < 0.5:
        address = random.choice(MAILBOXES)
        events.insert(0, Event(0, Kind.INVITES_ELSEWHERE, address=address, standing=Standing.EXPIRED))
    if events[0].kind is not Kind.SAYS:
        events.insert(0, people.says(0))
    strikes = [_strike(random) for _ in range(random.randint(0, 9))] + _fitting(random, theme)
    provider = "atlassian" if seed % 2 else "sentry"
    # Of two at the same step the later one counts.
    return Schedule(
        seed,
        provider,
        tuple(events),
        tuple({(strike.point, strike.nth): strike for strike in strikes}.values()),
        # A rehire that waits is planned again after a quarter of an hour, and that is to be struck as well.
        1300.0 if theme is Theme.RETURN else 300.0,
        paced(random, provider, crowd=theme is Theme.CROWD),
    )


def _event(random: Random, theme: Theme, at: float, people: "_People") -> Event:
    kinds = {
        Kind.SAYS: 70 if theme is Theme.CROWD else 14,
        Kind.ROTATES: 1,
        Kind.REVIEWS: 4 if theme is Theme.LABS else 2,
        Kind.GOES_LIVE: 4 if theme is Theme.LABS else 1,
        Kind.TAKES_UP: 4 if theme in (Theme.OUTAGE, Theme.REFUSAL) else 1,
        Kind.APPROVES: 6 if theme is Theme.CROWD else 0.3,
        Kind.INVITES_ELSEWHERE: 2,
        Kind.REMOVES: 2,
        Kind.SUSPENDS: 1,
    }
    kind = random.choices(tuple(kinds), tuple(kinds.values()))[0]
    if kind is Kind.SAYS:
        return people.says(at)
    if kind is Kind.INVITES_ELSEWHERE:
        return Event(at, kind, address=random.choice(MAILBOXES), standing=random.choice(tuple(Standing)))
    return Event(at, kind, address=random.choice(MAILBOXES) if kind is Kind.SUSPENDS else "")


class _People:
    """Who is spoken of: each word about a person has a version of its own."""

    def __init__(self, random: Random, theme: Theme) -> None:
        self._random = random
        self._theme = theme
        most = 10 if theme is Theme.CROWD else 1 if theme is Theme.RETURN else random.randint(1, 3)
        self._names = [f"E-{number}" for number in range(1, most + 1)]
        self._versions = dict.fromkeys(self._names, 0)
        self._departments = (2, 12, 1, 1) if theme is Theme.LABS else (12, 2, 2, 1)

    def says(self, at: float) -> Event:
        """Say something of somebody."""
        random = self._random
        # Of a crowd each comes once before anybody comes again.
        fewest = min(self._versions.values()) if self._theme is Theme.CROWD else None
        hire_id = random.choice([name for name, said in self._versions.items() if fewest in (None, said)])
        self._versions[hire_id] += 1
        back = 4 if self._theme is Theme.RETURN else 0.4 if self._theme is Theme.CROWD else 2
        change = random.choices(tuple(Change), (5, 1, back))[0]
        mailboxes: tuple[str | None, ...] = (*MAILBOXES, "ann@other.org", None)
        weights: tuple[int, ...] = (30, 1, 1, 1, 1) if self._theme is Theme.RETURN else (8, 6, 4, 1, 1)
        days = (0, 0, 0, 30)
        if self._theme is Theme.CROWD:
            # Each has a mailbox of their own, and some start so soon that the budget keeps room for them.
            mailboxes, weights, days = (f"{hire_id.lower()}@example.com",), (1,), (0, 0, 30, -5)
        hire = NewHire(
            source="canonical",
            hire_id=hire_id,
            version=self._versions[hire_id],
            change=change,
            work_email=None if change is Change.CANCELLED else random.choices(mailboxes, weights)[0],
            start_date=FIRST_DAY + timedelta(days=random.choice(days)),
            department=random.choices(("Engineering", "Research", "Sales", "Kitchen"), self._departments)[0],
        )
        return Event(at, Kind.SAYS, hire)


def _fitting(random: Random, theme: Theme) -> list[Strike]:
    """Draw the faults that a theme is about."""
    match theme:
        case Theme.OUTAGE:
            posts = [Strike(Point.INVITE, nth, random.choice(_ACTED)) for nth in range(2)]
            return posts + [Strike(Point.LOOK_UP, nth, Trouble.READ_FAILED) for nth in range(random.randint(6, 14))]
        case Theme.REFUSAL | Theme.HURRY:
            return [Strike(Point.INVITE, nth, random.choice(_REFUSALS)) for nth in range(4) if random.random() < 0.7]
        case Theme.RETURN if random.random() < 0.8:
            lost = (Trouble.DIES_BEFORE, Trouble.NO_ANSWER)
            first = random.randint(2, 6)
            # The first attempt stays unsettled for long, so that the person comes back meanwhile.
            return [
                Strike(Point.INVITE, 0, random.choice((*_ACTED, Fault.UNKNOWN_IDLE))),
                *(Strike(Point.COMMIT, first + number, random.choice(lost)) for number in range(random.randint(0, 2))),
            ]
        case Theme.CROWD if random.random() < 0.5:
            # Several senders are told to wait, or find out otherwise that they must.
            limits = (Fault.LIMIT_IDLE, Fault.LIMIT_ACTED)
            told = [
                Strike(Point.INVITE, random.randint(0, 5), random.choice(limits)) for _ in range(random.randint(1, 3))
            ]
            return [*told, Strike(Point.SECRET, random.randint(0, 4), Trouble.NO_ANSWER)]
        case Theme.REPAIR:
            parts = [Strike(Point.INVITE, nth, Fault.PARTLY) for nth in range(3) if random.random() < 0.7]
            points = (Point.REPAIR, Point.REPAIR, Point.RESEND, Point.RESEND)
            return parts + [_strike_at(random, point, random.randint(0, 1)) for point in points]
    return []


def _strike(random: Random) -> Strike:
    point = random.choices(tuple(Point), [_WEIGHTS.get(point, 3) for point in Point])[0]
    nth = random.randint(0, 20) if point is Point.READ else int(random.triangular(0, 6, 0))
    return _strike_at(random, point, nth)


def _strike_at(random: Random, point: Point, nth: int) -> Strike:
    return Strike(point, nth, random.choice(STRIKES[point]))
