"""
What Lambda puts between a queue and a function: batches, partial answers, redelivery.

The queue's own visibility and receive counts do the rest. A batch whose function failed is left alone, as Lambda does,
and comes back when its visibility runs out.
"""

import threading
from collections import Counter
from collections.abc import Sequence
from random import Random
from typing import Any

from tests.processes.cloud import Cloud, Queue
from tests.processes.runtime import FunctionFailed, Runtime

MOST_OF_ONE_RECEIVE = 10


class SourceMapping(threading.Thread):
    """
    Hands messages of some queues to one runtime until it is stopped.

    Now and then (`misfortune` of 1) a delete gets lost, or a batch is delivered twice in a row: both are allowed to an
    at-least-once queue.
    """

    def __init__(
        self, runtime: Runtime, cloud: Cloud, queues: Sequence[Queue], batch: int, random: Random, misfortune: float
    ) -> None:
        super().__init__(name=f"mapping of {runtime.name}")
        self.runtime = runtime
        self.counts: Counter[str] = Counter()
        self.malformed: list[object] = []
        self.error: BaseException | None = None
        self.misfortune = misfortune
        self._sqs = cloud.clients.sqs
        self._queues = queues
        self._batch = batch
        self._random = random
        self._stopped = threading.Event()

    def run(self) -> None:
        """Poll until stopped; what goes wrong in here is for the test to see."""
        try:
            while not self._stopped.is_set():
                for number, queue in enumerate(self._queues):
                    if messages := self._received(queue, wait=1 if number == 0 else 0):
                        self._deliver(queue, messages)
        except BaseException as error:  # noqa: BLE001 - a thread's error is nobody's unless it is kept.
            self.error = error

    def stop(self) -> None:
        """Poll no more."""
        self._stopped.set()

    def _received(self, queue: Queue, wait: int) -> list[Any]:
        found: list[Any] = []
        while len(found) < self._batch:
            answer = self._sqs.receive_message(
                QueueUrl=queue.url,
                MaxNumberOfMessages=MOST_OF_ONE_RECEIVE,
                WaitTimeSeconds=0 if found else wait,
                AttributeNames=["All"],
            )
            messages = answer.get("Messages", [])
            found += messages
            if len(messages) < MOST_OF_ONE_RECEIVE:
                break
        return found

    def _deliver(self, queue: Queue, messages: Sequence[Any]) -> None:
        event = {"Records": [_record(message, queue) for message in messages]}
        self.counts["batches"] += 1
        self.counts["redelivered"] += sum(int(item["Attributes"]["ApproximateReceiveCount"]) > 1 for item in messages)
        try:
            answer = self.runtime.invoke(event)
            if self._random.random() < self.misfortune:
                self.counts["delivered twice"] += 1
                answer = self.runtime.invoke(event)
        except FunctionFailed:
            self.counts["failed batches"] += 1
            return
        failed = self._failed(answer, {message["MessageId"] for message in messages})
        self.counts["failed items"] += len(failed)
        for message in messages:
            if message["MessageId"] in failed:
                continue
            if self._random.random() < self.misfortune:
                self.counts["lost deletes"] += 1
                continue
            self._sqs.delete_message(QueueUrl=queue.url, ReceiptHandle=message["ReceiptHandle"])

    def _failed(self, answer: object, ids: set[str]) -> set[str]:
        """Read a partial answer; one that Lambda would not understand fails the whole batch, and the test."""
        match answer:
            case {"batchItemFailures": list(items), **rest} if not rest:
                named = {str(item.get("itemIdentifier")) for item in items if isinstance(item, dict)}
                if len(named) == len(items) and named <= ids:
                    return named
        self.malformed.append(answer)
        return ids


def _record(message: Any, queue: Queue) -> dict[str, Any]:
    """Write a message as Lambda does."""
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message["Attributes"],
        "messageAttributes": {},
        "md5OfBody": message["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": queue.arn,
        "awsRegion": queue.arn.split(":")[3],
    }
