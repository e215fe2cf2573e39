"""What becomes of what sources say: rows, a recorded no-match, or one parked notice."""

from collections import deque
from datetime import date, datetime, timedelta

import pytest

from tests.fakes.provider import FakeProvider
from tests.unit.use_cases.world import World, a_hire, a_policy
from usher.domain.errors import DetailsUnavailable, Problem
from usher.domain.hire import Change, HireKey, NewHire, Result
from usher.domain.invitation import NotNow, Origin, State
from usher.domain.notice import Notice, NoticeState
from usher.domain.planning import HirePlan
from usher.domain.policy import Company, Mode, SendTime
from usher.ports import SourceSettings
from usher.use_cases.plan_invites import Planned


class ThinDetails:
    """An HR system that answers as told, in order."""

    def __init__(self, *answers: NewHire | DetailsUnavailable) -> None:
        self.answers = deque(answers)

    def fetch(self, notice: Notice, settings: SourceSettings, secret: str, now: datetime) -> NewHire:
        """Give the next answer."""
        answer = self.answers.popleft()
        if isinstance(answer, DetailsUnavailable):
            raise answer
        return answer

    stale_for = timedelta(0)

    def settings_errors(self, settings: SourceSettings) -> tuple[str, ...]:
        """Accept any settings."""
        return ()

    def is_vendor_host(self, host: str) -> bool:
        """Call any host its own."""
        return True


@pytest.fixture
def world() -> World:
    """A stack in memory."""
    return World()


def parked(world: World) -> list[str]:
    """List the parked notices."""
    return world.store.notices_in_state(NoticeState.PARKED, 100)


def test_a_hire_becomes_a_pending_row_with_its_explanation_and_wakes_the_provider(world: World) -> None:
    """The row is the truth, the wake-up only saves time."""
    assert world.says(a_hire()) is Planned.ROWS

    row = world.row()
    assert (row.state, row.explanation.rule, row.explanation.fields) == (
        State.PENDING,
        "engineers",
        {"department": "Engineering"},
    )
    assert world.queues.woken == [("sentry", [row.key])]


def test_hires_who_come_together_share_a_wake_up(world: World) -> None:
    """So that a batching provider invites them in one request."""
    for name in ("E-1", "E-2"):
        world.plan.notice(world.notice(a_hire(name)))
    assert world.queues.woken == []
    world.plan.wake_senders()

    assert world.queues.woken == [("sentry", [world.row("E-1").key, world.row("E-2").key])]


def test_the_same_version_again_changes_nothing(world: World) -> None:
    """Delivered twice, by a retry or by two feeds."""
    world.says(a_hire())
    before = world.row()

    assert world.says(a_hire()) is Planned.OLD_NEWS
    assert world.row() == before


def test_an_older_version_that_arrives_late_changes_nothing(world: World) -> None:
    """The highest version wins, in any order."""
    world.says(a_hire(version=5, work_email="ann.new@example.com"))

    assert world.says(a_hire(version=4)) is Planned.OLD_NEWS
    assert world.row().address == "ann.new@example.com"


def test_a_cancel_that_arrives_first_wins_over_the_older_hire(world: World) -> None:
    """A tombstone with a version."""
    world.says(a_hire(version=2, change=Change.CANCELLED, work_email=None))

    assert world.says(a_hire(version=1)) in (Planned.OLD_NEWS, Planned.CANCELLED)
    assert world.rows() == ()


def test_a_cancelled_hire_is_not_invited_and_the_mailbox_is_free_again(world: World) -> None:
    """Before anything was sent, nothing is sent."""
    world.says(a_hire())
    assert world.says(a_hire(version=2, change=Change.CANCELLED)) is Planned.CANCELLED

    assert world.row().state is State.CANCELLED
    world.until_quiet(rounds=20)
    assert world.provider.mails == []
    world.says(a_hire("E-2", work_email="e-1@example.com"))
    assert world.row("E-2").state is State.PENDING


def test_wanted_again_after_a_cancel_the_row_is_pending_again(world: World) -> None:
    """Un-cancelled with a higher version."""
    world.says(a_hire())
    world.says(a_hire(version=2, change=Change.CANCELLED))
    world.says(a_hire(version=3))

    assert world.row().state is State.PENDING


def test_an_address_once_known_is_not_lost_to_a_later_notice_without_one(world: World) -> None:
    """Nor to an earlier one that arrives after it."""
    world.says(a_hire(version=2, work_email=None))
    assert world.says(a_hire(version=1)) is Planned.ROWS
    assert world.says(a_hire(version=3, work_email=None)) is Planned.ROWS
    assert world.row().address == "e-1@example.com"


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("ann@gmail.com", "domain"),
        ("ann@example.com.evil.io", "domain"),
        ("ann+x@example.com", "tag"),
        ("admin@example.com", "shared"),
        ("ann\u212a@example.com", "ASCII"),
        ("ann", "local@domain"),
    ],
)
def test_an_address_that_the_policy_does_not_allow_parks_the_notice_with_the_reason(
    world: World, address: str, reason: str
) -> None:
    """Personal, look-alike, tagged or shared: nobody is invited, and the reason repeats no address."""
    assert world.says(a_hire(work_email=address)) is Planned.PARKED

    (notice_id,) = parked(world)
    record = world.store.notice(notice_id)
    assert record is not None
    assert reason in str(record.problems[0])
    assert address not in str(record.problems)


def test_a_hire_that_no_rule_matches_is_recorded_as_such(world: World) -> None:
    """Not lost, and not an error."""
    assert world.says(a_hire(department="Sales")) is Planned.NO_RULE

    record = world.store.hire(HireKey("canonical", "E-1")).record
    assert record is not None
    assert record.result is Result.NO_RULE


def test_a_change_of_somebody_who_was_never_announced_invites_nobody(world: World) -> None:
    """An HR system tells of every employee's changes; only who is hired is a hire."""
    assert world.says(a_hire(version=2, change=Change.CHANGED)) is Planned.UNANNOUNCED
    assert world.rows() == ()


def test_a_hire_that_arrives_after_its_change_is_planned_with_what_the_change_said(world: World) -> None:
    """Created and updated may come in any order."""
    world.says(a_hire(version=2, change=Change.CHANGED, work_email="ann.new@example.com"))
    assert world.says(a_hire(version=1)) is Planned.ROWS

    assert (world.row().address, world.row().hire_version) == ("ann.new@example.com", 2)


def test_an_event_that_is_no_hire_is_recorded_as_ignored(world: World) -> None:
    """So that every acknowledged event can be counted."""
    assert world.plan.notice(world.notice()) is Planned.IGNORED
    assert len(world.store.notices_in_state(NoticeState.IGNORED, 10)) == 1


def test_what_could_not_be_read_is_parked_with_every_reason(world: World) -> None:
    """The vendor got its success answer; the reasons are here."""
    problems = (Problem("body", "is not JSON"), Problem("start_date", "is missing"))

    assert world.plan.notice(world.notice(problems=problems)) is Planned.PARKED
    record = world.store.notice(parked(world)[0])
    assert record is not None
    assert record.problems == problems


def test_in_plan_mode_nothing_is_sent_and_no_mailbox_is_held(world: World) -> None:
    """The row shows what would happen."""
    world.says(a_hire(department="Research"))
    world.until_quiet(rounds=5)

    row = world.row(connection="labs")
    assert (row.state, row.guard, row.due_at) == (State.PLANNED, None, None)
    assert world.provider.requests == []


def test_two_hires_with_one_mailbox_are_one_invitation(world: World) -> None:
    """The second row waits as a duplicate of the first, and follows if the first ends without an invitation."""
    world.says(a_hire("E-1", work_email="Ann@Example.com"))
    world.says(a_hire("E-2", work_email="ann@example.com"))
    assert world.row("E-2").state is State.DUPLICATE

    world.says(a_hire("E-1", version=2, change=Change.CANCELLED))
    assert world.row("E-2").state is State.PENDING


def test_a_thin_notice_is_completed_by_the_hr_system() -> None:
    """Its details come from the source, under the source's own name."""
    world = World(details={"thin": ThinDetails(a_hire(source="thin"))})
    notice = world.notice(source="thin", subject="E-1", change=Change.HIRED, hire=None)

    assert world.plan.notice(notice) is Planned.ROWS


def test_details_that_cannot_be_had_now_wait_in_a_due_row_not_in_the_queue() -> None:
    """The sweep wakes the notice, and then it is planned."""
    world = World(details={"thin": ThinDetails(DetailsUnavailable("503"), a_hire(source="thin"))})
    notice = world.notice(source="thin", subject="E-1", change=Change.HIRED, hire=None)
    assert world.plan.notice(notice) is Planned.WAITING

    assert world.store.due_notices(world.clock.now(), 10) == []
    world.clock.advance(31)
    world.sweep()
    assert world.queues.notices_woken == [notice.notice_id]
    assert world.plan.recorded(notice.notice_id) is Planned.ROWS
    record = world.store.notice(notice.notice_id)
    assert record is not None
    assert (record.state, record.due_at) == (NoticeState.DONE, None)


def test_a_wake_up_that_comes_twice_asks_the_hr_system_once() -> None:
    """The first one has moved the due time."""
    details = ThinDetails(DetailsUnavailable("503"), DetailsUnavailable("503"))
    world = World(details={"thin": details})
    notice = world.notice(source="thin", subject="E-1", change=Change.HIRED, hire=None)
    world.plan.notice(notice)
    world.clock.advance(31)

    assert world.plan.recorded(notice.notice_id) is Planned.WAITING
    assert world.plan.recorded(notice.notice_id) is Planned.WAITING
    assert not details.answers


def test_details_that_cannot_be_had_for_a_week_park_the_notice() -> None:
    """Then a person must look; until then it is asked for again and again, ever more seldom."""
    world = World(details={"thin": ThinDetails(DetailsUnavailable("503"), DetailsUnavailable("503"))})
    notice = world.notice(source="thin", subject="E-1", change=Change.HIRED, hire=None)
    world.plan.notice(notice)
    world.clock.advance(timedelta(days=7).total_seconds())

    assert world.plan.recorded(notice.notice_id) is Planned.PARKED
    assert len(parked(world)) == 1


def test_details_that_will_never_come_park_the_notice() -> None:
    """The person is unknown to the HR system."""
    world = World(details={"thin": ThinDetails(DetailsUnavailable("not found", final=True))})
    notice = world.notice(source="thin", subject="E-1", change=Change.HIRED, hire=None)

    assert world.plan.notice(notice) is Planned.PARKED


def test_a_hire_that_comes_after_its_end_is_old_news_although_nobody_knows_the_person_any_more() -> None:
    """Deleted in the HR system, and the notice of the hire was the slower one."""
    world = World(details={"thin": ThinDetails(DetailsUnavailable("not found", final=True))})
    gone = world.notice(source="thin", subject="E-1", change=Change.CANCELLED, hire=None)
    assert world.plan.notice(gone) is Planned.CANCELLED

    late = world.notice(source="thin", subject="E-1", change=Change.HIRED, hire=None)
    assert world.plan.notice(late) is Planned.OLD_NEWS
    assert parked(world) == []


def test_a_notice_that_waited_ends_with_the_person_whom_nobody_knows_any_more() -> None:
    """Else the sweep would wake it for ever."""
    world = World(details={"thin": ThinDetails(DetailsUnavailable("503"), DetailsUnavailable("not found", final=True))})
    waiting = world.notice(source="thin", subject="E-1", change=Change.HIRED, hire=None)
    assert world.plan.notice(waiting) is Planned.WAITING
    world.plan.notice(world.notice(source="thin", subject="E-1", change=Change.CANCELLED, hire=None))
    world.clock.advance(60)
    assert world.plan.recorded(waiting.notice_id) is Planned.OLD_NEWS
    record = world.store.notice(waiting.notice_id)
    assert record is not None
    assert (record.state, record.due_at) == (NoticeState.DONE, None)


def test_a_rehire_opens_a_new_generation_that_asks_the_provider_first(world: World) -> None:
    """Taken back after the invitation, and hired again for a later day."""
    world.says(a_hire())
    world.send()
    world.says(a_hire(version=2, change=Change.CANCELLED))
    world.says(a_hire(version=3, start_date=date(2027, 1, 4)))
    world.send()

    assert world.row(generation=1).revoke_needed
    again = world.row(generation=2)
    assert (again.state, again.origin) == (State.INVITED, Origin.UNKNOWN)
    assert world.provider.mails == ["e-1@example.com"]
    assert [kind for kind, _ in world.provider.requests] == ["invite", "look_up"]


def test_a_rehire_waits_visibly_until_the_former_row_is_settled(world: World) -> None:
    """Generation n + 1 only when n is settled."""
    world.says(a_hire())
    world.store.apply_directly(world.row().key, state=State.AMBIGUOUS, posted_at=world.clock.now())
    world.says(a_hire(version=2, change=Change.CANCELLED))

    assert world.says(a_hire(version=3, start_date=date(2027, 1, 4))) is Planned.WAITING
    assert [row.generation for row in world.rows()] == [1]
    (notice_id,) = world.store.notices_in_state(NoticeState.WAITING, 10)

    world.store.apply_directly(world.row().key, state=State.INVITED, due_at=None)
    world.clock.advance(16 * 60)
    assert world.plan.recorded(notice_id) is Planned.ROWS
    assert [row.generation for row in world.rows()] == [1, 2]


def test_a_row_of_an_older_policy_is_planned_again_before_it_may_be_claimed(world: World) -> None:
    """A group removed in review is not granted to people who wait for their start date."""
    world.says(a_hire())
    base = a_policy(world.provider)
    world.policy = base.model_copy(update={"version": 2, "rules": base.rules[1:]})
    world.send()

    assert world.row().state is State.CANCELLED
    assert world.provider.requests == []


def test_code_with_an_older_policy_leaves_newer_rows_alone(world: World) -> None:
    """Old and new code run together during a deploy."""
    new = a_policy(world.provider, version=2)
    world.policy = new
    world.says(a_hire())
    world.policy = a_policy(world.provider)

    with pytest.raises(NotNow):
        world.says(a_hire(version=2))
    world.send()
    assert world.provider.requests == []


def test_a_policy_in_plan_mode_stops_what_was_pending(world: World) -> None:
    """Whoever switches the company to plan mode stops the sending at once."""
    world.says(a_hire())
    company = Company(email_domains=("example.com",), time_zone="Europe/Berlin", mode=Mode.PLAN)
    world.policy = a_policy(world.provider, version=2, company=company)
    world.until_quiet(rounds=5)

    assert world.provider.requests == []
    assert world.row().state is State.PENDING


def test_a_planner_that_lost_the_race_plans_again(world: World) -> None:
    """The higher version wins, whoever commits first."""
    real = world.store.commit

    def commit(plan: HirePlan) -> bool:
        world.store.commit = real  # type: ignore[method-assign]
        world.says(a_hire(version=5, work_email="ann.new@example.com"))
        return real(plan)

    world.store.commit = commit  # type: ignore[method-assign]
    world.says(a_hire(version=4))

    assert world.row().address == "ann.new@example.com"
    assert world.row().hire_version == 5


def test_a_wake_up_that_cannot_be_sent_loses_nothing(world: World) -> None:
    """The sweep finds the row."""
    world.queues.refuse()
    assert world.says(a_hire()) is Planned.ROWS

    world.queues.accept()
    world.sweep()
    assert [keys for _, keys in world.queues.woken] == [[world.row().key]]


def test_a_start_date_decides_the_send_time_in_the_time_zone_of_the_hire() -> None:
    """Nine o'clock in Lisbon, seven days before."""
    provider = FakeProvider()
    base = a_policy(provider)
    rule = base.rules[0].model_copy(update={"send": SendTime(days_before=7)})
    policy = base.model_copy(update={"rules": (rule,)})
    world = World(provider=provider, policy=policy)
    world.says(a_hire(start_date=date(2026, 10, 20), time_zone="Europe/Lisbon"))

    assert world.row().due_at == datetime(2026, 10, 13, 8, 0, tzinfo=world.clock.now().tzinfo)
    world.send()
    assert world.provider.requests == []
    world.clock.advance(timedelta(days=36).total_seconds())
    world.send()
    assert world.provider.mails == ["e-1@example.com"]
