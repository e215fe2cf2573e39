"""The reviewed table: one test for each of its rows, for every envelope, and for what it does not list."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.unit.providers.atlassian_world import (
    ANN,
    BOB,
    GROUP,
    NOW,
    SECRET,
    a_call,
    an_ask,
    errors,
    invited,
    person,
    repaired,
    results,
)
from usher.domain.outcomes import (
    Accepted,
    Ambiguous,
    LimitedUntil,
    NotSent,
    Outcome,
    RefusedBatch,
    RefusedConnection,
    RefusedGrant,
    RefusedPerson,
)
from usher.http import Answer
from usher.providers.atlassian_table import ANYTHING, ERRORS, NO_CODE, ROWS, WRONG_KEY_KIND, On, Row, row_for

PROXY = {"code": 429, "message": "no"}
GATEWAY = {"timestamp": "t", "path": "/", "status": 403, "error": "no", "message": "no", "requestId": "r"}
KEY = {"key": "unauthorized"}
ASAP = {"key": "asapUnauthorizedIssuer"}
NO_SEAT = "no seat is free in an app of the grant"

ORGANIZATION: list[tuple[int, str, type[Outcome], str]] = [
    (200, ANYTHING, Accepted, ""),
    (206, ANYTHING, Accepted, ""),
    (400, "ADMIN-UAM-400-1", RefusedBatch, "Atlassian calls the request malformed (400 ADMIN-UAM-400-1)"),
    (400, "ADMIN-UAM-400-2", RefusedBatch, "the account of a person is inactive (400 ADMIN-UAM-400-2)"),
    (400, "ADMIN-UAM-400-3", RefusedGrant, "a role is not valid for its resource (400 ADMIN-UAM-400-3)"),
    (400, "ADMIN-UAM-400-4", RefusedGrant, "an app of the grant is not licensed (400 ADMIN-UAM-400-4)"),
    (400, "ADMIN-UAM-400-5", RefusedGrant, "a role came without a resource (400 ADMIN-UAM-400-5)"),
    (400, ERRORS, RefusedBatch, "Atlassian refuses the request (400)"),
    (401, WRONG_KEY_KIND, RefusedConnection, "the API key has scopes: create one without scopes (401)"),
    (401, "ADMIN-UAM-401-1", RefusedConnection, "the API key is not accepted (401 ADMIN-UAM-401-1)"),
    (401, "ADMIN-UAM-401-2", RefusedConnection, "the API key is not accepted for this (401 ADMIN-UAM-401-2)"),
    (401, "ADMIN-401-2", RefusedConnection, "the API key is not accepted for this (401 ADMIN-401-2)"),
    (401, ANYTHING, RefusedConnection, "the API key is not accepted (it may have expired) (401)"),
    (402, "ADMIN-UAM-402-1", RefusedConnection, "the organization has no paid subscription (402 ADMIN-UAM-402-1)"),
    (402, ANYTHING, RefusedConnection, "the organization has no paid subscription (402)"),
    (403, "ADMIN-UAM-403-1", RefusedConnection, "the API key may not do this (403 ADMIN-UAM-403-1)"),
    (403, "ADMIN-UAM-403-2", RefusedConnection, "the API key may not manage the organization (403 ADMIN-UAM-403-2)"),
    (403, ANYTHING, RefusedConnection, "the API key may not do this (403)"),
    (404, "ADMIN-UAM-404-1", RefusedGrant, "a resource of the grant does not exist (404 ADMIN-UAM-404-1)"),
    (404, "ADMIN-UAM-404-2", RefusedConnection, "there is no such organization (404 ADMIN-UAM-404-2)"),
    (404, "ADMIN-404-2", RefusedConnection, "there is no such organization (404 ADMIN-404-2)"),
    (404, "ADMIN-UAM-404-3", RefusedGrant, "a group of the grant does not exist (404 ADMIN-UAM-404-3)"),
    (404, "ADMIN-404-10", RefusedGrant, "a group of the grant does not exist (404 ADMIN-404-10)"),
    (404, "ADMIN-404-8", Ambiguous, "the directory does not know the person (404 ADMIN-404-8)"),
    (404, ANYTHING, RefusedConnection, "base_url has no such organization (404)"),
    (405, "ADMIN-UAM-405-1", RefusedConnection, "the admin API does not take such requests here (405 ADMIN-UAM-405-1)"),
    (405, ANYTHING, RefusedConnection, "base_url does not lead to the admin API (405)"),
    (409, "ADMIN-UAM-409-1", Ambiguous, "Atlassian reports a conflict of groups (409 ADMIN-UAM-409-1)"),
    (409, "ADMIN-UAM-409-2", Ambiguous, "Atlassian reports a conflict (409 ADMIN-UAM-409-2)"),
    (409, "ADMIN-409-28", Ambiguous, "Atlassian reports a conflict (409 ADMIN-409-28)"),
    (409, "ADMIN-UAM-409-3", RefusedConnection, f"{NO_SEAT} (409 ADMIN-UAM-409-3)"),
    (409, "ADMIN-409-3", RefusedConnection, f"{NO_SEAT} (409 ADMIN-409-3)"),
    (409, NO_CODE, RefusedConnection, f"{NO_SEAT} (409)"),
    (415, "ADMIN-UAM-415-1", RefusedConnection, "the admin API does not take such requests here (415 ADMIN-UAM-415-1)"),
    (415, ANYTHING, RefusedConnection, "base_url does not lead to the admin API (415)"),
    (429, "ADMIN-429-1", LimitedUntil, "the rate limit is reached (429 ADMIN-429-1)"),
    (429, ANYTHING, LimitedUntil, "the rate limit is reached (429)"),
    (307, ANYTHING, RefusedConnection, "base_url redirects, and no redirect is followed (307)"),
    (500, "ADMIN-UAM-500-1", Ambiguous, "Atlassian failed (500 ADMIN-UAM-500-1)"),
    (503, ANYTHING, Ambiguous, "Atlassian failed (503)"),
]

PERSON: list[tuple[int, str, type[Outcome], str]] = [
    (204, ANYTHING, Accepted, ""),
    (404, "ADMIN-UAM-404-1", Ambiguous, "a resource or the person was not found (404 ADMIN-UAM-404-1)"),
    (404, ANYTHING, Ambiguous, "the person, group or resource was not found (404)"),
    (409, "ADMIN-UAM-409-2", Accepted, ""),
]


def answer_with(status: int, code: str) -> httpx.Response:
    match code:
        case "any":
            return results(person(), status=status) if status in (200, 206) else httpx.Response(status)
        case "errors[]":
            return errors(status, "ADMIN-UAM-400-99")
        case "no code":
            return errors(status, None)
        case "INSUFFICIENT_SCOPE":
            return errors(status, "ADMIN-401-2", detail="INSUFFICIENT_SCOPE: the key lacks a scope")
    return errors(status, code)


@pytest.mark.parametrize(("status", "code", "outcome", "reason"), ORGANIZATION)
def test_each_answer_to_an_invite_means_what_its_row_says(
    status: int, code: str, outcome: type[Outcome], reason: str
) -> None:
    (ending,) = invited(answer_with(status, code))

    assert type(ending) is outcome
    assert getattr(ending, "reason", "") == reason


@pytest.mark.parametrize(("status", "code", "outcome", "reason"), PERSON)
def test_each_answer_about_one_person_means_what_its_row_says(
    status: int, code: str, outcome: type[Outcome], reason: str
) -> None:
    ending = repaired([answer_with(status, code)], GROUP)

    assert type(ending) is outcome
    assert getattr(ending, "reason", "") == reason


def test_every_row_of_the_table_has_its_case() -> None:
    def first(status: int, code: str, on: On) -> Row | None:
        response = answer_with(status, code)
        body = response.json() if response.content else None
        return row_for(Answer(status, {}, body), on)

    tested = [first(status, code, On.ORGANIZATION) for status, code, _, _ in ORGANIZATION]
    tested += [first(status, code, On.PERSON) for status, code, _, _ in PERSON]

    assert [row for row in ROWS if row not in tested] == []


def test_the_page_for_operators_shows_the_table_as_it_is() -> None:
    page = Path(__file__).parents[3].joinpath("docs/providers/atlassian.md").read_text(encoding="utf-8")

    shown = [line for line in page.splitlines() if line.startswith("| `") and line[3].isdigit()]

    assert shown == [f"| `{row.status}` | {row.code} | {row.on} | {row.says} | {row.means} |" for row in ROWS]


@pytest.mark.parametrize("status", [401, 402, 403, 404, 405, 415, 429, 500, 502, 503, 504, 302])
@pytest.mark.parametrize("body", [{"errors": []}, {"errors": [{}]}, PROXY, GATEWAY, KEY, ASAP, [], "no", None])
def test_an_answer_that_its_status_explains_means_the_same_in_every_envelope(status: int, body: Any) -> None:
    plain = invited(httpx.Response(status))

    assert invited(httpx.Response(status, json=body)) == plain
    assert invited(httpx.Response(status, html="<h1>no</h1>")) == plain


@pytest.mark.parametrize("status", [400, 409])
@pytest.mark.parametrize(
    "answer",
    [
        {"content": b""},
        {"html": "<h1>Bad request</h1>"},
        {"content": b'{"errors": [{"code": "ADMIN-UAM-400-2"'},
        {"json": PROXY},
        {"json": GATEWAY},
        {"json": KEY},
        {"json": {"errors": "no"}},
        {"json": {"errors": []}},
        {"json": {"errors": [None, 3]}},
    ],
)
def test_a_400_or_409_that_is_not_the_applications_own_word_is_ambiguous(status: int, answer: dict[str, Any]) -> None:
    assert [type(ending) for ending in invited(httpx.Response(status, **answer))] == [Ambiguous]


@pytest.mark.parametrize(
    "answer", [errors(409, "ADMIN-UAM-409-77"), httpx.Response(201), httpx.Response(204), httpx.Response(418)]
)
def test_what_no_row_lists_is_ambiguous(answer: httpx.Response) -> None:
    (ending,) = invited(answer)

    assert ending == Ambiguous(f"Atlassian answered {answer.status_code}, which the contract does not list")


def test_a_code_counts_wherever_it_stands_and_however_it_is_written() -> None:
    (ending,) = invited(errors(400, "ADMIN-UAM-400-1", None, " admin-uam-400-3 "))

    assert isinstance(ending, RefusedGrant)


@pytest.mark.parametrize(
    ("answer", "perhaps_acted"),
    [
        (errors(400, "ADMIN-UAM-400-3"), True),
        (errors(404, "ADMIN-UAM-404-3"), True),
        (errors(409, "ADMIN-UAM-409-3"), True),
        (httpx.Response(404), True),
        (httpx.Response(429), True),
        (httpx.Response(401), False),
        (httpx.Response(402), False),
        (httpx.Response(403), False),
        (errors(404, "ADMIN-UAM-404-2"), False),
        (httpx.Response(308), False),
    ],
)
def test_only_a_refusal_of_the_key_or_the_organization_is_sure_to_have_done_nothing(
    answer: httpx.Response, perhaps_acted: bool
) -> None:
    """
    Seats may run out midway, so whoever was refused with the request is looked for before the next POST.
    """
    (ending,) = invited(answer)

    assert isinstance(ending, (RefusedGrant, RefusedConnection, LimitedUntil))
    assert ending.perhaps_acted is perhaps_acted


def test_only_a_401_says_that_a_fresh_secret_may_help() -> None:
    (unauthorized,) = invited(httpx.Response(401))
    (forbidden,) = invited(httpx.Response(403))

    assert isinstance(unauthorized, RefusedConnection)
    assert unauthorized.unauthorized
    assert isinstance(forbidden, RefusedConnection)
    assert not forbidden.unauthorized


HOUR = NOW + timedelta(hours=1)


@pytest.mark.parametrize(
    ("headers", "until"),
    [
        ({"X-RateLimit-Reset": "2026-03-02T10:30:00Z"}, HOUR),
        ({"X-RateLimit-Reset": "2026-03-02T10:30Z"}, HOUR),
        ({"Retry-After": "3600"}, HOUR),
        ({"Retry-After": "Mon, 02 Mar 2026 10:30:00 GMT"}, HOUR),
        ({"X-RateLimit-Reset": "2026-03-02T10:30:00Z", "Retry-After": "60"}, HOUR),
        ({"X-RateLimit-Reset": "2026-03-02T09:31:00Z", "Retry-After": "3600"}, HOUR),
        ({"Retry-After": "1000000000"}, NOW + timedelta(hours=24)),
        ({"X-RateLimit-Reset": "2020-01-01T00:00:00Z"}, None),
        ({"X-RateLimit-Reset": "soon"}, None),
        ({"Retry-After": "-1"}, None),
        ({"X-RateLimit-Reset": "soon", "Retry-After": "3600"}, HOUR),
        ({}, None),
    ],
)
def test_a_limit_lasts_until_the_time_told(headers: dict[str, str], until: datetime | None) -> None:
    (ending,) = invited(httpx.Response(429, headers=headers, json=PROXY))

    assert ending == LimitedUntil("the rate limit is reached (429)", until, perhaps_acted=True)


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (httpx.ConnectError("refused"), NotSent),
        (httpx.ConnectTimeout("slow"), NotSent),
        (httpx.ReadTimeout("slow"), Ambiguous),
        (httpx.ReadError("reset"), Ambiguous),
        (httpx.RemoteProtocolError("cut"), Ambiguous),
    ],
)
def test_a_broken_connection_is_ambiguous_unless_nothing_was_sent(error: Exception, outcome: type[Outcome]) -> None:
    endings = invited(error, an_ask(ANN), an_ask(BOB))

    assert [type(ending) for ending in endings] == [outcome, outcome]


def test_a_secret_that_cannot_stand_in_a_header_holds_the_connection() -> None:
    (ending,) = invited(results(person()), call=a_call(secret="two words\n"))

    assert isinstance(ending, RefusedConnection)
    assert ending.unauthorized
    assert "two words" not in ending.reason


@pytest.mark.parametrize(
    ("reason", "outcome"),
    [
        ("ADMIN-UAM-409-3", RefusedConnection),
        ("Product license limit exceeded for jira", RefusedConnection),
        ("No seat is left", RefusedConnection),
        ("User limit reached", RefusedConnection),
        ("Group Not Found", RefusedGrant),
        ("The group does not exist", RefusedGrant),
        ("admin-uam-400-4: no licence", RefusedGrant),
        ("Inactive user", RefusedPerson),
        ("we do not like this one", RefusedPerson),
        ("", RefusedPerson),
        (None, RefusedPerson),
    ],
)
def test_a_person_whose_every_part_failed_is_refused_unless_seats_or_the_grant_are_blamed(
    reason: str | None, outcome: type[Outcome]
) -> None:
    entry = person(role="ERROR", group="ERROR", reason=reason)

    (ending,) = invited(results(entry, status=206))

    assert type(ending) is outcome


def test_a_person_is_refused_where_only_one_of_the_reasons_blames_the_grant() -> None:
    entry = person(role="ERROR", group="ERROR", reason="not this one")
    entry["results"][0]["groupAssignmentResult"][0]["statusReason"] = "Group Not Found"

    (ending,) = invited(results(entry, status=206))

    assert ending == RefusedPerson("Atlassian refused every part of the access: not this one")


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("user ann@example.com is blocked", "user [address] is blocked"),
        ("<mailto:ann@example.com>, sorry", "[address] sorry"),
        ("ann%40example.com or ann\uff20example.com", "[address] or [address]"),
        ("a\x00b\n\tc\u202e d", "ab c d"),
        ("word " * 100, ("word " * 40)[:199] + "…"),
        ("x" * 1990 + " " + "ann.smith" * 3 + "@example.com", "x" * 199 + "…"),
        ("a" * 1995 + "@example.com", "no reason given"),
    ],
)
def test_what_atlassian_writes_is_kept_short_and_without_addresses(text: str, kept: str) -> None:
    entry = person(role="ERROR", group="ERROR", reason=text)

    (ending,) = invited(results(entry, status=206))

    assert ending == RefusedPerson(f"Atlassian refused every part of the access: {kept}")


def test_no_reason_holds_a_secret_or_an_address() -> None:
    body = {"errors": [{"code": f"{ANN} {SECRET}", "title": ANN, "detail": SECRET}], "message": ANN}
    for status in (400, 401, 402, 403, 404, 409, 418, 429, 500):
        (ending,) = invited(httpx.Response(status, json=body))
        assert ANN not in repr(ending)
        assert SECRET not in repr(ending)
