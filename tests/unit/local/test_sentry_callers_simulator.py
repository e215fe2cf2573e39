"""The simulator of Sentry: who may do what, its limits, and what gets lost on the way."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.contracts.openapi import SENTRY, response_errors
from tests.unit.local.provider_client import Asked, asked
from usher_local.simulators.sentry import Sentry

ALL_SCOPES = ["member:read", "member:write", "member:admin"]
OWNER = {"role": "owner", "integration": False, "scopes": ALL_SCOPES, "user": "Olga Owner", "email": "olga@x.io"}
INVITER = {"integration": False, "scopes": ["member:invite", "member:read"], "user": "Ida Inviter", "teams": ["mobile"]}
SEED: dict[str, Any] = {
    "tokens": {
        "token": OWNER,
        "inviter": INVITER,
        "manager": OWNER | {"role": "manager", "user": "Mia Manager", "email": "mia@x.io"},
        "integration": {"scopes": ALL_SCOPES},
        "bound": OWNER | {"organizations": ["acme"]},
        "expired": OWNER | {"fault": "Token expired"},
        "of-teams": OWNER | {"scopes": ["member:read", "team:write"]},
    },
    "organizations": {
        "acme": {
            "teams": ["platform", "mobile"],
            "members": [
                {"email": "olga@x.io", "role": "owner", "name": "Olga Owner"},
                {"email": "mia@x.io", "role": "manager", "name": "Mia Manager"},
                {"email": "max@x.io"},
                {"email": "pia@x.io", "pending": True, "teams": ["platform"], "inviter": "Mia Manager"},
                {"email": "ian@x.io", "pending": True, "inviter": "Ida Inviter"},
                {"email": "rob@x.io", "request": "requested_to_join"},
                {"email": "idp@x.io", "flags": {"idp:provisioned": True}},
                {"email": "par@x.io", "flags": {"partnership:restricted": True}},
            ],
        },
        "other": {},
    },
}
ACME = "/api/0/organizations/acme"
MEMBERS = f"{ACME}/members/"
ABOVE = "You do not have permission to set that org-level role"
NO_PERMISSION = {"detail": "You do not have permission to perform this action."}


@pytest.fixture
def sentry() -> Iterator[Asked]:
    """A running simulator."""
    with asked(Sentry, SEED) as caller:
        yield caller


def invited(sentry: Asked, caller: str = "token", **body: Any) -> httpx.Response:
    """An invitation of Ann."""
    return sentry("POST", MEMBERS, {"email": "ann@x.io"} | body, caller=caller)


def member(sentry: Asked, address: str) -> str:
    """The path of a member."""
    (row,) = sentry("GET", f"{MEMBERS}?query=email:{address}").json()
    return f"{MEMBERS}{row['id']}/"


def setting(sentry: Asked, **values: Any) -> None:
    """Change the organization."""
    sentry.seed({"organizations": {"acme": values}})


# --- tokens ---


@pytest.mark.parametrize(
    ("token", "organization", "status", "detail"),
    [
        ("expired", "acme", 401, "Token expired"),
        ("sntrys_x", "acme", 401, "Invalid org token"),
        ("bound", "other", 401, "Unauthorized organization access."),
        ("token", "other", 201, None),
    ],
)
def test_a_token_that_is_known_and_not_good_enough(
    sentry: Asked, token: str, organization: str, status: int, detail: str | None
) -> None:
    """
    Run out, of an organization, or bound to another one.
    """
    answer = sentry("POST", f"/api/0/organizations/{organization}/members/", {"email": "ann@x.io"}, caller=token)

    assert (answer.status_code, answer.json().get("detail")) == (status, detail)


def test_who_is_named_as_the_inviter(sentry: Asked) -> None:
    """
    A user is, an integration is not.
    """
    assert invited(sentry).json()["inviterName"] == "Olga Owner"
    assert invited(sentry, caller="integration", email="bob@x.io").json()["inviterName"] is None


def test_the_caller_can_read_their_own_membership(sentry: Asked) -> None:
    """
    As `me`; an integration has none.
    """
    me = sentry("GET", f"{MEMBERS}me/")

    assert (me.json()["email"], me.json()["isOnlyOwner"]) == ("olga@x.io", True)
    assert response_errors(SENTRY, "GET", f"{MEMBERS}me/", 200, me.json()) == []
    assert sentry("GET", f"{MEMBERS}me/", caller="integration").status_code == 404


# --- callers who may only invite ---


def test_members_assign_only_their_own_teams_where_membership_is_not_open(sentry: Asked) -> None:
    """
    That is looked at after the quota, which it costs.
    """
    setting(sentry, open_membership=False)
    sentry.switch(address_quota=1)

    foreign = invited(sentry, caller="inviter", teams=["platform"])

    assert foreign.status_code == 400
    assert foreign.json() == {"detail": "You cannot assign members to teams you are not a member of."}
    assert invited(sentry, caller="inviter", teams=["mobile"]).status_code == 429
    assert invited(sentry, caller="inviter", email="bob@x.io", teams=["mobile"]).status_code == 201


# --- roles ---


def test_roles_that_are_retired_or_belong_to_billing(sentry: Asked) -> None:
    """
    Under the key that was sent; billing needs a feature, and then has no teams.
    """
    sentry.switch(retired_roles=["admin"])
    retired = "The role 'admin' is deprecated and may no longer be assigned."

    assert invited(sentry, orgRole="admin").json() == {"orgRole": [retired]}
    assert invited(sentry, role="admin").json() == {"role": [retired]}
    assert invited(sentry, orgRole="billing").json() == {"orgRole": [ABOVE]}
    setting(sentry, billing_invites=True)
    with_team = invited(sentry, orgRole="billing", teams=["platform"])
    assert with_team.status_code == 400
    assert with_team.json() == {"email": "The user with a 'billing' role cannot have team-level permissions."}
    assert invited(sentry, orgRole="billing").json()["roleName"] == "Billing"


def test_the_newer_name_of_the_role_wins_and_both_are_validated(sentry: Asked) -> None:
    """
    So an old name can still spoil a request.
    """
    assert invited(sentry, orgRole="member", role="god").json() == {"role": ['"god" is not a valid choice.']}
    assert invited(sentry, orgRole="manager", role="member").json()["orgRole"] == "manager"


def test_a_role_is_changed_by_somebody_above_only(sentry: Asked) -> None:
    """
    Not one's own, not an owner's by a manager, and by no integration.
    """
    own = sentry("PUT", member(sentry, "mia@x.io"), {"orgRole": "member"}, caller="manager")
    above = sentry("PUT", member(sentry, "olga@x.io"), {"orgRole": "member"}, caller="manager")
    integration = sentry("PUT", member(sentry, "max@x.io"), {"orgRole": "member"}, caller="integration")

    assert (own.status_code, own.json()) == (400, {"detail": "You cannot make changes to your own role."})
    assert (above.status_code, above.json()) == (
        403,
        {"role": "You do not have permission to assign a role to the given user."},
    )
    assert (integration.status_code, integration.json()) == (400, {"orgRole": [ABOVE]})


# --- teams ---


def test_a_plan_without_team_roles_stores_none(sentry: Asked) -> None:
    """
    By either way of giving them.
    """
    setting(sentry, team_roles=False)
    path = member(sentry, "max@x.io")

    changed = sentry("PUT", path, {"teamRoles": [{"teamSlug": "platform", "role": "admin"}]})

    assert changed.json()["teamRoles"] == [{"teamSlug": "platform", "role": None}]
    assert sentry("PUT", f"{path}teams/platform/", {"teamRole": "admin"}).json()["teamRole"] == "contributor"


def test_a_change_with_teams_that_cannot_be_read_fails_inside(sentry: Asked) -> None:
    """
    And one with unknown teams is the caller's fault.
    """
    path = member(sentry, "pia@x.io")

    assert sentry("PUT", path, {"teamRoles": ["platform"]}).status_code == 500
    assert sentry("PUT", path, {"teamRoles": [{"teamSlug": "x", "role": None}]}).json() == {
        "teamRoles": ["Invalid teams"]
    }
    assert sentry("PUT", path, {"teamRoles": [{"teamSlug": "platform", "role": "god"}]}).json() == {
        "teamRoles": ["Invalid team-role"]
    }
    assert sentry("GET", path).json()["teams"] == ["platform"]


def test_teams_ask_for_scopes_of_their_own_where_the_published_ones_hold(sentry: Asked) -> None:
    """
    What a server asks here was not measured, so both are possible.
    """
    path = f"{member(sentry, 'max@x.io')}teams/platform/"
    sentry.switch(team_scopes="published")

    assert sentry("POST", path).status_code == 403
    assert sentry("GET", f"{ACME}/teams/").status_code == 403
    joined = sentry("POST", path, caller="of-teams")
    assert joined.status_code == 201
    assert response_errors(SENTRY, "POST", path, 201, joined.json()) == []
    left = sentry("DELETE", path, caller="of-teams")
    assert left.status_code == 403


def test_access_to_a_team_is_asked_for_where_membership_is_not_open(sentry: Asked) -> None:
    """
    202, and nobody has joined.
    """
    setting(sentry, open_membership=False)
    path = member(sentry, "max@x.io")

    asked_for = sentry("POST", f"{path}teams/platform/")

    assert (asked_for.status_code, asked_for.content) == (202, b"")
    assert sentry("GET", path).json()["teams"] == []


# --- invitations and requests ---


def test_a_member_who_has_not_linked_their_account_gets_a_mail_about_that(sentry: Asked) -> None:
    """
    Where the organization has single sign-on; who has linked it gets a refusal.
    """
    setting(sentry, sso=True, members=[{"email": "lin@x.io", "flags": {"sso:linked": True}}])

    unlinked = sentry("PUT", member(sentry, "max@x.io"), {"reinvite": True})
    linked = sentry("PUT", member(sentry, "lin@x.io"), {"reinvite": True})

    assert (unlinked.status_code, linked.status_code) == (200, 400)
    assert sentry.mails == [("max@x.io", "sso")]


# --- removals ---


def test_the_invitations_of_somebody_go_with_them_and_the_last_one_in_charge_stays(sentry: Asked) -> None:
    """
    The manager goes with her invitation; then the owner is the last.
    """
    assert sentry("DELETE", member(sentry, "mia@x.io")).status_code == 204
    assert sentry("GET", f"{MEMBERS}?query=email:pia@x.io").json() == []

    last = sentry("DELETE", member(sentry, "olga@x.io"))

    assert last.status_code == 403
    assert last.json() == {"detail": "You cannot remove the only remaining owner or manager of the organization."}


# --- reads ---


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("role:owner", 1),
        ("isInvited:true", 2),
        ("isInvited:false", 5),
        ("isInvited:true email:pia@x.io", 1),
        ("id:x", 0),
        ("user.id:x", 0),
        ("ssoLinked:true", 0),
        ("has2fa:true", 0),
        ("Olga", 1),
    ],
)
def test_every_token_of_a_query_has_to_fit(sentry: Asked, query: str, count: int) -> None:
    """
    Known keys, or text of names and addresses.
    """
    assert len(sentry("GET", f"{MEMBERS}?query={query}").json()) == count


def test_external_users_are_there_where_asked_for(sentry: Asked) -> None:
    """
    And the links keep the question.
    """
    answer = sentry("GET", f"{MEMBERS}?expand=externalUsers&per_page=1")

    assert answer.json()[0]["externalUsers"] == []
    assert "expand=externalUsers&per_page=1&cursor=0:1:0" in answer.links["next"]["url"]
    assert sentry.client.get(answer.links["next"]["url"], headers={"authorization": "Bearer token"}).status_code == 200


# --- limits ---


def test_the_limiter_calls_its_json_a_page_and_says_nothing_of_later(sentry: Asked) -> None:
    """
    The text names the limit that is set.
    """
    sentry.switch(request_limit=1)

    answers = [sentry("GET", MEMBERS) for _ in range(2)]

    assert answers[1].json()["detail"].endswith("Limit is 1 requests in 1 seconds")
    assert answers[1].headers["content-type"] == "text/html"
    assert "retry-after" not in answers[1].headers


def test_requests_at_the_same_time_are_limited_as_well(sentry: Asked) -> None:
    """
    With two headers more.
    """
    sentry.switch(concurrency_limit=1)
    sentry.fault(kind="delay", seconds=0.5, match={"method": "POST"})

    with ThreadPoolExecutor(1) as another:
        slow = another.submit(invited, sentry)
        while not sentry.control("GET", "ledger"):
            pass
        refused = sentry("GET", MEMBERS)
        assert slow.result().status_code == 201

    assert refused.status_code == 429
    assert refused.json()["detail"].endswith("Concurrency limit is 1")
    assert refused.headers["x-sentry-rate-limit-concurrentlimit"] == "1"
    assert sentry("GET", MEMBERS).status_code == 200


def test_older_servers_say_it_in_a_bare_text(sentry: Asked) -> None:
    """
    Which is JSON all the same.
    """
    sentry.switch(limit_body="string", limit_content_type="application/json")
    sentry.fault(kind="rate_limit")

    assert invited(sentry).json() == (
        "You are attempting to use this endpoint too frequently. Limit is 40 requests in 1 seconds"
    )


def test_the_quota_counts_inviters_organizations_and_addresses(sentry: Asked) -> None:
    """
    All three on each attempt, in any letters; a full counter goes on counting.
    """
    sentry.switch(quota=2)

    first = [invited(sentry, email=f"p{number}@x.io").status_code for number in range(3)]
    other = "/api/0/organizations/other/members/"
    elsewhere = [
        sentry("POST", other, {"email": "q@x.io"}, caller=caller).status_code for caller in ("token", "manager")
    ]
    by_another = invited(sentry, caller="manager", email="r@x.io").status_code

    assert first == [201, 201, 429]
    assert elsewhere == [429, 201], "an inviter is counted over all organizations"
    assert by_another == 429, "and an organization over all inviters"


def test_the_quota_may_begin_again_with_the_day(sentry: Asked) -> None:
    """
    Instead of 24 hours after each attempt.
    """
    sentry.switch(quota=1, quota_window="day")
    assert invited(sentry).status_code == 201
    sentry.later(hours=11, minutes=59)
    assert invited(sentry, email="bob@x.io").status_code == 429

    sentry.later(minutes=1)

    assert invited(sentry, email="bob@x.io").status_code == 201
