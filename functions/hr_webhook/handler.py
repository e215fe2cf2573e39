"""Webhooks of HR systems: translate the request, let it be received, and pick the status. The event is never logged."""

import base64
import json
from collections.abc import Sequence
from http import HTTPStatus
from traceback import extract_tb
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from usher import bootstrap
from usher.domain.errors import (
    BadEvent,
    BodyCompressed,
    BodyNotUnderstood,
    BodyTooLarge,
    NotAPost,
    Problem,
    QueueUnavailable,
    SecretUnavailable,
    Unauthentic,
    UnknownSource,
    UsherError,
)
from usher.ports import Reply, WebhookRequest

logger = Logger()
metrics = Metrics()

RETRY_AFTER = "30"

_REFUSALS: dict[type[UsherError], HTTPStatus] = {
    Unauthentic: HTTPStatus.UNAUTHORIZED,
    UnknownSource: HTTPStatus.NOT_FOUND,
    NotAPost: HTTPStatus.METHOD_NOT_ALLOWED,
    BodyTooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    BodyCompressed: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    BodyNotUnderstood: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    BadEvent: HTTPStatus.UNPROCESSABLE_ENTITY,
    SecretUnavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    QueueUnavailable: HTTPStatus.SERVICE_UNAVAILABLE,
}


@metrics.log_metrics
def lambda_handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Answer 2xx only for what is durable, and 5xx only for what the sender should send again."""
    try:
        request = _request(event)
    except ValueError:
        return _counted("Unreadable", _problem(HTTPStatus.BAD_REQUEST))
    try:
        reply = bootstrap.receive_notice()(request)
    except tuple(_REFUSALS) as error:
        reply = _refusal(error)
        logger.info("refused", source=_known(request, error), status=reply.status, reason=type(error).__name__)
        return _counted(type(error).__name__, reply)
    except Exception as error:  # noqa: BLE001 - the sender gets an answer without our insides, and sends again.
        # Where it happened, not its text: that may repeat what belongs to a person.
        frames = [f"{frame.name}:{frame.lineno}" for frame in extract_tb(error.__traceback__)[-5:]]
        logger.error("a fault of our own", fault=type(error).__name__, frames=frames)
        return _counted("Fault", _problem(HTTPStatus.INTERNAL_SERVER_ERROR))
    logger.info("received", source=request.source, status=reply.status)
    return _counted("Received", reply)


def _request(event: dict[str, Any]) -> WebhookRequest:
    """Translate a REST API's proxy event; raises ValueError where its body is not what its flag says."""
    headers: dict[str, tuple[str, ...]] = {}
    several = event.get("multiValueHeaders") or {name: [value] for name, value in (event.get("headers") or {}).items()}
    for name, values in several.items():
        headers[name.lower()] = headers.get(name.lower(), ()) + tuple(values)
    body = event.get("body") or ""
    return WebhookRequest(
        method=event["httpMethod"],
        source=(event.get("pathParameters") or {}).get("source", ""),
        headers=headers,
        body=base64.b64decode(body, validate=True) if event.get("isBase64Encoded") else body.encode(),
        query=event.get("queryStringParameters") or {},
    )


def _refusal(error: UsherError) -> Reply:
    status = _REFUSALS[type(error)]
    if status is HTTPStatus.SERVICE_UNAVAILABLE:
        return _problem(status, headers={"retry-after": RETRY_AFTER})
    if status is HTTPStatus.METHOD_NOT_ALLOWED:
        return _problem(status, headers={"allow": "POST"})
    return _problem(status, error.problems if isinstance(error, BadEvent) else ())


def _problem(status: HTTPStatus, problems: Sequence[Problem] = (), headers: dict[str, str] | None = None) -> Reply:
    """Make a problem of RFC 9457, with every field error at once."""
    body: dict[str, Any] = {"type": "about:blank", "title": status.phrase, "status": status.value}
    if problems:
        body["errors"] = [{"field": problem.field, "reason": problem.reason} for problem in problems]
    return Reply(status, json.dumps(body), "application/problem+json", headers or {})


def _known(request: WebhookRequest, error: UsherError) -> str | None:
    """Name the source in a log line only where it is one of ours: anybody can write anything into a path."""
    return None if isinstance(error, UnknownSource) else request.source


def _counted(ending: str, reply: Reply) -> dict[str, Any]:
    metrics.add_metric(name=f"Webhook{ending}", unit=MetricUnit.Count, value=1)
    return {
        "statusCode": int(reply.status),
        "headers": {"content-type": reply.content_type, **reply.headers},
        "body": reply.body,
        "isBase64Encoded": False,
    }
