"""The processes of a campaign: five execution environments, each behind a proxy of its own, with their mappings."""

import json
import shutil
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from tests.processes.cloud import PREFIX, TABLE, Cloud
from tests.processes.faults import Draw
from tests.processes.mapping import SourceMapping
from tests.processes.proxy import LOOPBACK, FaultProxy, Network
from tests.processes.runtime import FunctionFailed, Runtime
from usher_local.places import BUILD, REGION
from usher_local.simulators.atlassian import Atlassian
from usher_local.simulators.sentry import Sentry
from usher_local.stage_files import with_addresses

STAGE_FILE = Path(__file__).with_name("stage.toml")
STAGE = "processes"
TIMEOUT = 9
"""Seconds of every function: what a sender keeps for its outcomes, two calls of 1.5 s, and room for a cold start."""

TICK = 2.0
FAULTY_REQUESTS = 0.15
MISFORTUNE = 0.05


@dataclass(frozen=True, slots=True)
class Worker:
    """One execution environment; `draw` decides about its requests to AWS."""

    runtime: Runtime
    draw: Draw
    provider: str | None = None


@dataclass(frozen=True, slots=True)
class Front:
    """What stands in front of a provider."""

    simulator: Atlassian | Sentry
    proxy: FaultProxy
    draw: Draw


class Processes:
    """Planner, three senders and sweep. Nothing runs before `start`, nothing after `stop`."""

    def __init__(
        self, cloud: Cloud, network: Network, simulators: Sequence[Atlassian | Sentry], random: Random, folder: Path
    ) -> None:
        self.proxies: list[FaultProxy] = []
        self._cloud = cloud
        self._network = network
        self._random = random
        self._folder = folder
        self.fronts = {simulator.name: self._front(simulator) for simulator in simulators}
        self._layer = self._copied_layer()
        self.workers = {
            "plan": self._worker("plan", "PlanInvites"),
            "atlassian": self._worker("atlassian", "SendInvitesAtlassian", "atlassian"),
            "sentry-1": self._worker("sentry-1", "SendInvitesSentry", "sentry"),
            "sentry-2": self._worker("sentry-2", "SendInvitesSentry", "sentry"),
            "sweep": self._worker("sweep", "Sweep"),
        }
        self.mappings = [
            self._mapping("plan", ["intake", "notices"], 10),
            self._mapping("atlassian", ["atlassian"], 30),
            self._mapping("sentry-1", ["sentry"], 10),
            self._mapping("sentry-2", ["sentry"], 10),
        ]
        self._stopped = threading.Event()
        self._threads = [*self.mappings, threading.Thread(target=self._tick, name="ticker")]

    def start(self) -> None:
        """Let the mappings poll, and the schedule tick."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End every thread and every process."""
        self._stopped.set()
        for mapping in self.mappings:
            mapping.stop()
        for worker in self.workers.values():
            worker.runtime.stop()  # Whoever waits for an answer waits no longer.
        for thread in self._threads:
            if thread.is_alive():
                thread.join(timeout=2 * TIMEOUT)

    def calm(self) -> None:
        """End every fault; what has begun takes its course."""
        for draw in [*(front.draw for front in self.fronts.values()), *(one.draw for one in self.workers.values())]:
            draw.end()
        for mapping in self.mappings:
            mapping.misfortune = 0
        for front in self.fronts.values():
            with front.simulator.lock:
                front.simulator.faults.clear()

    def check(self) -> None:
        """Raise what a mapping's thread has met."""
        for mapping in self.mappings:
            if mapping.error is not None:
                raise mapping.error

    def _tick(self) -> None:
        while not self._stopped.wait(TICK):
            try:
                self.workers["sweep"].runtime.invoke({})
            except FunctionFailed:
                continue  # The next tick comes anyway.

    # --- making ---

    def _front(self, simulator: Atlassian | Sentry) -> Front:
        draw = Draw(self._stream(), FAULTY_REQUESTS)
        return Front(simulator, self._proxy(int(simulator.url.rpartition(":")[2]), draw), draw)

    def _proxy(self, target: int, draw: Draw) -> FaultProxy:
        proxy = self._network.proxy(target, draw)
        self.proxies.append(proxy)
        return proxy

    def _stream(self) -> Random:
        """A stream of its own for everybody who draws, so that threads do not take each other's numbers."""
        return Random(self._random.random())  # noqa: S311 - it draws trouble, no secrets.

    def _mapping(self, name: str, queues: Sequence[str], batch: int) -> SourceMapping:
        sources = [self._cloud.queues[queue] for queue in queues]
        return SourceMapping(self.workers[name].runtime, self._cloud, sources, batch, self._stream(), MISFORTUNE)

    def _copied_layer(self) -> Path:
        """Copy what was built, and put the stage file into the copy; nobody builds anew beneath a campaign."""
        shutil.copytree(BUILD, self._folder / "build")
        layer = self._folder / "build" / "UsherLayer" / "python"
        addresses = {name: f"http://{LOOPBACK}:{front.proxy.port}" for name, front in self.fronts.items()}
        addresses["atlassian"] += "/admin"
        text = with_addresses(STAGE_FILE.read_text(encoding="utf-8"), addresses, STAGE_FILE.name)
        (layer / "usher" / "stages" / f"{STAGE}.toml").write_text(text, encoding="utf-8")
        return layer

    def _worker(self, name: str, function: str, provider: str | None = None) -> Worker:
        draw = Draw(self._stream())
        proxy = self._proxy(self._cloud.port, draw)
        built = self._folder / "build" / function
        variables = {
            "PYTHONPATH": f"{built}:{self._layer}",
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_ENDPOINT_URL": f"http://{LOOPBACK}:{proxy.port}",
            "POWERTOOLS_METRICS_NAMESPACE": "Usher",
            "POWERTOOLS_SERVICE_NAME": name,
            "USHER_STAGE": STAGE,
            "USHER_TABLE": TABLE,
            "USHER_SECRETS_PREFIX": PREFIX,
            "USHER_NOTICE_QUEUE_URL": self._cloud.queues["notices"].url,
            "USHER_PROVIDER": provider or "",
        }
        if provider is None:
            # As in the template: senders wake nobody.
            variables["USHER_PROVIDER_QUEUES"] = json.dumps({one: self._cloud.queues[one].url for one in self.fronts})
        return Worker(Runtime(name, built, variables, self._folder, TIMEOUT), draw, provider)
