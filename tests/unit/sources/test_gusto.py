"""Gusto: thin notices, the employee behind them, and a key that arrives in a request that nothing signs."""

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
from usher.sources.gusto import API_VERSION, Gusto, GustoEmployees

NOON = datetime(2026, 9, 8, 12, 0, tzinfo=UTC)
EXAMPLE = Example.load("gusto")
VERIFICATION = Example.load("gusto-verification")
SETTINGS = SourceSettings("gusto")
EMPLOYEE: dict[str, Any] = EXAMPLE.raw["detail_fetch"]["response_example"]["body"]
SUBJECT = "bcfc9744-0ab3-4ef3-ab0d-e728255d0001"

Handler = Callable[[httpx.Request], httpx.Response]


def client(handler: Handler = lambda request: httpx.Response(500)) -> httpx.Client:
    """Give a client whose other side answers as the handler says."""
    return httpx.Client(transport=httpx.MockTransport(handler))


def request_of(body: object) -> WebhookRequest:
    """Make an unsigned request."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return WebhookRequest("POST", "gusto", {"content-type": ("application/json",)}, raw)


def read(body: object) -> tuple[Notice, ...]:
    """Read a body as Gusto."""
    return Gusto(client()).read(request_of(body), NOON)


def event(name: str, **changes: Any) -> dict[str, Any]:
    """Give the contract's example as another event."""
    body: dict[str, Any] = EXAMPLE.raw["body"]
    return body | {"event_type": name} | changes


def fetched(answer: object, name: str = "employee.created", at: datetime = NOON) -> NewHire:
    """Fetch the employee of an event where Gusto answers so."""
    response = answer if isinstance(answer, httpx.Response) else httpx.Response(200, json=answer)
    (notice,) = read(event(name))
    return GustoEmployees(client(lambda request: response)).fetch(notice, SETTINGS, "token", at)


def test_the_contracts_example_is_believed_by_its_token_alone() -> None:
    """The token of the subscription is the key; a changed byte or another key is refused."""
    gusto = Gusto(client())
    gusto.verify(EXAMPLE.request, (EXAMPLE.secret,), NOON)
    gusto.verify(EXAMPLE.request, ("an-older-token", EXAMPLE.secret), NOON)
    for request, secret in [(EXAMPLE.flipped(40), EXAMPLE.secret), (EXAMPLE.request, "another")]:
        with pytest.raises(Unauthentic):
            gusto.verify(request, (secret,), NOON)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("employee.created", "hired"),
        ("employee.onboarded", "hired"),
        ("employee.self_onboarding_completed", "hired"),
        ("employee.rehired", "hired"),
        ("employee.rehire_effective", "hired"),
        ("employee.termination_cancelled", "hired"),
        ("employee.updated", "changed"),
        ("employee.terminated", "changed"),
    ],
)
def test_an_event_about_an_employee_is_a_thin_notice(name: str, change: str) -> None:
    """It says who, and nothing about them."""
    (notice,) = read(event(name))
    assert (notice.event, notice.change, notice.subject, notice.hire) == (name, change, SUBJECT, None)
    assert notice.is_thin


DEPARTURES = ("employee.terminated_effective", "employee.rehire_cancelled", "employee.deleted")


@pytest.mark.parametrize("name", DEPARTURES)
def test_who_goes_is_ordered_by_the_time_of_the_event(name: str) -> None:
    """It may come late or again, after the person was hired once more; nobody is asked."""
    (notice,) = read(event(name))
    version = as_version(datetime(2026, 9, 8, 11, 59, 40, tzinfo=UTC))
    assert notice.hire == NewHire(source="gusto", hire_id=SUBJECT, version=version, change=Change.CANCELLED)
    (undated,) = read(event(name, timestamp=None))
    assert undated.hire is not None
    assert undated.hire.version == as_version(NOON)


def test_a_departure_that_is_sent_again_after_a_later_hire_does_not_end_it() -> None:
    """Whoever has seen the request can send it at any time, also when its name is long forgotten."""
    (ended,) = read(event("employee.rehire_cancelled"))
    hired = [fetched(EMPLOYEE, "employee.rehired", NOON + timedelta(hours=hour)) for hour in range(1, 26)]
    assert ended.hire is not None
    record = merged(None, ended.hire, ended.notice_id, NOON).record
    for number, hire in enumerate(hired):
        record = merged(record, hire, f"{number:032x}", NOON).record
    assert ended.notice_id not in record.notices
    assert record.is_hired
    (again,) = Gusto(client()).read(request_of(event("employee.rehire_cancelled")), NOON + timedelta(days=230))
    assert again.hire is not None
    assert merged(record, again.hire, again.notice_id, NOON).record.is_hired


@pytest.mark.parametrize("timestamp", ["1788868780", 1788868780.5, True, 0, -1, 10**13, {}, 1788868800 + 301])
def test_a_departure_at_no_time_or_at_one_that_is_yet_to_come_is_parked(timestamp: object) -> None:
    """As a version, a time far ahead would outlast every later hire."""
    (notice,) = read(event("employee.deleted", timestamp=timestamp))
    assert [problem.field for problem in notice.problems] == ["timestamp"]
    (other,) = read(event("employee.created", timestamp=timestamp))
    assert other.is_thin


@pytest.mark.parametrize("name", ["contractor.created", "company.provisioned", "employee.something_new", "x" * 100])
def test_other_events_are_no_hire(name: str) -> None:
    """Contractors are none either; all are answered 200."""
    (notice,) = read(event(name, entity_type="Other", entity_uuid=None))
    assert (notice.change, notice.subject, notice.problems) == (None, None, ())
    assert Gusto(client()).thanks().status == 200


def test_a_delivery_is_named_by_its_own_id() -> None:
    """The same id is the same delivery; one action may raise several events, each with an id of its own."""
    (first,), (again,), (other,) = (
        read(event("employee.created")),
        read(EXAMPLE.request.body),
        read(event("e", uuid="2")),
    )
    assert first.notice_id == again.notice_id != other.notice_id
    (older,), (twice,) = read(event("employee.created", uuid=None)), read(event("employee.created", uuid=None))
    assert older.notice_id == twice.notice_id != first.notice_id


@pytest.mark.parametrize(
    "body",
    [
        b"event_type=employee.created",
        [],
        {},
        {"event_type": None},
        event("employee.created", entity_uuid=None),
        event("employee.created", entity_uuid=["1"]),
        event("employee.created", entity_uuid="../companies"),
        event("employee.created", uuid={"id": 1}),
        event("employee.deleted", entity_uuid="../companies"),
    ],
)
def test_what_cannot_be_used_is_a_notice_that_says_why(body: object) -> None:
    """It is parked, for what is answered with an error is only sent again."""
    (notice,) = read(body)
    assert notice.problems
    assert notice.sealed_body
    assert not notice.is_thin


def test_the_verification_passes_only_while_the_subscription_is_pending() -> None:
    """At any other time anybody could plant a key."""
    gusto = Gusto(client())
    gusto.verify(VERIFICATION.request, ("pending",), NOON)
    gusto.verify(VERIFICATION.request, (EXAMPLE.secret, "pending\n"), NOON)
    gusto.verify(request_of({"verification_token": "6590f590-3dba-495e-9bea-c361e1e20001"}), ("pending",), NOON)
    with pytest.raises(Unauthentic):
        gusto.verify(VERIFICATION.request, (EXAMPLE.secret,), NOON)
    assert gusto.handshake(VERIFICATION.request) is None


@pytest.mark.parametrize("word", ["pending", " Pending\n"])
def test_the_word_that_stands_for_a_key_is_no_key(word: str) -> None:
    """An event signed with it would be anybody's."""
    gusto = Gusto(client())
    forged = replace(EXAMPLE.request, headers={"x-gusto-signature": (gusto.scheme.sign(EXAMPLE.request, word),)})
    for secrets in [(word,), (word, "another"), ("pending", word)]:
        with pytest.raises(Unauthentic):
            gusto.verify(forged, secrets, NOON)
    gusto.verify(EXAMPLE.request, (word, EXAMPLE.secret), NOON)


TOKEN = "6590f590-3dba-495e-9bea-c361e1e20001"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not JSON",
        b"[" * 2000,
        [TOKEN],
        {},
        {"verification_token": None},
        {"verification_token": 12345678901234567890},
        {"verification_token": "short"},
        {"verification_token": "pending"},
        {"verification_token": "x" * 129},
        {"verification_token": TOKEN + "\n"},
        {"verification_token": f"{TOKEN} {TOKEN}"},
        {"verification_token": [TOKEN]},
        {"verification_token": TOKEN, "webhook_subscription_uuid": "/"},
        {"verification_token": TOKEN, "webhook_subscription_uuid": {}},
        {"verification_token": TOKEN, "event_type": "employee.created"},
        {"webhook_subscription_uuid": TOKEN},
        b'{"verification_token": "%b", "verification_token": "%b"}' % (TOKEN.encode(), TOKEN.encode()),
        json.dumps({"verification_token": TOKEN}).encode() + b" " * 1024,
    ],
)
def test_nothing_but_a_verification_passes_unsigned(body: object) -> None:
    """A pending subscription is no open door."""
    with pytest.raises(Unauthentic):
        Gusto(client()).verify(request_of(body), ("pending", EXAMPLE.secret), NOON)


def test_the_verification_is_parked_and_says_what_to_do() -> None:
    """The token is in the sealed body and nowhere else; sent again, it is the same notice."""
    (notice,) = Gusto(client()).read(VERIFICATION.request, NOON)
    (again,) = Gusto(client()).read(VERIFICATION.request, NOON)
    (problem,) = notice.problems
    assert problem.reason == (
        f"the subscription asks to be verified: usher secrets take sources/gusto {notice.notice_id}"
    )
    assert (notice.event, notice.change, notice.subject) == ("verification", None, None)
    assert notice.sealed_body
    assert TOKEN not in notice.model_dump_json(exclude={"sealed_body"})
    assert Gusto(client()).secret_in(VERIFICATION.request.body) == VERIFICATION.secret
    assert again.notice_id == notice.notice_id


VALUES = st.recursive(
    st.none() | st.text() | st.integers() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from([*EXAMPLE.raw["body"], *EMPLOYEE]), inner),
)


@given(st.binary() | VALUES.map(lambda value: json.dumps(value).encode()))
def test_no_body_raises(body: bytes) -> None:
    """Whatever was signed; and whatever was not is refused as such."""
    for notice in read(body):
        assert notice.problems or notice.is_thin or notice.hire or notice.change is None
    with pytest.raises(Unauthentic):
        Gusto(client()).verify(request_of(body), ("pending", "key"), NOON)


@given(VALUES | st.fixed_dictionaries({"uuid": st.just(SUBJECT), "jobs": VALUES, "hired_at": VALUES, "title": VALUES}))
def test_no_answer_raises_anything_else(answer: object) -> None:
    """Gusto's API is a stranger as well."""
    with suppress(BadEvent, DetailsUnavailable):
        assert fetched(answer).hire_id == SUBJECT


def test_the_employee_is_asked_for_by_the_companys_token() -> None:
    """With the version of the API that the fields are of; the private address is not read."""
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json=EMPLOYEE)

    (notice,) = Gusto(client()).read(EXAMPLE.request, NOON)
    hire = GustoEmployees(client(answer)).fetch(notice, SETTINGS, "company-token", NOON)
    (request,) = seen
    assert request.url == EXAMPLE.raw["detail_fetch"]["request"]["url"]
    assert request.headers["authorization"] == "Bearer company-token"
    assert request.headers["x-gusto-api-version"] == API_VERSION
    assert hire == NewHire(
        source="gusto",
        hire_id=SUBJECT,
        version=as_version(NOON),
        given_name="Noor",
        family_name="Haddad",
        start_date=date(2026, 10, 5),
        department="Engineering",
        title="Platform Engineer",
        employment_type="full_time",
    )


def test_an_employee_is_told_as_they_stand_now() -> None:
    """An address that came later, null and missing fields, a place that is an object or its name."""
    assert fetched(EMPLOYEE | {"work_email": "noor@example.com"}).work_email == "noor@example.com"
    assert fetched(EMPLOYEE | {"work_email": " "}).work_email is None
    bare = fetched({"uuid": SUBJECT, "jobs": None, "email": "noor.haddad.private@example.com"})
    assert (bare.work_email, bare.start_date, bare.title, bare.location) == (None, None, None, None)
    assert bare.change is Change.HIRED
    for place in ("Lisbon", {"city": "Lisbon", "zip": "1000"}):
        assert fetched(EMPLOYEE | {"jobs": [None, {"location": place}]}).location == "Lisbon"
    assert fetched(EMPLOYEE, "employee.updated").change is Change.HIRED


def test_the_newest_job_says_when_somebody_starts() -> None:
    """`hired_at` stays the first hire; a job may have no day yet."""
    jobs = [{"hire_date": "2020-01-06", "title": "Intern"}, {"hire_date": "2026-10-05", "title": "Engineer"}, {}]
    rehired = fetched(EMPLOYEE | {"hired_at": "2020-01-06", "jobs": jobs, "title": None}, "employee.rehired")
    assert (rehired.start_date, rehired.title, rehired.change) == (date(2026, 10, 5), "Engineer", Change.HIRED)
    assert fetched(EMPLOYEE | {"jobs": []}).start_date == date(2026, 10, 5)


JOB_2020: dict[str, Any] = {"hired_at": "2020-01-06", "jobs": [{"hire_date": "2020-01-06"}]}
ENDED_2024: dict[str, Any] = {"terminated": True, "terminations": [{"effective_date": "2024-05-31"}, None]}


@pytest.mark.parametrize(
    ("name", "changes", "change"),
    [
        ("employee.updated", {"terminated": True}, "cancelled"),
        ("employee.created", {"terminated": True, "terminations": [{"effective_date": "2026-10-05"}]}, "cancelled"),
        ("employee.updated", {"terminated": False, "terminations": [{"effective_date": "2027-10-05"}]}, "hired"),
        # The end of the former time; the rehire has yet to take effect.
        ("employee.updated", ENDED_2024, "hired"),
        ("employee.rehired", ENDED_2024, "hired"),
        ("employee.rehired", {"terminated": True}, "hired"),
        ("employee.rehire_effective", {"terminated": True}, "hired"),
        # The rehire was taken back before anybody asked, or its event comes again after years.
        ("employee.rehired", ENDED_2024 | JOB_2020, "cancelled"),
        ("employee.rehired", {"terminated": True, "terminations": []} | JOB_2020, "cancelled"),
        ("employee.rehired", {"terminated": True, "jobs": []}, "cancelled"),
        ("employee.rehired", {"terminated": True, "terminations": [{"effective_date": "2026-10-30"}]}, "cancelled"),
        ("employee.rehire_effective", JOB_2020, "changed"),
    ],
)
def test_who_has_left_is_taken_back_unless_they_come_again(name: str, changes: dict[str, Any], change: str) -> None:
    """Until a rehire takes effect, the employee may still count as terminated."""
    assert fetched(EMPLOYEE | changes, name).change == change


@pytest.mark.parametrize(
    ("day", "change"), [("2026-08-09", "hired"), ("2026-08-08", "changed"), ("2019-01-07", "changed")]
)
def test_staff_of_long_ago_are_no_new_hires(day: str, change: str) -> None:
    """A company that moves to Gusto creates everybody; a notice that waited is measured by its arrival."""
    answer = EMPLOYEE | {"hired_at": day, "jobs": []}
    assert fetched(answer).change == change
    assert fetched(answer, at=datetime(2026, 10, 5, tzinfo=UTC)).change == change


@pytest.mark.parametrize(
    ("answer", "final", "seconds"),
    [
        (httpx.Response(404), True, None),
        (httpx.Response(401), False, None),
        (httpx.Response(403), False, None),
        (httpx.Response(429, headers={"retry-after": "30"}), False, 30.0),
        (httpx.Response(503), False, None),
        (httpx.Response(200, text="<html>"), False, None),
        (httpx.Response(200, json=EMPLOYEE | {"uuid": "another"}), True, None),
    ],
)
def test_an_answer_without_the_employee_says_whether_asking_again_can_help(
    answer: httpx.Response, final: bool, seconds: float | None
) -> None:
    """Only somebody who is gone stays gone, and another employee would be the wrong one to invite."""
    with pytest.raises(DetailsUnavailable) as refused:
        fetched(answer)
    assert (refused.value.final, refused.value.retry_after) == (final, seconds)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"hired_at": "10/05/2026"}, "employee.hired_at"),
        ({"jobs": [{"hire_date": 5}]}, "employee.jobs.0.hire_date"),
        ({"jobs": {"hire_date": "2026-10-05"}}, "employee.jobs"),
        ({"jobs": [{}] * 101}, "employee.jobs"),
        ({"work_email": ["noor@example.com"]}, "employee.work_email"),
        ({"uuid": None}, "employee.uuid"),
    ],
)
def test_an_employee_whose_fields_do_not_fit_is_parked_with_the_reason(changes: dict[str, Any], field: str) -> None:
    """And without the values."""
    with pytest.raises(BadEvent) as refused:
        fetched(EMPLOYEE | changes)
    assert field in {problem.field for problem in refused.value.problems}
    assert "noor" not in str(refused.value).lower()


def test_a_secret_that_is_no_token_is_asked_for_again_and_not_shown() -> None:
    """Somebody mends it."""
    (notice,) = Gusto(client()).read(EXAMPLE.request, NOON)
    with pytest.raises(DetailsUnavailable) as refused:
        GustoEmployees(client()).fetch(notice, SETTINGS, "two words", NOON)
    assert not refused.value.final
    assert "two words" not in str(refused.value)


def test_the_hosts_are_gustos_own() -> None:
    """The stage says nothing, or names the demo; there is no list of recent hires by the company's token."""
    gusto = Gusto(client())
    assert gusto.settings_errors(SETTINGS) == []
    assert len(gusto.settings_errors(SourceSettings("gusto", options={"version": "1"}))) == 1
    assert gusto.listing is None
    api = GustoEmployees(client())
    assert api.is_vendor_host("api.gusto.com")
    assert api.is_vendor_host("api.gusto-demo.com")
    for host in ("gusto.com", "api.gusto.com.evil.example", "api-gusto.com", "api.gusto.com\n"):
        assert not api.is_vendor_host(host)
