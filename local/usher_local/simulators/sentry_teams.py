"""Teams of an organization, and one member's place in one of them (contract, section 8)."""

from usher_local.simulators import sentry_rows as rows
from usher_local.simulators.exchange import Answer, Request
from usher_local.simulators.sentry_organization import NOT_FOUND, Organizations
from usher_local.simulators.sentry_records import Member, Organization, Token

_MEMBERS = ("member:read", "member:invite", "member:write", "member:admin")
_ORGANIZATION = ("org:read", "org:write", "org:admin")
PUBLISHED = {
    "list": _ORGANIZATION,
    "POST": ("org:read", "org:write", "team:write"),
    "PUT": ("member:read", "member:write", "member:admin", *_ORGANIZATION, "team:write", "team:admin"),
    "DELETE": (*_ORGANIZATION, "team:admin"),
}
"""The scopes of the published schema, by request."""


def _scopes(world: Organizations, request: str) -> tuple[str, ...]:
    """Give the scopes that open a request; what a server asks of a token here was not measured."""
    is_strict = world.sim.switches["team_scopes"] == "published"
    return PUBLISHED[request] if is_strict else (*PUBLISHED[request], *_MEMBERS)


def list_teams(world: Organizations, request: Request) -> Answer:
    """GET teams/: every team."""
    entered = world.entered(request, *_scopes(world, "list"))
    if isinstance(entered, Answer):
        return entered
    return Answer(200, [rows.team(slug, entered[0]) for slug in entered[0].teams])


def _place(world: Organizations, request: Request) -> tuple[Organization, Token, Member, str] | Answer:
    """Find member and team of a path."""
    found = world.found(request, *_scopes(world, request.method))
    if isinstance(found, Answer):
        return found
    team = found[0].team(request.match["team"])
    return Answer(404, NOT_FOUND) if team is None else (*found, team)


def join_team(world: Organizations, request: Request) -> Answer:
    """POST members/{id}/teams/{team}/: 201 joined, 202 access was asked for, 204 there already."""
    place = _place(world, request)
    if isinstance(place, Answer):
        return place
    organization, token, row, team = place
    if team in row.teams:
        return Answer(204)
    if not organization.open_membership and not {"org:write", "org:admin", "team:write"} & set(token.scopes):
        return Answer(202)
    row.teams[team] = None
    return Answer(201, rows.team(team, organization, row))


def change_team_role(world: Organizations, request: Request) -> Answer:
    """PUT members/{id}/teams/{team}/: sets the role within the team, where the plan has such roles."""
    place = _place(world, request)
    if isinstance(place, Answer):
        return place
    organization, _, row, team = place
    if team not in row.teams:
        return Answer(404, NOT_FOUND)
    role = request.fields.get("teamRole", "contributor")
    if role not in ("contributor", "admin"):
        return Answer(400, {"teamRole": [f'"{role}" is not a valid choice.']})
    if organization.team_roles:
        row.teams[team] = role
    return Answer(200, {"isActive": True, "teamRole": row.teams[team] or "contributor"})


def leave_team(world: Organizations, request: Request) -> Answer:
    """DELETE members/{id}/teams/{team}/: one team less."""
    place = _place(world, request)
    if isinstance(place, Answer):
        return place
    organization, _, row, team = place
    if team not in row.teams:
        return Answer(404, NOT_FOUND)
    del row.teams[team]
    return Answer(200, rows.team(team, organization, row))
