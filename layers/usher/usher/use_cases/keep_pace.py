"""Keep request rates, daily budgets and the guard against mass mistakes, in one item per connection and one for all."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from usher.domain.invitation import Invitation, InvitationKey
from usher.domain.mass_guard import GuardRules
from usher.domain.outcomes import Finding, Outcome
from usher.domain.pace import Ended, Group, Wait, admitted, after, is_counted, reservation, was_spent
from usher.domain.policy import Policy
from usher.ports import Store

MOST_TRIES = 5
"""How often counters that others have written meanwhile are read and decided again."""

PAUSE_BEHIND_OTHERS = timedelta(seconds=30)


@dataclass(slots=True)
class KeepPace:
    """
    One invocation's dealings with the counters: one read and one write per wave, and one write at the end.

    What has ended is written with the next wave, or by `close`; if neither comes, reservations run out by themselves.
    """

    store: Store
    policy: Policy
    _taken: dict[str, datetime] = field(default_factory=dict)
    _ended: list[Ended] = field(default_factory=list)

    def admit(self, groups: Sequence[Group], *, now: datetime, reserved_until: datetime) -> dict[InvitationKey, Wait]:
        """Take what these calls need, in their order; gives the rows that must wait. Raises StoreUnavailable."""
        if not any(group.connection.rate or any(map(is_counted, group.rows)) for group in groups):
            return {}
        names = sorted({group.connection.name for group in groups} | {ended.connection for ended in self._ended})
        for _ in range(MOST_TRIES):
            seen = self.store.counters(names)
            admission = admitted(
                after(seen, self._ended, now), groups, self._rules, now=now, reserved_until=reserved_until
            )
            if self.store.put_counters(admission.counters.next_to(seen), seen):
                self._ended.clear()
                rows = [row for group in groups for row in group.rows if row.key not in admission.waits]
                self._taken |= {reservation(row, row.fence + 1): now for row in rows if is_counted(row)}
                return admission.waits
        wait = Wait(now + PAUSE_BEHIND_OTHERS, "other senders of the connection were faster")
        return {row.key: wait for group in groups for row in group.rows}

    def not_claimed(self, row: Invitation) -> None:
        """Give back what was taken for a row that somebody else has claimed; `row` as it was admitted."""
        self._note(row, reservation(row, row.fence + 1), spent=False)

    def attempted(self, row: Invitation, ending: Outcome | Finding, posted_at: datetime | None) -> None:
        """Say how an attempt ended; `row` as it was claimed."""
        self._note(row, reservation(row, row.fence), spent=was_spent(ending, posted_at))

    def close(self, now: datetime) -> None:
        """Write what has ended since the last wave; raises StoreUnavailable, and then nothing but accuracy is lost."""
        for _ in range(MOST_TRIES if self._ended else 0):
            seen = self.store.counters(sorted({ended.connection for ended in self._ended}))
            if self.store.put_counters(after(seen, self._ended, now).next_to(seen), seen):
                self._ended.clear()
                return

    @property
    def _rules(self) -> GuardRules:
        return self.policy.company.guard

    def _note(self, row: Invitation, name: str, *, spent: bool) -> None:
        taken_at = self._taken.pop(name, None)
        if taken_at is None:
            return  # A read, or a repair: nothing was taken.
        budgeted = self.policy.connections[row.connection].invites_per_day is not None
        if budgeted or not spent:
            self._ended.append(Ended(row.connection, name, spent, taken_at))
