"""What can be made to go wrong with requests that match a rule."""

import fnmatch
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Self

from usher_local.simulators.exchange import Request

BEFORE = ("status_before", "reset_before", "rate_limit", "quota", "concurrency", "wrong_token")
AFTER = ("status_after", "reset_after", "truncate", "html")
SLOW = ("delay", "delay_after")
KINDS = BEFORE + AFTER + SLOW
_MATCHED = ("method", "path", "address")


class BadRule(ValueError):
    """A fault rule that means nothing; silence about it would look like a fault that did not help."""


@dataclass
class Fault:
    """
    What goes wrong with the next `times` requests that match.

    - `status_before`, `reset_before`: nothing happens, then `status`, or a cut connection.
    - `rate_limit`, `quota`, `concurrency`, `wrong_token`: nothing happens, and the provider's own words for it.
    - `status_after`, `reset_after`: row and mail happen, then `status`, or a cut connection.
    - `truncate`, `html`: row and mail happen, then half of the answer, or a page instead of it.
    - `delay`, `delay_after`: the answer comes `seconds` late; the effect is late as well, or prompt.

    `body` replaces the provider's own body of an error, `headers` are added. `match` has `method`, `path` (a glob) and
    `address` (a part of the body, or of a value of the query), all of them optional.
    """

    kind: str
    times: int = 1
    status: int = 500
    seconds: float = 0.0
    headers: dict[str, str] = field(default_factory=dict)
    body: Any = None
    match: dict[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, rule: Mapping[str, Any]) -> Self:
        """Read a rule of the control API; raises BadRule."""
        unknown = rule.keys() - {item.name for item in fields(cls)} | rule.get("match", {}).keys() - set(_MATCHED)
        if unknown:
            raise BadRule(f"a fault has no {', '.join(sorted(unknown))}")
        if rule.get("kind") not in KINDS:
            raise BadRule(f"kind is one of {', '.join(KINDS)}")
        return cls(**rule)

    def fits(self, request: Request) -> bool:
        """Say whether a request is meant."""
        address = self.match.get("address", "").lower()
        texts = (request.body.decode(errors="replace"), *request.query.values())
        return (
            self.times > 0
            and self.match.get("method", request.method).upper() == request.method
            and fnmatch.fnmatchcase(request.path, self.match.get("path", "*"))
            and any(address in text.lower() for text in texts)
        )
