"""The guard against a mass mistake: what it counts, when it stops, and what an approval lifts."""

from datetime import UTC, datetime, timedelta

from usher.domain.mass_guard import GuardRules, MassGuard

NOON = datetime(2026, 9, 8, 12, 0, tzinfo=UTC)
RULES = GuardRules()


def sending(guard: MassGuard, wanted: int, now: datetime, rules: GuardRules = RULES) -> tuple[MassGuard, int]:
    """Let the guard count until it stops; gives how many went."""
    guard = guard.at(now)
    for went in range(wanted):
        counted = guard.counting(rules, now)
        if counted is None:
            return guard.stopping(now), went
        guard = counted
    return guard, wanted


def test_the_201st_invitation_in_an_hour_waits() -> None:
    """And the next hour does not lift it."""
    guard, went = sending(MassGuard(), 10_000, NOON)
    assert (went, guard.stopped_at) == (200, NOON)

    _, went = sending(guard, 10_000, NOON + timedelta(days=3))
    assert went == 0


def test_two_hundred_each_hour_are_no_mass_mistake() -> None:
    """Nobody has to approve what the stage allows."""
    guard = MassGuard()
    for hour in range(5):
        guard, went = sending(guard, 200, NOON + timedelta(hours=hour))
        assert went == 200


def test_a_clock_that_is_behind_does_not_begin_the_hour_anew() -> None:
    """Of two senders at the turn of the hour, one may think that it is a second before."""
    guard, _ = sending(MassGuard(), 150, NOON)
    guard, _ = sending(guard, 10, NOON - timedelta(seconds=1))
    guard, went = sending(guard, 100, NOON + timedelta(seconds=1))

    assert went == 40
    assert guard.highest == {}


def test_far_more_than_usual_waits() -> None:
    """Three times the highest hour of the past 28 days; but never less than twenty."""
    guard, _ = sending(MassGuard(), 5, NOON)
    _, went = sending(guard, 100, NOON + timedelta(hours=1))
    assert went == 20

    guard, _ = sending(MassGuard(), 30, NOON)
    guard, _ = sending(guard, 2, NOON + timedelta(hours=1))
    _, went = sending(guard, 1000, NOON + timedelta(days=27))
    assert went == 90


def test_what_was_usual_is_forgotten_after_28_days() -> None:
    """With nothing to compare with, the setting alone counts."""
    guard, _ = sending(MassGuard(), 30, NOON)
    guard, _ = sending(guard, 1, NOON + timedelta(hours=1))
    later = NOON + timedelta(days=29)

    assert guard.at(later).highest == {}
    assert sending(guard, 1000, later)[1] == 200


def test_what_certainly_was_not_sent_is_given_back_in_its_hour() -> None:
    """An outage is not a mass of invitations."""
    guard, _ = sending(MassGuard(), 200, NOON)

    assert guard.giving_back(NOON).count == 199
    assert guard.giving_back(NOON - timedelta(hours=1)).count == 200
    assert MassGuard().at(NOON).giving_back(NOON).count == 0


def test_an_approval_lifts_the_stop_for_a_number() -> None:
    """And not for one more."""
    stopped, _ = sending(MassGuard(), 1000, NOON)
    approved = stopped.approving(300, NOON + timedelta(days=1))
    guard, went = sending(approved, 1000, NOON)

    assert went == 300
    assert guard.stopped_at == NOON
    assert sending(guard, 10, NOON + timedelta(hours=2))[1] == 0


def test_an_approval_lifts_the_stop_until_a_time() -> None:
    """After that the guard counts as before, and does not stop for what was approved."""
    stopped, _ = sending(MassGuard(), 1000, NOON)
    guard, went = sending(stopped.approving(None, NOON + timedelta(minutes=30)), 5000, NOON)
    assert (went, guard.stopped_at) == (5000, None)

    assert sending(guard, 10, NOON + timedelta(minutes=30))[1] == 0
    assert sending(guard, 1000, NOON + timedelta(hours=1))[1] == 200


def test_an_approval_that_ended_approves_nothing() -> None:
    """What is left of its number cannot let the next mistake pass."""
    stopped, _ = sending(MassGuard(), 1000, NOON)
    approved = stopped.approving(300, NOON + timedelta(days=1))

    assert sending(approved, 1000, NOON + timedelta(days=2))[1] == 200


def test_a_stage_may_set_every_number() -> None:
    """Per hour, times usual, and the least."""
    rules = GuardRules(most_per_hour=50, times_usual=2, usual_at_least=4)
    guard, went = sending(MassGuard(), 100, NOON, rules)
    assert went == 50

    guard, _ = sending(MassGuard(), 1, NOON, rules)
    assert sending(guard, 100, NOON + timedelta(hours=1), rules)[1] == 4
