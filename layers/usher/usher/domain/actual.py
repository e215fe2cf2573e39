"""
The actual half: claims, and what the endings of attempts and reads do to a row.

`settled` is the table of outcomes, `read` that of findings; `usher.domain.outcomes` lists both.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, assert_never

from usher.domain.invitation import (
    LONGEST_REASON,
    Attempt,
    Guarded,
    Intent,
    Invitation,
    Limits,
    NotNow,
    Origin,
    State,
    Step,
    without_want,
)
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
    PartlyAccepted,
    Present,
    ReadFailed,
    RefusedBatch,
    RefusedConnection,
    RefusedGrant,
    RefusedPerson,
    Standing,
)
from usher.domain.policy import Timings

KEPT_ATTEMPTS = 20


def claim(row: Invitation, *, owner: str, now: datetime, lease_until: datetime) -> Step:
    """
    Take a due row for one attempt, with a snapshot of what will be sent.

    One claim, one fence, at most one POST. The step must be durable before the first byte leaves.
    """
    if row.state is not State.PENDING or not row.want:
        raise NotNow(f"{row.key} is {row.state}, wanted: {row.want}")
    if row.due_at is None or row.due_at > now:
        raise NotNow(f"{row.key} is not due before {row.due_at}")
    fresh = row.intent is Intent.INVITE
    after = row.model_copy(
        update={
            "state": State.SENDING,
            "fence": row.fence + 1,
            "owner": owner,
            "lease_until": lease_until,
            "due_at": lease_until,
            "claimed_at": now,
            # A repair or a renewal is about what was sent before, whatever is wanted by now.
            "sent_address": row.address if fresh else row.sent_address or row.address,
            "sent_grant": row.grant if fresh else row.sent_grant or row.grant,
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
    return Step(row, row.model_copy(update=without_want(row) | {"updated_at": now}), Guarded.CLAIMING)


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
    # What was posted and never settled has perhaps mailed.
    mailed = row.mailed if row.may_post else row.mailed or None
    parked = {"state": State.PARKED, "due_at": None, "mailed": mailed, "reason": reason, "updated_at": now}
    return Step(row, row.model_copy(update=parked), Guarded.READING)


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
    # A correction that planning has written meanwhile is to be tried, not to be swallowed by the refusal of the former.
    guarded = Guarded.REJECTING if after.state is State.REJECTED else Guarded.RECORDING
    return Step(row, after, guarded)


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
                origin=row.origin or _origin_of_a_part(row, posted_at),
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
            halved = row.model_copy(update={"batch_limit": (batch + 1) // 2})
            return _perhaps_acted(halved, posted_at or now, now, reason, timings, now)
        case RefusedGrant(reason, perhaps) | RefusedConnection(reason, perhaps_acted=perhaps):
            due_at = held_until or now + limits.backoff(row.defers)
            if perhaps and posted_at is not None:
                return _perhaps_acted(row, posted_at, due_at, reason, timings, now)
            return _given_back(row, due_at, reason)
        case LimitedUntil(reason, until, perhaps):
            due_at = until or held_until or now + limits.backoff(row.defers)
            told = row.model_copy(update={"told_until": until})
            if perhaps and posted_at is not None:
                return _perhaps_acted(told, posted_at, due_at, reason, timings, now)
            return _given_back(told, due_at, reason)
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

    Present once is enough. Absent, or lapsed, must be read as often as the provider's timings ask, each a gap apart.
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
        case Present() if finding.standing is not Standing.EXPIRED or finding.blocked:
            after = _present(row, finding, now, resend_expired)
        case Present() | Absent():
            # An invitation that shows as lapsed does not show what was posted either.
            gap = timedelta(seconds=timings.read_gap)
            if row.absent_at is not None and now < row.absent_at + gap:
                raise NotNow(f"{row.key} may be read again from {row.absent_at + gap} on")
            absent_reads = row.absent_reads + 1
            if absent_reads < timings.absent_reads:
                after = row.model_copy(
                    update={"absent_reads": absent_reads, "absent_at": now, "due_at": now + gap, "reason": row.reason}
                )
            elif isinstance(finding, Present):
                after = _present(row, finding, now, resend_expired)
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
                counted["reads"] = 0
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


def _perhaps_acted(
    row: Invitation, posted_at: datetime, due_at: datetime, reason: str, timings: Timings, now: datetime
) -> Invitation:
    """
    Nobody promises that a refusal did nothing, so only reads decide; the attempt does not count.

    The row is ambiguous, not pending: a cancel must not free a mailbox that was perhaps mailed, and reads must use the
    address that was sent.
    """
    after = _ambiguous(row.model_copy(update={"attempts": row.attempts - 1}), posted_at, reason, timings, now)
    return after.model_copy(update={"due_at": max(due_at, after.due_at or due_at)})


def _refused(row: Invitation, reason: str) -> Invitation:
    if row.intent is not Intent.INVITE or row.mailed or not row.may_post:
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


def _origin_of_a_part(row: Invitation, posted_at: datetime | None) -> Origin:
    """Because of whom somebody is there who has a part of the grant: us, if this attempt posted."""
    if posted_at is not None:
        return Origin.US
    return Origin.ELSEWHERE if row.posted_at is None else Origin.UNKNOWN


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
