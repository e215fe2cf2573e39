"""
The adapter against the stateful simulator, under every choice that the contract leaves open (section 11).

What is compared is the truth: the endings, the directory and the mails. Every request is held against Atlassian's own
OpenAPI document.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.contracts.openapi import ATLASSIAN, request_errors
from tests.unit.providers.atlassian_world import ANN, BOB, CID, GRANT, GROUP_ID, JIRA, NOW, a_connection, an_ask
from usher.domain.outcomes import (
    Absent,
    Accepted,
    AlreadyMember,
    Ambiguous,
    Finding,
    LimitedUntil,
    Outcome,
    PartlyAccepted,
    Present,
    RefusedBatch,
    RefusedConnection,
    RefusedGrant,
    RefusedPerson,
)
from usher.domain.policy import Grant
from usher.http import make_client
from usher.ports import Call
from usher.providers.atlassian import Atlassian
from usher_local.simulators.atlassian import Atlassian as Simulator
from usher_local.simulators.server import Fault

BOTH_FAIL = {"role": "ERROR", "group": "ERROR"}
SEED = {
    "orgs": {"org-1": {"resources": [JIRA], "groups": [GROUP_ID]}},
    "tokens": ["key"],
    "address_rules": {BOB: BOTH_FAIL, CID: {"group": "ERROR"}},
}


@dataclass
class World:
    """A simulator whose clock a test moves, and the adapter."""

    now: datetime = NOW

    def __post_init__(self) -> None:
        self.sim = Simulator(SEED, clock=lambda: self.now)
        self.sim.start()
        self.client = make_client(4)
        self.atlassian = Atlassian(self.client)

    def close(self) -> None:
        self.client.close()
        self.sim.stop()
        for line in self.sim.ledger:
            assert request_errors(ATLASSIAN, line["method"], line["path"], line["body"]) == []

    def call(self, **connection: Any) -> Call:
        made = a_connection(base_url=f"{self.sim.url}/admin", **connection)
        return Call(made, secret="key", seconds=13, now=self.now)

    def invite(self, *addresses: str, grant: Grant = GRANT, **connection: Any) -> list[Outcome]:
        asks = [an_ask(address, grant) for address in addresses]
        outcomes = self.atlassian.invite(self.call(**connection), asks)
        return [outcomes[ask.key] for ask in asks]

    def look_up(self, *addresses: str) -> list[Finding]:
        asks = [an_ask(address) for address in addresses]
        findings = self.atlassian.look_up(self.call(), asks)
        return [findings[ask.key] for ask in asks]

    def seed(self, *people: dict[str, Any], **org: Any) -> None:
        self.sim.seed({"orgs": {"org-1": {"people": list(people), **org}}})

    @property
    def mailed(self) -> list[str]:
        return [mail.address for mail in self.sim.mails]

    def posts(self) -> int:
        return sum(line["path"].endswith("/users/invite") for line in self.sim.ledger)


@pytest.fixture
def world() -> Iterator[World]:
    made = World()
    yield made
    made.close()


@pytest.mark.parametrize(
    ("switch", "value"),
    [
        ("order", "same"),
        ("order", "reversed"),
        ("letters", "same"),
        ("letters", "upper"),
        ("echoed_role", "ari"),
        ("echoed_role", "plain"),
        ("status_reason", "The user could not be invited"),
        ("status_reason", "bob@example.com is not welcome"),
    ],
)
def test_a_success_a_refusal_and_half_a_success_in_one_batch_end_truly(world: World, switch: str, value: str) -> None:
    world.sim.switches |= {switch: value}

    ann, bob, cid = world.invite(ANN, BOB, CID)

    assert isinstance(ann, Accepted)
    assert isinstance(bob, RefusedPerson)
    assert BOB not in bob.reason
    assert isinstance(cid, PartlyAccepted)
    repaired = world.atlassian.repair(world.call(), an_ask(CID, ref=cid.ref, open_parts=cid.open))
    assert repaired == Accepted(cid.ref, mailed=False)
    found = world.look_up(ANN, BOB, CID)
    assert [type(finding) for finding in found] == [Present, Absent, Present]
    assert all(finding.open == () for finding in found if isinstance(finding, Present))
    assert sorted(world.mailed) == [ANN, CID]
    assert world.posts() == 1


@pytest.mark.parametrize("listed", [True, False])
def test_a_refused_address_that_is_not_in_the_results_is_left_to_the_directory(world: World, listed: bool) -> None:
    world.sim.switches |= {"failed_listed": listed}

    ann, bob = world.invite(ANN, BOB)

    assert isinstance(ann, Accepted)
    assert isinstance(bob, (RefusedPerson, Ambiguous))
    assert world.look_up(BOB) == [Absent()]


@pytest.mark.parametrize(("choice", "outcome"), [("invited_again", Accepted), ("error", AlreadyMember)])
def test_an_existing_member(world: World, choice: str, outcome: type[Outcome]) -> None:
    world.sim.switches |= {"existing_member": choice}
    world.seed({"email": ANN, "roles": {JIRA: ["atlassian/user"]}, "groups": [GROUP_ID]})

    (ending,) = world.invite(ANN)

    assert type(ending) is outcome
    assert world.mailed == ([ANN] if outcome is Accepted else [])


@pytest.mark.parametrize(("choice", "outcome"), [("request", RefusedBatch), ("error", AlreadyMember)])
def test_a_deactivated_account(world: World, choice: str, outcome: type[Outcome]) -> None:
    world.sim.switches |= {"deactivated": choice}
    world.seed({"email": ANN, "account_status": "inactive"})

    (ending,) = world.invite(ANN)

    assert type(ending) is outcome
    assert world.mailed == []


@pytest.mark.parametrize(("choice", "outcome"), [("error", AlreadyMember), ("invited_again", Accepted)])
def test_a_suspended_member(world: World, choice: str, outcome: type[Outcome]) -> None:
    world.sim.switches |= {"suspended": choice}
    world.seed({"email": ANN, "membership": "suspended"})

    (ending,) = world.invite(ANN)

    assert type(ending) is outcome
    (finding,) = world.look_up(ANN)
    assert isinstance(finding, Present)
    assert "suspended" in (finding.blocked or "")


@pytest.mark.parametrize("choice", ["206", "400"])
def test_an_address_that_atlassian_does_not_take(world: World, choice: str) -> None:
    world.sim.switches |= {"bad_address": choice}

    good, bad = world.invite(ANN, "nobody@nowhere")

    assert isinstance(good, Accepted if choice == "206" else RefusedBatch)
    assert isinstance(bad, Ambiguous if choice == "206" else RefusedBatch)
    assert world.mailed == ([ANN] if choice == "206" else [])


@pytest.mark.parametrize(("choice", "outcome"), [("404", RefusedGrant), ("inner_error", PartlyAccepted)])
def test_a_group_that_does_not_exist_is_the_grants_fault(world: World, choice: str, outcome: type[Outcome]) -> None:
    world.sim.switches |= {"unknown_group": choice}
    grant = GRANT.model_copy(update={"groups": ("gone",)})

    (ending,) = world.invite(ANN, grant=grant)

    assert type(ending) is outcome
    if isinstance(ending, PartlyAccepted):
        ask = an_ask(ANN, grant, ref=ending.ref, open_parts=ending.open)
        assert isinstance(world.atlassian.repair(world.call(), ask), RefusedGrant)


@pytest.mark.parametrize("choice", ["409", "206"])
def test_nobody_is_rejected_for_want_of_a_seat(world: World, choice: str) -> None:
    world.sim.switches |= {"seat_limit": choice}
    world.seed(seats=1)

    first, second = world.invite(ANN, "dan@example.com")

    assert isinstance(first, Accepted if choice == "206" else RefusedConnection)
    assert isinstance(second, RefusedConnection)
    assert second.perhaps_acted


def test_the_same_address_twice_is_asked_for_once(world: World) -> None:
    outcomes = world.atlassian.invite(world.call(), [an_ask(ANN), an_ask(ANN)])

    assert [type(outcome) for outcome in outcomes.values()] == [Accepted]
    assert world.mailed == [ANN]


def test_the_directory_lags_and_then_shows_the_person(world: World) -> None:
    world.sim.switches |= {"lag": 120}
    world.invite(ANN)

    assert world.look_up(ANN) == [Absent()]
    world.now += timedelta(seconds=121)
    assert isinstance(world.look_up(ANN)[0], Present)


def test_a_flapping_directory_is_read_as_it_is(world: World) -> None:
    world.sim.switches |= {"flapping": True}
    world.invite(ANN)

    assert [type(world.look_up(ANN)[0]) for _ in range(4)] == [Absent, Present] * 2


@pytest.mark.parametrize("size", [1, 50])
def test_everybody_is_found_whatever_the_size_of_a_page(world: World, size: int) -> None:
    world.sim.switches |= {"page_size": size}
    people = [f"p{number}@example.com" for number in range(5)]
    world.invite(*people)

    assert [type(finding) for finding in world.look_up(*people)] == [Present] * 5


@pytest.mark.parametrize(
    ("fault", "is_there"),
    [
        (Fault("status_before", status=500), False),
        (Fault("status_before", status=502), False),
        (Fault("status_after", status=500), True),
        (Fault("status_after", status=504), True),
        (Fault("reset_before"), False),
        (Fault("reset_after"), True),
        (Fault("truncate"), True),
        (Fault("html"), True),
    ],
)
def test_whatever_breaks_the_directory_tells_what_became_of_it(world: World, fault: Fault, is_there: bool) -> None:
    world.sim.faults.append(fault)

    (ending,) = world.invite(ANN)

    assert isinstance(ending, Ambiguous)
    assert [type(finding) for finding in world.look_up(ANN)] == [Present if is_there else Absent]
    assert world.mailed == ([ANN] if is_there else [])


@pytest.mark.parametrize("retry_after", [True, False])
def test_a_limit_is_followed_with_and_without_retry_after(world: World, retry_after: bool) -> None:
    world.sim.switches |= {"retry_after": retry_after}
    world.sim.faults.append(Fault("rate_limit", seconds=90))

    (ending,) = world.invite(ANN)

    assert isinstance(ending, LimitedUntil)
    assert ending.until == NOW + timedelta(seconds=90)


def test_a_key_that_was_replaced_may_be_asked_for_again(world: World) -> None:
    world.sim.faults.append(Fault("wrong_token"))

    (ending,) = world.invite(ANN)

    assert isinstance(ending, RefusedConnection)
    assert ending.unauthorized


def test_an_organization_that_is_not_there_or_not_paid_for_holds_the_connection(world: World) -> None:
    (elsewhere,) = world.invite(ANN, organization="org-2")
    world.seed(paid=False)
    (unpaid,) = world.invite(ANN)

    assert isinstance(elsewhere, RefusedConnection)
    assert isinstance(unpaid, RefusedConnection)
    assert world.mailed == []
