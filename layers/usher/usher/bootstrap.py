"""
The one composition root: the only module that knows the concrete classes.

A `Stack` wires one deployed stack; functions use the one of their process through the functions below. Importing this
module calls nothing on the network and reads no secret.
"""

import os
import time
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache, cached_property

from usher.aws.clients import Clients
from usher.aws.queues import SqsQueues
from usher.aws.secrets import SecretsManager
from usher.aws.table import DynamoTable
from usher.config import STAGES, Environment, Stage, load_stage
from usher.domain.errors import BadPolicy
from usher.domain.mailbox import mailbox_digest
from usher.domain.notice import Notice
from usher.http import make_client
from usher.ports import Clock, Provider, Source, WebhookRequest
from usher.providers.atlassian import Atlassian
from usher.providers.sentry import Sentry
from usher.sources.registry import all_sources
from usher.use_cases.ask_details import AskDetails
from usher.use_cases.intake import read_intake as read_intake_message
from usher.use_cases.keep_notices import KeepNotices
from usher.use_cases.look_after_feeds import LookAfterFeeds
from usher.use_cases.operate import Approve, GoLive, TakeSecret, TakeUpAgain
from usher.use_cases.plan_invites import PlanInvites
from usher.use_cases.receive_notice import ReceiveNotice
from usher.use_cases.send_invites import SendInvites
from usher.use_cases.sweep import Sweep


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Give the wall clock in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Give seconds that never run backwards."""
        return time.monotonic()


class Stack:
    """One deployed stack, wired; what is not used is not made."""

    def __init__(self, environment: Environment, clients: Clients, clock: Clock | None = None) -> None:
        self.environment = environment
        self.clients = clients
        self.clock = clock or SystemClock()

    @cached_property
    def providers(self) -> dict[str, Provider]:
        """Every provider's adapter, by name."""
        client = make_client(concurrency=100)
        adapters: tuple[Provider, ...] = (Atlassian(client), Sentry(client))
        return {adapter.name: adapter for adapter in adapters}

    @cached_property
    def sources(self) -> dict[str, Source]:
        """Every source that the code knows, by name."""
        return {source.name: source for source in all_sources(make_client(concurrency=4))}

    @cached_property
    def stage(self) -> Stage:
        """The stage file; raises BadPolicy, and then nothing of this process runs."""
        return load_stage(STAGES / f"{self.environment.stage}.toml", self.providers, self.sources)

    @cached_property
    def listened_to(self) -> dict[str, Source]:
        """The sources that this stage listens to, as it wants them."""
        return {name: self.sources[name].configured(settings) for name, settings in self.stage.source_settings.items()}

    @cached_property
    def store(self) -> DynamoTable:
        """The table."""
        return DynamoTable(self.clients.dynamodb, self.environment.table)

    @cached_property
    def queues(self) -> SqsQueues:
        """The queues."""
        return SqsQueues(self.clients.sqs, self.environment.notice_queue_url, self.environment.provider_queues)

    @cached_property
    def secrets(self) -> SecretsManager:
        """The secrets under the stack's prefix."""
        return SecretsManager(self.clients.secretsmanager, self.environment.secrets_prefix, self.clock)

    @cached_property
    def receive_notice(self) -> ReceiveNotice:
        """The use case behind ``POST /hr/{source}``."""
        return ReceiveNotice(self.listened_to, self.secrets, self.queues, self.clock)

    @cached_property
    def plan_invites(self) -> PlanInvites:
        """The planner; without queues it wakes nobody, and the sweep does."""
        return PlanInvites(
            store=self.store,
            policy=self.stage.policy,
            details=AskDetails(
                {name: source.details for name, source in self.listened_to.items() if source.details},
                self.stage.source_settings,
                self.secrets,
                self.clock,
            ),
            notices=KeepNotices(self.store, self.clock, self.stage.limits, self.stage.policy.company.time_zone),
            sources=self.stage.source_settings,
            queues=self.queues if self.environment.provider_queues else None,
            clock=self.clock,
            digest=self._digest,
            read_again=self._read_again,
            joins=self.stage.joins,
        )

    @cached_property
    def send_invites(self) -> SendInvites:
        """The sender of the provider that this function is deployed for."""
        provider = self.providers.get(self.environment.provider)
        if provider is None:
            raise BadPolicy(f"USHER_PROVIDER: {self.environment.provider!r} is not one of {', '.join(self.providers)}")
        return SendInvites(
            store=self.store,
            provider=provider,
            policy=self.stage.policy,
            planning=self.plan_invites,
            secrets=self.secrets,
            clock=self.clock,
            limits=self.stage.limits,
            hold_rules=self.stage.holds,
            new_owner=lambda: uuid.uuid4().hex,
        )

    @cached_property
    def sweep(self) -> Sweep:
        """The tick."""
        settings = self.stage.source_settings.values()
        feeds = tuple(each.name for each in settings if each.is_looked_after)
        return Sweep(self.store, self.queues, self.stage.policy, self.clock, feeds=feeds)

    @cached_property
    def look_after_feeds(self) -> LookAfterFeeds:
        """The daily look at a source's feed."""
        return LookAfterFeeds(
            store=self.store,
            queues=self.queues,
            secrets=self.secrets,
            clock=self.clock,
            listings={name: source.listing for name, source in self.listened_to.items() if source.listing},
            sources=self.stage.source_settings,
        )

    @cached_property
    def go_live(self) -> GoLive:
        """The operator's promotion of planned rows."""
        return GoLive(self.store, self.stage.policy, self.clock, self._digest)

    @cached_property
    def take_up_again(self) -> TakeUpAgain:
        """The operator's second chance for parked rows and notices."""
        return TakeUpAgain(self.store, self.queues, self.stage.policy, self.clock)

    @cached_property
    def take_secret(self) -> TakeSecret:
        """The operator's way to a key that a sender sent itself."""
        return TakeSecret(self.store, self.listened_to, self.clock)

    @cached_property
    def approve(self) -> Approve:
        """The operator's word that a mass of invitations is meant."""
        return Approve(self.store, self.clock)

    def read_intake(self, body: str, message_id: str, sender_id: str) -> Notice:
        """Read a message of the intake queue, in the name of its sender."""
        return read_intake_message(body, message_id, sender_id, self.stage.senders_by_id, self.clock.now())

    def _read_again(self, notice: Notice, body: bytes) -> Sequence[Notice]:
        source = self.listened_to.get(notice.source)
        if source is None:
            return [self.read_intake(body.decode(errors="replace"), notice.notice_id, notice.sender or "")]
        return source.read(WebhookRequest("POST", notice.source, {}, body), notice.received_at)

    def _digest(self, mailbox: str) -> str:
        return mailbox_digest(self.secrets.get("mailbox-key").encode(), mailbox)


@cache
def stack() -> Stack:
    """Give the stack of this process."""
    return Stack(Environment.of(os.environ), Clients())


def receive_notice() -> ReceiveNotice:
    """Give the use case behind ``POST /hr/{source}``."""
    return stack().receive_notice


def plan_invites() -> PlanInvites:
    """Give the planner."""
    return stack().plan_invites


def look_after_feeds() -> LookAfterFeeds:
    """Give the daily look at a source's feed."""
    return stack().look_after_feeds


def send_invites() -> SendInvites:
    """Give the sender of this function's provider."""
    return stack().send_invites


def sweep() -> Sweep:
    """Give the tick."""
    return stack().sweep


def read_intake(body: str, message_id: str, sender_id: str) -> Notice:
    """Read a message of the intake queue, in the name of its sender."""
    return stack().read_intake(body, message_id, sender_id)


def is_own_notice_queue(arn: str) -> bool:
    """Say whether a message came from our own notice queue; whatever did not is an outsider's."""
    # arn:aws:sqs:<region>:<account>:<name> and https://<host>/<account>/<name>
    return arn.split(":")[-2:] == stack().environment.notice_queue_url.split("/")[-2:]
