"""One person whom several systems know: an applicant system hires, the HR system or a directory brings the address."""

from datetime import date
from itertools import permutations
from typing import Any

import pytest

from tests.unit.use_cases.test_plan_invites import ThinDetails
from tests.unit.use_cases.world import World, a_hire
from usher.domain.errors import Problem, StoreUnavailable
from usher.domain.hire import Change, HireKey, NewHire
from usher.domain.invitation import Invitation, State
from usher.domain.notice import NoticeState
from usher.domain.planning import MOST_OTHERS, HirePlan
from usher.domain.policy import When
from usher.use_cases.plan_invites import Planned

APPLICANT = HireKey("greenhouse", "46190001")


@pytest.fixture
def world() -> World:
    """A stage where the HR system may complete applicants, and the directory may complete both."""
    return World(joins={"bamboohr": ("greenhouse",), "okta": ("greenhouse", "bamboohr")})


def applicant(version: int = 1000, **changes: Any) -> NewHire:
    """Ann as the applicant system knows her: everything but the address."""
    return a_hire(APPLICANT.hire_id, version, **{"source": "greenhouse", "work_email": None} | changes)


def employee(version: int = 5, **changes: Any) -> NewHire:
    """Ann as the HR system knows her, in an order of its own."""
    said = {
        "source": "bamboohr",
        "same_as": str(APPLICANT),
        "work_email": "ann@example.com",
        "department": None,
        "start_date": None,
    }
    return a_hire("1042", version, **said | changes)


def the_row(world: World) -> Invitation:
    """Read the one row of the person."""
    (row,) = world.store.hire(APPLICANT).rows
    return row


def test_the_address_of_the_later_notice_completes_the_earlier_hire(world: World) -> None:
    """What the applicant system knows stays: department and first day."""
    waiting = world.notice(applicant())
    assert world.plan.notice(waiting) is Planned.AWAITING_ADDRESS

    assert world.says(employee()) is Planned.ROWS
    row = the_row(world)
    assert (row.address, row.start_date, row.state) == ("ann@example.com", date(2026, 9, 14), State.PENDING)
    record = world.store.notice(waiting.notice_id)
    assert record is not None
    assert record.state is NoticeState.DONE


def test_the_order_of_the_two_does_not_matter(world: World) -> None:
    """Even where the versions are of quite another size."""
    assert world.says(employee()) is Planned.NO_RULE
    assert world.says(applicant(version=1)) is Planned.ROWS
    assert the_row(world).address == "ann@example.com"


def test_a_hire_that_only_the_second_system_announces_is_one(world: World) -> None:
    """The webhook of the first may have been lost."""
    assert world.says(employee(department="Engineering")) is Planned.ROWS


def test_each_source_has_its_own_order(world: World) -> None:
    """An old word of one is old, however new the other's are."""
    world.says(applicant())
    world.says(employee(version=5))
    assert world.says(employee(version=4, work_email="old@example.com")) is Planned.OLD_NEWS
    assert world.says(employee(version=6, change=Change.CHANGED, work_email="new@example.com")) is Planned.ROWS
    assert the_row(world).address == "new@example.com"


def test_who_joined_last_knows_best(world: World) -> None:
    """The HR system moves the first day, and the applicant system never hears of it."""
    world.says(applicant())
    world.says(employee(start_date=date(2026, 10, 1)))
    assert the_row(world).start_date == date(2026, 10, 1)
    world.says(applicant(version=1001, start_date=date(2026, 9, 20)))
    assert the_row(world).start_date == date(2026, 10, 1)


@pytest.mark.parametrize("by", [applicant, employee])
def test_whoever_takes_the_person_back_is_believed(world: World, by: Any) -> None:
    """One of the two is enough."""
    world.says(applicant())
    world.says(employee())
    assert world.says(by(version=2000, change=Change.CANCELLED)) is Planned.CANCELLED
    assert the_row(world).state is State.CANCELLED


def test_a_source_that_may_not_complete_anothers_hires_is_parked(world: World) -> None:
    """Else any sender could bring an address of its own for anybody's hire."""
    world.says(applicant())
    notice = world.notice(a_hire("9", source="canonical", same_as=str(APPLICANT)))
    assert world.plan.notice(notice) is Planned.PARKED
    record = world.store.notice(notice.notice_id)
    assert record is not None
    assert record.problems == (Problem("same_as", "this stage does not let the source complete hires of that one"),)
    assert world.store.hire(APPLICANT).rows == ()


def test_only_so_many_may_speak_of_one_person(world: World) -> None:
    """A record has an end."""
    for number in range(MOST_OTHERS):
        world.says(employee().model_copy(update={"hire_id": f"{number}"}))
    assert world.says(employee()) is Planned.PARKED


def test_two_sources_that_are_not_joined_are_one_invitation_all_the_same(world: World) -> None:
    """The mailbox is the last guard: the second row waits as a duplicate, and says behind whom."""
    world.says(a_hire("E-1", work_email="ann@example.com"))
    world.says(employee(same_as=None, department="Engineering"))
    (second,) = world.store.hire(HireKey("bamboohr", "1042")).rows
    assert second.state is State.DUPLICATE


@pytest.mark.parametrize("order", list(permutations(range(4))), ids=str)
def test_a_change_that_hires_again_does_so_whenever_it_arrives(world: World, order: tuple[int, ...]) -> None:
    """The versions say what came after what, not the deliveries."""
    words = [
        a_hire(version=1),
        a_hire(version=2, change=Change.CANCELLED),
        a_hire(version=3, change=Change.CHANGED),
        a_hire(version=4, change=Change.CHANGED, start_date=date(2027, 3, 1)),
    ]
    for number in order:
        world.says(words[number])

    assert world.row().want
    assert world.row().start_date == date(2027, 3, 1)


def test_what_the_second_system_says_later_without_the_first_ones_id_counts_there_too(world: World) -> None:
    """Who was deleted cannot be asked for any more, so nothing names the other hire."""
    world.says(applicant())
    world.says(employee())
    deleted = employee(version=6, change=Change.CANCELLED, same_as=None, work_email=None)
    assert world.says(deleted) is Planned.CANCELLED
    assert the_row(world).state is State.CANCELLED


def test_a_second_hire_that_waited_under_its_own_name_is_ended_by_the_join(world: World) -> None:
    """The field was filled in late."""
    waiting = world.notice(employee(version=1, same_as=None, work_email=None))
    assert world.plan.notice(waiting) is Planned.AWAITING_ADDRESS
    world.says(applicant())
    assert world.says(employee()) is Planned.ROWS
    record = world.store.notice(waiting.notice_id)
    assert record is not None
    assert record.state is NoticeState.DONE


def test_who_was_invited_under_a_name_of_their_own_stays_there(world: World) -> None:
    """Rows do not move."""
    world.says(employee(same_as=None, department="Engineering"))
    assert world.says(employee(version=6, department="Engineering")) is Planned.ROWS
    (row,) = world.store.hire(HireKey("bamboohr", "1042")).rows
    assert row.address == "ann@example.com"


def test_a_directory_may_complete_who_completes_an_applicant(world: World) -> None:
    """Directory at HR system at applicant system: all three are one hire."""
    world.says(applicant())
    world.says(employee(work_email=None))
    directory = a_hire("00u1", source="okta", same_as="bamboohr/1042", department=None, start_date=None)
    assert world.says(directory) is Planned.ROWS
    assert the_row(world).address == "00u1@example.com"
    assert world.plan.hire(HireKey("okta", "00u1")) is Planned.ROWS


EMPLOYEE = HireKey("bamboohr", "1042")


def thin_world(*answers: NewHire) -> World:
    """A stage whose HR system is asked, and answers so in turn."""
    world = World(joins={"bamboohr": ("greenhouse",)}, details={"bamboohr": ThinDetails(*answers)})
    world.secrets.values["hr-api/bamboohr"] = "key"
    return world


def test_a_notice_that_joins_while_it_waits_goes_on_waiting() -> None:
    """The field is filled in before the address is there."""
    world = thin_world(employee(1, same_as=None, work_email=None), employee(2, work_email=None), employee(3))
    world.says(applicant())
    notice = world.notice(source="bamboohr", subject="1042", change=Change.HIRED, hire=None)
    assert world.plan.notice(notice) is Planned.AWAITING_ADDRESS
    for expected in (Planned.AWAITING_ADDRESS, Planned.ROWS):
        record = world.store.notice(notice.notice_id)
        assert record is not None
        assert record.state is NoticeState.WAITING
        assert record.due_at is not None
        world.clock.advance((record.due_at - world.clock.now()).total_seconds())
        assert world.plan.recorded(notice.notice_id) is expected
    assert the_row(world).address == "ann@example.com"


def test_a_crash_between_the_join_and_its_plan_loses_nothing() -> None:
    """The message comes again, and finds a join that was never planned."""
    world = World(joins={"bamboohr": ("greenhouse",)})
    world.says(applicant())
    commit, notice = world.store.commit, world.notice(employee())

    def only_the_join(plan: HirePlan) -> bool:
        if plan.record.key == APPLICANT:
            raise StoreUnavailable("the process died here")
        return commit(plan)

    world.store.commit = only_the_join  # type: ignore[method-assign]
    with pytest.raises(StoreUnavailable):
        world.plan.notice(notice)
    world.store.commit = commit  # type: ignore[method-assign]
    assert world.store.hire(EMPLOYEE).record is not None

    assert world.plan.notice(notice) is Planned.ROWS
    assert world.plan.notice(notice) is Planned.OLD_NEWS


WORDS = [
    applicant(),
    employee(200, change=Change.CANCELLED, same_as=None, work_email=None),
    employee(100),
]


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_what_was_said_before_the_join_counts_whatever_came_first(world: World, order: tuple[int, ...]) -> None:
    """A cancel of the employee is newer than the word that joins."""
    for number in order:
        world.says(WORDS[number])
    assert [row.state for row in world.store.hire(APPLICANT).rows if row.state is State.PENDING] == []


def test_a_hire_whose_first_system_never_speaks_is_not_lost_in_the_join(world: World) -> None:
    """The webhook was lost, or the id is a slip of the pen: the employee was announced all the same."""
    world.says(employee(1, same_as=None, work_email=None, department="Engineering"))
    assert world.says(employee(2, change=Change.CHANGED, department="Engineering")) is Planned.ROWS


def test_a_directory_that_came_first_is_not_forgotten_when_the_hr_system_joins_later(world: World) -> None:
    """Its address comes along."""
    world.says(applicant())
    world.says(a_hire("00u1", source="okta", same_as="bamboohr/1042", department=None, start_date=None))
    assert world.says(employee(work_email=None)) is Planned.ROWS
    assert the_row(world).address == "00u1@example.com"


def test_a_join_that_was_wrong_is_corrected(world: World) -> None:
    """The id is typed by hand. The wrong hire is stopped; the right one waits until that has an address of its own."""
    other = HireKey("greenhouse", "777")
    world.says(a_hire("777", 1000, source="greenhouse", work_email=None))
    world.says(applicant())
    world.says(employee(1, same_as=str(other)))
    assert [row.address for row in world.store.hire(other).rows] == ["ann@example.com"]

    assert world.says(employee(2)) is Planned.ROWS
    (wrong,) = world.store.hire(other).rows
    assert (wrong.state, the_row(world).state) == (State.PARKED, State.DUPLICATE)

    world.says(a_hire("777", 1001, source="greenhouse", work_email="bo@example.com"))
    (wrong,) = world.store.hire(other).rows
    assert (wrong.state, wrong.address) == (State.PENDING, "bo@example.com")
    assert (the_row(world).state, the_row(world).address) == (State.PENDING, "ann@example.com")


def test_a_join_that_is_taken_back_leaves_two_hires(world: World) -> None:
    """The field was cleared: each stands for itself again, and the mailbox still guards."""
    world.says(applicant())
    world.says(employee(1, department="Engineering"))
    world.says(employee(2, same_as=None, department="Engineering"))
    record = world.store.hire(EMPLOYEE).record
    assert record is not None
    assert record.joined_to is None
    assert world.store.hire(APPLICANT).record.others == {}  # type: ignore[union-attr]


def test_a_cancel_is_believed_although_the_stage_lets_the_source_join_no_longer(world: World) -> None:
    """It is then about the source's own hire, and parks nothing."""
    world.says(applicant())
    world.says(employee())
    world.joins.clear()
    world.policy = world.policy.model_copy(update={"version": 2}) if world.policy else None
    assert world.says(employee(6, change=Change.CANCELLED)) is not Planned.PARKED


def test_who_completes_a_hire_that_was_never_announced_is_not_taken_for_its_source(world: World) -> None:
    """A rule may trust one system alone."""
    assert world.policy is not None
    trusting = world.policy.rules[0].model_copy(update={"when": When(source=("greenhouse",))})
    world.policy = world.policy.model_copy(update={"rules": (trusting,)})
    assert world.says(employee(department="Engineering")) is Planned.NO_RULE
    assert world.says(applicant()) is Planned.ROWS
