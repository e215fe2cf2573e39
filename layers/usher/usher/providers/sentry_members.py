"""What Sentry's member list says about one person. Every function here is pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from usher.domain.errors import UsherError
from usher.domain.outcomes import Part, ReadFailed
from usher.domain.policy import Grant
from usher.providers.sentry_settings import DEFAULT_ROLE, ROLES, SLUG, TEAM_ROLES, needs_team_role

TEAM = "team"
MOST_SHOWN = 10
LONGEST_LINK = 4096

MEMBER_ID = re.compile(r"[0-9]{1,20}")

_CURSOR = re.compile(r"[0-9:]{1,64}")
# Linear: a name is tried from its first letter alone, and never given back letter by letter.
_ATTRIBUTE = re.compile(r'(?<!\w)(\w++)="([^"]*+)"')
_AWAITING_APPROVAL = ("requested_to_be_invited", "requested_to_join")


class Unreadable(UsherError):
    """A read did not end in something to decide by; carries the finding to give back."""

    def __init__(self, finding: ReadFailed) -> None:
        super().__init__(finding.reason)
        self.finding = finding


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the list, as far as it matters. `joined`: a user is behind it, no longer a mere invitation."""

    ref: str
    email: str
    joined: bool
    expired: bool
    role: str
    restricted: bool
    since: object


def rows_in(body: object) -> list[Row]:
    """
    Read one page; a mere request to join is left out, because an invitation replaces it.

    Raises Unreadable where the body is no list or an entry is no member: leaving that out could make somebody absent.
    """
    if not isinstance(body, list):
        raise Unreadable(ReadFailed("Sentry's member list is no list"))
    return [row for entry in body if (row := _row(entry)) is not None]


def next_cursor(link: str | None) -> str | None:
    """
    Read the cursor of the next page from a Link header; None on the last page. The header's URL is never used.

    Raises Unreadable where there is a next page and no cursor, or more header than any list needs.
    """
    if len(link or "") > LONGEST_LINK:
        raise _no_way_on()
    for relation in (link or "").split(", <"):
        attributes: dict[str, str] = dict(_ATTRIBUTE.findall(relation))
        if attributes.get("rel") == "next" and attributes.get("results") == "true":
            cursor = attributes.get("cursor", "")
            if not _CURSOR.fullmatch(cursor):
                raise _no_way_on()
            return cursor
    return None


def chosen(rows: Sequence[Row], address: str) -> Row | None:
    """
    Pick the person's row from a list asked for their address: a member before an invitation.

    A member's row shows the primary address, which may differ from the one that the list was asked for. An invitation
    shows the address it was sent to; its letters may differ in case only if Sentry's exact comparison ever loosens, and
    then it is the same mailbox, which must not look absent. Raises Unreadable where the list shows somebody else's
    invitation: it was not filtered, so any member in it may be somebody else too.
    """
    if any(not row.joined and row.email.lower() != address.lower() for row in rows):
        raise Unreadable(ReadFailed("Sentry did not filter its member list by the address"))
    ranked = sorted(rows, key=lambda row: (not row.joined, row.email.lower() != address.lower(), int(row.ref)))
    return ranked[0] if ranked else None


def teams_in(body: object) -> dict[str, str | None]:
    """Read the teams of one member, each with the role within it; raises Unreadable where there are none to read."""
    match body:
        case {"teams": list(slugs), **rest}:
            roles = rest.get("teamRoles")
            teams: dict[str, str | None] = {slug: None for slug in slugs if isinstance(slug, str)}
            for entry in roles if isinstance(roles, list) else ():
                match entry:
                    case {"teamSlug": str(slug), "role": str(role)}:
                        teams[slug] = role
            return teams
    raise Unreadable(ReadFailed("Sentry's answer about the member has no teams"))


def compared(grant: Grant, row: Row, teams: dict[str, str | None]) -> tuple[tuple[Part, ...], tuple[str, ...]]:
    """
    Tell which parts of a grant are missing, and what else differs.

    Only what nobody has decided otherwise is missing: a role that somebody else gave is a difference.
    """
    asked = grant.role or DEFAULT_ROLE
    missing: list[Part] = []
    drift = [f"role is {_known(row.role, ROLES)}, not {asked}"] if row.role != asked else []
    for team in grant.teams:
        has, wanted = teams.get(team.name), team.role or "contributor"
        if team.name not in teams or (has is None and needs_team_role(team.role, row.role)):
            missing.append(Part(TEAM, team.name, team.role))
        elif has is not None and has != wanted:
            drift.append(f"role in team {team.name} is {_known(has, TEAM_ROLES)}, not {wanted}")
    further = sorted(slug for slug in teams.keys() - {team.name for team in grant.teams} if SLUG.fullmatch(slug))
    drift += [f"also in team {slug}" for slug in further[:MOST_SHOWN]]
    if len(further) > MOST_SHOWN:
        drift.append(f"and in {len(further) - MOST_SHOWN} more teams")
    if row.restricted:
        drift.append("restricted: the organization is over its member limit")
    return tuple(missing), tuple(drift)


def _no_way_on() -> Unreadable:
    return Unreadable(ReadFailed("Sentry's member list does not say where it goes on"))


def _row(entry: Any) -> Row | None:
    match entry:
        case {"inviteStatus": status} if status in _AWAITING_APPROVAL:
            return None
        case {"id": str(ref), "email": str(email), "user": (dict() | None) as user, **rest} if MEMBER_ID.fullmatch(ref):
            role, flags = rest.get("orgRole") or rest.get("role"), rest.get("flags")
            return Row(
                ref=ref,
                email=email,
                joined=user is not None,
                expired=rest.get("expired") is True,
                role=role if isinstance(role, str) else "",
                restricted=isinstance(flags, dict) and flags.get("member-limit:restricted") is True,
                since=rest.get("dateCreated"),
            )
    raise Unreadable(ReadFailed("a row of Sentry's member list is not of the known form"))


def _known(value: str, names: Sequence[str]) -> str:
    """A provider's text is not repeated unless it is a word that we know."""
    return value if value in names else "another one"
