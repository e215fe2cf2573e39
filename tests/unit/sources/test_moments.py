"""The time of a vendor as a version, and its bound."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from usher.domain.errors import BadEvent
from usher.domain.hire import as_version
from usher.sources.moments import FURTHEST_AHEAD, version_of

NOON = datetime(2026, 9, 8, 12, 0, tzinfo=UTC)
TICK = timedelta(milliseconds=1)


@pytest.mark.parametrize("moment", [NOON - timedelta(days=400), NOON, NOON + FURTHEST_AHEAD])
def test_a_time_orders_by_its_milliseconds(moment: datetime) -> None:
    """Also where it is old, or the vendor's clock a little ahead."""
    assert version_of(moment, NOON, "updated_at") == as_version(moment)


def test_what_is_not_dated_is_ordered_by_its_arrival() -> None:
    """The best there is."""
    assert version_of(None, NOON, "updated_at") == as_version(NOON)


@pytest.mark.parametrize("zone", [UTC, timezone(timedelta(hours=9))])
def test_a_time_that_is_yet_to_come_is_a_problem_of_its_field(zone: timezone) -> None:
    """It would block the person until then; the problem does not show the value."""
    with pytest.raises(BadEvent) as refused:
        version_of((NOON + FURTHEST_AHEAD + TICK).astimezone(zone), NOON, "updated_at")
    (problem,) = refused.value.problems
    assert (problem.field, problem.reason) == ("updated_at", "is more than 5 minutes ahead of its arrival")
