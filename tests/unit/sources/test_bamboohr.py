"""BambooHR: thin notices, and the employee behind them."""

import base64
import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.contracts.hr_webhooks import Example
from tests.fakes.listener import drip, listening, ticking
from usher.domain.errors import BadEvent, DetailsUnavailable, Unauthentic
from usher.domain.hire import Change, NewHire, as_version
from usher.domain.notice import Notice
from usher.http import make_client
from usher.ports import SourceSettings, WebhookRequest
from usher.sources.bamboohr import BambooHr, BambooHrEmployees

NOON = datetime(2026, 9, 8, 12, 0, tzinfo=UTC)
EXAMPLE = Example.load("bamboohr")
SETTINGS = SourceSettings("bamboohr", base_url="https://examplecorp.bamboohr.com/")
EMPLOYEE = EXAMPLE.raw["detail_fetch"]["response_example"]["body"]

Handler = Callable[[httpx.Request], httpx.Response]


def employees(handler: Handler, monotonic: Callable[[], float] = lambda: 0.0) -> BambooHrEmployees:
    """Ask a BambooHR that answers as the handler says."""
    return BambooHrEmployees(httpx.Client(transport=httpx.MockTransport(handler)), monotonic)


def source() -> BambooHr:
    """Give a source whose API is never asked."""
    return BambooHr(httpx.Client(transport=httpx.MockTransport(lambda request: httpx.Response(500))))


def read(body: object) -> tuple[Notice, ...]:
    """Read a body as BambooHR."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return source().read(WebhookRequest("POST", "bamboohr", {}, raw), NOON)


def a_notice(change: Change = Change.HIRED) -> Notice:
    """Make the thin notice of the contract's example."""
    (notice,) = source().read(EXAMPLE.request, NOON)
    return notice.model_copy(update={"change": change})


def fetched(answer: httpx.Response | dict[str, Any], change: Change = Change.HIRED) -> NewHire:
    """Fetch the employee where BambooHR answers so."""
    response = httpx.Response(200, json=answer) if isinstance(answer, dict) else answer
    return employees(lambda request: response).fetch(a_notice(change), SETTINGS, "key", NOON)


@pytest.mark.parametrize(
    ("event", "change"),
    [("employee.created", "hired"), ("employee.updated", "changed"), ("employee.deleted", "cancelled")],
)
def test_an_event_is_a_thin_notice(event: str, change: str) -> None:
    """It says who, and nothing about them."""
    (notice,) = read({"type": event, "data": {"companyId": "48213", "employeeId": "1042"}})
    assert (notice.event, notice.change, notice.subject, notice.hire) == (event, change, "1042", None)
    assert notice.is_thin


def test_a_list_of_employees_is_a_notice_for_each() -> None:
    """The older family; its fields carry labels of the customer's own, so the details are asked for all the same."""
    (notice,) = source().read(Example.load("bamboohr-field-based").request, NOON)
    assert (notice.event, notice.change, notice.subject) == ("employee_with_fields.created", "hired", "1042")
    many = read({"employees": [{"id": 1, "action": "Created"}, {"id": "2", "action": "Deleted"}]})
    assert [(notice.subject, notice.change) for notice in many] == [("1", "hired"), ("2", "cancelled")]
    assert len({notice.notice_id for notice in many}) == 2
    assert "Noor" not in notice.model_dump_json()


def test_a_redelivery_has_the_same_name() -> None:
    """BambooHR gives its deliveries no id; the body has a time of its own."""
    assert a_notice().notice_id == a_notice().notice_id


def test_other_events_are_no_hire() -> None:
    """And are answered 200."""
    (notice,) = read({"type": "goal.created", "data": {}})
    assert (notice.event, notice.change, notice.problems) == ("goal.created", None, ())


@pytest.mark.parametrize(
    "body",
    [
        b"type=employee.created&data[employeeId]=1042",
        {"type": "employee.created"},
        {"type": "employee.created", "data": {"employeeId": None}},
        # The API would answer with the owner of the key.
        {"type": "employee.created", "data": {"employeeId": "0"}},
        {"type": "employee.created", "data": {"employeeId": "../../meta/users"}},
        {"employees": [{"id": "1042"}]},
        {"employees": [7]},
        {"employees": {}},
        {"employees": [{"id": str(number), "action": "Created"} for number in range(1, 1002)]},
    ],
)
def test_what_cannot_be_used_is_a_notice_that_says_why(body: object) -> None:
    """A 4xx would be final for BambooHR."""
    (notice,) = read(body)
    assert notice.problems
    assert notice.sealed_body
    assert not notice.is_thin


def test_one_bad_employee_of_a_list_costs_the_others_nothing() -> None:
    """They are parked, each with themselves alone sealed, under a name that a redelivery has too."""
    listed = [
        {"id": "1", "action": "Created"},
        {"id": "x", "action": "Updated"},
        None,
        {"id": "2", "action": "Deleted"},
    ]
    first, bad, none, last = read({"employees": listed})
    assert [(notice.subject, notice.change) for notice in (first, last)] == [("1", "hired"), ("2", "cancelled")]
    assert (bad.event, [problem.field for problem in bad.problems]) == ("employee_with_fields.updated", ["id"])
    assert none.problems
    assert json.loads(base64.b64decode(bad.sealed_body or "")) == {"employees": [listed[1]]}
    assert len({notice.notice_id for notice in (first, bad, none, last)}) == 4
    assert read({"employees": listed})[1].notice_id == bad.notice_id


def test_a_list_of_employees_that_is_too_long_is_one_reason() -> None:
    """And not one for each entry, which would cost seconds."""
    (notice,) = read({"employees": [1] * 300_000})
    assert [problem.field for problem in notice.problems] == ["employees", "body"]


@given(
    st.binary()
    | st.recursive(
        st.none() | st.text() | st.integers(),
        lambda c: (
            st.lists(c)
            | st.dictionaries(st.sampled_from(["type", "data", "employeeId", "employees", "id", "action"]), c)
        ),
    ).map(lambda v: json.dumps(v).encode())
)
def test_no_body_raises(body: bytes) -> None:
    """Whatever was signed."""
    for notice in read(body):
        assert notice.problems or notice.is_thin or notice.change is None


@pytest.mark.parametrize(
    ("seconds", "believed"), [(0, True), (10_799, True), (10_801, False), (-299, True), (-301, False)]
)
def test_a_delivery_is_believed_as_long_as_its_retries_last(seconds: int, believed: bool) -> None:
    """Nobody says whether a retry is stamped anew, and the last one comes after 155 minutes."""
    signed_at = datetime.fromtimestamp(1788868796, UTC)
    try:
        source().verify(EXAMPLE.request, (EXAMPLE.secret,), signed_at + timedelta(seconds=seconds))
    except Unauthentic:
        assert not believed
    else:
        assert believed


def test_the_employee_is_asked_for_with_what_takes_effect_later() -> None:
    """By the company's own address, with the key as user name."""
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json=EMPLOYEE)

    hire = employees(answer).fetch(a_notice(), SETTINGS, "example-key", NOON)
    (request,) = seen
    assert request.url.copy_with(query=None) == "https://examplecorp.bamboohr.com/api/v1/employees/1042"
    assert request.url.params["onlyCurrent"] == "false"
    assert {"workEmail", "hireDate", "department"} <= set(request.url.params["fields"].split(","))
    assert "homeEmail" not in request.url.params["fields"]
    assert request.headers["authorization"] == "Basic " + base64.b64encode(b"example-key:x").decode()
    assert hire == NewHire(
        source="bamboohr",
        hire_id="1042",
        version=as_version(NOON),
        given_name="Noor",
        family_name="Haddad",
        start_date=date(2026, 10, 5),
        department="Engineering",
        title="Platform Engineer",
        location="Lisbon",
        employment_type="Full-Time",
    )


@pytest.mark.parametrize(
    ("day", "told", "change"),
    [
        ("2026-10-05", Change.HIRED, "hired"),
        ("2026-08-09", Change.HIRED, "hired"),
        # Staff, whom a company that moves in creates one by one.
        ("2015-01-01", Change.HIRED, "changed"),
        ("2015-01-01", Change.CHANGED, "changed"),
        # A mistyped day is right at last, or somebody comes back who had left before anybody listened.
        ("2026-10-05", Change.CHANGED, "hired"),
        (None, Change.HIRED, "hired"),
        (None, Change.CHANGED, "changed"),
    ],
)
def test_the_hire_date_decides_whether_it_is_a_hire(day: str | None, told: Change, change: str) -> None:
    """The event alone does not."""
    assert fetched(EMPLOYEE | {"hireDate": day}, told).change == change


def test_an_employee_is_told_as_they_stand_now() -> None:
    """An address that came later, an update, somebody who left."""
    assert fetched(EMPLOYEE | {"workEmail": "noor@example.com"}).work_email == "noor@example.com"
    assert fetched(EMPLOYEE | {"status": "Inactive"}).change is Change.CANCELLED
    assert fetched(EMPLOYEE | {"hireDate": "0000-00-00", "department": ""}).start_date is None
    assert fetched(EMPLOYEE | {"id": 1042, "unknown": {}}).hire_id == "1042"


@pytest.mark.parametrize(
    ("status", "final"),
    [(404, True), (400, False), (401, False), (403, False), (302, False), (429, False), (503, False)],
)
def test_an_answer_without_the_employee_says_whether_asking_again_can_help(status: int, final: bool) -> None:
    """Only somebody who is gone stays gone; keys and outages are mended."""
    with pytest.raises(DetailsUnavailable) as refused:
        fetched(
            httpx.Response(status, text="noor.haddad.private@example.com", headers={"location": "https://evil.example"})
        )
    assert refused.value.final is final
    assert "noor" not in str(refused.value)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("30", 30.0),
        ("Tue, 08 Sep 2026 12:01:00 GMT", 60.0),
        ("999999", 86_400.0),
        ("soon", None),
        ("-1", None),
        ("1_0", None),
    ],
)
def test_the_system_says_when_to_ask_again(header: str, seconds: float | None) -> None:
    """For a day at most."""
    with pytest.raises(DetailsUnavailable) as refused:
        fetched(httpx.Response(503, headers={"retry-after": header}))
    assert refused.value.retry_after == seconds


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(200, text="<html>maintenance</html>"),
        httpx.Response(200, content=b"[" * 100_000),
        httpx.Response(200, content=b" " * (1024 * 1024 + 1)),
        httpx.Response(200, content=b'{"id": "1042", "firstName": "Noor\\ud800"}'),
        httpx.Response(200, stream=httpx.ByteStream(b"\x1f\x8b"), headers={"content-encoding": "gzip"}),
    ],
)
def test_an_answer_that_is_none_is_asked_for_again(answer: httpx.Response) -> None:
    """A page in between, something endless, something folded."""
    with pytest.raises(DetailsUnavailable) as refused:
        fetched(answer)
    assert not refused.value.final


@pytest.mark.parametrize("error", [httpx.ConnectError, httpx.ReadTimeout, httpx.RemoteProtocolError])
def test_a_connection_that_breaks_is_asked_for_again(error: type[httpx.TransportError]) -> None:
    """Without the address in the reason."""

    def break_off(request: httpx.Request) -> httpx.Response:
        raise error("https://examplecorp.bamboohr.com", request=request)

    with pytest.raises(DetailsUnavailable) as refused:
        employees(break_off).fetch(a_notice(), SETTINGS, "key", NOON)
    assert not refused.value.final
    assert "examplecorp" not in str(refused.value)


def test_an_answer_that_drips_is_given_up() -> None:
    """One budget for the whole call, whatever single reads take."""
    slow = employees(lambda request: httpx.Response(200, content=iter([b"{"] * 10)), ticking())
    with pytest.raises(DetailsUnavailable, match="took too long"):
        slow.fetch(a_notice(), SETTINGS, "key", NOON)


def test_an_answer_whose_header_drips_is_given_up() -> None:
    """No single read is slow, and the whole would never end."""
    with listening(drip) as url, make_client(1) as client:
        slow = BambooHrEmployees(client, ticking())
        with pytest.raises(DetailsUnavailable, match="in time"):
            slow.fetch(a_notice(), SourceSettings("bamboohr", base_url=url), "key", NOON)


def test_another_employee_than_was_asked_for_is_not_taken() -> None:
    """It would invite the wrong person."""
    with pytest.raises(DetailsUnavailable) as refused:
        fetched(EMPLOYEE | {"id": "7"})
    assert refused.value.final


def test_an_employee_whose_fields_do_not_fit_is_parked_with_every_reason() -> None:
    """And without the values."""
    with pytest.raises(BadEvent) as refused:
        fetched(EMPLOYEE | {"hireDate": "10/05/2026", "department": {"id": 1}})
    assert {problem.field for problem in refused.value.problems} == {"employee.hireDate", "employee.department"}


def test_the_settings_name_the_company_at_bamboohr() -> None:
    """A stage that does not is refused at load."""
    details = source().details
    assert details is not None
    assert details.settings_errors(SETTINGS) == []
    assert len(details.settings_errors(SourceSettings("bamboohr", options={"feilds": "x"}))) == 2


@pytest.mark.parametrize(
    ("host", "own"),
    [
        ("examplecorp.bamboohr.com", True),
        ("bamboohr.com", False),
        ("examplecorp.bamboohr.com.", False),
        ("examplecorp.bamboohr.com\n", False),
        ("examplecorp.bamboohr.com.evil.example", False),
        ("evil-bamboohr.com", False),
        ("evil.example%2f.bamboohr.com", False),
        ("evil%2eexample%2f.bamboohr.com", False),
        (".bamboohr.com", False),
    ],
)
def test_the_vendors_hosts_are_its_customers(host: str, own: bool) -> None:
    """The key goes nowhere else, unless the stage lists the host."""
    details = source().details
    assert details is not None
    assert details.is_vendor_host(host) is own


JOINED = SourceSettings(
    "bamboohr",
    base_url="https://examplecorp.bamboohr.com",
    options={"same_as": "greenhouse", "same_as_field": "customApplicationId"},
)


@pytest.mark.parametrize(
    ("value", "same_as"),
    [
        ("46190001", "greenhouse/46190001"),
        (46190001, "greenhouse/46190001"),
        (" 46190001 ", "greenhouse/46190001"),
        ("", None),
        (None, None),
        (True, None),
        ("see the file", None),
        ("okta/1", None),
    ],
)
def test_a_field_that_the_stage_names_joins_the_applicant_of_another_system(value: object, same_as: str | None) -> None:
    """It is asked for by its name; what is no id joins nobody."""
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.params["fields"])
        return httpx.Response(200, json=EMPLOYEE | {"customApplicationId": value})

    hire = employees(answer).fetch(a_notice(), JOINED, "key", NOON)
    assert hire.same_as == same_as
    assert asked[0].endswith(",customApplicationId")


@pytest.mark.parametrize(
    "options", [{"same_as": "greenhouse"}, {"same_as_field": "x"}, {"same_as": "greenhouse", "same_as_field": "a,b"}]
)
def test_a_join_that_means_nothing_is_refused(options: dict[str, str]) -> None:
    """At start-up."""
    settings = SourceSettings("bamboohr", base_url="https://examplecorp.bamboohr.com", options=options)
    assert len(source().settings_errors(settings)) == 1
    assert source().settings_errors(JOINED) == []
