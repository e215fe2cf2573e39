"""The Sentry adapter: what it sends, and what the answers come to; the server is a script."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
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
    NotSent,
    Outcome,
    Part,
    PartlyAccepted,
    Present,
    ReadFailed,
    RefusedConnection,
    RefusedGrant,
    RefusedPerson,
    Standing,
)
from usher.domain.policy import Access, Connection, Grant, Team
from usher.ports import Ask, Call, Provider
from usher.providers.sentry import Sentry
from usher.providers.sentry_members import Unreadable, next_cursor

NOW = datetime(2026, 9, 8, 12, 0, tzinfo=UTC)
BASE = "https://us.sentry.io"
MEMBERS = "/api/0/organizations/acme/members/"
KEY = InvitationKey("canonical", "E-1", "sentry-acme")
ANN = "ann@example.com"
FORBIDDEN = {"detail": "You do not have permission to perform this action."}
BAD_TOKEN = {"detail": "Invalid token"}
GONE = {"detail": "The requested resource does not exist"}

Reply = httpx.Response | Exception


class Script:
    """
    A server that gives prepared replies, in order, and keeps what it was asked.

    It fails the test where a request is not as Sentry's own OpenAPI document declares it.
    """

    def __init__(self, *replies: Reply) -> None:
        self.replies: Iterator[Reply] = iter(replies)
        self.asked: list[httpx.Request] = []
        self.sentry = Sentry(httpx.Client(transport=httpx.MockTransport(self._reply)))

    def _reply(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        body = json.loads(request.content) if request.content else None
        assert request_errors(SENTRY, request.method, request.url.path, body) == []
        reply = next(self.replies)
        if isinstance(reply, Exception):
            raise reply
        return reply

    @property
    def lines(self) -> list[str]:
        """Method and target of every request."""
        return [f"{request.method} {request.url.raw_path.decode()}" for request in self.asked]

    def body(self, number: int = 0) -> Any:
        """The JSON that a request carried."""
        return json.loads(self.asked[number].content)


def said(status: int, body: Any = None, **headers: str) -> httpx.Response:
    content = b"" if body is None else json.dumps(body).encode()
    return httpx.Response(status, content=content, headers={k.replace("_", "-"): v for k, v in headers.items()})


def a_connection(**changes: Any) -> Connection:
    base: dict[str, Any] = {
        "name": "sentry-acme",
        "provider": "sentry",
        "organization": "acme",
        "base_url": BASE,
        "roles": ("member",),
        "teams": ("platform", "mobile"),
        "team_roles": ("contributor",),
        "timings": Sentry.timings,
    }
    return Connection(**base | changes)


def a_call(**changes: Any) -> Call:
    base: dict[str, Any] = {"connection": a_connection(), "secret": "sntryu_1", "seconds": 13.0, "now": NOW}
    return Call(**base | changes)


def an_ask(grant: Grant | None = None, **changes: Any) -> Ask:
    base: dict[str, Any] = {"key": KEY, "address": ANN, "grant": grant or Grant()}
    return Ask(**base | changes)


def a_member(**changes: Any) -> dict[str, Any]:
    """A row of the member list: a pending invitation, in Sentry's own form."""
    return {
        "id": "57",
        "email": ANN,
        "name": ANN,
        "user": None,
        "role": "member",
        "orgRole": "member",
        "pending": True,
        "expired": False,
        "flags": {"sso:linked": False, "member-limit:restricted": False},
        "dateCreated": "2026-08-20T10:00:00.123456Z",
        "inviteStatus": "approved",
        "inviterName": "Maria Owner",
    } | changes


USER = {"id": "9", "email": ANN, "username": ANN}


def with_teams(member: dict[str, Any], **teams: str | None) -> dict[str, Any]:
    roles = [{"teamSlug": slug, "role": role} for slug, role in teams.items()]
    return member | {"teams": list(teams), "teamRoles": roles}


def invited(script: Script, ask: Ask | None = None, call: Call | None = None) -> Outcome:
    return script.sentry.invite(call or a_call(), [ask or an_ask()])[KEY]


def found(script: Script, ask: Ask | None = None, call: Call | None = None) -> Any:
    return script.sentry.look_up(call or a_call(), [ask or an_ask()])[KEY]


PLATFORM = Grant(teams=(Team(name="platform"),))
PLATFORM_ADMIN = Grant(teams=(Team(name="platform", role="admin"), Team(name="mobile", role="contributor")))


def test_it_is_a_provider() -> None:
    """
    The use cases know the protocol alone; its timings keep the settle rule.
    """
    sentry: Provider = Script().sentry

    assert (sentry.name, sentry.batch_size) == ("sentry", 1)
    assert sentry.timings.shortfall <= 0


# --- inviting ---


def test_an_invitation_says_everything_that_the_grant_says() -> None:
    """
    Both keys of a team are always there, and `reinvite` only if the policy says so.
    """
    script = Script(said(201, a_member()), said(201, a_member()))
    grant = Grant(role="manager", teams=(Team(name="platform"), Team(name="mobile", role="admin")), notify=False)

    invited(script, an_ask(grant))
    invited(script, an_ask(Grant(options={"reinvite": True})))

    assert script.lines == [f"POST {MEMBERS}"] * 2
    assert script.asked[0].headers["authorization"] == "Bearer sntryu_1"
    assert script.body(0) == {
        "email": ANN,
        "orgRole": "manager",
        "teamRoles": [{"teamSlug": "platform", "role": None}, {"teamSlug": "mobile", "role": "admin"}],
        "sendInvite": False,
    }
    assert script.body(1) == {
        "email": ANN,
        "orgRole": "member",
        "teamRoles": [],
        "sendInvite": True,
        "reinvite": True,
    }


@pytest.mark.parametrize("notify", [True, False])
def test_a_201_is_an_invitation(notify: bool) -> None:
    """
    Teams need no second look: Sentry answers after row, teams and mail.
    """
    script = Script(said(201, a_member()))

    outcome = invited(script, an_ask(PLATFORM.model_copy(update={"notify": notify})))

    assert outcome == Accepted("57", mailed=notify)


def test_a_team_role_stays_open_after_a_201() -> None:
    """
    Sentry checks team roles in an invitation and drops them; to be a contributor everybody gets anyway.
    """
    outcome = invited(Script(said(201, a_member())), an_ask(PLATFORM_ADMIN))

    assert outcome == PartlyAccepted(
        "57", True, (Part("team", "platform", "admin"),), "Sentry takes no team roles with an invitation"
    )


def test_a_manager_is_admin_of_their_teams_anyway() -> None:
    """
    Nothing stays open that the organization role brings with it.
    """
    grant = PLATFORM_ADMIN.model_copy(update={"role": "manager"})

    assert invited(Script(said(201, a_member(role="manager"))), an_ask(grant)) == Accepted("57", mailed=True)


@pytest.mark.parametrize(
    "reply",
    [
        said(201),
        said(201, []),
        said(201, {}),
        said(201, {"id": 57, "email": ANN}),
        said(201, {"id": "../57", "email": ANN}),
        said(201, {"id": "57", "email": "somebody@else.example"}),
        httpx.Response(201, content=b"<html>"),
        httpx.Response(201, content=b'{"id": "57", "email": "ann@'),
        said(200, a_member()),
    ],
)
def test_a_success_that_names_no_invitation_is_ambiguous(reply: httpx.Response) -> None:
    """
    The person may be invited; only a read may say so.
    """
    assert isinstance(invited(Script(reply)), Ambiguous)


def test_what_never_left_is_not_sent_and_what_broke_is_ambiguous() -> None:
    """
    A refused connection costs nothing, a missing answer costs a read; neither is tried again here.
    """
    assert isinstance(invited(Script(httpx.ConnectError("x"))), NotSent)
    assert isinstance(invited(Script(httpx.ReadTimeout("x"))), Ambiguous)
    assert isinstance(invited(Script(), call=a_call(seconds=0.0)), NotSent)


def test_a_refusal_is_read_by_the_table() -> None:
    """
    Person, grant and connection are told apart.
    """
    assert isinstance(invited(Script(said(400, {"email": ["Enter a valid email address."]}))), RefusedPerson)
    assert isinstance(invited(Script(said(400, {"teamRoles": ["Invalid teams"]}))), RefusedGrant)
    assert isinstance(invited(Script(said(403, FORBIDDEN))), RefusedConnection)
    assert isinstance(invited(Script(said(500, {"detail": "Internal Error", "errorId": None}))), Ambiguous)
    assert invited(Script(said(429, {"detail": "You are being rate limited for too many invitations."}))) == (
        LimitedUntil("the invitations of this day are spent", datetime(2026, 9, 9, 0, 5, tzinfo=UTC))
    )


def test_a_redirect_is_a_fault_of_the_connection_and_is_not_followed() -> None:
    """
    The token goes to the host of the settings and to no other.
    """
    script = Script(said(307, location="https://elsewhere.example/"))

    assert isinstance(invited(script), RefusedConnection)
    assert len(script.asked) == 1


@pytest.mark.parametrize("secret", ["", "two words", "sntryu_1\n", "schlüssel"])
def test_a_secret_that_is_no_token_is_not_sent(secret: str) -> None:
    """
    The connection is refused, and a corrected secret is read at once.
    """
    script = Script()

    assert invited(script, call=a_call(secret=secret)) == RefusedConnection(
        "the secret is empty, or has characters that no token has", unauthorized=True
    )
    assert found(script, call=a_call(secret=secret)).refused.unauthorized
    assert script.asked == []


# --- "already" ---

INVITED_ALREADY = said(400, {"email": [f"The user {ANN} has already been invited"]})
MEMBER_ALREADY = said(400, {"email": [f"The user {ANN} is already a member"]})


@pytest.mark.parametrize("refusal", [INVITED_ALREADY, MEMBER_ALREADY])
def test_already_is_told_apart_by_asking_back(refusal: httpx.Response) -> None:
    """
    Between refusal and read an invitation may be taken up or run out: the list decides, not the words.
    """
    rows = {
        "member": a_member(user=USER, pending=False),
        "pending": a_member(),
        "expired": a_member(expired=True),
    }
    outcomes = {
        name: invited(Script(refusal, said(200, [row]), said(200, with_teams(row)))) for name, row in rows.items()
    }

    assert outcomes == {
        "member": AlreadyMember("57"),
        "pending": AlreadyInvited("57", expired=False),
        "expired": AlreadyInvited("57", expired=True),
    }


def test_already_reports_in_what_the_access_differs() -> None:
    """
    What somebody else gave, or did not give, is told and not changed.
    """
    row = a_member(user=USER, orgRole="owner", role="owner")
    script = Script(MEMBER_ALREADY, said(200, [row]), said(200, with_teams(row, design=None)))

    assert invited(script, an_ask(PLATFORM)) == AlreadyMember(
        "57", ("role is owner, not member", "also in team design", "not in team platform")
    )
    assert script.lines[1:] == [
        f"GET {MEMBERS}?query=email%3Aann%40example.com&per_page=100",
        f"GET {MEMBERS}57/",
    ]


@pytest.mark.parametrize(
    "replies",
    [
        (said(200, []),),
        (said(500),),
        (said(401, BAD_TOKEN),),
        (httpx.ConnectError("x"),),
        (said(200, [a_member()]), said(404, GONE)),
    ],
)
def test_already_without_a_clear_read_is_ambiguous(replies: tuple[Reply, ...]) -> None:
    """
    That the person is there is no outcome yet; a later read will tell.
    """
    assert isinstance(invited(Script(INVITED_ALREADY, *replies)), Ambiguous)


# --- looking up ---


def test_a_pending_invitation_is_present() -> None:
    """
    With its id, and the time that Sentry made it.
    """
    script = Script(said(200, [a_member()]), said(200, with_teams(a_member(), platform=None)))

    assert found(script, an_ask(PLATFORM)) == Present(
        "57", Standing.INVITED, since=datetime(2026, 8, 20, 10, 0, 0, 123456, tzinfo=UTC)
    )


def test_an_empty_list_is_absent() -> None:
    """
    One request, and no look at a member.
    """
    script = Script(said(200, []))

    assert found(script) == Absent()
    assert len(script.asked) == 1


def test_a_request_to_join_is_absent() -> None:
    """
    An invitation replaces it.
    """
    assert found(Script(said(200, [a_member(inviteStatus="requested_to_join")]))) == Absent()


def test_a_members_row_may_show_another_address() -> None:
    """
    Sentry looks in all addresses of a user, and shows the primary one.
    """
    row = a_member(user=USER, email="ann.private@elsewhere.example")

    assert found(Script(said(200, [row]), said(200, with_teams(row)))).standing is Standing.MEMBER


def test_an_invitation_in_other_letters_is_the_same_mailbox() -> None:
    """
    It must not look absent, or a second mail would go out.
    """
    row = a_member(email="Ann@Example.com")

    assert found(Script(said(200, [row]), said(200, with_teams(row)))).standing is Standing.INVITED


def test_a_list_that_was_not_filtered_decides_nothing() -> None:
    """
    Where somebody else's invitation is shown, a member in it may be somebody else too.
    """
    rows = [a_member(id="1", user=USER, email="owner@example.com"), a_member(id="2", email="bob@example.com")]

    assert isinstance(found(Script(said(200, rows))), ReadFailed)


def test_a_member_counts_before_an_invitation_and_the_same_address_first() -> None:
    """
    One address can meet two users and an invitation.
    """
    rows = [
        a_member(id="3"),
        a_member(id="4", user=USER, email="other@example.com"),
        a_member(id="5", user=USER),
    ]

    assert found(Script(said(200, rows), said(200, with_teams(rows[2])))).ref == "5"


def test_missing_teams_are_open_and_foreign_roles_are_drift() -> None:
    """
    Only what nobody decided otherwise is to be repaired.
    """
    row = a_member(orgRole="admin", flags={"member-limit:restricted": True})
    grant = Grant(
        teams=(Team(name="platform", role="admin"), Team(name="mobile"), Team(name="web", role="contributor")),
    )
    teams = with_teams(row, platform=None, web="admin", **{f"t{n}": None for n in range(10, 22)})

    finding = found(Script(said(200, [row]), said(200, teams)), an_ask(grant))

    assert finding.open == (Part("team", "mobile"),)
    assert finding.drift == (
        "role is admin, not member",
        "role in team web is admin, not contributor",
        *(f"also in team t{n}" for n in range(10, 20)),
        "and in 2 more teams",
        "restricted: the organization is over its member limit",
    )


def test_a_team_role_that_nobody_gave_is_open() -> None:
    """
    It is what an invitation loses.
    """
    script = Script(said(200, [a_member()]), said(200, with_teams(a_member(), platform=None, mobile=None)))

    assert found(script, an_ask(PLATFORM_ADMIN)).open == (Part("team", "platform", "admin"),)


def test_the_list_is_read_to_its_end() -> None:
    """
    By the cursor alone: a URL in an answer is never called.
    """
    more = (
        '<https://us.sentry.io/x/?&cursor=0:0:1>; rel="previous"; results="false"; cursor="0:0:1", '
        '<https://evil.example/?&cursor=0:100:0>; rel="next"; results="true"; cursor="0:100:0"'
    )
    last = more.replace('results="true"', 'results="false"')
    script = Script(said(200, [], link=more), said(200, [a_member()], link=last), said(200, with_teams(a_member())))

    assert isinstance(found(script), Present)
    assert script.lines[1] == f"GET {MEMBERS}?query=email%3Aann%40example.com&per_page=100&cursor=0%3A100%3A0"
    assert {request.url.host for request in script.asked} == {"us.sentry.io"}


@pytest.mark.parametrize("cursor", ["", "../x", "0:1:0&query=x"])
def test_a_list_that_does_not_say_where_it_goes_on_decides_nothing(cursor: str) -> None:
    """
    Nobody is absent because a page was not read.
    """
    link = f'<https://us.sentry.io/x/>; rel="next"; results="true"; cursor="{cursor}"'

    assert isinstance(found(Script(said(200, [], link=link))), ReadFailed)


@pytest.mark.parametrize(("length", "cursor"), [(4096, "0:100:0"), (4097, None), (100_000, None)])
def test_a_link_header_is_read_up_to_four_kibibytes(length: int, cursor: str | None) -> None:
    """
    What a header may cost is bounded by its length; a longer one does not say where the list goes on.
    """
    link = '<https://us.sentry.io/x/>; rel="next"; results="true"; cursor="0:100:0"; '
    link += "x" * (length - len(link))

    if cursor:
        assert next_cursor(link) == cursor
    else:
        with pytest.raises(Unreadable, match="goes on"):
            next_cursor(link)


def test_a_list_without_an_end_decides_nothing() -> None:
    """
    A look-up is for one address, so five pages are enough.
    """
    link = '<https://us.sentry.io/x/>; rel="next"; results="true"; cursor="0:100:0"'
    script = Script(*(said(200, [], link=link) for _ in range(5)))

    assert isinstance(found(script), ReadFailed)


@pytest.mark.parametrize(
    "body",
    [
        None,
        {},
        "rows",
        [None],
        [[]],
        [{}],
        [{"id": 57, "email": ANN, "user": None}],
        [{"id": "57/../1", "email": ANN, "user": None}],
        [{"id": "57", "email": None, "user": None}],
        [{"id": "57", "email": ANN}],
        [{"id": "57", "email": ANN, "user": "x"}],
    ],
)
def test_a_list_of_another_form_decides_nothing(body: Any) -> None:
    """
    Neither present nor absent, and never an exception.
    """
    assert isinstance(found(Script(said(200, body))), ReadFailed)


@pytest.mark.parametrize("body", [None, [], {}, {"teams": None}, "x"])
def test_a_member_without_teams_decides_nothing(body: Any) -> None:
    """
    What cannot be compared is read again.
    """
    assert isinstance(found(Script(said(200, [a_member()]), said(200, body))), ReadFailed)


def test_odd_values_of_a_member_do_no_harm() -> None:
    """
    Only known words are repeated in what an operator reads.
    """
    row = a_member(orgRole="ann@example.com", dateCreated=7, flags=None, expired="yes")
    detail = row | {"teams": ["platform", 7, "<b>"], "teamRoles": [None, {"teamSlug": "platform", "role": "boss"}]}

    finding = found(Script(said(200, [row]), said(200, detail)), an_ask(PLATFORM))

    assert finding == Present(
        "57",
        Standing.INVITED,
        drift=("role is another one, not member", "role in team platform is another one, not contributor"),
    )


@pytest.mark.parametrize(("status", "body"), [(401, BAD_TOKEN), (403, FORBIDDEN), (404, GONE), (302, None)])
def test_a_read_that_the_connection_is_refused_says_so(status: int, body: Any) -> None:
    """
    Then the connection is held, and the person is neither present nor absent.
    """
    finding = found(Script(said(status, body)))

    assert isinstance(finding, ReadFailed)
    assert finding.refused is not None
    assert finding.refused.unauthorized is (status == 401)


def test_a_limited_read_waits_as_told() -> None:
    """
    A read is a request like any other.
    """
    body = {"detail": "You are attempting to use this endpoint too frequently. Limit is 40 requests in 1 seconds"}

    finding = found(Script(said(429, body, retry_after="5")))

    assert finding.until == datetime(2026, 9, 8, 12, 0, 5, tzinfo=UTC)


@pytest.mark.parametrize("reply", [said(500), said(400, {"detail": "Invalid cursor parameter."}), httpx.ReadError("x")])
def test_any_other_failure_of_a_read_says_nothing(reply: Reply) -> None:
    """
    It is asked again later.
    """
    finding = found(Script(reply))

    assert isinstance(finding, ReadFailed)
    assert (finding.refused, finding.until) == (None, None)


# --- repairing ---

OPEN = (Part("team", "platform", "admin"), Part("team", "mobile", "contributor"))
TEAM_URL = f"{MEMBERS}57/teams/platform/"


def repaired(script: Script, grant: Grant = PLATFORM, parts: tuple[Part, ...] = OPEN[:1]) -> Outcome:
    return script.sentry.repair(a_call(), an_ask(grant, ref="57", open_parts=parts))


@pytest.mark.parametrize("status", [201, 204])
def test_an_open_team_is_joined(status: int) -> None:
    """
    Joined now or before: either way the part is there, and no mail goes out.
    """
    script = Script(said(status))

    assert repaired(script) == Accepted("57", mailed=False)
    assert script.lines == [f"POST {TEAM_URL}"]


def test_an_open_team_role_is_given_after_the_team() -> None:
    """
    By the one call that leaves the other teams alone.
    """
    script = Script(said(204), said(200, {"isActive": True, "teamRole": "admin"}), said(201))

    assert repaired(script, PLATFORM_ADMIN, OPEN) == Accepted("57", mailed=False)
    assert script.lines == [f"POST {TEAM_URL}", f"PUT {TEAM_URL}", f"POST {MEMBERS}57/teams/mobile/"]
    assert script.body(1) == {"teamRole": "admin"}


def test_a_team_role_that_was_not_taken_is_a_fault_of_the_grant() -> None:
    """
    Without team roles in the plan Sentry answers 200 and does nothing.
    """
    script = Script(said(204), said(200, {"isActive": True, "teamRole": None}))

    assert isinstance(repaired(script, PLATFORM_ADMIN), RefusedGrant)


def test_what_the_policy_no_longer_gives_is_not_repaired() -> None:
    """
    A team that was removed in review is not given to people who wait for it.
    """
    script = Script()

    assert repaired(script, Grant(), OPEN) == Accepted("57", mailed=False)
    assert script.asked == []


def test_an_access_request_leaves_the_team_open() -> None:
    """
    Somebody at Sentry has to agree; the other teams are given meanwhile.
    """
    outcome = repaired(Script(said(202), said(201)), PLATFORM_ADMIN.model_copy(update={"role": "manager"}), OPEN)

    assert outcome == PartlyAccepted(
        "57",
        False,
        (Part("team", "platform", "admin"),),
        "Sentry made an access request: the token may not put people into the team",
    )


def test_one_refused_team_does_not_keep_the_others() -> None:
    """
    The refusal is told at the end.
    """
    script = Script(said(403, FORBIDDEN), said(201))

    assert repaired(script, PLATFORM_ADMIN, OPEN) == RefusedGrant("the token may not add people to a team")
    assert len(script.asked) == 2


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (said(401, BAD_TOKEN), RefusedConnection),
        (said(404, GONE), Ambiguous),
        (said(500), Ambiguous),
        (said(200), Ambiguous),
        (httpx.ConnectError("x"), NotSent),
        (httpx.ReadError("x"), Ambiguous),
    ],
)
def test_a_repair_ends_at_the_first_failure_that_is_not_the_teams(reply: Reply, kind: type[Outcome]) -> None:
    """
    What was given already does no harm when it is given again.
    """
    assert isinstance(repaired(Script(reply), PLATFORM_ADMIN, OPEN), kind)
    assert isinstance(repaired(Script(said(204), reply), PLATFORM_ADMIN, OPEN), kind)


def test_without_the_members_id_only_a_read_helps() -> None:
    """
    Ids come from Sentry, and are looked at before they become part of a URL.
    """
    script = Script()

    for ref in (None, "", "me", "1/../2"):
        assert isinstance(script.sentry.repair(a_call(), an_ask(PLATFORM, ref=ref, open_parts=OPEN)), Ambiguous)
        assert isinstance(script.sentry.resend(a_call(), an_ask(ref=ref)), Ambiguous)
    assert script.asked == []


# --- resending ---


def resent(*replies: Reply) -> Outcome:
    return Script(*replies).sentry.resend(a_call(), an_ask(ref="57"))


def test_an_expired_invitation_is_renewed() -> None:
    """
    With a new link, which an expired one needs, and nothing else in the request.
    """
    script = Script(said(200, with_teams(a_member())))

    assert script.sentry.resend(a_call(), an_ask(ref="57")) == Accepted("57", mailed=True)
    assert script.lines == [f"PUT {MEMBERS}57/"]
    assert script.body() == {"reinvite": True, "regenerate": True}


def test_without_member_admin_a_renewal_is_parked_with_the_reason() -> None:
    """
    A refused person with the intent to resend waits for an operator, who reads what the token lacks.
    """
    outcome = resent(said(400, {"detail": "You are missing the member:admin scope."}))

    assert outcome == RefusedPerson("renewing an invitation that expired needs a token with the scope member:admin")


def test_who_has_joined_meanwhile_is_a_member() -> None:
    """
    Whether Sentry refuses or, with SSO, mails and answers 200.
    """
    refusal = {"detail": "You cannot send an invitation to a user who is already a full member."}

    assert resent(said(400, refusal)) == AlreadyMember("57")
    assert resent(said(200, a_member(user=USER))) == AlreadyMember("57")


@pytest.mark.parametrize("reply", [said(200), said(200, a_member(id="58")), said(502), httpx.ReadTimeout("x")])
def test_a_renewal_without_a_clear_answer_is_ambiguous(reply: Reply) -> None:
    """
    The mail may be out.
    """
    assert isinstance(resent(reply), Ambiguous)


# --- settings ---


def test_a_plain_connection_and_grant_are_fine() -> None:
    """
    A self-hosted address is the stage's matter, not the adapter's.
    """
    sentry = Script().sentry
    connection = a_connection(
        base_url="https://sentry.intern.example/prefix", team_roles=("contributor", "admin"), allow_privileged=True
    )

    assert list(sentry.connection_errors(connection)) == []
    assert list(sentry.grant_errors(PLATFORM_ADMIN, connection)) == []
    assert list(sentry.grant_errors(Grant(options={"reinvite": False}), connection)) == []


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"roles": ("god",)}, "roles: Sentry has no role 'god'"),
        ({"roles": ("owner",)}, "roles: 'owner' is privileged and needs allow_privileged = true"),
        ({"roles": ("billing",)}, "roles: 'billing' is privileged and needs allow_privileged = true"),
        ({"resources": ("x",)}, "resources: Sentry has none"),
        ({"groups": ("x",)}, "groups: Sentry has none"),
        ({"plain_groups": ("x",)}, "plain_groups: Sentry has none"),
        ({"teams": ("4711",)}, "teams: '4711' is no slug of a team"),
        ({"teams": ("Platform",)}, "teams: 'Platform' is no slug of a team"),
        ({"team_roles": ("admin",)}, "team_roles: 'admin' is privileged and needs allow_privileged = true"),
        ({"team_roles": ("owner",)}, "team_roles: Sentry has no team role 'owner'"),
        ({"base_url": f"{BASE}/api/0"}, "base_url: ends before /api/0, for example https://us.sentry.io"),
    ],
)
def test_a_connection_says_what_is_wrong(changes: dict[str, Any], error: str) -> None:
    """
    Each with the field's name.
    """
    assert list(Script().sentry.connection_errors(a_connection(**changes))) == [error]


def test_privileged_roles_need_the_switch() -> None:
    """
    In the connection and in the grant alike.
    """
    sentry = Script().sentry
    open_connection = a_connection(roles=("owner",), allow_privileged=True)

    assert list(sentry.connection_errors(open_connection)) == []
    assert list(sentry.grant_errors(Grant(role="owner"), open_connection)) == []
    assert list(sentry.grant_errors(Grant(role="owner"), a_connection())) == [
        "role: 'owner' is privileged, and the connection does not say allow_privileged = true"
    ]


@pytest.mark.parametrize(
    ("grant", "error"),
    [
        (Grant(role="god"), "role: Sentry has no role 'god'"),
        (Grant(access=(Access(resource="x", role="y"),)), "access: Sentry has none"),
        (Grant(groups=("x",)), "groups: Sentry has none"),
        (Grant(message="Welcome"), "message: Sentry's invitation takes none"),
        (Grant(options={"regenerate": True}), "options: Sentry has no option 'regenerate'"),
        (Grant(teams=(Team(name="a"), Team(name="a", role="contributor"))), "teams: 'a' is named twice"),
        (Grant(teams=(Team(name="a/b"),)), "teams: 'a/b' is no slug of a team"),
        (Grant(teams=(Team(name="a", role="boss"),)), "teams: Sentry has no team role 'boss'"),
        (
            Grant(teams=(Team(name="a", role="admin"),)),
            "teams: the team role 'admin' is privileged, and the connection does not say allow_privileged = true",
        ),
    ],
)
def test_a_grant_says_what_is_wrong(grant: Grant, error: str) -> None:
    """
    Parts that Sentry does not know are refused when the policy loads.
    """
    assert list(Script().sentry.grant_errors(grant, a_connection())) == [error]


def test_billing_has_no_teams() -> None:
    """
    Sentry refuses the pair, so the policy does too.
    """
    connection = a_connection(roles=("billing",), allow_privileged=True)

    assert list(Script().sentry.grant_errors(Grant(role="billing", teams=PLATFORM.teams), connection)) == [
        "teams: the role 'billing' cannot be in teams"
    ]


@pytest.mark.parametrize(
    ("host", "own"),
    [
        ("sentry.io", True),
        ("us.sentry.io", True),
        ("DE.sentry.io", True),
        ("notsentry.io", False),
        ("sentry.io.evil.example", False),
        ("sentry.intern.example", False),
        ("sentry.io.", False),
        ("us.sentry.io.", False),
        ("us.sentry.io\n", False),
        ("evil.example%2f.sentry.io", False),
        ("evil%2eexample%2f.sentry.io", False),
        (".sentry.io", False),
    ],
)
def test_the_vendors_hosts_are_its_domain(host: str, own: bool) -> None:
    """
    Every other host is listed by the stage, or not called.
    """
    assert Script().sentry.is_vendor_host(host) is own


def test_no_reason_repeats_what_the_provider_wrote() -> None:
    """
    Error texts name addresses, and reasons go to tables and logs.
    """
    words = "canary@example.com"
    replies = [
        said(status, body)
        for status in (200, 201, 302, 400, 401, 402, 403, 404, 409, 429, 500, 503)
        for body in (
            {"detail": words},
            {"email": [words]},
            [words],
            words,
            {"detail": {"code": words, "message": words}},
        )
    ]

    endings = [invited(Script(reply)) for reply in replies]
    endings += [found(Script(reply)) for reply in replies]
    endings += [resent(reply) for reply in replies]

    assert "canary" not in repr(endings)
