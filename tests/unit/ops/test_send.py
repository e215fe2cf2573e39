"""`usher send`: event files onto the intake."""

import json
from pathlib import Path

import pytest

from tests.unit.ops.desk import Desk

EVENTS = Path(__file__).parents[3] / "events"


def test_a_canonical_event_is_sent_as_it_stands_in_the_file() -> None:
    """Not a byte is changed."""
    desk, file = Desk(), EVENTS / "canonical" / "hired.json"

    told = desk("send", str(file))
    assert (told.exit_code, desk.sent) == (0, [file.read_text(encoding="utf-8")])
    assert "sent to usher-test: message message-1" in told.output


@pytest.mark.parametrize("file", sorted((EVENTS / "plan_invites").glob("*.json")), ids=lambda file: file.stem)
def test_every_body_of_an_sqs_event_is_sent(file: Path) -> None:
    """Also those that will be parked: that is how one tries it."""
    desk = Desk()

    assert desk("send", str(file)).exit_code == 0
    assert desk.sent == [record["body"] for record in json.loads(file.read_bytes())["Records"]]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "event.json: is not JSON"),
        ("[]", "event.json: is not an object"),
        ('{"work_email": "ann@example.com"}', "is no usher.new-hire/1"),
        ('{"Records": []}', "has no Records"),
        ('{"Records": [{"Sns": {}}]}', "has a record without a body"),
        ('{"httpMethod": "POST", "body": "{}"}', "post its body to the webhook's address"),
        (" " * (1024 * 1024 + 1), "has more than 1 MiB"),
    ],
)
def test_a_file_that_holds_no_event_is_refused_without_repeating_it(tmp_path: Path, text: str, says: str) -> None:
    """Nothing is sent then."""
    desk, file = Desk(), tmp_path / "event.json"
    file.write_text(text, encoding="utf-8")

    told = desk("send", str(file))
    assert (told.exit_code, desk.sent) == (1, [])
    assert says in told.stderr
    assert "ann@example.com" not in told.stderr


def test_a_file_that_is_not_there_is_a_wrong_command_line() -> None:
    """As for every command."""
    assert Desk()("send", "no-such-file.json").exit_code == 2
