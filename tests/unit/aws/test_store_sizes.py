"""Nothing, one, and more than one request takes: every store answers the same."""

import pytest

from tests.unit.aws.samples import (
    NOON,
    a_claim,
    a_plan,
    a_recorded,
    a_row,
    a_want,
    ended,
    later,
)
from usher.domain.actual import claim
from usher.domain.errors import StoreUnavailable
from usher.domain.hire import HireKey
from usher.domain.hold import Hold
from usher.domain.invitation import GuardKey, Invitation, InvitationKey, State
from usher.domain.notice import NoticeState
from usher.domain.outcomes import Accepted, RefusedPerson
from usher.domain.planning import HirePlan
from usher.domain.wanted import rewanted
from usher.ports import Applied, Store

HOLD = Hold(connection="main", reason="no seats", since=NOON, next_probe=later(300))


def many(store: Store, number: int) -> list[Invitation]:
    """Write rows of as many hires, each due a second after the one before."""
    rows = [a_row(f"E-{n:03d}", guard=f"d{n}", due_at=later(n)) for n in range(number)]
    for row in rows:
        assert store.commit(a_plan(row, hire_id=row.hire_id))
    return rows


def test_nothing_asked_is_nothing_answered(store: Store) -> None:
    """Without a request that the table would refuse as empty."""
    assert store.invitations([]) == {}
    assert store.guard_holders([]) == {}
    assert store.holds([]) == []
    assert store.apply([]) == []
    assert store.commit(a_plan())


def test_an_empty_table_has_nothing_of_anything(store: Store) -> None:
    """Every read says so."""
    assert store.due("main", NOON, 10) == []
    assert store.due_notices(NOON, 10) == []
    assert all(store.rows_in_state(state, 10) == [] for state in State)
    assert all(store.notices_in_state(state, 10) == [] for state in NoticeState)
    assert store.hire(HireKey("canonical", "E-1")).rows == ()


def test_a_limit_of_none_lists_none(store: Store) -> None:
    """A caller whose room is used up may ask all the same."""
    store.commit(a_plan(a_row()))
    store.put_notice(a_recorded(state=NoticeState.WAITING, due_at=NOON))

    assert store.due("main", later(9), 0) == []
    assert store.due_notices(later(9), 0) == []
    assert store.rows_in_state(State.PENDING, 0) == []
    assert store.notices_in_state(NoticeState.WAITING, 0) == []


def test_a_list_ends_at_its_limit_or_at_the_last_one(store: Store) -> None:
    """Soonest first."""
    rows = many(store, 9)

    for limit in (1, 8, 9, 10, 99):
        assert store.due("main", later(99), limit) == [row.key for row in rows[:limit]]
        assert len(store.rows_in_state(State.PENDING, limit)) == min(limit, 9)
    assert store.due("main", later(4), 99) == [row.key for row in rows[:5]]


def test_a_key_that_is_asked_for_twice_is_answered_once(store: Store) -> None:
    """A table refuses a request that names one key twice."""
    row = a_row()
    store.commit(a_plan(row))
    guard = GuardKey("main", "d1")

    assert store.invitations([row.key, row.key]) == {row.key: row}
    assert store.guard_holders([guard, guard]) == {guard: row.holder}
    store.put_hold(HOLD, None)
    assert store.holds(["main", "main"]) == [HOLD]


def test_more_keys_than_a_request_takes_are_read_in_one_call(store: Store) -> None:
    """A hundred is the most of one request. The rows stand at its seams; what does not exist is left out."""
    rows = many(store, 6)
    keys = [InvitationKey("canonical", f"X-{number}", "main") for number in range(201)]
    guards = [GuardKey("main", f"x{number}") for number in range(201)]
    for number, place in enumerate((0, 99, 100, 199, 200, 50)):
        keys[place] = rows[number].key
        guards[place] = GuardKey("main", f"d{number}")

    assert store.invitations(keys) == {row.key: row for row in rows}
    assert store.guard_holders(guards) == {GuardKey("main", f"d{n}"): row.holder for n, row in enumerate(rows)}


def test_more_steps_than_a_request_takes_are_judged_in_their_order(store: Store) -> None:
    """Those that release a mailbox are written one by one among the others, and mix nothing up."""
    rows = many(store, 30)
    claims = [claim(row, owner="w1", now=later(99), lease_until=later(139)) for row in rows]
    assert store.apply(claims) == [Applied.NOW] * 30
    lost = {5, 26, 29}
    endings = [RefusedPerson("no") if number % 3 else Accepted("7", mailed=True) for number in range(30)]
    steps = [ended(step.after, ending) for step, ending in zip(claims, endings, strict=True)]
    for number in lost:
        stale = claims[number].after.model_copy(update={"owner": "dead"})
        steps[number] = ended(stale, RefusedPerson("no"))

    verdicts = store.apply(steps)
    assert {n for n, verdict in enumerate(verdicts) if verdict is Applied.REFUSED} == lost
    assert all(verdict is Applied.NOW for n, verdict in enumerate(verdicts) if n not in lost)
    held = {key.digest for key in store.guard_holders([GuardKey("main", f"d{n}") for n in range(30)])}
    assert held == {f"d{n}" for n in range(30) if n % 3 == 0 or n in lost}


def test_two_steps_of_one_row_are_no_batch(store: Store) -> None:
    """The table refuses the request as a whole, so whoever makes steps makes one for each row."""
    row = a_row()
    store.commit(a_plan(row))

    with pytest.raises((AssertionError, StoreUnavailable)):
        store.apply([a_claim(row, "w1"), a_claim(row, "w2")])


def test_a_plan_of_many_connections_is_one_write(store: Store) -> None:
    """Twenty rows with their mailboxes; then each moves to another one."""
    rows = [a_row(guard=f"d{n}").model_copy(update={"connection": f"org-{n}"}) for n in range(20)]
    assert store.commit(a_plan(*rows))
    steps = tuple(
        rewanted(
            row,
            a_want(connection=row.connection, address="ann.b@example.com"),
            hire_version=2,
            policy_version="1.abc",
            start_date=row.start_date,
            now=later(1),
            live=True,
            guard=f"e{n}",
        )
        for n, row in enumerate(rows)
    )
    assert store.commit(a_plan(seen=1, steps=steps))

    file = store.hire(HireKey("canonical", "E-1"))
    assert {row.guard for row in file.rows} == {f"e{n}" for n in range(20)}
    assert store.guard_holders([GuardKey(f"org-{n}", f"d{n}") for n in range(20)]) == {}


def test_a_hire_is_read_with_rows_of_every_generation_in_order(store: Store) -> None:
    """More than nine, too."""
    rows = [a_row(guard=None).model_copy(update={"generation": n}) for n in range(1, 13)]
    for seen, row in enumerate(rows):
        assert store.commit(a_plan(row, seen=seen or None))

    assert [row.generation for row in store.hire(HireKey("canonical", "E-1")).rows] == list(range(1, 13))


def test_a_record_without_rows_is_a_whole_plan(store: Store) -> None:
    """A hire that no rule matches has just that."""
    plan = HirePlan(a_plan().record, None)
    assert store.commit(plan)

    assert store.hire(plan.record.key).record == plan.record
