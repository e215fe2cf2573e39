"""A provider that keeps a ledger of mails, shows people late in its directory, and fails as it is told to."""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from tests.fakes.provider import FakeProvider
from usher.domain.invitation import InvitationKey
from usher.domain.outcomes import (
    Absent,
    Accepted,
    AlreadyInvited,
    Ambiguous,
    Finding,
    LimitedUntil,
    NotSent,
    Outcome,
    Part,
    PartlyAccepted,
    Present,
    RefusedBatch,
    RefusedConnection,
    RefusedGrant,
    RefusedPerson,
    Standing,
)
from usher.domain.policy import Timings
from usher.ports import Ask, Call, Clock

ATLASSIAN_LIKE = Timings(settle=180, absent_reads=2, read_gap=40, provider_tail=60, read_lag=120)
SENTRY_LIKE = Timings(settle=90, absent_reads=1, provider_tail=60, read_lag=5)
A_PART = Part("team", "platform")
A_LIMIT = timedelta(seconds=20)


class Fault(StrEnum):
    """What may go wrong with a POST; `acted` says that the provider did its work all the same."""

    UNKNOWN_ACTED = "unknown, acted"
    UNKNOWN_ACTED_LATE = "unknown, acts after the provider's tail"
    UNKNOWN_IDLE = "unknown, did nothing"
    BROKEN_ACTED = "acted, and the adapter broke"
    LIMIT_ACTED = "limited, acted"
    LIMIT_IDLE = "limited"
    BATCH_ACTED = "whole request refused, acted"
    BATCH_IDLE = "whole request refused"
    GRANT_ACTED = "grant refused, acted"
    GRANT_IDLE = "grant refused"
    CONNECTION_ACTED = "connection refused, acted"
    CONNECTION_IDLE = "connection refused"
    UNAUTHORIZED = "secret refused"
    PERSON = "person refused"
    NOT_SENT = "not sent"
    PARTLY = "a part failed"
    DIES_BEFORE = "the process dies before the POST"
    DIES_AFTER = "the process dies after the POST"


ACTING = frozenset(fault for fault in Fault if fault.name.endswith(("_ACTED", "_LATE", "_AFTER")))


class ProcessDied(BaseException):
    """The platform ended the process; nothing may catch this but who started it."""


class AdapterBroke(RuntimeError):
    """A fault of an adapter's own."""


@dataclass(frozen=True, slots=True)
class Mail:
    """One invitation mail: for which invitation, to whom, when."""

    key: InvitationKey
    connection: str
    address: str
    at: datetime


@dataclass(slots=True)
class Entry:
    """What the provider has of one person. It acts at `since`, and its directory shows it from `shown_at` on."""

    since: datetime
    shown_at: datetime
    standing: Standing = Standing.INVITED
    open: tuple[Part, ...] = ()
    blocked: str | None = None


@dataclass
class Ledger(FakeProvider):
    """
    Keeps a mail for every POST that it accepts.

    `mails_again`: it accepts and mails a person whom it has already (Atlassian-like); else it says so (Sentry-like).
    `lag` and `tail` in seconds. `during` is run once, in the middle of the next POST.
    """

    clock: Clock = field(kw_only=True)
    mails_again: bool = True
    lag: float = 0
    tail: float = 0
    faults: deque[Fault] = field(default_factory=deque)
    ledger: list[Mail] = field(default_factory=list)
    directory: dict[tuple[str, str], Entry] = field(default_factory=dict)
    during: Callable[[], None] | None = None

    @classmethod
    def like_atlassian(cls, clock: Clock, lag: float = 110) -> "Ledger":
        """Invite in batches, know no members, show people late."""
        return cls(
            name="atlassian", batch_size=25, tells_members=False, timings=ATLASSIAN_LIKE, clock=clock, lag=lag, tail=55
        )

    @classmethod
    def like_sentry(cls, clock: Clock, lag: float = 4) -> "Ledger":
        """Invite one by one, and tell who is there."""
        return cls(name="sentry", timings=SENTRY_LIKE, clock=clock, lag=lag, tail=55, mails_again=False)

    def has(self, connection: str, address: str) -> bool:
        """Say whether the person is there, shown or not."""
        return (connection, address) in self.directory

    def invite(self, call: Call, asks: Sequence[Ask]) -> dict[InvitationKey, Outcome]:
        """Invite, or fail as told."""
        self._note("invite", call, asks)
        return self._answered(call, asks, self.accepted)

    def repair(self, call: Call, ask: Ask) -> Outcome:
        """Give the open parts, or fail as told."""
        self._note("repair", call, [ask])
        return self._answered(call, [ask], self.repaired)[ask.key]

    def resend(self, call: Call, ask: Ask) -> Outcome:
        """Renew, or fail as told."""
        self._note("resend", call, [ask])
        return self._answered(call, [ask], self.renewed)[ask.key]

    def look_up(self, call: Call, asks: Sequence[Ask]) -> dict[InvitationKey, Finding]:
        """Show whom the directory shows by now, or what a test wants seen."""
        self._note("look_up", call, asks)
        if self.findings:
            finding = self.findings.popleft()
            return {ask.key: finding for ask in asks}
        return {ask.key: self.shown(call, ask) for ask in asks}

    def accepted(self, call: Call, ask: Ask, delay: float = 0) -> Outcome:
        """Invite one person, to take effect after so many seconds."""
        now = self.clock.now()
        entry = self.directory.get((call.connection.name, ask.address))
        if entry is not None and entry.since <= now and not self.mails_again:
            return AlreadyInvited(_ref(ask), expired=entry.standing is Standing.EXPIRED)
        since = now + timedelta(seconds=delay)
        self._mail(call, ask, since)
        if entry is None:
            shown_at = since + timedelta(seconds=self.lag)
            self.directory[call.connection.name, ask.address] = Entry(since, shown_at)
        return Accepted(_ref(ask), mailed=True)

    def repaired(self, call: Call, ask: Ask, delay: float = 0) -> Outcome:
        """Give one person the open parts."""
        entry = self.directory.get((call.connection.name, ask.address))
        if entry is None:
            return RefusedPerson("there is nobody to repair")
        entry.open = ()
        return Accepted(ask.ref, mailed=False)

    def renewed(self, call: Call, ask: Ask, delay: float = 0) -> Outcome:
        """Renew one person's invitation, which mails it again."""
        entry = self.directory.get((call.connection.name, ask.address))
        if entry is None:
            return RefusedPerson("there is nobody to invite again")
        entry.standing = Standing.INVITED
        self._mail(call, ask, self.clock.now() + timedelta(seconds=delay))
        return Accepted(ask.ref, mailed=True)

    def shown(self, call: Call, ask: Ask) -> Finding:
        """Say how the directory shows one person."""
        entry = self.directory.get((call.connection.name, ask.address))
        if entry is None or entry.shown_at > self.clock.now():
            return Absent()
        return Present(_ref(ask), entry.standing, open=entry.open, blocked=entry.blocked)

    def _mail(self, call: Call, ask: Ask, at: datetime) -> None:
        self.mails.append(ask.address)
        self.ledger.append(Mail(ask.key, call.connection.name, ask.address, at))

    def _answered(
        self, call: Call, asks: Sequence[Ask], act: Callable[[Call, Ask, float], Outcome]
    ) -> dict[InvitationKey, Outcome]:
        fault = self.faults.popleft() if self.faults else None
        if self.during is not None:
            during, self.during = self.during, None
            during()
        return self.answer(fault, call, asks, act)

    def answer(
        self,
        fault: Fault | None,
        call: Call,
        asks: Sequence[Ask],
        act: Callable[[Call, Ask, float], Outcome],
        delay: float = 0,
    ) -> dict[InvitationKey, Outcome]:
        """Act where the fault lets it, and answer as the fault wants; `delay` is until a late effect, in seconds."""
        if fault is Fault.UNKNOWN_ACTED_LATE:
            delay = delay or self.tail
        alone = len(asks) == 1
        if fault in (None, Fault.PARTLY) or (fault in ACTING and not (fault is Fault.BATCH_ACTED and alone)):
            acted = {ask.key: act(call, ask, delay) for ask in asks}
        match fault:
            case None:
                return acted
            case Fault.PARTLY:
                return {ask.key: self._in_part(call, ask, acted[ask.key]) for ask in asks}
            case Fault.DIES_BEFORE | Fault.DIES_AFTER:
                raise ProcessDied
            case Fault.BROKEN_ACTED:
                raise AdapterBroke
            case _:
                return {ask.key: self._refusal(fault) for ask in asks}

    def _in_part(self, call: Call, ask: Ask, outcome: Outcome) -> Outcome:
        if not isinstance(outcome, Accepted):
            return outcome
        self.directory[call.connection.name, ask.address].open = (A_PART,)
        return PartlyAccepted(outcome.ref, outcome.mailed, (A_PART,), "the team did not answer")

    def _refusal(self, fault: Fault) -> Outcome:
        perhaps = fault in ACTING
        match fault:
            case Fault.LIMIT_ACTED | Fault.LIMIT_IDLE:
                return LimitedUntil("429", self.clock.now() + A_LIMIT, perhaps_acted=perhaps)
            case Fault.BATCH_ACTED | Fault.BATCH_IDLE:
                return RefusedBatch("400")
            case Fault.GRANT_ACTED | Fault.GRANT_IDLE:
                return RefusedGrant("404", perhaps_acted=perhaps)
            case Fault.CONNECTION_ACTED | Fault.CONNECTION_IDLE:
                return RefusedConnection("409", perhaps_acted=perhaps)
            case Fault.UNAUTHORIZED:
                return RefusedConnection("401", unauthorized=True)
            case Fault.PERSON:
                return RefusedPerson("there is no such person")
            case Fault.NOT_SENT:
                return NotSent("the connection was refused")
            case _:
                return Ambiguous("500")


def _ref(ask: Ask) -> str:
    return f"ref-{ask.address}"
