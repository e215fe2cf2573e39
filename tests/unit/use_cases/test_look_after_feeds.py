"""Feeds die silently, so somebody looks once a day."""

from collections.abc import Sequence
from datetime import datetime

import pytest

from tests.unit.use_cases.test_plan_invites import ThinDetails
from tests.unit.use_cases.world import NOON, World, a_hire
from usher.domain.errors import DetailsUnavailable, QueueUnavailable
from usher.domain.hire import Change
from usher.domain.notice import RECONCILED, Notice
from usher.ports import SourceSettings
from usher.use_cases.look_after_feeds import MOST_FED, Fed, LookAfterFeeds
from usher.use_cases.plan_invites import Planned

DAY = 86400


class Listed:
    """An HR system that lists these people as recent hires."""

    def __init__(self, world: World, *hire_ids: str) -> None:
        self.world = world
        self.hire_ids = hire_ids
        self.secrets: list[str] = []

    def recent(self, settings: SourceSettings, secret: str, now: datetime) -> Sequence[Notice]:
        """List them."""
        del settings, now
        self.secrets.append(secret)
        return [
            self.world.notice(source="thin", subject=hire_id, change=Change.HIRED, hire=None)
            for hire_id in self.hire_ids
        ]


def a_world(*answers: object) -> World:
    """A stack that listens to a thin source."""
    return World(details={"thin": ThinDetails(*answers)}, settings={"thin": SETTINGS})  # type: ignore[arg-type]


SETTINGS = SourceSettings("thin", base_url="https://hr.example", reconcile=True, silent_days=3)


def look_after(world: World, listing: Listed, settings: SourceSettings = SETTINGS) -> LookAfterFeeds:
    """Give the use case for one source."""
    return LookAfterFeeds(
        store=world.store,
        queues=world.queues,
        secrets=world.secrets,
        clock=world.clock,
        listings={"thin": listing},
        sources={"thin": settings},
    )


def fed(world: World, listing: Listed) -> Fed:
    """Feed what was missed today."""
    return look_after(world, listing).feed("thin")


def test_whoever_was_never_announced_is_fed_and_planned_like_every_other() -> None:
    """The webhook that should have said so is dead."""
    world = a_world(a_hire("E-1", source="thin"), a_hire("E-2", source="thin"))
    world.plan.notice(world.notice(source="thin", subject="E-1", change=Change.HIRED, hire=None))
    assert fed(world, Listed(world, "E-1", "E-2")) == Fed(listed=2, fed=1)
    (missed,) = world.queues.announced
    assert (missed.subject, missed.event, missed.is_thin) == ("E-2", RECONCILED, True)
    assert world.plan.notice(missed) is Planned.ROWS


def test_somebody_of_whom_only_changes_were_told_was_never_announced() -> None:
    """Most of a company is known so."""
    world = a_world(a_hire("E-1", source="thin", change=Change.CHANGED))
    world.plan.notice(world.notice(source="thin", subject="E-1", change=Change.CHANGED, hire=None))
    assert fed(world, Listed(world, "E-1")).fed == 1


def test_to_look_twice_feeds_nobody_twice() -> None:
    """The second notice of one person changes nothing."""
    world = a_world(a_hire("E-1", source="thin"), a_hire("E-1", source="thin"))
    for _ in range(2):
        fed(world, Listed(world, "E-1"))
    assert [world.plan.notice(notice) for notice in world.queues.announced] == [Planned.ROWS, Planned.OLD_NEWS]


def test_a_feed_is_silent_after_the_days_that_its_stage_allows() -> None:
    """One that has never said anything is listened to from the first look on."""
    world = a_world(a_hire("E-1", source="thin"))
    silent = look_after(world, Listed(world)).is_silent
    assert silent("thin") is False
    world.clock.advance(3 * DAY)
    assert silent("thin") is True
    world.plan.notice(world.notice(source="thin", subject="E-1", change=Change.HIRED, hire=None))
    world.clock.advance(3 * DAY - 1)
    assert silent("thin") is False
    world.clock.advance(1)
    assert silent("thin") is True


def test_what_we_fed_ourselves_is_no_sign_of_life() -> None:
    """Else the list would hide the dead webhook."""
    world = a_world(a_hire("E-1", source="thin"))
    fed(world, Listed(world, "E-1"))
    world.plan.notice(world.queues.announced[0])
    assert world.store.announced_at("thin") is None


def test_a_sign_of_life_is_written_once_an_hour() -> None:
    """It costs a write each time."""
    world = a_world(*[a_hire("E-1", source="thin")] * 3)
    notice = world.notice(source="thin", subject="E-1", change=Change.HIRED, hire=None)
    world.plan.notice(notice)
    world.clock.advance(60)
    world.plan.notice(world.notice(source="thin", subject="E-1", change=Change.CHANGED, hire=None))
    assert world.store.announced_at("thin") == NOON
    world.clock.advance(3600)
    world.plan.notice(world.notice(source="thin", subject="E-1", change=Change.CHANGED, hire=None))
    assert world.store.announced_at("thin") == world.clock.now()


def test_a_hire_that_was_fed_and_came_to_nothing_is_not_fed_every_day() -> None:
    """The person is gone from the HR system, or the details say that they are staff."""
    world = a_world(DetailsUnavailable("404", final=True), a_hire("E-2", source="thin", change=Change.CHANGED))
    listing = Listed(world, "E-1", "E-2")
    listed = listing.recent(SETTINGS, "", NOON)
    listing.recent = lambda settings, secret, now: listed  # type: ignore[method-assign]
    assert fed(world, listing).fed == 2
    for notice in world.queues.announced:
        world.plan.notice(notice)
    assert fed(world, listing).fed == 0


def test_a_feed_that_the_stage_does_not_look_after_is_left_alone() -> None:
    """Off by default: nothing is asked, nothing is counted."""
    world = a_world()
    listing = Listed(world, "E-1")
    off = look_after(world, listing, SourceSettings("thin"))
    assert (off.is_silent("thin"), off.feed("thin")) == (None, Fed())
    only_silence = look_after(world, listing, SourceSettings("thin", silent_days=1))
    assert (only_silence.is_silent("thin"), only_silence.feed("thin")) == (False, Fed())
    assert listing.secrets == []


def test_a_long_list_is_the_work_of_several_days() -> None:
    """Ten thousand hires in a month are a mistake, or another day's work."""
    world = a_world()
    found = fed(world, Listed(world, *(f"E-{number}" for number in range(MOST_FED + 1))))
    assert found == Fed(MOST_FED + 1, MOST_FED)


def test_what_fails_today_is_told_and_tried_tomorrow() -> None:
    """Nothing of it is half done."""
    world = a_world()
    world.queues.refuse()
    with pytest.raises(QueueUnavailable):
        fed(world, Listed(world, "E-1"))


def test_the_tick_of_the_day_names_the_feeds() -> None:
    """A planner looks after each by itself."""
    world = a_world()
    sweep = world.sweep
    assert sweep.look_after_feeds() == 0
    assert type(sweep)(world.store, world.queues, sweep.policy, world.clock, feeds=("thin",)).look_after_feeds() == 1
    assert world.queues.feeds_woken == ["thin"]


def test_an_hr_system_that_does_not_answer_is_left_in_peace_for_a_moment() -> None:
    """The others of a batch would wait as long, and so would whoever comes after them."""
    details = ThinDetails(DetailsUnavailable("no answer"), a_hire("E-2", source="thin"))
    world = World(details={"thin": details})
    for hire_id in ("E-1", "E-2"):
        notice = world.notice(source="thin", subject=hire_id, change=Change.HIRED, hire=None)
        assert world.plan.notice(notice) is Planned.WAITING
    assert len(details.answers) == 1
    world.clock.advance(15)
    assert world.plan.recorded(notice.notice_id) is Planned.ROWS
