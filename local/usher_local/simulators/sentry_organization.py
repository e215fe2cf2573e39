"""What Sentry remembers: organizations with their members, pending invitations and teams, and who calls."""

from collections import deque
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from usher_local.simulators import sentry_rows as rows
from usher_local.simulators.connection import LOOPBACK
from usher_local.simulators.exchange import Answer, Request
from usher_local.simulators.sentry_records import APPROVED, Member, Organization, Token
from usher_local.simulators.server import Simulator

LIFE = timedelta(days=30)
DAY = timedelta(days=1)

NO_PERMISSION = {"detail": "You do not have permission to perform this action."}
NOT_FOUND = {"detail": "The requested resource does not exist"}
ABOVE = "You do not have permission to set that org-level role"
TOO_MANY_INVITATIONS = {"detail": "You are being rate limited for too many invitations."}

ORGANIZATION_TOKEN = "sntrys_"
"""How the tokens of organizations begin."""

_SETTINGS = ("may_invite", "member_invites", "open_membership", "team_roles", "billing_invites", "sso")


class Organizations:
    """Everything that the API's operations read and change."""

    def __init__(self, simulator: Simulator["Organizations"]) -> None:
        self.sim = simulator
        self.organizations: dict[str, Organization] = {}
        self.rules: dict[str, dict[str, str]] = {}
        self._tokens: dict[str, Token] = {}
        self._attempts: dict[str, deque[datetime]] = {}

    def seed(self, data: Mapping[str, Any]) -> None:
        """Take organizations, members, tokens, and rules for addresses."""
        for secret, token in data.get("tokens", {}).items():
            given: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in token.items()}
            self._tokens[secret] = Token(**given, secret=secret)
        for address, rule in data.get("address_rules", {}).items():
            self.rules[address.lower()] = dict(rule)
        for slug, given in data.get("organizations", {}).items():
            if slug not in self.organizations:
                self.organizations[slug] = Organization(slug, str(self.sim.next_number()))
            organization = self.organizations[slug]
            for team in given.get("teams", []):
                organization.teams.setdefault(team, str(self.sim.next_number()))
            for name in _SETTINGS:
                setattr(organization, name, given.get(name, getattr(organization, name)))
            for member in given.get("members", []):
                self._seed_member(organization, member)

    def _seed_member(self, organization: Organization, given: Mapping[str, Any]) -> None:
        row = self.add(organization, given["email"], given.get("role", "member"))
        teams = given.get("teams", [])
        row.teams = dict(teams) if isinstance(teams, dict) else dict.fromkeys(teams)
        row.addresses, row.flags = list(given.get("addresses", [])), dict(given.get("flags", {}))
        row.inviter = given.get("inviter")
        row.status = given.get("request", APPROVED)
        if given.get("expired"):
            row.created, row.expires = self.now - 2 * LIFE, self.now - LIFE
        elif not given.get("pending") and row.status == APPROVED:
            row.user = rows.user(f"9{row.id}", row.email, given.get("name", row.email), row.created)

    def state(self) -> Any:
        """Give the member lists, requests included."""
        return {
            slug: [
                {**rows.member(row, self.now), "teams": list(row.teams), "inviteStatus": row.status}
                for row in organization.members
            ]
            for slug, organization in self.organizations.items()
        }

    @property
    def now(self) -> datetime:
        """The time."""
        return self.sim.clock()

    # --- who may ---

    def knows(self, request: Request) -> bool:
        """Say whether the token is one of ours."""
        return request.token in self._tokens

    def caller(self, request: Request) -> Token | None:
        """Give who calls."""
        return self._tokens.get(request.token or "")

    def counted_as(self, request: Request) -> tuple[str, str]:
        """Say who counts as the caller for the limiter: more tokens of one user do not help."""
        token = self.caller(request)
        if token is None or (request.token or "").startswith(ORGANIZATION_TOKEN):
            return "address", LOOPBACK
        # The organization of an integration's token, as the path names it.
        return ("organization", "/".join(request.path.split("/")[:5])) if token.integration else ("user", token.user)

    def entered(self, request: Request, *scopes: str) -> tuple[Organization, Token] | Answer:
        """Check token, scopes and organization, in this order."""
        token = self.caller(request)
        if request.token is None:
            return Answer(401, {"detail": "Authentication credentials were not provided."})
        if token is None:
            is_of_organization = request.token.startswith(ORGANIZATION_TOKEN)
            return Answer(401, {"detail": "Invalid org token" if is_of_organization else "Invalid token"})
        if token.fault is not None:
            return Answer(401, {"detail": token.fault})
        if not set(scopes) & set(token.scopes):
            return Answer(403, NO_PERMISSION)
        name = request.match["org"]
        organization = next((org for org in self.organizations.values() if name in (org.slug, org.id)), None)
        if organization is None:
            return Answer(404, NOT_FOUND)
        if token.organizations and not token.integration and name not in token.organizations:
            # The id of the right organization does not do: it is compared as text with a number.
            return Answer(401, {"detail": "Unauthorized organization access."})
        if token.organizations and organization.slug not in token.organizations:
            return Answer(403, NO_PERMISSION)
        return organization, token

    def found(self, request: Request, *scopes: str) -> tuple[Organization, Token, Member] | Answer:
        """Find the member of a path; a request that awaits approval is none."""
        entered = self.entered(request, *scopes)
        if isinstance(entered, Answer):
            return entered
        organization, token = entered
        asked = request.match["id"]
        for row in organization.members:
            is_me = asked == "me" and not token.integration and row.user is not None and row.email == token.email
            if row.status == APPROVED and (row.id == asked or is_me):
                return organization, token, row
        return Answer(404, NOT_FOUND)

    # --- rows and quotas ---

    def add(self, organization: Organization, email: str, role: str) -> Member:
        """Add a row: an invitation that lives for thirty days."""
        now = self.now
        row = Member(str(self.sim.next_number()), email, role, now, now + LIFE)
        organization.members.append(row)
        return row

    def spends_quota(self, organization: Organization, token: Token, email: str) -> bool:
        """
        Count an attempt; gives whether a counter is full.

        An inviter is counted over all organizations, an address in each of them. All three counters are touched
        together, also when one of them is full already.
        """
        now, switches = self.now, self.sim.switches
        inviter = f"token {token.secret}" if token.integration else f"user {token.user}"
        keys = (f"by {inviter}", f"in {organization.id}", f"in {organization.id} to {email.lower()}")
        is_daily = switches["quota_window"] == "day"
        since = now.replace(hour=0, minute=0, second=0, microsecond=0) if is_daily else now - DAY + timedelta.resolution
        counts = []
        for key in keys:
            attempts = self._attempts.setdefault(key, deque())
            while attempts and attempts[0] < since:
                attempts.popleft()
            attempts.append(now)
            counts.append(len(attempts))
        most = (switches["quota"], switches["quota"], switches["address_quota"])
        return any(count > limit for count, limit in zip(counts, most, strict=True))
