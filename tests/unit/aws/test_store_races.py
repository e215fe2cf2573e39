"""Sixteen at once: whatever they race for, one of them has it, in every store."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from tests.unit.aws.samples import (
    GUARD,
    NOON,
    a_claim,
    a_plan,
    a_record,
    a_recorded,
    a_row,
    ended,
    later,
    stored,
)
from usher.domain.hire import HireKey
from usher.domain.hold import Hold
from usher.domain.invitation import State
from usher.domain.outcomes import Accepted, RefusedPerson
from usher.domain.planning import HirePlan
from usher.domain.wanted import unwanted
from usher.ports import Applied, Store

RACERS = 16


def race[Result](attempt: Callable[[int], Result]) -> list[Result]:
    """Let all start at the same time; gives what each was told."""
    barrier = Barrier(RACERS)

    def run(number: int) -> Result:
        barrier.wait()
        return attempt(number)

    with ThreadPoolExecutor(RACERS) as pool:
        return list(pool.map(run, range(RACERS)))


def test_of_sixteen_claims_at_once_one_is_won(store: Store) -> None:
    """The row names the winner."""
    row = a_row()
    store.commit(a_plan(row))

    verdicts = race(lambda number: store.apply([a_claim(row, f"w{number}")])[0])
    assert verdicts.count(Applied.NOW) == 1
    assert set(verdicts) <= {Applied.NOW, Applied.REFUSED}
    assert stored(store, row).owner == f"w{verdicts.index(Applied.NOW)}"


def test_of_sixteen_batches_at_once_each_row_is_in_one(store: Store) -> None:
    """A batch has no verdict of its own: its rows may go to several workers, each to one."""
    rows = [a_row(f"E-{number}", guard=f"d{number}") for number in range(8)]
    for row in rows:
        store.commit(a_plan(row, hire_id=row.hire_id))

    answers = race(lambda number: store.apply([a_claim(row, f"w{number}") for row in rows]))
    for place, row in enumerate(rows):
        winners = [number for number, verdicts in enumerate(answers) if verdicts[place] is Applied.NOW]
        assert [stored(store, row).owner] == [f"w{number}" for number in winners]


def test_of_sixteen_plans_of_one_hire_one_is_written(store: Store) -> None:
    """The others read again and plan again."""
    plans = [HirePlan(a_record(updated_at=later(number)), None, opens=(a_row(),)) for number in range(RACERS)]

    written = race(lambda number: store.commit(plans[number]))
    assert written.count(True) == 1
    assert store.hire(HireKey("canonical", "E-1")).record == plans[written.index(True)].record


def test_of_sixteen_hires_with_one_mailbox_one_holds_it(store: Store) -> None:
    """Of the others nothing is written."""
    rows = [a_row(f"E-{number}") for number in range(RACERS)]

    written = race(lambda number: store.commit(a_plan(rows[number], hire_id=f"E-{number}")))
    assert written.count(True) == 1
    winner = rows[written.index(True)]
    assert store.guard_holders([GUARD]) == {GUARD: winner.holder}
    assert store.invitations([row.key for row in rows]).keys() == {winner.key}


def test_a_mailbox_that_is_given_back_goes_to_one_of_those_who_wait(store: Store) -> None:
    """Fifteen ask for it while the sixteenth gives it back."""
    row = a_row()
    store.commit(a_plan(row))
    taken = a_claim(row)
    store.apply([taken])

    def attempt(number: int) -> bool:
        if number == 0:
            return store.apply([ended(taken.after, RefusedPerson("no"))]) == [Applied.NOW]
        return store.commit(a_plan(a_row(f"N-{number}"), hire_id=f"N-{number}"))

    released, *taken_over = race(attempt)
    assert released
    assert taken_over.count(True) <= 1
    holder = [f"canonical/N-{number}/main" for number, won in enumerate(taken_over, start=1) if won]
    assert list(store.guard_holders([GUARD]).values()) == holder


def test_of_sixteen_records_of_a_notice_one_is_written_at_each_revision(store: Store) -> None:
    """First over none, then over the first."""
    for revision in (1, 2):
        records = [a_recorded(tries=number, revision=revision) for number in range(RACERS)]
        written = race(lambda number, records=records: store.put_notice(records[number]))  # type: ignore[misc]
        assert written.count(True) == 1
        assert store.notice(records[0].notice.notice_id) == records[written.index(True)]


def test_of_sixteen_probes_of_a_hold_one_is_the_probe(store: Store) -> None:
    """And of sixteen that place it, one does."""
    holds = [Hold(connection="main", reason="x", since=NOON, next_probe=later(n)) for n in range(RACERS)]
    placed = race(lambda number: store.put_hold(holds[number], None))
    assert placed.count(True) == 1
    hold = holds[placed.index(True)]

    probes = [hold.model_copy(update={"probes": 1, "next_probe": later(300 + number)}) for number in range(RACERS)]
    moved = race(lambda number: store.put_hold(probes[number], hold))
    assert moved.count(True) == 1
    assert store.holds(["main"]) == [probes[moved.index(True)]]


def test_a_cancel_and_a_claim_never_both_win(store: Store) -> None:
    """Either the row is cancelled and nobody may send, or it is sent and the cancel is planned again."""
    row = a_row()
    store.commit(a_plan(row))
    cancel = a_plan(seen=1, steps=(unwanted(row, hire_version=2, policy_version="1.abc", now=later(1)),))

    def attempt(number: int) -> bool:
        if number == 0:
            return store.commit(cancel)
        return store.apply([a_claim(row, f"w{number}")]) == [Applied.NOW]

    cancelled, *claimed = race(attempt)
    assert [cancelled, *claimed].count(True) == 1
    assert stored(store, row).state is (State.CANCELLED if cancelled else State.SENDING)


def test_a_mark_and_an_outcome_both_land(store: Store) -> None:
    """They write two halves of one row."""
    row = a_row()
    store.commit(a_plan(row))
    taken = a_claim(row)
    store.apply([taken])
    mark = a_plan(seen=1, steps=(unwanted(taken.after, hire_version=2, policy_version="1.abc", now=later(1)),))

    def attempt(number: int) -> bool:
        if number == 0:
            return store.commit(mark)
        return store.apply([ended(taken.after, Accepted("7", mailed=True))])[0].stands

    assert all(race(attempt))
    final = stored(store, row)
    assert (final.state, final.want, final.revoke_needed) == (State.INVITED, False, True)
