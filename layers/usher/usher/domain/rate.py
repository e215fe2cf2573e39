"""How fast a connection may be asked: the generic cell rate algorithm (GCRA), whose whole memory is one time."""

from datetime import datetime, timedelta
from math import ceil

from pydantic import BaseModel, ConfigDict, Field


class Rate(BaseModel):
    """
    At most `requests` in any `per` seconds, wherever those seconds begin.

    To keep that, half of them may go at once and the rest follow evenly; over a long time about half the rate is used.
    An attempt may ask first and then post, so less than three would never let it go.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    requests: int = Field(ge=3, le=100_000)
    per: float = Field(gt=0, le=86_400)

    @property
    def burst(self) -> int:
        """How many may go at once after a rest."""
        return (self.requests + 1) // 2

    @property
    def interval(self) -> timedelta:
        """How far the others stand apart."""
        # Rounded up: a microsecond less each time would let one more into the window.
        return timedelta(microseconds=ceil(self.per * 1_000_000 / (self.requests - self.burst + 1)))

    def free_at(self, arrival: datetime | None, now: datetime, cost: int) -> datetime:
        """Say when `cost` requests may go together; `arrival` is the theoretical arrival time of the next one."""
        start = max(arrival or now, now)
        return max(now, start - (self.burst - min(cost, self.burst)) * self.interval)

    def taken(self, arrival: datetime | None, now: datetime, cost: int) -> datetime:
        """Give the arrival time that follows when `cost` requests go."""
        return max(arrival or now, now) + min(cost, self.burst) * self.interval
