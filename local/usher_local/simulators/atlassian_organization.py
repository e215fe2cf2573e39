"""What Atlassian remembers: organizations, their people, groups and resources, and the API keys."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from usher_local.simulators.atlassian_answers import account_id, admin, gateway, is_behind_the_proxy, proxy, uam
from usher_local.simulators.exchange import Answer, Request
from usher_local.simulators.server import Simulator

SEEDED = datetime(2020, 1, 1, tzinfo=UTC)
"""Whatever a seed gives has been visible since then."""


@dataclass
class Person:
    """One account in an organization's directory; roles and groups with the time from which a read shows them."""

    id: str
    email: str
    visible_from: datetime
    account_status: str = "active"
    membership: str = "active"
    roles: dict[tuple[str, str], datetime] = field(default_factory=dict)
    groups: dict[str, datetime] = field(default_factory=dict)

    @property
    def is_outside(self) -> bool:
        """Whether the account is in no directory."""
        return self.account_status == "active" and self.membership == "no_membership"

    def join(self) -> None:
        """Be in the directory."""
        if self.is_outside:
            self.membership = "active"

    @property
    def status(self) -> str:
        """The one word that a directory makes of account and membership."""
        if self.account_status != "active":
            return "deactivated"
        return {"suspended": "suspended", "no_membership": "not_invited"}.get(self.membership, "active")

    def held(self, now: datetime | None = None) -> dict[str, list[str]]:
        """Give the roles by resource; with a time, only those that a read shows by then."""
        roles: dict[str, list[str]] = {}
        for (resource, role), since in self.roles.items():
            if now is None or since <= now:
                roles.setdefault(resource, []).append(role)
        return roles


@dataclass
class Org:
    """One organization; `seats` counts its people, whatever their apps."""

    id: str
    name: str
    directory: str
    resources: list[str] = field(default_factory=list)
    groups: dict[str, str] = field(default_factory=dict)
    people: dict[str, Person] = field(default_factory=dict)
    unlicensed: list[str] = field(default_factory=list)
    seats: int | None = None
    paid: bool = True

    @property
    def taken(self) -> int:
        """How many seats are taken."""
        return sum(not person.is_outside for person in self.people.values())

    def account(self, account: str) -> Person | None:
        """Find a person by the id of the account."""
        return next((person for person in self.people.values() if person.id == account), None)


@dataclass(frozen=True)
class Key:
    """An API key: with scopes or (None) without, for some organizations or (empty) for all."""

    scopes: tuple[str, ...] | None = None
    orgs: tuple[str, ...] = ()


class Organizations:
    """Everything that the API's operations read and change."""

    def __init__(self, simulator: Simulator["Organizations"]) -> None:
        self.sim = simulator
        self.orgs: dict[str, Org] = {}
        self.rules: dict[str, dict[str, str]] = {}
        self._keys: dict[str, Key] = {}
        self._reads = 0

    def seed(self, data: Mapping[str, Any]) -> None:
        """Take organizations, people, keys, and rules for addresses."""
        tokens = data.get("tokens", [])
        for token in tokens:
            given = tokens[token] if isinstance(tokens, dict) else {}
            self._keys[token] = Key(**{name: tuple(value) for name, value in given.items()})
        for address, rule in data.get("address_rules", {}).items():
            self.rules[address.lower()] = dict(rule)
        for org_id, given in data.get("orgs", {}).items():
            self._seed_org(org_id, given)

    def _seed_org(self, org_id: str, given: Mapping[str, Any]) -> None:
        org = self.orgs.setdefault(org_id, Org(org_id, f"Organization {org_id}", f"directory-of-{org_id}"))
        org.name, org.directory = given.get("name", org.name), given.get("directory", org.directory)
        org.resources += [item for item in given.get("resources", []) if item not in org.resources]
        org.unlicensed += [item for item in given.get("unlicensed", []) if item not in org.unlicensed]
        for group in given.get("groups", []):
            if isinstance(group, str):
                org.groups.setdefault(group, group)
            else:
                org.groups[group["id"]] = group["name"]
        org.seats, org.paid = given.get("seats", org.seats), given.get("paid", org.paid)
        for known in given.get("people", []):
            person = self.admit(org, known["email"], SEEDED)
            person.account_status = known.get("account_status", person.account_status)
            person.membership = known.get("membership", person.membership)
            for resource, roles in known.get("roles", {}).items():
                person.roles |= {(resource, role): SEEDED for role in roles}
            person.groups |= dict.fromkeys(known.get("groups", []), SEEDED)

    def state(self) -> Any:
        """Give everybody's roles and groups, by organization."""
        return {
            org.id: [
                {
                    "email": person.email,
                    "id": person.id,
                    "account_status": person.account_status,
                    "membership": person.membership,
                    "roles": person.held(),
                    "groups": list(person.groups),
                }
                for person in org.people.values()
            ]
            for org in self.orgs.values()
        }

    # --- who may ---

    def knows(self, request: Request) -> bool:
        """Say whether the key is one of ours."""
        return request.token in self._keys

    def refusal(self, request: Request, scope: str | None) -> Answer | None:
        """Refuse a key that is unknown, or of the wrong kind for an operation."""
        behind_proxy, is_invite = is_behind_the_proxy(request.path), request.path.endswith("/users/invite")
        if not self.knows(request):
            if behind_proxy:
                return proxy(401, "Unauthorized")
            return uam("401-1") if is_invite else admin("401-1")
        scopes = self._keys[request.token or ""].scopes
        if scopes is None or (scope is not None and scope in scopes):
            return None
        # An operation that lists no scope takes no key that has any.
        has_only_proxy_words = behind_proxy and not request.path.endswith(("/assign", "/revoke"))
        return proxy(401, "INSUFFICIENT_SCOPE") if has_only_proxy_words else admin("401-2")

    def entered(self, request: Request, scope: str | None = None) -> Org | Answer:
        """Give the organization of a request, or the reason why not."""
        if refused := self.refusal(request, scope):
            return refused
        is_invite = request.path.endswith("/users/invite")
        org_id = request.match["org"]
        allowed = self._keys[request.token or ""].orgs
        if allowed and org_id not in allowed:
            return uam("403-2") if is_invite else gateway(403, request.path, self.now.isoformat())
        return self.orgs.get(org_id) or (uam("404-2") if is_invite else admin("404-2"))

    def managed(self, request: Request) -> list[Org]:
        """Give the organizations of a key."""
        allowed = self._keys[request.token or ""].orgs
        return [org for org in self.orgs.values() if not allowed or org.id in allowed]

    # --- people ---

    @property
    def now(self) -> datetime:
        """The time."""
        return self.sim.clock()

    def shown_from(self) -> datetime:
        """The time from which a read shows what is changed now."""
        return self.now + timedelta(seconds=float(self.sim.switches["lag"]))

    def admit(self, org: Org, address: str, visible_from: datetime) -> Person:
        """Give the person of an address, who may be new."""
        email = address.lower()
        return org.people.setdefault(email, Person(account_id(email), email, visible_from))

    def shown(self, org: Org) -> Iterator[Person]:
        """Give whom the directory shows at this moment."""
        return (person for person in org.people.values() if person.visible_from <= self.now)

    def searched(self, org: Org) -> list[Person]:
        """Give whom a search shows: a flapping directory shows nobody every second time."""
        self._reads += 1
        return [] if self.sim.switches["flapping"] and self._reads % 2 else list(self.shown(org))

    def repaired(self, address: str, part: str) -> None:
        """Let invitations of an address no longer fail in a part that a call of its own has given."""
        if rule := self.rules.get(address):
            rule.pop(part, None)
