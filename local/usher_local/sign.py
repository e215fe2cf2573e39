"""Plays the sender: signs a body as the HR system of a source would."""

from datetime import datetime

from usher.ports import WebhookRequest
from usher.sources.bamboohr import BambooHr
from usher.sources.canonical import Canonical
from usher.sources.greenhouse import Greenhouse

_SOURCES = (Canonical, Greenhouse, BambooHr)
_DELIVERY_HEADERS = {Canonical.name: "webhook-id", Greenhouse.name: "greenhouse-event-id"}


def sign(source: str, body: bytes, secret: str, now: datetime, delivery_id: str) -> dict[str, str]:
    """Give the headers with which the body goes to ``POST /hr/<source>``; raises KeyError for an unknown source."""
    scheme = {known.name: known.scheme for known in _SOURCES}[source]
    headers = {"content-type": "application/json"}
    if source in _DELIVERY_HEADERS:
        headers[_DELIVERY_HEADERS[source]] = delivery_id
    if scheme.timestamp_header is not None:
        headers[scheme.timestamp_header] = str(int(now.timestamp()))
    unsigned = WebhookRequest("POST", source, {name: (value,) for name, value in headers.items()}, body)
    return headers | {scheme.header: scheme.sign(unsigned, secret)}
