"""When a source last announced anything, in every store."""

from datetime import UTC, datetime, timedelta

from usher.ports import Store

NOON = datetime(2026, 9, 8, 12, 0, 0, 5, tzinfo=UTC)


def test_the_last_announcement_comes_back_as_it_was_written(store: Store) -> None:
    """A source that never said anything has none."""
    assert store.announced_at("bamboohr") is None
    store.note_announcement("bamboohr", NOON)
    assert store.announced_at("bamboohr") == NOON
    assert store.announced_at("gusto") is None


def test_an_earlier_announcement_that_is_written_late_changes_nothing(store: Store) -> None:
    """Two planners write, and the later one may be the slower."""
    store.note_announcement("bamboohr", NOON)
    store.note_announcement("bamboohr", NOON - timedelta(hours=1))
    assert store.announced_at("bamboohr") == NOON
    store.note_announcement("bamboohr", NOON + timedelta(hours=1))
    assert store.announced_at("bamboohr") == NOON + timedelta(hours=1)
