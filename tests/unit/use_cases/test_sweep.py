"""The tick: what is due is woken, fairly, and nothing else."""

from tests.unit.use_cases.world import World, a_hire, a_policy
from usher.domain.invitation import State
from usher.domain.policy import Mode
from usher.use_cases.sweep import Sweep


def test_a_wake_up_names_at_most_as_many_rows_as_one_request_takes() -> None:
    """And names rows only."""
    world = World()
    for number in range(60):
        world.says(a_hire(f"E-{number}"))
    world.queues.woken.clear()
    world.sweep()

    assert [len(keys) for _, keys in world.queues.woken] == [25, 25, 10]


def test_one_connection_does_not_crowd_out_another() -> None:
    """While others have work, no connection gets more than a fifth of a tick."""
    world = World()
    base = a_policy(world.provider)
    labs = base.connections["labs"].model_copy(update={"mode": Mode.LIVE})
    world.policy = base.model_copy(update={"connections": {**base.connections, "labs": labs}})
    for number in range(30):
        world.says(a_hire(f"E-{number}"))
    world.says(a_hire("R-1", department="Research"))
    world.queues.woken.clear()
    assert world.policy is not None
    swept = Sweep(world.store, world.queues, world.policy, world.clock, most_rows=50)()

    assert swept.rows == 11
    assert {key.connection for _, keys in world.queues.woken for key in keys} == {"main", "labs"}


def test_rows_that_wait_for_a_person_are_not_woken() -> None:
    """Parked, planned and duplicate rows have no due time."""
    world = World()
    world.says(a_hire())
    world.store.apply_directly(world.row().key, state=State.PARKED, due_at=None)
    world.queues.woken.clear()

    assert world.sweep().rows == 0


def test_what_waits_for_a_person_is_counted() -> None:
    """So that an alarm can be raised, and ends by itself."""
    world = World()
    for name in ("E-1", "E-2", "E-3"):
        world.says(a_hire(name, work_email="ann@example.com"))
    world.says(a_hire("E-4", work_email="ann@other.example"))
    world.store.apply_directly(world.row("E-1").key, state=State.PARKED, due_at=None)

    swept = world.sweep()
    assert (swept.parked_rows, swept.duplicate_rows, swept.parked_notices, swept.overdue_rows) == (1, 2, 1, 0)


def test_rows_that_nobody_works_on_are_overdue_after_an_hour() -> None:
    """However often they are woken."""
    world = World()
    world.says(a_hire())
    world.clock.advance(3599)
    assert world.sweep().overdue_rows == 0
    world.clock.advance(1)
    assert world.sweep().overdue_rows == 1


def test_once_an_hour_hires_that_wait_for_a_mailbox_are_planned_again() -> None:
    """It heals what a crash between two writes left."""
    world = World()
    world.says(a_hire("E-1", work_email="ann@example.com"))
    world.says(a_hire("E-2", work_email="ann@example.com"))

    assert world.sweep().hires == 1
    assert [key.hire_id for key in world.queues.hires_woken] == ["E-2"]
    world.clock.advance(60)
    assert world.sweep().hires == 0
