"""
Asks an Atlassian organization's directory who is there, and what access they have (contract, section 8).

There is no pending state: a person who was invited is a row with a membership, and that is all a read can show.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from itertools import batched
from typing import Any

from usher.domain.invitation import InvitationKey
from usher.domain.outcomes import (
    Absent,
    Ambiguous,
    Finding,
    LimitedUntil,
    Part,
    Present,
    ReadFailed,
    RefusedBatch,
    RefusedConnection,
    RefusedGrant,
    RefusedPerson,
    Standing,
)
from usher.domain.policy import Grant
from usher.http import Answer, date_time
from usher.ports import Ask
from usher.providers.atlassian_api import PAGE, Organization, Sending
from usher.providers.atlassian_results import (
    GROUP,
    ROLE,
    account_of,
    address_of,
    group_name,
    objects,
    parts_of,
    resource_name,
    text_of,
)
from usher.providers.atlassian_table import On, refusal

MOST_PAGES = 20

INVITE_ONLY = frozenset({"atlassian/viewer"})
"""Roles that an invite gives, but that no list of a person's roles, and no call that assigns one, knows."""

_BLOCKED = {
    "suspended": "the person is suspended in the organization: restore them there first",
    "deactivated": "the person's Atlassian account is deactivated",
    "for_deletion": "the person's Atlassian account is scheduled for deletion",
    "inactive": "the person's Atlassian account is deactivated",
    "closed": "the person's Atlassian account is closed",
}

Rows = list[dict[str, Any]]


def look_up(organization: Organization, asks: Sequence[Ask]) -> dict[InvitationKey, Finding]:
    """Give a finding for every ask."""
    reader = _Reader(organization)
    findings: dict[InvitationKey, Finding] = {}
    for some in batched(asks, PAGE, strict=False):
        rows = reader.search(some)
        for ask in some:
            found = rows if isinstance(rows, ReadFailed) else _row_of(ask, rows)
            findings[ask.key] = reader.present(found, ask.grant) if isinstance(found, dict) else found
    return findings


@dataclass(slots=True)
class _Reader:
    """Reads one organization; once a failure concerns everybody, it asks nothing more."""

    organization: Organization
    down: ReadFailed | None = None

    def search(self, asks: Sequence[Ask]) -> Rows | ReadFailed:
        """Find the directory's rows of up to 100 people."""
        addresses = list(dict.fromkeys(ask.address for ask in asks))
        groups = any(ask.grant.groups for ask in asks)
        return self._pages(
            On.ORGANIZATION, lambda cursor: self.organization.search(addresses, groups=groups, cursor=cursor)
        )

    def present(self, row: dict[str, Any], grant: Grant) -> Present | ReadFailed:
        """Compare a member's row, and the roles that only a further request shows, with a grant."""
        ref, since, blocked = account_of(row, "accountId"), date_time(row.get("addedToOrg")), _blocked(row)
        if blocked is not None:
            return Present(ref, Standing.MEMBER, since=since, blocked=blocked)
        has: Rows | ReadFailed = []
        if grant.access:
            if ref is None:
                return ReadFailed("the directory shows the person without an account id")
            has = self._pages(On.PERSON, lambda cursor: self.organization.role_assignments(ref, cursor=cursor))
        if isinstance(has, ReadFailed):
            return has
        held = _roles(has) | {(GROUP, group_name(text_of(group, "id"))) for group in objects(row, "groups")}
        missing = [part for part in parts_of(grant) if _compared(part) not in held]
        return Present(
            ref,
            Standing.MEMBER,
            open=tuple(part for part in missing if part.role not in INVITE_ONLY),
            drift=tuple(f"{part} is not shown by Atlassian" for part in missing if part.role in INVITE_ONLY),
            since=since,
        )

    def _pages(self, on: On, page: Callable[[str | None], Sending]) -> Rows | ReadFailed:
        """Read all pages; what was not read to its end says nothing."""
        rows: Rows = []
        cursor: str | None = None
        for _ in range(MOST_PAGES):
            if self.down is not None:
                return self.down
            answer = page(cursor)
            if not isinstance(answer, Answer):
                self.down = ReadFailed(answer.reason)
                return self.down
            if answer.status != HTTPStatus.OK:
                return self._failed(answer, on)
            if not isinstance(answer.json, dict) or not isinstance(answer.json.get("data"), list):
                return ReadFailed("the directory's answer cannot be read")
            rows += objects(answer.json, "data")
            links = answer.json.get("links")
            cursor = text_of(links, "next") if isinstance(links, dict) else ""
            if not cursor:
                return rows
        return ReadFailed(f"the directory's answer did not end after {MOST_PAGES} pages")

    def _failed(self, answer: Answer, on: On) -> ReadFailed:
        match refusal(answer, on, self.organization.call.now):
            case RefusedConnection() as refused:
                self.down = ReadFailed(refused.reason, refused=refused)
                return self.down
            case LimitedUntil(reason, until):
                self.down = ReadFailed(reason, until)
                return self.down
            case RefusedBatch(reason) | RefusedGrant(reason) | RefusedPerson(reason) | Ambiguous(reason):
                return ReadFailed(reason)
            case _:
                return ReadFailed(f"the directory answered {answer.status}, which is no answer to a read")


def _row_of(ask: Ask, rows: Rows) -> dict[str, Any] | Absent | ReadFailed:
    """Give the row of a person who is in the organization."""
    named = [row for row in rows if address_of(row) == ask.address]
    members = [row for row in named if not _is_elsewhere(row)]
    if not members:
        if not named and any(address_of(row) is None for row in rows):
            return ReadFailed("the directory shows somebody without an address")
        return Absent()
    usable = [row for row in members if _blocked(row) is None] or members
    if len({text_of(row, "accountId") for row in usable}) > 1:
        return ReadFailed("the directory shows two people with this address")
    return usable[0]


def _is_elsewhere(row: dict[str, Any]) -> bool:
    """The search also shows accounts that are in none of the organization's directories."""
    return text_of(row, "status") == "not_invited" or text_of(row, "membershipStatus") == "no_membership"


def _blocked(row: dict[str, Any]) -> str | None:
    said = (_BLOCKED.get(text_of(row, name)) for name in ("status", "membershipStatus", "accountStatus"))
    return next((reason for reason in said if reason is not None), None)


def _roles(rows: Rows) -> set[tuple[str, ...]]:
    """Give a person's roles, each with its resource; one by way of a group counts as well."""
    return {
        (ROLE, resource_name(text_of(row, "resourceId")), _role_name(text_of(assignment, "role")))
        for row in rows
        for assignment in objects(row, "roleAssignments")
    }


def _compared(part: Part) -> tuple[str, ...]:
    if part.kind == GROUP:
        return GROUP, group_name(part.name)
    return ROLE, resource_name(part.name), _role_name(part.role or "")


def _role_name(role: str) -> str:
    """Give what is compared of a role: `atlassian/user` is also written as `ari:cloud:jira::role/product/member`."""
    name = role.rpartition("/")[2].casefold()
    return "user" if name == "member" else name
