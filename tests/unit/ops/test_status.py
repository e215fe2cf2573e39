"""`usher status`: the table, and one person."""

import json

import pytest

from tests.fakes.provider import FakeProvider
from tests.unit.ops.desk import Desk, a_desk_with_people
from tests.unit.use_cases.world import NOON, World, a_hire, a_policy
from usher.domain.hire import Change
from usher.domain.hold import UNSETTLED, Hold
from usher.domain.mass_guard import GuardRules
from usher.domain.policy import Company, Mode


def test_the_table_says_who_where_in_what_state_why_and_whether_a_mail_went_out() -> None:
    """One line for each row; whoever has none is not in it."""
    told = a_desk_with_people()("status").output

    ann = next(line for line in told.splitlines() if "Ann Arbor" in line)
    assert "main" in ann
    assert "invited" in ann
    assert "ref-1" in ann
    assert "yes" in ann
    assert "e-1@example.com" in told
    assert "rule 'engineers': department Engineering" in told
    assert "rule 'labs': department Research" in told
    assert "E-4" not in told


def test_the_table_is_narrowed_by_state_and_connection() -> None:
    """Both choices hold at once."""
    desk = a_desk_with_people()

    planned = desk("status", "--state", "planned").output
    assert "E-2" in planned
    assert "E-1" not in planned
    assert "E-2" not in desk("status", "--connection", "main").output
    assert "There are no rows" in desk("status", "--state", "planned", "--connection", "main").output


def test_more_rows_than_the_limit_are_not_hidden_in_silence() -> None:
    """Of rows that wait the earliest starters are listed, of settled ones the latest."""
    desk = a_desk_with_people()
    desk.world.says(a_hire("E-5"))

    told = desk("status", "--limit", "1").output
    assert "There are more rows pending" in told
    assert "E-5" in told
    assert "E-3" not in told


def test_programs_read_json() -> None:
    """With nulls where nothing is known, and times with a zone."""
    rows = json.loads(a_desk_with_people()("status", "--state", "invited", "--json").stdout)

    assert [(row["hire"], row["state"], row["mailed"], row["attention"]) for row in rows] == [
        ("canonical/E-1", "invited", True, None)
    ]
    assert rows[0]["since"].endswith("Z")


@pytest.mark.parametrize("person", ["E-1", "canonical/E-1", "e-1@example.com", " E-1@Example.com"])
def test_a_person_is_found_by_hire_id_key_or_address(person: str) -> None:
    """And shown with hire, grant, history and provider id."""
    told = a_desk_with_people()("status", person)

    assert told.exit_code == 0
    for said in ("Ann Arbor", "role member, team platform", "department Engineering", "ref-1", "Accepted"):
        assert said in told.output
    assert "E-2" not in told.output


def test_a_person_without_rows_is_explained_by_the_notice_that_was_parked() -> None:
    """By address too, though the table holds no row with it."""
    desk = a_desk_with_people()

    for person in ("canonical/E-4", "di@mail.example"):
        told = desk("status", person).output
        assert "led to" in told
        assert "invalid" in told
        assert "its domain is not one of the company's" in told


def test_a_hire_that_no_rule_matched_says_so() -> None:
    """It has neither rows nor a notice."""
    desk = Desk()
    desk.world.says(a_hire(department="Kitchen"))

    told = desk("status", "canonical/E-1").output
    assert "no rule" in told
    assert "There is no row" in told


def test_a_hold_is_shown_beside_the_table_and_in_the_rows_it_stops() -> None:
    """With its reason and the next probe; a hold on another grant stops nobody else."""
    desk = a_desk_with_people()
    for digest, reason in ((None, "the token is not accepted"), ("other", "no such team")):
        hold = Hold(connection="main", grant_digest=digest, reason=reason, since=NOON, next_probe=NOON)
        desk.world.store.put_hold(hold, None)

    assert "no such team" in desk("status").output
    person = desk("status", "E-1").output
    assert "the token is not accepted (since 2026-09-08 12:00, next probe 2026-09-08 12:00 UTC)" in person
    assert "no such team" not in person


def test_what_a_person_should_look_at_stands_out() -> None:
    """Taken back after the mail: only a person may remove the access."""
    desk = a_desk_with_people()
    assert "attention" not in desk("status").output
    desk.world.says(a_hire("E-1", version=2, change=Change.CANCELLED))

    assert "no longer wanted: remove the access" in desk("status").output
    assert "no longer wanted: remove the access" in desk("status", "E-1").output


def test_the_whole_of_a_person_is_json_too() -> None:
    """Rows with their history, holds, and notices without a sealed body."""
    (person,) = json.loads(a_desk_with_people()("status", "E-4", "--json").stdout)

    assert person["rows"] == []
    assert person["hire"]["result"] == "invalid"
    assert person["notices"][0]["problems"][0]["field"] == "work_email"
    assert "sealed_body" not in person["notices"][0]["notice"]


def test_an_address_that_nobody_has_is_not_repeated_in_the_error() -> None:
    """It may end in somebody's log."""
    told = a_desk_with_people()("status", "nobody@example.com")

    assert told.exit_code == 1
    assert told.stderr.startswith("Error: usher-test: nobody with this work address")
    assert "nobody@" not in told.stderr


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (("status", "E-1", "--state", "planned"), "are for the table"),
        (("status", "a/b/c"), "source/hire_id"),
        (("status", "--connection", "mian"), "this stage has labs, main"),
        (("status", "--limit", "0"), "--limit"),
    ],
)
def test_a_wrong_command_line_ends_with_2(line: tuple[str, ...], says: str) -> None:
    """And says what would be right."""
    told = Desk()(*line)

    assert told.exit_code == 2
    assert says in told.stderr


def test_a_forecast_and_a_stop_of_the_guard_stand_below_the_table() -> None:
    """Where rows wait for them, and nowhere else."""
    told = a_desk_with_people()("status").output
    assert "left today" not in told
    assert "Stopped" not in told

    world = World(provider=FakeProvider(invites_per_day=10))
    world.policy = a_policy(
        world.provider,
        company=Company(
            email_domains=("example.com",), time_zone="Europe/Berlin", mode=Mode.LIVE, guard=GuardRules(most_per_hour=8)
        ),
    )
    for number in range(30):
        world.says(a_hire(f"E-{number}", start_date=NOON.date()))
    world.send()
    told = Desk(world)("status").output
    assert "2 of 22 left today, done on Thursday 2026-09-10" in told
    assert (
        "Stopped since 2026-09-08 12:00 UTC: more invitations in an hour than the guard allows; `usher approve`" in told
    )


def test_a_hold_on_new_invitations_says_so() -> None:
    """It stands in the place of a grant."""
    desk = a_desk_with_people()
    reason = "60 invitations are unsettled"
    hold = Hold(connection="main", grant_digest=UNSETTLED, reason=reason, since=NOON, next_probe=NOON)
    desk.world.store.put_hold(hold, None)

    told = desk("status").output
    assert "(new invitations)" in told
    assert reason in told
    assert reason in desk("status", "canonical/E-3").output


def test_below_the_rows_it_says_how_many_people_have_none_yet() -> None:
    """Who waits for an address is not ready for Monday either."""
    desk = a_desk_with_people()
    desk.world.says(a_hire("E-5", work_email=None))
    told = desk("status").output
    assert "Notices without rows: 1 waiting, 1 parked; `usher notices` says why." in told
    assert "without rows" not in desk("status", "--connection", "main").output
