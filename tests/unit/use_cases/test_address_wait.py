"""A hire without a work address: very common, so it waits and is asked about until the first day."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import pytest

from tests.unit.use_cases.test_plan_invites import ThinDetails
from tests.unit.use_cases.world import NOON, World, a_hire
from usher.domain.errors import DetailsUnavailable, Problem
from usher.domain.hire import Change, NewHire
from usher.domain.invitation import State
from usher.domain.notice import Notice, NoticeRecord, NoticeState
from usher.domain.waiting import asked_again_at, waits_until
from usher.use_cases.plan_invites import Planned

NO_ADDRESS = (Problem("work_email", "there is no work address yet"),)


class Employees(ThinDetails):
    """Answers as a function of the time says."""

    def __init__(self, at: Callable[[datetime], NewHire]) -> None:
        super().__init__()
        self.at = at
        self.asked: list[datetime] = []

    def fetch(self, notice: Notice, settings: object, secret: str, now: datetime) -> NewHire:
        """Give the person as of now."""
        del notice, settings, secret
        self.asked.append(now)
        return self.at(now)


def without_address(now: datetime) -> NewHire:
    """Make a person whose mailbox nobody has made yet."""
    return a_hire(source="thin", version=int(now.timestamp()), work_email=None)


def recorded(world: World, notice: Notice) -> NoticeRecord:
    """Read a notice's record."""
    record = world.store.notice(notice.notice_id)
    assert record is not None
    return record


def thin(world: World, change: Change = Change.HIRED) -> Notice:
    """Make a notice that only names E-1."""
    return world.notice(source="thin", subject="E-1", change=change, hire=None)


def days_later(world: World, notice: Notice) -> None:
    """Let the time come when the notice is due."""
    due_at = recorded(world, notice).due_at
    assert due_at is not None
    world.clock.advance((due_at - world.clock.now()).total_seconds())


def test_a_hire_without_an_address_waits_until_a_later_notice_brings_one() -> None:
    """An applicant system has none; its notice is done when the address comes from elsewhere."""
    world = World()
    notice = world.notice(a_hire(work_email=None))
    assert world.plan.notice(notice) is Planned.AWAITING_ADDRESS
    waiting = recorded(world, notice)
    assert (waiting.state, waiting.problems) == (NoticeState.WAITING, NO_ADDRESS)
    assert world.rows() == ()

    assert world.says(a_hire(version=2)) is Planned.ROWS
    assert recorded(world, notice).state is NoticeState.DONE
    assert recorded(world, notice).due_at is None
    assert world.row().state is State.PENDING


def test_an_hr_system_is_asked_again_until_it_has_an_address() -> None:
    """More often as the first day comes closer."""
    made = NOON + timedelta(days=4)
    employees = Employees(
        lambda now: without_address(now) if now < made else a_hire(source="thin", version=int(now.timestamp()))
    )
    world = World(details={"thin": employees})
    notice = thin(world)
    assert world.plan.notice(notice) is Planned.AWAITING_ADDRESS

    planned = Planned.AWAITING_ADDRESS
    while planned is Planned.AWAITING_ADDRESS:
        days_later(world, notice)
        world.sweep()
        assert world.queues.notices_woken[-1] == notice.notice_id
        planned = world.plan.recorded(notice.notice_id)

    assert planned is Planned.ROWS
    assert recorded(world, notice).state is NoticeState.DONE
    gaps = [later - earlier for earlier, later in zip(employees.asked, employees.asked[1:], strict=False)]
    assert gaps == sorted(gaps, reverse=True)
    assert timedelta(hours=1) <= gaps[-1] <= gaps[0] <= timedelta(days=1)


def test_without_an_address_on_the_first_day_the_notice_is_parked() -> None:
    """A person must look; the alarm on parked notices says so."""
    employees = Employees(without_address)
    world = World(details={"thin": employees})
    notice = thin(world)
    planned = world.plan.notice(notice)
    while planned is Planned.AWAITING_ADDRESS and recorded(world, notice).state is NoticeState.WAITING:
        days_later(world, notice)
        planned = world.plan.recorded(notice.notice_id)

    parked = recorded(world, notice)
    assert parked.state is NoticeState.PARKED
    assert parked.problems == (Problem("work_email", "did not come by the first day"),)
    assert world.clock.now() == datetime(2026, 9, 13, 22, 0, tzinfo=UTC)  # Midnight in Berlin.
    assert len(employees.asked) < 25

    assert world.says(a_hire(source="thin", version=10**12)) is Planned.ROWS
    assert recorded(world, notice).state is NoticeState.DONE


def test_a_source_that_cannot_be_asked_is_woken_once() -> None:
    """Nothing would be learned before the first day."""
    world = World()
    notice = world.notice(a_hire(work_email=None))
    world.plan.notice(notice)

    days_later(world, notice)
    world.plan.recorded(notice.notice_id)
    assert recorded(world, notice).state is NoticeState.PARKED


def test_of_several_notices_about_one_person_the_newest_waits() -> None:
    """Created and updated come as a pair, and one question is enough."""
    world = World(details={"thin": Employees(without_address)})
    created, updated = thin(world), thin(world, Change.CHANGED)
    world.plan.notice(created)
    world.clock.advance(1)
    assert world.plan.notice(updated) is Planned.AWAITING_ADDRESS

    assert recorded(world, created).state is NoticeState.DONE
    assert recorded(world, updated).state is NoticeState.WAITING


def test_a_cancelled_hire_is_waited_for_no_longer() -> None:
    """Whoever is not coming needs no address."""
    world = World(details={"thin": Employees(without_address)})
    notice = thin(world)
    world.plan.notice(notice)
    assert world.plan.notice(thin(world, Change.CANCELLED)) is Planned.CANCELLED
    assert recorded(world, notice).state is NoticeState.DONE


def test_a_system_that_may_answer_with_what_was_before_is_asked_later() -> None:
    """The first question waits in a due row like every other."""
    employees = Employees(lambda now: a_hire(source="thin", version=int(now.timestamp())))
    employees.stale_for = timedelta(seconds=20)
    world = World(details={"thin": employees})
    notice = thin(world)
    assert world.plan.notice(notice) is Planned.WAITING
    assert employees.asked == []

    world.clock.advance(20)
    assert world.plan.recorded(notice.notice_id) is Planned.ROWS


@pytest.mark.parametrize(
    ("start", "zone", "end"),
    [
        (date(2026, 9, 14), None, datetime(2026, 9, 13, 22, 0, tzinfo=UTC)),
        (date(2026, 9, 14), "America/New_York", datetime(2026, 9, 14, 4, 0, tzinfo=UTC)),
        (date(2026, 9, 8), None, NOON + timedelta(days=3)),
        (date(2026, 1, 1), None, NOON + timedelta(days=3)),
        (None, None, NOON + timedelta(days=90)),
    ],
)
def test_the_wait_ends_with_the_first_day(start: date | None, zone: str | None, end: datetime) -> None:
    """Where the hire works; whoever is announced late, or without a day, is given some."""
    assert waits_until(a_hire(start_date=start, time_zone=zone), NOON, "Europe/Berlin") == end


def test_the_questions_are_few() -> None:
    """A hire who starts in a quarter of a year costs about a hundred."""
    now, end, asked = NOON, NOON + timedelta(days=90), 0
    while (due := asked_again_at(end, now)) is not None:
        assert now < due <= end
        now, asked = due, asked + 1
    assert asked < 110


def test_an_outage_after_days_of_waiting_parks_nobody() -> None:
    """What counts is how long the system has not answered, not how long the address is waited for."""
    outage = (NOON + timedelta(days=8), NOON + timedelta(days=8, hours=2))

    def answer(now: datetime) -> NewHire:
        if outage[0] <= now < outage[1]:
            raise DetailsUnavailable("503")
        return a_hire(source="thin", version=int(now.timestamp()), work_email=None, start_date=date(2026, 10, 8))

    world = World(details={"thin": Employees(answer)})
    notice = thin(world)
    world.plan.notice(notice)
    seen = set()
    while world.clock.now() < outage[1] + timedelta(days=1):
        days_later(world, notice)
        seen.add(world.plan.recorded(notice.notice_id))
        assert recorded(world, notice).state is NoticeState.WAITING
    assert seen == {Planned.AWAITING_ADDRESS, Planned.WAITING}
    assert recorded(world, notice).failing_since is None


def test_a_first_day_in_a_hundred_years_is_a_slip_of_the_pen() -> None:
    """A person must look, in a year at the latest."""
    assert waits_until(a_hire(start_date=date(2126, 9, 14)), NOON, "Europe/Berlin") == NOON + timedelta(days=366)
