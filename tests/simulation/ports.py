"""The in-memory ports as one process sees them: every step takes time and may meet a fault, and all is written down."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from random import Random
from typing import TYPE_CHECKING

from tests.fakes.ledger import Fault, ProcessDied
from tests.fakes.store import MemoryStore
from tests.simulation.schedule import Point, Trouble
from tests.simulation.virtual import Time
from usher.domain.errors import QueueUnavailable, SecretUnavailable, StoreUnavailable
from usher.domain.hire import HireKey
from usher.domain.hold import Hold
from usher.domain.invitation import Guarded, GuardKey, Invitation, InvitationKey, State, Step
from usher.domain.mass_guard import MassGuard
from usher.domain.messages import PlanningMessage, SendingWakeUp
from usher.domain.notice import Notice, NoticeRecord, NoticeState
from usher.domain.pace import Counters
from usher.domain.planning import HireFile, HirePlan
from usher.ports import Applied, AuditEntry

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


def a_random(seed: int) -> Random:
    """Draw delays and clocks of one schedule."""
    return Random(seed)  # noqa: S311 - schedules must be repeatable, not secret.
