"""Limits in fixed windows of time, as both providers count them."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from usher_local.simulators.exchange import Answer


@dataclass(frozen=True)
class Limit:
    """What a limiter says to a request: headers of whatever is answered, and the refusal if there is one."""

    headers: Mapping[str, str] = field(default_factory=dict)
    refusal: Answer | None = None


class FixedWindow:
    """Counts by key within windows of some seconds; a window begins at a multiple of its length."""

    def __init__(self, seconds: int) -> None:
        self._seconds = seconds
        self._counts: dict[Hashable, tuple[int, int]] = {}

    def count(self, key: Hashable, now: datetime) -> int:
        """Count one more; gives how many there are in this window."""
        window = int(now.timestamp()) // self._seconds
        before, counted = self._counts.get(key, (window, 0))
        self._counts[key] = (window, counted + 1 if before == window else 1)
        return self._counts[key][1]

    def end(self, now: datetime) -> datetime:
        """Give the end of the window."""
        window = int(now.timestamp()) // self._seconds
        return datetime.fromtimestamp((window + 1) * self._seconds, UTC)
