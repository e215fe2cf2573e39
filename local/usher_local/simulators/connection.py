"""The sockets of a simulator: HTTP/1.1 with keep-alive on loopback, and the ways in which a connection can break."""

import json
import socket
import struct
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar, Protocol
from urllib.parse import parse_qsl, urlsplit

from usher_local.simulators.exchange import Answer, Request

LOOPBACK = "127.0.0.1"


class Delivery(Protocol):
    """An answer, and how much of it reaches the client."""

    answer: Answer
    is_reset: bool
    is_cut: bool


class Responder(Protocol):
    """Whatever gives the answers."""

    def respond(self, request: Request) -> Delivery:
        """Answer one request."""


class Listener(ThreadingHTTPServer):
    """Listens on loopback; `close` ends the open connections too, and their threads."""

    daemon_threads = False
    request_queue_size = 128

    def __init__(self, port: int, responder: Responder) -> None:
        self._open: set[socket.socket] = set()
        self._guard = threading.Lock()
        super().__init__((LOOPBACK, port), type("Bound", (_Connection,), {"responder": responder}))
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.server_address[1])

    def close(self) -> None:
        """Listen no longer, and wait until every thread has ended."""
        self.shutdown()
        self._thread.join()
        with self._guard:
            for connection in self._open:
                _shut(connection)
        self.server_close()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Remember the connection, so that it can be ended."""
        with self._guard:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Forget the connection."""
        with self._guard:
            self._open.discard(request)
        super().shutdown_request(request)


def _shut(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # The other side was faster.


class _Connection(BaseHTTPRequestHandler):
    responder: ClassVar[Responder]
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # One packet per answer where it fits: headers and body leave together.

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

    def do_PATCH(self) -> None:
        self._serve()

    def do_DELETE(self) -> None:
        self._serve()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the base class's.
        """Say nothing: paths and bodies name people."""

    def _serve(self) -> None:
        if "chunked" in self.headers.get("transfer-encoding", "").lower():
            self.close_connection = True  # The body cannot be told from the next request.
            self._write(Answer(411, {"detail": "a simulator wants a content-length"}), is_cut=False)
            return
        delivery = self.responder.respond(self._request())
        if delivery.is_reset:
            self._reset()
        else:
            self._write(delivery.answer, is_cut=delivery.is_cut)

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

    def _write(self, answer: Answer, *, is_cut: bool) -> None:
        payload = answer.payload
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if payload:
            self.send_header("content-type", answer.content_type)
        if answer.status != 204:
            self.send_header("content-length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload[: len(payload) // 2] if is_cut else payload)
        self.close_connection = self.close_connection or is_cut

    def _reset(self) -> None:
        """Cut the connection as a dying host does: the other side sees a reset, not an end."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        # The server's own way of closing would first say a polite end; and the reader holds the descriptor.
        self.rfile.close()
        self.connection.close()
