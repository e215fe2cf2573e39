"""
Signed by Standard Webhooks or Svix: our own event, or one that the stage describes; for every system that can choose.

docs/sources/canonical.md.
"""

from collections.abc import Sequence
from datetime import datetime
from http import HTTPStatus

from usher.domain.errors import BodyNotUnderstood, Unauthentic
from usher.domain.json_text import parse
from usher.domain.notice import Notice, notice_id_of
from usher.ports import Reply, WebhookRequest
from usher.sources.mapping import MappedWebhook
from usher.sources.signatures import Encoding, Hmac, KeyForm
from usher.sources.webhook import is_json, media_type

_FAMILIES = ("webhook", "svix")
_PARTS = ("id", "timestamp", "signature")


def _scheme(family: str) -> Hmac:
    return Hmac(
        header=f"{family}-signature",
        signed=f"{{{family}-id}}.{{{family}-timestamp}}.{{body}}",
        key_form=KeyForm.WHSEC,
        prefix="v1,",
        encoding=Encoding.BASE64,
        many=True,
        timestamp_header=f"{family}-timestamp",
    )


class Canonical(MappedWebhook):
    """The source ``canonical``; its senders are told everything that is wrong with an event."""

    name = "canonical"
    tells_problems = True
    scheme = _scheme("webhook")

    def verify(self, request: WebhookRequest, secrets: Sequence[str], now: datetime) -> None:
        """Check the headers of the one family that the request has; raises Unauthentic."""
        _scheme(_family_of(request)).verify(request, secrets, now)

    def read(self, request: WebhookRequest, received_at: datetime) -> tuple[Notice, ...]:
        """
        Read the event, as the stage describes it or as ours.

        Raises BadEvent with every problem, or BodyNotUnderstood for a content type that is not JSON.
        """
        kind = media_type(request)
        if kind and not is_json(kind):
            raise BodyNotUnderstood("the content type is not JSON")
        told = self._event(parse(request.body), received_at)
        notice = Notice(
            # Both are signed and stay the same over retries. With the body in it, a sender that uses an id twice does
            # not lose what it said the second time.
            notice_id=notice_id_of(self.name, _delivery_of(request), request.body),
            source=self.name,
            received_at=received_at,
            event=told.event,
            subject=told.subject,
            change=told.change,
            hire=told.hire,
        )
        return (notice,)

    def thanks(self) -> Reply:
        """Say that the event is taken, and its invitations are yet to come."""
        return Reply(HTTPStatus.ACCEPTED)


def _family_of(request: WebhookRequest) -> str:
    """Say whose headers these are. Two families could say two things, and only one of them would be checked."""
    found = [name for name in _FAMILIES if any(f"{name}-{part}" in request.headers for part in _PARTS)]
    if len(found) != 1:
        raise Unauthentic("the request has not the headers of one family")
    return found[0]


def _delivery_of(request: WebhookRequest) -> str:
    ids = [request.header(f"{name}-id") for name in _FAMILIES]
    return next((found for found in ids if found), "")
