"""A broken export announces ten thousand hires at once: the guard lets its limit go, and an operator the rest."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from tests.fakes.provider import FakeProvider
from tests.fakes.remaining import FixedTime
from tests.fakes.store import MemoryStore
from tests.unit.use_cases.world import World, a_hire
from usher.domain.hire import HireKey
from usher.domain.invitation import Invitation, InvitationKey, State, Step
from usher.domain.pace import Counters
from usher.domain.planning import HireFile, HirePlan
from usher.domain.policy import Timings
from usher.domain.rate import Rate
from usher.ports import Applied
from usher.use_cases.operate import Approve

HIRES = 10_000
LIMIT = 200
"""What the guard allows in an hour, where the stage says nothing else."""
RATE = Rate(requests=120, per=60)
TIMINGS = Timings(settle=180, absent_reads=2, read_gap=60, provider_tail=60, read_lag=120)


class CountingStore(MemoryStore):
    """The table, which counts what it is asked for: rows for rows, calls for all else."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[str] = Counter()

    def invitations(self, keys: Collection[InvitationKey]) -> dict[InvitationKey, Invitation]:
        """Count rows."""
        self.counts["rows read"] += len(keys)
        return super().invitations(keys)

    def apply(self, steps: Sequence[Step]) -> list[Applied]:
        """Count rows."""
        self.counts["rows written"] += len(steps)
        return super().apply(steps)

    def due(self, lane: str, now: datetime, limit: int) -> list[InvitationKey]:
        """Count what is listed."""
        found = super().due(lane, now, limit)
        self.counts["rows listed"] += len(found)
        return found

    def hire(self, key: HireKey) -> HireFile:
        """Count hires."""
        self.counts["hires read"] += 1
        return super().hire(key)

    def commit(self, plan: HirePlan) -> bool:
        """Count plans."""
        self.counts["plans written"] += 1
        return super().commit(plan)

    def put_counters(self, counters: Counters, seen: Counters) -> bool:
        """Count waves."""
        self.counts["counters written"] += 1
        return super().put_counters(counters, seen)


@dataclass
class Export:
    """The stack while the export comes in: what the provider was asked minute by minute, what the table was asked."""

    store: CountingStore = field(default_factory=CountingStore)
    provider: FakeProvider = field(
        default_factory=lambda: FakeProvider(
            name="atlassian", batch_size=25, tells_members=False, timings=TIMINGS, rate=RATE
        )
    )

    def __post_init__(self) -> None:
        self.world = World(provider=self.provider, store=self.store)
        self.requests: list[int] = []

    def is_announced(self) -> None:
        """Let every hire be announced and planned, as fast as the notices come, twenty minutes before a full hour."""
        self.world.clock.advance(2400)
        for number in range(HIRES):
            self.world.says(a_hire(f"E-{number}"))

    def minutes(self, minutes: int) -> None:
        """Let the sweep and the senders that are woken do their work."""
        world = self.world
        for _ in range(minutes):
            before = len(self.provider.requests)
            world.sweep()
            messages, world.queues.woken = world.queues.woken, []
            for _, keys in messages:
                world.sender(keys, FixedTime(60))
            self.requests.append(len(self.provider.requests) - before)
            world.clock.advance(60)

    def counted(self) -> Counter[str]:
        """Give what was counted since the last time."""
        counts, self.store.counts = self.store.counts, Counter()
        return counts

    def is_approved(self) -> None:
        """Let an operator say that the mass is meant."""
        until = self.world.clock.now() + timedelta(days=1)
        Approve(self.store, self.world.clock)(invitations=None, until=until, actor="ann", reason="a real merger")


def test_of_ten_thousand_hires_the_limit_goes_and_the_rest_once_it_is_approved() -> None:
    """
    Hour after hour no more than the limit goes, then all at the connection's rate; each person is mailed once.

    The table is asked for a bounded number of things for each row: nothing costs the square of the event.
    """
    export = Export()
    export.is_announced()
    assert export.counted() == {"hires read": HIRES, "plans written": HIRES}

    export.minutes(25)
    assert len(export.provider.mails) == LIMIT
    assert export.requests == [2 * LIMIT // 25] + [0] * 24
    # Each row is written when it goes, or once a quarter of an hour when it looks whether it may.
    is_bounded(export.counted(), writes=2)

    export.requests.clear()
    export.is_approved()
    export.minutes(30)
    busy = [requests for requests in export.requests if requests]
    assert busy[:-1] == [RATE.requests // 2] * (len(busy) - 1)
    # Claim and outcome; and a few times a row finds those before it in the line of the rate.
    is_bounded(export.counted(), writes=4)

    assert len(export.provider.mails) == len(set(export.provider.mails)) == HIRES
    rows = export.store.invitations(export.store.rows_in_state(State.INVITED, HIRES)).values()
    assert len(rows) == HIRES
    assert {row.attempts for row in rows} == {1}


def is_bounded(counts: Counter[str], *, writes: int) -> None:
    """Check how often a row is written, and that what is read and listed grows with what is written."""
    assert counts["rows written"] <= writes * HIRES
    assert counts["rows read"] <= 3 * counts["rows written"]
    assert counts["rows listed"] <= 2 * counts["rows written"]
    assert counts["counters written"] <= counts["rows written"] // 25
    assert counts["hires read"] == counts["plans written"] == 0
