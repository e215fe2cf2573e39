"""Keep rows waiting whose connection or grant cannot be used, and let one at a time ask whether it can be again."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from usher.domain.hold import UNSETTLED, Hold, HoldRules, too_many_unsettled
from usher.domain.invitation import Invitation, State
from usher.domain.outcomes import Ambiguous, LimitedUntil, NotSent, ReadFailed, RefusedConnection, RefusedGrant
from usher.domain.pace import Wait, is_counted
from usher.domain.policy import Policy
from usher.ports import Store
from usher.use_cases.call_provider import Ending

MOST_TRIES = 5
"""How often a hold that others have moved meanwhile is read and moved again."""

MOST_COUNTED = 1000
"""Ambiguous, and pending, rows that are looked at to say whether too many are unsettled."""

_Name = tuple[str, str | None]
"""A connection, and the digest of a grant in it, UNSETTLED, or None for all of it."""


@dataclass(slots=True)
class KeepHolds:
    """
    One invocation's dealings with holds: read before each wave, moved by its probes, placed and ended by its endings.

    Every method raises StoreUnavailable where the table does not answer.
    """

    store: Store
    policy: Policy
    rules: HoldRules
    _holds: dict[_Name, Hold] = field(default_factory=dict)
    _probed: dict[_Name, Hold] = field(default_factory=dict)
    """Holds whose probe is one of our own rows, as that has moved them, until the provider has answered it."""
    _placed: set[_Name] = field(default_factory=set)
    """Holds that endings of the present wave have asked for."""

    def refresh(self, connections: Collection[str], now: datetime) -> None:
        """Read the holds of these connections, and end those for unsettled rows where reads have settled enough."""
        self._holds = {(hold.connection, hold.grant_digest): hold for hold in self.store.holds(connections)}
        over = [h for h in self._holds.values() if h.grant_digest == UNSETTLED and h.next_probe <= now]
        self.watch({hold.connection for hold in over}, now)
        for hold in over:
            if self._holds[hold.connection, UNSETTLED] == hold:
                self.store.release_hold(self._holds.pop((hold.connection, UNSETTLED)))

    def admit(self, row: Invitation, now: datetime) -> Wait | None:
        """Say until when a row must wait, and why; the first one after a hold's pause passes as the probe."""
        if is_counted(row) and (unsettled := self._holds.get((row.connection, UNSETTLED))) is not None:
            return _behind(unsettled)
        for name in ((row.connection, None), (row.connection, row.grant_digest)):
            hold = self._holds.get(name)
            if hold is None:
                continue
            if name in self._probed:
                soon = now + timedelta(seconds=self.rules.behind_probe)
                return _behind(hold, min(soon, hold.next_probe) if hold.next_probe > now else soon)
            if hold.next_probe > now:
                return _behind(hold)
            # It is time to ask again: this row passes as the probe.
            probes = hold.probes + 1
            probe = hold.model_copy(update={"probes": probes, "next_probe": self.rules.next_probe(probes, now)})
            self._holds[name] = probe
            if not self.store.put_hold(probe, hold):
                return _behind(probe)
            self._probed[name] = probe
        return None

    def watch(self, connections: Collection[str], now: datetime) -> None:
        """Hold new invitations where too many are unsettled: what happens to these would happen to more."""
        if not connections:
            return
        ambiguous = Counter(key.connection for key in self.store.rows_in_state(State.AMBIGUOUS, MOST_COUNTED))
        pending: Counter[str] | None = None
        for name in sorted(self.policy.connections.keys() & set(connections)):
            if not too_many_unsettled(ambiguous[name], 0):
                continue
            pending = pending or Counter(k.connection for k in self.store.rows_in_state(State.PENDING, MOST_COUNTED))
            if too_many_unsettled(ambiguous[name], ambiguous[name] + pending[name]):
                settles_at = now + timedelta(seconds=self.policy.connections[name].timings.settle)
                self.place((name, UNSETTLED), f"{ambiguous[name]} invitations are unsettled", now, settles_at)

    def place(self, name: _Name, reason: str, now: datetime, until: datetime | None = None) -> Hold:
        """
        Put a hold, or move it, until a time told or, where none is, until the rules' next probe.

        Where another sender has put one that lasts longer, it stays.
        """
        for _ in range(MOST_TRIES):
            seen = self._holds.get(name)
            hold = self._moved(name, seen, reason, now, until)
            if self.store.put_hold(hold, seen):
                break
            # Somebody else was faster, and what they were told counts as well.
            self._read(name)
        self._holds[name] = hold
        return hold

    def _moved(self, name: _Name, seen: Hold | None, reason: str, now: datetime, until: datetime | None) -> Hold:
        # A told time begins the doubling anew; and a hold that differs is not released by the probe of another.
        probes = seen.probes if seen and until is None else 0
        next_probe = until or self.rules.next_probe(probes, now)
        if seen is not None and seen != self._probed.get(name) and seen.next_probe > next_probe:
            return seen.model_copy(update={"probes": probes})
        since = seen.since if seen else now
        return Hold(
            connection=name[0], grant_digest=name[1], reason=reason, since=since, next_probe=next_probe, probes=probes
        )

    def _read(self, name: _Name) -> None:
        self._holds.pop(name, None)
        held = {(hold.connection, hold.grant_digest): hold for hold in self.store.holds([name[0]])}
        if name in held:
            self._holds[name] = held[name]

    def place_for(self, ended: Ending, now: datetime) -> datetime | None:
        """
        Place the hold that an ending asks for; gives its next probe, or None for no hold.

        Once in a wave, but for a time told that is later than what others of the wave have found.
        """
        name: _Name = (ended.row.connection, None)
        until: datetime | None = None
        match ended.ending:
            case RefusedGrant(reason):
                name = (ended.row.connection, ended.row.grant_digest)
            case RefusedConnection(reason) | ReadFailed(_, _, RefusedConnection(reason)):
                pass
            case LimitedUntil(reason, until) | ReadFailed(reason, datetime() as until):
                pass
            case _:
                return None
        if name not in self._placed or (until is not None and until > self._holds[name].next_probe):
            self.place(name, reason, now, until)
            self._placed.add(name)
        return self._holds[name].next_probe

    def close_wave(self, endings: Sequence[Ending]) -> None:
        """End the holds whose probe the provider has answered with something else than another reason to hold."""
        answered = [ended.row for ended in endings if _is_answer(ended)]
        for name in sorted(self._probed.keys() - self._placed, key=str):
            ours = any(row.connection == name[0] and name[1] in (None, row.grant_digest) for row in answered)
            if ours and name in self._holds:
                self.store.release_hold(self._holds.pop(name))
                del self._probed[name]
        self._placed.clear()


def _is_answer(ended: Ending) -> bool:
    match ended.ending:
        case NotSent():
            return ended.at_once  # It was sent, and refused for a secret that was replaced meanwhile.
        case Ambiguous() | ReadFailed():
            return False
    return True


def _behind(hold: Hold, until: datetime | None = None) -> Wait:
    return Wait(until or hold.next_probe, f"on hold: {hold.reason}")
