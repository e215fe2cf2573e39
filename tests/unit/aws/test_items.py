"""What stands in the table, attribute by attribute."""

import json
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from tests.unit.aws.samples import GUARD, NOON, a_claim, a_notice, a_plan, a_recorded, a_row, ended, later
from usher.aws import items
from usher.aws.clients import Clients
from usher.aws.table import DynamoTable
from usher.domain.errors import StoreUnavailable
from usher.domain.hire import HireKey
from usher.domain.hold import Hold
from usher.domain.invitation import LIVE, Attempt, Invitation, State, Step
from usher.domain.notice import NoticeState
from usher.domain.outcomes import Accepted, RefusedPerson
from usher.domain.wanted import unwanted
from usher.ports import Applied


def everything(clients: Clients, table_name: str) -> list[dict[str, Any]]:
    """Read the whole table."""
    return clients.dynamodb.scan(TableName=table_name)["Items"]


def test_no_key_and_no_index_holds_an_address_or_a_name(clients: Clients, table: DynamoTable, table_name: str) -> None:
    """They stand in the attributes that the design names, and nowhere else."""
    table.commit(a_plan(a_row()))
    table.put_notice(a_recorded())

    keys = ("pk", "sk", "due_lane", "due_at", "state_key", "start_date")
    text = json.dumps([[item.get(key) for key in keys] for item in everything(clients, table_name)])
    assert "ann" not in text.lower()
    assert "@" not in text


def test_an_item_of_a_newer_schema_is_left_alone(clients: Clients, table: DynamoTable, table_name: str) -> None:
    """Neither read as if it were understood, nor written."""
    row = a_row()
    table.commit(a_plan(row))
    for pk, sk in (items.row_key(row.key), items.hire_key(row.key.hire)):
        clients.dynamodb.update_item(
            TableName=table_name,
            Key=items.wire({"pk": pk, "sk": sk}),
            UpdateExpression="SET #s = :newer",
            ExpressionAttributeNames={"#s": "schema"},
            ExpressionAttributeValues=items.wire({":newer": 2}),
        )

    assert table.invitations([row.key]) == {}
    assert table.hire(HireKey("canonical", "E-1")).rows == ()
    assert not table.commit(a_plan(seen=1))


def test_an_item_that_is_no_model_is_left_alone_and_stops_no_neighbour(
    clients: Clients, table: DynamoTable, table_name: str
) -> None:
    """Edited by hand; an error about it would repeat the values of a person."""
    rows = [a_row("E-1"), a_row("E-2", guard="d2")]
    for row in rows:
        table.commit(a_plan(row, hire_id=row.hire_id))
    pk, sk = items.row_key(rows[0].key)
    clients.dynamodb.update_item(
        TableName=table_name,
        Key=items.wire({"pk": pk, "sk": sk}),
        UpdateExpression="SET fence = :text",
        ExpressionAttributeValues=items.wire({":text": "no number"}),
    )

    assert list(table.invitations([row.key for row in rows])) == [rows[1].key]


def test_a_mark_beside_an_outcome_does_not_take_the_end_of_a_settled_row(
    clients: Clients, table: DynamoTable, table_name: str
) -> None:
    """Planning saw the row in flight; meanwhile it settled, and will expire after 400 days."""
    row = a_row()
    table.commit(a_plan(row))
    taken = a_claim(row)
    table.apply([taken])
    table.apply([ended(taken.after, Accepted("7", mailed=True))])
    table.commit(a_plan(seen=1, steps=(unwanted(taken.after, hire_version=2, policy_version="1.abc", now=later(2)),)))

    (item,) = [items.unwired(item) for item in everything(clients, table_name) if item["sk"]["S"].startswith("INV#")]
    assert item["state"] == "invited"
    assert item["want"] is False
    assert item["expires_at"] == int(later(1).timestamp()) + 400 * 86400


def test_a_table_that_is_not_there_is_named_not_waited_for(clients: Clients) -> None:
    """The next try would fail too."""
    with pytest.raises(StoreUnavailable, match="ResourceNotFoundException"):
        DynamoTable(clients.dynamodb, "no-such-table").invitations([a_row().key])


def test_a_hire_with_first_days_by_version_is_read_as_it_was_written(table: DynamoTable) -> None:
    """The names of a map are text in the table, and numbers in ours."""
    plan = a_plan(a_row())
    record = plan.record.model_copy(update={"first_days": {1: date(2026, 10, 5), 2: date(2026, 11, 2)}})

    assert table.commit(replace(plan, record=record))
    assert table.hire(record.key).record == record


def test_a_sealed_body_stands_apart_and_expires(clients: Clients, table: DynamoTable, table_name: str) -> None:
    """It is not read with its notice."""
    notice = a_notice(hire=None, change=None, sealed_body="c2VhbGVk")
    table.put_notice(a_recorded().model_copy(update={"notice": notice}))

    found = table.notice(notice.notice_id)
    assert found is not None
    assert found.notice.sealed_body is None
    (body,) = [items.unwired(item) for item in everything(clients, table_name) if item["sk"]["S"] == "BODY"]
    assert body["body"] == "c2VhbGVk"
    assert body["expires_at"] == int(NOON.timestamp()) + 30 * 86400


def test_nothing_that_lives_or_waits_for_a_person_ever_expires() -> None:
    """But what was only planned, after 90 days; settled rows are kept for 400."""
    for state in State:
        row = a_row(state=state, due_at=NOON if state in LIVE else None)
        expires = items.row_item(row)["expires_at"]
        if state in LIVE or state in (State.PARKED, State.DUPLICATE):
            assert expires is None, state
        else:
            days = (expires - int(NOON.timestamp())) / 86400
            assert days == (90 if state is State.PLANNED else 400), state
    assert items.notice_item(a_recorded(state=NoticeState.PARKED))["expires_at"] is None
    assert items.notice_item(a_recorded(state=NoticeState.DONE))["expires_at"] is not None


def test_a_row_with_the_longest_history_is_far_from_the_limit_of_an_item() -> None:
    """400 KiB is the limit; reasons are cut, and only the last attempts are kept."""
    line = Attempt(fence=1, at=NOON, what="invite", outcome="RefusedConnection", reason="x" * 500)
    item = items.row_item(a_row(history=(line,) * 20))

    assert len(json.dumps(items.wire(item))) < 40_000


def test_times_are_text_of_one_width_whose_order_is_the_order_of_time() -> None:
    """With and without parts of a second."""
    moments = [NOON.replace(microsecond=0), NOON, later(0.5), later(60)]

    assert [items.moment(moment) for moment in moments] == sorted(items.moment(moment) for moment in moments)
    assert len({len(items.moment(moment)) for moment in moments}) == 1


def written_over(clients: Clients, table_name: str, key: items.Key, **changes: Any) -> None:
    """Change attributes as a person would, by hand; None takes one away."""
    sets = [f"#{name} = :{name}" for name, value in changes.items() if value is not None]
    removes = [f"#{name}" for name, value in changes.items() if value is None]
    text = [f"SET {', '.join(sets)}"] if sets else []
    text += [f"REMOVE {', '.join(removes)}"] if removes else []
    values: Any = items.wire({f":{name}": value for name, value in changes.items()})
    clients.dynamodb.update_item(
        TableName=table_name,
        Key=items.wire({"pk": key[0], "sk": key[1]}),
        UpdateExpression=" ".join(text),
        ExpressionAttributeNames={f"#{name}": name for name in changes},
        **({"ExpressionAttributeValues": values} if values else {}),
    )


def test_a_step_leaves_a_row_of_a_newer_schema_alone(clients: Clients, table: DynamoTable, table_name: str) -> None:
    """One that releases a mailbox too."""
    rows = [a_row("E-1", state=State.SENDING, owner="w1"), a_row("E-2", guard="d2", state=State.SENDING, owner="w1")]
    for row in rows:
        table.commit(a_plan(row, hire_id=row.hire_id))
        written_over(clients, table_name, items.row_key(row.key), schema=2)
    before = everything(clients, table_name)

    steps = [ended(rows[0], Accepted("7", mailed=True)), ended(rows[1], RefusedPerson("no"))]
    assert table.apply(steps) == [Applied.REFUSED, Applied.REFUSED]
    assert sorted(map(str, everything(clients, table_name))) == sorted(map(str, before))


def test_notices_and_holds_of_a_newer_schema_are_left_alone(
    clients: Clients, table: DynamoTable, table_name: str
) -> None:
    """Neither read nor written over, whatever was seen of them before."""
    hold = Hold(connection="main", reason="no seats", since=NOON, next_probe=later(300))
    table.put_notice(a_recorded())
    table.put_hold(hold, None)
    written_over(clients, table_name, items.notice_key(a_recorded().notice.notice_id), schema=2)
    written_over(clients, table_name, items.hold_key("main", None), schema=2)
    before = everything(clients, table_name)

    assert table.notice(a_recorded().notice.notice_id) is None
    assert table.holds(["main"]) == []
    assert not table.put_notice(a_recorded(revision=2))
    assert not table.put_notice(a_recorded(revision=1))
    assert not table.put_hold(hold.model_copy(update={"probes": 1}), hold)
    assert not table.put_hold(hold, None)
    table.release_hold(hold)
    assert sorted(map(str, everything(clients, table_name))) == sorted(map(str, before))


@pytest.mark.parametrize(
    "changes",
    [{"schema": "two"}, {"schema": None}, {"fence": "no number"}, {"address": None}, {"state": "lost"}, {"grant": 7}],
)
def test_a_row_edited_by_hand_stops_no_neighbour(
    clients: Clients, table: DynamoTable, table_name: str, changes: dict[str, Any]
) -> None:
    """It is no row any more; its neighbours are read and written."""
    rows = [a_row("E-1"), a_row("E-2", guard="d2")]
    for row in rows:
        table.commit(a_plan(row, hire_id=row.hire_id))
    written_over(clients, table_name, items.row_key(rows[0].key), **changes)

    assert list(table.invitations([row.key for row in rows])) == [rows[1].key]
    assert table.hire(rows[0].key.hire).rows == ()
    assert table.apply([unwanted_row(rows[0]), a_claim(rows[1])]) == [Applied.REFUSED, Applied.NOW]


def unwanted_row(row: Invitation) -> Step:
    """Make a step whose condition does not hold."""
    return a_claim(row.model_copy(update={"fence": 7}))


def test_a_guard_edited_by_hand_is_held_by_nobody_known(clients: Clients, table: DynamoTable, table_name: str) -> None:
    """A mailbox of which nobody knows who holds it is not free: the next row is a duplicate that a person looks at."""
    row = a_row()
    table.commit(a_plan(row))
    written_over(clients, table_name, items.guard_key(GUARD), holder=None)

    assert table.guard_holders([GUARD]).keys() == {GUARD}
    assert not table.commit(a_plan(a_row("E-2"), hire_id="E-2"))
