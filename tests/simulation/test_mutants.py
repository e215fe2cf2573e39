"""What the simulation is worth: each seeded bug of protocol and pace breaks a promise within so many schedules."""

import pytest

from tests.simulation.campaign import problems_of
from tests.simulation.mutants import MUTANTS, Mutant
from tests.simulation.pace_mutants import PACE_MUTANTS
from tests.simulation.schedule import drawn

BOUND = 6000
CLEAN = 30
"""Schedules that show that a bug is gone once it was caught: else the next one would be caught in its stead."""


def name_of(mutant: Mutant) -> str:
    """Name a bug."""
    return mutant.__name__


@pytest.mark.parametrize("mutant", [*MUTANTS, *PACE_MUTANTS], ids=name_of)
def test_a_seeded_bug_is_caught(mutant: Mutant) -> None:
    """By the same schedules that the code itself survives."""
    with mutant():
        assert any(problems_of(drawn(seed)) for seed in range(BOUND))

    assert not any(problems_of(drawn(seed)) for seed in range(CLEAN))
