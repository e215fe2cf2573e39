"""
Virtual time, and processes that really interleave in it.

Each process runs in a thread of its own, and exactly one thread runs at a time: `pause` hands over to whatever comes
first in virtual time. The order depends on the seed alone, never on the machine.
"""

import heapq
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count

from tests.fakes.ledger import ProcessDied

START = datetime(2026, 9, 8, 12, 0, tzinfo=UTC)

Action = Callable[[], None]


class _Thread:
    """A thread that runs one action after another, whenever it is given the baton."""

    def __init__(self) -> None:
        self.go = threading.Lock()
        self.go.acquire()
        self.action: Action | None = None
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while True:
            self.go.acquire()
            assert self.action is not None
            self.action()


_IDLE: list[_Thread] = []
"""Threads outlive a schedule; to start one costs as much as a hundred steps."""


@dataclass(eq=False)
class Process:
    """One invocation: its clock is off by `skew` seconds, and the platform ends it at `ends_at`."""

    number: int
    time: "Time"
    skew: float
    ends_at: float
    overrun: float
    _thread: _Thread | None = None
    is_running: bool = True

    def now(self) -> datetime:
        """Give this process's wall clock."""
        return START + timedelta(seconds=self.time.now + self.skew)

    def monotonic(self) -> float:
        """Give seconds for durations."""
        return self.time.now

    def seconds(self) -> float:
        """Give the seconds until the platform ends the process, as the platform tells them."""
        return self.ends_at - self.time.now


@dataclass(eq=False)
class Time:
    """The heap of what comes when, in seconds since START."""

    now: float = 0.0
    current: Process | None = None
    faults: list[BaseException] = field(default_factory=list)
    """What ended a process and should not have: a fault of the simulator, or one that escaped a handler."""
    deaths: list[tuple[float, int]] = field(default_factory=list)
    """When which process died."""
    _heap: list[tuple[float, int, Action | Process]] = field(default_factory=list)
    _numbers: "count[int]" = field(default_factory=count)
    _back: threading.Lock = field(default_factory=threading.Lock)
    _abandoned: bool = False

    def __post_init__(self) -> None:
        self._back.acquire()

    def at(self, moment: float, action: Action) -> None:
        """Do something at a moment; it may start processes and must not pause."""
        heapq.heappush(self._heap, (max(moment, self.now), next(self._numbers), action))

    def start(self, process: Process, action: Action) -> None:
        """Run a process from now on, as soon as whoever runs now pauses or ends."""
        thread = _IDLE.pop() if _IDLE else _Thread()
        process._thread = thread

        def run() -> None:
            try:
                if not self._abandoned:
                    action()
            except ProcessDied:
                if not self._abandoned:
                    self.deaths.append((self.now, process.number))
            except BaseException as fault:  # noqa: BLE001 - handed to whoever runs the simulation.
                self.faults.append(fault)
            process.is_running = False
            _IDLE.append(thread)
            self._back.release()

        thread.action = run
        heapq.heappush(self._heap, (self.now, next(self._numbers), process))

    def pause(self, seconds: float) -> None:
        """Let the current process wait; raises ProcessDied where the platform ends it meanwhile."""
        process = self.current
        assert process is not None
        dies_at = process.ends_at + process.overrun
        until = min(self.now + seconds, dies_at)
        if self._heap and self._heap[0][0] <= until:
            assert process._thread is not None
            heapq.heappush(self._heap, (until, next(self._numbers), process))
            self._back.release()
            process._thread.go.acquire()
        else:
            self.now = until
        if self._abandoned or until >= dies_at:
            raise ProcessDied

    @property
    def is_empty(self) -> bool:
        """Say whether nothing is to come."""
        return not self._heap

    def run(self, until: float) -> None:
        """Let everything happen that comes before a moment."""
        while self._heap and self._heap[0][0] <= until and not self.faults:
            self._next()
        if not self.faults:
            self.now = max(self.now, until)

    def abandon(self) -> None:
        """End every process that still waits, so that its thread can serve another simulation."""
        self._abandoned = True
        while self._heap:
            self._next()

    def _next(self) -> None:
        moment, _, what = heapq.heappop(self._heap)
        self.now = max(self.now, moment)
        if not isinstance(what, Process):
            if not self._abandoned:
                what()
            return
        self.current = what
        assert what._thread is not None
        what._thread.go.release()
        self._back.acquire()
        self.current = None
