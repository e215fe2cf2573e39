"""
The guard against a mass mistake: far more invitations in an hour than allowed, or than usual, wait for an operator.

It counts invitations of the whole company in UTC hours, those perhaps sent included. A stop has no probe: time does not
lift it, only an approval does.
"""

from datetime import UTC, date, datetime, timedelta

from pydantic import BaseModel, ConfigDict, Field

REMEMBERED = timedelta(days=28)

PAUSE_FOR_APPROVAL = timedelta(minutes=15)
"""How long rows wait before they look again whether somebody has approved."""

STOPPED = "more invitations in an hour than the guard allows; `usher approve` lets them go"


class GuardRules(BaseModel):
    """
    When the guard stops: above `most_per_hour`, or above `times_usual` times the highest hour of the past 28 days.

    The second never stops below `usual_at_least`, and says nothing before there was an hour to compare with.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    most_per_hour: int = Field(default=200, ge=1)
    times_usual: int = Field(default=3, ge=1)
    usual_at_least: int = Field(default=20, ge=1)


class MassGuard(BaseModel):
    """What the guard has counted, and whether it stopped. `highest` holds the highest hour of each day."""

    model_config = ConfigDict(frozen=True)

    revision: int = 0
    hour: datetime | None = None
    count: int = 0
    highest: dict[str, int] = Field(default_factory=dict)
    stopped_at: datetime | None = None
    approved: int | None = None
    """How many more may go, until `approved_until`, whatever the count says; None where any number may."""
    approved_until: datetime | None = None

    def at(self, now: datetime) -> "MassGuard":
        """Give the guard as it is now: an hour that is over joins what is usual."""
        hour = hour_of(now)
        # Near the turn of an hour, a clock that is behind must not begin the hour before anew.
        if self.hour in (hour, hour + timedelta(hours=1)):
            return self
        since = (now - REMEMBERED).astimezone(UTC).date()
        highest = {day: count for day, count in self.highest.items() if date.fromisoformat(day) >= since}
        if self.hour is not None and self.count and self.hour.date() >= since:
            day = self.hour.date().isoformat()
            highest[day] = max(self.count, highest.get(day, 0))
        return self.model_copy(update={"hour": hour, "count": 0, "highest": highest})

    def most(self, rules: GuardRules) -> int:
        """How many invitations this hour may have without an approval."""
        if not self.highest:
            return rules.most_per_hour
        usual = max(rules.usual_at_least, rules.times_usual * max(self.highest.values()))
        return min(rules.most_per_hour, usual)

    def counting(self, rules: GuardRules, now: datetime) -> "MassGuard | None":
        """Count one more invitation; None where it must wait for an approval. Call it on the guard as it is `now`."""
        counted: dict[str, int] = {"count": self.count + 1}
        if self.stopped_at is None and self.count < self.most(rules):
            return self.model_copy(update=counted)
        if self.approved_until is None or now >= self.approved_until or self.approved == 0:
            return None
        if self.approved is not None:
            counted["approved"] = self.approved - 1
        return self.model_copy(update=counted)

    def stopping(self, now: datetime) -> "MassGuard":
        """Stop until somebody approves."""
        return self if self.stopped_at is not None else self.model_copy(update={"stopped_at": now})

    def giving_back(self, taken_at: datetime) -> "MassGuard":
        """Take an invitation off the count that certainly was not sent."""
        if self.hour != hour_of(taken_at) or self.count == 0:
            return self
        return self.model_copy(update={"count": self.count - 1})

    def approving(self, invitations: int | None, until: datetime) -> "MassGuard":
        """Lift the stop: until a time, for so many invitations more, or any number."""
        return self.model_copy(update={"stopped_at": None, "approved": invitations, "approved_until": until})


def hour_of(moment: datetime) -> datetime:
    """Give the UTC hour that a moment is in."""
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
