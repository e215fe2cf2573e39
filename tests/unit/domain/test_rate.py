"""Request rates: how many may go, when the next may, and that no window ever holds more than the setting says."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from usher.domain.rate import Rate

NOON = datetime(2026, 9, 8, 12, 0, tzinfo=UTC)


def test_half_may_go_at_once_and_the_rest_follows_evenly() -> None:
    """After a rest five of nine, then one every fifth of the window."""
    rate, arrival = Rate(requests=9, per=1), None
    times = []
    for _ in range(8):
        times.append(rate.free_at(arrival, NOON, 1))
        arrival = rate.taken(arrival, NOON, 1)

    assert [(time - NOON).total_seconds() for time in times] == [0, 0, 0, 0, 0, 0.2, 0.4, 0.6]


@given(
    requests=st.integers(3, 40),
    per=st.sampled_from([0.3, 1.0, 7.0, 60.0]),
    asks=st.lists(st.tuples(st.floats(0, 0.5), st.integers(1, 4)), max_size=120),
)
def test_no_window_holds_more_than_the_rate_says(requests: int, per: float, asks: list[tuple[float, int]]) -> None:
    """Wherever the window begins, and however the calls come."""
    rate, now, arrival = Rate(requests=requests, per=per), NOON, None
    sent: list[datetime] = []
    for pause, asked in asks:
        now += timedelta(seconds=pause * per)
        cost = min(asked, rate.burst)
        if rate.free_at(arrival, now, cost) <= now:
            arrival = rate.taken(arrival, now, cost)
            sent += [now] * cost

    window = timedelta(seconds=per)
    assert all(sum(start <= time < start + window for time in sent) <= requests for start in sent)


def test_a_call_larger_than_the_burst_goes_after_a_rest() -> None:
    """It would never go otherwise."""
    rate = Rate(requests=3, per=1)
    arrival = rate.taken(None, NOON, 9)

    assert rate.free_at(None, NOON, 9) == NOON
    assert NOON < rate.free_at(arrival, NOON, 9) <= NOON + timedelta(seconds=1)


@pytest.mark.parametrize("settings", [{"requests": 2, "per": 1}, {"requests": 5, "per": 0}, {"requests": 5}])
def test_a_rate_that_would_let_nothing_go_is_refused(settings: dict[str, float]) -> None:
    """At load, not at night."""
    with pytest.raises(ValidationError):
        Rate.model_validate(settings)
