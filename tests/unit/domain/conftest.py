"""Rows, wants and rules of timing that the tests of the domain share."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from usher.domain.actual import claim
from usher.domain.hire import HireKey
from usher.domain.invitation import Invitation, Limits, State
from usher.domain.policy import Access, Explanation, Grant, Timings, Want
from usher.domain.wanted import opened

NOON = datetime(2026, 9, 8, 12, 0, tzinfo=UTC)
TIMINGS = Timings(settle=180, absent_reads=2, read_gap=60, provider_tail=60, read_lag=120)
LIMITS = Limits()
GRANT = Grant(access=(Access(resource="ari:cloud:jira::site/1", role="atlassian/user"),), groups=("g-1",))
HIRE = HireKey("canonical", "E-1")


def later(seconds: float) -> datetime:
    """Give a time so many seconds after noon."""
    return NOON + timedelta(seconds=seconds)


def a_want(**changes: Any) -> Want:
    """Make a want for Ann in the Atlassian connection."""
    base: dict[str, Any] = {
        "connection": "atlassian-main",
        "grant": GRANT,
        "address": "ann@example.com",
        "send_not_before": NOON,
        "explanation": Explanation(rule="everyone"),
    }
    return Want(**base | changes)


def a_row(state: State = State.PENDING, **changes: Any) -> Invitation:
    """Make Ann's row, in a state, with attributes changed as said."""
    row = opened(
        HIRE,
        a_want(),
        generation=1,
        hire_version=1,
        policy_version="1.abc",
        start_date=date(2026, 9, 14),
        now=NOON,
        live=True,
        guard="d1",
    )
    return row.model_copy(update={"state": state} | changes)


def claimed(row: Invitation | None = None, *, owner: str = "w1", now: datetime = NOON) -> Invitation:
    """Claim a row for forty seconds."""
    return claim(row or a_row(), owner=owner, now=now, lease_until=now + timedelta(seconds=40)).after


@pytest.fixture
def pending() -> Invitation:
    """A row that is due."""
    return a_row()


@pytest.fixture
def sending() -> Invitation:
    """A row that is claimed."""
    return claimed()


@pytest.fixture
def ambiguous() -> Invitation:
    """A row whose POST, at noon, has no known ending."""
    return claimed().model_copy(
        update={
            "state": State.AMBIGUOUS,
            "posted_at": NOON,
            "ambiguous_since": NOON,
            "due_at": later(180),
            "lease_until": None,
        }
    )
