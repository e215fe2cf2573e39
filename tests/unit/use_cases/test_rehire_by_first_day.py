"""A change that names a later first day than the one that was taken back hires again, in whatever order words come."""

from datetime import date
from itertools import permutations
from typing import Any

import pytest

from tests.unit.use_cases.world import World, a_hire
from usher.domain.hire import MOST_FIRST_DAYS, Change, HireKey, NewHire
from usher.domain.invitation import State
from usher.use_cases.plan_invites import Planned

FIRST = date(2026, 9, 14)
MOVED = date(2026, 9, 21)
LATER = date(2027, 3, 1)


def hired(version: int, day: date = FIRST) -> NewHire:
    """Hire Ann."""
    return a_hire(version=version, start_date=day)


def changed(version: int, day: date | None) -> NewHire:
    """Tell of a change of hers."""
    return a_hire(version=version, change=Change.CHANGED, start_date=day)


def cancelled(version: int) -> NewHire:
    """Take her back, and say nothing else, as most systems do."""
    return a_hire(version=version, change=Change.CANCELLED, work_email=None, start_date=None, department=None)


STORIES: list[Any] = [
    pytest.param([hired(1), cancelled(2), changed(3, LATER)], True, id="a later day"),
    pytest.param([hired(1), cancelled(2), changed(3, FIRST)], False, id="the same day"),
    pytest.param([hired(1), cancelled(2), changed(3, None)], False, id="no day"),
    pytest.param([hired(1), changed(2, MOVED), cancelled(3), changed(4, MOVED)], False, id="moved before"),
    pytest.param([hired(1), changed(2, MOVED), cancelled(3), changed(4, LATER)], True, id="moved before, and later"),
    pytest.param([hired(1), cancelled(2), changed(3, LATER), changed(4, LATER)], True, id="later twice"),
    pytest.param([hired(1), cancelled(2), changed(3, LATER), cancelled(4)], False, id="taken back again"),
    pytest.param([changed(1, FIRST), cancelled(2), changed(3, LATER)], False, id="never hired"),
]


@pytest.mark.parametrize(("words", "is_hired"), STORIES)
def test_the_words_mean_the_same_in_every_order(words: list[NewHire], is_hired: bool) -> None:
    """Some systems know no other word for a rehire; a late update after a cancel is none."""
    for order in permutations(words):
        world = World()
        for word in order:
            world.says(word)
        record = world.store.hire(HireKey("canonical", "E-1")).record
        assert record is not None
        assert record.is_hired is is_hired, [word.version for word in order]
        wanted = [row for row in world.rows() if row.state is State.PENDING]
        assert bool(wanted) is is_hired


def test_the_row_follows_the_new_first_day() -> None:
    """It was cancelled before anything was sent, and is pending again."""
    world = World()
    for word in (hired(1), cancelled(2)):
        world.says(word)
    assert world.says(changed(3, FIRST)) is Planned.CANCELLED
    assert world.says(changed(4, LATER)) is Planned.ROWS
    assert (world.row().state, world.row().start_date) == (State.PENDING, LATER)


def test_a_rehired_person_who_changes_for_years_stays_hired() -> None:
    """What was before the cancel is not pushed out by what came after."""
    world = World()
    for word in (hired(1), cancelled(2), *(changed(version, LATER) for version in range(3, 5 * MOST_FIRST_DAYS))):
        world.says(word)
    record = world.store.hire(HireKey("canonical", "E-1")).record
    assert record is not None
    assert record.is_hired
    assert len(record.first_days) <= 2 * MOST_FIRST_DAYS


def test_a_person_who_changes_for_years_keeps_a_record_of_bounded_size() -> None:
    """Only the newest days can still mean anything."""
    world = World()
    world.says(hired(1))
    for version in range(2, 3 * MOST_FIRST_DAYS):
        world.says(changed(version, FIRST))
    record = world.store.hire(HireKey("canonical", "E-1")).record
    assert record is not None
    assert len(record.first_days) <= 2 * MOST_FIRST_DAYS
    assert record.is_hired
