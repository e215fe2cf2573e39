"""Rates, daily budgets, told limits and the guard against mass mistakes, kept by the sender over in-memory ports."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, timedelta

import pytest

from tests.fakes.provider import FakeProvider, answering
from tests.fakes.store import MemoryStore
from tests.unit.use_cases.world import NOON, World, a_hire, a_policy
from usher.domain.errors import StoreUnavailable
from usher.domain.hold import UNSETTLED
from usher.domain.invitation import InvitationKey, State
from usher.domain.mass_guard import GuardRules
from usher.domain.outcomes import Ambiguous, LimitedUntil, NotSent, Outcome, ReadFailed, RefusedPerson
from usher.domain.pace import Counters
from usher.domain.policy import Timings
from usher.domain.rate import Rate
from usher.ports import Ask, Call

TOMORROW = datetime(2026, 9, 9, 0, 5, tzinfo=NOON.tzinfo)


def a_world(count: int, *, provider: FakeProvider | None = None, store: MemoryStore | None = None) -> World:
    """A stack with so many hires to invite."""
    world = World(provider=provider or FakeProvider(), store=store or MemoryStore())
    for number in range(count):
        world.says(a_hire(f"E-{number}"))
    return world


def guarded(world: World, **rules: int) -> World:
    """Give the company a guard of its own."""
    assert world.policy is not None
    company = world.policy.company.model_copy(update={"guard": GuardRules(**rules)})
    world.policy = a_policy(world.provider, company=company, version=2)
    return world


def states(world: World, count: int) -> dict[State, int]:
    """Count the rows of a world by state."""
    found = [world.row(f"E-{number}").state for number in range(count)]
    return {state: found.count(state) for state in set(found)}


# --- rate ---


def test_what_the_rate_does_not_let_go_waits_for_its_own_time_without_an_attempt() -> None:
    """Half of the window's requests go at once, each further one has its time."""
    world = a_world(8, provider=FakeProvider(rate=Rate(requests=5, per=60)))
    world.send()

    waiting = [world.row(f"E-{number}") for number in range(8) if world.row(f"E-{number}").state is State.PENDING]
    assert world.provider.count("invite") == 3
    assert sorted(row.due_at - NOON for row in waiting if row.due_at) == [
        timedelta(seconds=20 * n) for n in range(1, 6)
    ]
    assert {(row.attempts, row.fence, row.reason) for row in waiting} == {(0, 0, "at most 5 requests in 60 s")}


def test_however_many_wait_no_window_sees_more_requests_than_the_rate() -> None:
    """Reads and posts alike, over several senders."""
    world = a_world(40, provider=FakeProvider(rate=Rate(requests=6, per=30), tells_members=False))
    times: list[datetime] = []
    for _ in range(1000):
        before = len(world.provider.requests)
        world.send()
        times += [world.clock.now()] * (len(world.provider.requests) - before)
        world.clock.advance(5)

    assert states(world, 40) == {State.INVITED: 40}
    window = timedelta(seconds=30)
    assert max(sum(start <= time < start + window for time in times) for start in times) <= 6


class Busy(MemoryStore):
    """A table whose counters others write all the time."""

    def put_counters(self, counters: Counters, seen: Counters) -> bool:
        """Lose every race."""
        self.lost = getattr(self, "lost", 0) + 1
        return False


def test_who_loses_every_race_for_a_permit_waits_and_burns_nothing() -> None:
    """Five tries, then later."""
    store = Busy()
    world = a_world(2, store=store)
    world.send()

    assert store.lost == 5
    assert world.provider.requests == []
    assert {row.due_at for name in ("E-0", "E-1") for row in world.rows(name)} == {NOON + timedelta(seconds=30)}
    assert world.row("E-0").attempts == 0


class Counting(MemoryStore):
    """A table that counts what is asked of its counters."""

    reads = 0
    writes = 0

    def counters(self, connections: object) -> Counters:
        """Count a read."""
        self.reads += 1
        return super().counters(connections)  # type: ignore[arg-type]

    def put_counters(self, counters: Counters, seen: Counters) -> bool:
        """Count a write."""
        self.writes += 1
        return super().put_counters(counters, seen)


def test_a_wave_costs_one_read_and_one_write_however_many_rows_it_has() -> None:
    """And an invocation one more of each, where a budget must be told what was spent."""
    store = Counting()
    a_world(8, store=store).send()
    assert (store.reads, store.writes) == (1, 1)

    store = Counting()
    a_world(8, store=store, provider=FakeProvider(invites_per_day=100, rate=Rate(requests=100, per=1))).send()
    assert (store.reads, store.writes) == (2, 2)


# --- limits that the provider tells ---


def test_after_a_429_no_request_leaves_before_the_time_told() -> None:
    """Not from the rows of the same wave that wait for a thread, nor from later waves, nor from other senders."""
    world = a_world(30)
    assert world.policy is not None
    main = world.policy.connections["main"].model_copy(update={"concurrency": 1})
    world.policy = a_policy(world.provider, connections={"main": main})
    until = NOON + timedelta(minutes=10)
    for _ in range(3):
        world.provider.answers.append(lambda call, asks: {ask.key: world.provider.accept(ask) for ask in asks})
    world.provider.answers.append(answering(LimitedUntil("too many", until)))
    world.send(seconds=600)
    assert world.provider.count("invite") == 4

    while world.clock.now() < until - timedelta(seconds=30):
        world.clock.advance(30)
        world.send(*[world.row(f"E-{number}").key for number in range(30)])
    assert world.provider.count("invite") == 4
    assert {world.row(f"E-{n}").attempts for n in range(30) if world.row(f"E-{n}").state is State.PENDING} == {0}

    world.until_quiet(seconds=30)
    assert states(world, 30) == {State.INVITED: 30}
    assert len(world.provider.mails) == 30


# --- the budget of a day ---


def test_rows_beyond_the_budget_wait_for_the_next_day_and_burn_nothing() -> None:
    """250 hires at 100 a day take three days, and the provider never has to refuse one."""
    world = a_world(250, provider=FakeProvider(invites_per_day=100))
    mailed: list[int] = []
    for _ in range(3):
        while world.clock.now() < TOMORROW + timedelta(days=len(mailed)) - timedelta(minutes=5):
            world.send()
            world.clock.advance(300)
        mailed.append(len(world.provider.mails))

    assert mailed == [100, 200, 250]
    assert states(world, 250) == {State.INVITED: 250}
    assert {world.row(f"E-{number}").attempts for number in range(250)} == {1}


def test_those_who_start_soonest_go_first() -> None:
    """Of one day's rows, and of those that come again the next day."""
    world = World(provider=FakeProvider(invites_per_day=10))
    for number in range(30):
        world.says(a_hire(f"E-{number}", start_date=date(2026, 10, 30) - timedelta(days=number)))
    world.send()

    invited = {n for n in range(30) if world.row(f"E-{n}").state is State.INVITED}
    assert invited == set(range(22, 30))  # Eight of ten: the rest is kept until the evening.
    world.says(a_hire("E-30", start_date=date(2026, 9, 9)))
    world.send()
    assert world.row("E-30").state is State.INVITED

    world.clock.advance(8 * 3600 + 3600)
    world.send()
    waiting = [world.row(f"E-{n}") for n in range(30) if world.row(f"E-{n}").state is State.PENDING]
    assert len(waiting) == 21
    by_due = sorted(waiting, key=lambda row: row.due_at or NOON)
    assert by_due == sorted(waiting, key=lambda row: row.start_date or date.max)
    assert by_due[0].due_at is not None
    assert by_due[0].due_at >= TOMORROW


@pytest.mark.parametrize("outcome", [NotSent("no connection"), LimitedUntil("too many"), RefusedPerson("no")])
def test_what_certainly_sent_no_mail_is_given_back(outcome: Outcome) -> None:
    """To the budget of the day and to the guard's hour."""
    world = a_world(3, provider=FakeProvider(invites_per_day=100))
    world.provider.answers.extend([answering(outcome)] * 3)
    world.send()

    counters = world.store.counters(["main"])
    assert counters.paces["main"].budget.used == 0
    assert counters.guard.count == 0


def test_what_may_have_sent_a_mail_is_spent() -> None:
    """Nobody knows, so it counts."""
    world = a_world(3, provider=FakeProvider(invites_per_day=100))
    world.provider.answers.extend([answering(Ambiguous("500"))] * 3)
    world.send()

    counters = world.store.counters(["main"])
    assert (counters.paces["main"].budget.spent, counters.paces["main"].budget.reserved) == (3, {})
    assert counters.guard.count == 3


def test_a_budget_is_reserved_under_the_fence_before_the_post() -> None:
    """And what a dead sender reserved runs out by itself."""
    world = a_world(1, provider=FakeProvider(invites_per_day=100))
    seen: list[Counters] = []

    def dies(call: Call, asks: Sequence[Ask]) -> dict[InvitationKey, Outcome]:
        seen.append(world.store.counters(["main"]))
        raise SystemExit

    world.provider.answers.append(dies)
    with pytest.raises(SystemExit):
        world.send(seconds=60)

    assert list(seen[0].paces["main"].budget.reserved) == [f"{world.row('E-0').key}#1"]
    budget = world.store.counters(["main"]).paces["main"].budget
    assert budget.on(world.clock.now()).used == 1
    assert budget.on(world.clock.now() + timedelta(seconds=121)).used == 0


class Failing(MemoryStore):
    """A table that fails at the counters once the calls are made."""

    def put_counters(self, counters: Counters, seen: Counters) -> bool:
        """Fail the second write."""
        if seen.guard.revision:
            raise StoreUnavailable("away")
        return super().put_counters(counters, seen)


def test_an_outcome_is_recorded_although_the_counters_cannot_be_written() -> None:
    """Only accuracy is lost."""
    world = a_world(1, provider=FakeProvider(invites_per_day=100), store=Failing())
    sent = world.send()

    assert world.row("E-0").state is State.INVITED
    assert [type(fault) for fault in sent.faults] == [StoreUnavailable]


# --- the guard against mass mistakes ---


def test_of_a_thousand_hires_of_a_broken_export_at_most_the_limit_is_mailed() -> None:
    """In batches of 25, hour after hour, until somebody approves."""
    timings = Timings(settle=180, absent_reads=2, read_gap=60, provider_tail=60, read_lag=120)
    provider = FakeProvider(name="atlassian", batch_size=25, timings=timings)
    world = a_world(1000, provider=provider)
    for _ in range(20):
        world.send()
        world.clock.advance(600)

    assert len(world.provider.mails) == 200
    waiting = world.row(world.store.rows_in_state(State.PENDING, 1)[0].hire_id)
    assert waiting.reason == "on hold: more invitations in an hour than the guard allows; `usher approve` lets them go"
    assert (waiting.attempts, waiting.fence) == (0, 0)


def test_many_senders_at_once_keep_budget_and_guard_together() -> None:
    """Whoever loses the race for a counter reads it again, or waits."""
    for rules, budget, most in (({"most_per_hour": 20}, None, 20), ({}, 30, 24)):
        world = guarded(a_world(80, provider=FakeProvider(invites_per_day=budget)), **rules)
        keys = [[world.row(f"E-{number}").key for number in range(first, 80, 8)] for first in range(8)]
        for number in range(80):
            world.store.apply_directly(world.row(f"E-{number}").key, start_date=date(2026, 12, 1))
        with ThreadPoolExecutor(8) as senders:
            list(senders.map(lambda chunk, world=world: world.send(*chunk), keys))
        for _ in range(5):
            world.clock.advance(60)
            world.send()

        assert len(world.provider.mails) == most


def test_an_approval_lets_so_many_more_go() -> None:
    """And the rest goes on waiting."""
    world = guarded(a_world(30), most_per_hour=10)
    world.send()
    assert len(world.provider.mails) == 10

    seen = world.store.counters(())
    approved = seen.guard.approving(5, NOON + timedelta(days=1))
    assert world.store.put_counters(Counters(approved, {}).next_to(seen), seen)
    world.clock.advance(900)
    world.send()
    assert len(world.provider.mails) == 15
    assert world.store.counters(()).guard.stopped_at is not None


def test_reads_and_repairs_go_on_while_the_guard_has_stopped() -> None:
    """They send no invitation."""
    world = guarded(a_world(3), most_per_hour=1)
    world.provider.answers.append(answering(Ambiguous("500"), acts=world.provider))
    world.send()
    assert states(world, 3) == {State.AMBIGUOUS: 1, State.PENDING: 2}
    world.clock.advance(91)
    world.send()

    assert states(world, 3) == {State.INVITED: 1, State.PENDING: 2}


def test_an_outage_is_no_mass_of_invitations() -> None:
    """What was not sent is tried again and again, and counts once it is sent."""
    world = guarded(a_world(5), most_per_hour=5)
    world.provider.answers.extend([answering(NotSent("no connection"))] * 20)
    world.until_quiet(seconds=60)

    assert states(world, 5) == {State.INVITED: 5}


# --- too many unsettled ---


def unsettled_world(count: int, lost: int) -> World:
    """A stack whose provider answers nobody any more; `lost` of `count` invitations are sent before it is noticed."""
    world = a_world(count)
    world.provider.answers.extend([answering(Ambiguous("500"), acts=world.provider)] * 1000)
    world.send(*[world.row(f"E-{number}").key for number in range(lost)], seconds=6000)
    return world


def test_new_invitations_stop_while_more_than_fifty_are_unsettled() -> None:
    """Reads go on; when they have settled enough, the rest goes out by itself."""
    world = unsettled_world(200, 51)
    world.send(seconds=6000)
    assert states(world, 200) == {State.AMBIGUOUS: 51, State.PENDING: 149}
    assert {hold.reason for hold in world.store.holds(["main"])} == {"51 invitations are unsettled"}
    assert world.row("E-199").reason == "on hold: 51 invitations are unsettled"
    assert world.row("E-199").attempts == 0

    world.provider.findings.extend([ReadFailed("away")] * 51)
    world.clock.advance(91)
    world.send(seconds=6000)
    assert world.provider.count("invite") == 51

    world.provider.answers.clear()
    world.until_quiet(seconds=30, rounds=100)
    assert states(world, 200) == {State.INVITED: 200}
    assert world.store.holds(["main"]) == []
    assert len(world.provider.mails) == 200


def test_a_tenth_of_the_live_rows_is_too_many_as_well_but_for_a_few() -> None:
    """One lost request of 25 people says little."""
    assert [hold.grant_digest for hold in unsettled_world(200, 26).store.holds(["main"])] == [UNSETTLED]
    assert unsettled_world(200, 25).store.holds(["main"]) == []
    assert unsettled_world(400, 26).store.holds(["main"]) == []
