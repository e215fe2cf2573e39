"""Sentry's records: members, invitations and requests in one table, organizations, and tokens."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

ROLES = ("billing", "member", "admin", "manager", "owner")
RANK = {role: rank for rank, role in enumerate(ROLES)} | {"none": -1}
APPROVED = "approved"


@dataclass
class Member:
    """
    A row of the member table: a member, a pending invitation (`user` None), or a request that awaits approval.

    `email` is the address of an invitation, or the primary one of a user, who may have other `addresses`.
    """

    id: str
    email: str
    role: str
    created: datetime
    expires: datetime | None
    user: dict[str, Any] | None = None
    status: str = APPROVED
    teams: dict[str, str | None] = field(default_factory=dict)
    addresses: list[str] = field(default_factory=list)
    inviter: str | None = None
    flags: dict[str, bool] = field(default_factory=dict)

    def is_expired(self, now: datetime) -> bool:
        """Say whether it is an invitation whose token has run out."""
        return self.user is None and self.expires is not None and self.expires <= now

    def has_address(self, address: str) -> bool:
        """Compare as Sentry does: any address of a user in any letters, an invitation's in its own letters."""
        if self.user is None:
            return self.email == address
        return address.lower() in [known.lower() for known in (self.email, *self.addresses)]


@dataclass(frozen=True)
class Token:
    """
    Who calls: a user with a role in the organization, or an internal integration; `teams` are those of the user.

    `fault` is one of the texts with which Sentry refuses a token that it knows, such as "Token expired".
    """

    role: str = "member"
    scopes: tuple[str, ...] = ("member:read", "member:invite", "member:write")
    integration: bool = True
    organizations: tuple[str, ...] = ()
    user: str = "Maria Owner"
    email: str = ""
    teams: tuple[str, ...] = ()
    fault: str | None = None
    secret: str = ""

    @property
    def is_member_level(self) -> bool:
        """Whether it may invite and no more."""
        return not {"member:write", "member:admin"} & set(self.scopes)

    def may_grant(self, role: str) -> bool:
        """Say whether the caller's own role allows to give a role; the scopes do not matter."""
        return RANK[role] <= max(RANK[self.role], RANK["member"]) and self.role != "none"


@dataclass
class Organization:
    """One organization."""

    slug: str
    id: str
    teams: dict[str, str] = field(default_factory=dict)
    members: list[Member] = field(default_factory=list)
    may_invite: bool = True
    member_invites: bool = True
    open_membership: bool = True
    team_roles: bool = True
    billing_invites: bool = False
    sso: bool = False

    def team(self, name: str) -> str | None:
        """Find a team by slug or id; gives its slug."""
        return next((slug for slug, number in self.teams.items() if name in (slug, number)), None)
