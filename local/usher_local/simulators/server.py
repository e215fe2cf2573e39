"""
What every simulator shares: an HTTP server on loopback, a ledger of requests and mails, faults, and a control API.

Control (JSON): GET /_sim/ledger, /_sim/mails, /_sim/state; POST /_sim/seed, /_sim/faults, /_sim/switches, /_sim/reset.
"""

import fnmatch
import json
import re
import socket
import struct
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, ClassVar, Self
from urllib.parse import parse_qsl, urlsplit

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class Request:
    """One request as a simulator sees it; `json` is None where the body is none."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    json: Any = None
    match: Mapping[str, str] = field(default_factory=dict)

    @property
    def token(self) -> str | None:
        """The bearer token."""
        kind, _, value = self.headers.get("authorization", "").partition(" ")
        return value if kind == "Bearer" else None


@dataclass(frozen=True)
class Answer:
    """What goes back: JSON, or text as it is."""

    status: int
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = "application/json"

    @property
    def payload(self) -> bytes:
        """The bytes of the body."""
        if self.body is None:
            return b""
        return self.body.encode() if self.content_type == "text/html" else json.dumps(self.body).encode()


@dataclass
class Fault:
    """
    What goes wrong with the next requests that match.

    Kinds: `status_before` (no effect, then this status), `status_after` (the effect, then this status), `delay`,
    `reset_before`, `reset_after`, `truncate` and `html` (the effect, then a broken answer), and those that each
    simulator knows: `rate_limit`, `quota`, `concurrency`, `wrong_token`.
    """

    kind: str
    times: int = 1
    status: int = 500
    seconds: float = 0.0
    headers: dict[str, str] = field(default_factory=dict)
    body: Any = None
    match: dict[str, str] = field(default_factory=dict)

    def fits(self, request: Request) -> bool:
        """Say whether a request is meant: by method, path pattern, and an address in path or body."""
        address = self.match.get("address", "").encode().lower()
        return (
            self.times > 0
            and self.match.get("method", request.method) == request.method
            and fnmatch.fnmatchcase(request.path, self.match.get("path", "*"))
            and address in request.body.lower()
        )


@dataclass(frozen=True)
class Mail:
    """One mail that the provider sent."""

    provider: str
    organization: str
    address: str
    kind: str
    at: str
    text: str | None = None


Handler = Callable[[Any, Request], Answer]


class Simulator:
    """
    One provider. Requests are handled one at a time, so that state changes are atomic; delays are outside of that.

    Subclasses name their `routes` (method, path pattern with named groups, handler), their `switches` with defaults,
    and say how to `seed`, `state` and `clear` themselves.
    """

    name: ClassVar[str]
    routes: ClassVar[tuple[tuple[str, str, Handler], ...]]
    defaults: ClassVar[dict[str, Any]] = {}

    def __init__(self, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.clock = clock
        self.lock = threading.RLock()
        self.ledger: list[dict[str, Any]] = []
        self.mails: list[Mail] = []
        self.faults: list[Fault] = []
        self.switches = dict(self.defaults)
        self._server: ThreadingHTTPServer | None = None
        self._thread: threading.Thread | None = None

    # --- to be said by each simulator ---

    def seed(self, data: dict[str, Any]) -> None:
        """Take people and settings into the state."""
        raise NotImplementedError(self.name)  # Every simulator has a seed.

    def state(self) -> Any:
        """Give the state as JSON."""
        raise NotImplementedError(self.name)  # Every simulator has a state.

    def clear(self) -> None:
        """Go back to the state of a new simulator."""
        raise NotImplementedError(self.name)  # Every simulator can be reset.

    def knows(self, request: Request) -> bool:
        """Say whether the caller's secret is right."""
        raise NotImplementedError(self.name)  # Every simulator checks a secret.

    def faulty(self, fault: Fault) -> Answer:
        """Answer a fault of the provider's own kinds."""
        return Answer(fault.status, fault.body, fault.headers)

    def headers(self, request: Request) -> Mapping[str, str]:
        """Give the headers of every answer."""
        del request
        return {}

    # --- life ---

    def start(self, port: int = 0) -> int:
        """Listen on loopback; gives the port."""
        simulator = self

        class Bound(_Connection):
            sim = simulator

        self._server = _Server((LOOPBACK, port), Bound)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()
        return int(self._server.server_address[1])

    def stop(self) -> None:
        """Listen no longer."""
        if self._server is not None and self._thread is not None:
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()
            self._server = self._thread = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """Where it listens."""
        assert self._server is not None, "the simulator is not started"  # noqa: S101 - a fault of the caller.
        return f"http://{LOOPBACK}:{self._server.server_address[1]}"

    # --- requests ---

    def answer(self, request: Request) -> Answer:
        """Handle one request: note it, find its route, do its work."""
        with self.lock:
            self.ledger.append(
                {
                    "method": request.method,
                    "path": request.path,
                    "query": dict(request.query),
                    "body": request.json,
                    "authorized": self.knows(request),
                    "at": self.clock().isoformat(),
                }
            )
            found = False
            for method, pattern, handler in self.routes:
                match = re.fullmatch(pattern, request.path)
                if match is None:
                    continue
                found = True
                if method == request.method:
                    return handler(self, _matched(request, match.groupdict()))
            return self.unknown(405 if found else 404)

    def unknown(self, status: int) -> Answer:
        """Answer a path or method that the provider does not have."""
        return Answer(status, {"detail": "not found" if status == 404 else "method not allowed"})

    def mail(self, organization: str, address: str, kind: str, text: str | None = None) -> None:
        """Send a mail."""
        self.mails.append(Mail(self.name, organization, address.lower(), kind, self.clock().isoformat(), text))

    def take_fault(self, request: Request) -> Fault | None:
        """Find the fault that this request meets, and use it up."""
        with self.lock:
            for fault in self.faults:
                if fault.fits(request):
                    fault.times -= 1
                    return fault
        return None

    def control(self, request: Request) -> Answer:
        """Handle a request of the control API."""
        with self.lock:
            match request.method, request.path.removeprefix("/_sim/"):
                case "GET", "ledger":
                    return Answer(200, self.ledger)
                case "GET", "mails":
                    return Answer(200, [asdict(mail) for mail in self.mails])
                case "GET", "state":
                    return Answer(200, self.state())
                case "POST", "seed":
                    self.seed(request.json)
                case "POST", "faults":
                    known = {item.name for item in fields(Fault)}
                    self.faults += [Fault(**{k: v for k, v in rule.items() if k in known}) for rule in request.json]
                case "POST", "switches":
                    unknown = request.json.keys() - self.defaults.keys()
                    if unknown:
                        return Answer(400, {"unknown switches": sorted(unknown)})
                    self.switches |= request.json
                case "POST", "reset":
                    self.ledger.clear()
                    self.mails.clear()
                    self.faults.clear()
                    self.switches = dict(self.defaults)
                    self.clear()
                case _:
                    return Answer(404, {"detail": "no such control"})
            return Answer(200, {"done": True})


def _matched(request: Request, groups: Mapping[str, str]) -> Request:
    return Request(
        request.method, request.path, request.query, request.headers, request.body, request.json, dict(groups)
    )


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


class _Connection(BaseHTTPRequestHandler):
    sim: ClassVar[Simulator]
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 30

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except ConnectionError:
            self.close_connection = True

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def do_PUT(self) -> None:
        self._serve()

    def do_DELETE(self) -> None:
        self._serve()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the base class's.
        """Say nothing: paths and bodies name people."""

    def _serve(self) -> None:
        request = self._request()
        if request.path.startswith("/_sim/"):
            self._write(self.sim.control(request))
            return
        fault = self.sim.take_fault(request)
        if fault is None:
            self._write(self._with_headers(request, self.sim.answer(request)))
            return
        if fault.kind == "delay":
            time.sleep(fault.seconds)  # A slow provider is what the fault asks for.
            self._write(self._with_headers(request, self.sim.answer(request)))
            return
        if fault.kind == "reset_before":
            self._reset()
        elif fault.kind in ("status_after", "reset_after", "truncate", "html"):
            self._after(fault, self._with_headers(request, self.sim.answer(request)))
        elif fault.kind == "status_before":
            self._write(Answer(fault.status, fault.body, fault.headers))
        else:
            self._write(self._with_headers(request, self.sim.faulty(fault)))

    def _after(self, fault: Fault, answer: Answer) -> None:
        if fault.kind == "reset_after":
            self._reset()
        elif fault.kind == "status_after":
            self._write(Answer(fault.status, fault.body, fault.headers))
        elif fault.kind == "html":
            self._write(Answer(answer.status, "<html>a proxy's page</html>", content_type="text/html"))
        else:
            self._write(answer, cut=True)

    def _request(self) -> Request:
        parts = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        try:
            parsed = json.loads(body) if body else None
        except ValueError:
            parsed = None
        headers = {name.lower(): value for name, value in self.headers.items()}
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        return Request(self.command, parts.path, query, headers, body, parsed)

    def _with_headers(self, request: Request, answer: Answer) -> Answer:
        return Answer(answer.status, answer.body, {**self.sim.headers(request), **answer.headers}, answer.content_type)

    def _write(self, answer: Answer, *, cut: bool = False) -> None:
        payload = answer.payload
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if payload:
            self.send_header("content-type", answer.content_type)
        if answer.status != 204:
            self.send_header("content-length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload[: len(payload) // 2] if cut else payload)
        self.close_connection = self.close_connection or cut

    def _reset(self) -> None:
        """Cut the connection as a dying host does: the other side sees a reset, not an end."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()
