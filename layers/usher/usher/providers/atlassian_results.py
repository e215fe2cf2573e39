"""
Reads the body of an invite that went through (200) or went through in part (206).

Both have one shape (contract, section 4), no property of it is promised, and its order means nothing: people are
found by address, roles by resource, groups by the last part of their id. What cannot be told is ambiguous for that
person alone.
"""

import re
from collections.abc import Iterable, Sequence
from enum import StrEnum
from http import HTTPStatus
from typing import Any, NamedTuple

from usher.domain.address import canonical
from usher.domain.errors import BadAddress
from usher.domain.invitation import InvitationKey
from usher.domain.outcomes import Accepted, Ambiguous, Outcome, Part, PartlyAccepted
from usher.domain.policy import Grant
from usher.http import Answer
from usher.ports import Ask
from usher.providers.atlassian_table import refusal_of_every_part, without_addresses

ROLE = "role"
GROUP = "group"

_ACCOUNT = re.compile(r"[A-Za-z0-9_|:-]{1,128}")


class _Status(StrEnum):
    INVITED = "INVITED"
    ERROR = "ERROR"
    UNKNOWN = "unknown"


class _Result(NamedTuple):
    """One entry of a person's results, as Atlassian wrote it."""

    kind: str
    name: str
    role: str
    status: _Status
    reason: str


def read_results(answer: Answer, asks: Sequence[Ask]) -> dict[InvitationKey, Outcome]:
    """Give every person's outcome; entries about people who were not asked for are left alone."""
    people: dict[str | None, list[dict[str, Any]]] = {}
    for entry in objects(answer.json, "data"):
        people.setdefault(address_of(entry), []).append(entry)
    some_failed = answer.status == HTTPStatus.PARTIAL_CONTENT
    return {ask.key: _outcome(people.get(ask.address, []), ask.grant, some_failed) for ask in asks}


def parts_of(grant: Grant) -> tuple[Part, ...]:
    """Give the parts of a grant, each once."""
    roles = [Part(ROLE, access.resource, access.role) for access in grant.access]
    groups = [Part(GROUP, group) for group in grant.groups]
    return tuple(dict.fromkeys([*roles, *groups]))


def mailed_by(grant: Grant) -> bool | None:
    """Say whether inviting with a grant mails the person; nobody knows it of a notification without a message."""
    return None if grant.notify and grant.message is None else grant.notify


def objects(body: Any, name: str) -> list[dict[str, Any]]:
    """Give the objects of a list property, whatever else stands there."""
    values = body.get(name) if isinstance(body, dict) else None
    return [value for value in values if isinstance(value, dict)] if isinstance(values, list) else []


def text_of(entry: dict[str, Any], name: str) -> str:
    """Give a text property; empty where it is none."""
    value = entry.get(name)
    return value if isinstance(value, str) else ""


def address_of(entry: dict[str, Any]) -> str | None:
    """Give an entry's address in canonical form; None where it has none that Usher would have asked for."""
    try:
        return canonical(text_of(entry, "email"))
    except BadAddress:
        return None


def account_of(entry: dict[str, Any], name: str) -> str | None:
    """Give an account id, which is opaque but has its letters; None where it is none."""
    value = text_of(entry, name)
    return value if _ACCOUNT.fullmatch(value) else None


def group_name(identifier: str) -> str:
    """Give what is compared of a group's id: Atlassian writes it bare, or as the end of an ARI."""
    return identifier.rpartition("/")[2].casefold()


def resource_name(identifier: str) -> str:
    """Give what is compared of a resource's ARI."""
    return identifier.casefold()


def _outcome(entries: Sequence[dict[str, Any]], grant: Grant, some_failed: bool) -> Outcome:
    if not entries:
        return Ambiguous("Atlassian's answer does not name the person")
    accounts = {account for entry in entries if (account := account_of(entry, "id")) is not None}
    if len(accounts) > 1:
        return Ambiguous("Atlassian's answer names the person with two accounts")
    ref = next(iter(accounts), None)
    results = list(_results(entries))
    parts = parts_of(grant)
    if not parts:
        if some_failed or any(result.status is not _Status.INVITED for result in results):
            return Ambiguous("Atlassian's answer does not say whether this person's invitation failed")
        return Accepted(ref, mailed_by(grant))
    found = {part: _status(part, parts, results) for part in parts}
    if unknown := [part for part, status in found.items() if status is _Status.UNKNOWN]:
        return Ambiguous(f"Atlassian's answer does not say what became of {unknown[0]}")
    failed = tuple(part for part, status in found.items() if status is _Status.ERROR)
    if not failed:
        return Accepted(ref, mailed_by(grant))
    ours = [result for part in parts for result in results if _is_about(result, part)]
    if all(result.status is _Status.ERROR for result in ours):
        return refusal_of_every_part([result.reason for result in ours])
    return PartlyAccepted(ref, mailed_by(grant), failed, _why(failed, results))


def _results(entries: Iterable[dict[str, Any]]) -> Iterable[_Result]:
    for entry in entries:
        for lists in objects(entry, "results"):
            for result in objects(lists, "roleAssignmentResult"):
                name = resource_name(text_of(result, "resource"))
                yield _Result(ROLE, name, text_of(result, "role"), _written(result), text_of(result, "statusReason"))
            for result in objects(lists, "groupAssignmentResult"):
                name = group_name(text_of(result, "group"))
                yield _Result(GROUP, name, "", _written(result), text_of(result, "statusReason"))


def _written(result: dict[str, Any]) -> _Status:
    status = text_of(result, "status")
    return _Status(status) if status in (_Status.INVITED, _Status.ERROR) else _Status.UNKNOWN


def _is_about(result: _Result, part: Part) -> bool:
    return (result.kind, result.name) == (part.kind, _compared(part))


def _compared(part: Part) -> str:
    return resource_name(part.name) if part.kind == ROLE else group_name(part.name)


def _status(part: Part, parts: Sequence[Part], results: Sequence[_Result]) -> _Status:
    """
    Say what became of one part.

    The echoed role is documented as an ARI, while the request has a short name. So where two roles on one resource
    fared differently, and their names do not come back as sent, both count as failed: giving a role twice does no harm,
    while trusting the order could leave the wrong one out.
    """
    about = [result for result in results if _is_about(result, part)]
    siblings = [other for other in parts if (other.kind, _compared(other)) == (part.kind, _compared(part))]
    statuses = {result.status for result in about}
    if len(about) < len(siblings) or _Status.UNKNOWN in statuses:
        return _Status.UNKNOWN
    if len(statuses) == 1:
        return next(iter(statuses))
    if len(siblings) == 1:
        return _Status.UNKNOWN  # One part, two answers.
    if {result.role for result in about} == {other.role for other in siblings}:
        named = {result.status for result in about if result.role == part.role}
        return next(iter(named)) if len(named) == 1 else _Status.UNKNOWN
    return _Status.ERROR


def _why(failed: Sequence[Part], results: Sequence[_Result]) -> str:
    """Name the parts that failed, each with what Atlassian says of it."""
    lines = []
    for part in failed:
        said = [result.reason for result in results if _is_about(result, part) and result.status is _Status.ERROR]
        told = next((clean for reason in said if (clean := without_addresses(reason))), "")
        lines.append(f"{part}: {told}" if told else str(part))
    return f"Atlassian did not give {'; '.join(lines)}"
