"""Bugs of the protocol, seeded one at a time: each replaces one decision of the code while a campaign runs."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime, timedelta
from typing import Any, Protocol
from unittest.mock import patch

from tests.simulation.ports import ProcessStore
from usher.domain import actual, invitation, planning, wanted
from usher.domain.hire import HireRecord, NewHire
from usher.domain.invitation import GUARDED_FIELDS, Guarded, Intent, Invitation, State, Step
from usher.domain.notice import NoticeState
from usher.domain.outcomes import Ambiguous, Finding, LimitedUntil, NotSent, Outcome, RefusedBatch, RefusedGrant
from usher.domain.pace import Wait
from usher.domain.planning import HirePlan, Merged, merged
from usher.domain.policy import Connection, Timings, Want
from usher.ports import Applied, Ask
from usher.use_cases import call_provider, operate, plan_invites, send_invites
from usher.use_cases.keep_notices import KeepNotices
from usher.use_cases.send_invites import SendInvites


class Mutant(Protocol):
    """A bug that is there while its context lasts."""

    __name__: str

    def __call__(self) -> AbstractContextManager[None]:
        """Put the bug in."""


_settled = actual.settled
_read = actual.read
_claim = actual.claim
_wait = SendInvites._wait
_apply = ProcessStore.apply
_without_want = invitation.without_want


def _with(step: Step, **changes: Any) -> Step:
    return Step(step.before, step.after.model_copy(update=changes), step.guarded)


@contextmanager
def settle_is_skipped() -> Iterator[None]:
    """An ambiguous row is read at once."""
    hasty = {"settle": 0.001, "absent_reads": 1}

    def settled(row: Invitation, outcome: Outcome, *, timings: Timings, **rest: Any) -> Step:
        return _settled(row, outcome, timings=timings.model_copy(update=hasty), **rest)

    def read(row: Invitation, finding: Finding, *, timings: Timings, **rest: Any) -> Step:
        return _read(row, finding, timings=timings.model_copy(update=hasty), **rest)

    with (
        patch.object(send_invites, "settled", settled),
        patch.object(send_invites, "read", read),
        patch.object(SendInvites, "_wait", _wait_of_the_pending),
    ):
        yield


def _wait_of_the_pending(self: SendInvites, row: Invitation, connection: Connection, now: datetime) -> Wait | None:
    return _wait(self, row, connection, now) if row.state is State.PENDING else None


@contextmanager
def settle_is_too_short() -> Iterator[None]:
    """A late effect lands after the read that decides."""

    def read(row: Invitation, finding: Finding, *, timings: Timings, **rest: Any) -> Step:
        return _read(row, finding, timings=timings.model_copy(update={"settle": 30}), **rest)

    def settled(row: Invitation, outcome: Outcome, *, timings: Timings, **rest: Any) -> Step:
        return _settled(row, outcome, timings=timings.model_copy(update={"settle": 30}), **rest)

    with (
        patch.object(send_invites, "settled", settled),
        patch.object(send_invites, "read", read),
        patch.object(SendInvites, "_wait", _wait_of_the_pending),
    ):
        yield


@contextmanager
def an_unknown_answer_is_safe() -> Iterator[None]:
    """A 500 is taken for a request that was not sent."""

    def settled(row: Invitation, outcome: Outcome, **rest: Any) -> Step:
        return _settled(row, NotSent("500") if isinstance(outcome, Ambiguous) else outcome, **rest)

    with patch.object(send_invites, "settled", settled):
        yield


@contextmanager
def a_refusal_is_believed() -> Iterator[None]:
    """What was refused is taken for not acted upon."""

    def settled(row: Invitation, outcome: Outcome, **rest: Any) -> Step:
        match outcome:
            case LimitedUntil(reason) | RefusedGrant(reason) | RefusedBatch(reason):
                return _settled(row, NotSent(reason), **rest)
        return _settled(row, outcome, **rest)

    with patch.object(send_invites, "settled", settled):
        yield


@contextmanager
def the_lease_is_too_short() -> Iterator[None]:
    """A sender is taken for gone while it still works."""

    def claim(row: Invitation, *, owner: str, now: Any, lease_until: Any) -> Step:
        return _claim(row, owner=owner, now=now, lease_until=now + timedelta(seconds=5))

    with patch.object(send_invites, "claim", claim):
        yield


@contextmanager
def a_read_asks_for_the_new_address() -> Iterator[None]:
    """What is wanted by now, not what was sent."""

    def ask(row: Invitation) -> Ask:
        return Ask(row.key, row.address, row.sent_grant or row.grant, row.provider_ref, row.open_parts)

    with patch.object(call_provider, "_ask", ask):
        yield


@contextmanager
def news_makes_an_ambiguous_row_due() -> Iterator[None]:
    """Planning moves the due time of a row in flight, and reading trusts the due time."""
    rewanted = wanted.rewanted

    def hurried(row: Invitation, want: Want, *, now: Any, **rest: Any) -> Step:
        step = rewanted(row, want, now=now, **rest)
        return _with(step, due_at=now) if row.state is State.AMBIGUOUS else step

    def read(row: Invitation, finding: Finding, *, timings: Timings, **rest: Any) -> Step:
        return _read(row, finding, timings=timings.model_copy(update={"settle": 0.001, "read_gap": 0}), **rest)

    with (
        patch.object(planning, "rewanted", hurried),
        patch.object(send_invites, "read", read),
        patch.object(SendInvites, "_wait", _wait_of_the_pending),
    ):
        yield


@contextmanager
def the_last_write_is_unconditional() -> Iterator[None]:
    """Whoever records last wins."""
    with patch.dict(GUARDED_FIELDS, {Guarded.RECORDING: (), Guarded.REJECTING: ()}):
        yield


@contextmanager
def a_cancel_frees_every_mailbox() -> Iterator[None]:
    """Also one that was perhaps mailed."""

    def without_want(row: Invitation) -> dict[str, Any]:
        return _without_want(row) | {"guard": None}

    with patch.object(wanted, "without_want", without_want), patch.object(actual, "without_want", without_want):
        yield


@contextmanager
def an_ambiguous_row_may_be_cancelled() -> Iterator[None]:
    """A row in flight is cancelled like one that waits."""
    unwanted = wanted.unwanted

    def cancelled(row: Invitation, *, hire_version: int, policy_version: str, now: Any) -> Step:
        step = unwanted(row, hire_version=hire_version, policy_version=policy_version, now=now)
        if row.state is not State.AMBIGUOUS:
            return step
        changes = {"state": State.CANCELLED, "due_at": None, "guard": None}
        return Step(row, step.after.model_copy(update=changes), Guarded.PLANNING)

    with patch.object(planning, "unwanted", cancelled):
        yield


@contextmanager
def the_fence_is_not_raised() -> Iterator[None]:
    """Two claims look alike."""

    def claim(row: Invitation, **rest: Any) -> Step:
        return _with(_claim(row, **rest), fence=row.fence)

    with patch.object(send_invites, "claim", claim):
        yield


@contextmanager
def absent_once_is_enough() -> Iterator[None]:
    """One read of a directory that lags decides."""

    def read(row: Invitation, finding: Finding, *, timings: Timings, **rest: Any) -> Step:
        return _read(row, finding, timings=timings.model_copy(update={"absent_reads": 1}), **rest)

    with patch.object(send_invites, "read", read):
        yield


@contextmanager
def a_notice_ends_before_its_plan_stands() -> Iterator[None]:
    """Done first, committed second: a crash in between loses the hire."""

    def close(self: KeepNotices, plan: HirePlan, notice: Any, record: Any) -> None:
        if record is not None and not plan.problems and not plan.waits:
            self.put(notice, record, NoticeState.DONE)
        else:
            before(self, plan, notice, record)

    before = KeepNotices.before
    with patch.object(KeepNotices, "before", close):
        yield


@contextmanager
def a_repair_releases_the_mailbox() -> Iterator[None]:
    """The guard goes once the access is complete."""

    def settled(row: Invitation, outcome: Outcome, **rest: Any) -> Step:
        step = _settled(row, outcome, **rest)
        return _with(step, guard=None) if row.intent is Intent.REPAIR and step.after.state is State.INVITED else step

    with patch.object(send_invites, "settled", settled):
        yield


@contextmanager
def a_rehire_is_not_looked_up() -> Iterator[None]:
    """A new generation posts at once."""
    opened = wanted.opened

    def blind(*arguments: Any, **rest: Any) -> Invitation:
        return opened(*arguments, **rest).model_copy(update={"looks_first": False, "posted_at": None})

    with patch.object(planning, "opened", blind):
        yield


@contextmanager
def the_last_to_arrive_wins() -> Iterator[None]:
    """Versions are ignored."""

    def careless(record: HireRecord | None, said: NewHire, *arguments: Any, **rest: Any) -> Merged:
        if record is None:
            return merged(record, said, *arguments, **rest)
        low = {"hired_version": 0, "cancelled_version": 0, "work_email_version": 0}
        older = record.model_copy(update=low | {"hire": record.hire.model_copy(update={"version": 1})})
        return merged(older, said.model_copy(update={"version": 2}), *arguments, **rest)

    with patch.object(plan_invites, "merged", careless):
        yield


@contextmanager
def a_claim_need_not_stand() -> Iterator[None]:
    """The POST goes out whether the claim was written or not."""

    def apply(store: ProcessStore, steps: Sequence[Step]) -> list[Applied]:
        verdicts = _apply(store, steps)
        return [
            Applied.NOW if step.after.state is State.SENDING else verdict
            for step, verdict in zip(steps, verdicts, strict=True)
        ]

    # For as long as the bug is there, not for one call: processes interleave, and each would restore what it found.
    with patch.object(ProcessStore, "apply", apply):
        yield


@contextmanager
def a_refusal_swallows_a_correction() -> Iterator[None]:
    """A refusal of what was sent is written over what is wanted by now."""
    with patch.dict(GUARDED_FIELDS, {Guarded.REJECTING: GUARDED_FIELDS[Guarded.RECORDING]}):
        yield


@contextmanager
def a_lease_is_never_ended() -> Iterator[None]:
    """A row whose sender died waits for ever."""
    with patch.object(SendInvites, "_is_due", _due_but_leased):
        yield


def _due_but_leased(self: SendInvites, row: Invitation) -> bool:
    return row.state is not State.SENDING and row.due_at is not None and row.due_at <= self.clock.now()


@contextmanager
def a_parked_row_is_sent_at_once() -> Iterator[None]:
    """An operator's take-up forgets what was posted."""
    unparked = wanted.unparked

    def hasty(row: Invitation, *, now: Any, timings: Timings) -> Step:
        step = unparked(row, now=now, timings=timings)
        return _with(step, state=State.PENDING, due_at=now, posted_at=None, ambiguous_since=None)

    with patch.object(operate, "unparked", hasty):
        yield


MUTANTS: tuple[Mutant, ...] = (
    settle_is_skipped,
    settle_is_too_short,
    an_unknown_answer_is_safe,
    a_refusal_is_believed,
    the_lease_is_too_short,
    a_read_asks_for_the_new_address,
    news_makes_an_ambiguous_row_due,
    the_last_write_is_unconditional,
    a_cancel_frees_every_mailbox,
    an_ambiguous_row_may_be_cancelled,
    the_fence_is_not_raised,
    absent_once_is_enough,
    a_notice_ends_before_its_plan_stands,
    a_repair_releases_the_mailbox,
    a_rehire_is_not_looked_up,
    the_last_to_arrive_wins,
    a_claim_need_not_stand,
    a_refusal_swallows_a_correction,
    a_lease_is_never_ended,
    a_parked_row_is_sent_at_once,
)
