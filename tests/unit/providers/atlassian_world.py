"""An Atlassian organization on the other end of a wire that a test writes the answers of."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx

from tests.contracts.openapi import ATLASSIAN, request_errors
from usher.domain.invitation import InvitationKey
from usher.domain.outcomes import Finding, Outcome, Part
from usher.domain.policy import Access, Connection, Grant
from usher.http import make_client
from usher.ports import Ask, Call
from usher.providers.atlassian import Atlassian

NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
SECRET = "t0ken"
BASE = "https://api.atlassian.com/admin"
ORGS = f"{BASE}/v2/orgs/org-1"
JIRA = "ari:cloud:jira-software::site/70ef3a32-d0da-4e09-b35e-0109f91969c3"
WIKI = "ari:cloud:confluence::site/70ef3a32-d0da-4e09-b35e-0109f91969c3"
GROUP_ID = "ddcc4cea-cf43-4241-8f68-015a6c11ae14"
ANN, BOB, CID = "ann@example.com", "bob@example.com", "cid@example.com"
ANN_ID = "712020:0f1c2b3a-1111-4222-8333-444455556666"
BOB_ID = "712020:99999999-1111-4222-8333-444455556666"

USER = Part("role", JIRA, "atlassian/user")
GROUP = Part("group", GROUP_ID)
GRANT = Grant(
    access=(Access(resource=JIRA, role="atlassian/user"),), groups=(GROUP_ID,), notify=True, message="Welcome"
)

TIMINGS = Atlassian(make_client(1)).timings

Answer = httpx.Response | Exception | Callable[[httpx.Request], httpx.Response]


def a_connection(**changes: Any) -> Connection:
    """Make a connection that may grant what GRANT grants."""
    base: dict[str, Any] = {
        "name": "atlassian-main",
        "provider": "atlassian",
        "organization": "org-1",
        "base_url": BASE,
        "roles": ("atlassian/user",),
        "resources": (JIRA,),
        "plain_groups": (GROUP_ID,),
        "timings": TIMINGS,
    }
    return Connection(**base | changes)


def key_of(address: str) -> InvitationKey:
    """Name the invitation of an address."""
    return InvitationKey("canonical", address.partition("@")[0], "atlassian-main")


def an_ask(address: str = ANN, grant: Grant = GRANT, **changes: Any) -> Ask:
    """Ask for one person."""
    return Ask(key_of(address), address, grant, **changes)


@dataclass
class Wire:
    """
    Answers requests in turn, remembers them, and holds every body against Atlassian's own OpenAPI document.

    A last answer that is left alone is given again and again.
    """

    answers: list[Answer]
    requests: list[httpx.Request] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.client = make_client(4)
        self.client._transport = httpx.MockTransport(self._answer)
        self.atlassian = Atlassian(self.client)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        body = json.loads(request.content) if request.content else None
        assert request_errors(ATLASSIAN, request.method, request.url.path, body) == []
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer(request) if callable(answer) else answer

    @property
    def bodies(self) -> list[Any]:
        """What was sent."""
        return [json.loads(request.content) if request.content else None for request in self.requests]

    @property
    def paths(self) -> list[str]:
        """Method and path of each request, as they went over the wire."""
        return [f"{request.method} {request.url.raw_path.decode()}" for request in self.requests]


def a_call(**changes: Any) -> Call:
    """Make a call with plenty of time."""
    base: dict[str, Any] = {"secret": SECRET, "seconds": 13, "now": NOW}
    return Call(a_connection(**changes.pop("connection", {})), **base | changes)


def invited(answer: Answer, *asks: Ask, call: Call | None = None) -> list[Outcome]:
    """Invite people over a wire with this answer, and nobody in the directory; Ann, if nobody is named."""
    wanted = asks or (an_ask(),)
    outcomes = Wire([answer, page()]).atlassian.invite(call or a_call(), wanted)
    assert outcomes.keys() == {ask.key for ask in wanted}
    return [outcomes[ask.key] for ask in wanted]


def found(answers: Iterable[Answer], *asks: Ask) -> list[Finding]:
    """Look people up over a wire with these answers; Ann, if nobody is named."""
    wanted = asks or (an_ask(),)
    findings = Wire(list(answers)).atlassian.look_up(a_call(), wanted)
    assert findings.keys() == {ask.key for ask in wanted}
    return [findings[ask.key] for ask in wanted]


def repaired(answers: Iterable[Answer], *parts: Part, ref: str | None = ANN_ID) -> Outcome:
    """Repair Ann's open parts over a wire with these answers."""
    return Wire(list(answers)).atlassian.repair(a_call(), an_ask(grant=granting(*parts), ref=ref, open_parts=parts))


def granting(*parts: Part) -> Grant:
    """Make a grant of these parts."""
    access = tuple(Access(resource=part.name, role=part.role) for part in parts if part.role is not None)
    return Grant(access=access, groups=tuple(part.name for part in parts if part.role is None), message="Welcome")


def errors(status: int, *codes: str | None, **fields: Any) -> httpx.Response:
    """Make an answer in the application's own envelope (A)."""
    base: dict[str, Any] = {"status": str(status), "detail": None}
    found = [base | fields | ({} if code is None else {"code": code}) for code in codes]
    return httpx.Response(status, json={"errors": found})


def person(
    address: str = ANN,
    ref: str | None = ANN_ID,
    role: str = "INVITED",
    group: str = "INVITED",
    reason: str | None = None,
) -> dict[str, Any]:
    """Make one person's entry in the answer to an invite with GRANT; the role comes back as an ARI."""
    return {
        "id": ref,
        "email": address,
        "results": [
            {
                "roleAssignmentResult": [
                    {
                        "resource": JIRA,
                        "role": "ari:cloud:jira::role/product/member",
                        "status": role,
                        "statusReason": reason if role == "ERROR" else None,
                    }
                ],
                "groupAssignmentResult": [
                    {"group": GROUP_ID, "status": group, "statusReason": reason if group == "ERROR" else None}
                ],
            }
        ],
    }


def results(*people: Any, status: int = 200) -> httpx.Response:
    """Make the answer to an invite that went through, at least in part."""
    return httpx.Response(status, json={"data": list(people)})


def row(address: str = ANN, **changes: Any) -> dict[str, Any]:
    """Make one person's row of the directory, with GRANT's group."""
    base = {
        "accountId": ANN_ID,
        "email": address,
        "status": "active",
        "membershipStatus": "active",
        "accountStatus": "active",
        "addedToOrg": "2026-03-02T09:29:58.000Z",
        "groups": [{"id": f"ari:cloud:identity::group/{GROUP_ID}", "name": "Engineering"}],
    }
    return {name: value for name, value in (base | changes).items() if value is not None}


def page(*rows: Any, next_cursor: str | None = None) -> httpx.Response:
    """Make a page of a directory read."""
    links = {"self": "s"} | ({"next": next_cursor} if next_cursor else {})
    return httpx.Response(200, json={"data": list(rows), "links": links})


def roles(*held: tuple[str, str], next_cursor: str | None = None) -> httpx.Response:
    """Make a page of role assignments: resources with roles."""
    rows = [{"resourceId": resource, "roleAssignments": [{"role": role}]} for resource, role in held]
    return page(*rows, next_cursor=next_cursor)
