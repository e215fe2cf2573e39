"""
One campaign: hires come in, processes are killed, connections break, and in the end everything must become quiet.

Every decision is drawn from one seed. What the machine makes of it differs from run to run, as it does with real
processes: the seed finds the same kind of trouble again, not the same microsecond.
"""

import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random

from tests.processes.checker import is_quiet, judge, truths
from tests.processes.cloud import Cloud, running_cloud
from tests.processes.faults import ANSWERS, SILENCE, Deck, Draw
from tests.processes.hires import SECRETS, Hired, hires, seeds
from tests.processes.proxy import Direction, Fault, Network
from tests.processes.report import Report
from tests.processes.stack import TIMEOUT, Processes, Worker
from usher.domain.invitation import State
from usher_local.simulators.atlassian import Atlassian
from usher_local.simulators.faults import Fault as Answer
from usher_local.simulators.sentry import Sentry

PATIENCE_FOR_A_POINT = 2.5
PATIENCE_FOR_A_LIFE = 20.0
PATIENCE_FOR_WORK = 20.0
PATIENCE_FOR_PEACE = 90.0
MOST_MESSAGES = 60
MOST_PENDING = 200
STEPS_BETWEEN_SILENCES = 10
STEPS_BETWEEN_REFUSALS = 10

_WAYS = ("table", "table", "table", "provider", "provider", "provider", "moment", "moment", "environment")
_VICTIMS = ("plan", "plan", "atlassian", "atlassian", "atlassian", "sentry-1", "sentry-1", "sentry-2", "sweep")


def run(count: int, kills: int, seed: int, folder: Path) -> Report:
    """Run a campaign of so many hires, and at least so many steps that kill a process; gives what happened."""
    random = Random(seed)  # noqa: S311 - it draws trouble, no secrets.
    report = Report(seed, count)
    people = hires(count, random)
    seeded = seeds(people)
    atlassian, sentry = Atlassian(seeded["atlassian"]), Sentry(seeded["sentry"])
    with (
        _timed(report, "in all"),
        running_cloud(folder, SECRETS) as cloud,
        atlassian,
        sentry,
        Network() as network,
        _running(Processes(cloud, network, (atlassian, sentry), random, folder)) as processes,
    ):
        campaign = Campaign(cloud, processes, random, report)
        with _timed(report, "trouble"):
            campaign.trouble(people, kills)
        with _timed(report, "peace"):
            campaign.peace(people)
        campaign.count()
        report.verdict.add(judge(cloud.table, people, truths(atlassian, sentry)))
        report.verdict.problems += _leaks(folder, people)
    return report


class _Silence:
    """An environment that AWS does not answer, until it has timed out; or nothing came for it to do."""

    def __init__(self, worker: Worker) -> None:
        self.worker = worker
        self._before = worker.runtime.endings["timed out"]
        self._until = time.monotonic() + 3 * TIMEOUT

    @property
    def is_over(self) -> bool:
        """Whether it has had its effect, or will have none."""
        return self.worker.runtime.endings["timed out"] > self._before or time.monotonic() > self._until


class Campaign:
    """Trouble first, then peace, then what is to be counted."""

    def __init__(self, cloud: Cloud, processes: Processes, random: Random, report: Report) -> None:
        self._cloud = cloud
        self._processes = processes
        self._random = random
        self._report = report
        self._ways = Deck(_WAYS, random)
        self._victims = Deck(_VICTIMS, random)
        self._answers = Deck(ANSWERS, random)
        self._silenced: _Silence | None = None

    def trouble(self, people: Sequence[Hired], kills: int) -> None:
        """Let the hires come in, a few at a time, and kill a process after each few."""
        messages = self._messages(people)
        self._report.messages = len(messages)
        for step in range(kills):
            for body in messages[len(messages) * step // kills : len(messages) * (step + 1) // kills]:
                self._cloud.clients.sqs.send_message(QueueUrl=self._cloud.queues["intake"].url, MessageBody=body)
            self._bad_answers()
            if step % STEPS_BETWEEN_REFUSALS == 0:
                self._random.choice(list(self._processes.fronts.values())).proxy.refuse(0.5)
            self._silence(step)
            self._kill_somebody()
            self._let_work()
            self._processes.check()

    def peace(self, people: Sequence[Hired]) -> None:
        """End every fault, move dead letters back as an operator would, and wait until nothing is left to do."""
        self._processes.calm()
        until = time.monotonic() + PATIENCE_FOR_PEACE + len(people) / 50
        while time.monotonic() < until:
            self._processes.check()
            self._report.dead_letters += self._cloud.redrive()
            if not self._cloud.held() and is_quiet(self._cloud.table, people):
                return
            time.sleep(0.5)  # Other processes do the work; there is nothing else to wait for.
        self._report.verdict.problems.append(f"it did not become quiet; the queues hold {self._cloud.held()}")

    def count(self) -> None:
        """Fill the report."""
        report = self._report
        for proxy in self._processes.proxies:
            report.broken += proxy.struck
        for front in self._processes.fronts.values():
            report.answers += Counter(entry["fault"] for entry in front.simulator.ledger if entry["fault"])
        for worker in self._processes.workers.values():
            report.endings += worker.runtime.endings
        for mapping in self._processes.mappings:
            report.deliveries += mapping.counts
            report.verdict.problems += [f"a malformed answer: {answer}" for answer in mapping.malformed]

    # --- trouble ---

    def _messages(self, people: Sequence[Hired]) -> list[str]:
        """Put the messages about everybody in an order; what is said later of a person comes close behind, or not."""
        placed = [
            (number + later * self._random.choice((0, 1, 10)), text)
            for number, hired in enumerate(people)
            for later, text in enumerate(hired.told(self._random))
        ]
        return [text for _, text in sorted(placed, key=lambda item: item[0])]

    def _let_work(self) -> None:
        """Wait where more came in than a system that keeps being killed gets done; it dies at work, not of overwork."""
        until = time.monotonic() + PATIENCE_FOR_WORK
        while time.monotonic() < until:
            pending = self._cloud.table.rows_in_state(State.PENDING, MOST_PENDING)
            if len(pending) < MOST_PENDING and self._cloud.held().get("intake", 0) < MOST_MESSAGES:
                return
            time.sleep(0.5)  # Other processes do the work; there is nothing else to wait for.

    def _bad_answers(self) -> None:
        """Let each provider have one bad answer in store."""
        for front in self._processes.fronts.values():
            with front.simulator.lock:
                if not any(fault.times > 0 for fault in front.simulator.faults):
                    front.simulator.faults.append(Answer.read(self._answers.draw()))

    def _silence(self, step: int) -> None:
        """Let AWS not answer one environment until the platform ends it at its time limit; nobody else may kill it."""
        if self._silenced is not None and self._silenced.is_over:
            self._silenced.worker.draw.always = None
            self._silenced = None
        if self._silenced is None and step % STEPS_BETWEEN_SILENCES == STEPS_BETWEEN_SILENCES // 2:
            self._silenced = _Silence(self._processes.workers[self._victims.draw()])
            self._silenced.worker.draw.always = SILENCE

    @property
    def _mortals(self) -> list[Worker]:
        silenced = self._silenced.worker if self._silenced is not None else None
        return [worker for worker in self._processes.workers.values() if worker is not silenced]

    def _kill_somebody(self) -> None:
        """Kill at the moment that is drawn; where it found nobody alive, whoever is alive next."""
        before = self._report.kills.total()
        self._kill()
        until = time.monotonic() + PATIENCE_FOR_A_LIFE
        while self._report.kills.total() == before and time.monotonic() < until:
            for worker in self._random.sample(self._mortals, len(self._mortals)):
                if worker.runtime.kill():
                    self._count("at any moment", killed=True)
                    break
            else:
                time.sleep(0.1)  # All are dead, and come back with their next message.

    def _kill(self) -> None:
        worker = self._processes.workers[self._victims.draw()]
        if worker not in self._mortals:
            worker = self._random.choice(self._mortals)
        direction = self._random.choice(list(Direction))
        after = self._random.choice((0, 0, 1, 60, 200))
        requests = self._random.randrange(6)
        match self._ways.draw():
            case "provider" if worker.provider is not None:
                # Environments of one provider share its address, so whoever of them is at work dies.
                crew = [one for one in self._mortals if one.provider == worker.provider]
                draw = self._processes.fronts[worker.provider].draw
                self._at_a_point(draw, requests % 3, direction, after, f"in a call to the provider, {direction}", crew)
            case "table" | "provider":
                self._at_a_point(worker.draw, requests, direction, after, f"in a call to AWS, {direction}", [worker])
            case way:
                time.sleep(self._random.random())  # Any moment of another process's life.
                if way == "environment":
                    self._count("with the environment", killed=worker.runtime.kill_environment())
                else:
                    self._count("at any moment", killed=worker.runtime.kill())

    def _at_a_point(
        self, draw: Draw, requests: int, direction: Direction, after: int, name: str, workers: Sequence[Worker]
    ) -> None:
        struck = threading.Event()

        def strike() -> None:
            for worker in workers:
                if worker.runtime.is_busy:
                    self._count(name, killed=worker.runtime.kill())
            struck.set()

        draw.arm(requests, Fault(name, direction, after, strike=strike, goes_on=True))
        if not struck.wait(PATIENCE_FOR_A_POINT):
            draw.disarm()  # Nobody came by; where the fault is already on its way, it strikes a little later.
            self._count("at any moment", killed=workers[0].runtime.kill())

    def _count(self, way: str, *, killed: bool) -> None:
        self._report.kills[way] += killed


@contextmanager
def _running(processes: Processes) -> Iterator[Processes]:
    try:
        processes.start()
        yield processes
    finally:
        processes.stop()


@contextmanager
def _timed(report: Report, name: str) -> Iterator[None]:
    begun = time.monotonic()
    yield
    report.seconds[name] = time.monotonic() - begun


def _leaks(folder: Path, people: Sequence[Hired]) -> Iterator[str]:
    """Find log lines that name a person or a secret, however their process ended."""
    addresses = [hired.address for hired in people]
    for log in sorted(folder.glob("*.log")):
        text = log.read_text(encoding="utf-8", errors="replace") if log.stem != "ministack" else ""
        if "person." in text and any(address in text for address in addresses):
            yield f"{log.name} names a person"
        if any(secret in text for secret in SECRETS.values()):
            yield f"{log.name} holds a secret"
