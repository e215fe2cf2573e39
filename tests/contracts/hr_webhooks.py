"""The signed example requests of the contract: exact bytes, headers, secret, and the clock to assume."""

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from usher.ports import WebhookRequest

FOLDER = Path(__file__).parent / "hr-webhooks"
NAMES = sorted(path.stem for path in FOLDER.glob("*.json"))


@dataclass(frozen=True)
class Example:
    """One example request, as its sender would send it."""

    request: WebhookRequest
    secret: str
    received_at: datetime
    scheme: dict[str, Any]
    raw: dict[str, Any]

    @classmethod
    def load(cls, name: str) -> Self:
        """Read an example by the name of its file."""
        raw = json.loads((FOLDER / f"{name}.json").read_text())
        headers = {key.lower(): (value,) for key, value in raw["headers"].items()}
        return cls(
            request=WebhookRequest(raw["method"], raw["system"], headers, raw["raw_body"].encode()),
            secret=raw["secret"] or "",
            received_at=datetime.fromtimestamp(raw["received_at"], UTC),
            scheme=raw["scheme"],
            raw=raw,
        )

    def flipped(self, position: int) -> WebhookRequest:
        """Give the request with one bit of its body flipped."""
        body = bytearray(self.request.body)
        body[position] ^= 1
        return replace(self.request, body=bytes(body))
