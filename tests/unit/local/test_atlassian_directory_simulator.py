"""Look-ups and repairs of the simulator of Atlassian against the contract (atlassian-invite.md, section 8)."""

from typing import Any

import pytest

from tests.contracts.openapi import ATLASSIAN, response_errors
from tests.unit.local.atlassian_caller import (
    ANN,
    GROUP,
    GROUPS,
    INVITE,
    JIRA,
    ORG,
    USER_OF_JIRA,
    USERS,
    V2,
    WIKI,
    code,
    invited,
    people,
    roles,
    seed_people,
)
from tests.unit.local.provider_client import Asked


@pytest.mark.parametrize("quoted", [False, True])
def test_a_persons_roles_are_read_whatever_way_the_id_is_written(atlassian: Asked, quoted: bool) -> None:
    """
    Account ids have a colon, which a client may or may not quote.
    """
    account = invited(atlassian, ANN).json()["data"][0]["id"]

    assert ":" in account
    assert roles(atlassian, account.replace(":", "%3A") if quoted else account) == {JIRA: ["atlassian/user"]}


def test_half_a_success_is_mended_by_a_membership(atlassian: Asked) -> None:
    """
    Without a second mail.
    """
    account = invited(atlassian, "hanna@example.com").json()["data"][0]["id"]
    path = f"{GROUPS}/{GROUP}/memberships"

    assert atlassian("POST", path, {"accountId": account}).status_code == 204
    assert code(atlassian("POST", path, {"accountId": account})) == (409, "ADMIN-UAM-409-2")
    (row,) = people(atlassian, "hanna@example.com", expand=["groups"])
    assert len(row["groups"]) == 1
    assert atlassian.mails == [("hanna@example.com", "invite")]
    assert atlassian("DELETE", f"{path}/{account}").status_code == 204
    assert people(atlassian, "hanna@example.com", expand=["groups"])[0]["groups"] == []


def test_a_role_is_given_and_taken_by_itself(atlassian: Asked) -> None:
    """
    Version 1 of the API, which wants a resource.
    """
    account = invited(atlassian, ANN).json()["data"][0]["id"]
    path = f"/admin/v1/orgs/{ORG}/users/{account}/roles"
    wiki = {"role": "atlassian/user", "resource": WIKI}

    assert atlassian("POST", f"{path}/assign", wiki).status_code == 204
    assert roles(atlassian, account) == {JIRA: ["atlassian/user"], WIKI: ["atlassian/user"]}
    assert atlassian("POST", f"{path}/revoke", wiki).status_code == 204
    assert roles(atlassian, account) == {JIRA: ["atlassian/user"]}
    assert code(atlassian("POST", f"{path}/assign", {"role": "atlassian/user"})) == (400, "ADMIN-UAM-400-5")
    assert code(atlassian("POST", f"{path}/assign", wiki | {"role": "atlassian/viewer"})) == (400, "ADMIN-UAM-400-3")


def test_a_key_with_a_scope_may_read_what_lists_it(atlassian: Asked) -> None:
    """
    Role assignments do, the search does not.
    """
    account = invited(atlassian, ANN).json()["data"][0]["id"]

    assert atlassian("GET", f"{USERS}/{account}/role-assignments", caller="scoped").status_code == 200
    assert atlassian("POST", f"{USERS}/search", {}, caller="scoped").status_code == 401


def test_the_directory_shows_people_and_repairs_after_a_while(atlassian: Asked) -> None:
    """
    As an eventually consistent one does.
    """
    atlassian.switch(lag=30)
    account = invited(atlassian, "hanna@example.com").json()["data"][0]["id"]
    assert people(atlassian, "hanna@example.com") == []
    atlassian.later(seconds=30)
    assert len(people(atlassian, "hanna@example.com")) == 1

    atlassian("POST", f"{GROUPS}/{GROUP}/memberships", {"accountId": account})

    assert people(atlassian, "hanna@example.com", expand=["groups"])[0]["groups"] == []
    atlassian.later(seconds=30)
    assert len(people(atlassian, "hanna@example.com", expand=["groups"])[0]["groups"]) == 1


def test_a_flapping_directory_shows_people_every_second_time(atlassian: Asked) -> None:
    """
    So one absent read proves nothing.
    """
    invited(atlassian, ANN)
    atlassian.switch(flapping=True)

    assert sorted(len(people(atlassian, ANN)) for _ in range(4)) == [0, 0, 1, 1]


def test_the_search_gives_pages_with_bare_cursors(atlassian: Asked) -> None:
    """
    The last one has no next.
    """
    seed_people(atlassian, *({"email": f"p{number}@example.com"} for number in range(5)))
    found: list[str] = []
    body: dict[str, Any] = {"limit": 2}
    for _ in range(3):
        page = atlassian("POST", f"{USERS}/search", body).json()
        found += [row["email"] for row in page["data"]]
        body["cursor"] = page.get("links", {}).get("next")

    assert found == [f"p{number}@example.com" for number in range(5)]
    assert body["cursor"] is None


@pytest.mark.parametrize(
    "body",
    [
        {"emails": []},
        {"emails": [ANN, ANN]},
        {"emails": [f"p{number}@example.com" for number in range(101)]},
        {"emails": [ANN], "searchTerm": "ann"},
        {"limit": 0},
        {"limit": 101},
        {"cursor": "garbage"},
        {"expand": ["everything"]},
    ],
)
def test_a_search_that_is_not_allowed(atlassian: Asked, body: dict[str, Any]) -> None:
    """
    400, in the application's envelope.
    """
    assert code(atlassian("POST", f"{USERS}/search", body))[0] == 400


def test_what_goes_back_is_as_published(atlassian: Asked) -> None:
    """
    Successes and errors of every operation.
    """
    account = invited(atlassian, ANN).json()["data"][0]["id"]
    v1 = f"/admin/v1/orgs/{ORG}/users/{account}/roles"
    expand = ["platformRoles", "counts.resources", "productAccess", "groups"]
    requests: list[tuple[str, str, Any]] = [
        ("POST", INVITE, {"emails": [ANN, "nobody"], "permissionRules": [USER_OF_JIRA]}),
        ("POST", INVITE, {}),
        ("POST", f"{USERS}/search", {"emails": [ANN], "expand": expand}),
        ("POST", f"{USERS}/search", {"limit": 0}),
        ("GET", f"{USERS}/{account}/role-assignments", None),
        ("GET", f"{USERS}/nobody/role-assignments", None),
        ("POST", f"{GROUPS}/search", {"groupNames": [GROUP.upper()]}),
        ("POST", f"{GROUPS}/{GROUP}/memberships", {"accountId": account}),
        ("DELETE", f"{GROUPS}/{GROUP}/memberships/{account}", None),
        ("POST", f"{v1}/assign", {"role": "atlassian/user", "resource": WIKI}),
        ("POST", f"{v1}/revoke", {"role": "atlassian/user"}),
        ("GET", "/admin/v1/orgs", None),
        ("POST", f"{V2}/workspaces", {"limit": 1}),
        ("POST", f"{V2}/workspaces", {"cursor": "x", "limit": 1}),
    ]
    for token in ("token", "unknown"):
        for method, path, body in requests:
            answer = atlassian(method, path, body, caller=token)
            content = answer.json() if answer.content else None
            assert response_errors(ATLASSIAN, method, path, answer.status_code, content) == [], (method, path, token)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (f"{GROUPS}/search", {"groupNames": 1}),
        (f"{GROUPS}/search", {"groupNames": [1]}),
        (f"{GROUPS}/search", {"groupIds": 1}),
        (f"{GROUPS}/search", {"accountIds": 1}),
        (f"{GROUPS}/search", {"groupNames": ["x"], "groupIds": ["x"]}),
        (f"{V2}/workspaces", {"cursor": 1}),
        (f"{V2}/workspaces", {"cursor": "garbage"}),
        (f"{V2}/workspaces", {"limit": 0}),
        (f"{USERS}/search", {"emails": 1}),
        (f"{GROUPS}/{GROUP}/memberships", {"accountId": 1}),
        (f"{GROUPS}/{GROUP}/memberships", []),
    ],
)
def test_whatever_is_sent_is_answered(atlassian: Asked, path: str, body: Any) -> None:
    """
    With 400 where it is nothing that the operation takes.
    """
    assert atlassian("POST", path, body).status_code == 400
