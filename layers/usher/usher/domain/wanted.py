"""The wanted half: what planning may do to a row, beside a sender and without one."""

from datetime import date, datetime, timedelta
from typing import Any

from usher.domain.hire import HireKey
from usher.domain.invitation import (
    IN_FLIGHT,
    LIVE,
    SETTLED,
    Guarded,
    Intent,
    Invitation,
    NotNow,
    State,
    Step,
    without_want,
)
from usher.domain.policy import Timings, Want


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
    return Step(row, row.model_copy(update=wanted | without_want(row)), Guarded.PLANNING)


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
