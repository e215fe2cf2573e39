"""Every example request of the contract, through the real handler, at the time that it states."""

from typing import Any

import pytest

from tests.contracts.hr_webhooks import NAMES, Example
from tests.functions.test_hr_webhook import Gateway, gateway
from usher.domain.hire import Change
from usher.domain.notice import Notice

__all__ = ["gateway"]

LEFT_OUT = {"kombo", "rippling", "successfactors"}
"""Systems that Usher does not listen to (docs/sources/README.md)."""

Told = tuple[str | None, Change | None, bool]
HIRED = Change.HIRED

OUTCOMES: dict[str, tuple[int, list[Told]]] = {
    "ashby": (200, [("11111111-0000-4000-8000-000000000001", HIRED, True)]),
    "bamboohr": (200, [("1042", HIRED, True)]),
    "bamboohr-field-based": (200, [("1042", HIRED, True)]),
    "cloudevents": (202, [("1042", HIRED, True)]),
    "cloudevents-binary": (202, [("1042", HIRED, True)]),
    "cloudevents-options": (200, []),
    "deel": (200, [(None, None, True)]),
    "entra-graph": (202, [("87d349ed-44d7-43e1-9a83-5f2406de0001", Change.CHANGED, True)]),
    "entra-graph-validation": (200, []),
    "factorial": (200, [("4210001", HIRED, True)]),
    "finch": (200, [("59dcedb1-75a4-446c-8ece-4f9ccd530001", HIRED, True)]),
    "finch-official": (200, [(None, None, True)]),
    "greenhouse": (200, [("46190001", HIRED, True)]),
    "gusto": (200, [("bcfc9744-0ab3-4ef3-ab0d-e728255d0001", HIRED, True)]),
    "gusto-verification": (200, [(None, None, False)]),
    "hibob": (200, [("3332883854254930001", HIRED, True)]),
    "hibob-ping": (200, []),
    "kombo": (404, []),
    "lever": (200, [("b0000000-0000-4000-8000-000000000001", HIRED, True)]),
    "merge": (200, [("0958cbc6-6040-430a-848e-aafacbad0001", HIRED, True)]),
    "okta": (204, [("00u0example0000000042", HIRED, True)]),
    "okta-verification": (200, []),
    "personio": (200, [("9000123", HIRED, True)]),
    "rippling": (404, []),
    "standard-webhooks": (202, [("emp_0001", HIRED, True)]),
    # Vectors of signatures; what they say is no hire of ours, and the sender is told so.
    "standard-webhooks-official": (422, []),
    "successfactors": (404, []),
    "svix-official": (422, []),
    # A draft.
    "workable": (200, [(None, None, True)]),
    "workday": (200, [("21508", HIRED, True)]),
}
"""The status, and of each notice: of whom, what it means, and whether it can be used."""

STANDARD = {"standard-webhooks": "canonical", "svix": "canonical"}

MAPPED: dict[str, Any] = {
    "canonical": {
        "fields": {"hire_id": "data.id", "given_name": "data.firstName", "start_date": "data.startDate"},
        "options": {"event": "type", "hired": "employee.created"},
    },
    "cloudevents": {
        "fields": {"hire_id": "data.employeeId", "given_name": "data.firstName", "start_date": "data.startDate"},
        "options": {"event": "type", "hired": "com.example.hr.employee.hired"},
    },
}
"""These senders' bodies are their own; the stage says what is what in them."""


def event_of(example: Example, **changes: Any) -> dict[str, Any]:
    """Make the gateway's event of an example request."""
    raw = example.raw
    return {
        "httpMethod": raw["method"],
        "pathParameters": {"source": STANDARD.get(raw["system"], raw["system"])},
        "headers": raw["headers"],
        "multiValueHeaders": None,
        "queryStringParameters": raw["query"] or None,
        "body": raw["raw_body"],
        "isBase64Encoded": False,
    } | changes


def told(notice: Notice) -> Told:
    """Say what a notice says."""
    return notice.subject, notice.change, not notice.problems


@pytest.fixture
def door(gateway: Gateway, name: str) -> Gateway:
    """The handler at the time of an example, with its secret."""
    example = Example.load(name)
    if name.endswith("-official"):
        system = example.raw["system"]
        gateway.secrets.values[f"sources/{STANDARD.get(system, system)}"] = example.secret
    else:
        gateway.settings |= MAPPED
        gateway.listen()
    gateway.clock.advance((example.received_at - gateway.clock.now()).total_seconds())
    return gateway


@pytest.mark.parametrize("name", NAMES)
def test_an_example_ends_as_the_contract_says(door: Gateway, name: str) -> None:
    """With the answer that its sender wants."""
    example = Example.load(name)
    answer = door(event_of(example))
    assert (answer["statusCode"], [told(notice) for notice in door.queues.announced]) == OUTCOMES[name]
    wanted = example.raw.get("expected_response", {})
    assert answer["statusCode"] == wanted.get("status", answer["statusCode"])
    assert answer["body"] == wanted.get("body", wanted.get("text", answer["body"]))
    sent = {header.lower(): value for header, value in answer["headers"].items()}
    theirs = {header.lower(): value for header, value in wanted.get("headers", {}).items()}
    assert all(sent[header].startswith(value) for header, value in theirs.items())
    if not name.endswith("-official"):
        assert "noor" not in str([notice.subject for notice in door.queues.announced]).lower()


def flipped(text: str, place: int) -> str:
    """Change one bit of one character."""
    return text[:place] + chr(ord(text[place]) ^ 1) + text[place + 1 :]


def forged(example: Example) -> dict[str, Any]:
    """Flip a bit of what the sender is believed for: the body, or the secret where that does not depend on the body."""
    event = event_of(example)
    match example.scheme:
        case {"strategy": "hmac", "signature_field": field}:
            return event | {"body": flipped(event["body"], event["body"].index(field) + len(field) + 5)}
        case {"strategy": "hmac"}:
            return event | {"body": flipped(event["body"], len(event["body"]) // 2)}
        case {"strategy": "static-header", "header": name}:
            return event | {"headers": event["headers"] | {name: flipped(event["headers"][name], -3)}}
    place = event["body"].index(example.secret) + 3
    return event | {"body": flipped(event["body"], place)}


@pytest.mark.parametrize(
    "name", [n for n in NAMES if Example.load(n).raw["signature_valid"] and n not in {*LEFT_OUT, "okta-verification"}]
)
def test_with_one_bit_flipped_an_example_is_refused_and_queues_nothing(door: Gateway, name: str) -> None:
    """A ping does nothing, so whether its signature holds decides nothing either."""
    answer = door(forged(Example.load(name)))
    assert answer["statusCode"] == 401
    assert door.queues.announced == []


def test_every_example_is_listed() -> None:
    """A new file must not go untested."""
    assert set(OUTCOMES) == set(NAMES)
