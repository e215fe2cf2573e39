"""Reads and repairs around the invitation: the directory's people and groups, their roles, and the resources."""

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from usher_local.simulators.atlassian_answers import admin, detailed
from usher_local.simulators.atlassian_organization import Org, Organizations, Person
from usher_local.simulators.exchange import Answer, Request

READ_DIRECTORIES = "read:directories:admin"
READ_WORKSPACES = "read:workspaces:admin"
EXPANSIONS = ("platformRoles", "counts.resources", "productAccess", "groups")
INVITE_ONLY = "atlassian/viewer"  # No list of a person's roles knows it.
ASSIGNABLE = ("user", "user-access-admin", "admin", "guest", "contributor", "customer", "basic", "stakeholder")
MOST_SEARCHED = 100


class _BadPage(ValueError):
    """A limit or cursor that nobody gave."""


def _page[Item](
    items: Sequence[Item], asked: Mapping[str, Any], start: int, *, usual: int, most: int, ours: int
) -> tuple[list[Item], int | None]:
    """Give a page of items, and where the next begins; raises _BadPage."""
    try:
        limit = int(asked.get("limit", usual))
    except (TypeError, ValueError):
        raise _BadPage from None
    if not 1 <= limit <= most:
        raise _BadPage
    end = start + min(limit, ours)
    return list(items[start:end]), end if end < len(items) else None


def _cursor(start: int, asked: Mapping[str, Any]) -> str:
    """Make a cursor, which remembers the question: whatever else stands beside it is discarded."""
    text = json.dumps([start, {name: value for name, value in asked.items() if name != "cursor"}])
    return base64.urlsafe_b64encode(text.encode()).decode()


def _resumed(asked: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
    """Give where to begin, and the question; raises _BadPage."""
    cursor = asked.get("cursor")
    if cursor is None:
        return 0, dict(asked)
    try:
        start, question = json.loads(base64.urlsafe_b64decode(cursor))
        return int(start), dict(question)
    except (ValueError, TypeError):
        raise _BadPage from None


def _listed[Item](
    world: Organizations,
    asked: Mapping[str, Any],
    find: Callable[[dict[str, Any]], Sequence[Item]],
    row: Callable[[Item, dict[str, Any]], dict[str, Any]],
    usual: int,
) -> Answer:
    """Answer a page of what a question finds."""
    try:
        start, question = _resumed(asked)
        ours = int(world.sim.switches["page_size"])
        items, following = _page(find(question), question, start, usual=usual, most=MOST_SEARCHED, ours=ours)
    except _BadPage:
        return admin("400-1")
    links = {} if following is None else {"next": _cursor(following, question)}
    return Answer(200, {"data": [row(item, question) for item in items], "links": links})


# --- people ---


def search_users(world: Organizations, request: Request) -> Answer:
    """POST users/search: find people by their exact addresses, or everybody."""
    org = world.entered(request)
    if isinstance(org, Answer):
        return org

    def find(question: dict[str, Any]) -> list[Person]:
        emails, expand = question.get("emails"), question.get("expand", [])
        if not _is_set_of_texts(expand, len(EXPANSIONS)) or not set(expand) <= set(EXPANSIONS):
            raise _BadPage
        if emails is None:
            return world.searched(org)
        if not emails or not _is_set_of_texts(emails, MOST_SEARCHED) or "searchTerm" in question:
            raise _BadPage
        wanted = {email.lower() for email in emails}
        return [person for person in world.searched(org) if person.email in wanted]

    return _listed(world, request.fields, find, lambda person, asked: _row(world, org, person, asked), usual=50)


def _is_set_of_texts(values: Any, most: int) -> bool:
    return (
        isinstance(values, list)
        and all(isinstance(value, str) for value in values)
        and len(set(values)) == len(values) <= most
    )


def _row(world: Organizations, org: Org, person: Person, asked: Mapping[str, Any]) -> dict[str, Any]:
    expand = asked.get("expand", [])
    email = person.email.upper() if world.sim.switches["letters"] == "upper" else person.email
    row: dict[str, Any] = {
        "accountId": person.id,
        "accountType": "atlassian",
        "email": email,
        "emailVerified": False,
        "name": person.email.partition("@")[0],
        "accountStatus": person.account_status,
        "membershipStatus": person.membership,
        "status": person.status,
        "claimStatus": "unmanaged",
        "managementSource": "invited",
        "addedToOrg": person.visible_from.isoformat(),
        "links": {"self": person.id},
    }
    resources = [resource for resource in person.held(world.now) if resource]
    if "platformRoles" in expand:
        row["platformRoles"] = []
    if "counts.resources" in expand:
        row["counts"] = {"resources": len(resources)}
    if "productAccess" in expand:
        row["productAccess"] = [{"id": resource, "key": _owner(resource)} for resource in resources]
    if "groups" in expand:
        prefix = "ari:cloud:identity::group/" if world.sim.switches["expanded_group"] == "ari" else ""
        groups = [group for group, since in person.groups.items() if since <= world.now]
        row["groups"] = [{"id": f"{prefix}{group}", "name": org.groups.get(group, group)} for group in groups]
    return row


def _owner(resource: str) -> str:
    """Give the app of a resource, as in ari:cloud:jira-software::site/1."""
    return [*resource.split(":"), "", "", ""][2]


def role_assignments(world: Organizations, request: Request) -> Answer:
    """GET role-assignments: one person's roles, by resource."""
    org = world.entered(request, READ_DIRECTORIES)
    if isinstance(org, Answer):
        return org
    person = next((person for person in world.shown(org) if person.id == request.match["account"]), None)
    if person is None:
        return admin("404-8")
    held = [
        (resource, seen)
        for resource, roles in person.held(world.now).items()
        if (seen := [role for role in roles if role != INVITE_ONLY])
    ]

    def row(item: tuple[str, list[str]], _: object) -> dict[str, Any]:
        resource, roles = item
        return {
            "resourceId": resource,
            "resourceOwner": _owner(resource),
            "roles": roles,
            "roleAssignments": [{"role": role, "roleAssignmentMethods": ["direct"]} for role in roles],
            "directoryId": org.directory,
        }

    return _listed(world, request.query, lambda _: held, row, usual=20)


def assign_role(world: Organizations, request: Request) -> Answer:
    """POST v1 roles/assign and roles/revoke: one role on one resource."""
    org = world.entered(request)
    if isinstance(org, Answer):
        return org
    person = org.account(request.match["account"])
    role, resource = request.fields.get("role"), request.fields.get("resource")
    if person is None:
        return admin("404-8")
    if role not in [f"atlassian/{name}" for name in ASSIGNABLE]:
        return detailed("400-3" if isinstance(role, str) else "400-1")
    if not resource:
        return detailed("400-5")
    if resource not in org.resources:
        return detailed("404-1")
    if request.match["change"] == "revoke":
        person.roles.pop((resource, role), None)
        return Answer(204)
    if _has_no_seat(org):
        return detailed("409-3")
    person.roles.setdefault((resource, role), world.shown_from())
    world.repaired(person.email, "role")
    return Answer(204)


def _has_no_seat(org: Org) -> bool:
    """Say whether more people are there than seats: a seed took some away."""
    return org.seats is not None and org.taken > org.seats


# --- groups ---


def join_group(world: Organizations, request: Request) -> Answer:
    """POST memberships: one group for one person."""
    org = world.entered(request)
    if isinstance(org, Answer):
        return org
    group, account = request.match["group"], request.fields.get("accountId")
    if not isinstance(account, str):
        return detailed("400-1")
    person = org.account(account)
    if group not in org.groups:
        return admin("404-10")
    if person is None:
        return admin("404-8")
    if group in person.groups and world.sim.switches["already_in_group"] == "409":
        return detailed("409-2")
    if _has_no_seat(org):
        return detailed("409-3")
    person.groups.setdefault(group, world.shown_from())
    world.repaired(person.email, "group")
    return Answer(204)


def leave_group(world: Organizations, request: Request) -> Answer:
    """DELETE memberships: one group less for one person."""
    org = world.entered(request)
    if isinstance(org, Answer):
        return org
    person = org.account(request.match["account"])
    if request.match["group"] not in org.groups:
        return admin("404-10")
    if person is None:
        return admin("404-8")
    person.groups.pop(request.match["group"], None)
    return Answer(204)


def search_groups(world: Organizations, request: Request) -> Answer:
    """POST groups/search: by exact names in any letters, by ids, or by the accounts in them."""
    org = world.entered(request)
    if isinstance(org, Answer):
        return org

    def find(question: dict[str, Any]) -> list[str]:
        names, ids, accounts = (question.get(name) for name in ("groupNames", "groupIds", "accountIds"))
        if names is not None and ("searchTerm" in question or ids is not None):
            raise _BadPage
        if not all(_is_set_of_texts(given, MOST_SEARCHED) for given in (names, ids, accounts) if given is not None):
            raise _BadPage
        found = list(org.groups)
        if names is not None:
            wanted = {name.lower() for name in names}
            found = [group for group in found if org.groups[group].lower() in wanted]
        if ids is not None:
            found = [group for group in found if group in ids]
        if accounts is not None:
            people = [person for account in accounts if (person := org.account(account))]
            found = [group for group in found if any(group in person.groups for person in people)]
        return found

    def row(group: str, _: object) -> dict[str, Any]:
        count = sum(group in person.groups for person in org.people.values())
        return {
            "id": group,
            "name": org.groups[group],
            "directoryId": org.directory,
            "externalSynced": False,
            "counts": {"users": count},
        }

    return _listed(world, request.fields, find, row, usual=20)
