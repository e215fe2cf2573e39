"""
What providers and sources share about HTTP: one request with one deadline, and an answer read with suspicion.

Nothing here knows whom it asks. A call ends in an `Answer`, in `NotSent` (certainly not one byte of the request left)
or in `Ambiguous` (nobody knows). Reasons are our own words: whatever a stranger writes may hold addresses or secrets.
"""

import json
import logging
import math
import re
import socket
import ssl
import time
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import cache
from http.cookiejar import DefaultCookiePolicy
from typing import Any
from urllib.parse import quote, urlencode

import httpcore
import httpx

from usher.domain.outcomes import Ambiguous, NotSent

LARGEST_BODY = 1024 * 1024
LONGEST_CONNECT = 5.0
"""Seconds for one address of a host; of several, none gets more than its share of what is left."""

KEPT_ALIVE = 60.0
LONGEST_WAIT = timedelta(hours=24)
"""A stranger's word on when to come back is followed for a day at most."""

_TOKEN = re.compile(r"[\x21-\x7e]{1,4096}")
_NUMBER = re.compile(r"\d{1,15}(\.\d{1,9})?")


class Deadline:
    """When a call must be over, all its requests together; counted on a clock that never runs backwards."""

    def __init__(self, seconds: float, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._end = monotonic() + seconds

    @property
    def left(self) -> float:
        """The seconds left; zero or less when it is over."""
        return self._end - self._monotonic()


@dataclass(frozen=True, slots=True)
class Answer:
    """
    What came back.

    `json` is None where the body is empty, no JSON, compressed although nobody asked for it, or longer than
    `LARGEST_BODY`.
    """

    status: int
    headers: Mapping[str, str]
    json: Any = field(default=None, repr=False)

    def header(self, name: str) -> str | None:
        """Give a header's value, whatever the case of its name."""
        return self.headers.get(name.lower())


def send(
    client: httpx.Client,
    method: str,
    url: str,
    *,
    authorization: str,
    deadline: Deadline,
    body: object = None,
    form: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    read: Callable[[bytes], Any] | None = None,
) -> Answer | NotSent | Ambiguous:
    """
    Make one request with an optional JSON or form body; never a second one, never a redirect.

    Never raises for what the network or the other side does. `authorization` is `bearer` or `basic`, or empty where
    the form carries the secret; `headers` are further ones; `read` makes the answer's `json` of its bytes,
    `strict_json` if nothing else is asked for, and must not raise either.
    """
    left = deadline.left
    if left <= 0:
        return NotSent("no time was left for the request")
    sent = dict(headers or {})
    if authorization:
        sent["authorization"] = authorization
    content = None
    if body is not None:
        sent["content-type"] = "application/json"
        content = json.dumps(body, allow_nan=False).encode()
    elif form is not None:
        sent["content-type"] = "application/x-www-form-urlencoded"
        content = urlencode(form).encode()
    timeout = httpx.Timeout(left, connect=min(left, LONGEST_CONNECT))
    mark = _deadline.set(deadline)
    try:
        with client.stream(method, url, headers=sent, content=content, timeout=timeout) as response:
            raw = _body(response, deadline)
            if raw is None:
                return Ambiguous("the answer took too long")
            return Answer(response.status_code, _plain(response.headers), (read or strict_json)(raw))
    except httpx.PoolTimeout:
        return NotSent("no connection was free in time")
    except (httpx.ConnectError, httpx.ConnectTimeout):
        return NotSent("no connection (name, network or certificate)")
    except httpx.TimeoutException:
        return Ambiguous("no answer in time")
    except (httpx.HTTPError, httpx.StreamError, httpx.InvalidURL) as error:
        return Ambiguous(f"the connection broke ({type(error).__name__})")
    finally:
        _deadline.reset(mark)


def make_client(concurrency: int, network: httpcore.NetworkBackend | None = None) -> httpx.Client:
    """
    Make a client for so many requests side by side, over the machine's network or the one that is given.

    It keeps no cookies, follows no redirect, retries nothing and reads no setting from the environment.
    """
    for name in ("httpx", "httpcore"):
        # Their lines show whole URLs, and ours may carry an address in the query.
        logging.getLogger(name).setLevel(logging.WARNING)
    client = httpx.Client(
        transport=_Transport(concurrency, network or httpcore.SyncBackend()),
        headers={"accept": "application/json", "accept-encoding": "identity", "user-agent": "usher"},
        follow_redirects=False,
        trust_env=False,
    )
    # One client serves several organizations: a cookie of one must never reach another.
    client.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    return client


def is_token(secret: str) -> bool:
    """Say whether a secret can stand in a header: printable ASCII without white space."""
    return _TOKEN.fullmatch(secret) is not None


def bearer(token: str) -> str:
    """Give the authorization by a token, which must have passed `is_token`."""
    return f"Bearer {token}"


def basic(user: str, password: str) -> str:
    """Give the authorization by name and password, whatever they hold."""
    return f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}"


def url_of(base: str, *segments: str, slash: bool = False, query: Mapping[str, str] | None = None) -> str:
    """
    Build a URL under a connection's base; every segment is quoted whole, `slash` ends the path with one.

    Raises ValueError for a segment that would leave the base: empty or made of dots.
    """
    if any(not segment.strip(".") for segment in segments):
        raise ValueError("a path segment is empty or made of dots")
    # A colon is plain in a path, and ids that hold one are seen with it everywhere.
    path = "/".join(quote(segment, safe=":") for segment in segments)
    url = f"{base.rstrip('/')}/{path}{'/' if slash else ''}"
    return f"{url}?{urlencode(query)}" if query else url


def strict_json(raw: bytes) -> Any:
    """Read JSON from a stranger; None where it is none, not UTF-8, too deep, or has numbers that JSON does not know."""
    try:
        return json.loads(raw.decode(), parse_constant=_no_number, parse_float=_finite)
    except (ValueError, RecursionError):
        return None


def retry_after(value: str | None, now: datetime) -> datetime | None:
    """Read a Retry-After header: seconds or an HTTP date. None for garbage and for what is not in the future."""
    if value is None:
        return None
    value = value.strip()
    if _NUMBER.fullmatch(value):
        return _ahead(now.timestamp() + float(value), now)
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    # A date without a zone ("-0000") is in UTC by the header's definition.
    return _ahead((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp(), now)


def reset_time(value: str | None, now: datetime) -> datetime | None:
    """Read a reset header: epoch seconds or an ISO date-time. None for garbage and for what is not in the future."""
    if value is None:
        return None
    value = value.strip()
    if _NUMBER.fullmatch(value):
        return _ahead(float(value), now)
    moment = date_time(value)
    return _ahead(moment.timestamp(), now) if moment else None


def date_time(value: object) -> datetime | None:
    """Read an ISO date-time with a zone; None for anything else."""
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
        return moment.astimezone(UTC) if moment.tzinfo else None
    except (ValueError, OverflowError):
        return None


def _ahead(epoch: float, now: datetime) -> datetime | None:
    seconds = epoch - now.timestamp()
    return now + timedelta(seconds=min(seconds, LONGEST_WAIT.total_seconds())) if seconds > 0 else None


def _body(response: httpx.Response, deadline: Deadline) -> bytes | None:
    """Give the body, nothing of one that is too long or compressed, or None where the deadline came first."""
    if response.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
        return b""  # We asked for plain text; a few compressed bytes can unfold to gigabytes.
    chunks: list[bytes] = []
    size = 0
    for chunk in response.iter_bytes():
        size += len(chunk)
        if size > LARGEST_BODY:
            return b""
        if deadline.left <= 0:
            return None
        chunks.append(chunk)
    return b"".join(chunks)


def _plain(headers: httpx.Headers) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def _no_number(_: str) -> None:
    raise ValueError("not a JSON number")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("not a finite number")
    return number


# --- sockets that keep the deadline ---

_deadline: ContextVar[Deadline | None] = ContextVar("deadline", default=None)
"""The deadline of the request that this thread is making; sockets below the client see no request."""


@cache
def _ssl_context() -> ssl.SSLContext:
    # Reading the certificates costs more than any request, so all clients share one context.
    return httpx.create_ssl_context(trust_env=False)


class _Transport(httpx.HTTPTransport):
    """httpx's own transport, over sockets whose every read and write ends with the call's deadline."""

    def __init__(self, concurrency: int, network: httpcore.NetworkBackend) -> None:
        super().__init__(verify=_ssl_context(), trust_env=False)
        self._pool = httpcore.ConnectionPool(
            ssl_context=_ssl_context(),
            max_connections=concurrency,
            max_keepalive_connections=concurrency,
            keepalive_expiry=KEPT_ALIVE,
            retries=0,
            network_backend=_Network(network),
        )


class _Network(httpcore.NetworkBackend):
    """
    Connects, and hands out punctual streams.

    The client's timeouts are for single steps: whoever sends header lines byte by byte outlasts them all, and so does a
    host with many addresses that swallow everything. Only the name's own look-up is the system's to end.
    """

    def __init__(self, inner: httpcore.NetworkBackend) -> None:
        self._inner = inner

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        failure: Exception = httpcore.ConnectError("the name has no address")
        addresses = _addresses(host, port)
        for number, address in enumerate(addresses):
            share = _within(timeout, httpcore.ConnectTimeout, among=len(addresses) - number)
            try:
                return _Stream(self._inner.connect_tcp(address, port, share, local_address, socket_options))
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure


class _Stream(httpcore.NetworkStream):
    """A stream whose operations end with the deadline of the call that makes them."""

    def __init__(self, inner: httpcore.NetworkStream) -> None:
        self._inner = inner

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, _within(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, _within(timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        timeout = _within(timeout, httpcore.ConnectTimeout)
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, timeout))

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


def _addresses(host: str, port: int) -> list[str]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise httpcore.ConnectError("the name was not found") from error
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def _within(timeout: float | None, over: type[httpcore.TimeoutException], among: int = 1) -> float | None:
    """Give a step its time: what is left of the call, shared among the steps that are tried one after the other."""
    deadline = _deadline.get()
    if deadline is None:
        return timeout
    left = deadline.left
    if left <= 0:
        raise over
    return left / among if timeout is None else min(timeout, left / among)
