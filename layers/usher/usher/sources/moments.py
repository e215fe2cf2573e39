"""When a vendor says that something happened, as the version that orders what it says of one person."""

from datetime import datetime, timedelta

from usher.domain.errors import BadEvent, Problem
from usher.domain.hire import as_version

FURTHEST_AHEAD = timedelta(minutes=5)
"""How far a vendor's clock may be ahead of ours."""


def version_of(moment: datetime | None, received_at: datetime, field: str) -> int:
    """
    Give the version of what a vendor dates, or of its arrival where it does not.

    Raises BadEvent for a moment that is yet to come, naming the vendor's `field`: nothing that is said of the person
    before that moment would count any more.
    """
    if moment is not None and moment > received_at + FURTHEST_AHEAD:
        raise BadEvent(Problem(field, "is more than 5 minutes ahead of its arrival"))
    return as_version(moment or received_at)
