"""The source for every system that can choose."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from usher.domain.errors import BadEvent
from usher.domain.hire import Change
from usher.ports import WebhookRequest
from usher.sources.canonical import Canonical

NOON = datetime(2026, 9, 8, 12, 0, tzinfo=UTC)


def a_request(delivery: str = "msg_1", **changes: Any) -> WebhookRequest:
    """Make a verified request about Ann."""
    event = {"schema": "usher.new-hire/1", "source": "canonical", "hire_id": "E-1", "version": 5} | changes
    return WebhookRequest("POST", "canonical", {"webhook-id": (delivery,)}, json.dumps(event).encode())


def test_an_event_is_a_complete_notice() -> None:
    """Nothing has to be fetched."""
    (notice,) = Canonical().read(a_request(work_email="ann@example.com"), NOON)
    assert notice.hire is not None
    assert (notice.source, notice.subject, notice.change) == ("canonical", "E-1", Change.HIRED)
    assert (notice.hire.work_email, notice.hire.version) == ("ann@example.com", 5)
    assert Canonical().thanks().status == 202


def test_a_redelivery_has_the_same_name_and_another_delivery_another() -> None:
    """The id of the delivery is signed, and stays the same over retries."""
    names = [Canonical().read(a_request(delivery), NOON)[0].notice_id for delivery in ("msg_1", "msg_1", "msg_2")]
    assert names[0] == names[1] != names[2]


def test_an_id_that_is_used_twice_hides_nothing() -> None:
    """Else planning would take the correction for the notice that it has seen."""
    first, second = (Canonical().read(a_request(version=version), NOON)[0] for version in (5, 6))
    assert first.notice_id != second.notice_id


def test_the_sender_is_told_every_problem_and_may_speak_for_itself_alone() -> None:
    """Its secret belongs to this source."""
    with pytest.raises(BadEvent) as refused:
        Canonical().read(a_request(source="bamboohr", version=0), NOON)
    assert {problem.field for problem in refused.value.problems} == {"source", "version"}
    assert Canonical.tells_problems
