"""The Sentry adapter against the stateful simulator: behaviours that need a memory, over real sockets."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.contracts.openapi import SENTRY, request_errors
from usher.domain.invitation import InvitationKey
from usher.domain.outcomes import (
    Absent,
    Accepted,
    AlreadyInvited,
    AlreadyMember,
    Ambiguous,
    LimitedUntil,
    Part,
    PartlyAccepted,
    Present,
    RefusedConnection,
    RefusedGrant,
    RefusedPerson,
    Standing,
)
from usher.domain.policy import Connection, Grant, Team
from usher.http import make_client
from usher.ports import Ask, Call
from usher.providers.sentry import Sentry
from usher_local.simulators.sentry import Sentry as Simulator
from usher_local.simulators.server import Fault

NOW = datetime(2026, 9, 8, 12, 0, tzinfo=UTC)
KEY = InvitationKey("canonical", "E-1", "sentry-acme")
ANN = "ann@example.com"
ADMIN_TOKEN = "admin-token"
PLATFORM = Grant(teams=(Team(name="platform"),))
ALL_SCOPES = ["member:read", "member:write", "member:admin"]
SEED: dict[str, Any] = {
    "tokens": {
        ADMIN_TOKEN: {"scopes": ALL_SCOPES},
        "plain-token": {},
        "owner-token": {"role": "owner", "integration": False, "scopes": ALL_SCOPES},
        "blind-token": {"scopes": ["project:read"]},
    },
    "organizations": {
        "acme": {
            "teams": ["platform", "mobile"],
            "members": [
                {"email": "max@example.com", "addresses": ["max.second@example.com"], "teams": ["mobile"]},
                {"email": "pia@example.com", "pending": True, "teams": ["platform"]},
                {"email": "eva@example.com", "pending": True, "expired": True},
            ],
        },
        "closed": {"may_invite": False},
    },
}


class World:
    """One simulator, one adapter, and the calls between them."""

    def __init__(self) -> None:
        self.now = NOW
        self.simulator = Simulator(SEED, clock=lambda: self.now)
        self.client = make_client(2)
        self.sentry = Sentry(self.client)

    def call(self, *, secret: str = ADMIN_TOKEN, organization: str = "acme") -> Call:
        connection = Connection(
            name="sentry-acme",
            provider="sentry",
            organization=organization,
            base_url=self.simulator.url,
            timings=Sentry.timings,
        )
        return Call(connection, secret, 13, self.now)

    def invite(self, address: str = ANN, grant: Grant = PLATFORM, **call: str) -> Any:
        return self.sentry.invite(self.call(**call), [Ask(KEY, address, grant)])[KEY]

    def look_up(self, address: str = ANN, grant: Grant = PLATFORM, **call: str) -> Any:
        return self.sentry.look_up(self.call(**call), [Ask(KEY, address, grant)])[KEY]

    def repair(self, ref: str, *parts: Part, grant: Grant = PLATFORM) -> Any:
        return self.sentry.repair(self.call(), Ask(KEY, ANN, grant, ref=ref, open_parts=parts))

    def resend(self, ref: str, **call: str) -> Any:
        return self.sentry.resend(self.call(**call), Ask(KEY, ANN, PLATFORM, ref=ref))

    @property
    def posts(self) -> int:
        return sum(1 for line in self.simulator.ledger if line["method"] == "POST")


@pytest.fixture
def world() -> Iterator[World]:
    """A simulator that listens on loopback, and the client that calls it; every request is as Sentry declares it."""
    world = World()
    with world.client, world.simulator:
        yield world
    for line in world.simulator.ledger:
        assert request_errors(SENTRY, line["method"], line["path"], line["body"]) == []


def test_an_invitation_is_made_once_and_found_again(world: World) -> None:
    """
    One request, one mail; a read shows the invitation with its team.
    """
    outcome = world.invite()

    assert isinstance(outcome, Accepted)
    assert (world.posts, len(world.simulator.mails)) == (1, 1)
    assert world.look_up() == Present(outcome.ref, Standing.INVITED, since=NOW)


def test_without_notification_no_mail_goes_out(world: World) -> None:
    """
    The invitation stands all the same.
    """
    outcome = world.invite(grant=Grant(notify=False))

    assert outcome == Accepted(outcome.ref, mailed=False)
    assert world.simulator.mails == []


@pytest.mark.parametrize(
    ("address", "kind", "drift"),
    [
        ("max@example.com", AlreadyMember, ("also in team mobile", "not in team platform")),
        ("max.second@example.com", AlreadyMember, ("also in team mobile", "not in team platform")),
        ("pia@example.com", AlreadyInvited, ()),
        ("eva@example.com", AlreadyInvited, ("not in team platform",)),
    ],
)
def test_already_is_told_apart(world: World, address: str, kind: type[Any], drift: tuple[str, ...]) -> None:
    """
    Member, member by another address, invited, expired: no mail to any of them, and `reinvite` changes nothing.
    """
    for grant in (PLATFORM, PLATFORM.model_copy(update={"options": {"reinvite": True}})):
        outcome = world.invite(address, grant)

        assert isinstance(outcome, kind)
        assert outcome.drift == drift
        assert getattr(outcome, "expired", False) is (address == "eva@example.com")
    assert world.simulator.mails == []


@pytest.mark.parametrize("kind", ["status_after", "reset_after", "truncate", "html"])
def test_an_effect_without_an_answer_is_ambiguous_and_found(world: World, kind: str) -> None:
    """
    The person has the mail; only the read says so, and nothing is sent twice.
    """
    world.simulator.faults.append(Fault(kind, match={"method": "POST"}))

    assert isinstance(world.invite(), Ambiguous)
    assert world.look_up().standing is Standing.INVITED
    assert (world.posts, len(world.simulator.mails)) == (1, 1)


@pytest.mark.parametrize("fault", [Fault("status_before", status=503), Fault("reset_before")])
def test_a_failure_without_an_effect_is_ambiguous_and_absent(world: World, fault: Fault) -> None:
    """
    It looks the same from here; the read tells.
    """
    world.simulator.faults.append(fault)
    fault.times = 1

    assert isinstance(world.invite(), Ambiguous)
    assert world.look_up() == Absent()


def test_a_lost_team_role_is_repaired_alone(world: World) -> None:
    """
    The invitation keeps its other teams, and no second mail goes out.
    """
    grant = Grant(teams=(Team(name="platform", role="admin"), Team(name="mobile")))

    outcome = world.invite(grant=grant)
    assert isinstance(outcome, PartlyAccepted)
    assert world.look_up(grant=grant).open == outcome.open == (Part("team", "platform", "admin"),)

    assert world.repair(outcome.ref or "", *outcome.open, grant=grant) == Accepted(outcome.ref, mailed=False)
    assert world.look_up(grant=grant) == Present(outcome.ref, Standing.INVITED, since=NOW)
    assert len(world.simulator.mails) == 1


def test_a_missing_team_is_repaired(world: World) -> None:
    """
    As after an invitation whose teams were lost on the way.
    """
    outcome = world.invite(grant=Grant())
    found = world.look_up()

    assert found.open == (Part("team", "platform"),)
    assert world.repair(outcome.ref, *found.open) == Accepted(outcome.ref, mailed=False)
    assert world.look_up().open == ()


def test_an_expired_invitation_is_renewed_with_member_admin_only(world: World) -> None:
    """
    Without it nothing happens, and the reason names the scope.
    """
    ref = world.look_up("eva@example.com").ref

    refused = world.resend(ref, secret="plain-token")
    assert isinstance(refused, RefusedPerson)
    assert "member:admin" in refused.reason
    assert world.simulator.mails == []

    assert world.resend(ref) == Accepted(ref, mailed=True)
    assert world.look_up("eva@example.com").standing is Standing.INVITED
    assert [mail.kind for mail in world.simulator.mails] == ["resend"]


def test_who_joined_meanwhile_is_not_mailed_again(world: World) -> None:
    """
    A renewal meets a member.
    """
    ref = world.look_up("max@example.com").ref

    assert world.resend(ref) == AlreadyMember(ref)
    assert world.simulator.mails == []


def test_an_invitation_runs_out_after_thirty_days(world: World) -> None:
    """
    It then reads as expired, both ways.
    """
    outcome = world.invite()
    world.now += timedelta(days=31)

    assert world.look_up().standing is Standing.EXPIRED
    assert world.invite() == AlreadyInvited(outcome.ref, expired=True)


def test_the_hundred_and_first_invitation_waits_for_the_next_day(world: World) -> None:
    """
    No row is made, and the time is Sentry's next day.
    """
    for number in range(100):
        assert isinstance(world.invite(f"hire{number}@example.com"), Accepted)

    assert world.invite() == LimitedUntil(
        "the invitations of this day are spent", datetime(2026, 9, 9, 0, 5, tzinfo=UTC)
    )
    assert world.look_up() == Absent()


@pytest.mark.parametrize("limit_body", ["object", "string"])
@pytest.mark.parametrize("headers", [True, False])
def test_too_many_requests_wait_as_told(world: World, limit_body: str, headers: bool) -> None:
    """
    Old and new forms, with and without the limiter's headers.
    """
    world.simulator.switches |= {"limit_body": limit_body, "rate_limit_headers": headers}
    world.simulator.faults += [Fault("rate_limit"), Fault("concurrency")]

    for _ in range(2):
        outcome = world.invite()
        assert isinstance(outcome, LimitedUntil)
        assert (outcome.until, outcome.perhaps_acted) == (NOW + timedelta(seconds=1) if headers else None, False)


def test_faults_of_the_connection_are_told_apart_from_those_of_the_grant(world: World) -> None:
    """
    Token, scope, plan and organization; role and team.
    """
    assert world.invite(secret="unknown").unauthorized
    assert world.look_up(secret="unknown").refused.unauthorized
    assert isinstance(world.invite(secret="blind-token"), RefusedConnection)
    assert isinstance(world.invite(organization="closed"), RefusedConnection)
    assert isinstance(world.invite(organization="nowhere"), RefusedConnection)
    assert isinstance(world.look_up(organization="nowhere").refused, RefusedConnection)
    assert isinstance(world.invite(grant=Grant(role="manager")), RefusedGrant)
    assert isinstance(world.invite(grant=Grant(role="manager"), secret="owner-token"), Accepted)
    assert isinstance(world.invite("bob@example.com", Grant(teams=(Team(name="nowhere"),))), RefusedGrant)


def test_the_list_is_read_over_its_pages(world: World) -> None:
    """
    A short page is not the end.
    """
    world.simulator.seed(
        {"organizations": {"acme": {"members": [{"email": f"m{n}@x.io", "addresses": [ANN]} for n in range(3)]}}}
    )
    world.simulator.switches["page_size"] = 1

    assert world.look_up().standing is Standing.MEMBER
    cursors = [line["query"].get("cursor") for line in world.simulator.ledger if line["path"].endswith("/members/")]
    assert cursors == [None, "0:1:0", "0:2:0"]
