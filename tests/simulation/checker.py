"""
What must hold over four histories: what sources said, table writes, provider requests, the ledger of mails.

The checker shares no decision with the code but the policy's own; every promise is one function.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import pairwise

from tests.simulation.pace_promises import PACE_PROMISES
from tests.simulation.ports import RecordingStore, Write
from tests.simulation.provider import Request
from tests.simulation.stack import SimulatedStack, at, digest
from usher.domain.address import mailbox_of
from usher.domain.hire import Change, HireKey, NewHire, Result
from usher.domain.invitation import LIVE, Guarded, GuardKey, Invitation, InvitationKey, Origin, State
from usher.domain.policy import Want

POSTS = ("invite", "repair", "resend")
MOST_REQUESTS = 60
"""Requests that one process may make at most."""


def watch(store: RecordingStore) -> list[str]:
    """Check after every write what must hold at every moment; gives the list of what did not."""
    broken: list[str] = []

    def look() -> None:
        for problem in _now(store):
            if problem not in broken:
                broken.append(problem)

    store.on_write = look
    return broken


def _now(store: RecordingStore) -> Iterator[str]:
    held = set()
    for row in store.rows:
        if (row.due_at is not None) != (row.state in LIVE):
            yield "a row is live without a due time, or has one and is not live"
        if row.guard is None:
            if row.state in LIVE:
                yield "a live row holds no mailbox"
            continue
        key = GuardKey(row.connection, row.guard)
        held.add(key)
        if store.guards.get(key) != row.holder:
            yield f"a row that is {row.state} does not hold the mailbox that it names"
    if store.guards.keys() - held:
        yield "a mailbox is held by nobody's row"


def check(stack: SimulatedStack, broken: list[str]) -> list[str]:
    """Give every promise that the schedule has broken."""
    if stack.time.faults:
        fault = stack.time.faults[0]
        return [f"{type(fault).__name__} escaped: {fault}"]
    found = list(broken)
    if stack.stuck:
        found.append("it never became quiet")
    for promise in PROMISES:
        found += promise(stack)
    return list(dict.fromkeys(found))


# --- what the code itself says ---


def no_fault_of_our_own(stack: SimulatedStack) -> Iterator[str]:
    """Handlers catch everything; nothing but what was injected may have been caught."""
    for _, values in stack.logged.lines:
        fault = values.get("fault")
        if fault not in (None, "AdapterBroke", "StoreUnavailable", "QueueUnavailable", "SecretUnavailable"):
            yield f"a fault of our own: {fault} in {values.get('frames')}"


def nobody_is_logged(stack: SimulatedStack) -> Iterator[str]:
    """Ids and counts; no address, no secret."""
    text = str(stack.logged.lines)
    if "@" in text or "token-" in text:
        yield "a log line names a person or a secret"


# --- writes ---


def fences_rise(stack: SimulatedStack) -> Iterator[str]:
    """Each claim has a fence of its own, higher than all before."""
    for write in stack.store.writes:
        before = write.before.fence if write.before else 0
        if write.after.fence < before:
            yield "a fence fell"
        if _is_claim(write) and write.after.fence <= before:
            yield "a claim did not raise the fence"


def only_the_owner_records(stack: SimulatedStack) -> Iterator[str]:
    """Who lost its row changes nothing in it any more."""
    for write in stack.store.writes:
        if write.step is None or write.before is None:
            continue
        if write.step.guarded in (Guarded.RECORDING, Guarded.REJECTING) and (
            write.before.state is not State.SENDING
            or (write.before.fence, write.before.owner) != (write.step.before.fence, write.step.before.owner)
        ):
            yield "a superseded owner wrote"


def absence_is_read_after_settling(stack: SimulatedStack) -> Iterator[str]:
    """What may still take effect is not taken for absent."""
    posts = _posts(stack)
    reads = _by_key([request for request in stack.provider.requests_seen if request.kind == "look_up"])
    for write in stack.store.writes:
        before = write.before
        if before is None or before.state is not State.AMBIGUOUS or write.after.state is not State.PENDING:
            continue
        if not write.after.absence_settled:
            continue
        # What was posted with a former address decides nothing about this one.
        sent = [request for request in posts[write.after.key] if request.address == before.sent_address]
        posted = max((request.at for request in sent if request.at < write.at), default=None)
        timings = stack.provider.timings
        if posted is None:
            continue
        after = [request.at for request in reads[write.after.key] if posted < request.at <= write.at]
        settled = [moment for moment in after if moment >= posted + timings.settle - 2 * timings.clock_skew]
        if len(settled) < timings.absent_reads:
            yield "a row was sent again before it had settled"
        if settled and settled[-1] - settled[0] < (timings.absent_reads - 1) * timings.read_gap - 2 * stack.skew - 30:
            yield "absent reads came too close to each other"


# --- requests ---


def posts_have_a_live_fence(stack: SimulatedStack) -> Iterator[str]:
    """At the moment of a POST its row is leased to the process that makes it, and holds what is sent."""
    seen: set[tuple[InvitationKey, int]] = set()
    for request in stack.provider.requests_seen:
        if request.kind not in POSTS:
            continue
        row = request.row
        if row is None or row.state is not State.SENDING or row.owner != f"owner-{request.process}":
            yield f"a POST without a claim ({request.kind})"
            continue
        if row.lease_until is None or row.lease_until < at(request.at):
            yield "a POST after its lease"
        if (row.key, row.fence) in seen:
            yield "two POSTs under one fence"
        seen.add((row.key, row.fence))
        if request.address != row.sent_address:
            yield "a POST with another address than the claim's snapshot"


def reads_use_the_snapshot(stack: SimulatedStack) -> Iterator[str]:
    """A read asks for the address that was sent, whatever is wanted by now."""
    for request in stack.provider.requests_seen:
        row = request.row
        if request.kind != "look_up" or row is None:
            continue
        if row.state in (State.SENDING, State.AMBIGUOUS) and request.address != row.sent_address:
            yield "a read with another address than the one that was sent"


def work_is_bounded(stack: SimulatedStack) -> Iterator[str]:
    """No process goes round and round."""
    counts: dict[int, int] = defaultdict(int)
    for request in stack.provider.requests_seen:
        counts[request.process] += 1
    if counts and max(counts.values()) > MOST_REQUESTS:
        yield "a process made request after request"


# --- mails ---


def nobody_is_mailed_twice(stack: SimulatedStack) -> Iterator[str]:
    """One mail for a mailbox in a connection, unless the access was removed in between."""
    mails: dict[tuple[str, str], list[datetime]] = defaultdict(list)
    for mail in stack.provider.ledger:
        mails[mail.connection, mail.address].append(mail.at)
    removals: dict[tuple[str, str], list[datetime]] = defaultdict(list)
    for moment, connection, address in stack.provider.removed:
        removals[connection, address].append(at(moment))
    for name, moments in mails.items():
        moments.sort()
        for first, second in pairwise(moments):
            if not any(first <= removal <= second for removal in removals[name]):
                yield "somebody was mailed twice"


def rows_tell_the_truth(stack: SimulatedStack) -> Iterator[str]:
    """What a settled row says of the provider is so."""
    provider = stack.provider
    mails = _by_key(provider.ledger)
    for row in stack.store.rows:
        ours = mails[row.key]
        name = (row.connection, row.sent_address or "")
        entry = provider.directory.get(name)
        removed = any(moment[1:] == name for moment in provider.removed)
        if row.state in (State.INVITED, State.ALREADY_MEMBER):
            if entry is None and not removed:
                yield f"a row is {row.state}, but the provider has nobody"
            if entry is not None and entry.open and row.want and not row.drift and not removed:
                yield "a row is invited, but a part of the access is open"
        if ours and row.state in (State.REJECTED, State.DUPLICATE, State.PLANNED):
            yield f"a row is {row.state}, but mailed"
        if ours and row.state is State.CANCELLED and row.guard is None:
            yield "a row is cancelled and holds no mailbox, but mailed"
        if row.mailed is True and not ours:
            yield "a row says that it mailed, and did not"
        if row.mailed is False and ours:
            yield f"a row says that it did not mail, and did ({row.state})"
        if row.origin is Origin.US and not ours and name not in provider.elsewhere:
            yield "a row says that the person is there because of us, and is not"
        if row.origin is Origin.ELSEWHERE and ours and name not in provider.elsewhere:
            yield "a row says that the person was there before, and was not"
        if ours and row.state is State.INVITED and row.sent_address not in {mail.address for mail in ours}:
            yield "a row names another address than the one that was mailed"


def mailed_mailboxes_stay_guarded(stack: SimulatedStack) -> Iterator[str]:
    """Whom we mailed no other hire can make us mail again."""
    for mail in stack.provider.ledger:
        if GuardKey(mail.connection, digest(mailbox_of(mail.address))) not in stack.store.guards:
            yield "a mailed mailbox is free"


# --- events ---


def the_newest_word_holds(stack: SimulatedStack) -> Iterator[str]:
    """Every accepted event ends in rows that want what the highest versions say, in whatever order they came."""
    said: dict[str, list[NewHire]] = defaultdict(list)
    for notice in stack.notices:
        assert notice.hire is not None
        said[_person(stack, notice.hire)].append(notice.hire)
    policy = stack.policy(stack.version)
    for hire_id, words in said.items():
        words.sort(key=lambda word: word.version)
        rows = [row for row in stack.store.rows if row.hire_id == hire_id]
        latest = {row.connection: row for row in sorted(rows, key=lambda row: row.generation)}
        if not _is_hired(words):
            if any(row.want for row in rows if row.generation == latest[row.connection].generation):
                yield "somebody who is not hired is wanted"
            continue
        address = next((word.work_email for word in reversed(words) if word.work_email), None)
        newest = words[-1].model_copy(update={"work_email": address})
        wants = policy.decide(newest, at(0))
        for want in wants:
            if isinstance(want, Want):
                yield from _is_wanted(latest.get(want.connection), want)
        names = {want.connection for want in wants if isinstance(want, Want)}
        if all(isinstance(want, Want) for want in wants) and any(
            row.want and name not in names for name, row in latest.items()
        ):
            yield "a row is wanted that no rule wants"


def _person(stack: SimulatedStack, hire: NewHire) -> str:
    """Name the hire at which a word counts: another system's, where any word of the same hire says so."""
    words = (notice.hire for notice in stack.notices if notice.hire is not None and notice.hire.key == hire.key)
    others = [word.same_as for word in words if word.same_as is not None]
    return (HireKey.parse(others[-1]) if others else hire.key).hire_id


def _is_hired(words: list[NewHire]) -> bool:
    """Say what words mean, in the order of their versions: after a cancel, a later first day hires again."""
    newest = {word.change: word for word in words}
    hired, cancelled = newest.get(Change.HIRED), newest.get(Change.CANCELLED)
    if hired is None or cancelled is None or hired.version > cancelled.version:
        return hired is not None
    place = words.index(cancelled)
    before = [word.start_date for word in words[:place] if word.change is not Change.CANCELLED and word.start_date]
    since = [word.start_date for word in words[place:] if word.change is not Change.CANCELLED and word.start_date]
    return bool(before and since and since[-1] > max(before))


def _is_wanted(row: Invitation | None, want: Want) -> Iterator[str]:
    if row is None:
        yield "somebody is hired and has no row"
    elif not row.want or row.state is State.CANCELLED:
        yield f"somebody is hired and not wanted ({row.state})"
    elif row.address != want.address:
        yield f"a row does not have the newest address ({row.state})"
    elif row.state is State.REJECTED and row.sent_address != row.address:
        yield "a row is rejected for an address that was corrected"


def every_row_ends(stack: SimulatedStack) -> Iterator[str]:
    """Settled, or waiting where a person or another row is waited for."""
    for row in stack.store.rows:
        if row.state in LIVE:
            yield f"a row is {row.state} for ever"
        if row.state is State.DUPLICATE and _can_plan(stack, row):
            guard = GuardKey(row.connection, digest(mailbox_of(row.address)))
            if stack.store.guards.get(guard) in (None, row.holder):
                yield "a row waits for a mailbox that is free"
        if row.state is State.PARKED and not row.reason:
            yield "a row is parked without a reason"


def _can_plan(stack: SimulatedStack, row: Invitation) -> bool:
    """Say whether what is known of a hire can be used; if not, a person is told so by its parked notice."""
    record = stack.store.hire(row.key.hire).record
    return record is not None and record.result not in (Result.AWAITING_ADDRESS, Result.INVALID)


PROMISES: tuple[Callable[[SimulatedStack], Iterator[str]], ...] = (
    no_fault_of_our_own,
    nobody_is_logged,
    fences_rise,
    only_the_owner_records,
    absence_is_read_after_settling,
    posts_have_a_live_fence,
    reads_use_the_snapshot,
    work_is_bounded,
    nobody_is_mailed_twice,
    rows_tell_the_truth,
    mailed_mailboxes_stay_guarded,
    the_newest_word_holds,
    every_row_ends,
    *PACE_PROMISES,
)


def _is_claim(write: Write) -> bool:
    return write.before is not None and write.before.state is State.PENDING and write.after.state is State.SENDING


def _posts(stack: SimulatedStack) -> dict[InvitationKey, list[Request]]:
    return _by_key([request for request in stack.provider.requests_seen if request.kind in POSTS])


def _by_key[Item](items: "list[Item]") -> dict[InvitationKey, list[Item]]:
    found: dict[InvitationKey, list[Item]] = defaultdict(list)
    for item in items:
        found[item.key].append(item)  # type: ignore[attr-defined]
    return found
