"""What a review of the protocol found; each promise was broken once."""

from collections.abc import Callable, Sequence
from datetime import date, timedelta
from typing import Any

import pytest

from tests.fakes.clock import FakeClock
from tests.fakes.ledger import A_PART, ATLASSIAN_LIKE, Entry, Fault, Ledger
from tests.fakes.provider import answering
from tests.unit.use_cases.test_plan_invites import ThinDetails
from tests.unit.use_cases.world import NOON, World, a_hire, a_policy, digest
from usher.domain.actual import claim
from usher.domain.errors import DetailsUnavailable, StoreUnavailable
from usher.domain.hire import Change, HireKey
from usher.domain.invitation import Guarded, GuardKey, Intent, InvitationKey, Origin, State
from usher.domain.notice import NoticeState
from usher.domain.outcomes import Outcome, Present, ReadFailed, RefusedPerson, Standing
from usher.domain.planning import HirePlan
from usher.domain.policy import Grant, Policy, SendTime, Team
from usher.ports import Ask, Call
from usher.use_cases.operate import TakeUpAgain
from usher.use_cases.plan_invites import Planned

ANN = "ann@example.com"
NEXT_YEAR = date(2027, 1, 4)


def atlassian_world(lag: float = 110) -> World:
    """One stack before a provider that mails again whomever it is asked for, and shows people late."""
    clock = FakeClock(NOON)
    return World(provider=Ledger.like_atlassian(clock, lag), clock=clock)


def sentry_world() -> World:
    """One stack before a provider that knows whom it has."""
    clock = FakeClock(NOON)
    return World(provider=Ledger.like_sentry(clock), clock=clock)


def ledger_of(world: World) -> Ledger:
    """Give the world's provider as what it is."""
    assert isinstance(world.provider, Ledger)
    return world.provider


def fail(world: World, *faults: Fault) -> None:
    """Let the next POSTs fail."""
    ledger_of(world).faults.extend(faults)


def a_cancel(hire_id: str = "E-1", version: int = 2) -> Any:
    """Take a person back."""
    return a_hire(hire_id, version, change=Change.CANCELLED)


def the_policy(world: World) -> Policy:
    """The policy in force."""
    assert world.policy is not None
    return world.policy


def under_version_two(world: World, **changes: Any) -> None:
    """Review the policy."""
    world.policy = the_policy(world).model_copy(update={"version": 2} | changes)


# --- planning ---


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


# --- perhaps the provider acted ---


@pytest.mark.parametrize(
    "fault", [Fault.LIMIT_ACTED, Fault.BATCH_ACTED, Fault.GRANT_ACTED, Fault.CONNECTION_ACTED], ids=lambda f: f.name
)
def test_a_refusal_that_perhaps_acted_is_settled_before_a_second_post(fault: Fault) -> None:
    """The directory lags, so a read at once would show nobody."""
    world = atlassian_world()
    for name in ("E-1", "E-2"):
        world.says(a_hire(name))
    fail(world, fault)
    world.until_quiet()

    assert sorted(world.provider.mails) == ["e-1@example.com", "e-2@example.com"]


def test_a_cancel_after_a_limit_that_perhaps_acted_does_not_hide_who_was_invited() -> None:
    """The provider has the person, so the row must say so."""
    world = atlassian_world()
    world.says(a_hire())
    fail(world, Fault.LIMIT_ACTED)
    world.send()
    world.says(a_cancel())
    world.until_quiet()

    assert world.row().state is State.INVITED
    assert world.row().revoke_needed


def test_a_cancel_after_a_limit_that_perhaps_acted_does_not_free_the_mailbox() -> None:
    """Another hire with the same address would be mailed a second time."""
    world = atlassian_world()
    world.says(a_hire(work_email=ANN))
    fail(world, Fault.LIMIT_ACTED)
    world.send()
    world.says(a_cancel())
    world.says(a_hire("E-2", work_email=ANN))
    world.until_quiet()

    assert world.provider.mails == [ANN]


def test_a_parked_row_that_perhaps_mailed_keeps_its_mailbox_when_cancelled() -> None:
    """Nobody could ever read whether the mail went out, and the row says so."""
    world = atlassian_world()
    world.says(a_hire(work_email=ANN))
    fail(world, Fault.UNKNOWN_ACTED)
    world.send()
    world.provider.findings.extend([ReadFailed("503")] * 2000)
    for _ in range(200):
        world.clock.advance(900)
        world.send()
    assert world.row().state is State.PARKED
    assert world.row().mailed is None
    world.provider.findings.clear()

    world.says(a_cancel())
    assert world.row().state is State.CANCELLED
    assert world.row().mailed is None
    world.says(a_hire("E-2", work_email=ANN))
    world.until_quiet()

    assert world.provider.mails == [ANN]


def test_a_suspended_person_whom_we_perhaps_invited_is_not_called_rejected() -> None:
    """A rejected row gives its mailbox back."""
    world = atlassian_world()
    world.says(a_hire())
    fail(world, Fault.GRANT_ACTED)
    world.send()
    world.provider.findings.append(Present("7", Standing.MEMBER, blocked="suspended"))
    world.until_quiet()

    assert world.row().state is State.PARKED
    assert world.row().guard is not None


# --- repairs ---


def test_an_address_change_while_a_repair_is_open_keeps_the_row_true() -> None:
    """The invitation went to the former address; a person must look."""
    world = atlassian_world()
    world.says(a_hire(work_email=ANN))
    fail(world, Fault.PARTLY)
    world.send()
    world.says(a_hire(version=2, work_email="ann.new@example.com"))
    world.until_quiet()

    assert world.row().state is State.INVITED
    assert world.row().sent_address == ANN
    assert world.row().attention


def test_an_address_change_while_a_repair_is_open_does_not_free_the_mailbox() -> None:
    """The guard stays with what was mailed."""
    world = atlassian_world()
    world.says(a_hire(work_email=ANN))
    fail(world, Fault.PARTLY)
    world.send()
    world.says(a_hire(version=2, work_email="ann.new@example.com"))
    world.says(a_hire("E-2", work_email=ANN))
    world.until_quiet()

    assert world.provider.mails == [ANN]


def test_a_grant_that_changes_during_a_repair_is_given_or_told() -> None:
    """A person learns of what the repair did not give."""
    world = sentry_world()
    world.says(a_hire())
    fail(world, Fault.PARTLY)
    world.send()
    policy = the_policy(world)
    teams = ("platform", "security")
    connections = {name: c.model_copy(update={"teams": teams}) for name, c in policy.connections.items()}
    grant = Grant(role="member", teams=tuple(Team(name=name) for name in teams))
    rule = policy.rules[0].model_copy(update={"grant": grant})
    under_version_two(world, connections=connections, rules=(rule,))
    world.until_quiet()

    assert world.row().state is State.INVITED
    assert world.row().attention


def test_a_repair_that_a_new_policy_cannot_plan_waits_for_a_person() -> None:
    """HR takes the address back while a part is open: not put off for ever where nobody looks."""
    world = atlassian_world()
    world.says(a_hire())
    fail(world, Fault.PARTLY)
    world.send()
    world.says(a_hire(version=2, work_email="ann@other.org"))
    under_version_two(world)
    world.until_quiet(seconds=300)

    assert world.row().state is State.PARKED
    assert world.row().guard is not None


# --- rehires ---


def test_a_cancelled_generation_does_not_free_the_mailbox_of_the_one_before() -> None:
    """The former generation has mailed it."""
    world = atlassian_world()
    world.says(a_hire(work_email=ANN))
    world.send()
    world.says(a_cancel())
    world.says(a_hire(version=3, start_date=NEXT_YEAR, work_email=ANN))
    world.says(a_cancel(version=4))
    world.says(a_hire("E-2", work_email=ANN))
    world.until_quiet()

    assert world.provider.mails == [ANN]


def test_a_former_generation_keeps_its_mailbox_when_the_next_one_moves() -> None:
    """The two share it until the later one wants another."""
    world = atlassian_world()
    world.says(a_hire(work_email=ANN))
    world.send()
    world.says(a_cancel())
    world.says(a_hire(version=3, start_date=NEXT_YEAR, work_email=ANN))
    world.says(a_hire(version=4, start_date=NEXT_YEAR, work_email="ann.new@example.com"))

    assert world.store.guard_holders([GuardKey("main", digest(ANN))])


def test_a_rehire_whose_rows_were_forgotten_is_looked_up_first() -> None:
    """The provider remembers longer than the table."""
    world = sentry_world()
    world.says(a_hire())
    world.send()
    world.says(a_cancel())
    world.store.expire_rows()
    world.clock.advance(401 * 86400)
    world.says(a_hire(version=3, start_date=date(2027, 11, 1)))
    world.send()

    assert [kind for kind, _ in world.provider.requests] == ["invite", "look_up"]


def test_a_rehire_who_was_a_member_before_is_not_ours() -> None:
    """That a part was missing does not mean that we brought the person in."""
    world = World()
    world.says(a_hire())
    world.send()
    world.says(a_cancel())
    world.provider.people["e-1@example.com"] = Standing.MEMBER
    world.says(a_hire(version=3, start_date=NEXT_YEAR))
    world.provider.findings.append(Present("7", Standing.MEMBER, open=(A_PART,)))
    world.until_quiet()

    assert world.row(generation=2).origin is not Origin.US


def test_a_rehire_for_the_same_day_after_the_access_was_removed_asks_the_provider() -> None:
    """What we asked a person to remove is gone, so the row of the former generation says nothing any more."""
    world = World()
    world.says(a_hire())
    world.send()
    world.says(a_cancel())
    assert world.row().revoke_needed
    world.provider.people.clear()
    world.says(a_hire(version=3))
    world.until_quiet()

    assert "e-1@example.com" in world.provider.people


def test_a_rehire_reads_only_after_the_former_post_has_settled() -> None:
    """A postponed start, told in two notices within seconds, must not mail twice."""
    world = atlassian_world()
    world.says(a_hire())
    world.send()
    world.clock.advance(5)
    world.says(a_cancel())
    world.says(a_hire(version=3, start_date=date(2026, 10, 1)))
    world.until_quiet()

    assert world.provider.mails == ["e-1@example.com"]


def test_a_rehire_who_is_there_and_lacks_a_part_is_not_mailed_again() -> None:
    """The part is repaired instead."""
    world = atlassian_world()
    world.says(a_hire())
    world.send()
    world.clock.advance(3600)
    world.says(a_cancel())
    world.says(a_hire(version=3, start_date=NEXT_YEAR))
    world.provider.findings.append(Present("7", Standing.MEMBER, open=(A_PART,)))
    world.until_quiet()

    assert world.provider.mails == ["e-1@example.com"]


def test_a_cancelled_row_that_perhaps_mailed_keeps_its_mailbox_when_the_person_comes_back_with_another() -> None:
    """The person's next row is another generation; the former one keeps what it perhaps mailed."""
    world = atlassian_world()
    world.says(a_hire(work_email=ANN))
    fail(world, Fault.UNKNOWN_ACTED)
    world.send()
    world.clock.advance(400)
    world.provider.findings.append(Present("7", Standing.MEMBER, blocked="suspended"))
    world.send()
    assert world.row().state is State.PARKED
    world.says(a_cancel())
    world.says(a_hire(version=3, work_email="ann.new@example.com"))
    world.says(a_hire("E-2", work_email=ANN))
    world.until_quiet()

    assert sorted(world.provider.mails) == ["ann.new@example.com", ANN]
    assert world.row("E-2").state is State.DUPLICATE


def test_an_invitation_that_still_shows_as_lapsed_is_not_renewed_twice() -> None:
    """The directory lags: what it shows of a renewal whose answer got lost counts like an absence."""
    world = atlassian_world()
    ledger = ledger_of(world)
    ledger.directory["main", "e-1@example.com"] = Entry(NOON, NOON, Standing.EXPIRED)
    world.says(a_hire())
    fail(world, Fault.UNKNOWN_ACTED)
    world.send()
    assert world.provider.mails == ["e-1@example.com"]
    world.clock.advance(180)
    world.provider.findings.append(Present("7", Standing.EXPIRED))
    world.until_quiet()

    assert world.provider.mails == ["e-1@example.com"]
    assert world.row().state is State.INVITED


def test_a_rehire_does_not_renew_what_the_former_generation_has_just_renewed() -> None:
    """The directory may not show that yet."""
    world = atlassian_world()
    ledger = ledger_of(world)
    ledger.directory["main", "e-1@example.com"] = Entry(NOON, NOON, Standing.EXPIRED)
    world.says(a_hire())
    world.send()
    world.says(a_cancel())
    world.says(a_hire(version=3))
    world.provider.findings.append(Present("7", Standing.EXPIRED))
    world.until_quiet()

    assert world.provider.mails == ["e-1@example.com"]
    assert world.row(generation=2).state is State.INVITED


def test_a_rehire_that_an_operator_takes_up_is_read_with_the_address_that_was_sent() -> None:
    """It was parked before its first claim, so the snapshot is made when it is taken up."""
    world = atlassian_world()
    world.says(a_hire(work_email=ANN))
    world.send()
    world.says(a_cancel())
    world.says(a_hire(version=3, work_email=ANN))
    world.says(a_hire(version=4, work_email="ann@other.org"))
    row = world.row(generation=2)
    assert row.state is State.PARKED
    TakeUpAgain(world.store, world.queues, the_policy(world), world.clock).row(row.key, actor="me", reason="looked at")
    world.says(a_hire(version=5, work_email="ann.new@example.com"))
    world.until_quiet()

    assert world.row(generation=2).sent_address == ANN
    assert world.provider.mails == [ANN]


# --- one row's trouble is no other row's ---


def test_a_read_that_comes_too_early_costs_no_other_row_its_outcome() -> None:
    """A new policy asks for a longer gap than the one a row is due by."""
    world = atlassian_world(lag=0)
    world.says(a_hire("E-1"))
    fail(world, Fault.UNKNOWN_IDLE)
    world.send()
    world.clock.advance(180)
    world.send()
    assert world.row("E-1").absent_reads == 1
    slow = ATLASSIAN_LIKE.model_copy(update={"read_gap": 300})
    policy = the_policy(world)
    connections = {name: c.model_copy(update={"timings": slow}) for name, c in policy.connections.items()}
    under_version_two(world, connections=connections)
    world.clock.advance(60)
    world.says(a_hire("E-2"))
    world.send()

    assert world.row("E-2").state is State.INVITED


def test_a_clock_that_steps_back_during_a_read_costs_no_other_row_its_outcome() -> None:
    """The read decides nothing then, and comes again."""
    world = atlassian_world(lag=0)
    world.says(a_hire("E-1"))
    fail(world, Fault.UNKNOWN_IDLE)
    world.send()
    world.clock.advance(180)
    world.says(a_hire("E-2"))

    def step_back() -> None:
        world.clock.advance(-600)

    ledger_of(world).during = step_back
    world.send()

    assert world.row("E-2").state is State.INVITED


@pytest.mark.parametrize(("a_world", "refusals"), [(atlassian_world, 1), (sentry_world, 5)])
def test_a_rotation_under_many_rows_puts_no_hold(a_world: Callable[[], World], refusals: int) -> None:
    """One of them finds the new secret, and the others believe it."""
    world = a_world()
    names = [f"E-{number}" for number in range(5)]
    for name in names:
        world.says(a_hire(name))
    secret = f"{world.provider.name}/main"
    world.secrets.get(secret)
    world.secrets.values[secret] = "token-2"
    fail(world, *[Fault.UNAUTHORIZED] * refusals)
    world.send()

    assert world.store.holds(["main"]) == []
    assert {world.row(name).state for name in names} == {State.INVITED}


def test_our_own_claim_is_recognised_though_planning_wrote_beside_it() -> None:
    """Its answer got lost, the client asks again, and the row has moved on in its wanted half."""
    world = World()
    world.says(a_hire())
    world.clock.advance(1)
    now = world.clock.now()
    step = claim(world.row(), owner="me", now=now, lease_until=now + timedelta(seconds=60))
    assert world.store.apply([step])[0].stands
    world.clock.advance(1)
    world.says(a_hire(version=2, location="Berlin"))

    assert world.store.apply([step])[0].stands
