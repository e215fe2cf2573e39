"""The simulator of Atlassian under the choices that its contract leaves open (section 11), and its other operations."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.contracts.openapi import ATLASSIAN, response_errors
from tests.unit.local.provider_client import Asked, asked
from usher_local.simulators.atlassian import Atlassian
from usher_local.simulators.switches import BadSwitch

ORG, OTHER = "org-1", "org-2"
JIRA = "ari:cloud:jira-software::site/1"
WIKI = "ari:cloud:confluence::site/1"
OPS = "ari:cloud:opsgenie::site/1"
GROUP = "ddcc4cea-cf43-4241-8f68-015a6c11ae14"
ANN, BOB = "ann@example.com", "bob@example.com"
SEED: dict[str, Any] = {
    "tokens": {"token": {}, "workspaces": {"scopes": ["read:workspaces:admin"]}, "one": {"orgs": [ORG]}},
    "orgs": {
        ORG: {
            "resources": [JIRA, WIKI, OPS],
            "unlicensed": [OPS],
            "groups": [{"id": GROUP, "name": "Jira engineers"}],
        },
        OTHER: {},
    },
}
V2 = f"/admin/v2/orgs/{ORG}"
INVITE = f"{V2}/users/invite"
SEARCH = f"{V2}/directories/-/users/search"
MEMBERSHIPS = f"{V2}/directories/-/groups/{GROUP}/memberships"


@pytest.fixture
def atlassian() -> Iterator[Asked]:
    """A running simulator."""
    with asked(Atlassian, SEED) as caller:
        yield caller


def invited(atlassian: Asked, *emails: str, **body: Any) -> httpx.Response:
    """An invitation to Jira and to a group, with a mail; held against the published schema."""
    usual = {
        "emails": list(emails),
        "permissionRules": [{"resource": JIRA, "role": "atlassian/user"}],
        "additionalGroups": [GROUP],
        "sendNotification": True,
        "notificationText": "Welcome",
    }
    answer = atlassian("POST", INVITE, usual | body)
    assert response_errors(ATLASSIAN, "POST", INVITE, answer.status_code, answer.json()) == []
    return answer


def code(answer: httpx.Response) -> str:
    """The code of an error."""
    return str(answer.json()["errors"][0]["code"])


def people(atlassian: Asked, *people: dict[str, Any], **org: Any) -> None:
    """Add people to the organization."""
    atlassian.seed({"orgs": {ORG: {"people": list(people), **org}}})


@pytest.mark.parametrize(
    ("switches", "person", "status", "mails"),
    [
        ({"existing_member": "409"}, {}, 409, 0),
        ({"existing_member_mailed": False}, {}, 200, 0),
        ({"existing_member_mailed": True}, {}, 200, 1),
        ({"deactivated": "invited_again"}, {"account_status": "inactive"}, 200, 1),
        ({"suspended": "request"}, {"membership": "suspended"}, 403, 0),
    ],
)
def test_somebody_whom_atlassian_knows(
    atlassian: Asked, switches: dict[str, Any], person: dict[str, Any], status: int, mails: int
) -> None:
    """
    Refused with the request, or invited again, with or without a mail.
    """
    people(atlassian, {"email": ANN} | person)
    atlassian.switch(**switches)

    assert invited(atlassian, ANN).status_code == status
    assert len(atlassian.mails) == mails


def test_an_address_given_twice_counts_where_it_came_first(atlassian: Asked) -> None:
    """
    In the letters that it had there.
    """
    entries = invited(atlassian, "Ann@example.com", BOB, ANN).json()["data"]

    assert [entry["email"] for entry in entries] == ["Ann@example.com", BOB]


def test_a_resource_that_is_not_there_may_fail_alone(atlassian: Asked) -> None:
    """
    The group is given all the same.
    """
    atlassian.switch(unknown_resource="inner_error")

    answer = invited(atlassian, ANN, permissionRules=[{"resource": "ari:cloud:x::y", "role": "atlassian/user"}])

    (parts,) = answer.json()["data"][0]["results"]
    assert answer.status_code == 206
    assert parts["roleAssignmentResult"][0]["status"] == "ERROR"
    assert parts["groupAssignmentResult"][0]["status"] == "INVITED"


def test_an_app_without_a_licence_refuses_the_request(atlassian: Asked) -> None:
    """
    With a code of its own.
    """
    answer = invited(atlassian, ANN, permissionRules=[{"resource": OPS, "role": "atlassian/user"}])

    assert (answer.status_code, code(answer)) == (400, "ADMIN-UAM-400-4")


def test_a_refused_address_may_come_without_an_id(atlassian: Asked) -> None:
    """
    The others keep theirs.
    """
    atlassian.switch(failed_id=False)

    entries = invited(atlassian, ANN, "nobody").json()["data"]

    assert ["id" in entry for entry in entries] == [True, False]


def test_results_may_say_nothing_of_what_they_are_about(atlassian: Asked) -> None:
    """
    As in a sample of the documentation; addresses come back as sent unless the letters are changed.
    """
    assert invited(atlassian, "Ann@Example.com").json()["data"][0]["email"] == "Ann@Example.com"
    atlassian.switch(echoed_role="absent", letters="lower")

    (entry,) = invited(atlassian, "Ann@Example.com").json()["data"]

    assert entry["email"] == ANN
    assert entry["results"][0]["roleAssignmentResult"] == [{"status": "INVITED", "statusReason": None}]


@pytest.mark.parametrize(("choice", "mailed"), [(True, [(ANN, "invite")]), (False, [])])
def test_whether_a_notification_without_text_mails_is_a_choice(
    atlassian: Asked, choice: bool, mailed: list[tuple[str, str]]
) -> None:
    """
    The description couples the two.
    """
    atlassian.switch(mail_without_text=choice)

    assert invited(atlassian, ANN, notificationText="").status_code == 200
    assert atlassian.mails == mailed


def test_the_text_of_a_mail_and_its_time_are_in_the_ledger_of_mails(atlassian: Asked) -> None:
    """
    For the eyes of a person who looks on.
    """
    invited(atlassian, "Ann@example.com")

    (mail,) = atlassian.control("GET", "mails")
    assert (mail["address"], mail["text"], mail["organization"]) == (ANN, "Welcome", ORG)


def test_a_rule_has_its_own_reason_and_ends_with_the_repair(atlassian: Asked) -> None:
    """
    Then an invitation of the address is like any other.
    """
    atlassian.seed({"address_rules": {ANN: {"role": "ERROR", "reason": "not today"}}})
    (entry,) = invited(atlassian, ANN).json()["data"]
    (role,) = entry["results"][0]["roleAssignmentResult"]
    assert (role["status"], role["statusReason"]) == ("ERROR", "not today")

    body = {"role": "atlassian/user", "resource": JIRA}
    assert atlassian("POST", f"/admin/v1/orgs/{ORG}/users/{entry['id']}/roles/assign", body).status_code == 204

    assert invited(atlassian, ANN).status_code == 200


def test_groups_have_names_and_ids_in_two_forms(atlassian: Asked) -> None:
    """
    The search for groups finds names in any letters; the rows of people have ARIs, or not.
    """
    account = invited(atlassian, ANN).json()["data"][0]["id"]
    search = f"{V2}/directories/-/groups/search"

    (by_name,) = atlassian("POST", search, {"groupNames": ["JIRA ENGINEERS"]}).json()["data"]
    (by_account,) = atlassian("POST", search, {"accountIds": [account]}).json()["data"]
    assert by_name == by_account
    assert (by_name["id"], by_name["counts"]["users"]) == (GROUP, 1)
    assert atlassian("POST", search, {"groupNames": ["x"], "searchTerm": "x"}).status_code == 400
    body = {"emails": [ANN], "expand": ["groups"]}
    (form,) = atlassian("POST", SEARCH, body).json()["data"][0]["groups"]
    assert form == {"id": f"ari:cloud:identity::group/{GROUP}", "name": "Jira engineers"}
    atlassian.switch(expanded_group="plain")
    assert atlassian("POST", SEARCH, body).json()["data"][0]["groups"][0]["id"] == GROUP


def test_errors_of_memberships(atlassian: Asked) -> None:
    """
    With codes by which the two conflicts differ, or without any body, as declared.
    """
    account = invited(atlassian, ANN, BOB).json()["data"][0]["id"]
    again, group = {"accountId": account}, f"{V2}/directories/-/groups/nowhere/memberships"

    assert code(atlassian("POST", MEMBERSHIPS, again)) == "ADMIN-UAM-409-2"
    assert code(atlassian("POST", group, again)) == "ADMIN-404-10"
    assert code(atlassian("POST", MEMBERSHIPS, {"accountId": "nobody"})) == "ADMIN-404-8"
    assert code(atlassian("POST", MEMBERSHIPS, {})) == "ADMIN-UAM-400-1"
    atlassian.switch(membership_bodies=False)
    bare = atlassian("POST", MEMBERSHIPS, again)
    assert (bare.status_code, bare.content) == (409, b"")
    atlassian.switch(already_in_group="204", membership_bodies=True)
    assert atlassian("POST", MEMBERSHIPS, again).status_code == 204
    people(atlassian, seats=1)
    assert code(atlassian("POST", MEMBERSHIPS, again)) == "ADMIN-UAM-409-3"


def test_a_role_needs_a_seat_a_person_and_a_resource(atlassian: Asked) -> None:
    """
    Each refusal with the code of its reason.
    """
    account = invited(atlassian, ANN, BOB).json()["data"][0]["id"]
    wiki = {"role": "atlassian/user", "resource": WIKI}
    path = f"/admin/v1/orgs/{ORG}/users/{account}/roles/assign"

    assert code(atlassian("POST", path.replace(account, "nobody"), wiki)) == "ADMIN-404-8"
    assert code(atlassian("POST", path, wiki | {"resource": "ari:cloud:x::y"})) == "ADMIN-UAM-404-1"
    people(atlassian, seats=1)
    seatless = atlassian("POST", path, wiki)
    assert (seatless.status_code, code(seatless)) == (409, "ADMIN-UAM-409-3")
    assert response_errors(ATLASSIAN, "POST", path, 409, seatless.json()) == []


def test_a_role_that_only_an_invitation_gives_is_in_no_list_of_roles(atlassian: Asked) -> None:
    """
    The viewer's.
    """
    body = {"permissionRules": [{"resource": JIRA, "role": "atlassian/viewer"}], "additionalGroups": []}
    account = invited(atlassian, ANN, **body).json()["data"][0]["id"]

    path = f"{V2}/directories/-/users/{account}/role-assignments"
    answer = atlassian("GET", path)

    assert answer.json()["data"] == []
    assert response_errors(ATLASSIAN, "GET", path, 200, answer.json()) == []


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", f"/admin/v2/orgs/{OTHER}/workspaces"),
        ("POST", f"/admin/v2/orgs/{OTHER}/directories/-/users/search"),
        ("POST", f"/admin/v2/orgs/{OTHER}/users/invite"),
        ("POST", f"/admin/v1/orgs/{OTHER}/users/x/roles/assign"),
    ],
)
def test_another_organization_is_forbidden_in_the_envelope_of_the_operation(
    atlassian: Asked, method: str, path: str
) -> None:
    """
    The application's, the gateway's, or an error that stands alone.
    """
    answer = atlassian(method, path, {}, caller="one")

    assert response_errors(ATLASSIAN, method, path, answer.status_code, answer.json()) == []
    assert answer.status_code == 403


def test_an_endpoint_has_a_limit_of_its_own(atlassian: Asked) -> None:
    """
    The counter begins again with the minute, and its end is a date and a time.
    """
    atlassian.switch(rate_limit=1)
    atlassian.later(seconds=12)

    assert invited(atlassian, ANN).headers["x-ratelimit-remaining"] == "0"
    limited = invited(atlassian, BOB)
    assert (limited.status_code, limited.headers["x-ratelimit-reset"]) == (429, "2026-09-08T12:01:00+00:00")
    assert atlassian("POST", SEARCH, {}).status_code == 200
    atlassian.later(seconds=48)
    assert invited(atlassian, BOB).status_code == 200


def test_a_page_is_no_longer_than_the_simulator_wants(atlassian: Asked) -> None:
    """
    Whatever the limit that was asked for; the cursor remembers the question.
    """
    people(atlassian, *({"email": f"p{number}@example.com"} for number in range(3)))
    atlassian.switch(page_size=2)

    first = atlassian("POST", SEARCH, {"emails": ["p0@example.com", "p1@example.com", "p2@example.com"]}).json()
    second = atlassian("POST", SEARCH, {"cursor": first["links"]["next"], "limit": 1}).json()

    assert [len(page["data"]) for page in (first, second)] == [2, 1]


@pytest.mark.parametrize(
    "switches", [{"order": "backwards"}, {"lag": "long"}, {"flapping": 1}, {"rate_limit": True}, {"status_reason": 5}]
)
def test_a_switch_has_its_values_and_no_others(atlassian: Asked, switches: dict[str, Any]) -> None:
    """
    Also in a seed, which is then refused as a whole.
    """
    before = atlassian.control("GET", "switches")

    assert atlassian.client.post(f"{atlassian.simulator.url}/_sim/switches", json=switches).status_code == 400
    assert atlassian.client.post(f"{atlassian.simulator.url}/_sim/seed", json={"switches": switches}).status_code == 400
    with pytest.raises(BadSwitch):
        Atlassian({"switches": switches})
    assert atlassian.control("GET", "switches") == before


def test_switches_in_the_first_seed_outlive_a_reset() -> None:
    """
    Others go back to their defaults.
    """
    with asked(Atlassian, SEED | {"switches": {"lag": 5}}) as atlassian:
        atlassian.switch(lag=9, order="reversed")

        atlassian.control("POST", "reset")

        switches = atlassian.control("GET", "switches")
        assert (switches["lag"], switches["order"]) == (5, "same")
