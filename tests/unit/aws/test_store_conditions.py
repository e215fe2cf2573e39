"""Every condition that the port promises, in every store: what moved on is not written over."""

from typing import Any

import pytest

from tests.unit.aws.samples import (
    GUARD,
    NOON,
    a_claim,
    a_plan,
    a_record,
    a_recorded,
    a_row,
    a_want,
    ended,
    later,
    stored,
)
from usher.domain.hire import HireKey
from usher.domain.hold import Hold
from usher.domain.invitation import GUARDED_FIELDS, Guarded, GuardKey, Invitation, State, Step
from usher.domain.notice import NoticeState
from usher.domain.outcomes import RefusedPerson
from usher.domain.planning import HirePlan
from usher.domain.wanted import rewanted
from usher.ports import Applied, Store

HOLD = Hold(connection="main", reason="no seats", since=NOON, next_probe=later(300))

OTHERWISE: dict[str, Any] = {
    "state": State.AMBIGUOUS,
    "fence": 8,
    "owner": "w2",
    "due_at": later(5),
    "address": "ann.b@example.com",
    "want": False,
    "hire_version": 2,
    "policy_version": "2.abc",
    "reads": 1,
    "guard": GUARD.digest,
}
"""Another value for each attribute that any step rests on."""


def a_step(row: Invitation, guarded: Guarded) -> Step:
    """Make a step that writes a reason and rests on what `guarded` says."""
    return Step(row, row.model_copy(update={"reason": "written", "updated_at": later(9)}), guarded)


def moved_on(row: Invitation, guarded: Guarded) -> list[Invitation]:
    """Give the row once for each attribute that the step rests on, with that one changed, or gone."""
    rows = [row.model_copy(update={name: OTHERWISE[name]}) for name in GUARDED_FIELDS[guarded]]
    if "owner" in GUARDED_FIELDS[guarded]:
        rows.append(row.model_copy(update={"owner": None}))
    return [found.model_copy(update={"hire_id": f"E-{number}"}) for number, found in enumerate(rows)]


def test_every_attribute_that_a_step_rests_on_has_another_value_here() -> None:
    """A new one is not forgotten."""
    assert {name for names in GUARDED_FIELDS.values() for name in names} <= OTHERWISE.keys()


@pytest.mark.parametrize("guarded", Guarded)
def test_a_step_is_refused_where_one_attribute_that_it_rests_on_moved_on(store: Store, guarded: Guarded) -> None:
    """And a row where none did takes it, whatever else is new."""
    seen = a_row(guard=None, state=State.SENDING, fence=7, owner="w1", reads=0)
    rows = moved_on(seen, guarded)
    same = seen.model_copy(update={"hire_id": "same", "drift": ("new",)})
    for row in (*rows, same):
        store.commit(a_plan(row, hire_id=row.hire_id))
    steps = [a_step(seen.model_copy(update={"hire_id": row.hire_id}), guarded) for row in (*rows, same)]

    assert store.apply(steps) == [Applied.REFUSED] * len(rows) + [Applied.NOW]
    found = store.invitations([row.key for row in (*rows, same)])
    assert all(found[row.key] == row for row in rows)
    assert (found[same.key].reason, found[same.key].drift) == ("written", ("new",))


@pytest.mark.parametrize("guarded", [Guarded.PLANNING, Guarded.ANNOTATING])
def test_a_plan_is_refused_where_one_attribute_that_a_step_rests_on_moved_on(store: Store, guarded: Guarded) -> None:
    """As a whole: its record is not written either."""
    seen = a_row(guard=None, state=State.SENDING, fence=7, owner="w1")
    for row in moved_on(seen, guarded):
        store.commit(a_plan(row, hire_id=row.hire_id))
        step = a_step(seen.model_copy(update={"hire_id": row.hire_id}), guarded)

        assert not store.commit(a_plan(hire_id=row.hire_id, seen=1, steps=(step,)))
        assert stored(store, row) == row
        assert store.hire(row.key.hire).record == a_record(row.hire_id)


def test_what_was_absent_must_still_be_absent(store: Store) -> None:
    """An owner that came since is one."""
    row = a_row(guard=None, state=State.SENDING, owner="w1")
    store.commit(a_plan(row))
    ownerless = row.model_copy(update={"owner": None})

    assert store.apply([a_step(ownerless, Guarded.RECORDING)]) == [Applied.REFUSED]


def test_a_plan_rests_on_the_record_that_it_saw(store: Store) -> None:
    """On none, where it saw none; on that revision, where it saw one."""
    assert not store.commit(HirePlan(a_record(revision=2), 1))
    assert store.commit(HirePlan(a_record(revision=1), None))
    assert not store.commit(HirePlan(a_record(revision=4), 3))
    assert store.commit(HirePlan(a_record(revision=2), 1))


def test_a_plan_gives_back_no_mailbox_that_another_hire_holds(store: Store) -> None:
    """Somebody took it over, by hand: neither the row nor the guard is touched."""
    row = a_row()
    store.commit(a_plan(row))
    other = a_row("E-2", guard="d2")
    store.commit(a_plan(other, hire_id="E-2"))
    believes = row.model_copy(update={"guard": "d2"})
    step = rewanted(
        believes,
        a_want(address="ann.b@example.com"),
        hire_version=2,
        policy_version="1.abc",
        start_date=row.start_date,
        now=later(1),
        live=True,
        guard="d3",
    )

    assert not store.commit(a_plan(seen=1, steps=(step,)))
    assert store.guard_holders([GUARD, GuardKey("main", "d2"), GuardKey("main", "d3")]) == {
        GUARD: row.holder,
        GuardKey("main", "d2"): other.holder,
    }
    assert stored(store, row) == row


def test_an_outcome_gives_back_no_mailbox_that_another_hire_holds(store: Store) -> None:
    """The row stays as it is, for a person to look at."""
    row, other = a_row(guard=None), a_row("E-2")
    store.commit(a_plan(row))
    store.commit(a_plan(other, hire_id="E-2"))
    taken = a_claim(row)
    store.apply([taken])

    step = ended(taken.after.model_copy(update={"guard": "d1"}), RefusedPerson("no"))
    assert store.apply([step]) == [Applied.REFUSED]
    assert store.guard_holders([GUARD]) == {GUARD: other.holder}
    assert stored(store, row) == taken.after


def test_two_hires_hold_the_same_digest_in_two_connections(store: Store) -> None:
    """A guard belongs to a connection."""
    row, other = a_row(), a_row("E-2").model_copy(update={"connection": "labs"})
    assert store.commit(a_plan(row))
    assert store.commit(a_plan(other, hire_id="E-2"))

    assert store.guard_holders([GUARD, GuardKey("labs", "d1")]) == {
        GUARD: row.holder,
        GuardKey("labs", "d1"): other.holder,
    }


def test_a_notice_has_no_gap_in_its_revisions(store: Store) -> None:
    """None is written over a revision that was not seen, nor over none."""
    assert not store.put_notice(a_recorded(revision=2))
    assert store.put_notice(a_recorded(revision=1))
    assert not store.put_notice(a_recorded(revision=3))
    assert store.put_notice(a_recorded(revision=2, state=NoticeState.DONE))
    found = store.notice(a_recorded().notice.notice_id)
    assert found is not None
    assert (found.revision, found.state) == (2, NoticeState.DONE)


def test_a_refused_notice_leaves_no_body(store: Store) -> None:
    """Both are written, or neither."""
    record = a_recorded(revision=2)
    sealed = record.notice.model_copy(update={"sealed_body": "c2VhbGVk"})

    assert not store.put_notice(record.model_copy(update={"notice": sealed}))
    assert store.sealed_body(record.notice.notice_id) is None


@pytest.mark.parametrize(
    "moved", [{"probes": 1}, {"next_probe": later(301)}, {"reason": "a bad token"}, {"since": later(1)}]
)
def test_a_hold_is_as_seen_only_if_all_of_it_is(store: Store, moved: dict[str, Any]) -> None:
    """A hold that says something new is another one: neither written over nor released unseen."""
    now = HOLD.model_copy(update=moved)
    store.put_hold(now, None)

    assert not store.put_hold(HOLD.model_copy(update={"probes": 5}), HOLD)
    store.release_hold(HOLD)
    assert store.holds(["main"]) == [now]


def test_a_hold_that_is_gone_is_not_moved_and_can_be_released_again(store: Store) -> None:
    """Another worker released it: the probe was answered."""
    assert not store.put_hold(HOLD.model_copy(update={"probes": 1}), HOLD)
    store.release_hold(HOLD)
    assert store.holds(["main"]) == []


def test_a_hold_on_a_grant_is_not_the_one_on_its_connection(store: Store) -> None:
    """Each is placed and released by itself."""
    on_grant = HOLD.model_copy(update={"grant_digest": "abc"})
    assert store.put_hold(HOLD, None)
    assert store.put_hold(on_grant, None)

    store.release_hold(HOLD)
    assert store.holds(["main"]) == [on_grant]


def test_a_hire_is_not_read_with_those_whose_ids_begin_alike(store: Store) -> None:
    """E-1 is not E-11."""
    store.commit(a_plan(a_row("E-11"), hire_id="E-11"))

    assert store.hire(HireKey("canonical", "E-1")).record is None
    assert store.hire(HireKey("canonical", "E-1")).rows == ()
