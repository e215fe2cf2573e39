"""What can go wrong on the way to a provider, and where in a conversation a process can be killed."""

import threading
from collections.abc import Sequence
from random import Random
from typing import Any

from tests.processes.proxy import Direction, Fault

LATEST = 1.7
"""Seconds that a request is held on its way: what stage.toml says the provider's tail may be."""

BREAKS = (
    Fault("reset before the request", Direction.UP),
    Fault("reset in the request", Direction.UP, after=90),
    Fault("reset after the request", Direction.DOWN),
    Fault("reset in the answer's head", Direction.DOWN, after=40),
    Fault("reset in the answer's body", Direction.DOWN, after=260),
    Fault("request arrives late", Direction.UP, hold=LATEST),
    Fault("answer arrives late", Direction.DOWN, hold=LATEST),
    Fault("answer dawdles", Direction.DOWN, after=100, hold=0.3),
)
ANSWERS: tuple[dict[str, Any], ...] = (
    {"kind": "status_after", "status": 500},
    {"kind": "status_after", "status": 502},
    {"kind": "status_before", "status": 503},
    {"kind": "reset_after"},
    {"kind": "reset_before"},
    {"kind": "truncate"},
    {"kind": "html"},
    {"kind": "rate_limit", "seconds": 2},
)
SILENCE = Fault("no answer from AWS", Direction.UP, hold=6.0)
"""Longer than the AWS client waits; met by every try, it outlasts the function's time limit."""


class Deck[T]:
    """Gives each of some things equally often, in a drawn order."""

    def __init__(self, things: Sequence[T], random: Random) -> None:
        self._things = tuple(things)
        self._random = random
        self._left: list[T] = []

    def draw(self) -> T:
        """Give the next one."""
        if not self._left:
            self._left = self._random.sample(self._things, len(self._things))
        return self._left.pop()


class Draw:
    """
    Decides about the requests of one proxy.

    A point that is armed comes first, then what meets every request; else each breaks with the probability `share`.
    """

    def __init__(self, random: Random, share: float = 0) -> None:
        self.share = share
        self.always: Fault | None = None
        self._random = random
        self._breaks = Deck(BREAKS, random)
        self._armed: tuple[int, Fault] | None = None
        self._guard = threading.Lock()

    def __call__(self) -> Fault | None:
        """Give the fault of the next request."""
        with self._guard:
            if self._armed is not None:
                left, fault = self._armed
                self._armed = (left - 1, fault) if left else None
                if not left:
                    return fault
            if self.always is not None:
                return self.always
            return self._breaks.draw() if self._random.random() < self.share else None

    def arm(self, request: int, fault: Fault) -> None:
        """Let this happen to the request that comes after so many others."""
        with self._guard:
            self._armed = (request, fault)

    def disarm(self) -> None:
        """Take back what was armed and not met."""
        with self._guard:
            self._armed = None

    def end(self) -> None:
        """Let every request through from now on."""
        self.disarm()
        self.always, self.share = None, 0
