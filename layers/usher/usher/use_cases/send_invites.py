"""
Bring due rows of one provider forward: claim, call, record, all in batches and side by side.

The message that woke us only names rows; the row waits, not the message. Losing it loses nothing, and having it twice
does nothing: the claim decides.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import batched

from usher.domain.actual import claim, deferred, lease_ran_out, parked_at_limit, read, settled, taken_back
from usher.domain.address import mailbox_of
from usher.domain.errors import SecretUnavailable, StoreUnavailable
from usher.domain.hold import UNSETTLED, Hold, HoldRules, too_many_unsettled
from usher.domain.invitation import Intent, Invitation, InvitationKey, Limits, NotNow, State, Step
from usher.domain.outcomes import (
    Absent,
    AlreadyInvited,
    AlreadyMember,
    Ambiguous,
    Finding,
    LimitedUntil,
    NotSent,
    Outcome,
    PartlyAccepted,
    Present,
    ReadFailed,
    RefusedConnection,
    RefusedGrant,
    RefusedPerson,
    Standing,
)
from usher.domain.pace import Group, is_counted
from usher.domain.policy import Connection, Policy, PolicyVersion
from usher.ports import Ask, Call, Clock, Provider, RemainingTime, Secrets, Store
from usher.use_cases.keep_pace import KeepPace
from usher.use_cases.plan_invites import PlanInvites

MARGIN = 3.0
"""Seconds kept for recording outcomes before the platform ends the invocation."""

RESERVED_BEYOND = 60.0
"""Seconds after the end of an invocation when what it reserved of a budget, and did not account for, is free again."""

OVERRUN = 1.0
"""Seconds by which the platform may end an invocation late."""

MOST_ROUNDS = 50
MOST_COUNTED = 1000
"""Ambiguous, and pending, rows that are looked at to say whether too many are unsettled."""

PAUSE_IN_PLAN_MODE = timedelta(minutes=15)
PAUSE_UNPLANNED = timedelta(minutes=15)
PAUSE_FOR_NEWER_POLICY = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Sent:
    """What one run did, in counts by kind, and which faults of our own it met; log their types, never their texts."""

    counts: Counter[str] = field(default_factory=Counter)
    faults: list[BaseException] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Ending:
    """How one row's attempt or read ended."""

    row: Invitation
    ending: Outcome | Finding
    secret: str = field(repr=False)
    posted_at: datetime | None = None
    batch: int = 1


@dataclass(frozen=True, slots=True)
class _Job:
    """Rows that share one request: claimed for an attempt, or ambiguous and to be read."""

    connection: Connection
    secret: str = field(repr=False)
    rows: tuple[Invitation, ...]


@dataclass(slots=True)
class _Run:
    """One invocation: its identity, and what it has learned so far."""

    owner: str
    remaining: RemainingTime
    sent: Sent
    pace: KeepPace
    limited: dict[str, LimitedUntil] = field(default_factory=dict)
    """Connections that have told a limit in this wave: calls that have not begun are not made."""
    holds: dict[tuple[str, str | None], Hold] = field(default_factory=dict)
    probed: set[tuple[str, str | None]] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class SendInvites:
    """
    Handle wake-ups of one provider.

    Raises StoreUnavailable where the table cannot be read; the messages then come again. What one call to the provider
    does wrong is recorded on its rows and harms no others.
    """

    store: Store
    provider: Provider
    policy: Policy
    planning: PlanInvites
    secrets: Secrets
    clock: Clock
    limits: Limits
    hold_rules: HoldRules
    new_owner: Callable[[], str]

    def __call__(self, keys: Sequence[InvitationKey], remaining: RemainingTime) -> Sent:
        """Bring the named rows forward, and with them other due rows of the same connections where that is cheaper."""
        run = _Run(self.new_owner(), remaining, Sent(), KeepPace(self.store, self.policy))
        try:
            self._run(keys, run)
        finally:
            self._close(run)
        return run.sent

    def _run(self, keys: Sequence[InvitationKey], run: _Run) -> None:
        wanted = dict.fromkeys(keys)
        before: list[Invitation] = []
        for number in range(MOST_ROUNDS):
            rows = self.store.invitations(list(wanted))
            if number == 0 and self.provider.batch_size > 1:
                wanted |= dict.fromkeys(self._companions(rows.values()))
                rows |= self.store.invitations([key for key in wanted if key not in rows])
            due = [row for row in rows.values() if self._is_due(row)]
            if not due or due == before or not self._round(due, run):
                # Nothing to do, nothing that we can change, or no time: the sweep brings the rest back.
                break
            before = due

    def _close(self, run: _Run) -> None:
        try:
            run.pace.close(self.clock.now())
        except StoreUnavailable as error:
            # The outcomes are recorded; reservations run out by themselves.
            run.sent.faults.append(error)

    def _companions(self, rows: Iterable[Invitation]) -> list[InvitationKey]:
        """Find other due rows that may share a request."""
        connections = {row.connection for row in rows if row.state is State.PENDING}
        now = self.clock.now()
        return [key for name in sorted(connections) for key in self.store.due(name, now, self.provider.batch_size * 4)]

    def _is_due(self, row: Invitation) -> bool:
        return row.due_at is not None and row.due_at <= self.clock.now()

    def _round(self, due: Sequence[Invitation], run: _Run) -> bool:
        """Take every due row one step; False where nothing more can be done in this invocation."""
        self._refresh_holds(due, run)
        ready = self._housekept(due, run)
        if not ready:
            return True
        waves = int((run.remaining.seconds() - MARGIN) // max(self._longest_attempt(ready), 0.001))
        if waves < 1:
            return False
        jobs = self._claimed(self._grouped(ready, run), waves, run)
        self._record(self._called(jobs, run), run)
        return True

    def _longest_attempt(self, rows: Sequence[Invitation]) -> float:
        """Give the seconds that the attempt of one of these rows may take: a read, a POST, or both."""
        longest = max(self.policy.connections[row.connection].timings.http_budget for row in rows)
        asks_first = not self.provider.tells_members or any(row.reads_first for row in rows)
        return 2 * longest if asks_first else longest

    # --- before a call ---

    def _refresh_holds(self, due: Sequence[Invitation], run: _Run) -> None:
        names = {row.connection for row in due}
        run.holds = {(hold.connection, hold.grant_digest): hold for hold in self.store.holds(names)}
        now = self.clock.now()
        over = [h for h in run.holds.values() if h.grant_digest == UNSETTLED and h.next_probe <= now]
        self._watch({hold.connection for hold in over}, run)
        for hold in over:
            if run.holds[hold.connection, UNSETTLED] == hold:
                # Reads have settled enough of them.
                self.store.release_hold(run.holds.pop((hold.connection, UNSETTLED)))

    def _housekept(self, due: Sequence[Invitation], run: _Run) -> list[Invitation]:
        """Do what needs no provider; give the rows that do."""
        ready: list[Invitation] = []
        steps: list[Step] = []
        stale: dict[InvitationKey, Invitation] = {}
        now = self.clock.now()
        for row in due:
            connection = self.policy.connections.get(row.connection)
            if connection is not None and connection.provider != self.provider.name:
                continue  # Somebody named another provider's row; its own sender works on it.
            if connection is None:
                if row.state in (State.PENDING, State.AMBIGUOUS):
                    reason = "its connection is not in this stage's policy"
                    steps.append(deferred(row, until=now + PAUSE_UNPLANNED, reason=reason, now=now))
            elif row.state is State.SENDING:
                steps.append(lease_ran_out(row, now=now, timings=connection.timings))
            elif row.state is State.PENDING and not row.want:
                steps.append(taken_back(row, now=now))
            elif (parked := parked_at_limit(row, now=now, limits=self.limits)) is not None:
                steps.append(parked)
            elif row.state is State.AMBIGUOUS:
                self._sort_ambiguous(row, connection, now, ready, steps, run)
            elif self._planned_by_newer_policy(row):
                reason = "planned by a newer policy than this code has"
                steps.append(deferred(row, until=now + PAUSE_FOR_NEWER_POLICY, reason=reason, now=now))
            elif self._is_stale(row):
                stale[row.key] = row
            elif not self.policy.is_live(row.connection):
                reason = "the connection is in plan mode"
                steps.append(deferred(row, until=now + PAUSE_IN_PLAN_MODE, reason=reason, now=now))
            elif (hold := self._held(row, now, run)) is not None:
                steps.append(deferred(row, until=hold.next_probe, reason=f"on hold: {hold.reason}", now=now))
            else:
                ready.append(row)
        self._apply(steps, run)
        self._plan_again(stale, run)
        return ready

    def _sort_ambiguous(
        self,
        row: Invitation,
        connection: Connection,
        now: datetime,
        ready: list[Invitation],
        steps: list[Step],
        run: _Run,
    ) -> None:
        """A read may decide only after the settle time, whatever the due time says."""
        settles_at = (row.posted_at or now) + timedelta(seconds=connection.timings.settle)
        if now < settles_at:
            steps.append(deferred(row, until=settles_at, reason=row.reason or "settling", now=now))
        elif (hold := self._held(row, now, run)) is not None:
            steps.append(deferred(row, until=hold.next_probe, reason=f"on hold: {hold.reason}", now=now))
        else:
            ready.append(row)

    def _planned_by_newer_policy(self, row: Invitation) -> bool:
        return PolicyVersion.parse(row.policy_version).number > self.policy.version

    def _is_stale(self, row: Invitation) -> bool:
        """A row of another policy, or whose mailbox is not the guarded one, is planned again before it is claimed."""
        if row.policy_version != str(self.policy.stamp):
            return True
        return row.guard != self.planning.digest(mailbox_of(row.mailbox_address))

    def _plan_again(self, stale: dict[InvitationKey, Invitation], run: _Run) -> None:
        for hire in sorted({key.hire for key in stale}):
            try:
                self.planning.hire(hire)
            except NotNow:
                run.sent.counts["not_planned"] += 1
        run.sent.counts["planned_again"] += len(stale)
        now = self.clock.now()
        still = [
            row
            for row in self.store.invitations(list(stale)).values()
            if row.state is State.PENDING and row.due_at is not None and row.due_at <= now and self._is_stale(row)
        ]
        reason = "the hire cannot be planned with the present policy; see its parked notice"
        self._apply([deferred(row, until=now + PAUSE_UNPLANNED, reason=reason, now=now) for row in still], run)

    def _held(self, row: Invitation, now: datetime, run: _Run) -> Hold | None:
        """Give the hold that keeps a row waiting; the first row after the pause passes as the probe."""
        if is_counted(row) and (unsettled := run.holds.get((row.connection, UNSETTLED))) is not None:
            return unsettled
        for name in ((row.connection, None), (row.connection, row.grant_digest)):
            hold = run.holds.get(name)
            if hold is None:
                continue
            if name in run.probed:
                soon = now + timedelta(seconds=self.hold_rules.behind_probe)
                return hold.model_copy(
                    update={"next_probe": min(soon, hold.next_probe) if hold.next_probe > now else soon}
                )
            if hold.next_probe > now:
                return hold
            # It is time to ask again: this row passes as the probe.
            probe = hold.model_copy(
                update={"probes": hold.probes + 1, "next_probe": self.hold_rules.next_probe(hold.probes + 1, now)}
            )
            run.holds[name] = probe
            if not self.store.put_hold(probe, hold):
                return probe
            run.probed.add(name)
        return None

    def _watch(self, connections: Collection[str], run: _Run) -> None:
        """Hold new invitations where too many are unsettled: what happens to these would happen to more."""
        if not connections:
            return
        ambiguous = Counter(key.connection for key in self.store.rows_in_state(State.AMBIGUOUS, MOST_COUNTED))
        now = self.clock.now()
        pending: Counter[str] | None = None
        for name in sorted(self.policy.connections.keys() & set(connections)):
            if not too_many_unsettled(ambiguous[name], 0):
                continue
            pending = pending or Counter(k.connection for k in self.store.rows_in_state(State.PENDING, MOST_COUNTED))
            if too_many_unsettled(ambiguous[name], ambiguous[name] + pending[name]):
                settles_at = now + timedelta(seconds=self.policy.connections[name].timings.settle)
                self._hold(name, UNSETTLED, f"{ambiguous[name]} invitations are unsettled", settles_at, run)

    def _grouped(self, ready: Sequence[Invitation], run: _Run) -> list[_Job]:
        """Put rows together that may share a request; those whose secret is missing wait."""
        groups: dict[tuple[object, ...], list[Invitation]] = {}
        for row in sorted(ready, key=lambda row: row.start_date or date.max):
            size = row.batch_limit if row.state is State.PENDING else None
            shared = (row.connection, row.state, row.grant_digest, row.intent, size)
            groups.setdefault(shared, []).append(row)
        secrets: dict[str, str] = {}
        jobs: list[_Job] = []
        for rows in groups.values():
            connection = self.policy.connections[rows[0].connection]
            try:
                secret = secrets.get(connection.name) or self.secrets.get(f"{connection.provider}/{connection.name}")
            except SecretUnavailable as error:
                self._wait_for_secret(rows, connection, error, run)
                continue
            secrets[connection.name] = secret
            alone = rows[0].state is State.PENDING and rows[0].intent is not Intent.INVITE
            size = 1 if alone else min(self.provider.batch_size, rows[0].batch_limit or self.provider.batch_size)
            jobs += [_Job(connection, secret, chunk) for chunk in batched(rows, size, strict=False)]
        return jobs

    def _wait_for_secret(
        self, rows: Sequence[Invitation], connection: Connection, error: SecretUnavailable, run: _Run
    ) -> None:
        now = self.clock.now()
        hold = self._hold(connection.name, None, str(error), None, run)
        self._apply([deferred(row, until=hold.next_probe, reason=hold.reason, now=now) for row in rows], run)

    def _claimed(self, jobs: Sequence[_Job], waves: int, run: _Run) -> list[_Job]:
        """Claim what fits into the remaining time. The claim is durable before the first byte leaves."""
        room = {job.connection.name: job.connection.concurrency * waves for job in jobs}
        fitting: list[_Job] = []
        for job in jobs:
            if room[job.connection.name] > 0:
                room[job.connection.name] -= 1
                fitting.append(job)
        fitting = self._admitted(fitting, run)
        now = self.clock.now()
        steps: dict[InvitationKey, Step] = {}
        for job in fitting:
            if job.rows[0].state is State.PENDING:
                margin = OVERRUN + 2 * job.connection.timings.clock_skew
                lease_until = now + timedelta(seconds=run.remaining.seconds() + margin)
                steps |= {row.key: claim(row, owner=run.owner, now=now, lease_until=lease_until) for row in job.rows}
        verdicts = self.store.apply(list(steps.values())) if steps else []
        ours = {step.key: step.after for step, verdict in zip(steps.values(), verdicts, strict=True) if verdict.stands}
        run.sent.counts["claimed"] += len(ours)
        run.sent.counts["claim_lost"] += len(steps) - len(ours)
        for key, step in steps.items():
            if key not in ours:
                run.pace.not_claimed(step.before)
        claimed = []
        for job in fitting:
            if job.rows[0].state is not State.PENDING:
                claimed.append(job)
            elif rows := tuple(ours[row.key] for row in job.rows if row.key in ours):
                claimed.append(_Job(job.connection, job.secret, rows))
        return claimed

    def _admitted(self, jobs: Sequence[_Job], run: _Run) -> list[_Job]:
        """Give what rate, budget and the guard against mass mistakes let go now; the rest waits without an attempt."""
        now = self.clock.now()
        groups = [Group(job.connection, job.rows, self._requests(job)) for job in jobs]
        reserved_until = now + timedelta(seconds=run.remaining.seconds() + RESERVED_BEYOND)
        waits = run.pace.admit(groups, now=now, reserved_until=reserved_until)
        if not waits:
            return list(jobs)
        waiting = [row for job in jobs for row in job.rows if row.key in waits]
        run.sent.counts["paced"] += len(waiting)
        self._apply(
            [deferred(row, until=(w := waits[row.key]).until, reason=w.reason, now=now) for row in waiting], run
        )
        going = [(job, tuple(row for row in job.rows if row.key not in waits)) for job in jobs]
        return [_Job(job.connection, job.secret, rows) for job, rows in going if rows]

    def _requests(self, job: _Job) -> int:
        """Say how many requests a call makes, but for the pages of a long list."""
        first = job.rows[0]
        if first.state is State.AMBIGUOUS or first.intent is Intent.RESEND:
            return 1
        if first.intent is Intent.REPAIR:
            return max(1, len(first.open_parts))
        return 2 if not self.provider.tells_members or any(row.reads_first for row in job.rows) else 1

    # --- the call ---

    def _called(self, jobs: Sequence[_Job], run: _Run) -> list[_Ending]:
        """Make all calls, side by side within each connection's concurrency."""
        if not jobs:
            return []
        run.limited.clear()
        if len(jobs) == 1:
            return self._call(jobs[0], run)
        endings: list[_Ending] = []
        by_connection: dict[str, list[_Job]] = {}
        for job in jobs:
            by_connection.setdefault(job.connection.name, []).append(job)
        pools = [
            ThreadPoolExecutor(min(len(group), group[0].connection.concurrency)) for group in by_connection.values()
        ]
        try:
            futures = [
                pool.submit(self._call, job, run)
                for pool, group in zip(pools, by_connection.values(), strict=True)
                for job in group
            ]
            for future in futures:
                endings += future.result()
        finally:
            for pool in pools:
                pool.shutdown()
        return endings

    def _call(self, job: _Job, run: _Run) -> list[_Ending]:
        seconds = min(job.connection.timings.http_budget, run.remaining.seconds() - MARGIN / 2)
        call = Call(job.connection, job.secret, seconds, self.clock.now())
        reads = job.rows[0].state is State.AMBIGUOUS
        if (limited := run.limited.get(job.connection.name)) is not None:
            told = ReadFailed(limited.reason, limited.until) if reads else limited
            return [_Ending(row, told, job.secret) for row in job.rows]
        try:
            endings = self._look_up(job, call) if reads else self._attempt(job, call)
            self._heed(job, endings, run)
            return endings
        except Exception as error:  # noqa: BLE001 - a fault of the adapter must not cost the other rows their outcome.
            run.sent.faults.append(error)
            reason = f"the adapter failed with {type(error).__name__}"
            now = self.clock.now()
            unknown = ReadFailed(reason) if reads else Ambiguous(reason)
            return [_Ending(row, unknown, job.secret, now) for row in job.rows]

    def _heed(self, job: _Job, endings: Sequence[_Ending], run: _Run) -> None:
        """Remember a limit at once, for the calls of this wave that have not begun."""
        for ended in endings:
            match ended.ending:
                case LimitedUntil(reason, until):
                    run.limited[job.connection.name] = LimitedUntil(reason, until)
                case ReadFailed(reason, until) if until is not None:
                    run.limited[job.connection.name] = LimitedUntil(reason, until)

    def _look_up(self, job: _Job, call: Call) -> list[_Ending]:
        findings = self.provider.look_up(call, [_ask(row) for row in job.rows])
        return [_Ending(row, findings[row.key], job.secret) for row in job.rows]

    def _attempt(self, job: _Job, call: Call) -> list[_Ending]:
        rows, endings = job.rows, []
        if rows[0].intent is Intent.INVITE and (
            unsure := [row for row in rows if row.reads_first or not self.provider.tells_members]
        ):
            findings = self.provider.look_up(call, [_ask(row) for row in unsure])
            decided = {row.key: _as_outcome(findings[row.key], row) for row in unsure}
            endings = [_Ending(row, ending, job.secret) for row in unsure if (ending := decided[row.key]) is not None]
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
        return endings + [_Ending(row, outcomes[row.key], job.secret, posted_at, len(rows)) for row in rows]

    # --- after a call ---

    def _record(self, endings: Sequence[_Ending], run: _Run) -> None:
        """Write every ending; a hold that an ending asks for is placed once."""
        placed: dict[tuple[str, str | None], Hold] = {}
        steps: list[Step] = []
        for ended in endings:
            connection = self.policy.connections[ended.row.connection]
            ending, at_once = self._with_fresh_secret(ended, connection, run)
            held_until = self.clock.now() if at_once else self._placed(ended.row, ending, placed, run)
            run.sent.counts[type(ending).__name__] += 1
            run.pace.attempted(ended.row, ending, ended.posted_at)
            try:
                steps.append(self._step(ended, ending, connection, held_until))
            except NotNow as error:
                # A read that came too early for the present timings, or a clock that stepped back: nothing is decided.
                run.sent.faults.append(error)
                until = self.clock.now() + self.limits.backoff(ended.row.defers)
                steps.append(deferred(ended.row, until=until, reason="read too early", now=self.clock.now()))
        self._apply(steps, run)
        self._release(endings, placed, run)

    def _step(
        self, ended: _Ending, ending: Outcome | Finding, connection: Connection, held_until: datetime | None
    ) -> Step:
        now = self.clock.now()
        if isinstance(ending, (Present, Absent, ReadFailed)):
            return read(
                ended.row,
                ending,
                now=now,
                timings=connection.timings,
                limits=self.limits,
                resend_expired=connection.resend_expired,
                held_until=held_until,
            )
        return settled(
            ended.row,
            ending,
            now=now,
            timings=connection.timings,
            limits=self.limits,
            resend_expired=connection.resend_expired,
            posted_at=ended.posted_at,
            batch=ended.batch,
            held_until=held_until,
        )

    def _with_fresh_secret(self, ended: _Ending, connection: Connection, run: _Run) -> tuple[Outcome | Finding, bool]:
        """A 401 may only mean that the secret was replaced meanwhile: then the row is claimed again at once."""
        ending = ended.ending
        refused = ending.refused if isinstance(ending, ReadFailed) else ending
        if not isinstance(refused, RefusedConnection) or not refused.unauthorized:
            return ending, False
        name = f"{connection.provider}/{connection.name}"
        try:
            # Another request of this run may have read the new one already.
            replaced = self.secrets.get(name) != ended.secret or self.secrets.refresh(name, ended.secret)
        except SecretUnavailable:
            replaced = False
        if not replaced:
            return ending, False
        run.sent.counts["secret_replaced"] += 1
        reason = "the secret was replaced meanwhile"
        return (ReadFailed(reason) if isinstance(ending, ReadFailed) else NotSent(reason)), True

    def _placed(
        self, row: Invitation, ending: Outcome | Finding, placed: dict[tuple[str, str | None], Hold], run: _Run
    ) -> datetime | None:
        name: tuple[str, str | None] = (row.connection, None)
        until: datetime | None = None
        match ending:
            case RefusedGrant(reason):
                name = (row.connection, row.grant_digest)
            case RefusedConnection(reason) | ReadFailed(_, _, RefusedConnection(reason)):
                pass
            case LimitedUntil(reason, told):
                until = told
            case ReadFailed(reason, told) if told is not None:
                until = told
            case _:
                return None
        if name not in placed:
            placed[name] = self._hold(*name, reason, until, run)
        return placed[name].next_probe

    def _hold(self, connection: str, grant_digest: str | None, reason: str, until: datetime | None, run: _Run) -> Hold:
        now = self.clock.now()
        seen = run.holds.get((connection, grant_digest))
        probes = seen.probes if seen else 0
        hold = Hold(
            connection=connection,
            grant_digest=grant_digest,
            reason=reason,
            since=seen.since if seen else now,
            next_probe=until or self.hold_rules.next_probe(probes, now),
            probes=probes,
        )
        self.store.put_hold(hold, seen)
        run.holds[connection, grant_digest] = hold
        return hold

    def _release(self, endings: Sequence[_Ending], placed: dict[tuple[str, str | None], Hold], run: _Run) -> None:
        """A probe that the provider answered ends the hold."""
        for name in sorted(run.probed - placed.keys(), key=str):
            answered = any(
                ended.row.connection == name[0]
                and name[1] in (None, ended.row.grant_digest)
                and not isinstance(ended.ending, (NotSent, Ambiguous, ReadFailed))
                for ended in endings
            )
            if answered and name in run.holds:
                self.store.release_hold(run.holds.pop(name))
                run.probed.discard(name)

    def _apply(self, steps: Sequence[Step], run: _Run) -> None:
        if not steps:
            return
        freed: list[str] = []
        lost: set[str] = set()
        for step, verdict in zip(steps, self.store.apply(steps), strict=True):
            run.sent.counts[f"write_{verdict}"] += 1
            if verdict.stands and step.releases:
                freed.append(step.before.holder)
            if step.before.state is State.SENDING and step.after.state is State.AMBIGUOUS:
                lost.add(step.key.connection)
        self.planning.mailbox_freed(freed)
        try:
            self._watch(lost, run)
        except StoreUnavailable as error:
            # What is recorded is recorded; the next loss looks again.
            run.sent.faults.append(error)


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


def _as_outcome(found: Finding, row: Invitation) -> Outcome | None:
    """
    What a read before the POST already decides; None where the invitation is to go out.

    That is for somebody who is not there, and for somebody who was there before us and lacks a part of the grant: to
    give it is what an invitation of a member does.
    """
    match found:
        case Absent():
            return None if row.may_post else Ambiguous("what was posted before may still take effect")
        case ReadFailed(reason, until, refused):
            if refused is not None:
                return refused
            return LimitedUntil(reason, until) if until is not None else NotSent(reason)
        case Present(blocked=str(blocked)):
            return RefusedPerson(blocked)
        case Present(_, Standing.EXPIRED) if not row.may_post:
            return Ambiguous("what was posted before may not show yet")
        case Present(ref, Standing.EXPIRED, _, drift):
            return AlreadyInvited(ref, expired=True, drift=drift)
        case Present(_, _, open_parts) if open_parts and not row.reads_first:
            return None
        case Present(ref, _, open_parts) if open_parts:
            mailed = False if row.posted_at is None else None
            return PartlyAccepted(ref, mailed=mailed, open=open_parts, reason="parts of the access are missing")
        case Present(ref, Standing.MEMBER, _, drift):
            return AlreadyMember(ref, drift)
        case Present(ref, _, _, drift):
            return AlreadyInvited(ref, expired=False, drift=drift)
