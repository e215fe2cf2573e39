"""
A TCP proxy that breaks connections where it is told to: by direction and byte count, nothing else.

It knows no HTTP. What goes up after an answer begins the next request; that is all it has to know of a protocol in
which one side speaks at a time.
"""

import asyncio
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from types import TracebackType
from typing import Any, Self

LOOPBACK = "127.0.0.1"
CHUNK = 65536


class Direction(StrEnum):
    """Which way bytes go."""

    UP = "up"
    DOWN = "down"


@dataclass(frozen=True, slots=True)
class Fault:
    """
    What happens to one request when `after` bytes in `direction` have passed and the next one comes.

    `strike` is called first. Then both sides see a reset, or, with `hold`, that direction waits for so many seconds
    and goes on, whether or not anybody still listens; with `goes_on` nothing else happens.
    """

    name: str
    direction: Direction
    after: int = 0
    hold: float | None = None
    strike: Callable[[], None] | None = None
    goes_on: bool = False


@dataclass(slots=True)
class _Exchange:
    """One request and its answer on one connection."""

    fault: Fault | None = None
    passed: Counter[Direction] = field(default_factory=Counter)
    is_answered: bool = True


class FaultProxy:
    """One port in front of another; `draw` gives the fault of each request, or None."""

    def __init__(self, network: "Network", target: int, draw: Callable[[], Fault | None]) -> None:
        self._network = network
        self._target = target
        self._draw = draw
        self._listener: socket.socket | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self.port = 0
        self.struck: Counter[str] = Counter()

    def refuse(self, seconds: float) -> None:
        """Be away for so long: connections break, and new ones are refused."""
        self._network.soon(self._refuse(seconds))

    async def listen(self) -> None:
        """Listen, on the same port as before if there was one."""
        # Not asyncio's server: closed in the moment of an accept, it loses the connection without closing it.
        self._listener = socket.create_server((LOOPBACK, self.port), backlog=128)
        self._listener.setblocking(False)
        self.port = self._listener.getsockname()[1]
        asyncio.get_running_loop().add_reader(self._listener, self._accept, self._listener)

    async def close(self) -> None:
        """Listen no longer, and break what is open."""
        if self._listener is not None:
            asyncio.get_running_loop().remove_reader(self._listener)
            self._listener.close()
            self._listener = None
        for writer in self._open:
            _reset(writer)

    def _accept(self, listener: socket.socket) -> None:
        with suppress(BlockingIOError, ConnectionError):
            connection, _ = listener.accept()
            self._network.start(self._serve(connection))

    async def _refuse(self, seconds: float) -> None:
        if self._listener is None:
            return
        self.struck["refused"] += 1
        await self.close()
        await asyncio.sleep(seconds)
        until = time.monotonic() + 10
        while self._listener is None:
            try:
                await self.listen()
            except OSError:  # A connection of somebody else has got our port meanwhile; it will not keep it.
                if time.monotonic() > until:
                    raise
                await asyncio.sleep(0.1)

    async def _serve(self, connection: socket.socket) -> None:
        reader, writer = await asyncio.open_connection(sock=connection)
        self._open.add(writer)
        back: asyncio.StreamWriter | None = None
        try:
            there, back = await asyncio.open_connection(LOOPBACK, self._target)
            exchange = _Exchange()
            # A side that is told too late must not stop the other: a request that was held still arrives.
            await asyncio.gather(
                self._pump(reader, back, Direction.UP, exchange, writer),
                self._pump(there, writer, Direction.DOWN, exchange, back),
            )
        except ConnectionError:
            _reset(writer)
        finally:
            self._open.discard(writer)
            for end in (writer, back):
                if end is not None:
                    end.close()

    async def _pump(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        direction: Direction,
        exchange: _Exchange,
        other: asyncio.StreamWriter,
    ) -> None:
        with suppress(ConnectionError):
            while chunk := await reader.read(CHUNK):
                if direction is Direction.DOWN:
                    exchange.is_answered = True
                elif exchange.is_answered:
                    exchange.fault, exchange.is_answered = self._draw(), False
                    exchange.passed.clear()
                if await self._broke(chunk, writer, direction, exchange):
                    _reset(writer)
                    _reset(other)
                    return
        writer.close()

    async def _broke(
        self, chunk: bytes, writer: asyncio.StreamWriter, direction: Direction, exchange: _Exchange
    ) -> bool:
        """Pass a chunk on; True where the connection is to break in the middle of it."""
        fault, passed = exchange.fault, exchange.passed[direction]
        exchange.passed[direction] += len(chunk)
        if fault is not None and fault.direction is direction and passed + len(chunk) > fault.after:
            exchange.fault = None
            self.struck[fault.name] += 1
            writer.write(chunk[: fault.after - passed])
            chunk = chunk[fault.after - passed :]
            await writer.drain()
            if fault.strike is not None:
                fault.strike()
            if fault.hold is not None:
                await asyncio.sleep(fault.hold)
            elif not fault.goes_on:
                return True
        writer.write(chunk)
        await writer.drain()
        return False


class Network:
    """All proxies of a test, on one event loop in one thread."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxies")
        self._proxies: list[FaultProxy] = []
        self._tasks: set[asyncio.Task[Any]] = set()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._wait(self._end())
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    def proxy(self, target: int, draw: Callable[[], Fault | None]) -> FaultProxy:
        """Put a proxy in front of a port of this machine."""
        proxy = FaultProxy(self, target, draw)
        self._wait(proxy.listen())
        self._proxies.append(proxy)
        return proxy

    def soon(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something on the loop, and do not wait for it; for other threads."""
        self._loop.call_soon_threadsafe(self.start, work)

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something on the loop, until the network ends at the latest."""
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _wait(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=20)

    async def _end(self) -> None:
        for proxy in self._proxies:
            await proxy.close()
        await asyncio.sleep(0)  # A connection that was only just accepted is taken over, or nobody would close it.
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0.05)  # Transports close in the turns after.


def _reset(writer: asyncio.StreamWriter) -> None:
    """Cut a connection as a dying host does: the other side sees a reset, not an end."""
    connection = writer.get_extra_info("socket")
    if connection is not None and connection.fileno() >= 0:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
