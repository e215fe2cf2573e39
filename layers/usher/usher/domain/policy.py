"""
The reviewed policy: which hire gets which grant in which connection, and when.

Values of an event can choose a rule; what a rule gives stands in the policy alone.
"""

import hashlib
import json
from datetime import UTC, datetime, time, timedelta
from enum import StrEnum
from typing import Annotated, Literal, NamedTuple
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from usher.domain.address import canonical, domain_of, local_part_of
from usher.domain.errors import BadAddress, Problem
from usher.domain.hire import Name, NewHire, Zone
from usher.domain.mass_guard import GuardRules
from usher.domain.rate import Rate

Identifier = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/-]{0,255}$")]
Organization = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,127}$")]


class Mode(StrEnum):
    """Plan: rows show what would happen and why. Live: invitations go out."""

    PLAN = "plan"
    LIVE = "live"


class _Ours(BaseModel):
    """Models that are ours refuse what they do not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Access(_Ours):
    """A role on one resource."""

    resource: Identifier
    role: Identifier


class Team(_Ours):
    """Membership of one team; `role` is the role within the team."""

    name: Identifier
    role: Identifier | None = None


class Grant(_Ours):
    """What the policy gives in a connection. Which parts a provider knows, the provider's module says."""

    role: Identifier | None = None
    access: tuple[Access, ...] = ()
    groups: tuple[Identifier, ...] = ()
    teams: tuple[Team, ...] = ()
    notify: bool = True
    message: Annotated[str, StringConstraints(max_length=2000)] | None = None
    options: dict[str, bool] = Field(default_factory=dict)

    @property
    def digest(self) -> str:
        """Name the grant by its content, so that equal grants may share a request and a hold."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:16]


class Timings(_Ours):
    """
    How long an ambiguous answer must rest before a read may decide, in seconds.

    An accepted request shows in the provider's read within the HTTP budget, the provider's tail and its read lag;
    clocks differ by at most the skew. `usher.config` refuses timings under which a read could decide too early.
    """

    settle: float = Field(gt=0)
    absent_reads: int = Field(ge=1, le=5)
    read_gap: float = Field(default=60, ge=0)
    http_budget: float = Field(default=13, gt=0)
    provider_tail: float = Field(default=60, ge=0)
    read_lag: float = Field(default=5, ge=0)
    clock_skew: float = Field(default=2, ge=0)

    @property
    def shortfall(self) -> float:
        """By how many seconds the settle rule is missed; zero or less where it holds."""
        needed = self.http_budget + self.provider_tail + self.read_lag + 2 * self.clock_skew
        return needed - (self.settle + (self.absent_reads - 1) * self.read_gap)


SPARE_DAYS = 2
"""How long an invitation must live beyond the first day of work, at least, whatever a rule says."""


class Connection(_Ours):
    """One organization at one provider, and everything that may be granted in it."""

    name: Name
    provider: Name
    organization: Organization
    base_url: str
    mode: Mode = Mode.LIVE
    roles: tuple[Identifier, ...] = ()
    resources: tuple[Identifier, ...] = ()
    groups: tuple[Identifier, ...] = ()
    plain_groups: tuple[Identifier, ...] = ()
    teams: tuple[Identifier, ...] = ()
    team_roles: tuple[Identifier, ...] = ()
    allow_privileged: bool = False
    resend_expired: bool = True
    invitation_days: int | None = Field(default=None, ge=SPARE_DAYS + 1, le=365)
    """How many days an invitation can be accepted; None where it does not lapse."""
    concurrency: int = Field(default=8, ge=1, le=100)
    timings: Timings
    rate: Rate | None = None
    """How fast it may be asked, reads included; None for as fast as it goes."""
    invites_per_day: int | None = Field(default=None, ge=1)
    """How many invitations the provider takes in a UTC day; None for no limit."""


class SendTime(_Ours):
    """When to send, relative to the first day of work, in the hire's own time zone."""

    days_before: int = Field(ge=-30, le=365)
    at: time = time(9, 0)


_Words = Annotated[tuple[str, ...], Field(min_length=1)]


class When(_Ours):
    """Which hires a rule is for: every named field must hold one of the listed values, exactly."""

    everyone: Literal[True] | None = None
    source: _Words | None = None
    department: _Words | None = None
    title: _Words | None = None
    location: _Words | None = None
    employment_type: _Words | None = None
    email_domain: _Words | None = None

    @model_validator(mode="after")
    def _says_something(self) -> "When":
        conditions = self.model_dump(exclude_none=True)
        if not conditions:
            raise ValueError("says nothing; write `everyone = true` for a rule that is for all")
        if self.everyone and len(conditions) > 1:
            raise ValueError("says `everyone` and a condition; one of the two is meant")
        return self

    def matched_fields(self, hire: NewHire) -> dict[str, str] | None:
        """Give the fields that led here, or None where the rule is not for this hire."""
        led_here: dict[str, str] = {}
        for field in ("source", "department", "title", "location", "employment_type"):
            wanted: tuple[str, ...] | None = getattr(self, field)
            if wanted is not None:
                value = getattr(hire, field)
                if value not in wanted:
                    return None
                led_here[field] = value
        if self.email_domain is not None:
            domain = domain_of(hire.work_email or "")
            if domain not in self.email_domain:
                return None
            led_here["email_domain"] = domain
        return led_here


class Rule(_Ours):
    """Who gets what, where and when. For each connection the first rule that matches decides."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=100)]
    when: When
    connection: Name
    grant: Grant
    send: SendTime | None = None


class Company(_Ours):
    """What holds for every rule."""

    email_domains: tuple[str, ...]
    denied_local_parts: tuple[Annotated[str, StringConstraints(pattern=r"^[a-z0-9._-]+$")], ...] = (
        *("abuse", "admin", "administrator", "all", "billing", "everyone", "help", "hello", "hr", "info", "it", "jobs"),
        *("no-reply", "noreply", "office", "postmaster", "root", "sales", "security", "staff", "support", "team"),
        *("webmaster",),
    )
    allow_tags: bool = False
    time_zone: Zone
    mode: Mode = Mode.PLAN
    guard: GuardRules = GuardRules()


class Explanation(_Ours):
    """Why a row exists: the rule, and the fields that led to it."""

    rule: str
    fields: dict[str, str] = Field(default_factory=dict)


class Want(NamedTuple):
    """One invitation that the policy wants for a hire."""

    connection: str
    grant: Grant
    address: str
    send_not_before: datetime
    explanation: Explanation


class PolicyVersion(NamedTuple):
    """A number that rises with each reviewed change, and a digest that shows a forgotten rise."""

    number: int
    digest: str

    def __str__(self) -> str:
        return f"{self.number}.{self.digest}"

    @classmethod
    def parse(cls, text: str) -> "PolicyVersion":
        """Read what `str` wrote; raises ValueError."""
        number, digest = text.split(".")
        return cls(int(number), digest)


class Policy(_Ours):
    """Company, connections and rules of one stage."""

    version: int = Field(ge=1)
    company: Company
    connections: dict[Name, Connection]
    rules: tuple[Rule, ...]

    @property
    def stamp(self) -> PolicyVersion:
        """Which policy a row was planned with."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True)
        return PolicyVersion(self.version, hashlib.sha256(text.encode()).hexdigest()[:12])

    def is_live(self, connection: str) -> bool:
        """Say whether invitations go out; company and connection must both say so."""
        found = self.connections.get(connection)
        return found is not None and Mode.PLAN not in (self.company.mode, found.mode)

    def address_problems(self, address: str | None) -> tuple[Problem, ...]:
        """Say everything that is wrong with a work address under this policy."""
        if address is None:
            return (Problem("work_email", "there is no work address yet"),)
        try:
            clean = canonical(address)
        except BadAddress as error:
            return (Problem("work_email", str(error)),)
        problems: list[str] = []
        if domain_of(clean) not in self.company.email_domains:
            problems.append("its domain is not one of the company's (company.email_domains)")
        local = local_part_of(clean)
        if "+" in local and not self.company.allow_tags:
            problems.append("it carries a tag (company.allow_tags is off)")
        if local.partition("+")[0] in self.company.denied_local_parts:
            problems.append("it is a shared address (company.denied_local_parts)")
        return tuple(Problem("work_email", reason) for reason in problems)

    def decide(self, hire: NewHire, now: datetime) -> tuple[Want, ...] | tuple[Problem, ...]:
        """
        Decide which invitations a hire gets; no wants at all means that no rule matched.

        Gives problems instead where the hire cannot be planned: its address, or a start date that a rule needs.
        """
        problems = list(self.address_problems(hire.work_email))
        if problems:
            return tuple(problems)
        address = canonical(hire.work_email or "")
        known = hire.model_copy(update={"work_email": address})
        wants: dict[str, Want] = {}
        for rule in self.rules:
            if rule.connection in wants:
                continue
            led_here = rule.when.matched_fields(known)
            if led_here is None:
                continue
            moment = self._send_time(rule, known, now)
            if moment is None:
                problems.append(Problem("start_date", f"rule {rule.name!r} needs it for its send time"))
                continue
            explanation = Explanation(rule=rule.name, fields=led_here)
            wants[rule.connection] = Want(rule.connection, rule.grant, address, moment, explanation)
        return tuple(problems) or tuple(wants.values())

    def _send_time(self, rule: Rule, hire: NewHire, now: datetime) -> datetime | None:
        """Say when to send: as the rule says, but never so early that the invitation lapses before the first day."""
        if hire.start_date is None:
            return now if rule.send is None else None
        zone = ZoneInfo(hire.time_zone or self.company.time_zone)
        send = rule.send or SendTime(days_before=0)
        first_morning = datetime.combine(hire.start_date, send.at)

        def days_before(days: int) -> datetime:
            return (first_morning - timedelta(days=days)).replace(tzinfo=zone).astimezone(UTC)

        moment = now if rule.send is None else days_before(send.days_before)
        life = self.connections[rule.connection].invitation_days
        return moment if life is None else max(moment, days_before(life - SPARE_DAYS))


def policy_errors(policy: Policy) -> list[str]:
    """Say what is wrong with a policy as a whole: names that do not exist, grants that were not listed."""
    errors: list[str] = []
    names = [rule.name for rule in policy.rules]
    errors += [f"rules: the name {name!r} is used twice" for name in sorted({n for n in names if names.count(n) > 1})]
    for rule in policy.rules:
        where = f"rule {rule.name!r}"
        connection = policy.connections.get(rule.connection)
        if connection is None:
            errors.append(f"{where}: connection: there is no connection {rule.connection!r}")
            continue
        errors += [f"{where}: {error}" for error in _unlisted(rule.grant, connection)]
    if not policy.company.email_domains and policy.company.mode is Mode.LIVE:
        errors.append("company: email_domains: is empty, so nothing could ever be sent; list the company's domains")
    for domain in policy.company.email_domains:
        if domain != domain.lower() or not domain.isascii() or "." not in domain or "@" in domain:
            errors.append(f"company: email_domains: {domain!r} is not a lower-case ASCII host name")
    return errors


def _unlisted(grant: Grant, connection: Connection) -> list[str]:
    asked = (
        ("role", {grant.role} - {None} | {access.role for access in grant.access}, connection.roles, "roles"),
        ("resource", {access.resource for access in grant.access}, connection.resources, "resources"),
        ("group", set(grant.groups), connection.groups + connection.plain_groups, "groups"),
        ("team", {team.name for team in grant.teams}, connection.teams, "teams"),
        ("team role", {team.role for team in grant.teams} - {None}, connection.team_roles, "team_roles"),
    )
    return [
        f"grant: {kind} {value!r} is not listed in connection {connection.name!r} ({field})"
        for kind, values, listed, field in asked
        for value in sorted(str(v) for v in values)
        if value not in listed
    ]
