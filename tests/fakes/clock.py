"""A clock that only a test moves."""

from datetime import datetime, timedelta


class FakeClock:
    """Stands still until it is told to advance."""

    def __init__(self, now: datetime) -> None:
        self._now = now
        self._seconds = 0.0

    def now(self) -> datetime:
        """Give the time."""
        return self._now

    def monotonic(self) -> float:
        """Give the seconds that have passed."""
        return self._seconds

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._now += timedelta(seconds=seconds)
        self._seconds += seconds
