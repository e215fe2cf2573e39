"""The counters of rates, budgets and the guard against mass mistakes, in every store."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import Barrier

from usher.domain.budget import DayBudget
from usher.domain.hold import Hold
from usher.domain.mass_guard import MassGuard
from usher.domain.pace import Counters, Pace
from usher.ports import Store

NOON = datetime(2026, 9, 8, 12, 0, 0, 5, tzinfo=UTC)
RACERS = 16

USED = Counters(
    MassGuard(
        hour=NOON.replace(minute=0, microsecond=0),
        count=7,
        highest={"2026-09-01": 31, "2026-09-07": 12},
        stopped_at=NOON,
        approved=50,
        approved_until=NOON + timedelta(days=1),
    ),
    {
        "main": Pace(
            connection="main",
            arrival=NOON + timedelta(seconds=3),
            budget=DayBudget(day=NOON.date(), spent=40, reserved={"canonical/E-1/main/1#2": NOON}),
        ),
        "labs": Pace(connection="labs"),
    },
)


def test_counters_come_back_exactly_as_they_were_written(store: Store) -> None:
    """The guard of the company, and the pace of each connection."""
    seen = store.counters(["main", "labs"])
    assert seen == Counters(MassGuard(), {"main": Pace(connection="main"), "labs": Pace(connection="labs")})
    written = USED.next_to(seen)
    assert store.put_counters(written, seen)

    assert store.counters(["main", "labs"]) == written
    assert (written.guard.revision, written.paces["main"].revision, written.paces["labs"].revision) == (1, 1, 0)
    assert store.counters(()) == Counters(written.guard, {})


def test_counters_that_somebody_else_has_written_since_are_not_overwritten(store: Store) -> None:
    """Neither the first time, nor later."""
    nobody = store.counters(["main"])
    first = Counters(USED.guard, {"main": USED.paces["main"]}).next_to(nobody)
    assert store.put_counters(first, nobody)
    assert not store.put_counters(first, nobody)

    second = replace(first, guard=first.guard.model_copy(update={"count": 8})).next_to(first)
    assert store.put_counters(second, first)
    assert not store.put_counters(second, first)
    assert store.counters(["main"]) == second


def test_counters_are_written_all_or_none(store: Store) -> None:
    """A permit that was lost in one connection is not taken in another, nor counted by the guard."""
    seen = store.counters(["main", "labs"])
    others = store.counters(["main"])
    assert store.put_counters(Counters(others.guard, {"main": USED.paces["main"]}).next_to(others), others)
    labs = Pace(connection="labs", arrival=NOON)
    mine = Counters(USED.guard, {"main": USED.paces["main"], "labs": labs}).next_to(seen)

    assert not store.put_counters(mine, seen)
    found = store.counters(["main", "labs"])
    assert (found.guard.revision, found.paces["labs"].revision) == (0, 0)


def test_counters_that_did_not_change_cost_no_write(store: Store) -> None:
    """So one of them may meanwhile be written by somebody else."""
    seen = store.counters(["main", "labs"])
    assert store.put_counters(seen, seen)
    others = replace(seen, paces={"labs": Pace(connection="labs", arrival=NOON)}).next_to(seen)
    assert store.put_counters(others, seen)
    mine = replace(seen, paces={**seen.paces, "main": USED.paces["main"]}).next_to(seen)

    assert store.put_counters(mine, seen)
    assert store.counters(["labs"]).paces["labs"].arrival == NOON


def test_of_sixteen_writers_at_once_one_counts(store: Store) -> None:
    """Whoever lost reads again."""
    seen = store.counters(["main"])
    barrier = Barrier(RACERS)

    def count(number: int) -> bool:
        barrier.wait()
        guard = seen.guard.model_copy(update={"count": number + 1})
        return store.put_counters(replace(seen, guard=guard).next_to(seen), seen)

    with ThreadPoolExecutor(RACERS) as pool:
        won = list(pool.map(count, range(RACERS)))
    assert won.count(True) == 1
    assert store.counters(()).guard.count == won.index(True) + 1


def test_a_pace_is_no_hold(store: Store) -> None:
    """Both stand with the connection."""
    hold = Hold(connection="main", reason="no seats", since=NOON, next_probe=NOON)
    store.put_hold(hold, None)
    seen = store.counters(["main"])
    store.put_counters(Counters(seen.guard, {"main": USED.paces["main"]}).next_to(seen), seen)

    assert store.holds(["main"]) == [hold]
