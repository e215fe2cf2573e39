"""Atlassian's organization admin API: one invite request for many, results per person, role and group."""

import re
import uuid
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, ClassVar

from usher_local.simulators.server import Answer, Fault, Request, Simulator

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
MOST_SEARCHED = 100

_ADDRESS = re.compile(r"[^@\s]+@[^@\s.]+(\.[^@\s.]+)+")
_NAMESPACE = uuid.UUID("6f1b3a52-7c3d-4f0e-9a55-0b8b7a1c2d3e")


@dataclass
class Person:
    """One account in an organization's directory."""

    id: str
    email: str
    visible_from: datetime
    account_status: str = "active"
    membership: str = "active"
    roles: dict[str, list[str]] = field(default_factory=dict)
    groups: list[str] = field(default_factory=list)
    added: str = ""


@dataclass
class Org:
    """One organization."""

    id: str
    resources: list[str] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)
    people: dict[str, Person] = field(default_factory=dict)
    seats: int | None = None
    paid: bool = True


class Atlassian(Simulator):
    """
    Seed: ``{"orgs": {"<id>": {"resources": [...], "groups": [...], "seats": 10, "paid": true, "people": [{"email": ...,
    "account_status": "inactive", "membership": "suspended", "roles": {...}, "groups": [...]}]}}, "tokens": ["key"],
    "address_rules": {"x@example.com": {"role": "ERROR", "group": "ERROR"}}}``. A rule makes parts of an invitation fail
    for an address, until the part is given by a call of its own.

    Every open choice of the contract is a switch:

    - `existing_member` invited_again | error: what a repeated invitation of a member yields.
    - `deactivated` request | error: an inactive account refuses the request, or only its own entry.
    - `suspended` error | invited_again; `duplicate_address` merged | error.
    - `too_many` 400: more than 25 addresses. `bad_address` 206 | 400; `unknown_group` 404 | inner_error.
    - `seat_limit` 409 | 206; `status_reason`: the text; `echoed_role` ari | plain.
    - `lag` seconds until the directory shows a person; `flapping`: every second read does not show anybody.
    - `retry_after`: whether a 429 carries it. `failed_listed`: whether a failed address stands in the results.
    - `order` same | reversed; `letters` same | upper.
    """

    name = "atlassian"
    defaults: ClassVar[dict[str, Any]] = {
        "existing_member": "invited_again",
        "deactivated": "request",
        "suspended": "error",
        "duplicate_address": "merged",
        "too_many": "400",
        "bad_address": "206",
        "unknown_group": "404",
        "seat_limit": "409",
        "status_reason": "The user could not be invited",
        "echoed_role": "ari",
        "lag": 0,
        "flapping": False,
        "retry_after": False,
        "failed_listed": True,
        "order": "same",
        "letters": "same",
        "page_size": 50,
    }

    def __init__(self, seed: dict[str, Any] | None = None, **options: Any) -> None:
        super().__init__(**options)
        self._first_seed = seed or {}
        self.clear()

    def clear(self) -> None:
        """Go back to the first seed."""
        self._orgs: dict[str, Org] = {}
        self._tokens: set[str] = set()
        self._rules: dict[str, dict[str, str]] = {}
        self._searches = 0
        self.seed(self._first_seed)

    def seed(self, data: dict[str, Any]) -> None:
        """Take organizations, people, keys and rules for addresses."""
        self._tokens |= set(data.get("tokens", []))
        self._rules |= {address.lower(): dict(rule) for address, rule in data.get("address_rules", {}).items()}
        for org_id, given in data.get("orgs", {}).items():
            org = self._orgs.setdefault(org_id, Org(org_id))
            org.resources += [item for item in given.get("resources", []) if item not in org.resources]
            org.groups += [item for item in given.get("groups", []) if item not in org.groups]
            org.seats = given.get("seats", org.seats)
            org.paid = given.get("paid", org.paid)
            for known in given.get("people", []):
                person = self._person(org, known["email"])
                person.visible_from = self.clock() - timedelta(days=1)
                person.account_status = known.get("account_status", "active")
                person.membership = known.get("membership", "active")
                person.roles = {resource: list(roles) for resource, roles in known.get("roles", {}).items()}
                person.groups = list(known.get("groups", []))

    def state(self) -> Any:
        """Give everybody's roles and groups."""
        return {
            org.id: [
                {"email": p.email, "id": p.id, "roles": p.roles, "groups": p.groups, "membership": p.membership}
                for p in org.people.values()
            ]
            for org in self._orgs.values()
        }

    def knows(self, request: Request) -> bool:
        """Say whether the key is one of ours."""
        return request.token in self._tokens

    def headers(self, request: Request) -> dict[str, str]:
        """Give the limiter's headers."""
        del request
        reset = (self.clock() + timedelta(minutes=1)).strftime("%Y-%m-%dT%H:%MZ")
        return {"X-RateLimit-Limit": "200", "X-RateLimit-Remaining": "199", "X-RateLimit-Reset": reset}

    def faulty(self, fault: Fault) -> Answer:
        """Answer the provider's own kinds of trouble."""
        if fault.kind == "wrong_token":
            return _errors(401, "ADMIN-UAM-401-1", "Unauthenticated")
        headers = dict(fault.headers)
        headers.setdefault("X-RateLimit-Reset", (self.clock() + timedelta(seconds=fault.seconds or 60)).isoformat())
        if self.switches["retry_after"]:
            headers["Retry-After"] = str(int(fault.seconds or 60))
        return Answer(429, _error_body(429, "ADMIN-429-1", "Too Many Requests"), headers)

    def unknown(self, status: int) -> Answer:
        """Answer as the gateway does."""
        return Answer(
            status, {"timestamp": self.clock().isoformat(), "path": "", "status": status, "error": "", "message": ""}
        )

    def _entered(self, request: Request) -> Org | Answer:
        if not self.knows(request):
            return _errors(401, "ADMIN-UAM-401-1", "Unauthenticated")
        org = self._orgs.get(request.match["org"])
        if org is None:
            return _errors(404, "ADMIN-UAM-404-2", "Organization not found")
        return org if org.paid else _errors(402, "ADMIN-UAM-402-1", "Payment Required")

    # --- the invitation ---

    def _invite(self, request: Request) -> Answer:
        org = self._entered(request)
        if isinstance(org, Answer):
            return org
        body = request.json if isinstance(request.json, dict) else {}
        emails, rules = body.get("emails"), body.get("permissionRules") or []
        groups = body.get("additionalGroups") or []
        if not isinstance(emails, list) or not emails or not all(isinstance(email, str) for email in emails):
            return _errors(400, "ADMIN-UAM-400-1", "Bad Request")
        if len(emails) > MOST_ADDRESSES:
            return _errors(400, "ADMIN-UAM-400-1", "Bad Request")
        if refused := self._refused(org, emails, rules, groups):
            return refused
        entries = []
        wanted = list(dict.fromkeys(email.lower() for email in emails))
        if self.switches["order"] == "reversed":
            wanted.reverse()
        failed = False
        for email in wanted:
            entry, well = self._invited(org, email, rules, groups, body)
            failed = failed or not well
            if well or self.switches["failed_listed"] or entry["id"]:
                entries.append(entry)
        return Answer(206 if failed else 200, {"data": entries})

    def _refused(self, org: Org, emails: list[str], rules: list[Any], groups: list[str]) -> Answer | None:
        """The whole request is refused for these."""
        if self.switches["bad_address"] == "400" and not all(_ADDRESS.fullmatch(email) for email in emails):
            return _errors(400, "ADMIN-UAM-400-1", "Bad Request")
        for rule in rules:
            if rule.get("resource") not in org.resources:
                return _errors(404, "ADMIN-UAM-404-1", "Unknown Resource")
            if rule.get("role") not in ROLES:
                return _errors(400, "ADMIN-UAM-400-3", "Invalid Role for Resource")
        if self.switches["unknown_group"] == "404" and not set(groups) <= set(org.groups):
            return _errors(404, "ADMIN-UAM-404-3", "Group Not Found")
        inactive = [p for p in org.people.values() if p.account_status != "active" and p.email in emails]
        if inactive and self.switches["deactivated"] == "request":
            return _errors(400, "ADMIN-UAM-400-2", "Inactive user")
        fresh = {email.lower() for email in emails} - org.people.keys()
        if org.seats is not None and self.switches["seat_limit"] == "409" and len(org.people) + len(fresh) > org.seats:
            return _errors(409, "ADMIN-UAM-409-3", "Product License Limit Exceeded")
        return None

    def _invited(
        self, org: Org, email: str, rules: list[dict[str, str]], groups: list[str], body: dict[str, Any]
    ) -> tuple[dict[str, Any], bool]:
        """Invite one address; gives its entry of the results, and whether all went well."""
        rule = self._rules.get(email, {})
        reason = None if _ADDRESS.fullmatch(email) else "The address is not valid"
        known = org.people.get(email)
        if known is None and org.seats is not None and len(org.people) >= org.seats:
            reason = "No seat is left"
        if known and known.account_status != "active":
            reason = "The account is not active"
        if known and known.membership == "suspended" and self.switches["suspended"] == "error":
            reason = "The user is suspended"
        if known and self.switches["existing_member"] == "error" and known.roles:
            reason = "The user has access already"
        role_reason = reason or (self.switches["status_reason"] if rule.get("role") == "ERROR" else None)
        group_reason = reason or (self.switches["status_reason"] if rule.get("group") == "ERROR" else None)
        wholly_refused = bool(rules or groups) and all(
            [role_reason is not None] * bool(rules) + [group_reason is not None] * bool(groups)
        )
        nothing = wholly_refused or (reason is not None and not rules and not groups)
        person = known if nothing else self._person(org, email)
        roles = [self._role_result(org, person, item, role_reason) for item in rules]
        given = [self._group_result(org, person, group, group_reason) for group in groups]
        well = all(result["status"] == "INVITED" for result in roles + given) and not (reason and not (rules or groups))
        if person is not None and body.get("sendNotification") and not wholly_refused:
            self.mail(org.id, email, "invite", body.get("notificationText"))
        shown = email.upper() if self.switches["letters"] == "upper" else email
        identity = person.id if person else _account(email)
        return {
            "id": identity,
            "email": shown,
            "results": [{"roleAssignmentResult": roles, "groupAssignmentResult": given}],
        }, well

    def _role_result(self, org: Org, person: Person | None, rule: dict[str, str], reason: str | None) -> dict[str, Any]:
        del org
        if reason is None and person is not None:
            held = person.roles.setdefault(rule["resource"], [])
            if rule["role"] not in held:
                held.append(rule["role"])
        echoed = rule["role"]
        if self.switches["echoed_role"] == "ari":
            echoed = f"ari:cloud:jira::role/product/{rule['role'].partition('/')[2]}"
        return {
            "resource": rule["resource"],
            "role": echoed,
            "status": "ERROR" if reason else "INVITED",
            "statusReason": reason,
        }

    def _group_result(self, org: Org, person: Person | None, group: str, reason: str | None) -> dict[str, Any]:
        if group not in org.groups:
            reason = reason or "The group does not exist"
        if reason is None and person is not None and group not in person.groups:
            person.groups.append(group)
        return {"group": group, "status": "ERROR" if reason else "INVITED", "statusReason": reason}

    def _person(self, org: Org, email: str) -> Person:
        email = email.lower()
        if email not in org.people:
            visible = self.clock() + timedelta(seconds=float(self.switches["lag"]))
            org.people[email] = Person(_account(email), email, visible, added=self.clock().isoformat())
        return org.people[email]

    # --- the directory ---

    def _visible(self, org: Org) -> list[Person]:
        if self.switches["flapping"] and self._searches % 2:
            return []
        return [person for person in org.people.values() if person.visible_from <= self.clock()]

    def _search(self, request: Request) -> Answer:
        org = self._entered(request)
        if isinstance(org, Answer):
            return org
        self._searches += 1
        body = request.json if isinstance(request.json, dict) else {}
        emails = body.get("emails")
        if emails is not None and (not 1 <= len(emails) <= MOST_SEARCHED or "searchTerm" in body):
            return _errors(400, "ADMIN-400-1", "Bad Request")
        wanted = None if emails is None else {email.lower() for email in emails}
        found = [p for p in self._visible(org) if wanted is None or p.email in wanted]
        start = int(body.get("cursor") or 0)
        limit = min(int(body.get("limit") or 50), self.switches["page_size"])
        page = found[start : start + limit]
        links = {"next": str(start + limit)} if start + limit < len(found) else {}
        return Answer(200, {"data": [self._row(p, body.get("expand") or []) for p in page], "links": links})

    def _row(self, person: Person, expand: list[str]) -> dict[str, Any]:
        status = {"suspended": "suspended", "no_membership": "not_invited"}.get(person.membership, "active")
        row: dict[str, Any] = {
            "accountId": person.id,
            "accountType": "atlassian",
            "email": person.email,
            "accountStatus": person.account_status,
            "membershipStatus": person.membership,
            "status": status if person.account_status == "active" else "deactivated",
            "addedToOrg": person.added or self.clock().isoformat(),
        }
        if "groups" in expand:
            row["groups"] = [{"id": f"ari:cloud:identity::group/{group}", "name": group} for group in person.groups]
        return row

    def _found(self, request: Request) -> tuple[Org, Person] | Answer:
        org = self._entered(request)
        if isinstance(org, Answer):
            return org
        for person in self._visible(org):
            if person.id == request.match["account"]:
                return org, person
        return _errors(404, "ADMIN-404-8", "User not found")

    def _assignments(self, request: Request) -> Answer:
        found = self._found(request)
        if isinstance(found, Answer):
            return found
        rows = [
            {
                "resourceId": resource,
                "roleAssignments": [{"role": role, "roleAssignmentMethods": ["direct"]} for role in roles],
                "directoryId": None,
            }
            for resource, roles in found[1].roles.items()
        ]
        return Answer(200, {"data": rows, "links": {}})

    def _join_group(self, request: Request) -> Answer:
        org = self._entered(request)
        if isinstance(org, Answer):
            return org
        group, account = request.match["group"], (request.json or {}).get("accountId")
        person = next((p for p in org.people.values() if p.id == account), None)
        if group not in org.groups:
            return _errors(404, "ADMIN-404-10", "Group not found")
        if person is None:
            return _errors(404, "ADMIN-404-8", "User not found")
        if group in person.groups:
            return _errors(409, "ADMIN-UAM-409-2", "Resource Conflicts")
        person.groups.append(group)
        return Answer(204)

    def _leave_group(self, request: Request) -> Answer:
        found = self._found(request)
        if isinstance(found, Answer):
            return found
        if request.match["group"] in found[1].groups:
            found[1].groups.remove(request.match["group"])
        return Answer(204)

    def _assign(self, request: Request) -> Answer:
        if not self.knows(request):
            return Answer(401, {"code": 401, "message": "Unauthorized"})
        org = self._entered(request)
        if isinstance(org, Answer):
            return org
        body = request.json if isinstance(request.json, dict) else {}
        person = next((p for p in org.people.values() if p.id == request.match["account"]), None)
        if person is None:
            return _errors(404, "ADMIN-404-8", "User not found")
        if not body.get("resource"):
            return _errors(400, "ADMIN-UAM-400-5", "Cloud Resource is empty")
        if body["resource"] not in org.resources:
            return _errors(404, "ADMIN-UAM-404-1", "Unknown Resource")
        held = person.roles.setdefault(body["resource"], [])
        if request.path.endswith("/assign") and body["role"] not in held:
            held.append(body["role"])
        if request.path.endswith("/revoke") and body["role"] in held:
            held.remove(body["role"])
        return Answer(204)

    def _list_orgs(self, request: Request) -> Answer:
        if not self.knows(request):
            return Answer(401, {"code": 401, "message": "Unauthorized"})
        return Answer(200, {"data": [{"id": org, "type": "orgs"} for org in self._orgs], "links": {}})

    def _search_groups(self, request: Request) -> Answer:
        org = self._entered(request)
        if isinstance(org, Answer):
            return org
        names = [name.lower() for name in (request.json or {}).get("groupNames", [])]
        groups = [group for group in org.groups if not names or group.lower() in names]
        return Answer(200, {"data": [{"id": group, "name": group} for group in groups], "links": {}})

    def _workspaces(self, request: Request) -> Answer:
        org = self._entered(request)
        if isinstance(org, Answer):
            return org
        return Answer(200, {"data": [{"id": resource, "type": "workspace"} for resource in org.resources], "links": {}})

    _V2 = r"/admin/v2/orgs/(?P<org>[^/]+)"
    _DIRECTORY = rf"{_V2}/directories/[^/]+"
    routes: ClassVar = (
        ("POST", rf"{_V2}/users/invite", _invite),
        ("POST", rf"{_DIRECTORY}/users/search", _search),
        ("GET", rf"{_DIRECTORY}/users/(?P<account>[^/]+)/role-assignments", _assignments),
        ("POST", rf"{_DIRECTORY}/groups/search", _search_groups),
        ("POST", rf"{_DIRECTORY}/groups/(?P<group>[^/]+)/memberships", _join_group),
        ("DELETE", rf"{_DIRECTORY}/groups/(?P<group>[^/]+)/memberships/(?P<account>[^/]+)", _leave_group),
        ("POST", r"/admin/v1/orgs/(?P<org>[^/]+)/users/(?P<account>[^/]+)/roles/(?:assign|revoke)", _assign),
        ("GET", r"/admin/v1/orgs", _list_orgs),
        ("POST", rf"{_V2}/workspaces", _workspaces),
    )


def _account(email: str) -> str:
    return f"712020:{uuid.uuid5(_NAMESPACE, email)}"


def _error_body(status: int, code: str, title: str) -> dict[str, Any]:
    error = {"id": str(uuid.uuid5(_NAMESPACE, code)), "status": str(status), "code": code, "title": title}
    return {"errors": [error | {"detail": None}]}


def _errors(status: int, code: str, title: str) -> Answer:
    return Answer(status, _error_body(status, code, title))
