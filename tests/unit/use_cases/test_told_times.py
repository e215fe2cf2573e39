"""A time that a provider told one sender holds for all of them, whatever others find out meanwhile."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest

from tests.fakes.provider import answering
from tests.unit.use_cases.world import NOON, World, a_hire
from usher.domain.hold import Hold, HoldRules
from usher.domain.invitation import Invitation, InvitationKey
from usher.domain.outcomes import Accepted, LimitedUntil, Outcome, RefusedConnection
from usher.ports import Ask, Call
from usher.use_cases.call_provider import Ending, Job
from usher.use_cases.keep_holds import KeepHolds

TOLD = NOON + timedelta(minutes=10)


def a_world(count: int) -> World:
    """A stack with so many hires to invite."""
    world = World()
    for number in range(count):
        world.says(a_hire(f"E-{number}"))
    return world


def placed_by_another(world: World, minutes: int, reason: str = "the vault does not answer") -> None:
    """Let another sender hold the connection."""
    until = NOON + timedelta(minutes=minutes)
    assert world.store.put_hold(Hold(connection="main", reason=reason, since=NOON, next_probe=until), None)


def asked_until(world: World, end: datetime) -> int:
    """Send every half minute until a time, all rows whether due or not; gives how many requests were made."""
    before = len(world.provider.requests)
    while world.clock.now() < end - timedelta(seconds=30):
        world.clock.advance(30)
        world.send()
    return len(world.provider.requests) - before


@pytest.mark.parametrize(("theirs", "ours"), [(1, 10), (10, 1)])
def test_of_two_senders_that_hold_a_connection_at_once_the_later_time_counts(theirs: int, ours: int) -> None:
    """Whoever writes last has read what the other wrote."""
    world = a_world(3)

    def limits(call: Call, asks: Sequence[Ask]) -> dict[InvitationKey, Outcome]:
        placed_by_another(world, theirs)
        return {ask.key: LimitedUntil("too many", NOON + timedelta(minutes=ours)) for ask in asks}

    world.provider.answers.append(limits)
    world.send(world.row("E-0").key)

    assert asked_until(world, TOLD) == 0
    world.until_quiet(seconds=30, rounds=100)
    assert len(world.provider.mails) == 3


def test_a_time_told_after_another_reason_to_hold_is_kept() -> None:
    """In one wave, the first ending would have been probed after five minutes."""
    world = a_world(2)
    world.provider.answers.extend([answering(RefusedConnection("no seats")), answering(LimitedUntil("too many", TOLD))])
    world.send()
    assert world.provider.count("invite") == 2

    assert asked_until(world, TOLD) == 0
    assert {hold.reason for hold in world.store.holds(["main"])} == {"too many"}


def test_a_time_told_to_one_is_not_released_by_the_probe_of_another() -> None:
    """Also where both have the same reason, and the probe's own pause is the longer one."""
    world = a_world(2)
    assert world.policy is not None
    ours, prober = (KeepHolds(world.store, world.policy, HoldRules()) for _ in range(2))
    first, second = world.row("E-0"), world.row("E-1")
    ours.refresh(["main"], NOON)
    placed_by_another(world, 0, "too many")
    prober.refresh(["main"], NOON)
    assert prober.admit(second, NOON) is None

    until = ours.place_for(ended(world, first, LimitedUntil("too many", NOON + timedelta(minutes=1))), NOON)
    prober.close_wave([ended(world, second, Accepted("ref", mailed=True))])

    (hold,) = world.store.holds(["main"])
    assert hold.next_probe == until
    assert hold.next_probe >= NOON + timedelta(minutes=1)


def ended(world: World, row: Invitation, outcome: Outcome) -> Ending:
    """End an attempt."""
    assert world.policy is not None
    return Ending(Job(world.policy.connections["main"], "token-1", (row,)), row, outcome, NOON)
