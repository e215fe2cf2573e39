"""Worlds before providers that are what they claim to be, for tests of the protocol."""

from datetime import date
from typing import Any

from tests.fakes.clock import FakeClock
from tests.fakes.ledger import Fault, Ledger
from tests.unit.use_cases.world import NOON, World, a_hire
from usher.domain.hire import Change
from usher.domain.policy import Policy

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
