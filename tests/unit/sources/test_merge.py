"""Merge: everybody is told of, whenever they change; who may be new is asked for with department and job."""

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
from usher.domain.planning import merged
from usher.ports import SourceSettings, WebhookRequest
from usher.sources.merge import Merge, MergeEmployees

NOON = datetime(2026, 9, 8, 12, 0, tzinfo=UTC)
MODIFIED = datetime(2026, 9, 8, 11, 59, 40, tzinfo=UTC)
EXAMPLE = Example.load("merge")
SETTINGS = SourceSettings("merge")
MODEL: dict[str, Any] = EXAMPLE.raw["body"]["data"]
SUBJECT = "0958cbc6-6040-430a-848e-aafacbad0001"
EXPANDED: dict[str, Any] = MODEL | {
    "employments": [
        {"job_title": "Intern", "employment_type": "INTERN", "effective_date": "2024-01-08T00:00:00Z"},
        {"job_title": "Platform Engineer", "employment_type": "FULL_TIME", "effective_date": "2026-10-05T00:00:00Z"},
        {"job_title": "Undated"},
    ],
    "groups": [{"name": "Cost 7", "type": "COST_CENTER"}, {"name": "Engineering", "type": "DEPARTMENT"}],
    "team": {"id": "249c9faa", "name": "Platform"},
    "work_location": {"id": "d2f972d0", "name": None, "city": "Lisbon", "location_type": "WORK"},
}

Handler = Callable[[httpx.Request], httpx.Response]


def client(handler: Handler = lambda request: httpx.Response(500)) -> httpx.Client:
    """Give a client whose other side answers as the handler says."""
    return httpx.Client(transport=httpx.MockTransport(handler))


MERGE = Merge(client())


def read(body: object) -> tuple[Notice, ...]:
    """Read a body as Merge."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return MERGE.read(WebhookRequest("POST", "merge", {}, raw), NOON)


def event(name: object = "Employee.changed", **changes: Any) -> dict[str, Any]:
    """Give the contract's example with another event or a changed employee."""
    return {"hook": {"id": "h1", "event": name}, "linked_account": {"id": "l1"}, "data": MODEL | changes}


def fetched(answer: object, at: datetime = NOON) -> NewHire:
    """Fetch the employee of the contract's example where Merge answers so."""
    response = answer if isinstance(answer, httpx.Response) else httpx.Response(200, json=answer)
    (notice,) = MERGE.read(EXAMPLE.request, NOON)
    return MergeEmployees(client(lambda request: response)).fetch(notice, SETTINGS, "key:account", at)


def test_the_contracts_example_is_believed_with_or_without_padding() -> None:
    """Sources differ about it; a changed byte or another key is refused."""
    MERGE.verify(EXAMPLE.request, (EXAMPLE.secret,), NOON)
    signature = EXAMPLE.raw["headers"]["X-Merge-Webhook-Signature"]
    bare = replace(EXAMPLE.request, headers={"x-merge-webhook-signature": (signature.rstrip("="),)})
    MERGE.verify(bare, (EXAMPLE.secret,), NOON)
    for request, secret in [(EXAMPLE.flipped(40), EXAMPLE.secret), (EXAMPLE.request, "another")]:
        with pytest.raises(Unauthentic):
            MERGE.verify(request, (secret,), NOON)


@pytest.mark.parametrize("name", ["Employee.changed", "employee.created", "EMPLOYEE.UPDATED", "Employee.added"])
def test_whoever_starts_soon_is_a_hire_that_is_asked_for(name: str) -> None:
    """The event has ids of department and job only; vendors spell it in several ways."""
    (notice,) = read(event(name))
    assert (notice.event, notice.change, notice.subject, notice.hire) == (name, "hired", SUBJECT, None)
    assert notice.is_thin
    assert "noor" not in notice.model_dump_json().lower()


def test_the_first_day_counts_and_not_the_day_of_the_offer() -> None:
    """After a rehire it is the newest one."""
    (offered_long_ago,) = read(event(hire_date="2020-01-06T00:00:00Z"))
    assert offered_long_ago.change is Change.HIRED
    (offered_today,) = read(event(hire_date="2026-09-08T00:00:00Z", start_date="2020-01-06T00:00:00Z"))
    assert offered_today.change is None


@pytest.mark.parametrize(
    ("day", "change"),
    [
        ("2026-08-09T00:00:00Z", "hired"),
        ("2026-08-08T00:00:00Z", None),
        ("2019-01-07T00:00:00Z", None),
        (None, "changed"),
        ("", "changed"),
    ],
)
def test_staff_of_long_ago_are_no_hire_and_nobody_asks_for_them(day: str | None, change: str | None) -> None:
    """The first sync tells of the whole company; without a day, the HR system may know more by now."""
    (notice,) = read(event(start_date=day))
    assert (notice.change, notice.subject, notice.hire, notice.problems) == (change, SUBJECT, None, ())


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("Employee.changed", {"employment_status": "INACTIVE"}),
        ("Employee.changed", {"employment_status": "inactive", "start_date": "2019-01-07T00:00:00Z"}),
        ("Employee.changed", {"remote_was_deleted": True}),
        ("Employee.deleted", {}),
        ("employee.removed", {}),
    ],
)
def test_who_is_gone_is_taken_back_without_asking(name: str, changes: dict[str, Any]) -> None:
    """In the order of the changes, and without their names."""
    (notice,) = read(event(name, **changes))
    assert notice.hire == NewHire(
        source="merge", hire_id=SUBJECT, version=as_version(MODIFIED), change=Change.CANCELLED
    )
    (untimed,) = read(event(name, **changes | {"modified_at": None}))
    assert untimed.hire is not None
    assert untimed.hire.version == as_version(NOON)


@pytest.mark.parametrize(
    "name", ["LinkedAccount.linked", "LinkedAccount.synced", "Candidate.changed", "employment.changed", "x"]
)
def test_events_about_anything_else_are_no_hire(name: str) -> None:
    """A connection that came or went, the sample of the dashboard's test, another model."""
    (notice,) = read({"hook": {"event": name}, "data": {"id": None}})
    assert (notice.event, notice.change, notice.problems) == (name, None, ())
    assert MERGE.thanks().status == 200


def test_a_delivery_is_named_by_its_bytes() -> None:
    """`hook.id` is the same for all of them."""
    (first,), (again,), (other,) = read(event()), read(event()), read(event(work_email="noor@example.com"))
    assert first.notice_id == again.notice_id != other.notice_id


@pytest.mark.parametrize(
    "body",
    [
        b"not JSON",
        [],
        {},
        {"hook": None},
        {"hook": {"event": None}},
        {"hook": {"event": "Employee.changed"}},
        {"hook": {"event": "Employee.changed"}, "data": []},
        event(id=None),
        event(id="../employments"),
        event(start_date="10/05/2026"),
        event(modified_at=1788868780),
        event(employment_status=["ACTIVE"]),
    ],
)
def test_what_cannot_be_used_is_a_notice_that_says_why(body: object) -> None:
    """With the body sealed, and without its values."""
    (notice,) = read(body)
    assert notice.problems
    assert notice.sealed_body
    assert not notice.is_thin
    assert "noor" not in str(notice.problems).lower()


VALUES = st.recursive(
    st.none() | st.text() | st.integers() | st.booleans() | st.just("Employee.changed"),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(st.sampled_from(["hook", "event", "data", "name", "type", *MODEL, "groups"]), inner)
    ),
)
FIELDS = st.dictionaries(st.sampled_from([*MODEL, "groups"]), VALUES)


@given(
    st.binary()
    | VALUES.map(lambda value: json.dumps(value).encode())
    | FIELDS.map(lambda fields: json.dumps(event(**fields)).encode())
)
def test_no_body_raises(body: bytes) -> None:
    """Whatever was signed."""
    for notice in read(body):
        assert notice.problems or notice.is_thin or notice.hire or notice.change is None


@given(VALUES | FIELDS.map(lambda fields: EXPANDED | fields))
def test_no_answer_raises_anything_else(answer: object) -> None:
    """Merge's API is a stranger as well."""
    with suppress(BadEvent, DetailsUnavailable):
        assert fetched(answer).hire_id == SUBJECT


def test_the_employee_is_asked_for_with_what_the_event_only_names() -> None:
    """By the key of the organization and the token of the linked account; the private address is not read."""
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json=EXPANDED)

    (notice,) = MERGE.read(EXAMPLE.request, NOON)
    hire = MergeEmployees(client(answer)).fetch(notice, SETTINGS, "api-key:account-token", NOON)
    (request,) = seen
    assert request.url.copy_with(query=None) == f"https://api.merge.dev/api/hris/v1/employees/{SUBJECT}"
    assert request.url.params["expand"] == "employments,groups,team,work_location"
    assert request.headers["authorization"] == "Bearer api-key"
    assert request.headers["x-account-token"] == "account-token"
    assert hire == NewHire(
        source="merge",
        hire_id=SUBJECT,
        version=as_version(NOON),
        given_name="Noor",
        family_name="Haddad",
        start_date=date(2026, 10, 5),
        title="Platform Engineer",
        department="Engineering",
        location="Lisbon",
        employment_type="FULL_TIME",
    )


def test_a_department_that_is_synced_later_counts_though_the_employee_was_not_modified() -> None:
    """It is an object of its own; policy rules choose by it."""
    first, later = fetched(MODEL), fetched(EXPANDED, NOON + timedelta(hours=1))
    record = merged(None, first, "a" * 32, NOON).record
    assert record.effective.department is None
    assert merged(record, later, "b" * 32, NOON).record.effective.department == "Engineering"


def test_a_departure_at_a_time_that_is_yet_to_come_is_parked() -> None:
    """As a version it would outlast every later hire."""
    (notice,) = read(event("employee.deleted", modified_at="2026-09-08T12:05:01Z"))
    assert [problem.field for problem in notice.problems] == ["data.modified_at"]
    (ahead,) = read(event("employee.deleted", modified_at="2026-09-08T12:05:00Z"))
    assert ahead.hire is not None


def test_an_employee_is_told_as_merge_knows_them_now() -> None:
    """An address that came later, names that were not expanded or are missing."""
    assert fetched(EXPANDED | {"work_email": "noor@example.com"}).work_email == "noor@example.com"
    assert fetched(EXPANDED | {"groups": [{"name": "Ops", "type": "TEAM"}]}).department == "Platform"
    ids_only = fetched(MODEL | {"groups": ["249c9faa", None]})
    assert (ids_only.title, ids_only.department, ids_only.location, ids_only.employment_type) == (None,) * 4
    bare = fetched({"id": SUBJECT, "employments": None, "groups": None, "team": None, "work_location": None})
    assert (bare.work_email, bare.start_date, bare.change) == (None, None, Change.CHANGED)


@pytest.mark.parametrize(
    ("changes", "change"),
    [
        ({}, "hired"),
        ({"employment_status": "INACTIVE"}, "cancelled"),
        ({"remote_was_deleted": True}, "cancelled"),
        ({"start_date": "2026-08-08T00:00:00Z"}, "changed"),
    ],
)
def test_what_merge_knows_now_decides_and_not_the_event(changes: dict[str, Any], change: str) -> None:
    """A notice that waited is measured by its arrival."""
    assert fetched(EXPANDED | changes).change == change
    assert fetched(EXPANDED | changes, datetime(2026, 12, 1, tzinfo=UTC)).change == change


@pytest.mark.parametrize(
    ("answer", "final", "seconds"),
    [
        (httpx.Response(404), True, None),
        (httpx.Response(401), False, None),
        (httpx.Response(403), False, None),
        (httpx.Response(429, headers={"retry-after": "30"}), False, 30.0),
        (httpx.Response(502), False, None),
        (httpx.Response(200, json=EXPANDED | {"id": "another"}), True, None),
    ],
)
def test_an_answer_without_the_employee_says_whether_asking_again_can_help(
    answer: httpx.Response, final: bool, seconds: float | None
) -> None:
    """Only somebody who is gone stays gone, as does somebody of another linked account."""
    with pytest.raises(DetailsUnavailable) as refused:
        fetched(answer)
    assert (refused.value.final, refused.value.retry_after) == (final, seconds)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"start_date": "10/05/2026"}, "employee.start_date"),
        ({"work_email": {"value": "noor@example.com"}}, "employee.work_email"),
        ({"employments": [5]}, "employee.employments.0"),
        ({"employments": {}}, "employee.employments"),
        ({"groups": [{}] * 201}, "employee.groups"),
        ({"team": ["Noor"]}, "employee.team"),
        ({"id": None}, "employee.id"),
    ],
)
def test_an_employee_whose_fields_do_not_fit_is_parked_with_the_reason(changes: dict[str, Any], field: str) -> None:
    """And without the values."""
    with pytest.raises(BadEvent) as refused:
        fetched(EXPANDED | changes)
    assert field in {problem.field for problem in refused.value.problems}
    assert "noor" not in str(refused.value).lower()


@pytest.mark.parametrize("secret", ["sk1", "sk1:", ":tk1", "sk1:two words", "two words:tk1"])
def test_a_secret_without_both_parts_is_asked_for_again_and_not_shown(secret: str) -> None:
    """Somebody mends it."""
    (notice,) = MERGE.read(EXAMPLE.request, NOON)
    with pytest.raises(DetailsUnavailable) as refused:
        MergeEmployees(client()).fetch(notice, SETTINGS, secret, NOON)
    assert not refused.value.final
    assert secret not in str(refused.value)


def test_the_hosts_are_merges_own() -> None:
    """The stage says nothing, or names the region."""
    assert MERGE.settings_errors(SETTINGS) == []
    assert len(MERGE.settings_errors(SourceSettings("merge", options={"account": "1"}))) == 1
    api = MergeEmployees(client())
    assert api.is_vendor_host("api.merge.dev")
    assert api.is_vendor_host("api-eu.merge.dev")
    for host in ("merge.dev", "api.merge.dev.evil.example", "api-merge.dev", "api.merge.dev\n"):
        assert not api.is_vendor_host(host)
