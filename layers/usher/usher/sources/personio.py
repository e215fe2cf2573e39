"""
Personio (contract, section 5.3): says that a person or an employment was created, started or changed, and no more.

There is no signature: the configured text comes as the header Authorization, exactly as it was typed. Who is meant is
asked for (`personio_api`), and so is the log of what was sent. docs/sources/personio.md.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Annotated, Any
from urllib.parse import unquote_plus

import httpx
from pydantic import AliasChoices, AliasPath, Field, ValidationError

from usher.domain.errors import DetailsUnavailable
from usher.domain.hire import Change, as_version
from usher.domain.notice import Notice, notice_id_of
from usher.ports import SourceSettings
from usher.sources.hr_api import fitting
from usher.sources.personio_api import PersonioApi
from usher.sources.signatures import StaticSecret
from usher.sources.webhook import (
    JsonWebhook,
    PathId,
    TheirId,
    TheirMoment,
    Theirs,
    TheirText,
    Told,
    at_most,
    event_name,
)

NAME = "personio"
MOST_EVENTS = 1000
MOST_PAGES = 5
LISTED_FOR = timedelta(days=30)

_CHANGES = {
    "person.created": Change.HIRED,
    "employment.created": Change.HIRED,
    "employment.started": Change.HIRED,
    "person.updated": Change.CHANGED,
    "employment.updated": Change.CHANGED,
    "employment.terminated": Change.CHANGED,
    "person.deleted": Change.CANCELLED,
}
_HIRES = [event for event, change in _CHANGES.items() if change is Change.HIRED]
_CURSOR = re.compile(r"[?&]cursor=([^&#]+)")

_PERSON = (
    AliasPath("payload", "person", "id"),
    AliasPath("payload", "person_id"),
    AliasPath("payload", "employment", "person", "id"),
    AliasPath("payload", "employment", "person_id"),
)
# Of an employment's event, this would be the employment.
_ITSELF = AliasPath("payload", "id")


class _Event(Theirs):
    company_id: TheirId | None = None
    occurred_at: TheirMoment = None
    person_id: PathId = Field(validation_alias=AliasChoices(*_PERSON))


class _PersonEvent(_Event):
    person_id: PathId = Field(validation_alias=AliasChoices(*_PERSON, _ITSELF))


class _Events(Theirs):
    entries: Annotated[tuple[Any, ...], at_most(MOST_EVENTS)] = Field(validation_alias=AliasChoices("_data", "data"))
    further: TheirText = Field(None, validation_alias=AliasPath("_meta", "links", "next", "href"))


class Personio(JsonWebhook):
    """The source ``personio``; every notice is thin."""

    name = NAME
    scheme = StaticSecret()

    def __init__(self, client: httpx.Client) -> None:
        self.details = PersonioApi(client)
        self.listing = PersonioLog(self.details)

    def told(self, body: Any, received_at: datetime) -> Iterator[Told]:
        """Read one event; a ping tells nothing."""
        del received_at
        told = _told(body)
        if told.event != "ping":
            yield told


def _told(body: Any) -> Told:
    """Read an event, delivered or listed; raises ValidationError."""
    name = event_name(body.get("event_name") if isinstance(body, dict) else None).lower()
    change = _CHANGES.get(name)
    if change is None:
        return Told(name)
    event = (_PersonEvent if name.startswith("person.") else _Event).model_validate(body)
    moment = as_version(event.occurred_at) if event.occurred_at else None
    # The same whether it is delivered, delivered again or listed.
    delivery = f"{event.company_id} {name} {event.person_id} {moment}" if moment else None
    return Told(name, event.person_id, change, delivery=delivery)


@dataclass(frozen=True, slots=True)
class PersonioLog:
    """Lists what a webhook was sent, for feeds die silently."""

    api: PersonioApi

    def recent(self, settings: SourceSettings, secret: str, now: datetime) -> Sequence[Notice]:
        """Give a thin notice for each hire that the webhook's log holds; raises DetailsUnavailable or BadEvent."""
        webhook = settings.options.get("webhook_id", "")
        if not webhook.strip("."):
            raise DetailsUnavailable("the option webhook_id is missing, so nothing can be listed", final=True)
        ask = self.api.asking(settings, secret, now)
        get = partial(ask, "v2", "webhooks", webhook, "events", names_person=False)
        since = (now - LISTED_FOR).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        told: list[Told] = []
        with fitting("events."):
            for name in _HIRES:
                for entry in _all_pages(get, {"event_name": name, "occurred_at.gte": since}):
                    with suppress(ValidationError):  # An odd entry is no reason to lose the others.
                        told.append(_told(entry))
        hires = [_notice(one, now) for one in told if one.change is Change.HIRED]
        return tuple({notice.notice_id: notice for notice in hires}.values())


def _all_pages(get: Callable[..., Any], query: dict[str, str]) -> Iterator[Any]:
    """Give the entries of a list; raises ValidationError, or DetailsUnavailable where it does not end."""
    for _ in range(MOST_PAGES):
        page = _Events.model_validate(get(query=query))
        yield from page.entries
        # Only the cursor is taken of the link: the token goes to no address that an answer chose.
        cursor = _CURSOR.search(page.further or "")
        if cursor is None:
            return
        query = query | {"cursor": unquote_plus(cursor[1])}
    raise DetailsUnavailable(f"personio lists more than {MOST_PAGES} pages of events")


def _notice(told: Told, now: datetime) -> Notice:
    """Make the notice of a listed event, under the name that its delivery has."""
    return Notice(
        notice_id=notice_id_of(NAME, told.delivery or f"{told.event} {told.subject}"),
        source=NAME,
        received_at=now,
        event=told.event,
        subject=told.subject,
        change=told.change,
    )
