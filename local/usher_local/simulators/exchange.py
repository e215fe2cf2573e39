"""One request as a simulator reads it, and the answer that it gives."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Request:
    """What came in; `json` is None where the body is no JSON, and header names are in small letters."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    json: Any = None
    match: Mapping[str, str] = field(default_factory=dict)

    @property
    def token(self) -> str | None:
        """The bearer token."""
        kind, _, value = self.headers.get("authorization", "").partition(" ")
        return value if kind == "Bearer" else None

    @property
    def fields(self) -> dict[str, Any]:
        """The body's fields; none where it is not an object."""
        return self.json if isinstance(self.json, dict) else {}


@dataclass(frozen=True)
class Answer:
    """What goes back: JSON whatever it is called, or a text that is an HTML page."""

    status: int
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = "application/json"

    @property
    def payload(self) -> bytes:
        """The bytes of the body."""
        if self.body is None:
            return b""
        is_page = self.content_type == "text/html" and isinstance(self.body, str) and self.body.startswith("<")
        return self.body.encode() if is_page else json.dumps(self.body).encode()


def page(status: int, text: str = "a proxy's page") -> Answer:
    """Answer as something between the client and the provider does: in HTML."""
    return Answer(status, f"<html><body>{text}</body></html>", content_type="text/html")
