"""The feed of every source there is."""

from collections.abc import Iterable

import httpx
import pytest

from tests.redelivery import complete, thin
from tests.redelivery.feed import Feed
from usher.sources.registry import all_sources

FEEDS = {feed.source: feed for module in (complete, thin) for feed in vars(module).values() if isinstance(feed, Feed)}
REGISTERED = sorted(source.name for source in all_sources(httpx.Client()))


LISTED = [*(FEEDS[name] for name in REGISTERED if name in FEEDS), *complete.UNDATED]


def _with(feeds: Iterable[Feed]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("feed", list(feeds), ids=lambda feed: feed.title)


every_source = _with(LISTED)
every_source_that_cancels = _with(feed for feed in LISTED if feed.cancelled)
every_source_that_knows_a_repetition = _with(feed for feed in LISTED if feed.cancelled and feed.knows_repetition)
