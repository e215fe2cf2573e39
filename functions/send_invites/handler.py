"""Wake-ups of one provider: translate them, and say which messages must come again."""

from traceback import extract_tb
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from usher import bootstrap
from usher.domain.errors import BadEvent, SecretUnavailable, StoreUnavailable
from usher.domain.invitation import InvitationKey
from usher.domain.messages import SendingWakeUp

logger = Logger()
metrics = Metrics()


@metrics.log_metrics
def lambda_handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Bring the named rows forward. The row waits, not the message: only a table or a key that cannot be read sends
    messages back."""
    metrics.add_metric(name="wake_ups", unit=MetricUnit.Count, value=len(event["Records"]))
    keys: list[InvitationKey] = []
    for record in event["Records"]:
        try:
            keys += SendingWakeUp.keys_in(record["body"])
        except BadEvent:
            # Only the stack can send here; what cannot be read is dropped, since the sweep wakes every due row.
            logger.error("a wake-up could not be read", message_id=record["messageId"])
    try:
        sent = bootstrap.send_invites()(keys, _RemainingTime(context))
    except (StoreUnavailable, SecretUnavailable) as error:
        logger.error("the rows cannot be worked on now", reason=str(error))
        return _all_again(event)
    except Exception as error:  # noqa: BLE001 - its text must not reach the runtime's log: it may repeat a person's values.
        _log_fault(error)
        return _all_again(event)
    for fault in sent.faults:
        _log_fault(fault)
    logger.info("rows brought forward", rows=len(keys), counts=dict(sent.counts))
    # Zeros of those that alarms watch end the alarms.
    for name, count in {"RefusedConnection": 0, "RefusedGrant": 0, **sent.counts}.items():
        metrics.add_metric(name=name, unit=MetricUnit.Count, value=count)
    return {"batchItemFailures": []}


def _all_again(event: dict[str, Any]) -> dict[str, Any]:
    return {"batchItemFailures": [{"itemIdentifier": record["messageId"]} for record in event["Records"]]}


def _log_fault(fault: BaseException) -> None:
    """Log where it happened, not its text: that may repeat what belongs to a person."""
    frames = [f"{frame.name}:{frame.lineno}" for frame in extract_tb(fault.__traceback__)[-5:]]
    logger.error("a fault of our own", fault=type(fault).__name__, frames=frames)
    metrics.add_metric(name="faults", unit=MetricUnit.Count, value=1)


class _RemainingTime:
    """The time that the platform leaves this invocation."""

    def __init__(self, context: Any) -> None:
        self._context = context

    def seconds(self) -> float:
        """Give the seconds until the platform ends the invocation."""
        return float(self._context.get_remaining_time_in_millis()) / 1000
