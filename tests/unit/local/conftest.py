"""Running simulators, each with the seed of its tests."""

from collections.abc import Iterator

import pytest

from tests.unit.local import atlassian_caller, sentry_caller
from tests.unit.local.provider_client import Asked, asked
from usher_local.simulators.atlassian import Atlassian
from usher_local.simulators.sentry import Sentry


@pytest.fixture
def sentry() -> Iterator[Asked]:
    """Sentry, with members, invitations and several kinds of callers."""
    with asked(Sentry, sentry_caller.SEED) as caller:
        yield caller


@pytest.fixture
def atlassian() -> Iterator[Asked]:
    """Atlassian, with one organization and nobody in it."""
    with asked(Atlassian, atlassian_caller.SEED) as caller:
        yield caller
