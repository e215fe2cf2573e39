"""What a stage file may say of a Sentry connection, and of a grant in one."""

import re

from usher.domain.policy import Connection, Grant

DEFAULT_ROLE = "member"
"""What Sentry itself gives where no role is named, whatever the organization's own default is."""

ROLES = ("billing", "member", "manager", "owner", "admin")
PRIVILEGED_ROLES = frozenset({"billing", "manager", "owner", "admin"})
TEAM_ROLES = ("contributor", "admin")
PRIVILEGED_TEAM_ROLES = frozenset({"admin"})
OPTIONS = ("reinvite",)

ADMIN_IN_EVERY_TEAM = frozenset({"admin", "manager", "owner"})
"""Roles that are admin in each of their teams by themselves; Sentry then stores no team role."""

_OWN_HOST = re.compile(r"(?:[a-z0-9-]{1,63}\.)*sentry\.io")

SLUG = re.compile(r"(?![0-9]+$)[a-z0-9_][a-z0-9_-]{0,99}")
"""A team's slug; one of digits alone would be an id, which an invitation does not take."""


def connection_errors(connection: Connection) -> list[str]:
    """Say what is wrong with a connection's settings, each with the field's name."""
    errors: list[str] = []
    if "/api/" in f"{connection.base_url}/":
        errors.append("base_url: ends before /api/0, for example https://us.sentry.io")
    errors += [f"roles: Sentry has no role {role!r}" for role in connection.roles if role not in ROLES]
    if not connection.allow_privileged:
        errors += [
            f"roles: {role!r} is privileged and needs allow_privileged = true"
            for role in connection.roles
            if role in PRIVILEGED_ROLES
        ]
        errors += [
            f"team_roles: {role!r} is privileged and needs allow_privileged = true"
            for role in connection.team_roles
            if role in PRIVILEGED_TEAM_ROLES
        ]
    errors += [
        f"{field}: Sentry has none" for field in ("resources", "groups", "plain_groups") if getattr(connection, field)
    ]
    errors += [f"teams: {team!r} is no slug of a team" for team in connection.teams if not SLUG.fullmatch(team)]
    errors += [
        f"team_roles: Sentry has no team role {role!r}" for role in connection.team_roles if role not in TEAM_ROLES
    ]
    return errors


def grant_errors(grant: Grant, connection: Connection) -> list[str]:
    """Say what is wrong with a rule's grant, each with the field's name."""
    errors = [f"{field}: Sentry has none" for field in ("access", "groups") if getattr(grant, field)]
    if grant.message is not None:
        errors.append("message: Sentry's invitation takes none")
    role = grant.role or DEFAULT_ROLE
    if role not in ROLES:
        errors.append(f"role: Sentry has no role {role!r}")
    elif role in PRIVILEGED_ROLES and not connection.allow_privileged:
        errors.append(f"role: {role!r} is privileged, and the connection does not say allow_privileged = true")
    if role == "billing" and grant.teams:
        errors.append("teams: the role 'billing' cannot be in teams")
    names = [team.name for team in grant.teams]
    errors += [f"teams: {name!r} is named twice" for name in dict.fromkeys(names) if names.count(name) > 1]
    errors += [f"teams: {name!r} is no slug of a team" for name in names if not SLUG.fullmatch(name)]
    errors += [
        f"teams: Sentry has no team role {team.role!r}"
        for team in grant.teams
        if team.role is not None and team.role not in TEAM_ROLES
    ]
    if not connection.allow_privileged:
        errors += [
            f"teams: the team role {role!r} is privileged, and the connection does not say allow_privileged = true"
            for role in sorted({team.role for team in grant.teams if team.role in PRIVILEGED_TEAM_ROLES})
        ]
    errors += [f"options: Sentry has no option {name!r}" for name in sorted(grant.options) if name not in OPTIONS]
    return errors


def needs_team_role(asked: str | None, role: str) -> bool:
    """Say whether a team role must be given beside the membership: everybody is at least a contributor."""
    return asked not in (None, "contributor") and role not in ADMIN_IN_EVERY_TEAM


def is_vendor_host(host: str) -> bool:
    """Say whether a host is Sentry's own: sentry.io and its regions."""
    return _OWN_HOST.fullmatch(host.lower()) is not None
