"""The simulator of Atlassian against the contract (atlassian-invite.md, sections 3 to 7), fact by fact, over HTTP."""

from datetime import timedelta
from typing import Any

import pytest

from tests.unit.local.atlassian_caller import (
    ANN,
    GROUP,
    INVITE,
    JIRA,
    ORG,
    USER_OF_JIRA,
    code,
    invited,
    people,
    roles,
    seed_people,
    statuses,
)
from tests.unit.local.provider_client import Asked


def test_everybody_is_invited_and_mailed_once(atlassian: Asked) -> None:
    """
    200: each with an account, a role and a group, which the directory shows.
    """
    answer = invited(atlassian, ANN, "bob@example.com")

    assert answer.status_code == 200
    assert statuses(answer) == {ANN: ["INVITED", "INVITED"], "bob@example.com": ["INVITED", "INVITED"]}
    (row,) = people(atlassian, "Ann@Example.com", expand=["groups"])
    assert row["accountId"] == answer.json()["data"][0]["id"]
    assert [group["id"] for group in row["groups"]] == [f"ari:cloud:identity::group/{GROUP}"]
    assert roles(atlassian, row["accountId"]) == {JIRA: ["atlassian/user"]}
    assert atlassian.mails == [(ANN, "invite"), ("bob@example.com", "invite")]


@pytest.mark.parametrize("body", [{}, {"sendNotification": False, "notificationText": "Welcome"}])
def test_nobody_is_mailed_unless_asked(atlassian: Asked, body: dict[str, Any]) -> None:
    """
    The notification is off by default.
    """
    assert atlassian("POST", INVITE, {"emails": [ANN], "permissionRules": [USER_OF_JIRA]} | body).status_code == 200
    assert people(atlassian, ANN)
    assert atlassian.mails == []


def test_an_address_that_is_refused_does_not_stop_its_neighbours(atlassian: Asked) -> None:
    """
    206: nothing was done for one, half of it for another.
    """
    answer = invited(atlassian, ANN, "rick@example.com", "hanna@example.com")

    assert answer.status_code == 206
    assert statuses(answer) == {
        ANN: ["INVITED", "INVITED"],
        "rick@example.com": ["ERROR", "ERROR"],
        "hanna@example.com": ["INVITED", "ERROR"],
    }
    assert people(atlassian, "rick@example.com") == []
    assert atlassian.mails == [(ANN, "invite"), ("hanna@example.com", "invite")]


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"emails": []}, (400, "ADMIN-UAM-400-1")),
        ({"emails": "ann@example.com"}, (400, "ADMIN-UAM-400-1")),
        ({"emails": [f"p{number}@example.com" for number in range(26)]}, (400, "ADMIN-UAM-400-1")),
        ({"permissionRules": ["atlassian/user"]}, (400, "ADMIN-UAM-400-1")),
        ({"permissionRules": [{"resource": JIRA}]}, (400, "ADMIN-UAM-400-1")),
        ({"permissionRules": [{"resource": JIRA, "role": "atlassian/org-admin"}]}, (400, "ADMIN-UAM-400-3")),
        ({"permissionRules": [USER_OF_JIRA | {"resource": "ari:cloud:x::y"}]}, (404, "ADMIN-UAM-404-1")),
        ({"additionalGroups": ["nowhere"]}, (404, "ADMIN-UAM-404-3")),
    ],
)
def test_a_request_is_refused_as_a_whole(atlassian: Asked, body: dict[str, Any], error: tuple[int, str]) -> None:
    """
    Nobody is invited, nobody mailed.
    """
    assert code(invited(atlassian, ANN, **body)) == error
    assert people(atlassian, ANN) == []
    assert atlassian.mails == []


@pytest.mark.parametrize(
    ("token", "organization", "error"),
    [
        (None, ORG, (401, "ADMIN-UAM-401-1")),
        ("unknown", ORG, (401, "ADMIN-UAM-401-1")),
        ("unknown", "nowhere", (401, "ADMIN-UAM-401-1")),
        ("scoped", ORG, (401, "ADMIN-401-2")),
        ("elsewhere", ORG, (403, "ADMIN-UAM-403-2")),
        ("token", "nowhere", (404, "ADMIN-UAM-404-2")),
        ("token", "unpaid", (402, "ADMIN-UAM-402-1")),
    ],
)
def test_the_key_comes_first_then_the_organization_then_its_plan(
    atlassian: Asked, token: str | None, organization: str, error: tuple[int, str]
) -> None:
    """
    A key with scopes is no good for an operation that lists none.
    """
    atlassian.seed({"orgs": {"unpaid": {"paid": False}}})

    answer = atlassian("POST", f"/admin/v2/orgs/{organization}/users/invite", {"emails": [ANN]}, caller=token)

    assert code(answer) == error


@pytest.mark.parametrize(
    ("switches", "person", "status", "results"),
    [
        ({}, {}, 200, ["INVITED", "INVITED"]),
        ({"existing_member": "error"}, {}, 206, ["ERROR", "ERROR"]),
        ({}, {"account_status": "inactive"}, 400, None),
        ({"deactivated": "error"}, {"account_status": "inactive"}, 206, ["ERROR", "ERROR"]),
        ({}, {"membership": "suspended"}, 206, ["ERROR", "ERROR"]),
        ({"suspended": "invited_again"}, {"membership": "suspended"}, 200, ["INVITED", "INVITED"]),
        ({"existing_member": "error"}, {"membership": "no_membership"}, 200, ["INVITED", "INVITED"]),
    ],
)
def test_what_an_invitation_of_a_known_person_yields_is_a_choice(
    atlassian: Asked, switches: dict[str, Any], person: dict[str, Any], status: int, results: list[str] | None
) -> None:
    """
    Member, deactivated, suspended; an account that is in no directory is like a new one.
    """
    atlassian.switch(**switches)
    seed_people(atlassian, {"email": ANN} | person)

    answer = invited(atlassian, ANN)

    assert answer.status_code == status
    assert (statuses(answer)[ANN] if results else code(answer)[1]) == (results or "ADMIN-UAM-400-2")
    assert atlassian.mails == ([(ANN, "invite")] if status == 200 else [])


def test_whoever_was_in_no_directory_is_in_one_after_the_invitation(atlassian: Asked) -> None:
    """
    The search shows such accounts too, as not invited.
    """
    seed_people(atlassian, {"email": ANN, "membership": "no_membership"})
    assert people(atlassian, ANN)[0]["status"] == "not_invited"

    invited(atlassian, ANN)

    assert (people(atlassian, ANN)[0]["status"], people(atlassian, ANN)[0]["membershipStatus"]) == ("active", "active")


@pytest.mark.parametrize(
    ("switches", "body", "status", "failed"),
    [
        ({}, {"emails": [ANN, "nobody"]}, 206, ["nobody"]),
        ({"bad_address": "400"}, {"emails": [ANN, "nobody"]}, 400, None),
        ({"unknown_group": "inner_error"}, {"emails": [ANN], "additionalGroups": ["nowhere"]}, 206, [ANN]),
        ({"too_many": "accepted"}, {"emails": [f"p{number}@example.com" for number in range(26)]}, 200, []),
        ({"all_failed": "400"}, {"emails": ["nobody"]}, 400, None),
    ],
)
def test_what_a_bad_part_does_to_the_rest_is_a_choice(
    atlassian: Asked, switches: dict[str, Any], body: dict[str, Any], status: int, failed: list[str] | None
) -> None:
    """
    Whether it fails alone or takes the request with it.
    """
    atlassian.switch(**switches)

    answer = invited(atlassian, **body)

    assert answer.status_code == status
    if failed is not None:
        assert [email for email, parts in statuses(answer).items() if "ERROR" in parts] == failed


@pytest.mark.parametrize(("choice", "status", "mailed"), [("409", 409, 0), ("206", 206, 1)])
def test_the_last_seat_is_given_away_or_the_request_refused(
    atlassian: Asked, choice: str, status: int, mailed: int
) -> None:
    """
    Who has a seat already needs none.
    """
    atlassian.switch(seat_limit=choice)
    seed_people(atlassian, {"email": "max@example.com"}, seats=2)

    answer = invited(atlassian, ANN, "bob@example.com")

    assert answer.status_code == status
    assert len(atlassian.mails) == mailed
    assert invited(atlassian, "max@example.com").status_code == 200


def test_an_address_given_twice(atlassian: Asked) -> None:
    """
    Counts once, is refused, or has two results: a choice.
    """
    assert len(invited(atlassian, ANN, "Ann@example.com").json()["data"]) == 1
    atlassian.switch(duplicate_address="error")
    assert code(invited(atlassian, ANN, ANN)) == (400, "ADMIN-UAM-400-1")
    atlassian.switch(duplicate_address="twice")
    assert len(invited(atlassian, ANN, ANN).json()["data"]) == 2


def test_the_form_of_the_results_is_a_choice(atlassian: Asked) -> None:
    """
    Order, letters, names of roles, and whether a refused address is there at all.
    """
    usual = invited(atlassian, ANN, "rick@example.com").json()["data"]
    atlassian.switch(order="reversed", letters="upper", echoed_role="plain", status_reason="no")
    other = invited(atlassian, ANN, "rick@example.com").json()["data"]
    atlassian.switch(failed_listed=False)
    short = invited(atlassian, ANN, "rick@example.com")

    assert [entry["email"] for entry in usual] == [ANN, "rick@example.com"]
    assert [entry["email"] for entry in other] == ["RICK@EXAMPLE.COM", "ANN@EXAMPLE.COM"]
    (role,) = usual[0]["results"][0]["roleAssignmentResult"]
    assert role["role"].startswith("ari:cloud:jira::role/product/")
    (role,) = other[0]["results"][0]["roleAssignmentResult"]
    assert (role["role"], role["statusReason"]) == ("atlassian/user", "no")
    assert (short.status_code, list(statuses(short))) == (206, ["ANN@EXAMPLE.COM"])


@pytest.mark.parametrize("retry_after", [False, True])
def test_a_limit_says_when_as_a_date_and_perhaps_retry_after(atlassian: Asked, retry_after: bool) -> None:
    """
    In the application's envelope, or in the proxy's on version 1.
    """
    atlassian.switch(retry_after=retry_after)
    atlassian.fault(kind="rate_limit", seconds=90, times=2)

    limited = invited(atlassian, ANN)
    behind_the_proxy = atlassian("GET", "/admin/v1/orgs")

    assert code(limited) == (429, "ADMIN-429-1")
    assert limited.headers["x-ratelimit-reset"] == (atlassian.now + timedelta(seconds=90)).isoformat()
    assert limited.headers.get("retry-after") == ("90" if retry_after else None)
    assert (behind_the_proxy.status_code, behind_the_proxy.json()["code"]) == (429, 429)
    assert atlassian.mails == []
