"""Bugs of rate, budget, guard and told times, seeded one at a time like those of the protocol."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, time
from typing import Any
from unittest.mock import patch

from tests.simulation.mutants import Mutant
from tests.simulation.ports import ProcessStore
from usher.domain import budget
from usher.domain.budget import DayBudget
from usher.domain.hold import Hold
from usher.domain.mass_guard import GuardRules, MassGuard
from usher.domain.outcomes import Finding, Outcome
from usher.domain.pace import Admission, Counters, admitted
from usher.domain.rate import Rate
from usher.use_cases import keep_holds, keep_pace
from usher.use_cases.call_provider import CallProvider
from usher.use_cases.keep_holds import KeepHolds

_admitted = admitted
_place = KeepHolds.place
_put_counters = ProcessStore.put_counters
_taken = Rate.taken
_at = MassGuard.at
_counting = MassGuard.counting


@contextmanager
def the_rate_is_ignored() -> Iterator[None]:
    """Whatever is due goes at once."""
    with patch.object(Rate, "free_at", lambda rate, arrival, now, cost: now):
        yield


@contextmanager
def a_call_counts_as_one_request() -> Iterator[None]:
    """A read before the POST is not counted."""
    with patch.object(Rate, "taken", lambda rate, arrival, now, cost: _taken(rate, arrival, now, 1)):
        yield


@contextmanager
def each_sender_keeps_a_rate_of_its_own() -> Iterator[None]:
    """What others have used is forgotten."""

    def forgetful(counters: Counters, *arguments: Any, **rest: Any) -> Admission:
        paces = {name: pace.model_copy(update={"arrival": None}) for name, pace in counters.paces.items()}
        return _admitted(replace(counters, paces=paces), *arguments, **rest)

    with patch.object(keep_pace, "admitted", forgetful):
        yield


@contextmanager
def a_budget_is_not_reserved() -> Iterator[None]:
    """It is spent when the answer is there; until then it is free for others."""
    with patch.object(DayBudget, "reserving", lambda budget, name, until: budget):
        yield


@contextmanager
def what_was_mailed_is_given_back() -> Iterator[None]:
    """Only to try costs; it is taken for certain that nothing was sent."""

    def was_spent(ending: Outcome | Finding, posted_at: datetime | None) -> bool:
        return False

    with patch.object(keep_pace, "was_spent", was_spent):
        yield


@contextmanager
def nothing_is_kept_for_those_who_start_soon() -> Iterator[None]:
    """First come, first served."""
    with patch.object(budget, "HEADROOM_UNTIL", time(0, 0)):
        yield


@contextmanager
def _forgetting(name: str) -> Iterator[None]:
    def counting(guard: MassGuard, rules: GuardRules, now: datetime) -> MassGuard | None:
        counted = _counting(guard, rules, now)
        return counted and counted.model_copy(update={name: getattr(guard, name)})

    with patch.object(MassGuard, "counting", counting):
        yield


@contextmanager
def the_guard_counts_nothing() -> Iterator[None]:
    """Each invitation is the first of its hour."""

    with _forgetting("count"):
        yield


@contextmanager
def a_new_hour_lifts_the_stop() -> Iterator[None]:
    """A mass goes out at the limit, hour after hour."""

    def at(guard: MassGuard, now: datetime) -> MassGuard:
        current = _at(guard, now)
        return current if current.hour == guard.hour else current.model_copy(update={"stopped_at": None})

    with patch.object(MassGuard, "at", at):
        yield


@contextmanager
def an_approval_is_for_any_number() -> Iterator[None]:
    """What was approved is not counted down."""

    with _forgetting("approved"):
        yield


@contextmanager
def who_loses_the_race_for_the_counters_goes_all_the_same() -> Iterator[None]:
    """The verdict of the write is not looked at."""

    def put_and_hope(store: ProcessStore, counters: Counters, seen: Counters) -> bool:
        _put_counters(store, counters, seen)
        return True

    with patch.object(ProcessStore, "put_counters", put_and_hope):
        yield


@contextmanager
def a_wave_goes_on_after_a_429() -> Iterator[None]:
    """Only the next wave looks at what was told."""
    with patch.object(CallProvider, "_heed", lambda calls, connection, endings: None):
        yield


@contextmanager
def a_told_time_is_ignored() -> Iterator[None]:
    """A connection rests as long as after any other refusal."""

    def hasty(holds: KeepHolds, name: Any, reason: str, now: datetime, until: datetime | None = None) -> Hold:
        return _place(holds, name, reason, now)

    with patch.object(KeepHolds, "place", hasty):
        yield


@contextmanager
def the_first_hold_stays() -> Iterator[None]:
    """What another sender is told meanwhile is lost."""
    with patch.object(keep_holds, "MOST_TRIES", 1):
        yield


PACE_MUTANTS: tuple[Mutant, ...] = (
    the_rate_is_ignored,
    a_call_counts_as_one_request,
    each_sender_keeps_a_rate_of_its_own,
    a_budget_is_not_reserved,
    what_was_mailed_is_given_back,
    nothing_is_kept_for_those_who_start_soon,
    the_guard_counts_nothing,
    a_new_hour_lifts_the_stop,
    an_approval_is_for_any_number,
    who_loses_the_race_for_the_counters_goes_all_the_same,
    a_wave_goes_on_after_a_429,
    a_told_time_is_ignored,
    the_first_hold_stays,
)
