"""HiBob: thin notices, a ping, and the employee behind them, wherever its API puts the fields."""

import base64
import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.contracts.hr_webhooks import Example
from usher.domain.errors import BadEvent, DetailsUnavailable, Unauthentic
from usher.domain.hire import Change, NewHire, as_version
from usher.domain.notice import Notice
from usher.ports import SourceSettings, WebhookRequest
from usher.sources.hibob import HiBob, HiBobPeople

NOON = datetime(2026, 9, 8, 12, 0, tzinfo=UTC)
EXAMPLE = Example.load("hibob")
PING = Example.load("hibob-ping")
SETTINGS = SourceSettings("hibob")
ID = "3332883854254930001"

NESTED: dict[str, Any] = {
    "id": ID,
    "firstName": "Noor",
    "surname": "Haddad",
    "email": "noor.haddad@example.com",
    "work": {"startDate": "2026-10-05", "title": "255490048", "department": "209192163", "site": "Lisbon"},
    "internal": {"lifecycleStatus": "hired"},
    "humanReadable": {"work": {"title": "Platform Engineer", "department": "Engineering", "startDate": "05/10/2026"}},
    "home": {"privateEmail": "noor.haddad.private@example.com"},
}


def under_paths(fields: dict[str, Any]) -> dict[str, Any]:
    """Name fields as HiBob does in answers that are not nested: by their path, a slash before each part."""
    return {"".join(f"/{part}" for part in name.split(".")): value for name, value in fields.items()}


FLAT: dict[str, Any] = under_paths(
    {
        "root.id": {"value": ID},
        "root.firstName": {"value": "Noor"},
        "root.surname": {"value": "Haddad"},
        "root.email": {"value": "noor.haddad@example.com"},
        "work.startDate": {"value": "2026-10-05"},
        "work.title": {"value": "255490048"},
        "work.department": {"value": "209192163"},
        "work.site": {"value": "Lisbon"},
        "internal.lifecycleStatus": {"value": "hired"},
    }
) | {"humanReadable": under_paths({"work.title": {"value": "Platform Engineer"}, "work.department": "Engineering"})}

Handler = Callable[[httpx.Request], httpx.Response]


def people(handler: Handler) -> HiBobPeople:
    """Ask a HiBob that answers as the handler says."""
    return HiBobPeople(httpx.Client(transport=httpx.MockTransport(handler)), lambda: 0.0)


def source() -> HiBob:
    """Give a source whose API is never asked."""
    return HiBob(httpx.Client(transport=httpx.MockTransport(lambda request: httpx.Response(500))))


def request_of(body: object) -> WebhookRequest:
    """Make a request of a body."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return WebhookRequest("POST", "hibob", {}, raw)


def read(body: object) -> tuple[Notice, ...]:
    """Read a body as HiBob."""
    return source().read(request_of(body), NOON)


def event(**changes: Any) -> dict[str, Any]:
    """Give the body of the contract's example, changed."""
    found: dict[str, Any] = json.loads(EXAMPLE.request.body)
    return found | changes


def a_notice(change: Change = Change.HIRED) -> Notice:
    """Make the thin notice of the contract's example."""
    (notice,) = source().read(EXAMPLE.request, NOON)
    return notice.model_copy(update={"change": change})


def fetched(*employees: Any, change: Change = Change.HIRED, answer: httpx.Response | None = None) -> NewHire:
    """Fetch the employee where HiBob answers so."""
    response = answer or httpx.Response(200, json={"employees": list(employees)})
    return people(lambda request: response).fetch(a_notice(change), SETTINGS, "SERVICE-1:token", NOON)


def test_the_contracts_example_is_believed_and_no_other_byte_is() -> None:
    """The signature covers every byte; the time is not signed, so it may come at any time."""
    source().verify(EXAMPLE.request, (EXAMPLE.secret,), NOON + timedelta(days=200))
    source().verify(PING.request, ("another", PING.secret), NOON)
    for position in range(len(EXAMPLE.request.body)):
        with pytest.raises(Unauthentic):
            source().verify(EXAMPLE.flipped(position), (EXAMPLE.secret,), NOON)
    with pytest.raises(Unauthentic):
        source().verify(EXAMPLE.request, ("another",), NOON)


@pytest.mark.parametrize(
    "value",
    ["", "e30=", "not base64 \u00e9", EXAMPLE.request.headers["bob-signature"][0][:-4], "A" * 5000],
)
def test_a_signature_that_is_malformed_is_refused_like_a_wrong_one(value: str) -> None:
    """One refusal, whatever the cause."""
    with pytest.raises(Unauthentic):
        source().verify(replace(EXAMPLE.request, headers={"bob-signature": (value,)}), (EXAMPLE.secret,), NOON)


@pytest.mark.parametrize("body", [b"Ping test", b"Ping test\n", b'{"text":"Ping test"}', b'{ "text": "Ping test" }'])
def test_a_ping_is_answered_whether_it_is_signed_or_not(body: bytes) -> None:
    """The webhook can only be saved if it is, and nobody knows which of both comes; it does nothing."""
    reply = source().handshake(request_of(body))
    assert reply is not None
    assert (reply.status, reply.body) == (200, "")
    assert source().handshake(PING.request) == reply


@pytest.mark.parametrize(
    "request_",
    [
        EXAMPLE.request,
        request_of(b""),
        request_of(b"Ping tests"),
        request_of({"text": "Ping test", "type": "employee.created"}),
        request_of(b"Ping test" + b" " * 100_000),
        request_of(b"[" * 60),
        request_of(b"\xff\xfe"),
        replace(PING.request, method="GET"),
    ],
)
def test_everything_else_must_be_signed(request_: WebhookRequest) -> None:
    """What is only like a ping is none, and no long body is looked into."""
    assert source().handshake(request_) is None


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("employee.created", "hired"),
        ("employee.joined", "hired"),
        ("employee.updated", "changed"),
        ("employee.deleted", "cancelled"),
    ],
)
def test_an_event_is_a_thin_notice(name: str, change: str) -> None:
    """It says who, and nothing about them."""
    (notice,) = read(event(type=name))
    assert (notice.event, notice.change, notice.subject, notice.hire) == (name, change, ID, None)
    assert notice.is_thin


def test_an_id_beyond_what_a_float_holds_stays_what_it_is() -> None:
    """As text or as a number."""
    for given_id in (ID, int(ID)):
        (notice,) = read(event(data={"employeeId": given_id}))
        assert notice.subject == ID


def test_a_whole_employee_of_version_1_is_asked_for_all_the_same() -> None:
    """Only the id is taken of it; its address may be anybody's."""
    (notice,) = read(
        {"companyId": 636001, "type": "employee.created", "employee": {"id": ID, "email": "noor.private@example.com"}}
    )
    assert notice.is_thin
    assert notice.subject == ID
    assert "noor" not in notice.model_dump_json()


def test_a_redelivery_has_the_same_name_and_a_later_event_another() -> None:
    """HiBob gives its deliveries no id; the time in the body, which has no zone, tells them apart."""
    (later,) = read(event(triggeredAt="2026-09-08T11:59:50.915907"))
    assert a_notice().notice_id == a_notice().notice_id != later.notice_id


@pytest.mark.parametrize("name", ["table.entry.created", "employee.left", "timeoff.request.created", None, 7])
def test_other_events_are_no_hire(name: object) -> None:
    """And are answered 200."""
    (notice,) = read(event(type=name))
    assert (notice.change, notice.subject, notice.problems) == (None, None, ())
    assert source().thanks().status == 200


@pytest.mark.parametrize(
    "body",
    [
        b"not json",
        {"type": "employee.created"},
        {"type": "employee.created", "data": None},
        {"type": "employee.created", "data": {"employeeId": None}},
        {"type": "employee.created", "data": {"employeeId": True}},
        {"type": "employee.created", "data": {"employeeId": "a/b"}},
        {"type": "employee.created", "data": {"employeeId": "9" * 65}},
        {"type": "employee.created", "employee": {"email": "noor.private@example.com"}},
    ],
)
def test_what_cannot_be_used_is_a_notice_that_says_why(body: object) -> None:
    """With the body sealed, and nothing of it in the reason."""
    (notice,) = read(body)
    assert notice.problems
    assert notice.sealed_body
    assert not notice.is_thin
    assert "noor" not in str(notice.problems)


JSON = st.recursive(
    st.none() | st.booleans() | st.text() | st.integers() | st.just(ID) | st.just("2026-10-05"),
    lambda c: (
        st.lists(c)
        | st.dictionaries(
            st.sampled_from(["type", "data", "employeeId", "employee", "id", "text", "employees", "work", "value"])
            | st.sampled_from([*FLAT, *NESTED, *NESTED["work"]]),
            c,
        )
    ),
)


@given(
    st.binary()
    | st.builds(lambda value: json.dumps(value).encode(), JSON | JSON.map(lambda data: event(data=data, employee=data)))
)
def test_no_body_raises(body: bytes) -> None:
    """Whatever was signed, and whatever was not."""
    source().handshake(request_of(body))
    for notice in read(body):
        assert notice.problems or notice.is_thin or notice.change is None


@given(
    JSON
    | JSON.map(lambda record: {"employees": [record]})
    | JSON.map(lambda value: {"employees": [FLAT | {"work": value}]})
)
def test_no_answer_raises_an_error_of_another_type(answer: Any) -> None:
    """Whatever the API says."""
    with suppress(DetailsUnavailable, BadEvent):
        assert fetched(answer=httpx.Response(200, json=answer)).hire_id == ID


def test_one_employee_is_asked_for_as_a_service_user() -> None:
    """Former ones too, with the labels of lists, and nothing private."""
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json={"employees": [NESTED]})

    people(answer).fetch(a_notice(), SETTINGS, "SERVICE-1:to:ken", NOON)
    (request,) = seen
    assert (request.method, str(request.url)) == ("POST", "https://api.hibob.com/v1/people/search")
    assert request.headers["authorization"] == "Basic " + base64.b64encode(b"SERVICE-1:to:ken").decode()
    body = json.loads(request.content)
    assert body["filters"] == [{"fieldPath": "root.id", "operator": "equals", "values": [ID]}]
    assert (body["showInactive"], body["humanReadable"]) == (True, "APPEND")
    assert {"root.id", "root.email", "work.startDate", "internal.lifecycleStatus"} <= set(body["fields"])
    assert not [field for field in body["fields"] if "private" in field.lower() or field.startswith("home")]


@pytest.mark.parametrize("record", [NESTED, FLAT, NESTED | {"root": {"id": ID}}, FLAT | under_paths({"root.id": ID})])
def test_fields_are_found_wherever_they_are(record: dict[str, Any]) -> None:
    """Nested, or under a path with slashes; and entries of lists by their label."""
    assert fetched(record) == NewHire(
        source="hibob",
        hire_id=ID,
        version=as_version(NOON) - 20_000,
        work_email="noor.haddad@example.com",
        given_name="Noor",
        family_name="Haddad",
        start_date=date(2026, 10, 5),
        department="Engineering",
        title="Platform Engineer",
        location="Lisbon",
    )


def test_what_the_service_user_may_not_see_is_nothing() -> None:
    """Unknown and forbidden fields are left out without a word; a hire without an address waits for one."""
    hire = fetched({"id": ID, "email": None, "work": {"startDate": ""}, "humanReadable": None})
    assert (hire.change, hire.work_email, hire.start_date, hire.department) == (Change.HIRED, None, None, None)


def test_an_address_is_given_as_it_stands() -> None:
    """HiBob demands one of everybody, so it may be a private one or a placeholder: the policy's domains decide."""
    assert fetched(NESTED | {"email": "noor@elsewhere.example"}).work_email == "noor@elsewhere.example"
    assert "private" not in fetched(NESTED | {"email": ""}).model_dump_json()


@pytest.mark.parametrize(
    ("start", "status", "told", "change"),
    [
        ("2026-10-05", "hired", Change.HIRED, Change.HIRED),
        ("2026-08-09", "employed", Change.HIRED, Change.HIRED),
        ("2026-08-08", "employed", Change.HIRED, Change.CHANGED),
        ("2015-03-20", "employed", Change.HIRED, Change.CHANGED),
        # A mistyped day is right at last.
        ("2026-10-05", "hired", Change.CHANGED, Change.HIRED),
        ("2015-03-20", "employed", Change.CHANGED, Change.CHANGED),
        (None, "hired", Change.CHANGED, Change.CHANGED),
        ("2026-10-05", "Terminated", Change.HIRED, Change.CANCELLED),
        ("2026-10-05", "terminated", Change.CHANGED, Change.CANCELLED),
        ("2026-10-05", None, Change.HIRED, Change.HIRED),
    ],
)
def test_the_details_decide_whether_it_is_a_hire(
    start: str | None, status: str | None, told: Change, change: Change
) -> None:
    """A company that moves in announces its staff; who has left is taken back."""
    record = NESTED | {"work": {"startDate": start}, "internal": {"lifecycleStatus": status}}
    assert fetched(record, change=told).change is change


def test_a_deletion_wins_over_an_answer_that_may_be_older() -> None:
    """What is read within 20 seconds of the deletion may still show the employee."""
    deleted_at = NOON - timedelta(seconds=10)
    assert fetched(NESTED).version < as_version(deleted_at)
    assert fetched(NESTED).version >= as_version(NOON - timedelta(seconds=20))


@pytest.mark.parametrize("secret", ["", "SERVICE-1", "SERVICE-1:", ":token"])
def test_a_secret_that_is_no_pair_is_never_sent(secret: str) -> None:
    """A token that stands alone would go out as a user name."""
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json={"employees": [NESTED]})

    with pytest.raises(DetailsUnavailable) as refused:
        people(answer).fetch(a_notice(), SETTINGS, secret, NOON)
    assert (seen, refused.value.final) == ([], False)
    assert "token" not in str(refused.value)
    assert "SERVICE" not in str(refused.value)


def test_an_employee_who_is_not_there_yet_is_asked_for_again() -> None:
    """Within 20 seconds of a change HiBob may answer with what was before."""
    assert source().details is not None
    assert people(lambda request: httpx.Response(500)).stale_for == timedelta(seconds=20)
    with pytest.raises(DetailsUnavailable) as refused:
        fetched()
    assert not refused.value.final


def test_another_employee_than_was_asked_for_is_not_taken() -> None:
    """It would invite the wrong person; the right one among several is."""
    with pytest.raises(DetailsUnavailable) as refused:
        fetched(NESTED | {"id": "3332883854254930002"})
    assert refused.value.final
    assert fetched(NESTED | {"id": "3332883854254930002"}, NESTED).hire_id == ID


@pytest.mark.parametrize(
    ("status", "final"),
    # The address names nobody, so that it is not there says nothing of the employee.
    [(404, False), (400, False), (401, False), (403, False), (302, False), (429, False), (503, False)],
)
def test_an_answer_without_the_employee_says_whether_asking_again_can_help(status: int, final: bool) -> None:
    """And when."""
    answer = httpx.Response(status, text="noor.haddad@example.com", headers={"retry-after": "30"})
    with pytest.raises(DetailsUnavailable) as refused:
        fetched(answer=answer)
    assert refused.value.final is final
    assert refused.value.retry_after == (30.0 if status in (404, 400, 302, 429, 503) else None)
    assert "noor" not in str(refused.value)


def test_an_employee_whose_fields_do_not_fit_is_parked_with_every_reason() -> None:
    """And without the values."""
    with pytest.raises(BadEvent) as refused:
        fetched(NESTED | {"work": {"startDate": "10/05/2026", "site": {"id": 7}}, "firstName": ["Noor"]})
    fields = {problem.field for problem in refused.value.problems}
    assert fields == {"employee.work.startDate", "employee.work.site", "employee.root.firstName"}
    assert "Noor" not in str(refused.value)


def test_more_employees_than_were_asked_for_are_not_read() -> None:
    """A filter that is passed over would give the whole company."""
    with pytest.raises(BadEvent) as refused:
        fetched(*([NESTED] * 11))
    assert [problem.field for problem in refused.value.problems] == ["employee.employees"]


@pytest.mark.parametrize(
    ("host", "own"),
    [
        ("api.hibob.com", True),
        ("api.sandbox.hibob.com", True),
        ("hibob.com", False),
        ("api.hibob.com.evil.example", False),
        ("apiXhibob.com", False),
        ("api.hibob.com\n", False),
    ],
)
def test_the_vendors_hosts_are_two(host: str, own: bool) -> None:
    """The token goes nowhere else, unless the stage lists the host."""
    details = source().details
    assert details is not None
    assert details.is_vendor_host(host) is own
    assert details.settings_errors(SETTINGS) == []
