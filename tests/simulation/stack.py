"""One stack in virtual time: its processes, queues and policies, and the run of a schedule from start to quiet."""

import sys
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from functools import cache, cached_property
from itertools import count
from types import SimpleNamespace
from typing import Any, ClassVar

from tests.fakes.ledger import ATLASSIAN_LIKE, SENTRY_LIKE, Entry, Fault, ProcessDied
from tests.simulation.handlers import FUNCTIONS, Handler, Logged, handlers
from tests.simulation.pacing import FREE, Pacing
from tests.simulation.ports import ProcessQueues, ProcessSecrets, ProcessStore, RecordingStore, a_random
from tests.simulation.provider import ProviderClock, VirtualProvider
from tests.simulation.schedule import Event, Kind, Point, Schedule, Trouble, Visit
from tests.simulation.virtual import START, Process, Time
from usher.domain.errors import StoreUnavailable
from usher.domain.hold import HoldRules
from usher.domain.invitation import Limits, NotNow, State
from usher.domain.mailbox import mailbox_digest
from usher.domain.messages import PlanningMessage
from usher.domain.notice import Notice, notice_id_of
from usher.domain.policy import Company, Connection, Grant, Mode, Policy, PolicyVersion, Rule, SendTime, Team, When
from usher.use_cases.ask_details import AskDetails
from usher.use_cases.keep_notices import KeepNotices
from usher.use_cases.operate import Approve, GoLive, TakeUpAgain
from usher.use_cases.plan_invites import PlanInvites
from usher.use_cases.send_invites import OVERRUN, SendInvites
from usher.use_cases.sweep import Sweep

INVOCATION = 60.0
VISIBILITY = 90.0
OLD_CODE = 120.0
"""Seconds for which processes of the former policy may still start."""
PATIENCE = 5000.0
"""Seconds after the last fault for which the guard's stop lasts until an operator lifts it: more than an hour."""
MOST_TICKS = 600
ASKING = (Point.INVITE, Point.REPAIR, Point.RESEND, Point.LOOK_UP)
LIMITS = Limits(most_attempts=3, most_reads=3, longest_ambiguous=900, first_backoff=20, longest_backoff=300)
HOLDS = HoldRules(first_pause=60, longest_pause=600)


class StampedPolicy(Policy):
    """A policy whose stamp is computed once; it is asked for at every row."""

    @cached_property
    def stamp(self) -> PolicyVersion:
        """Which policy a row was planned with."""
        return Policy.stamp.__get__(self)  # type: ignore[no-any-return]


@cache
def digest(mailbox: str) -> str:
    """Key a mailbox."""
    return mailbox_digest(b"simulated", mailbox)


@cache
def policy_of(provider: str, version: int, pacing: Pacing = FREE) -> Policy:
    """The policy: each review gives engineers a team or takes it, the second lets the labs go live."""
    common: dict[str, Any] = {
        "provider": provider,
        "base_url": "https://provider.example",
        "roles": ("member",),
        "teams": ("platform", "security"),
        "concurrency": 2,
        "timings": ATLASSIAN_LIKE if provider == "atlassian" else SENTRY_LIKE,
        "resend_expired": version % 3 != 0,
        "rate": pacing.rate,
        "invites_per_day": pacing.invites_per_day,
    }
    names = ("platform",) if version % 2 else ("platform", "security")
    grant = Grant(role="member", teams=tuple(Team(name=name) for name in names))
    labs = Mode.LIVE if version > 1 else Mode.PLAN
    engineers = When(department=("Engineering",))
    later = SendTime(days_before=7, at=time(9))
    return StampedPolicy(
        version=version,
        company=Company(email_domains=("example.com",), time_zone="Europe/Berlin", mode=Mode.LIVE, guard=pacing.guard),
        connections={
            "main": Connection(name="main", organization="acme", **common),
            "labs": Connection(name="labs", organization="acme-labs", mode=labs, **common),
        },
        rules=(
            Rule(name="engineers", when=engineers, connection="main", grant=grant),
            Rule(name="sales", when=When(department=("Sales",)), connection="main", grant=grant, send=later),
            Rule(name="labs", when=When(department=("Research",)), connection="labs", grant=Grant(role="member")),
        ),
    )


@dataclass(frozen=True)
class ProcessStack:
    """What `bootstrap.stack` gives to one process."""

    process: Process
    stack: "SimulatedStack"
    policy: Policy
    environment: SimpleNamespace = field(
        default_factory=lambda: SimpleNamespace(notice_queue_url="https://sqs.example/1/NoticeQueue")
    )

    @cached_property
    def store(self) -> ProcessStore:
        """The table."""
        return ProcessStore(self.stack, self.stack.store)

    @cached_property
    def secrets(self) -> ProcessSecrets:
        """The vault; a warm process has read it before."""
        return ProcessSecrets(self.stack, self.stack.warm if self.process.number % 2 else {})

    @cached_property
    def plan_invites(self) -> PlanInvites:
        """The planner."""
        return PlanInvites(
            store=self.store,
            policy=self.policy,
            details=AskDetails({}, {}, self.secrets, self.process),
            notices=KeepNotices(self.store, self.process, self.stack.limits, self.policy.company.time_zone),
            sources={},
            queues=ProcessQueues(self.stack),
            clock=self.process,
            digest=digest,
            read_again=lambda notice, body: (),
            joins={"hr": ("canonical",)},
        )

    @cached_property
    def send_invites(self) -> SendInvites:
        """The sender."""
        return SendInvites(
            store=self.store,
            provider=self.stack.provider,
            policy=self.policy,
            planning=self.plan_invites,
            secrets=self.secrets,
            clock=self.process,
            limits=self.stack.limits,
            hold_rules=self.stack.hold_rules,
            new_owner=lambda: f"owner-{self.process.number}",
        )

    @cached_property
    def sweep(self) -> Sweep:
        """The tick."""
        return Sweep(self.store, ProcessQueues(self.stack), self.policy, self.process)

    @cached_property
    def go_live(self) -> GoLive:
        """The operator's command."""
        return GoLive(self.store, self.policy, self.process, digest)

    @cached_property
    def approve(self) -> Approve:
        """The operator's word to the guard."""
        return Approve(self.store, self.process)

    @cached_property
    def take_up_again(self) -> TakeUpAgain:
        """The operator's other command."""
        return TakeUpAgain(self.store, ProcessQueues(self.stack), self.policy, self.process)


class SimulatedStack:
    """Runs one schedule; the settings are shorter than those of a stage, so that a schedule meets more of them."""

    limits = LIMITS
    hold_rules = HOLDS
    visibility: ClassVar[Mapping[str, float]] = dict.fromkeys(FUNCTIONS, VISIBILITY)
    hours: int = 1
    """So many sweeps of the hour may come in the end."""

    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule
        self.random = a_random(schedule.seed)
        self.time = Time()
        self.store = RecordingStore(self.time)
        timings = ATLASSIAN_LIKE if schedule.provider == "atlassian" else SENTRY_LIKE
        self.provider = VirtualProvider(
            name=schedule.provider,
            batch_size=25 if schedule.provider == "atlassian" else 1,
            tells_members=schedule.provider == "sentry",
            mails_again=schedule.provider == "atlassian",
            timings=timings,
            clock=ProviderClock(self.time),
            stack=self,
        )
        self.skew = timings.clock_skew
        self.secret = "token-1"
        self.warm: dict[str, str] = {}
        self.version = 1
        self.reviewed_at = -OLD_CODE
        self.logged = Logged()
        self.fired: Counter[str] = Counter()
        self.steps: list[Visit] = []
        self.functions: dict[int, str] = {}
        self.harmed: set[int] = set()
        """Processes that met a fault of the table, of a queue or of the vault; those that died are in `time`."""
        self.notices: list[Notice] = []
        self.stuck: str | None = None
        self._visits: Counter[Point] = Counter()
        self._strikes = {(strike.point, strike.nth): strike.fault for strike in schedule.strikes}
        self._numbers = count(1)
        self._handlers: dict[str, Handler] = {}
        self._stacks: dict[int, ProcessStack] = {}
        self._under_way = 0

    # --- what ports ask ---

    def struck(self, point: Point, rows: int = 1) -> Trouble | Fault | None:
        """Count one more step of a kind, which writes so many rows, and give the fault that it meets."""
        if isinstance(sys.exception(), ProcessDied):
            raise ProcessDied  # What a dead process would do while its frames unwind does not happen.
        number = self._visits[point]
        self._visits[point] += 1
        self.steps.append(Visit(point, number, rows))
        fault = self._strikes.get((point, number))
        if fault is not None:
            self.fired[f"{point}: {fault}"] += 1
            if self.time.current is not None and point not in ASKING:
                self.harmed.add(self.time.current.number)
        return fault

    def delay(self) -> float:
        """Draw how long a step takes; now and then long enough for others to do much."""
        return self.random.choice((0.005, 0.01, 0.02, 0.05, 0.3))

    def deliver(self, function: str, body: str, *, after: float, tries: int = 0) -> None:
        """Bring a message to its function some time from now."""
        self._under_way += 1
        self.time.at(self.time.now + after, lambda: self._received(function, body, tries))

    def policy(self, version: int) -> Policy:
        """Give the policy of a version."""
        return policy_of(self.schedule.provider, version, self.schedule.pacing)

    # --- processes ---

    def began(self, process: int) -> float:
        """Say when a process began."""
        return self._stacks[process].process.ends_at - INVOCATION

    def start(self, action: Callable[[ProcessStack], None]) -> None:
        """Start a process with a clock of its own, under the policy that its code was built with."""
        number = next(self._numbers)
        skew = self.random.choice((-1, -0.3, 0, 0, 0.3, 1)) * self.skew
        process = Process(number, self.time, skew, self.time.now + INVOCATION, OVERRUN * self.random.random())
        is_old = self.time.now < self.reviewed_at + OLD_CODE and self.version > 1 and self.random.random() < 0.5
        ours = self._stacks[number] = ProcessStack(process, self, self.policy(self.version - is_old))
        self.time.start(process, lambda: action(ours))

    def _received(self, function: str, body: str, tries: int) -> None:
        message = {
            "messageId": f"{tries}",
            "body": body,
            "eventSourceARN": "arn:aws:sqs:eu-central-1:1:NoticeQueue",
            "attributes": {"SenderId": "AROA"},
        }
        is_notice = function == "plan_invites" and '"notice":null' not in body
        struck = self.struck(Point.ANNOUNCE) if is_notice else None
        self._under_way -= 1
        if struck is Trouble.LATE:
            self.deliver(function, body, after=self.random.choice((100, 400)), tries=tries)
            return
        if struck is Trouble.DOUBLED:
            self.deliver(function, body, after=self.random.choice((0, 1, 60)), tries=tries)

        def handled(ours: ProcessStack) -> None:
            done = False
            self.functions[ours.process.number] = function
            try:
                context = SimpleNamespace(get_remaining_time_in_millis=lambda: ours.process.seconds() * 1000)
                answer = self._handlers[function]({"Records": [message]}, context)
                done = not answer["batchItemFailures"] and struck is not Trouble.DIES_AFTER
            finally:
                self._under_way -= 1
                # A notice comes until it is planned (after the tenth time, by a redrive); a wake-up dies at last.
                if not done and (is_notice or tries < 5):
                    self.deliver(function, body, after=self.visibility[function], tries=tries + 1)

        self._under_way += 1
        self.start(handled)

    def _tick(self) -> None:
        struck = self.struck(Point.TICK)
        ticks = 1
        if struck is not None:
            ticks = 0 if struck is Trouble.DROPPED else 2
        for _ in range(ticks):
            self.start(self._sweep)

    def _sweep(self, ours: ProcessStack) -> None:
        try:
            self._handlers["sweep"]({}, SimpleNamespace())
        except Exception as error:  # noqa: BLE001 - the schedule's next tick comes anyway; the checker looks at the type.
            self.logged.error("the sweep failed", fault=type(error).__name__)

    # --- events ---

    def _happen(self, event: Event) -> None:
        self.fired[f"event: {event.kind}"] += 1
        match event.kind:
            case Kind.SAYS:
                assert event.hire is not None
                hire = event.hire
                notice = Notice(
                    notice_id=notice_id_of(hire.hire_id, str(hire.version)),
                    source=hire.source,
                    received_at=START + timedelta(seconds=self.time.now),
                    event="hire",
                    subject=hire.hire_id,
                    change=hire.change,
                    hire=hire,
                )
                self.notices.append(notice)
                self.deliver("plan_invites", PlanningMessage(notice=notice).model_dump_json(), after=self.delay())
            case Kind.ROTATES:
                self.secret = f"token-{int(self.secret[6:]) + 1}"
            case Kind.REVIEWS:
                self.version += 1
                self.reviewed_at = self.time.now
            case Kind.GOES_LIVE:
                self.start(self._go_live)
            case Kind.TAKES_UP:
                self.start(self._take_up)
            case Kind.APPROVES:
                self.start(lambda ours: self._approve(ours, self.random.choice((1, 3, None))))
            case Kind.INVITES_ELSEWHERE:
                now = START + timedelta(seconds=self.time.now)
                if ("main", event.address) not in self.provider.directory:
                    self.provider.directory["main", event.address] = Entry(now, now, event.standing)
                    self.provider.elsewhere.add(("main", event.address))
            case Kind.REMOVES:
                self._remove()
            case Kind.SUSPENDS:
                entry = self.provider.directory.get(("main", event.address))
                if entry is not None:
                    entry.blocked = "suspended"

    def _go_live(self, ours: ProcessStack) -> None:
        try:
            ours.go_live(ours.go_live.preview(), actor="operator", reason="simulated")
        except (NotNow, StoreUnavailable) as error:
            self.logged.info("the operator was told", reason=type(error).__name__)

    def _approve(self, ours: ProcessStack, invitations: int | None) -> None:
        until = ours.process.now() + timedelta(seconds=self.random.choice((600, 7200)))
        try:
            ours.approve(invitations=invitations, until=until, actor="operator", reason="simulated")
        except (NotNow, StoreUnavailable) as error:
            self.logged.info("the operator was told", reason=type(error).__name__)

    def _take_up(self, ours: ProcessStack) -> None:
        for key in self.store.rows_in_state(State.PARKED, 100):
            try:
                ours.take_up_again.row(key, actor="operator", reason="simulated")
            except (NotNow, StoreUnavailable) as error:
                self.logged.info("the operator was told", reason=type(error).__name__)

    def _remove(self) -> None:
        """Remove the access of those whose row asks for it; only what the directory shows for sure."""
        for row in self.store.rows:
            name = (row.connection, row.sent_address or "")
            entry = self.provider.directory.get(name)
            if row.revoke_needed and entry is not None and entry.shown_at <= START + timedelta(seconds=self.time.now):
                del self.provider.directory[name]
                self.provider.removed.append((self.time.now, *name))

    # --- the run ---

    def run(self) -> None:
        """Let the schedule happen, end every fault, and wait until all is quiet."""
        with handlers(lambda: self._stacks[self._current.number], self.logged) as self._handlers:
            try:
                self._run()
            finally:
                self.time.abandon()

    @property
    def _current(self) -> Process:
        assert self.time.current is not None
        return self.time.current

    def _run(self) -> None:
        for event in self.schedule.events:
            self.time.at(event.at, lambda event=event: self._happen(event))  # type: ignore[misc]
        last = max((event.at for event in self.schedule.events), default=0.0)
        moment = 60.0
        while moment <= last + self.schedule.calm_after:
            self.time.at(moment, self._tick)
            moment += 60
        self.time.run(moment)
        self._calm()
        self._quiet()
        # Operators also come when all is quiet.
        kinds = {event.kind for event in self.schedule.events}
        for kind, action in ((Kind.GOES_LIVE, self._go_live), (Kind.TAKES_UP, self._take_up)):
            if kind in kinds:
                self.start(action)
                self._quiet()
        for _ in range(self.hours):
            if self.store.rows_in_state(State.DUPLICATE, 1):
                self._sweep_of_the_hour()

    def _sweep_of_the_hour(self) -> None:
        """Look at those who wait for a mailbox."""
        self.time.run(self.time.now - self.time.now % 3600 + 3600)
        for _ in range(2):  # A clock that is behind takes the first for one of the hour before.
            self.start(self._sweep)
            self.time.run(self.time.now + 30)
        self._quiet()

    def _calm(self) -> None:
        """End every fault."""
        self._strikes = {}

    def _quiet(self) -> None:
        for _ in range(MOST_TICKS):
            self.time.run(self.time.now + 59)
            if self.time.faults:
                return
            due = [(moment - START).total_seconds() for moment in self.store.live]
            if not due and not self._under_way:
                return
            soonest = min(due, default=0)
            self.time.run(max(self.time.now, soonest) // 60 * 60 + 60)
            self.start(self._sweep)
            if self._is_stopped_for(PATIENCE):
                self.start(lambda ours: self._approve(ours, None))
        self.stuck = (
            f"not quiet after {MOST_TICKS} ticks, at {START.astimezone(UTC) + timedelta(seconds=self.time.now)}"
        )

    def _is_stopped_for(self, seconds: float) -> bool:
        stopped_at = self.store.mass_guard.stopped_at
        return stopped_at is not None and (at(self.time.now) - stopped_at).total_seconds() > seconds


def simulated(schedule: Schedule) -> SimulatedStack:
    """Run a schedule."""
    stack = SimulatedStack(schedule)
    stack.run()
    return stack


def at(seconds: float) -> datetime:
    """Give the true time of a moment."""
    return START + timedelta(seconds=seconds)
