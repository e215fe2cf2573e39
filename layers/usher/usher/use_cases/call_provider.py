"""Make the calls of a wave, side by side within each connection's concurrency, and say how they ended for each row."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime

from usher.domain.errors import SecretUnavailable
from usher.domain.first_read import first_read
from usher.domain.invitation import Intent, Invitation, State
from usher.domain.outcomes import Ambiguous, Finding, LimitedUntil, NotSent, Outcome, ReadFailed, RefusedConnection
from usher.domain.policy import Connection, Policy
from usher.ports import Ask, Call, Clock, Provider, RemainingTime, Secrets

MARGIN = 3.0
"""Seconds kept for recording outcomes before the platform ends the invocation."""


@dataclass(frozen=True, slots=True)
class Job:
    """Rows, at least one, that share one call: pending and to be claimed, claimed for an attempt, or to be read."""

    connection: Connection
    secret: str = field(repr=False)
    rows: tuple[Invitation, ...]

    @property
    def reads(self) -> bool:
        """Say whether the call only asks what became of an earlier one; nothing is claimed for it."""
        return self.rows[0].state is State.AMBIGUOUS


@dataclass(frozen=True, slots=True)
class Ending:
    """
    How one row's attempt or read ended; `posted_at` and `batch` as `usher.domain.actual.settled` takes them.

    `at_once`: the provider refused a secret that was replaced meanwhile, so the row need not wait.
    """

    job: Job
    row: Invitation
    ending: Outcome | Finding
    posted_at: datetime | None = None
    batch: int = 1
    at_once: bool = False


@dataclass(slots=True)
class CallProvider:
    """
    One invocation's calls to its provider, wave by wave.

    A fault of the adapter goes to `faults` and leaves the rows of its call unsettled; it harms no others.
    """

    provider: Provider
    policy: Policy
    secrets: Secrets
    clock: Clock
    remaining: RemainingTime
    faults: list[BaseException]
    _limited: dict[str, LimitedUntil] = field(default_factory=dict)
    """Connections that have told a limit in this wave: calls that have not begun are not made."""

    def waves(self, rows: Sequence[Invitation]) -> int:
        """Say how often the calls about rows like these, one after the other, fit into the remaining time."""
        longest = max(self.policy.connections[row.connection].timings.http_budget for row in rows)
        if any(map(self._asks_first, rows)):
            longest *= 2
        return int((self.remaining.seconds() - MARGIN) // max(longest, 0.001))

    def requests(self, job: Job) -> int:
        """Say how many requests a call makes, but for the pages of a long list."""
        first = job.rows[0]
        if job.reads or first.intent is Intent.RESEND:
            return 1
        if first.intent is Intent.REPAIR:
            return max(1, len(first.open_parts))
        return 2 if any(map(self._asks_first, job.rows)) else 1

    def make(self, jobs: Sequence[Job]) -> list[Ending]:
        """Make all calls of a wave; every row gets its ending."""
        self._limited.clear()
        endings = self._call(jobs[0]) if len(jobs) == 1 else self._side_by_side(jobs)
        return [self._with_fresh_secret(ended) for ended in endings]

    def _side_by_side(self, jobs: Sequence[Job]) -> list[Ending]:
        by_connection: dict[str, list[Job]] = {}
        for job in jobs:
            by_connection.setdefault(job.connection.name, []).append(job)
        pools = [
            ThreadPoolExecutor(min(len(group), group[0].connection.concurrency)) for group in by_connection.values()
        ]
        try:
            futures = [
                pool.submit(self._call, job)
                for pool, group in zip(pools, by_connection.values(), strict=True)
                for job in group
            ]
            return [ended for future in futures for ended in future.result()]
        finally:
            for pool in pools:
                pool.shutdown()

    def _call(self, job: Job) -> list[Ending]:
        if (limited := self._limited.get(job.connection.name)) is not None:
            told = ReadFailed(limited.reason, limited.until) if job.reads else limited
            return [Ending(job, row, told) for row in job.rows]
        seconds = min(job.connection.timings.http_budget, self.remaining.seconds() - MARGIN / 2)
        call = Call(job.connection, job.secret, seconds, self.clock.now())
        try:
            endings = self._look_up(job, call) if job.reads else self._attempt(job, call)
            self._heed(job.connection, endings)
            return endings
        except Exception as error:  # noqa: BLE001 - a fault of the adapter must not cost the other rows their outcome.
            self.faults.append(error)
            reason = f"the adapter failed with {type(error).__name__}"
            now = self.clock.now()
            unknown = ReadFailed(reason) if job.reads else Ambiguous(reason)
            return [Ending(job, row, unknown, now) for row in job.rows]

    def _heed(self, connection: Connection, endings: Sequence[Ending]) -> None:
        """Remember a limit at once, for the calls of this wave that have not begun."""
        for ended in endings:
            match ended.ending:
                case LimitedUntil(reason, until) | ReadFailed(reason, datetime() as until):
                    self._limited[connection.name] = LimitedUntil(reason, until)

    def _look_up(self, job: Job, call: Call) -> list[Ending]:
        findings = self.provider.look_up(call, [_ask(row) for row in job.rows])
        return [Ending(job, row, findings[row.key]) for row in job.rows]

    def _attempt(self, job: Job, call: Call) -> list[Ending]:
        rows, endings = job.rows, list[Ending]()
        if rows[0].intent is Intent.INVITE and (unsure := [row for row in rows if self._asks_first(row)]):
            findings = self.provider.look_up(call, [_ask(row) for row in unsure])
            decided = {row.key: first_read(row, findings[row.key]) for row in unsure}
            endings = [Ending(job, row, ending) for row in unsure if (ending := decided[row.key]) is not None]
            rows = tuple(row for row in rows if decided.get(row.key) is None)
        if not rows:
            return endings
        posted_at = self.clock.now()
        asks = [_ask(row) for row in rows]
        match rows[0].intent:
            case Intent.INVITE:
                outcomes = self.provider.invite(call, asks)
            case Intent.REPAIR:
                outcomes = {rows[0].key: self.provider.repair(call, asks[0])}
            case Intent.RESEND:
                outcomes = {rows[0].key: self.provider.resend(call, asks[0])}
        return endings + [Ending(job, row, outcomes[row.key], posted_at, len(rows)) for row in rows]

    def _with_fresh_secret(self, ended: Ending) -> Ending:
        """A 401 may only mean that the secret was replaced meanwhile: then the row is claimed again at once."""
        ending = ended.ending
        refused = ending.refused if isinstance(ending, ReadFailed) else ending
        if not isinstance(refused, RefusedConnection) or not refused.unauthorized:
            return ended
        name, seen = secret_of(ended.job.connection), ended.job.secret
        try:
            # Another request of this run may have read the new one already.
            replaced = self.secrets.get(name) != seen or self.secrets.refresh(name, seen)
        except SecretUnavailable:
            replaced = False
        if not replaced:
            return ended
        reason = "the secret was replaced meanwhile"
        told = ReadFailed(reason) if isinstance(ending, ReadFailed) else NotSent(reason)
        return replace(ended, ending=told, at_once=True)

    def _asks_first(self, row: Invitation) -> bool:
        """Say whether an invitation of this row is preceded by a read."""
        return row.reads_first or not self.provider.tells_members


def secret_of(connection: Connection) -> str:
    """Name the secret of a connection."""
    return f"{connection.provider}/{connection.name}"


def _ask(row: Invitation) -> Ask:
    """Every call uses the snapshot of the claim, in the same letters."""
    return Ask(
        key=row.key,
        address=row.sent_address or row.address,
        # A repair gives what is open of what is wanted now: what review has removed meanwhile is not given.
        grant=row.grant if row.intent is Intent.REPAIR else row.sent_grant or row.grant,
        ref=row.provider_ref,
        open_parts=row.open_parts,
    )
