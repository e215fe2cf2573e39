"""The canonical event: every field error at once, no value repeated, and a schema file that is current."""

import json
from contextlib import suppress
from difflib import unified_diff
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from usher.domain.errors import BadEvent
from usher.domain.event import LARGEST_EVENT, MOST_PROBLEMS, SCHEMA, json_schema, read_event, schema_text
from usher.domain.hire import Change

ROOT = Path(__file__).parents[3]
SCHEMA_FILE = ROOT / "docs" / "usher.new-hire.schema.json"
EVENTS = sorted((ROOT / "events" / "canonical").glob("*.json"))


def an_event(**changes: Any) -> dict[str, Any]:
    """Make Ann's event."""
    return {
        "schema": SCHEMA,
        "source": "canonical",
        "hire_id": "E-1",
        "version": 1,
        "work_email": "ann@example.com",
        "start_date": "2026-10-05",
    } | changes


def problems(value: object) -> dict[str, str]:
    """Read an event that is wrong, and give what is."""
    with pytest.raises(BadEvent) as refused:
        read_event(value, ("canonical",))
    return {problem.field: problem.reason for problem in refused.value.problems}


def test_the_schema_file_is_the_one_of_the_model() -> None:
    """`python -m usher.domain.event > docs/usher.new-hire.schema.json` brings it up to date."""
    found = SCHEMA_FILE.read_text()
    assert found == schema_text(), "\n".join(unified_diff(found.splitlines(), schema_text().splitlines(), lineterm=""))


def test_the_schema_is_valid_and_takes_what_the_reader_takes() -> None:
    """Writers may check with either."""
    jsonschema.Draft202012Validator.check_schema(json_schema())
    jsonschema.validate(an_event(), json_schema())
    assert read_event(an_event(), ("canonical",)).hire.change is Change.HIRED


def test_every_problem_is_told_at_once() -> None:
    """With the field's path, and without the values, which are a person's."""
    wrong = an_event(
        source="bamboohr",
        hire_id=1042,
        version="7",
        change="promoted",
        work_email="ann@ex\u00e4mple.com",
        given_name="Ann\u200b",
        start_date="10/05/2026",
        time_zone="Europe/Lisboa",
        orgRole="owner",
        **{"Ann's own words": 1},
    )
    found = problems(wrong)
    assert found == {
        "source": "this sender may not speak for it",
        "hire_id": "Input should be a valid string",
        "version": "Input should be a valid integer",
        "change": "Input should be 'hired', 'changed' or 'cancelled'",
        "work_email": "has a character outside ASCII",
        "given_name": "has a control, zero-width or direction character",
        "start_date": "is not a day of the form YYYY-MM-DD",
        "time_zone": "is not an IANA time zone name",
        "orgRole": "Extra inputs are not permitted",
        "(a name that is not repeated)": "Extra inputs are not permitted",
    }


@pytest.mark.parametrize(
    "day", ["1757289600", 1757289600, "2026-10-05T00:00:00Z", "0001-01-01", "9999-12-31", "", True]
)
def test_a_start_date_is_a_day_within_the_calendar(day: object) -> None:
    """Nothing is guessed, and sums of days never leave the calendar."""
    assert set(problems(an_event(start_date=day))) == {"start_date"}


@pytest.mark.parametrize("version", ["usher.new-hire/2", "usher.new-hire/10"])
def test_a_schema_version_that_is_not_known_is_the_only_problem(version: str) -> None:
    """The other fields may mean something else there."""
    found = problems({"schema": version, "person": {}})
    assert found == {"schema": f"{version} is not known to this version of Usher, which reads usher.new-hire/1"}


@pytest.mark.parametrize("value", [None, [], "text", 5, {}])
def test_what_is_no_event_at_all_is_told_so(value: object) -> None:
    """Not with an untyped error."""
    assert problems(value)


def test_an_event_is_small_and_its_problems_are_few() -> None:
    """An event of 64 KiB of unknown fields is not answered with as many lines."""
    assert problems(an_event(title="x" * LARGEST_EVENT)) == {"event": "has more than 64 KiB"}
    many = {f"field{number}": 1 for number in range(200)}
    assert len(problems(an_event(**many))) == MOST_PROBLEMS + 1


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    max_leaves=10,
)


@given(st.dictionaries(st.sampled_from([*json_schema()["properties"], "orgRole", "teams"]), _json))
def test_no_event_raises_an_untyped_error_or_gains_a_field(changes: dict[str, Any]) -> None:
    """Fields of an event can choose a rule; there is none that could be a grant."""
    with suppress(BadEvent):
        event = read_event(an_event() | changes, ("canonical",))
        assert not {"orgRole", "teams"} & event.hire.model_dump().keys()


@pytest.mark.parametrize("path", EVENTS, ids=lambda path: path.stem)
def test_the_sample_events_fit_the_schema(path: Path) -> None:
    """They are what people copy."""
    event = json.loads(path.read_text())
    jsonschema.validate(event, json_schema())
    read_event(event, (event["source"],))
