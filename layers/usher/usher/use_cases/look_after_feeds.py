"""
Feeds die silently: a webhook is switched off, or its maker leaves the company.

Once a day, list the recent hires of a source where its system gives a list, feed those that were never announced, and
say how long the source has been silent.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from usher.domain.hire import HireKey, Result
from usher.domain.notice import RECONCILED
from usher.ports import Clock, Listing, Queues, Secrets, SourceSettings, Store

MOST_LISTED = 1000
"""How many listed hires are looked at in a day."""


@dataclass(frozen=True, slots=True)
class LookedAfter:
    """What came of it. `is_silent` is None where the stage does not ask."""

    listed: int = 0
    fed: int = 0
    is_silent: bool | None = None


@dataclass(frozen=True, slots=True)
class LookAfterFeeds:
    """Look after one feed; to do it twice does no harm."""

    store: Store
    queues: Queues
    secrets: Secrets
    clock: Clock
    listings: Mapping[str, Listing]
    sources: Mapping[str, SourceSettings] = field(default_factory=dict)

    def __call__(self, source: str) -> LookedAfter:
        """
        Feed what was never announced. A feed that this stage does not look after is left alone.

        Raises DetailsUnavailable or BadEvent where the system gives no list now, and SecretUnavailable,
        QueueUnavailable or StoreUnavailable; the next day is the next try.
        """
        settings = self.sources.get(source)
        if settings is None or not settings.is_looked_after:
            return LookedAfter()
        is_silent = self._is_silent(source, settings.silent_days)
        listing = self.listings.get(source) if settings.reconcile else None
        if listing is None:
            return LookedAfter(is_silent=is_silent)
        secret = self.secrets.get(f"hr-api/{source}")
        listed = listing.recent(settings, secret, self.clock.now())[:MOST_LISTED]
        missed = [notice for notice in listed if notice.subject and not self._is_announced(source, notice.subject)]
        if missed:
            self.queues.announce([notice.model_copy(update={"event": RECONCILED}) for notice in missed])
        return LookedAfter(listed=len(listed), fed=len(missed), is_silent=is_silent)

    def _is_silent(self, source: str, silent_days: int | None) -> bool | None:
        if silent_days is None:
            return None
        last = self.store.announced_at(source)
        return last is None or (self.clock.now() - last).days >= silent_days

    def _is_announced(self, source: str, hire_id: str) -> bool:
        record = self.store.hire(HireKey(source, hire_id)).record
        return record is not None and record.result is not Result.UNANNOUNCED
