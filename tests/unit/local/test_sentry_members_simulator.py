"""Reads and repairs of the simulator of Sentry against the contract (sentry-members.md, section 8), over HTTP."""

from typing import Any

import pytest

from tests.contracts.openapi import SENTRY, response_errors
from tests.unit.local.provider_client import Asked
from tests.unit.local.sentry_caller import ABOVE, ACME, MEMBERS, found, invited, member


def test_an_invitation_runs_out_after_thirty_days_and_still_blocks(sentry: Asked) -> None:
    """
    Renewing it takes both words and `member:admin`.
    """
    invited(sentry)
    sentry.later(days=30, seconds=1)
    path = member(sentry, "ann@example.com")

    assert found(sentry, "ann@example.com")["expired"] is True
    assert invited(sentry).json() == {"email": ["The user ann@example.com has already been invited"]}
    unrenewed = sentry("PUT", path, {"reinvite": True})
    assert (unrenewed.status_code, unrenewed.json()) == (
        400,
        {"detail": "You cannot resend an expired invitation without regenerating the token."},
    )
    renewal = {"reinvite": True, "regenerate": True}
    unscoped = sentry("PUT", path, renewal, caller="writer")
    assert (unscoped.status_code, unscoped.json()) == (400, {"detail": "You are missing the member:admin scope."})
    assert sentry("PUT", path, renewal).status_code == 200
    assert found(sentry, "ann@example.com")["expired"] is False
    assert sentry.mails == [("ann@example.com", "invite"), ("ann@example.com", "resend")]


def test_a_renewal_changes_nothing_else(sentry: Asked) -> None:
    """
    Neither together with other fields nor for somebody who has joined.
    """
    mixed = sentry("PUT", member(sentry, "pia@example.com"), {"reinvite": True, "orgRole": "manager"})
    joined = sentry("PUT", member(sentry, "max@example.com"), {"reinvite": True})

    assert mixed.status_code == 403
    assert mixed.json()["detail"].startswith("You cannot modify member details when resending an invitation.")
    assert joined.status_code == 400
    assert joined.json() == {"detail": "You cannot send an invitation to a user who is already a full member."}
    assert sentry.mails == []


def test_a_change_without_teams_takes_every_team_away(sentry: Asked) -> None:
    """
    A change of the role alone does so too; team roles, on the other hand, are given here.
    """
    path = member(sentry, "max@example.com")
    given = sentry("PUT", path, {"teamRoles": [{"teamSlug": "platform", "role": "admin"}]})
    assert given.json()["teamRoles"] == [{"teamSlug": "platform", "role": "admin"}]

    changed = sentry("PUT", path, {"orgRole": "manager"})

    assert (changed.status_code, changed.json()["orgRole"], changed.json()["teams"]) == (200, "manager", [])
    above = sentry("PUT", member(sentry, "pia@example.com"), {"orgRole": "owner"}, caller="manager")
    assert (above.status_code, above.json()) == (400, {"orgRole": [ABOVE]})


def test_one_team_is_joined_and_left(sentry: Asked) -> None:
    """
    Joining twice changes nothing, and says so.
    """
    path = f"{member(sentry, 'max@example.com')}teams/platform/"

    joined = [sentry("POST", path).status_code for _ in range(2)]
    assert joined == [201, 204]
    role = sentry("PUT", path, {"teamRole": "admin"})
    assert (role.status_code, role.json()) == (200, {"isActive": True, "teamRole": "admin"})
    assert sentry("DELETE", path).status_code == 200
    assert sentry("GET", member(sentry, "max@example.com")).json()["teams"] == ["mobile"]
    assert sentry("POST", f"{member(sentry, 'max@example.com')}teams/nowhere/").status_code == 404


def test_an_invitation_is_removed_as_a_member_is(sentry: Asked) -> None:
    """
    An integration may remove nobody.
    """
    path = member(sentry, "pia@example.com")

    refused = sentry("DELETE", path, caller="integration")
    assert refused.json() == {"detail": "You cannot remove a member who has more access than you."}
    unscoped = sentry("DELETE", path, caller="writer")
    assert unscoped.json() == {"detail": "You are missing the member:admin scope."}
    assert refused.status_code == unscoped.status_code == 400
    assert [sentry("DELETE", path).status_code for _ in range(2)] == [204, 404]
    assert invited(sentry, email="pia@example.com").status_code == 201


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("email:max@example.com", ["max@example.com"]),
        ("email:MAX.second@example.com", ["max@example.com"]),
        ("email:pia@example.com", ["pia@example.com"]),
        ("email:Pia@example.com", []),
        ("second", ["max@example.com"]),
        ("a@example", ["pia@example.com", "eva@example.com"]),
        ("colour:red", []),
        ("", ["max@example.com", "pia@example.com", "eva@example.com"]),
    ],
)
def test_the_list_is_searched(sentry: Asked, query: str, shown: list[str]) -> None:
    """
    Invitations by their letters, members by any of their addresses; rows show the first address.
    """
    assert [row["email"] for row in sentry("GET", f"{MEMBERS}?query={query}").json()] == shown


def test_the_list_comes_in_pages_with_both_links(sentry: Asked) -> None:
    """
    Until the next one has no results.
    """
    rows: list[str] = []
    cursor = "0:0:0"
    for _ in range(3):
        answer = sentry("GET", f"{MEMBERS}?per_page=1&cursor={cursor}")
        rows += [row["email"] for row in answer.json()]
        cursor = answer.links["next"]["cursor"]
        assert answer.links["previous"]["results"] == ("false" if len(rows) == 1 else "true")

    assert len(rows) == 3
    assert answer.links["next"]["results"] == "false"
    for bad in ("per_page=0", "per_page=101"):
        refused = sentry("GET", f"{MEMBERS}?{bad}")
        assert refused.json() == {"detail": "Invalid per_page value. Must be between 1 and 100."}
    assert sentry("GET", f"{MEMBERS}?per_page=x").json() == {"detail": "Invalid per_page parameter."}
    assert sentry("GET", f"{MEMBERS}?cursor=x").json() == {"detail": "Invalid cursor parameter."}


@pytest.mark.parametrize("number", ["1", "garbage"])
def test_a_member_who_is_not_there(sentry: Asked, number: str) -> None:
    """
    Whatever the id looks like.
    """
    answer = sentry("GET", f"{MEMBERS}{number}/")

    assert (answer.status_code, answer.json()) == (404, {"detail": "The requested resource does not exist"})


def test_what_goes_back_is_as_published(sentry: Asked) -> None:
    """
    But for the two properties that the contract names, which the document as the tests read it no longer requires.
    """
    max_path = member(sentry, "max@example.com")
    requests: list[tuple[str, str, Any]] = [
        ("GET", f"{MEMBERS}?query=email:max@example.com", None),
        ("POST", MEMBERS, {"email": "ann@example.com"}),
        ("GET", max_path, None),
        ("PUT", max_path, {"teamRoles": []}),
        ("POST", f"{max_path}teams/platform/", None),
        ("DELETE", f"{max_path}teams/platform/", None),
        ("GET", f"{ACME}/teams/", None),
        ("DELETE", member(sentry, "eva@example.com"), None),
    ]
    for method, path, body in requests:
        answer = sentry(method, path, body)
        content = answer.json() if answer.content else None
        published = path.partition("?")[0]
        assert response_errors(SENTRY, method, published, answer.status_code, content) == [], (method, path)


@pytest.mark.parametrize(
    "body",
    [
        {"teamRoles": ["platform"]},
        {"teamRoles": [{"role": None}]},
        {"teamRoles": [{"teamSlug": {}, "role": None}]},
        {"teamRoles": "platform"},
        {"teams": [{}]},
        {"teams": 1},
        {"orgRole": {}},
    ],
)
def test_whatever_is_sent_is_answered(sentry: Asked, body: dict[str, Any]) -> None:
    """
    With a refusal, or the server error of an unhandled fault; nothing is changed.
    """
    path = member(sentry, "max@example.com")
    before = sentry("GET", path).json()

    assert sentry("PUT", path, body).status_code in (400, 500)
    assert invited(sentry, **body).status_code in (400, 500)
    assert sentry("GET", path).json() == before
