"""Reads, changes and removals of members (contract, section 8)."""

import re
from typing import Any
from urllib.parse import urlencode

from usher_local.simulators import sentry_rows as rows
from usher_local.simulators.exchange import Answer, Request
from usher_local.simulators.sentry_invite import TEAM_ROLES, are_teams_readable, failed, role_problem, team_problem
from usher_local.simulators.sentry_organization import (
    ABOVE,
    LIFE,
    NO_PERMISSION,
    TOO_MANY_INVITATIONS,
    Organizations,
)
from usher_local.simulators.sentry_records import APPROVED, RANK, Member, Organization, Token

READERS = ("member:read", "member:write", "member:admin")
INVITERS = ("member:invite", "member:write", "member:admin")
MOST_ROWS = 100

_NO_ADMIN = "You are missing the member:admin scope."
_PARTNER = "This member is managed by an active partnership and cannot be modified until the end of the partnership."


def _told(status: int, text: str) -> Answer:
    return Answer(status, {"detail": text})


# --- reads ---


def list_members(world: Organizations, request: Request) -> Answer:
    """GET members/: members and approved invitations, by ascending id, a page at a time."""
    entered = world.entered(request, *READERS)
    if isinstance(entered, Answer):
        return entered
    organization, _ = entered
    per_page = request.query.get("per_page", str(MOST_ROWS))
    if not re.fullmatch(r"-?\d+", per_page):
        return _told(400, "Invalid per_page parameter.")
    if not 1 <= int(per_page) <= MOST_ROWS:
        return _told(400, f"Invalid per_page value. Must be between 1 and {MOST_ROWS}.")
    cursor = re.fullmatch(r"\d+:(\d+):([01])", request.query.get("cursor", "0:0:0"))
    if cursor is None:
        return _told(400, "Invalid cursor parameter.")
    query = request.query.get("query", "")
    found = [row for row in organization.members if row.status == APPROVED and _is_asked_for(row, query)]
    found.sort(key=lambda row: int(row.id))
    size = min(int(per_page), int(world.sim.switches["page_size"]))
    offset = int(cursor[1])
    shown = [rows.member(row, world.now) for row in found[offset : offset + size]]
    if "externalUsers" in request.query.get("expand", ""):
        shown = [row | {"externalUsers": []} for row in shown]
    link = _link(f"{world.sim.url}{request.path}", request, offset, size, has_more=len(found) > offset + size)
    return Answer(200, shown, {"Link": link})


def _link(url: str, request: Request, offset: int, size: int, *, has_more: bool) -> str:
    """Write both relations; they are always there."""
    others = urlencode([(name, value) for name, value in request.query.items() if name != "cursor"])
    relations = (
        ("previous", f"0:{max(0, offset - size)}:1", offset > 0),
        ("next", f"0:{offset + size}:0", has_more),
    )
    return ", ".join(
        f'<{url}?{others}&cursor={cursor}>; rel="{name}"; results="{str(has_rows).lower()}"; cursor="{cursor}"'
        for name, cursor, has_rows in relations
    )


def _is_asked_for(row: Member, query: str) -> bool:
    """Say whether a row fits every token of a query; an unknown key fits nothing."""
    return all(_fits(row, *token.partition(":")) for token in query.split())


def _fits(row: Member, key: str, colon: str, value: str) -> bool:
    if not colon:
        known = [row.email, *row.addresses, row.user["name"] if row.user else ""]
        return any(key.lower() in text.lower() for text in known)
    match key:
        case "email":
            return row.has_address(value)
        case "id":
            return row.id == value
        case "user.id":
            return row.user is not None and row.user["id"] == value
        case "role":
            return row.role == value
        case "isInvited":
            return (row.user is None) == (value == "true")
        case "ssoLinked":
            return row.flags.get("sso:linked", False) == (value == "true")
        case "has2fa":
            return value != "true"
        case _:
            return False


def read_member(world: Organizations, request: Request) -> Answer:
    """GET members/{id}/: one member, with teams."""
    found = world.found(request, *READERS)
    return found if isinstance(found, Answer) else _details(world, found[0], found[2])


def _details(world: Organizations, organization: Organization, row: Member) -> Answer:
    return Answer(200, rows.details(row, organization, world.sim.switches["retired_roles"], world.now))


# --- changes ---


def change_member(world: Organizations, request: Request) -> Answer:
    """PUT members/{id}/: sends an invitation again, or sets role and teams."""
    found = world.found(request, *INVITERS)
    if isinstance(found, Answer):
        return found
    organization, token, row = found
    body = request.fields
    is_resend = "reinvite" in body or "regenerate" in body
    if token.is_member_level:
        is_only_resend = not body.keys() - {"reinvite", "regenerate"}
        if not (is_only_resend and organization.member_invites and row.user is None):
            return Answer(403, NO_PERMISSION)
        if token.integration or row.inviter != token.user:
            return _told(403, "You cannot modify invitations sent by someone else.")
    if row.flags.get("partnership:restricted"):
        return _told(403, _PARTNER)
    if is_resend and body.get("reinvite"):
        return _resend(world, organization, token, row, body)
    return _set(world, organization, token, row, body)


def _set(world: Organizations, organization: Organization, token: Token, row: Member, body: dict[str, Any]) -> Answer:
    """Set the role, and replace the whole set of teams, also where none are named."""
    key = "orgRole" if "orgRole" in body else "role"
    if key in body:
        if token.integration:
            return Answer(400, {key: [ABOVE]})  # It has no role of its own.
        if problem := role_problem(world, organization, token, body[key]):
            return Answer(400, {key: [problem]})
        if row.user is not None and row.email == token.email:
            return _told(400, "You cannot make changes to your own role.")
        if RANK[row.role] > RANK[token.role]:
            return Answer(403, {"role": "You do not have permission to assign a role to the given user."})
    named = body.get("teamRoles") or []
    if not are_teams_readable(named):
        return failed()
    if team_problem(organization, [team["teamSlug"] for team in named]):
        return Answer(400, {"teamRoles": ["Invalid teams"]})
    if any(team["role"] not in TEAM_ROLES for team in named):
        return Answer(400, {"teamRoles": ["Invalid team-role"]})
    teams = {team["teamSlug"]: team["role"] for team in named}
    if not teams:
        if team_problem(organization, body.get("teams") or []):
            return Answer(400, {"teams": ["Invalid teams"]})
        teams = dict.fromkeys(body.get("teams") or [])
    row.role = body.get(key, row.role)
    row.teams = teams if organization.team_roles else dict.fromkeys(teams)
    return _details(world, organization, row)


def _resend(
    world: Organizations, organization: Organization, token: Token, row: Member, body: dict[str, Any]
) -> Answer:
    """Send an invitation again, with a new token where asked."""
    if body.keys() - {"reinvite", "regenerate"}:
        text = "You cannot modify member details when resending an invitation. Separate requests are required."
        return _told(403, text)
    if row.user is not None:
        if organization.sso and not row.flags.get("sso:linked"):
            world.sim.mail(organization.slug, row.email, "sso")
            return _details(world, organization, row)
        return _told(400, "You cannot send an invitation to a user who is already a full member.")
    if world.spends_quota(organization, token, row.email):
        return Answer(429, TOO_MANY_INVITATIONS)
    if body.get("regenerate"):
        if "member:admin" not in token.scopes:
            return _told(400, _NO_ADMIN)
        row.expires = world.now + LIFE
    elif row.is_expired(world.now):
        return _told(400, "You cannot resend an expired invitation without regenerating the token.")
    world.sim.mail(organization.slug, row.email, "resend")
    return _details(world, organization, row)


def remove_member(world: Organizations, request: Request) -> Answer:
    """DELETE members/{id}/: removes a member, with the invitations they sent, or an invitation."""
    found = world.found(request, *READERS)
    if isinstance(found, Answer):
        return found
    organization, token, row = found
    is_self = row.user is not None and row.email == token.email
    if token.integration or RANK[row.role] > RANK[token.role]:
        return _told(400, "You cannot remove a member who has more access than you.")
    if "member:admin" not in token.scopes and not is_self:
        is_own_invitation = row.user is None and row.inviter == token.user and "member:invite" in token.scopes
        if not is_own_invitation:
            others = "You cannot modify invitations sent by someone else."
            return _told(400, others if row.user is None and token.is_member_level else _NO_ADMIN)
    if row.flags.get("idp:provisioned"):
        return _told(403, "This user is managed through your organization's identity provider.")
    if row.flags.get("partnership:restricted"):
        return _told(403, _PARTNER)
    in_charge = [other for other in organization.members if other.user and other.role in ("owner", "manager")]
    if in_charge == [row]:
        return _told(403, "You cannot remove the only remaining owner or manager of the organization.")
    name = row.user["name"] if row.user else None
    organization.members = [
        other
        for other in organization.members
        if other is not row and not (name is not None and other.user is None and other.inviter == name)
    ]
    return Answer(204)
