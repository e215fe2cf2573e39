"""The simulator of Sentry against the contract (sentry-members.md, sections 3 to 7), fact by fact, over HTTP."""

from typing import Any

import pytest

from tests.unit.local.provider_client import Asked
from tests.unit.local.sentry_caller import ABOVE, MEMBERS, PLATFORM, found, invited, member


def test_an_invitation_answers_as_the_serializer_does_and_mails_once(sentry: Asked) -> None:
    """
    Pending, approved, no user, and no word about teams, which only the member itself shows.
    """
    answer = invited(sentry, teamRoles=[{"teamSlug": "platform", "role": "admin"}])

    body = answer.json()
    assert answer.status_code == 201
    assert body | {"id": "", "inviterName": None} == {
        "id": "",
        "email": "ann@example.com",
        "name": "ann@example.com",
        "user": None,
        "role": "member",
        "roleName": "Member",
        "orgRole": "member",
        "pending": True,
        "expired": False,
        "flags": dict.fromkeys(
            [
                "idp:provisioned",
                "idp:role-restricted",
                "sso:linked",
                "sso:invalid",
                "member-limit:restricted",
                "partnership:restricted",
            ],
            False,
        ),
        "dateCreated": "2026-09-08T12:00:00.000000Z",
        "inviteStatus": "approved",
        "inviterName": None,
    }
    assert body["id"].isdigit()
    shown = sentry("GET", member(sentry, "ann@example.com")).json()
    assert shown["teams"] == ["platform"]
    assert shown["teamRoles"] == [PLATFORM], "the role of an invitation is discarded"
    assert "invite_link" not in shown
    assert sentry.mails == [("ann@example.com", "invite")]


def test_without_an_invitation_mail_the_row_stands_all_the_same(sentry: Asked) -> None:
    """
    `sendInvite` is about the mail alone.
    """
    assert invited(sentry, sendInvite=False).status_code == 201
    assert found(sentry, "ann@example.com")["pending"] is True
    assert sentry.mails == []


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        ({"email": "max@example.com"}, {"email": ["The user max@example.com is already a member"]}),
        ({"email": "MAX.Second@example.com"}, {"email": ["The user MAX.Second@example.com is already a member"]}),
        ({"email": "pia@example.com"}, {"email": ["The user pia@example.com has already been invited"]}),
        ({"email": "eva@example.com"}, {"email": ["The user eva@example.com has already been invited"]}),
        (
            {"email": "eva@example.com", "reinvite": True},
            {"email": ["The user eva@example.com has already been invited"]},
        ),
        ({"email": None}, {"email": ["This field may not be null."]}),
        ({"email": " "}, {"email": ["This field may not be blank."]}),
        ({"orgRole": "god"}, {"orgRole": ['"god" is not a valid choice.']}),
        ({"role": "god"}, {"role": ['"god" is not a valid choice.']}),
        ({"teamRoles": [PLATFORM, PLATFORM]}, {"teamRoles": ["Invalid teams"]}),
        ({"teamRoles": [{"teamSlug": "nowhere", "role": None}]}, {"teamRoles": ["Invalid teams"]}),
        ({"teams": ["nowhere"]}, {"teams": ["Invalid teams"]}),
        ({"teamRoles": [{"teamSlug": "platform", "role": "god"}]}, {"teamRoles": ["Invalid team-role"]}),
        ({"sendInvite": "perhaps"}, {"sendInvite": ["Must be a valid boolean."]}),
        (
            {"email": "max@example.com", "orgRole": "god", "teamRoles": [{"teamSlug": "nowhere", "role": None}]},
            {
                "email": ["The user max@example.com is already a member"],
                "orgRole": ['"god" is not a valid choice.'],
                "teamRoles": ["Invalid teams"],
            },
        ),
    ],
)
def test_all_errors_of_the_fields_are_reported_together(
    sentry: Asked, body: dict[str, Any], answer: dict[str, Any]
) -> None:
    """
    With 400 and the words of the contract, without a row, a mail, or a bit of the quota.
    """
    refused = invited(sentry, **body)

    assert (refused.status_code, refused.json()) == (400, answer)
    assert sentry.mails == []


def test_an_address_is_missing_malformed_or_too_long(sentry: Asked) -> None:
    """
    The first text counts, or one among others; an address on the local host is fine.
    """
    assert sentry("POST", MEMBERS, {}).json() == {"email": ["This field is required."]}
    assert invited(sentry, email="nobody").json()["email"][0] == "Enter a valid email address."
    assert invited(sentry, email="1234@qq.com").json()["email"][0] == "Enter a valid email address."
    long = invited(sentry, email=f"{'a' * 64}@example.com").json()["email"]
    assert "Ensure this field has no more than 75 characters." in long
    assert invited(sentry, email=" ann@localhost ").json()["email"] == "ann@localhost"


@pytest.mark.parametrize(
    "body",
    [
        {"teamRoles": None},
        {"teamRoles": [{"teamSlug": "platform"}]},
        {"teamRoles": [{"role": None}]},
        {"teamRoles": ["platform"]},
    ],
)
def test_a_team_without_both_keys_is_a_server_error(sentry: Asked, body: dict[str, Any]) -> None:
    """
    Although the schema allows null and leaves the keys open.
    """
    answer = invited(sentry, **body)

    assert (answer.status_code, answer.json()["detail"]) == (500, "Internal Error")
    assert sentry("GET", f"{MEMBERS}?query=email:ann@example.com").json() == []


def test_a_body_that_is_no_object(sentry: Asked) -> None:
    """
    A list fails inside the server; broken JSON is the caller's fault.
    """
    broken = sentry.client.post(
        f"{sentry.simulator.url}{MEMBERS}", content=b"{", headers={"authorization": "Bearer token"}
    )

    assert sentry("POST", MEMBERS, []).status_code == 500
    assert broken.status_code == 400
    assert broken.json()["detail"].startswith("JSON parse error - ")


def test_letters_count_against_invitations_and_not_against_members(sentry: Asked) -> None:
    """
    So a second invitation of one person is possible.
    """
    assert invited(sentry, email="Pia@example.com").status_code == 201
    assert len(sentry("GET", f"{MEMBERS}?query=pia@").json()) == 2
    assert invited(sentry, email="Max@example.com").status_code == 400


@pytest.mark.parametrize(
    ("token", "role", "status"),
    [
        ("token", "owner", 201),
        ("token", "manager", 201),
        ("manager", "manager", 201),
        ("manager", "member", 201),
        ("manager", "owner", 400),
        ("integration", "member", 201),
    ],
)
def test_who_may_grant_which_role(sentry: Asked, token: str, role: str, status: int) -> None:
    """
    The caller's own role counts, whatever the token's scopes.
    """
    answer = sentry("POST", MEMBERS, {"email": "ann@example.com", "orgRole": role}, caller=token)

    assert answer.status_code == status
    if status == 400:
        assert answer.json() == {"orgRole": [ABOVE]}


def test_an_integration_gives_the_role_member_only(sentry: Asked) -> None:
    """
    Said in a bare array, before any field is looked at.
    """
    answer = sentry("POST", MEMBERS, {"email": "max@example.com", "orgRole": "manager"}, caller="integration")

    assert answer.status_code == 400
    assert answer.json() == ["Integration tokens are restricted to inviting new members with the member role only."]


def test_a_caller_who_is_no_member_is_told_under_both_names(sentry: Asked) -> None:
    """
    Whatever role was asked for.
    """
    answer = sentry("POST", MEMBERS, {"email": "ann@example.com"}, caller="stranger")

    assert (answer.status_code, answer.json()) == (400, {"role": [ABOVE], "orgRole": [ABOVE]})


@pytest.mark.parametrize(
    ("token", "organization", "status", "body"),
    [
        (None, "acme", 401, {"detail": "Authentication credentials were not provided."}),
        ("unknown", "acme", 401, {"detail": "Invalid token"}),
        ("unknown", "nowhere", 401, {"detail": "Invalid token"}),
        ("blind", "acme", 403, {"detail": "You do not have permission to perform this action."}),
        ("blind", "nowhere", 403, {"detail": "You do not have permission to perform this action."}),
        ("token", "nowhere", 404, {"detail": "The requested resource does not exist"}),
        ("token", "closed", 403, {"organization": "Your organization is not allowed to invite members"}),
    ],
)
def test_token_scope_organization_and_plan_are_checked_in_this_order(
    sentry: Asked, token: str | None, organization: str, status: int, body: dict[str, str]
) -> None:
    """
    And all of them before the fields.
    """
    answer = sentry("POST", f"/api/0/organizations/{organization}/members/", {"email": "nobody"}, caller=token)

    assert (answer.status_code, answer.json()) == (status, body)


def test_the_quota_of_a_day_is_a_hundred_invitations(sentry: Asked) -> None:
    """
    Refused ones cost nothing; the limiter's headers do not speak of it.
    """
    for number in range(100):
        assert invited(sentry, email="nobody").status_code == 400
        assert invited(sentry, email=f"hire{number}@example.com").status_code == 201

    over = invited(sentry)
    assert over.status_code == 429
    assert over.json() == {"detail": "You are being rate limited for too many invitations."}
    assert "retry-after" not in over.headers
    assert int(over.headers["x-sentry-rate-limit-reset"]) == sentry.now.timestamp() + 1
    assert sentry("GET", f"{MEMBERS}?query=email:ann@example.com").json() == []
    sentry.later(hours=24)
    assert invited(sentry).status_code == 201


def test_one_address_may_be_mailed_ten_times_a_day(sentry: Asked) -> None:
    """
    Renewals count as invitations do.
    """
    path = member(sentry, "pia@example.com")

    statuses = [sentry("PUT", path, {"reinvite": True}).status_code for _ in range(11)]

    assert statuses == [200] * 10 + [429]
    assert sentry.mails == [("pia@example.com", "resend")] * 10


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("rate_limit", "You are attempting to use this endpoint too frequently. Limit is 40 requests in 1 seconds"),
        (
            "concurrency",
            "You are attempting to go above the allowed concurrency for this endpoint. Concurrency limit is 25",
        ),
        ("quota", "You are being rate limited for too many invitations."),
    ],
)
def test_the_kinds_of_429_differ_by_their_text_alone(sentry: Asked, kind: str, text: str) -> None:
    """
    And none of them has an effect.
    """
    sentry.fault(kind=kind)

    limited = invited(sentry)

    assert (limited.status_code, limited.json()) == (429, {"detail": text})
    assert "x-sentry-rate-limit-limit" in limited.headers
    assert sentry.mails == []
    assert invited(sentry).status_code == 201


def test_a_server_of_ones_own_has_no_limiter(sentry: Asked) -> None:
    """
    Nor its headers.
    """
    sentry.switch(rate_limit_headers=False)

    assert not any(name.startswith("x-sentry-rate-limit") for name in invited(sentry).headers)


def test_more_tokens_of_one_user_do_not_help_against_the_limiter(sentry: Asked) -> None:
    """
    It counts users, and integrations by their organization.
    """
    sentry.switch(request_limit=2)

    answers = [sentry("GET", MEMBERS, caller=caller) for caller in ("token", "writer", "manager", "integration")]

    assert [answer.status_code for answer in answers] == [200, 200, 429, 200]
