"""`usher send`: an event file onto the event intake, as another system would send it."""

from pathlib import Path
from typing import Any

import click

from usher.domain.errors import BadEvent, Problem
from usher.domain.event import SCHEMA
from usher.domain.json_text import parse
from usher_ops.system import System, on_system

LARGEST = 1024 * 1024
"""Bytes that an SQS message has at most."""


@click.command()
@click.argument("event_file", metavar="EVENT_FILE", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@on_system
def send(system: System, event_file: Path) -> None:
    """
    Send EVENT_FILE to the event intake.

    EVENT_FILE is one event usher.new-hire/1 (e.g. events/canonical/hired.json), bare or in an envelope, or an SQS event
    with Records (e.g. events/plan_invites/bare.json), of which every body is sent. The stage file says which names the
    sender may speak in; what it may not say is parked as a notice.
    """
    for body in bodies_in(event_file.read_bytes(), event_file.name):
        click.echo(f"sent to {system.name}: message {system.send(body)}")
    click.echo("`usher status` shows what becomes of it; `usher notices`, why it could not be used.")


def bodies_in(content: bytes, file: str) -> list[str]:
    """Give the bodies of the messages that a file holds; raises BadEvent, which names the file and no value of it."""
    if len(content) > LARGEST:
        raise _bad(file, "has more than 1 MiB, more than a message can have")
    try:
        event = parse(content)
    except BadEvent as error:
        raise _bad(file, error.problems[0].reason) from None
    if not isinstance(event, dict):
        raise _bad(file, "is not an object")
    if "Records" in event:
        return [_body(record, file) for record in _records(event["Records"], file)]
    if "httpMethod" in event or "requestContext" in event:
        raise _bad(file, "is a request to the webhook; post its body to the webhook's address instead")
    if not event.keys() & {"schema", "specversion", "detail-type", "Type"}:
        raise _bad(file, f"is no {SCHEMA}, no envelope of one, and no SQS event with Records")
    return [content.decode()]


def _records(records: Any, file: str) -> list[Any]:
    if not isinstance(records, list) or not records:
        raise _bad(file, "has no Records to send")
    return records


def _body(record: Any, file: str) -> str:
    body = record.get("body") if isinstance(record, dict) else None
    if not isinstance(body, str) or not body:
        raise _bad(file, "has a record without a body")
    return body


def _bad(file: str, reason: str) -> BadEvent:
    return BadEvent(Problem(file, reason))
