"""POST members/: the order of its checks (contract, section 4), and the words of its refusals (section 6)."""

import re
from dataclasses import dataclass
from typing import Any

from usher_local.simulators import sentry_rows as rows
from usher_local.simulators.exchange import Answer, Request
from usher_local.simulators.sentry_organization import ABOVE, NO_PERMISSION, TOO_MANY_INVITATIONS, Organizations
from usher_local.simulators.sentry_records import APPROVED, ROLES, Organization, Token

LONGEST_EMAIL = 75
TEAM_ROLES = ("contributor", "admin", None)

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")
_DENIED = re.compile(r"\d+@qq\.com", re.IGNORECASE)
_NOT_AN_ADDRESS = "Enter a valid email address."
_ONLY_MEMBERS = "Integration tokens are restricted to inviting new members with the member role only."

Errors = dict[str, list[str]]


def failed() -> Answer:
    """Answer as an unhandled fault does."""
    return Answer(500, {"detail": "Internal Error", "errorId": "0" * 32})


@dataclass(frozen=True)
class Wanted:
    """What a valid body asks for."""

    email: str
    role: str
    teams: list[str]
    mails: bool


def invite(world: Organizations, request: Request) -> Answer:
    """Handle an invitation."""
    entered = world.entered(request, "member:invite", "member:write", "member:admin")
    if isinstance(entered, Answer):
        return entered
    organization, token = entered
    if token.is_member_level and not organization.member_invites:
        return Answer(403, NO_PERMISSION)
    if not organization.may_invite:
        return Answer(403, {"organization": "Your organization is not allowed to invite members"})
    body = request.json
    if body is None and request.body.strip() not in (b"", b"null"):
        return Answer(400, {"detail": "JSON parse error - Expecting value: line 1 column 1 (char 0)"})
    if not isinstance(body, dict):
        return failed() if request.body.strip() else Answer(400, {"email": ["This field is required."]})
    if token.integration and body.get("orgRole", body.get("role", "member")) != "member":
        return Answer(400, [_ONLY_MEMBERS])
    if not are_teams_readable(body.get("teamRoles", [])):
        return failed()
    wanted = _validated(world, organization, token, body)
    if not isinstance(wanted, Wanted):
        return Answer(400, wanted)
    if world.spends_quota(organization, token, wanted.email):
        return Answer(429, TOO_MANY_INVITATIONS)
    is_closed_to_caller = token.is_member_level and not organization.open_membership
    if is_closed_to_caller and not set(wanted.teams) <= set(token.teams):
        return Answer(400, {"detail": "You cannot assign members to teams you are not a member of."})
    if wanted.role == "billing" and wanted.teams:
        text = f"The user with a '{wanted.role}' role cannot have team-level permissions."
        return Answer(400, {"email": text})
    return _invited(world, organization, token, wanted)


def _invited(world: Organizations, organization: Organization, token: Token, wanted: Wanted) -> Answer:
    """Make the row, then its teams, then the mail: a rule may let it fail in between, once."""
    is_other_request = [row.status == APPROVED or row.email != wanted.email for row in organization.members]
    organization.members = [row for row, stays in zip(organization.members, is_other_request, strict=True) if stays]
    row = world.add(organization, wanted.email, wanted.role)
    row.inviter = None if token.integration else token.user
    rule = world.rules.get(wanted.email.lower(), {})
    fails_after = rule.pop("fails_after", None)
    if fails_after == "row":
        return failed()
    row.teams = dict.fromkeys(wanted.teams)  # Their roles are discarded here; only a PUT applies them.
    if fails_after == "teams":
        return failed()
    if world.sim.switches["invites_disabled"]:
        row.expires = None  # A self-hosted server that adds people directly makes no token and sends no mail.
    elif wanted.mails and rule.pop("mail", None) != "lost":
        world.sim.mail(organization.slug, wanted.email, "invite")
    return Answer(201, rows.member(row, world.now))


def are_teams_readable(teams: Any) -> bool:
    """Say whether Sentry can read the teams at all: a null, a missing key or a plain text is an unhandled fault."""
    return isinstance(teams, list) and all(
        isinstance(team, dict) and {"teamSlug", "role"} <= team.keys() for team in teams
    )


def _validated(world: Organizations, organization: Organization, token: Token, body: dict[str, Any]) -> Wanted | Errors:
    """Give what is wanted, or the errors of all fields together."""
    errors: Errors = {}
    if problems := _email_problems(organization, body):
        errors["email"] = problems
    for key in ("role", "orgRole"):
        if key in body and (problem := role_problem(world, organization, token, body[key])):
            errors[key] = [problem]
    if not token.integration and token.role == "none":
        errors["role"] = errors["orgRole"] = [ABOVE]
    teams = [team["teamSlug"] for team in body.get("teamRoles", [])]
    if problem := team_problem(organization, teams):
        errors["teamRoles"] = [problem]
    elif any(team["role"] not in TEAM_ROLES for team in body.get("teamRoles", [])):
        errors["teamRoles"] = ["Invalid team-role"]
    if not teams:
        teams = body.get("teams") or []
        if problem := team_problem(organization, teams):
            errors["teams"] = [problem]
    for name in ("sendInvite", "reinvite"):
        if name in body and not isinstance(body[name], bool):
            errors[name] = ["Must be a valid boolean."]
    if errors:
        return errors
    role = body.get("orgRole", body.get("role", "member"))
    return Wanted(body["email"].strip(), role, teams, body.get("sendInvite", True))


def _email_problems(organization: Organization, body: dict[str, Any]) -> list[str]:
    if "email" not in body:
        return ["This field is required."]
    email = body["email"]
    if email is None:
        return ["This field may not be null."]
    if not isinstance(email, str):
        return ["Not a valid string."]
    email = email.strip()
    if not email:
        return ["This field may not be blank."]
    problems = []
    if not _EMAIL.fullmatch(email):
        problems += [_NOT_AN_ADDRESS, _NOT_AN_ADDRESS]  # Field and validator say the same.
    if len(email) > LONGEST_EMAIL:
        problems.append(f"Ensure this field has no more than {LONGEST_EMAIL} characters.")
    if _DENIED.fullmatch(email):
        problems.append(_NOT_AN_ADDRESS)
    if problems:
        return problems
    for row in organization.members:
        if row.status == APPROVED and row.has_address(email):
            return [f"The user {email} {'is already a member' if row.user else 'has already been invited'}"]
    return []


def role_problem(world: Organizations, organization: Organization, token: Token, role: Any) -> str | None:
    """Say why a caller may not give a role."""
    if not isinstance(role, str) or role not in ROLES:
        return f'"{role}" is not a valid choice.'
    if role == "billing":
        return None if organization.billing_invites else ABOVE
    if role in world.sim.switches["retired_roles"]:
        return f"The role '{role}' is deprecated and may no longer be assigned."
    return None if token.integration or token.may_grant(role) else ABOVE


def team_problem(organization: Organization, teams: Any) -> str | None:
    """Say what is wrong with the slugs of teams; ids do not do."""
    is_fine = (
        isinstance(teams, list)
        and all(isinstance(team, str) and team in organization.teams for team in teams)
        and len(set(teams)) == len(teams)
    )
    return None if is_fine else "Invalid teams"
