"""
Bring due rows of one provider forward: claim, call, record, all in batches and side by side.

The message that woke us only names rows; the row waits, not the message. Losing it loses nothing, and having it twice
does nothing: the claim decides.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from itertools import batched

from usher.domain.actual import claim, deferred, lease_ran_out, parked_at_limit, read, settled, taken_back
from usher.domain.address import mailbox_of
from usher.domain.errors import SecretUnavailable, StoreUnavailable
from usher.domain.hold import HoldRules
from usher.domain.invitation import Intent, Invitation, InvitationKey, Limits, NotNow, State, Step
from usher.domain.outcomes import Absent, Present, ReadFailed
from usher.domain.pace import Group, Wait
from usher.domain.policy import Connection, Policy, PolicyVersion
from usher.ports import Clock, Provider, RemainingTime, Secrets, Store
from usher.use_cases.call_provider import CallProvider, Ending, Job, secret_of
from usher.use_cases.keep_holds import KeepHolds
from usher.use_cases.keep_pace import KeepPace
from usher.use_cases.plan_invites import PlanInvites

RESERVED_BEYOND = 60.0
"""Seconds after the end of an invocation when what it reserved of a budget, and did not account for, is free again."""

OVERRUN = 1.0
"""Seconds by which the platform may end an invocation late."""

MOST_ROUNDS = 50

PAUSE_IN_PLAN_MODE = timedelta(minutes=15)
PAUSE_UNPLANNED = timedelta(minutes=15)
PAUSE_FOR_NEWER_POLICY = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Sent:
    """What one run did, in counts by kind, and which faults of our own it met; log their types, never their texts."""

    counts: Counter[str] = field(default_factory=Counter)
    faults: list[BaseException] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Run:
    """One invocation: its identity and time, what it reports, and its dealings with provider, counters and holds."""

    owner: str
    remaining: RemainingTime
    sent: Sent
    calls: CallProvider
    pace: KeepPace
    holds: KeepHolds


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
        sent = Sent()
        run = _Run(
            self.new_owner(),
            remaining,
            sent,
            CallProvider(self.provider, self.policy, self.secrets, self.clock, remaining, sent.faults),
            KeepPace(self.store, self.policy),
            KeepHolds(self.store, self.policy, self.hold_rules),
        )
        try:
            self._run(keys, run)
        finally:
            self._close(run)
        return sent

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
        run.holds.refresh({row.connection for row in due}, self.clock.now())
        ready = self._housekept(due, run)
        if not ready:
            return True
        waves = run.calls.waves(ready)
        if waves < 1:
            return False
        jobs = self._claimed(self._grouped(ready, run), waves, run)
        if jobs:
            self._record(run.calls.make(jobs), run)
        return True

    # --- before a call ---

    def _housekept(self, due: Sequence[Invitation], run: _Run) -> list[Invitation]:
        """Do what needs no provider; give the rows that do."""
        ready: list[Invitation] = []
        steps: list[Step] = []
        stale: dict[InvitationKey, Invitation] = {}
        now = self.clock.now()
        for row in due:
            connection = self.policy.connections.get(row.connection)
            if connection is None:
                if row.state in (State.PENDING, State.AMBIGUOUS):
                    reason = "its connection is not in this stage's policy"
                    steps.append(deferred(row, until=now + PAUSE_UNPLANNED, reason=reason, now=now))
            elif connection.provider != self.provider.name:
                continue  # Somebody named another provider's row; its own sender works on it.
            elif row.state is State.SENDING:
                steps.append(lease_ran_out(row, now=now, timings=connection.timings))
            elif row.state is State.PENDING and not row.want:
                steps.append(taken_back(row, now=now))
            elif (parked := parked_at_limit(row, now=now, limits=self.limits)) is not None:
                steps.append(parked)
            elif row.state is State.PENDING and self._planned_by_newer_policy(row):
                reason = "planned by a newer policy than this code has"
                steps.append(deferred(row, until=now + PAUSE_FOR_NEWER_POLICY, reason=reason, now=now))
            elif row.state is State.PENDING and self._is_stale(row):
                stale[row.key] = row
            elif (wait := self._wait(row, connection, now) or run.holds.admit(row, now)) is not None:
                steps.append(deferred(row, until=wait.until, reason=wait.reason, now=now))
            else:
                ready.append(row)
        self._apply(steps, run)
        self._plan_again(stale, run)
        return ready

    def _wait(self, row: Invitation, connection: Connection, now: datetime) -> Wait | None:
        """Say until when a due row waits all the same."""
        if row.state is State.AMBIGUOUS:
            # A read may decide only after the settle time, whatever the due time says.
            settles_at = (row.posted_at or now) + timedelta(seconds=connection.timings.settle)
            return Wait(settles_at, row.reason or "settling") if now < settles_at else None
        if not self.policy.is_live(row.connection):
            return Wait(now + PAUSE_IN_PLAN_MODE, "the connection is in plan mode")
        return None

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

    def _grouped(self, ready: Sequence[Invitation], run: _Run) -> list[Job]:
        """Put rows together that may share a request; those whose secret is missing wait."""
        groups: dict[tuple[object, ...], list[Invitation]] = {}
        for row in sorted(ready, key=lambda row: row.start_date or date.max):
            size = row.batch_limit if row.state is State.PENDING else None
            shared = (row.connection, row.state, row.grant_digest, row.intent, size)
            groups.setdefault(shared, []).append(row)
        secrets: dict[str, str] = {}
        jobs: list[Job] = []
        for rows in groups.values():
            connection = self.policy.connections[rows[0].connection]
            try:
                secret = secrets.get(connection.name) or self.secrets.get(secret_of(connection))
            except SecretUnavailable as error:
                now = self.clock.now()
                hold = run.holds.place((connection.name, None), str(error), now)
                self._apply([deferred(row, until=hold.next_probe, reason=hold.reason, now=now) for row in rows], run)
                continue
            secrets[connection.name] = secret
            alone = rows[0].state is State.PENDING and rows[0].intent is not Intent.INVITE
            size = 1 if alone else min(self.provider.batch_size, rows[0].batch_limit or self.provider.batch_size)
            jobs += [Job(connection, secret, chunk) for chunk in batched(rows, size, strict=False)]
        return jobs

    def _claimed(self, jobs: Sequence[Job], waves: int, run: _Run) -> list[Job]:
        """Claim what fits into the remaining time. The claim is durable before the first byte leaves."""
        room = {job.connection.name: job.connection.concurrency * waves for job in jobs}
        fitting: list[Job] = []
        for job in jobs:
            if room[job.connection.name] > 0:
                room[job.connection.name] -= 1
                fitting.append(job)
        fitting = self._admitted(fitting, run)
        now = self.clock.now()
        steps: dict[InvitationKey, Step] = {}
        for job in fitting:
            if not job.reads:
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
            if job.reads:
                claimed.append(job)
            elif rows := tuple(ours[row.key] for row in job.rows if row.key in ours):
                claimed.append(replace(job, rows=rows))
        return claimed

    def _admitted(self, jobs: Sequence[Job], run: _Run) -> list[Job]:
        """Give what rate, budget and the guard against mass mistakes let go now; the rest waits without an attempt."""
        now = self.clock.now()
        groups = [Group(job.connection, job.rows, run.calls.requests(job)) for job in jobs]
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
        return [replace(job, rows=rows) for job, rows in going if rows]

    # --- after a call ---

    def _record(self, endings: Sequence[Ending], run: _Run) -> None:
        """Write every ending; a hold that an ending asks for is placed once."""
        steps: list[Step] = []
        for ended in endings:
            now = self.clock.now()
            held_until = now if ended.at_once else run.holds.place_for(ended, now)
            if ended.at_once:
                run.sent.counts["secret_replaced"] += 1
            run.sent.counts[type(ended.ending).__name__] += 1
            run.pace.attempted(ended.row, ended.ending, ended.posted_at)
            try:
                steps.append(self._step(ended, held_until))
            except NotNow as error:
                # A read that came too early for the present timings, or a clock that stepped back: nothing is decided.
                run.sent.faults.append(error)
                now = self.clock.now()
                until = now + self.limits.backoff(ended.row.defers)
                steps.append(deferred(ended.row, until=until, reason="read too early", now=now))
        self._apply(steps, run)
        run.holds.close_wave(endings)

    def _step(self, ended: Ending, held_until: datetime | None) -> Step:
        now, connection = self.clock.now(), ended.job.connection
        if isinstance(ended.ending, (Present, Absent, ReadFailed)):
            return read(
                ended.row,
                ended.ending,
                now=now,
                timings=connection.timings,
                limits=self.limits,
                resend_expired=connection.resend_expired,
                held_until=held_until,
            )
        return settled(
            ended.row,
            ended.ending,
            now=now,
            timings=connection.timings,
            limits=self.limits,
            resend_expired=connection.resend_expired,
            posted_at=ended.posted_at,
            batch=ended.batch,
            held_until=held_until,
        )

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
            run.holds.watch(lost, self.clock.now())
        except StoreUnavailable as error:
            # What is recorded is recorded; the next loss looks again.
            run.sent.faults.append(error)
