"""What a review of the protocol found about planning beside sending; each promise was broken once."""

from collections.abc import Sequence
from datetime import timedelta

import pytest

from tests.fakes.ledger import Entry, Fault
from tests.fakes.provider import answering
from tests.unit.use_cases.protocol_worlds import (
    ANN,
    a_cancel,
    atlassian_world,
    fail,
    ledger_of,
    sentry_world,
    the_policy,
    under_version_two,
)
from tests.unit.use_cases.test_plan_invites import ThinDetails
from tests.unit.use_cases.world import NOON, World, a_hire, a_policy
from usher.domain.actual import claim
from usher.domain.errors import DetailsUnavailable, StoreUnavailable
from usher.domain.hire import Change, HireKey
from usher.domain.invitation import Guarded, Intent, InvitationKey, Origin, State
from usher.domain.notice import NoticeState
from usher.domain.outcomes import Outcome, RefusedPerson, Standing
from usher.domain.planning import HirePlan
from usher.domain.policy import SendTime
from usher.ports import Ask, Call
from usher.use_cases.plan_invites import Planned


def test_a_crash_before_the_plan_is_written_does_not_end_a_recorded_notice() -> None:
    """The notice ends only once its plan stands, or the hire would be lost with it."""
    thin = ThinDetails(DetailsUnavailable("503"), a_hire(source="thin"), a_hire(source="thin"))
    world = World(details={"thin": thin})
    notice = world.notice(source="thin", subject="E-1", change=Change.HIRED, hire=None)
    world.plan.notice(notice)
    world.clock.advance(31)
    commit = world.store.commit

    def down(plan: HirePlan) -> bool:
        raise StoreUnavailable("throttled")

    world.store.commit = down  # type: ignore[method-assign]
    with pytest.raises(StoreUnavailable):
        world.plan.recorded(notice.notice_id)
    world.store.commit = commit  # type: ignore[method-assign]

    world.plan.recorded(notice.notice_id)

    assert world.store.hire(HireKey("thin", "E-1")).rows


def test_a_correction_that_comes_while_the_old_address_is_refused_is_sent() -> None:
    """The refusal was about what was sent, and something else is wanted by now."""
    world = World()
    world.says(a_hire(work_email="anm@example.com"))

    def refused(call: Call, asks: Sequence[Ask]) -> dict[InvitationKey, Outcome]:
        world.says(a_hire(version=2, work_email=ANN))
        return {ask.key: RefusedPerson("no such person") for ask in asks}

    world.provider.answers.append(refused)
    world.until_quiet()

    assert world.provider.mails == [ANN]


def test_a_correction_that_is_decided_during_the_send_and_written_after_its_refusal_is_sent() -> None:
    """Beside a row in flight only the wanted half is written; on a rejected one that would be the end of it."""
    world = World()
    world.says(a_hire(work_email="anm@example.com"))
    commit, slow = world.store.commit, []

    def keep(plan: HirePlan) -> bool:
        slow.append(plan)
        raise StoreUnavailable("slow")

    def refused(call: Call, asks: Sequence[Ask]) -> dict[InvitationKey, Outcome]:
        world.store.commit = keep  # type: ignore[method-assign]
        with pytest.raises(StoreUnavailable):
            world.says(a_hire(version=2, work_email=ANN))
        world.store.commit = commit  # type: ignore[method-assign]
        return {ask.key: RefusedPerson("no such person") for ask in asks}

    world.provider.answers.append(refused)
    world.send()
    assert world.row().state is State.REJECTED
    assert not commit(slow[0])

    world.says(a_hire(version=2, work_email=ANN))
    world.until_quiet()
    assert world.provider.mails == [ANN]


def test_what_is_wanted_of_a_row_that_waits_for_its_repair_rests_on_its_waiting() -> None:
    """A sender may end it at this moment, as no longer wanted; then nobody would give the open part any more."""
    world = sentry_world()
    world.says(a_hire(work_email=ANN))
    fail(world, Fault.PARTLY)
    world.send()
    assert (world.row().state, world.row().intent) == (State.PENDING, Intent.REPAIR)
    commit, plans = world.store.commit, []

    def seen(plan: HirePlan) -> bool:
        plans.append(plan)
        return commit(plan)

    world.store.commit = seen  # type: ignore[method-assign]
    world.says(a_hire(version=2, work_email=ANN))
    (step,) = plans[0].steps
    assert step.guarded is Guarded.PLANNING


def test_the_same_notice_in_two_hands_does_not_end_the_rehire_that_waits() -> None:
    """The slower one finds the word known, and the notice that the faster one has recorded is not its own to end."""
    world = atlassian_world()
    world.says(a_hire(work_email=ANN))
    fail(world, Fault.UNKNOWN_ACTED)
    world.send()
    world.says(a_cancel())
    notice = world.notice(a_hire(version=3, work_email=ANN))
    commit, hands = world.store.commit, [1]

    def slower(plan: HirePlan) -> bool:
        if hands:
            hands.clear()
            assert world.plan.notice(notice) is Planned.WAITING
        return commit(plan)

    world.store.commit = slower  # type: ignore[method-assign]
    world.plan.notice(notice)
    record = world.store.notice(notice.notice_id)
    assert record is not None
    assert record.state is NoticeState.WAITING


def change_then_hire(world: World) -> None:
    """Say the third thing first and the first one second: whoever counts versions sees nothing new in the second."""
    world.says(a_hire(version=3, change=Change.CHANGED, work_email=None))
    world.says(a_hire(version=1, work_email="anm@example.com"))


def test_a_correction_that_comes_late_takes_a_rejected_row_up_again() -> None:
    """The hire's version does not rise with it, but the address is another one."""
    world = World()
    change_then_hire(world)
    world.provider.answers.append(answering(RefusedPerson("no such person")))
    world.send()
    assert world.row().state is State.REJECTED
    world.says(a_hire(version=2, work_email=ANN))
    world.until_quiet()

    assert world.provider.mails == [ANN]


def test_a_correction_that_comes_late_while_the_old_address_is_refused_is_sent() -> None:
    """As for one that comes in order."""
    world = World()
    change_then_hire(world)

    def refused(call: Call, asks: Sequence[Ask]) -> dict[InvitationKey, Outcome]:
        world.says(a_hire(version=2, work_email=ANN))
        return {ask.key: RefusedPerson("no such person") for ask in asks}

    world.provider.answers.append(refused)
    world.until_quiet()

    assert world.provider.mails == [ANN]


def test_a_rejected_person_who_is_hired_again_is_wanted_again() -> None:
    """Though the words came in such an order that the hire's version does not rise with it."""
    world = World()
    world.says(a_hire(version=5, change=Change.CHANGED))
    world.says(a_hire(version=2))
    world.provider.answers.append(answering(RefusedPerson("no such person")))
    world.send()
    world.says(a_cancel(version=3))
    assert not world.row().want
    world.says(a_hire(version=4))

    assert world.row().want
    assert world.row().state is State.PENDING


def test_what_was_known_of_a_former_address_is_not_told_of_the_next() -> None:
    """Somebody else had invited the former one; the next one is ours."""
    world = atlassian_world()
    ledger_of(world).directory["main", ANN] = Entry(NOON, NOON, Standing.EXPIRED)
    world.says(a_hire(work_email=ANN))
    fail(world, Fault.NOT_SENT)
    world.send()
    world.says(a_cancel())
    world.says(a_hire(version=3, work_email="ann.new@example.com"))
    fail(world, Fault.PARTLY)
    world.until_quiet()

    assert world.row().state is State.INVITED
    assert world.row().origin is Origin.US


def test_a_claim_of_a_former_address_does_not_stand() -> None:
    """The mailbox that the row holds has changed with the address, whatever its version says."""
    world = World()
    change_then_hire(world)
    world.clock.advance(1)
    now = world.clock.now()
    step = claim(world.row(), owner="me", now=now, lease_until=now + timedelta(seconds=60))
    due_at = world.row().due_at
    world.says(a_hire(version=2, work_email=ANN))
    world.store.apply_directly(world.row().key, due_at=due_at)

    assert not world.store.apply([step])[0].stands


def test_an_address_that_hr_took_back_is_not_mailed() -> None:
    """The newest one cannot be used, and the former is no longer what HR says."""
    world = World()
    world.says(a_hire(work_email=ANN))
    world.says(a_hire(version=2, work_email="ann@other.org"))
    world.until_quiet()

    assert world.provider.mails == []


def test_a_change_after_a_cancel_does_not_hire_again() -> None:
    """Only a hire hires."""
    world = World()
    world.says(a_hire())
    world.says(a_cancel())
    world.says(a_hire(version=3, change=Change.CHANGED, location="Berlin"))
    world.until_quiet()

    assert world.provider.mails == []


def test_a_hire_that_a_new_policy_cannot_plan_waits_for_a_person() -> None:
    """A rule that needs a start date meets a hire without one: not tried forever where nobody looks."""
    world = World()
    world.says(a_hire(start_date=None))
    rule = the_policy(world).rules[0].model_copy(update={"send": SendTime(days_before=1)})
    under_version_two(world, rules=(rule,))
    for _ in range(100):
        world.clock.advance(900)
        world.send()

    assert world.row().state is State.PARKED


def test_rows_of_a_connection_that_left_the_policy_are_planned_again() -> None:
    """Nobody's sender would ever look at them, so the sweep of the hour does."""
    world = World()
    world.says(a_hire())
    policy = the_policy(world)
    under_version_two(world, connections={"labs": policy.connections["labs"]}, rules=policy.rules[1:])
    world.clock.advance(3600)
    world.sweep()

    assert world.queues.hires_woken == [HireKey("canonical", "E-1")]
    world.plan.hire(HireKey("canonical", "E-1"))
    assert world.row().state is State.CANCELLED


def test_a_waiter_of_a_newer_policy_does_not_stop_a_run() -> None:
    """Old and new code run side by side; the newer one plans its own."""
    world = World()
    world.says(a_hire("E-1", work_email=ANN))
    old = world.policy
    world.policy = a_policy(world.provider, version=2)
    world.says(a_hire("E-2", work_email=ANN))
    world.policy = old
    world.provider.answers.append(answering(RefusedPerson("no")))

    world.send(world.row("E-1").key)

    assert world.row("E-1").state is State.REJECTED
