"""What every adapter relies on: one request, one deadline, typed endings, and no trust in what comes back."""

import logging
import socket
import ssl
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpcore
import httpx
import pytest

from tests.fakes.listener import drip, listening, ticking
from usher.domain.outcomes import Ambiguous, NotSent
from usher.http import (
    LARGEST_BODY,
    Answer,
    Deadline,
    basic,
    bearer,
    date_time,
    is_token,
    make_client,
    reset_time,
    retry_after,
    send,
    strict_json,
    url_of,
)

NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
EPOCH = int(NOW.timestamp())
URL = "https://provider.test/api/people/"


def ask(handler: Callable[[httpx.Request], httpx.Response], *, body: object = None) -> Answer | NotSent | Ambiguous:
    with httpx.Client(transport=httpx.MockTransport(handler)) as client:
        return send(client, "POST", URL, authorization=bearer("t0ken"), deadline=Deadline(13), body=body)


def raising(error: Exception) -> Callable[[httpx.Request], httpx.Response]:
    def handler(request: httpx.Request) -> httpx.Response:
        raise error

    return handler


def test_an_answer_carries_status_headers_and_parsed_body() -> None:
    """
    Header names match in any case; the request has the token and the JSON body.
    """
    seen: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(201, json={"id": "7"}, headers={"X-Limit": "40"})

    answer = ask(handler, body={"email": "ann@example.com"})

    assert isinstance(answer, Answer)
    assert (answer.status, answer.json, answer.header("x-LIMIT")) == (201, {"id": "7"}, "40")
    assert seen[0].headers["authorization"] == "Bearer t0ken"
    assert seen[0].headers["content-type"] == "application/json"
    assert seen[0].content == b'{"email": "ann@example.com"}'


@pytest.mark.parametrize("error", [httpx.ConnectError("x"), httpx.ConnectTimeout("x"), httpx.PoolTimeout("x")])
def test_what_fails_before_the_first_byte_is_not_sent(error: Exception) -> None:
    """
    Name, network, certificate and a full pool are known to have done nothing.
    """
    assert isinstance(ask(raising(error)), NotSent)


@pytest.mark.parametrize(
    "error",
    [
        httpx.ReadTimeout("ann@example.com"),
        httpx.WriteTimeout("ann@example.com"),
        httpx.ReadError("ann@example.com"),
        httpx.WriteError("ann@example.com"),
        httpx.RemoteProtocolError("ann@example.com"),
        httpx.DecodingError("ann@example.com"),
        httpx.InvalidURL("ann@example.com"),
    ],
)
def test_what_fails_after_the_first_byte_is_ambiguous_and_repeats_no_text(error: Exception) -> None:
    """
    Nobody knows what the provider did; the reason is ours alone.
    """
    ending = ask(raising(error))

    assert isinstance(ending, Ambiguous)
    assert "ann" not in ending.reason


def test_without_time_nothing_is_sent() -> None:
    """
    A deadline that is over before the request costs no request.
    """
    with httpx.Client(transport=httpx.MockTransport(raising(AssertionError("sent")))) as client:
        ending = send(client, "GET", URL, authorization=bearer("t"), deadline=Deadline(0))

    assert isinstance(ending, NotSent)


def test_a_body_that_drips_ends_at_the_deadline() -> None:
    """
    The budget is for the whole answer, not for each read of it.
    """

    def drip() -> Iterator[bytes]:
        while True:
            yield b" "

    with httpx.Client(transport=httpx.MockTransport(lambda _: httpx.Response(200, content=drip()))) as client:
        ending = send(client, "GET", URL, authorization=bearer("t"), deadline=Deadline(13, ticking()))

    assert ending == Ambiguous("the answer took too long")


def test_headers_that_drip_end_at_the_deadline_too() -> None:
    """
    Every read below the client ends with the call, even within one header line.
    """

    with listening(drip) as url, make_client(1) as client:
        ending = send(client, "GET", url, authorization=bearer("t"), deadline=Deadline(13, ticking()))

    assert ending == Ambiguous("no answer in time")


class Network(httpcore.NetworkBackend):
    """A network in which one address answers and the others swallow everything, on a clock of its own."""

    def __init__(self, answers_at: str | None = None) -> None:
        self.now = 0.0
        self.answers_at = answers_at
        self.tried: list[str] = []

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        self.tried.append(host)
        if host == self.answers_at:
            return httpcore.MockStream([b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"])
        self.now += timeout or 60
        raise httpcore.ConnectTimeout


@pytest.fixture
def four_addresses(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every name has four addresses."""
    addresses = [f"192.0.2.{number}" for number in range(1, 5)]

    def found(host: str, port: int, *_: Any, **__: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", found)
    return addresses


def test_addresses_that_swallow_everything_end_at_the_deadline(four_addresses: list[str]) -> None:
    """
    However many a host has: each gets its share of the time that is left.
    """
    network = Network()
    with make_client(1, network) as client:
        ending = send(client, "GET", URL, authorization=bearer("t"), deadline=Deadline(13, lambda: network.now))

    assert isinstance(ending, NotSent)
    assert network.tried == four_addresses
    assert network.now == pytest.approx(13)


def test_an_address_that_answers_is_reached_behind_those_that_do_not(four_addresses: list[str]) -> None:
    """
    A host that is half down is up.
    """
    network = Network(answers_at=four_addresses[-1])
    url = URL.replace("https:", "http:")
    with make_client(1, network) as client:
        answer = send(client, "GET", url, authorization=bearer("t"), deadline=Deadline(13, lambda: network.now))

    assert isinstance(answer, Answer)
    assert answer.json == {}


def test_a_name_that_nobody_knows_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Nor is one that cannot be a name.
    """
    for error in (socket.gaierror("ann.example"), UnicodeError("label too long")):
        monkeypatch.setattr(
            socket, "getaddrinfo", lambda *_, error=error, **__: raising(error)(httpx.Request("GET", URL))
        )
        with make_client(1) as client:
            ending = send(client, "GET", URL, authorization=bearer("t"), deadline=Deadline(13))

        assert ending == NotSent("no connection (name, network or certificate)")


def test_a_reset_before_the_answer_is_ambiguous() -> None:
    """
    The request was read, so the provider may have acted.
    """

    def hang_up(connection: socket.socket) -> None:
        connection.recv(65536)

    with listening(hang_up) as url, make_client(1) as client:
        ending = send(client, "GET", url, authorization=bearer("t"), deadline=Deadline(13))

    assert ending == Ambiguous("the connection broke (RemoteProtocolError)")


def test_a_body_that_is_cut_is_ambiguous() -> None:
    """
    A promised length that does not come is no answer.
    """

    def cut(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(b'HTTP/1.1 201 Created\r\ncontent-length: 100\r\n\r\n{"id": "7"')

    with listening(cut) as url, make_client(1) as client:
        ending = send(client, "GET", url, authorization=bearer("t"), deadline=Deadline(13))

    assert isinstance(ending, Ambiguous)


def test_nobody_listening_is_not_sent() -> None:
    """
    A refused connection is retried without a doubt.
    """
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with make_client(1) as client:
        ending = send(client, "GET", f"http://127.0.0.1:{port}/", authorization=bearer("t"), deadline=Deadline(13))

    assert isinstance(ending, NotSent)


def test_a_failed_handshake_is_not_sent() -> None:
    """
    Whoever cannot show a certificate gets no token.
    """
    got: list[bytes] = []

    def talk(connection: socket.socket) -> None:
        got.append(connection.recv(65536))
        connection.sendall(b"this is no handshake\r\n\r\n")

    with listening(talk) as url, make_client(1) as client:
        ending = send(
            client, "GET", url.replace("http:", "https:"), authorization=bearer("t0ken"), deadline=Deadline(13)
        )

    assert isinstance(ending, NotSent)
    assert b"t0ken" not in got[0]


def test_a_long_body_is_left_unread() -> None:
    """
    The status still counts; the text of an error page does not.
    """
    answer = ask(lambda _: httpx.Response(502, content=b"x" * (LARGEST_BODY + 1)))

    assert isinstance(answer, Answer)
    assert (answer.status, answer.json) == (502, None)


def test_a_compressed_body_is_left_unread() -> None:
    """
    Plain text was asked for, and what is small on the wire may be huge in memory.
    """

    def packed() -> Iterator[bytes]:
        yield b"\x1f\x8b not really"

    answer = ask(lambda _: httpx.Response(200, content=packed(), headers={"content-encoding": "gzip"}))

    assert isinstance(answer, Answer)
    assert answer.json is None


def test_a_redirect_is_an_answer_and_is_not_followed() -> None:
    """
    The token never leaves for another host.
    """
    asked: list[bytes] = []

    def talk(connection: socket.socket) -> None:
        asked.append(connection.recv(65536))
        connection.sendall(b"HTTP/1.1 307 Go\r\nlocation: http://127.0.0.1:9/\r\ncontent-length: 0\r\n\r\n")

    with listening(talk) as url, make_client(1) as client:
        answer = send(client, "POST", url, authorization=bearer("t"), deadline=Deadline(13), body={})

    assert isinstance(answer, Answer)
    assert answer.status == 307
    assert len(asked) == 1


def test_the_client_keeps_no_cookies_and_asks_for_plain_text() -> None:
    """
    One client serves several organizations.
    """
    requests: list[bytes] = []

    def talk(connection: socket.socket) -> None:
        for _ in range(2):
            requests.append(connection.recv(65536).lower())
            connection.sendall(b"HTTP/1.1 200 OK\r\nset-cookie: session=1\r\ncontent-length: 2\r\n\r\n{}")

    with listening(talk) as url, make_client(1) as client:
        for _ in range(2):
            send(client, "GET", url, authorization=bearer("t"), deadline=Deadline(13))

    assert b"accept-encoding: identity" in requests[0]
    assert b"cookie" not in requests[1]


def test_no_url_reaches_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """
    The client's own log line shows the query, which may hold an address.
    """

    def talk(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")

    caplog.set_level(logging.DEBUG)
    with listening(talk) as url, make_client(1) as client:
        send(client, "GET", f"{url}?query=ann%40example.com", authorization=bearer("t0ken"), deadline=Deadline(13))

    assert "ann" not in caplog.text
    assert "t0ken" not in caplog.text


def test_clients_share_the_certificates(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Reading the certificates is the dear part of a client, so it is done once in a process.
    """
    with make_client(1):
        pass
    monkeypatch.setattr(ssl, "create_default_context", lambda **_: pytest.fail("read the certificates again"))
    with make_client(1):
        pass


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (b'{"a": [1, 2.5, null]}', {"a": [1, 2.5, None]}),
        (b'"text"', "text"),
        (b"", None),
        (b"<html>", None),
        (b'{"a": NaN}', None),
        (b"[Infinity]", None),
        (b"[1e999]", None),
        (b"[" * 200_000, None),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, None),
        (b"1" * 5000, None),
        (b'{"a": "\xff"}', None),
        (b'{"a": 1', None),
    ],
)
def test_json_of_a_stranger_is_read_strictly(raw: bytes, value: object) -> None:
    """
    Whatever comes, it is a value or None, never an exception.
    """
    assert strict_json(raw) == value


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        ("120", NOW + timedelta(seconds=120)),
        (" 7 ", NOW + timedelta(seconds=7)),
        ("1.5", NOW + timedelta(seconds=1.5)),
        ("1000000000", NOW + timedelta(hours=24)),
        ("999999999999999", NOW + timedelta(hours=24)),
        ("Mon, 02 Mar 2026 09:31:00 GMT", NOW + timedelta(minutes=1)),
        ("Monday, 02-Mar-26 09:31:00 GMT", NOW + timedelta(minutes=1)),
        ("Mon, 02 Mar 2026 09:31:00 -0000", NOW + timedelta(minutes=1)),
        ("Fri, 31 Dec 9999 23:59:59 GMT", NOW + timedelta(hours=24)),
        ("Mon, 02 Mar 2026 09:29:00 GMT", None),
        ("0", None),
        ("-5", None),
        ("soon", None),
        ("9" * 400, None),
        ("1e3", None),
        ("", None),
        (None, None),
    ],
)
def test_retry_after_is_seconds_or_a_date(value: str | None, moment: datetime | None) -> None:
    """
    What is past or garbage tells nothing; what is far is a day.
    """
    assert retry_after(value, NOW) == moment


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        (str(EPOCH + 60), NOW + timedelta(minutes=1)),
        (str(EPOCH - 1), None),
        ("1", None),
        (str(EPOCH + 10**9), NOW + timedelta(hours=24)),
        ("2026-03-02T09:31:00Z", NOW + timedelta(minutes=1)),
        ("2026-03-02T10:31:00+01:00", NOW + timedelta(minutes=1)),
        ("2026-03-02T09:31:00", None),
        ("9999-12-31T23:59:59Z", NOW + timedelta(hours=24)),
        ("9999-12-31T23:59:59-14:00", None),
        ("0001-01-01T00:00:00+14:00", None),
        ("tomorrow", None),
        (None, None),
    ],
)
def test_a_reset_is_epoch_seconds_or_a_date_time(value: str | None, moment: datetime | None) -> None:
    """
    A date-time without a zone is a guess, hence nothing.
    """
    assert reset_time(value, NOW) == moment


def test_a_date_time_needs_text_with_a_zone() -> None:
    """
    Values of a provider's body may be anything.
    """
    assert date_time("2026-08-20T10:00:00.123456Z") == datetime(2026, 8, 20, 10, 0, 0, 123456, tzinfo=UTC)
    others: list[object] = [None, 7, [], "", "x", "2026-08-20"]
    assert [date_time(value) for value in others] == [None] * 6


def test_a_url_stays_under_its_base() -> None:
    """
    Segments are quoted whole, and none may climb.
    """
    assert url_of("https://a.test/x/", "org", "a/b?c#d", slash=True) == "https://a.test/x/org/a%2Fb%3Fc%23d/"
    assert url_of("https://a.test", "p", query={"query": "email:a+b@x.io"}) == (
        "https://a.test/p?query=email%3Aa%2Bb%40x.io"
    )
    for segment in ("", ".", ".."):
        with pytest.raises(ValueError, match="segment"):
            url_of("https://a.test", "x", segment)


@pytest.mark.parametrize(
    ("secret", "fits"),
    [("sntryu_0123", True), ("", False), ("two words", False), ("line\n", False), ("ä", False), ("x" * 5000, False)],
)
def test_a_token_fits_into_a_header(secret: str, fits: bool) -> None:
    """
    A secret with a line end must not write headers of its own.
    """
    assert is_token(secret) is fits


def test_a_user_and_a_password_are_told_as_the_standard_says() -> None:
    """
    RFC 7617, in UTF-8: a key never breaks the header.
    """
    assert basic("test", "123\u00a3") == "Basic dGVzdDoxMjPCow=="
    assert basic("line\r\nx: y", "x").isprintable()
