"""What may stand in a wake-up: keys, and nothing that could name another item."""

import pytest

from usher.domain.errors import BadEvent
from usher.domain.invitation import InvitationKey
from usher.domain.messages import PlanningMessage, SendingWakeUp


@pytest.mark.parametrize(
    "row",
    [
        "",
        "canonical/E-1/main",
        "canonical/E-1/main/0",
        "canonical/E-1/main/01",
        "canonical/E-1/main/x",
        "canonical/E#1/main/1",
        "canonical#E/1/main/1",
        "canonical/E-1/ma#in/1",
        "canonical/E-1/main/1/2",
        "Canonical/E-1/main/1",
        "canonical/" + "x" * 65 + "/main/1",
    ],
)
def test_a_key_that_is_none_is_refused(row: str) -> None:
    """Two different texts must never name one item of the table."""
    with pytest.raises(BadEvent):
        SendingWakeUp.keys_in(SendingWakeUp(rows=(row,)).model_dump_json())


@pytest.mark.parametrize("hire", ["", "canonical", "canonical/E#1", "canonical/E-1/main", "a b/E-1"])
def test_a_hire_that_is_none_is_refused(hire: str) -> None:
    """In the messages of planning too."""
    with pytest.raises(BadEvent):
        PlanningMessage.read(PlanningMessage(hires=(hire,)).model_dump_json())


def test_a_key_reads_back_as_it_was_written() -> None:
    """Whatever an id may hold."""
    key = InvitationKey("canonical", "a.B:c_d-e", "sentry-main", 12)

    assert SendingWakeUp.keys_in(SendingWakeUp.of([key]).model_dump_json()) == [key]
