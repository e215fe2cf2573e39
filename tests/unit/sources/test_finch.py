"""Finch: three events for one hire, and two questions about the person."""

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
from usher.sources.finch import Finch, FinchPeople

NOON = datetime(2026, 9, 8, 12, 0, tzinfo=UTC)
EXAMPLE = Example.load("finch")
OFFICIAL = Example.load("finch-official")
SETTINGS = SourceSettings("finch")
ID = "59dcedb1-75a4-446c-8ece-4f9ccd530001"
INDIVIDUAL: dict[str, Any] = EXAMPLE.raw["detail_fetch"]["response_example"]["individual"]
EMPLOYMENT: dict[str, Any] = EXAMPLE.raw["detail_fetch"]["response_example"]["employment"]
PRIVATE = {"data": "noor.haddad.private@example.com", "type": "personal"}
WORK = {"data": "noor.haddad@example.com", "type": "work"}

Handler = Callable[[httpx.Request], httpx.Response]


def people(handler: Handler, monotonic: Callable[[], float] = lambda: 0.0) -> FinchPeople:
    """Ask a Finch that answers as the handler says."""
    return FinchPeople(httpx.Client(transport=httpx.MockTransport(handler)), monotonic)


def source() -> Finch:
    """Give a source whose API is never asked."""
    return Finch(httpx.Client(transport=httpx.MockTransport(lambda request: httpx.Response(500))))


def read(body: object, delivery: str = "msg_1") -> tuple[Notice, ...]:
    """Read a body as Finch."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return source().read(WebhookRequest("POST", "finch", {"finch-event-id": (delivery,)}, raw), NOON)


def a_notice(change: Change = Change.HIRED) -> Notice:
    """Make the thin notice of the contract's example."""
    (notice,) = source().read(EXAMPLE.request, NOON)
    return notice.model_copy(update={"change": change})


def batch(body: Any, code: Any = 200, individual_id: Any = ID) -> dict[str, Any]:
    """Make the answer to a batch of one."""
    return {"responses": [{"individual_id": individual_id, "code": code, "body": body}]}


def answering(individual: Any, employment: Any) -> Handler:
    """Answer both questions."""

    def answer(request: httpx.Request) -> httpx.Response:
        found = individual if request.url.path.endswith("/individual") else employment
        return found if isinstance(found, httpx.Response) else httpx.Response(200, json=found)

    return answer


def fetched(
    individual: dict[str, Any] | None = None, employment: dict[str, Any] | None = None, change: Change = Change.HIRED
) -> NewHire:
    """Fetch the person of the contract's example, changed."""
    answers = answering(batch(INDIVIDUAL | (individual or {})), batch(EMPLOYMENT | (employment or {})))
    return people(answers).fetch(a_notice(change), SETTINGS, "token", NOON)


def at(example: Example, seconds: int = 0) -> datetime:
    """Give the time that an example is signed for, and some seconds more."""
    signed_at = int(example.request.headers["finch-timestamp"][0])
    return datetime.fromtimestamp(signed_at, UTC) + timedelta(seconds=seconds)


def test_the_contracts_examples_are_believed_and_no_other_byte_is() -> None:
    """Ours, and the one that Finch's own library is tested with."""
    for example in (EXAMPLE, OFFICIAL):
        source().verify(example.request, ("c2VjcmV0", example.secret), example.received_at)
        for position in range(len(example.request.body)):
            with pytest.raises(Unauthentic):
                source().verify(example.flipped(position), (example.secret,), example.received_at)
        with pytest.raises(Unauthentic):
            source().verify(example.request, ("Zm9v",), example.received_at)


@pytest.mark.parametrize(("seconds", "believed"), [(0, True), (300, True), (301, False), (-300, True), (-301, False)])
def test_a_signature_holds_for_five_minutes_either_way(seconds: int, believed: bool) -> None:
    """Every attempt is stamped anew."""
    try:
        source().verify(EXAMPLE.request, (EXAMPLE.secret,), at(EXAMPLE, seconds))
    except Unauthentic:
        assert not believed
    else:
        assert believed


SIGNATURE = OFFICIAL.request.headers["finch-signature"][0]
WRONG = "v1,Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9tdO6mc="


@pytest.mark.parametrize(
    ("value", "believed"),
    [
        (f"{WRONG} {SIGNATURE}", True),
        (f"v2{SIGNATURE[2:]} {SIGNATURE}", True),
        (f"v2{SIGNATURE[2:]}", False),
        (SIGNATURE.removeprefix("v1,"), False),
        (WRONG, False),
        ("", False),
        (" ".join([WRONG] * 10 + [SIGNATURE]), False),
        ("v1,\u00e9", False),
    ],
)
def test_any_entry_of_the_first_version_may_match(value: str, believed: bool) -> None:
    """And entries of others are passed over, as in Finch's own library."""
    headers = {**OFFICIAL.request.headers, "finch-signature": (value,)}
    try:
        source().verify(replace(OFFICIAL.request, headers=headers), (OFFICIAL.secret,), at(OFFICIAL))
    except Unauthentic:
        assert not believed
    else:
        assert believed


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("individual.created", "hired"),
        ("individual.updated", "changed"),
        ("employment.created", "changed"),
        ("employment.updated", "changed"),
    ],
)
def test_an_event_is_a_thin_notice(name: str, change: str) -> None:
    """One of the three events of a hire hires; the employment's completes it, if it comes later."""
    (notice,) = read({"event_type": name, "data": {"individual_id": ID}})
    assert (notice.event, notice.change, notice.subject, notice.hire) == (name, change, ID, None)
    assert notice.is_thin


@pytest.mark.parametrize(
    "name", ["directory.created", "account.updated", "job.data_sync_all.completed", "individual.deleted", None, 7]
)
def test_other_events_are_no_hire(name: object) -> None:
    """The third event of a hire is among them."""
    (notice,) = read({"event_type": name, "data": {"individual_id": ID}})
    assert (notice.change, notice.subject, notice.problems) == (None, None, ())
    assert source().thanks().status == 200


def test_the_dashboards_test_says_nothing() -> None:
    """And is answered 200."""
    assert read({"event_type": "test", "data": {}}) == ()


def test_a_body_without_an_event_is_recorded() -> None:
    """That of the vendor's own test vector."""
    (notice,) = source().read(OFFICIAL.request, NOON)
    assert (notice.event, notice.change, notice.problems) == ("unnamed", None, ())


def test_a_redelivery_has_the_same_name_and_a_second_update_another() -> None:
    """Two updates of one person have the same body; the id of the delivery is signed, and so believed."""
    body = {"event_type": "individual.updated", "data": {"individual_id": ID}}
    (first,), (again,), (second,) = read(body), read(body), read(body, delivery="msg_2")
    assert first.notice_id == again.notice_id != second.notice_id


@pytest.mark.parametrize(
    "body",
    [
        b"not json",
        {"event_type": "individual.created"},
        {"event_type": "individual.created", "data": {}},
        {"event_type": "individual.created", "data": {"individual_id": None}},
        {"event_type": "individual.created", "data": {"individual_id": "../x"}},
        {"event_type": "individual.created", "data": {"individual_id": "9" * 65}},
    ],
)
def test_what_cannot_be_used_is_a_notice_that_says_why(body: object) -> None:
    """With the body sealed."""
    (notice,) = read(body)
    assert notice.problems
    assert notice.sealed_body
    assert not notice.is_thin


JSON = st.recursive(
    st.none() | st.booleans() | st.text() | st.integers() | st.just(ID) | st.just("2026-10-05"),
    lambda c: (
        st.lists(c)
        | st.dictionaries(
            st.sampled_from(["event_type", "data", "individual_id", "responses", "code", "body", "name", "type"])
            | st.sampled_from([*INDIVIDUAL, *EMPLOYMENT]),
            c,
        )
    ),
)


@given(
    st.binary()
    | st.builds(
        lambda value: json.dumps(value).encode(),
        JSON | JSON.map(lambda data: {"event_type": "individual.created", "data": data}),
    )
)
def test_no_body_raises(body: bytes) -> None:
    """Whatever was signed."""
    for notice in read(body):
        assert notice.problems or notice.is_thin or notice.change is None


@given(JSON | JSON.map(batch), JSON | JSON.map(batch) | st.just(batch(EMPLOYMENT)))
def test_no_answer_raises_an_error_of_another_type(individual: Any, employment: Any) -> None:
    """Whatever the API says."""
    with suppress(DetailsUnavailable, BadEvent):
        assert people(answering(individual, employment)).fetch(a_notice(), SETTINGS, "t", NOON).hire_id == ID


def test_both_halves_of_a_person_are_asked_for() -> None:
    """By the token of the connection, and in a version of the API that is known."""
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return answering(batch(INDIVIDUAL), batch(EMPLOYMENT))(request)

    hire = people(answer).fetch(a_notice(), SETTINGS, "example-token", NOON)
    assert [str(request.url) for request in seen] == [
        "https://api.tryfinch.com/employer/individual",
        "https://api.tryfinch.com/employer/employment",
    ]
    for request in seen:
        assert request.method == "POST"
        assert json.loads(request.content) == {"requests": [{"individual_id": ID}]}
        assert request.headers["authorization"] == "Bearer example-token"
        assert request.headers["finch-api-version"] == "2020-09-17"
    assert hire == NewHire(
        source="finch",
        hire_id=ID,
        version=as_version(NOON),
        given_name="Noor",
        family_name="Haddad",
        start_date=date(2026, 10, 5),
        title="Platform Engineer",
        department="Engineering",
        location="Lisbon",
        employment_type="full_time",
    )


@pytest.mark.parametrize(
    ("emails", "address"),
    [
        ([PRIVATE, WORK], "noor.haddad@example.com"),
        ([PRIVATE], None),
        ([{"data": "noor@example.com", "type": None}], None),
        ([None, {"data": None, "type": "work"}, {}, WORK], "noor.haddad@example.com"),
        ([], None),
        (None, None),
    ],
)
def test_only_an_address_that_is_marked_as_works_is_taken(emails: Any, address: str | None) -> None:
    """Somebody new often has a private one alone, and waits for the other."""
    hire = fetched({"emails": emails})
    assert hire.work_email == address
    assert "private" not in hire.model_dump_json()


def test_what_is_null_is_nothing() -> None:
    """Finch gives what the HR system behind it has."""
    hire = fetched(
        dict.fromkeys(["first_name", "last_name"]), dict.fromkeys([key for key in EMPLOYMENT if key != "id"])
    )
    assert (hire.given_name, hire.start_date, hire.department, hire.location, hire.employment_type) == (None,) * 5
    assert fetched({}, {"department": {"name": None}, "employment": {"type": "contractor"}}).department is None
    assert fetched({}, {"employment": {"type": "contractor", "subtype": None}}).employment_type == "contractor"


@pytest.mark.parametrize("told", [Change.HIRED, Change.CHANGED])
@pytest.mark.parametrize(
    ("employment", "change"),
    [
        # Nobody is active before the first day.
        ({"employment_status": "prehire", "is_active": False}, Change.HIRED),
        ({"employment_status": "onboarding", "is_active": None}, Change.HIRED),
        ({"employment_status": None, "is_active": False}, Change.HIRED),
        ({"employment_status": "active", "start_date": "2026-08-09"}, Change.HIRED),
        # The first sync shows the whole company.
        ({"employment_status": "active", "start_date": "2026-08-08"}, Change.CHANGED),
        ({"employment_status": "active", "start_date": None}, Change.CHANGED),
        # Who comes back.
        ({"employment_status": "active", "start_date": "2019-01-01", "latest_rehire_date": "2026-09-01"}, Change.HIRED),
        ({"employment_status": "terminated", "is_active": True}, Change.CANCELLED),
        ({"employment_status": "retired"}, Change.CANCELLED),
        ({"employment_status": "deceased"}, Change.CANCELLED),
        ({"employment_status": None, "is_active": False, "start_date": "2026-09-08"}, Change.CANCELLED),
        ({"employment_status": None, "is_active": False, "start_date": None}, Change.CANCELLED),
    ],
)
def test_the_day_and_the_status_decide_what_it_is(employment: dict[str, Any], change: Change, told: Change) -> None:
    """Not the event: an update may come before what it updates, and a rehire has no event of its own."""
    assert fetched({}, employment, told).change is change


def test_somebody_who_comes_back_starts_on_the_latest_day() -> None:
    """The first one was years ago."""
    hire = fetched({}, {"start_date": "2019-01-01", "latest_rehire_date": "2026-10-12T00:00:00Z"})
    assert hire.start_date == date(2026, 10, 12)


@pytest.mark.parametrize(
    ("answer", "final"),
    [
        (batch({"code": 404, "message": "noor", "name": "not_found"}, code=404), True),
        (batch({"code": 202, "finch_code": "data_sync_in_progress"}, code=202), False),
        (batch("pending", code=202), False),
        (batch({"code": 401}, code=401), False),
        (batch(None), False),
        (batch({}, individual_id="59dcedb1-75a4-446c-8ece-4f9ccd530002"), True),
        (batch({"id": "59dcedb1-75a4-446c-8ece-4f9ccd530002"}), True),
        ({"responses": []}, True),
    ],
)
def test_every_person_of_a_batch_has_an_ending_of_their_own(answer: dict[str, Any], final: bool) -> None:
    """The request as a whole is answered 200."""
    for handler in (answering(answer, batch(EMPLOYMENT)), answering(batch(INDIVIDUAL), answer)):
        with pytest.raises(DetailsUnavailable) as refused:
            people(handler).fetch(a_notice(), SETTINGS, "token", NOON)
        assert refused.value.final is final
        assert "noor" not in str(refused.value)


@pytest.mark.parametrize(
    # A 404 of the whole request is of the address, which names nobody.
    ("status", "final"),
    [(404, False), (202, False), (401, False), (403, False), (429, False), (500, False)],
)
def test_an_answer_without_the_person_says_whether_asking_again_can_help(status: int, final: bool) -> None:
    """And when."""
    broken = httpx.Response(status, text="noor", headers={"retry-after": "60"})
    for handler in (answering(broken, batch(EMPLOYMENT)), answering(batch(INDIVIDUAL), broken)):
        with pytest.raises(DetailsUnavailable) as refused:
            people(handler).fetch(a_notice(), SETTINGS, "token", NOON)
        assert refused.value.final is final
        assert refused.value.retry_after == (60.0 if status in (404, 202, 429, 500) else None)
        assert "noor" not in str(refused.value)


def test_both_questions_share_one_deadline() -> None:
    """Ten notices of a batch must fit into an invocation."""
    clock = [0.0]

    def answer(request: httpx.Request) -> httpx.Response:
        clock[0] += 3.0
        return answering(batch(INDIVIDUAL), batch(EMPLOYMENT))(request)

    with pytest.raises(DetailsUnavailable, match="took too long"):
        people(answer, lambda: clock[0]).fetch(a_notice(), SETTINGS, "token", NOON)


def test_a_secret_that_is_no_token_is_not_sent() -> None:
    """A stray line break would otherwise end in an untyped error."""
    with pytest.raises(DetailsUnavailable, match="token"):
        people(answering(batch(INDIVIDUAL), batch(EMPLOYMENT))).fetch(a_notice(), SETTINGS, "to ken\n", NOON)


def test_a_person_whose_fields_do_not_fit_is_parked_with_the_reasons() -> None:
    """And without the values."""
    with pytest.raises(BadEvent) as refused:
        fetched({}, {"start_date": "10/05/2026", "department": "Engineering", "is_active": "maybe"})
    fields = {problem.field for problem in refused.value.problems}
    assert fields == {"person.start_date", "person.department", "person.is_active"}
    assert "Engineering" not in str(refused.value)


@pytest.mark.parametrize(
    "answer", [{"responses": [1] * 300_000}, batch({**INDIVIDUAL, "emails": [1] * 300_000}), {"responses": {}}, []]
)
def test_a_list_that_no_person_has_is_read_no_further_than_its_bound(answer: Any) -> None:
    """One reason, and not one for each entry."""
    with pytest.raises((BadEvent, DetailsUnavailable)) as refused:
        people(answering(answer, batch(EMPLOYMENT))).fetch(a_notice(), SETTINGS, "token", NOON)
    assert len(str(refused.value)) < 200


@pytest.mark.parametrize(
    ("host", "own"), [("api.tryfinch.com", True), ("tryfinch.com", False), ("api.tryfinch.com.evil.example", False)]
)
def test_the_vendor_has_one_host(host: str, own: bool) -> None:
    """The token goes nowhere else, unless the stage lists the host."""
    details = source().details
    assert details is not None
    assert details.is_vendor_host(host) is own
    assert details.settings_errors(SETTINGS) == []
