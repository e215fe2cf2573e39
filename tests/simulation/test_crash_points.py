"""Whichever process dies at whichever step, and whichever dies next: no promise is broken, and it is over soon."""

import re
from datetime import datetime
from functools import cache
from pathlib import Path
from unittest.mock import patch

import pytest

from tests.fakes.ledger import ATLASSIAN_LIKE, SENTRY_LIKE
from tests.simulation.crash_points import ShippedStack, crash_points, explore, name_of, parsed, run
from tests.simulation.crash_scenarios import PROVIDERS, SCENARIOS, SHIPPED, Scenario
from tests.simulation.crashes import main
from tests.simulation.recovery import Recovery, percentile, recoveries
from tests.simulation.schedule import Point, Trouble
from tests.simulation.stack import INVOCATION
from usher.domain.invitation import Guarded, Invitation, State, Step
from usher.domain.policy import Timings
from usher.http import make_client
from usher.providers.atlassian import Atlassian
from usher.providers.sentry import Sentry
from usher.use_cases import send_invites

TEMPLATE = (Path(__file__).parents[2] / "template.yaml").read_text()
GOALS = {"sentry": 220, "atlassian": 370}
"""Within so many seconds 99 of 100 crashes must be over."""

by_provider = pytest.mark.parametrize("provider", PROVIDERS)
by_scenario = pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)


@by_provider
@by_scenario
def test_no_crash_and_no_second_crash_breaks_a_promise(scenario: Scenario, provider: str) -> None:
    """Nothing lost, nobody mailed twice, every row true, and quiet in the end; pairs of the long ones by command."""
    tally = explore(scenario, provider, pairs=not scenario.is_long, reads=False)

    assert not tally.failures, "\n\n".join(map(str, tally.failures))


@by_provider
@by_scenario
def test_without_a_crash_a_scenario_ends_as_it_says(scenario: Scenario, provider: str) -> None:
    """A story that does not happen as it is told has no crash points of interest."""
    stack, problems = run(scenario, provider)

    assert not problems
    assert sorted(row.state for row in stack.store.rows) == sorted(scenario.ends)


def test_processes_die_at_every_kind_of_step() -> None:
    """Together the scenarios take them all, and write several rows at once."""
    steps = [step for scenario in SCENARIOS for step in run(scenario, "atlassian")[0].steps]
    deaths = {death.fault for death in crash_points(steps)}

    assert {step.point for step in steps} == set(Point)
    assert {Trouble.DIES_AFTER_FIRST, Trouble.DIES_BEFORE_LAST} <= deaths


@cache
def after_one_crash(provider: str) -> tuple[Recovery, ...]:
    """Try all of them once."""
    return tuple(recoveries(provider))


@by_provider
def test_most_crashes_are_over_within_the_goal(provider: str) -> None:
    """
    From the death of a planner, of a sender or of the sweep, until the last row that it concerned is final.

    What a sender's takes: the rest of the lease (65 s), the settle time, the gap between two reads, and up to a minute
    until the next tick. Assumed: requests take up to a tenth of their budget, and nothing else goes wrong.
    """
    found = after_one_crash(provider)
    slowest = percentile(found, 0.99)

    assert len(found) > 500
    assert slowest.seconds <= GOALS[provider], str(slowest)


@by_provider
def test_a_planner_that_died_costs_what_its_queue_hides_the_message_for(provider: str) -> None:
    """No row stands yet that the sweep could find, so nothing but the message itself can come again."""
    found = [recovery for recovery in after_one_crash(provider) if recovery.function == "plan_invites"]
    slowest = percentile(found, 1)

    assert slowest.seconds <= ShippedStack.visibility["plan_invites"] + 15, str(slowest)


def nothing_was_sent(row: Invitation, *, now: datetime, timings: Timings) -> Step:
    """Take a sender that died for one that had not posted yet."""
    after = row.model_copy(update={"state": State.PENDING, "due_at": now, "lease_until": None})
    return Step(row, after, Guarded.RECORDING)


def test_a_failure_says_how_to_run_it_again(capsys: pytest.CaptureFixture[str]) -> None:
    """And the command then finds it again: with a bug that only a crash brings to light."""
    scenario = SCENARIOS[0]
    with patch.object(send_invites, "lease_ran_out", nothing_was_sent):
        failure = explore(scenario, "atlassian", pairs=False).failures[0]
        crashes = [argument for crash in failure.crashes for argument in ("--crash", name_of(crash))]
        code = main(["--scenario", scenario.name, "--provider", "atlassian", *crashes])

    assert code == 1
    assert failure.problems[0] in capsys.readouterr().out
    assert f"--scenario '{scenario.name}' --provider atlassian {' '.join(crashes)}" in str(failure)
    assert [parsed(name_of(crash)) for crash in failure.crashes] == list(failure.crashes)


def test_processes_die_under_the_settings_that_ship() -> None:
    """The template's numbers, and the providers' own."""

    def numbers(name: str) -> set[int]:
        return {int(number) for number in re.findall(rf"\b{name}: (\d+)", TEMPLATE)}

    atlassian, sentry = Atlassian(make_client(1)), Sentry(make_client(1))
    assert numbers("VisibilityTimeout") == {int(seconds) for seconds in ShippedStack.visibility.values()}
    assert numbers("MaximumBatchingWindowInSeconds") == {int(ShippedStack.window)}
    assert INVOCATION in numbers("Timeout")
    assert "rate(1 minute)" in TEMPLATE
    assert (atlassian.timings, sentry.timings) == (ATLASSIAN_LIKE, SENTRY_LIKE)
    assert (atlassian.rate, sentry.rate) == (SHIPPED["atlassian"].rate, SHIPPED["sentry"].rate)
    assert (atlassian.invites_per_day, sentry.invites_per_day) == (None, SHIPPED["sentry"].invites_per_day)
