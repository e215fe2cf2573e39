"""Secrets behind their cache, and messages on their queues, against moto."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime

import boto3
import pytest
from moto import mock_aws

from tests.fakes.clock import FakeClock
from tests.unit.aws.faults import answering, error
from tests.unit.aws.samples import a_notice
from usher.aws.clients import Clients
from usher.aws.queues import MOST_BYTES, SqsQueues
from usher.aws.secrets import SecretsManager
from usher.domain.errors import QueueUnavailable, SecretUnavailable
from usher.domain.hire import HireKey
from usher.domain.invitation import InvitationKey
from usher.domain.messages import PlanningMessage, SendingWakeUp


@pytest.fixture
def clients() -> Iterator[Clients]:
    """The real clients over moto, in this process."""
    with mock_aws():
        yield Clients(boto3.Session("test", "test", region_name="eu-west-1"))


@pytest.fixture
def clock() -> FakeClock:
    """A clock that stands still."""
    return FakeClock(datetime(2026, 9, 8, tzinfo=UTC))


def test_a_secret_is_read_once_a_minute(clients: Clients, clock: FakeClock) -> None:
    """A replaced value is seen when the cache is old, or at once after a refusal."""
    clients.secretsmanager.create_secret(Name="usher/sentry/main", SecretString="one")
    secrets = SecretsManager(clients.secretsmanager, "usher", clock)
    assert secrets.get("sentry/main") == "one"

    clients.secretsmanager.put_secret_value(SecretId="usher/sentry/main", SecretString="two")
    clock.advance(59)
    assert secrets.get("sentry/main") == "one"
    assert secrets.refresh("sentry/main", "one")
    assert secrets.get("sentry/main") == "two"
    assert not secrets.refresh("sentry/main", "two")

    clients.secretsmanager.put_secret_value(SecretId="usher/sentry/main", SecretString="three")
    clock.advance(61)
    assert secrets.get("sentry/main") == "three"


def test_a_secret_that_is_missing_or_empty_says_so_and_is_found_once_it_is_there(
    clients: Clients, clock: FakeClock
) -> None:
    """A failure is not cached."""
    secrets = SecretsManager(clients.secretsmanager, "usher", clock)
    with pytest.raises(SecretUnavailable, match="sentry/main cannot be read: ResourceNotFoundException"):
        secrets.get("sentry/main")
    clients.secretsmanager.create_secret(Name="usher/sentry/main", SecretString=" ")
    with pytest.raises(SecretUnavailable, match="empty"):
        secrets.get("sentry/main")

    clients.secretsmanager.put_secret_value(SecretId="usher/sentry/main", SecretString="one")
    assert secrets.get("sentry/main") == "one"


def test_notices_and_wake_ups_go_to_their_queues_in_batches(clients: Clients) -> None:
    """And read back as what was sent."""
    notices = clients.sqs.create_queue(QueueName="notices")["QueueUrl"]
    sentry = clients.sqs.create_queue(QueueName="sentry")["QueueUrl"]
    queues = SqsQueues(clients.sqs, notices, {"sentry": sentry})
    queues.announce([a_notice(number) for number in range(1, 13)])
    queues.wake_sending("sentry", [InvitationKey("canonical", "E-1", "main", 2)])
    queues.wake_planning(notices=["a" * 32], hires=[HireKey("canonical", "E-1")])

    messages = []
    while found := clients.sqs.receive_message(QueueUrl=notices, MaxNumberOfMessages=10).get("Messages"):
        messages += [PlanningMessage.read(message["Body"]) for message in found]
    assert sorted(m.notice.notice_id for m in messages if m.notice) == [f"{n:032x}" for n in range(1, 13)]
    assert [message.notices for message in messages if message.notices] == [("a" * 32,)]
    assert [message.hire_keys for message in messages if message.hires] == [[HireKey("canonical", "E-1")]]
    (wake_up,) = clients.sqs.receive_message(QueueUrl=sentry)["Messages"]
    assert SendingWakeUp.keys_in(wake_up["Body"]) == [InvitationKey("canonical", "E-1", "main", 2)]


def test_a_request_holds_no_more_bytes_than_sqs_takes(clients: Clients) -> None:
    """Notices with a sealed body are large; ten of them would be refused, and the vendor would send them for ever."""
    url = clients.sqs.create_queue(QueueName="notices")["QueueUrl"]
    calls = answering(clients.sqs, "SendMessageBatch")
    large = [a_notice(number, sealed_body="A" * 100_000) for number in range(7)]

    SqsQueues(clients.sqs, url, {}).announce([*large, *(a_notice(number) for number in range(7, 20))])
    sent = [json.loads(call["body"])["Entries"] for call in calls]
    assert [len(entries) for entries in sent] == [2, 2, 2, 10, 4]
    assert all(sum(len(entry["MessageBody"]) for entry in entries) <= MOST_BYTES for entries in sent)
    names = [PlanningMessage.read(entry["MessageBody"]).notice for entries in sent for entry in entries]
    assert [notice.notice_id for notice in names if notice] == [f"{number:032x}" for number in range(20)]


def test_a_wake_up_names_rows_and_nobody(clients: Clients) -> None:
    """No address, no name."""
    body = json.loads(SendingWakeUp.of([InvitationKey("canonical", "E-1", "main")]).model_dump_json())

    assert body == {"rows": ["canonical/E-1/main/1"]}


def test_a_queue_that_does_not_take_a_message_says_so(clients: Clients) -> None:
    """The webhook then answers 503, and the vendor sends again."""
    queues = SqsQueues(clients.sqs, "https://sqs.eu-west-1.amazonaws.com/123456789012/none", {})

    with pytest.raises(QueueUnavailable, match="did not take"):
        queues.announce([a_notice()])
    with pytest.raises(QueueUnavailable, match="no queue of provider"):
        queues.wake_sending("github", [InvitationKey("canonical", "E-1", "main")])


def test_one_message_that_was_not_taken_fails_the_whole(clients: Clients) -> None:
    """SQS answers 200 and names it; the sender then sends all again, and planning knows those that it has."""
    queues = SqsQueues(clients.sqs, "https://sqs.eu-west-1.amazonaws.com/123456789012/notices", {})
    failed = [{"Id": "1", "Code": "InternalError", "SenderFault": False}]
    calls = answering(clients.sqs, "SendMessageBatch", {"Successful": [{"Id": "0"}, {"Id": "2"}], "Failed": failed})

    with pytest.raises(QueueUnavailable, match="did not take 1 of 3 messages"):
        queues.announce([a_notice(number) for number in range(3)])
    assert len(calls) == 1


def test_a_batch_that_fails_after_another_says_so(clients: Clients) -> None:
    """Twelve notices are two requests; that ten were taken is not success."""
    url = clients.sqs.create_queue(QueueName="notices")["QueueUrl"]
    answering(clients.sqs, "SendMessageBatch", None, error("ServiceUnavailable"))

    with pytest.raises(QueueUnavailable, match="did not take a message: ServiceUnavailable"):
        SqsQueues(clients.sqs, url, {}).announce([a_notice(number) for number in range(12)])


def test_no_message_is_no_request(clients: Clients) -> None:
    """SQS refuses an empty batch."""
    calls = answering(clients.sqs, "SendMessageBatch")
    queues = SqsQueues(clients.sqs, "https://sqs.eu-west-1.amazonaws.com/123456789012/none", {})

    queues.announce([])
    queues.wake_planning()
    assert calls == []
