"""Deel: contracts that begin when they are signed, people of Deel HR, and an address that is private."""

import json
from collections.abc import Callable
from contextlib import suppress
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
from usher.sources.deel import Deel, DeelApi
from usher.sources.signatures import Hmac

NOON = datetime(2026, 9, 8, 12, 0, tzinfo=UTC)
EXAMPLE = Example.load("deel")
SETTINGS = SourceSettings("deel")
SENT = "2026-09-08T11:59:31.070Z"
PRIVATE = "noor.haddad.private@example.com"

CONTRACT: dict[str, Any] = {
    "id": "ctr_example_0001",
    "title": "Noor Haddad, platform",
    "type": "eor",
    "status": "in_progress",
    "start_date": "2026-10-05T00:00:00.000Z",
    "job_title": "Platform Engineer",
    "worker": {"id": "w1", "first_name": "Noor", "last_name": "Haddad", "email": PRIVATE, "alternate_email": PRIVATE},
    "client": {"id": "c1", "email": "owner@example.com", "team": {"id": 7, "name": "Engineering"}},
    "invitations": {"worker_email": PRIVATE},
}
PERSON: dict[str, Any] = {
    "id": "a4f91c16-2104-4841-ba4e-77fdcb5b0001",
    "first_name": "Noor",
    "last_name": "Haddad",
    "emails": [
        {"type": "primary", "value": PRIVATE},
        {"type": "work", "value": None},
        {"type": "personal", "value": PRIVATE},
    ],
    "start_date": "2026-10-05",
    "job_title": "Platform Engineer",
    "department": {"id": "d1", "name": "Engineering"},
    "work_location": "Lisbon",
    "hiring_type": "direct_employee",
    "hiring_status": "onboarding",
    "updated_at": "2026-09-08T11:59:30.000Z",
}

Handler = Callable[[httpx.Request], httpx.Response]


def client(handler: Handler = lambda request: httpx.Response(500)) -> httpx.Client:
    """Give a client whose other side answers as the handler says."""
    return httpx.Client(transport=httpx.MockTransport(handler))


DEEL = Deel(client())


def read(body: object) -> tuple[Notice, ...]:
    """Read a body as Deel."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return DEEL.read(WebhookRequest("POST", "deel", {}, raw), NOON)


def event(name: object, resource: object = None, **meta: Any) -> dict[str, Any]:
    """Make an event; `meta` is what it says of itself."""
    resource = {"id": CONTRACT["id"]} if resource is None else resource
    return {"data": {"meta": {"event_type": name, "event_id": "evt_1"} | meta, "resource": resource}, "timestamp": SENT}


def fetched(answer: object, name: str = "contract.signed", at: datetime = NOON) -> NewHire:
    """Fetch the worker of an event where Deel answers so."""
    response = answer if isinstance(answer, httpx.Response) else httpx.Response(200, json=answer)
    is_person = name.startswith(("employee", "onboarding")) and not name.endswith("contractor")
    (notice,) = read(event(name, {"id": PERSON["id"] if is_person else CONTRACT["id"], "status": "active"}))
    return DeelApi(client(lambda request: response)).fetch(notice, SETTINGS, "token", at)


def test_the_contracts_example_is_believed_with_the_verb_before_its_body() -> None:
    """Signed is the text POST and the body; a changed byte, another key or the body alone is refused."""
    DEEL.verify(EXAMPLE.request, (EXAMPLE.secret,), NOON)
    bare = Hmac(header="x-deel-signature").sign(EXAMPLE.request, EXAMPLE.secret)
    body_alone = WebhookRequest("POST", "deel", {"x-deel-signature": (bare,)}, EXAMPLE.request.body)
    for request, secret in [
        (EXAMPLE.flipped(40), EXAMPLE.secret),
        (EXAMPLE.request, "another"),
        (body_alone, EXAMPLE.secret),
    ]:
        with pytest.raises(Unauthentic):
            DEEL.verify(request, (secret,), NOON)


def test_a_contract_that_was_only_created_is_no_hire() -> None:
    """It may be cancelled before anybody signs it; nothing of it is kept."""
    (notice,) = DEEL.read(EXAMPLE.request, NOON)
    assert (notice.event, notice.change, notice.subject, notice.problems) == ("contract.created", None, None, ())
    assert PRIVATE not in notice.model_dump_json()


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("contract.signed", "hired"),
        ("contract.amended", "changed"),
        ("employee.created.contractor", "hired"),
        ("employee.created.direct", "hired"),
        ("employee.created.eor", "hired"),
        ("employee.created", "hired"),
        ("employee.updated.direct", "changed"),
        ("onboarding.status.updated", "changed"),
    ],
)
@pytest.mark.parametrize("many", [True, False])
def test_an_event_about_a_worker_is_a_thin_notice(name: str, change: str, many: bool) -> None:
    """Its resource is an object, or a list of them."""
    resource = {"id": "w-1", "worker_email": PRIVATE}
    (notice,) = read(event(name, [resource] if many else resource))
    assert (notice.event, notice.change, notice.subject, notice.hire) == (name, change, "w-1", None)
    assert PRIVATE not in notice.model_dump_json()


@pytest.mark.parametrize(
    ("status", "change"),
    [
        ("signed", "hired"),
        ("onboarding", "hired"),
        ("In_Progress", "hired"),
        ("cancelled", "cancelled"),
        ("rejected", "cancelled"),
        ("completed", "cancelled"),
        ("pending", None),
        ("waiting_for_contractor_sign", None),
        ("a_new_one", None),
    ],
)
def test_the_status_of_a_contract_says_whether_it_has_begun(status: str, change: str | None) -> None:
    """Drafts and what waits for a signature are no hires yet."""
    (notice,) = read(event("contract.status.updated", {"contract_id": "c1", "id": 7, "status": status}))
    assert (notice.change, notice.subject, notice.problems) == (change, "c1", ())


DATED = "2026-09-08T11:59:30.070Z"


@pytest.mark.parametrize(
    ("name", "status"), [("contract.terminated", None), ("contract.status.updated", "user_cancelled")]
)
def test_the_end_of_a_contract_is_ordered_by_the_time_of_the_event(name: str, status: str | None) -> None:
    """It may come late or again, after the contract was signed once more; nobody is asked."""
    resource = {"id": "c1", "status": status}
    version = as_version(datetime(2026, 9, 8, 11, 59, 30, 70_000, tzinfo=UTC))
    for body in (
        event(name, resource, occurred_at=DATED),
        event(name, resource) | {"timestamp": DATED},
    ):
        (notice,) = read(body)
        assert notice.hire == NewHire(source="deel", hire_id="c1", version=version, change=Change.CANCELLED)
    (undated,) = read(event(name, resource, occurred_at=None) | {"timestamp": None})
    assert undated.hire is not None
    assert undated.hire.version == as_version(NOON)


def test_the_end_of_a_contract_that_is_sent_again_after_it_was_signed_does_not_end_it() -> None:
    """Whoever has seen the request can send it at any time, also when its name is long forgotten."""
    body = event("contract.terminated", occurred_at=DATED)
    (ended,) = read(body)
    assert ended.hire is not None
    record = merged(None, ended.hire, ended.notice_id, NOON).record
    for number in range(25):
        hire = fetched({"data": CONTRACT}, at=NOON + timedelta(hours=number))
        record = merged(record, hire, f"{number:032x}", NOON).record
    raw = json.dumps(body).encode()
    (again,) = DEEL.read(WebhookRequest("POST", "deel", {}, raw), NOON + timedelta(days=230))
    assert again.hire is not None
    assert again.notice_id not in record.notices
    assert merged(record, again.hire, again.notice_id, NOON).record.is_hired


@pytest.mark.parametrize("moment", ["2026-09-08T12:05:01Z", "2199-01-01T00:00:00Z", "yesterday", 1788868770])
def test_an_end_at_no_time_or_at_one_that_is_yet_to_come_is_parked(moment: object) -> None:
    """As a version, a time far ahead would outlast every later hire."""
    (notice,) = read(event("contract.terminated", occurred_at=moment))
    assert notice.problems
    (other,) = read(event("contract.signed", occurred_at=moment))
    assert other.is_thin


def test_several_workers_in_one_event_are_a_notice_each() -> None:
    """One that cannot be used costs the others nothing."""
    one, bad, two = read(event("contract.signed", [{"id": "1"}, {"id": "a/b"}, {"contract_id": 2}]))
    assert [one.subject, two.subject] == ["1", "2"]
    assert bad.problems
    assert len({one.notice_id, bad.notice_id, two.notice_id}) == 3


def test_a_delivery_is_named_by_its_own_id_with_what_it_is_about() -> None:
    """An older one has a tracking id, which may trace several events; without any, the bytes are the name."""
    (first,), (again,) = read(event("contract.signed")), read(event("contract.signed") | {"timestamp": "later"})
    assert first.notice_id == again.notice_id
    traced = {"event_id": None, "tracking_id": "t1"}
    (signed,), (ended,) = read(event("contract.signed", **traced)), read(event("contract.terminated", **traced))
    (bytes_only,) = read(event("contract.signed", event_id=None))
    assert len({first.notice_id, signed.notice_id, ended.notice_id, bytes_only.notice_id}) == 4


@pytest.mark.parametrize("resource", [{"id": "c1"}, [], None])
def test_a_simulation_does_nothing(resource: object) -> None:
    """Whatever it is about."""
    body = event("contract.signed", is_simulation=True)
    body["data"]["resource"] = resource
    assert read(body) == ()
    (real,) = read(event("contract.signed", is_simulation=False))
    assert real.is_thin


@pytest.mark.parametrize("name", ["contract.duplicated", "worker.v2.created", "payment.made", "x" * 100])
def test_other_events_are_no_hire(name: str) -> None:
    """Whatever their resource is."""
    (notice,) = read(event(name, "anything"))
    assert (notice.change, notice.problems) == (None, ())


@pytest.mark.parametrize(
    "body",
    [
        b"not JSON",
        [],
        {},
        {"data": None},
        {"data": {"meta": {}}},
        {"data": {"meta": {"event_type": "contract.signed"}}},
        event(None),
        event("contract.signed", []),
        event("contract.signed", "c1"),
        event("contract.signed", {}),
        event("contract.signed", {"id": None}),
        event("contract.signed", {"id": ["c1"]}),
        event("contract.signed", {"id": "../people"}),
        event("contract.signed", [{"id": "c1"}] * 101),
        event("contract.status.updated", {"id": "c1"}),
        event("contract.status.updated", {"id": "c1", "status": {"name": "signed"}}),
        event("contract.signed", is_simulation="perhaps"),
    ],
)
def test_what_cannot_be_used_is_parked_and_thanked_for(body: object) -> None:
    """Deel switches a feed off that fails, so the answer is 200 whatever the body."""
    (notice,) = read(body)
    assert notice.problems
    assert notice.sealed_body
    assert not notice.is_thin
    assert (DEEL.thanks().status, DEEL.thanks().body, DEEL.tells_problems) == (200, "", False)


KEYS = ["data", "meta", "event_type", "resource", "id", "status", "is_simulation", *CONTRACT, *PERSON]
VALUES = st.recursive(
    st.none() | st.text() | st.integers() | st.booleans() | st.just("contract.signed"),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(KEYS), inner),
)


@given(
    st.binary()
    | VALUES.map(lambda value: json.dumps(value).encode())
    | VALUES.map(lambda value: json.dumps(event("contract.status.updated", value)).encode())
)
def test_no_body_raises(body: bytes) -> None:
    """Whatever was signed."""
    for notice in read(body):
        assert notice.problems or notice.is_thin or notice.change is None


@given(VALUES | VALUES.map(lambda value: {"data": CONTRACT | (value if isinstance(value, dict) else {})}))
def test_no_answer_raises_anything_else(answer: object) -> None:
    """Deel's API is a stranger as well."""
    with suppress(BadEvent, DetailsUnavailable):
        assert fetched(answer).hire_id == CONTRACT["id"]


def test_a_contract_is_asked_for_by_its_id() -> None:
    """It names no work address; that of the worker is private, that of the client somebody else's."""
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json={"data": CONTRACT})

    (notice,) = read(event("contract.signed", {"contract_id": "ctr_example_0001"}))
    hire = DeelApi(client(answer)).fetch(notice, SETTINGS, "api-token", NOON)
    (request,) = seen
    assert request.url == EXAMPLE.raw["detail_fetch"]["request"]["url"]
    assert request.headers["authorization"] == "Bearer api-token"
    assert hire == NewHire(
        source="deel",
        hire_id="ctr_example_0001",
        version=as_version(NOON),
        given_name="Noor",
        family_name="Haddad",
        start_date=date(2026, 10, 5),
        title="Platform Engineer",
        department="Engineering",
        employment_type="eor",
    )


def test_a_person_is_asked_for_by_the_id_of_their_profile() -> None:
    """Only the address of type work is one."""
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json={"data": PERSON})

    (notice,) = read(event("employee.created.direct", {"id": PERSON["id"]}))
    hire = DeelApi(client(answer)).fetch(notice, SETTINGS, "api-token", NOON)
    assert seen[0].url == f"https://api.letsdeel.com/rest/v2/people/{PERSON['id']}"
    assert hire == NewHire(
        source="deel",
        hire_id=PERSON["id"],
        version=as_version(NOON),
        given_name="Noor",
        family_name="Haddad",
        start_date=date(2026, 10, 5),
        title="Platform Engineer",
        department="Engineering",
        location="Lisbon",
        employment_type="direct_employee",
    )
    addressed = PERSON | {"emails": [None, *PERSON["emails"], {"type": "work", "value": "noor@example.com"}]}
    assert fetched({"data": addressed}, "employee.created.eor").work_email == "noor@example.com"


def test_what_deel_leaves_out_is_nothing() -> None:
    """And a thing may be written as its name or as an object."""
    bare = fetched({"data": {"id": CONTRACT["id"], "worker": None, "client": None, "emails": None}})
    assert (bare.start_date, bare.department, bare.given_name, bare.change) == (None, None, None, Change.HIRED)
    for title in ("Engineer", {"id": 1, "name": "Engineer"}):
        assert fetched({"data": CONTRACT | {"job_title": title}}).title == "Engineer"
    assert fetched({"data": CONTRACT | {"client": {"team": None}}}).department is None


@pytest.mark.parametrize(
    ("name", "answer", "change"),
    [
        ("contract.signed", CONTRACT | {"status": "user_cancelled"}, "cancelled"),
        ("contract.amended", CONTRACT, "hired"),
        ("contract.amended", CONTRACT | {"status": "waiting_for_client_sign"}, "changed"),
        ("contract.amended", CONTRACT | {"status": "terminated"}, "cancelled"),
        ("contract.status.updated", CONTRACT, "hired"),
        ("employee.created.direct", PERSON | {"hiring_status": "Inactive"}, "cancelled"),
        ("employee.updated.direct", PERSON, "hired"),
        ("onboarding.status.updated", PERSON, "hired"),
        # A contract that goes on after a pause is no new hire.
        ("contract.status.updated", CONTRACT | {"start_date": "2024-01-08"}, "changed"),
        ("employee.created.direct", PERSON | {"start_date": "2026-08-08"}, "changed"),
    ],
)
def test_a_worker_is_told_as_they_stand_now(name: str, answer: dict[str, Any], change: str) -> None:
    """Cancelled meanwhile, or at work for long; a notice that waited is measured by its arrival."""
    assert fetched({"data": answer}, name).change == change
    assert fetched({"data": answer}, name, datetime(2026, 12, 1, tzinfo=UTC)).change == change


@pytest.mark.parametrize(
    ("answer", "final", "seconds"),
    [
        (httpx.Response(404), True, None),
        (httpx.Response(401), False, None),
        (httpx.Response(403), False, None),
        (httpx.Response(429, headers={"retry-after": "30"}), False, 30.0),
        (httpx.Response(500), False, None),
        (httpx.Response(200, json={"data": CONTRACT | {"id": "another"}}), True, None),
    ],
)
def test_an_answer_without_the_worker_says_whether_asking_again_can_help(
    answer: httpx.Response, final: bool, seconds: float | None
) -> None:
    """Only somebody who is gone stays gone, and another worker would be the wrong one to invite."""
    with pytest.raises(DetailsUnavailable) as refused:
        fetched(answer)
    assert (refused.value.final, refused.value.retry_after) == (final, seconds)


@pytest.mark.parametrize(
    ("answer", "field"),
    [
        ({}, "worker.data"),
        ({"data": [CONTRACT]}, "worker.data"),
        ({"data": CONTRACT | {"start_date": "10/05/2026"}}, "worker.data.start_date"),
        ({"data": CONTRACT | {"job_title": {"name": 7}}}, "worker.data.job_title"),
        ({"data": CONTRACT | {"emails": [{"type": "work", "value": [PRIVATE]}]}}, "worker.data.emails.0.value"),
        ({"data": CONTRACT | {"emails": [{}] * 21}}, "worker.data.emails"),
        ({"data": CONTRACT | {"id": None}}, "worker.data.id"),
    ],
)
def test_a_worker_whose_fields_do_not_fit_is_parked_with_the_reason(answer: dict[str, Any], field: str) -> None:
    """And without the values."""
    with pytest.raises(BadEvent) as refused:
        fetched(answer)
    assert field in {problem.field for problem in refused.value.problems}
    assert "noor" not in str(refused.value).lower()


def test_the_hosts_are_deels_own() -> None:
    """The stage says nothing, or names the demo."""
    assert DEEL.settings_errors(SETTINGS) == []
    assert len(DEEL.settings_errors(SourceSettings("deel", options={"team": "1"}))) == 1
    api = DeelApi(client())
    assert api.is_vendor_host("api.letsdeel.com")
    assert api.is_vendor_host("api-staging.letsdeel.com")
    for host in ("letsdeel.com", "api.letsdeel.com.evil.example", "apiXletsdeel.com", "api.letsdeel.com\n"):
        assert not api.is_vendor_host(host)
