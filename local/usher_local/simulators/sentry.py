"""Sentry's member API, with the order of its checks, its six shapes of errors and its two kinds of 429."""

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from usher_local.simulators.server import Answer, Fault, Request, Simulator

ROLES = ("billing", "member", "admin", "manager", "owner")
RANK = {"billing": 0, "member": 1, "admin": 2, "manager": 3, "owner": 4}
LIFE = timedelta(days=30)
LONGEST_EMAIL = 75
QUOTA = 100
QUOTA_OF_ADDRESS = 10
DAY = timedelta(days=1)

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")
_NO_PERMISSION = {"detail": "You do not have permission to perform this action."}
_NOT_FOUND = {"detail": "The requested resource does not exist"}
_ABOVE = "You do not have permission to set that org-level role"


@dataclass
class Member:
    """A row of the member list: a member, or a pending invitation (`user` None)."""

    id: str
    email: str
    role: str
    created: datetime
    expires: datetime
    user: dict[str, Any] | None = None
    teams: list[str] = field(default_factory=list)
    team_roles: dict[str, str | None] = field(default_factory=dict)
    addresses: list[str] = field(default_factory=list)
    inviter: str | None = None


@dataclass
class Token:
    """Who calls: a user with a role in the organization, or an internal integration."""

    role: str = "member"
    scopes: tuple[str, ...] = ("member:read", "member:invite", "member:write")
    integration: bool = True
    organizations: tuple[str, ...] = ()


@dataclass
class Organization:
    """One organization."""

    slug: str
    teams: list[str] = field(default_factory=list)
    members: list[Member] = field(default_factory=list)
    may_invite: bool = True
    invited: list[tuple[datetime, str]] = field(default_factory=list)


class Sentry(Simulator):
    """
    Seed: ``{"organizations": {"acme": {"teams": ["platform"], "may_invite": true, "members": [{"email": ..., "role":
    "member", "pending": true, "expired": false, "teams": [], "addresses": []}]}}, "tokens": {"secret": {"role":
    "owner", "integration": false, "scopes": [...], "organizations": ["acme"]}}}``.

    Switches: `rate_limit_headers` (off as when self-hosted), `retired_roles`, `limit_body` ("object", or "string" as
    older servers sent).
    """

    name = "sentry"
    defaults: ClassVar[dict[str, Any]] = {
        "rate_limit_headers": True,
        "retired_roles": [],
        "limit_body": "object",
        "page_size": 100,
    }

    def __init__(self, seed: dict[str, Any] | None = None, **options: Any) -> None:
        super().__init__(**options)
        self._first_seed = seed or {}
        self.clear()

    def clear(self) -> None:
        """Go back to the first seed."""
        self._organizations: dict[str, Organization] = {}
        self._tokens: dict[str, Token] = {}
        self._next_id = 57377908000
        self.seed(self._first_seed)

    def seed(self, data: dict[str, Any]) -> None:
        """Take organizations, members and tokens."""
        for secret, token in data.get("tokens", {}).items():
            given: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in token.items()}
            self._tokens[secret] = Token(**given)
        for slug, given in data.get("organizations", {}).items():
            organization = self._organizations.setdefault(slug, Organization(slug))
            organization.teams += [team for team in given.get("teams", []) if team not in organization.teams]
            organization.may_invite = given.get("may_invite", organization.may_invite)
            for member in given.get("members", []):
                self._seed_member(organization, member)

    def _seed_member(self, organization: Organization, given: dict[str, Any]) -> None:
        row = self._new_member(organization, given["email"], given.get("role", "member"))
        row.teams = list(given.get("teams", []))
        row.addresses = list(given.get("addresses", []))
        if not given.get("pending"):
            row.user = {"id": f"9{row.id}", "email": given["email"], "name": given["email"]}
        elif given.get("expired"):
            row.created, row.expires = self.clock() - 2 * LIFE, self.clock() - LIFE

    def state(self) -> Any:
        """Give the member lists."""
        return {
            slug: [{**self._row(row), "teams": row.teams} for row in organization.members]
            for slug, organization in self._organizations.items()
        }

    def knows(self, request: Request) -> bool:
        """Say whether the token is one of ours."""
        return request.token in self._tokens

    def headers(self, request: Request) -> dict[str, str]:
        """Give the limiter's headers; a self-hosted server has none."""
        del request
        if not self.switches["rate_limit_headers"]:
            return {}
        reset = int(self.clock().timestamp()) + 1
        return {
            "X-Sentry-Rate-Limit-Limit": "40",
            "X-Sentry-Rate-Limit-Remaining": "39",
            "X-Sentry-Rate-Limit-Reset": str(reset),
        }

    def faulty(self, fault: Fault) -> Answer:
        """Answer the provider's own kinds of trouble."""
        texts = {
            "rate_limit": "You are attempting to use this endpoint too frequently. Limit is 40 requests in 1 seconds",
            "concurrency": "You are attempting to go above the allowed concurrency for this endpoint. "
            "Concurrency limit is 25",
            "quota": "You are being rate limited for too many invitations.",
        }
        if fault.kind == "wrong_token":
            return Answer(401, {"detail": "Invalid token"})
        text = texts[fault.kind]
        body: Any = text if self.switches["limit_body"] == "string" else {"detail": text}
        return Answer(429, body, fault.headers)

    def unknown(self, status: int) -> Answer:
        """Answer a path that Sentry does not have."""
        return Answer(status, _NOT_FOUND if status == 404 else {"detail": "Method not allowed."})

    # --- who may ---

    def _entered(self, request: Request, *scopes: str) -> tuple[Organization, Token] | Answer:
        """Check token, scopes and organization, in this order."""
        token = self._tokens.get(request.token or "")
        if request.token is None:
            return Answer(401, {"detail": "Authentication credentials were not provided."})
        if token is None:
            return Answer(401, {"detail": "Invalid token"})
        if not set(scopes) & set(token.scopes):
            return Answer(403, _NO_PERMISSION)
        organization = self._organizations.get(request.match["org"])
        if organization is None:
            return Answer(404, _NOT_FOUND)
        if token.organizations and organization.slug not in token.organizations:
            return Answer(403, _NO_PERMISSION)
        return organization, token

    # --- POST members/ ---

    def _invite(self, request: Request) -> Answer:
        entered = self._entered(request, "member:invite", "member:write", "member:admin")
        if isinstance(entered, Answer):
            return entered
        organization, token = entered
        if not organization.may_invite:
            return Answer(403, {"organization": "Your organization is not allowed to invite members"})
        body = request.json
        if body is None and request.body:
            return Answer(400, {"detail": "JSON parse error - Expecting value: line 1 column 1 (char 0)"})
        if not isinstance(body, dict):
            return _failed()
        key = "orgRole" if "orgRole" in body else "role"
        role = body.get(key, "member")
        if token.integration and role != "member":
            text = "Integration tokens are restricted to inviting new members with the member role only."
            return Answer(400, [text])
        teams = body.get("teamRoles", [])
        if not _is_team_list(teams):
            return _failed()  # A null, a missing key or a plain text is not expected there.
        errors = self._field_errors(organization, token, body, key, role, teams)
        if errors:
            return Answer(400, errors)
        email = body["email"].strip()
        if self._over_quota(organization, email):
            return Answer(429, {"detail": "You are being rate limited for too many invitations."})
        slugs = [team["teamSlug"] for team in teams]
        if role == "billing" and slugs:
            return Answer(400, {"email": f"The user with a '{role}' role cannot have team-level permissions."})
        row = self._new_member(organization, email, role)
        row.teams = slugs  # Their roles are discarded here; only a PUT applies them.
        if body.get("sendInvite", True):
            self.mail(organization.slug, email, "invite")
        return Answer(201, self._row(row))

    def _field_errors(
        self,
        organization: Organization,
        token: Token,
        body: dict[str, Any],
        key: str,
        role: Any,
        teams: list[dict[str, Any]],
    ) -> dict[str, list[str]]:
        errors: dict[str, list[str]] = {}
        email = body.get("email", ...)
        if email is ...:
            errors["email"] = ["This field is required."]
        elif email is None:
            errors["email"] = ["This field may not be null."]
        elif not isinstance(email, str) or not email.strip():
            errors["email"] = ["This field may not be blank."]
        elif len(email.strip()) > LONGEST_EMAIL:
            errors["email"] = ["Ensure this field has no more than 75 characters."]
        elif not _EMAIL.fullmatch(email.strip()):
            errors["email"] = ["Enter a valid email address."]
        elif found := self._duplicate(organization, email.strip()):
            state = "is already a member" if found.user else "has already been invited"
            errors["email"] = [f"The user {email.strip()} {state}"]
        if role not in ROLES:
            errors[key] = [f'"{role}" is not a valid choice.']
        elif role in self.switches["retired_roles"]:
            errors[key] = [f"The role '{role}' is deprecated and may no longer be assigned."]
        elif not token.integration and token.role == "none":
            errors["role"] = errors["orgRole"] = [_ABOVE]
        elif not token.integration and RANK[role] > max(RANK[token.role], RANK["member"]):
            errors[key] = [_ABOVE]
        slugs = [team["teamSlug"] for team in teams]
        if len(set(slugs)) < len(slugs) or not set(slugs) <= set(organization.teams):
            errors["teamRoles"] = ["Invalid teams"]
        elif any(team["role"] not in ("contributor", "admin", None) for team in teams):
            errors["teamRoles"] = ["Invalid team-role"]
        for name in ("sendInvite", "reinvite"):
            if name in body and not isinstance(body[name], bool):
                errors[name] = ["Must be a valid boolean."]
        return errors

    @staticmethod
    def _duplicate(organization: Organization, email: str) -> Member | None:
        """Exact case against pending invitations, any case against every address of a user."""
        for row in organization.members:
            known = [row.email, *row.addresses]
            if row.user and email.lower() in [address.lower() for address in known]:
                return row
            if not row.user and row.email == email:
                return row
        return None

    def _over_quota(self, organization: Organization, email: str) -> bool:
        """All counters are touched on each attempt that passes validation, also when one is full already."""
        now = self.clock()
        organization.invited = [(at, who) for at, who in organization.invited if now - at < DAY]
        organization.invited.append((now, email.lower()))
        of_address = sum(1 for _, who in organization.invited if who == email.lower())
        return len(organization.invited) > QUOTA or of_address > QUOTA_OF_ADDRESS

    def _new_member(self, organization: Organization, email: str, role: str) -> Member:
        self._next_id += 165
        now = self.clock()
        row = Member(str(self._next_id), email, role, now, now + LIFE, inviter=None)
        organization.members.append(row)
        return row

    # --- reads ---

    def _list(self, request: Request) -> Answer:
        entered = self._entered(request, "member:read", "member:write", "member:admin")
        if isinstance(entered, Answer):
            return entered
        organization, _ = entered
        per_page = request.query.get("per_page", str(self.switches["page_size"]))
        if not per_page.isdigit() or not 1 <= int(per_page) <= 100:
            return Answer(400, {"detail": "Invalid per_page value. Must be between 1 and 100."})
        cursor = re.fullmatch(r"\d+:(\d+):[01]", request.query.get("cursor", "0:0:0"))
        if cursor is None:
            return Answer(400, {"detail": "Invalid cursor parameter."})
        rows = [row for row in organization.members if self._asked_for(row, request.query.get("query", ""))]
        size = min(int(per_page), self.switches["page_size"])
        offset = int(cursor[1])
        shown, more = rows[offset : offset + size], len(rows) > offset + size
        base = f"{self.url}{request.path}?"
        link = (
            f'<{base}&cursor=0:{max(0, offset - size)}:1>; rel="previous"; results="{"true" if offset else "false"}"; '
            f'cursor="0:{max(0, offset - size)}:1", '
            f'<{base}&cursor=0:{offset + size}:0>; rel="next"; results="{"true" if more else "false"}"; '
            f'cursor="0:{offset + size}:0"'
        )
        return Answer(200, [self._row(row) for row in shown], {"Link": link})

    @staticmethod
    def _asked_for(row: Member, query: str) -> bool:
        for part in query.split():
            key, colon, value = part.partition(":")
            if not colon:
                known = [row.email, *row.addresses]
                if not any(part.lower() in address.lower() for address in known):
                    return False
            elif key == "email":
                known = [address.lower() for address in (row.email, *row.addresses)]
                if not (value.lower() in known if row.user else value == row.email):
                    return False
            else:
                return False
        return True

    def _found(self, request: Request, *scopes: str) -> tuple[Organization, Token, Member] | Answer:
        entered = self._entered(request, *scopes)
        if isinstance(entered, Answer):
            return entered
        for row in entered[0].members:
            if row.id == request.match["id"]:
                return *entered, row
        return Answer(404, _NOT_FOUND)

    def _one(self, request: Request) -> Answer:
        found = self._found(request, "member:read", "member:write", "member:admin")
        return found if isinstance(found, Answer) else Answer(200, self._details(found[2]))

    def _row(self, row: Member) -> dict[str, Any]:
        return {
            "id": row.id,
            "email": row.email,
            "name": row.user["name"] if row.user else row.email,
            "user": row.user,
            "role": row.role,
            "roleName": row.role.capitalize(),
            "orgRole": row.role,
            "pending": row.user is None,
            "expired": row.user is None and row.expires <= self.clock(),
            "flags": {
                "idp:provisioned": False,
                "idp:role-restricted": False,
                "sso:linked": False,
                "sso:invalid": False,
                "member-limit:restricted": False,
                "partnership:restricted": False,
            },
            "dateCreated": row.created.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "inviteStatus": "approved",
            "inviterName": row.inviter,
        }

    def _details(self, row: Member) -> dict[str, Any]:
        return self._row(row) | {
            "teams": row.teams,
            "teamRoles": [{"teamSlug": slug, "role": row.team_roles.get(slug)} for slug in row.teams],
            "orgRoleList": [],
            "roles": [],
            "teamRoleList": [],
            "isOnlyOwner": False,
        }

    # --- changes ---

    def _change(self, request: Request) -> Answer:
        found = self._found(request, "member:invite", "member:write", "member:admin")
        if isinstance(found, Answer):
            return found
        organization, token, row = found
        body = request.json if isinstance(request.json, dict) else {}
        if "reinvite" in body:
            return self._resend(organization, token, row, body)
        if token.integration and "orgRole" in body:
            return Answer(400, {"orgRole": [_ABOVE]})
        if "orgRole" in body and RANK.get(body["orgRole"], 9) > RANK[token.role]:
            return Answer(400, {"orgRole": [_ABOVE]})
        row.role = body.get("orgRole", row.role)
        teams = body.get("teamRoles") or []
        if not {team["teamSlug"] for team in teams} <= set(organization.teams):
            return Answer(400, {"teamRoles": ["Invalid teams"]})
        row.teams = [team["teamSlug"] for team in teams]  # A PUT without teams clears them all.
        row.team_roles = {team["teamSlug"]: team.get("role") for team in teams}
        return Answer(200, self._details(row))

    def _resend(self, organization: Organization, token: Token, row: Member, body: dict[str, Any]) -> Answer:
        if body.keys() - {"reinvite", "regenerate"}:
            text = "You cannot modify member details when resending an invitation. Separate requests are required."
            return Answer(403, {"detail": text})
        if row.user is not None:
            text = "You cannot send an invitation to a user who is already a full member."
            return Answer(400, {"detail": text})
        if body.get("regenerate"):
            if "member:admin" not in token.scopes:
                return Answer(400, {"detail": "You are missing the member:admin scope."})
            row.expires = self.clock() + LIFE
        elif row.expires <= self.clock():
            text = "You cannot resend an expired invitation without regenerating the token."
            return Answer(400, {"detail": text})
        if self._over_quota(organization, row.email):
            return Answer(429, {"detail": "You are being rate limited for too many invitations."})
        self.mail(organization.slug, row.email, "resend")
        return Answer(200, self._details(row))

    def _remove(self, request: Request) -> Answer:
        found = self._found(request, "member:read", "member:write", "member:admin")
        if isinstance(found, Answer):
            return found
        organization, token, row = found
        if token.integration:
            return Answer(400, {"detail": "You cannot remove a member who has more access than you."})
        if "member:admin" not in token.scopes:
            return Answer(400, {"detail": "You are missing the member:admin scope."})
        organization.members.remove(row)
        return Answer(204)

    def _join_team(self, request: Request) -> Answer:
        found = self._found(request, "member:invite", "member:write", "member:admin")
        if isinstance(found, Answer):
            return found
        organization, _, row = found
        team = request.match["team"]
        if team not in organization.teams:
            return Answer(404, _NOT_FOUND)
        if team in row.teams:
            return Answer(204)
        row.teams.append(team)
        return Answer(201, {"slug": team, "isMember": True})

    def _change_team_role(self, request: Request) -> Answer:
        found = self._found(request, "member:write", "member:admin")
        if isinstance(found, Answer):
            return found
        _, _, row = found
        team = request.match["team"]
        if team not in row.teams or not isinstance(request.json, dict):
            return Answer(404, _NOT_FOUND)
        row.team_roles[team] = request.json.get("teamRole")
        return Answer(200, {"isActive": True, "teamRole": row.team_roles[team]})

    def _leave_team(self, request: Request) -> Answer:
        found = self._found(request, "member:write", "member:admin")
        if isinstance(found, Answer):
            return found
        _, _, row = found
        if request.match["team"] in row.teams:
            row.teams.remove(request.match["team"])
        return Answer(200, {"slug": request.match["team"]})

    def _teams(self, request: Request) -> Answer:
        entered = self._entered(request, "org:read", "member:read", "member:write", "member:admin")
        if isinstance(entered, Answer):
            return entered
        return Answer(200, [{"slug": team, "name": team} for team in entered[0].teams])

    _BASE = r"/api/0/organizations/(?P<org>[^/]+)"
    _MEMBER = rf"{_BASE}/members/(?P<id>[^/]+)/"
    routes: ClassVar = (
        ("POST", rf"{_BASE}/members/", _invite),
        ("GET", rf"{_BASE}/members/", _list),
        ("GET", rf"{_BASE}/teams/", _teams),
        ("GET", _MEMBER, _one),
        ("PUT", _MEMBER, _change),
        ("DELETE", _MEMBER, _remove),
        ("POST", rf"{_MEMBER}teams/(?P<team>[^/]+)/", _join_team),
        ("PUT", rf"{_MEMBER}teams/(?P<team>[^/]+)/", _change_team_role),
        ("DELETE", rf"{_MEMBER}teams/(?P<team>[^/]+)/", _leave_team),
    )


def _failed() -> Answer:
    return Answer(500, {"detail": "Internal Error", "errorId": None})


def _is_team_list(teams: Any) -> bool:
    return isinstance(teams, list) and all(
        isinstance(team, dict) and {"teamSlug", "role"} <= team.keys() for team in teams
    )
