"""Complete, order and plan what sources said; every notice ends as rows, a recorded no-match, or a parked notice."""

import base64
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import batched

from pydantic import ValidationError

from usher.domain.address import mailbox_of
from usher.domain.errors import (
    BadEvent,
    DetailsUnavailable,
    Problem,
    QueueUnavailable,
    SecretUnavailable,
    StoreUnavailable,
)
from usher.domain.hire import Change, HireKey, HireRecord, NewHire, Result, Said, as_version
from usher.domain.invitation import GuardKey, InvitationKey, Limits, NotNow, State
from usher.domain.notice import RECONCILED, Notice, NoticeRecord, NoticeState
from usher.domain.planning import MOST_JOINS, HireFile, HirePlan, Merged, arranged, completed, joining, merged, noted
from usher.domain.policy import Policy, Want
from usher.domain.waiting import asked_again_at, waits_until
from usher.ports import Clock, Details, Queues, Secrets, SourceSettings, Store

MOST_ROUNDS = 5
"""How often a plan is made again because somebody else wrote the same hire meanwhile."""

REHIRE_PAUSE = timedelta(minutes=15)
LONGEST_WAIT = timedelta(days=7)
"""How long the HR system is asked for the details of a notice before a person must look."""
LEFT_IN_PEACE = timedelta(seconds=15)
"""How long a process does not ask an HR system that did not answer: others of the batch would wait as long."""
ANNOUNCEMENTS_NOTED_EACH = timedelta(hours=1)
MOST_WAITERS = 1000
MOST_KEYS = 25
"""How many rows one wake-up names: as many as one request of a batching provider takes."""


class Planned(StrEnum):
    """What became of one notice."""

    ROWS = "rows"
    NO_RULE = "no_rule"
    CANCELLED = "cancelled"
    UNANNOUNCED = "unannounced"
    PARKED = "parked"
    WAITING = "waiting"
    AWAITING_ADDRESS = "awaiting_address"
    IGNORED = "ignored"
    OLD_NEWS = "old_news"


@dataclass(frozen=True, slots=True)
class PlanInvites:
    """
    Plan one notice, one recorded notice, or one hire again; then `wake_senders`.

    Each call raises StoreUnavailable, QueueUnavailable or NotNow where the message must come again, and nothing else.
    """

    store: Store
    policy: Policy
    details: Mapping[str, Details]
    sources: Mapping[str, SourceSettings]
    secrets: Secrets
    queues: Queues | None
    clock: Clock
    limits: Limits
    digest: Callable[[str], str] = field(repr=False)
    read_again: Callable[[Notice, bytes], Sequence[Notice]]
    """Reads the body of a notice that could not be used, with the code and the settings of today."""
    joins: Mapping[str, Collection[str]] = field(default_factory=dict)
    """Which sources may complete hires of which others."""
    _due: dict[str, list[InvitationKey]] = field(default_factory=dict, init=False, repr=False)
    _noted: dict[str, datetime] = field(default_factory=dict, init=False, repr=False)
    _unanswered: dict[str, datetime] = field(default_factory=dict, init=False, repr=False)
    """Until when the HR system of a source is left in peace by this process."""

    def wake_senders(self) -> None:
        """Wake the providers once for all that was planned since the last call; nothing depends on it."""
        if self.queues is None:
            return
        for provider, keys in self._due.items():
            for chunk in batched(keys, MOST_KEYS, strict=False):
                with suppress(QueueUnavailable):  # The sweep finds the rows.
                    self.queues.wake_sending(provider, chunk)
        self._due.clear()

    def notice(self, notice: Notice) -> Planned:
        """Plan what a source has just said."""
        self._note_announcement(notice)
        return self._planned(notice, self.store.notice(notice.notice_id) if notice.is_thin else None, again=False)

    def recorded(self, notice_id: str) -> Planned:
        """Plan a waiting notice that is due, or a parked one that an operator replays."""
        record = self.store.notice(notice_id)
        if record is None or record.state is not NoticeState.WAITING:
            return Planned.OLD_NEWS
        if record.due_at is not None and record.due_at > self.clock.now():
            return Planned.WAITING  # Somebody has asked meanwhile; a wake-up that comes twice asks nobody twice.
        notice = record.notice
        if notice.problems:
            notice = self._read_again(notice)
        return self._planned(notice, record, again=True)

    def hire(self, key: HireKey) -> Planned:
        """Plan a hire again as it stands: the policy changed, a mailbox became free, a rehire waited."""
        if self.store.hire(key).record is None:
            return Planned.OLD_NEWS
        return self._write(key, None, None, again=True)

    def mailbox_freed(self, holders: Sequence[str]) -> None:
        """Plan those again who waited for a mailbox that these holders gave back."""
        if not holders:
            return
        keys = self.store.rows_in_state(State.DUPLICATE, MOST_WAITERS)
        reasons = {f"the mailbox is held by {holder}" for holder in holders}
        for row in self.store.invitations(keys).values():
            if row.reason in reasons:
                with suppress(NotNow):  # Planned by a newer policy; the sweep wakes it for the code that has that.
                    self.hire(row.key.hire)

    def _note_announcement(self, notice: Notice) -> None:
        """Write once an hour that the feed lives."""
        settings = self.sources.get(notice.source)
        if settings is None or settings.silent_days is None or notice.event == RECONCILED:
            return
        noted = self._noted.get(notice.source)
        if noted is None or notice.received_at >= noted + ANNOUNCEMENTS_NOTED_EACH:
            self.store.note_announcement(notice.source, notice.received_at)
            self._noted[notice.source] = notice.received_at

    def _planned(self, notice: Notice, record: NoticeRecord | None, *, again: bool) -> Planned:
        if notice.problems:
            return self._park(notice, record, notice.problems)
        if notice.change is None:
            self._put(notice, record, NoticeState.IGNORED)
            return Planned.IGNORED
        hire = notice.hire
        if hire is None:
            try:
                hire = self._details(notice)
            except DetailsUnavailable as error:
                problem = Problem("details", str(error))
                if error.final and self._is_taken_back(notice):
                    if record is not None:
                        self._put(notice, record, NoticeState.DONE)
                    return Planned.OLD_NEWS
                if error.final:
                    return self._park(notice, record, (problem,))
                return self._wait(notice, record, problem, error.retry_after)
            except SecretUnavailable as error:
                return self._wait(notice, record, Problem("details", str(error)), None)
            except BadEvent as error:
                return self._park(notice, record, error.problems)
        try:
            return self._write(hire.key, hire, (notice, record), again=again)
        except BadEvent as error:
            return self._park(notice, record, error.problems)

    def _is_taken_back(self, notice: Notice) -> bool:
        """Say whether the person of a thin notice was taken back, so that nobody need know them any more."""
        with suppress(ValueError):
            found = self.store.hire(HireKey.parse(f"{notice.source}/{notice.subject}")).record
            return found is not None and found.is_cancelled
        return False

    def _read_again(self, notice: Notice) -> Notice:
        body = self.store.sealed_body(notice.notice_id)
        if body is None:
            return notice
        try:
            read = self.read_again(notice, base64.b64decode(body))
        except BadEvent as error:
            return notice.model_copy(update={"problems": error.problems})
        if read[1:] and self.queues is not None:
            self.queues.announce(read[1:])  # Each asks for itself, and has an invocation of its own.
        # One that gives nothing any more was a ping, or no hire after all.
        return read[0].model_copy(update={"notice_id": notice.notice_id}) if read else notice

    def _details(self, notice: Notice) -> NewHire:
        """Ask the HR system who the person is; somebody taken back there may be gone, so that needs no details."""
        if notice.change is Change.CANCELLED:
            try:
                return NewHire(
                    source=notice.source,
                    hire_id=notice.subject or "",
                    version=as_version(notice.received_at),
                    change=Change.CANCELLED,
                )
            except ValidationError as error:
                raise BadEvent(Problem("subject", "is not an id that can be used")) from error
        details = self.details.get(notice.source)
        settings = self.sources.get(notice.source)
        if details is None or settings is None:
            raise DetailsUnavailable("this stage has no settings to ask the source for details", final=True)
        left = (notice.received_at + details.stale_for - self.clock.now()).total_seconds()
        if left > 0:
            raise DetailsUnavailable("the HR system may still answer with what was before", retry_after=left)
        now = self.clock.now()
        if (until := self._unanswered.get(notice.source, now)) > now:
            left = (until - now).total_seconds()
            raise DetailsUnavailable("the HR system did not answer a moment ago", retry_after=left)
        secret = self.secrets.get(f"hr-api/{notice.source}")
        try:
            return details.fetch(notice, settings, secret, now)
        except DetailsUnavailable as error:
            if not error.final:
                pause = LEFT_IN_PEACE if error.retry_after is None else timedelta(seconds=error.retry_after)
                self._unanswered[notice.source] = self.clock.now() + pause
            raise

    def _write(
        self,
        key: HireKey,
        said: NewHire | None,
        told_by: tuple[Notice, NoticeRecord | None] | None,
        *,
        again: bool,
        by: HireKey | None = None,
    ) -> Planned:
        """Write what is new of a hire, or that it is completed `by` another; plan it, or the one that it completes."""
        for tries in range(MOST_ROUNDS):
            file = self.store.hire(key)
            merge = self._merged(file, key, said, told_by, by=by, again=again)
            if merge is None:
                return Planned.OLD_NEWS
            target = self._completes(file, merge.record, said)
            if target is not None:
                planned = self._plan_at(target, file, merge, told_by, again=again)
                if planned is None:
                    continue
                return planned
            record = merge.record.model_copy(update={"joined_to": None, "others": self._others(merge.record)})
            former = file.record.joined_to if file.record else None
            if not (merge.news or again or former):
                if merge.record is file.record or self.store.commit(noted(merge.record, file)):
                    if tries and told_by is not None and told_by[0].notice_id not in merge.record.notices:
                        self._end(told_by[0])  # Recorded for a plan that a newer word has made needless.
                    return Planned.OLD_NEWS
                continue
            plan = self._plan(file, record)
            if told_by is not None:
                # Parked or waiting notices first: if the process dies before the plan is written, the message comes
                # again and finds them; the other way round it would take the hire for old news and lose the reason.
                self._record_notices(plan, *told_by)
            if self.store.commit(plan):
                if told_by is not None:
                    self._close_notices(plan, file, *told_by)
                self._note_due(plan)
                self.mailbox_freed([holder for _, holder in plan.releases])
                if former is not None:
                    self._write(HireKey.parse(former), None, None, again=True)
                return _result(plan)
        raise StoreUnavailable(f"{key} is being written by too many others at once")

    def _merged(
        self,
        file: HireFile,
        key: HireKey,
        said: NewHire | None,
        told_by: tuple[Notice, NoticeRecord | None] | None,
        *,
        by: HireKey | None,
        again: bool,
    ) -> Merged | None:
        now = self.clock.now()
        notice_id = told_by[0].notice_id if told_by else None
        if said is not None and notice_id is not None:
            return merged(file.record, said, notice_id, now, again=again)
        if by is not None:
            return Merged(completed(file.record, key, by, notice_id, now), news=True)
        return Merged(file.record, news=True) if file.record is not None else None

    # --- one person, several sources ---

    def _completes(self, file: HireFile, record: HireRecord, said: NewHire | None) -> HireKey | None:
        """Give the hire that this one completes; raises BadEvent for a word that the stage does not let."""
        if record.same_as is None or file.rows:
            return None  # Who was invited under an own name before anybody knew stays there.
        key = HireKey.parse(record.same_as)
        if key == record.key:
            return None
        if key.source in self.joins.get(record.key.source, ()):
            return key
        if said is not None and said.same_as is not None and said.change is not Change.CANCELLED:
            raise BadEvent(Problem("same_as", "this stage does not let the source complete hires of that one"))
        return None

    def _plan_at(
        self,
        target: HireKey,
        file: HireFile,
        merge: Merged,
        told_by: tuple[Notice, NoticeRecord | None] | None,
        *,
        again: bool,
    ) -> Planned | None:
        """Write a hire that completes another, then plan that one with it; None where somebody was faster."""
        key, former = merge.record.key, file.record.joined_to if file.record else None
        pointer = joining(file, merge.record, target, self.clock.now())
        if pointer is not None and not self.store.commit(pointer):
            return None
        if former is not None and former != str(target):
            self._write(HireKey.parse(former), None, None, again=True)
        if pointer is None and not again and self._counts_at(target, merge.record):
            return Planned.OLD_NEWS
        planned = self._write(target, None, told_by, again=True, by=key)
        if file.record is not None and file.record.result in (Result.AWAITING_ADDRESS, Result.INVALID) and told_by:
            # What waited under its own name; where an address is still waited for, the newest notice waits for all.
            ends = {NoticeState.WAITING} if planned is Planned.AWAITING_ADDRESS else _OPEN
            self._end_notices(file.record, ends, but=told_by[0].notice_id)
        return planned

    def _counts_at(self, target: HireKey, record: HireRecord) -> bool:
        """Say whether the other hire was planned with all of this one: a crash may have come in between."""
        other = self.store.hire(target).record
        return other is not None and str(record.key) in other.joined and other.others.get(str(record.key)) == record.own

    def _others(self, record: HireRecord, depth: int = 0) -> dict[str, Said]:
        """Read what completes a hire, and what completes that; who has moved on counts no longer."""
        found: dict[str, Said] = {}
        for text in record.joined if depth < MOST_JOINS else ():
            key = HireKey.parse(text)
            if record.key.source in self.joins.get(key.source, ()):
                other = self.store.hire(key).record
                if other is not None and other.joined_to == str(record.key):
                    found |= {text: other.own, **self._others(other, depth + 1)}
        return found

    def _plan(self, file: HireFile, record: HireRecord) -> HirePlan:
        # A rule without a send time sends as soon as the hire is known, so that planning again moves nothing.
        decision = self.policy.decide(record.effective, record.announced_at)
        wants = [item for item in decision if isinstance(item, Want)]
        keys = {GuardKey(want.connection, self.digest(mailbox_of(want.address))) for want in wants}
        return arranged(
            file,
            record,
            decision,
            self.policy,
            holders=self.store.guard_holders(keys) if keys else {},
            digest=self.digest,
            now=self.clock.now(),
        )

    def _record_notices(self, plan: HirePlan, notice: Notice, record: NoticeRecord | None) -> None:
        if plan.record.result is Result.AWAITING_ADDRESS:
            self._wait_for_address(plan, notice, record)
        elif plan.problems:
            self._put(notice, record, NoticeState.PARKED, plan.problems)
        elif plan.waits:
            due_at = self.clock.now() + REHIRE_PAUSE
            self._put(notice, record, NoticeState.WAITING, (Problem("start_date", plan.waits),), due_at=due_at)

    def _wait_for_address(self, plan: HirePlan, notice: Notice, record: NoticeRecord | None) -> None:
        """Ask again until the first day; where nobody can be asked, wait for another notice until then."""
        end = waits_until(plan.record.effective, notice.received_at, self.policy.company.time_zone)
        due_at = asked_again_at(end, self.clock.now())
        if due_at is None:
            self._put(notice, record, NoticeState.PARKED, (Problem("work_email", "did not come by the first day"),))
        else:
            due_at = due_at if notice.is_thin else end
            self._put(notice, record, NoticeState.WAITING, plan.problems, due_at=due_at, tries=0, failing_since=None)

    def _close_notices(self, plan: HirePlan, file: HireFile, notice: Notice, record: NoticeRecord | None) -> None:
        """End what the plan has dealt with; only once it is written, or a crash in between would lose the hire."""
        awaiting = plan.record.result is Result.AWAITING_ADDRESS
        if plan.problems and not awaiting:
            return
        if record is not None and not plan.waits and not awaiting:
            self._put(notice, record, NoticeState.DONE)
        if file.record is not None and file.record.result in (Result.AWAITING_ADDRESS, Result.INVALID):
            # Where an address is still waited for, the newest notice waits, and is asked about, for all.
            ends = {NoticeState.WAITING} if awaiting else _OPEN
            self._end_notices(file.record, ends, but=notice.notice_id)

    def _end(self, notice: Notice) -> None:
        record = self.store.notice(notice.notice_id)
        if record is not None and record.state in _OPEN:
            self._put(notice, record, NoticeState.DONE, record.problems)

    def _end_notices(self, record: HireRecord | None, states: Collection[NoticeState], but: str = "") -> None:
        for earlier_id in record.notices if record else ():
            earlier = self.store.notice(earlier_id) if earlier_id != but else None
            if earlier is not None and earlier.state in states:
                self._put(earlier.notice, earlier, NoticeState.DONE, earlier.problems)

    def _park(self, notice: Notice, record: NoticeRecord | None, problems: Sequence[Problem]) -> Planned:
        self._put(notice, record, NoticeState.PARKED, tuple(problems))
        return Planned.PARKED

    def _wait(
        self, notice: Notice, record: NoticeRecord | None, problem: Problem, retry_after: float | None
    ) -> Planned:
        now = self.clock.now()
        failing_since = record.failing_since if record and record.failing_since else now
        if now - failing_since >= LONGEST_WAIT:
            return self._park(notice, record, (problem,))
        tries = record.tries if record else 0
        pause = timedelta(seconds=retry_after) if retry_after is not None else self.limits.backoff(tries)
        changes = {"due_at": now + pause, "tries": tries + 1, "failing_since": failing_since}
        self._put(notice, record, NoticeState.WAITING, (problem,), **changes)
        return Planned.WAITING

    def _put(
        self,
        notice: Notice,
        seen: NoticeRecord | None,
        state: NoticeState,
        problems: tuple[Problem, ...] = (),
        **changes: object,
    ) -> None:
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

    def _note_due(self, plan: HirePlan) -> None:
        if self.queues is None:
            return
        now = self.clock.now()
        for row in [*plan.opens, *(step.after for step in plan.steps)]:
            connection = self.policy.connections.get(row.connection)
            if connection and row.state is State.PENDING and row.due_at is not None and row.due_at <= now:
                self._due.setdefault(connection.provider, []).append(row.key)


_OPEN = frozenset({NoticeState.WAITING, NoticeState.PARKED})


def _result(plan: HirePlan) -> Planned:
    if plan.record.result is Result.AWAITING_ADDRESS:
        return Planned.AWAITING_ADDRESS
    if plan.problems:
        return Planned.PARKED
    if plan.waits:
        return Planned.WAITING
    return {
        Result.ROWS: Planned.ROWS,
        Result.NO_RULE: Planned.NO_RULE,
        Result.CANCELLED: Planned.CANCELLED,
        Result.UNANNOUNCED: Planned.UNANNOUNCED,
    }[plan.record.result]
