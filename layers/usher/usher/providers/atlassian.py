"""
Atlassian organizations: invite people, ask who is there, add what an invitation left open.

The contract's surprises decide the shape: a success hides failures per person, role and group; nothing is idempotent;
there is no invitation to list, renew or cancel, only membership, which the directory shows after a while.
What each answer means stands in `atlassian_table`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import httpx

from usher.domain.invitation import InvitationKey
from usher.domain.outcomes import (
    Absent,
    Accepted,
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
)
from usher.domain.policy import Connection, Grant, Timings
from usher.domain.rate import Rate
from usher.http import Answer, Deadline, is_token
from usher.ports import Ask, Call
from usher.providers.atlassian_api import Organization
from usher.providers.atlassian_directory import INVITE_ONLY, look_up
from usher.providers.atlassian_results import GROUP, parts_of, read_results
from usher.providers.atlassian_table import On, refusal

ROLES = (
    "atlassian/user",
    "atlassian/admin",
    "atlassian/guest",
    "atlassian/contributor",
    "atlassian/customer",
    "atlassian/basic",
    "atlassian/stakeholder",
    "atlassian/viewer",
)
"""The roles that an invite can give (contract, section 3)."""

PRIVILEGED_ROLES = frozenset({"atlassian/admin"})
NEVER_GRANTED = frozenset(
    {"atlassian/org-admin", "atlassian/site-admin", "atlassian/user-access-admin", "atlassian/ai-access"}
)
_NO_SECRET = RefusedConnection(
    "the secret is no API key: it has white space or unprintable characters", unauthorized=True
)


@dataclass(frozen=True, slots=True)
class Atlassian:
    """The adapter. `client` must neither retry nor follow redirects (`usher.http.make_client`)."""

    client: httpx.Client

    @property
    def name(self) -> str:
        """The name in the policy."""
        return "atlassian"

    @property
    def tells_members(self) -> bool:
        """No: a member who is invited again is answered as invited, and mailed."""
        return False

    @property
    def batch_size(self) -> int:
        """How many addresses one invite takes (contract, section 3)."""
        return 25

    @property
    def timings(self) -> Timings:
        """
        The directory may lag two minutes, so two reads must agree that a person is absent.

        The gap leaves the first read twenty seconds, so that the sweep of the next minute finds the second one due.
        """
        return Timings(
            settle=180, absent_reads=2, read_gap=40, http_budget=13, provider_tail=60, read_lag=120, clock_skew=2
        )

    @property
    def rate(self) -> Rate:
        """Careful, for no number is published for these calls; one that is, is 200 a minute (contract, section 7)."""
        return Rate(requests=60, per=60)

    @property
    def invitation_days(self) -> None:
        """An invitation is membership at once; there is nothing that could lapse."""
        return None

    @property
    def invites_per_day(self) -> None:
        """No daily limit is known."""
        return None

    def connection_errors(self, connection: Connection) -> Sequence[str]:
        """Say what is wrong with a connection's lists."""
        return tuple(_connection_errors(connection))

    def grant_errors(self, grant: Grant, connection: Connection) -> Sequence[str]:  # noqa: ARG002 - as the port has it.
        """Say what is wrong with a grant, beyond what the connection's lists allow."""
        return tuple(_grant_errors(grant))

    def is_vendor_host(self, host: str) -> bool:
        """Say whether a host is Atlassian's own."""
        return host == "api.atlassian.com"

    def invite(self, call: Call, asks: Sequence[Ask]) -> dict[InvitationKey, Outcome]:
        """
        Invite up to 25 people, whose grants are equal, in one POST.

        Somebody of whom every part was refused may be a member already, which no answer says: the directory is asked.
        """
        if not is_token(call.secret):
            return {ask.key: _NO_SECRET for ask in asks}
        organization, grant = self._organization(call), asks[0].grant
        addresses = list(dict.fromkeys(ask.address for ask in asks))
        answer = organization.invite(addresses, dict.fromkeys(grant.access), dict.fromkeys(grant.groups), grant)
        if not isinstance(answer, Answer):
            return {ask.key: answer for ask in asks}
        if (failure := refusal(answer, On.ORGANIZATION, call.now)) is not None:
            return {ask.key: failure for ask in asks}
        outcomes = read_results(answer, asks)
        refused = [ask for ask in asks if isinstance(outcomes[ask.key], RefusedPerson)]
        findings = look_up(organization, refused) if refused else {}
        return outcomes | {key: _unless_member(outcomes[key], finding) for key, finding in findings.items()}

    def look_up(self, call: Call, asks: Sequence[Ask]) -> dict[InvitationKey, Finding]:
        """Find people in the directory, with the parts of their grants that they lack."""
        if not is_token(call.secret):
            return {ask.key: ReadFailed(_NO_SECRET.reason, refused=_NO_SECRET) for ask in asks}
        return look_up(self._organization(call), asks)

    def repair(self, call: Call, ask: Ask) -> Outcome:
        """
        Give the open parts that the grant still names, one request each.

        Giving a part twice does no harm, so an answer that stops everything (a limit, a refused key, silence) is handed
        on as it is; where only some parts are refused, these alone stay open.
        """
        if not is_token(call.secret):
            return _NO_SECRET
        organization = self._organization(call)
        account = ask.ref or self._account(organization, ask)
        if not isinstance(account, str):
            return account
        granted = parts_of(ask.grant)
        open_parts = [part for part in ask.open_parts if part in granted]
        refused: dict[Part, RefusedGrant | RefusedPerson] = {}
        for part in open_parts:
            match self._give(organization, account, part):
                case None:
                    continue
                case RefusedGrant() | RefusedPerson() as ending:
                    refused[part] = ending
                case ending:
                    return ending
        if not refused:
            return Accepted(account, mailed=False)
        first = next(iter(refused.values()))
        if len(refused) == len(open_parts):
            return first
        return PartlyAccepted(account, mailed=False, open=tuple(refused), reason=first.reason)

    def resend(self, call: Call, ask: Ask) -> Outcome:  # noqa: ARG002 - as the port has it.
        """Refuse: whoever was invited is a member at once, and no invitation is kept that could be renewed."""
        return RefusedPerson("Atlassian has no invitation to resend")

    def _organization(self, call: Call) -> Organization:
        return Organization(self.client, call, Deadline(call.seconds))

    def _give(self, organization: Organization, account: str, part: Part) -> Outcome | None:
        """Give one part; None where the person has it now."""
        if part.role in INVITE_ONLY:
            return RefusedPerson(f"only an invitation can give {part}")
        give = organization.join_group if part.kind == GROUP else organization.assign_role
        answer = give(account, part)
        return refusal(answer, On.PERSON, organization.call.now) if isinstance(answer, Answer) else answer

    def _account(self, organization: Organization, ask: Ask) -> str | Outcome:
        """Find the account of a person whose invitation did not tell it."""
        match look_up(organization, [ask])[ask.key]:
            case Present(blocked=str(reason)):
                return RefusedPerson(reason)
            case Present(ref=str(account)):
                return account
            case ReadFailed(refused=RefusedConnection() as refused):
                return refused
            case ReadFailed(reason, until) if until is not None:
                return LimitedUntil(reason, until)
            case ReadFailed(reason):
                return NotSent(reason)
            case Absent() | Present():
                return Ambiguous("the directory does not show the person, or not their account")


def _unless_member(refused: Outcome, finding: Finding) -> Outcome:
    """Keep a refusal only of a person whom the directory does not show; who is there was there before."""
    match finding:
        case Absent():
            return refused
        case Present(ref, _, open_parts, drift, _, blocked):
            missing = tuple(f"{part} is missing" for part in open_parts)
            return AlreadyMember(ref, ((blocked,) if blocked else ()) + missing + drift)
        case ReadFailed(reason):
            return Ambiguous(f"every part was refused, and whether the person is a member is not known: {reason}")


def _connection_errors(connection: Connection) -> Iterator[str]:
    for role in connection.roles:
        if role in NEVER_GRANTED:
            yield f"roles: {role!r} is never granted by an invitation"
        elif role not in ROLES:
            yield f"roles: {role!r} is not one of {', '.join(ROLES)}"
        elif role in PRIVILEGED_ROLES and not connection.allow_privileged:
            yield f"roles: {role!r} is privileged; set allow_privileged = true if it may be granted"
    for resource in connection.resources:
        if not resource.startswith("ari:cloud:"):
            yield f"resources: {resource!r} is not an ARI (ari:cloud:...)"
    for group in (*connection.groups, *connection.plain_groups):
        if "/" in group or ":" in group:
            yield f"groups: {group!r} is not a plain group id; write what follows the last slash"
    for group in connection.groups:
        # What a group gives stands at Atlassian, out of sight: it may make people administrators.
        if group not in connection.plain_groups and not connection.allow_privileged:
            yield f"groups: {group!r} counts as privileged; list it in plain_groups, or set allow_privileged = true"
    for field in ("teams", "team_roles"):
        if getattr(connection, field):
            yield f"{field}: Atlassian has none; use groups"


def _grant_errors(grant: Grant) -> Iterator[str]:
    if grant.role is not None:
        yield "role: Atlassian has no role in the organization; use access, a role on a resource"
    if grant.teams:
        yield "teams: Atlassian has none; use groups"
    for option in sorted(grant.options):
        yield f"options: {option!r} is not known to Atlassian"
    has_message = grant.message is not None and grant.message.strip()
    if grant.notify and not has_message:
        # The API's description ties the mail to its text; without one nobody knows whether a mail goes out.
        yield "notify: needs a message, or no mail may go out; write one, or set notify = false"
    if grant.message is not None and not grant.notify:
        yield "message: goes out only with notify = true"
