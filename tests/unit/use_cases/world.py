"""Planning and sending over in-memory ports, with one provider and a policy of two rules."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from itertools import count
from typing import Any

from tests.fakes.clock import FakeClock
from tests.fakes.provider import FakeProvider
from tests.fakes.queues import MemoryQueues
from tests.fakes.remaining import FixedTime
from tests.fakes.secrets import MemorySecrets
from tests.fakes.store import MemoryStore
from usher.domain.hire import Change, HireKey, NewHire
from usher.domain.hold import HoldRules
from usher.domain.invitation import Invitation, InvitationKey, Limits
from usher.domain.mailbox import mailbox_digest
from usher.domain.notice import Notice
from usher.domain.policy import Company, Connection, Grant, Mode, Policy, Rule, Team, When
from usher.ports import Details, SourceSettings
from usher.use_cases.ask_details import AskDetails
from usher.use_cases.intake import read_intake
from usher.use_cases.keep_notices import KeepNotices
from usher.use_cases.plan_invites import PlanInvites, Planned
from usher.use_cases.send_invites import SendInvites, Sent
from usher.use_cases.sweep import Sweep

NOON = datetime(2026, 9, 8, 12, 0, tzinfo=UTC)


def digest(mailbox: str) -> str:
    """Key a mailbox as a stack would."""
    return mailbox_digest(b"test-key", mailbox)


def a_policy(provider: FakeProvider, **changes: Any) -> Policy:
    """Engineers get the main organization, researchers the labs one, which is in plan mode."""
    common = {
        "provider": provider.name,
        "base_url": "https://provider.example",
        "roles": ("member",),
        "teams": ("platform",),
        "timings": provider.timings,
        "rate": provider.rate,
        "invites_per_day": provider.invites_per_day,
    }
    base: dict[str, Any] = {
        "version": 1,
        "company": Company(email_domains=("example.com",), time_zone="Europe/Berlin", mode=Mode.LIVE),
        "connections": {
            "main": Connection(name="main", organization="acme", **common),
            "labs": Connection(name="labs", organization="acme-labs", mode=Mode.PLAN, **common),
        },
        "rules": (
            Rule(
                name="engineers",
                when=When(department=("Engineering",)),
                connection="main",
                grant=Grant(role="member", teams=(Team(name="platform"),)),
            ),
            Rule(name="labs", when=When(department=("Research",)), connection="labs", grant=Grant(role="member")),
        ),
    }
    return Policy(**base | changes)


def a_hire(hire_id: str = "E-1", version: int = 1, **changes: Any) -> NewHire:
    """Ann the engineer, who starts on Monday."""
    base: dict[str, Any] = {
        "source": "canonical",
        "hire_id": hire_id,
        "version": version,
        "change": Change.HIRED,
        "work_email": f"{hire_id.lower()}@example.com",
        "start_date": date(2026, 9, 14),
        "department": "Engineering",
    }
    return NewHire(**base | changes)


@dataclass
class World:
    """One stack in memory."""

    provider: FakeProvider = field(default_factory=FakeProvider)
    policy: Policy | None = None
    details: dict[str, Details] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)
    store: MemoryStore = field(default_factory=MemoryStore)
    queues: MemoryQueues = field(default_factory=MemoryQueues)
    clock: FakeClock = field(default_factory=lambda: FakeClock(NOON))
    secrets: MemorySecrets = field(
        default_factory=lambda: MemorySecrets(
            {"sentry/main": "token-1", "sentry/labs": "token-1", "atlassian/main": "token-1", "hr-api/thin": "key"}
        )
    )

    senders: dict[str, tuple[str, ...]] = field(default_factory=dict)
    joins: dict[str, tuple[str, ...]] = field(default_factory=dict)
    settings: dict[str, SourceSettings] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.policy = self.policy or a_policy(self.provider)
        self._numbers = count(1)
        self._planner: PlanInvites | None = None

    @property
    def plan(self) -> PlanInvites:
        """The planner under the present policy."""
        assert self.policy is not None
        if self._planner is None or self._planner.policy is not self.policy:
            self._planner = self._new_planner(self.policy)
        return self._planner

    def _new_planner(self, policy: Policy) -> PlanInvites:
        sources = {name: SourceSettings(name, "https://hr.example") for name in self.details} | self.settings
        return PlanInvites(
            store=self.store,
            policy=policy,
            details=AskDetails(self.details, sources, self.secrets, self.clock),
            notices=KeepNotices(self.store, self.clock, self.limits, policy.company.time_zone),
            sources=sources,
            queues=self.queues,
            clock=self.clock,
            digest=digest,
            read_again=lambda notice, body: [
                read_intake(body.decode(), notice.notice_id, notice.sender or "", self.senders, self.clock.now())
            ],
            joins=self.joins,
        )

    @property
    def sender(self) -> SendInvites:
        """The provider's sender under the present policy."""
        assert self.policy is not None
        return SendInvites(
            store=self.store,
            provider=self.provider,
            policy=self.policy,
            planning=self.plan,
            secrets=self.secrets,
            clock=self.clock,
            limits=self.limits,
            hold_rules=HoldRules(),
            new_owner=lambda: f"owner-{next(self._numbers)}",
        )

    @property
    def sweep(self) -> Sweep:
        """The tick."""
        assert self.policy is not None
        return Sweep(self.store, self.queues, self.policy, self.clock)

    def notice(self, hire: NewHire | None = None, **changes: Any) -> Notice:
        """Make a notice that nobody has sent before."""
        base: dict[str, Any] = {
            "notice_id": f"{next(self._numbers):032x}",
            "source": hire.source if hire else "canonical",
            "received_at": self.clock.now(),
            "event": "hired",
            "subject": hire.hire_id if hire else None,
            "change": hire.change if hire else None,
            "hire": hire,
        }
        return Notice(**base | changes)

    def says(self, hire: NewHire) -> Planned:
        """Let a source say something about a person."""
        planned = self.plan.notice(self.notice(hire))
        self.plan.wake_senders()
        return planned

    def rows(self, hire_id: str = "E-1") -> tuple[Invitation, ...]:
        """Read the rows of a person."""
        return self.store.hire(HireKey("canonical", hire_id)).rows

    def row(self, hire_id: str = "E-1", connection: str = "main", generation: int = 1) -> Invitation:
        """Read one row."""
        key = InvitationKey("canonical", hire_id, connection, generation)
        return self.store.invitations([key])[key]

    def send(self, *keys: InvitationKey, seconds: float = 60) -> Sent:
        """Wake the sender for rows; for all that are due where none is named."""
        return self.sender(keys or self.due(), FixedTime(seconds))

    def due(self) -> list[InvitationKey]:
        """List every due row."""
        assert self.policy is not None
        names: Iterable[str] = self.policy.connections
        return [key for name in names for key in self.store.due(name, self.clock.now(), 1000)]

    def until_quiet(self, *, seconds: float = 5, rounds: int = 400) -> None:
        """Let time pass and the sweep do its work until nothing is due soon."""
        for _ in range(rounds):
            if self.due():
                self.send()
            self.clock.advance(seconds)
