"""At the door: believed, read, durable, answered; in this order."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest

from tests.contracts.hr_webhooks import Example
from tests.fakes.clock import FakeClock
from tests.fakes.queues import MemoryQueues
from tests.fakes.secrets import MemorySecrets
from usher.domain.errors import (
    BadEvent,
    BodyCompressed,
    BodyTooLarge,
    NotAPost,
    QueueUnavailable,
    SecretUnavailable,
    Unauthentic,
    UnknownSource,
)
from usher.ports import WebhookRequest
from usher.sources.canonical import Canonical
from usher.sources.greenhouse import Greenhouse
from usher.sources.registry import all_sources
from usher.use_cases.receive_notice import LARGEST_BODY, REFRESH_PAUSE, ReceiveNotice, active_secrets

EXAMPLE = Example.load("greenhouse")
NOON = EXAMPLE.received_at


class Door:
    """The use case with everything it stands between."""

    def __init__(self, secret: str = EXAMPLE.secret) -> None:
        self.queues = MemoryQueues()
        self.secrets = MemorySecrets({"sources/greenhouse": secret, "sources/canonical": "whsec_c2VjcmV0LXNlY3JldA=="})
        self.clock = FakeClock(NOON)
        sources = {source.name: source for source in all_sources(httpx.Client())}
        self.receive = ReceiveNotice(sources, self.secrets, self.queues, self.clock)

    def canonical(self, **changes: Any) -> WebhookRequest:
        """Make a signed request of our own event."""
        event = {"schema": "usher.new-hire/1", "source": "canonical", "hire_id": "E-1", "version": 5} | changes
        headers = {"webhook-id": ("msg_1",), "webhook-timestamp": (str(int(self.clock.now().timestamp())),)}
        request = WebhookRequest("POST", "canonical", headers, json.dumps(event).encode())
        signature = Canonical.scheme.sign(request, self.secrets.values["sources/canonical"])
        return replace(request, headers=headers | {"webhook-signature": (signature,)})


@pytest.fixture
def door() -> Door:
    """A door that knows the contract's secret of Greenhouse."""
    return Door()


def test_a_notice_is_durable_before_its_sender_is_thanked(door: Door) -> None:
    """And a queue that refuses is an error, never a thank-you."""
    assert door.receive(EXAMPLE.request).status == 200
    assert [notice.subject for notice in door.queues.announced] == ["46190001"]
    door.queues.refuse()
    with pytest.raises(QueueUnavailable):
        door.receive(EXAMPLE.request)


def test_a_request_with_any_byte_changed_is_refused_and_nothing_is_queued(door: Door) -> None:
    """Every single one."""
    for position in range(len(EXAMPLE.request.body)):
        with pytest.raises(Unauthentic):
            door.receive(EXAMPLE.flipped(position))
    assert door.queues.announced == []


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"source": "rippling"}, UnknownSource),
        ({"source": ""}, UnknownSource),
        ({"source": "canonical"}, Unauthentic),
        ({"headers": {}}, Unauthentic),
        ({"method": "GET"}, NotAPost),
        ({"method": "OPTIONS", "body": b""}, NotAPost),
        ({"body": b" " * (LARGEST_BODY + 1)}, BodyTooLarge),
        ({"headers": {**EXAMPLE.request.headers, "content-encoding": ("gzip",)}}, BodyCompressed),
        ({"headers": {**EXAMPLE.request.headers, "content-encoding": ("identity", "br")}}, BodyCompressed),
    ],
)
def test_what_is_no_announcement_is_refused_before_it_is_read(
    door: Door, change: dict[str, Any], error: type[Exception]
) -> None:
    """With nothing queued."""
    with pytest.raises(error):
        door.receive(replace(EXAMPLE.request, **change))
    assert door.queues.announced == []


def test_a_body_that_is_not_compressed_may_say_so(door: Door) -> None:
    """Some proxies add it."""
    headers = {**EXAMPLE.request.headers, "content-encoding": ("identity",)}
    assert door.receive(replace(EXAMPLE.request, headers=headers)).status == 200


def test_our_own_sender_is_told_every_problem_and_nothing_is_queued(door: Door) -> None:
    """Only it: vendors do not send again what was refused."""
    assert door.receive(door.canonical()).status == 202
    door.queues.announced.clear()
    with pytest.raises(BadEvent) as refused:
        door.receive(door.canonical(version="5", orgRole="owner"))
    assert {problem.field for problem in refused.value.problems} == {"version", "orgRole"}
    assert door.queues.announced == []


def test_a_secret_that_was_just_exchanged_is_read_again() -> None:
    """The first request with it is not lost."""
    door = Door(secret="the secret before")
    with pytest.raises(Unauthentic):
        door.receive(EXAMPLE.request)
    door.secrets.values["sources/greenhouse"] = EXAMPLE.secret
    door.clock.advance(REFRESH_PAUSE)
    assert door.receive(EXAMPLE.request).status == 200


def test_forged_requests_read_the_secret_once_a_minute_at_most(door: Door) -> None:
    """For each source: a flood at one costs another nothing."""
    for _ in range(50):
        with pytest.raises(Unauthentic):
            door.receive(EXAMPLE.flipped(0))
    assert door.secrets.reads == 2
    door.secrets.values["sources/canonical"] = "whsec_bmV3LXNlY3JldC1uZXctc2VjcmV0"
    assert door.receive(door.canonical()).status == 202


@pytest.mark.parametrize("secret", ["", "[]", '[{"value": ""}]', "[", '[{"value": "a", "valu": "b"}]', '["a"]'])
def test_a_door_without_a_lock_stays_shut(secret: str) -> None:
    """The sender is asked to try again."""
    door = Door(secret=secret)
    with pytest.raises(SecretUnavailable):
        door.receive(EXAMPLE.request)
    assert door.queues.announced == []


def test_a_secret_may_be_a_list_whose_entries_end() -> None:
    """Two at once while one is exchanged; after its end an old one opens nothing."""
    listed = json.dumps(
        [
            {"value": "new"},
            {"value": EXAMPLE.secret, "not_after": (NOON + timedelta(minutes=1)).isoformat()},
            {"value": "old", "not_after": "2026-09-08T11:59:59Z"},
        ]
    )
    assert active_secrets(listed, NOON) == ("new", EXAMPLE.secret)
    assert active_secrets("a text", NOON) == ("a text",)
    door = Door(secret=listed)
    assert door.receive(EXAMPLE.request).status == 200
    door.clock.advance(120)
    with pytest.raises(Unauthentic):
        door.receive(EXAMPLE.request)


def test_a_ping_is_thanked_and_queues_nothing(door: Door) -> None:
    """Even where the queue is down: there is nothing to lose."""
    door.queues.refuse()
    body = b'{"action":"ping"}'
    request = WebhookRequest("POST", "greenhouse", {}, body)
    signature = Greenhouse.scheme.sign(request, EXAMPLE.secret)
    assert door.receive(replace(request, headers={"signature": (signature,)})).status == 200


def test_an_exact_replay_has_the_name_of_the_first(door: Door) -> None:
    """So that planning takes it for what it is, months later too."""
    door.receive(EXAMPLE.request)
    door.clock.advance(200 * 86_400)
    door.receive(EXAMPLE.request)
    first, second = door.queues.announced
    assert first.notice_id == second.notice_id
    assert first.hire == second.hire
