"""
What must hold of rate, budget, guard and told times, checked against what really left: requests and mails.

An attempt is counted before it leaves, by a clock that may be off. So each request is taken to have been let go at some
moment between the start of its process and itself, and clocks may be off by the skew of the timings.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import floor

from tests.simulation.ports import Write
from tests.simulation.provider import Request
from tests.simulation.stack import SimulatedStack, at
from tests.simulation.virtual import START
from usher.domain.budget import HEADROOM_UNTIL, SOON
from usher.domain.invitation import Invitation, InvitationKey, State

MAILING = ("invite", "resend")

WAITS = {
    "the rate": re.compile(r"at most \d+ requests in"),
    "the budget of the day": re.compile(r"at most \d+ invitations a day"),
    "the guard against mass mistakes": re.compile("on hold: more invitations in an hour"),
    "a told time": re.compile("on hold: 429"),
}
"""What a row may be paced by, and how its reason says so."""


@dataclass(frozen=True, slots=True)
class _Left:
    """Something that was let go at some moment from `began` on, and left at `at`, in seconds."""

    began: float
    at: float


@dataclass(frozen=True, slots=True)
class _Mailed(_Left):
    """A mail, by the request that caused it; `row` as the table held it before the claim."""

    connection: str
    process: int
    row: Invitation


def the_rate_is_kept(stack: SimulatedStack) -> Iterator[str]:
    """Over all processes: what may go at once, and one more for each interval."""
    rate = stack.schedule.pacing.rate
    if rate is None:
        return
    for calls in _calls(stack).values():
        for began, ended, count in _windows(calls):
            if count > rate.burst + floor((ended - began + 2 * stack.skew) / rate.interval.total_seconds()):
                yield "a connection was asked faster than its rate"


def the_budget_of_a_day_is_kept(stack: SimulatedStack) -> Iterator[str]:
    """
    No more mails in a UTC day than the provider takes, and before the evening not the last fifth for later starters.

    A process that died or met a fault of the table may have left mails that nobody counted.
    """
    limit = stack.schedule.pacing.invites_per_day
    if limit is None:
        return
    uncounted = stack.harmed | {process for _, process in stack.time.deaths}
    days: dict[tuple[str, datetime], list[_Mailed]] = defaultdict(list)
    for mail in _mails(stack):
        day = at(mail.at).replace(hour=0, minute=0, second=0, microsecond=0)
        if mail.process not in uncounted and at(mail.began - stack.skew) >= day:
            days[mail.connection, day].append(mail)
    for (_, day), mails in days.items():
        if len(mails) > limit:
            yield "more mails in a day than its budget"
        evening = day + timedelta(hours=HEADROOM_UNTIL.hour)
        if (
            sum(at(mail.at + stack.skew) < evening and not _starts_soon(mail, day) for mail in mails)
            > limit - limit // 5
        ):
            yield "those who start later took what is kept for those who start soon"


def the_guard_is_kept(stack: SimulatedStack) -> Iterator[str]:
    """No more mails in a UTC hour than the guard allows and an operator has approved."""
    most = stack.schedule.pacing.most_per_hour
    if most is None:
        return
    for began, ended, count in _windows(_mails(stack)):
        hours = int((ended + stack.skew) // 3600) - int((began - stack.skew) // 3600) + 1
        approved = [
            approval.invitations
            for approval in stack.store.approvals
            if approval.at <= ended and _seconds(approval.until) > began - stack.skew
        ]
        if None not in approved and count > most * hours + sum(number or 0 for number in approved):
            yield "more mails in an hour than the guard allows"


def a_stop_lasts_until_it_is_approved(stack: SimulatedStack) -> Iterator[str]:
    """Nobody who begins after the guard has stopped mails anybody, however much time goes by."""
    for mail in _mails(stack):
        stop = max((moment for moment in stack.store.stops if moment < mail.began), default=None)
        if stop is not None and not any(
            stop <= approval.at <= mail.at or _seconds(approval.until) > mail.began - stack.skew
            for approval in stack.store.approvals
        ):
            yield "somebody was mailed after the guard had stopped"


def told_times_are_kept(stack: SimulatedStack) -> Iterator[str]:
    """
    After a 429 nobody asks before the time that it told.

    Its own process asks no more; others, once they look at the holds after it has placed its own.
    """
    for told in stack.provider.told:
        until = _seconds(told.until) - stack.skew
        held = [
            write.at
            for write in stack.store.hold_writes
            if write.process == told.process
            and (write.hold.connection, write.hold.grant_digest) == (told.connection, None)
            and write.at >= told.at
        ]
        for request in stack.provider.requests_seen:
            if request.key.connection != told.connection or not told.at < request.at < until:
                continue
            if request.process == told.process:
                yield "a process went on asking after a 429, before the time told"
            elif held and _looked(stack, request) > held[0]:
                yield "a connection was asked before the time that a 429 told"


def _looked(stack: SimulatedStack, request: Request) -> float:
    """Say when the process of a request last looked at the holds before it."""
    reads = (moment for moment, process in stack.store.hold_reads if process == request.process)
    return max((moment for moment in reads if moment <= request.at), default=0.0)


def _calls(stack: SimulatedStack) -> dict[str, list[_Left]]:
    """Give every request by its connection; one that asks for several people is one."""
    calls = dict.fromkeys(
        (request.key.connection, request.at, request.process, request.kind) for request in stack.provider.requests_seen
    )
    found: dict[str, list[_Left]] = defaultdict(list)
    for connection, moment, process, _ in calls:
        found[connection].append(_Left(stack.began(process), moment))
    return found


def _mails(stack: SimulatedStack) -> list[_Mailed]:
    """Give every mail by the request that caused it: the last one of its row before it."""
    requests: dict[InvitationKey, list[Request]] = defaultdict(list)
    for request in stack.provider.requests_seen:
        if request.kind in MAILING:
            requests[request.key].append(request)
    claimed = {
        (write.after.key, write.after.fence): write.before
        for write in stack.store.writes
        if write.before is not None and write.before.state is State.PENDING and write.after.state is State.SENDING
    }
    mails = []
    for mail in stack.provider.ledger:
        sent = _seconds(mail.at)
        request = max((r for r in requests[mail.key] if r.at <= sent), key=lambda request: request.at)
        assert request.row is not None
        row = claimed.get((request.row.key, request.row.fence), request.row)
        mails.append(_Mailed(stack.began(request.process), request.at, mail.connection, request.process, row))
    return mails


def _starts_soon(mail: _Mailed, day: datetime) -> bool:
    start = mail.row.start_date
    return start is not None and start <= day.astimezone(UTC).date() + SOON


def _seconds(moment: datetime) -> float:
    return (moment - START).total_seconds()


def _windows(left: Sequence[_Left]) -> Iterator[tuple[float, float, int]]:
    """Give every window, from its begin to its end, and how many were let go and left within it."""
    for began in sorted({one.began for one in left}):
        later = sorted(one.at for one in left if one.began >= began)
        for count, ended in enumerate(later, 1):
            yield began, ended, count


PACE_PROMISES = (
    the_rate_is_kept,
    the_budget_of_a_day_is_kept,
    the_guard_is_kept,
    a_stop_lasts_until_it_is_approved,
    told_times_are_kept,
)


def paced_by(write: Write) -> str | None:
    """Name what a write lets a row wait for; None where it does something else."""
    if write.before is None or write.after.state is not write.before.state or write.after.defers <= write.before.defers:
        return None
    return next((name for name, says in WAITS.items() if says.match(write.after.reason or "")), None)
