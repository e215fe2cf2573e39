"""Whatever a provider answers and whatever stands in a row, no request goes anywhere but under the base URL."""

import json
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from usher.domain.invitation import InvitationKey
from usher.domain.outcomes import Part
from usher.domain.policy import Access, Connection, Grant, Team
from usher.http import make_client
from usher.ports import Ask, Call
from usher.providers.atlassian import Atlassian
from usher.providers.sentry import Sentry

NOW = datetime(2026, 9, 8, 12, 0, tzinfo=UTC)
BASE = "https://provider.example:8443/admin"
EVIL = "https://evil.example/"
LINK = f'<{EVIL}?cursor=0:1:0>; rel="next"; results="true"; cursor="0:1:0"'
HEADERS = {"location": EVIL, "link": LINK, "refresh": f"0; url={EVIL}", "content-location": EVIL, "retry-after": "0"}
NAME = "https://evil.example/a/../../b"
"""What the policy lets a team, a group or a resource be called."""
TEXTS = ("7", "//evil.example/x", "@evil.example", "..", "../../evil", "https://evil.example", "a?b=c#d", "\\evil")


def bodies(text: str) -> list[Any]:
    """Make what a hostile server might say of people, with links to elsewhere and with ids that are paths."""
    person = {
        "id": text,
        "accountId": text,
        "email": "ann@example.com",
        "name": "Ann",
        "url": EVIL,
        "pending": True,
        "links": {"self": EVIL, "next": EVIL},
    }
    return [
        [person],
        {"data": [person], "links": {"next": EVIL, "self": EVIL}},
        {"results": [person], "next": EVIL},
        person,
        {"detail": {"code": "sudo-required", "extra": {"redirect": EVIL}}},
    ]


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("adapter", [Atlassian, Sentry])
@pytest.mark.parametrize("status", [200, 201, 206, 207, 301, 302, 307, 308, 400, 401, 404, 429, 503])
def test_no_request_leaves_the_base_url(adapter: type[Atlassian | Sentry], status: int, text: str) -> None:
    """Not for a redirect, nor a link to the next page, nor an id or a name that looks like one."""
    for body in bodies(text):
        asked = asked_for(adapter, httpx.Response(status, headers=HEADERS, content=json.dumps(body)), text)

        assert asked
        assert {(url.scheme, url.host, url.port) for url in asked} == {("https", "provider.example", 8443)}
        assert all(url.raw_path.startswith(b"/admin/") and b"/../" not in url.raw_path for url in asked)


def asked_for(adapter: type[Atlassian | Sentry], answer: httpx.Response, text: str) -> list[httpx.URL]:
    """Make every kind of call to a server that always gives this answer; gives what it was asked for."""
    asked: list[httpx.URL] = []

    def noted(request: httpx.Request) -> httpx.Response:
        asked.append(request.url)
        return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)

    client = make_client(1)
    client._transport = httpx.MockTransport(noted)
    provider = adapter(client)
    connection = Connection(
        name="main", provider=provider.name, organization="acme", base_url=BASE, timings=provider.timings
    )
    call = Call(connection, "secret", 13.0, NOW)
    grant = Grant(teams=(Team(name=NAME),), groups=(NAME,), access=(Access(resource=NAME, role="r"),))
    parts = tuple(Part(kind, name, "r") for kind in ("team", "group", "role") for name in (text, NAME))
    ask = Ask(InvitationKey("canonical", "E-1", "main"), "ann@example.com", grant, text, parts)
    provider.look_up(call, [ask])
    provider.invite(call, [ask])
    with suppress(ValueError):  # A part that is called ".." is refused before there is a URL.
        provider.repair(call, ask)
    provider.resend(call, ask)
    return asked
