"""What the use cases need from the world: clock, store, queues, secrets, sources, providers, remaining time."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol, Self

from usher.domain.hire import HireKey, NewHire
from usher.domain.hold import Hold
from usher.domain.invitation import GuardKey, Invitation, InvitationKey, State, Step
from usher.domain.notice import Notice, NoticeRecord, NoticeState
from usher.domain.outcomes import Finding, Outcome, Part
from usher.domain.pace import Counters
from usher.domain.planning import HireFile, HirePlan
from usher.domain.policy import Connection, Grant, Timings
from usher.domain.rate import Rate


class Clock(Protocol):
    """Tells the time."""

    def now(self) -> datetime:
        """Give the wall clock, with a zone (UTC)."""

    def monotonic(self) -> float:
        """Give seconds that never run backwards; for durations only."""


class RemainingTime(Protocol):
    """How long this invocation may still run."""

    def seconds(self) -> float:
        """Give the seconds until the platform ends the invocation."""


# --- the table ---


class Applied(StrEnum):
    """What became of one conditional write."""

    NOW = "now"
    BEFORE = "before"
    """The row shows this very write already: our own, whose answer got lost."""
    REFUSED = "refused"
    """Somebody was faster; the row is as they left it."""
    FAILED = "failed"
    """The table did not answer; nobody knows, and the row's own due time brings somebody back."""

    @property
    def stands(self) -> bool:
        """Say whether the row is as the step wanted it."""
        return self in (Applied.NOW, Applied.BEFORE)


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """What an operator did and why. `subject` is the text of an invitation's, hire's or notice's key."""

    subject: str
    at: datetime
    actor: str
    action: str
    reason: str


NOTICE_LANE = "#notices"
"""The lane of the due index in which waiting notices stand; a connection's rows stand in its own lane, and no
connection can have this name."""


class Store(Protocol):
    """
    The one table. Reads are strongly consistent unless said otherwise; every write is conditional.

    Every method raises StoreUnavailable where the table does not answer; `apply` says so per row.
    """

    def invitations(self, keys: Collection[InvitationKey]) -> dict[InvitationKey, Invitation]:
        """Read rows; those that do not exist, or that this code cannot read, are left out."""

    def due(self, lane: str, now: datetime, limit: int) -> list[InvitationKey]:
        """List rows of a connection that are due, soonest first. From an index: may lag, read the row before acting."""

    def due_notices(self, now: datetime, limit: int) -> list[str]:
        """List waiting notices that are due. From the same index."""

    def apply(self, steps: Sequence[Step]) -> list[Applied]:
        """
        Write many steps, each of another row and on its own condition; one verdict per step, in order.

        Releases guards with it. Raises StoreUnavailable only where the next try would fail as well.
        """

    def hire(self, key: HireKey) -> HireFile:
        """Read everything about one hire."""

    def guard_holders(self, keys: Collection[GuardKey]) -> dict[GuardKey, str]:
        """Tell who holds which mailbox; free ones are left out."""

    def commit(self, plan: HirePlan) -> bool:
        """Write a plan in one transaction; False where somebody was faster (read again and plan again)."""

    def notice(self, notice_id: str) -> NoticeRecord | None:
        """Read one recorded notice."""

    def sealed_body(self, notice_id: str) -> str | None:
        """Read the body, base64, of a notice that could not be used; None where there is none any more."""

    def put_notice(self, record: NoticeRecord) -> bool:
        """Write revision n of a notice over revision n-1 (1 over none); False where somebody was faster."""

    def holds(self, connections: Collection[str]) -> list[Hold]:
        """Read the holds of connections and of their grants."""

    def put_hold(self, hold: Hold, seen: Hold | None) -> bool:
        """Place or move a hold if it is still as seen; False where somebody was faster."""

    def release_hold(self, hold: Hold) -> None:
        """End a hold, if it is still as given."""

    def counters(self, connections: Collection[str]) -> Counters:
        """Read the company's guard and the paces of connections; those that were never written are new."""

    def put_counters(self, counters: Counters, seen: Counters) -> bool:
        """Write what differs from `seen`, all of it or nothing; False where somebody was faster with any of it."""

    def announced_at(self, source: str) -> datetime | None:
        """Read when a source last announced anything, to the hour; None where it never has."""

    def note_announcement(self, source: str, at: datetime) -> None:
        """Write that a source has announced something, if nothing later stands there."""

    def audit(self, entry: AuditEntry) -> None:
        """Write down what an operator did."""

    def rows_in_state(self, state: State, limit: int) -> list[InvitationKey]:
        """List rows in a state by start date. From an index: may lag."""

    def notices_in_state(self, state: NoticeState, limit: int) -> list[str]:
        """List recorded notices in a state, newest first. From an index: may lag."""


# --- queues and secrets ---


class Queues(Protocol):
    """Where messages go; raises QueueUnavailable. Losing a wake-up loses nothing: the sweep sends another."""

    def announce(self, notices: Sequence[Notice]) -> None:
        """Make notices durable for planning."""

    def wake_planning(
        self, *, notices: Sequence[str] = (), hires: Sequence[HireKey] = (), feeds: Sequence[str] = ()
    ) -> None:
        """Tell planning that recorded notices are due, hires must be planned again, or feeds must be looked after."""

    def wake_sending(self, provider: str, keys: Sequence[InvitationKey]) -> None:
        """Tell a provider's sender that rows are due."""


class Secrets(Protocol):
    """Values that never leave the process; cached for at most a minute or so."""

    def get(self, name: str) -> str:
        """Give a secret's value, e.g. of ``sentry/sentry-acme``; raises SecretUnavailable."""

    def refresh(self, name: str, seen: str) -> bool:
        """Read a secret again after it was refused; True where the value is another one than `seen`."""


# --- sources ---


@dataclass(frozen=True, slots=True)
class WebhookRequest:
    """One HTTP request as it came: raw bytes, lower-case header names, every value of a header."""

    method: str
    source: str
    headers: Mapping[str, tuple[str, ...]]
    body: bytes
    query: Mapping[str, str] = field(default_factory=dict)

    def header(self, name: str) -> str | None:
        """Give a header's one value; None where it is missing or came more than once."""
        values = self.headers.get(name.lower(), ())
        return values[0] if len(values) == 1 else None


@dataclass(frozen=True, slots=True)
class Reply:
    """What the sender of a request gets back."""

    status: int
    body: str = ""
    content_type: str = "text/plain; charset=utf-8"
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SourceSettings:
    """
    What a stage says of a source: where its API is, options of its own, and which of its fields are which of ours.

    `fields` is for sources whose events the customer builds. `reconcile` lists the recent hires of the system each day;
    `silent_days` is after how many days without an announcement its feed counts as silent.
    """

    name: str
    base_url: str | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    fields: Mapping[str, str] = field(default_factory=dict)
    reconcile: bool = False
    silent_days: int | None = None

    @property
    def is_looked_after(self) -> bool:
        """Say whether the feed is looked after each day."""
        return self.reconcile or self.silent_days is not None


class Details(Protocol):
    """How the person behind a thin notice is fetched from the HR system."""

    @property
    def stale_for(self) -> timedelta:
        """How long after a notice the system may still answer with what was before."""

    def fetch(self, notice: Notice, settings: SourceSettings, secret: str, now: datetime) -> NewHire:
        """Give the person; raises DetailsUnavailable (ask later, or `final`) or BadEvent (what was given is unfit)."""

    def settings_errors(self, settings: SourceSettings) -> Sequence[str]:
        """Say what is wrong with a stage's settings for it."""

    def is_vendor_host(self, host: str) -> bool:
        """Say whether a host is the vendor's own; others need the stage's permission."""


class Listing(Protocol):
    """How recent hires are listed, for feeds die silently."""

    def recent(self, settings: SourceSettings, secret: str, now: datetime) -> Sequence[Notice]:
        """Give a notice, whole or thin, for each hire of the past days; raises DetailsUnavailable or BadEvent."""


class Source(Protocol):
    """A system that announces hires by webhook."""

    @property
    def name(self) -> str:
        """The name in the path and in policy rules."""

    @property
    def details(self) -> Details | None:
        """How details are fetched; None where every notice is complete."""

    @property
    def listing(self) -> Listing | None:
        """How recent hires are listed; None where the system gives no list."""

    @property
    def tells_problems(self) -> bool:
        """Whether the sender is told what is wrong with its event (422); vendors are not: they would stop sending."""

    def settings_errors(self, settings: SourceSettings) -> Sequence[str]:
        """Say what is wrong with a stage's settings for it."""

    def configured(self, settings: SourceSettings) -> Self:
        """Give the source as a stage wants it."""

    def handshake(self, request: WebhookRequest) -> Reply | None:
        """Answer a request that is no event and not signed; None for any other."""

    def verify(self, request: WebhookRequest, secrets: Sequence[str], now: datetime) -> None:
        """Check the raw bytes against any of the active secrets; raises Unauthentic."""

    def read(self, request: WebhookRequest, received_at: datetime) -> tuple[Notice, ...]:
        """
        Parse a verified request. A ping gives none. What cannot be used gives a notice that says why.

        Raises BadEvent, or BodyNotUnderstood for another content type, only where `tells_problems`.
        """

    def secret_in(self, body: bytes) -> str | None:
        """Give the key that the sender itself sends, where a body that it sent holds one."""

    def thanks(self) -> Reply:
        """The success answer that this sender wants."""


# --- providers ---


@dataclass(frozen=True, slots=True)
class Ask:
    """One person of one attempt: what the claim's snapshot says. `key` names the invitation, nobody else."""

    key: InvitationKey
    address: str
    grant: Grant
    ref: str | None = None
    open_parts: tuple[Part, ...] = ()


@dataclass(frozen=True, slots=True)
class Call:
    """Where an attempt goes, with what secret, and how many seconds it may take in all."""

    connection: Connection
    secret: str = field(repr=False)
    seconds: float
    now: datetime


class Provider(Protocol):
    """
    The adapter of one provider. It never raises for an answer, and never retries: one call makes at most one POST
    that invites, repairs or resends (a repair may add one request per open part).
    """

    @property
    def name(self) -> str:
        """The name in the policy."""

    @property
    def batch_size(self) -> int:
        """How many people one request may invite."""

    @property
    def tells_members(self) -> bool:
        """Whether it answers an invitation of somebody who has all of it already as such; if not, it is asked first."""

    @property
    def timings(self) -> Timings:
        """Its defaults, for a connection that says nothing else."""

    @property
    def rate(self) -> Rate | None:
        """How fast it may be asked, for a connection that says nothing else."""

    @property
    def invitation_days(self) -> int | None:
        """How many days an invitation can be accepted; None where it does not lapse."""

    @property
    def invites_per_day(self) -> int | None:
        """How many invitations it takes in a day, for a connection that says nothing else; None for no limit."""

    def connection_errors(self, connection: Connection) -> Sequence[str]:
        """Say what is wrong with a connection: unknown roles, privileged ones without the switch, a strange host."""

    def grant_errors(self, grant: Grant, connection: Connection) -> Sequence[str]:
        """Say what is wrong with a rule's grant: parts that the provider does not know."""

    def is_vendor_host(self, host: str) -> bool:
        """Say whether a host is the vendor's own; others need the stage's permission."""

    def invite(self, call: Call, asks: Sequence[Ask]) -> dict[InvitationKey, Outcome]:
        """Invite people with one grant in one POST; every ask gets an outcome."""

    def repair(self, call: Call, ask: Ask) -> Outcome:
        """Give an invited person the open parts of the grant, without another invitation."""

    def resend(self, call: Call, ask: Ask) -> Outcome:
        """Renew an invitation that expired."""

    def look_up(self, call: Call, asks: Sequence[Ask]) -> dict[InvitationKey, Finding]:
        """Ask whether the provider has people, by the address exactly as it was sent; every ask gets a finding."""
