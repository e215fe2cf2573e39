"""Every row of the contract's error sections is one entry of the table, and reads as the contract says."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from usher.domain.outcomes import (
    AlreadyMember,
    Ambiguous,
    LimitedUntil,
    Outcome,
    RefusedConnection,
    RefusedGrant,
    RefusedPerson,
)
from usher.http import Answer, strict_json
from usher.providers.sentry_table import (
    COMMON,
    INVITE,
    JOIN_TEAM,
    RESEND,
    TEAM_ROLE,
    Entry,
    Then,
    classify,
    texts,
)

PAGE = Path(__file__).parents[3] / "docs" / "providers" / "sentry.md"
NOW = datetime(2026, 3, 2, 23, 59, 30, tzinfo=UTC)
TABLES = {"INVITE": INVITE, "RESEND": RESEND, "JOIN_TEAM": JOIN_TEAM, "TEAM_ROLE": TEAM_ROLE}

SET_ROLE = "You do not have permission to set that org-level role"
PERSON, GRANT, CONNECTION, UNKNOWN = RefusedPerson, RefusedGrant, RefusedConnection, Ambiguous
Kind = type[Outcome] | Then

# The wire text of the contract, sections 6 and 7: entry, status, body, what it comes to.
COMMON_ANSWERS: list[tuple[str, int, str, Kind]] = [
    ("no-credentials", 401, '{"detail":"Authentication credentials were not provided."}', CONNECTION),
    ("bad-token", 401, '{"detail":"Invalid token"}', CONNECTION),
    ("token-expired", 401, '{"detail":"Token expired"}', CONNECTION),
    ("user-inactive", 401, '{"detail":"User inactive or deleted"}', CONNECTION),
    ("application-inactive", 401, '{"detail":"UserApplication inactive or deleted"}', CONNECTION),
    ("bad-org-token", 401, '{"detail":"Invalid org token"}', CONNECTION),
    ("other-organization", 401, '{"detail":"Unauthorized organization access."}', CONNECTION),
    (
        "over-member-limit",
        401,
        '{"detail":{"code":"member-disabled-over-limit","message":"Over member limit","extra":{"next":"x"}}}',
        CONNECTION,
    ),
    (
        "sso-required",
        401,
        '{"detail":{"code":"sso-required","message":"Must login via SSO","extra":{"loginUrl":"x"}}}',
        CONNECTION,
    ),
    (
        "2fa-required",
        401,
        '{"detail":{"code":"2fa-required","message":"Organization requires two-factor","extra":{}}}',
        CONNECTION,
    ),
    ("any-401", 401, "<html>who are you</html>", CONNECTION),
    ("no-permission", 403, '{"detail":"You do not have permission to perform this action."}', CONNECTION),
    (
        "invites-forbidden",
        403,
        '{"organization":"Your organization is not allowed to invite members"}',
        CONNECTION,
    ),
    ("any-403", 403, "", CONNECTION),
    ("unknown-organization", 404, '{"detail":"The requested resource does not exist"}', CONNECTION),
    ("any-404", 404, "<html>not here</html>", CONNECTION),
    ("any-402", 402, "{}", CONNECTION),
    ("redirect", 302, "", CONNECTION),
    ("redirect", 307, "", CONNECTION),
    (
        "invite-quota",
        429,
        '{"detail":"You are being rate limited for too many invitations."}',
        LimitedUntil,
    ),
    (
        "request-rate",
        429,
        '{"detail":"You are attempting to use this endpoint too frequently. Limit is 40 requests in 1 seconds"}',
        LimitedUntil,
    ),
    (
        "request-rate",  # Older servers sent a bare string.
        429,
        '"You are attempting to use this endpoint too frequently. Limit is 40 requests in 1 seconds"',
        LimitedUntil,
    ),
    (
        "concurrency",
        429,
        (
            '{"detail":"You are attempting to go above the allowed concurrency for this endpoint.'
            ' Concurrency limit is 25"}'
        ),
        LimitedUntil,
    ),
    ("any-429", 429, "<html>slow down</html>", LimitedUntil),
    ("internal-error", 500, '{"detail":"Internal Error","errorId":null}', UNKNOWN),
    ("bad-gateway", 502, "<html>", UNKNOWN),
    ("unavailable", 503, "", UNKNOWN),
    ("gateway-timeout", 504, "", UNKNOWN),
]

ANSWERS: dict[str, list[tuple[str, int, str, Kind]]] = {
    "INVITE": [
        ("already-member", 400, '{"email":["The user a@x.io is already a member"]}', Then.ASK_BACK),
        ("already-invited", 400, '{"email":["The user a@x.io has already been invited"]}', Then.ASK_BACK),
        (
            "already-invited",  # All field errors come together; that the person is there counts first.
            400,
            '{"teamRoles":["Invalid teams"],"email":["The user a@x.io has already been invited"]}',
            Then.ASK_BACK,
        ),
        (
            "role-without-teams",
            400,
            '{"email":"The user with a \'billing\' role cannot have team-level permissions."}',
            GRANT,
        ),
        ("email-missing", 400, '{"email":["This field is required."]}', PERSON),
        ("email-blank", 400, '{"email":["This field may not be blank."]}', PERSON),
        ("email-null", 400, '{"email":["This field may not be null."]}', PERSON),
        (
            "email-malformed",
            400,
            '{"email":["Enter a valid email address.","Enter a valid email address."]}',
            PERSON,
        ),
        (
            "email-too-long",
            400,
            '{"email":["Something else.","Ensure this field has no more than 75 characters."]}',
            PERSON,
        ),
        ("caller-no-member", 400, f'{{"role":["{SET_ROLE}"],"orgRole":["{SET_ROLE}"]}}', CONNECTION),
        ("role-unknown", 400, '{"orgRole":["\\"god\\" is not a valid choice."]}', GRANT),
        ("role-above-caller", 400, f'{{"orgRole":["{SET_ROLE}"]}}', GRANT),
        (
            "role-retired",
            400,
            '{"orgRole":["The role \'admin\' is deprecated and may no longer be assigned."]}',
            GRANT,
        ),
        ("team-unknown", 400, '{"teamRoles":["Invalid teams"]}', GRANT),
        ("team-unknown-legacy", 400, '{"teams":["Invalid teams"]}', GRANT),
        ("team-role-unknown", 400, '{"teamRoles":["Invalid team-role"]}', GRANT),
        ("no-boolean", 400, '{"sendInvite":["Must be a valid boolean."]}', GRANT),
        (
            "team-not-the-callers",
            400,
            '{"detail":"You cannot assign members to teams you are not a member of."}',
            GRANT,
        ),
        (
            "integration-role",
            400,
            '["Integration tokens are restricted to inviting new members with the member role only."]',
            GRANT,
        ),
        ("broken-json", 400, '{"detail":"JSON parse error - Expecting value: line 1"}', CONNECTION),
        *COMMON_ANSWERS,
    ],
    "RESEND": [
        ("renew-needs-admin", 400, '{"detail":"You are missing the member:admin scope."}', PERSON),
        (
            "renew-expired",
            400,
            '{"detail":"You cannot resend an expired invitation without regenerating the token."}',
            PERSON,
        ),
        (
            "renew-full-member",
            400,
            '{"detail":"You cannot send an invitation to a user who is already a full member."}',
            AlreadyMember,
        ),
        (
            "renew-with-changes",
            403,
            (
                '{"detail":"You cannot modify member details when resending an invitation.'
                ' Separate requests are required."}'
            ),
            PERSON,
        ),
        (
            "renew-of-another",
            403,
            '{"detail":"You cannot modify invitations sent by someone else."}',
            PERSON,
        ),
        (
            "renew-partnership",
            403,
            (
                '{"detail":"This member is managed by an active partnership and cannot be modified'
                ' until the end of the partnership."}'
            ),
            PERSON,
        ),
        (
            "renew-forbidden",
            403,
            '{"detail":"You do not have permission to perform this action."}',
            PERSON,
        ),
        ("renew-gone", 404, '{"detail":"The requested resource does not exist"}', PERSON),
        *(answer for answer in COMMON_ANSWERS if answer[1] != 403 and answer[0] != "unknown-organization"),
    ],
    "JOIN_TEAM": [
        ("team-joined", 201, '{"slug":"platform"}', Then.DONE),
        ("team-requested", 202, "", Then.REQUESTED),
        ("team-unchanged", 204, "", Then.DONE),
        (
            "team-not-for-role",
            403,
            '{"detail":"The user with a \'billing\' role cannot have team-level permissions."}',
            PERSON,
        ),
        (
            "team-of-identity-provider",
            403,
            '{"detail":"This team is managed through your organization\'s identity provider."}',
            GRANT,
        ),
        ("team-forbidden", 403, '{"detail":"You do not have permission to perform this action."}', GRANT),
        ("team-or-member-gone", 404, '{"detail":"The requested resource does not exist"}', UNKNOWN),
        *(answer for answer in COMMON_ANSWERS if answer[1] not in (403, 404)),
    ],
    "TEAM_ROLE": [
        (
            "team-role-above-caller",
            400,
            '{"detail":"You do not have permission to edit that user\'s membership."}',
            GRANT,
        ),
        ("team-role-refused", 400, "", GRANT),
        ("team-role-forbidden", 403, "", GRANT),
        ("team-role-gone", 404, '{"detail":"The requested resource does not exist"}', UNKNOWN),
        *(answer for answer in COMMON_ANSWERS if answer[1] not in (403, 404)),
    ],
}

HIDDEN = {
    # Entries of all calls that an entry of the call itself stands before.
    "INVITE": set[str](),
    "RESEND": {"no-permission", "invites-forbidden", "any-403", "unknown-organization"},
    "JOIN_TEAM": {"no-permission", "invites-forbidden", "any-403", "unknown-organization", "any-404"},
    "TEAM_ROLE": {"no-permission", "invites-forbidden", "any-403", "unknown-organization", "any-404"},
}

CASES = [
    pytest.param(table, *answer, id=f"{table}-{answer[0]}-{number}")
    for table, answers in ANSWERS.items()
    for number, answer in enumerate(answers)
]


def said(status: int, body: str, headers: dict[str, str] | None = None) -> Answer:
    return Answer(status, dict(httpx.Headers(headers or {})), strict_json(body.encode()))


def first_fit(table: tuple[Entry, ...], answer: Answer) -> str:
    return next(entry.name for entry in table if entry.fits(answer))


@pytest.mark.parametrize(("table", "name", "status", "body", "kind"), CASES)
def test_an_answer_is_read_by_its_entry(table: str, name: str, status: int, body: str, kind: Kind) -> None:
    """
    Each documented answer is met by the entry meant for it, and comes to what the entry says.
    """
    answer = said(status, body)

    assert first_fit(TABLES[table], answer) == name
    ending = classify(TABLES[table], answer, NOW)
    assert ending is kind if isinstance(kind, Then) else isinstance(ending, kind)


@pytest.mark.parametrize("table", TABLES)
def test_every_entry_has_an_answer_here(table: str) -> None:
    """
    No entry without its test, no name twice, and none that can never be reached.
    """
    names = [entry.name for entry in TABLES[table]]

    assert len(names) == len(set(names))
    assert set(names) == {answer[0] for answer in ANSWERS[table]} | HIDDEN[table]


@pytest.mark.parametrize(("name", "status", "body", "_"), COMMON_ANSWERS)
def test_only_a_fault_of_the_token_asks_for_a_fresh_secret(name: str, status: int, body: str, _: Kind) -> None:
    """
    A new secret cures an unknown or expired token, and neither a missing seat nor a missing permission.
    """
    ending = classify(COMMON, said(status, body), NOW)

    cured = status == 401 and name not in ("over-member-limit", "sso-required", "2fa-required")
    assert (isinstance(ending, RefusedConnection) and ending.unauthorized) is cured


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, "{}"),
        (201, ""),
        (204, ""),
        (206, "{}"),
        (400, '{"email":["Something that Sentry never said before."]}'),
        (400, '{"email":["Not a@x.io: The user a@x.io is already a member, perhaps"]}'),
        (400, '{"username":["The user a@x.io is already a member"]}'),
        (400, '{"email":[["The user a@x.io is already a member"]]}'),
        (400, '{"email":[{"code":7}],"detail":{"code":7},"x":null,"y":{}}'),
        (400, "[null, 7, {}]"),
        (400, "7"),
        (400, "null"),
        (400, "[" * 50_000),
        (409, '{"detail":"User already exists in the database."}'),
        (418, ""),
        (501, ""),
        (520, ""),
        (599, ""),
    ],
)
def test_what_no_entry_lists_is_ambiguous(status: int, body: str) -> None:
    """
    Only a read may decide about an answer that nobody has reviewed; it is never an exception.
    """
    assert isinstance(classify(INVITE, said(status, body), NOW), Ambiguous)


def test_the_quota_of_a_day_ends_with_the_day() -> None:
    """
    The headers on that answer are about another limit, and tell a time within seconds.
    """
    soon = str(int(NOW.timestamp()) + 1)
    answer = said(
        429,
        '{"detail":"You are being rate limited for too many invitations."}',
        {"X-Sentry-Rate-Limit-Reset": soon, "Retry-After": "1"},
    )

    ending = classify(INVITE, answer, NOW)

    assert isinstance(ending, LimitedUntil)
    assert ending.until == datetime(2026, 3, 3, 0, 5, tzinfo=UTC)
    assert not ending.perhaps_acted


@pytest.mark.parametrize(
    ("headers", "until"),
    [
        ({"X-Sentry-Rate-Limit-Reset": str(int(NOW.timestamp()) + 2)}, NOW + timedelta(seconds=2)),
        ({"X-Sentry-Rate-Limit-Reset": "1", "Retry-After": "7"}, NOW + timedelta(seconds=7)),
        ({"Retry-After": "7"}, NOW + timedelta(seconds=7)),
        ({"Retry-After": "Mon, 02 Mar 2026 23:59:40 GMT"}, NOW + timedelta(seconds=10)),
        ({"Retry-After": "1000000000"}, NOW + timedelta(hours=24)),
        ({"Retry-After": "soon"}, None),
        ({}, None),
    ],
)
def test_a_request_limit_ends_when_its_header_says(headers: dict[str, str], until: datetime | None) -> None:
    """
    Sentry's own header first, then the common one; without either nothing was told. Nothing was done either.
    """
    body = '{"detail":"You are attempting to use this endpoint too frequently. Limit is 40 requests in 1 seconds"}'

    ending = classify(INVITE, said(429, body, headers), NOW)

    assert isinstance(ending, LimitedUntil)
    assert (ending.until, ending.perhaps_acted) == (until, False)


def test_a_limit_in_unknown_words_reads_first() -> None:
    """
    It may be a proxy's, and nobody has read whether that one acts before it refuses.
    """
    ending = classify(INVITE, said(429, "", {"Retry-After": "30"}), NOW)

    assert ending == LimitedUntil(
        "Sentry, or something before it, asks to wait", NOW + timedelta(seconds=30), perhaps_acted=True
    )


def test_the_shapes_of_an_error_body_become_one() -> None:
    """
    At least six shapes are known; what is no text is left out.
    """
    assert texts({"email": ["a", 7], "organization": "b", "detail": {"code": "c", "message": "d"}}) == {
        "email": ["a"],
        "organization": ["b"],
        "detail.code": ["c"],
    }
    assert texts(["a", None]) == {"[]": ["a"]}
    assert texts("a") == {"detail": ["a"]}
    assert texts(None) == texts(7) == {}


@pytest.mark.parametrize("entry", {id(e): e for t in TABLES.values() for e in t}.values(), ids=lambda e: e.name)
def test_the_page_for_operators_shows_the_entry(entry: Entry) -> None:
    """
    What an operator reads is what the code does.
    """
    assert documented(entry) in PAGE.read_text(encoding="utf-8").splitlines()


def documented(entry: Entry) -> str:
    """One line of the page's tables."""
    status = "any 3xx" if entry.status == 3 else str(entry.status)
    wording = "<br>".join(f"`{key}`: {text}" for key, text in entry.says.items()) or "any other"
    if isinstance(entry.then, Then):
        result, reason = entry.then.value, entry.reason
    else:
        result, reason = type(entry.then).__name__, getattr(entry.then, "reason", "")
        if isinstance(entry.then, RefusedConnection) and entry.then.unauthorized:
            result += ", secret read again"
    return f"| {entry.name} | {status} | {wording} | {result} | {reason} |"
