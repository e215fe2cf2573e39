"""However often, late and out of order a system announces her: one invitation of Noor in each connection."""

from datetime import timedelta
from itertools import permutations

from tests.redelivery.conftest import Start
from tests.redelivery.feed import ADDRESS, HOUR, Feed, secret_of
from tests.redelivery.feeds import (
    FEEDS,
    REGISTERED,
    every_source,
    every_source_that_cancels,
    every_source_that_knows_a_repetition,
)
from tests.redelivery.kit import Kit

SIX_DAYS = timedelta(days=6)
LONG_AFTER = timedelta(days=200)
MOST_IN_ANY_ORDER = 4


def settled(kit: Kit) -> None:
    """Let the other system speak, where one must, and an hour pass."""
    kit.complete()
    kit.wait(2 * HOUR)


def test_every_source_has_a_feed() -> None:
    """A new source must not go without."""
    assert set(REGISTERED) == FEEDS.keys()


@every_source
def test_a_delivery_that_comes_three_times_invites_once(start: Start, feed: Feed) -> None:
    """All before anything is planned, or one after the other."""
    kit = start(feed)
    for _ in range(3):
        kit.receives(kit.event(feed.hired))
    kit.work()
    kit.deliver(feed.hired, feed.hired, feed.hired)
    settled(kit)
    kit.deliver(feed.hired)
    settled(kit)
    kit.check_one_invitation_each()


@every_source
def test_created_and_updated_invite_once(start: Start, feed: Feed) -> None:
    """As a pair in one second, planned in one batch, and again."""
    kit = start(feed)
    pair = [feed.hired, *feed.others[:1]]
    for body in pair:
        kit.receives(kit.event(body))
    kit.work()
    kit.deliver(*pair)
    settled(kit)
    kit.check_one_invitation_each()


@every_source
def test_events_in_any_order_invite_once(start: Start, feed: Feed) -> None:
    """None of them takes her back."""
    for order in permutations([feed.hired, *feed.others][:MOST_IN_ANY_ORDER]):
        kit = start(feed)
        kit.deliver(*order)
        settled(kit)
        kit.check_one_invitation_each()


@every_source_that_cancels
def test_with_a_cancel_in_any_order_nobody_is_invited_twice(start: Start, feed: Feed) -> None:
    """What comes before the cancel may invite her, what comes after it does not."""
    assert feed.cancelled is not None
    for order in permutations([feed.hired, *feed.others[: MOST_IN_ANY_ORDER - 2], feed.cancelled]):
        kit = start(feed)
        kit.deliver(*order)
        settled(kit)
        kit.check_rows_against_ledger()
        if feed.is_dated:
            assert not [row for row in kit.rows if row.want]
            assert not (order[0] is feed.cancelled and kit.mails)


@every_source
def test_a_delivery_six_days_late_invites_once(start: Start, feed: Feed) -> None:
    """The first of its kind after the others, or again."""
    for early in ([feed.hired], feed.others):
        kit = start(feed)
        kit.deliver(*early)
        kit.complete()
        kit.wait(SIX_DAYS)
        kit.deliver(feed.hired, *feed.others)
        settled(kit)
        kit.check_one_invitation_each()


@every_source
def test_a_delivery_replayed_after_200_days_changes_nothing(start: Start, feed: Feed) -> None:
    """Most senders sign no time, so whoever has seen a request can send it again for ever."""
    kit = start(feed)
    event = kit.event(feed.hired)
    kit.receives(event)
    kit.work()
    settled(kit)
    before = [(row.key, row.state, row.posted_at) for row in kit.rows]
    kit.clock.advance(LONG_AFTER.total_seconds())
    assert kit.send(event) in (200, 202, 204, 401)
    kit.work()
    settled(kit)
    assert [(row.key, row.state, row.posted_at) for row in kit.rows] == before
    kit.check_one_invitation_each()


@every_source_that_knows_a_repetition
def test_a_hire_that_comes_again_after_a_cancel_changes_nothing(start: Start, feed: Feed) -> None:
    """The mail is out, access is for a person to take back, and nobody is invited again."""
    assert feed.cancelled is not None
    kit = start(feed)
    kit.deliver(feed.hired)
    settled(kit)
    kit.deliver(feed.cancelled)
    kit.deliver(feed.hired, feed.cancelled, feed.hired)
    kit.wait(SIX_DAYS)
    kit.deliver(feed.hired)
    settled(kit)
    kit.check_one_invitation_each()
    assert {(row.want, row.revoke_needed) for row in kit.rows} == {(False, True)}


@every_source
def test_an_address_that_appears_later_invites_once(start: Start, feed: Feed) -> None:
    """Asked for again, told by an event of the same system, or by another system."""
    kit = start(feed)
    kit.person.work_email = None
    kit.deliver(feed.unaddressed or feed.hired)
    kit.wait(timedelta(days=3))
    kit.deliver(feed.unaddressed or feed.hired)
    assert not kit.rows
    kit.person.work_email = ADDRESS
    if feed.learns is not None:
        kit.deliver(feed.learns, feed.learns)
    kit.complete()
    kit.wait(timedelta(days=2))
    kit.deliver(feed.unaddressed or feed.hired)
    settled(kit)
    kit.check_one_invitation_each()
    assert kit.parked == []


@every_source
def test_retries_over_a_key_rotation_invite_once(start: Start, feed: Feed) -> None:
    """The answers of all attempts got lost; while both keys hold both are believed, and then the old one no more."""
    kit = start(feed)
    old, new = secret_of(feed.source), secret_of(feed.source, 2)
    first = kit.event(feed.hired, secret=old)
    kit.queues.refuse()
    assert kit.send(first) == 503
    kit.queues.accept()
    begun = kit.clock.now()
    rotation = len(feed.retries) // 2
    until = begun + feed.retries[-1] + HOUR
    for number, retry in enumerate(feed.retries):
        kit.clock.advance((begun + retry - kit.clock.now()).total_seconds())
        if number == rotation:
            kit.rotate(old, new, until)
        key = new if number >= rotation and number % 2 == rotation % 2 else old
        kit.receives(kit.event(feed.hired, secret=key) if feed.restamps else first)
        kit.work()
    kit.secrets.forget()
    kit.clock.advance((until - kit.clock.now()).total_seconds() + 1)
    assert kit.send(kit.event(feed.hired, secret=old)) == 401
    kit.receives(kit.event(feed.hired, secret=new))
    kit.work()
    settled(kit)
    kit.check_one_invitation_each()
