"""SQS: notices for planning, wake-ups for planning and for each provider's sender."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import batched
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from usher.domain.errors import QueueUnavailable
from usher.domain.hire import HireKey
from usher.domain.invitation import InvitationKey
from usher.domain.messages import PlanningMessage, SendingWakeUp
from usher.domain.notice import Notice

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

MOST_ENTRIES = 10
"""How many messages SQS takes in one request."""

MOST_BYTES = 256 * 1024
"""How much SQS takes in one request; it takes more in some regions, and this much in all."""

MOST_HIRES = 50
"""How many hires one wake-up names."""

MOST_NOTICES = 1
"""How many notices one wake-up names: each may ask an HR system, and five wake-ups share an invocation."""


class SqsQueues:
    """Sends; every method raises QueueUnavailable if one message was not taken."""

    def __init__(self, client: "SQSClient", notice_queue: str, provider_queues: Mapping[str, str]) -> None:
        self._client = client
        self._notice_queue = notice_queue
        self._provider_queues = provider_queues

    def announce(self, notices: Sequence[Notice]) -> None:
        """Make notices durable for planning."""
        self._send(self._notice_queue, [PlanningMessage(notice=notice) for notice in notices])

    def wake_planning(
        self, *, notices: Sequence[str] = (), hires: Sequence[HireKey] = (), feeds: Sequence[str] = ()
    ) -> None:
        """Tell planning that recorded notices are due, hires must be planned again, or feeds must be looked after."""
        messages = [PlanningMessage(notices=names) for names in batched(notices, MOST_NOTICES, strict=False)]
        messages += [
            PlanningMessage(hires=tuple(str(key) for key in keys)) for keys in batched(hires, MOST_HIRES, strict=False)
        ]
        messages += [PlanningMessage(feeds=(feed,)) for feed in feeds]
        self._send(self._notice_queue, messages)

    def wake_sending(self, provider: str, keys: Sequence[InvitationKey]) -> None:
        """Tell a provider's sender that rows are due."""
        queue = self._provider_queues.get(provider)
        if queue is None:
            raise QueueUnavailable(f"there is no queue of provider {provider!r}")
        self._send(queue, [SendingWakeUp.of(keys)])

    def _send(self, queue: str, messages: Sequence[PlanningMessage | SendingWakeUp]) -> None:
        for bodies in _requests([message.model_dump_json(exclude_defaults=True) for message in messages]):
            try:
                answer = self._client.send_message_batch(
                    QueueUrl=queue,
                    Entries=[{"Id": str(number), "MessageBody": body} for number, body in enumerate(bodies)],
                )
            except ClientError as error:
                code = error.response.get("Error", {}).get("Code", "an error")
                raise QueueUnavailable(f"the queue did not take a message: {code}") from None
            except BotoCoreError as error:
                raise QueueUnavailable(f"the queue did not take a message: {type(error).__name__}") from None
            if failed := answer.get("Failed"):
                raise QueueUnavailable(f"the queue did not take {len(failed)} of {len(bodies)} messages")


def _requests(bodies: Sequence[str]) -> Iterator[list[str]]:
    """Divide messages into as many as SQS takes at once; one alone always fits, or SQS says that it does not."""
    request: list[str] = []
    size = 0
    for body in bodies:
        length = len(body.encode())
        if request and (len(request) == MOST_ENTRIES or size + length > MOST_BYTES):
            yield request
            request, size = [], 0
        request.append(body)
        size += length
    if request:
        yield request
