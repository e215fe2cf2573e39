"""Sending: claims, calls, outcomes, holds and reads, over in-memory ports."""

from datetime import timedelta

import pytest

from tests.fakes.provider import FakeProvider, answering
from tests.unit.use_cases.world import NOON, World, a_hire, a_policy
from usher.domain.errors import StoreUnavailable
from usher.domain.hire import Change
from usher.domain.invitation import Invitation, InvitationKey, Limits, Origin, State, Step
from usher.domain.outcomes import (
    Absent,
    Accepted,
    AlreadyInvited,
    AlreadyMember,
    Ambiguous,
    LimitedUntil,
    NotSent,
    Outcome,
    Part,
    PartlyAccepted,
    Present,
    ReadFailed,
    RefusedBatch,
    RefusedConnection,
    RefusedGrant,
    RefusedPerson,
    Standing,
)
from usher.domain.policy import Timings
from usher.ports import Applied, Ask, Call


@pytest.fixture
def world() -> World:
    """A stack in memory."""
    return World()


def batching() -> World:
    """A stack whose provider takes 25 people in a request, as Atlassian does."""
    timings = Timings(settle=180, absent_reads=2, read_gap=60, provider_tail=60, read_lag=120)
    provider = FakeProvider(name="atlassian", batch_size=25, timings=timings)
    return World(provider=provider)


def test_a_due_row_is_invited_once(world: World) -> None:
    """Whatever wake-ups come after it."""
    world.says(a_hire())
    key = world.row().key
    world.send(key, key)
    world.send(key)

    row = world.row()
    assert (row.state, row.origin, row.mailed, row.attempts) == (State.INVITED, Origin.US, True, 1)
    assert world.provider.mails == ["e-1@example.com"]


def test_a_row_that_is_not_due_yet_is_left_alone(world: World) -> None:
    """A wake-up is a hint, not an order."""
    world.says(a_hire())
    world.store.apply_directly(world.row().key, due_at=NOON + timedelta(days=1))
    world.send(world.row().key)

    assert world.provider.requests == []


def test_twenty_five_people_with_one_grant_share_one_request() -> None:
    """A wake-up of a batching provider takes other due rows of the same connection and grant."""
    world = batching()
    for number in range(30):
        world.says(a_hire(f"E-{number}"))
    world.send(world.row("E-0").key)

    assert [len(people) for kind, people in world.provider.requests if kind == "invite"] == [25, 5]
    assert len(set(world.provider.mails)) == len(world.provider.mails) == 30


def test_one_bad_address_among_twenty_five_is_found_by_halving_and_harms_nobody() -> None:
    """At most 2 log2(25) + 1 calls, each under a claim of its own."""
    world = batching()

    def refuses(call: Call, asks: list[Ask]) -> dict[InvitationKey, Outcome]:
        world.provider.answers.append(refuses)  # type: ignore[arg-type]
        if any(ask.address == "e-7@example.com" for ask in asks):
            return {ask.key: RefusedBatch("malformed") for ask in asks}
        return {ask.key: world.provider.accept(ask) for ask in asks}

    world.provider.answers.append(refuses)  # type: ignore[arg-type]
    for number in range(25):
        world.says(a_hire(f"E-{number}"))
    world.until_quiet(seconds=30)

    assert world.row("E-7").state is State.REJECTED
    assert sum(world.row(f"E-{number}").state is State.INVITED for number in range(25)) == 24
    assert world.provider.count("invite") <= 11
    assert len(world.provider.mails) == 24


def test_a_refused_request_that_acted_all_the_same_is_never_repeated_before_its_effect_must_show() -> None:
    """The directory lags; an early look that shows nobody decides nothing, an early look that shows them does."""
    world = batching()
    world.provider.answers.append(answering(RefusedBatch("malformed"), acts=world.provider))
    world.provider.findings.append(Absent())
    for name in ("E-1", "E-2"):
        world.says(a_hire(name))
    world.until_quiet()

    assert {world.row(name).state for name in ("E-1", "E-2")} == {State.INVITED}
    assert sorted(world.provider.mails) == ["e-1@example.com", "e-2@example.com"]
    assert world.provider.count("invite") == 1


def test_the_claim_is_durable_with_its_snapshot_before_the_first_byte_leaves(world: World) -> None:
    """And no claim, no request."""
    seen: list[Invitation] = []

    def looks(call: Call, asks: list[Ask]) -> dict[InvitationKey, Outcome]:
        seen.append(world.row())
        return {ask.key: world.provider.accept(ask) for ask in asks}

    world.provider.answers.append(looks)  # type: ignore[arg-type]
    world.says(a_hire())
    world.send(seconds=60)

    (row,) = seen
    assert (row.state, row.fence, row.sent_address) == (State.SENDING, 1, "e-1@example.com")
    assert row.sent_grant == row.grant
    # The lease outlives this invocation, however late the platform ends it and however wrong its clock is.
    assert row.lease_until is not None
    assert row.lease_until >= NOON + timedelta(seconds=60 + 1 + 2 * 2)


def test_rows_of_one_request_end_each_in_their_own_way() -> None:
    """One refused, one half a success, one missing from the answer."""
    world = batching()
    for name in ("E-1", "E-2", "E-3", "E-4"):
        world.says(a_hire(name))

    def mixed(call: Call, asks: list[Ask]) -> dict[InvitationKey, Outcome]:
        endings: dict[str, Outcome] = {
            "e-1@example.com": RefusedPerson("not accepted"),
            "e-2@example.com": PartlyAccepted("2", True, (Part("group", "g"),), "a group failed"),
            "e-3@example.com": Ambiguous("missing from the answer"),
        }
        return {ask.key: endings.get(ask.address) or world.provider.accept(ask) for ask in asks}

    world.provider.answers.append(mixed)  # type: ignore[arg-type]
    world.send()

    states = [world.row(f"E-{number}").state for number in (1, 2, 3, 4)]
    assert states == [State.REJECTED, State.PENDING, State.AMBIGUOUS, State.INVITED]
    world.until_quiet()
    assert world.row("E-2").state is State.INVITED
    assert world.provider.count("repair") == 1
    assert world.row("E-3").state is State.INVITED
    assert world.provider.mails.count("e-3@example.com") == 1


def test_a_500_after_the_mail_is_settled_by_a_read_and_never_mails_again(world: World) -> None:
    """The answer says nothing; the directory does."""
    world.provider.answers.append(answering(Ambiguous("500"), acts=world.provider))
    world.says(a_hire())
    world.send()
    assert world.row().state is State.AMBIGUOUS

    world.until_quiet()
    assert world.row().state is State.INVITED
    assert world.provider.mails == ["e-1@example.com"]
    assert world.provider.count("invite") == 1


def test_a_500_without_effect_is_read_as_absent_and_sent_again(world: World) -> None:
    """One mail, by a second claim with a second fence."""
    world.provider.answers.append(answering(Ambiguous("500")))
    world.says(a_hire())
    world.until_quiet()

    row = world.row()
    assert (row.state, row.fence, row.attempts) == (State.INVITED, 2, 2)
    assert world.provider.mails == ["e-1@example.com"]


def test_no_read_happens_before_the_settle_time(world: World) -> None:
    """Even if somebody wakes the row all the time."""
    world.provider.answers.append(answering(Ambiguous("500"), acts=world.provider))
    world.says(a_hire())
    world.send()
    world.store.apply_directly(world.row().key, due_at=world.clock.now())
    world.clock.advance(89)
    world.send(world.row().key)
    assert world.provider.count("look_up") == 0

    world.clock.advance(1)
    world.send(world.row().key)
    assert world.provider.count("look_up") == 1


def test_every_read_uses_the_address_that_was_sent(world: World) -> None:
    """Not the one that HR has corrected meanwhile."""
    world.provider.answers.append(answering(Ambiguous("500"), acts=world.provider))
    world.says(a_hire())
    world.send()
    world.says(a_hire(version=2, work_email="ann.new@example.com"))
    world.until_quiet()

    assert ("look_up", ("e-1@example.com",)) in world.provider.requests
    row = world.row()
    assert (row.state, row.address) == (State.INVITED, "ann.new@example.com")
    assert row.attention is not None
    assert world.provider.mails == ["e-1@example.com"]


def test_an_address_that_changed_while_nobody_knew_is_used_once_the_old_one_is_read_as_absent(world: World) -> None:
    """And the guard has moved to the new mailbox before the claim."""
    world.provider.answers.append(answering(Ambiguous("500")))
    world.says(a_hire())
    world.send()
    world.says(a_hire(version=2, work_email="ann.new@example.com"))
    world.until_quiet()

    assert world.row().state is State.INVITED
    assert world.provider.mails == ["ann.new@example.com"]


def test_a_sender_that_died_leaves_an_ambiguous_row_that_a_read_settles(world: World) -> None:
    """The lease runs out, the settle time passes, and the directory decides."""
    world.says(a_hire())
    key = world.row().key

    def dies(call: Call, asks: list[Ask]) -> dict[InvitationKey, Outcome]:
        world.provider.accept(asks[0])
        raise KeyboardInterrupt

    world.provider.answers.append(dies)  # type: ignore[arg-type]
    with pytest.raises(KeyboardInterrupt):
        world.send(key)
    assert world.row().state is State.SENDING

    world.until_quiet()
    assert world.row().state is State.INVITED
    assert world.provider.mails == ["e-1@example.com"]


def test_a_fault_of_the_adapter_is_ambiguous_and_costs_no_other_row_its_outcome(world: World) -> None:
    """Nobody knows what it had done before it failed."""
    for name in ("E-1", "E-2"):
        world.says(a_hire(name))

    def fails(call: Call, asks: list[Ask]) -> dict[InvitationKey, Outcome]:
        raise RuntimeError("a bug")

    world.provider.answers.append(fails)  # type: ignore[arg-type]
    sent = world.send()

    assert sorted([world.row("E-1").state, world.row("E-2").state]) == [State.AMBIGUOUS, State.INVITED]
    assert [type(fault) for fault in sent.faults] == [RuntimeError]


def test_a_bad_token_holds_the_connection_and_burns_nothing(world: World) -> None:
    """Rows wait for the probe; when the token is mended they go out by themselves."""
    for number in range(5):
        world.says(a_hire(f"E-{number}"))
    world.provider.answers.append(answering(RefusedConnection("the token is not accepted", unauthorized=True)))
    world.send(world.row("E-0").key)
    world.send()

    assert world.provider.count("invite") == 1
    assert {world.row(f"E-{n}").state for n in range(5)} == {State.PENDING}
    assert {world.row(f"E-{n}").attempts for n in range(5)} == {0}
    (hold,) = world.store.holds(["main"])
    assert hold.reason == "the token is not accepted"

    world.until_quiet()
    assert {world.row(f"E-{n}").state for n in range(5)} == {State.INVITED}
    assert world.store.holds(["main"]) == []


def test_a_held_connection_is_probed_by_one_row_at_a_time(world: World) -> None:
    """Half open: the others wait for the answer."""
    for number in range(5):
        world.says(a_hire(f"E-{number}"))
    refusal = answering(RefusedConnection("no seats"))
    world.provider.answers.extend([refusal, refusal])
    world.send(world.row("E-0").key)
    world.clock.advance(301)
    world.send()

    assert world.provider.count("invite") == 2


def test_a_replaced_secret_costs_one_extra_refusal_and_no_attempt(world: World) -> None:
    """A 401 marks the secret stale, and the row is claimed again once."""
    world.says(a_hire())
    world.secrets.get("sentry/main")

    def refuses(call: Call, asks: list[Ask]) -> dict[InvitationKey, Outcome]:
        world.secrets.values["sentry/main"] = "token-2"
        return {ask.key: RefusedConnection("401", unauthorized=True) for ask in asks}

    world.provider.answers.append(refuses)  # type: ignore[arg-type]
    world.send()

    assert world.provider.secrets_seen == ["token-1", "token-2"]
    assert (world.row().state, world.row().attempts) == (State.INVITED, 1)
    assert world.store.holds(["main"]) == []


def test_an_unknown_team_holds_its_grant_alone(world: World) -> None:
    """Nobody's fault but the policy's, and no other rule's."""
    base = a_policy(world.provider)
    other = base.rules[0].model_copy(
        update={"name": "sales", "when": base.rules[0].when.model_copy(update={"department": ("Sales",)})}
    )
    other = other.model_copy(update={"grant": other.grant.model_copy(update={"teams": ()})})
    world.policy = base.model_copy(update={"rules": (*base.rules, other)})
    world.says(a_hire("E-1"))
    world.says(a_hire("E-2", department="Sales"))
    world.provider.answers.append(answering(RefusedGrant("a team in the policy does not exist")))
    world.send(world.row("E-1").key)
    world.send()

    assert (world.row("E-1").state, world.row("E-2").state) == (State.PENDING, State.INVITED)
    (hold,) = world.store.holds(["main"])
    assert hold.grant_digest == world.row("E-1").grant_digest


def test_after_a_limit_nobody_asks_before_the_time_told(world: World) -> None:
    """The limit is the connection's, so all its rows wait."""
    for name in ("E-1", "E-2"):
        world.says(a_hire(name))
    until = NOON + timedelta(hours=1)
    world.provider.answers.append(answering(LimitedUntil("too many", until)))
    world.send(world.row("E-1").key)
    world.clock.advance(3599)
    world.send()
    world.send(world.row("E-1").key, world.row("E-2").key)
    assert world.provider.count("invite") == 1

    world.until_quiet()
    assert {world.row(name).state for name in ("E-1", "E-2")} == {State.INVITED}
    assert world.row("E-1").attempts == 1


def test_a_limit_without_a_time_backs_off(world: World) -> None:
    """Nothing was told, so the hold's own pause decides."""
    world.says(a_hire())
    world.provider.answers.append(answering(LimitedUntil("too many")))
    world.send()

    assert world.row().due_at == NOON + timedelta(seconds=300)


def test_a_missing_secret_holds_the_connection_with_the_reason_and_sends_nothing(world: World) -> None:
    """And it goes on by itself when the secret is there."""
    token = world.secrets.values.pop("sentry/main")
    world.says(a_hire())
    world.send()
    assert world.provider.requests == []
    assert world.row().state is State.PENDING

    world.secrets.values["sentry/main"] = token
    world.until_quiet()
    assert world.row().state is State.INVITED


def test_a_row_that_was_cancelled_meanwhile_is_not_sent(world: World) -> None:
    """The wish is read again before the claim, and is a condition of it."""
    world.says(a_hire())
    key = world.row().key
    world.says(a_hire(version=2, change=Change.CANCELLED))
    world.send(key)

    assert world.provider.requests == []


def test_a_cancel_during_a_send_ends_invited_and_asks_for_a_revocation(world: World) -> None:
    """The outcome is written whatever planning wrote beside it."""
    world.says(a_hire())

    def cancelled_meanwhile(call: Call, asks: list[Ask]) -> dict[InvitationKey, Outcome]:
        world.says(a_hire(version=2, change=Change.CANCELLED))
        return {ask.key: world.provider.accept(ask) for ask in asks}

    world.provider.answers.append(cancelled_meanwhile)  # type: ignore[arg-type]
    world.send()

    row = world.row()
    assert (row.state, row.want, row.revoke_needed) == (State.INVITED, False, True)


def test_a_cancel_during_a_send_that_did_not_happen_ends_cancelled(world: World) -> None:
    """Not one byte left, so nothing is to be taken back."""
    world.says(a_hire())

    def cancelled_meanwhile(call: Call, asks: list[Ask]) -> dict[InvitationKey, Outcome]:
        world.says(a_hire(version=2, change=Change.CANCELLED))
        return {ask.key: NotSent("connection refused") for ask in asks}

    world.provider.answers.append(cancelled_meanwhile)  # type: ignore[arg-type]
    world.until_quiet(rounds=30)

    assert world.row().state is State.CANCELLED
    assert world.provider.mails == []


@pytest.mark.parametrize(
    ("outcome", "state", "origin"),
    [
        (AlreadyMember("1"), State.ALREADY_MEMBER, Origin.ELSEWHERE),
        (AlreadyInvited("1", expired=False), State.INVITED, Origin.ELSEWHERE),
    ],
)
def test_people_who_were_there_before_are_told_apart_and_not_mailed(
    world: World, outcome: Outcome, state: State, origin: Origin
) -> None:
    """Member and invited are different truths."""
    world.says(a_hire())
    world.provider.answers.append(answering(outcome))
    world.send()

    assert (world.row().state, world.row().origin, world.row().mailed) == (state, origin, False)


def test_a_provider_that_hides_members_is_asked_before_it_is_told_to_invite() -> None:
    """It would call a member invited, and mail them; asked first, it shows who has everything already."""
    world = batching()
    world.provider.tells_members = False
    world.provider.people["e-1@example.com"] = Standing.MEMBER
    for name in ("E-1", "E-2"):
        world.says(a_hire(name))
    world.send()

    assert (world.row("E-1").state, world.row("E-1").origin) == (State.ALREADY_MEMBER, Origin.ELSEWHERE)
    assert world.row("E-2").state is State.INVITED
    assert world.provider.mails == ["e-2@example.com"]
    assert [kind for kind, _ in world.provider.requests] == ["look_up", "invite"]


def test_somebody_whose_account_is_suspended_is_rejected_with_that_reason() -> None:
    """An invitation would not let them in."""
    world = batching()
    world.provider.tells_members = False
    world.provider.findings.append(Present("1", Standing.MEMBER, blocked="the account is suspended"))
    world.says(a_hire())
    world.send()

    assert (world.row().state, world.row().reason) == (State.REJECTED, "the account is suspended")
    assert world.provider.mails == []


def test_somebody_who_was_there_before_us_and_lacks_a_part_is_given_it_by_an_invitation() -> None:
    """That is what an invitation of a member does."""
    world = batching()
    world.provider.tells_members = False
    world.provider.findings.append(Present("1", Standing.MEMBER, open=(Part("group", "g"),)))
    world.says(a_hire())
    world.send()

    assert (world.row().state, world.row().origin) == (State.INVITED, Origin.US)
    assert world.provider.count("repair") == 0


def test_an_expired_invitation_is_renewed_by_one_resend(world: World) -> None:
    """By the provider's own means, not by a second invitation."""
    world.provider.people["e-1@example.com"] = Standing.EXPIRED
    world.says(a_hire())
    world.send()

    assert [kind for kind, _ in world.provider.requests] == ["invite", "resend"]
    assert world.row().state is State.INVITED


def test_a_read_that_fails_keeps_the_row_ambiguous_and_is_not_counted(world: World) -> None:
    """The list is down; the person is not judged by that."""
    world.provider.answers.append(answering(Ambiguous("500"), acts=world.provider))
    world.provider.findings.extend([ReadFailed("503"), ReadFailed("503")])
    world.says(a_hire())
    world.until_quiet()

    assert world.row().state is State.INVITED
    assert world.row().reads == 1


def test_a_directory_that_lags_does_not_make_a_second_mail() -> None:
    """Absent twice, a minute apart, before a batching provider's row may be sent again."""
    world = batching()
    world.provider.answers.append(answering(Ambiguous("500"), acts=world.provider))
    world.provider.findings.append(Absent())
    world.says(a_hire())
    world.until_quiet()

    assert world.provider.mails == ["e-1@example.com"]
    assert world.row().state is State.INVITED


def test_a_row_is_parked_when_its_attempts_are_spent(world: World) -> None:
    """Bounded work: six attempts, then a person decides."""
    world.limits = Limits(most_attempts=3)
    world.provider.answers.extend([answering(Ambiguous("500"))] * 10)
    world.says(a_hire())
    world.until_quiet()

    row = world.row()
    assert (row.state, row.attempts) == (State.PARKED, 3)
    assert world.provider.count("invite") == 3


def test_rows_are_left_for_the_next_wake_up_when_the_time_is_short(world: World) -> None:
    """A claim without the time for its call would only make the row ambiguous."""
    world.says(a_hire())
    world.send(seconds=10)

    assert world.provider.requests == []
    assert world.row().state is State.PENDING


def test_rows_of_another_provider_are_not_touched() -> None:
    """Each deployment sends for its own provider alone."""
    world = World()
    world.says(a_hire())
    world.provider.name = "atlassian"
    world.send(world.row().key)

    assert (world.row().state, world.row().defers) == (State.PENDING, 0)
    assert world.provider.requests == []


def test_a_limit_that_ends_before_its_answer_is_recorded_is_no_reason_to_write_all_the_time(world: World) -> None:
    """The told time may be over by then; the connection still rests before the next probe."""
    for name in ("E-1", "E-2"):
        world.says(a_hire(name))
    world.provider.answers.extend([answering(LimitedUntil("too many", NOON - timedelta(seconds=1)))] * 100)
    sent = world.send()

    assert world.provider.count("invite") <= 3
    assert sent.counts["write_now"] <= 12


def test_a_table_that_does_not_answer_sends_the_messages_back(world: World) -> None:
    """Nothing was claimed, so nothing was sent."""
    world.says(a_hire())
    key = world.row().key

    def down(keys: object) -> dict[InvitationKey, object]:
        raise StoreUnavailable("down")

    world.store.invitations = down  # type: ignore[assignment, method-assign]
    with pytest.raises(StoreUnavailable):
        world.send(key)


def test_rows_that_cannot_be_written_are_left_to_the_sweep(world: World) -> None:
    """A table that refuses writes is not hammered, and without a claim nothing leaves."""
    world.says(a_hire())
    key, calls = world.row().key, []

    def refuses(steps: list[Step]) -> list[Applied]:
        calls.append(len(steps))
        return [Applied.FAILED] * len(steps)

    world.store.apply = refuses  # type: ignore[assignment, method-assign]
    world.send(key)

    assert calls == [1]
    assert world.provider.requests == []


def test_a_lost_wake_up_is_replaced_by_the_sweep(world: World) -> None:
    """The row is due until it is final."""
    world.says(a_hire())
    world.queues.woken.clear()
    swept = world.sweep()

    assert swept.rows == 1
    assert world.queues.woken == [("sentry", [world.row().key])]


def test_a_rejected_person_frees_the_mailbox_for_who_waited(world: World) -> None:
    """In the write that rejects."""
    world.says(a_hire("E-1", work_email="ann@example.com"))
    world.says(a_hire("E-2", work_email="ann@example.com"))
    world.provider.answers.append(answering(RefusedPerson("not accepted")))
    world.send(world.row("E-1").key)

    assert (world.row("E-1").state, world.row("E-2").state) == (State.REJECTED, State.PENDING)


def test_an_entry_that_the_provider_made_for_us_is_ours(world: World) -> None:
    """Where the directory says since when."""
    world.provider.answers.append(answering(Ambiguous("500")))
    world.provider.findings.append(Present("9", Standing.INVITED, since=NOON + timedelta(seconds=1)))
    world.says(a_hire())
    world.until_quiet()

    assert (world.row().origin, world.row().provider_ref) == (Origin.US, "9")


def test_a_repair_after_a_half_success_is_no_second_invitation(world: World) -> None:
    """Accepted in part, then mended."""
    world.provider.answers.append(answering(PartlyAccepted("1", True, (Part("team", "platform"),), "a team failed")))
    world.provider.answers.append(answering(Accepted("1", mailed=False)))
    world.says(a_hire())
    world.until_quiet()

    assert [kind for kind, _ in world.provider.requests] == ["invite", "repair"]
    assert (world.row().state, world.row().mailed) == (State.INVITED, True)
