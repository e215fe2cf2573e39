"""A stage says which fields of a customer's JSON are ours; nothing is guessed, and nothing but a hire can be filled."""

import json
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from usher.domain.hire import Change, NewHire, as_version
from usher.ports import SourceSettings
from usher.sources.mapping import FIELDS, FieldMap, mapping_errors
from usher.sources.webhook import Told

NOON = datetime(2026, 9, 8, 12, 0, tzinfo=UTC)
EVENT = {"event": "what", "hired": "HIRE, REHIRE", "changed": "CHANGE", "cancelled": "RESCIND"}


def settings(options: dict[str, str] | None = None, **fields: str) -> SourceSettings:
    """Make a stage's settings; the id and the first day are where they are in most tests."""
    return SourceSettings("workday", options=options or {}, fields={"hire_id": "id", "start_date": "on"} | fields)


def read(body: object, options: dict[str, str] | None = None, **fields: str) -> Told:
    """Read a body by settings that a stage would accept."""
    given = settings(options, **fields)
    assert mapping_errors(given) == []
    return FieldMap.of(given).told("workday", body, NOON)


def hire_of(body: object, options: dict[str, str] | None = None, **fields: str) -> NewHire:
    """Read a body that is whole."""
    told = read(body, options, **fields)
    assert told.problems == ()
    assert told.hire is not None
    return told.hire


def test_only_what_a_hire_has_can_be_filled() -> None:
    """No role and no group (attack X41); source, change and version are not for a field to say."""
    assert NewHire.model_fields.keys() - {"source", "change", "version"} == FIELDS
    for name in ("role", "orgRole", "groups", "permissionRules", "source", "change", "version", "workEmail"):
        assert mapping_errors(settings({}, **{name: "a"})) == [f"fields.{name}: is not a field of a hire"]


def test_nothing_is_read_that_the_stage_does_not_name() -> None:
    """An address that happens to have the name of our field is not the work address."""
    body = {
        "id": "1",
        "work_email": "a@example.com",
        "personalEmail": "b@example.com",
        "role": "owner",
        "groups": ["x"],
    }
    assert hire_of(body).model_dump(exclude_none=True) == {
        "source": "workday",
        "hire_id": "1",
        "version": as_version(NOON),
        "change": Change.CHANGED,
    }


def test_paths_lead_into_objects() -> None:
    """As deep as the stage says."""
    body = {"worker": {"id": "7", "name": {"first": "Noor"}, "mail": None}}
    hire = hire_of(body, hire_id="worker.id", given_name="worker.name.first", work_email="worker.mail.work")
    assert (hire.hire_id, hire.given_name, hire.work_email) == ("7", "Noor", None)


@pytest.mark.parametrize("worker", ["text", 7, True, [], [{"dept": "a"}]])
def test_a_path_through_something_that_is_no_object_is_told(worker: object) -> None:
    """It must not pass for a field that is left out: without a department there is no rule."""
    told = read({"id": "7", "worker": worker}, department="worker.dept", start_date="worker.start")
    assert {problem.field for problem in told.problems} == {"department", "start_date"}


@pytest.mark.parametrize(("value", "text"), [("00021508", "00021508"), (21508, "21508"), (2**62, str(2**62)), (0, "0")])
def test_ids_are_texts(value: object, text: str) -> None:
    """Zeros in front stay, and no number goes through a float."""
    assert hire_of({"id": value}).hire_id == text


@pytest.mark.parametrize("value", [None, "", "  ", True, 1.5, [], {}, "a/b", "x" * 65])
def test_an_id_that_is_none_is_told(value: object) -> None:
    """Nobody is known by it."""
    told = read({"id": value})
    assert (told.hire, told.change, {problem.field for problem in told.problems}) == (None, None, {"hire_id"})


@pytest.mark.parametrize(
    ("written", "day"),
    [
        ("2026-11-02", date(2026, 11, 2)),
        ("2026-11-02-08:00", date(2026, 11, 2)),
        ("2026-11-02+14:00", date(2026, 11, 2)),
        ("2026-11-02Z", date(2026, 11, 2)),
        ("2026-11-02T00:00:00-08:00", date(2026, 11, 2)),
        (" 2026-11-02 ", date(2026, 11, 2)),
        ("0000-00-00", None),
        ("", None),
        (None, None),
    ],
)
def test_a_day_is_the_day_as_written(written: object, day: date | None) -> None:
    """Whatever offset comes behind it: moved to another zone it could be the day before."""
    assert hire_of({"id": "1", "on": written}, start_date="on").start_date == day


@pytest.mark.parametrize("written", ["11/02/2026", "02.11.2026", "2026-02-30", "2026-11-02-8", 1793577600, True, [1]])
def test_a_day_that_could_be_another_is_told(written: object) -> None:
    """Nobody guesses months."""
    assert [problem.field for problem in read({"id": "1", "on": written}, start_date="on").problems] == ["start_date"]


def test_blank_texts_are_none() -> None:
    """An address that is not there yet is no address."""
    names = {name: name for name in FIELDS - {"hire_id"}}
    hire = hire_of({"id": "1"} | dict.fromkeys(names, " "), {}, **names)
    assert hire.model_dump(include=set(names), exclude_none=True) == {}


@pytest.mark.parametrize(
    ("event", "change"),
    [("HIRE", "hired"), ("REHIRE", "hired"), ("CHANGE", "changed"), ("RESCIND", "cancelled")],
)
def test_the_stage_says_what_an_event_means(event: str, change: str) -> None:
    """Several names may mean the same."""
    told = read({"id": "1", "what": event}, EVENT)
    assert (told.event, told.change, told.subject) == (event, change, "1")


@pytest.mark.parametrize("event", ["hire", "HIRE ", "HIRE,REHIRE", "HIRED", "Transfer", ""])
def test_an_event_that_the_stage_does_not_list_is_no_hire(event: str) -> None:
    """Compared exactly; and what else the body says does not matter then."""
    told = read({"id": None, "what": event}, EVENT)
    assert (told.change, told.hire, told.problems) == (None, None, ())


@pytest.mark.parametrize("body", [{}, {"what": None}, {"what": 7}, {"what": ["HIRE"]}, [], "HIRE", None])
def test_a_body_without_the_event_is_told(body: object) -> None:
    """The path in the stage is wrong, or the sender is: silence would hide it."""
    told = read(body, EVENT)
    assert [problem.field for problem in told.problems] == ["event"]


@pytest.mark.parametrize(
    ("start", "change"), [("2026-10-05", "hired"), ("2026-08-09", "hired"), ("2026-08-08", "changed")]
)
def test_without_an_event_the_start_date_tells_a_hire_from_a_change(start: str, change: str) -> None:
    """As for every system that tells of everybody."""
    assert hire_of({"id": "1", "on": start}, start_date="on").change == change


@pytest.mark.parametrize(
    ("written", "version"),
    [
        (17, 17),
        ("17", 17),
        ("2026-09-08T11:59:50Z", as_version(NOON) - 10_000),
        ("2026-09-08T13:59:50.000+02:00", as_version(NOON) - 10_000),
        ("2026-09-08 11:59:50", as_version(NOON) - 10_000),
    ],
)
def test_a_version_is_a_number_or_the_milliseconds_of_a_time(written: object, version: int) -> None:
    """A time without a zone is in UTC."""
    assert hire_of({"id": "1", "at": written}, {"version": "at"}).version == version


@pytest.mark.parametrize(
    "written",
    [None, "", 0, -1, 1.5, True, "2026-09-08", "soon", "9" * 17, "9" * 9999, 2**53, [], "0001-01-01T00:00:00Z"],
)
def test_a_version_that_orders_nothing_is_told(written: object) -> None:
    """The time of arrival in its place would be newer than every number of the sender's, for ever."""
    told = read({"id": "1", "at": written}, {"version": "at"})
    assert [problem.field for problem in told.problems] == ["version"]
    assert "soon" not in str(told.problems)


def test_every_problem_is_told_at_once_and_no_value() -> None:
    """Whoever builds the body repairs it once."""
    told = read(
        {"id": 1.5, "on": "Noor", "at": "Noor", "who": ["Noor"]}, {"version": "at"}, start_date="on", title="who"
    )
    assert {problem.field for problem in told.problems} == {"hire_id", "start_date", "version", "title"}
    assert "Noor" not in str(told.problems)


@pytest.mark.parametrize(
    ("options", "fields", "error"),
    [
        ({}, {"hire_id": ""}, "fields.hire_id: is not a path"),
        ({}, {"title": " "}, "fields.title: is not a path"),
        ({}, {"title": "a..b"}, "fields.title: is not a path"),
        ({}, {"title": ".a"}, "fields.title: is not a path"),
        ({}, {"title": "a."}, "fields.title: is not a path"),
        ({}, {"title": ".".join("abcdefghi")}, "fields.title: is not a path"),
        ({}, {"title": "a" * 201}, "fields.title: is not a path"),
        ({"version": ""}, {}, "options.version: is not a path"),
        ({**EVENT, "event": ""}, {}, "options.event: is not a path"),
        ({"evnt": "a"}, {}, "options.evnt: is not an option of workday"),
        ({"hired": "HIRE"}, {}, "options.hired: has no meaning without options.event"),
        ({"event": "what"}, {}, "options.hired: is missing"),
        ({**EVENT, "changed": " , "}, {}, "options.changed: names no value"),
        ({**EVENT, "changed": "HIRE"}, {}, "options: a value of the event stands twice"),
    ],
)
def test_settings_that_mean_nothing_are_refused(options: dict[str, str], fields: dict[str, str], error: str) -> None:
    """At start-up, by name."""
    (found,) = mapping_errors(settings(options, **fields))
    assert found.startswith(error)


def test_a_stage_that_names_no_id_is_refused() -> None:
    """A hire is known by it."""
    (error,) = mapping_errors(SourceSettings("workday", fields={"start_date": "a"}))
    assert error.startswith("fields.hire_id: is missing")


def test_a_stage_by_which_nobody_would_be_hired_is_refused() -> None:
    """Neither an event nor a first day tells a hire from a change."""
    (error,) = mapping_errors(SourceSettings("workday", fields={"hire_id": "a"}))
    assert error.startswith("options.event: is missing, and so is fields.start_date")


def test_two_stages_do_not_share_what_they_say() -> None:
    """A map is its own, whatever becomes of the settings."""
    fields = {"hire_id": "id"}
    field_map = FieldMap.of(SourceSettings("workday", fields=fields))
    fields["hire_id"] = "other"
    assert field_map.told("workday", {"id": "1", "other": "2"}, NOON).subject == "1"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["id", "a", "b", "what", "at"]) | st.text(), inner),
)
PATHS = st.sampled_from(["id", "a", "b", "a.b", "a.b.id", "what", "at"])


@given(JSON, st.dictionaries(st.sampled_from(sorted(FIELDS)), PATHS), st.booleans(), st.booleans())
def test_no_body_raises(body: Any, fields: dict[str, str], has_event: bool, has_version: bool) -> None:
    """Whatever it holds, it is a hire, no hire, or has problems."""
    options = (EVENT if has_event else {}) | ({"version": "at"} if has_version else {})
    told = read(body, options, **fields)
    assert bool(told.problems) + (told.hire is not None) + (told.change is None and not told.problems) == 1
    json.dumps([str(problem) for problem in told.problems])


@pytest.mark.parametrize(
    ("version", "is_usable"),
    [
        ("2026-09-08T12:04:00Z", True),
        ("2026-09-08T12:06:00Z", False),
        (4102444800000, False),
        (10**16 - 1, False),
        (1788868800000, True),
        (41, True),
    ],
)
def test_a_version_that_is_a_time_to_come_would_silence_the_person_and_is_refused(
    version: object, is_usable: bool
) -> None:
    """Numbers that merely count are left alone."""
    told = read({"id": "1", "on": "2026-10-05", "at": version}, {"version": "at"})
    assert (told.problems == ()) is is_usable
