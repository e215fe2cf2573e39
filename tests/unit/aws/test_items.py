"""What stands in the table, attribute by attribute."""

import json
from typing import Any

import pytest

from tests.unit.aws.test_stores import NOON, a_claim, a_notice, a_plan, a_recorded, a_row, ended, later
from usher.aws import items
from usher.aws.clients import Clients
from usher.aws.table import DynamoTable
from usher.domain.errors import StoreUnavailable
from usher.domain.hire import HireKey
from usher.domain.invitation import LIVE, Attempt, State
from usher.domain.notice import NoticeState
from usher.domain.outcomes import Accepted
from usher.domain.wanted import unwanted


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
