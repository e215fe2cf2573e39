"""A provider in memory: it keeps people, counts requests and mails, and answers as a test tells it to."""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from usher.domain.invitation import InvitationKey
from usher.domain.outcomes import (
    Absent,
    Accepted,
    AlreadyInvited,
    Finding,
    Outcome,
    Present,
    Standing,
)
from usher.domain.policy import Connection, Grant, Timings
from usher.domain.rate import Rate
from usher.ports import Ask, Call

Answer = Callable[[Call, Sequence[Ask]], dict[InvitationKey, Outcome]]


@dataclass
class FakeProvider:
    """Invites whoever is asked, unless `answers` holds something else for the next requests."""

    name: str = "sentry"
    batch_size: int = 1
    tells_members: bool = True
    timings: Timings = field(default_factory=lambda: Timings(settle=90, absent_reads=1))
    rate: Rate | None = None
    invites_per_day: int | None = None
    invitation_days: int | None = None
    people: dict[str, Standing] = field(default_factory=dict)
    mails: list[str] = field(default_factory=list)
    requests: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    answers: deque[Answer] = field(default_factory=deque)
    findings: deque[Finding] = field(default_factory=deque)
    secrets_seen: list[str] = field(default_factory=list)

    def connection_errors(self, connection: Connection) -> Sequence[str]:
        """Know every connection."""
        return ()

    def grant_errors(self, grant: Grant, connection: Connection) -> Sequence[str]:
        """Know every grant."""
        return ()

    def is_vendor_host(self, host: str) -> bool:
        """Call one host its own."""
        return host == "provider.example"

    def accept(self, ask: Ask) -> Outcome:
        """Do what the provider does with one person."""
        if ask.address in self.people:
            return AlreadyInvited("ref", expired=self.people[ask.address] is Standing.EXPIRED)
        self.people[ask.address] = Standing.INVITED
        self.mails.append(ask.address)
        return Accepted(f"ref-{len(self.people)}", mailed=True)

    def invite(self, call: Call, asks: Sequence[Ask]) -> dict[InvitationKey, Outcome]:
        """Invite, or answer as told."""
        self._note("invite", call, asks)
        if self.answers:
            return self.answers.popleft()(call, asks)
        return {ask.key: self.accept(ask) for ask in asks}

    def repair(self, call: Call, ask: Ask) -> Outcome:
        """Give the open parts, or answer as told."""
        return self._single("repair", call, ask)

    def resend(self, call: Call, ask: Ask) -> Outcome:
        """Renew, or answer as told."""
        return self._single("resend", call, ask)

    def look_up(self, call: Call, asks: Sequence[Ask]) -> dict[InvitationKey, Finding]:
        """Look, or answer as told."""
        self._note("look_up", call, asks)
        if self.findings:
            finding = self.findings.popleft()
            return {ask.key: finding for ask in asks}
        return {
            ask.key: Present("ref", self.people[ask.address]) if ask.address in self.people else Absent()
            for ask in asks
        }

    def count(self, kind: str) -> int:
        """Count the requests of a kind."""
        return sum(1 for name, _ in self.requests if name == kind)

    def _single(self, kind: str, call: Call, ask: Ask) -> Outcome:
        self._note(kind, call, [ask])
        if self.answers:
            return self.answers.popleft()(call, [ask])[ask.key]
        return Accepted(ask.ref, mailed=kind == "resend")

    def _note(self, kind: str, call: Call, asks: Sequence[Ask]) -> None:
        self.requests.append((kind, tuple(ask.address for ask in asks)))
        self.secrets_seen.append(call.secret)


def answering(outcome: Outcome, *, acts: FakeProvider | None = None) -> Answer:
    """Answer every ask with one outcome; with `acts`, the provider does its work first and then answers so."""

    def answer(call: Call, asks: Sequence[Ask]) -> dict[InvitationKey, Outcome]:
        if acts is not None:
            for ask in asks:
                acts.accept(ask)
        return {ask.key: outcome for ask in asks}

    return answer
