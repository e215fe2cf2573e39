"""A server on loopback that says whatever a test tells it to, byte by byte."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import count


@contextmanager
def listening(talk: Callable[[socket.socket], None], connections: int = 1) -> Iterator[str]:
    """Let `talk` answer so many connections; gives the URL."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        for _ in range(connections):
            connection, _ = server.accept()
            with connection, suppress(OSError):  # The client has hung up, as it should.
                talk(connection)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.getsockname()[1]}/"
    finally:
        thread.join()
        server.close()


def drip(connection: socket.socket) -> None:
    """Answer with a header line that never ends."""
    connection.recv(65536)
    connection.sendall(b"HTTP/1.1 200 OK\r\nx-slow: ")
    while True:
        connection.sendall(b"x")


def ticking() -> Callable[[], float]:
    """Give a clock on which every look costs a second."""
    ticks = count()
    return lambda: float(next(ticks))
