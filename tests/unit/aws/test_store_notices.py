"""Notices, holds and the audit, in every store."""

from tests.unit.aws.samples import (
    NOON,
    a_notice,
    a_recorded,
    later,
)
from usher.domain.hold import Hold
from usher.domain.notice import NoticeState
from usher.ports import AuditEntry, Store


def test_a_notice_comes_back_as_it_was_written_without_its_sealed_body(store: Store) -> None:
    """The body stands apart, for thirty days."""
    record = a_recorded(tries=3, due_at=later(60), state=NoticeState.WAITING)
    assert store.put_notice(record)

    assert store.notice(record.notice.notice_id) == record
    assert store.notice("f" * 32) is None


def test_a_sealed_body_is_read_on_its_own(store: Store) -> None:
    """By whoever replays the notice."""
    notice = a_notice(hire=None, change=None, sealed_body="c2VhbGVk")
    store.put_notice(a_recorded().model_copy(update={"notice": notice}))

    assert store.sealed_body(notice.notice_id) == "c2VhbGVk"
    assert store.sealed_body("f" * 32) is None


def test_a_notice_is_written_over_the_revision_that_was_seen_and_no_other(store: Store) -> None:
    """Two workers with one notice: one of them writes."""
    assert store.put_notice(a_recorded())
    assert not store.put_notice(a_recorded())
    done = a_recorded(state=NoticeState.DONE, revision=2)
    assert store.put_notice(done)
    assert not store.put_notice(done)


def test_waiting_notices_are_due_and_listed_by_state(store: Store) -> None:
    """In the same index as rows, in a lane of their own; newest first in the list."""
    store.put_notice(a_recorded(1, NoticeState.WAITING, due_at=later(60)))
    store.put_notice(a_recorded(2, NoticeState.PARKED))
    store.put_notice(a_recorded(3, NoticeState.PARKED, updated_at=later(5)))

    assert store.due_notices(later(59), 10) == []
    assert store.due_notices(later(60), 10) == [f"{1:032x}"]
    assert store.notices_in_state(NoticeState.PARKED, 10) == [f"{3:032x}", f"{2:032x}"]
    store.put_notice(a_recorded(1, NoticeState.DONE, revision=2))
    assert store.due_notices(later(60), 10) == []


def test_a_hold_is_moved_and_released_only_as_it_was_seen(store: Store) -> None:
    """Two probes at once: one of them is the probe."""
    hold = Hold(connection="main", reason="no seats", since=NOON, next_probe=later(300))
    assert store.put_hold(hold, None)
    assert not store.put_hold(hold, None)
    probe = hold.model_copy(update={"probes": 1, "next_probe": later(600)})
    assert store.put_hold(probe, hold)
    assert not store.put_hold(probe, hold)

    store.release_hold(hold)
    assert store.holds(["main"]) == [probe]
    store.release_hold(probe)
    assert store.holds(["main"]) == []


def test_holds_of_a_connection_and_of_its_grants_are_read_together(store: Store) -> None:
    """And those of other connections are not."""
    base = Hold(connection="main", reason="x", since=NOON, next_probe=later(300))
    for hold in (base, base.model_copy(update={"grant_digest": "abc"}), base.model_copy(update={"connection": "labs"})):
        store.put_hold(hold, None)

    found = store.holds(["main"])
    assert {(hold.connection, hold.grant_digest) for hold in found} == {("main", None), ("main", "abc")}
    assert len(store.holds(["main", "labs"])) == 3


def test_what_an_operator_did_is_kept(store: Store) -> None:
    """The entry needs no condition."""
    store.audit(AuditEntry("canonical/E-1/main/1", NOON, "ops", "go-live", "first day"))
