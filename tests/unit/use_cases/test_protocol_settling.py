"""What a review of the protocol found about refusals that perhaps acted, and repairs; each promise was broken once."""

import pytest

from tests.fakes.ledger import Fault
from tests.unit.use_cases.protocol_worlds import (
    ANN,
    a_cancel,
    atlassian_world,
    fail,
    sentry_world,
    the_policy,
    under_version_two,
)
from tests.unit.use_cases.world import a_hire
from usher.domain.invitation import State
from usher.domain.outcomes import Present, ReadFailed, Standing
from usher.domain.policy import Grant, Team

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
