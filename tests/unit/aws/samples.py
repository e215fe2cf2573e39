"""Rows, records, plans and notices that tests of the stores start from."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

from usher.domain.actual import claim, settled
from usher.domain.errors import Problem
from usher.domain.hire import Change, HireKey, HireRecord, NewHire, Result
from usher.domain.invitation import GuardKey, Invitation, Limits, Step
from usher.domain.notice import Notice, NoticeRecord, NoticeState
from usher.domain.planning import HirePlan
from usher.domain.policy import Access, Explanation, Grant, Team, Timings, Want
from usher.domain.wanted import opened
from usher.ports import Store

NOON = datetime(2026, 9, 8, 12, 0, 0, 5, tzinfo=UTC)
TIMINGS = Timings(settle=90, absent_reads=1)
GUARD = GuardKey("main", "d1")


def later(seconds: float) -> datetime:
    """Give a time after noon."""
    return NOON + timedelta(seconds=seconds)


def a_want(**changes: Any) -> Want:
    """Make a want with every part of a grant."""
    grant = Grant(
        role="member",
        access=(Access(resource="ari:x", role="user"),),
        groups=("g",),
        teams=(Team(name="t"), Team(name="u", role="admin")),
        message="Hi",
        options={"reinvite": True},
    )
    explanation = Explanation(rule="everyone", fields={"department": "Engineering"})
    base: dict[str, Any] = {"connection": "main", "grant": grant, "address": "ann@example.com"}
    return Want(**base | {"send_not_before": NOON, "explanation": explanation} | changes)


def a_row(hire_id: str = "E-1", guard: str | None = "d1", **changes: Any) -> Invitation:
    """Make a pending row."""
    row = opened(
        HireKey("canonical", hire_id),
        a_want(),
        generation=1,
        hire_version=1,
        policy_version="1.abc",
        start_date=date(2026, 9, 14),
        now=NOON,
        live=True,
        guard=guard,
    )
    return row.model_copy(update=changes)


def a_record(hire_id: str = "E-1", revision: int = 1, **changes: Any) -> HireRecord:
    """Make a hire's record."""
    hire = NewHire(source="canonical", hire_id=hire_id, version=1, work_email="ann@example.com", given_name="Ann")
    base: dict[str, Any] = {
        "hire": hire,
        "work_email": hire.work_email,
        "work_email_version": 1,
        "policy_version": "1.abc",
    }
    base |= {"result": Result.ROWS, "revision": revision, "notices": ("a" * 32,)}
    return HireRecord(**base | {"announced_at": NOON, "updated_at": NOON} | changes)


def a_plan(*opens: Invitation, hire_id: str = "E-1", seen: int | None = None, steps: tuple[Step, ...] = ()) -> HirePlan:
    """Make a plan that writes these rows."""
    return HirePlan(a_record(hire_id, (seen or 0) + 1), seen, opens=opens, steps=steps)


def a_claim(row: Invitation, owner: str = "w1") -> Step:
    """Claim a row at noon."""
    return claim(row, owner=owner, now=NOON, lease_until=later(40))


def ended(row: Invitation, outcome: Any) -> Step:
    """Record an outcome."""
    return settled(row, outcome, now=later(1), timings=TIMINGS, limits=Limits(), resend_expired=True, posted_at=NOON)


def stored(store: Store, row: Invitation) -> Invitation:
    """Read a row as it stands now."""
    return store.invitations([row.key])[row.key]


def a_notice(number: int = 1, **changes: Any) -> Notice:
    """Make a notice of a hire."""
    base: dict[str, Any] = {
        "notice_id": f"{number:032x}",
        "source": "canonical",
        "received_at": NOON,
        "event": "hired",
        "subject": "E-1",
        "change": Change.HIRED,
        "hire": a_record().hire,
    }
    return Notice(**base | changes)


def a_recorded(number: int = 1, state: NoticeState = NoticeState.PARKED, **changes: Any) -> NoticeRecord:
    """Make a notice's record."""
    base: dict[str, Any] = {
        "notice": a_notice(number),
        "state": state,
        "problems": (Problem("work_email", "is missing"),),
        "updated_at": NOON,
        "revision": 1,
    }
    return NoticeRecord(**base | changes)
