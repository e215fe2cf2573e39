"""
The event intake: a queue on which other systems announce hires, bare or in an envelope. docs/events.md.

A message is bound to its sender: the queue's own word on who sent it decides in which sources' names it may speak.
"""

import base64
import json
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from usher.domain.errors import BadEvent, Problem
from usher.domain.event import SCHEMA, read_event
from usher.domain.json_text import parse
from usher.domain.notice import Notice, notice_id_of, unusable

INTAKE = "intake"
"""Stands as the source of a notice whose own source is not believed."""


class _Unwrapped(NamedTuple):
    """An event, and what its envelope names this delivery."""

    event: object
    delivery: str


def read_intake(
    body: str, message_id: str, sender_id: str, senders: Mapping[str, Collection[str]], now: datetime
) -> Notice:
    """
    Read one message; it never raises for what the message holds.

    `sender_id` is the queue's SenderId, for a role ``AROA...:session``, of which only the part before the colon
    counts; `senders` says which source names each may use. What cannot be used is a notice with every problem.
    """
    sender = sender_id.partition(":")[0]
    raw = body.encode(errors="surrogatepass")
    # With the sender in it, nobody can hide another's notice behind an id of their own.
    notice_id = notice_id_of(INTAKE, sender, message_id)
    try:
        unwrapped = _unwrap(parse(raw), message_id)
        # With the event in it, a sender that uses an id twice does not lose what it said the second time.
        notice_id = notice_id_of(INTAKE, sender, unwrapped.delivery, json.dumps(unwrapped.event, sort_keys=True))
        event = read_event(unwrapped.event, senders.get(sender, ()))
    except BadEvent as error:
        return unusable(notice_id, INTAKE, raw, error.problems, now, sender=sender)
    return Notice(
        notice_id=notice_id,
        source=event.source,
        received_at=now,
        event=SCHEMA,
        subject=event.hire_id,
        change=event.change,
        hire=event.hire,
    )


def _unwrap(value: object, delivery: str) -> _Unwrapped:
    """Take the event out of its envelope; raises BadEvent."""
    if isinstance(value, dict) and value.get("Type") == "Notification" and "Message" in value:
        message = _text(value, "Message")
        return _unwrap_one(_parsed(message.encode(), "Message"), _text(value, "MessageId"))
    return _unwrap_one(value, delivery)


def _unwrap_one(value: object, delivery: str) -> _Unwrapped:
    if not isinstance(value, dict):
        raise BadEvent(Problem("body", "is not an object"))
    if "specversion" in value:
        return _cloud_event(value)
    if "detail-type" in value:
        return _Unwrapped(value.get("detail"), _text(value, "id"))
    if not value.keys() & {"schema", "hire_id"}:
        raise BadEvent(Problem("body", f"is no {SCHEMA}, and no CloudEvents, EventBridge or SNS envelope of one"))
    return _Unwrapped(value, delivery)


def _cloud_event(value: dict[str, Any]) -> _Unwrapped:
    if value["specversion"] != "1.0":
        raise BadEvent(Problem("specversion", "is not 1.0"))
    problems = [
        Problem(name, "is not a text that says something")
        for name in ("id", "source", "type")
        if not (isinstance(value.get(name), str) and value[name])
    ]
    if problems:
        raise BadEvent(*problems)
    data = value.get("data")
    if data is None and "data_base64" in value:
        try:
            data = _parsed(base64.b64decode(_text(value, "data_base64"), validate=True), "data_base64")
        except ValueError:
            raise BadEvent(Problem("data_base64", "is not base64")) from None
    # CloudEvents tell a repetition by source and id together.
    return _Unwrapped(data, f"{value['source']} {value['id']}")


def _parsed(body: bytes, field: str) -> object:
    try:
        return parse(body)
    except BadEvent as error:
        raise BadEvent(*(Problem(field, problem.reason) for problem in error.problems)) from None


def _text(value: dict[str, Any], name: str) -> str:
    text = value.get(name)
    if not isinstance(text, str) or not text:
        raise BadEvent(Problem(name, "is not a text that says something"))
    return text
