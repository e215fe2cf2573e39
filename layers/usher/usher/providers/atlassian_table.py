"""
What each answer of Atlassian means: the reviewed table.

One row for each line of the contract's status section (5) and each code of its error section (6). The first row that
fits decides; what no row lists is ambiguous, and only a read may decide. Error wording is matched here and nowhere
else.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from usher.domain.outcomes import (
    Ambiguous,
    LimitedUntil,
    Outcome,
    RefusedBatch,
    RefusedConnection,
    RefusedGrant,
    RefusedPerson,
)
from usher.http import Answer, reset_time, retry_after


class Means(StrEnum):
    """What a row does; the outcome of the same name says what that does to the invitation."""

    SUCCESS = "success"
    BATCH = "RefusedBatch"
    GRANT = "RefusedGrant"
    CONNECTION = "RefusedConnection"
    UNAUTHORIZED = "RefusedConnection, a fresh secret may help"
    LIMIT = "LimitedUntil"
    UNKNOWN = "Ambiguous"


class On(StrEnum):
    """Which requests a row is for."""

    ANY = "any"
    ORGANIZATION = "organization"
    """Invite and search: their path names nothing but the organization."""
    PERSON = "person"
    """A role, a group or the role assignments of one person."""


ANYTHING = "any"
"""Whatever the body says: any of the four error envelopes, none at all, or a proxy's HTML page."""

ERRORS = "errors[]"
"""The application's own envelope, with whatever code."""

NO_CODE = "no code"
"""The application's own envelope, without a code: none of its properties is promised."""

WRONG_KEY_KIND = "INSUFFICIENT_SCOPE"
NO_SEAT = "no seat is free in an app of the grant"

SEATS_SPENT = ("license limit", "licence limit", "user limit", "no seat")
GROUP_UNKNOWN = ("group not found", "group does not exist")


@dataclass(frozen=True, slots=True)
class Row:
    """
    One line of the table.

    `status` is a number or a class (`5xx`); `code` one of Atlassian's, or one of the words above; `says` our own words;
    `wording` what a free text about one person holds if it means the same. `midway`: a connection may fail
    when some people of the request are through already; of a refused grant and a rate limit that is always assumed.
    """

    status: str
    code: str
    means: Means
    says: str
    wording: tuple[str, ...] = ()
    on: On = On.ANY
    midway: bool = False


ROWS: tuple[Row, ...] = (
    Row("200", ANYTHING, Means.SUCCESS, "read per person, role and group", on=On.ORGANIZATION),
    Row("206", ANYTHING, Means.SUCCESS, "some failed: read per person, role and group", on=On.ORGANIZATION),
    Row("204", ANYTHING, Means.SUCCESS, "done", on=On.PERSON),
    # 400: by code. A body that is not the application's own says nothing about the request.
    Row("400", "ADMIN-UAM-400-3", Means.GRANT, "a role is not valid for its resource", ("invalid role for resource",)),
    Row("400", "ADMIN-UAM-400-4", Means.GRANT, "an app of the grant is not licensed", ("product not licensed",)),
    Row("400", "ADMIN-UAM-400-5", Means.GRANT, "a role came without a resource", ("cloud resource is empty",)),
    Row("400", "ADMIN-UAM-400-2", Means.BATCH, "the account of a person is inactive"),
    Row("400", "ADMIN-UAM-400-1", Means.BATCH, "Atlassian calls the request malformed"),
    Row("400", ERRORS, Means.BATCH, "Atlassian refuses the request"),
    # 401 to 403: about the key and the organization, before anybody is looked at.
    Row("401", WRONG_KEY_KIND, Means.UNAUTHORIZED, "the API key has scopes: create one without scopes"),
    Row("401", "ADMIN-UAM-401-1", Means.UNAUTHORIZED, "the API key is not accepted"),
    Row("401", "ADMIN-UAM-401-2", Means.UNAUTHORIZED, "the API key is not accepted for this"),
    Row("401", "ADMIN-401-2", Means.UNAUTHORIZED, "the API key is not accepted for this"),
    Row("401", ANYTHING, Means.UNAUTHORIZED, "the API key is not accepted (it may have expired)"),
    Row("402", "ADMIN-UAM-402-1", Means.CONNECTION, "the organization has no paid subscription"),
    Row("402", ANYTHING, Means.CONNECTION, "the organization has no paid subscription"),
    Row("403", "ADMIN-UAM-403-1", Means.CONNECTION, "the API key may not do this"),
    Row("403", "ADMIN-UAM-403-2", Means.CONNECTION, "the API key may not manage the organization"),
    Row("403", ANYTHING, Means.CONNECTION, "the API key may not do this"),
    # 404: the organization, or something that the grant names.
    Row("404", "ADMIN-UAM-404-2", Means.CONNECTION, "there is no such organization"),
    Row("404", "ADMIN-404-2", Means.CONNECTION, "there is no such organization"),
    # To one person's request it may also say that the person is unknown, which must not hold everybody's grant.
    Row("404", "ADMIN-UAM-404-1", Means.UNKNOWN, "a resource or the person was not found", on=On.PERSON),
    Row("404", "ADMIN-UAM-404-1", Means.GRANT, "a resource of the grant does not exist", ("unknown resource",)),
    Row("404", "ADMIN-UAM-404-3", Means.GRANT, "a group of the grant does not exist", GROUP_UNKNOWN),
    Row("404", "ADMIN-404-10", Means.GRANT, "a group of the grant does not exist"),
    Row("404", "ADMIN-404-8", Means.UNKNOWN, "the directory does not know the person"),
    Row("404", ANYTHING, Means.CONNECTION, "base_url has no such organization", on=On.ORGANIZATION, midway=True),
    Row("404", ANYTHING, Means.UNKNOWN, "the person, group or resource was not found", on=On.PERSON),
    Row("405", "ADMIN-UAM-405-1", Means.CONNECTION, "the admin API does not take such requests here"),
    Row("405", ANYTHING, Means.CONNECTION, "base_url does not lead to the admin API"),
    # 409: no seat, unless the code says otherwise. Whoever came before the last seat has one.
    Row("409", "ADMIN-UAM-409-3", Means.CONNECTION, NO_SEAT, SEATS_SPENT, midway=True),
    Row("409", "ADMIN-409-3", Means.CONNECTION, NO_SEAT, midway=True),
    Row("409", NO_CODE, Means.CONNECTION, NO_SEAT, on=On.ORGANIZATION, midway=True),
    Row("409", "ADMIN-UAM-409-2", Means.SUCCESS, "the person has it already", on=On.PERSON),
    Row("409", "ADMIN-UAM-409-2", Means.UNKNOWN, "Atlassian reports a conflict", on=On.ORGANIZATION),
    Row("409", "ADMIN-UAM-409-1", Means.UNKNOWN, "Atlassian reports a conflict of groups"),
    Row("409", "ADMIN-409-28", Means.UNKNOWN, "Atlassian reports a conflict"),
    Row("415", "ADMIN-UAM-415-1", Means.CONNECTION, "the admin API does not take such requests here"),
    Row("415", ANYTHING, Means.CONNECTION, "base_url does not lead to the admin API"),
    Row("429", "ADMIN-429-1", Means.LIMIT, "the rate limit is reached"),
    Row("429", ANYTHING, Means.LIMIT, "the rate limit is reached"),
    Row("3xx", ANYTHING, Means.CONNECTION, "base_url redirects, and no redirect is followed"),
    Row("500", "ADMIN-UAM-500-1", Means.UNKNOWN, "Atlassian failed"),
    Row("5xx", ANYTHING, Means.UNKNOWN, "Atlassian failed"),
)


def row_for(answer: Answer, on: On) -> Row | None:
    """Give the first row that fits an answer to such a request; None where no row lists it."""
    statuses = (str(answer.status), f"{answer.status // 100}xx")
    said = _said(answer.json)
    fitting = (row for row in ROWS if row.status in statuses and row.on in (On.ANY, on) and row.code in said)
    return next(fitting, None)


def refusal(answer: Answer, on: On, now: datetime) -> Outcome | None:
    """Give what an answer means for the attempt; None where it is a success."""
    row = row_for(answer, on)
    if row is None:
        return Ambiguous(f"Atlassian answered {answer.status}, which the contract does not list")
    said = row.code if row.code.startswith("ADMIN-") else ""
    reason = f"{row.says} ({answer.status} {said}".rstrip() + ")"
    match row.means:
        case Means.SUCCESS:
            return None
        case Means.BATCH:
            return RefusedPerson(reason) if on is On.PERSON else RefusedBatch(reason)
        case Means.GRANT:
            return RefusedGrant(reason, perhaps_acted=True)
        case Means.CONNECTION:
            return RefusedConnection(reason, perhaps_acted=row.midway)
        case Means.UNAUTHORIZED:
            return RefusedConnection(reason, unauthorized=True)
        case Means.LIMIT:
            return LimitedUntil(reason, _until(answer, now), perhaps_acted=True)
        case Means.UNKNOWN:
            return Ambiguous(reason)


def refusal_of_every_part(reasons: Sequence[str]) -> RefusedPerson | RefusedGrant | RefusedConnection:
    """
    Say what it means that all parts of one person's access failed, given Atlassian's free text for each.

    Nothing lists these texts. Where all of them hold a code, or its wording, that blames the grant or the seats,
    that is what is to blame, and nobody is rejected for it; else it is about the person.
    """
    blamed = [row for reason in reasons if (row := _blamed(reason)) is not None]
    if not blamed or len(blamed) < len(reasons):
        told = next((clean for reason in reasons if (clean := without_addresses(reason))), "no reason given")
        return RefusedPerson(f"Atlassian refused every part of the access: {told}")
    if seats := [row for row in blamed if row.means is Means.CONNECTION]:
        return RefusedConnection(f"{seats[0].says} ({seats[0].code})", perhaps_acted=True)
    return RefusedGrant(f"{blamed[0].says} ({blamed[0].code})", perhaps_acted=True)


def without_addresses(text: str) -> str:
    """Give at most 200 characters of somebody's free text, without anything that looks like an address."""
    words = text[:2000].split()
    if len(text) > 2000:
        words = words[:-1]  # The cut may have parted an address before its @.
    clean = " ".join("[address]" if _ADDRESS.search(word) else word for word in words)
    clean = "".join(character for character in clean if character.isprintable())
    return clean if len(clean) <= 200 else clean[:199] + "…"


_ADDRESS = re.compile("[@\uff20\ufe6b]|%40", re.IGNORECASE)


def _blamed(reason: str) -> Row | None:
    """Find the row that blames the grant or the seats, by its code or wording in a free text."""
    folded = reason.casefold()
    worded = (row for row in ROWS if row.wording)
    return next((row for row in worded if any(w in folded for w in (row.code.casefold(), *row.wording))), None)


def _said(body: Any) -> set[str]:
    """Give the words of the `code` column that an error body answers to."""
    said = {ANYTHING}
    if not isinstance(body, dict):
        return said
    errors = body.get("errors")
    if isinstance(errors, list):
        found = [error for error in errors if isinstance(error, dict)]
        codes = {code.strip().upper() for error in found if isinstance(code := error.get("code"), str)} - {""}
        if found:
            said |= {ERRORS} | (codes or {NO_CODE})
    if any(WRONG_KEY_KIND in text.upper() for text in _texts(body)):
        said.add(WRONG_KEY_KIND)
    return said


def _texts(body: dict[str, Any]) -> Iterator[str]:
    """Give the texts of an envelope, whichever it is."""
    for value in body.values():
        if isinstance(value, str):
            yield value
        elif isinstance(value, list):
            yield from (
                text for item in value if isinstance(item, dict) for text in item.values() if isinstance(text, str)
            )


def _until(answer: Answer, now: datetime) -> datetime | None:
    told = (
        reset_time(answer.header("x-ratelimit-reset"), now),
        retry_after(answer.header("retry-after"), now),
    )
    return max((moment for moment in told if moment is not None), default=None)
