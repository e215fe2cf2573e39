"""CloudEvents over HTTP: three modes, a token, and our own event inside."""

import base64
import json
import re
import tomllib
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.contracts.hr_webhooks import Example
from usher.domain.errors import BadEvent, BodyNotUnderstood, SecretUnavailable, Unauthentic
from usher.domain.hire import Change, as_version
from usher.domain.notice import Notice
from usher.ports import SourceSettings, WebhookRequest
from usher.sources.cloudevents import CloudEvents

NOON = datetime(2026, 9, 8, 12, 0, tzinfo=UTC)
STRUCTURED = Example.load("cloudevents")
BINARY = Example.load("cloudevents-binary")
OPTIONS = Example.load("cloudevents-options")
TOKEN = STRUCTURED.secret
BATCH = "application/cloudevents-batch+json"
PAGE = (Path(__file__).parents[3] / "docs" / "sources" / "cloudevents.md").read_text(encoding="utf-8")
(SHOWN,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
SETTINGS = SourceSettings("cloudevents", **tomllib.loads(SHOWN)["sources"]["cloudevents"])
MAPPED = CloudEvents().configured(SETTINGS)


def data(**changes: Any) -> dict[str, Any]:
    """Give our own event."""
    event = {"schema": "usher.new-hire/1", "source": "cloudevents", "hire_id": "1042", "version": 5}
    return event | {"work_email": "noor@example.com"} | changes


def an_event(**changes: Any) -> dict[str, Any]:
    """Give the envelope of the contract's example, with our event inside."""
    envelope: dict[str, Any] = json.loads(STRUCTURED.request.body)
    return envelope | {"data": data()} | changes


def structured(body: object, kind: str = "application/cloudevents+json; charset=utf-8") -> WebhookRequest:
    """Make a request in structured mode, or of another content type."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return WebhookRequest("POST", "cloudevents", {"content-type": (kind,)}, raw)


def binary(body: object, **headers: str) -> WebhookRequest:
    """Make the contract's request in binary mode with our event as the body, and with changed headers."""
    changed = {name.replace("_", "-"): (value,) for name, value in headers.items()}
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return replace(BINARY.request, body=raw, headers=dict(BINARY.request.headers) | changed)


def read(request: WebhookRequest) -> tuple[Notice, ...]:
    """Read a request."""
    return CloudEvents().read(request, NOON)


def problems_of(request: WebhookRequest) -> set[str]:
    """Give the fields that the sender is told about."""
    with pytest.raises(BadEvent) as refused:
        read(request)
    assert "noor" not in str(refused.value).lower()
    return {problem.field for problem in refused.value.problems}


@pytest.mark.parametrize(
    "request_",
    [
        structured(an_event()),
        structured(an_event(), "Application/CloudEvents+JSON"),
        structured([an_event()], BATCH),
        structured(an_event(data=None, data_base64=base64.b64encode(json.dumps(data()).encode()).decode())),
        binary(data()),
        binary(data(), content_type="application/vnd.example+json"),
    ],
)
def test_every_mode_tells_the_same_hire(request_: WebhookRequest) -> None:
    """As a complete notice, named by the type of the event."""
    (notice,) = read(request_)
    assert (notice.source, notice.event) == ("cloudevents", "com.example.hr.employee.hired")
    assert (notice.subject, notice.change, notice.problems) == ("1042", Change.HIRED, ())
    assert notice.hire is not None
    assert (notice.hire.work_email, notice.hire.version) == ("noor@example.com", 5)
    assert CloudEvents().thanks().status == 202


def test_the_examples_are_believed_and_their_data_is_not_ours() -> None:
    """The sender is told so, with every field."""
    for example in (STRUCTURED, BINARY):
        CloudEvents().verify(example.request, (example.secret,), NOON)
        fields = problems_of(example.request)
        assert {"data.schema", "data.hire_id", "data.version", "data.firstName"} <= fields
    assert CloudEvents.tells_problems


def test_a_batch_is_read_whole_or_not_at_all() -> None:
    """Its sender gets one answer for all of it."""
    first, second = read(structured([an_event(), an_event(id="2", data=data(hire_id="7"))], BATCH))
    assert [first.subject, second.subject] == ["1042", "7"]
    assert first.notice_id != second.notice_id
    assert read(structured([], BATCH)) == ()
    assert problems_of(structured([an_event(), an_event(data=data(version=0)), {}], BATCH)) == {
        *("1.data.version", "2.specversion", "2.id", "2.source", "2.type")
    }


def test_a_repetition_has_the_same_name_in_whatever_mode_and_company_it_comes() -> None:
    """Source and id name an event; one id for two things hides nothing."""
    (plain,) = read(structured(an_event(id="A", source="https://hr.example.com/\u00e9")))
    (in_headers,) = read(binary(data(), ce_id="A", ce_source="https://hr.example.com/%C3%A9"))
    (batched, other) = read(
        structured([an_event(id="A", source="https://hr.example.com/\u00e9"), an_event(id="B")], BATCH)
    )
    assert plain.notice_id == in_headers.notice_id == batched.notice_id != other.notice_id
    (corrected,) = read(structured(an_event(id="A", source="https://hr.example.com/\u00e9", data=data(version=6))))
    (elsewhere,) = read(structured(an_event(id="A", source="https://other.example.com/")))
    assert len({plain.notice_id, corrected.notice_id, elsewhere.notice_id}) == 3


def test_headers_are_decoded_once() -> None:
    """What looks encoded after that is part of the value."""
    (once,) = read(binary(data(), ce_id="a%2520b"))
    (same,) = read(structured(an_event(id="a%20b", source=BINARY.raw["headers"]["ce-source"])))
    assert once.notice_id == same.notice_id
    (broken,) = read(binary(data(), ce_id="%ff%zz%"))
    assert broken.hire is not None


@pytest.mark.parametrize(
    ("request_", "fields"),
    [
        (structured(b""), {"body"}),
        (structured(b"[" * 100_000), {"body"}),
        (structured([an_event()]), {"event"}),
        (structured([7], BATCH), {"0.event"}),
        (structured({}, BATCH), {"body"}),
        (structured([an_event()] * 1001, BATCH), {"body"}),
        (structured(an_event(specversion="0.3")), {"specversion"}),
        (structured(an_event(id="", source=7, type=None)), {"id", "source", "type"}),
        (structured(an_event(data="{}")), {"data.event"}),
        (structured(an_event(data=None)), {"data.event"}),
        (structured(an_event(data_base64="!")), {"data_base64"}),
        (structured(an_event(data_base64="e30")), {"data.schema", "data.source", "data.hire_id", "data.version"}),
        (structured(an_event(data_base64="/w==")), {"data.body"}),
        (structured(an_event(data=data(source="bamboohr"))), {"data.source"}),
        (structured(an_event(data=data(schema="usher.new-hire/2", hire_id=7))), {"data.schema"}),
        (structured(an_event(data=data(orgRole="owner"))), {"data.orgRole"}),
        (binary(data(), ce_specversion="2.0"), {"specversion"}),
        (structured(data(), "application/json"), {"specversion", "id", "source", "type"}),
        (binary(b"not json"), {"body"}),
    ],
)
def test_the_sender_is_told_every_problem(request_: WebhookRequest, fields: set[str]) -> None:
    """Where it is, and never with a value."""
    assert problems_of(request_) == fields


def test_a_header_that_comes_twice_is_none() -> None:
    """Nobody knows which of them is meant."""
    request = binary(data())
    twice = replace(request, headers=dict(request.headers) | {"ce-id": ("1", "2")})
    assert problems_of(twice) == {"id"}


def test_problems_without_end_are_told_in_part() -> None:
    """An answer is bounded, too."""
    with pytest.raises(BadEvent) as refused:
        read(structured([{}] * 1000, BATCH))
    assert len(refused.value.problems) == 50


@pytest.mark.parametrize(
    "kind",
    [
        *("", "text/plain", "application/xml", "application/x-www-form-urlencoded", "application/cloudevents"),
        *("application/cloudevents+xml", "application/cloudevents-batch+avro", "application/jsonp", "json"),
    ],
)
def test_a_content_type_that_holds_no_event_is_said_so(kind: str) -> None:
    """It becomes 415, after the token was checked."""
    with pytest.raises(BodyNotUnderstood):
        read(structured(an_event(), kind))


def test_a_request_with_no_content_type_or_two_is_not_understood() -> None:
    """The mode would be a guess."""
    for headers in ({}, {"content-type": ("application/json", "application/cloudevents+json")}):
        with pytest.raises(BodyNotUnderstood):
            read(replace(structured(an_event()), headers=headers))


@pytest.mark.parametrize(
    "value",
    [
        ("Bearer example-cloudevents-token-0002",),
        ("Bearer",),
        ("Bearer  example-cloudevents-token-0001",),
        ("example-cloudevents-token-0001",),
        ("Basic example-cloudevents-token-0001",),
        ("Bearer example-cloudevents-token-0001", "Bearer example-cloudevents-token-0001"),
        ("",),
    ],
)
def test_the_header_holds_the_token_and_nothing_else(value: tuple[str, ...]) -> None:
    """The query cannot mend a header that is wrong."""
    wrong = replace(
        STRUCTURED.request,
        headers=dict(STRUCTURED.request.headers) | {"authorization": value},
        query={"access_token": TOKEN},
    )
    with pytest.raises(Unauthentic):
        CloudEvents().verify(wrong, (TOKEN,), NOON)


def in_query(token: str) -> WebhookRequest:
    """Make a request with a token in the query."""
    return replace(structured(an_event()), query={"access_token": token})


def test_the_token_may_stand_in_the_query() -> None:
    """For senders that cannot set a header."""
    CloudEvents().verify(in_query(TOKEN), (TOKEN,), NOON)
    CloudEvents().verify(in_query(TOKEN), ("another", TOKEN), NOON)
    for token in ("", TOKEN + " ", TOKEN[:-1], f"Bearer {TOKEN}", "\u00e9", "\ud800", "x" * 5000):
        with pytest.raises(Unauthentic):
            CloudEvents().verify(in_query(token), (TOKEN,), NOON)
    with pytest.raises(Unauthentic):
        CloudEvents().verify(structured(an_event()), (TOKEN,), NOON)
    with pytest.raises(SecretUnavailable):
        CloudEvents().verify(in_query(""), ("",), NOON)


def test_a_sender_that_asks_may_deliver() -> None:
    """As the contract's example wants it; the token decides later."""
    reply = CloudEvents().handshake(OPTIONS.request)
    assert reply is not None
    assert (reply.status, reply.body) == (200, "")
    assert reply.headers == OPTIONS.raw["expected_response"]["headers"]


def asked(**headers: str) -> dict[str, str]:
    """Give the headers of the answer to a handshake; empty where there is none."""
    several = {name.replace("_", "-"): (value,) for name, value in headers.items()}
    reply = CloudEvents().handshake(WebhookRequest("OPTIONS", "cloudevents", several, b""))
    return dict(reply.headers) if reply else {}


@pytest.mark.parametrize(
    ("rate", "allowed"),
    [("120", "120"), ("1", "1"), ("99999", "1200"), ("9" * 30, "1200"), ("0", "1200"), ("*", "1200"), ("1_0", "1200")],
)
def test_no_sender_is_allowed_more_than_the_gateway_lets_through(rate: str, allowed: str) -> None:
    """Requests a minute."""
    headers = asked(webhook_request_origin="hr.example.com", webhook_request_rate=rate)
    assert headers["WebHook-Allowed-Rate"] == allowed
    assert asked(webhook_request_origin="hr.example.com")["WebHook-Allowed-Rate"] == "1200"


@pytest.mark.parametrize(
    ("origin", "is_one"),
    [
        ("eventgrid.azure.net", True),
        ("localhost:8443", True),
        ("", False),
        ("*", False),
        ("https://hr.example.com", False),
        ("hr.example.com\r\nset-cookie: a=b", False),
        ("<script>", False),
        ("-hr.example.com", False),
        ("\u00e9.example.com", False),
        ("x" * 300, False),
    ],
)
def test_only_what_looks_like_a_host_is_repeated(origin: str, is_one: bool) -> None:
    """It becomes a header of the answer."""
    headers = asked(webhook_request_origin=origin, webhook_request_callback="https://hr.example.com/confirm")
    assert headers.get("WebHook-Allowed-Origin") == (origin if is_one else None)


def test_a_delivery_is_no_handshake() -> None:
    """It carries its origin, too."""
    assert CloudEvents().handshake(STRUCTURED.request) is None
    assert CloudEvents().handshake(BINARY.request) is None


@given(
    st.binary()
    | st.recursive(
        st.none() | st.text() | st.integers() | st.sampled_from(["1.0", "e30="]),
        lambda c: (
            st.lists(c)
            | st.dictionaries(
                st.sampled_from(["specversion", "id", "source", "type", "data", "data_base64", "schema", "hire_id"]), c
            )
        ),
    ).map(lambda v: json.dumps(v).encode()),
    st.sampled_from(["application/cloudevents+json", BATCH, "application/json"]),
    st.sampled_from([CloudEvents(), MAPPED]),
)
def test_no_body_raises_anything_but_its_problems(body: bytes, kind: str, source: CloudEvents) -> None:
    """Whatever comes with the right token."""
    try:
        notices = source.read(structured(body, kind), NOON)
    except BadEvent:
        return
    assert all(notice.hire or (source is MAPPED and notice.change is None) for notice in notices)


@given(st.sampled_from(["ce-id", "ce-source", "ce-type", "ce-specversion", "content-type"]), st.text())
def test_no_header_raises_anything_but_its_problems(name: str, value: str) -> None:
    """Nor does any value of one."""
    request = binary(data())
    try:
        read(replace(request, headers=dict(request.headers) | {name: (value,)}))
    except (BadEvent, BodyNotUnderstood):
        return


@pytest.mark.parametrize("example", [STRUCTURED, BINARY], ids=["structured", "binary"])
def test_data_of_the_senders_own_is_read_as_the_stage_says(example: Example) -> None:
    """The contract's examples, by the settings that the page shows: the type says what happened, and the time when."""
    assert MAPPED.settings_errors(SETTINGS) == []
    (notice,) = MAPPED.read(example.request, NOON)
    assert notice.hire is not None
    assert (notice.event, notice.change, notice.subject) == ("com.example.hr.employee.hired", Change.HIRED, "1042")
    assert (notice.hire.given_name, notice.hire.start_date) == ("Noor", date(2026, 10, 5))
    assert notice.hire.version == as_version(NOON) - 10_000


def test_the_sender_of_such_data_is_told_every_problem_of_a_batch() -> None:
    """Under the names of our fields, since the paths are the stage's."""
    own = json.loads(STRUCTURED.request.body)
    bad = own | {"time": "soon", "data": own["data"] | {"startDate": "10/05/2026", "employeeId": None}}
    with pytest.raises(BadEvent) as refused:
        MAPPED.read(structured([own, bad], BATCH), NOON)
    assert {problem.field for problem in refused.value.problems} == {"1.hire_id", "1.start_date", "1.version"}


def test_a_type_that_the_stage_does_not_list_is_no_hire_and_no_repetition_of_one() -> None:
    """Even under the id of another."""
    own = json.loads(STRUCTURED.request.body)
    (hired,) = MAPPED.read(structured(own), NOON)
    (other,) = MAPPED.read(structured(own | {"type": "com.example.hr.employee.birthday"}), NOON)
    (cancelled,) = MAPPED.read(structured(own | {"type": "com.example.hr.employee.withdrawn"}), NOON)
    assert (other.change, cancelled.change) == (None, Change.CANCELLED)
    assert len({hired.notice_id, other.notice_id, cancelled.notice_id}) == 3


def test_no_header_stands_for_the_data() -> None:
    """Names of attributes are letters and digits, and the body is the body."""
    headers = {"ce-data": ("{}",), "ce-data_base64": ("e30=",), "ce-data-base64": ("e30=",)}
    request = binary(data())
    assert read(replace(request, headers={**request.headers, **headers}))[0].subject == "1042"


def test_the_source_knows_no_api() -> None:
    """Every notice is complete."""
    assert CloudEvents().details is None
    assert CloudEvents().settings_errors(SourceSettings("cloudevents")) == []
    assert len(CloudEvents().settings_errors(SourceSettings("cloudevents", base_url="https://a.example"))) == 1
