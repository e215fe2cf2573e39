"""
Feeds die silently: a webhook is switched off, or its maker leaves the company.

Once a day, say whether a source has been silent for too long, and list the recent hires where its system gives a list:
those that were never announced are fed.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from usher.domain.hire import HireKey, Result
from usher.domain.notice import RECONCILED, Notice
from usher.ports import Clock, Listing, Queues, Secrets, SourceSettings, Store

MOST_FED = 200
"""How many hires are fed in a day; the next day goes on."""
LONGEST_LOOK = 10.0
"""Seconds for finding out who was announced; the rest of the invocation is for others."""


@dataclass(frozen=True, slots=True)
class Fed:
    """How many hires were listed, and how many of them were fed."""

    listed: int = 0
    fed: int = 0


@dataclass(frozen=True, slots=True)
class LookAfterFeeds:
    """Look after one feed; to do it twice does no harm. A feed that this stage does not look after is left alone."""

    store: Store
    queues: Queues
    secrets: Secrets
    clock: Clock
    listings: Mapping[str, Listing]
    sources: Mapping[str, SourceSettings] = field(default_factory=dict)

    def is_silent(self, source: str) -> bool | None:
        """Say whether a source has announced nothing for its days; None where the stage does not ask."""
        settings = self.sources.get(source)
        if settings is None or settings.silent_days is None:
            return None
        now = self.clock.now()
        last = self.store.announced_at(source)
        if last is None:
            self.store.note_announcement(source, now)  # It is listened to from today on.
            return False
        return (now - last).days >= settings.silent_days

    def feed(self, source: str) -> Fed:
        """
        Feed what was never announced.

        Raises DetailsUnavailable or BadEvent where the system gives no list now, and SecretUnavailable,
        QueueUnavailable or StoreUnavailable; the next day is the next try.
        """
        settings = self.sources.get(source)
        listing = self.listings.get(source)
        if settings is None or not settings.reconcile or listing is None:
            return Fed()
        secret = self.secrets.get(f"hr-api/{source}")
        listed = listing.recent(settings, secret, self.clock.now())
        missed = list(self._missed(listed))
        if missed:
            self.queues.announce([notice.model_copy(update={"event": RECONCILED}) for notice in missed])
        return Fed(len(listed), len(missed))

    def _missed(self, listed: Sequence[Notice]) -> Iterator[Notice]:
        until = self.clock.monotonic() + LONGEST_LOOK
        found = 0
        for notice in listed:
            if found >= MOST_FED or self.clock.monotonic() >= until:
                return
            if notice.subject and not self._is_known(notice, notice.subject):
                found += 1
                yield notice

    def _is_known(self, notice: Notice, hire_id: str) -> bool:
        record = self.store.hire(HireKey(notice.source, hire_id)).record
        if record is not None and (record.result is not Result.UNANNOUNCED or notice.notice_id in record.notices):
            return True
        return self.store.notice(notice.notice_id) is not None
