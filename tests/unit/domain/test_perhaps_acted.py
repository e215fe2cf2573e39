"""A refusal that may have come midway makes the next claim read before it posts."""

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
def test_a_refusal_that_may_have_come_midway_is_read_before_the_next_post(outcome: Outcome, reads_first: bool) -> None:
    row = claim(a_row(), owner="o", now=NOON, lease_until=NOON + timedelta(seconds=40)).after

    after = settled(row, outcome, now=NOON, timings=TIMINGS, limits=LIMITS, resend_expired=True, posted_at=NOON).after

    assert (after.state, after.attempts) == (State.PENDING, 0)
    assert after.reads_first is reads_first
