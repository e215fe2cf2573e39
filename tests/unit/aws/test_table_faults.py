"""Bad days of the table: throttled, busy, answers lost. Nothing is written twice, and no verdict is made up."""

from collections.abc import Callable
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import EndpointConnectionError

from tests.unit.aws.faults import answering, conflict, error, losing_answers
from tests.unit.aws.samples import (
    GUARD,
    NOON,
    a_claim,
    a_plan,
    a_record,
    a_recorded,
    a_row,
    ended,
    later,
    stored,
)
from usher.aws.clients import Clients
from usher.aws.table import DynamoTable
from usher.domain.errors import StoreUnavailable
from usher.domain.hire import HireKey
from usher.domain.hold import Hold
from usher.domain.invitation import Invitation, InvitationKey, State, Step
from usher.domain.outcomes import RefusedPerson
from usher.ports import Applied, AuditEntry

HOLD = Hold(connection="main", reason="no seats", since=NOON, next_probe=later(300))
REFUSED_WITHOUT_ROW = {"Error": {"Code": "ConditionalCheckFailed"}}


def rows_of(table: DynamoTable, number: int) -> list[Invitation]:
    """Write rows of as many hires."""
    rows = [a_row(f"E-{n}", guard=f"d{n}") for n in range(number)]
    for row in rows:
        assert table.commit(a_plan(row, hire_id=row.hire_id))
    return rows


def a_rejection(table: DynamoTable) -> Step:
    """Write a claimed row, and make the step that ends it and gives its mailbox back."""
    row = a_row(state=State.SENDING, fence=1, owner="w1")
    assert table.commit(a_plan(row))
    return ended(row, RefusedPerson("no"))


# --- answers that get lost ---


def test_a_step_whose_answer_is_lost_on_the_way_is_ours(clients: Clients, table: DynamoTable) -> None:
    """The SDK sends it again; the condition fails, and the row that comes with the failure shows our write."""
    (row,) = rows_of(table, 1)
    losing_answers(clients.dynamodb, "BatchExecuteStatement", 1)

    assert table.apply([a_claim(row)]) == [Applied.BEFORE]


def test_a_transaction_whose_answer_is_lost_on_the_way_is_written_once(clients: Clients, table: DynamoTable) -> None:
    """The SDK sends it again under the same token. A hold is moved by the same kind of write as a notice."""
    losing_answers(clients.dynamodb, "TransactWriteItems", 1)

    assert table.put_notice(a_recorded())
    assert table.notice(a_recorded().notice.notice_id) == a_recorded()


@pytest.fixture
def cut_off(clients: Clients, table_name: str) -> tuple[Any, DynamoTable]:
    """A client that tries once, and a table behind it: to lose one answer is to lose all of them."""
    session, endpoint = clients._session, clients.dynamodb.meta.endpoint_url
    client = session.client("dynamodb", endpoint_url=endpoint, config=Config(retries={"total_max_attempts": 1}))
    return client, DynamoTable(client, table_name)


def test_a_step_of_which_every_answer_is_lost_failed_and_is_ours_when_it_is_tried_again(
    cut_off: tuple[Any, DynamoTable], table: DynamoTable
) -> None:
    """Nobody knew; the next try does."""
    (row,) = rows_of(table, 1)
    client, lossy = cut_off
    losing_answers(client, "BatchExecuteStatement", 1)

    assert lossy.apply([a_claim(row)]) == [Applied.FAILED]
    assert stored(table, row).state is State.SENDING
    assert lossy.apply([a_claim(row)]) == [Applied.BEFORE]


def test_an_ending_of_which_every_answer_is_lost_is_ours_when_it_is_tried_again(
    cut_off: tuple[Any, DynamoTable], table: DynamoTable
) -> None:
    """Its mailbox was given back the first time, and may be somebody else's by now."""
    step = a_rejection(table)
    client, lossy = cut_off
    losing_answers(client, "TransactWriteItems", 1)

    assert lossy.apply([step]) == [Applied.FAILED]
    assert table.commit(a_plan(a_row("E-2"), hire_id="E-2"))
    assert lossy.apply([step]) == [Applied.BEFORE]
    assert table.guard_holders([GUARD]) == {GUARD: a_row("E-2").holder}


def test_a_plan_of_which_every_answer_is_lost_is_ours_when_it_is_tried_again(
    cut_off: tuple[Any, DynamoTable], table: DynamoTable
) -> None:
    """The message comes again, and planning finds its own record."""
    client, lossy = cut_off
    losing_answers(client, "TransactWriteItems", 1)

    with pytest.raises(StoreUnavailable):
        lossy.commit(a_plan(a_row()))
    assert lossy.commit(a_plan(a_row()))


def test_a_notice_of_which_every_answer_is_lost_is_found_at_its_revision(
    cut_off: tuple[Any, DynamoTable], table: DynamoTable
) -> None:
    """It is not written again: whoever comes next reads it first."""
    client, lossy = cut_off
    losing_answers(client, "TransactWriteItems", 1)

    with pytest.raises(StoreUnavailable):
        lossy.put_notice(a_recorded())
    assert not lossy.put_notice(a_recorded())
    assert lossy.notice(a_recorded().notice.notice_id) == a_recorded()


# --- steps that the table does not take ---


@pytest.mark.parametrize("code", ["ThrottlingError", "ProvisionedThroughputExceeded", "TransactionConflict", "New"])
def test_a_statement_that_is_throttled_failed_and_its_neighbours_have_their_own_verdicts(
    clients: Clients, table: DynamoTable, code: str
) -> None:
    """The row is as it was: its due time brings somebody back."""
    row = a_row("E-2")
    rows = [a_row("E-0"), a_row("E-1"), row]
    table.commit(a_plan(row, hire_id="E-2"))
    responses = [{}, {"Error": {"Code": code, "Message": "x"}}, REFUSED_WITHOUT_ROW]
    answering(clients.dynamodb, "BatchExecuteStatement", {"Responses": responses})

    assert table.apply([a_claim(row) for row in rows]) == [Applied.NOW, Applied.FAILED, Applied.REFUSED]


def test_a_request_that_is_throttled_fails_its_steps_and_no_others(clients: Clients, table: DynamoTable) -> None:
    """Thirty steps are two requests."""
    rows = rows_of(table, 30)
    answering(clients.dynamodb, "BatchExecuteStatement", error("ProvisionedThroughputExceededException"))

    assert table.apply([a_claim(row) for row in rows])[:25] == [Applied.FAILED] * 25
    assert {row.state for row in table.invitations([row.key for row in rows[:25]]).values()} == {State.PENDING}


def test_a_step_that_cannot_be_judged_failed(clients: Clients, table: DynamoTable) -> None:
    """Its condition did not hold, the answer lacks the row, and the row cannot be read."""
    answering(clients.dynamodb, "BatchExecuteStatement", {"Responses": [REFUSED_WITHOUT_ROW]})
    answering(clients.dynamodb, "BatchGetItem", error("InternalServerError"))

    assert table.apply([a_claim(a_row())]) == [Applied.FAILED]


@pytest.mark.parametrize("code", ["AccessDeniedException", "ResourceNotFoundException", "ValidationException"])
def test_a_request_that_can_never_succeed_is_seen(clients: Clients, table: DynamoTable, code: str) -> None:
    """To wait for it would be silence."""
    answering(clients.dynamodb, "BatchExecuteStatement", error(code))

    with pytest.raises(StoreUnavailable, match=code):
        table.apply([a_claim(a_row())])


@pytest.mark.parametrize("code", ["AccessDenied", "ResourceNotFound"])
def test_a_statement_that_can_never_succeed_is_seen(clients: Clients, table: DynamoTable, code: str) -> None:
    """A batch is answered 200 where the role may not write, or where the table is not there."""
    denied = {"Error": {"Code": code, "Message": "x"}}
    answering(clients.dynamodb, "BatchExecuteStatement", {"Responses": [denied, denied]})

    with pytest.raises(StoreUnavailable, match=code):
        table.apply([a_claim(a_row("E-0")), a_claim(a_row("E-1"))])


def test_steps_on_a_table_that_is_not_there_are_seen(clients: Clients) -> None:
    """A wrong name in the settings."""
    with pytest.raises(StoreUnavailable, match="ResourceNotFound"):
        DynamoTable(clients.dynamodb, "no-such-table").apply([a_claim(a_row())])


# --- transactions that meet others ---


def test_a_transaction_that_meets_another_is_tried_again(clients: Clients, table: DynamoTable) -> None:
    """Neither was written; the next round is another request."""
    calls = answering(clients.dynamodb, "TransactWriteItems", *[conflict("None", "TransactionConflict")] * 4)

    assert table.commit(a_plan(a_row()))
    assert len(calls) == 5
    assert table.hire(HireKey("canonical", "E-1")).record == a_record()


def test_a_plan_that_meets_others_again_and_again_is_planned_again(clients: Clients, table: DynamoTable) -> None:
    """Whoever is in the way is about to change what the plan rests on."""
    answering(clients.dynamodb, "TransactWriteItems", *[conflict("TransactionConflict", "None")] * 5)

    assert not table.commit(a_plan(a_row()))
    assert table.hire(HireKey("canonical", "E-1")).record is None


def test_an_ending_that_meets_others_again_and_again_failed(clients: Clients, table: DynamoTable) -> None:
    """It was not refused: nobody was faster, and the row still waits for it."""
    step = a_rejection(table)
    answering(clients.dynamodb, "TransactWriteItems", *[conflict("TransactionConflict", "None")] * 5)

    assert table.apply([step]) == [Applied.FAILED]
    assert table.apply([step]) == [Applied.NOW]


def test_a_condition_that_fails_beside_a_conflict_is_a_failed_condition(clients: Clients, table: DynamoTable) -> None:
    """To try again would not help."""
    calls = answering(clients.dynamodb, "TransactWriteItems", conflict("ConditionalCheckFailed", "TransactionConflict"))

    assert not table.put_hold(HOLD, None)
    assert len(calls) == 1


@pytest.mark.parametrize("code", ["ThrottlingError", "ItemCollectionSizeLimitExceeded", "ValidationError"])
def test_a_transaction_that_is_not_taken_is_no_lost_race(clients: Clients, table: DynamoTable, code: str) -> None:
    """False would say that somebody was faster."""
    answering(clients.dynamodb, "TransactWriteItems", conflict("None", code), conflict("None", code))

    with pytest.raises(StoreUnavailable, match=code):
        table.commit(a_plan(a_row()))
    with pytest.raises(StoreUnavailable, match=code):
        table.put_notice(a_recorded())


def test_a_plan_of_more_writes_than_a_transaction_takes_is_refused_in_words(
    clients: Clients, table: DynamoTable
) -> None:
    """A hundred fit: a record, and rows with their guards. Nothing of the larger one is sent."""
    rows = [a_row(guard=f"d{n}" if n else None).model_copy(update={"connection": f"org-{n}"}) for n in range(50)]
    assert table.commit(a_plan(*rows))
    calls = answering(clients.dynamodb, "TransactWriteItems")

    more = [row.model_copy(update={"hire_id": "E-2", "guard": row.guard or "d0"}) for row in rows]
    with pytest.raises(StoreUnavailable, match="101 writes"):
        table.commit(a_plan(*more, hire_id="E-2"))
    assert calls == []


# --- reads ---


def test_keys_that_a_batch_read_leaves_out_are_asked_for_again(clients: Clients, table: DynamoTable) -> None:
    """A busy table answers what it can."""
    rows = rows_of(table, 3)
    keys = [row.key for row in rows]
    calls = answering(clients.dynamodb, "BatchGetItem")
    table.invitations(keys)
    (wanted,) = calls
    assert wanted  # The request as it goes out.
    left_out = {table._table: {"Keys": _keys(keys)[1:], "ConsistentRead": True}}
    answering(clients.dynamodb, "BatchGetItem", {"Responses": {}, "UnprocessedKeys": left_out})

    assert table.invitations(keys).keys() == set(keys[1:])
    assert len(calls) == 3


def _keys(keys: list[InvitationKey]) -> list[dict[str, dict[str, str]]]:
    return [
        {"pk": {"S": f"HIRE#{key.source}#{key.hire_id}"}, "sk": {"S": f"INV#{key.connection}#0001"}} for key in keys
    ]


def test_a_table_that_leaves_keys_out_again_and_again_is_too_busy(clients: Clients, table: DynamoTable) -> None:
    """A row that was not read is not a row that is not there."""
    key = a_row().key
    left_out = {table._table: {"Keys": _keys([key]), "ConsistentRead": True}}
    answering(clients.dynamodb, "BatchGetItem", *[{"Responses": {}, "UnprocessedKeys": left_out}] * 5)

    with pytest.raises(StoreUnavailable, match="too busy"):
        table.invitations([key])


@pytest.mark.parametrize("operation", ["BatchGetItem", "Query", "TransactWriteItems", "PutItem"])
def test_every_call_says_where_the_table_does_not_answer(clients: Clients, table: DynamoTable, operation: str) -> None:
    """In words of ours, without a value of a person."""

    def fail(**_: Any) -> None:
        raise EndpointConnectionError(endpoint_url="http://127.0.0.1")

    calls: dict[str, list[Callable[[], object]]] = {
        "BatchGetItem": [
            lambda: table.invitations([a_row().key]),
            lambda: table.guard_holders([GUARD]),
            lambda: table.notice("a" * 32),
            lambda: table.sealed_body("a" * 32),
        ],
        "Query": [
            lambda: table.hire(HireKey("canonical", "E-1")),
            lambda: table.holds(["main"]),
            lambda: table.due("main", NOON, 10),
            lambda: table.rows_in_state(State.PENDING, 10),
        ],
        "TransactWriteItems": [
            lambda: table.commit(a_plan(a_row())),
            lambda: table.put_notice(a_recorded()),
            lambda: table.put_hold(HOLD, None),
            lambda: table.release_hold(HOLD),
        ],
        "PutItem": [lambda: table.audit(AuditEntry("s", NOON, "ops", "go-live", "x"))],
    }
    client = clients.dynamodb
    answering(client, operation, *[error("InternalServerError")] * len(calls[operation]))
    for call in calls[operation]:
        with pytest.raises(StoreUnavailable, match="the table did not answer: InternalServerError"):
            call()
    client.meta.events.register(f"before-call.dynamodb.{operation}", fail)
    for call in calls[operation]:
        with pytest.raises(StoreUnavailable, match="EndpointConnectionError"):
            call()


def test_what_a_query_answers_in_pages_is_read_to_the_end(clients: Clients, table: DynamoTable) -> None:
    """Here a page is three items; in AWS it is a megabyte."""
    rows = [a_row(guard=None).model_copy(update={"generation": n}) for n in range(1, 11)]
    for seen, row in enumerate(rows):
        table.commit(a_plan(row, seen=seen or None))

    def small(params: dict[str, Any], **_: Any) -> None:
        params["Limit"] = 3

    clients.dynamodb.meta.events.register("before-parameter-build.dynamodb.Query", small)
    assert table.hire(HireKey("canonical", "E-1")).rows == tuple(rows)
    assert len(table.due("main", NOON, 100)) == 10
    assert len(table.due("main", NOON, 7)) == 7
    assert len(table.rows_in_state(State.PENDING, 8)) == 8
