"""The provider in virtual time: what was asked of it, what it told, and whom it mailed."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from tests.fakes.ledger import AdapterBroke, Fault, Ledger, ProcessDied
from tests.simulation.schedule import Point, Trouble
from tests.simulation.virtual import Process, Time
from usher.domain.invitation import Invitation, InvitationKey
from usher.domain.outcomes import (
    Accepted,
    Finding,
    LimitedUntil,
    NotSent,
    Outcome,
    Present,
    ReadFailed,
    RefusedConnection,
    RefusedPerson,
    Standing,
)
from usher.ports import Ask, Call

if TYPE_CHECKING:
    from tests.simulation.stack import SimulatedStack


@dataclass(frozen=True, slots=True)
class Request:
    """One person in one request to the provider, and the row as the table held it then."""

    at: float
    process: int
    kind: str
    key: InvitationKey
    address: str
    row: Invitation | None


@dataclass(frozen=True, slots=True)
class Told:
    """A time that an answer told: no sooner may the connection be asked again."""

    at: float
    process: int
    connection: str
    until: datetime


@dataclass
class VirtualProvider(Ledger):
    """The provider in virtual time: requests take seconds, effects may land late, and only one secret is good."""

    stack: "SimulatedStack" = field(kw_only=True)
    requests_seen: list[Request] = field(default_factory=list)
    told: list[Told] = field(default_factory=list)
    removed: list[tuple[float, str, str]] = field(default_factory=list)
    elsewhere: set[tuple[str, str]] = field(default_factory=set)
    renewals: dict[tuple[str, str], float] = field(default_factory=dict)
    shares: tuple[float, ...] = (0.02, 0.02, 0.1, 0.5)
    """Of its budget how much a request takes."""
    refused: frozenset[str] = frozenset()
    """Addresses that it never takes; one of them spoils a request of several."""

    def invite(self, call: Call, asks: Sequence[Ask]) -> dict[InvitationKey, Outcome]:
        """Invite."""
        return self._post("invite", Point.INVITE, call, asks, self.accepted)

    def repair(self, call: Call, ask: Ask) -> Outcome:
        """Give the open parts."""
        return self._post("repair", Point.REPAIR, call, [ask], self.repaired)[ask.key]

    def resend(self, call: Call, ask: Ask) -> Outcome:
        """Renew."""
        return self._post("resend", Point.RESEND, call, [ask], self.renewed)[ask.key]

    def look_up(self, call: Call, asks: Sequence[Ask]) -> dict[InvitationKey, Finding]:
        """Look, at one moment of the call."""
        struck = self.stack.struck(Point.LOOK_UP)
        if call.seconds <= 0:
            return dict.fromkeys((ask.key for ask in asks), ReadFailed("there was no time left"))
        self._seen("look_up", asks)
        if struck is Trouble.DIES_BEFORE:
            raise ProcessDied
        self._take(call.seconds if struck is Trouble.SLOW else self._while(call))
        if struck is Trouble.DIES_AFTER:
            raise ProcessDied
        finding: Finding
        match struck:
            case Trouble.READ_BROKEN:
                raise AdapterBroke
            case Trouble.READ_FAILED:
                finding = ReadFailed("503")
            case Trouble.READ_LIMITED:
                finding = ReadFailed("429", until=self._later())
                self._told(call, [finding])
            case Trouble.READ_REFUSED:
                finding = ReadFailed("403", refused=RefusedConnection("403"))
            case _ if call.secret != self.stack.secret:
                finding = ReadFailed("401", refused=RefusedConnection("401", unauthorized=True))
            case _:
                findings = {ask.key: self.shown(call, ask) for ask in asks}
                self._take(self.stack.delay())
                return findings
        return dict.fromkeys((ask.key for ask in asks), finding)

    def accepted(self, call: Call, ask: Ask, delay: float = 0) -> Outcome:
        """Invite; how late the directory shows it differs each time."""
        self.lag = call.connection.timings.read_lag * self.stack.random.choice((0, 0.5, 1))
        outcome = super().accepted(call, ask, delay)
        entry = self.directory[call.connection.name, ask.address]
        if isinstance(outcome, Accepted) and entry.standing is Standing.EXPIRED:
            entry.standing = Standing.INVITED  # A new invitation takes the place of the one that lapsed.
        return outcome

    def renewed(self, call: Call, ask: Ask, delay: float = 0) -> Outcome:
        """Renew; the directory shows it as late as a new invitation."""
        name = (call.connection.name, ask.address)
        entry = self.directory.get(name)
        if entry is None:
            return RefusedPerson("there is nobody to invite again")
        lag = call.connection.timings.read_lag * self.stack.random.choice((0, 0.5, 1))
        self._mail(call, ask, self.clock.now() + timedelta(seconds=delay))
        self.renewals.setdefault(name, self.stack.time.now + delay + lag)
        if not delay:
            entry.standing = Standing.INVITED
        return Accepted(ask.ref, mailed=True)

    def shown(self, call: Call, ask: Ask) -> Finding:
        """Show whom the directory shows; while it is behind, it shows them or not."""
        name = (call.connection.name, ask.address)
        entry = self.directory.get(name)
        now = self.clock.now()
        if entry is not None and entry.since <= now < entry.shown_at and self.stack.random.random() < 0.3:
            return Present(f"ref-{ask.address}", entry.standing, open=entry.open, blocked=entry.blocked)
        found = super().shown(call, ask)
        if not isinstance(found, Present) or entry is None:
            return found
        standing = entry.standing
        if name in self.renewals:
            standing = Standing.INVITED if self.renewals[name] <= self.stack.time.now else Standing.EXPIRED
            if standing is Standing.INVITED:
                entry.standing = standing
        since = entry.since if self.tells_members else None
        return Present(found.ref, standing, open=found.open, since=since, blocked=found.blocked)

    def _post(
        self,
        kind: str,
        point: Point,
        call: Call,
        asks: Sequence[Ask],
        act: Callable[[Call, Ask, float], Outcome],
    ) -> dict[InvitationKey, Outcome]:
        if call.seconds <= 0:
            return dict.fromkeys((ask.key for ask in asks), NotSent("there was no time left"))
        self._seen(kind, asks)
        struck = self.stack.struck(point)
        if struck is Fault.DIES_BEFORE:
            raise ProcessDied
        late = struck in (Fault.UNKNOWN_ACTED_LATE, Fault.DIES_AFTER)
        random = self.stack.random
        # What is sent may reach the provider at the end of the budget, and lie there for all of its tail.
        taken = call.seconds if struck is Trouble.SLOW or (late and random.random() < 0.5) else self._while(call)
        self._take(taken)
        if call.secret != self.stack.secret:
            return dict.fromkeys((ask.key for ask in asks), RefusedConnection("401", unauthorized=True))
        if struck is None and not self.refused.isdisjoint(ask.address for ask in asks):
            struck = Fault.BATCH_IDLE if len(asks) > 1 else Fault.PERSON
        delay = call.connection.timings.provider_tail * random.choice((0.2, 1, 1)) if late else 0
        answer = self.answer(struck if isinstance(struck, Fault) else None, call, asks, act, delay)
        self._take((call.seconds - taken) * random.random() * 0.2)
        self._told(call, answer.values())
        return answer

    def _refusal(self, fault: Fault) -> Outcome:
        refusal = super()._refusal(fault)
        return replace(refusal, until=self._later()) if isinstance(refusal, LimitedUntil) else refusal

    def _later(self) -> datetime:
        """Give the time that a 429 tells, one after the other: soon, or long after a hold would be probed."""
        number = self.stack.schedule.seed // 2 + len(self.told)
        return self.clock.now() + timedelta(seconds=(20, 40, 300)[number % 3])

    def _told(self, call: Call, answers: Iterable[Outcome | Finding]) -> None:
        """Write down the time that a 429 tells, once the sender has it."""
        until = {answer.until for answer in answers if isinstance(answer, (LimitedUntil, ReadFailed)) and answer.until}
        self.told += [
            Told(self.stack.time.now, self._process, call.connection.name, moment) for moment in sorted(until)
        ]

    def _while(self, call: Call) -> float:
        return call.seconds * self.stack.random.choice(self.shares)

    def _take(self, seconds: float) -> None:
        self.stack.time.pause(seconds)

    def _seen(self, kind: str, asks: Sequence[Ask]) -> None:
        rows = self.stack.store.invitations([ask.key for ask in asks])
        self.requests_seen += [
            Request(self.stack.time.now, self._process, kind, ask.key, ask.address, rows.get(ask.key)) for ask in asks
        ]

    @property
    def _process(self) -> int:
        return self.stack.time.current.number if self.stack.time.current else 0


@dataclass(frozen=True, slots=True)
class ProviderClock:
    """True time."""

    time: Time

    def now(self) -> datetime:
        """Give the time."""
        return Process(0, self.time, 0, 0, 0).now()

    def monotonic(self) -> float:
        """Give seconds."""
        return self.time.now
