"""Sends an event to the local system as the HR system of a source would: signed now, with the secret of the run."""

import base64
import json
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import httpx

from usher_local.errors import LocalSystemError
from usher_local.sign import sign


def body_of(file: Path) -> bytes:
    """Read a body from a file: the file itself, or the body of a request as API Gateway hands it over."""
    try:
        text = file.read_bytes()
    except OSError as error:
        raise LocalSystemError(f"cannot read {file}: {error.strerror}") from None
    try:
        event = json.loads(text)
    except ValueError:
        return text
    if not isinstance(event, dict) or "httpMethod" not in event:
        return text
    raw: str = event["body"] or ""
    return base64.b64decode(raw) if event["isBase64Encoded"] else raw.encode()


def send(webhook_url: str, source: str, body: bytes, secrets: Mapping[str, str]) -> int:
    """
    POST a body to the webhook of a source; gives the status.

    Raises LocalSystemError for a source without a secret, or with one that stands in the body.
    """
    try:
        secret = secrets[f"sources/{source}"]
        headers = sign(source, body, secret, datetime.now(UTC), delivery_id=f"msg_{uuid.uuid4().hex}")
    except KeyError:
        raise LocalSystemError(
            f"no request of {source!r} can be signed: it has no secret, or one in the body"
        ) from None
    url = f"{webhook_url}/{source}"
    return httpx.post(url, content=body, headers=headers, timeout=30, trust_env=False).status_code
