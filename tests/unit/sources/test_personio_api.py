"""Personio's API: the person and the employments behind a thin notice."""

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, date, datetime
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from usher.domain.errors import BadEvent, DetailsUnavailable
from usher.domain.hire import Change, NewHire, as_version
from usher.domain.notice import Notice
from usher.ports import SourceSettings
from usher.sources.personio_api import PersonioApi

NOON = datetime(2026, 9, 8, 12, 0, tzinfo=UTC)
SETTINGS = SourceSettings("personio", options={"webhook_id": "2e4324b0-1b0e-11ee-a7f7-e37ffd9b3a44"})
ID = "9000123"
PERSON: dict[str, Any] = {
    "id": ID,
    "email": "noor.haddad@example.com",
    "first_name": "Noor",
    "last_name": "Haddad",
    "status": "ACTIVE",
    "custom_attributes": [{"id": "private_email", "value": "noor.haddad.private@example.com"}],
}
EMPLOYMENT: dict[str, Any] = {
    "id": "eb3f5858-0000-4000-8000-000000000001",
    "person": {"id": ID},
    "status": "ONBOARDING",
    "employment_start_date": "2026-10-05",
    "position": {"title": "Platform Engineer"},
    "office": {"id": "7", "name": "Lisbon"},
    "org_units": [{"type": "team", "id": "450"}, {"type": "department", "id": "401", "name": "Engineering"}],
    "type": "INTERNAL",
}
# As version 1 of the API called the same.
EMPLOYMENT_V1: dict[str, Any] = {
    "status": "onboarding",
    "hire_date": "2026-10-05T00:00:00+02:00",
    "position": "Platform Engineer",
    "office": "Lisbon",
    "department": "Engineering",
    "employment_type": "INTERNAL",
}
TOKEN = {"access_token": "example-token", "token_type": "Bearer", "expires_in": 86400}

Handler = Callable[[httpx.Request], httpx.Response]


def api(handler: Handler, monotonic: Callable[[], float] = lambda: 0.0) -> PersonioApi:
    """Ask a Personio that answers as the handler says."""
    return PersonioApi(httpx.Client(transport=httpx.MockTransport(handler)), monotonic)


def a_notice(change: Change = Change.HIRED) -> Notice:
    """Make a thin notice."""
    return Notice(
        notice_id="0" * 32, source="personio", received_at=NOON, event="person.created", subject=ID, change=change
    )


def answering(person: Any = PERSON, employments: Any = None, token: Any = TOKEN) -> Handler:
    """Answer the three questions of a fetch."""
    employments = {"_data": [EMPLOYMENT]} if employments is None else employments

    def answer(request: httpx.Request) -> httpx.Response:
        path = request.url.path
        found = token if path.endswith("/token") else employments if path.endswith("/employments") else person
        return found if isinstance(found, httpx.Response) else httpx.Response(200, json=found)

    return answer


def fetched(person: Any = PERSON, employments: Any = None, change: Change = Change.HIRED) -> NewHire:
    """Fetch the person where Personio answers so."""
    return api(answering(person, employments)).fetch(a_notice(change), SETTINGS, "papi-1:secret", NOON)


def hired(*employments: dict[str, Any], change: Change = Change.HIRED, status: str = "ACTIVE") -> NewHire:
    """Fetch somebody with these employments."""
    return fetched(PERSON | {"status": status}, {"_data": list(employments)}, change)


JSON = st.recursive(
    st.none() | st.booleans() | st.text() | st.integers() | st.just(ID) | st.just("2026-10-05"),
    lambda c: (
        st.lists(c)
        | st.dictionaries(
            st.sampled_from(["_data", "data", "name", "title", "type", "access_token", "expires_in"])
            | st.sampled_from([*PERSON, *EMPLOYMENT, *EMPLOYMENT_V1]),
            c,
        )
    ),
)


@given(
    JSON | st.just(PERSON),
    JSON
    | JSON.map(lambda value: {"_data": [value]})
    | JSON.map(lambda value: {"data": [EMPLOYMENT | {"office": value}]}),
    JSON | st.just(TOKEN),
)
def test_no_answer_raises_an_error_of_another_type(person: Any, employments: Any, token: Any) -> None:
    """Whatever the API says."""
    with suppress(DetailsUnavailable, BadEvent):
        hire = api(answering(person, employments, token)).fetch(a_notice(), SETTINGS, "papi-1:secret", NOON)
        assert hire.hire_id == ID


@pytest.mark.parametrize("secret", ["", "papi-1", "papi-1:", ":secret"])
def test_a_secret_that_is_no_pair_is_never_sent(secret: str) -> None:
    """It may be the password alone, which must not go out as a name."""
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return answering()(request)

    with pytest.raises(DetailsUnavailable) as refused:
        api(answer).fetch(a_notice(), SETTINGS, secret, NOON)
    assert (seen, refused.value.final) == ([], False)
    assert "papi" not in str(refused.value)


def test_person_and_employments_are_asked_for_with_a_token_that_is_kept() -> None:
    """Bought with client credentials; the secret is in no address."""
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return answering()(request)

    asked = api(answer)
    hire = asked.fetch(a_notice(), SETTINGS, "papi-1:se:cret", NOON)
    assert asked.fetch(a_notice(), SETTINGS, "papi-1:se:cret", NOON) == hire
    assert [f"{request.method} {request.url}" for request in seen] == [
        "POST https://api.personio.de/v2/auth/token",
        *[
            "GET https://api.personio.de/v2/persons/9000123",
            "GET https://api.personio.de/v2/persons/9000123/employments",
        ]
        * 2,
    ]
    assert parse_qs(seen[0].content.decode()) == {
        "grant_type": ["client_credentials"],
        "client_id": ["papi-1"],
        "client_secret": ["se:cret"],
    }
    assert {request.headers["authorization"] for request in seen[1:]} == {"Bearer example-token"}


def test_a_token_that_was_taken_back_is_bought_anew() -> None:
    """It would have been good for a day."""
    answers = [answering(), answering(httpx.Response(401)), answering()]
    asked = api(lambda request: answers[0](request))
    asked.fetch(a_notice(), SETTINGS, "papi-1:secret", NOON)
    answers.pop(0)
    with pytest.raises(DetailsUnavailable, match="401"):
        asked.fetch(a_notice(), SETTINGS, "papi-1:secret", NOON)
    answers[0] = answering(token=TOKEN | {"access_token": "another"})
    seen: list[str] = []
    after = answers[0]

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers.get("authorization", "none"))
        return after(request)

    answers[0] = answer
    asked.fetch(a_notice(), SETTINGS, "papi-1:secret", NOON)
    assert seen == ["none", "Bearer another", "Bearer another"]


@pytest.mark.parametrize(
    ("person", "employments"),
    [
        (PERSON, {"_data": [EMPLOYMENT]}),
        ({"_data": PERSON}, {"data": [EMPLOYMENT]}),
        ({"data": PERSON | {"id": 9000123}}, {"_data": [EMPLOYMENT_V1]}),
    ],
)
def test_fields_are_read_in_both_spellings(person: dict[str, Any], employments: dict[str, Any]) -> None:
    """Those of version 2, and those of version 1 under which they are documented."""
    assert fetched(person, employments) == NewHire(
        source="personio",
        hire_id=ID,
        version=as_version(NOON),
        work_email="noor.haddad@example.com",
        given_name="Noor",
        family_name="Haddad",
        start_date=date(2026, 10, 5),
        title="Platform Engineer",
        department="Engineering",
        location="Lisbon",
        employment_type="INTERNAL",
    )


def test_without_granted_attributes_there_is_almost_nothing() -> None:
    """Personio leaves them out without a word."""
    hire = fetched({"id": ID, "employments": [{"id": "x"}]}, {"_data": [{"id": "x", "status": "ACTIVE"}]})
    assert (hire.change, hire.work_email, hire.given_name, hire.start_date) == (Change.HIRED, None, None, None)
    assert (hire.title, hire.department, hire.location, hire.employment_type) == (None, None, None, None)
    assert hired().start_date is None
    nothing = dict.fromkeys(EMPLOYMENT) | dict.fromkeys(EMPLOYMENT_V1)
    assert fetched(dict.fromkeys(PERSON) | {"id": ID}, {"_data": [nothing]}).department is None


def test_a_department_without_a_name_is_its_id() -> None:
    """A rule can name it all the same."""
    assert hired(EMPLOYMENT | {"org_units": [{"type": "DEPARTMENT", "id": 401}]}).department == "401"
    assert hired(EMPLOYMENT | {"org_units": [{"type": "team", "id": "450"}]}).department is None
    assert hired(EMPLOYMENT | {"office": {"id": "7"}, "position": {}}).location is None


def test_no_private_address_is_taken() -> None:
    """Only the one field that Personio calls e-mail."""
    assert "private" not in fetched(PERSON | {"email": ""}).model_dump_json()
    assert fetched(PERSON | {"email": ""}).work_email is None


OLD = {"status": "INACTIVE", "employment_start_date": "2018-01-01", "position": {"title": "Intern"}}


@pytest.mark.parametrize(
    ("employments", "status", "told", "change"),
    [
        ([EMPLOYMENT], "ACTIVE", Change.HIRED, Change.HIRED),
        # A mistyped day is right at last.
        ([EMPLOYMENT], "ACTIVE", Change.CHANGED, Change.HIRED),
        ([EMPLOYMENT | {"employment_start_date": None}], "ACTIVE", Change.CHANGED, Change.CHANGED),
        ([EMPLOYMENT | {"employment_start_date": "2020-01-06"}], "ACTIVE", Change.CHANGED, Change.CHANGED),
        ([EMPLOYMENT | {"employment_start_date": "2026-08-08", "status": "ACTIVE"}], "ACTIVE", Change.HIRED, "changed"),
        ([EMPLOYMENT | {"employment_start_date": "2026-08-09", "status": "ACTIVE"}], "ACTIVE", Change.HIRED, "hired"),
        ([OLD], "INACTIVE", Change.HIRED, Change.CANCELLED),
        ([OLD], "INACTIVE", Change.CHANGED, Change.CANCELLED),
        ([], "inactive", Change.CHANGED, Change.CANCELLED),
        # Who comes back.
        ([OLD, EMPLOYMENT], "INACTIVE", Change.HIRED, Change.HIRED),
        ([EMPLOYMENT, OLD], "ACTIVE", Change.HIRED, Change.HIRED),
    ],
)
def test_the_details_decide_whether_it_is_a_hire(
    employments: list[dict[str, Any]], status: str, told: Change, change: str
) -> None:
    """A company that moves in announces its staff; who has left is taken back."""
    assert hired(*employments, change=told, status=status).change == change


def test_of_several_employments_the_one_that_lasts_is_read() -> None:
    """Or else the latest."""
    assert hired(OLD, EMPLOYMENT).title == "Platform Engineer"
    assert hired(OLD | {"employment_start_date": "2031-01-01"}, EMPLOYMENT).title == "Platform Engineer"
    assert hired(OLD | {"employment_start_date": None}, OLD).start_date == date(2018, 1, 1)


def test_another_person_than_was_asked_for_is_not_taken() -> None:
    """It would invite the wrong person."""
    with pytest.raises(DetailsUnavailable) as refused:
        fetched(PERSON | {"id": "9000124"})
    assert refused.value.final


@pytest.mark.parametrize(
    ("status", "final"),
    [(404, True), (400, False), (401, False), (403, False), (302, False), (429, False), (503, False)],
)
def test_an_answer_without_the_person_says_whether_asking_again_can_help(status: int, final: bool) -> None:
    """And when."""
    broken = httpx.Response(status, text="noor", headers={"retry-after": "60"})
    for handler in (answering(person=broken), answering(employments=broken)):
        with pytest.raises(DetailsUnavailable) as refused:
            api(handler).fetch(a_notice(), SETTINGS, "papi-1:secret", NOON)
        assert refused.value.final is final
        assert refused.value.retry_after == (60.0 if status in (400, 302, 429, 503) else None)
        assert "noor" not in str(refused.value)


@pytest.mark.parametrize("token", [httpx.Response(401), httpx.Response(429), {}, {"access_token": "two words"}])
def test_without_a_token_the_person_is_asked_for_later(token: Any) -> None:
    """Credentials are mended."""
    with pytest.raises(DetailsUnavailable) as refused:
        api(answering(token=token)).fetch(a_notice(), SETTINGS, "papi-1:secret", NOON)
    assert not refused.value.final
    assert "secret" not in str(refused.value)


def test_a_person_whose_fields_do_not_fit_is_parked_with_the_reasons() -> None:
    """And without the values; a shape that is not known is said and not guessed."""
    with pytest.raises(BadEvent) as refused:
        fetched(PERSON | {"first_name": {"value": "Noor"}})
    assert [problem.field for problem in refused.value.problems] == ["person.first_name"]
    assert "Noor" not in str(refused.value)
    with pytest.raises(BadEvent) as refused:
        hired(EMPLOYMENT | {"employment_start_date": "10/05/2026", "org_units": {}})
    assert len(refused.value.problems) == 2
    with pytest.raises(BadEvent):
        fetched(PERSON, {"employments": []})


@pytest.mark.parametrize("employments", [[1] * 300_000, [EMPLOYMENT | {"org_units": [1] * 300_000}]])
def test_a_list_that_no_person_has_is_read_no_further_than_its_bound(employments: list[Any]) -> None:
    """One reason, and not one for each entry."""
    with pytest.raises((BadEvent, DetailsUnavailable)) as refused:
        fetched(PERSON, {"_data": employments})
    assert len(str(refused.value)) < 200


def test_the_settings_may_name_the_webhook_and_nothing_else() -> None:
    """Everybody's API is at one address."""
    details = api(answering())
    assert details.settings_errors(SETTINGS) == []
    assert len(details.settings_errors(SourceSettings("personio", options={"webhookid": "x"}))) == 1


@pytest.mark.parametrize(
    ("host", "own"),
    [
        ("api.personio.de", True),
        ("api.personio.com", True),
        ("personio.de", False),
        ("api.personio.de.evil.example", False),
    ],
)
def test_the_vendors_hosts_are_its_api(host: str, own: bool) -> None:
    """The secret goes nowhere else, unless the stage lists the host."""
    assert api(answering()).is_vendor_host(host) is own
