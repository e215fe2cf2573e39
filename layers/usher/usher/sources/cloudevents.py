"""
CloudEvents 1.0 over HTTP (contract, section 7): our own event, or one that the stage describes, in their envelope.

All three modes are read: structured, batched, and binary. docs/sources/cloudevents.md.
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any, Literal
from urllib.parse import unquote

from pydantic import BeforeValidator, Field, ValidationError

from usher.domain.errors import BadEvent, BodyNotUnderstood, Problem, Unauthentic
from usher.domain.event import MOST_PROBLEMS
from usher.domain.json_text import parse
from usher.domain.notice import Notice
from usher.ports import Reply, WebhookRequest
from usher.sources.mapping import MappedWebhook
from usher.sources.signatures import LONGEST_HEADER, Encoding, Form, StaticSecret, one_of
from usher.sources.webhook import Theirs, Told, event_name, is_json, media_type, problems_of

MOST_EVENTS = 1000
MOST_A_MINUTE = 1200
"""What the gateway lets through (template.yaml, ThrottlingRateLimit)."""

_ORIGIN = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?(?::[0-9]{1,5})?")
_RATE = re.compile(r"[1-9][0-9]{0,9}")
_ATTRIBUTE = re.compile(r"ce-([a-z0-9]+)")

_Text = Annotated[str, Field(min_length=1)]


def _from_base64(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return Encoding.BASE64.read(value)
    except ValueError:
        raise ValueError("is not base64") from None


class _CloudEvent(Theirs):
    specversion: Literal["1.0"]
    id: _Text
    source: _Text
    type: _Text
    data: Any = None
    data_base64: Annotated[bytes | None, BeforeValidator(_from_base64)] = None


class CloudEvents(MappedWebhook):
    """The source ``cloudevents``; its senders are told everything that is wrong with an event."""

    name = "cloudevents"
    tells_problems = True
    scheme = StaticSecret(forms=(Form.BEARER,))

    def handshake(self, request: WebhookRequest) -> Reply | None:
        """Allow a sender to deliver, whoever it is: the token decides later. No callback is ever called."""
        origin = request.header("webhook-request-origin")
        if request.method != "OPTIONS" or origin is None or not _ORIGIN.fullmatch(origin):
            return None
        asked = request.header("webhook-request-rate") or ""
        rate = min(int(asked), MOST_A_MINUTE) if _RATE.fullmatch(asked) else MOST_A_MINUTE
        allowed = {"WebHook-Allowed-Origin": origin, "WebHook-Allowed-Rate": str(rate), "Allow": "POST"}
        return Reply(HTTPStatus.OK, headers=allowed)

    def verify(self, request: WebhookRequest, secrets: Sequence[str], now: datetime) -> None:
        """Compare the token of the header, or without that header the one of the query; raises Unauthentic."""
        token = request.query.get("access_token")
        if token is None or "authorization" in request.headers:
            return super().verify(request, secrets, now)
        if not token.isascii() or len(token) > LONGEST_HEADER:
            raise Unauthentic("the token of the query is malformed")
        return one_of([token.encode()], secrets)

    def read(self, request: WebhookRequest, received_at: datetime) -> tuple[Notice, ...]:
        """
        Read the event, or all of a batch or none.

        Raises BadEvent with every problem, or BodyNotUnderstood for a content type that holds no event.
        """
        notices: list[Notice] = []
        problems: list[Problem] = []
        for index, (place, value) in enumerate(_listed(request)):
            try:
                notices.append(self._notice(self._delivered(value, received_at), index, request, received_at))
            except (BadEvent, ValidationError) as error:
                found = problems_of(error)
                problems += (Problem(place + (problem.field or "event"), problem.reason) for problem in found)
        if problems:
            raise BadEvent(*problems[:MOST_PROBLEMS])
        return tuple(notices)

    def thanks(self) -> Reply:
        """Say that the event is taken, and its invitations are yet to come."""
        return Reply(HTTPStatus.ACCEPTED)

    def _delivered(self, value: Any, received_at: datetime) -> Told:
        event = _CloudEvent.model_validate(value)
        # The paths of a stage begin at the envelope: its type says what happened. Our own event is within.
        is_ours = self._field_map is None
        try:
            data = event.data if event.data_base64 is None else parse(event.data_base64)
            told = self._event(data if is_ours else value | {"data": data}, received_at)
        except BadEvent as error:
            place = "data." if is_ours else ""
            raise BadEvent(*(Problem(place + problem.field, problem.reason) for problem in error.problems)) from None
        # CloudEvents tell a repetition by source and id. With type and data in it, a sender that uses an id twice does
        # not lose what it said the second time.
        delivery = json.dumps([event.source, event.id, event.type, data], sort_keys=True)
        return replace(told, event=event_name(event.type), delivery=delivery)


def _listed(request: WebhookRequest) -> Iterator[tuple[str, Any]]:
    """Give every event and where it stands; raises BadEvent or BodyNotUnderstood."""
    kind = media_type(request)
    if kind == "application/cloudevents-batch+json":
        events = parse(request.body)
        if not isinstance(events, list) or len(events) > MOST_EVENTS:
            raise BadEvent(Problem("body", f"is not a list of at most {MOST_EVENTS} events"))
        yield from ((f"{index}.", event) for index, event in enumerate(events))
    elif kind == "application/cloudevents+json":
        yield "", parse(request.body)
    elif is_json(kind):
        # Values of headers are percent-encoded, once.
        found = [match for match in map(_ATTRIBUTE.fullmatch, request.headers) if match]
        attributes: dict[str, Any] = {name[1]: unquote(request.header(name[0]) or "") for name in found}
        yield "", attributes | {"data": parse(request.body)}
    else:
        raise BodyNotUnderstood("the content type holds no event")
