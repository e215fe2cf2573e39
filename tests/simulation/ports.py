"""The in-memory ports as one process sees them: every step takes time and may meet a fault, and all is written down."""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from random import Random
from typing import TYPE_CHECKING

from tests.fakes.ledger import AdapterBroke, Fault, Ledger, ProcessDied
from tests.fakes.store import MemoryStore
from tests.simulation.schedule import Point, Trouble
from tests.simulation.virtual import Process, Time
from usher.domain.errors import QueueUnavailable, SecretUnavailable, StoreUnavailable
from usher.domain.hire import HireKey
from usher.domain.hold import Hold
from usher.domain.invitation import Guarded, GuardKey, Invitation, InvitationKey, State, Step
from usher.domain.mass_guard import MassGuard
from usher.domain.messages import PlanningMessage, SendingWakeUp
from usher.domain.notice import Notice, NoticeRecord, NoticeState
from usher.domain.outcomes import (
    Accepted,
    Finding,
    LimitedUntil,
    NotSent,
    Outcome,
    Present,
    ReadFailed,
    RefusedConnection,
    RefusedPerson,
    Standing,
)
from usher.domain.pace import Counters
from usher.domain.planning import HireFile, HirePlan
from usher.ports import Applied, Ask, AuditEntry, Call

if TYPE_CHECKING:
    from tests.simulation.stack import SimulatedStack

_POINTS = {
    Guarded.CLAIMING: Point.CLAIM,
    Guarded.RECORDING: Point.RECORD,
    Guarded.REJECTING: Point.RECORD,
    Guarded.READING: Point.SETTLE,
}


@dataclass(frozen=True, slots=True)
class Write:
    """One write that the table took: who wrote, over what."""

    at: float
    process: int
    before: Invitation | None
    after: Invitation
    step: Step | None


@dataclass(frozen=True, slots=True)
class Request:
    """One person in one request to the provider, and the row as the table held it then."""

    at: float
    process: int
    kind: str
    key: InvitationKey
    address: str
    row: Invitation | None


@dataclass(frozen=True, slots=True)
class Told:
    """A time that an answer told: no sooner may the connection be asked again."""

    at: float
    process: int
    connection: str
    until: datetime


@dataclass(frozen=True, slots=True)
class HoldWrite:
    """One attempt to place or move a hold that reached the table, whether it stood or not."""

    at: float
    process: int
    hold: Hold


@dataclass(frozen=True, slots=True)
class Approval:
    """One approval that reached the table: from when, until when, for how many (None for any number)."""

    at: float
    until: datetime
    invitations: int | None


class RecordingStore(MemoryStore):
    """The one table, which writes down what it takes."""

    def __init__(self, time: Time) -> None:
        super().__init__()
        self.time = time
        self.writes: list[Write] = []
        self.hold_reads: list[tuple[float, int]] = []
        self.hold_writes: list[HoldWrite] = []
        self.approvals: list[Approval] = []
        self.stops: list[float] = []
        self.on_write: Callable[[], None] | None = None

    def commit(self, plan: HirePlan) -> bool:
        """Write a plan, and write it down."""
        fresh = [row for row in plan.opens if row.key not in self._rows]
        stands = super().commit(plan)
        if stands:
            self.writes += [Write(self.time.now, self._process, None, row, None) for row in fresh]
            self._written()
        return stands

    def apply(self, steps: Sequence[Step]) -> list[Applied]:
        """Write steps, and write them down."""
        verdicts = super().apply(steps)
        self._written()
        return verdicts

    def holds(self, connections: Collection[str]) -> list[Hold]:
        """Read holds, and write down who did."""
        self.hold_reads.append((self.time.now, self._process))
        return super().holds(connections)

    def put_hold(self, hold: Hold, seen: Hold | None) -> bool:
        """Place a hold, and write it down."""
        self.hold_writes.append(HoldWrite(self.time.now, self._process, hold))
        return super().put_hold(hold, seen)

    def put_counters(self, counters: Counters, seen: Counters) -> bool:
        """Write counters, and write down when the guard stopped and what was approved."""
        stands = super().put_counters(counters, seen)
        guard = counters.guard
        if stands and guard.stopped_at is not None and seen.guard.stopped_at is None:
            self.stops.append(self.time.now)
        if stands and guard.approved_until is not None and guard.approved_until != seen.guard.approved_until:
            self.approvals.append(Approval(self.time.now, guard.approved_until, guard.approved))
        return stands

    @property
    def mass_guard(self) -> MassGuard:
        """The company's guard."""
        return self._mass_guard

    @property
    def rows(self) -> list[Invitation]:
        """Every row."""
        return list(self._rows.values())

    @property
    def guards(self) -> dict[GuardKey, str]:
        """Every guard and its holder."""
        return self._guards

    @property
    def live(self) -> list[datetime]:
        """When what is live is due: rows and waiting notices."""
        rows = [row.due_at for row in self._rows.values() if row.due_at is not None]
        return rows + [record.due_at for record in self._notices.values() if record.due_at is not None]

    @property
    def _process(self) -> int:
        return self.time.current.number if self.time.current else 0

    def _write(self, step: Step) -> None:
        before = self._rows[step.key]
        super()._write(step)
        self.writes.append(Write(self.time.now, self._process, before, self._rows[step.key], step))

    def _written(self) -> None:
        if self.on_write is not None:
            self.on_write()


@dataclass(frozen=True, slots=True)
class ProcessStore:
    """The table as one process reaches it."""

    stack: "SimulatedStack"
    table: RecordingStore

    def invitations(self, keys: Collection[InvitationKey]) -> dict[InvitationKey, Invitation]:
        """Read rows."""
        return self._step(Point.READ, lambda: self.table.invitations(keys))

    def due(self, lane: str, now: datetime, limit: int) -> list[InvitationKey]:
        """List due rows; an index that is behind names every row, or none."""
        match self._struck(Point.DUE):
            case Trouble.STALE if self.stack.random.random() < 0.5:
                return []
            case Trouble.STALE:
                return [row.key for row in self.table.rows if row.connection == lane][:limit]
            case Trouble.NO_ANSWER:
                raise StoreUnavailable("throttled")
            case Trouble.DIES_BEFORE | Trouble.DIES_AFTER:
                raise ProcessDied
        return self.table.due(lane, now, limit)

    def due_notices(self, now: datetime, limit: int) -> list[str]:
        """List due notices."""
        return self._step(Point.READ, lambda: self.table.due_notices(now, limit))

    def apply(self, steps: Sequence[Step]) -> list[Applied]:
        """Write steps; whatever goes wrong is a verdict."""
        point = _POINTS.get(steps[0].guarded, Point.COMMIT)
        try:
            return self._step(
                point, lambda: self.table.apply(steps), lambda some: self.table.apply(steps[:some]), len(steps)
            )
        except StoreUnavailable:
            return [Applied.FAILED] * len(steps)

    def hire(self, key: HireKey) -> HireFile:
        """Read a hire."""
        return self._step(Point.READ, lambda: self.table.hire(key))

    def guard_holders(self, keys: Collection[GuardKey]) -> dict[GuardKey, str]:
        """Tell who holds which mailbox."""
        return self._step(Point.READ, lambda: self.table.guard_holders(keys))

    def commit(self, plan: HirePlan) -> bool:
        """Write a plan."""
        return self._step(Point.COMMIT, lambda: self.table.commit(plan))

    def notice(self, notice_id: str) -> NoticeRecord | None:
        """Read a notice."""
        return self._step(Point.READ, lambda: self.table.notice(notice_id))

    def sealed_body(self, notice_id: str) -> str | None:
        """Read a body."""
        return self.table.sealed_body(notice_id)

    def put_notice(self, record: NoticeRecord) -> bool:
        """Write a notice."""
        return self._step(Point.NOTICE, lambda: self.table.put_notice(record))

    def holds(self, connections: Collection[str]) -> list[Hold]:
        """Read holds."""
        return self._step(Point.READ, lambda: self.table.holds(connections))

    def put_hold(self, hold: Hold, seen: Hold | None) -> bool:
        """Place a hold; whoever does not learn what became of it can promise nothing of it."""
        try:
            return self._step(Point.HOLD, lambda: self.table.put_hold(hold, seen))
        except (StoreUnavailable, ProcessDied):
            ours = self.stack.time.current
            writes = self.table.hold_writes
            writes[:] = [write for write in writes if ours is None or write.process != ours.number]
            raise

    def release_hold(self, hold: Hold) -> None:
        """End a hold."""
        self._step(Point.HOLD, lambda: self.table.release_hold(hold))

    def counters(self, connections: Collection[str]) -> Counters:
        """Read rates, budgets and the guard."""
        return self._step(Point.READ, lambda: self.table.counters(connections))

    def put_counters(self, counters: Counters, seen: Counters) -> bool:
        """Write rates, budgets and the guard."""
        return self._step(Point.PACE, lambda: self.table.put_counters(counters, seen))

    def announced_at(self, source: str) -> datetime | None:
        """Read when a source last announced anything."""
        return self.table.announced_at(source)

    def note_announcement(self, source: str, at: datetime) -> None:
        """Write that a source has announced something."""
        self.table.note_announcement(source, at)

    def audit(self, entry: AuditEntry) -> None:
        """Write down what an operator did."""
        self.table.audit(entry)

    def rows_in_state(self, state: State, limit: int) -> list[InvitationKey]:
        """List rows."""
        return self.table.rows_in_state(state, limit)

    def notices_in_state(self, state: NoticeState, limit: int) -> list[str]:
        """List notices."""
        return self.table.notices_in_state(state, limit)

    def _struck(self, point: Point, rows: int = 1) -> Trouble | Fault | None:
        struck = self.stack.struck(point, rows)
        self.stack.time.pause(self.stack.delay())
        return struck

    def _step[T](
        self, point: Point, action: Callable[[], T], partly: Callable[[int], T] | None = None, rows: int = 1
    ) -> T:
        struck = self._struck(point, rows)
        match struck:
            case None:
                result = action()
            case Trouble.NO_ANSWER:
                raise StoreUnavailable("throttled")
            case Trouble.LOST_ANSWER:
                action()
                raise StoreUnavailable("timed out")
            case Trouble.TRIED_TWICE:
                action()
                self.stack.time.pause(self.stack.delay())
                result = action()
            case Trouble.DIES_BEFORE:
                raise ProcessDied
            case Trouble.DIES_AFTER:
                action()
                raise ProcessDied
            case Trouble.DIES_AFTER_FIRST | Trouble.DIES_BEFORE_LAST:
                assert partly is not None
                partly(1 if struck is Trouble.DIES_AFTER_FIRST else rows - 1)
                raise ProcessDied
            case _:
                self.stack.time.pause(self.stack.random.choice((20.0, 45.0, 55.0)))
                result = action()
        self.stack.time.pause(self.stack.delay())
        return result


@dataclass(frozen=True, slots=True)
class ProcessSecrets:
    """The vault behind one process's cache."""

    stack: "SimulatedStack"
    cached: dict[str, str] = field(default_factory=dict)

    def get(self, name: str) -> str:
        """Give a secret."""
        if name not in self.cached:
            self._read(name)
        return self.cached[name]

    def refresh(self, name: str, seen: str) -> bool:
        """Read again."""
        self._read(name)
        return self.cached[name] != seen

    def _read(self, name: str) -> None:
        match self.stack.struck(Point.SECRET):
            case Trouble.DIES_BEFORE | Trouble.DIES_AFTER:
                raise ProcessDied
            case Trouble.NO_ANSWER:
                raise SecretUnavailable("the vault does not answer")
        self.stack.time.pause(self.stack.delay())
        self.cached[name] = self.stack.secret


@dataclass(frozen=True, slots=True)
class ProcessQueues:
    """The queues as one process reaches them."""

    stack: "SimulatedStack"

    def announce(self, notices: Sequence[Notice]) -> None:
        """No process here is a webhook."""
        raise AssertionError(f"nobody announces {len(notices)} notices")

    def wake_planning(
        self, *, notices: Sequence[str] = (), hires: Sequence[HireKey] = (), feeds: Sequence[str] = ()
    ) -> None:
        """Wake planning; nobody here lists recent hires."""
        assert not feeds
        message = PlanningMessage(notices=tuple(notices), hires=tuple(str(key) for key in hires))
        self._wake("plan_invites", message.model_dump_json())

    def wake_sending(self, provider: str, keys: Sequence[InvitationKey]) -> None:
        """Wake the sender."""
        self._wake("send_invites", SendingWakeUp.of(keys).model_dump_json())

    def _wake(self, function: str, body: str) -> None:
        struck = self.stack.struck(Point.WAKE)
        if struck is Trouble.DIES_BEFORE:
            raise ProcessDied
        if struck is Trouble.REFUSED:
            raise QueueUnavailable("throttled")
        if struck is Trouble.DROPPED:
            return
        self.stack.deliver(function, body, after=200 if struck is Trouble.LATE else self.stack.delay())
        if struck is Trouble.DOUBLED:
            self.stack.deliver(function, body, after=5 * self.stack.random.random())
        if struck is Trouble.DIES_AFTER:
            raise ProcessDied


@dataclass
class VirtualProvider(Ledger):
    """The provider in virtual time: requests take seconds, effects may land late, and only one secret is good."""

    stack: "SimulatedStack" = field(kw_only=True)
    requests_seen: list[Request] = field(default_factory=list)
    told: list[Told] = field(default_factory=list)
    removed: list[tuple[float, str, str]] = field(default_factory=list)
    elsewhere: set[tuple[str, str]] = field(default_factory=set)
    renewals: dict[tuple[str, str], float] = field(default_factory=dict)
    shares: tuple[float, ...] = (0.02, 0.02, 0.1, 0.5)
    """Of its budget how much a request takes."""
    refused: frozenset[str] = frozenset()
    """Addresses that it never takes; one of them spoils a request of several."""

    def invite(self, call: Call, asks: Sequence[Ask]) -> dict[InvitationKey, Outcome]:
        """Invite."""
        return self._post("invite", Point.INVITE, call, asks, self.accepted)

    def repair(self, call: Call, ask: Ask) -> Outcome:
        """Give the open parts."""
        return self._post("repair", Point.REPAIR, call, [ask], self.repaired)[ask.key]

    def resend(self, call: Call, ask: Ask) -> Outcome:
        """Renew."""
        return self._post("resend", Point.RESEND, call, [ask], self.renewed)[ask.key]

    def look_up(self, call: Call, asks: Sequence[Ask]) -> dict[InvitationKey, Finding]:
        """Look, at one moment of the call."""
        struck = self.stack.struck(Point.LOOK_UP)
        if call.seconds <= 0:
            return dict.fromkeys((ask.key for ask in asks), ReadFailed("there was no time left"))
        self._seen("look_up", asks)
        if struck is Trouble.DIES_BEFORE:
            raise ProcessDied
        self._take(call.seconds if struck is Trouble.SLOW else self._while(call))
        if struck is Trouble.DIES_AFTER:
            raise ProcessDied
        finding: Finding
        match struck:
            case Trouble.READ_BROKEN:
                raise AdapterBroke
            case Trouble.READ_FAILED:
                finding = ReadFailed("503")
            case Trouble.READ_LIMITED:
                finding = ReadFailed("429", until=self._later())
                self._told(call, [finding])
            case Trouble.READ_REFUSED:
                finding = ReadFailed("403", refused=RefusedConnection("403"))
            case _ if call.secret != self.stack.secret:
                finding = ReadFailed("401", refused=RefusedConnection("401", unauthorized=True))
            case _:
                findings = {ask.key: self.shown(call, ask) for ask in asks}
                self._take(self.stack.delay())
                return findings
        return dict.fromkeys((ask.key for ask in asks), finding)

    def accepted(self, call: Call, ask: Ask, delay: float = 0) -> Outcome:
        """Invite; how late the directory shows it differs each time."""
        self.lag = call.connection.timings.read_lag * self.stack.random.choice((0, 0.5, 1))
        outcome = super().accepted(call, ask, delay)
        entry = self.directory[call.connection.name, ask.address]
        if isinstance(outcome, Accepted) and entry.standing is Standing.EXPIRED:
            entry.standing = Standing.INVITED  # A new invitation takes the place of the one that lapsed.
        return outcome

    def renewed(self, call: Call, ask: Ask, delay: float = 0) -> Outcome:
        """Renew; the directory shows it as late as a new invitation."""
        name = (call.connection.name, ask.address)
        entry = self.directory.get(name)
        if entry is None:
            return RefusedPerson("there is nobody to invite again")
        lag = call.connection.timings.read_lag * self.stack.random.choice((0, 0.5, 1))
        self._mail(call, ask, self.clock.now() + timedelta(seconds=delay))
        self.renewals.setdefault(name, self.stack.time.now + delay + lag)
        if not delay:
            entry.standing = Standing.INVITED
        return Accepted(ask.ref, mailed=True)

    def shown(self, call: Call, ask: Ask) -> Finding:
        """Show whom the directory shows; while it is behind, it shows them or not."""
        name = (call.connection.name, ask.address)
        entry = self.directory.get(name)
        now = self.clock.now()
        if entry is not None and entry.since <= now < entry.shown_at and self.stack.random.random() < 0.3:
            return Present(f"ref-{ask.address}", entry.standing, open=entry.open, blocked=entry.blocked)
        found = super().shown(call, ask)
        if not isinstance(found, Present) or entry is None:
            return found
        standing = entry.standing
        if name in self.renewals:
            standing = Standing.INVITED if self.renewals[name] <= self.stack.time.now else Standing.EXPIRED
            if standing is Standing.INVITED:
                entry.standing = standing
        since = entry.since if self.tells_members else None
        return Present(found.ref, standing, open=found.open, since=since, blocked=found.blocked)

    def _post(
        self,
        kind: str,
        point: Point,
        call: Call,
        asks: Sequence[Ask],
        act: Callable[[Call, Ask, float], Outcome],
    ) -> dict[InvitationKey, Outcome]:
        if call.seconds <= 0:
            return dict.fromkeys((ask.key for ask in asks), NotSent("there was no time left"))
        self._seen(kind, asks)
        struck = self.stack.struck(point)
        if struck is Fault.DIES_BEFORE:
            raise ProcessDied
        late = struck in (Fault.UNKNOWN_ACTED_LATE, Fault.DIES_AFTER)
        random = self.stack.random
        # What is sent may reach the provider at the end of the budget, and lie there for all of its tail.
        taken = call.seconds if struck is Trouble.SLOW or (late and random.random() < 0.5) else self._while(call)
        self._take(taken)
        if call.secret != self.stack.secret:
            return dict.fromkeys((ask.key for ask in asks), RefusedConnection("401", unauthorized=True))
        if struck is None and not self.refused.isdisjoint(ask.address for ask in asks):
            struck = Fault.BATCH_IDLE if len(asks) > 1 else Fault.PERSON
        delay = call.connection.timings.provider_tail * random.choice((0.2, 1, 1)) if late else 0
        answer = self.answer(struck if isinstance(struck, Fault) else None, call, asks, act, delay)
        self._take((call.seconds - taken) * random.random() * 0.2)
        self._told(call, answer.values())
        return answer

    def _refusal(self, fault: Fault) -> Outcome:
        refusal = super()._refusal(fault)
        return replace(refusal, until=self._later()) if isinstance(refusal, LimitedUntil) else refusal

    def _later(self) -> datetime:
        """Give the time that a 429 tells, one after the other: soon, or long after a hold would be probed."""
        number = self.stack.schedule.seed // 2 + len(self.told)
        return self.clock.now() + timedelta(seconds=(20, 40, 300)[number % 3])

    def _told(self, call: Call, answers: Iterable[Outcome | Finding]) -> None:
        """Write down the time that a 429 tells, once the sender has it."""
        until = {answer.until for answer in answers if isinstance(answer, (LimitedUntil, ReadFailed)) and answer.until}
        self.told += [
            Told(self.stack.time.now, self._process, call.connection.name, moment) for moment in sorted(until)
        ]

    def _while(self, call: Call) -> float:
        return call.seconds * self.stack.random.choice(self.shares)

    def _take(self, seconds: float) -> None:
        self.stack.time.pause(seconds)

    def _seen(self, kind: str, asks: Sequence[Ask]) -> None:
        rows = self.stack.store.invitations([ask.key for ask in asks])
        self.requests_seen += [
            Request(self.stack.time.now, self._process, kind, ask.key, ask.address, rows.get(ask.key)) for ask in asks
        ]

    @property
    def _process(self) -> int:
        return self.stack.time.current.number if self.stack.time.current else 0


@dataclass(frozen=True, slots=True)
class ProviderClock:
    """True time."""

    time: Time

    def now(self) -> datetime:
        """Give the time."""
        return Process(0, self.time, 0, 0, 0).now()

    def monotonic(self) -> float:
        """Give seconds."""
        return self.time.now


def a_random(seed: int) -> Random:
    """Draw delays and clocks of one schedule."""
    return Random(seed)  # noqa: S311 - schedules must be repeatable, not secret.
