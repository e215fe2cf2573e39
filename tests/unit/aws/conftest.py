"""
The stores that one suite runs against: the one in memory, and the DynamoDB adapter over the emulator.

moto is no such store: its PartiQL ignores a condition and writes all the same.
"""

import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import boto3
import pytest

from tests.fakes.store import MemoryStore
from usher.aws.clients import Clients
from usher.aws.table import DynamoTable
from usher.ports import Store

EMULATOR = Path(__file__).parents[3] / ".venv-local" / "bin" / "ministack"
SECONDS_TO_START = 60


@pytest.fixture(scope="session")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run the emulator on a free port of loopback; gives its endpoint."""
    if not EMULATOR.exists():
        pytest.fail("the emulator is not installed; `make setup` installs it")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = tmp_path_factory.mktemp("emulator")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    environment |= {
        "BIND_HOST": "127.0.0.1",
        "IOT_MTLS_PORT": "off",
        "GATEWAY_PORT": str(port),
        "MINISTACK_REGION": "eu-west-1",
        "TMPDIR": str(folder),
        "STATE_DIR": str(folder / "state"),
        "DOCKER_HOST": f"unix://{folder / 'no-docker'}",
    }
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([str(EMULATOR)], env=environment, stdout=log, stderr=subprocess.STDOUT)
    try:
        _wait_until_up(f"http://127.0.0.1:{port}", process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=20)


def _wait_until_up(endpoint: str, process: "subprocess.Popen[bytes]") -> None:
    until = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < until and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{endpoint}/_ministack/health", timeout=2) as answer:  # noqa: S310 - loopback.
                if answer.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)  # Another process comes up; there is nothing else to wait for.
    pytest.fail("the emulator did not come up")


@pytest.fixture(scope="session")
def clients(emulator: str) -> Clients:
    """The real clients, pointed at the emulator."""
    session = boto3.Session("test", "test", region_name="eu-west-1")
    return Clients(session, endpoint_url=emulator)


_numbers = count(1)


@pytest.fixture
def table_name(clients: Clients) -> str:
    """An empty table with the keys and indexes of the template."""
    name = f"usher-{next(_numbers)}"
    text: Any = [
        {"AttributeName": attribute, "AttributeType": "S"}
        for attribute in ("pk", "sk", "due_lane", "due_at", "state_key", "start_date")
    ]
    clients.dynamodb.create_table(
        TableName=name,
        AttributeDefinitions=text,
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        GlobalSecondaryIndexes=[
            {
                "IndexName": index,
                "KeySchema": [
                    {"AttributeName": first, "KeyType": "HASH"},
                    {"AttributeName": second, "KeyType": "RANGE"},
                ],
                "Projection": {"ProjectionType": "KEYS_ONLY"},
            }
            for index, first, second in (("due", "due_lane", "due_at"), ("state", "state_key", "start_date"))
        ],
        BillingMode="PAY_PER_REQUEST",
    )
    return name


@pytest.fixture
def table(clients: Clients, table_name: str) -> DynamoTable:
    """The DynamoDB adapter over an empty table."""
    return DynamoTable(clients.dynamodb, table_name)


@pytest.fixture(params=["memory", "dynamodb"])
def store(request: pytest.FixtureRequest) -> Store:
    """Each store in turn."""
    if request.param == "memory":
        return MemoryStore()
    found: Store = request.getfixturevalue("table")
    return found
