"""
Who of those that are due may go now: request rate, daily budget, and the guard against a mass mistake.

Counted before the claim and in one conditional write, so that what is kept is kept by all senders together. It is
advisory all the same: it spares the provider and stops a mistake, but a mail can never go twice because of it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from usher.domain.budget import DayBudget
from usher.domain.invitation import Intent, Invitation, InvitationKey, State
from usher.domain.mass_guard import PAUSE_FOR_APPROVAL, STOPPED, GuardRules, MassGuard
from usher.domain.outcomes import Accepted, Ambiguous, Finding, Outcome, PartlyAccepted, RefusedBatch
from usher.domain.policy import Connection


class Pace(BaseModel):
    """What one connection has used: `arrival` of its rate (GCRA), and its budget of the day."""

    model_config = ConfigDict(frozen=True)

    connection: str
    revision: int = 0
    arrival: datetime | None = None
    budget: DayBudget = Field(default_factory=DayBudget)


@dataclass(frozen=True, slots=True)
class Counters:
    """The company's guard, and the pace of each connection of a wave; one that was never written has revision 0."""

    guard: MassGuard
    paces: Mapping[str, Pace]

    def next_to(self, before: "Counters") -> "Counters":
        """Give what differs from `before`, each one revision further; unchanged ones keep theirs."""
        guard = self.guard
        if guard != before.guard:
            guard = guard.model_copy(update={"revision": guard.revision + 1})
        paces = {
            name: pace if pace == before.paces[name] else pace.model_copy(update={"revision": pace.revision + 1})
            for name, pace in self.paces.items()
        }
        return Counters(guard, paces)


@dataclass(frozen=True, slots=True)
class Group:
    """Rows that share a call, and how many requests the call makes."""

    connection: Connection
    rows: Sequence[Invitation]
    requests: int


class Wait(NamedTuple):
    """Until when a row waits, and why."""

    until: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class Ended:
    """How an admitted invitation ended: `spent` where a mail has perhaps gone."""

    connection: str
    name: str
    spent: bool
    taken_at: datetime


@dataclass(slots=True)
class Admission:
    """The counters after a decision, and the rows that must wait."""

    guard: MassGuard
    paces: dict[str, Pace]
    waits: dict[InvitationKey, Wait] = field(default_factory=dict)

    @property
    def counters(self) -> Counters:
        """What is to be written."""
        return Counters(self.guard, self.paces)


def is_counted(row: Invitation) -> bool:
    """Say whether an attempt of this row may send a mail."""
    return row.state is State.PENDING and row.intent is not Intent.REPAIR


def reservation(row: Invitation, fence: int) -> str:
    """Name a row's attempt."""
    return f"{row.key}#{fence}"


def was_spent(ending: Outcome | Finding, posted_at: datetime | None) -> bool:
    """Say whether an attempt that ended so has perhaps sent a mail."""
    if posted_at is None:
        return False
    told = isinstance(ending, (Accepted, PartlyAccepted, Ambiguous, RefusedBatch))
    return told or bool(getattr(ending, "perhaps_acted", False))


def after(counters: Counters, endings: Iterable[Ended], now: datetime) -> Counters:
    """Give the counters after attempts have ended."""
    guard, paces = counters.guard.at(now), dict(counters.paces)
    for ended in endings:
        pace = paces[ended.connection]
        if ended.name in pace.budget.reserved or ended.spent:
            budget = pace.budget.on(now).ended(ended.name, spent=ended.spent)
            paces[ended.connection] = pace.model_copy(update={"budget": budget})
        if not ended.spent:
            guard = guard.giving_back(ended.taken_at)
    return replace(counters, guard=guard, paces=paces)


def admitted(
    counters: Counters, groups: Sequence[Group], rules: GuardRules, *, now: datetime, reserved_until: datetime
) -> Admission:
    """Let calls go in the order given, as far as rate, budget and guard allow; say of the other rows how they wait."""
    admission = Admission(counters.guard.at(now), dict(counters.paces))
    # Those that are denied stand in line, each with a time of its own.
    lines = {name: pace.arrival for name, pace in counters.paces.items()}
    for group in groups:
        name, rate = group.connection.name, group.connection.rate
        line = lines[name]
        if rate is not None and (free_at := rate.free_at(line, now, group.requests)) > now:
            lines[name] = rate.taken(line, now, group.requests)
            wait = Wait(free_at, f"at most {rate.requests} requests in {rate.per:g} s")
            admission.waits |= dict.fromkeys((row.key for row in group.rows), wait)
            continue
        goes = [row for row in group.rows if _admits(admission, row, group.connection, rules, now, reserved_until)]
        if goes and rate is not None:
            lines[name] = rate.taken(line, now, group.requests)
            admission.paces[name] = admission.paces[name].model_copy(update={"arrival": lines[name]})
    return admission


def _admits(
    admission: Admission,
    row: Invitation,
    connection: Connection,
    rules: GuardRules,
    now: datetime,
    reserved_until: datetime,
) -> bool:
    if not is_counted(row):
        return True
    pace, limit = admission.paces[row.connection], connection.invites_per_day
    budget = pace.budget.on(now)
    if limit is not None and (chance := budget.next_chance(limit, row.start_date, now)) is not None:
        admission.waits[row.key] = Wait(chance, f"at most {limit} invitations a day")
        return False
    counted = admission.guard.counting(rules, now)
    if counted is None:
        admission.guard = admission.guard.stopping(now)
        admission.waits[row.key] = Wait(now + PAUSE_FOR_APPROVAL, f"on hold: {STOPPED}")
        return False
    admission.guard = counted
    if limit is not None:
        budget = budget.reserving(reservation(row, row.fence + 1), reserved_until)
        admission.paces[row.connection] = pace.model_copy(update={"budget": budget})
    return True
