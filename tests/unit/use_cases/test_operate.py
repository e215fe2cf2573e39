"""What an operator may do, and what is written down of it."""

import json
from datetime import date

import pytest

from tests.unit.use_cases.world import World, a_hire, a_policy, digest
from usher.domain.invitation import NotNow, State
from usher.domain.notice import NoticeState
from usher.domain.policy import Company, Mode
from usher.use_cases.intake import read_intake
from usher.use_cases.operate import GoLive, TakeUpAgain
from usher.use_cases.plan_invites import Planned


def planned_world() -> World:
    """Three people planned while the company was in plan mode; one has started already."""
    world = World()
    company = Company(email_domains=("example.com",), time_zone="Europe/Berlin", mode=Mode.PLAN)
    world.policy = a_policy(world.provider, company=company)
    world.says(a_hire("E-1", start_date=date(2026, 9, 14)))
    world.says(a_hire("E-2", start_date=date(2026, 9, 1)))
    world.says(a_hire("E-3", start_date=date(2026, 9, 14), work_email="e-1@example.com"))
    return world


def go_live(world: World) -> GoLive:
    """Make the use case under the present policy."""
    assert world.policy is not None
    return GoLive(world.store, world.policy, world.clock, digest)


def test_the_preview_lists_people_who_have_not_started_yet() -> None:
    """Whoever has started is invited by other means; the operator may still choose them."""
    world = planned_world()

    chosen = go_live(world).preview(starting_from=date(2026, 9, 8))
    assert [row.hire_id for row in chosen] == ["E-1", "E-3"]
    assert len(go_live(world).preview()) == 3


def test_going_live_is_refused_while_the_policy_says_plan() -> None:
    """The reviewed policy decides, not who runs the command."""
    world = planned_world()

    with pytest.raises(NotNow, match="plan mode"):
        go_live(world)(go_live(world).preview(), actor="ops", reason="first day")


def test_going_live_promotes_chosen_rows_holds_their_mailboxes_and_is_written_down() -> None:
    """Two rows for one mailbox: one is pending, the other a duplicate."""
    world = planned_world()
    world.policy = a_policy(world.provider, version=2)
    chosen = go_live(world).preview(starting_from=date(2026, 9, 8))
    live = go_live(world)(chosen, actor="ops", reason="first day")

    assert [key.hire_id for key in live] == ["E-1", "E-3"]
    assert [world.row(f"E-{n}").state for n in (1, 2, 3)] == [State.PENDING, State.PLANNED, State.DUPLICATE]
    assert [(entry.action, entry.actor, entry.reason) for entry in world.store.audits] == [
        ("go-live", "ops", "first day")
    ] * 2
    world.until_quiet(rounds=5)
    assert world.provider.mails == ["e-1@example.com"]


def test_a_parked_notice_is_replayed_after_the_policy_was_mended() -> None:
    """The domain was missing in the policy; nothing is said again by HR."""
    world = World()
    world.says(a_hire(work_email="ann@example.org"))
    (notice_id,) = world.store.notices_in_state(NoticeState.PARKED, 10)
    company = Company(email_domains=("example.com", "example.org"), time_zone="Europe/Berlin", mode=Mode.LIVE)
    world.policy = a_policy(world.provider, version=2, company=company)

    take_up = TakeUpAgain(world.store, world.queues, world.policy, world.clock)
    take_up.notice(notice_id, actor="ops", reason="domain added")
    assert world.queues.notices_woken == [notice_id]
    world.plan.recorded(notice_id)
    assert world.row().state is State.PENDING
    with pytest.raises(NotNow):
        take_up.notice(notice_id, actor="ops", reason="again")


def test_a_parked_row_that_never_posted_is_pending_again() -> None:
    """And who did it and why is written down."""
    world = World()
    world.says(a_hire())
    world.store.apply_directly(world.row().key, state=State.PARKED, due_at=None, attempts=6)
    assert world.policy is not None

    TakeUpAgain(world.store, world.queues, world.policy, world.clock).row(world.row().key, actor="ops", reason="mended")
    assert (world.row().state, world.row().attempts) == (State.PENDING, 0)
    assert [entry.action for entry in world.store.audits] == ["take-up"]


def test_an_event_of_a_sender_that_was_not_known_is_read_again_once_it_is() -> None:
    """Nobody has to send it once more; as long as the sender is unknown it stays parked."""
    world = World()
    event = {
        "schema": "usher.new-hire/1",
        "source": "canonical",
        "hire_id": "E-1",
        "version": 1,
        "change": "hired",
        "work_email": "ann@example.com",
        "department": "Engineering",
    }
    notice = read_intake(json.dumps(event), "m-1", "AROAEXAMPLE:job", world.senders, world.clock.now())
    world.plan.notice(notice)
    assert world.policy is not None
    take_up = TakeUpAgain(world.store, world.queues, world.policy, world.clock)

    take_up.notice(notice.notice_id, actor="ops", reason="try")
    assert world.plan.recorded(notice.notice_id) is Planned.PARKED
    world.senders["AROAEXAMPLE"] = ("canonical",)
    take_up.notice(notice.notice_id, actor="ops", reason="sender added")
    assert world.plan.recorded(notice.notice_id) is Planned.ROWS
    assert world.row().address == "ann@example.com"
    assert world.store.notices_in_state(NoticeState.PARKED, 10) == []
