"""`usher secrets set`: values come from standard input, and show nowhere."""

from io import BytesIO

import httpx
import pytest

from tests.contracts.hr_webhooks import Example
from tests.unit.ops.desk import Desk
from usher.domain.notice import NoticeState
from usher.sources.gusto import Gusto
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
        ("sources/workday", "listens to no source 'workday', but to canonical, gusto, thin"),
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


TOKEN = "6590f590-3dba-495e-9bea-c361e1e20001"


def a_desk_with_a_verification() -> tuple[Desk, str]:
    """Gusto has asked for its subscription to be verified."""
    gusto = Gusto(httpx.Client(transport=httpx.MockTransport(lambda request: httpx.Response(500))))
    desk = Desk(secrets={"sources/gusto": "pending"}, sources={"gusto": gusto})
    (notice,) = gusto.read(Example.load("gusto-verification").request, desk.world.clock.now())
    desk.world.plan.notice(notice)
    return desk, notice.notice_id


def test_a_key_that_the_sender_sent_is_taken_from_its_parked_notice() -> None:
    """It is not shown, and it is written down who took it."""
    desk, notice_id = a_desk_with_a_verification()
    assert "usher secrets take sources/gusto" in desk("notices").output

    told = desk("secrets", "take", "sources/gusto", notice_id, "--reason", "our subscription")
    assert told.exit_code == 0
    assert desk.secrets == {"sources/gusto": TOKEN}
    assert TOKEN not in told.output
    assert [(entry.action, entry.reason) for entry in desk.world.store.audits] == [("take-secret", "our subscription")]
    record = desk.world.store.notice(notice_id)
    assert record is not None
    assert record.state is NoticeState.DONE
    assert desk("secrets", "take", "sources/gusto", notice_id, "--reason", "again").exit_code == 1


def test_the_key_is_printed_alone_for_the_call_that_confirms_it() -> None:
    """So that it can be piped."""
    desk, notice_id = a_desk_with_a_verification()
    told = desk("secrets", "take", "sources/gusto", notice_id, "--show", "--reason", "our subscription")
    assert told.stdout == TOKEN + "\n"


@pytest.mark.parametrize(
    ("name", "exit_code"), [("hr-api/gusto", 2), ("sources/workday", 2), ("sources/thin", 1), ("sources/canonical", 1)]
)
def test_a_notice_without_a_key_of_the_source_changes_no_secret(name: str, exit_code: int) -> None:
    """Nor does a name that is none of a webhook's secrets."""
    desk, notice_id = a_desk_with_a_verification()
    assert desk("secrets", "take", name, notice_id, "--reason", "why").exit_code == exit_code
    assert desk.secrets == {"sources/gusto": "pending"}
