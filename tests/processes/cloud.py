"""
Table, queues and secrets for the processes: the emulator on a free port, with what the template says of them.

Its DynamoDB handles one request after the other on one event loop, so a condition and its write are one step.
"""

import json
import os
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import yaml

from usher.aws.clients import Clients
from usher.aws.table import DynamoTable
from usher_local.places import LOOPBACK, REGION, ROOT, program
from usher_local.processes import Child

ACCOUNT = "000000000000"
TABLE = "usher"
PREFIX = "usher"
VISIBILITY = 12
"""Seconds; longer than any of the functions may run, and short, because a killed batch comes back after it."""


class _Template(yaml.SafeLoader):
    """Reads CloudFormation's own tags as what they stand before."""


def _untagged(loader: yaml.SafeLoader, _: str, node: yaml.Node) -> Any:
    match node:
        case yaml.MappingNode():
            return loader.construct_mapping(node, deep=True)
        case yaml.SequenceNode():
            return loader.construct_sequence(node, deep=True)
    return loader.construct_scalar(node)  # type: ignore[arg-type]


_Template.add_multi_constructor("!", _untagged)


@dataclass(frozen=True, slots=True)
class Queue:
    """A queue with its dead letters."""

    name: str
    url: str
    dead_letters: str

    @property
    def arn(self) -> str:
        """As an event names it."""
        return f"arn:aws:sqs:{REGION}:{ACCOUNT}:{self.name}"


@dataclass(frozen=True)
class Cloud:
    """The emulator, while it runs."""

    endpoint: str
    port: int
    clients: Clients
    queues: Mapping[str, Queue]

    @property
    def table(self) -> DynamoTable:
        """The table, as the checker reads it."""
        return DynamoTable(self.clients.dynamodb, TABLE)

    def held(self) -> dict[str, int]:
        """How many messages each queue holds, waiting or in somebody's hands; empty ones are left out."""
        return {name: count for name, queue in self.queues.items() if (count := self._count(queue.url))}

    def redrive(self) -> int:
        """Move every dead letter back to its queue, as an operator does; gives how many there were."""
        moved = 0
        for queue in self.queues.values():
            while letters := self._receive(queue.dead_letters):
                for letter in letters:
                    self.clients.sqs.send_message(QueueUrl=queue.url, MessageBody=letter["Body"])
                    self.clients.sqs.delete_message(QueueUrl=queue.dead_letters, ReceiptHandle=letter["ReceiptHandle"])
                moved += len(letters)
        return moved

    def _receive(self, url: str) -> list[Any]:
        answer = self.clients.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)
        return list(answer.get("Messages", []))

    def _count(self, url: str) -> int:
        wanted: Any = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        answer = self.clients.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=wanted)
        return sum(int(answer["Attributes"][name]) for name in wanted)


@contextmanager
def running_cloud(folder: Path, secrets: Mapping[str, str]) -> Iterator[Cloud]:
    """Run the emulator with the template's table and queues, and these secrets."""
    with socket.socket() as free:
        free.bind((LOOPBACK, 0))
        port = free.getsockname()[1]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    environment |= {
        "BIND_HOST": LOOPBACK,
        "MINISTACK_HOST": LOOPBACK,  # Queue URLs name it.
        "IOT_MTLS_PORT": "off",
        "GATEWAY_PORT": str(port),
        "MINISTACK_REGION": REGION,
        "LOG_LEVEL": "WARNING",
        "TMPDIR": str(folder),
        "STATE_DIR": str(folder / "state"),
        "DOCKER_HOST": f"unix://{folder / 'no-docker'}",  # It would remove containers of another ministack.
    }
    emulator = Child.start("ministack", [program(".venv-local", "ministack")], environment, folder / "ministack.log")
    try:
        endpoint = f"http://{LOOPBACK}:{port}"
        emulator.wait_until(lambda: _healthy(endpoint), patience=60)
        session = boto3.Session("test", "test", region_name=REGION)
        clients = Clients(session, endpoint_url=endpoint)
        template = yaml.load((ROOT / "template.yaml").read_text(encoding="utf-8"), _Template)["Resources"]  # noqa: S506
        _create_table(clients, template["Table"]["Properties"])
        for name, value in secrets.items():
            clients.secretsmanager.create_secret(Name=f"{PREFIX}/{name}", SecretString=value)
        names = {
            "intake": "IntakeQueue",
            "notices": "NoticeQueue",
            "atlassian": "AtlassianQueue",
            "sentry": "SentryQueue",
        }
        queues = {name: _create_queue(clients, name, template[resource]) for name, resource in names.items()}
        yield Cloud(endpoint, port, clients, queues)
    finally:
        emulator.stop()


def _healthy(endpoint: str) -> bool:
    # Not urlopen's own patience: while the emulator comes up, a connection may be taken and never answered.
    try:
        with urllib.request.urlopen(f"{endpoint}/_ministack/health", timeout=2) as answer:  # noqa: S310 - loopback.
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        time.sleep(0.1)
        return False


def _create_table(clients: Clients, properties: Mapping[str, Any]) -> None:
    names = ("AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes", "BillingMode")
    clients.dynamodb.create_table(TableName=TABLE, **{name: properties[name] for name in names})


def _create_queue(clients: Clients, name: str, resource: Mapping[str, Any]) -> Queue:
    dead_letters = clients.sqs.create_queue(QueueName=f"{name}-dead-letters")["QueueUrl"]
    redrive = {
        "deadLetterTargetArn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}-dead-letters",
        "maxReceiveCount": resource["Properties"]["RedrivePolicy"]["maxReceiveCount"],
    }
    attributes: Any = {"VisibilityTimeout": str(VISIBILITY), "RedrivePolicy": json.dumps(redrive)}
    url = clients.sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
    return Queue(name, url, dead_letters)
