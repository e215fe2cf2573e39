"""Wake what is due: rows not yet sent, to be tried again, settled or leased too long, and notices that wait."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from usher.domain.hire import HireKey
from usher.domain.invitation import State
from usher.domain.notice import NoticeState
from usher.domain.policy import Policy
from usher.ports import Clock, Queues, Store
from usher.use_cases.plan_invites import MOST_KEYS

OVERDUE = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Swept:
    """
    How much one sweep woke, and how much waits for a person (counted up to `Sweep.most_listed`).

    What is overdue has been due for an hour, although it is woken each minute: whoever should work on it does not.
    """

    rows: int = 0
    notices: int = 0
    hires: int = 0
    parked_rows: int = 0
    duplicate_rows: int = 0
    parked_notices: int = 0
    overdue_rows: int = 0
    overdue_notices: int = 0


@dataclass(frozen=True, slots=True)
class Sweep:
    """
    One tick. Losing it loses nothing, and two at once do no harm: claims decide.

    `most_rows` bounds a tick; no connection gets more than a fifth of it while others have work.
    """

    store: Store
    queues: Queues
    policy: Policy
    clock: Clock
    most_rows: int = 1000
    most_notices: int = 200
    most_listed: int = 1000
    feeds: Sequence[str] = ()
    """The sources whose feeds are looked after."""

    def look_after_feeds(self) -> int:
        """Wake planning once a day for each feed that is looked after; gives how many. Raises QueueUnavailable."""
        if self.feeds:
            self.queues.wake_planning(feeds=self.feeds)
        return len(self.feeds)

    def __call__(self) -> Swept:
        """Send the wake-ups; raises StoreUnavailable or QueueUnavailable, and the next tick comes anyway."""
        rows = self._wake_rows()
        notices = self.store.due_notices(self.clock.now(), self.most_notices)
        hires = self._hires_to_plan_again()
        if notices or hires:
            self.queues.wake_planning(notices=notices, hires=hires)
        return Swept(
            rows=rows,
            notices=len(notices),
            hires=len(hires),
            parked_rows=len(self.store.rows_in_state(State.PARKED, self.most_listed)),
            duplicate_rows=len(self.store.rows_in_state(State.DUPLICATE, self.most_listed)),
            parked_notices=len(self.store.notices_in_state(NoticeState.PARKED, self.most_listed)),
            overdue_rows=self._overdue(),
            overdue_notices=len(self.store.due_notices(self.clock.now() - OVERDUE, self.most_listed)),
        )

    def _overdue(self) -> int:
        hour_ago = self.clock.now() - OVERDUE
        return sum(len(self.store.due(name, hour_ago, self.most_listed)) for name in self.policy.connections)

    def _wake_rows(self) -> int:
        now = self.clock.now()
        connections = self.policy.connections
        due = {name: self.store.due(name, now, self.most_rows) for name in sorted(connections)}
        busy = sum(bool(keys) for keys in due.values())
        share = self.most_rows // max(5, busy) if busy > 1 else self.most_rows
        woken = 0
        for name, keys in due.items():
            taken = keys[: min(share, self.most_rows - woken)]
            for start in range(0, len(taken), MOST_KEYS):
                self.queues.wake_sending(connections[name].provider, taken[start : start + MOST_KEYS])
            woken += len(taken)
        return woken

    def _hires_to_plan_again(self) -> list[HireKey]:
        """
        Once an hour, find what nobody else would: who waits for a mailbox, and rows of a connection that is no more.

        Who gives a mailbox back wakes those who wait for it, so the first only heals what a crash left.
        """
        if self.clock.now().minute != 0:
            return []
        keys = self.store.rows_in_state(State.DUPLICATE, self.most_listed)
        live = self.store.rows_in_state(State.PENDING, self.most_listed)
        keys += [key for key in live if key.connection not in self.policy.connections]
        return sorted({key.hire for key in keys})
