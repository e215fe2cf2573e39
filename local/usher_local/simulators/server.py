"""
What every simulator shares: a server on loopback, a ledger of requests and mails, faults, switches, and a control API.

Control, in JSON: GET /_sim/ledger, /_sim/mails, /_sim/state, /_sim/switches; POST /_sim/seed (an object),
/_sim/faults (a list of rules), /_sim/switches (an object), /_sim/reset.
"""

import copy
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, ClassVar, Protocol, Self
from urllib.parse import unquote

from usher_local.simulators.connection import LOOPBACK, Listener
from usher_local.simulators.exchange import Answer, Request, page
from usher_local.simulators.faults import BadRule, Fault
from usher_local.simulators.limits import Limit
from usher_local.simulators.switches import BadSwitch, Switch, check_switches

__all__ = ["Fault", "Mail", "Simulator", "World"]

Route = tuple[str, str, Callable[[Any, Request], Answer]]


@dataclass(frozen=True)
class Mail:
    """One mail that the provider sent: `invite`, `resend` or `sso`."""

    provider: str
    organization: str
    address: str
    kind: str
    at: str
    text: str | None = None


@dataclass
class Delivered:
    """An answer, and how much of it reaches the client."""

    answer: Answer
    is_reset: bool = False
    is_cut: bool = False


class World(Protocol):
    """What a provider remembers."""

    def seed(self, data: Mapping[str, Any]) -> None:
        """Take people, organizations and secrets."""

    def state(self) -> Any:
        """Give everything as JSON."""

    def knows(self, request: Request) -> bool:
        """Say whether the caller's secret is right."""


class Simulator[W: World]:
    """
    One provider. Requests are handled one at a time, so that their effects are whole; delays are outside of that.

    A subclass names its `routes` (method, path pattern with named groups, what handles it given the world) and its
    `switch_table`, makes its world, and words its errors. Clock and first number of an id are passed in.
    """

    name: ClassVar[str]
    routes: ClassVar[tuple[Route, ...]]
    switch_table: ClassVar[tuple[Switch, ...]] = ()

    def __init__(
        self,
        seed: Mapping[str, Any] | None = None,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        first_number: int = 57_377_908_165,
    ) -> None:
        self.clock = clock
        self.lock = threading.RLock()
        self.ledger: list[dict[str, Any]] = []
        self.mails: list[Mail] = []
        self.faults: list[Fault] = []
        self.switches: dict[str, Any] = {}
        self.in_flight = 0
        self._first_seed = copy.deepcopy(dict(seed or {}))
        self._first_number = first_number
        self._listener: Listener | None = None
        self._stopped = threading.Event()
        self.reset()

    # --- said by each simulator ---

    def new_world(self) -> W:
        """Make an empty world."""
        raise NotImplementedError(self.name)  # There is no provider without a memory.

    def failed(self, status: int) -> Answer:
        """Answer a server's fault in the provider's words."""
        return page(status)

    def faulty(self, fault: Fault, request: Request) -> Answer:
        """Answer the kinds of trouble that a provider has words for."""
        del request
        return self.failed(fault.status)

    def unknown(self, request: Request, status: int) -> Answer:
        """Answer a path (404) or method (405) that the provider does not have."""
        del request
        return Answer(status)

    def limit(self, request: Request) -> Limit:
        """Count a request against the provider's limits."""
        del request
        return Limit()

    # --- life ---

    def start(self, port: int = 0) -> int:
        """Listen on loopback; gives the port."""
        self._stopped.clear()
        self._listener = Listener(port, self)
        return self._listener.port

    def stop(self) -> None:
        """Listen no longer; no thread and no socket stays behind."""
        self._stopped.set()
        if self._listener is not None:
            self._listener.close()
            self._listener = None

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
        assert self._listener is not None, "the simulator is not started"  # noqa: S101 - a fault of the caller.
        return f"http://{LOOPBACK}:{self._listener.port}"

    # --- state ---

    def reset(self) -> None:
        """Forget everything but the first seed."""
        with self.lock:
            self.ledger.clear()
            self.mails.clear()
            self.faults.clear()
            self.switches |= {switch.name: copy.deepcopy(switch.default) for switch in self.switch_table}
            self._next_number = self._first_number
            self.world = self.new_world()
            self.seed(self._first_seed)

    def seed(self, data: Mapping[str, Any]) -> None:
        """Take people and settings into the state; `switches` in a seed are set. Raises BadSwitch."""
        with self.lock:
            switches = data.get("switches", {})
            check_switches(self.switch_table, switches)
            self.switches |= switches
            self.world.seed({name: value for name, value in data.items() if name != "switches"})

    def state(self) -> Any:
        """Give the state as JSON."""
        with self.lock:
            return copy.deepcopy(self.world.state())

    def mail(self, organization: str, address: str, kind: str, text: str | None = None) -> None:
        """Send a mail."""
        self.mails.append(Mail(self.name, organization, address.lower(), kind, self.clock().isoformat(), text))

    def next_number(self) -> int:
        """Give the number of the next id."""
        number = self._next_number
        self._next_number += 1
        return number

    # --- requests ---

    def respond(self, request: Request) -> Delivered:
        """Answer one request: note it, meet its fault, do its work."""
        if request.path.startswith("/_sim/"):
            return Delivered(self._control(request))
        with self.lock:
            self.in_flight += 1
            fault = next((fault for fault in self.faults if fault.fits(request)), None)
            if fault is not None:
                fault.times -= 1
            entry = self._note(request, fault)
        try:
            if fault is not None and fault.kind == "delay":
                self._stopped.wait(fault.seconds)
            with self.lock:
                delivered = self._deliver(request, fault)
                entry["status"] = None if delivered.is_reset else delivered.answer.status
        finally:
            with self.lock:
                self.in_flight -= 1
        if fault is not None and fault.kind == "delay_after":
            self._stopped.wait(fault.seconds)
        return delivered

    def _note(self, request: Request, fault: Fault | None) -> dict[str, Any]:
        entry = {
            "at": self.clock().isoformat(),
            "method": request.method,
            "path": request.path,
            "query": dict(request.query),
            "body": request.json,
            "headers": {name: value for name, value in request.headers.items() if name != "authorization"},
            "authorized": self.world.knows(request),
            "fault": fault.kind if fault else None,
            "status": None,
        }
        self.ledger.append(entry)
        return entry

    def _deliver(self, request: Request, fault: Fault | None) -> Delivered:
        """Do what a request asks, as far as its fault lets it, and give what comes back."""
        match fault:
            case None | Fault(kind="delay" | "delay_after"):
                return Delivered(self._answered(request))
            case Fault(kind="reset_before"):
                return Delivered(Answer(500), is_reset=True)
            case Fault(kind="status_before"):
                return Delivered(self._broken(fault))
            case Fault(kind="status_after"):
                self._answered(request)
                return Delivered(self._broken(fault))
            case Fault(kind="reset_after"):
                return Delivered(self._answered(request), is_reset=True)
            case Fault(kind="truncate"):
                return Delivered(self._answered(request), is_cut=True)
            case Fault(kind="html"):
                return Delivered(page(self._answered(request).status))
            case _:
                limit = self.limit(request)
                answer = _with_body(self.faulty(fault, request), fault)
                return Delivered(replace(answer, headers={**limit.headers, **answer.headers, **fault.headers}))

    def _broken(self, fault: Fault) -> Answer:
        answer = _with_body(self.failed(fault.status), fault)
        return replace(answer, headers={**answer.headers, **fault.headers})

    def _answered(self, request: Request) -> Answer:
        limit = self.limit(request)
        answer = limit.refusal or self._routed(request)
        return replace(answer, headers={**limit.headers, **answer.headers})

    def endpoint(self, request: Request) -> tuple[str, str] | None:
        """Give method and pattern of a request's route."""
        for method, pattern, _ in self.routes:
            if method == request.method and re.fullmatch(pattern, request.path):
                return method, pattern
        return None

    def _routed(self, request: Request) -> Answer:
        is_path = False
        for method, pattern, handle in self.routes:
            match = re.fullmatch(pattern, request.path)
            is_path = is_path or match is not None
            if match is not None and method == request.method:
                parts = {name: unquote(part) for name, part in match.groupdict().items()}
                return handle(self.world, replace(request, match=parts))
        return self.unknown(request, 405 if is_path else 404)

    def _control(self, request: Request) -> Answer:
        """Handle a request of the control API."""
        with self.lock:
            try:
                found = self._controlled(request.method, request.path.removeprefix("/_sim/"), request.json)
            except (BadRule, BadSwitch, KeyError, TypeError, AttributeError) as error:
                return Answer(400, {"detail": f"{type(error).__name__}: {error}"})
            return Answer(404, {"detail": "no such control"}) if found is None else Answer(200, copy.deepcopy(found))

    def _controlled(self, method: str, what: str, data: Any) -> Any:
        match method, what:
            case "GET", "ledger":
                return self.ledger
            case "GET", "mails":
                return [asdict(mail) for mail in self.mails]
            case "GET", "state":
                return self.state()
            case "GET", "switches":
                return self.switches
            case "POST", "seed":
                self.seed(data)
            case "POST", "faults":
                self.faults += [Fault.read(rule) for rule in data]
            case "POST", "switches":
                check_switches(self.switch_table, data)
                self.switches |= data
            case "POST", "reset":
                self.reset()
            case _:
                return None
        return {"done": True}


def _with_body(answer: Answer, fault: Fault) -> Answer:
    return answer if fault.body is None else replace(answer, body=fault.body, content_type="application/json")
