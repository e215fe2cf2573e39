"""Entra ID by Graph: a secret in every entry, changes of users, and the user behind each."""

import base64
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.contracts.hr_webhooks import Example
from usher.domain.errors import BadEvent, DetailsUnavailable, SecretUnavailable, Unauthentic
from usher.domain.hire import Change, NewHire, as_version
from usher.domain.notice import Notice
from usher.ports import SourceSettings, WebhookRequest
from usher.sources.entra_graph import EntraGraph

NOON = datetime(2026, 9, 8, 12, 0, tzinfo=UTC)
EXAMPLE = Example.load("entra-graph")
VALIDATION = Example.load("entra-graph-validation")
TENANT = "84bd8158-6d4d-4958-8b9f-9d6445540001"
SETTINGS = SourceSettings("entra-graph", options={"tenant": TENANT})
USER_ID = "87d349ed-44d7-43e1-9a83-5f2406de0001"
OTHER_ID = "87d349ed-44d7-43e1-9a83-5f2406de0002"
USER = {
    "id": USER_ID,
    "accountEnabled": True,
    "mail": "noor.haddad@example.com",
    "userPrincipalName": "noor.haddad@example.onmicrosoft.com",
    "otherMails": ["noor.haddad.private@example.com"],
    "givenName": "Noor",
    "surname": "Haddad",
    "employeeHireDate": "2026-10-05T00:00:00Z",
    "employeeType": "Full-time",
    "jobTitle": "Platform Engineer",
    "department": "Engineering",
    "officeLocation": "Lisbon",
}


class Graph:
    """Plays the login and the API; knows one answer for users and one for the deleted ones."""

    def __init__(self, user: httpx.Response, deleted: httpx.Response | None = None) -> None:
        self.user = user
        self.deleted = deleted or httpx.Response(404, json={"error": {"code": "Request_ResourceNotFound"}})
        self.login = httpx.Response(200, json={"access_token": "example-token", "expires_in": 3599})
        self.seen: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """Answer one request."""
        self.seen.append(request)
        if request.url.path.endswith("/token"):
            return self.login
        return self.deleted if "/deletedItems/" in request.url.path else self.user


def entra(handler: Callable[[httpx.Request], httpx.Response] = lambda request: httpx.Response(500)) -> EntraGraph:
    """Give the source over a Graph that answers as the handler says."""
    return EntraGraph(httpx.Client(transport=httpx.MockTransport(handler)))


def an_entry(**changes: Any) -> dict[str, Any]:
    """Give the notification of the contract's example, changed."""
    entry: dict[str, Any] = json.loads(EXAMPLE.request.body)["value"][0]
    return entry | changes


def a_request(*entries: object) -> WebhookRequest:
    """Make the request that holds these notifications."""
    return WebhookRequest("POST", "entra-graph", {}, json.dumps({"value": entries}).encode())


def read(*entries: object, at: datetime = NOON) -> tuple[Notice, ...]:
    """Read notifications that come in one request."""
    return entra().read(a_request(*entries), at)


def a_notice() -> Notice:
    """Make the thin notice of the contract's example."""
    (notice,) = entra().read(EXAMPLE.request, NOON)
    return notice


def fetched(
    answer: object, deleted: httpx.Response | None = None, *, later: timedelta = timedelta(0), key: str = "app:password"
) -> NewHire:
    """Fetch the user where Graph answers so."""
    response = answer if isinstance(answer, httpx.Response) else httpx.Response(200, json=answer)
    details = entra(Graph(response, deleted)).details
    assert details is not None
    return details.fetch(a_notice(), SETTINGS, key, NOON + later)


def test_the_example_is_believed_and_is_a_thin_notice() -> None:
    """Whether it is a hire, only the user's own hire date can tell."""
    entra().verify(EXAMPLE.request, (EXAMPLE.secret,), NOON)
    notice = a_notice()
    assert (notice.event, notice.change, notice.subject) == ("users.updated", "changed", USER_ID)
    assert notice.is_thin
    assert EXAMPLE.secret not in notice.model_dump_json()
    assert entra().thanks().status == 202


def test_a_flipped_byte_of_the_secret_is_refused() -> None:
    """The rest of the body is not covered by anything."""
    start = EXAMPLE.request.body.index(EXAMPLE.secret.encode())
    for position in range(start, start + len(EXAMPLE.secret)):
        with pytest.raises(Unauthentic):
            entra().verify(EXAMPLE.flipped(position), (EXAMPLE.secret,), NOON)
    with pytest.raises(Unauthentic):
        entra().verify(EXAMPLE.request, ("another",), NOON)
    with pytest.raises(SecretUnavailable):
        entra().verify(EXAMPLE.request, ("",), NOON)
    entra().verify(EXAMPLE.request, ("another", EXAMPLE.secret), NOON)


@pytest.mark.parametrize(
    "entry",
    [
        an_entry(clientState="example-graph-client-state-0002"),
        an_entry(clientState=None),
        an_entry(clientState=[EXAMPLE.secret]),
        an_entry(clientState=""),
        an_entry(clientState=EXAMPLE.secret + " "),
        {key: value for key, value in an_entry().items() if key != "clientState"},
        EXAMPLE.secret,
        None,
    ],
)
def test_every_entry_must_hold_the_secret(entry: object) -> None:
    """One good entry vouches for itself alone, wherever it stands."""
    for entries in ([entry], [an_entry(), entry], [entry, an_entry()]):
        with pytest.raises(Unauthentic):
            entra().verify(a_request(*entries), (EXAMPLE.secret,), NOON)
    entra().verify(a_request(an_entry(), an_entry()), (EXAMPLE.secret,), NOON)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"{}",
        b'{"value": []}',
        b'{"value": {}}',
        b'{"value": "example-graph-client-state-0001"}',
        b"\xff\xfe{\x00}\x00",
        b"[" * 100_000,
        b'{"value": [{"clientState": "example-graph-client-state-0001", "clientState": "x"}]}',
        b'{"value": [{"clientState": "\\ud800"}]}',
        json.dumps({"value": [an_entry()] * 1001}).encode(),
    ],
)
def test_a_body_without_a_list_that_can_be_checked_is_refused(body: bytes) -> None:
    """Whoever cannot be checked is not believed."""
    with pytest.raises(Unauthentic):
        entra().verify(WebhookRequest("POST", "entra-graph", {}, body), (EXAMPLE.secret,), NOON)


def test_the_validation_token_is_repeated_as_plain_text() -> None:
    """The gateway has decoded it already; a browser must not take it for a page."""
    token = VALIDATION.raw["query"]["validationToken"]
    reply = entra().handshake(replace(VALIDATION.request, query={"validationToken": token}))
    assert reply is not None
    assert (reply.status, reply.body) == (200, VALIDATION.raw["expected_response"]["text"])
    assert reply.content_type.startswith("text/plain")
    assert reply.headers["x-content-type-options"] == "nosniff"
    # Decoded once: what looks encoded after that is part of the token.
    encoded = entra().handshake(replace(VALIDATION.request, query={"validationToken": "a%20b<script>"}))
    assert encoded is not None
    assert encoded.body == "a%20b<script>"


@pytest.mark.parametrize("token", ["", "x" * 2049, "a\r\nb", "\x00", "\u00e9", "\ud800"])
def test_a_validation_token_that_is_none_is_not_repeated(token: str) -> None:
    """It is bounded and printable."""
    assert entra().handshake(replace(VALIDATION.request, query={"validationToken": token})) is None


def test_anything_else_is_no_validation() -> None:
    """Notifications least of all."""
    assert entra().handshake(EXAMPLE.request) is None
    assert entra().handshake(replace(VALIDATION.request, method="GET", query={"validationToken": "x"})) is None


@pytest.mark.parametrize(
    ("change_type", "resource", "event", "change"),
    [
        ("created", "Users/x", "users.created", "changed"),
        ("updated", "users/x", "users.updated", "changed"),
        ("Updated", "/users('x')", None, None),
        ("deleted", "Users/x", "users.deleted", "cancelled"),
        ("updated", "Groups/x", "groups.updated", None),
        ("renamed", "Users/x", "users.renamed", None),
    ],
)
def test_only_changes_of_users_concern_a_hire(
    change_type: str, resource: str, event: str | None, change: str | None
) -> None:
    """A group has an id of the same form."""
    (notice,) = read(an_entry(changeType=change_type, resource=resource))
    assert notice.change == change
    assert notice.is_thin is (change is not None)
    assert event is None or notice.event == event


@pytest.mark.parametrize("event", ["subscriptionRemoved", "reauthorizationRequired", "missed"])
def test_word_of_the_subscription_itself_is_no_hire_and_is_recorded_by_its_name(event: str) -> None:
    """A subscription that ends silently is a feed that died."""
    entry = {
        key: value for key, value in an_entry(lifecycleEvent=event).items() if key not in ("changeType", "resource")
    }
    entra().verify(a_request(entry), (EXAMPLE.secret,), NOON)
    (notice,) = read(entry)
    assert (notice.event, notice.change, notice.problems) == (event, None, ())


def test_a_notification_is_known_by_its_id() -> None:
    """Redelivered in whatever company."""
    first, second = read(an_entry(), an_entry(id="2"))
    (again,) = read(an_entry(), at=NOON + timedelta(hours=4))
    assert first.notice_id == again.notice_id != second.notice_id


def test_without_an_id_no_change_passes_for_an_earlier_one() -> None:
    """Two changes of one user are told in the same bytes."""
    (first,) = read(an_entry(id=None))
    (second,) = read(an_entry(id=None), at=NOON + timedelta(seconds=1))
    assert first.notice_id != second.notice_id
    one, other = read(an_entry(id=None), an_entry(id=None, resourceData={"id": OTHER_ID}))
    assert one.notice_id != other.notice_id


@pytest.mark.parametrize(
    "entry",
    [
        an_entry(resourceData=None),
        an_entry(resourceData={}),
        an_entry(resourceData={"id": "../../me"}),
        an_entry(resourceData={"id": USER_ID + "\n/x"}),
        an_entry(resourceData={"id": 7}),
        an_entry(changeType=None),
        an_entry(resource=7),
        an_entry(id=7),
        7,
    ],
)
def test_one_bad_entry_costs_the_others_nothing(entry: object) -> None:
    """It is parked, they are read."""
    bad, good = read(entry, an_entry(id="2"))
    assert bad.problems
    assert good.is_thin
    assert json.loads(base64.b64decode(bad.sealed_body or "")) == {"value": [entry]}


def test_a_bad_entry_is_sealed_alone_and_read_again_alone() -> None:
    """Hundreds of bad entries would otherwise hold the whole body hundreds of times, and a replay read all of it."""
    request = a_request(*(an_entry(id=str(number), resourceData=None) for number in range(300)), an_entry(id="300"))
    notices = entra().read(request, NOON)
    assert len({notice.notice_id for notice in notices}) == 301
    assert [notice.notice_id for notice in notices] == [notice.notice_id for notice in entra().read(request, NOON)]
    assert {notice.event for notice in notices} == {"users.updated"}
    assert sum(len(notice.sealed_body or "") for notice in notices) < 2 * len(request.body)
    body = base64.b64decode(notices[7].sealed_body or "")
    (again,) = entra().read(WebhookRequest("POST", "entra-graph", {}, body), NOON)
    assert again.problems == notices[7].problems


@pytest.mark.parametrize("key", ["", "app", "app:", ":password"])
def test_a_secret_that_is_no_pair_is_never_sent(key: str) -> None:
    """It may be the password alone."""
    graph = Graph(httpx.Response(200, json=USER))
    details = entra(graph).details
    assert details is not None
    with pytest.raises(DetailsUnavailable) as refused:
        details.fetch(a_notice(), SETTINGS, key, NOON)
    assert (graph.seen, refused.value.final) == ([], False)


def test_an_id_in_capitals_is_the_same_user() -> None:
    """One person must not become two hires."""
    assert read(an_entry(resourceData={"id": USER_ID.upper()}))[0].subject == USER_ID
    assert fetched(USER | {"id": USER_ID.upper()}).hire_id == USER_ID


@given(
    st.binary()
    | st.recursive(
        st.none() | st.text() | st.integers() | st.sampled_from(["users/x", "updated", USER_ID]),
        lambda c: (
            st.lists(c)
            | st.dictionaries(
                st.sampled_from(
                    ["value", "id", "clientState", "changeType", "resource", "resourceData", "lifecycleEvent"]
                ),
                c,
            )
        ),
    ).map(lambda v: json.dumps(v).encode())
)
def test_no_body_raises(body: bytes) -> None:
    """Nor does checking it, but to refuse it."""
    request = WebhookRequest("POST", "entra-graph", {}, body)
    for notice in entra().read(request, NOON):
        assert notice.problems or notice.is_thin or notice.change is None
    with pytest.raises(Unauthentic):
        entra().verify(request, (EXAMPLE.secret,), NOON)


@given(
    st.sampled_from(["id", "changeType", "resource", "resourceData", "lifecycleEvent", "subscriptionId"]),
    st.recursive(
        st.none() | st.text() | st.integers() | st.booleans(),
        lambda c: st.lists(c) | st.dictionaries(st.sampled_from(["id"]), c),
    ),
)
def test_no_entry_with_a_strange_part_raises(part: str, strange: object) -> None:
    """Of a kind that would be read."""
    (notice,) = read(an_entry() | {part: strange})
    assert notice.problems or notice.is_thin or notice.change is None


def test_the_user_is_asked_for_as_an_application_of_the_tenant() -> None:
    """With one token for many users, and without their private addresses."""
    graph = Graph(httpx.Response(200, json=USER))
    details = entra(graph).details
    assert details is not None
    hire = details.fetch(a_notice(), SETTINGS, "example-app:example:password", NOON)
    login, request = graph.seen
    assert login.url == f"https://login.microsoftonline.com/{TENANT}/oauth2/v2.0/token"
    assert parse_qs(login.content.decode()) == {
        "grant_type": ["client_credentials"],
        "client_id": ["example-app"],
        "client_secret": ["example:password"],
        "scope": ["https://graph.microsoft.com/.default"],
    }
    assert request.method == "GET"
    assert request.url.copy_with(query=None) == f"https://graph.microsoft.com/v1.0/users/{USER_ID}"
    assert request.headers["authorization"] == "Bearer example-token"
    fields = set(request.url.params["$select"].split(","))
    assert {"id", "mail", "accountEnabled", "employeeHireDate"} <= fields
    assert not fields & {"otherMails", "userPrincipalName"}
    assert hire == NewHire(
        source="entra-graph",
        hire_id=USER_ID,
        version=as_version(NOON),
        work_email="noor.haddad@example.com",
        given_name="Noor",
        family_name="Haddad",
        start_date=date(2026, 10, 5),
        title="Platform Engineer",
        department="Engineering",
        location="Lisbon",
        employment_type="Full-time",
    )
    details.fetch(a_notice(), SETTINGS, "example-app:example:password", NOON + timedelta(minutes=50))
    assert [seen.url.host for seen in graph.seen[2:]] == ["graph.microsoft.com"]


@pytest.mark.parametrize(
    ("base_url", "login"),
    [
        ("https://graph.microsoft.com/", "https://login.microsoftonline.com"),
        ("https://graph.proxy.example/", "https://graph.proxy.example"),
    ],
)
def test_another_api_than_the_vendors_gives_its_tokens_itself(base_url: str, login: str) -> None:
    """A key of one is worth nothing to the other."""
    graph = Graph(httpx.Response(200, json=USER))
    details = entra(graph).details
    assert details is not None
    details.fetch(a_notice(), replace(SETTINGS, base_url=base_url), "app:password", NOON)
    assert graph.seen[0].url == f"{login}/{TENANT}/oauth2/v2.0/token"
    assert graph.seen[1].url.host == httpx.URL(base_url).host


@pytest.mark.parametrize(
    ("changes", "change"),
    [
        ({"employeeHireDate": "2026-10-05T00:00:00Z"}, "hired"),
        ({"employeeHireDate": "2026-08-09T00:00:00Z"}, "hired"),
        ({"employeeHireDate": "2026-08-08T23:59:59Z"}, "changed"),
        ({"employeeHireDate": None}, "changed"),
        ({"accountEnabled": False}, "cancelled"),
        ({"accountEnabled": None}, "hired"),
    ],
)
def test_the_hire_date_tells_who_is_new_and_a_closed_account_is_none(changes: dict[str, Any], change: str) -> None:
    """Graph tells of everybody whenever anything changes; service accounts and guests have no hire date."""
    assert fetched(USER | changes).change == change


def test_the_work_address_is_the_mailbox_and_nothing_else() -> None:
    """A sign-in name need not be a mailbox; the other addresses are private."""
    assert fetched(USER | {"mail": None}).work_email is None
    assert "private" not in fetched(USER).model_dump_json()


def test_what_graph_leaves_out_is_nothing() -> None:
    """Null and missing are the same: a permission that is not granted looks so, too."""
    hire = fetched({"id": USER_ID})
    assert (hire.change, hire.work_email, hire.start_date, hire.department) == ("changed", None, None, None)


def test_a_user_among_the_deleted_is_taken_back() -> None:
    """Deleting is told as a change, and for 30 days nothing else tells of it."""
    graph = Graph(httpx.Response(404), httpx.Response(200, json={"id": USER_ID}))
    details = entra(graph).details
    assert details is not None
    hire = details.fetch(a_notice(), SETTINGS, "app:password", NOON)
    assert (hire.change, hire.hire_id, hire.version) == (Change.CANCELLED, USER_ID, as_version(NOON))
    assert graph.seen[-1].url.path == f"/v1.0/directory/deletedItems/{USER_ID}"
    with pytest.raises(DetailsUnavailable):
        fetched(httpx.Response(404), httpx.Response(503))


def test_a_user_whom_graph_does_not_know_may_be_too_new_at_first() -> None:
    """After ten minutes that is final."""
    for seconds, final in ((0, False), (599, False), (600, True)):
        with pytest.raises(DetailsUnavailable) as refused:
            fetched(httpx.Response(404), later=timedelta(seconds=seconds))
        assert refused.value.final is final


@pytest.mark.parametrize("status", [400, 401, 403, 302, 429, 503])
def test_an_answer_without_the_user_is_asked_for_again(status: int) -> None:
    """When Graph says; keys and outages are mended."""
    with pytest.raises(DetailsUnavailable) as refused:
        fetched(
            httpx.Response(status, text="noor.haddad@example.com", headers={"retry-after": "30"}), later=timedelta(1)
        )
    assert not refused.value.final
    assert refused.value.retry_after == (None if status in (401, 403) else 30)
    assert "noor" not in str(refused.value)


@pytest.mark.parametrize(
    "login",
    [
        httpx.Response(400, json={"error": "invalid_client"}),
        httpx.Response(401),
        httpx.Response(404),
        httpx.Response(200, json={}),
        httpx.Response(200, json={"access_token": "a b"}),
        httpx.Response(200, text="<html>"),
    ],
)
def test_without_a_token_nobody_is_asked_for(login: httpx.Response) -> None:
    """And no answer of the login is about the person."""
    graph = Graph(httpx.Response(200, json=USER))
    graph.login = login
    details = entra(graph).details
    assert details is not None
    with pytest.raises(DetailsUnavailable) as refused:
        details.fetch(a_notice(), SETTINGS, "app:password", NOON + timedelta(days=1))
    assert not refused.value.final
    assert len(graph.seen) == 1


def test_another_user_than_was_asked_for_is_not_taken() -> None:
    """It would invite the wrong person."""
    for answers in ((USER | {"id": OTHER_ID}, None), (httpx.Response(404), httpx.Response(200, json={"id": OTHER_ID}))):
        with pytest.raises(DetailsUnavailable, match="another person than was asked for") as refused:
            fetched(*answers)
        assert refused.value.final


@pytest.mark.parametrize(
    ("answer", "field"),
    [
        ({}, "user.id"),
        (USER | {"id": 7}, "user.id"),
        (USER | {"mail": []}, "user.mail"),
        (USER | {"accountEnabled": "perhaps"}, "user.accountEnabled"),
        (USER | {"employeeHireDate": "10/05/2026"}, "user.employeeHireDate"),
        (USER | {"employeeHireDate": 20261005}, "user.employeeHireDate"),
        (USER | {"department": {"name": "Engineering"}}, "user.department"),
        (USER | {"jobTitle": "x" * 300}, "user.title"),
    ],
)
def test_a_user_whose_fields_do_not_fit_is_parked_with_the_reason(answer: dict[str, Any], field: str) -> None:
    """And without the values."""
    with pytest.raises(BadEvent) as refused:
        fetched(answer)
    assert [problem.field for problem in refused.value.problems] == [field]
    assert "Noor" not in str(refused.value)


@given(
    st.recursive(
        st.none() | st.text() | st.integers() | st.booleans() | st.just(USER_ID),
        lambda c: (
            st.lists(c)
            | st.dictionaries(st.sampled_from(["id", "mail", "accountEnabled", "employeeHireDate", "jobTitle"]), c)
        ),
    )
)
def test_no_answer_raises_anything_else(answer: object) -> None:
    """Whatever Graph answers."""
    try:
        hire = fetched(answer)
    except (BadEvent, DetailsUnavailable):
        return
    assert hire.hire_id == USER_ID


@pytest.mark.parametrize(
    ("tenant", "fits"),
    [
        (TENANT, True),
        ("example.onmicrosoft.com", True),
        ("", False),
        ("..", False),
        ("example..com", False),
        ("a/b", False),
        ("example.com?x", False),
        ("example.com.", False),
        ("x" * 129, False),
    ],
)
def test_the_settings_name_the_tenant(tenant: str, fits: bool) -> None:
    """A stage that does not is refused at load."""
    details = entra().details
    assert details is not None
    assert (details.settings_errors(SourceSettings("entra-graph", options={"tenant": tenant})) == []) is fits
    assert len(details.settings_errors(SourceSettings("entra-graph"))) == 1
    assert len(details.settings_errors(replace(SETTINGS, options={"tenant": TENANT, "scope": "x"}))) == 1


@pytest.mark.parametrize(
    ("host", "own"),
    [("graph.microsoft.com", True), ("graph.microsoft.com.evil.example", False), ("graphXmicrosoft.com", False)],
)
def test_the_vendors_host_is_graph(host: str, own: bool) -> None:
    """The key goes nowhere else, unless the stage lists the host."""
    details = entra().details
    assert details is not None
    assert details.is_vendor_host(host) is own


def test_a_field_that_the_stage_names_joins_the_employee_of_the_hr_system() -> None:
    """It is asked for by its name."""
    options = {"tenant": TENANT, "same_as": "bamboohr", "same_as_field": "employeeId"}
    graph = Graph(httpx.Response(200, json=USER | {"employeeId": "1042"}))
    details = entra(graph).details
    assert details is not None
    hire = details.fetch(a_notice(), SourceSettings("entra-graph", options=options), "app:password", NOON)
    assert hire.same_as == "bamboohr/1042"
    assert graph.seen[-1].url.params["$select"].endswith(",employeeId")
