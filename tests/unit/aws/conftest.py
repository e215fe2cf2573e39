"""The stores that one suite runs against: the one in memory, and the DynamoDB adapter over each lane."""

from collections.abc import Iterator

import pytest

from tests.fakes.store import MemoryStore
from tests.unit.aws import lanes
from usher.aws.clients import Clients
from usher.aws.table import DynamoTable
from usher.ports import Store


@pytest.fixture(scope="session")
def ministack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The endpoint of the emulator."""
    with lanes.ministack(tmp_path_factory.mktemp("ministack")) as endpoint:
        yield endpoint


@pytest.fixture(scope="session")
def dynamodb_local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The endpoint of DynamoDB Local."""
    with lanes.dynamodb_local(tmp_path_factory.mktemp("dynamodb-local")) as endpoint:
        yield endpoint


@pytest.fixture(params=lanes.EMULATORS)
def clients(request: pytest.FixtureRequest) -> Iterator[Clients]:
    """The real clients, over each emulator in turn."""
    with lanes.on_lane(request) as clients:
        yield clients


@pytest.fixture
def table_name(clients: Clients) -> str:
    """An empty table with the keys and indexes of the template."""
    return lanes.new_table(clients.dynamodb)


@pytest.fixture
def table(clients: Clients, table_name: str) -> DynamoTable:
    """The DynamoDB adapter over an empty table."""
    return DynamoTable(clients.dynamodb, table_name)


@pytest.fixture(params=["memory", *lanes.LANES])
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    """Each store in turn."""
    if request.param == "memory":
        yield MemoryStore()
        return
    with lanes.on_lane(request) as clients:
        yield DynamoTable(clients.dynamodb, lanes.new_table(clients.dynamodb))
