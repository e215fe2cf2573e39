"""What AWS documents and the adapter rests on: each lane does it, or its difference is listed."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.unit.aws import lanes
from tests.unit.aws.differences import DIFFERENCES
from usher.aws.clients import Clients

PAGE = Path(__file__).parents[3] / "docs" / "stores.md"


@pytest.fixture(params=lanes.LANES)
def clients(request: pytest.FixtureRequest) -> Iterator[Clients]:
    """The real clients, over each lane in turn."""
    with lanes.on_lane(request) as clients:
        yield clients


def put(clients: Clients, table: str, **attributes: Any) -> None:
    """Write an item."""
    clients.dynamodb.put_item(TableName=table, Item={"pk": {"S": "a"}, "sk": {"S": "b"}} | attributes)


def keys(number: int) -> Any:
    """Make as many keys."""
    return [{"pk": {"S": str(n)}, "sk": {"S": "b"}} for n in range(number)]


def statement(table: str, text: str, *parameters: dict[str, str]) -> Any:
    """Make a statement of a batch about that item."""
    return {
        "Statement": f'UPDATE "{table}" {text} "pk"=? AND "sk"=?',
        "Parameters": [*parameters, {"S": "a"}, {"S": "b"}],
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }


def test_a_failed_condition_of_a_statement_comes_with_the_item(clients: Clients, table_name: str) -> None:
    """Our own write whose answer got lost is recognised by it, without another request."""
    put(clients, table_name, n={"N": "1"})
    failing = statement(table_name, 'SET "n"=? WHERE "n"=? AND', {"N": "3"}, {"N": "2"})

    (answer,) = clients.dynamodb.batch_execute_statement(Statements=[failing])["Responses"]
    assert answer.get("Error", {}).get("Code") == "ConditionalCheckFailed"
    assert answer["Error"].get("Item", {}).get("n") == {"N": "1"}


def test_a_statement_about_an_item_that_is_not_there_creates_none(clients: Clients, table_name: str) -> None:
    """Its condition fails."""
    (answer,) = clients.dynamodb.batch_execute_statement(
        Statements=[statement(table_name, 'SET "n"=? WHERE', {"N": "3"})]
    )["Responses"]

    assert answer.get("Error", {}).get("Code") == "ConditionalCheckFailed"
    assert clients.dynamodb.scan(TableName=table_name)["Items"] == []


def test_twenty_six_statements_are_refused(clients: Clients, table_name: str) -> None:
    """25 are the most of a batch."""
    update = statement(table_name, 'SET "n"=? WHERE', {"N": "3"})
    statements = [update | {"Parameters": [{"N": "3"}, key["pk"], key["sk"]]} for key in keys(26)]

    with pytest.raises(ClientError, match="ValidationException"):
        clients.dynamodb.batch_execute_statement(Statements=statements)


def test_a_hundred_and_one_keys_are_refused(clients: Clients, table_name: str) -> None:
    """100 are the most of a batch read."""
    with pytest.raises(ClientError, match="ValidationException"):
        clients.dynamodb.batch_get_item(RequestItems={table_name: {"Keys": keys(101)}})


def test_a_hundred_and_one_writes_are_refused(clients: Clients, table_name: str) -> None:
    """100 are the most of a transaction."""
    puts: Any = [{"Put": {"TableName": table_name, "Item": key}} for key in keys(101)]

    with pytest.raises(ClientError, match="ValidationException"):
        clients.dynamodb.transact_write_items(TransactItems=puts)


def test_a_key_named_twice_is_refused(clients: Clients, table_name: str) -> None:
    """In a batch read."""
    key: Any = {"pk": {"S": "a"}, "sk": {"S": "b"}}

    with pytest.raises(ClientError, match="ValidationException"):
        clients.dynamodb.batch_get_item(RequestItems={table_name: {"Keys": [key, key]}})


def test_an_attribute_of_an_index_has_the_type_of_the_index(clients: Clients, table_name: str) -> None:
    """A due time that is no text would vanish from the index without a word."""
    with pytest.raises(ClientError, match="ValidationException"):
        put(clients, table_name, due_lane={"S": "main"}, due_at={"N": "1"})


def test_an_item_that_is_too_large_is_refused(clients: Clients, table_name: str) -> None:
    """400 KiB."""
    with pytest.raises(ClientError, match="ValidationException"):
        put(clients, table_name, text={"S": "x" * 400 * 1024})


def test_a_transaction_that_is_sent_again_under_its_token_is_written_once(clients: Clients, table_name: str) -> None:
    """This is how the SDK repeats one whose answer it lost."""
    put(clients, table_name, n={"N": "1"})
    add: Any = {
        "TableName": table_name,
        "Key": {"pk": {"S": "a"}, "sk": {"S": "b"}},
        "UpdateExpression": "ADD n :one",
        "ExpressionAttributeValues": {":one": {"N": "1"}},
    }
    for _ in range(2):
        clients.dynamodb.transact_write_items(TransactItems=[{"Update": add}], ClientRequestToken="t" * 8)

    assert clients.dynamodb.scan(TableName=table_name)["Items"][0]["n"] == {"N": "2"}


def test_of_sixteen_conditional_writes_at_once_one_is_written(clients: Clients, table_name: str) -> None:
    """In each of five rounds."""
    for round_number in range(5):
        barrier = Barrier(16)
        item: Any = {"pk": {"S": str(round_number)}, "sk": {"S": "b"}}

        def attempt(number: int, barrier: Barrier = barrier, item: Any = item) -> bool:
            mine = item | {"n": {"N": str(number)}}
            barrier.wait()
            try:
                clients.dynamodb.put_item(
                    TableName=table_name, Item=mine, ConditionExpression="attribute_not_exists(pk)"
                )
            except clients.dynamodb.exceptions.ConditionalCheckFailedException:
                return False
            return True

        with ThreadPoolExecutor(16) as pool:
            assert list(pool.map(attempt, range(16))).count(True) == 1


def test_every_listed_difference_is_in_the_page() -> None:
    """In the words of the list."""
    page = PAGE.read_text(encoding="utf-8")
    for lane, differences in DIFFERENCES.items():
        for reason in set(differences.values()):
            assert reason in page, f"{lane} {reason}"
