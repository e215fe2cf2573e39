"""Okta: several events in one request, and the user behind each."""

import base64
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
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
from usher.sources.okta import Okta

NOON = datetime(2026, 9, 8, 12, 0, tzinfo=UTC)
CHANGED_AT = datetime(2026, 9, 8, 11, 59, 40, tzinfo=UTC)
EXAMPLE = Example.load("okta")
CHALLENGE = Example.load("okta-verification")
SETTINGS = SourceSettings("okta", base_url="https://example.okta.com")
DATED = replace(SETTINGS, options={"start_date_field": "hireDate"})
USER_ID = "00u0example0000000042"
PROFILE = {
    "login": "noor.haddad@example.com",
    "email": "noor.haddad@example.com",
    "secondEmail": "noor.haddad.private@example.com",
    "firstName": "Noor",
    "lastName": "Haddad",
    "title": "Platform Engineer",
    "department": "Engineering",
    "userType": "Full-time",
    "hireDate": "2026-10-05",
}
USER = {
    "id": USER_ID,
    "status": "ACTIVE",
    "created": "2026-09-08T11:59:39.000Z",
    "statusChanged": "2026-09-08T11:59:39.000Z",
    "lastUpdated": "2026-09-08T11:59:40.000Z",
    "profile": PROFILE,
}

Handler = Callable[[httpx.Request], httpx.Response]


def okta(handler: Handler = lambda request: httpx.Response(500)) -> Okta:
    """Give the source over an Okta that answers as the handler says."""
    return Okta(httpx.Client(transport=httpx.MockTransport(handler)))


def an_event(name: str = "user.lifecycle.create", **changes: Any) -> dict[str, Any]:
    """Give the event of the contract's example, changed."""
    event: dict[str, Any] = json.loads(EXAMPLE.request.body)["data"]["events"][0]
    return event | {"eventType": name} | changes


def read(*events: object) -> tuple[Notice, ...]:
    """Read events that Okta sends in one request."""
    return read_body({"data": {"events": events}})


def read_body(body: object) -> tuple[Notice, ...]:
    """Read a body as Okta."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return okta().read(WebhookRequest("POST", "okta", {}, raw), NOON)


def a_notice(change: Change = Change.HIRED) -> Notice:
    """Make the thin notice of the contract's example."""
    (notice,) = okta().read(EXAMPLE.request, NOON)
    return notice.model_copy(update={"change": change})


def fetched(
    answer: httpx.Response | dict[str, Any],
    change: Change = Change.HIRED,
    settings: SourceSettings = SETTINGS,
    key: str = "example-key",
) -> NewHire:
    """Fetch the user where Okta answers so."""
    response = httpx.Response(200, json=answer) if isinstance(answer, dict) else answer
    details = okta(lambda request: response).details
    assert details is not None
    return details.fetch(a_notice(change), settings, key, NOON)


def profile(**changes: Any) -> dict[str, Any]:
    """Give the user with a changed profile."""
    return USER | {"profile": PROFILE | changes}


def test_the_example_is_believed_and_names_the_target_not_the_actor() -> None:
    """The actor is whoever did it: an administrator, or the import."""
    okta().verify(EXAMPLE.request, (EXAMPLE.secret,), NOON)
    (notice,) = okta().read(EXAMPLE.request, NOON)
    assert (notice.event, notice.change, notice.subject) == ("user.lifecycle.create", "hired", USER_ID)
    assert notice.is_thin
    assert "noor" not in notice.model_dump_json().lower()
    assert (okta().thanks().status, okta().thanks().body) == (204, "")


@pytest.mark.parametrize(
    "value",
    [
        ("example-okta-hook-secret-0002",),
        ("Bearer example-okta-hook-secret-0001",),
        ("example-okta-hook-secret-0001 ",),
        ("EXAMPLE-OKTA-HOOK-SECRET-0001",),
        ("example-okta-hook-secret-0001", "example-okta-hook-secret-0001"),
        ("",),
        (),
    ],
)
def test_the_authorization_is_exactly_the_text_that_was_chosen(value: tuple[str, ...]) -> None:
    """No word is taken off, no case is ignored, and none comes twice."""
    request = replace(EXAMPLE.request, headers=dict(EXAMPLE.request.headers) | {"authorization": value})
    with pytest.raises(Unauthentic):
        okta().verify(request, (EXAMPLE.secret,), NOON)


def test_the_challenge_is_repeated_whether_or_not_it_carries_the_secret() -> None:
    """Nobody says whether it does."""
    for headers in (CHALLENGE.request.headers, {"x-okta-verification-challenge": ("example-challenge-9f2c",)}):
        reply = okta().handshake(replace(CHALLENGE.request, headers=headers))
        assert reply is not None
        assert (reply.status, reply.content_type) == (200, "application/json")
        assert json.loads(reply.body) == {"verification": "example-challenge-9f2c"}


@pytest.mark.parametrize("challenge", ["", "x" * 257, "a b", "a\n", "\x00", "\u00e9"])
def test_a_challenge_that_is_none_is_not_repeated(challenge: str) -> None:
    """It is bounded and printable."""
    headers = {"x-okta-verification-challenge": (challenge,)}
    assert okta().handshake(WebhookRequest("GET", "okta", headers, b"")) is None


def test_a_post_is_no_challenge_whatever_its_headers() -> None:
    """Else anybody could have an event answered unread."""
    headers = {"x-okta-verification-challenge": ("example",)}
    assert okta().handshake(WebhookRequest("POST", "okta", headers, b"")) is None
    assert okta().handshake(EXAMPLE.request) is None


@pytest.mark.parametrize(
    ("event", "change"),
    [
        ("user.lifecycle.create", "hired"),
        ("user.lifecycle.activate", "hired"),
        ("user.lifecycle.unsuspend", "hired"),
        ("user.account.update_profile", "changed"),
    ],
)
def test_who_comes_or_changes_is_a_thin_notice(event: str, change: str) -> None:
    """An account that is opened again may be a rehire."""
    (notice,) = read(an_event(event))
    assert (notice.event, notice.change, notice.subject) == (event, change, USER_ID)
    assert notice.is_thin


@pytest.mark.parametrize("event", ["user.lifecycle.deactivate", "user.lifecycle.delete.initiated"])
def test_who_goes_is_ordered_by_the_time_of_the_event(event: str) -> None:
    """It may come after the account is open again, and must not close it."""
    (notice,) = read(an_event(event))
    assert notice.hire is not None
    assert (notice.change, notice.hire.change, notice.subject) == ("cancelled", "cancelled", USER_ID)
    assert notice.hire.version == as_version(datetime(2026, 9, 8, 11, 59, 40, 159_000, tzinfo=UTC))
    (undated,) = read(an_event(event, published=None))
    assert undated.hire is not None
    assert undated.hire.version == as_version(NOON)


def test_an_event_is_known_by_its_uuid_in_whatever_company_it_comes() -> None:
    """A redelivery may be batched otherwise."""
    other = an_event(uuid="2", target=[{"id": "00u7", "type": "User"}])
    first, second = read(an_event(), other)
    (again,) = read(an_event())
    assert first.notice_id == again.notice_id != second.notice_id
    assert (first.subject, second.subject) == (USER_ID, "00u7")
    without = read(an_event(uuid=None), an_event(uuid=None))
    assert len({notice.notice_id for notice in without}) == 2


def test_one_bad_event_costs_the_others_nothing() -> None:
    """It is parked, they are read."""
    first, bad, no_object, last = read(an_event(), an_event(uuid="2", target=[]), 7, an_event(uuid="3"))
    assert first.is_thin
    assert last.is_thin
    assert (bad.event, [problem.field for problem in bad.problems]) == ("user.lifecycle.create", ["target"])
    sealed = json.loads(base64.b64decode(bad.sealed_body or ""))
    assert sealed == {"data": {"events": [an_event(uuid="2", target=[])]}}
    assert [notice.problems for notice in read_body(sealed)] == [bad.problems]
    assert (no_object.event, no_object.change) == ("unnamed", None)


@pytest.mark.parametrize(
    "target",
    [
        None,
        {},
        [],
        [None],
        [{"id": USER_ID}],
        [{"id": USER_ID, "type": "AppUser"}],
        [{"id": USER_ID, "type": "User"}, {"id": "00u7", "type": "User"}],
        [{"id": None, "type": "User"}],
        [{"id": "../../me", "type": "User"}],
        [{"id": USER_ID, "type": "User"}] * 51,
    ],
)
def test_an_event_that_names_not_one_user_is_parked(target: object) -> None:
    """The actor is a user too, and never stands in."""
    for name in ("user.lifecycle.create", "user.lifecycle.deactivate"):
        (notice,) = read(an_event(name, target=target))
        assert notice.problems
        assert (notice.subject, notice.hire) == (None, None)


def test_targets_of_other_types_are_passed_over() -> None:
    """An application's user, a group."""
    (notice,) = read(an_event(target=[{"id": "0ua1", "type": "AppUser"}, {"id": USER_ID, "type": "User"}]))
    assert notice.subject == USER_ID


def test_other_events_and_failed_ones_are_no_hire() -> None:
    """Access to an application is no hire, nor is a pause an end; a creation that failed made nobody."""
    names = ("user.lifecycle.suspend", "application.user_membership.add", "user.session.start", "x" * 65)
    for event in (*map(an_event, names), an_event(outcome={"result": "FAILURE"})):
        (notice,) = read(event)
        assert (notice.change, notice.hire, notice.problems) == (None, None, ())
    for outcome in (None, {}, {"result": None}, {"result": "SUCCESS"}):
        assert read(an_event(outcome=outcome))[0].is_thin


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"[]", {"data": {}}, {"data": {"events": {}}}, {"data": {"events": [1] * 1001}}]
)
def test_what_cannot_be_used_is_a_notice_that_says_why(body: object) -> None:
    """Okta does not send again what was answered 4xx."""
    (notice,) = read_body(body)
    assert notice.problems
    assert not notice.is_thin


def test_a_request_without_events_says_nothing() -> None:
    """An empty list is no trouble."""
    assert read() == ()


@given(
    st.binary()
    | st.recursive(
        st.none() | st.text() | st.integers() | st.sampled_from(["User", "user.lifecycle.create", "SUCCESS", USER_ID]),
        lambda c: (
            st.lists(c)
            | st.dictionaries(
                st.sampled_from(
                    ["data", "events", "eventType", "uuid", "published", "outcome", "target", "id", "type"]
                ),
                c,
            )
        ),
    ).map(lambda v: json.dumps(v).encode())
)
def test_no_body_raises(body: bytes) -> None:
    """Whatever comes with the right header."""
    for notice in read_body(body):
        assert notice.problems or notice.is_thin or notice.hire or notice.change is None


@given(
    st.recursive(
        st.none() | st.text() | st.integers() | st.booleans(),
        lambda c: (
            st.lists(c) | st.dictionaries(st.sampled_from(["uuid", "published", "outcome", "target", "id", "type"]), c)
        ),
    ),
    st.sampled_from(["uuid", "published", "outcome", "target", "eventType"]),
)
def test_no_event_with_a_strange_part_raises(strange: object, part: str) -> None:
    """Of a kind that would be read."""
    for name in ("user.lifecycle.create", "user.lifecycle.deactivate"):
        (notice,) = read(an_event(name) | {part: strange})
        assert notice.problems or notice.is_thin or notice.hire or notice.change is None


def test_the_user_is_asked_for_by_the_id_of_the_target() -> None:
    """At the company's own address, with the token of an administrator."""
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json=USER)

    details = okta(answer).details
    assert details is not None
    hire = details.fetch(a_notice(), DATED, "example-key", NOON)
    (request,) = seen
    assert request.method == "GET"
    assert request.url == f"https://example.okta.com/api/v1/users/{USER_ID}"
    assert request.headers["authorization"] == "SSWS example-key"
    assert hire == NewHire(
        source="okta",
        hire_id=USER_ID,
        version=as_version(CHANGED_AT),
        work_email="noor.haddad@example.com",
        given_name="Noor",
        family_name="Haddad",
        start_date=date(2026, 10, 5),
        title="Platform Engineer",
        department="Engineering",
        employment_type="Full-time",
    )


def test_the_version_is_the_newest_time_that_okta_gives() -> None:
    """And the time of asking, where it gives none."""
    assert fetched(USER | {"statusChanged": "2026-09-08T11:59:50.000Z"}).version == as_version(
        datetime(2026, 9, 8, 11, 59, 50, tzinfo=UTC)
    )
    assert fetched(USER | {"statusChanged": None}).version == as_version(CHANGED_AT)
    assert fetched(USER | {"statusChanged": None, "lastUpdated": None}).version == as_version(NOON)


def test_the_first_day_is_read_only_where_the_stage_names_its_attribute() -> None:
    """Okta has none of its own."""
    assert fetched(profile(start_date_field="2026-10-05")).start_date is None
    assert fetched(profile(), settings=DATED).start_date == date(2026, 10, 5)
    assert fetched(profile(hireDate=None), settings=DATED).start_date is None
    assert fetched(profile(hireDate="2026-10-05T00:00:00.000Z"), settings=DATED).start_date == date(2026, 10, 5)


@pytest.mark.parametrize(
    ("status", "told", "hire_date", "change"),
    [
        ("STAGED", Change.HIRED, "2026-10-05", "hired"),
        ("PROVISIONED", Change.HIRED, None, "hired"),
        ("ACTIVE", Change.HIRED, "2019-01-01", "changed"),
        ("ACTIVE", Change.CHANGED, "2026-10-05", "hired"),
        ("ACTIVE", Change.CHANGED, None, "changed"),
        ("SUSPENDED", Change.HIRED, "2026-10-05", "hired"),
        ("DEPROVISIONED", Change.CHANGED, None, "cancelled"),
        (None, Change.HIRED, None, "hired"),
    ],
)
def test_a_user_is_told_as_they_stand_now(status: str | None, told: Change, hire_date: str | None, change: str) -> None:
    """A first import makes accounts for the whole company; somebody may have gone meanwhile."""
    assert fetched(profile(hireDate=hire_date) | {"status": status}, told, DATED).change == change


@pytest.mark.parametrize(
    ("event", "hire_date", "created", "status", "change"),
    [
        ("user.lifecycle.activate", None, "2026-08-09T00:00:00.000Z", "ACTIVE", "hired"),
        ("user.lifecycle.activate", None, "2026-08-08T23:59:59.000Z", "ACTIVE", "changed"),
        ("user.lifecycle.activate", None, None, "ACTIVE", "changed"),
        ("user.lifecycle.activate", None, "2026-09-08T11:59:39.000Z", "DEPROVISIONED", "cancelled"),
        ("user.lifecycle.activate", "2026-10-05", "2019-01-07T09:00:00.000Z", "ACTIVE", "hired"),
        ("user.lifecycle.activate", "2019-01-07", "2026-09-08T11:59:39.000Z", "ACTIVE", "changed"),
        ("user.lifecycle.unsuspend", None, "2026-09-08T11:59:39.000Z", "ACTIVE", "hired"),
        ("user.lifecycle.unsuspend", None, "2019-01-07T09:00:00.000Z", "ACTIVE", "changed"),
        ("user.lifecycle.unsuspend", "2019-01-07", "2019-01-07T09:00:00.000Z", "ACTIVE", "changed"),
        ("user.lifecycle.unsuspend", "2026-10-05", "2026-09-08T11:59:39.000Z", "ACTIVE", "hired"),
        ("user.lifecycle.create", None, None, "STAGED", "hired"),
    ],
)
def test_an_account_that_opens_again_hires_nobody_who_has_long_been_there(
    event: str, hire_date: str | None, created: str | None, status: str, change: str
) -> None:
    """Only a new account or a new first day tells a hire from staff who come back from a pause."""
    (notice,) = read(an_event(event))
    answer = profile(hireDate=hire_date) | {"created": created, "status": status}
    details = okta(lambda request: httpx.Response(200, json=answer)).details
    assert details is not None
    assert details.fetch(notice, DATED, "example-key", NOON).change == change


def test_a_time_that_is_yet_to_come_is_parked_and_orders_nothing() -> None:
    """As a version it would outlast everything that is said later."""
    (notice,) = read(an_event("user.lifecycle.deactivate", published="2199-01-01T00:00:00Z"))
    assert [problem.field for problem in notice.problems] == ["published"]
    with pytest.raises(BadEvent) as refused:
        fetched(USER | {"lastUpdated": "2026-09-08T12:05:01.000Z"})
    assert [problem.field for problem in refused.value.problems] == ["user.lastUpdated"]


def test_the_second_address_is_private_and_never_the_work_address() -> None:
    """Nor is the login, which need not be a mailbox."""
    hire = fetched(profile(email=None))
    assert hire.work_email is None
    assert "private" not in fetched(profile()).model_dump_json()


def test_what_okta_leaves_out_is_nothing() -> None:
    """Null and missing are the same."""
    hire = fetched({"id": USER_ID, "profile": {}})
    assert (hire.work_email, hire.given_name, hire.start_date, hire.version) == (None, None, None, as_version(NOON))


@pytest.mark.parametrize(
    ("status", "final"),
    [(404, True), (400, False), (401, False), (403, False), (302, False), (429, False), (503, False)],
)
def test_an_answer_without_the_user_says_whether_asking_again_can_help(status: int, final: bool) -> None:
    """Only somebody who is gone stays gone."""
    with pytest.raises(DetailsUnavailable) as refused:
        fetched(httpx.Response(status, text="noor.haddad@example.com", headers={"retry-after": "30"}))
    assert refused.value.final is final
    assert refused.value.retry_after == (30 if status in (302, 400, 429, 503) else None)
    assert "noor" not in str(refused.value)


def test_another_user_than_was_asked_for_is_not_taken() -> None:
    """Okta also looks users up by login."""
    with pytest.raises(DetailsUnavailable) as refused:
        fetched(USER | {"id": "00u7"})
    assert refused.value.final


@pytest.mark.parametrize(
    ("answer", "field"),
    [
        ({"id": USER_ID}, "user.profile"),
        ({"id": USER_ID, "profile": []}, "user.profile"),
        ({"id": {}, "profile": {}}, "user.id"),
        (profile(email=7), "user.profile.email"),
        (profile(hireDate="10/05/2026"), "user.profile.start_date_field"),
        (profile(hireDate=20261005), "user.profile.start_date_field"),
        (profile(hireDate=["2026-10-05"]), "user.profile.start_date_field"),
        (profile(title="x" * 300), "user.title"),
        (USER | {"lastUpdated": 1788868800}, "user.lastUpdated"),
    ],
)
def test_a_user_whose_fields_do_not_fit_is_parked_with_the_reason(answer: dict[str, Any], field: str) -> None:
    """And without the values."""
    with pytest.raises(BadEvent) as refused:
        fetched(answer, settings=DATED)
    assert [problem.field for problem in refused.value.problems] == [field]
    assert "Noor" not in str(refused.value)


@given(
    st.recursive(
        st.none() | st.text() | st.integers() | st.booleans() | st.just(USER_ID),
        lambda c: (
            st.lists(c)
            | st.dictionaries(
                st.sampled_from(["id", "status", "lastUpdated", "profile", "email", "hireDate", "title"]), c
            )
        ),
    )
)
def test_no_answer_raises_anything_else(answer: object) -> None:
    """Whatever Okta answers."""
    try:
        hire = fetched(httpx.Response(200, json=answer), settings=DATED)
    except (BadEvent, DetailsUnavailable):
        return
    assert hire.hire_id == USER_ID


@pytest.mark.parametrize("secret", ["", "a b", "a\nx-evil: 1", "\u00e9"])
def test_a_secret_that_is_no_token_is_never_sent(secret: str) -> None:
    """It would break the header."""
    with pytest.raises(DetailsUnavailable, match="no token"):
        fetched(USER, key=secret)


def test_the_settings_name_the_company_at_okta_and_perhaps_an_attribute() -> None:
    """A stage with anything else is refused at load."""
    details = okta().details
    assert details is not None
    assert details.settings_errors(SETTINGS) == []
    assert details.settings_errors(DATED) == []
    assert len(details.settings_errors(SourceSettings("okta"))) == 1
    for wrong in ("", "a.b", "1st", "x" * 65):
        assert len(details.settings_errors(replace(SETTINGS, options={"start_date_field": wrong}))) == 1
    assert len(details.settings_errors(replace(SETTINGS, options={"start_date": "hireDate"}))) == 1


@pytest.mark.parametrize(
    ("host", "own"),
    [
        ("example.okta.com", True),
        ("dev-1234.oktapreview.com", True),
        ("example.okta-emea.com", True),
        ("okta.com", False),
        ("example.okta.com.evil.example", False),
        ("evil-okta.com", False),
        ("example.oktaXcom", False),
        ("example.okta.com\n", False),
    ],
)
def test_the_vendors_hosts_are_its_customers(host: str, own: bool) -> None:
    """The token goes nowhere else, unless the stage lists the host."""
    details = okta().details
    assert details is not None
    assert details.is_vendor_host(host) is own


def test_an_attribute_that_the_stage_names_joins_the_employee_of_the_hr_system() -> None:
    """The directory has the address, the HR system the first day."""
    options = {"same_as": "bamboohr", "same_as_field": "employeeNumber"}
    settings = SourceSettings("okta", base_url="https://example.okta.com", options=options)
    assert fetched(profile(employeeNumber="1042"), settings=settings).same_as == "bamboohr/1042"
    assert fetched(profile(employeeNumber=None), settings=settings).same_as is None
    assert fetched(profile(employeeNumber="1042")).same_as is None
