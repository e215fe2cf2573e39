"""
From what a source said to what shall stand in the table: pure, one hire at a time.

`merged` orders what was said, the policy decides, and `arranged` turns wants into rows and steps.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from usher.domain.address import mailbox_of
from usher.domain.errors import BadEvent, Problem
from usher.domain.hire import HireKey, HireRecord, NewHire, Result, unspoken_of
from usher.domain.invitation import IN_FLIGHT, GuardKey, Intent, Invitation, NotNow, State, Step
from usher.domain.policy import Policy, PolicyVersion, Want
from usher.domain.wanted import opened, promoted, rewanted, unplannable, unwanted

KEPT_NOTICES = 20


@dataclass(frozen=True, slots=True)
class HireFile:
    """Everything the table holds of one hire."""

    record: HireRecord | None = None
    rows: tuple[Invitation, ...] = ()


@dataclass(frozen=True, slots=True)
class HirePlan:
    """
    What one transaction writes for one hire, on the condition that the record is still at `seen_revision`.

    `problems` is why the hire could not be planned, `waits` why it must be planned again later.
    """

    record: HireRecord
    seen_revision: int | None
    opens: tuple[Invitation, ...] = ()
    steps: tuple[Step, ...] = ()
    problems: tuple[Problem, ...] = ()
    waits: str | None = None

    @property
    def takes(self) -> tuple[tuple[GuardKey, str], ...]:
        """Guards to take, each with its holder: the hire's connection, whatever the generation."""
        rows = [*self.opens, *(step.after for step in self.steps if step.after.guard != step.before.guard)]
        return tuple((GuardKey(row.connection, row.guard), row.holder) for row in rows if row.guard)

    @property
    def releases(self) -> tuple[tuple[GuardKey, str], ...]:
        """Guards to give back, each on the condition that we hold it."""
        return tuple(
            (GuardKey(step.before.connection, step.before.guard), step.before.holder)
            for step in self.steps
            if step.before.guard and step.after.guard != step.before.guard and not step.before.shares_guard
        )


@dataclass(frozen=True, slots=True)
class Merged:
    """
    What a hire is after one more thing was said of it; `news` is False where that changes nothing for planning.

    An old word may still be worth keeping: what it says of the first day may tell a rehire later.
    """

    record: HireRecord
    news: bool


MOST_JOINS = 3
"""How many hires may complete one another: a directory's the HR system's, and that the applicant system's."""
MOST_OTHERS = 5
"""How many sources beside the first may complete one hire."""


def merged(record: HireRecord | None, said: NewHire, notice_id: str, now: datetime, *, again: bool = False) -> Merged:
    """
    Order what a source said of its own hire: the highest version wins, whatever arrives first.

    A notice that was seen before changes nothing, unless it is planned `again`: what stands behind a thin one may have
    changed since.
    """
    if record is None:
        record = HireRecord(hire=said, result=Result.INVALID, announced_at=now, updated_at=now)
    elif notice_id in record.notices and not again:
        return Merged(record, news=False)
    update = record.news(said)
    if not update and record.notices:
        return Merged(record, news=False)
    update |= {"notices": _with(record.notices, notice_id), "updated_at": now}
    after = record.model_copy(update=update)
    return Merged(after, news=not record.notices or _seen_by_planning(after) != _seen_by_planning(record))


def completed(record: HireRecord | None, key: HireKey, by: HireKey, notice_id: str | None, now: datetime) -> HireRecord:
    """Let the hire `key` be completed by another source's; raises BadEvent where too many do so already."""
    if record is None:
        # Others may speak of a person before the system that announces them does.
        record = HireRecord(hire=unspoken_of(key), result=Result.INVALID, announced_at=now, updated_at=now)
    if str(by) not in record.joined and len(record.joined) >= MOST_OTHERS:
        raise BadEvent(Problem("same_as", f"{MOST_OTHERS} other sources speak of this person already"))
    joined = (*(other for other in record.joined if other != str(by)), str(by))
    notices = _with(record.notices, notice_id) if notice_id else record.notices
    return record.model_copy(
        update={"joined": record.joined if str(by) in record.joined else joined, "notices": notices, "updated_at": now}
    )


def joining(file: HireFile, record: HireRecord, other: HireKey, now: datetime) -> HirePlan | None:
    """Let a hire complete another one, where its rows will stand; None where the table holds all of it already."""
    seen = file.record.revision if file.record else None
    update = {"joined_to": str(other), "result": Result.JOINED, "others": {}}
    joined = record.model_copy(update=update)
    if file.record is not None and joined.model_copy(update={"updated_at": file.record.updated_at}) == file.record:
        return None
    return HirePlan(joined.model_copy(update={"updated_at": now, "revision": (seen or 0) + 1}), seen)


def _with(notices: Sequence[str], notice_id: str) -> tuple[str, ...]:
    return (*(known for known in notices if known != notice_id), notice_id)[-KEPT_NOTICES:]


def _seen_by_planning(record: HireRecord) -> tuple[object, ...]:
    return record.hire, record.effective, record.is_hired, record.is_cancelled, record.same_as


def noted(record: HireRecord, file: HireFile) -> HirePlan:
    """Keep an old word, and change nothing else."""
    seen = file.record.revision if file.record else None
    return HirePlan(record.model_copy(update={"revision": (seen or 0) + 1}), seen)


def arranged(
    file: HireFile,
    record: HireRecord,
    decision: Sequence[Want] | Sequence[Problem],
    policy: Policy,
    *,
    holders: Mapping[GuardKey, str],
    digest: Callable[[str], str],
    now: datetime,
) -> HirePlan:
    """
    Bring the rows of a hire to what the policy decided.

    `digest` keys a mailbox, `holders` tells who holds the guards of the wanted ones. Problems park what would still be
    sent, for what is known of the hire is not what the source says now. Raises NotNow where the hire was planned by a
    newer policy than this one.
    """
    stamp = policy.stamp
    planned_with = file.record.policy_version if file.record else ""
    if planned_with and PolicyVersion.parse(planned_with).number > stamp.number:
        raise NotNow(f"{record.key} was planned by a newer policy ({planned_with})")
    seen = file.record.revision if file.record else None
    hire = record.effective
    cancelled = record.is_cancelled
    if not record.is_hired and not cancelled and not file.rows:
        return HirePlan(_written(record, seen, Result.UNANNOUNCED, str(stamp), now), seen)
    problems = tuple(item for item in decision if isinstance(item, Problem)) if not cancelled else ()
    if problems:
        result = Result.AWAITING_ADDRESS if hire.work_email is None else Result.INVALID
        steps = tuple(
            unplannable(row, reason="; ".join(map(str, problems)), now=now)
            for row in _latest(file.rows)
            # What is to be repaired or renewed goes on, unless it would have to be planned by this policy first.
            if row.state is State.PENDING and (row.intent is Intent.INVITE or row.policy_version != str(stamp))
        )
        return HirePlan(_written(record, seen, result, str(stamp), now), seen, steps=steps, problems=problems)
    wants = {} if cancelled else {item.connection: item for item in decision if isinstance(item, Want)}
    builder = _Builder(record, str(stamp), policy, holders, digest, now)
    for latest in _latest(file.rows):
        builder.follow(latest, wants.pop(latest.connection, None), _formers(file.rows, latest))
    for want in wants.values():
        builder.open(want, generation=1)
    led_to = Result.ROWS if file.rows or builder.opens else Result.NO_RULE
    if file.rows or builder.opens:
        record = record.model_copy(update={"had_rows": True})
    result = Result.CANCELLED if cancelled else led_to
    return HirePlan(
        _written(record, seen, result, str(stamp), now),
        seen,
        opens=tuple(builder.opens),
        steps=tuple(builder.steps),
        waits=builder.waits,
    )


def live_plan(
    file: HireFile,
    rows: Sequence[Invitation],
    *,
    holders: Mapping[GuardKey, str],
    digest: Callable[[str], str],
    now: datetime,
) -> HirePlan:
    """Let planned rows of one hire go live; raises NotNow for a row that is not planned."""
    if file.record is None:
        raise NotNow("there is no record of this hire")
    steps = []
    for row in rows:
        guard = GuardKey(row.connection, digest(mailbox_of(row.address)))
        holder = holders.get(guard)
        held_by = holder if holder not in (None, row.holder) else None
        steps.append(promoted(row, now=now, guard=guard.digest, held_by=held_by, formers=_formers(file.rows, row)))
    record = file.record.model_copy(update={"revision": file.record.revision + 1, "updated_at": now})
    return HirePlan(record, file.record.revision, steps=tuple(steps))


@dataclass(slots=True)
class _Builder:
    """Collects what becomes of each connection of one hire."""

    record: HireRecord
    policy_version: str
    policy: Policy
    holders: Mapping[GuardKey, str]
    digest: Callable[[str], str]
    now: datetime
    opens: list[Invitation] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    waits: str | None = None

    def follow(self, row: Invitation, want: Want | None, formers: Sequence[Invitation]) -> None:
        """Bring the latest generation to what is wanted, or open the next one for a rehire."""
        version = self.record.hire.version
        if want is None:
            if row.want or row.policy_version != self.policy_version or row.hire_version != version:
                self._step(unwanted(row, hire_version=version, policy_version=self.policy_version, now=self.now))
            return
        if self._is_rehire(row):
            if row.state in IN_FLIGHT:
                self.waits = f"the rehire waits until {row.key} is settled"
                return
            self.open(want, generation=row.generation + 1, formers=(*formers, row))
            return
        guard, held_by = self._guard(want)
        self._step(
            rewanted(
                row,
                want,
                hire_version=version,
                policy_version=self.policy_version,
                start_date=self.record.effective.start_date,
                now=self.now,
                live=self.policy.is_live(want.connection),
                guard=guard,
                held_by=held_by,
                formers=formers,
            )
        )

    def open(self, want: Want, *, generation: int, formers: Sequence[Invitation] = ()) -> None:
        """Make a new row; after a former one the provider is asked before anything is posted."""
        guard, held_by = self._guard(want)
        self.opens.append(
            opened(
                self.record.key,
                want,
                generation=generation,
                hire_version=self.record.hire.version,
                policy_version=self.policy_version,
                start_date=self.record.effective.start_date,
                now=self.now,
                live=self.policy.is_live(want.connection),
                guard=guard,
                held_by=held_by,
                looks_first=bool(formers) or self.record.had_rows,
                formers=formers,
            )
        )

    def _is_rehire(self, row: Invitation) -> bool:
        """A person who was taken back after the provider had them: their access may be gone by now."""
        went_out = row.state in IN_FLIGHT or row.state in (State.INVITED, State.ALREADY_MEMBER)
        # What was cancelled before it was settled has perhaps mailed its mailbox, and must keep it.
        went_out = went_out or (row.state is State.CANCELLED and not row.may_post)
        return went_out and not row.want

    def _guard(self, want: Want) -> tuple[str, str | None]:
        digest = self.digest(mailbox_of(want.address))
        holder = self.holders.get(GuardKey(want.connection, digest))
        ours = f"{self.record.key}/{want.connection}"
        return digest, holder if holder not in (None, ours) else None

    def _step(self, step: Step) -> None:
        if step.changes.keys() - {"updated_at"}:
            self.steps.append(step)


def _latest(rows: Sequence[Invitation]) -> list[Invitation]:
    latest: dict[str, Invitation] = {}
    for row in sorted(rows, key=lambda row: row.generation):
        latest[row.connection] = row
    return list(latest.values())


def _formers(rows: Sequence[Invitation], row: Invitation) -> tuple[Invitation, ...]:
    """The earlier generations of a row."""
    return tuple(r for r in rows if r.connection == row.connection and r.generation < row.generation)


def _written(record: HireRecord, seen: int | None, result: Result, stamp: str, now: datetime) -> HireRecord:
    return record.model_copy(
        update={"result": result, "policy_version": stamp, "updated_at": now, "revision": (seen or 0) + 1}
    )
