"""What a review of the protocol found about rehires, and rows that share a run; each promise was broken once."""

from collections.abc import Callable
from datetime import date, timedelta

import pytest

from tests.fakes.ledger import A_PART, ATLASSIAN_LIKE, Entry, Fault
from tests.unit.use_cases.protocol_worlds import (
    ANN,
    NEXT_YEAR,
    a_cancel,
    atlassian_world,
    fail,
    ledger_of,
    sentry_world,
    the_policy,
    under_version_two,
)
from tests.unit.use_cases.world import NOON, World, a_hire, digest
from usher.domain.actual import claim
from usher.domain.invitation import GuardKey, Origin, State
from usher.domain.outcomes import Present, Standing
from usher.use_cases.operate import TakeUpAgain

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
