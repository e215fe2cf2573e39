"""What an operator may do: let planned rows go live, take up what is parked, approve a mass of invitations."""

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime

from usher.domain.address import mailbox_of
from usher.domain.hire import HireKey
from usher.domain.invitation import GuardKey, Invitation, InvitationKey, NotNow, State
from usher.domain.notice import NoticeState
from usher.domain.planning import live_plan
from usher.domain.policy import Policy
from usher.domain.wanted import unparked
from usher.ports import AuditEntry, Clock, Queues, Source, Store

MOST_LISTED = 1000
MOST_TRIES = 5


@dataclass(frozen=True, slots=True)
class GoLive:
    """Promote planned rows, after a preview. The policy must be live: who only runs the command cannot decide that."""

    store: Store
    policy: Policy
    clock: Clock
    digest: Callable[[str], str] = field(repr=False)

    def preview(self, *, connection: str | None = None, starting_from: date | None = None) -> list[Invitation]:
        """
        List the planned rows that would go live.

        By default only people who have not started yet: without a start date, or starting from `starting_from` on.
        """
        keys = self.store.rows_in_state(State.PLANNED, MOST_LISTED)
        rows = self.store.invitations(keys).values()
        return [
            row
            for row in sorted(rows, key=lambda row: (row.start_date or date.max, row.key))
            if row.state is State.PLANNED
            and connection in (None, row.connection)
            and (starting_from is None or row.start_date is None or row.start_date >= starting_from)
        ]

    def __call__(self, rows: Sequence[Invitation], *, actor: str, reason: str) -> list[InvitationKey]:
        """Promote these rows; raises NotNow where the policy still says plan. Gives the rows that are live now."""
        for name in sorted({row.connection for row in rows}):
            if not self.policy.is_live(name):
                raise NotNow(f'connection {name!r} is in plan mode in this stage\'s policy: set mode = "live" first')
        by_hire: dict[HireKey, list[InvitationKey]] = {}
        for row in rows:
            by_hire.setdefault(row.key.hire, []).append(row.key)
        live: list[InvitationKey] = []
        for hire, keys in by_hire.items():
            file = self.store.hire(hire)
            chosen = [row for row in file.rows if row.key in keys and row.state is State.PLANNED]
            guards = {GuardKey(row.connection, self.digest(mailbox_of(row.address))) for row in chosen}
            plan = live_plan(
                file,
                chosen,
                holders=self.store.guard_holders(guards),
                digest=self.digest,
                now=self.clock.now(),
            )
            if chosen and self.store.commit(plan):
                for row in chosen:
                    self.store.audit(AuditEntry(str(row.key), self.clock.now(), actor, "go-live", reason))
                live += [row.key for row in chosen]
        return live


@dataclass(frozen=True, slots=True)
class TakeUpAgain:
    """Let parked rows and parked notices try again."""

    store: Store
    queues: Queues
    policy: Policy
    clock: Clock

    def row(self, key: InvitationKey, *, actor: str, reason: str) -> None:
        """Take up a parked row: from a read, if anything was ever posted; raises NotNow."""
        row = self.store.invitations([key]).get(key)
        connection = self.policy.connections.get(key.connection)
        if row is None or connection is None:
            raise NotNow(f"there is no row {key} in a connection of this stage")
        step = unparked(row, now=self.clock.now(), timings=connection.timings)
        if not self.store.apply([step])[0].stands:
            raise NotNow(f"{key} was changed meanwhile; look again")
        self.store.audit(AuditEntry(str(key), self.clock.now(), actor, "take-up", reason))

    def notice(self, notice_id: str, *, actor: str, reason: str) -> None:
        """Replay a parked notice, or one that waits, at once; raises NotNow."""
        record = self.store.notice(notice_id)
        if record is None or record.state not in (NoticeState.PARKED, NoticeState.WAITING):
            raise NotNow(f"notice {notice_id} is neither parked nor waiting")
        now = self.clock.now()
        if record.due_at is not None and record.due_at <= now:
            raise NotNow(f"notice {notice_id} is being planned already")
        waiting = record.model_copy(
            update={"state": NoticeState.WAITING, "due_at": now, "updated_at": now, "revision": record.revision + 1}
        )
        if not self.store.put_notice(waiting):
            raise NotNow(f"notice {notice_id} was changed meanwhile; look again")
        self.store.audit(AuditEntry(f"notice/{notice_id}", now, actor, "replay", reason))
        self.queues.wake_planning(notices=[notice_id])


@dataclass(frozen=True, slots=True)
class TakeSecret:
    """Take the key of a source's signatures from the parked notice in which the sender itself sent it."""

    store: Store
    sources: Mapping[str, Source]
    clock: Clock

    def found_in(self, notice_id: str, source: str) -> str:
        """Give the key; raises NotNow where the notice holds none of this source."""
        record = self.store.notice(notice_id)
        if record is None or record.notice.source != source or record.state is not NoticeState.PARKED:
            raise NotNow(f"notice {notice_id} is not a parked one of {source}")
        body = self.store.sealed_body(notice_id)
        secret = self.sources[source].secret_in(base64.b64decode(body)) if body and source in self.sources else None
        if secret is None:
            raise NotNow(f"notice {notice_id} holds no secret; bodies are kept for 30 days")
        return secret

    def done(self, notice_id: str, *, actor: str, reason: str) -> None:
        """Write down that the key of this notice is in the vault."""
        now = self.clock.now()
        self.store.audit(AuditEntry(f"notice/{notice_id}", now, actor, "take-secret", reason))
        record = self.store.notice(notice_id)
        if record is not None:
            update = {"state": NoticeState.DONE, "updated_at": now, "revision": record.revision + 1}
            self.store.put_notice(record.model_copy(update=update))


@dataclass(frozen=True, slots=True)
class Approve:
    """Let the guard against mass mistakes pass invitations, after it stopped or before it would."""

    store: Store
    clock: Clock

    def __call__(self, *, invitations: int | None, until: datetime, actor: str, reason: str) -> None:
        """Approve so many invitations more, or any number, until a time; replaces a former approval. Raises NotNow."""
        now = self.clock.now()
        if until <= now:
            raise NotNow("an approval that has ended already approves nothing")
        for _ in range(MOST_TRIES):
            seen = self.store.counters(())
            approved = replace(seen, guard=seen.guard.at(now).approving(invitations, until))
            if self.store.put_counters(approved.next_to(seen), seen):
                what = "any number" if invitations is None else str(invitations)
                entry = AuditEntry("company", now, actor, "approve", f"{what} until {until.isoformat()}: {reason}")
                self.store.audit(entry)
                return
        raise NotNow("senders are counting at this moment; run it again")
