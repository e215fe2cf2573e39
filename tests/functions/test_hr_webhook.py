"""The webhook's handler on the sample events, at the time that they state."""

import json
import tomllib
from base64 import b64decode, b64encode
from collections.abc import Iterator
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from functions.hr_webhook.handler import lambda_handler, logger
from tests.contracts.hr_webhooks import NAMES as CONTRACT
from tests.contracts.hr_webhooks import Example
from tests.fakes.clock import FakeClock
from tests.fakes.queues import MemoryQueues
from tests.fakes.secrets import MemorySecrets
from usher import bootstrap
from usher.ports import SourceSettings
from usher.sources.registry import all_sources
from usher.use_cases.receive_notice import ReceiveNotice
from usher_local.sign import sign

EVENTS = Path(__file__).parents[2] / "events"
NAMES = sorted(path.stem for path in (EVENTS / "hr_webhook").glob("*.json"))
STAGE = EVENTS / "hr_webhook" / "stage.toml"
"""What a stage must say for sources whose events the customer builds."""


def secrets_of_the_examples() -> dict[str, str]:
    """Take the secret of each system from its example request; a verification of Gusto is taken while it is pending."""
    secrets = {f"sources/{example.raw['system']}": example.secret for example in map(Example.load, EXAMPLES)}
    pending = json.dumps([{"value": secrets["sources/gusto"]}, {"value": "pending"}])
    return secrets | {"sources/canonical": secrets["sources/standard-webhooks"], "sources/gusto": pending}


EXAMPLES = [name for name in CONTRACT if not name.endswith("-official")]
SECRETS = secrets_of_the_examples()


def load(name: str) -> dict[str, Any]:
    """Read a sample event."""
    event: dict[str, Any] = json.loads((EVENTS / "hr_webhook" / f"{name}.json").read_text())
    return event


class Gateway:
    """Hands events to the handler."""

    def __init__(self) -> None:
        self.queues = MemoryQueues()
        self.secrets = MemorySecrets(dict(SECRETS))
        self.settings = tomllib.loads(STAGE.read_text())["sources"]
        moment = json.loads((EVENTS / "clock.json").read_text())["received_at"]
        self.clock = FakeClock(datetime.fromtimestamp(moment, UTC))
        self.listen()

    def listen(self) -> None:
        """Listen to every source, as the settings say."""
        settings = {name: SourceSettings(name, **table) for name, table in self.settings.items()}
        sources = {
            source.name: source.configured(settings.get(source.name, SourceSettings(source.name)))
            for source in all_sources(httpx.Client())
        }
        self.receive = ReceiveNotice(sources, self.secrets, self.queues, self.clock)

    def __call__(self, event: dict[str, Any]) -> dict[str, Any]:
        """Give the handler's answer."""
        answer: dict[str, Any] = lambda_handler(event, None)
        return answer


@pytest.fixture
def gateway(monkeypatch: pytest.MonkeyPatch) -> Gateway:
    """A handler over in-memory ports, at the time of the sample events."""
    made = Gateway()
    monkeypatch.setattr(bootstrap, "receive_notice", lambda: made.receive)
    return made


@pytest.mark.parametrize("name", NAMES)
def test_every_sample_event_ends_as_it_says(gateway: Gateway, name: str) -> None:
    """The status, and the notices that are queued."""
    event = load(name)
    ends_as = event.pop("ends_as")
    assert gateway(event)["statusCode"] == ends_as["status"]
    queued = gateway.queues.announced
    told = [{"subject": n.subject, "change": n.change, "is_usable": not n.problems} for n in queued]
    assert told == ends_as["notices"]


def signed_event(gateway: Gateway, source: str, body: bytes) -> dict[str, Any]:
    """Make the gateway's event of a body that its sender signed now."""
    return {
        "httpMethod": "POST",
        "pathParameters": {"source": source},
        "headers": sign(source, body, SECRETS[f"sources/{source}"], gateway.clock.now(), delivery_id="msg_1"),
        "body": b64encode(body).decode(),
        "isBase64Encoded": True,
    }


# Never a 5xx, which a vendor would send again and again; never a 4xx to a vendor, which it would not send again.
ANSWERS = {"canonical": (202, 422), "greenhouse": (200,), "bamboohr": (200,)}

STRANGE: tuple[Any, ...] = (
    *(None, True, -1, 0, 2**62, 1.5, [], {}, [None], [[]], [{}], {"value": []}),
    *("", " ", "x" * 300, "\u200b", "\u00e9", "0000-00-00", "2026-02-30", "0001-01-01T00:00:00+14:00"),
)


def with_one_part_strange(value: Any) -> Iterator[Any]:
    """Give copies of a value in which one part, however deep, is something else."""
    yield from STRANGE
    if isinstance(value, dict | list):
        for place, part in value.items() if isinstance(value, dict) else enumerate(value):
            for strange in with_one_part_strange(part):
                copy = value.copy()
                copy[place] = strange
                yield copy


@pytest.mark.parametrize("name", ["canonical_hired", "greenhouse_hired", "bamboohr_created", "bamboohr_field_based"])
def test_a_signed_body_with_anything_strange_in_any_place_has_an_answer_of_its_own(gateway: Gateway, name: str) -> None:
    """Vendors leave out, empty and rename what they like."""
    source = name.partition("_")[0]
    event = load(name)
    sample = json.loads(b64decode(event["body"]) if event["isBase64Encoded"] else event["body"])
    for body in with_one_part_strange(sample):
        answer = gateway(signed_event(gateway, source, json.dumps(body).encode()))
        assert answer["statusCode"] in ANSWERS[source], body


@pytest.mark.parametrize("source", ANSWERS)
@given(body=st.binary() | st.text().map(str.encode))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_signed_bytes_that_are_nothing_have_an_answer_too(gateway: Gateway, source: str, body: bytes) -> None:
    """Whatever they are."""
    assert gateway(signed_event(gateway, source, body))["statusCode"] in ANSWERS[source]


def test_our_own_sender_reads_every_field_error_at_once(gateway: Gateway) -> None:
    """As a problem of RFC 9457, without the values."""
    answer = gateway(load("canonical_invalid"))
    assert answer["headers"]["content-type"] == "application/problem+json"
    problem = json.loads(answer["body"])
    assert problem["status"] == 422
    fields = {error["field"] for error in problem["errors"]}
    assert fields == {"source", "hire_id", "version", "work_email", "start_date", "time_zone", "orgRole"}
    assert "noor" not in answer["body"].lower()


def test_a_sender_is_asked_to_try_again_where_the_queue_or_the_secret_is_out_of_reach(gateway: Gateway) -> None:
    """Never a 2xx before the notice is durable, and never a 4xx, which is final for many."""
    gateway.queues.refuse()
    answer = gateway(load("greenhouse_hired"))
    assert (answer["statusCode"], answer["headers"]["retry-after"]) == (503, "30")
    gateway.queues.accept()
    gateway.secrets.values["sources/bamboohr"] = ""
    assert gateway(load("bamboohr_created"))["statusCode"] == 503
    assert gateway.queues.announced == []


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"httpMethod": "GET", "body": None, "isBase64Encoded": False}, 405),
        ({"body": "A" * 1_400_000}, 413),
        ({"body": "not base64!"}, 400),
        ({"body": "\ud800", "isBase64Encoded": False}, 400),
        ({"body": None}, 401),
        ({"multiValueHeaders": {"Content-Encoding": ["gzip"]}}, 415),
        ({"multiValueHeaders": None, "headers": None}, 401),
        ({"multiValueHeaders": {"Signature": ["sha256 00", "sha256 00"]}}, 401),
        ({"pathParameters": None}, 404),
    ],
)
def test_what_is_no_announcement_gets_its_own_status(gateway: Gateway, change: dict[str, Any], status: int) -> None:
    """And queues nothing."""
    assert gateway(load("greenhouse_hired") | change)["statusCode"] == status
    assert gateway.queues.announced == []


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> StringIO:
    """What the handler logs; metrics go to standard output."""
    written = StringIO()
    monkeypatch.setattr(logger.registered_handler, "stream", written)
    return written


def test_a_fault_of_ours_is_told_without_its_insides(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch, log: StringIO
) -> None:
    """The sender tries again; the log says where, and nothing about a person."""

    def fail(_: object) -> None:
        raise RuntimeError("noor.haddad@example.com")

    monkeypatch.setattr(bootstrap, "receive_notice", lambda: fail)
    answer = gateway(load("canonical_hired"))
    assert answer["statusCode"] == 500
    assert "RuntimeError" in log.getvalue()
    assert "noor" not in (answer["body"] + log.getvalue()).lower()


@pytest.mark.parametrize("name", NAMES)
def test_nothing_of_a_person_and_no_secret_is_logged(
    gateway: Gateway, log: StringIO, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    """Whatever the request's ending; nor do metrics tell."""
    gateway(load(name))
    assert log.getvalue()
    text = (log.getvalue() + capsys.readouterr().out).lower()
    assert not [word for word in ("noor", "haddad", "example.com", "whsec", "example-", "sha256 ") if word in text]
