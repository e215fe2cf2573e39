"""What the adapter sends, how it repairs, and which connections and grants it refuses."""

from typing import Any

import httpx
import pytest

from tests.unit.providers.atlassian_world import (
    ANN,
    ANN_ID,
    BASE,
    BOB,
    GRANT,
    GROUP,
    GROUP_ID,
    JIRA,
    SECRET,
    USER,
    WIKI,
    Wire,
    a_call,
    a_connection,
    an_ask,
    errors,
    granting,
    page,
    person,
    repaired,
    results,
    roles,
    row,
)
from usher.domain.outcomes import (
    Accepted,
    AlreadyMember,
    Ambiguous,
    LimitedUntil,
    NotSent,
    Outcome,
    Part,
    PartlyAccepted,
    RefusedConnection,
    RefusedGrant,
    RefusedPerson,
)
from usher.domain.policy import Access, Grant, Team
from usher.http import make_client
from usher.providers.atlassian import Atlassian

ATLASSIAN = Atlassian(make_client(1))
WIKI_USER = Part("role", WIKI, "atlassian/user")
DONE = httpx.Response(204)


# --- what an invite sends ---


def test_an_invite_is_one_post_with_every_parameter() -> None:
    wire = Wire([results(person())])

    wire.atlassian.invite(a_call(), [an_ask(ANN), an_ask(BOB)])

    assert wire.paths == ["POST /admin/v2/orgs/org-1/users/invite"]
    assert wire.bodies == [
        {
            "emails": [ANN, BOB],
            "permissionRules": [{"resource": JIRA, "role": "atlassian/user"}],
            "additionalGroups": [GROUP_ID],
            "sendNotification": True,
            "notificationText": "Welcome",
        }
    ]
    assert wire.requests[0].headers["authorization"] == f"Bearer {SECRET}"
    assert wire.requests[0].headers["content-type"] == "application/json"


def test_what_the_grant_does_not_have_is_not_sent() -> None:
    wire = Wire([results()])

    wire.atlassian.invite(a_call(), [an_ask(grant=Grant(notify=False))])

    assert wire.bodies == [{"emails": [ANN], "sendNotification": False}]


def test_whatever_is_listed_twice_is_sent_once() -> None:
    doubled = Grant(access=GRANT.access * 2, groups=GRANT.groups * 2, message="Welcome")
    wire = Wire([results(person())])

    outcomes = wire.atlassian.invite(a_call(), [an_ask(grant=doubled), an_ask(grant=doubled)])

    assert list(outcomes.values()) == [Accepted(ANN_ID, mailed=True)]
    assert wire.bodies[0]["emails"] == [ANN]
    assert len(wire.bodies[0]["permissionRules"]) == 1
    assert len(wire.bodies[0]["additionalGroups"]) == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(status: int) -> None:
    wire = Wire([httpx.Response(status, headers={"location": "https://elsewhere.example/"})])

    (outcome,) = wire.atlassian.invite(a_call(), [an_ask()]).values()

    assert isinstance(outcome, RefusedConnection)
    assert [request.url.host for request in wire.requests] == ["api.atlassian.com"]


@pytest.mark.parametrize(
    "answer", [httpx.Response(500), httpx.Response(429), httpx.Response(401), httpx.ReadTimeout("")]
)
def test_nothing_is_ever_sent_twice_in_one_attempt(answer: Any) -> None:
    wire = Wire([answer])

    wire.atlassian.invite(a_call(), [an_ask()])

    assert len(wire.requests) == 1


def test_a_base_url_of_its_own_is_used_as_it_is() -> None:
    wire = Wire([results()])

    wire.atlassian.invite(a_call(connection={"base_url": "http://127.0.0.1:8081/admin/"}), [an_ask()])

    assert str(wire.requests[0].url) == "http://127.0.0.1:8081/admin/v2/orgs/org-1/users/invite"


# --- people of whom every part was refused ---


REFUSED = person(role="ERROR", group="ERROR", reason="has access already")


def refused_but(*answers: Any) -> tuple[Outcome, Wire]:
    wire = Wire([results(REFUSED, person(BOB), status=206), *answers])
    outcomes = wire.atlassian.invite(a_call(), [an_ask(ANN), an_ask(BOB)])
    assert isinstance(outcomes[an_ask(BOB).key], Accepted)
    return outcomes[an_ask(ANN).key], wire


def test_who_was_refused_and_is_not_in_the_directory_is_refused() -> None:
    outcome, wire = refused_but(page())

    assert outcome == RefusedPerson("Atlassian refused every part of the access: has access already")
    assert [body["emails"] for body in wire.bodies] == [[ANN, BOB], [ANN]]


def test_who_was_refused_and_is_in_the_directory_was_a_member_before() -> None:
    assert refused_but(page(row()), roles((JIRA, "atlassian/user")))[0] == AlreadyMember(ANN_ID)


def test_what_such_a_member_lacks_is_told() -> None:
    outcome, _ = refused_but(page(row(groups=[])), roles())

    assert outcome == AlreadyMember(ANN_ID, (f"{USER} is missing", f"{GROUP} is missing"))


def test_a_suspended_member_is_told_as_one() -> None:
    outcome, _ = refused_but(page(row(status="suspended")))

    assert outcome == AlreadyMember(ANN_ID, ("the person is suspended in the organization: restore them there first",))


@pytest.mark.parametrize("answer", [httpx.Response(500), httpx.Response(429), httpx.ReadTimeout("")])
def test_who_was_refused_is_ambiguous_while_the_directory_does_not_answer(answer: Any) -> None:
    assert isinstance(refused_but(answer)[0], Ambiguous)


# --- repair ---


def test_open_parts_are_given_one_by_one_without_another_invitation() -> None:
    wire = Wire([DONE])

    outcome = wire.atlassian.repair(a_call(), an_ask(ref=ANN_ID, open_parts=(USER, GROUP)))

    assert outcome == Accepted(ANN_ID, mailed=False)
    assert wire.paths == [
        f"POST /admin/v1/orgs/org-1/users/{ANN_ID}/roles/assign",
        f"POST /admin/v2/orgs/org-1/directories/-/groups/{GROUP_ID}/memberships",
    ]
    assert wire.bodies == [{"role": "atlassian/user", "resource": JIRA}, {"accountId": ANN_ID}]


def test_what_the_grant_no_longer_names_is_not_given() -> None:
    """
    A group that was removed in review is not given to those who waited for it.
    """
    wire = Wire([DONE])

    outcome = wire.atlassian.repair(a_call(), an_ask(grant=granting(USER), ref=ANN_ID, open_parts=(GROUP,)))

    assert outcome == Accepted(ANN_ID, mailed=False)
    assert wire.requests == []


@pytest.mark.parametrize("part", [USER, GROUP])
def test_a_part_that_the_person_has_already_is_done(part: Part) -> None:
    assert repaired([errors(409, "ADMIN-UAM-409-2")], part) == Accepted(ANN_ID, mailed=False)


@pytest.mark.parametrize("code", ["ADMIN-UAM-409-3", "ADMIN-409-3"])
def test_a_repair_without_a_free_seat_holds_the_connection(code: str) -> None:
    assert isinstance(repaired([errors(409, code)], GROUP), RefusedConnection)


def test_only_the_parts_that_were_refused_stay_open() -> None:
    outcome = repaired([errors(400, "ADMIN-UAM-400-3"), DONE, DONE], USER, GROUP, WIKI_USER)

    assert outcome == PartlyAccepted(
        ANN_ID, mailed=False, open=(USER,), reason="a role is not valid for its resource (400 ADMIN-UAM-400-3)"
    )


def test_where_nothing_could_be_given_the_refusal_stands_for_all() -> None:
    assert isinstance(repaired([errors(404, "ADMIN-404-10")], GROUP), RefusedGrant)
    assert isinstance(repaired([errors(400, "ADMIN-UAM-400-2")], USER, GROUP), RefusedPerson)


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (httpx.Response(401), RefusedConnection),
        (httpx.Response(403), RefusedConnection),
        (httpx.Response(429), LimitedUntil),
        (httpx.Response(500), Ambiguous),
        (httpx.Response(404), Ambiguous),
        (httpx.Response(409), Ambiguous),
        (httpx.Response(400), Ambiguous),
        (httpx.Response(200, html="<p>hello</p>"), Ambiguous),
        (httpx.ReadTimeout(""), Ambiguous),
        (httpx.ConnectError(""), NotSent),
    ],
)
def test_an_answer_that_stops_everything_is_handed_on_and_nothing_more_is_sent(
    answer: Any, outcome: type[Outcome]
) -> None:
    """
    The memberships call declares no error bodies, so what carries no code is ambiguous: the directory tells.
    """
    wire = Wire([DONE, answer])
    parts = (USER, GROUP, WIKI_USER)

    ending = wire.atlassian.repair(a_call(), an_ask(grant=granting(*parts), ref=ANN_ID, open_parts=parts))

    assert type(ending) is outcome
    assert len(wire.requests) == 2


def test_a_role_that_only_an_invitation_gives_needs_a_persons_decision() -> None:
    viewer = Part("role", JIRA, "atlassian/viewer")

    assert repaired([DONE], viewer) == RefusedPerson(f"only an invitation can give {viewer}")
    assert isinstance(repaired([DONE], viewer, GROUP), PartlyAccepted)


def test_a_person_without_a_known_account_is_looked_up_first() -> None:
    wire = Wire([page(row()), roles(), DONE])

    outcome = wire.atlassian.repair(a_call(), an_ask(open_parts=(USER,)))

    assert outcome == Accepted(ANN_ID, mailed=False)
    assert [path.rpartition("/")[2].partition("?")[0] for path in wire.paths] == [
        "search",
        "role-assignments",
        "assign",
    ]


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (page(), Ambiguous),
        (page(row(status="suspended")), RefusedPerson),
        (httpx.Response(401), RefusedConnection),
        (httpx.Response(429, headers={"Retry-After": "60"}), LimitedUntil),
        (httpx.Response(500), NotSent),
    ],
)
def test_without_an_account_nothing_is_given(answer: httpx.Response, outcome: type[Outcome]) -> None:
    wire = Wire([answer])

    ending = wire.atlassian.repair(a_call(), an_ask(open_parts=(GROUP,)))

    assert type(ending) is outcome
    assert len(wire.requests) == 1


def test_a_repair_without_a_usable_secret_sends_nothing() -> None:
    wire = Wire([DONE])

    assert isinstance(wire.atlassian.repair(a_call(secret=" "), an_ask(ref=ANN_ID)), RefusedConnection)
    assert wire.requests == []


def test_there_is_no_invitation_to_resend() -> None:
    assert ATLASSIAN.resend(a_call(), an_ask()) == RefusedPerson("Atlassian has no invitation to resend")


# --- settings ---


def test_the_default_timings_pass_the_settle_rule() -> None:
    assert ATLASSIAN.timings.shortfall <= 0


def test_it_is_known_by_name_batch_and_host() -> None:
    assert (ATLASSIAN.name, ATLASSIAN.batch_size) == ("atlassian", 25)
    assert ATLASSIAN.is_vendor_host("api.atlassian.com")
    for other in ("api.atlassian.com.example", "api.atlassian.com.", "api%2eatlassian.com", "x.api.atlassian.com"):
        assert not ATLASSIAN.is_vendor_host(other)
    assert BASE == "https://api.atlassian.com/admin"


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({}, None),
        ({"roles": ("atlassian/admin",), "allow_privileged": True}, None),
        ({"roles": ("atlassian/admin",)}, "roles: 'atlassian/admin' is privileged"),
        ({"roles": ("member",)}, "roles: 'member' is not one of atlassian/user,"),
        ({"roles": ("atlassian/org-admin",), "allow_privileged": True}, "is never granted by an invitation"),
        ({"roles": ("atlassian/site-admin",), "allow_privileged": True}, "is never granted by an invitation"),
        ({"roles": ("atlassian/user-access-admin",), "allow_privileged": True}, "is never granted by an invitation"),
        ({"roles": ("atlassian/ai-access",), "allow_privileged": True}, "is never granted by an invitation"),
        ({"groups": ("g-1",)}, "groups: 'g-1' counts as privileged"),
        ({"groups": ("g-1",), "allow_privileged": True}, None),
        ({"groups": ("g-1",), "plain_groups": ("g-1",)}, None),
        ({"plain_groups": ("ari:cloud:identity::group/g-1",)}, "is not a plain group id"),
        ({"resources": ("jira",)}, "resources: 'jira' is not an ARI"),
        ({"teams": ("core",)}, "teams: Atlassian has none; use groups"),
        ({"team_roles": ("admin",)}, "team_roles: Atlassian has none; use groups"),
    ],
)
def test_a_connection_is_refused_for_what_may_not_be_granted(changes: dict[str, Any], error: str | None) -> None:
    found = ATLASSIAN.connection_errors(a_connection(**changes))

    assert len(found) == (error is not None)
    assert all(error in line for line in found if error)


@pytest.mark.parametrize(
    ("grant", "error"),
    [
        (GRANT, None),
        (Grant(notify=False), None),
        (Grant(notify=True), "notify: needs a message"),
        (Grant(notify=True, message="  "), "notify: needs a message"),
        (Grant(notify=False, message="Welcome"), "message: goes out only with notify = true"),
        (Grant(notify=False, role="member"), "role: Atlassian has no role in the organization"),
        (Grant(notify=False, teams=(Team(name="core"),)), "teams: Atlassian has none"),
        (Grant(notify=False, options={"reinvite": True}), "options: 'reinvite' is not known to Atlassian"),
        (Grant(notify=False, access=(Access(resource=JIRA, role="atlassian/user"),)), None),
    ],
)
def test_a_grant_is_refused_for_what_atlassian_does_not_know(grant: Grant, error: str | None) -> None:
    found = ATLASSIAN.grant_errors(grant, a_connection())

    assert len(found) == (error is not None)
    assert all(error in line for line in found if error)
