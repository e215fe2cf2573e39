"""The budget of a day: what is reserved, spent and given back, who is first, and how far it goes."""

from datetime import UTC, date, datetime, timedelta

from usher.domain.budget import DayBudget, forecast

NOON = datetime(2026, 9, 8, 12, 0, tzinfo=UTC)  # A Tuesday.
TODAY, FAR = NOON.date(), date(2026, 9, 28)


def used(spent: int) -> DayBudget:
    """Make today's budget."""
    return DayBudget(day=TODAY, spent=spent)


def test_a_reservation_is_spent_or_given_back_when_the_end_is_known() -> None:
    """And counts until then."""
    budget = used(3).reserving("a#1", NOON + timedelta(minutes=2))

    assert budget.used == 4
    assert budget.ended("a#1", spent=True).used == 4
    assert budget.ended("a#1", spent=False).used == 3


def test_an_abandoned_reservation_runs_out() -> None:
    """Its sender died; the day must not be shorter for it."""
    budget = used(3).reserving("a#1", NOON + timedelta(minutes=2))

    assert budget.on(NOON + timedelta(minutes=1)).used == 4
    assert budget.on(NOON + timedelta(minutes=2)).used == 3
    assert budget.on(NOON + timedelta(minutes=2)).ended("a#1", spent=True).used == 4


def test_a_new_day_begins_at_midnight_utc() -> None:
    """Whatever zone the clock speaks in."""
    assert used(100).on(datetime(2026, 9, 8, 23, 59, tzinfo=UTC)).used == 100
    assert used(100).on(datetime(2026, 9, 9, 0, 0, tzinfo=UTC)).used == 0


def test_a_clock_that_is_behind_does_not_begin_the_day_anew() -> None:
    """Of two senders at midnight, one may think that it is a second before."""
    midnight = datetime(2026, 9, 8, 0, 0, tzinfo=UTC)
    budget = used(99).reserving("a#1", NOON).on(midnight - timedelta(seconds=1))

    assert budget.used == 100
    assert budget.next_chance(100, FAR, midnight - timedelta(seconds=1)) is not None
    assert budget.on(midnight + timedelta(seconds=1)).used == 100


def test_who_starts_soonest_may_use_what_is_kept_from_the_others() -> None:
    """A fifth, until the evening."""
    evening = NOON.replace(hour=20)

    assert used(79).next_chance(100, FAR, NOON) is None
    assert used(80).next_chance(100, FAR, NOON) == evening + timedelta(minutes=20)
    assert used(80).next_chance(100, None, NOON) == evening + timedelta(hours=3)
    assert used(99).next_chance(100, TODAY + timedelta(days=3), NOON) is None
    assert used(99).next_chance(100, TODAY - timedelta(days=30), NOON) is None
    assert used(99).next_chance(100, FAR, evening) is None


def test_rows_beyond_the_budget_come_again_tomorrow_those_who_start_soonest_first() -> None:
    """Five past midnight, and a minute for each day."""
    restart = datetime(2026, 9, 9, 0, 5, tzinfo=UTC)

    assert used(100).next_chance(100, TODAY - timedelta(days=1), NOON) == restart
    assert used(100).next_chance(100, TODAY + timedelta(days=2), NOON) == restart + timedelta(minutes=2)
    assert used(100).next_chance(100, date(2027, 9, 8), NOON) == restart + timedelta(hours=3)


def test_a_forecast_says_how_many_go_today_and_when_the_last_goes() -> None:
    """In words that a status can print."""
    assert str(forecast(used(60), 100, 250, NOON)) == "40 of 250 left today, done on Friday 2026-09-11"
    assert str(forecast(used(60), 100, 240, NOON)) == "40 of 240 left today, done on Thursday 2026-09-10"
    assert str(forecast(used(60), 100, 7, NOON)) == "7 of 7 left today, done on Tuesday 2026-09-08"
    assert forecast(DayBudget(day=date(2026, 9, 1), spent=100), 100, 101, NOON).today == 100
