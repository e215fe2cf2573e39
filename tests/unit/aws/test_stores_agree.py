"""
The store in memory and the table, side by side: whatever is asked of both, in whatever order, they answer the same.

What the fake promises to every other test rests on this. `--hypothesis-profile=nightly` searches for longer.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any, cast

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from tests.fakes.store import MemoryStore
from tests.unit.aws import lanes
from tests.unit.aws.samples import TIMINGS, a_notice, a_record, a_row, a_want, later
from usher.aws.table import DynamoTable
from usher.domain.actual import claim, deferred, lease_ran_out, read, settled, taken_back
from usher.domain.hire import HireKey
from usher.domain.hold import Hold
from usher.domain.invitation import GuardKey, Invitation, InvitationKey, Limits, NotNow, State, Step
from usher.domain.notice import NoticeRecord, NoticeState
from usher.domain.outcomes import (
    Absent,
    Accepted,
    AlreadyInvited,
    AlreadyMember,
    Ambiguous,
    LimitedUntil,
    NotSent,
    Part,
    PartlyAccepted,
    RefusedBatch,
    RefusedConnection,
    RefusedGrant,
    RefusedPerson,
)
from usher.domain.pace import Counters
from usher.domain.planning import HirePlan
from usher.domain.wanted import promoted, rewanted, unparked, unplannable, unwanted
from usher.ports import Store

HIRES = ("E-1", "E-2", "E-3")
CONNECTIONS = ("main", "labs")
DIGESTS = ("d1", "d2", "d3")
NOTICES = (1, 2)
GRANTS = (None, "abc")
GUARDS = [GuardKey(connection, digest) for connection in CONNECTIONS for digest in DIGESTS]
EVERYTHING = later(10**9)

OUTCOMES = (
    Accepted("7", mailed=True),
    PartlyAccepted("7", None, (Part("group", "g"),), "a group failed"),
    AlreadyMember("7", ("role",)),
    AlreadyInvited("7", expired=True),
    RefusedPerson("no"),
    RefusedBatch("no"),
    RefusedGrant("no", perhaps_acted=True),
    RefusedConnection("no"),
    LimitedUntil("slow down", later(900)),
    NotSent("cut off"),
    Ambiguous("500"),
)

Maker = Callable[[Invitation, datetime, Any], Step]


def _settled(row: Invitation, now: datetime, draw: Any) -> Step:
    outcome = draw(st.sampled_from(OUTCOMES), label="outcome")
    return settled(row, outcome, now=now, timings=TIMINGS, limits=Limits(), resend_expired=True, posted_at=now, batch=2)


def _rewanted(row: Invitation, now: datetime, draw: Any) -> Step:
    return rewanted(
        row,
        a_want(connection=row.connection, address=draw(st.sampled_from(["ann@example.com", "a@example.com"]))),
        hire_version=row.hire_version + draw(st.integers(0, 1)),
        policy_version=draw(st.sampled_from(["1.abc", "2.abc"])),
        start_date=draw(st.sampled_from([None, row.start_date])),
        now=now,
        live=draw(st.booleans()),
        guard=draw(st.sampled_from(DIGESTS)),
    )


SENDING: dict[str, Maker] = {
    "claim": lambda row, now, draw: claim(row, owner="w1", now=now, lease_until=now.replace(second=59)),
    "settled": _settled,
    "deferred": lambda row, now, draw: deferred(row, until=now, reason="on hold", now=now),
    "taken back": lambda row, now, draw: taken_back(row, now=now),
    "lease ran out": lambda row, now, draw: lease_ran_out(row, now=EVERYTHING, timings=TIMINGS),
    "read": lambda row, now, draw: read(
        row, Absent(), now=EVERYTHING, timings=TIMINGS, limits=Limits(), resend_expired=True
    ),
    "unparked": lambda row, now, draw: unparked(row, now=now, timings=TIMINGS),
}
PLANNING: dict[str, Maker] = {
    "rewanted": _rewanted,
    "unwanted": lambda row, now, draw: unwanted(
        row, hire_version=row.hire_version + 1, policy_version="1.abc", now=now
    ),
    "promoted": lambda row, now, draw: promoted(row, now=now, guard=draw(st.sampled_from(DIGESTS))),
    "unplannable": lambda row, now, draw: unplannable(row, reason="no address", now=now),
}


class Both(RuleBasedStateMachine):
    """Asks two stores the same; what was ever seen may be used again, however old it is by then."""

    def __init__(self, table: Store) -> None:
        super().__init__()
        self.memory: Store = MemoryStore()
        self.table = table
        self.second = 0
        self.seen: list[Invitation] = []
        self.holds_seen: list[Hold] = []
        self.notices: dict[int, int] = {}
        self.counters_seen: list[Counters] = []

    def both[Answer](self, ask: Callable[[Store], Answer]) -> Answer:
        """Ask both; gives what they agree on."""
        expected, found = ask(self.memory), ask(self.table)
        assert found == expected
        return expected

    def now(self) -> datetime:
        """Let a second pass."""
        self.second += 1
        return later(self.second)

    def steps(self, data: st.DataObject, makers: dict[str, Maker], rows: list[Invitation]) -> list[Step]:
        """Make what the rules allow for rows as they were once seen; one step for each row."""
        made: dict[InvitationKey, Step] = {}
        chosen = data.draw(st.lists(st.sampled_from(rows[::-1]), min_size=1, max_size=4), label="rows")
        for row in chosen:
            maker = makers[data.draw(st.sampled_from(sorted(makers)), label="step")]
            try:
                step = maker(row, self.now(), data.draw)
            except NotNow:
                continue
            if step.changes.keys() - {"updated_at"}:
                made[row.key] = step
        return list(made.values())

    @rule(
        hire_id=st.sampled_from(HIRES),
        opened=st.sets(st.sampled_from(CONNECTIONS)),
        guard=st.sampled_from([None, *DIGESTS]),
        generation=st.integers(1, 2),
        stale=st.booleans(),
        data=st.data(),
    )
    def plan(
        self, hire_id: str, opened: set[str], guard: str | None, generation: int, stale: bool, data: st.DataObject
    ) -> None:
        """Commit what opens rows, changes rows, or both."""
        file = self.both(lambda store: store.hire(HireKey("canonical", hire_id)))
        revision = file.record.revision if file.record else 0
        seen = max(revision - 1, 0) if stale else revision
        rows = [row for row in self.seen if row.hire_id == hire_id]
        changes: bool = data.draw(st.booleans(), label="with steps")
        steps = self.steps(data, PLANNING, rows) if rows and changes else []
        planned = {step.before.connection for step in steps}
        opens = [
            a_row(hire_id, guard).model_copy(update={"connection": name, "generation": generation})
            for name in sorted(opened - planned)
        ]
        record = a_record(hire_id, revision=seen + 1, updated_at=self.now())
        self._commit(HirePlan(record, seen or None, opens=tuple(opens), steps=tuple(steps)), again=data)

    def _commit(self, plan: HirePlan, again: st.DataObject) -> None:
        if len({step.before.connection for step in plan.steps}) < len(plan.steps):
            return  # Two generations of one connection never stand in one plan; their guard would be named twice.
        self.both(lambda store: store.commit(plan))
        if again.draw(st.booleans(), label="answer lost"):
            self.both(lambda store: store.commit(plan))
        self._remember([*(row.key for row in plan.opens), *(step.key for step in plan.steps)])

    @precondition(lambda self: self.seen)
    @rule(data=st.data())
    def send(self, data: st.DataObject) -> None:
        """Apply what a sender, an operator or the sweep would, to several rows at once."""
        steps = self.steps(data, SENDING | PLANNING, self.seen)
        self.both(lambda store: store.apply(steps))
        if data.draw(st.booleans(), label="answer lost"):
            self.both(lambda store: store.apply(steps))
        self._remember([step.key for step in steps])

    def _remember(self, keys: list[InvitationKey]) -> None:
        self.seen += self.both(lambda store: store.invitations(keys)).values()

    @rule(
        number=st.sampled_from(NOTICES),
        state=st.sampled_from(NoticeState),
        ahead=st.integers(0, 2),
        waits=st.booleans(),
        body=st.sampled_from([None, "c2VhbGVk"]),
    )
    def note(self, number: int, state: NoticeState, ahead: int, waits: bool, body: str | None) -> None:
        """Record a notice at the next revision, or at a wrong one."""
        now = self.now()
        record = NoticeRecord(
            notice=a_notice(number, sealed_body=body),
            state=state,
            due_at=now if waits else None,
            updated_at=now,
            revision=max(1, self.notices.get(number, 0) + ahead),
        )
        if self.both(lambda store: store.put_notice(record)):
            self.notices[number] = record.revision

    @rule(
        digest=st.sampled_from(GRANTS),
        probes=st.integers(0, 1),
        reason=st.sampled_from(["no seats", "a bad token"]),
        data=st.data(),
    )
    def hold(self, digest: str | None, probes: int, reason: str, data: st.DataObject) -> None:
        """Place or move a hold, as it is or as it once was."""
        known = [hold for hold in self.holds_seen if hold.grant_digest == digest]
        seen = data.draw(st.sampled_from([*known[::-1], None]), label="seen")
        hold = Hold(
            connection="main",
            grant_digest=digest,
            reason=reason,
            since=later(0),
            next_probe=later(data.draw(st.integers(0, 1), label="next probe")),
            probes=probes,
        )
        self.both(lambda store: store.put_hold(hold, seen))
        self.holds_seen.append(hold)

    @precondition(lambda self: self.holds_seen)
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        """End a hold, as it is or as it once was."""
        hold = data.draw(st.sampled_from(self.holds_seen), label="hold")
        self.both(lambda store: store.release_hold(hold))

    @rule(counted=st.sets(st.sampled_from(CONNECTIONS)), guarded=st.booleans(), data=st.data())
    def count(self, counted: set[str], guarded: bool, data: st.DataObject) -> None:
        """Write counters over what is seen now, or was once seen."""
        self.counters_seen.append(self.both(lambda store: store.counters(CONNECTIONS)))
        seen = data.draw(st.sampled_from(self.counters_seen[::-1]), label="seen")
        now = self.now()
        paces = {
            name: pace.model_copy(update={"arrival": now}) if name in counted else pace
            for name, pace in seen.paces.items()
        }
        guard = seen.guard.model_copy(update={"count": seen.guard.count + 1}) if guarded else seen.guard
        counters = Counters(guard, paces).next_to(seen)
        self.both(lambda store: store.put_counters(counters, seen))

    @rule(limit=st.integers(0, 3), connection=st.sampled_from(CONNECTIONS), state=st.sampled_from(State))
    def look(self, limit: int, connection: str, state: State) -> None:
        """Ask for lists that end early. Which of those due at one moment come first is nobody's promise."""
        now = self.now()
        self.both(lambda store: len(store.due(connection, now, limit)))
        self.both(lambda store: len(store.due_notices(now, limit)))
        self.both(lambda store: len(store.rows_in_state(state, limit)))

    def teardown(self) -> None:
        """Compare everything that can be read."""
        keys = [row.key for row in self.seen]
        self.both(lambda store: store.invitations(keys))
        for hire_id in HIRES:
            self.both(lambda store, hire_id=hire_id: store.hire(HireKey("canonical", hire_id)))  # type: ignore[misc]
        self.both(lambda store: store.guard_holders(GUARDS))
        self.both(lambda store: store.counters(CONNECTIONS))
        self.both(lambda store: sorted(store.holds(CONNECTIONS), key=repr))
        for number in NOTICES:
            name = a_notice(number).notice_id
            self.both(lambda store, name=name: (store.notice(name), store.sealed_body(name)))  # type: ignore[misc]
        self.both(lambda store: [sorted(store.due(name, EVERYTHING, 99)) for name in CONNECTIONS])
        self.both(lambda store: store.due_notices(EVERYTHING, 99))
        self.both(lambda store: [sorted(store.rows_in_state(state, 99)) for state in State])
        self.both(lambda store: [store.notices_in_state(state, 99) for state in NoticeState])


@pytest.mark.parametrize("lane", lanes.EMULATORS)
def test_the_store_in_memory_and_the_table_answer_the_same(request: pytest.FixtureRequest, lane: str) -> None:
    """Plans, steps, notices and holds in any order; old ones too, and again where an answer was lost."""
    client = lanes.clients_at(request.getfixturevalue(lane)).dynamodb
    shorter = settings(max_examples=settings().max_examples // 5, stateful_step_count=25)

    def fresh() -> Both:
        return Both(DynamoTable(client, lanes.new_table(client)))

    run_state_machine_as_test(cast("Any", fresh), settings=shorter)
    client.close()
