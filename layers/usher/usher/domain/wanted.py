"""The wanted half: what planning may do to a row, beside a sender and without one."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

from usher.domain.hire import HireKey
from usher.domain.invitation import (
    IN_FLIGHT,
    LIVE,
    LONGEST_REASON,
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
    formers: Sequence[Invitation] = (),
) -> Invitation:
    """
    Make a new row: planned in plan mode, a duplicate where another row holds the mailbox, else pending.

    `looks_first` (a rehire) makes the first claim read before it posts. `formers` are the earlier generations: what one
    of them posted to the same address must have settled before that read may decide, and a mailbox that both hold
    stays the former's.
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
        posted_at=_posted_before(formers, want.address),
        shares_guard=_is_held_before(formers, guard),
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
    formers: Sequence[Invitation] = (),
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
    with_provider = row.state in (State.INVITED, State.ALREADY_MEMBER) or (
        row.state is State.PENDING and row.intent is not Intent.INVITE
    )
    if row.state in IN_FLIGHT or with_provider:
        # The guard stays with the mailbox that was mailed. A row that waits may be ended by a sender at this moment.
        beside = Guarded.PLANNING if row.state is State.PENDING else Guarded.ANNOTATING
        return Step(row, row.model_copy(update=wanted), beside)
    corrected = not row.want or want.address != row.address or want.grant.digest != row.grant_digest
    if row.state is State.REJECTED and hire_version <= row.hire_version and not corrected:
        # Nothing about the person or the grant is new, so the provider's answer would not be either.
        return Step(row, row.model_copy(update={"policy_version": policy_version, "updated_at": now}), Guarded.PLANNING)
    if row.state is State.PARKED and not row.is_untried:
        # Only an operator takes it up; the guard stays, for the row may have mailed the mailbox that it holds.
        return Step(row, row.model_copy(update=wanted), Guarded.PLANNING)
    if row.state is State.PLANNED or not live:
        if row.state in (State.PENDING, State.DUPLICATE):
            return Step(row, row.model_copy(update=wanted), Guarded.PLANNING)
        actual = _waiting(State.PLANNED, "plan mode: nothing is sent")
    elif held_by is not None:
        actual = _waiting(State.DUPLICATE, f"the mailbox is held by {held_by}")
    else:
        actual = {
            "state": State.PENDING,
            "guard": guard,
            "shares_guard": _is_held_before(formers, guard),
            "due_at": _due(row, want.send_not_before, now),
        }
        if row.posted_at is None:
            # The address may be one that a former generation was invited at.
            actual["posted_at"] = _posted_before(formers, want.address)
        if row.state is not State.PENDING:
            actual |= {"reason": None, "attempts": 0, "defers": 0, "batch_limit": None}
        if row.state in (State.REJECTED, State.CANCELLED):
            # What was found out before may be about another address.
            actual |= {"intent": Intent.INVITE, "open_parts": (), "origin": None, "provider_ref": None, "drift": ()}
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


def unplannable(row: Invitation, *, reason: str, now: datetime) -> Step:
    """Park a pending row whose hire cannot be planned as the source tells it now; the next plan takes it up again."""
    if row.state is not State.PENDING:
        raise NotNow(f"{row.key} is {row.state}")
    told = f"what is now known of the hire cannot be used: {reason}"
    parked = {"state": State.PARKED, "due_at": None, "reason": told[:LONGEST_REASON], "updated_at": now}
    return Step(row, row.model_copy(update=parked), Guarded.PLANNING)


def promoted(
    row: Invitation, *, now: datetime, guard: str, held_by: str | None = None, formers: Sequence[Invitation] = ()
) -> Step:
    """Let a planned row go live."""
    if row.state is not State.PLANNED or not row.want:
        raise NotNow(f"only a planned row can go live; {row.key} is {row.state}")
    if held_by is not None:
        actual = _waiting(State.DUPLICATE, f"the mailbox is held by {held_by}")
    else:
        actual = {
            "state": State.PENDING,
            "guard": guard,
            "shares_guard": _is_held_before(formers, guard),
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
        # A rehire that was never claimed has no snapshot yet; what a former generation sent went to this address.
        actual |= {"sent_address": row.sent_address or row.address, "sent_grant": row.sent_grant or row.grant}
    return Step(row, row.model_copy(update=actual | {"updated_at": now}), Guarded.PLANNING)


def _is_held_before(formers: Sequence[Invitation], guard: str | None) -> bool:
    return guard is not None and any(former.guard == guard for former in formers)


def _posted_before(formers: Sequence[Invitation], address: str) -> datetime | None:
    """When a former generation last posted to this address; None if none did."""
    times = [row.posted_at for row in formers if row.posted_at is not None and row.sent_address == address]
    return max(times, default=None)


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
