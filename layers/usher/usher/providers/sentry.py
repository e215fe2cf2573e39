"""
Sentry organizations: `POST /api/0/organizations/{org}/members/` and the calls around it.

Facts about the wire stand in `docs/providers/sentry.md`; how error answers are read, in `usher.providers.sentry_table`.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any

import httpx

from usher.domain.invitation import InvitationKey
from usher.domain.outcomes import (
    Absent,
    Accepted,
    AlreadyInvited,
    AlreadyMember,
    Ambiguous,
    Finding,
    LimitedUntil,
    NotSent,
    Outcome,
    Part,
    PartlyAccepted,
    Present,
    ReadFailed,
    RefusedConnection,
    RefusedGrant,
    RefusedPerson,
    Standing,
)
from usher.domain.policy import Connection, Grant, Timings
from usher.domain.rate import Rate
from usher.http import Answer, Deadline, bearer, date_time, is_token, send, url_of
from usher.ports import Ask, Call
from usher.providers.sentry_members import (
    MEMBER_ID,
    TEAM,
    Row,
    Unreadable,
    chosen,
    compared,
    next_cursor,
    rows_in,
    teams_in,
)
from usher.providers.sentry_settings import (
    DEFAULT_ROLE,
    connection_errors,
    grant_errors,
    is_vendor_host,
    needs_team_role,
)
from usher.providers.sentry_table import (
    ACCESS_REQUESTED,
    COMMON,
    INVITE,
    JOIN_TEAM,
    RESEND,
    TEAM_ROLE,
    Entry,
    Then,
    classify,
)

MOST_PAGES = 5
"""A look-up asks for one address; a list that goes on and on was not filtered."""


class Sentry:
    """
    The provider `sentry`; see `usher.ports.Provider` for what its methods promise.

    The client is shared and thread-safe; `monotonic` measures the seconds of a call.
    """

    name = "sentry"
    batch_size = 1
    tells_members = True
    timings = Timings(settle=90, absent_reads=1, http_budget=13, provider_tail=60, read_lag=5, clock_skew=2)
    rate = Rate(requests=30, per=1)
    """Of the 40 in a fixed second, with room for others who use the same token (contract, section 7)."""
    invites_per_day = 100
    invitation_days = 30
    """The organization's quota in 24 hours, and the inviting user's too (contract, section 7)."""

    def __init__(self, client: httpx.Client, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._monotonic = monotonic

    # --- what a stage may say ---

    def connection_errors(self, connection: Connection) -> Sequence[str]:
        """Say what is wrong with a connection's settings."""
        return connection_errors(connection)

    def grant_errors(self, grant: Grant, connection: Connection) -> Sequence[str]:
        """Say what is wrong with a rule's grant."""
        return grant_errors(grant, connection)

    def is_vendor_host(self, host: str) -> bool:
        """Say whether a host is Sentry's own: sentry.io and its regions."""
        return is_vendor_host(host)

    # --- attempts ---

    def invite(self, call: Call, asks: Sequence[Ask]) -> dict[InvitationKey, Outcome]:
        """Invite one person."""
        deadline = self._deadline(call)
        return {ask.key: self._invite(call, ask, deadline) for ask in asks}

    def repair(self, call: Call, ask: Ask) -> Outcome:
        """
        Put an invited person into the open teams, and give the open team roles.

        What the grant no longer names is left out. Both requests change nothing where the person has the part already.
        """
        if ask.ref is None or not MEMBER_ID.fullmatch(ask.ref):
            return Ambiguous("the membership's id at Sentry is not known")
        deadline = self._deadline(call)
        granted = {team.name: team.role for team in ask.grant.teams}
        refused: Outcome | None = None
        still_open: list[Part] = []
        reason = ""
        for name in dict.fromkeys(part.name for part in ask.open_parts if part.kind == TEAM and part.name in granted):
            part = Part(TEAM, name, granted[name])
            ending = self._give(call, ask, part, deadline)
            match ending:
                case Accepted():
                    continue
                case PartlyAccepted():
                    still_open.append(part)
                    reason = ending.reason
                case RefusedGrant() | RefusedPerson():
                    refused = refused or ending
                case _:
                    return ending
        if refused is not None:
            return refused
        if still_open:
            return PartlyAccepted(ask.ref, mailed=False, open=tuple(still_open), reason=reason)
        return Accepted(ask.ref, mailed=False)

    def resend(self, call: Call, ask: Ask) -> Outcome:
        """Renew an invitation that expired: a new link for 30 days, and a new mail."""
        if ask.ref is None or not MEMBER_ID.fullmatch(ask.ref):
            return Ambiguous("the invitation's id at Sentry is not known")
        body = {"reinvite": True, "regenerate": True}
        answer = self._send(call, self._deadline(call), "PUT", ("members", ask.ref), body=body)
        if not isinstance(answer, Answer):
            return answer
        if answer.status == 200:
            match answer.json:
                case {"id": ask.ref, "user": dict()}:
                    return AlreadyMember(ask.ref)
                case {"id": ask.ref}:
                    return Accepted(ask.ref, mailed=True)
        ending = _classified(RESEND, answer, call)
        return AlreadyMember(ask.ref) if isinstance(ending, AlreadyMember) else ending

    def look_up(self, call: Call, asks: Sequence[Ask]) -> dict[InvitationKey, Finding]:
        """Ask the member list for each address, in the letters it was sent in, and the member for its teams."""
        deadline = self._deadline(call)
        return {ask.key: self._look_up(call, ask, deadline) for ask in asks}

    def _invite(self, call: Call, ask: Ask, deadline: Deadline) -> Outcome:
        answer = self._send(call, deadline, "POST", ("members",), body=_invitation(ask))
        if not isinstance(answer, Answer):
            return answer
        if answer.status == 201:
            return _accepted(answer.json, ask)
        ending = classify(INVITE, answer, call.now)
        if ending is Then.ASK_BACK:
            return self._tell_apart(call, ask, deadline)
        return _as_outcome(ending, answer)

    def _tell_apart(self, call: Call, ask: Ask, deadline: Deadline) -> Outcome:
        """Sentry has the person already: as a member, invited or expired. Its words do not tell, its list does."""
        found = self._look_up(call, ask, deadline)
        match found:
            case Present(ref, Standing.MEMBER):
                return AlreadyMember(ref, _differences(found))
            case Present(ref, standing):
                return AlreadyInvited(ref, expired=standing is Standing.EXPIRED, drift=_differences(found))
            case ReadFailed(reason):
                return Ambiguous(f"Sentry has the person already; how, could not be read: {reason}")
        return Ambiguous("Sentry says that it has the person already, and its list does not show them")

    def _give(self, call: Call, ask: Ask, part: Part, deadline: Deadline) -> Outcome:
        path = ("members", ask.ref or "", "teams", part.name)
        answer = self._send(call, deadline, "POST", path)
        if not isinstance(answer, Answer):
            return answer
        match classify(JOIN_TEAM, answer, call.now):
            case Then.DONE:
                pass
            case Then.REQUESTED:
                return PartlyAccepted(ask.ref, mailed=False, open=(part,), reason=ACCESS_REQUESTED)
            case ending:
                return _as_outcome(ending, answer)
        if not needs_team_role(part.role, ask.grant.role or DEFAULT_ROLE):
            return Accepted(ask.ref, mailed=False)
        answer = self._send(call, deadline, "PUT", path, body={"teamRole": part.role})
        if not isinstance(answer, Answer):
            return answer
        if answer.status == 200:
            match answer.json:
                case {"teamRole": part.role}:
                    return Accepted(ask.ref, mailed=False)
                case {"teamRole": _}:
                    return RefusedGrant("Sentry did not give the team role; the organization's plan may have none")
        return _classified(TEAM_ROLE, answer, call)

    # --- reads ---

    def _look_up(self, call: Call, ask: Ask, deadline: Deadline) -> Finding:
        try:
            row = chosen(self._rows(call, ask.address, deadline), ask.address)
            if row is None:
                return Absent()
            # The list does not show teams, only the member itself does.
            teams = teams_in(self._read(call, deadline, ("members", row.ref)).json)
        except Unreadable as unreadable:
            return unreadable.finding
        standing = Standing.MEMBER if row.joined else Standing.EXPIRED if row.expired else Standing.INVITED
        missing, drift = compared(ask.grant, row, teams)
        return Present(row.ref, standing, missing, drift, since=date_time(row.since))

    def _rows(self, call: Call, address: str, deadline: Deadline) -> list[Row]:
        """Read every page of the list for one address."""
        query = {"query": f"email:{address}", "per_page": "100"}
        rows: list[Row] = []
        for _ in range(MOST_PAGES):
            answer = self._read(call, deadline, ("members",), query)
            rows += rows_in(answer.json)
            cursor = next_cursor(answer.header("link"))
            if cursor is None:
                return rows
            query["cursor"] = cursor
        raise Unreadable(ReadFailed("Sentry's member list has no end"))

    def _read(
        self, call: Call, deadline: Deadline, path: tuple[str, ...], query: dict[str, str] | None = None
    ) -> Answer:
        """Make one GET; raises Unreadable unless it is answered with 200 and JSON."""
        answer = self._send(call, deadline, "GET", path, query=query)
        if isinstance(answer, RefusedConnection):
            raise Unreadable(ReadFailed(answer.reason, refused=answer))
        if not isinstance(answer, Answer):
            raise Unreadable(ReadFailed(answer.reason))
        if answer.status == 200:
            return answer
        if answer.status == 404 and len(path) > 1:
            raise Unreadable(ReadFailed("the member was removed while it was read"))
        match classify(COMMON, answer, call.now):
            case RefusedConnection(reason) as refused:
                raise Unreadable(ReadFailed(reason, refused=refused))
            case LimitedUntil(reason, until):
                raise Unreadable(ReadFailed(reason, until=until))
        raise Unreadable(ReadFailed(f"Sentry did not answer the read ({answer.status})"))

    # --- requests ---

    def _deadline(self, call: Call) -> Deadline:
        return Deadline(call.seconds, self._monotonic)

    def _send(
        self,
        call: Call,
        deadline: Deadline,
        method: str,
        path: tuple[str, ...],
        *,
        query: dict[str, str] | None = None,
        body: object = None,
    ) -> Answer | NotSent | Ambiguous | RefusedConnection:
        if not is_token(call.secret):
            return RefusedConnection("the secret is empty, or has characters that no token has", unauthorized=True)
        organization = ("api", "0", "organizations", call.connection.organization)
        # Every path of this API ends with a slash; without it Sentry redirects.
        url = url_of(call.connection.base_url, *organization, *path, slash=True, query=query)
        return send(self._client, method, url, authorization=bearer(call.secret), deadline=deadline, body=body)


def _invitation(ask: Ask) -> dict[str, Any]:
    """Write the body of an invitation. Both keys of a team are always there: without one Sentry fails with 500."""
    body: dict[str, Any] = {
        "email": ask.address,
        "orgRole": ask.grant.role or DEFAULT_ROLE,
        "teamRoles": [{"teamSlug": team.name, "role": team.role} for team in ask.grant.teams],
        "sendInvite": ask.grant.notify,
    }
    if "reinvite" in ask.grant.options:
        body["reinvite"] = ask.grant.options["reinvite"]
    return body


def _accepted(body: object, ask: Ask) -> Outcome:
    """
    Read a 201. Sentry makes row, teams and mail before it answers, so teams need no second look.

    Team roles it discards, silently: those that matter stay open, for a repair to give.
    """
    match body:
        case {"id": str(ref), "email": str(email)} if MEMBER_ID.fullmatch(ref) and email.lower() == ask.address.lower():
            role = ask.grant.role or DEFAULT_ROLE
            left = tuple(
                Part(TEAM, team.name, team.role) for team in ask.grant.teams if needs_team_role(team.role, role)
            )
            if left:
                return PartlyAccepted(ref, ask.grant.notify, left, "Sentry takes no team roles with an invitation")
            return Accepted(ref, ask.grant.notify)
    return Ambiguous("Sentry's 201 does not name the invitation")


def _differences(found: Present) -> tuple[str, ...]:
    """What an earlier membership lacks is a difference to report, not for Usher to change."""
    return (*found.drift, *(f"not in {part}" for part in found.open))


def _classified(table: tuple[Entry, ...], answer: Answer, call: Call) -> Outcome:
    return _as_outcome(classify(table, answer, call.now), answer)


def _as_outcome(ending: Outcome | Then, answer: Answer) -> Outcome:
    return Ambiguous(f"Sentry answered {answer.status}") if isinstance(ending, Then) else ending
