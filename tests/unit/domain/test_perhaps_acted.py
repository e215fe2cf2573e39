"""A refusal that may have come midway is settled by reads; one that did nothing leaves the row as it was."""

from datetime import timedelta

import pytest

from tests.unit.domain.conftest import LIMITS, NOON, TIMINGS, a_row
from usher.domain.actual import claim, settled
from usher.domain.invitation import State
from usher.domain.outcomes import LimitedUntil, Outcome, RefusedConnection, RefusedGrant


@pytest.mark.parametrize(
    ("outcome", "reads_first"),
    [
        (RefusedGrant("no such group", perhaps_acted=True), True),
        (RefusedGrant("no such team"), False),
        (RefusedConnection("no seat", perhaps_acted=True), True),
        (RefusedConnection("no plan"), False),
        (LimitedUntil("limit", perhaps_acted=True), True),
        (LimitedUntil("limit"), False),
    ],
)
def test_a_refusal_that_may_have_come_midway_is_settled_by_reads(outcome: Outcome, reads_first: bool) -> None:
    """It costs no attempt either way."""
    row = claim(a_row(), owner="o", now=NOON, lease_until=NOON + timedelta(seconds=40)).after

    after = settled(row, outcome, now=NOON, timings=TIMINGS, limits=LIMITS, resend_expired=True, posted_at=NOON).after

    assert (after.state, after.attempts) == (State.AMBIGUOUS if reads_first else State.PENDING, 0)
    assert after.may_post is not reads_first
