"""Greenhouse: a hire without a work address."""

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.contracts.hr_webhooks import Example
from usher.domain.hire import Change, as_version
from usher.domain.notice import Notice
from usher.ports import WebhookRequest
from usher.sources.greenhouse import Greenhouse

NOON = datetime(2026, 9, 8, 12, 0, tzinfo=UTC)
ACCEPTED = datetime(2026, 9, 8, 11, 58, tzinfo=UTC)
EXAMPLE = Example.load("greenhouse")


def application(**changes: Any) -> dict[str, Any]:
    """Give the application of the contract's example, changed."""
    found: dict[str, Any] = json.loads(EXAMPLE.request.body)["payload"]["application"]
    return found | changes


def read(
    action: str = "hire_candidate", payload: object = None, *, delivery: str = "1", at: datetime = NOON
) -> tuple[Notice, ...]:
    """Read a body as Greenhouse."""
    body = json.dumps({"action": action, "payload": payload or {"application": application()}}).encode()
    return Greenhouse().read(WebhookRequest("POST", "greenhouse", {"greenhouse-event-id": (delivery,)}, body), at)


def test_an_accepted_offer_is_a_hire_without_a_work_address() -> None:
    """The candidate's addresses are their own and their previous employer's; title and company are the previous job."""
    (notice,) = Greenhouse().read(EXAMPLE.request, NOON)
    hire = notice.hire
    assert hire is not None
    assert (notice.event, notice.change, notice.subject, notice.problems) == ("hire_candidate", "hired", "46190001", ())
    assert (hire.source, hire.hire_id, hire.version) == ("greenhouse", "46190001", as_version(ACCEPTED))
    assert hire.work_email is None
    assert (hire.given_name, hire.family_name, hire.start_date) == ("Noor", "Haddad", date(2026, 10, 5))
    assert (hire.title, hire.department, hire.location) == ("Platform Engineer", "Engineering", "Lisbon")
    assert hire.employment_type == "Full-time"
    assert "example.com" not in notice.model_dump_json()


@pytest.mark.parametrize(
    "changes",
    [
        {"offer": None, "jobs": [], "candidate": None},
        {"offer": {}, "jobs": None, "candidate": {}},
        {"offer": {"starts_at": "", "resolved_at": None}, "jobs": [{"departments": None, "offices": []}]},
        {"jobs": [{"name": " ", "departments": [None], "offices": [{"name": None}], "custom_fields": []}]},
        {"jobs": [{"custom_fields": {"employment_type": None}}]},
        {"jobs": [{"custom_fields": {"employment_type": {"value": ["a", "b"]}}}]},
    ],
)
def test_what_greenhouse_leaves_out_is_nothing(changes: dict[str, Any]) -> None:
    """Departments, offices, offer and custom fields can be empty or null."""
    (notice,) = read(payload={"application": application(**changes)})
    assert notice.hire is not None
    assert (notice.problems, notice.hire.department, notice.hire.location) == ((), None, None)


def test_taking_a_hire_back_comes_after_the_hire_whatever_the_clocks_say() -> None:
    """It has no time of its own."""
    (hired,), (unhired,) = read(), read("unhire_candidate")
    (early,) = read("unhire_candidate", at=ACCEPTED - timedelta(minutes=5))
    assert hired.hire is not None
    assert unhired.hire is not None
    assert early.hire is not None
    assert unhired.change is Change.CANCELLED
    assert unhired.hire.version == as_version(NOON) > early.hire.version > hired.hire.version


def test_an_offer_accepted_at_a_time_that_is_yet_to_come_is_parked() -> None:
    """As a version it would outlast everything that is said later."""
    for action in ("hire_candidate", "unhire_candidate"):
        (notice,) = read(action, at=ACCEPTED - timedelta(minutes=5, seconds=1))
        assert [problem.field for problem in notice.problems] == ["payload.application.offer.resolved_at"]
        assert notice.event == action


def test_a_hire_without_the_time_of_its_offer_is_ordered_by_its_arrival() -> None:
    """The best there is."""
    (notice,) = read(payload={"application": application(offer=None)})
    assert notice.hire is not None
    assert notice.hire.version == as_version(NOON)


def test_a_ping_says_nothing_and_other_events_are_no_hire() -> None:
    """Greenhouse saves a hook whose ping was not answered as disabled."""
    assert read("ping") == ()
    (notice,) = read("offer_created")
    assert (notice.event, notice.change, notice.hire, notice.problems) == ("offer_created", None, None, ())
    assert Greenhouse().thanks().status == 200


def test_a_notice_is_named_by_what_was_signed() -> None:
    """The header of the delivery's id is not: a replay could carry a new one."""
    (first,), (again,), (other,) = read(delivery="1"), read(delivery="2"), read("unhire_candidate")
    assert first.notice_id == again.notice_id != other.notice_id


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"id": None}, "payload.application.id"),
        ({"id": True}, "payload.application.id"),
        ({"id": "a/b"}, "hire_id"),
        ({"offer": {"starts_at": "10/05/2026"}}, "payload.application.offer.starts_at"),
        ({"offer": {"resolved_at": "yesterday"}}, "payload.application.offer.resolved_at"),
        ({"offer": {"resolved_at": "0001-01-01T00:00:00+14:00"}}, "payload.application.offer.resolved_at"),
        ({"jobs": [{"name": "x" * 300}]}, "title"),
        ({"jobs": "none"}, "payload.application.jobs"),
    ],
)
def test_what_cannot_be_used_is_a_notice_that_says_why(changes: dict[str, Any], field: str) -> None:
    """With the body sealed: vendors do not send again what was answered 4xx."""
    (notice,) = read(payload={"application": application(**changes)})
    assert field in {problem.field for problem in notice.problems}
    assert (notice.hire, notice.event) == (None, "hire_candidate")
    assert notice.sealed_body
    assert "Noor" not in str(notice.problems)


@pytest.mark.parametrize(
    ("jobs", "field"),
    [
        ([{}] * 300_000, "payload.application.jobs"),
        ([1] * 300_000, "payload.application.jobs"),
        ([{"departments": [{}] * 300_000}], "payload.application.jobs.0.departments"),
        ([{"offices": [{}] * 300_000}], "payload.application.jobs.0.offices"),
    ],
)
def test_a_list_that_no_hire_has_is_read_no_further_than_its_bound(jobs: list[Any], field: str) -> None:
    """A signed body may be a mebibyte, and must not cost seconds: one reason, and not one for each entry."""
    (notice,) = read(payload={"application": application(jobs=jobs)})
    assert field in [problem.field for problem in notice.problems]
    assert len(notice.problems) == 2  # With the note that a body of that size is not kept whole.


@given(
    st.binary()
    | st.recursive(
        st.none() | st.text() | st.integers(),
        lambda c: (
            st.lists(c)
            | st.dictionaries(
                st.sampled_from(
                    ["action", "payload", "application", "id", "jobs", "offer", "resolved_at", "starts_at"]
                ),
                c,
            )
        ),
    ).map(lambda value: json.dumps(value).encode())
)
def test_no_body_raises(body: bytes) -> None:
    """Greenhouse is always answered 200 for what it signed."""
    for notice in Greenhouse().read(WebhookRequest("POST", "greenhouse", {}, body), NOON):
        assert notice.problems or notice.change is None or notice.hire
