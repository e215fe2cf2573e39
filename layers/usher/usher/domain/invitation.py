"""
The invitation row: the state machine of one hire in one connection.

The row has two halves that never overwrite each other. *Wanted* is written by planning only, guarded by the versions
of hire and policy. *Actual* is written by sending only, guarded by state, fence and owner. Every function here is
pure: it takes a row and gives a `Step`, which a store applies as one conditional write.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple, Self, assert_never

from pydantic import BaseModel, ConfigDict

from usher.domain.errors import UsherError
from usher.domain.hire import HireKey
from usher.domain.outcomes import (
    Absent,
    Accepted,
    AlreadyInvited,
    AlreadyMember,
    Ambiguous,
    Finding,
    LimitedUntil,
    NotSent,
    Outcome,
    Part,
    PartlyAccepted,
    Present,
    ReadFailed,
    RefusedBatch,
    RefusedConnection,
    RefusedGrant,
    RefusedPerson,
    Standing,
)
from usher.domain.policy import Explanation, Grant, Timings, Want

KEPT_ATTEMPTS = 20
LONGEST_REASON = 500


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
        source, hire_id, connection, generation = text.split("/")
        return cls(source, hire_id, connection, int(generation))

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
    READING = "reading"


GUARDED_FIELDS: dict[Guarded, tuple[str, ...]] = {
    # Planning may move the state of a row that is not in flight.
    Guarded.PLANNING: ("state", "fence", "hire_version", "policy_version", "want"),
    # Planning beside a sender writes the wanted half alone.
    Guarded.ANNOTATING: ("hire_version", "policy_version", "want"),
    # A claim rests on both halves: it takes a snapshot of what is wanted.
    Guarded.CLAIMING: ("state", "fence", "due_at", "want", "hire_version", "policy_version"),
    # An outcome belongs to one fence of one owner, whatever planning has written meanwhile.
    Guarded.RECORDING: ("state", "fence", "owner"),
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
        if self.before.guard and self.after.guard is None:
            return GuardKey(self.before.connection, self.before.guard)
        return None

    def already_in(self, found: Invitation) -> bool:
        """Say whether a row that failed the condition shows this very step: our own write, whose answer got lost."""
        return all(getattr(found, name) == value for name, value in self.changes.items())


class NotNow(UsherError):
    """A transition that the rules do not allow at this time or from this state."""


# --- planning ---


def opened(
    hire: HireKey,
    want: Want,
    *,
    generation: int,
    hire_version: int,
    policy_version: str,
    start_date: date | None,
    now: datetime,
    live: bool,
    guard: str | None,
    held_by: str | None = None,
    looks_first: bool = False,
) -> Invitation:
    """
    Make a new row: planned in plan mode, a duplicate where another row holds the mailbox, else pending.

    `looks_first` (a rehire) makes the first claim read before it posts.
    """
    state, reason, due_at = State.PENDING, None, max(now, want.send_not_before)
    if not live:
        state, reason, guard = State.PLANNED, "plan mode: nothing is sent", None
    elif held_by is not None:
        state, reason, guard = State.DUPLICATE, f"the mailbox is held by {held_by}", None
    return Invitation(
        source=hire.source,
        hire_id=hire.hire_id,
        connection=want.connection,
        generation=generation,
        want=True,
        hire_version=hire_version,
        policy_version=policy_version,
        address=want.address,
        grant=want.grant,
        grant_digest=want.grant.digest,
        send_not_before=want.send_not_before,
        start_date=start_date,
        explanation=want.explanation,
        guard=guard,
        state=state,
        due_at=due_at if state in LIVE else None,
        looks_first=looks_first,
        reason=reason,
        created_at=now,
        updated_at=now,
    )


def rewanted(
    row: Invitation,
    want: Want,
    *,
    hire_version: int,
    policy_version: str,
    start_date: date | None,
    now: datetime,
    live: bool,
    guard: str | None,
    held_by: str | None = None,
) -> Step:
    """
    Bring a row to what is wanted now.

    `guard` is the digest of the wanted mailbox, `held_by` another row that holds it. A row in flight, or settled with
    the provider, gets the wanted half only; one that waits follows at once; a cancelled one is pending again, and so is
    a rejected one if the hire or the grant was corrected.
    """
    wanted: dict[str, Any] = {
        "want": True,
        "hire_version": hire_version,
        "policy_version": policy_version,
        "address": want.address,
        "grant": want.grant,
        "grant_digest": want.grant.digest,
        "send_not_before": want.send_not_before,
        "start_date": start_date,
        "explanation": want.explanation,
        "updated_at": now,
    }
    if row.state in IN_FLIGHT or row.state in (State.INVITED, State.ALREADY_MEMBER):
        return Step(row, row.model_copy(update=wanted), Guarded.ANNOTATING)
    if row.state is State.REJECTED and hire_version <= row.hire_version and want.grant.digest == row.grant_digest:
        # Nothing about the person or the grant is new, so the provider's answer would not be either.
        return Step(row, row.model_copy(update={"policy_version": policy_version, "updated_at": now}), Guarded.PLANNING)
    if row.state is State.PARKED:
        # The guard stays as it is: the row may have mailed the mailbox that it holds.
        return Step(row, row.model_copy(update=wanted), Guarded.PLANNING)
    if row.state is State.PLANNED or not live:
        if row.state in (State.PENDING, State.DUPLICATE):
            return Step(row, row.model_copy(update=wanted), Guarded.PLANNING)
        actual = _waiting(State.PLANNED, "plan mode: nothing is sent")
    elif held_by is not None:
        actual = _waiting(State.DUPLICATE, f"the mailbox is held by {held_by}")
    else:
        actual = {"state": State.PENDING, "guard": guard, "due_at": _due(row, want.send_not_before, now)}
        if row.state is not State.PENDING:
            actual |= {"reason": None, "attempts": 0, "defers": 0, "batch_limit": None}
        if row.state in (State.REJECTED, State.CANCELLED):
            actual |= {"intent": Intent.INVITE, "open_parts": (), "mailed": row.mailed}
    return Step(row, row.model_copy(update=wanted | actual), Guarded.PLANNING)


def unwanted(row: Invitation, *, hire_version: int, policy_version: str, now: datetime) -> Step:
    """Take back what was wanted: a row that waits is cancelled, one in flight or settled is only marked."""
    wanted: dict[str, Any] = {
        "want": False,
        "hire_version": hire_version,
        "policy_version": policy_version,
        "updated_at": now,
    }
    if row.state in IN_FLIGHT or row.state in SETTLED:
        return Step(row, row.model_copy(update=wanted), Guarded.ANNOTATING)
    return Step(row, row.model_copy(update=wanted | _taken_back(row)), Guarded.PLANNING)


def promoted(row: Invitation, *, now: datetime, guard: str, held_by: str | None = None) -> Step:
    """Let a planned row go live."""
    if row.state is not State.PLANNED or not row.want:
        raise NotNow(f"only a planned row can go live; {row.key} is {row.state}")
    if held_by is not None:
        actual = _waiting(State.DUPLICATE, f"the mailbox is held by {held_by}")
    else:
        actual = {
            "state": State.PENDING,
            "guard": guard,
            "due_at": max(now, row.send_not_before),
            "reason": None,
        }
    return Step(row, row.model_copy(update=actual | {"updated_at": now}), Guarded.PLANNING)


def unparked(row: Invitation, *, now: datetime, timings: Timings) -> Step:
    """An operator lets a parked row try again: from a read, if anything was ever posted."""
    if row.state is not State.PARKED:
        raise NotNow(f"only a parked row can be taken up again; {row.key} is {row.state}")
    actual: dict[str, Any] = {"attempts": 0, "reads": 0, "absent_reads": 0, "absent_at": None, "reason": None}
    if row.posted_at is None:
        actual |= {"state": State.PENDING, "due_at": now}
    else:
        due_at = max(now, row.posted_at + timedelta(seconds=timings.settle))
        actual |= {"state": State.AMBIGUOUS, "ambiguous_since": now, "due_at": due_at}
    return Step(row, row.model_copy(update=actual | {"updated_at": now}), Guarded.PLANNING)


def _waiting(state: State, reason: str) -> dict[str, Any]:
    return {"state": state, "reason": reason, "due_at": None, "guard": None}


def _due(row: Invitation, send_not_before: datetime, now: datetime) -> datetime:
    """A newer notice moves the due time of a pending row, but never before a time that the provider told."""
    moments = [now, send_not_before]
    if row.state is State.PENDING and row.told_until is not None:
        moments.append(row.told_until)
    if row.state is State.PENDING and row.due_at is not None and row.defers:
        moments.append(row.due_at)
    return max(moments)


def _taken_back(row: Invitation) -> dict[str, Any]:
    """What an unwanted row that is not in flight becomes: the truth, if the provider already has the person."""
    if row.intent is Intent.REPAIR:
        return {"state": State.INVITED, "due_at": None, "reason": "no longer wanted; parts of the access are open"}
    reason = "no longer wanted"
    if row.posted_at is not None and row.state is State.PARKED:
        reason = "no longer wanted; whether the provider has the person was not settled"
    return {"state": State.CANCELLED, "due_at": None, "guard": None, "reason": reason}


# --- sending ---


def claim(row: Invitation, *, owner: str, now: datetime, lease_until: datetime) -> Step:
    """
    Take a due row for one attempt, with a snapshot of what will be sent.

    One claim, one fence, at most one POST. The step must be durable before the first byte leaves.
    """
    if row.state is not State.PENDING or not row.want:
        raise NotNow(f"{row.key} is {row.state}, wanted: {row.want}")
    if row.due_at is None or row.due_at > now:
        raise NotNow(f"{row.key} is not due before {row.due_at}")
    after = row.model_copy(
        update={
            "state": State.SENDING,
            "fence": row.fence + 1,
            "owner": owner,
            "lease_until": lease_until,
            "due_at": lease_until,
            "claimed_at": now,
            "sent_address": row.address,
            "sent_grant": row.grant,
            "attempts": row.attempts + 1,
            "updated_at": now,
        }
    )
    return Step(row, after, Guarded.CLAIMING)


def deferred(row: Invitation, *, until: datetime, reason: str, now: datetime) -> Step:
    """Let a due row wait longer without an attempt; held time does not count toward the limits."""
    if row.state not in (State.PENDING, State.AMBIGUOUS):
        raise NotNow(f"{row.key} is {row.state}")
    changes: dict[str, Any] = {
        "due_at": max(until, now),
        "defers": row.defers + 1,
        "reason": _cut(reason),
        "updated_at": now,
    }
    if row.ambiguous_since is not None and row.state is State.AMBIGUOUS:
        changes["ambiguous_since"] = row.ambiguous_since + (max(until, now) - now)
    return Step(row, row.model_copy(update=changes), Guarded.READING)


def taken_back(row: Invitation, *, now: datetime) -> Step:
    """Cancel a pending row that is no longer wanted, found when it came due."""
    if row.state is not State.PENDING or row.want:
        raise NotNow(f"{row.key} is {row.state}, wanted: {row.want}")
    return Step(row, row.model_copy(update=_taken_back(row) | {"updated_at": now}), Guarded.CLAIMING)


def lease_ran_out(row: Invitation, *, now: datetime, timings: Timings) -> Step:
    """Whoever held the row is gone: from now on only a read may decide."""
    if row.state is not State.SENDING or row.lease_until is None or row.lease_until > now:
        raise NotNow(f"{row.key} is {row.state}, leased until {row.lease_until}")
    after = _ambiguous(row, row.lease_until, "the attempt ended without a word", timings, now)
    return Step(row, after, Guarded.RECORDING)


def parked_at_limit(row: Invitation, *, now: datetime, limits: Limits) -> Step | None:
    """Park a due row that was tried, or read, too often; None where the limits are not reached."""
    if row.state is State.PENDING and row.attempts >= limits.most_attempts:
        reason = f"{row.attempts} attempts did not succeed"
    elif row.state is State.AMBIGUOUS and row.reads >= limits.most_reads:
        reason = f"{row.reads} reads did not settle whether the provider has the person"
    elif (
        row.state is State.AMBIGUOUS
        and row.ambiguous_since is not None
        and (now - row.ambiguous_since).total_seconds() >= limits.longest_ambiguous
    ):
        reason = "it could not be settled for too long whether the provider has the person"
    else:
        return None
    if row.reason:
        reason = _cut(f"{reason}; last: {row.reason}")
    after = row.model_copy(update={"state": State.PARKED, "due_at": None, "reason": reason, "updated_at": now})
    return Step(row, after, Guarded.READING)


def settled(
    row: Invitation,
    outcome: Outcome,
    *,
    now: datetime,
    timings: Timings,
    limits: Limits,
    resend_expired: bool,
    posted_at: datetime | None = None,
    batch: int = 1,
    held_until: datetime | None = None,
) -> Step:
    """
    Record how an attempt ended.

    `posted_at` is when the POST of this fence began, None where the adapter only read or sent nothing; `batch` how many
    rows shared the request; `held_until` the next probe of a hold that the outcome put on the connection or grant.
    """
    if row.state is not State.SENDING:
        raise NotNow(f"{row.key} is {row.state}")
    base = row.model_copy(update={"lease_until": None, "reason": None})
    after = _after(base, outcome, now, timings, limits, resend_expired, posted_at, batch, held_until)
    line = _line(row, now, row.intent, outcome)
    after = after.model_copy(update={"history": _kept(row.history, line), "updated_at": now})
    return Step(row, after, Guarded.RECORDING)


def _after(
    row: Invitation,
    outcome: Outcome,
    now: datetime,
    timings: Timings,
    limits: Limits,
    resend_expired: bool,
    posted_at: datetime | None,
    batch: int,
    held_until: datetime | None,
) -> Invitation:
    posted: dict[str, Any] = {"posted_at": posted_at, "absence_settled": False} if posted_at else {}
    match outcome:
        case Accepted(ref, mailed):
            return row.model_copy(
                update=posted
                | _done(State.INVITED, ref or row.provider_ref)
                | {"origin": _origin_after_success(row), "mailed": _either(row.mailed, mailed)}
            )
        case PartlyAccepted(ref, mailed, open_parts, reason):
            return _pending(
                row,
                now + limits.backoff(row.attempts - 1),
                reason,
                **posted,
                intent=Intent.REPAIR,
                open_parts=open_parts,
                provider_ref=ref or row.provider_ref,
                origin=row.origin or Origin.US,
                mailed=_either(row.mailed, mailed),
                batch_limit=None,
            )
        case AlreadyMember(ref, drift):
            if row.posted_at is not None:
                # An earlier fence may have brought the person in: not ours to call "before us".
                return row.model_copy(
                    update=_done(State.INVITED, ref)
                    | {"origin": row.origin or Origin.UNKNOWN, "mailed": row.mailed or None, "drift": drift}
                )
            return row.model_copy(
                update=_done(State.ALREADY_MEMBER, ref) | {"origin": Origin.ELSEWHERE, "drift": drift}
            )
        case AlreadyInvited(ref, expired, drift):
            ours = row.posted_at is not None  # Perhaps: an earlier fence posted.
            origin = (row.origin or Origin.UNKNOWN) if ours else Origin.ELSEWHERE
            mailed = (row.mailed or None) if ours else row.mailed
            if expired:
                return _expired(row, ref, now, resend_expired).model_copy(update={"origin": origin, "mailed": mailed})
            return row.model_copy(
                update=_done(State.INVITED, ref) | {"origin": origin, "mailed": mailed, "drift": drift}
            )
        case RefusedPerson(reason):
            return _refused(row, reason)
        case RefusedBatch(reason) if batch <= 1:
            return _refused(row, reason)
        case RefusedBatch(reason):
            # A refusal of the whole request is not promised to have done nothing: the next claim reads first.
            return _pending(row, now, reason, **posted, batch_limit=(batch + 1) // 2, attempts=row.attempts - 1)
        case RefusedGrant(reason) | RefusedConnection(reason):
            changes = posted if outcome.perhaps_acted else {}
            return _given_back(row, held_until or now + limits.backoff(row.defers), reason, **changes)
        case LimitedUntil(reason, until, perhaps_acted):
            due_at = until or held_until or now + limits.backoff(row.defers)
            told = {"told_until": until} | (posted if perhaps_acted else {})
            return _given_back(row, due_at, reason, **told)
        case NotSent(reason):
            return _given_back(row, held_until or now + limits.backoff(row.defers), reason)
        case Ambiguous(reason) if posted_at is None and row.posted_at is not None:
            # This fence only looked; what an earlier one posted has not settled, so the attempt does not count.
            waiting = row.model_copy(update={"attempts": row.attempts - 1})
            return _ambiguous(waiting, row.posted_at, reason, timings, now)
        case Ambiguous(reason):
            return _ambiguous(row, posted_at or now, reason, timings, now)
    assert_never(outcome)


def read(
    row: Invitation,
    finding: Finding,
    *,
    now: datetime,
    timings: Timings,
    limits: Limits,
    resend_expired: bool,
    held_until: datetime | None = None,
) -> Step:
    """
    Let a read decide about an ambiguous row; raises NotNow before the settle time is over.

    Present once is enough. Absent must be read as often as the provider's timings ask, each a gap apart.
    """
    if row.state is not State.AMBIGUOUS or row.posted_at is None:
        raise NotNow(f"{row.key} is {row.state}")
    settle = timedelta(seconds=timings.settle)
    if now < row.posted_at + settle:
        raise NotNow(f"{row.key} may be read from {row.posted_at + settle} on")
    counted: dict[str, Any] = {"reads": row.reads + 1, "updated_at": now}
    match finding:
        case ReadFailed(reason, until):
            due_at = until or held_until or now + limits.backoff(row.defers)
            changes = {"due_at": due_at, "defers": row.defers + 1, "reason": _cut(reason), "updated_at": now}
            if row.ambiguous_since is not None and (held_until or until):
                changes["ambiguous_since"] = row.ambiguous_since + (due_at - now)
            return Step(row, row.model_copy(update=changes), Guarded.READING)
        case Present():
            after = _present(row, finding, now, resend_expired)
        case Absent():
            gap = timedelta(seconds=timings.read_gap)
            if row.absent_at is not None and now < row.absent_at + gap:
                raise NotNow(f"{row.key} may be read again from {row.absent_at + gap} on")
            absent_reads = row.absent_reads + 1
            if absent_reads < timings.absent_reads:
                after = row.model_copy(
                    update={"absent_reads": absent_reads, "absent_at": now, "due_at": now + gap, "reason": row.reason}
                )
            else:
                after = _pending(
                    row,
                    max(now, row.told_until or now),
                    "the provider did not act on the last attempt",
                    absent_reads=0,
                    absent_at=None,
                    absence_settled=True,
                    ambiguous_since=None,
                )
    line = _line(row, now, "read", finding)
    after = after.model_copy(update=counted | {"history": _kept(row.history, line)})
    return Step(row, after, Guarded.READING)


def _present(row: Invitation, found: Present, now: datetime, resend_expired: bool) -> Invitation:
    made_by_us = found.since is not None and row.claimed_at is not None and found.since >= row.claimed_at
    origin = Origin.US if made_by_us else (row.origin or Origin.UNKNOWN)
    # Whether a mail went out with an answer that got lost, only the person's inbox knows.
    told = {"origin": origin, "mailed": row.mailed or None, "ambiguous_since": None, "drift": found.drift}
    if found.blocked:
        return row.model_copy(
            update=told | {"state": State.PARKED, "due_at": None, "reason": found.blocked, "provider_ref": found.ref}
        )
    if found.standing is Standing.EXPIRED:
        return _expired(row, found.ref, now, resend_expired).model_copy(update=told)
    if found.open:
        return _pending(
            row,
            now,
            "parts of the access are missing",
            **told,
            intent=Intent.REPAIR,
            open_parts=found.open,
            provider_ref=found.ref or row.provider_ref,
        )
    return row.model_copy(update=told | _done(State.INVITED, found.ref) | {"reason": "settled by asking the provider"})


def _done(state: State, ref: str | None) -> dict[str, Any]:
    return {
        "state": state,
        "due_at": None,
        "lease_until": None,
        "provider_ref": ref,
        "open_parts": (),
        "ambiguous_since": None,
        "absent_reads": 0,
        "absent_at": None,
        "told_until": None,
    }


def _pending(row: Invitation, due_at: datetime, reason: str, **changes: Any) -> Invitation:
    return row.model_copy(
        update={"state": State.PENDING, "due_at": due_at, "lease_until": None, "reason": _cut(reason)} | changes
    )


def _given_back(row: Invitation, due_at: datetime, reason: str, **changes: Any) -> Invitation:
    """Pending again, and the attempt does not count: the fault was not the row's."""
    return _pending(row, due_at, reason, attempts=row.attempts - 1, defers=row.defers + 1, **changes)


def _refused(row: Invitation, reason: str) -> Invitation:
    if row.intent is not Intent.INVITE or row.mailed:
        # The provider has the person, so "rejected" would not be true; what is open needs a person's decision.
        return row.model_copy(update={"state": State.PARKED, "due_at": None, "reason": _cut(reason)})
    return row.model_copy(update={"state": State.REJECTED, "due_at": None, "reason": _cut(reason), "guard": None})


def _expired(row: Invitation, ref: str | None, now: datetime, resend: bool) -> Invitation:
    if resend:
        return _pending(row, now, "the invitation had expired", intent=Intent.RESEND, provider_ref=ref)
    return row.model_copy(
        update={
            "state": State.PARKED,
            "due_at": None,
            "provider_ref": ref,
            "reason": "the invitation has expired at the provider, and resend_expired is off",
        }
    )


def _ambiguous(row: Invitation, posted_at: datetime, reason: str, timings: Timings, now: datetime) -> Invitation:
    return row.model_copy(
        update={
            "state": State.AMBIGUOUS,
            "posted_at": posted_at,
            "ambiguous_since": row.ambiguous_since or now,
            "absent_reads": 0,
            "absent_at": None,
            "absence_settled": False,
            "lease_until": None,
            "due_at": posted_at + timedelta(seconds=timings.settle),
            "reason": _cut(reason),
            "updated_at": now,
        }
    )


def _origin_after_success(row: Invitation) -> Origin:
    """A repair does not change because of whom the person is there."""
    return row.origin if row.intent is Intent.REPAIR and row.origin else Origin.US


def _either(before: bool | None, now: bool | None) -> bool | None:
    if before or now:
        return True
    return None if before is None or now is None else False


def _line(row: Invitation, now: datetime, what: str, ending: Outcome | Finding) -> Attempt:
    reason = getattr(ending, "reason", "") or ""
    return Attempt(fence=row.fence, at=now, what=str(what), outcome=type(ending).__name__, reason=_cut(reason))


def _kept(history: Iterable[Attempt], line: Attempt) -> tuple[Attempt, ...]:
    return (*history, line)[-KEPT_ATTEMPTS:]


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_REASON else text[: LONGEST_REASON - 1] + "…"
