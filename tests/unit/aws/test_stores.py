"""One suite for every store: what the port promises, the one in memory and the DynamoDB table keep."""

from datetime import date

import pytest

from tests.unit.aws.samples import (
    GUARD,
    NOON,
    TIMINGS,
    a_claim,
    a_plan,
    a_record,
    a_row,
    a_want,
    ended,
    later,
    stored,
)
from usher.domain.actual import claim, deferred, settled, taken_back
from usher.domain.hire import HireKey
from usher.domain.invitation import Attempt, GuardKey, Intent, InvitationKey, Limits, State
from usher.domain.outcomes import Accepted, NotSent, Part, PartlyAccepted, RefusedPerson
from usher.domain.planning import HirePlan
from usher.domain.wanted import rewanted, unwanted
from usher.ports import Applied, Store


def test_a_row_comes_back_exactly_as_it_was_written(store: Store) -> None:
    """Every attribute, with its type, and what is absent stays absent."""
    row = a_row()
    full = row.model_copy(
        update={
            "state": State.AMBIGUOUS,
            "intent": Intent.REPAIR,
            "fence": 3,
            "owner": "w1",
            "sent_address": "ann@example.com",
            "sent_grant": row.grant,
            "posted_at": NOON,
            "ambiguous_since": NOON,
            "mailed": None,
            "open_parts": (Part("group", "g"), Part("role", "ari:x", "user")),
            "drift": ("a", "b"),
            "history": (Attempt(fence=1, at=NOON, what="invite", outcome="Ambiguous", reason="500"),),
            "due_at": later(90),
        }
    )
    other = a_row("E-2", guard=None, start_date=None)
    assert store.commit(a_plan(full))
    assert store.commit(a_plan(other, hire_id="E-2"))

    assert stored(store, full) == full
    assert stored(store, other) == other
    assert store.invitations([InvitationKey("canonical", "E-9", "main")]) == {}


def test_a_hire_is_read_with_its_record_and_all_its_rows(store: Store) -> None:
    """In one read."""
    row, second = a_row(), a_row(guard="d2").model_copy(update={"connection": "labs"})
    store.commit(a_plan(row, second))
    file = store.hire(HireKey("canonical", "E-1"))

    assert file.record == a_record()
    assert {found.key for found in file.rows} == {row.key, second.key}
    assert store.hire(HireKey("canonical", "E-9")).record is None


def test_a_plan_is_written_as_a_whole_or_not_at_all(store: Store) -> None:
    """A mailbox that another hire holds stops rows, record and guards alike."""
    store.commit(a_plan(a_row()))
    free = a_row("E-2", guard="d2").model_copy(update={"connection": "labs"})

    assert not store.commit(a_plan(a_row("E-2"), free, hire_id="E-2"))
    assert store.hire(HireKey("canonical", "E-2")).record is None
    assert store.guard_holders([GuardKey("labs", "d2")]) == {}


def test_a_plan_made_on_an_older_record_is_refused(store: Store) -> None:
    """Somebody was faster: read again, plan again."""
    assert store.commit(a_plan())
    assert not store.commit(HirePlan(a_record(updated_at=later(9)), None))
    assert store.commit(HirePlan(a_record(revision=2), 1))
    assert not store.commit(HirePlan(a_record(revision=2, updated_at=later(9)), 1))


def test_a_row_that_exists_is_never_opened_again(store: Store) -> None:
    """Nor is anything else of that plan written."""
    store.commit(a_plan(a_row()))

    assert not store.commit(a_plan(a_row(), seen=1))
    assert store.hire(HireKey("canonical", "E-1")).record == a_record()


def test_a_guard_is_held_by_a_hire_in_a_connection_whatever_the_generation(store: Store) -> None:
    """The next generation takes it over; another hire cannot."""
    row = a_row()
    store.commit(a_plan(row))
    assert store.guard_holders([GUARD]) == {GUARD: row.holder}

    assert store.commit(a_plan(row.model_copy(update={"generation": 2}), seen=1))
    assert not store.commit(a_plan(a_row("E-2"), hire_id="E-2"))


def test_a_plan_moves_a_guard_with_the_address(store: Store) -> None:
    """The new mailbox is taken and the old one given back in one transaction."""
    row = a_row()
    store.commit(a_plan(row))
    step = rewanted(
        row,
        a_want(address="ann.b@example.com"),
        hire_version=2,
        policy_version="1.abc",
        start_date=row.start_date,
        now=later(1),
        live=True,
        guard="d2",
    )
    assert store.commit(a_plan(seen=1, steps=(step,)))

    assert store.guard_holders([GUARD, GuardKey("main", "d2")]) == {GuardKey("main", "d2"): row.holder}
    assert stored(store, row).address == "ann.b@example.com"


def test_a_step_of_a_plan_whose_row_has_moved_on_stops_the_plan(store: Store) -> None:
    """A cancel loses against a claim, and is planned again."""
    row = a_row()
    store.commit(a_plan(row))
    step = unwanted(row, hire_version=2, policy_version="1.abc", now=later(1))
    store.apply([a_claim(row)])

    assert not store.commit(a_plan(seen=1, steps=(step,)))
    assert stored(store, row).state is State.SENDING
    assert store.guard_holders([GUARD]) == {GUARD: row.holder}


def test_beside_a_sender_a_plan_writes_the_wanted_half_and_the_outcome_still_lands(store: Store) -> None:
    """The two halves never overwrite each other."""
    row = a_row()
    store.commit(a_plan(row))
    taken = a_claim(row)
    store.apply([taken])
    mark = unwanted(taken.after, hire_version=2, policy_version="1.abc", now=later(1))
    assert store.commit(a_plan(seen=1, steps=(mark,)))

    assert store.apply([ended(taken.after, Accepted("7", mailed=True))]) == [Applied.NOW]
    final = stored(store, row)
    assert (final.state, final.want, final.hire_version, final.revoke_needed) == (State.INVITED, False, 2, True)


def test_a_claim_is_won_once(store: Store) -> None:
    """The second one finds another owner and fence."""
    row = a_row()
    store.commit(a_plan(row))

    assert store.apply([a_claim(row, "w1")]) == [Applied.NOW]
    assert store.apply([a_claim(row, "w2")]) == [Applied.REFUSED]
    assert stored(store, row).owner == "w1"


def test_our_own_write_whose_answer_was_lost_is_recognised(store: Store) -> None:
    """The SDK sends it again; the condition fails, and the row shows that it is ours."""
    row = a_row()
    store.commit(a_plan(row))
    step = a_claim(row)
    store.apply([step])

    assert store.apply([step]) == [Applied.BEFORE]
    done = ended(step.after, RefusedPerson("no"))
    assert store.apply([done]) == [Applied.NOW]
    assert store.apply([done]) == [Applied.BEFORE]


def test_our_own_plan_whose_answer_was_lost_is_recognised(store: Store) -> None:
    """Planning again would find no news and lose the wake-up."""
    plan = a_plan(a_row())

    assert store.commit(plan)
    assert store.commit(plan)


def test_many_steps_are_judged_one_by_one(store: Store) -> None:
    """Thirty rows in one call: those that moved on are refused, the others stand."""
    rows = [a_row(f"E-{number}", guard=f"d{number}") for number in range(30)]
    for number, row in enumerate(rows):
        store.commit(a_plan(row, hire_id=f"E-{number}"))
    store.apply([a_claim(rows[3], "other"), a_claim(rows[27], "other")])

    verdicts = store.apply([a_claim(row) for row in rows])
    assert [number for number, verdict in enumerate(verdicts) if verdict is Applied.REFUSED] == [3, 27]
    assert verdicts.count(Applied.NOW) == 28


def test_a_step_on_a_row_that_is_gone_is_refused_and_nothing_is_created(store: Store) -> None:
    """A row deleted by hand is never made again by an outcome."""
    row = a_row("E-9")

    assert store.apply([a_claim(row)]) == [Applied.REFUSED]
    assert store.invitations([row.key]) == {}


def test_a_rejection_gives_the_mailbox_back_in_the_same_write(store: Store) -> None:
    """Whoever waits for it can have it at once."""
    row = a_row()
    store.commit(a_plan(row))
    taken = a_claim(row)
    store.apply([taken])
    store.apply([ended(taken.after, RefusedPerson("no"))])

    assert store.guard_holders([GUARD]) == {}
    assert stored(store, row).guard is None
    assert store.commit(a_plan(a_row("E-2"), hire_id="E-2"))


def test_a_row_whose_guard_is_gone_can_still_end(store: Store) -> None:
    """Somebody may have deleted it by hand."""
    row = a_row()
    store.commit(a_plan(row.model_copy(update={"guard": None})))
    stored_row = stored(store, row)
    taken = a_claim(stored_row)
    store.apply([taken])
    step = ended(taken.after.model_copy(update={"guard": "d1"}), RefusedPerson("no"))

    assert store.apply([step]) == [Applied.NOW]


def test_a_rejection_that_lost_its_condition_keeps_the_mailbox(store: Store) -> None:
    """A superseded owner changes nothing."""
    row = a_row()
    store.commit(a_plan(row))
    stale = ended(a_claim(row, "dead").after, RefusedPerson("no"))
    store.apply([a_claim(row)])

    assert store.apply([stale]) == [Applied.REFUSED]
    assert store.guard_holders([GUARD]) == {GUARD: row.holder}


def test_a_row_is_in_the_due_index_exactly_while_it_is_live(store: Store) -> None:
    """Soonest first, per connection, up to now."""
    first, second = a_row("E-1", guard="d1"), a_row("E-2", guard="d2", due_at=later(-60))
    far = a_row("E-3", guard="d3", due_at=later(3600))
    for row in (first, second, far):
        store.commit(a_plan(row, hire_id=row.hire_id))

    assert store.due("main", NOON, 10) == [second.key, first.key]
    assert store.due("main", NOON, 1) == [second.key]
    assert store.due("labs", NOON, 10) == []
    taken = a_claim(first)
    store.apply([taken])
    assert first.key not in store.due("main", NOON, 10)
    assert first.key in store.due("main", later(40), 10)
    store.apply([ended(taken.after, Accepted("7", mailed=True))])
    assert first.key not in store.due("main", later(9999), 10)


def test_a_deferred_row_moves_in_the_due_index(store: Store) -> None:
    """And keeps its reason."""
    row = a_row()
    store.commit(a_plan(row))
    store.apply([deferred(row, until=later(300), reason="on hold", now=NOON)])

    assert store.due("main", later(299), 10) == []
    assert store.due("main", later(300), 10) == [row.key]
    assert stored(store, row).reason == "on hold"


def test_rows_are_listed_by_state_in_the_order_of_their_start_dates(store: Store) -> None:
    """Those without one come last."""
    dates = {"E-1": date(2026, 12, 1), "E-2": None, "E-3": date(2026, 9, 14)}
    for hire_id, day in dates.items():
        store.commit(a_plan(a_row(hire_id, guard=hire_id, start_date=day), hire_id=hire_id))

    assert [key.hire_id for key in store.rows_in_state(State.PENDING, 10)] == ["E-3", "E-1", "E-2"]
    assert len(store.rows_in_state(State.PENDING, 2)) == 2
    assert store.rows_in_state(State.PLANNED, 10) == []


def test_a_half_success_and_a_step_back_are_stored_with_what_is_open(store: Store) -> None:
    """Attributes come and go with the steps."""
    row = a_row()
    store.commit(a_plan(row))
    taken = a_claim(row)
    store.apply([taken])
    half = ended(taken.after, PartlyAccepted("7", None, (Part("group", "g"),), "a group failed"))
    store.apply([half])

    assert stored(store, row) == half.after
    again = claim(half.after, owner="w2", now=later(60), lease_until=later(100))
    store.apply([again])
    back = settled(
        again.after, NotSent("refused"), now=later(61), timings=TIMINGS, limits=Limits(), resend_expired=True
    )
    store.apply([back])
    assert stored(store, row) == back.after


def test_a_due_row_that_nobody_wants_is_cancelled_and_its_mailbox_is_free(store: Store) -> None:
    """In one write."""
    row = a_row(want=False)
    store.commit(a_plan(row))

    assert store.apply([taken_back(row, now=NOON)]) == [Applied.NOW]
    assert stored(store, row).state is State.CANCELLED
    assert store.guard_holders([GUARD]) == {}


@pytest.mark.parametrize("hire_id", ["E-1", "a.b:c_d-e", "0001"])
def test_keys_hold_ids_alone(store: Store, hire_id: str) -> None:
    """And come back as the same keys."""
    row = a_row(hire_id)
    store.commit(a_plan(row, hire_id=hire_id))

    assert store.due("main", NOON, 10) == [row.key]
