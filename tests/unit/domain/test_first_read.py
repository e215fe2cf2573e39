"""What a read before the POST decides about a claimed row, and when the invitation is to go out all the same."""

from typing import Any

import pytest

from tests.unit.domain.conftest import NOON, claimed, later
from usher.domain.first_read import first_read
from usher.domain.outcomes import (
    Absent,
    AlreadyInvited,
    AlreadyMember,
    Ambiguous,
    Finding,
    LimitedUntil,
    NotSent,
    Outcome,
    Part,
    PartlyAccepted,
    Present,
    ReadFailed,
    RefusedConnection,
    RefusedPerson,
    Standing,
)

MISSING = (Part("group", "g"),)
NEVER: dict[str, Any] = {}
REHIRED = {"looks_first": True}
POSTED = {"posted_at": NOON}
SETTLED = {"posted_at": NOON, "absence_settled": True}

LACKS = Present("9", Standing.MEMBER, open=MISSING)
LAPSED = Present("9", Standing.EXPIRED, drift=("role",))
NO_TOKEN = RefusedConnection("401", unauthorized=True)


@pytest.mark.parametrize(
    ("row", "finding"), [(NEVER, Absent()), (REHIRED, Absent()), (SETTLED, Absent()), (NEVER, LACKS)]
)
def test_the_invitation_goes_out_to_whom_it_can_give_something(row: dict[str, Any], finding: Finding) -> None:
    """Somebody who is not there for sure, or who was there before us and lacks a part of the grant."""
    assert first_read(claimed().model_copy(update=row), finding) is None


@pytest.mark.parametrize(
    ("row", "finding", "outcome"),
    [
        (POSTED, Absent(), Ambiguous("what was posted before may still take effect")),
        (POSTED, LAPSED, Ambiguous("what was posted before may not show yet")),
        (NEVER, LAPSED, AlreadyInvited("9", expired=True, drift=("role",))),
        (NEVER, Present("9", Standing.INVITED), AlreadyInvited("9", expired=False)),
        (NEVER, Present("9", Standing.MEMBER, drift=("role",)), AlreadyMember("9", ("role",))),
        (NEVER, Present("9", Standing.MEMBER, open=MISSING, blocked="suspended"), RefusedPerson("suspended")),
        (REHIRED, LACKS, PartlyAccepted("9", mailed=False, open=MISSING, reason="parts of the access are missing")),
        (POSTED, LACKS, PartlyAccepted("9", mailed=None, open=MISSING, reason="parts of the access are missing")),
        (NEVER, ReadFailed("503"), NotSent("503")),
        (NEVER, ReadFailed("429", until=later(60)), LimitedUntil("429", later(60))),
        (NEVER, ReadFailed("401", refused=NO_TOKEN), NO_TOKEN),
    ],
)
def test_whatever_else_a_read_shows_is_an_outcome_without_a_post(
    row: dict[str, Any], finding: Finding, outcome: Outcome
) -> None:
    """And what was posted before counts as perhaps under way until reads have settled that it is not."""
    assert first_read(claimed().model_copy(update=row), finding) == outcome
