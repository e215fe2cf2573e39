"""
How many invitations a provider takes from a connection in a day, and who is first where that is not enough.

What is counted is advisory: it saves refusals and lets those who start soonest go first. Safety never depends on it.
"""

from datetime import UTC, date, datetime, time, timedelta

from pydantic import BaseModel, ConfigDict, Field

RESTART = time(0, 5)
"""When rows that found the budget spent come again, UTC."""

HEADROOM_UNTIL = time(20, 0)
"""Until when, UTC, a fifth of the budget is kept for those who start soonest."""

SOON = timedelta(days=3)
MOST_SPREAD = timedelta(hours=3)


class DayBudget(BaseModel):
    """
    What a connection has used of one UTC day.

    A reservation stands in the name of a row and a fence before the POST, until the attempt's end is known: then it is
    spent, or given back. One whose sender died runs out.
    """

    model_config = ConfigDict(frozen=True)

    day: date | None = None
    spent: int = 0
    reserved: dict[str, datetime] = Field(default_factory=dict)

    def on(self, now: datetime) -> "DayBudget":
        """Give the budget as it is now: a new day starts anew, and what was abandoned runs out."""
        today = now.astimezone(UTC).date()
        # Near midnight, a clock that is behind must not begin the day before anew.
        if self.day not in (today, today + timedelta(days=1)):
            return DayBudget(day=today)
        return self.model_copy(update={"reserved": {name: end for name, end in self.reserved.items() if end > now}})

    @property
    def used(self) -> int:
        """How many are spent or reserved."""
        return self.spent + len(self.reserved)

    def reserving(self, name: str, until: datetime) -> "DayBudget":
        """Reserve one in the name of a row and a fence."""
        return self.model_copy(update={"reserved": self.reserved | {name: until}})

    def ended(self, name: str, *, spent: bool) -> "DayBudget":
        """Spend a reservation, or give it back. One that has run out meanwhile is spent all the same."""
        rest = {other: end for other, end in self.reserved.items() if other != name}
        return self.model_copy(update={"reserved": rest, "spent": self.spent + spent})

    def next_chance(self, limit: int, start: date | None, now: datetime) -> datetime | None:
        """Say when a row may come again; None where it may go now. Call it on the budget as it is `now`."""
        today = now.astimezone(UTC)
        first_day = start or date.max
        has_headroom = today.time() >= HEADROOM_UNTIL or first_day <= today.date() + SOON
        if self.used < (limit if has_headroom else limit - limit // 5):
            return None
        spread = min(MOST_SPREAD, timedelta(minutes=max(0, (first_day - today.date()).days)))
        if self.used < limit:
            return datetime.combine(today.date(), HEADROOM_UNTIL, tzinfo=UTC) + spread
        # A minute later for each day that the first day is away, so that the soonest are woken first.
        return datetime.combine(today.date() + timedelta(days=1), RESTART, tzinfo=UTC) + spread


class Forecast(BaseModel):
    """How far a budget goes: `today` of `waiting` can still go today, the last of them on `done_on`."""

    model_config = ConfigDict(frozen=True)

    today: int
    waiting: int
    done_on: date

    def __str__(self) -> str:
        return f"{self.today} of {self.waiting} left today, done on {self.done_on:%A} {self.done_on}"


def all_come_again_by(now: datetime) -> datetime:
    """Say by when every row that finds the budget of today spent has come again."""
    tomorrow = now.astimezone(UTC).date() + timedelta(days=1)
    return datetime.combine(tomorrow, RESTART, tzinfo=UTC) + MOST_SPREAD


def forecast(budget: DayBudget, limit: int, waiting: int, now: datetime) -> Forecast:
    """Say when as many as are waiting will have gone, if nothing else comes and nothing else uses the budget."""
    left = max(0, limit - budget.on(now).used)
    days = -(-max(0, waiting - left) // limit)
    return Forecast(
        today=min(left, waiting), waiting=waiting, done_on=now.astimezone(UTC).date() + timedelta(days=days)
    )
