"""
The invitation row: the state machine of one hire in one connection.

The row has two halves that never overwrite each other. *Wanted* is written by planning only, guarded by the versions
of hire and policy (`usher.domain.wanted`). *Actual* is written by sending only, guarded by state, fence and owner
(`usher.domain.actual`). Every transition is pure: it takes a row and gives a `Step`, which a store applies as one
conditional write.
"""

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple, Self

from pydantic import BaseModel, ConfigDict

from usher.domain.errors import UsherError
from usher.domain.hire import HireKey
from usher.domain.outcomes import Part
from usher.domain.policy import Explanation, Grant

LONGEST_REASON = 500

_CONNECTION = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
_GENERATION = re.compile(r"[1-9][0-9]{0,3}")


class State(StrEnum):
    """Where an invitation stands."""

    PENDING = "pending"
    SENDING = "sending"
    AMBIGUOUS = "ambiguous"
    PLANNED = "planned"
    PARKED = "parked"
    DUPLICATE = "duplicate"
    INVITED = "invited"
    ALREADY_MEMBER = "already_member"
    REJECTED = "rejected"
    CANCELLED = "cancelled"


LIVE = frozenset({State.PENDING, State.SENDING, State.AMBIGUOUS})
WAITING = frozenset({State.PLANNED, State.PARKED, State.DUPLICATE})
SETTLED = frozenset({State.INVITED, State.ALREADY_MEMBER, State.REJECTED, State.CANCELLED})
IN_FLIGHT = frozenset({State.SENDING, State.AMBIGUOUS})


class Intent(StrEnum):
    """What the next claim is for."""

    INVITE = "invite"
    REPAIR = "repair"
    RESEND = "resend"


class Origin(StrEnum):
    """Because of whom the provider has the person."""

    US = "us"
    ELSEWHERE = "elsewhere"
    UNKNOWN = "unknown"


class InvitationKey(NamedTuple):
    """Which invitation: one hire in one connection, in one generation."""

    source: str
    hire_id: str
    connection: str
    generation: int = 1

    def __str__(self) -> str:
        return f"{self.source}/{self.hire_id}/{self.connection}/{self.generation}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what `str` wrote; raises ValueError."""
        *hire, connection, generation = text.split("/")
        if not _CONNECTION.fullmatch(connection) or not _GENERATION.fullmatch(generation):
            raise ValueError("is not the key of an invitation")
        return cls(*HireKey.parse("/".join(hire)), connection, int(generation))

    @property
    def hire(self) -> HireKey:
        """Whose invitation it is."""
        return HireKey(self.source, self.hire_id)


class GuardKey(NamedTuple):
    """Which mailbox in which connection; the digest is keyed, so the address cannot be read from it."""

    connection: str
    digest: str


class Attempt(BaseModel):
    """One line of a row's history."""

    model_config = ConfigDict(frozen=True)

    fence: int
    at: datetime
    what: str
    outcome: str
    reason: str = ""


class Invitation(BaseModel):
    """One row; its state is the truth."""

    model_config = ConfigDict(frozen=True)

    source: str
    hire_id: str
    connection: str
    generation: int = 1

    # Wanted: written by planning.
    want: bool
    hire_version: int
    policy_version: str
    address: str
    grant: Grant
    grant_digest: str
    send_not_before: datetime
    start_date: date | None = None
    explanation: Explanation
    guard: str | None = None
    """The digest of the mailbox that this row holds the guard of."""

    # Actual: written by sending.
    state: State
    intent: Intent = Intent.INVITE
    fence: int = 0
    owner: str | None = None
    lease_until: datetime | None = None
    due_at: datetime | None = None
    claimed_at: datetime | None = None
    sent_address: str | None = None
    sent_grant: Grant | None = None
    posted_at: datetime | None = None
    ambiguous_since: datetime | None = None
    told_until: datetime | None = None
    attempts: int = 0
    reads: int = 0
    defers: int = 0
    absent_reads: int = 0
    absent_at: datetime | None = None
    absence_settled: bool = False
    """Reads have shown, by the rules, that what was posted last had no effect."""
    batch_limit: int | None = None
    shares_guard: bool = False
    """A former generation holds the same mailbox, and keeps it whatever becomes of this one."""
    looks_first: bool = False
    """A rehire: the provider may still have the person, so the first claim asks before it posts."""
    mailed: bool | None = False
    """Whether our own attempts sent a mail; None where nobody can know."""
    origin: Origin | None = None
    provider_ref: str | None = None
    open_parts: tuple[Part, ...] = ()
    drift: tuple[str, ...] = ()
    reason: str | None = None
    history: tuple[Attempt, ...] = ()
    created_at: datetime
    updated_at: datetime

    @property
    def key(self) -> InvitationKey:
        """Which row this is."""
        return InvitationKey(self.source, self.hire_id, self.connection, self.generation)

    @property
    def holder(self) -> str:
        """Who holds the mailbox guard: the hire in this connection, whatever the generation."""
        return f"{self.source}/{self.hire_id}/{self.connection}"

    @property
    def reads_first(self) -> bool:
        """A row under whose fences a POST may have gone out asks the provider before it posts again."""
        return self.looks_first or self.posted_at is not None

    @property
    def may_post(self) -> bool:
        """Say whether a read that shows nobody is enough to post: nothing that was posted may still take effect."""
        return self.posted_at is None or self.absence_settled

    @property
    def is_untried(self) -> bool:
        """Say whether nothing was ever attempted for this row, so that taking it up again risks nothing."""
        return self.attempts == 0 and self.may_post and self.intent is Intent.INVITE

    @property
    def mailbox_address(self) -> str:
        """The address whose mailbox the row must hold: once something was sent, the one it went to."""
        return self.address if self.intent is Intent.INVITE else self.sent_address or self.address

    @property
    def revoke_needed(self) -> bool:
        """We invited somebody who is no longer wanted; taking access away is a person's decision."""
        return self.state is State.INVITED and not self.want and self.origin is not Origin.ELSEWHERE

    @property
    def attention(self) -> str | None:
        """What a person should look at in a settled row."""
        if self.revoke_needed:
            return "invited, but no longer wanted: remove the access where that is right"
        if self.state is State.INVITED and self.want and self.sent_address not in (None, self.address):
            return "the work address changed after the invitation went to the former one"
        if self.state is State.INVITED and self.want and self.sent_grant not in (None, self.grant):
            return "the access that the policy wants changed after the invitation"
        return f"the access differs from the policy: {'; '.join(self.drift)}" if self.drift else None


@dataclass(frozen=True)
class Limits:
    """When to stop trying, and how fast to come back; all in seconds."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    most_attempts: int = 6
    most_reads: int = 20
    longest_ambiguous: float = 24 * 3600
    first_backoff: float = 30
    longest_backoff: float = 900

    def backoff(self, times: int) -> timedelta:
        """Double from the first to the longest."""
        return timedelta(seconds=min(self.longest_backoff, self.first_backoff * 2 ** min(times, 16)))


class Guarded(StrEnum):
    """Which attributes must still be as they were when the step was decided."""

    PLANNING = "planning"
    ANNOTATING = "annotating"
    CLAIMING = "claiming"
    RECORDING = "recording"
    REJECTING = "rejecting"
    READING = "reading"


GUARDED_FIELDS: dict[Guarded, tuple[str, ...]] = {
    # Planning may move the state of a row that is not in flight.
    Guarded.PLANNING: ("state", "fence", "hire_version", "policy_version", "want"),
    # Planning beside a sender writes the wanted half alone. A refusal that lands first gives the mailbox back, and then
    # the row is no longer in flight: what is wanted now must be planned anew.
    Guarded.ANNOTATING: ("hire_version", "policy_version", "want", "guard"),
    # A claim rests on both halves: it takes a snapshot of what is wanted.
    # A word that comes late may bring an address without a higher version.
    Guarded.CLAIMING: ("state", "fence", "due_at", "want", "hire_version", "policy_version", "address"),
    # An outcome belongs to one fence of one owner, whatever planning has written meanwhile.
    Guarded.RECORDING: ("state", "fence", "owner"),
    # A refusal is about what was sent; if something else is wanted by now, it is not the last word.
    Guarded.REJECTING: ("state", "fence", "owner", "want", "hire_version", "policy_version", "address"),
    # A read counts once.
    Guarded.READING: ("state", "fence", "reads", "due_at"),
}


@dataclass(frozen=True, slots=True)
class Step:
    """One transition: apply it where the guarded attributes are still as in `before`."""

    before: Invitation
    after: Invitation
    guarded: Guarded

    @property
    def key(self) -> InvitationKey:
        """Which row it is about."""
        return self.before.key

    @property
    def conditions(self) -> dict[str, Any]:
        """What the stored row must still hold."""
        return {name: getattr(self.before, name) for name in GUARDED_FIELDS[self.guarded]}

    @property
    def changes(self) -> dict[str, Any]:
        """What the step writes; None means that the attribute goes."""
        return {
            name: getattr(self.after, name)
            for name in type(self.after).model_fields
            if getattr(self.after, name) != getattr(self.before, name)
        }

    @property
    def releases(self) -> GuardKey | None:
        """The mailbox guard that is given back in the same transaction."""
        if self.before.guard and self.after.guard is None and not self.before.shares_guard:
            return GuardKey(self.before.connection, self.before.guard)
        return None

    def already_in(self, found: Invitation) -> bool:
        """Say whether a row that failed the condition shows this very step: our own write, whose answer got lost."""
        # Not by the time of writing: planning may have written beside us since.
        return all(getattr(found, name) == value for name, value in self.changes.items() if name != "updated_at")


class NotNow(UsherError):
    """A transition that the rules do not allow at this time or from this state."""


def without_want(row: Invitation) -> dict[str, Any]:
    """What an unwanted row that is not in flight becomes: the truth, if the provider already has the person."""
    if row.intent is Intent.REPAIR:
        return {"state": State.INVITED, "due_at": None, "reason": "no longer wanted; parts of the access are open"}
    ended: dict[str, Any] = {"state": State.CANCELLED, "due_at": None}
    if not row.may_post:
        # The mailbox was perhaps mailed, so nobody else may mail it.
        reason = "no longer wanted; whether the provider has the person was not settled"
        return ended | {"mailed": row.mailed or None, "reason": reason}
    return ended | {"guard": None, "reason": "no longer wanted"}
