"""Records of notices that did not become rows at once: waiting, parked, no hire, or done after all."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta

from usher.domain.errors import Problem
from usher.domain.hire import HireRecord, Result
from usher.domain.invitation import Limits
from usher.domain.notice import Notice, NoticeRecord, NoticeState
from usher.domain.planning import HirePlan
from usher.domain.waiting import asked_again_at, waits_until
from usher.ports import Clock, Store

REHIRE_PAUSE = timedelta(minutes=15)
LONGEST_WAIT = timedelta(days=7)
"""How long the HR system may fail to give the details of a notice before a person must look."""

OPEN = frozenset({NoticeState.WAITING, NoticeState.PARKED})


@dataclass(frozen=True, slots=True)
class KeepNotices:
    """Writes the records; each method raises StoreUnavailable. `time_zone` is the company's."""

    store: Store
    clock: Clock
    limits: Limits
    time_zone: str

    def put(
        self,
        notice: Notice,
        seen: NoticeRecord | None,
        state: NoticeState,
        problems: tuple[Problem, ...] = (),
        **changes: object,
    ) -> None:
        """Write what stands of a notice; nothing where it stands already."""
        seen = seen or self.store.notice(notice.notice_id)
        if seen is not None and seen.state is state and seen.problems == problems and not changes:
            return
        base = seen or NoticeRecord(notice=notice, state=state, updated_at=self.clock.now())
        update: dict[str, object] = {
            "notice": notice,
            "state": state,
            "problems": problems,
            "due_at": None,
            "updated_at": self.clock.now(),
            "revision": base.revision + 1,
        }
        # A lost race is no loss: whoever was faster had the same notice in hand, and it stands recorded.
        self.store.put_notice(base.model_copy(update=update | changes))

    def park(self, notice: Notice, record: NoticeRecord | None, problems: Sequence[Problem]) -> None:
        """Let a notice wait for a person."""
        self.put(notice, record, NoticeState.PARKED, tuple(problems))

    def wait(
        self, notice: Notice, record: NoticeRecord | None, problem: Problem, retry_after: float | None
    ) -> NoticeState:
        """Let a notice wait for its details; after a week without an answer it is parked. Gives which of the two."""
        now = self.clock.now()
        failing_since = record.failing_since if record and record.failing_since else now
        if now - failing_since >= LONGEST_WAIT:
            self.park(notice, record, (problem,))
            return NoticeState.PARKED
        tries = record.tries if record else 0
        pause = timedelta(seconds=retry_after) if retry_after is not None else self.limits.backoff(tries)
        changes = {"due_at": now + pause, "tries": tries + 1, "failing_since": failing_since}
        self.put(notice, record, NoticeState.WAITING, (problem,), **changes)
        return NoticeState.WAITING

    def before(self, plan: HirePlan, notice: Notice, record: NoticeRecord | None) -> None:
        """Record what a plan leaves open, before it is written."""
        if plan.record.result is Result.AWAITING_ADDRESS:
            self._wait_for_address(plan, notice, record)
        elif plan.problems:
            self.park(notice, record, plan.problems)
        elif plan.waits:
            due_at = self.clock.now() + REHIRE_PAUSE
            self.put(notice, record, NoticeState.WAITING, (Problem("start_date", plan.waits),), due_at=due_at)

    def _wait_for_address(self, plan: HirePlan, notice: Notice, record: NoticeRecord | None) -> None:
        """Ask again until the first day; where nobody can be asked, wait for another notice until then."""
        end = waits_until(plan.record.effective, notice.received_at, self.time_zone)
        due_at = asked_again_at(end, self.clock.now())
        if due_at is None:
            self.park(notice, record, (Problem("work_email", "did not come by the first day"),))
        else:
            due_at = due_at if notice.is_thin else end
            self.put(notice, record, NoticeState.WAITING, plan.problems, due_at=due_at, tries=0, failing_since=None)

    def after(self, plan: HirePlan, former: HireRecord | None, notice: Notice, record: NoticeRecord | None) -> None:
        """End what a plan has dealt with; only once it is written, or a crash in between would lose the hire."""
        awaiting = plan.record.result is Result.AWAITING_ADDRESS
        if plan.problems and not awaiting:
            return
        if record is not None and not plan.waits and not awaiting:
            self.put(notice, record, NoticeState.DONE)
        if former is not None and former.result in (Result.AWAITING_ADDRESS, Result.INVALID):
            # Where an address is still waited for, the newest notice waits, and is asked about, for all.
            self.end(former.notices, {NoticeState.WAITING} if awaiting else OPEN, but=notice.notice_id)

    def end(self, notice_ids: Sequence[str], states: Collection[NoticeState] = OPEN, but: str = "") -> None:
        """End those of some notices that are in one of these states."""
        for notice_id in notice_ids:
            record = self.store.notice(notice_id) if notice_id != but else None
            if record is not None and record.state in states:
                self.put(record.notice, record, NoticeState.DONE, record.problems)
