"""The table in memory: one lock, and exactly the conditions that the port promises."""

from bisect import bisect_left, bisect_right, insort
from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import date, datetime
from threading import RLock
from typing import Any

from usher.domain.hire import HireKey, HireRecord
from usher.domain.hold import Hold
from usher.domain.invitation import LIVE, GuardKey, Invitation, InvitationKey, State, Step
from usher.domain.mass_guard import MassGuard
from usher.domain.notice import NoticeRecord, NoticeState
from usher.domain.pace import Counters, Pace
from usher.domain.planning import HireFile, HirePlan
from usher.ports import Applied, AuditEntry


class MemoryStore:
    """Every method holds the lock, so each is atomic; rows are immutable, so nothing leaks out of it."""

    def __init__(self) -> None:
        self._lock = RLock()
        self._hires: dict[HireKey, HireRecord] = {}
        self._rows: dict[InvitationKey, Invitation] = {}
        self._names: dict[HireKey, list[InvitationKey]] = defaultdict(list)
        self._lanes: dict[str, list[tuple[datetime, InvitationKey]]] = defaultdict(list)
        self._states: dict[State, list[tuple[date, InvitationKey]]] = defaultdict(list)
        self._guards: dict[GuardKey, str] = {}
        self._notices: dict[str, NoticeRecord] = {}
        self._bodies: dict[str, str] = {}
        self._announced: dict[str, datetime] = {}
        self._holds: dict[tuple[str, str | None], Hold] = {}
        self._paces: dict[str, Pace] = {}
        self._mass_guard = MassGuard()
        self.audits: list[AuditEntry] = []

    # --- rows ---

    def invitations(self, keys: Collection[InvitationKey]) -> dict[InvitationKey, Invitation]:
        """Read rows."""
        with self._lock:
            return {key: self._rows[key] for key in keys if key in self._rows}

    def due(self, lane: str, now: datetime, limit: int) -> list[InvitationKey]:
        """List rows of a connection that are due, soonest first."""
        with self._lock:
            end = bisect_right(self._lanes[lane], now, key=lambda entry: entry[0])
            return [key for _, key in self._lanes[lane][: min(end, limit)]]

    def apply(self, steps: Sequence[Step]) -> list[Applied]:
        """Write each step on its own condition."""
        assert len({step.key for step in steps}) == len(steps), "the table refuses two steps of one row"
        return [self._apply(step) for step in steps]

    def apply_directly(self, key: InvitationKey, **changes: Any) -> None:
        """Put a row into a state that a test starts from."""
        with self._lock:
            self._keep(self._rows[key].model_copy(update=changes))

    def expire_rows(self) -> None:
        """Delete every row, as the table does 400 days after they have settled."""
        with self._lock:
            for index in (self._rows, self._names, self._lanes, self._states):
                index.clear()

    def rows_in_state(self, state: State, limit: int) -> list[InvitationKey]:
        """List rows in a state by start date."""
        with self._lock:
            return [key for _, key in self._states[state][:limit]]

    # --- hires ---

    def hire(self, key: HireKey) -> HireFile:
        """Read everything about one hire."""
        with self._lock:
            return HireFile(self._hires.get(key), tuple(self._rows[name] for name in self._names.get(key, ())))

    def guard_holders(self, keys: Collection[GuardKey]) -> dict[GuardKey, str]:
        """Tell who holds which mailbox."""
        with self._lock:
            return {key: self._guards[key] for key in keys if key in self._guards}

    def commit(self, plan: HirePlan) -> bool:
        """Write all of a plan, or nothing."""
        with self._lock:
            stored = self._hires.get(plan.record.key)
            if stored == plan.record:
                return True  # Our own write, whose answer got lost.
            if (stored.revision if stored else None) != plan.seen_revision:
                return False
            if any(row.key in self._rows for row in plan.opens) or not all(
                self._holds_for(step) for step in plan.steps
            ):
                return False
            if any(self._guards.get(key, holder) != holder for key, holder in plan.takes):
                return False
            if any(self._guards.get(key, holder) != holder for key, holder in plan.releases):
                return False
            for key, _ in plan.releases:
                self._guards.pop(key, None)
            self._guards |= dict(plan.takes)
            self._hires[plan.record.key] = plan.record
            for row in plan.opens:
                self._keep(row)
            for step in plan.steps:
                self._write(step)
            return True

    # --- notices, holds, audit ---

    def notice(self, notice_id: str) -> NoticeRecord | None:
        """Read one recorded notice."""
        with self._lock:
            return self._notices.get(notice_id)

    def sealed_body(self, notice_id: str) -> str | None:
        """Read the body of a notice that could not be used."""
        with self._lock:
            return self._bodies.get(notice_id)

    def put_notice(self, record: NoticeRecord) -> bool:
        """Write revision n over revision n - 1."""
        with self._lock:
            stored = self._notices.get(record.notice.notice_id)
            if (stored.revision if stored else 0) != record.revision - 1:
                return False
            if record.notice.sealed_body is not None:
                self._bodies[record.notice.notice_id] = record.notice.sealed_body
            notice = record.notice.model_copy(update={"sealed_body": None})
            self._notices[record.notice.notice_id] = record.model_copy(update={"notice": notice})
            return True

    def due_notices(self, now: datetime, limit: int) -> list[str]:
        """List waiting notices that are due."""
        with self._lock:
            found = [(r.due_at, key) for key, r in self._notices.items() if r.due_at is not None and r.due_at <= now]
            return [key for _, key in sorted(found)[:limit]]

    def notices_in_state(self, state: NoticeState, limit: int) -> list[str]:
        """List recorded notices in a state, newest first."""
        with self._lock:
            found = [(record.updated_at, key) for key, record in self._notices.items() if record.state is state]
            return [key for _, key in sorted(found, reverse=True)[:limit]]

    def holds(self, connections: Collection[str]) -> list[Hold]:
        """Read the holds of connections and of their grants."""
        with self._lock:
            return [hold for (connection, _), hold in self._holds.items() if connection in connections]

    def put_hold(self, hold: Hold, seen: Hold | None) -> bool:
        """Place or move a hold if it is still as seen."""
        with self._lock:
            name = (hold.connection, hold.grant_digest)
            if self._holds.get(name) != seen:
                return False
            self._holds[name] = hold
            return True

    def release_hold(self, hold: Hold) -> None:
        """End a hold, if it is still as given."""
        with self._lock:
            name = (hold.connection, hold.grant_digest)
            if self._holds.get(name) == hold:
                del self._holds[name]

    def counters(self, connections: Collection[str]) -> Counters:
        """Read the company's guard and the paces of connections."""
        with self._lock:
            paces = {name: self._paces.get(name) or Pace(connection=name) for name in connections}
            return Counters(self._mass_guard, paces)

    def put_counters(self, counters: Counters, seen: Counters) -> bool:
        """Write what differs, all of it or nothing."""
        with self._lock:
            changed = {name: pace for name, pace in counters.paces.items() if pace != seen.paces[name]}
            stored = {name: self._paces.get(name) or Pace(connection=name) for name in changed}
            if any(stored[name].revision != seen.paces[name].revision for name in changed):
                return False
            if counters.guard != seen.guard:
                if self._mass_guard.revision != seen.guard.revision:
                    return False
                self._mass_guard = counters.guard
            self._paces |= changed
            return True

    def announced_at(self, source: str) -> datetime | None:
        """Read when a source last announced anything."""
        with self._lock:
            return self._announced.get(source)

    def note_announcement(self, source: str, at: datetime) -> None:
        """Write that a source has announced something."""
        with self._lock:
            self._announced[source] = max(at, self._announced.get(source, at))

    def audit(self, entry: AuditEntry) -> None:
        """Keep what an operator did."""
        with self._lock:
            self.audits.append(entry)

    # --- one step ---

    def _apply(self, step: Step) -> Applied:
        with self._lock:
            found = self._rows.get(step.key)
            guard = step.releases
            if self._holds_for(step) and (
                guard is None or self._guards.get(guard, step.before.holder) == step.before.holder
            ):
                self._write(step)
                if guard is not None:
                    self._guards.pop(guard, None)
                return Applied.NOW
            return Applied.BEFORE if found is not None and step.already_in(found) else Applied.REFUSED

    def _holds_for(self, step: Step) -> bool:
        found = self._rows.get(step.key)
        return found is not None and all(getattr(found, name) == value for name, value in step.conditions.items())

    def _write(self, step: Step) -> None:
        self._keep(self._rows[step.key].model_copy(update=step.changes))

    def _keep(self, row: Invitation) -> None:
        assert (row.due_at is not None) == (row.state in LIVE), f"{row.key}: exactly live rows have a due time"
        before = self._rows.get(row.key)
        self._rows[row.key] = row
        # Sorted as the table's indexes are: a mass event must not cost its square.
        if before is None:
            insort(self._names[row.key.hire], row.key)
        elif before.due_at is not None:
            _remove(self._lanes[before.connection], (before.due_at, row.key))
        if row.due_at is not None:
            insort(self._lanes[row.connection], (row.due_at, row.key))
        if before is not None:
            _remove(self._states[before.state], (before.start_date or date.max, row.key))
        insort(self._states[row.state], (row.start_date or date.max, row.key))


def _remove[Entry: tuple[object, ...]](index: list[Entry], entry: Entry) -> None:
    del index[bisect_left(index, entry)]
