"""How long a hire is waited for who has no work address yet, and when the HR system is asked again (docs/sources)."""

from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from usher.domain.hire import NewHire

LEAST_WAIT = timedelta(days=3)
"""Who is announced on the first day, or after it, gets an address within days."""
LONGEST_WAIT_WITHOUT_A_DAY = timedelta(days=90)
LONGEST_WAIT = timedelta(days=366)
"""A day beyond it is a slip of the pen; nobody would be told of it."""
SHORTEST_PAUSE = timedelta(hours=1)
LONGEST_PAUSE = timedelta(days=1)


def waits_until(hire: NewHire, known_since: datetime, zone: str) -> datetime:
    """Give the end of the wait: the beginning of the first day where the hire works (or in `zone`), but no few days."""
    if hire.start_date is None:
        return known_since + LONGEST_WAIT_WITHOUT_A_DAY
    first_day = datetime.combine(hire.start_date, time(0), ZoneInfo(hire.time_zone or zone))
    end = max(first_day.astimezone(known_since.tzinfo), known_since + LEAST_WAIT)
    return min(end, known_since + LONGEST_WAIT)


def asked_again_at(end: datetime, now: datetime) -> datetime | None:
    """Give the next time to ask, a quarter of the rest later, so more often towards the end; None after it."""
    left = end - now
    if left <= timedelta(0):
        return None
    return min(end, now + min(max(left / 4, SHORTEST_PAUSE), LONGEST_PAUSE))
