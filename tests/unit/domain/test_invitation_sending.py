"""Claims, outcomes and reads: what sending may do to a row."""

from datetime import timedelta
from typing import Any

import pytest

from tests.unit.domain.conftest import GRANT, LIMITS, NOON, TIMINGS, a_row, claimed, later
from usher.domain.actual import claim, deferred, lease_ran_out, parked_at_limit, read, settled, taken_back
from usher.domain.invitation import LIVE, Intent, Invitation, Limits, NotNow, Origin, State, Step
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
from usher.domain.wanted import unparked

GROUP = Part("group", "g-1")


def ended(row: Invitation, outcome: Outcome, **more: Any) -> Step:
    """Record an outcome one second after noon, with a POST at noon."""
    said: dict[str, Any] = {"now": later(1), "timings": TIMINGS, "limits": LIMITS}
    said |= {"resend_expired": True, "posted_at": NOON} | more
    return settled(row, outcome, **said)


def looked(row: Invitation, finding: Finding, seconds: float = 180, **more: Any) -> Step:
    """Record a read so many seconds after noon."""
    said: dict[str, Any] = {"now": later(seconds), "timings": TIMINGS, "limits": LIMITS, "resend_expired": True} | more
    return read(row, finding, **said)


# --- claims ---


def test_a_claim_takes_a_snapshot_raises_the_fence_and_is_guarded_by_both_halves(pending: Invitation) -> None:
    """Sending, with what will be sent, is durable before the first byte leaves."""
    step = claim(pending, owner="w1", now=NOON, lease_until=later(40))

    assert step.after.state is State.SENDING
    assert (step.after.fence, step.after.owner, step.after.attempts) == (1, "w1", 1)
    assert (step.after.sent_address, step.after.sent_grant) == ("ann@example.com", GRANT)
    assert step.after.due_at == step.after.lease_until == later(40)
    assert set(step.conditions) == {"state", "fence", "due_at", "want", "hire_version", "policy_version", "address"}


@pytest.mark.parametrize("state", [state for state in State if state is not State.PENDING])
def test_only_a_pending_row_can_be_claimed(state: State) -> None:
    """One claim, one fence, at most one POST: a second try is a second claim."""
    with pytest.raises(NotNow):
        claim(a_row(state), owner="w1", now=NOON, lease_until=later(40))


def test_a_row_is_not_claimed_before_it_is_due_or_when_nobody_wants_it(pending: Invitation) -> None:
    """The due time and the wish are part of the claim."""
    with pytest.raises(NotNow):
        claim(pending.model_copy(update={"due_at": later(1)}), owner="w1", now=NOON, lease_until=later(40))
    with pytest.raises(NotNow):
        claim(pending.model_copy(update={"want": False}), owner="w1", now=NOON, lease_until=later(40))


def test_a_failed_condition_that_shows_our_own_claim_is_our_lost_answer(pending: Invitation) -> None:
    """An SDK retries a write whose answer got lost; the row then shows our owner and fence."""
    ours = claim(pending, owner="w1", now=NOON, lease_until=later(40))
    theirs = claim(pending, owner="w2", now=NOON, lease_until=later(40))

    assert ours.already_in(ours.after)
    assert not ours.already_in(theirs.after)
    assert not ours.already_in(pending)


# --- outcomes ---


def test_an_accepted_invitation_is_ours_and_settled(sending: Invitation) -> None:
    """Invited, with the provider's reference, whether a mail went out, and no due time."""
    after = ended(sending, Accepted("712020:1", mailed=True)).after

    assert (after.state, after.origin, after.mailed, after.provider_ref) == (State.INVITED, Origin.US, True, "712020:1")
    assert after.due_at is None
    assert after.posted_at == NOON
    assert [line.outcome for line in after.history] == ["Accepted"]


def test_an_outcome_is_guarded_by_state_fence_and_owner_alone(sending: Invitation) -> None:
    """What planning wrote meanwhile neither stops the outcome nor is overwritten by it."""
    step = ended(sending, Accepted("1", mailed=True))

    assert step.conditions == {"state": State.SENDING, "fence": 1, "owner": "w1"}
    assert not {"want", "hire_version", "policy_version", "address", "grant", "start_date"} & step.changes.keys()


def test_an_outcome_for_somebody_no_longer_wanted_asks_for_a_revocation(sending: Invitation) -> None:
    """The truth is that they were invited; taking it back is a person's decision."""
    after = ended(sending.model_copy(update={"want": False}), Accepted("1", mailed=True)).after

    assert after.state is State.INVITED
    assert after.revoke_needed
    assert after.attention is not None


def test_of_a_half_success_only_the_open_part_is_repaired(sending: Invitation) -> None:
    """The role was given, the group failed: never a second invitation."""
    after = ended(sending, PartlyAccepted("1", True, (GROUP,), "a group failed")).after

    assert (after.state, after.intent, after.open_parts) == (State.PENDING, Intent.REPAIR, (GROUP,))
    assert after.mailed is True
    assert after.due_at is not None
    assert after.due_at > later(1)


def test_a_repair_that_succeeds_settles_the_row_without_another_mail(sending: Invitation) -> None:
    """One mail in all, and because of us."""
    half = ended(sending, PartlyAccepted("1", True, (GROUP,), "a group failed")).after
    after = ended(claimed(half, now=later(60)), Accepted("1", mailed=False)).after

    assert (after.state, after.mailed, after.origin, after.open_parts) == (State.INVITED, True, Origin.US, ())


def test_a_member_before_us_is_already_member_with_the_drift_reported(sending: Invitation) -> None:
    """Nobody was mailed, and what differs from the policy is shown."""
    after = ended(sending, AlreadyMember("7", ("role is owner",))).after

    assert (after.state, after.origin, after.mailed) == (State.ALREADY_MEMBER, Origin.ELSEWHERE, False)
    assert "role is owner" in (after.attention or "")


def test_a_member_found_after_an_earlier_fence_posted_is_not_called_a_member_before_us(sending: Invitation) -> None:
    """It may have been our own lost invitation, accepted meanwhile."""
    after = ended(sending.model_copy(update={"posted_at": later(-600)}), AlreadyMember("7")).after

    assert (after.state, after.origin, after.mailed) == (State.INVITED, Origin.UNKNOWN, None)


def test_an_invitation_from_elsewhere_is_invited_without_a_mail_of_ours(sending: Invitation) -> None:
    """Somebody else invited them; the row says so."""
    after = ended(sending, AlreadyInvited("7", expired=False)).after

    assert (after.state, after.origin, after.mailed) == (State.INVITED, Origin.ELSEWHERE, False)


def test_an_expired_invitation_is_sent_again_only_if_the_policy_allows(sending: Invitation) -> None:
    """Else it waits for a person, with the reason."""
    again = ended(sending, AlreadyInvited("7", expired=True)).after
    parked = ended(sending, AlreadyInvited("7", expired=True), resend_expired=False).after

    assert (again.state, again.intent, again.provider_ref) == (State.PENDING, Intent.RESEND, "7")
    assert parked.state is State.PARKED
    assert "resend_expired" in (parked.reason or "")


def test_a_refused_person_is_rejected_and_frees_the_mailbox(sending: Invitation) -> None:
    """The guard goes in the same write, so that a corrected hire can have the mailbox."""
    step = ended(sending, RefusedPerson("the address is not accepted"))

    assert (step.after.state, step.after.reason) == (State.REJECTED, "the address is not accepted")
    assert step.releases is not None
    assert step.releases.digest == "d1"


def test_a_refusal_is_not_the_last_word_if_something_else_is_wanted_by_now(sending: Invitation) -> None:
    """A correction that planning wrote meanwhile must not be swallowed by the refusal of what it corrects."""
    step = ended(sending, RefusedPerson("no such person"))

    assert {"hire_version", "policy_version", "want"} <= step.conditions.keys()


def test_a_refused_repair_is_parked_since_the_provider_has_the_person(sending: Invitation) -> None:
    """Rejected would not be true."""
    row = sending.model_copy(update={"intent": Intent.REPAIR, "mailed": True})

    assert ended(row, RefusedPerson("no such group")).after.state is State.PARKED


def test_a_refused_batch_is_halved_and_each_of_its_rows_is_settled_by_reads(sending: Invitation) -> None:
    """A whole-request refusal is not promised to have done nothing."""
    after = ended(sending, RefusedBatch("malformed"), batch=25).after

    assert (after.state, after.batch_limit, after.due_at, after.attempts) == (State.AMBIGUOUS, 13, later(180), 0)
    assert not after.may_post


def test_alone_and_refused_is_a_refused_person(sending: Invitation) -> None:
    """The address found by halving ends with the reason."""
    assert ended(sending, RefusedBatch("malformed"), batch=1).after.state is State.REJECTED


@pytest.mark.parametrize("outcome", [RefusedGrant("no such team"), RefusedConnection("no seats")])
def test_a_refused_grant_or_connection_costs_the_row_no_attempt(sending: Invitation, outcome: Outcome) -> None:
    """It waits for the hold's next probe and burns nothing."""
    after = ended(sending, outcome, held_until=later(300)).after

    assert (after.state, after.attempts, after.due_at) == (State.PENDING, 0, later(300))
    assert after.posted_at is None


def test_a_limit_is_waited_for_as_told_and_does_not_count(sending: Invitation) -> None:
    """No request before the time told."""
    after = ended(sending, LimitedUntil("slow down", later(3600))).after

    assert (after.state, after.attempts, after.due_at, after.told_until) == (State.PENDING, 0, later(3600), later(3600))
    assert not after.reads_first


def test_a_limit_that_may_hide_an_effect_is_settled_by_reads_and_not_before_the_time_told(sending: Invitation) -> None:
    """A 429 is not everywhere promised to have done nothing."""
    after = ended(sending, LimitedUntil("slow down", later(3600), perhaps_acted=True)).after

    assert (after.state, after.due_at, after.attempts) == (State.AMBIGUOUS, later(3600), 0)
    assert not after.may_post


def test_what_was_certainly_not_sent_backs_off_without_counting(sending: Invitation) -> None:
    """Not one byte reached the provider."""
    after = ended(sending, NotSent("connection refused")).after

    assert (after.state, after.attempts, after.defers) == (State.PENDING, 0, 1)
    assert after.due_at == later(1 + 30)
    assert not after.reads_first


def test_what_nobody_knows_is_ambiguous_until_the_settle_time_is_over(sending: Invitation) -> None:
    """Due when a read may decide, not before."""
    after = ended(sending, Ambiguous("500")).after

    assert (after.state, after.due_at, after.posted_at) == (State.AMBIGUOUS, later(180), NOON)


def test_a_lease_that_ran_out_makes_the_row_ambiguous_from_the_end_of_the_lease(sending: Invitation) -> None:
    """Nobody knows when, or whether, the dead sender posted; it cannot have been later than its lease."""
    with pytest.raises(NotNow):
        lease_ran_out(sending, now=later(39), timings=TIMINGS)
    after = lease_ran_out(sending, now=later(50), timings=TIMINGS).after

    assert (after.state, after.posted_at, after.due_at) == (State.AMBIGUOUS, later(40), later(40 + 180))


# --- reads ---


def test_no_read_decides_before_the_settle_time_whatever_the_due_time_says(ambiguous: Invitation) -> None:
    """An accepted request may still lie in the provider."""
    early = ambiguous.model_copy(update={"due_at": NOON})

    for finding in (Absent(), Present("1", Standing.INVITED)):
        with pytest.raises(NotNow):
            looked(early, finding, seconds=179)


def test_present_once_is_enough(ambiguous: Invitation) -> None:
    """The row is invited; whether a mail went out is not known, and it says so."""
    after = looked(ambiguous, Present("1", Standing.MEMBER)).after

    assert (after.state, after.origin, after.mailed, after.provider_ref) == (State.INVITED, Origin.UNKNOWN, None, "1")


def test_an_entry_made_after_the_claim_is_ours(ambiguous: Invitation) -> None:
    """Where the provider says since when, the origin is known."""
    assert looked(ambiguous, Present("1", Standing.INVITED, since=later(2))).after.origin is Origin.US


def test_absent_must_be_read_as_often_as_the_timings_ask_a_gap_apart(ambiguous: Invitation) -> None:
    """A directory that lags or flaps does not make a second mail."""
    once = looked(ambiguous, Absent()).after
    assert (once.state, once.absent_reads, once.due_at) == (State.AMBIGUOUS, 1, later(240))

    with pytest.raises(NotNow):
        looked(once, Absent(), seconds=239)
    twice = looked(once, Absent(), seconds=240).after
    assert (once.reads, twice.reads) == (1, 0)
    assert (twice.state, twice.due_at) == (State.PENDING, later(240))
    assert twice.reads_first
    assert twice.may_post


def test_present_after_an_absent_read_still_decides(ambiguous: Invitation) -> None:
    """The second read exists for this."""
    once = looked(ambiguous, Absent()).after

    assert looked(once, Present("1", Standing.MEMBER), seconds=240).after.state is State.INVITED


def test_a_failed_read_says_nothing_and_does_not_count(ambiguous: Invitation) -> None:
    """The row stays ambiguous and is asked again."""
    after = looked(ambiguous, ReadFailed("503")).after

    assert (after.state, after.reads, after.absent_reads) == (State.AMBIGUOUS, 0, 0)
    assert after.due_at == later(180 + 30)


def test_held_time_does_not_count_toward_the_longest_ambiguity(ambiguous: Invitation) -> None:
    """A connection that is down for a day parks nobody."""
    held = looked(ambiguous, ReadFailed("bad token"), held_until=later(180 + 3600)).after

    assert held.ambiguous_since == NOON + timedelta(seconds=3600)
    assert parked_at_limit(held, now=later(24 * 3600), limits=LIMITS) is None
    assert parked_at_limit(held, now=later(25 * 3600), limits=LIMITS) is not None


def test_a_read_that_finds_parts_missing_starts_a_repair(ambiguous: Invitation) -> None:
    """Row, team and mail are separate steps at the provider; a failure in between leaves some open."""
    after = looked(ambiguous, Present("1", Standing.INVITED, open=(GROUP,))).after

    assert (after.state, after.intent, after.open_parts) == (State.PENDING, Intent.REPAIR, (GROUP,))


def test_a_person_who_is_suspended_is_parked_with_the_reason(ambiguous: Invitation) -> None:
    """Nothing that we send would help."""
    after = looked(ambiguous, Present("1", Standing.MEMBER, blocked="suspended in the organization")).after

    assert (after.state, after.reason) == (State.PARKED, "suspended in the organization")


# --- limits, and operators ---


def test_six_attempts_twenty_reads_or_a_day_of_ambiguity_park_a_row(pending: Invitation, ambiguous: Invitation) -> None:
    """Bounded work, each with its reason."""
    assert parked_at_limit(pending.model_copy(update={"attempts": 5}), now=NOON, limits=LIMITS) is None
    for row, now in (
        (pending.model_copy(update={"attempts": 6}), NOON),
        (ambiguous.model_copy(update={"reads": 20}), later(600)),
        (ambiguous, later(24 * 3600)),
    ):
        step = parked_at_limit(row, now=now, limits=LIMITS)
        assert step is not None
        assert (step.after.state, step.after.due_at) == (State.PARKED, None)
        assert step.after.reason


def test_a_parked_row_is_taken_up_by_a_read_if_anything_was_ever_posted(ambiguous: Invitation) -> None:
    """Only a row under whose fences nothing went out may be sent at once."""
    clean = unparked(a_row(State.PARKED, due_at=None), now=later(900), timings=TIMINGS).after
    posted = unparked(
        ambiguous.model_copy(update={"state": State.PARKED, "due_at": None}), now=later(900), timings=TIMINGS
    ).after

    assert clean.state is State.PENDING
    assert posted.state is State.AMBIGUOUS


def test_a_pending_row_that_nobody_wants_is_cancelled_when_it_comes_due(pending: Invitation) -> None:
    """And its mailbox is free in the same write."""
    step = taken_back(pending.model_copy(update={"want": False}), now=NOON)

    assert step.after.state is State.CANCELLED
    assert step.releases is not None


def test_a_deferral_costs_no_attempt_and_keeps_the_row_due(pending: Invitation) -> None:
    """A row on hold waits visibly."""
    after = deferred(pending, until=later(300), reason="on hold: no seats", now=NOON).after

    assert (after.due_at, after.attempts, after.defers, after.reason) == (later(300), 0, 1, "on hold: no seats")


def test_every_step_keeps_the_rule_that_exactly_live_rows_have_a_due_time(
    sending: Invitation, ambiguous: Invitation
) -> None:
    """The index holds a row until it is final, so nothing is forgotten."""
    outcomes: list[Outcome] = [
        Accepted("1", mailed=True),
        PartlyAccepted("1", True, (GROUP,), "x"),
        AlreadyMember("1"),
        AlreadyInvited("1", expired=True),
        AlreadyInvited("1", expired=False),
        RefusedPerson("x"),
        RefusedBatch("x"),
        RefusedGrant("x"),
        RefusedConnection("x"),
        LimitedUntil("x"),
        NotSent("x"),
        Ambiguous("x"),
    ]
    findings: list[Finding] = [Absent(), Present("1", Standing.EXPIRED), Present("1", Standing.MEMBER), ReadFailed("x")]
    steps = [ended(sending, outcome, batch=2) for outcome in outcomes]
    steps += [looked(ambiguous, finding, resend_expired=allowed) for finding in findings for allowed in (True, False)]

    for step in steps:
        assert (step.after.due_at is not None) == (step.after.state in LIVE), step.after.state


def test_backoff_doubles_up_to_its_longest() -> None:
    """However often a row is deferred."""
    limits = Limits(first_backoff=30, longest_backoff=900)

    assert [limits.backoff(n).total_seconds() for n in (0, 1, 2, 5, 500)] == [30, 60, 120, 900, 900]


def test_timings_hold_only_if_a_read_cannot_decide_too_early() -> None:
    """settle + (reads - 1) x gap >= HTTP budget + provider's tail + read lag + 2 x clock skew."""
    assert TIMINGS.shortfall <= 0
    assert TIMINGS.model_copy(update={"absent_reads": 1}).shortfall == 17
