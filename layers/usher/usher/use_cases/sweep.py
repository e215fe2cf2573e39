"""Wake what is due: rows not yet sent, to be tried again, settled or leased too long, and notices that wait."""

from dataclasses import dataclass

from usher.domain.hire import HireKey
from usher.domain.invitation import State
from usher.domain.policy import Policy
from usher.ports import Clock, Queues, Store
from usher.use_cases.plan_invites import MOST_KEYS


@dataclass(frozen=True, slots=True)
class Swept:
    """How much one sweep woke."""

    rows: int = 0
    notices: int = 0
    hires: int = 0


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
    most_duplicates: int = 100

    def __call__(self) -> Swept:
        """Send the wake-ups; raises StoreUnavailable or QueueUnavailable, and the next tick comes anyway."""
        rows = self._wake_rows()
        notices = self.store.due_notices(self.clock.now(), self.most_notices)
        hires = self._hires_waiting_for_a_mailbox()
        if notices or hires:
            self.queues.wake_planning(notices=notices, hires=hires)
        return Swept(rows, len(notices), len(hires))

    def _wake_rows(self) -> int:
        now = self.clock.now()
        connections = self.policy.connections
        due = {name: self.store.due(name, now, self.most_rows) for name in sorted(connections)}
        crowded = sum(bool(keys) for keys in due.values()) > 1
        share = self.most_rows // 5 if crowded else self.most_rows
        woken = 0
        for name, keys in due.items():
            taken = keys[: min(share, self.most_rows - woken)]
            for start in range(0, len(taken), MOST_KEYS):
                self.queues.wake_sending(connections[name].provider, taken[start : start + MOST_KEYS])
            woken += len(taken)
        return woken

    def _hires_waiting_for_a_mailbox(self) -> list[HireKey]:
        """Once an hour: who gives a mailbox back wakes those who wait, so this only heals what was lost."""
        if self.clock.now().minute != 0:
            return []
        keys = self.store.rows_in_state(State.DUPLICATE, self.most_duplicates)
        return sorted({key.hire for key in keys})
