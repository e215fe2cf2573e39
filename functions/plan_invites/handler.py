"""Notices and events to rows: translate messages, plan each, and say which must come again."""

from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from usher import bootstrap
from usher.domain.errors import UsherError
from usher.domain.messages import PlanningMessage

logger = Logger()
metrics = Metrics()


@metrics.log_metrics
def lambda_handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Plan every message by itself, so that one bad message never repeats its neighbours."""
    metrics.add_metric(name="messages", unit=MetricUnit.Count, value=len(event["Records"]))
    failures: list[dict[str, str]] = []
    for record in event["Records"]:
        message_id = record["messageId"]
        try:
            results = _planned(record)
        except UsherError as error:
            # The table did not answer, or a newer policy is at work: the message comes again.
            logger.warning("a message comes again", message_id=message_id, reason=type(error).__name__)
            failures.append({"itemIdentifier": message_id})
        except Exception as error:  # noqa: BLE001 - a fault of ours in one message must not stop the others.
            # Not its text: a validation error repeats the values of a person.
            logger.error("a message could not be planned", message_id=message_id, fault=type(error).__name__)
            failures.append({"itemIdentifier": message_id})
        else:
            logger.info("planned", message_id=message_id, results=results)
            for result in results:
                metrics.add_metric(name=f"planned_{result}", unit=MetricUnit.Count, value=1)
    # Once for the whole batch, so that hires who come together are invited in one request.
    bootstrap.plan_invites().wake_senders()
    return {"batchItemFailures": failures}


def _look_after(feed: str) -> None:
    """Look after a feed; what fails today is tried tomorrow, and an alarm watches a feed that stays silent."""
    look_after = bootstrap.look_after_feeds()
    is_silent = look_after.is_silent(feed)
    if is_silent is not None:
        # Before the list is asked for: key and webhook may have died together.
        metrics.add_metric(name="silent_feeds", unit=MetricUnit.Count, value=int(is_silent))
    try:
        found = look_after.feed(feed)
    except UsherError as error:
        logger.error("a feed could not be looked after", feed=feed, reason=type(error).__name__, is_silent=is_silent)
        metrics.add_metric(name="feeds_not_listed", unit=MetricUnit.Count, value=1)
        return
    logger.info("looked after a feed", feed=feed, listed=found.listed, fed=found.fed, is_silent=is_silent)
    metrics.add_metric(name="feeds_not_listed", unit=MetricUnit.Count, value=0)
    metrics.add_metric(name="announcements_missed", unit=MetricUnit.Count, value=found.fed)


def _planned(record: dict[str, Any]) -> list[str]:
    plan = bootstrap.plan_invites()
    if not bootstrap.is_own_notice_queue(record["eventSourceARN"]):
        notice = bootstrap.read_intake(record["body"], record["messageId"], record["attributes"]["SenderId"])
        return [plan.notice(notice)]
    message = PlanningMessage.read(record["body"])
    results = [plan.notice(message.notice)] if message.notice else []
    results += [plan.recorded(notice_id) for notice_id in message.notices]
    results += [plan.hire(key) for key in message.hire_keys]
    for feed in message.feeds:
        _look_after(feed)
    return [str(result) for result in results]
