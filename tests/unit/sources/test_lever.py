"""Lever: a body of which two fields are signed, and an API that says who was hired."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
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
from usher.sources.lever import Lever, LeverOpportunities

NOON = datetime(2026, 9, 8, 12, 0, tzinfo=UTC)
EXAMPLE = Example.load("lever")
BODY: dict[str, Any] = json.loads(EXAMPLE.request.body)
ID = "b0000000-0000-4000-8000-000000000001"
OTHER_ID = "b0000000-0000-4000-8000-000000000002"
REASON = "16308515-dc77-4aa7-b3af-96161b2b4e9b"
SETTINGS = SourceSettings("lever")
OPPORTUNITY: dict[str, Any] = {
    "id": ID,
    "name": "Noor Haddad",
    "contact": "d0000000-0000-4000-8000-000000000001",
    "headline": "Old Employer Ltd",
    "location": "Berlin",
    "emails": ["noor.haddad.private@example.com"],
    "updatedAt": 1788868793000,
    "archived": {"reason": REASON, "archivedAt": 1788868793000},
}

Handler = Callable[[httpx.Request], httpx.Response]


def source() -> Lever:
    """Give a source whose API is never asked."""
    return Lever(httpx.Client(transport=httpx.MockTransport(lambda request: httpx.Response(500))))


def request_of(body: object) -> WebhookRequest:
    """Make a request of a body."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return WebhookRequest("POST", "lever", {"content-type": ("application/json",)}, raw)


def read(**changes: Any) -> tuple[Notice, ...]:
    """Read the contract's example, changed."""
    return source().read(request_of(BODY | changes), NOON)


def signed(token: str, moment: str) -> str:
    """Sign as the contract says."""
    return hmac.new(EXAMPLE.secret.encode(), (token + moment).encode(), hashlib.sha256).hexdigest()


def a_notice(**changes: Any) -> Notice:
    """Make the thin notice of the contract's example."""
    (notice,) = source().read(EXAMPLE.request, NOON)
    return notice.model_copy(update=changes)


def answering(opportunity: object, reason: object = "hired") -> Handler:
    """Answer with an opportunity, and with the type of whatever it was archived for."""

    def answer(request: httpx.Request) -> httpx.Response:
        if "/archive_reasons/" in request.url.path:
            return httpx.Response(200, json={"data": {"id": REASON, "text": "Hired", "type": reason}})
        return httpx.Response(200, json={"data": opportunity})

    return answer


def opportunities(handler: Handler) -> LeverOpportunities:
    """Ask a Lever that answers as the handler says."""
    return LeverOpportunities(httpx.Client(transport=httpx.MockTransport(handler)), lambda: 0.0)


def fetched(handler: Handler) -> NewHire:
    """Fetch the opportunity of the contract's example."""
    return opportunities(handler).fetch(a_notice(), SETTINGS, "key", NOON)


def _always(response: httpx.Response, request: httpx.Request) -> httpx.Response:
    del request
    return response


def believed(body: object, now: datetime = NOON, secret: str = EXAMPLE.secret) -> bool:
    """Say whether a body is believed; nothing but Unauthentic may say no."""
    try:
        source().verify(request_of(body), (secret,), now)
    except Unauthentic:
        return False
    return True


def test_a_hired_candidate_is_a_thin_notice() -> None:
    """It says whom to ask about, and no more."""
    source().verify(EXAMPLE.request, ("another", EXAMPLE.secret), NOON)
    (notice,) = source().read(EXAMPLE.request, NOON)
    assert (notice.event, notice.change, notice.subject, notice.hire) == ("candidateHired", "hired", ID, None)
    assert notice.is_thin
    assert (source().thanks().status, source().thanks().body) == (200, "")


@pytest.mark.parametrize("field", ["token", "triggeredAt", "signature"])
def test_a_flipped_bit_of_what_is_signed_is_not_believed(field: str) -> None:
    """Every byte of the three values, one by one."""
    value = str(BODY[field]).encode()
    start = EXAMPLE.request.body.index(value)
    for position in range(start, start + len(value)):
        with pytest.raises(Unauthentic):
            source().verify(EXAMPLE.flipped(position), (EXAMPLE.secret,), NOON)


def test_only_the_secret_signs() -> None:
    """And the header's place is empty."""
    assert not believed(BODY, secret="another")
    forged = WebhookRequest("POST", "lever", {"signature": (BODY["signature"],)}, b"{}")
    with pytest.raises(Unauthentic):
        source().verify(forged, (EXAMPLE.secret,), NOON)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\xfe",
        b"[" * 100_000,
        b"null",
        b"[]",
        b"token=1&triggeredAt=2",
        EXAMPLE.request.body[:-1],
        EXAMPLE.request.body[:-1] + b',"token":"example-delivery-token-0001"}',
        BODY | {"token": None},
        BODY | {"token": ""},
        BODY | {"token": 7},
        BODY | {"token": "x" * 5000},
        BODY | {"signature": None},
        BODY | {"signature": ""},
        BODY | {"signature": "ü" * 64},
        BODY | {"signature": [BODY["signature"]]},
        BODY | {"signature": "0" * 64},
    ],
    ids=range(17),
)
def test_a_body_without_a_signature_that_can_be_read_is_not_believed(body: object) -> None:
    """It must be read before it is believed, so reading has no other ending."""
    assert not believed(body)


NO_TIMES = ["nan", "inf", "-1", "0", "1788868794", "1788868794000.0", "1.788868794e12", "1" + "0" * 30, "true", "null"]
NO_TIMES += ['"1_788_868_794_000"', '"١٧٨٨٨٦٨٧٩٤٠٠٠"', '" 1788868794000"', '"1788868794000\\n"', '"17888687940000"']


@pytest.mark.parametrize("moment", NO_TIMES)
def test_a_time_that_is_none_is_not_believed(moment: str) -> None:
    """Well signed or not: 13 digits are a time, and nothing else is."""
    signature = signed("t", json.loads(moment) if moment.startswith('"') else moment)
    raw = f'{{"event": "candidateHired", "token": "t", "triggeredAt": {moment}, "signature": "{signature}"}}'
    assert not believed(raw.encode())


def test_the_digits_are_hashed_as_they_came() -> None:
    """As a number or as a text."""
    assert believed(BODY)
    assert believed(BODY | {"triggeredAt": "1788868794000"})
    assert believed(BODY | {"token": " t ", "signature": signed(" t ", "1788868794000")})
    assert not believed(BODY | {"token": "t", "signature": signed(" t ", "1788868794000")})


def test_token_and_time_cannot_be_split_in_another_place() -> None:
    """Nothing stands between them, so a shorter token would make another time of the same signature."""
    token = BODY["token"]
    assert not believed(BODY | {"token": token[:-1], "triggeredAt": token[-1] + "1788868794000"})
    assert not believed(BODY | {"token": token + "1", "triggeredAt": "788868794000"})


@pytest.mark.parametrize(
    ("seconds", "expected"), [(0, True), (10_799, True), (10_801, False), (-299, True), (-301, False)]
)
def test_a_delivery_is_believed_for_three_hours(seconds: int, expected: bool) -> None:
    """Lever tries five times more, waiting longer and longer, and nobody says whether each is stamped anew."""
    sent_at = datetime.fromtimestamp(1788868794, UTC)
    assert believed(BODY, sent_at + timedelta(seconds=seconds)) is expected


@pytest.mark.parametrize("data", [{}, None, {"opportunityId": None}, {"candidateId": "c1"}])
def test_a_test_names_no_opportunity_and_says_nothing(data: object) -> None:
    """It is signed, and answered 200."""
    assert believed(BODY | {"data": data})
    assert read(data=data) == ()


@pytest.mark.parametrize("event", ["candidateStageChange", "candidateArchiveChange", "applicationCreated", "new"])
def test_other_events_are_no_hire(event: str) -> None:
    """And are answered 200."""
    (notice,) = read(event=event)
    assert (notice.event, notice.change, notice.subject, notice.problems) == (event, None, None, ())


def test_what_is_replayed_with_other_words_has_the_same_name() -> None:
    """The event's id and all the rest are not signed: with one signature, an opportunity is announced once."""
    again = [BODY | {"id": str(number), "data": BODY["data"] | {"further": number}} for number in range(50)]
    assert all(believed(body) for body in again)
    names = {notice.notice_id for body in again for notice in source().read(request_of(body), NOON)}
    assert names == {a_notice().notice_id}
    others = {read(event=f"event{number}")[0].notice_id for number in range(50)}
    assert len(others) == 1
    # What is no hire, and what cannot be used, must not stand in the place of the hire.
    (unusable,), (again_unusable,) = read(data={"opportunityId": 1.5}), read(data={"opportunityId": ".."})
    assert unusable.problems
    assert unusable.notice_id == again_unusable.notice_id
    assert len({*names, *others, unusable.notice_id}) == 3


def test_another_opportunity_under_a_captured_signature_is_asked_about_and_no_more() -> None:
    """It cannot be refused, so who is not hired is none: no name of a mere candidate is kept."""
    (forged,) = read(data={"opportunityId": OTHER_ID})
    assert forged.notice_id != a_notice().notice_id
    assert forged.is_thin
    candidate = OPPORTUNITY | {"id": OTHER_ID}
    for handler in (answering(candidate | {"archived": None}), answering(candidate, "non-hired")):
        with pytest.raises(DetailsUnavailable) as refused:
            opportunities(handler).fetch(forged, SETTINGS, "key", NOON)
        assert refused.value.final
        assert "Noor" not in str(refused.value)


def test_who_was_hired_long_ago_is_no_new_hire() -> None:
    """A captured signature hires nobody again."""

    def archived(days: int) -> NewHire:
        moment = int((NOON - timedelta(days=days)).timestamp() * 1000)
        return fetched(answering(OPPORTUNITY | {"archived": {"reason": REASON, "archivedAt": moment}}))

    assert archived(30).change is Change.HIRED
    assert archived(31).change is Change.CHANGED


def test_the_opportunity_is_asked_for_and_why_it_was_archived() -> None:
    """With the key as user name, at Lever's own address; no address and no place of the candidate is read."""
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return answering(OPPORTUNITY)(request)

    hire = opportunities(answer).fetch(a_notice(), SETTINGS, "example-key", NOON)
    assert [str(request.url) for request in seen] == [
        f"https://api.lever.co/v1/opportunities/{ID}",
        f"https://api.lever.co/v1/archive_reasons/{REASON}",
    ]
    keys = {request.headers["authorization"] for request in seen}
    assert keys == {"Basic " + base64.b64encode(b"example-key:").decode()}
    assert hire == NewHire(source="lever", hire_id=ID, version=1788868793000, family_name="Noor Haddad")


def test_what_lever_leaves_out_is_nothing() -> None:
    """The hire is ordered by the time of asking then."""
    hire = fetched(answering(OPPORTUNITY | {"name": None, "updatedAt": None}))
    assert (hire.family_name, hire.version, hire.work_email) == (None, as_version(NOON), None)


@pytest.mark.parametrize(("status", "final"), [(404, True), (401, False), (403, False), (302, False), (503, False)])
def test_an_answer_without_the_opportunity_says_whether_asking_again_can_help(status: int, final: bool) -> None:
    """Only somebody who is gone stays gone."""
    with pytest.raises(DetailsUnavailable) as refused:
        fetched(lambda request: httpx.Response(status, text="noor.haddad.private@example.com"))
    assert refused.value.final is final
    assert "noor" not in str(refused.value)


def test_the_system_says_when_to_ask_again() -> None:
    """By Retry-After, if it says so at all."""
    waits = []
    for response in (httpx.Response(429, headers={"retry-after": "30"}), httpx.Response(429)):
        with pytest.raises(DetailsUnavailable) as refused:
            fetched(partial(_always, response))
        assert not refused.value.final
        waits.append(refused.value.retry_after)
    assert waits == [30.0, None]


def test_another_opportunity_than_was_asked_for_is_not_taken() -> None:
    """It would invite the wrong person."""
    with pytest.raises(DetailsUnavailable) as refused:
        fetched(answering(OPPORTUNITY | {"id": OTHER_ID}))
    assert refused.value.final


@pytest.mark.parametrize(
    ("opportunity", "field"),
    [
        (OPPORTUNITY | {"name": {"first": "Noor"}}, "opportunity.name"),
        (OPPORTUNITY | {"name": "x" * 300}, "opportunity.family_name"),
        (OPPORTUNITY | {"updatedAt": "yesterday"}, "opportunity.updatedAt"),
        (OPPORTUNITY | {"updatedAt": 10**18}, "opportunity.updatedAt"),
        (OPPORTUNITY | {"archived": "Hired"}, "opportunity.archived"),
        (OPPORTUNITY | {"archived": {"reason": "../users", "archivedAt": 1}}, "opportunity.archived.reason"),
        (OPPORTUNITY | {"archived": {"reason": REASON}}, "opportunity.archived.archivedAt"),
        (OPPORTUNITY | {"archived": {"reason": REASON, "archivedAt": 10**18}}, "opportunity.archived.archivedAt"),
        ([OPPORTUNITY], "opportunity.data"),
        (None, "opportunity.data"),
        ({}, "opportunity.id"),
    ],
)
def test_an_opportunity_whose_fields_do_not_fit_is_parked_with_every_reason(opportunity: object, field: str) -> None:
    """And without the values."""
    with pytest.raises(BadEvent) as refused:
        fetched(answering(opportunity))
    assert field in {problem.field for problem in refused.value.problems}
    assert "Noor" not in str(refused.value)


def test_a_reason_of_no_type_is_no_hire() -> None:
    """The surprise is told, and nobody is hired by it."""
    with pytest.raises(BadEvent):
        fetched(answering(OPPORTUNITY, reason=None))


def test_the_settings_need_no_address() -> None:
    """Everybody's API is in one place, or in the sandbox; the key goes nowhere else."""
    details = source().details
    assert details is not None
    assert source().is_experimental
    assert source().settings_errors(SETTINGS) == []
    assert len(source().settings_errors(SourceSettings("lever", options={"expand": "x"}))) == 1
    hosts = ["api.lever.co", "api.sandbox.lever.co", "hire.lever.co", "lever.co", "api-lever.co", "api.lever.co.evil"]
    assert [details.is_vendor_host(host) for host in hosts] == [True, True, False, False, False, False]


KEYS = ["event", "token", "triggeredAt", "signature", "data", "opportunityId", "id", "archived", "reason", "type"]
JSON = st.recursive(
    st.none()
    | st.text()
    | st.integers()
    | st.sampled_from(["candidateHired", ID, 1788868794000, BODY["signature"], "hired", REASON]),
    lambda c: st.lists(c) | st.dictionaries(st.sampled_from(KEYS), c),
)


@given(st.binary() | JSON.map(lambda value: json.dumps(BODY | value if isinstance(value, dict) else value).encode()))
def test_no_body_raises(sent: bytes) -> None:
    """It is believed or not, and once it is, it is read."""
    believed(sent)
    for notice in source().read(request_of(sent), NOON):
        assert notice.problems or notice.is_thin or notice.change is None


@given(JSON)
def test_no_answer_raises_an_untyped_error(answer: Any) -> None:
    """Whatever the API gives."""
    merged = OPPORTUNITY | answer if isinstance(answer, dict) else answer
    try:
        hire = fetched(answering(merged, answer))
    except (BadEvent, DetailsUnavailable):
        return
    assert hire.hire_id == ID
