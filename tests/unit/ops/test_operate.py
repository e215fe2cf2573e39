"""`usher notices` and `usher go-live`: what an operator changes, and what is written down of it."""

from datetime import timedelta

from tests.unit.ops.desk import Desk, a_desk_in_plan_mode, a_desk_with_people
from tests.unit.use_cases.world import NOON, a_hire, a_policy
from usher.domain.invitation import State
from usher.domain.notice import NoticeState
from usher.domain.policy import Company, Mode

ME = "arn:aws:sts::123456789012:assumed-role/operator/sam"


def parked_id(desk: Desk) -> str:
    """Name the one notice that is parked."""
    (notice_id,) = desk.world.store.notices_in_state(NoticeState.PARKED, 10)
    return notice_id


def test_parked_and_waiting_notices_are_listed_with_every_reason_and_no_person() -> None:
    """`notices` and `notices list` are the same."""
    desk = a_desk_with_people()

    for line in (("notices",), ("notices", "list"), ("notices", "--state", "parked")):
        told = desk(*line)
        assert told.exit_code == 0
        assert parked_id(desk) in told.output
        assert "canonical/E-4" in told.output
        assert "work_email: its domain is not one of the company's" in told.output
        assert "di@mail.example" not in told.output
    assert "No notice is done" in desk("notices", "list", "--state", "done").output


def test_a_notice_is_shown_with_the_fields_that_could_be_read() -> None:
    """An operator who asks may see them."""
    desk = a_desk_with_people()

    told = desk("notices", "show", parked_id(desk)).output
    assert "work_email: di@mail.example" in told
    assert "start_date: 2026-09-14" in told
    missing = desk("notices", "show", "0" * 32)
    assert missing.exit_code == 1
    assert "no notice of this id" in missing.stderr


def test_a_replay_is_written_down_with_who_and_why() -> None:
    """Who is asked of AWS, unless it is said."""
    desk = a_desk_with_people()
    notice_id = parked_id(desk)

    told = desk("notices", "replay", notice_id, "--reason", "domain added")
    assert told.exit_code == 0
    assert desk.world.queues.notices_woken == [notice_id]
    assert [(entry.actor, entry.reason) for entry in desk.world.store.audits] == [(ME, "domain added")]
    again = desk("notices", "replay", notice_id, "--reason", "again")
    assert again.exit_code == 1
    assert "is being planned already" in again.stderr
    assert desk("notices", "replay", notice_id).exit_code == 2


def test_a_replay_stands_although_the_queue_takes_no_wake_up() -> None:
    """The notice is due in the table, and the next sweep finds it."""
    desk = a_desk_with_people()
    desk.world.queues.refuse()

    told = desk("notices", "replay", parked_id(desk), "--reason", "domain added", "--actor", "sam")
    assert told.exit_code == 0
    assert "the next sweep" in told.output
    assert desk.world.store.audits[0].actor == f"{ME} for sam"
    assert len(desk.world.store.due_notices(desk.world.clock.now(), 10)) == 1


def test_going_live_is_refused_in_plan_mode_after_showing_what_would_happen() -> None:
    """And says what to change, and where."""
    desk = a_desk_in_plan_mode()

    told = desk("go-live", "--reason", "first day", "--yes")
    assert told.exit_code == 1
    assert "e-1@example.com" in told.stdout
    assert "main: in plan mode in test.toml (policy 1." in told.stderr
    assert 'set mode = "live"' in told.stderr
    assert desk.world.row("E-1").state is State.PLANNED


def test_going_live_shows_asks_and_promotes_those_who_have_not_started() -> None:
    """Who has started is left out, unless asked for."""
    desk = a_desk_in_plan_mode()
    desk.world.policy = a_policy(desk.world.provider, version=2)

    told = desk("go-live", "--reason", "first day", stdin="y\n")
    assert told.exit_code == 0
    assert "Send 1 invitation of usher-test?" in told.output
    assert (desk.world.row("E-1").state, desk.world.row("E-2").state) == (State.PENDING, State.PLANNED)
    assert [(entry.actor, entry.action, entry.reason) for entry in desk.world.store.audits] == [
        (ME, "go-live", "first day")
    ]
    late = desk("go-live", "--reason", "late", "--include-started", "--yes", "--actor", "sam")
    assert late.exit_code == 0
    assert desk.world.row("E-2").state is State.PENDING


def test_going_live_changes_nothing_without_a_yes() -> None:
    """Neither on a no, nor where nobody answers."""
    desk = a_desk_in_plan_mode()
    desk.world.policy = a_policy(desk.world.provider, version=2)

    for answer in ("n\n", ""):
        told = desk("go-live", "--reason", "first day", stdin=answer)
        assert told.exit_code == 1
        assert desk.world.row("E-1").state is State.PLANNED
    assert desk.world.store.audits == []


def test_rows_of_a_connection_in_plan_mode_stay_while_others_go_live() -> None:
    """The labs organization is not ready, the main one is."""
    desk = a_desk_in_plan_mode()
    desk.world.says(a_hire("E-3", department="Research"))
    desk.world.policy = a_policy(desk.world.provider, version=2)

    told = desk("go-live", "--reason", "first day", "--yes")
    assert told.exit_code == 0
    assert "left as they are: the rows of labs" in told.output
    assert desk.world.row("E-3", connection="labs").state is State.PLANNED
    assert desk("go-live", "--connection", "labs", "--reason", "x", "--yes").exit_code == 1
    assert desk("go-live", "--connection", "lab", "--reason", "x", "--yes").exit_code == 2


def test_a_mailbox_that_somebody_else_holds_is_told() -> None:
    """The row waits as a duplicate instead of being sent."""
    desk = a_desk_in_plan_mode()
    desk.world.says(a_hire("E-3", work_email="e-1@example.com"))
    desk.world.policy = a_policy(
        desk.world.provider,
        version=2,
        company=Company(email_domains=("example.com",), time_zone="Europe/Berlin", mode=Mode.LIVE),
    )

    told = desk("go-live", "--reason", "first day", "--yes").output
    assert "1 row went live" in told
    assert "1 row held back as a duplicate" in told


def test_nothing_to_promote_is_no_failure() -> None:
    """It says what may be the cause."""
    told = Desk()("go-live", "--reason", "first day", "--yes")

    assert told.exit_code == 0
    assert "--include-started" in told.output


def test_a_parked_row_is_taken_up_by_name_and_written_down() -> None:
    """A row that is not parked, or that does not exist, is left alone with the reason."""
    desk = a_desk_with_people()
    row = desk.world.row("E-1")
    desk.world.store.apply_directly(row.key, state=State.PARKED, due_at=None)

    told = desk("take-up", "canonical/E-1/main", "--reason", "token renewed")
    assert told.exit_code == 0, told.output
    # Something was posted for this row, so it is asked about before it may be sent.
    assert desk.world.row("E-1").state is State.AMBIGUOUS
    assert [(entry.action, entry.reason) for entry in desk.world.store.audits] == [("take-up", "token renewed")]
    for name, says in (
        ("canonical/E-1/main/1", "only a parked row"),
        ("canonical/E-9/main", "no row"),
        ("E-1", "names"),
    ):
        refused = desk("take-up", name, "--reason", "again")
        assert refused.exit_code == 1
        assert says in refused.stderr


def test_an_approval_lets_the_guard_pass_a_number_and_is_written_down() -> None:
    """For a day, unless it is said until when."""
    desk = a_desk_with_people()

    told = desk("approve", "--invitations", "500", "--reason", "Ghent joins")
    assert told.exit_code == 0
    assert "500 more invitations may go until 2026-09-09 12:00 UTC" in told.output
    guard = desk.world.store.counters(()).guard
    assert (guard.approved, guard.approved_until) == (500, NOON + timedelta(days=1))
    (entry,) = desk.world.store.audits
    assert (entry.subject, entry.action, entry.actor) == ("company", "approve", ME)
    assert entry.reason == "500 until 2026-09-09T12:00:00+00:00: Ghent joins"


def test_an_approval_may_be_for_any_number_until_a_time() -> None:
    """One of the two must be said, and the time must be to come."""
    desk = a_desk_with_people()

    told = desk("approve", "--until", "2026-09-08T18:00", "--reason", "first day")
    assert "Any number of invitations may go until 2026-09-08 18:00 UTC" in told.output
    assert desk.world.store.counters(()).guard.approved is None
    assert desk("approve", "--reason", "first day").exit_code == 2
    assert desk("approve", "--invitations", "5").exit_code == 2
    late = desk("approve", "--until", "2026-09-08T11:00", "--reason", "first day")
    assert late.exit_code == 1
    assert "approves nothing" in late.stderr
    assert len(desk.world.store.audits) == 1
