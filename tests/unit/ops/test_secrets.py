"""`usher secrets set`: values come from standard input, and show nowhere."""

from io import BytesIO

import pytest

from tests.unit.ops.desk import Desk
from usher_ops.commands.secrets import LARGEST, UnfitSecret, read_value


def test_a_value_is_put_without_its_line_break_and_never_shown() -> None:
    """Created first, exchanged later."""
    desk = Desk()

    first = desk("secrets", "set", "sentry/main", stdin="s3cr3t\n")
    assert (first.exit_code, desk.secrets) == (0, {"sentry/main": "s3cr3t"})
    assert "was created" in first.output
    second = desk("secrets", "set", "sentry/main", stdin="t0k3n\r\n")
    assert "was exchanged" in second.output
    assert desk.secrets == {"sentry/main": "t0k3n"}
    assert "s3cr3t" not in first.output
    assert "t0k3n" not in second.output


@pytest.mark.parametrize("name", ["sources/canonical", "hr-api/thin", "sentry/labs"])
def test_the_stage_has_a_use_for_these_names(name: str) -> None:
    """Connections with their provider, and sources it listens to."""
    assert Desk()("secrets", "set", name, stdin="value").exit_code == 0


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("sentry/mian", "no connection 'mian', but labs, main"),
        ("atlassian/main", "sentry/main"),
        ("sources/workday", "listens to no source 'workday', but to canonical, thin"),
        ("hr-api/canonical", "sends everything itself"),
        ("mailbox-key", "is made at deployment"),
        ("sentry", "is not of the form"),
        ("../sentry/main", "is not of the form"),
        ("usher-test/sentry/main", "is not of the form"),
    ],
)
def test_a_name_that_the_stage_does_not_know_is_refused(name: str, says: str) -> None:
    """Before a value is read."""
    desk = Desk()

    told = desk("secrets", "set", name, stdin="s3cr3t")
    assert told.exit_code == 2
    assert says in " ".join(told.stderr.split())
    assert desk.secrets == {}


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"\xff\xfe", "is not UTF-8"),
        (b"x" * (LARGEST + 10), "has more than 65536 bytes"),
    ],
)
def test_what_is_no_secret_is_refused(value: bytes, says: str) -> None:
    """And what the vault holds stays."""
    desk = Desk(secrets={"sentry/main": "before"})

    told = desk("secrets", "set", "sentry/main", stdin=value)
    assert told.exit_code == 1
    assert says in told.stderr
    assert desk.secrets == {"sentry/main": "before"}


def test_a_list_of_webhook_secrets_with_which_the_door_would_stay_shut_is_refused() -> None:
    """A list for the time of an exchange is taken; one that has ended or cannot be read is not."""
    desk = Desk()
    line = ("secrets", "set", "sources/canonical")

    assert desk(*line, stdin='[{"value": "new"}, {"value": "old", "not_after": "2020-01-01T00:00:00Z"}]').exit_code == 0
    for value in ('[{"value": "old", "not_after": "2020-01-01T00:00:00Z"}]', '[{"valeu": "n3w"}]'):
        told = desk(*line, stdin=value)
        assert told.exit_code == 1
        assert "nothing was changed" in told.stderr
        assert "n3w" not in told.stderr


def test_on_a_terminal_the_value_is_asked_for_and_the_stream_is_left_alone() -> None:
    """What is typed there would show."""
    stream = BytesIO(b"typed in the open\n")

    assert read_value(stream, ask=lambda: "hidden") == "hidden"
    assert stream.tell() == 0
    with pytest.raises(UnfitSecret):
        read_value(stream, ask=lambda: "")


def test_a_value_is_never_an_argument() -> None:
    """It would stand in the shell's history and in the list of processes."""
    told = Desk()("secrets", "set", "sentry/main", "s3cr3t", stdin="")

    assert told.exit_code == 2
