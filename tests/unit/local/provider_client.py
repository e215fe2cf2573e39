"""A simulator and a plain client of it, as a test of the simulators uses them: over HTTP, knowing no adapter."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

NOW = datetime(2026, 9, 8, 12, 0, tzinfo=UTC)


class Asked:
    """One running simulator, its clock, and whoever calls it."""

    def __init__(self, make: Callable[..., Any], seed: dict[str, Any]) -> None:
        self.now = NOW
        self.simulator = make(seed, clock=lambda: self.now)
        self.client = httpx.Client(trust_env=False)

    def __call__(self, method: str, path: str, json: Any = None, *, caller: str | None = "token") -> httpx.Response:
        """Make one request; `caller` is the token, None for none at all."""
        headers = {} if caller is None else {"authorization": f"Bearer {caller}"}
        return self.client.request(method, f"{self.simulator.url}{path}", json=json, headers=headers)

    def later(self, **time: float) -> None:
        """Let time pass."""
        self.now += timedelta(**time)

    def control(self, method: str, what: str, json: Any = None) -> Any:
        """Use the control API."""
        answer = self.client.request(method, f"{self.simulator.url}/_sim/{what}", json=json)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def seed(self, data: dict[str, Any]) -> None:
        """Add to the state."""
        self.control("POST", "seed", data)

    def switch(self, **values: Any) -> None:
        """Set switches."""
        self.control("POST", "switches", values)

    def fault(self, **rule: Any) -> None:
        """Add one rule."""
        self.control("POST", "faults", [rule])

    @property
    def mails(self) -> list[tuple[str, str]]:
        """Who was mailed, and why."""
        return [(mail["address"], mail["kind"]) for mail in self.control("GET", "mails")]


@contextmanager
def asked(make: Callable[..., Any], seed: dict[str, Any]) -> Iterator[Asked]:
    """Run a simulator for the time of a test."""
    caller = Asked(make, seed)
    with caller.client, caller.simulator:
        yield caller
