"""The directory decides after an ambiguous answer: who is there, with what, and when it cannot tell."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.unit.providers.atlassian_world import (
    ANN,
    ANN_ID,
    BOB,
    BOB_ID,
    CID,
    GRANT,
    GROUP,
    GROUP_ID,
    JIRA,
    NOW,
    USER,
    WIKI,
    Wire,
    a_call,
    an_ask,
    errors,
    found,
    page,
    roles,
    row,
)
from usher.domain.outcomes import Absent, Part, Present, ReadFailed, RefusedConnection, Standing
from usher.domain.policy import Access, Grant

SINCE = datetime(2026, 3, 2, 9, 29, 58, tzinfo=UTC)
COMPLETE = Present(ANN_ID, Standing.MEMBER, since=SINCE)
GROUPS_ONLY = Grant(groups=(GROUP_ID,), message="Welcome")


def test_a_member_with_every_part_is_present() -> None:
    assert found([page(row()), roles((JIRA, "atlassian/user"))]) == [COMPLETE]


@pytest.mark.parametrize("role", ["atlassian/user", "ari:cloud:jira::role/product/member", "ari:cloud:jira::role/user"])
def test_a_role_is_known_by_its_short_name_and_as_an_ari(role: str) -> None:
    assert found([page(row()), roles((JIRA.upper(), role))]) == [COMPLETE]


@pytest.mark.parametrize("identifier", [GROUP_ID, GROUP_ID.upper(), f"ari:cloud:identity::group/{GROUP_ID}"])
def test_a_group_is_known_by_the_last_part_of_its_id(identifier: str) -> None:
    assert found([page(row(groups=[{"id": identifier}])), roles((JIRA, "atlassian/user"))]) == [COMPLETE]


@pytest.mark.parametrize(
    ("groups", "held", "open_parts"),
    [
        ([], [(JIRA, "atlassian/user")], (GROUP,)),
        (None, [(JIRA, "atlassian/user")], (GROUP,)),
        ([{}, None, {"id": 3}, {"id": "another"}], [(JIRA, "atlassian/user")], (GROUP,)),
        ([{"id": GROUP_ID}], [], (USER,)),
        ([{"id": GROUP_ID}], [(WIKI, "atlassian/user"), (JIRA, "atlassian/guest")], (USER,)),
        ([], [], (USER, GROUP)),
    ],
)
def test_missing_parts_are_open(groups: Any, held: list[tuple[str, str]], open_parts: tuple[Part, ...]) -> None:
    (finding,) = found([page(row(groups=groups)), roles(*held)])

    assert finding == Present(ANN_ID, Standing.MEMBER, open=open_parts, since=SINCE)


def test_a_role_that_no_list_shows_is_drift_and_never_open() -> None:
    viewer = Grant(access=(Access(resource=JIRA, role="atlassian/viewer"),), message="Welcome")

    (finding,) = found([page(row()), roles()], an_ask(grant=viewer))

    assert finding == Present(
        ANN_ID,
        Standing.MEMBER,
        drift=(f"role {JIRA} (atlassian/viewer) is not shown by Atlassian",),
        since=SINCE,
    )


def test_nobody_is_absent() -> None:
    assert found([page()]) == [Absent()]


@pytest.mark.parametrize("changes", [{"status": "not_invited"}, {"membershipStatus": "no_membership"}])
def test_an_account_outside_the_organization_is_absent(changes: dict[str, str]) -> None:
    assert found([page(row(**changes))]) == [Absent()]


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"status": "suspended"}, "suspended"),
        ({"membershipStatus": "suspended"}, "suspended"),
        ({"status": "deactivated"}, "deactivated"),
        ({"accountStatus": "inactive"}, "deactivated"),
        ({"accountStatus": "closed"}, "closed"),
        ({"status": "for_deletion"}, "scheduled for deletion"),
    ],
)
def test_a_member_who_cannot_use_the_organization_is_blocked(changes: dict[str, str], word: str) -> None:
    wire = Wire([page(row(**changes))])

    finding = wire.atlassian.look_up(a_call(), [an_ask()])[an_ask().key]

    assert isinstance(finding, Present)
    assert word in (finding.blocked or "")
    assert len(wire.requests) == 1


def test_a_row_without_any_status_is_a_member() -> None:
    bare = row(status=None, membershipStatus=None, accountStatus=None, addedToOrg=None)

    assert found([page(bare), roles((JIRA, "atlassian/user"))]) == [Present(ANN_ID, Standing.MEMBER)]


@pytest.mark.parametrize("moment", ["2026-03-02", "yesterday", 3, "2026-03-02T09:29:58"])
def test_a_time_that_cannot_be_read_is_no_time(moment: Any) -> None:
    assert found([page(row(addedToOrg=moment)), roles((JIRA, "atlassian/user"))]) == [Present(ANN_ID, Standing.MEMBER)]


def test_people_are_found_by_address_whatever_the_order_and_the_case() -> None:
    rows = page(row(BOB.upper(), accountId=BOB_ID), row("other@example.com"), row(ANN.title()))
    asked = [an_ask(address, GROUPS_ONLY) for address in (ANN, BOB, CID)]

    assert found([rows], *asked) == [
        COMPLETE,
        Present(BOB_ID, Standing.MEMBER, since=SINCE),
        Absent(),
    ]


def test_an_old_account_with_the_same_address_does_not_hide_the_member() -> None:
    rows = page(row(accountId="old", status="deactivated"), row(), row(accountId="x", status="not_invited"))

    assert found([rows], an_ask(grant=GROUPS_ONLY)) == [COMPLETE]


def test_two_members_with_one_address_decide_nothing() -> None:
    (finding,) = found([page(row(), row(accountId=BOB_ID))], an_ask(grant=GROUPS_ONLY))

    assert finding == ReadFailed("the directory shows two people with this address")


def test_somebody_without_an_address_may_be_the_one_who_seems_absent() -> None:
    hidden = row()
    hidden.pop("email")

    ann, bob = found([page(hidden, row(BOB))], an_ask(ANN, GROUPS_ONLY), an_ask(BOB, GROUPS_ONLY))

    assert ann == ReadFailed("the directory shows somebody without an address")
    assert isinstance(bob, Present)
    assert found([page(hidden, row(status="not_invited"))]) == [Absent()]


def test_roles_of_a_person_without_an_account_id_cannot_be_read() -> None:
    (finding,) = found([page(row(accountId=None))])

    assert finding == ReadFailed("the directory shows the person without an account id")


def test_every_page_is_read_and_a_cursor_is_handed_on_as_it_came() -> None:
    cursor = "a+b/c=&d"
    wire = Wire(
        [page(row(CID), next_cursor=cursor), page(row()), roles(next_cursor=cursor), roles((JIRA, "atlassian/user"))]
    )

    findings = wire.atlassian.look_up(a_call(), [an_ask()])

    assert findings == {an_ask().key: COMPLETE}
    assert [body and body.get("cursor") for body in wire.bodies] == [None, cursor, None, None]
    assert [request.url.params.get("cursor") for request in wire.requests] == [None, None, None, cursor]


def test_a_directory_without_end_decides_nothing() -> None:
    wire = Wire([page(next_cursor="again")])

    findings = wire.atlassian.look_up(a_call(), [an_ask()])

    assert findings == {an_ask().key: ReadFailed("the directory's answer did not end after 20 pages")}
    assert len(wire.requests) == 20


def test_more_than_a_hundred_people_are_asked_for_in_turns() -> None:
    wire = Wire([page()])
    asks = [an_ask(f"p{number}@example.com", GROUPS_ONLY) for number in range(230)]

    findings = wire.atlassian.look_up(a_call(), asks)

    assert [len(body["emails"]) for body in wire.bodies] == [100, 100, 30]
    assert set(findings.values()) == {Absent()}
    assert len(findings) == 230


def test_a_search_says_what_it_wants_to_see() -> None:
    wire = Wire([page()])

    wire.atlassian.look_up(a_call(), [an_ask(ANN), an_ask(BOB)])
    wire.atlassian.look_up(a_call(), [an_ask(grant=Grant(notify=False))])

    assert wire.paths == ["POST /admin/v2/orgs/org-1/directories/-/users/search"] * 2
    assert wire.bodies == [
        {"emails": [ANN, BOB], "limit": 100, "expand": ["groups"]},
        {"emails": [ANN], "limit": 100},
    ]


def test_roles_are_asked_for_only_where_the_grant_has_some() -> None:
    wire = Wire([page(row(), row(BOB, accountId=BOB_ID)), roles((JIRA, "atlassian/user"))])

    wire.atlassian.look_up(a_call(), [an_ask(ANN, GROUPS_ONLY), an_ask(BOB)])

    assert wire.paths[1:] == [f"GET /admin/v2/orgs/org-1/directories/-/users/{BOB_ID}/role-assignments?limit=100"]


@pytest.mark.parametrize(
    ("answer", "finding"),
    [
        (httpx.ConnectError("no"), ReadFailed("no connection (name, network or certificate)")),
        (httpx.ReadTimeout("no"), ReadFailed("no answer in time")),
        (httpx.Response(500), ReadFailed("Atlassian failed (500)")),
        (httpx.Response(204), ReadFailed("Atlassian answered 204, which the contract does not list")),
        (
            httpx.Response(206, json={"data": []}),
            ReadFailed("the directory answered 206, which is no answer to a read"),
        ),
        (errors(400, "ADMIN-UAM-400-1"), ReadFailed("Atlassian calls the request malformed (400 ADMIN-UAM-400-1)")),
        (httpx.Response(200, html="<p>hello</p>"), ReadFailed("the directory's answer cannot be read")),
        (httpx.Response(200, json={}), ReadFailed("the directory's answer cannot be read")),
        (httpx.Response(200, json=[]), ReadFailed("the directory's answer cannot be read")),
        (
            httpx.Response(429, headers={"Retry-After": "60"}),
            ReadFailed("the rate limit is reached (429)", NOW + timedelta(seconds=60)),
        ),
    ],
)
def test_a_read_that_failed_says_nothing_about_anybody(answer: Any, finding: ReadFailed) -> None:
    assert found([answer], an_ask(ANN), an_ask(BOB)) == [finding, finding]


@pytest.mark.parametrize(
    ("status", "unauthorized"), [(401, True), (402, False), (403, False), (404, False), (301, False)]
)
def test_a_refused_read_holds_the_connection(status: int, unauthorized: bool) -> None:
    (finding,) = found([httpx.Response(status)])

    assert isinstance(finding, ReadFailed)
    assert isinstance(finding.refused, RefusedConnection)
    assert finding.refused.unauthorized is unauthorized


def test_a_secret_that_cannot_stand_in_a_header_is_refused_without_a_request() -> None:
    wire = Wire([page()])

    finding = wire.atlassian.look_up(a_call(secret=""), [an_ask()])[an_ask().key]

    assert isinstance(finding, ReadFailed)
    assert finding.refused is not None
    assert wire.requests == []


@pytest.mark.parametrize("answer", [httpx.Response(429), httpx.Response(401), httpx.ReadTimeout("no")])
def test_after_a_failure_that_concerns_everybody_nothing_more_is_asked(answer: Any) -> None:
    wire = Wire([page(row(), row(BOB, accountId=BOB_ID)), answer])

    findings = wire.atlassian.look_up(a_call(), [an_ask(ANN), an_ask(BOB), an_ask(CID)])

    assert len(wire.requests) == 2
    assert [type(findings[an_ask(address).key]) for address in (ANN, BOB, CID)] == [ReadFailed, ReadFailed, Absent]


@pytest.mark.parametrize("answer", [httpx.Response(404), httpx.Response(500), errors(404, "ADMIN-404-8")])
def test_a_failure_about_one_person_does_not_keep_the_others_waiting(answer: httpx.Response) -> None:
    wire = Wire([page(row(), row(BOB, accountId=BOB_ID)), answer, roles((JIRA, "atlassian/user"))])

    findings = wire.atlassian.look_up(a_call(), [an_ask(ANN), an_ask(BOB)])

    assert isinstance(findings[an_ask(ANN).key], ReadFailed)
    assert findings[an_ask(BOB).key] == Present(BOB_ID, Standing.MEMBER, since=SINCE)


def test_no_time_left_is_a_failed_read() -> None:
    wire = Wire([page()])

    findings = wire.atlassian.look_up(a_call(seconds=0), [an_ask(ANN, GRANT)])

    assert findings == {an_ask().key: ReadFailed("no time was left for the request")}
    assert wire.requests == []
