"""Workable: drafts are no hires, and the employee behind a thin notice."""

import json
from collections.abc import Callable
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
from usher.sources.workable import Workable, WorkableEmployees

NOON = datetime(2026, 9, 8, 12, 0, tzinfo=UTC)
EXAMPLE = Example.load("workable")
SETTINGS = SourceSettings("workable", base_url="https://examplecorp.workable.com")
EMPLOYEE: dict[str, Any] = {
    "id": "4d30001",
    "firstname": "Noor",
    "lastname": "Haddad",
    "state": "published",
    "work_email": "noor.haddad@example.com",
    "personal_email": [{"value": "noor.haddad.private@example.com", "is_primary": True}],
    "start_date": "2026-10-05",
    "job_title": "Platform Engineer",
    "department": "Engineering",
    "address": {"city": "Lisbon"},
}

Handler = Callable[[httpx.Request], httpx.Response]


def employees(handler: Handler) -> WorkableEmployees:
    """Ask a Workable that answers as the handler says."""
    return WorkableEmployees(httpx.Client(transport=httpx.MockTransport(handler)), lambda: 0.0)


def source() -> Workable:
    """Give a source whose API is never asked."""
    return Workable(httpx.Client(transport=httpx.MockTransport(lambda request: httpx.Response(500))))


def read(body: object) -> tuple[Notice, ...]:
    """Read a body as Workable."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return source().read(WebhookRequest("POST", "workable", {}, raw), NOON)


def event(name: str = "employee_published", **changes: Any) -> dict[str, Any]:
    """Give the envelope of the contract's example, about an id alone."""
    found: dict[str, Any] = json.loads(EXAMPLE.request.body)
    return found | {"event_type": name, "data": {"id": "4d30001"}} | changes


def a_notice(change: Change = Change.HIRED) -> Notice:
    """Make a thin notice."""
    (notice,) = read(event())
    return notice.model_copy(update={"change": change})


def fetched(answer: httpx.Response | dict[str, Any], change: Change = Change.HIRED) -> NewHire:
    """Fetch the employee where Workable answers so."""
    response = httpx.Response(200, json=answer) if isinstance(answer, dict) else answer
    return employees(lambda request: response).fetch(a_notice(change), SETTINGS, "token", NOON)


def test_a_draft_is_no_hire() -> None:
    """The contract's example: somebody has begun to write down a person."""
    source().verify(EXAMPLE.request, (EXAMPLE.secret,), NOON + timedelta(days=200))
    (notice,) = source().read(EXAMPLE.request, NOON)
    assert (notice.event, notice.change, notice.subject, notice.problems) == ("employee_created", None, None, ())
    assert "Noor" not in notice.model_dump_json()


@pytest.mark.parametrize(("name", "change"), [("employee_published", "hired"), ("employee_updated", "changed")])
def test_an_event_is_a_thin_notice(name: str, change: str) -> None:
    """Whatever else it says: it shows the state at sending."""
    (notice,) = read(event(name, data={"id": "4d30001", "firstname": "Noor", "status": "status_published"}))
    assert (notice.event, notice.change, notice.subject, notice.hire) == (name, change, "4d30001", None)
    assert notice.is_thin
    assert "Noor" not in notice.model_dump_json()


@pytest.mark.parametrize("name", ["onboarding_completed", "candidate_moved", "employee_deleted", ""])
def test_other_events_are_no_hire(name: str) -> None:
    """And are answered 200."""
    (notice,) = read(event(name))
    assert (notice.event, notice.change, notice.problems) == (name or "unnamed", None, ())
    assert (source().thanks().status, source().thanks().body) == (200, "")


@pytest.mark.parametrize("position", range(0, len(EXAMPLE.request.body), 23))
def test_a_flipped_bit_is_not_believed(position: int) -> None:
    """All bytes are signed."""
    with pytest.raises(Unauthentic):
        source().verify(EXAMPLE.flipped(position), (EXAMPLE.secret,), NOON)


def test_only_the_token_signs() -> None:
    """No other secret, and no request without a signature."""
    with pytest.raises(Unauthentic):
        source().verify(EXAMPLE.request, ("another",), NOON)
    with pytest.raises(Unauthentic):
        source().verify(replace(EXAMPLE.request, headers={}), (EXAMPLE.secret,), NOON)


def test_a_redelivery_has_the_same_name_although_its_body_changed() -> None:
    """Workable sends what is true at that time; another event or another employee has another name."""
    (first,), (again,) = read(event()), read(event(data={"id": "4d30001", "status": "status_published"}))
    assert first.notice_id == again.notice_id
    others = [event("employee_updated"), event(data={"id": "4d30002"}), event(id="2"), event(fired_at="later")]
    assert len({first.notice_id, *(read(each)[0].notice_id for each in others)}) == 5


def test_an_envelope_without_an_id_and_a_time_is_named_by_its_bytes() -> None:
    """Nobody has verified the envelope."""
    bare = {"event": "employee_published", "data": {"id": "4d30001"}}
    (first,), (again,), (other,) = read(bare), read(bare), read(bare | {"further": 1})
    assert first.is_thin
    assert first.notice_id == again.notice_id != other.notice_id


@pytest.mark.parametrize(
    "sent",
    [
        b"event_type=employee_published&id=4d30001",
        event(data=None),
        event(data={}),
        event(data={"id": None}),
        event(data={"id": True}),
        event(data={"id": ""}),
        event(data={"id": ".."}),
        event(data={"id": "../../members"}),
        event(data={"id": "x" * 65}),
        event(data=[{"id": "4d30001"}]),
        event(id={}),
    ],
)
def test_what_cannot_be_used_is_a_notice_that_says_why(sent: object) -> None:
    """Anything but 200 would be sent again."""
    (notice,) = read(sent)
    assert notice.problems
    assert notice.sealed_body
    assert not notice.is_thin


def test_ids_stay_text() -> None:
    """Also those that a float would not hold."""
    (notice,) = read(event(data={"id": 2**63 - 1}))
    assert notice.subject == "9223372036854775807"


def test_the_employee_is_asked_for_at_the_company() -> None:
    """With the token that also signs; an account's token speaks for a member, whom the stage names."""
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json=EMPLOYEE)

    settings = replace(SETTINGS, options={"member_id": "1f395d"})
    hire = employees(answer).fetch(a_notice(), settings, "example-token", NOON)
    (request,) = seen
    assert request.url == "https://examplecorp.workable.com/spi/v3/employees/4d30001?member_id=1f395d"
    assert (request.method, request.headers["authorization"]) == ("GET", "Bearer example-token")
    assert hire == NewHire(
        source="workable",
        hire_id="4d30001",
        version=as_version(NOON),
        work_email="noor.haddad@example.com",
        given_name="Noor",
        family_name="Haddad",
        start_date=date(2026, 10, 5),
        department="Engineering",
        title="Platform Engineer",
    )


def test_the_private_address_is_never_the_work_address() -> None:
    """A hire without one waits for it."""
    for private in ("email", "personal_email", "emails"):
        hire = fetched({"id": "4d30001", "work_email": None, private: "noor.haddad.private@example.com"})
        assert hire.work_email is None
        assert "private" not in hire.model_dump_json()


def test_names_that_nobody_has_verified_are_looked_for_under_several() -> None:
    """Whole or in an envelope; null and missing fields are nothing."""
    spelt = {"id": 42, "first_name": "Noor", "last_name": "Haddad", "start_date": None, "hire_date": "2026-10-05"}
    (notice,) = read(event(data={"id": 42}))
    answer = {"employee": spelt | {"title": "Engineer", "department": ""}}
    hire = employees(lambda request: httpx.Response(200, json=answer)).fetch(notice, SETTINGS, "token", NOON)
    assert (hire.hire_id, hire.given_name, hire.family_name) == ("42", "Noor", "Haddad")
    assert (hire.start_date, hire.title, hire.department) == (date(2026, 10, 5), "Engineer", None)
    bare = fetched({"id": "4d30001"})
    assert (bare.change, bare.start_date, bare.work_email) == (Change.HIRED, None, None)


@pytest.mark.parametrize(
    ("told", "changes", "change"),
    [
        ("hired", {}, "hired"),
        ("hired", {"start_date": "2026-08-09"}, "hired"),
        # A company that begins with Workable publishes everybody.
        ("hired", {"start_date": "2019-03-01"}, "changed"),
        # A mistyped day is right at last.
        ("changed", {}, "hired"),
        ("changed", {"start_date": "2019-03-01"}, "changed"),
        ("changed", {"state": "draft"}, "changed"),
        ("hired", {"state": "inactive"}, "cancelled"),
        ("changed", {"state": None, "status": "status_terminated"}, "cancelled"),
    ],
)
def test_an_employee_is_told_as_they_stand_now(told: str, changes: dict[str, Any], change: str) -> None:
    """The notice does not have the last word."""
    assert fetched(EMPLOYEE | changes, Change(told)).change == change


def test_a_published_employee_who_is_a_draft_is_asked_for_again() -> None:
    """The answer may be from before."""
    for draft in ({"state": "draft"}, {"state": None, "status": "status_draft"}):
        with pytest.raises(DetailsUnavailable) as refused:
            fetched(EMPLOYEE | draft)
        assert not refused.value.final


@pytest.mark.parametrize(("status", "final"), [(404, True), (401, False), (403, False), (302, False), (503, False)])
def test_an_answer_without_the_employee_says_whether_asking_again_can_help(status: int, final: bool) -> None:
    """Only somebody who is gone stays gone."""
    with pytest.raises(DetailsUnavailable) as refused:
        fetched(httpx.Response(status, text="noor.haddad.private@example.com"))
    assert refused.value.final is final
    assert "noor" not in str(refused.value)


def test_the_system_says_when_to_ask_again() -> None:
    """By Retry-After."""
    with pytest.raises(DetailsUnavailable) as refused:
        fetched(httpx.Response(429, headers={"retry-after": "30"}))
    assert (refused.value.final, refused.value.retry_after) == (False, 30.0)


def test_another_employee_than_was_asked_for_is_not_taken() -> None:
    """It would invite the wrong person."""
    with pytest.raises(DetailsUnavailable) as refused:
        fetched(EMPLOYEE | {"id": "4d30002"})
    assert refused.value.final


@pytest.mark.parametrize(
    ("answer", "field"),
    [
        (EMPLOYEE | {"start_date": "10/05/2026"}, "employee.start_date"),
        (EMPLOYEE | {"department": {"name": "Engineering"}}, "employee.department"),
        (EMPLOYEE | {"work_email": ["noor@example.com"]}, "employee.work_email"),
        (EMPLOYEE | {"firstname": 7}, "employee.firstname"),
        (EMPLOYEE | {"job_title": "x" * 300}, "employee.title"),
        ({"employee": []}, "employee."),
        ({}, "employee.id"),
    ],
)
def test_an_employee_whose_fields_do_not_fit_is_parked_with_every_reason(answer: dict[str, Any], field: str) -> None:
    """And without the values."""
    with pytest.raises(BadEvent) as refused:
        fetched(answer)
    assert field in {problem.field for problem in refused.value.problems}
    assert "example.com" not in str(refused.value)


def test_a_secret_that_is_no_token_is_not_sent() -> None:
    """It would break the header."""
    with pytest.raises(DetailsUnavailable):
        employees(lambda request: httpx.Response(200, json=EMPLOYEE)).fetch(a_notice(), SETTINGS, "a\nb", NOON)


def test_the_settings_name_the_company_at_workable() -> None:
    """A stage that does not is refused at load."""
    details = source().details
    assert details is not None
    assert source().is_experimental
    assert source().settings_errors(replace(SETTINGS, options={"member_id": "1f395d"})) == []
    assert len(source().settings_errors(SourceSettings("workable", options={"member": "x"}))) == 2
    hosts = ["examplecorp.workable.com", "workable.com", "examplecorp.workable.com.evil.example", "evil-workable.com"]
    assert [details.is_vendor_host(host) for host in hosts] == [True, False, False, False]


JSON = st.recursive(
    st.none() | st.text() | st.integers() | st.sampled_from(["employee_published", "4d30001", "2026-10-05"]),
    lambda c: (
        st.lists(c)
        | st.dictionaries(
            st.sampled_from(
                ["event_type", "event", "data", "id", "fired_at", "employee", "state", "start_date", "department"]
            ),
            c,
        )
    ),
)


@given(st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
def test_no_body_raises(sent: bytes) -> None:
    """Whatever was signed."""
    for notice in read(sent):
        assert notice.problems or notice.is_thin or notice.change is None


@given(JSON)
def test_no_answer_raises_an_untyped_error(answer: Any) -> None:
    """Whatever the API gives."""
    try:
        hire = fetched(httpx.Response(200, json=answer))
    except (BadEvent, DetailsUnavailable):
        return
    assert hire.hire_id == "4d30001"
