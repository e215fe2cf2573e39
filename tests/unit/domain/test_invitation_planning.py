"""What planning may do to a row, beside a sender and without one."""

from datetime import date, timedelta
from typing import Any

import pytest

from tests.unit.domain.conftest import GRANT, HIRE, NOON, a_row, a_want, claimed, later
from usher.domain.invitation import Intent, Invitation, NotNow, State, Step
from usher.domain.policy import Want
from usher.domain.wanted import opened, promoted, rewanted, unplannable, unwanted

DUPLICATE_OF = "canonical/E-9/atlassian-main"


def wanted_again(row: Invitation, want: Want | None = None, **more: Any) -> Step:
    """Plan a row again with version 2 of the hire."""
    said: dict[str, Any] = {
        "hire_version": 2,
        "policy_version": "1.abc",
        "start_date": date(2026, 9, 14),
        "now": later(5),
        "live": True,
        "guard": "d1",
    } | more
    return rewanted(row, want or a_want(), **said)


def taken(row: Invitation) -> Step:
    """Take a row back with version 2 of the hire."""
    return unwanted(row, hire_version=2, policy_version="1.abc", now=later(5))


def a_new(**more: Any) -> Invitation:
    """Open a row at noon."""
    said: dict[str, Any] = {
        "generation": 1,
        "hire_version": 1,
        "policy_version": "1.abc",
        "start_date": None,
        "now": NOON,
        "live": True,
        "guard": "d1",
    }
    return opened(HIRE, a_want(), **said | more)


def test_a_new_row_is_pending_and_holds_its_mailbox() -> None:
    """Due when the policy says, and guarded from the start."""
    row = opened(
        HIRE,
        a_want(send_not_before=later(86400)),
        generation=1,
        hire_version=1,
        policy_version="1.abc",
        start_date=None,
        now=NOON,
        live=True,
        guard="d1",
    )

    assert (row.state, row.guard, row.due_at) == (State.PENDING, "d1", later(86400))


def test_in_plan_mode_a_row_takes_no_guard_and_is_never_due() -> None:
    """It shows what would happen, and wakes nobody."""
    row = a_new(live=False)

    assert (row.state, row.guard, row.due_at) == (State.PLANNED, None, None)


def test_a_second_row_for_one_mailbox_waits_as_a_duplicate() -> None:
    """A mailbox is never mailed by two rows of one connection."""
    row = a_new(held_by=DUPLICATE_OF)

    assert (row.state, row.guard, row.due_at) == (State.DUPLICATE, None, None)
    assert DUPLICATE_OF in (row.reason or "")


def test_a_duplicate_becomes_pending_when_the_mailbox_is_free() -> None:
    """The holder ended without an invitation."""
    after = wanted_again(a_new(held_by=DUPLICATE_OF)).after

    assert (after.state, after.guard, after.due_at, after.reason) == (State.PENDING, "d1", later(5), None)


def test_a_further_generation_asks_the_provider_before_it_posts() -> None:
    """A rehire may still be a member."""
    assert a_new(generation=2, looks_first=True).reads_first


def test_a_newer_address_is_used_as_long_as_nothing_was_sent(pending: Invitation) -> None:
    """And the guard moves with it."""
    after = wanted_again(pending, a_want(address="ann.b@example.com"), guard="d2").after

    assert (after.state, after.address, after.guard, after.hire_version) == (
        State.PENDING,
        "ann.b@example.com",
        "d2",
        2,
    )


@pytest.mark.parametrize("state", [State.SENDING, State.AMBIGUOUS, State.INVITED, State.ALREADY_MEMBER])
def test_beside_a_sender_and_after_it_planning_writes_the_wanted_half_alone(state: State) -> None:
    """Snapshot, state, fence and due time are the sender's."""
    row = claimed().model_copy(update={"state": state, "posted_at": NOON})
    step = wanted_again(row, a_want(address="ann.b@example.com"), guard="d2")

    assert step.after.state is state
    assert step.after.sent_address == "ann@example.com"
    assert step.changes.keys() <= {
        "address",
        "hire_version",
        "policy_version",
        "grant",
        "grant_digest",
        "send_not_before",
        "start_date",
        "explanation",
        "want",
        "updated_at",
    }
    assert not {"state", "fence", "owner"} & step.conditions.keys()


def test_an_address_that_changes_after_the_invitation_asks_for_attention_not_for_a_mail() -> None:
    """No second mail; a person decides."""
    row = claimed().model_copy(update={"state": State.INVITED, "due_at": None})
    after = wanted_again(row, a_want(address="ann.b@example.com"), guard="d2").after

    assert after.state is State.INVITED
    assert "address changed" in (after.attention or "")


def test_a_newer_notice_moves_the_due_time_but_never_before_a_told_time(pending: Invitation) -> None:
    """Whoever told us to wait is not asked earlier because HR has news."""
    told = pending.model_copy(update={"told_until": later(3600), "due_at": later(3600), "defers": 1})

    assert wanted_again(pending, a_want(send_not_before=later(600))).after.due_at == later(600)
    assert wanted_again(told).after.due_at == later(3600)


def test_a_row_in_flight_keeps_its_due_time_whatever_hr_says(ambiguous: Invitation) -> None:
    """A due time moved while ambiguous would let a read decide too early."""
    assert wanted_again(ambiguous, a_want(send_not_before=NOON)).after.due_at == ambiguous.due_at


@pytest.mark.parametrize("state", [State.PENDING, State.PLANNED, State.DUPLICATE, State.PARKED])
def test_a_row_that_waits_is_cancelled_at_once(state: State) -> None:
    """And gives its mailbox back."""
    step = taken(a_row(state))

    assert (step.after.state, step.after.want, step.after.due_at) == (State.CANCELLED, False, None)
    assert step.after.guard is None


@pytest.mark.parametrize("state", [State.SENDING, State.AMBIGUOUS])
def test_a_cancel_during_a_send_only_marks_the_row(state: State) -> None:
    """The send finishes, and its outcome is the truth."""
    step = taken(claimed().model_copy(update={"state": state}))

    assert (step.after.state, step.after.want) == (state, False)
    assert step.after.guard == "d1"


def test_a_cancelled_half_success_stays_invited_for_the_provider_has_the_person(pending: Invitation) -> None:
    """Cancelled would not be true."""
    after = taken(pending.model_copy(update={"intent": Intent.REPAIR, "mailed": True})).after

    assert after.state is State.INVITED
    assert after.revoke_needed


def test_a_cancelled_row_is_pending_again_when_wanted_again_and_reads_first_if_it_ever_posted() -> None:
    """Any re-entry to pending reads first if a fence ever posted."""
    fresh = wanted_again(a_row(State.CANCELLED, want=False, guard=None, due_at=None)).after
    posted = wanted_again(a_row(State.CANCELLED, want=False, guard=None, due_at=None, posted_at=NOON)).after

    assert (fresh.state, fresh.want, fresh.guard, fresh.reads_first) == (State.PENDING, True, "d1", False)
    assert posted.reads_first


def test_a_rejected_row_is_tried_again_only_when_the_hire_or_the_grant_was_corrected() -> None:
    """The same question would get the same answer."""
    rejected = a_row(State.REJECTED, guard=None, due_at=None, reason="refused")
    corrected = a_want(grant=GRANT.model_copy(update={"groups": ("g-2",)}))

    assert wanted_again(rejected, hire_version=1).after.state is State.REJECTED
    assert wanted_again(rejected, hire_version=2).after.state is State.PENDING
    assert wanted_again(rejected, corrected, hire_version=1).after.state is State.PENDING


def test_a_parked_row_stays_parked_until_an_operator_takes_it_up() -> None:
    """News from HR does not restart what reached its limits."""
    after = wanted_again(
        a_row(State.PARKED, due_at=None, attempts=6), a_want(address="ann.b@example.com"), guard="d2"
    ).after

    assert (after.state, after.address, after.guard) == (State.PARKED, "ann.b@example.com", "d1")


def test_a_row_that_was_parked_untried_follows_the_next_plan() -> None:
    """It waited for the hire to be usable again, not for an operator."""
    parked = unplannable(a_row(), reason="work_email: its domain is not one of the company's", now=later(1)).after
    after = wanted_again(parked, a_want(address="ann.b@example.com"), guard="d2").after

    assert (parked.state, parked.due_at) == (State.PARKED, None)
    assert (after.state, after.address, after.guard, after.reason) == (State.PENDING, "ann.b@example.com", "d2", None)


def test_a_change_during_a_repair_writes_the_wanted_half_alone_and_the_mailbox_stays_guarded(
    pending: Invitation,
) -> None:
    """The provider has the person at the address that was sent."""
    row = pending.model_copy(update={"intent": Intent.REPAIR, "sent_address": "ann@example.com", "mailed": True})
    step = wanted_again(row, a_want(address="ann.b@example.com"), guard="d2")

    assert (step.after.address, step.after.guard, step.after.mailbox_address) == (
        "ann.b@example.com",
        "d1",
        "ann@example.com",
    )
    assert claimed(step.after, now=later(60)).sent_address == "ann@example.com"


def test_a_next_generation_shares_its_mailbox_with_the_former_and_never_gives_it_back() -> None:
    """The former one was invited there."""
    former = claimed().model_copy(update={"state": State.INVITED, "posted_at": NOON, "want": False, "due_at": None})
    row = a_new(generation=2, looks_first=True, formers=(former,))

    assert row.shares_guard
    assert not row.may_post
    assert taken(row).releases is None


def test_a_cancelled_row_that_was_perhaps_mailed_keeps_its_mailbox() -> None:
    """Nobody else may mail it."""
    step = taken(a_row(State.PARKED, due_at=None, posted_at=NOON))

    assert (step.after.state, step.after.guard) == (State.CANCELLED, "d1")
    assert step.releases is None


def test_going_live_makes_a_planned_row_pending_and_takes_its_mailbox() -> None:
    """Or a duplicate, where another row holds it."""
    planned = a_new(live=False)

    assert promoted(planned, now=later(5), guard="d1").after.state is State.PENDING
    assert promoted(planned, now=later(5), guard="d1", held_by=DUPLICATE_OF).after.state is State.DUPLICATE
    with pytest.raises(NotNow):
        promoted(a_row(), now=later(5), guard="d1")


def test_a_policy_in_plan_mode_does_not_send_what_it_plans_anew() -> None:
    """A cancelled row that is wanted again in plan mode is planned, not pending."""
    after = wanted_again(a_row(State.CANCELLED, want=False, guard=None, due_at=None), live=False).after

    assert (after.state, after.due_at, after.guard) == (State.PLANNED, None, None)


def test_planning_guards_its_writes_by_both_versions(pending: Invitation) -> None:
    """Two planners of one hire: one of them plans again."""
    assert {"hire_version", "policy_version", "state", "fence"} <= wanted_again(pending).conditions.keys()


def test_send_time_may_move_closer(pending: Invitation) -> None:
    """A start date that moves up moves the invitation up."""
    waiting = pending.model_copy(update={"due_at": NOON + timedelta(days=30)})

    assert wanted_again(waiting, a_want(send_not_before=later(600))).after.due_at == later(600)
