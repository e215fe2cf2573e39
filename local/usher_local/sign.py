"""Plays the sender: signs a body as the HR system of a source would."""

import re
from base64 import b64encode
from datetime import datetime
from functools import cache
from typing import Any

import httpx

from usher.ports import WebhookRequest
from usher.sources.registry import all_sources
from usher.sources.signatures import Form, Hmac, StaticSecret

_PLACES = re.compile(r"\{([a-z-]+)\}")


def sign(source: str, body: bytes, secret: str, now: datetime, delivery_id: str) -> dict[str, str]:
    """
    Give the headers with which the body goes to ``POST /hr/<source>``.

    Raises KeyError for an unknown source, and for one whose secret stands in the body.
    """
    headers = {"content-type": "application/json"}
    match _schemes()[source]:
        case Hmac() as scheme:
            times = {scheme.timestamp_header} - {None}
            signed = {name for name in _PLACES.findall(scheme.signed) if name != "body"}
            headers |= dict.fromkeys(sorted(signed - times), delivery_id)
            headers |= {name: str(int(now.timestamp())) for name in times if name}
            unsigned = WebhookRequest("POST", source, {name: (value,) for name, value in headers.items()}, body)
            return headers | {scheme.header: scheme.sign(unsigned, secret)}
        case StaticSecret(header, (form, *_)):
            return headers | {header: _written(form, secret)}
    raise KeyError(source)


@cache
def _schemes() -> dict[str, Any]:
    # Once: the client of the sources, which nobody uses here, takes longer to make than everything else.
    return {known.name: getattr(known, "scheme", None) for known in all_sources(httpx.Client())}


def _written(form: Form, secret: str) -> str:
    match form:
        case Form.EXACT:
            return secret
        case Form.BEARER:
            return f"Bearer {secret}"
        case Form.BASIC:
            return f"Basic {b64encode(secret.encode()).decode()}"
