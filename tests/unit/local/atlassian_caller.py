"""Atlassian's API as the tests of its simulator call it: the seed, the paths, the usual requests and their answers."""

from typing import Any

import httpx

from tests.unit.local.provider_client import Asked

ORG = "2f7c1d9e-5b1a-4c7e-9a53-0c6d1e8f4a01"
JIRA = "ari:cloud:jira-software::site/70ef3a32-d0da-4e09-b35e-0109f91969c3"
WIKI = "ari:cloud:confluence::site/70ef3a32-d0da-4e09-b35e-0109f91969c3"
GROUP = "ddcc4cea-cf43-4241-8f68-015a6c11ae14"
SEED: dict[str, Any] = {
    "tokens": {
        "token": {},
        "scoped": {"scopes": ["read:directories:admin"]},
        "elsewhere": {"orgs": ["other"]},
    },
    "orgs": {ORG: {"resources": [JIRA, WIKI], "groups": [GROUP]}, "other": {}},
    "address_rules": {
        "rick@example.com": {"role": "ERROR", "group": "ERROR"},
        "hanna@example.com": {"group": "ERROR"},
    },
}
V2 = f"/admin/v2/orgs/{ORG}"
INVITE = f"{V2}/users/invite"
USERS = f"{V2}/directories/-/users"
GROUPS = f"{V2}/directories/-/groups"
ANN = "ann@example.com"
USER_OF_JIRA = {"resource": JIRA, "role": "atlassian/user"}


def invited(atlassian: Asked, *emails: str, **body: Any) -> httpx.Response:
    """An invitation with one role and one group, and a mail."""
    usual = {
        "emails": list(emails),
        "permissionRules": [USER_OF_JIRA],
        "additionalGroups": [GROUP],
        "sendNotification": True,
        "notificationText": "Welcome",
    }
    return atlassian("POST", INVITE, usual | body)


def statuses(answer: httpx.Response) -> dict[str, list[str]]:
    """The status of each role and group, by address."""
    return {
        entry["email"]: [
            part["status"]
            for lists in entry["results"]
            for part in (*lists["roleAssignmentResult"], *lists["groupAssignmentResult"])
        ]
        for entry in answer.json()["data"]
    }


def code(answer: httpx.Response) -> tuple[int, str]:
    """Status and code of an error in the application's envelope."""
    (error,) = answer.json()["errors"]
    assert error["status"] == str(answer.status_code)
    return answer.status_code, error["code"]


def people(atlassian: Asked, *emails: str, **body: Any) -> list[dict[str, Any]]:
    """The directory's rows of some addresses."""
    rows: list[dict[str, Any]] = atlassian("POST", f"{USERS}/search", {"emails": list(emails)} | body).json()["data"]
    return rows


def roles(atlassian: Asked, account: str) -> dict[str, list[str]]:
    """A person's roles by resource, as a read shows them."""
    answer = atlassian("GET", f"{USERS}/{account}/role-assignments")
    return {row["resourceId"]: [given["role"] for given in row["roleAssignments"]] for row in answer.json()["data"]}


def seed_people(atlassian: Asked, *rows: dict[str, Any], **org: Any) -> None:
    """Add people to the organization."""
    atlassian.seed({"orgs": {ORG: {"people": list(rows), **org}}})
