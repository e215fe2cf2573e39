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
from usher.domain.hire import Change, HireKey, HireRecord, NewHire, Result, as_version
from usher.domain.invitation import GuardKey, InvitationKey, Limits, NotNow, State
from usher.domain.notice import RECONCILED, Notice, NoticeRecord, NoticeState
from usher.domain.planning import HireFile, HirePlan, Merged, arranged, joining, merged, noted
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
MOST_JOINS = 3
"""How many hires may stand one at another: directory at HR system at applicant system."""
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

    Each call raises StoreUnavailable or NotNow where the message must come again, and nothing else.
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
            return self._write(self._spoken_of(hire), hire, (notice, record), again=again)
        except BadEvent as error:
            return self._park(notice, record, error.problems)

    def _is_taken_back(self, notice: Notice) -> bool:
        """Say whether the person of a thin notice was taken back, so that nobody need know them any more."""
        with suppress(ValueError):
            _, file = self._file(HireKey.parse(f"{notice.source}/{notice.subject}"))
            return file.record is not None and file.record.is_cancelled
        return False

    def _read_again(self, notice: Notice) -> Notice:
        body = self.store.sealed_body(notice.notice_id)
        if body is None:
            return notice
        try:
            read = self.read_again(notice, base64.b64decode(body))
        except BadEvent as error:
            return notice.model_copy(update={"problems": error.problems})
        for further in read[1:]:
            self._planned(further, None, again=False)
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

    def _spoken_of(self, said: NewHire) -> HireKey:
        """Give the hire that is spoken of: the speaker's own, or another's that it may complete; raises BadEvent."""
        if said.same_as is None:
            return said.key
        key = HireKey.parse(said.same_as)
        if key.source not in self.joins.get(said.source, ()):
            raise BadEvent(Problem("same_as", "this stage does not let the source complete hires of that one"))
        own = self.store.hire(said.key)
        if own.rows:
            return said.key  # Invited under its own name before anybody knew; that stays as it is.
        plan = joining(own, said.key, key, self.clock.now())
        if plan is not None:
            if not self.store.commit(plan):
                raise StoreUnavailable(f"{said.key} is being written by others")
            self._end_notices(own.record, {NoticeState.WAITING, NoticeState.PARKED})
        return key

    def _file(self, key: HireKey) -> tuple[HireKey, HireFile]:
        """Read a hire, or the one at which it stands."""
        for _ in range(MOST_JOINS):
            file = self.store.hire(key)
            if file.record is None or file.record.joined_to is None:
                return key, file
            key = HireKey.parse(file.record.joined_to)
        raise BadEvent(Problem("same_as", "leads from one hire to another without an end"))

    def _write(
        self,
        key: HireKey,
        said: NewHire | None,
        told_by: tuple[Notice, NoticeRecord | None] | None,
        *,
        again: bool,
    ) -> Planned:
        for _ in range(MOST_ROUNDS):
            key, file = self._file(key)
            merge = self._merged(file, key, said, told_by, again=again)
            if merge is None:
                return Planned.OLD_NEWS
            if not (merge.news or again):
                if merge.record is file.record or self.store.commit(noted(merge.record, file)):
                    return Planned.OLD_NEWS
                continue
            plan = self._plan(file, merge.record)
            if told_by is not None:
                # Parked or waiting notices first: if the process dies before the plan is written, the message comes
                # again and finds them; the other way round it would take the hire for old news and lose the reason.
                self._record_notices(plan, *told_by)
            if self.store.commit(plan):
                if told_by is not None:
                    self._close_notices(plan, file, *told_by)
                self._note_due(plan)
                self.mailbox_freed([holder for _, holder in plan.releases])
                return _result(plan)
        raise StoreUnavailable(f"{key} is being written by too many others at once")

    def _merged(
        self,
        file: HireFile,
        key: HireKey,
        said: NewHire | None,
        told_by: tuple[Notice, NoticeRecord | None] | None,
        *,
        again: bool,
    ) -> Merged | None:
        if said is not None and told_by is not None:
            return merged(file.record, key, said, told_by[0].notice_id, self.clock.now(), again=again)
        return Merged(file.record, news=True) if file.record is not None else None

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
            self._put(notice, record, NoticeState.WAITING, plan.problems, due_at=due_at)

    def _close_notices(self, plan: HirePlan, file: HireFile, notice: Notice, record: NoticeRecord | None) -> None:
        """End what the plan has dealt with; only once it is written, or a crash in between would lose the hire."""
        awaiting = plan.record.result is Result.AWAITING_ADDRESS
        if plan.problems and not awaiting:
            return
        if record is not None and not plan.waits and not awaiting:
            self._put(notice, record, NoticeState.DONE)
        if file.record is not None and file.record.result in (Result.AWAITING_ADDRESS, Result.INVALID):
            # Where an address is still waited for, the newest notice waits, and is asked about, for all.
            ends = {NoticeState.WAITING} if awaiting else {NoticeState.WAITING, NoticeState.PARKED}
            self._end_notices(file.record, ends, but=notice.notice_id)

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
        if self.clock.now() - notice.received_at >= LONGEST_WAIT:
            return self._park(notice, record, (problem,))
        tries = record.tries if record else 0
        pause = timedelta(seconds=retry_after) if retry_after is not None else self.limits.backoff(tries)
        due_at = self.clock.now() + pause
        self._put(notice, record, NoticeState.WAITING, (problem,), due_at=due_at, tries=tries + 1)
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
