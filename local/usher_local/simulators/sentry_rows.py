"""How Sentry writes members, users, teams and roles as JSON (contract, sections 5 and 8)."""

from datetime import UTC, datetime
from typing import Any

from usher_local.simulators.sentry_records import ROLES, Member, Organization

FLAGS = (
    "idp:provisioned",
    "idp:role-restricted",
    "sso:linked",
    "sso:invalid",
    "member-limit:restricted",
    "partnership:restricted",
)
_NO_AVATAR = {"avatarType": "letter_avatar", "avatarUuid": None, "avatarUrl": None}


def moment(time: datetime) -> str:
    """Write a time."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def user(number: str, email: str, name: str, joined: datetime) -> dict[str, Any]:
    """Write the user of a member."""
    return {
        "id": number,
        "name": name,
        "username": email,
        "email": email,
        "avatarUrl": "",
        "avatar": _NO_AVATAR,
        "isActive": True,
        "isSuspended": False,
        "hasPasswordAuth": True,
        "isManaged": False,
        "dateJoined": moment(joined),
        "lastLogin": None,
        "has2fa": False,
        "lastActive": None,
        "isSuperuser": False,
        "isStaff": False,
        "experiments": {},
    }


def member(row: Member, now: datetime) -> dict[str, Any]:
    """Write a member as in a list, or as the answer to an invitation: without teams."""
    return {
        "id": row.id,
        "email": row.email,
        "name": row.user["name"] if row.user else row.email,
        "user": row.user,
        "role": row.role,
        "roleName": row.role.capitalize(),
        "orgRole": row.role,
        "pending": row.user is None,
        "expired": row.is_expired(now),
        "flags": {flag: row.flags.get(flag, False) for flag in FLAGS},
        "dateCreated": moment(row.created),
        "inviteStatus": "approved",
        "inviterName": row.inviter,
    }


def details(row: Member, organization: Organization, retired: list[str], now: datetime) -> dict[str, Any]:
    """Write a member as it is read alone: with teams."""
    roles = [_org_role(role, is_retired=role in retired) for role in ROLES]
    owners = [other for other in organization.members if other.role == "owner" and other.user]
    return member(row, now) | {
        "teams": list(row.teams),
        "teamRoles": [{"teamSlug": slug, "role": role} for slug, role in row.teams.items()],
        "orgRoleList": roles,
        "roles": roles,
        "teamRoleList": [_team_role(role) for role in ("contributor", "admin")],
        "isOnlyOwner": owners == [row],
    }


def team(slug: str, organization: Organization, row: Member | None = None) -> dict[str, Any]:
    """Write a team, as a member of it or somebody else sees it."""
    is_member = row is not None and slug in row.teams
    return {
        "id": organization.teams[slug],
        "slug": slug,
        "name": slug,
        "dateCreated": None,
        "isMember": is_member,
        "teamRole": row.teams[slug] if row is not None and is_member else None,
        "flags": {"idp:provisioned": False},
        "access": [],
        "hasAccess": True,
        "isPending": False,
        "memberCount": sum(slug in other.teams for other in organization.members),
        "avatar": _NO_AVATAR,
    }


def _org_role(role: str, *, is_retired: bool) -> dict[str, Any]:
    return _role(role, is_retired=is_retired) | {
        "is_global": False,
        "isGlobal": False,
        "minimumTeamRole": "contributor",
    }


def _team_role(role: str) -> dict[str, Any]:
    return _role(role, is_retired=False) | {"isMinimumRoleFor": None}


def _role(role: str, *, is_retired: bool) -> dict[str, Any]:
    return {
        "id": role,
        "name": role.capitalize(),
        "desc": "",
        "scopes": [],
        "allowed": True,
        "isAllowed": True,
        "isRetired": is_retired,
        "isTeamRolesAllowed": role != "billing",
    }
