"""Personio: thin notices under a fixed word, and the webhook's own log."""

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.contracts.hr_webhooks import Example
from usher.domain.errors import BadEvent, DetailsUnavailable, Unauthentic
from usher.domain.hire import Change
from usher.domain.notice import Notice
from usher.ports import SourceSettings, WebhookRequest
from usher.sources.personio import Personio

NOON = datetime(2026, 9, 8, 12, 0, tzinfo=UTC)
EXAMPLE = Example.load("personio")
SETTINGS = SourceSettings("personio", options={"webhook_id": "2e4324b0-1b0e-11ee-a7f7-e37ffd9b3a44"})
ID = "9000123"
TOKEN = {"access_token": "example-token", "token_type": "Bearer", "expires_in": 86400}

Handler = Callable[[httpx.Request], httpx.Response]


def source(handler: Handler = lambda request: httpx.Response(500)) -> Personio:
    """Give a source whose API answers as the handler says."""
    return Personio(httpx.Client(transport=httpx.MockTransport(handler)))


def read(body: object) -> tuple[Notice, ...]:
    """Read a body as Personio."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return source().read(WebhookRequest("POST", "personio", {}, raw), NOON)


def event(**changes: Any) -> dict[str, Any]:
    """Give the body of the contract's example, changed."""
    found: dict[str, Any] = json.loads(EXAMPLE.request.body)
    return found | changes


def the_notice() -> Notice:
    """Make the thin notice of the contract's example."""
    (notice,) = source().read(EXAMPLE.request, NOON)
    return notice


def test_the_contracts_example_is_believed_at_any_time() -> None:
    """There is no signature and no time; of two words of a rotation, either holds."""
    source().verify(EXAMPLE.request, (EXAMPLE.secret,), NOON + timedelta(days=200))
    source().verify(EXAMPLE.request, ("another", EXAMPLE.secret), NOON)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "Bearer",
        "Bearer example-personio-token-0002",
        "bearer example-personio-token-0001",
        "example-personio-token-0001",
        "Bearer example-personio-token-0001 ",
        "Bearer example-personio-token-0001\u00e9",
        "Bearer " + "x" * 5000,
    ],
)
def test_the_word_must_be_the_configured_one_to_the_letter(value: str) -> None:
    """Personio adds nothing to what was typed, and nothing is taken off."""
    with pytest.raises(Unauthentic):
        source().verify(replace(EXAMPLE.request, headers={"authorization": (value,)}), (EXAMPLE.secret,), NOON)


def test_no_word_and_two_words_are_none() -> None:
    """Nor is the header of which some speak and no documentation does."""
    for headers in ({}, {"authorization": (EXAMPLE.secret,) * 2}, {"x-personio-signature": (EXAMPLE.secret,)}):
        with pytest.raises(Unauthentic):
            source().verify(replace(EXAMPLE.request, headers=headers), (EXAMPLE.secret,), NOON)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("person.created", "hired"),
        ("employment.created", "hired"),
        ("employment.started", "hired"),
        ("Person.updated", "changed"),
        ("employment.updated", "changed"),
        ("employment.terminated", "changed"),
        ("person.deleted", "cancelled"),
    ],
)
def test_an_event_is_a_thin_notice(name: str, change: str) -> None:
    """It says who, and nothing about them."""
    (notice,) = read(event(event_name=name))
    assert (notice.event, notice.change, notice.subject, notice.hire) == (name.lower(), change, ID, None)
    assert notice.is_thin


@pytest.mark.parametrize(
    ("name", "payload"),
    [
        ("person.created", {"person": {"id": ID}}),
        ("person.created", {"person_id": ID}),
        ("person.created", {"id": ID}),
        ("person.created", {"id": int(ID)}),
        ("employment.created", {"person": {"id": ID}, "id": "eb3f5858"}),
        ("employment.created", {"person_id": ID, "employment": {"id": "eb3f5858"}}),
        ("employment.started", {"employment": {"id": "eb3f5858", "person": {"id": ID}}}),
        ("employment.started", {"employment": {"id": "eb3f5858", "person_id": ID}}),
    ],
)
def test_the_person_is_found_in_every_shape_that_is_known(name: str, payload: dict[str, Any]) -> None:
    """Nobody has written down which it is."""
    (notice,) = read(event(event_name=name, payload=payload))
    assert (notice.subject, notice.problems) == (ID, ())


@pytest.mark.parametrize("payload", [{"id": "7"}, {"employment": {"id": "7"}}])
def test_an_employment_is_not_taken_for_a_person(payload: dict[str, Any]) -> None:
    """Its id alone could be that of somebody else."""
    (notice,) = read(event(event_name="employment.created", payload=payload))
    assert notice.problems
    assert not notice.is_thin


@pytest.mark.parametrize("given_id", ["0012", "9007199254740993", 9007199254740993])
def test_an_id_stays_what_it_is(given_id: str | int) -> None:
    """With its zeros, and beyond what a float holds."""
    (notice,) = read(event(payload={"person": {"id": given_id}}))
    assert notice.subject == str(given_id)


def test_a_delivery_is_named_by_what_it_says() -> None:
    """Company, event, person and moment; Personio gives it no name of its own."""
    (again,) = read(event(meta={"attempt": 2}, occurred_at="2026-09-08T13:59:51+02:00"))
    others = [
        *read(event(occurred_at="2026-09-08T11:59:52Z")),
        *read(event(event_name="employment.created")),
        *read(event(company_id="77121")),
        *read(event(payload={"person": {"id": "9000124"}})),
        *read(event(occurred_at=None)),
        *read(event(occurred_at=None, meta=None)),
    ]
    assert the_notice().notice_id == again.notice_id
    assert len({notice.notice_id for notice in [again, *others]}) == 7


@pytest.mark.parametrize("name", ["employment.deleted", "absence-period.created", "document.signed", None, 7])
def test_other_events_are_no_hire(name: object) -> None:
    """And are answered 200."""
    (notice,) = read(event(event_name=name))
    assert (notice.change, notice.subject, notice.problems) == (None, None, ())
    assert source().thanks().status == 200


def test_a_ping_says_nothing() -> None:
    """It is sent by hand, to try a webhook."""
    assert read({"event_name": "ping", "company_id": "77120"}) == ()


@pytest.mark.parametrize(
    "body",
    [
        b"not json",
        event(payload=None),
        event(payload={}),
        event(payload={"person": {"id": None}}),
        event(payload={"person": {"id": True}}),
        event(payload={"person": {"id": ".."}}),
        event(payload={"person": {"id": "1/employments"}}),
        event(payload={"person": {"id": "9" * 65}}),
        event(occurred_at="yesterday"),
        event(company_id={}),
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
            st.sampled_from(["event_name", "company_id", "occurred_at", "payload", "person", "person_id", "employment"])
            | st.sampled_from(["id", "_data", "data", "_meta", "links", "next", "href"]),
            c,
        )
    ),
)


@given(
    st.binary()
    | st.builds(lambda value: json.dumps(value).encode(), JSON | JSON.map(lambda value: event(payload=value)))
)
def test_no_body_raises(body: bytes) -> None:
    """Whoever knows the word may send anything."""
    for notice in read(body):
        assert notice.problems or notice.is_thin or notice.change is None


# --- the webhook's log ---


def logged(pages: dict[str, list[dict[str, Any]]], seen: list[httpx.Request] | None = None) -> Handler:
    """Answer with the log, a page per event and cursor."""

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/token"):
            return httpx.Response(200, json=TOKEN)
        if seen is not None:
            seen.append(request)
        page = pages.get(request.url.params["event_name"], [])
        if not page:
            return httpx.Response(200, json={"_data": [], "_meta": {"links": {"self": {"href": "x"}}}})
        if "cursor" not in request.url.params and len(page) > 1:
            link = {"next": {"href": "https://evil.example/v2/webhooks/x/events?limit=1&cursor=cur%2Ftwo"}}
            return httpx.Response(200, json={"_data": page[:1], "_meta": {"links": link}})
        return httpx.Response(200, json={"_data": page[1:] if len(page) > 1 else page, "_meta": {"links": {}}})

    return answer


def listed(handler: Handler, settings: SourceSettings = SETTINGS) -> list[Notice]:
    """List the hires of the past days."""
    listing = source(handler).listing
    assert listing is not None
    return list(listing.recent(settings, "papi-1:secret", NOON))


def test_hires_of_the_past_30_days_are_listed_from_the_webhooks_log() -> None:
    """One question for each event that hires, and the further pages."""
    seen: list[httpx.Request] = []
    pages = {
        "person.created": [event(), event(payload={"person": {"id": "9000124"}})],
        "employment.started": [event(event_name="employment.started")],
    }
    notices = listed(logged(pages, seen))
    assert [(notice.event, notice.subject, notice.change) for notice in notices] == [
        ("person.created", ID, Change.HIRED),
        ("person.created", "9000124", Change.HIRED),
        ("employment.started", ID, Change.HIRED),
    ]
    assert all(notice.is_thin and notice.received_at == NOON for notice in notices)
    assert [(request.url.params["event_name"], request.url.params.get("cursor")) for request in seen] == [
        ("person.created", None),
        ("person.created", "cur/two"),
        ("employment.created", None),
        ("employment.started", None),
    ]
    for request in seen:
        # The cursor is all that is taken of a link.
        assert request.url.host == "api.personio.de"
        assert request.url.path == "/v2/webhooks/2e4324b0-1b0e-11ee-a7f7-e37ffd9b3a44/events"
        assert request.url.params["occurred_at.gte"] == "2026-08-09T12:00:00Z"


def test_a_listed_event_has_the_name_of_its_delivery() -> None:
    """So that one that was announced is known."""
    (notice,) = listed(logged({"person.created": [event(occurred_at="2026-09-08T11:59:51.000Z")]}))
    assert notice.notice_id == the_notice().notice_id
    (timeless,) = listed(logged({"person.created": [event(occurred_at=None)]}))
    assert timeless.is_thin


def test_what_is_no_hire_is_not_listed_and_nothing_twice() -> None:
    """Even where the filter is passed over."""
    entries = [event(event_name="person.updated"), event(), event(event_name="document.signed", payload=None), event()]

    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json=TOKEN if request.url.path.endswith("/token") else {"_data": entries})

    assert [notice.event for notice in listed(answer)] == ["person.created"]


@pytest.mark.parametrize("odd", [7, None, {}, event(payload={}), event(payload=None), event(occurred_at=7)])
def test_an_odd_entry_of_the_log_costs_the_others_nothing(odd: Any) -> None:
    """It is passed over."""
    (notice,) = listed(logged({"employment.started": [odd, event(event_name="employment.started")]}))
    assert (notice.event, notice.subject) == ("employment.started", ID)


def test_a_log_that_is_not_there_is_not_final() -> None:
    """Its address names nobody."""

    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json=TOKEN) if request.url.path.endswith("/token") else httpx.Response(404)

    with pytest.raises(DetailsUnavailable) as refused:
        listed(answer)
    assert not refused.value.final


def test_a_log_that_does_not_end_is_given_up() -> None:
    """After five pages."""
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/token"):
            return httpx.Response(200, json=TOKEN)
        asked.append(request)
        return httpx.Response(200, json={"_data": [], "_meta": {"links": {"next": {"href": "/x?cursor=again"}}}})

    with pytest.raises(DetailsUnavailable, match="more than 5 pages"):
        listed(answer)
    assert len(asked) == 5


@pytest.mark.parametrize("options", [{}, {"webhook_id": ""}, {"webhook_id": ".."}])
def test_without_the_webhooks_id_nothing_is_listed(options: dict[str, str]) -> None:
    """And nobody is asked."""
    with pytest.raises(DetailsUnavailable) as refused:
        listed(logged({}), SourceSettings("personio", options=options))
    assert refused.value.final


@pytest.mark.parametrize("page", [{}, {"_data": 7}, {"_data": {}}, {"_data": [{}] * 1001}])
def test_a_log_in_another_shape_is_said(page: dict[str, Any]) -> None:
    """And not taken for an empty one."""

    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json=TOKEN if request.url.path.endswith("/token") else page)

    with pytest.raises(BadEvent) as refused:
        listed(answer)
    assert all(problem.field.startswith("events.") for problem in refused.value.problems)


@given(JSON | JSON.map(lambda value: {"_data": [event(payload=value)], "_meta": value}))
def test_no_log_raises_an_error_of_another_type(page: Any) -> None:
    """Whatever the API says."""

    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json=TOKEN if request.url.path.endswith("/token") else page)

    with suppress(DetailsUnavailable, BadEvent):
        assert all(notice.is_thin for notice in listed(answer))
