"""POST v2 users/invite: the same rules and groups for up to 25 addresses, and a result for each of all that."""

import re
from dataclasses import dataclass, field
from typing import Any

from usher_local.simulators.atlassian_answers import TITLES, account_id, uam
from usher_local.simulators.atlassian_organization import Org, Organizations, Person
from usher_local.simulators.exchange import Answer, Request

ROLES = (
    "atlassian/user",
    "atlassian/admin",
    "atlassian/guest",
    "atlassian/contributor",
    "atlassian/customer",
    "atlassian/basic",
    "atlassian/stakeholder",
    "atlassian/viewer",
)
MOST_ADDRESSES = 25

_ADDRESS = re.compile(r"[^@\s]+@[^@\s.]+(\.[^@\s.]+)+")


@dataclass
class Invitation:
    """The body of a request, as far as it is what it should be."""

    emails: list[str]
    rules: list[tuple[str, str]] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)
    notify: bool = False
    text: str | None = None

    @classmethod
    def read(cls, body: Any) -> "Invitation | None":
        """Read a body; None where it is malformed."""
        if not isinstance(body, dict):
            return None
        emails, groups = body.get("emails"), body.get("additionalGroups", [])
        rules, notify, text = body.get("permissionRules", []), body.get("sendNotification", False), None
        if not _are_texts(emails) or not emails or not _are_texts(groups) or not isinstance(notify, bool):
            return None
        if not isinstance(rules, list) or not all(
            isinstance(rule, dict) and _are_texts([rule.get("resource"), rule.get("role")]) for rule in rules
        ):
            return None
        if "notificationText" in body:
            text = body["notificationText"]
            if not isinstance(text, str):
                return None
        return cls(emails, [(rule["resource"], rule["role"]) for rule in rules], groups, notify, text)


def _are_texts(values: Any) -> bool:
    return isinstance(values, list) and all(isinstance(value, str) for value in values)


@dataclass
class _Ending:
    """What became of one address."""

    entry: dict[str, Any]
    has_failed: bool
    is_refused: bool
    """Nothing at all was done for it."""


def invite(world: Organizations, request: Request) -> Answer:
    """Handle an invitation."""
    org = world.entered(request)
    if isinstance(org, Answer):
        return org
    if not org.paid:
        return uam("402-1")
    asked = Invitation.read(request.json)
    if asked is None:
        return uam("400-1")
    switches = world.sim.switches
    if len(asked.emails) > MOST_ADDRESSES and switches["too_many"] == "400":
        return uam("400-1")
    has_twice = len({email.lower() for email in asked.emails}) < len(asked.emails)
    if has_twice and switches["duplicate_address"] == "error":
        return uam("400-1")
    if has_twice and switches["duplicate_address"] == "merged":
        first: dict[str, str] = {}
        for email in asked.emails:
            first.setdefault(email.lower(), email)
        asked.emails = list(first.values())
    if code := _refusal_of_all(world, org, asked):
        return uam(code)
    endings = [_invited(world, org, email, asked) for email in asked.emails]
    if all(ending.is_refused for ending in endings) and switches["all_failed"] == "400":
        return uam("400-1")
    entries = [ending.entry for ending in endings if not ending.is_refused or switches["failed_listed"]]
    if switches["order"] == "reversed":
        entries.reverse()
    return Answer(206 if any(ending.has_failed for ending in endings) else 200, {"data": entries})


def _refusal_of_all(world: Organizations, org: Org, asked: Invitation) -> str | None:
    """Give the code with which the whole request is refused, before anybody is looked at."""
    switches = world.sim.switches
    if switches["bad_address"] == "400" and not all(_ADDRESS.fullmatch(email) for email in asked.emails):
        return "400-1"
    for resource, role in asked.rules:
        if resource not in org.resources and switches["unknown_resource"] == "404":
            return "404-1"
        if resource in org.unlicensed:
            return "400-4"
        if role not in ROLES:
            return "400-3"
    if switches["unknown_group"] == "404" and not set(asked.groups) <= org.groups.keys():
        return "404-3"
    known = [person for email in asked.emails if (person := _member(org, email))]
    if switches["deactivated"] == "request" and any(person.account_status != "active" for person in known):
        return "400-2"
    if switches["suspended"] == "request" and any(person.membership == "suspended" for person in known):
        return "403-1"
    if switches["existing_member"] == "409" and known:
        return "409-2"
    fresh = {email.lower() for email in asked.emails if _member(org, email) is None}
    is_full = org.seats is not None and org.taken + len(fresh) > org.seats
    return "409-3" if switches["seat_limit"] == "409" and fresh and is_full else None


def _reason(world: Organizations, org: Org, email: str) -> str | None:
    """Give the reason why nothing can be given to an address."""
    switches = world.sim.switches
    known = _member(org, email)
    if not _ADDRESS.fullmatch(email):
        return "The address is not valid"
    if known is None:
        return TITLES["409-3"] if org.seats is not None and org.taken >= org.seats else None
    if known.account_status != "active" and switches["deactivated"] == "error":
        return TITLES["400-2"]
    if known.membership == "suspended":
        return "The user is suspended" if switches["suspended"] == "error" else None
    return "The user has access already" if switches["existing_member"] == "error" else None


def _invited(world: Organizations, org: Org, email: str, asked: Invitation) -> _Ending:
    """Invite one address, as far as it can be."""
    switches = world.sim.switches
    rule, reason = world.rules.get(email.lower(), {}), _reason(world, org, email)
    told = rule.get("reason", switches["status_reason"])
    role_reason = reason or (told if rule.get("role") == "ERROR" else None)
    group_reason = reason or (told if rule.get("group") == "ERROR" else None)
    roles = [role_reason or (None if item[0] in org.resources else TITLES["404-1"]) for item in asked.rules]
    groups = [group_reason or (None if group in org.groups else TITLES["404-3"]) for group in asked.groups]
    failures = [failure for failure in (*roles, *groups) if failure]
    # Without rules and groups there is nothing that could say so, but the address is refused all the same.
    is_refused = reason is not None or bool(failures and len(failures) == len(roles) + len(groups))
    person = None
    if not is_refused:
        is_known = _member(org, email) is not None
        person = world.admit(org, email, world.shown_from())
        person.join()
        _give(world, person, asked, roles, groups)
        is_mailed = switches["existing_member_mailed"] or not is_known
        if asked.notify and is_mailed and (asked.text or switches["mail_without_text"]):
            world.sim.mail(org.id, email, "invite", asked.text)
    return _Ending(_entry(world, email, person, asked, roles, groups), bool(failures) or is_refused, is_refused)


def _give(
    world: Organizations, person: Person, asked: Invitation, roles: list[str | None], groups: list[str | None]
) -> None:
    for item, failure in zip(asked.rules, roles, strict=True):
        if failure is None:
            person.roles.setdefault(item, world.shown_from())
    for group, failure in zip(asked.groups, groups, strict=True):
        if failure is None:
            person.groups.setdefault(group, world.shown_from())


def _member(org: Org, email: str) -> Person | None:
    """Find a member; an account that is in no directory is like a new one."""
    known = org.people.get(email.lower())
    return None if known is None or known.is_outside else known


def _entry(
    world: Organizations,
    email: str,
    person: Person | None,
    asked: Invitation,
    roles: list[str | None],
    groups: list[str | None],
) -> dict[str, Any]:
    switches = world.sim.switches
    shown = {"upper": email.upper(), "lower": email.lower()}.get(switches["letters"], email)
    entry: dict[str, Any] = {"email": shown}
    if person is not None or switches["failed_id"]:
        entry["id"] = account_id(email)
    given = [
        _echo(switches["echoed_role"], *item) | _verdict(failure)
        for item, failure in zip(asked.rules, roles, strict=True)
    ]
    joined = [_verdict(failure) | {"group": group} for group, failure in zip(asked.groups, groups, strict=True)]
    return entry | {"results": [{"roleAssignmentResult": given, "groupAssignmentResult": joined}]}


def _echo(form: str, resource: str, role: str) -> dict[str, Any]:
    match form:
        case "ari":
            return {"resource": resource, "role": f"ari:cloud:jira::role/product/{role.partition('/')[2]}"}
        case "plain":
            return {"resource": resource, "role": role}
        case _:
            return {}


def _verdict(failure: str | None) -> dict[str, Any]:
    return {"status": "ERROR" if failure else "INVITED", "statusReason": failure}
