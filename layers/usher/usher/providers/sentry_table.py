"""
How Sentry's answers are read: reviewed tables, one entry for each row of the contract's error sections.

The first entry that fits decides, so the order says what counts more. Sentry's wording is matched here and nowhere
else. An answer that no entry fits is ambiguous. `docs/providers/sentry.md` shows the same tables; a test compares them.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from enum import StrEnum
from functools import cached_property

from usher.domain.outcomes import (
    AlreadyMember,
    Ambiguous,
    LimitedUntil,
    Outcome,
    RefusedConnection,
    RefusedGrant,
    RefusedPerson,
)
from usher.http import Answer, reset_time, retry_after

ANYTHING = "…"
"""Stands for any text in an entry's wording."""

ACCESS_REQUESTED = "Sentry made an access request: the token may not put people into the team"

QUOTA_RESTARTS = time(0, 5)
"""Sentry does not say when the invite quota of a day is whole again; five minutes into the next one it should be."""


class Then(StrEnum):
    """What an entry asks for where the answer alone is no outcome."""

    ASK_BACK = "ask the member list"
    NEXT_DAY = "wait for the next day"
    AS_TOLD = "wait as told"
    AS_TOLD_READ_FIRST = "wait as told, then read first"
    DONE = "done"
    REQUESTED = "still open"


@dataclass(frozen=True)
class Entry:
    """
    One row: a status and what the body says, each key with its wording (all of them must be there).

    A key is the field's name, `detail`, `detail.code`, or `[]` for a bare array. Status 3 is every redirect. `reason`
    is for what is no outcome yet.
    """

    name: str
    status: int
    says: dict[str, str]
    then: Outcome | Then
    reason: str = ""

    def fits(self, answer: Answer) -> bool:
        """Say whether the row is about this answer."""
        if self.status not in (answer.status, answer.status // 100):
            return False
        said = texts(answer.json)
        return all(any(wording.fullmatch(text) for text in said.get(key, ())) for key, wording in self._wordings)

    @cached_property
    def _wordings(self) -> list[tuple[str, re.Pattern[str]]]:
        return [
            (key, re.compile(".*".join(re.escape(part) for part in wording.split(ANYTHING)), re.DOTALL))
            for key, wording in self.says.items()
        ]


def _connection(name: str, status: int, says: dict[str, str], reason: str, *, unauthorized: bool = False) -> Entry:
    return Entry(name, status, says, RefusedConnection(reason, unauthorized))


def _token(name: str, detail: str, reason: str) -> Entry:
    return _connection(name, 401, {"detail": detail}, reason, unauthorized=True)


def _grant(name: str, status: int, says: dict[str, str], reason: str) -> Entry:
    return Entry(name, status, says, RefusedGrant(reason))


def _person(name: str, status: int, says: dict[str, str], reason: str) -> Entry:
    return Entry(name, status, says, RefusedPerson(reason))


def _limit(name: str, wording: str, then: Then, reason: str) -> Entry:
    return Entry(name, 429, {"detail": wording} if wording else {}, then, reason)


def _unknown(name: str, status: int, reason: str) -> Entry:
    return Entry(name, status, {}, Ambiguous(reason))


TOKEN = (
    _token("no-credentials", "Authentication credentials were not provided.", "Sentry saw no token"),
    _token("bad-token", "Invalid token", "Sentry does not know the token"),
    _token("token-expired", "Token expired", "the token has expired"),
    _token("user-inactive", "User inactive or deleted", "the token's user is inactive or deleted"),
    _token("application-inactive", "UserApplication inactive or deleted", "the token's application is inactive"),
    _token("bad-org-token", "Invalid org token", "Sentry does not know the organization token"),
    _token(
        "other-organization",
        "Unauthorized organization access.",
        "the token is for another organization, or the organization is not named by its slug",
    ),
    _connection(
        "over-member-limit",
        401,
        {"detail.code": "member-disabled-over-limit"},
        "the token's user is disabled: the organization is over its member limit",
    ),
    _connection("sso-required", 401, {"detail.code": "sso-required"}, "the organization requires SSO of the caller"),
    _connection("2fa-required", 401, {"detail.code": "2fa-required"}, "the organization requires 2FA of the caller"),
    _connection("any-401", 401, {}, "Sentry does not accept the token", unauthorized=True),
)
"""Faults of the token, on every call; a fresh secret may cure those that a new token would."""

PERMISSION = (
    _connection(
        "no-permission",
        403,
        {"detail": "You do not have permission to perform this action."},
        "the token's scopes or its user's role do not allow this",
    ),
    _connection(
        "invites-forbidden",
        403,
        {"organization": "Your organization is not allowed to invite members"},
        "the organization's plan or settings forbid invitations",
    ),
    _connection("any-403", 403, {}, "Sentry does not allow this"),
)

ORGANIZATION = (
    _connection(
        "unknown-organization",
        404,
        {"detail": "The requested resource does not exist"},
        "Sentry does not know the organization, or the token may not see it",
    ),
    _connection("any-404", 404, {}, "there is no such Sentry API at the base URL"),
    _connection("any-402", 402, {}, "Sentry asks for another plan"),
    _connection("redirect", 3, {}, "the base URL answers with a redirect, which is never followed"),
)

LIMITS = (
    _limit(
        "invite-quota",
        "You are being rate limited for too many invitations.",
        Then.NEXT_DAY,
        "the invitations of this day are spent",
    ),
    _limit(
        "request-rate",
        "You are attempting to use this endpoint too frequently…",
        Then.AS_TOLD,
        "too many requests a second",
    ),
    _limit(
        "concurrency",
        "You are attempting to go above the allowed concurrency…",
        Then.AS_TOLD,
        "too many requests at once",
    ),
    _limit("any-429", "", Then.AS_TOLD_READ_FIRST, "Sentry, or something before it, asks to wait"),
)

FAULTS = (
    _unknown("internal-error", 500, "Sentry failed (500)"),
    _unknown("bad-gateway", 502, "Sentry failed (502)"),
    _unknown("unavailable", 503, "Sentry failed (503)"),
    _unknown("gateway-timeout", 504, "Sentry failed (504)"),
)

COMMON = (*TOKEN, *PERMISSION, *ORGANIZATION, *LIMITS, *FAULTS)

INVITE = (
    Entry("already-member", 400, {"email": "The user … is already a member"}, Then.ASK_BACK),
    Entry("already-invited", 400, {"email": "The user … has already been invited"}, Then.ASK_BACK),
    _grant(
        "role-without-teams",
        400,
        {"email": "The user with a … role cannot have team-level permissions."},
        "the role cannot be in teams",
    ),
    _person("email-missing", 400, {"email": "This field is required."}, "Sentry saw no address"),
    _person("email-blank", 400, {"email": "This field may not be blank."}, "Sentry saw no address"),
    _person("email-null", 400, {"email": "This field may not be null."}, "Sentry saw no address"),
    _person("email-malformed", 400, {"email": "Enter a valid email address."}, "Sentry does not accept the address"),
    _person(
        "email-too-long",
        400,
        {"email": "Ensure this field has no more than 75 characters."},
        "the address is longer than the 75 characters that Sentry takes",
    ),
    _connection(
        "caller-no-member",
        400,
        {
            "role": "You do not have permission to set that org-level role",
            "orgRole": "You do not have permission to set that org-level role",
        },
        "the token's user is no member of the organization",
    ),
    _grant("role-unknown", 400, {"orgRole": "… is not a valid choice."}, "Sentry does not know the role"),
    _grant(
        "role-above-caller",
        400,
        {"orgRole": "You do not have permission to set that org-level role"},
        "the role is above what the token's user may give",
    ),
    _grant(
        "role-retired",
        400,
        {"orgRole": "The role … is deprecated and may no longer be assigned."},
        "the role is retired in this organization",
    ),
    _grant("team-unknown", 400, {"teamRoles": "Invalid teams"}, "a team is unknown, not active or named twice"),
    _grant("team-unknown-legacy", 400, {"teams": "Invalid teams"}, "a team is unknown, not active or named twice"),
    _grant("team-role-unknown", 400, {"teamRoles": "Invalid team-role"}, "Sentry does not know a team role"),
    _grant("no-boolean", 400, {"sendInvite": "Must be a valid boolean."}, "Sentry does not accept the notification"),
    _grant(
        "team-not-the-callers",
        400,
        {"detail": "You cannot assign members to teams you are not a member of."},
        "the token's user may only give teams of their own",
    ),
    _grant(
        "integration-role",
        400,
        {"[]": "Integration tokens are restricted to inviting new members with the member role only."},
        "an integration's token may only give the role member",
    ),
    _connection(
        "broken-json", 400, {"detail": "JSON parse error - …"}, "Sentry could not read the request as it arrived"
    ),
    *COMMON,
)
"""POST members/: an invitation. 201 is read by the adapter."""

RESEND = (
    _person(
        "renew-needs-admin",
        400,
        {"detail": "You are missing the member:admin scope."},
        "renewing an invitation that expired needs a token with the scope member:admin",
    ),
    _person(
        "renew-expired",
        400,
        {"detail": "You cannot resend an expired invitation without regenerating the token."},
        "Sentry did not renew the invitation that expired",
    ),
    Entry(
        "renew-full-member",
        400,
        {"detail": "You cannot send an invitation to a user who is already a full member."},
        AlreadyMember(None),
    ),
    _person(
        "renew-with-changes",
        403,
        {"detail": "You cannot modify member details when resending an invitation. Separate requests are required."},
        "Sentry did not take the renewal as one",
    ),
    _person(
        "renew-of-another",
        403,
        {"detail": "You cannot modify invitations sent by someone else."},
        "the token may only renew invitations that its own user sent",
    ),
    _person(
        "renew-partnership",
        403,
        {
            "detail": "This member is managed by an active partnership and cannot be modified"
            " until the end of the partnership."
        },
        "the member is managed by a partnership",
    ),
    _person("renew-forbidden", 403, {}, "the token may not renew invitations here"),
    _person(
        "renew-gone",
        404,
        {"detail": "The requested resource does not exist"},
        "Sentry no longer knows the invitation",
    ),
    *COMMON,
)
"""PUT members/{id}/ with reinvite and regenerate. 200 is read by the adapter."""

JOIN_TEAM = (
    Entry("team-joined", 201, {}, Then.DONE),
    Entry("team-requested", 202, {}, Then.REQUESTED, ACCESS_REQUESTED),
    Entry("team-unchanged", 204, {}, Then.DONE),
    _person(
        "team-not-for-role",
        403,
        {"detail": "The user with a … role cannot have team-level permissions."},
        "the member's present role cannot be in teams",
    ),
    _grant(
        "team-of-identity-provider",
        403,
        {"detail": "This team is managed through your organization's identity provider."},
        "a team is managed by the identity provider",
    ),
    _grant("team-forbidden", 403, {}, "the token may not add people to a team"),
    _unknown("team-or-member-gone", 404, "Sentry does not know the member or the team"),
    *COMMON,
)
"""POST members/{id}/teams/{team}/: one team more."""

TEAM_ROLE = (
    _grant(
        "team-role-above-caller",
        400,
        {"detail": "You do not have permission to edit that user's membership."},
        "the team role is above what the token may give",
    ),
    _grant("team-role-refused", 400, {}, "Sentry does not accept the team role"),
    _grant("team-role-forbidden", 403, {}, "the token may not give a team role"),
    _unknown("team-role-gone", 404, "Sentry does not know the member or the team"),
    *COMMON,
)
"""PUT members/{id}/teams/{team}/: the role within a team. 200 is read by the adapter."""


def classify(table: tuple[Entry, ...], answer: Answer, now: datetime) -> Outcome | Then:
    """Give what the first fitting entry says; ambiguous where none fits."""
    for entry in table:
        if entry.fits(answer):
            return _ending(entry, answer, now)
    return Ambiguous(f"Sentry answered in a way that no rule reads ({answer.status})")


def texts(body: object) -> dict[str, list[str]]:
    """
    Bring the shapes of an error body to one: texts by key.

    Known shapes: `{field: [text]}`, `{field: text}`, `{"detail": {code, message}}`, a bare array and a bare string.
    """
    match body:
        case str():
            return {"detail": [body]}
        case list():
            return {"[]": [text for text in body if isinstance(text, str)]}
        case dict():
            said: dict[str, list[str]] = {}
            for key, value in body.items():
                match value:
                    case str():
                        said[key] = [value]
                    case list():
                        said[key] = [text for text in value if isinstance(text, str)]
                    case {"code": str(code)}:
                        said[f"{key}.code"] = [code]
            return said
    return {}


def _ending(entry: Entry, answer: Answer, now: datetime) -> Outcome | Then:
    match entry.then:
        case Then.NEXT_DAY:
            tomorrow = now.astimezone(UTC).date() + timedelta(days=1)
            return LimitedUntil(entry.reason, datetime.combine(tomorrow, QUOTA_RESTARTS, tzinfo=UTC))
        case Then.AS_TOLD | Then.AS_TOLD_READ_FIRST:
            told = reset_time(answer.header("x-sentry-rate-limit-reset"), now)
            told = told or retry_after(answer.header("retry-after"), now)
            return LimitedUntil(entry.reason, told, perhaps_acted=entry.then is Then.AS_TOLD_READ_FIRST)
    return entry.then
