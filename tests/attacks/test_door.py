"""At the door: nobody is believed for long, and nothing is read of somebody who is not."""

import hmac
import json
from base64 import b64decode, b64encode
from collections import Counter
from io import StringIO
from typing import Any

import httpx
import pytest

from functions.hr_webhook import handler
from tests.fakes.clock import FakeClock
from tests.fakes.queues import MemoryQueues
from tests.fakes.secrets import MemorySecrets
from tests.redelivery.feed import Body, Feed, secret_of, signed
from tests.redelivery.feeds import FEEDS, every_source
from tests.redelivery.kit import NOON
from usher import bootstrap
from usher.ports import Source, SourceSettings, WebhookRequest
from usher.sources.registry import all_sources
from usher.sources.signatures import Hmac
from usher.use_cases.receive_notice import ReceiveNotice

Event = dict[str, Any]


def known_sources() -> dict[str, Source]:
    """Give every source, with an HR system behind it that is never asked."""
    http = httpx.Client(transport=httpx.MockTransport(lambda request: httpx.Response(500)))
    return {source.name: source for source in all_sources(http)}


SCHEMES: dict[str, Hmac] = {
    name: scheme
    for name, source in known_sources().items()
    if name in FEEDS and FEEDS[name].seal is None and isinstance(scheme := getattr(source, "scheme", None), Hmac)
}
TIMED = {name: scheme.timestamp_header for name, scheme in SCHEMES.items() if scheme.timestamp_header is not None}
"""The header in which a sender signs the time."""


class Door:
    """Every source at one door, each with a secret of its own; counts how often a body is read."""

    def __init__(self) -> None:
        self.queues = MemoryQueues()
        self.clock = FakeClock(NOON)
        self.secrets = MemorySecrets({f"sources/{name}": secret_of(name) for name in FEEDS})
        self.sources = known_sources()
        for name, feed in FEEDS.items():
            self.sources[name] = self.sources[name].configured(SourceSettings(name, **feed.settings))
        self.receive = ReceiveNotice(self.sources, self.secrets, self.queues, self.clock)

    def __call__(self, event: Event) -> dict[str, Any]:
        """Give the handler's answer."""
        answer: dict[str, Any] = handler.lambda_handler(event, None)
        return answer

    def refuses(self, event: Event, status: int) -> None:
        """Check that a request is refused, and that nothing is queued."""
        answer = self(event)
        assert (answer["statusCode"], self.queues.announced) == (status, []), answer["body"]


@pytest.fixture
def door(monkeypatch: pytest.MonkeyPatch) -> Door:
    """The handler over in-memory ports."""
    made = Door()
    monkeypatch.setattr(bootstrap, "receive_notice", lambda: made.receive)
    return made


def hired(feed: Feed, **changes: Any) -> Event:
    """Make the event that hires Noor, signed now, with something else of it changed afterwards."""
    return signed(feed, feed.hired, NOON) | changes


def with_secret_as(feed: Feed, value: str | None) -> Event:
    """Make the event with another text wherever the sender shows that it knows the secret; None leaves it out."""
    event = hired(feed)
    body: Body = json.loads(b64decode(event["body"]))
    if feed.seal is None:
        places = [name for name in event["headers"] if name.endswith(("signature", "authorization", "challenge"))]
        assert places, "the feed shows no secret in a header"
        others = {name: text for name, text in event["headers"].items() if name not in places}
        return event | {"headers": others | ({} if value is None else dict.fromkeys(places, value))}
    entries = body.get("value", [body])
    for entry in entries:
        field = "clientState" if "clientState" in entry else "signature"
        entry.pop(field)
        if value is not None:
            entry[field] = value
    return event | {"body": b64encode(json.dumps(body).encode()).decode()}


@every_source
@pytest.mark.parametrize("value", [None, "", " ", "0" * 64, "sha256=" + "0" * 64, "v1,", "Bearer", "Basic Og=="])
def test_without_its_secret_no_request_is_read(
    door: Door, monkeypatch: pytest.MonkeyPatch, feed: Feed, value: str | None
) -> None:
    """None, empty, or made up: refused before a source reads anything of it."""
    monkeypatch.setattr(type(door.sources[feed.source]), "read", lambda *_: pytest.fail("the body was read"))
    door.refuses(with_secret_as(feed, value), 401)


def test_the_signature_of_one_source_opens_no_other(door: Door) -> None:
    """Every pair of them: the path alone chooses the secret."""
    for ours, feed in FEEDS.items():
        for other in FEEDS.keys() - {ours}:
            door.refuses(hired(feed, pathParameters={"source": other}), 401)


NO_TIMES = (
    *("", " ", "0", "nan", "inf", "-inf", "1_788868800", "17888688_0", "+178886880", "-178886880", "1788868800.0"),
    *("1e9", "0x6a9f8b40", "9" * 10, "10" * 16, "1" + "0" * 30, "178886880", " 1788868800", "1788868800\n"),
    *("\u0661\u0667\u0668\u0668\u0668\u0666\u0668\u0668\u0660\u0660", "2026-09-08T12:00:00Z", "1788868800,1788868800"),
    *(str(int(NOON.timestamp()) + 301), str(int(NOON.timestamp()) - 3 * 3600 - 1)),
)


@pytest.mark.parametrize("name", sorted(TIMED))
def test_a_signed_time_that_is_none_or_far_from_ours_is_refused(door: Door, name: str) -> None:
    """However it is written, and although it is signed."""
    scheme, header = SCHEMES[name], TIMED[name]
    assert door(hired(FEEDS[name]))["statusCode"] in (200, 202)
    door.queues.announced.clear()
    for text in NO_TIMES:
        event = hired(FEEDS[name])
        headers = {**event["headers"], header: text}
        request = WebhookRequest(
            "POST", name, {key: (value,) for key, value in headers.items()}, b64decode(event["body"])
        )
        if text.isascii() and text:
            headers[scheme.header] = scheme.sign(request, secret_of(name))
        door.refuses(event | {"headers": headers}, 401)
    several = {key: [value] for key, value in hired(FEEDS[name])["headers"].items()}
    several[header] *= 2
    door.refuses(hired(FEEDS[name]) | {"multiValueHeaders": several}, 401)


class Counted:
    """Counts comparisons and signatures, and makes them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.counts: Counter[str] = Counter()
        for name in ("compare_digest", "digest"):
            monkeypatch.setattr(hmac, name, self._counting(name, getattr(hmac, name)))

    def _counting(self, name: str, real: Any) -> Any:
        def counting(*values: Any) -> Any:
            self.counts[name] += 1
            return real(*values)

        return counting

    def of(self, door: Door, event: Event) -> dict[str, int]:
        """Give what one request costs."""
        self.counts.clear()
        door(event)
        door.queues.announced.clear()
        return dict(self.counts)


def altered(secret: bytes) -> list[bytes]:
    """Give bytes that are wrong at their beginning, at their end, and everywhere."""
    return [
        bytes([secret[0] ^ 1]) + secret[1:],
        secret[:-1] + bytes([secret[-1] ^ 1]),
        bytes(byte ^ 1 for byte in secret),
    ]


def guesses(feed: Feed) -> list[Event]:
    """Make requests whose signature, or else whose secret, is nearly right and not right at all."""
    event = hired(feed)
    scheme = SCHEMES.get(feed.source)
    if scheme is None:
        texts = [text.decode() for text in altered(secret_of(feed.source).encode())]
        return [signed(feed, feed.hired, NOON, secret=text) for text in texts]
    signature = scheme.encoding.read(event["headers"][scheme.header].removeprefix(scheme.prefix))
    return [
        event | {"headers": event["headers"] | {scheme.header: scheme.prefix + scheme.encoding.write(guess)}}
        for guess in altered(signature)
    ]


@pytest.mark.parametrize("name", [name for name, feed in FEEDS.items() if feed.seal is None])
def test_a_guess_costs_the_same_however_near_it_comes(door: Door, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """The same number of comparisons and signatures, right or wrong, whichever of two secrets it is."""
    other = secret_of(name, 2)
    counted = Counted(monkeypatch)
    for listed in ([secret_of(name), other], [other, secret_of(name)]):
        door.secrets.values[f"sources/{name}"] = json.dumps([{"value": value} for value in listed])
        door.secrets.forget()
        right = counted.of(door, hired(FEEDS[name]))
        assert right["compare_digest"] >= 2
        door.receive._refreshed[name] = door.clock.monotonic()  # Reading the secret again is bounded by itself.
        assert [counted.of(door, guess) for guess in guesses(FEEDS[name])] == [right] * 3


@pytest.mark.parametrize(
    ("value", "comparisons"),
    [
        (" ".join(["v1,AAAA"] * 100_000), 0),
        (" ".join(["v1," + "A" * 43 + "="] * 11), 0),
        (" ".join(["v1," + "A" * 43 + "="] * 10), 10),
        ("v1" * 3_000, 0),
        ("v1,\u00e9" * 10, 0),
        ("v1", 0),
    ],
)
def test_a_malformed_signature_costs_a_bounded_number_of_comparisons(
    door: Door, monkeypatch: pytest.MonkeyPatch, value: str, comparisons: int
) -> None:
    """At most ten entries in at most four kilobytes, for each secret."""
    event = hired(FEEDS["canonical"])
    counted = Counted(monkeypatch)
    door.receive._refreshed["canonical"] = door.clock.monotonic()
    cost = counted.of(door, event | {"headers": event["headers"] | {"webhook-signature": value}})
    assert cost.get("compare_digest", 0) == comparisons


def test_a_thousand_headers_are_a_request_like_any_other(door: Door) -> None:
    """The gateway bounds their size; those that nobody asks for decide nothing."""
    event = hired(FEEDS["greenhouse"])
    many = {f"x-header-{number}": "x" for number in range(1_000)}
    assert door(event | {"headers": many | event["headers"]})["statusCode"] == 200
    door.queues.announced.clear()
    door.refuses(event | {"headers": many}, 401)


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"pathParameters": {"source": "nobody"}}, 404),
        ({"pathParameters": {"source": "../greenhouse"}}, 404),
        ({"pathParameters": {"source": "Greenhouse"}}, 404),
        ({"pathParameters": {}}, 404),
        ({"httpMethod": "GET"}, 405),
        ({"httpMethod": "DELETE"}, 405),
        ({"httpMethod": "OPTIONS"}, 405),
        ({"httpMethod": "post"}, 405),
        ({"headers": {"content-encoding": "gzip"}}, 415),
    ],
)
def test_a_wrong_path_verb_or_content_type_is_told_in_one_line(door: Door, change: Event, status: int) -> None:
    """Nothing of our insides."""
    event = hired(FEEDS["greenhouse"])
    headers = event["headers"] | change.get("headers", {})
    answer = door(event | change | {"headers": headers})
    assert answer["statusCode"] == status
    assert json.loads(answer["body"]).keys() == {"type", "title", "status"}
    assert door.queues.announced == []


@pytest.mark.parametrize("source", ["canonical", "cloudevents"])
@pytest.mark.parametrize("kind", ["text/xml", "application/x-www-form-urlencoded", "text/plain; charset=utf-8"])
def test_our_own_events_are_read_as_json_or_not_at_all(door: Door, source: str, kind: str) -> None:
    """415 tells the sender what is wrong."""
    event = hired(FEEDS[source])
    door.refuses(event | {"headers": event["headers"] | {"content-type": kind}}, 415)


@every_source
def test_fields_that_nobody_knows_are_dropped_or_refused(door: Door, feed: Feed) -> None:
    """Megabytes of them never reach the queue."""
    junk = {f"unknown_{number}": "junk" * 2_000 for number in range(100)}
    door(signed(feed, feed.hired | junk, NOON))
    told = "".join(notice.model_dump_json() for notice in door.queues.announced)
    assert "junk" not in told
    assert len(told) < 2_000


@every_source
def test_the_source_of_a_notice_is_its_path_whatever_the_body_says(door: Door, feed: Feed) -> None:
    """Nobody speaks for another system, nor completes another's hire unless the stage lets them."""
    for claim in ("greenhouse", "okta", "workday"):
        extra = {"source": claim, "same_as": f"{claim}/1", "connection": "second", "organization": claim}
        nested = {key: value | extra if isinstance(value, dict) else value for key, value in feed.hired.items()}
        door(signed(feed, nested | extra, NOON))
        for notice in door.queues.announced:
            assert notice.source == feed.source
            assert notice.hire is None or (notice.hire.source, notice.hire.same_as) == (feed.source, None)
        door.queues.announced.clear()


def test_a_log_line_is_one_record_whatever_a_caller_writes(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    """Line breaks and records of one's own making end as text, or are not logged."""
    written = StringIO()
    monkeypatch.setattr(handler.logger.registered_handler, "stream", written)
    fake = '"}\n{"level":"INFO","message":"received","source":"greenhouse","status":200}'
    for event in (
        hired(FEEDS["greenhouse"], pathParameters={"source": fake}),
        hired(FEEDS["greenhouse"], headers={fake: fake, "signature": fake}),
        hired(FEEDS["greenhouse"], httpMethod=fake),
        signed(FEEDS["greenhouse"], {"action": fake, fake: fake}, NOON),
    ):
        door(event)
    records = [json.loads(line) for line in written.getvalue().splitlines()]
    assert len(records) == 4
    assert [record.get("status") for record in records] == [404, 401, 405, 200]
    assert fake not in [value for record in records for value in record.values()]


def test_a_replay_within_the_window_is_thanked_and_has_the_name_of_the_first(door: Door) -> None:
    """Planning takes it for old news."""
    event = hired(FEEDS["canonical"])
    for seconds in (0, 1, 298):
        door.clock.advance(seconds)
        assert door(event)["statusCode"] == 202
    door.clock.advance(2)
    assert door(event)["statusCode"] == 401
    assert len({notice.notice_id for notice in door.queues.announced}) == 1


def test_a_header_in_other_letters_is_the_same_header(door: Door) -> None:
    """Two of them, in two spellings, are two."""
    event = hired(FEEDS["greenhouse"])
    headers = {"content-type": "application/json", "SIGNATURE": event["headers"]["signature"]}
    assert door(event | {"headers": headers})["statusCode"] == 200
    door.queues.announced.clear()
    door.refuses(event | {"headers": headers | event["headers"]}, 401)
