"""An operator's desk: the command over a stack in memory."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from click.testing import CliRunner, Result

from tests.unit.use_cases.world import World, a_hire, a_policy, digest
from usher.config import Stage
from usher.domain.policy import Company, Mode
from usher.ports import Source
from usher.use_cases.operate import Approve, GoLive, TakeSecret, TakeUpAgain
from usher_ops.main import usher
from usher_ops.system import Asked, System, SystemUnavailable

# Nothing of whoever runs the tests: no stack, no colours, no width.
ENVIRONMENT = {"USHER_STACK": None, "FORCE_COLOR": None, "NO_COLOR": "1", "COLUMNS": None}

COMPANY_IN_PLAN_MODE = Company(email_domains=("example.com",), time_zone="Europe/Berlin", mode=Mode.PLAN)


@dataclass
class Desk:
    """Runs command lines; keeps what was put and sent."""

    world: World = field(default_factory=World)
    secrets: dict[str, str] = field(default_factory=dict)
    sent: list[str] = field(default_factory=list)
    sources: dict[str, Source] = field(default_factory=dict)
    asked_for: list[tuple[str | None, bool]] = field(default_factory=list)

    def __call__(self, *line: str, stdin: str | bytes = "", environment: dict[str, str] | None = None) -> Result:
        """Run one command line against stack usher-test."""
        return self.run("--stack", "usher-test", *line, stdin=stdin, environment=environment)

    def run(self, *line: str, stdin: str | bytes = "", environment: dict[str, str] | None = None) -> Result:
        """Run one command line as it is."""
        settings = {**ENVIRONMENT, **(environment or {})}
        return CliRunner(env=settings).invoke(usher, line, input=stdin, obj=Asked(self.connect), prog_name="usher")

    def connect(self, stack: str | None, *, local: bool) -> System:
        """Find the one system that there is."""
        self.asked_for.append((stack, local))
        if stack == "usher-nowhere":
            raise SystemUnavailable("there is no stack of this name")
        world, policy = self.world, self.world.policy
        assert policy is not None
        stage: Any = {
            "name": "test",
            "policy": policy,
            "sources": {"canonical": {}, "thin": {"base_url": "https://hr.example"}, "gusto": {}},
            "senders": [{"id": "AROAEXAMPLE", "sources": ["payroll"]}],
        }
        return System(
            name=stack or "the local system",
            stage=Stage.model_validate(stage),
            store=world.store,
            go_live=GoLive(world.store, policy, world.clock, digest),
            take_up_again=TakeUpAgain(world.store, world.queues, policy, world.clock),
            approve=Approve(world.store, world.clock),
            take_secret=TakeSecret(world.store, self.sources, world.clock),
            asked={"thin"},
            clock=world.clock,
            whoami=lambda: "arn:aws:sts::123456789012:assumed-role/operator/sam",
            put_secret=self._put_secret,
            send=self._send,
        )

    def _put_secret(self, name: str, value: str) -> bool:
        new = name not in self.secrets
        self.secrets[name] = value
        return new

    def _send(self, body: str) -> str:
        self.sent.append(body)
        return f"message-{len(self.sent)}"


def a_desk_with_people() -> Desk:
    """Ann is invited, Bo's connection is in plan mode, Cy starts much later, and Di has a personal address."""
    desk = Desk()
    desk.world.says(a_hire("E-1", given_name="Ann", family_name="Arbor"))
    desk.world.send()
    desk.world.says(a_hire("E-2", given_name="Bo", department="Research"))
    desk.world.says(a_hire("E-3", start_date=datetime(2026, 12, 1, tzinfo=UTC).date()))
    desk.world.says(a_hire("E-4", work_email="di@mail.example"))
    return desk


def a_desk_in_plan_mode() -> Desk:
    """E-1 starts on Monday, E-2 started last week; the whole company is in plan mode."""
    world = World()
    world.policy = a_policy(world.provider, company=COMPANY_IN_PLAN_MODE)
    world.says(a_hire("E-1", start_date=datetime(2026, 9, 14, tzinfo=UTC).date()))
    world.says(a_hire("E-2", start_date=datetime(2026, 9, 1, tzinfo=UTC).date()))
    return Desk(world)
