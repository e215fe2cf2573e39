"""What happens to a request at the door: believed, read, durable, answered; in this order."""

from collections.abc import Mapping
from datetime import UTC, datetime

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from usher.domain.errors import (
    BodyCompressed,
    BodyTooLarge,
    NotAPost,
    SecretUnavailable,
    Unauthentic,
    UnknownSource,
)
from usher.ports import Clock, Queues, Reply, Secrets, Source, WebhookRequest

LARGEST_BODY = 1024 * 1024
REFRESH_PAUSE = 60.0
"""Seconds between two readings of a source's secret on account of refused signatures: forging costs us nothing."""


class ReceiveNotice:
    """Take one webhook request and give the answer that its sender wants."""

    def __init__(self, sources: Mapping[str, Source], secrets: Secrets, queues: Queues, clock: Clock) -> None:
        self._sources = sources
        self._secrets = secrets
        self._queues = queues
        self._clock = clock
        self._refreshed: dict[str, float] = {}

    def __call__(self, request: WebhookRequest) -> Reply:
        """
        Make what the request says durable, then thank its sender.

        Raises UnknownSource, UnfitRequest and Unauthentic before anything is read; BadEvent where the sender is to be
        told; SecretUnavailable and QueueUnavailable where the sender must try again. Nothing is queued then.
        """
        source = self._sources.get(request.source)
        if source is None:
            raise UnknownSource("this stage does not listen to a source of this name")
        if len(request.body) > LARGEST_BODY:
            raise BodyTooLarge(f"the body has more than {LARGEST_BODY} bytes")
        reply = source.handshake(request)
        if reply is not None:
            return reply
        if request.method != "POST":
            raise NotAPost("announcements come by POST")
        if any(value.strip().lower() not in ("", "identity") for value in request.headers.get("content-encoding", ())):
            raise BodyCompressed("the body must be sent without content-encoding")
        now = self._clock.now()
        self._verify(source, request, now)
        notices = source.read(request, now)
        if notices:
            self._queues.announce(notices)
        return source.thanks()

    def _verify(self, source: Source, request: WebhookRequest, now: datetime) -> None:
        name = f"sources/{source.name}"
        secret = self._secrets.get(name)
        try:
            source.verify(request, active_secrets(secret, now), now)
        except Unauthentic:
            # The secret may just have been exchanged.
            if not (self._may_refresh(source.name) and self._secrets.refresh(name, secret)):
                raise
            source.verify(request, active_secrets(self._secrets.get(name), now), now)

    def _may_refresh(self, source: str) -> bool:
        moment = self._clock.monotonic()
        last = self._refreshed.get(source)
        if last is not None and moment - last < REFRESH_PAUSE:
            return False
        self._refreshed[source] = moment
        return True


class _Listed(BaseModel):
    model_config = ConfigDict(extra="forbid")

    value: str = Field(min_length=1, repr=False)
    not_after: datetime | None = None


_SECRET_LIST = TypeAdapter(list[_Listed])


def active_secrets(text: str, now: datetime) -> tuple[str, ...]:
    """
    Give the secrets that hold now: the text itself, or those of a JSON list ``[{"value": ..., "not_after": ...}]``.

    Two at once let a secret be exchanged without losing a request. Raises SecretUnavailable where none is left, or an
    entry is empty or malformed: a door without a lock stays shut.
    """
    if not text.lstrip().startswith("["):
        if not text:
            raise SecretUnavailable("a webhook secret is empty")
        return (text,)
    try:
        listed = _SECRET_LIST.validate_json(text)
    except ValidationError:
        raise SecretUnavailable("a webhook secret is no list of value and not_after") from None
    active = tuple(entry.value for entry in listed if entry.not_after is None or now <= _aware(entry.not_after))
    if not active:
        raise SecretUnavailable("every webhook secret of the list has ended")
    return active


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
