"""Complete, order and plan what sources said; every notice ends as rows, a recorded no-match, or a parked notice."""

import base64
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import batched

from usher.domain.address import mailbox_of
from usher.domain.errors import (
    BadEvent,
    DetailsUnavailable,
    Problem,
    QueueUnavailable,
    SecretUnavailable,
    StoreUnavailable,
)
from usher.domain.hire import Change, HireKey, HireRecord, NewHire, Result, Said
from usher.domain.invitation import GuardKey, InvitationKey, NotNow, State
from usher.domain.notice import RECONCILED, Notice, NoticeRecord, NoticeState
from usher.domain.planning import MOST_JOINS, HireFile, HirePlan, Merged, arranged, completed, joining, merged, noted
from usher.domain.policy import Policy, Want
from usher.ports import Clock, Queues, SourceSettings, Store
from usher.use_cases.ask_details import AskDetails
from usher.use_cases.keep_notices import OPEN, KeepNotices

MOST_ROUNDS = 5
"""How often a plan is made again because somebody else wrote the same hire meanwhile."""

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
    details: AskDetails
    notices: KeepNotices
    sources: Mapping[str, SourceSettings]
    queues: Queues | None
    clock: Clock
    digest: Callable[[str], str] = field(repr=False)
    read_again: Callable[[Notice, bytes], Sequence[Notice]]
    """Reads the body of a notice that could not be used, with the code and the settings of today."""
    joins: Mapping[str, Collection[str]] = field(default_factory=dict)
    """Which sources may complete hires of which others."""
    _due: dict[str, list[InvitationKey]] = field(default_factory=dict, init=False, repr=False)
    _noted: dict[str, datetime] = field(default_factory=dict, init=False, repr=False)

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
            self.notices.put(notice, record, NoticeState.IGNORED)
            return Planned.IGNORED
        hire = notice.hire
        if hire is None:
            try:
                hire = self.details(notice)
            except DetailsUnavailable as error:
                problem = Problem("details", str(error))
                if error.final and self._is_taken_back(notice):
                    if record is not None:
                        self.notices.put(notice, record, NoticeState.DONE)
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
                        # Recorded for a plan that a newer word has made needless.
                        self.notices.end([told_by[0].notice_id])
                    return Planned.OLD_NEWS
                continue
            plan = self._plan(file, record)
            if told_by is not None:
                # Parked or waiting notices first: if the process dies before the plan is written, the message comes
                # again and finds them; the other way round it would take the hire for old news and lose the reason.
                self.notices.before(plan, *told_by)
            if self.store.commit(plan):
                if told_by is not None:
                    self.notices.after(plan, file.record, *told_by)
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
            ends = {NoticeState.WAITING} if planned is Planned.AWAITING_ADDRESS else OPEN
            self.notices.end(file.record.notices, ends, but=told_by[0].notice_id)
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

    def _park(self, notice: Notice, record: NoticeRecord | None, problems: Sequence[Problem]) -> Planned:
        self.notices.park(notice, record, problems)
        return Planned.PARKED

    def _wait(
        self, notice: Notice, record: NoticeRecord | None, problem: Problem, retry_after: float | None
    ) -> Planned:
        state = self.notices.wait(notice, record, problem, retry_after)
        return Planned.WAITING if state is NoticeState.WAITING else Planned.PARKED

    def _note_due(self, plan: HirePlan) -> None:
        if self.queues is None:
            return
        now = self.clock.now()
        for row in [*plan.opens, *(step.after for step in plan.steps)]:
            connection = self.policy.connections.get(row.connection)
            if connection and row.state is State.PENDING and row.due_at is not None and row.due_at <= now:
                self._due.setdefault(connection.provider, []).append(row.key)


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
