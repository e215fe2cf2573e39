"""Thousands of schedules break no promise, meet every fault and transition, and tell the same story each time."""

import pytest

from tests.simulation.__main__ import LEAST, main
from tests.simulation.campaign import Report, campaign, problems_of, shrunk
from tests.simulation.mutants import an_unknown_answer_is_safe
from tests.simulation.schedule import drawn
from tests.simulation.stack import simulated

SCHEDULES = 6000
"""About half a minute on one core; `make simulate N=100000` runs more."""


@pytest.fixture(scope="module")
def report() -> Report:
    """Run them once, over both kinds of provider."""
    return campaign(range(SCHEDULES))


def test_no_schedule_breaks_a_promise(report: Report) -> None:
    """Nothing lost, nobody mailed twice, every row true, whatever fails on the way."""
    assert not report.failures, "\n\n".join(map(str, report.failures))
    assert report.schedules == SCHEDULES


def test_every_fault_event_and_transition_is_met(report: Report) -> None:
    """A run in which something never happened says nothing about it."""
    assert report.missing(LEAST) == {}


def test_both_kinds_of_provider_are_simulated() -> None:
    """One by one and told apart, or in batches, late and mailed again."""
    assert [drawn(seed).provider for seed in range(4)] == ["sentry", "atlassian"] * 2


@pytest.mark.parametrize("seed", range(20))
def test_a_seed_tells_the_same_story_each_time(seed: int) -> None:
    """Every write, every request and every mail, at the same moment."""
    first, second = simulated(drawn(seed)), simulated(drawn(seed))

    assert first.store.writes == second.store.writes
    assert first.provider.requests_seen == second.provider.requests_seen
    assert first.provider.ledger == second.provider.ledger


def test_a_failure_is_shrunk_and_says_how_to_run_it_again() -> None:
    """What is left breaks the same promise, and nothing of it can be left out."""
    with an_unknown_answer_is_safe():
        (failure,) = campaign(range(1000), most_failures=1).failures
        again = problems_of(drawn(failure.schedule.seed).keeping(failure.least.kept or ()))

        assert failure.problems[0] in again
        assert shrunk(failure.schedule, failure.problems[0]) == failure.least
    assert len(failure.least) <= len(failure.schedule)
    assert f"--seed {failure.schedule.seed} --keep" in str(failure)


def test_the_command_runs_a_seed_and_a_shrunk_schedule(capsys: pytest.CaptureFixture[str]) -> None:
    """As a failure prints it."""
    assert main(["3", "--seed", "7", "--workers", "1"]) == 0
    assert main(["1", "--seed", "7", "--keep", "0"]) == 0

    assert "no promise is broken" in capsys.readouterr().out
