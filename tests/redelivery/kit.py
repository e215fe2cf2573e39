"""The whole way of an announcement in memory: real handlers, queues as lists, an HR system, and a ledger of mails."""

import json
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from itertools import count
from types import SimpleNamespace
from typing import Any

import httpx

from tests.fakes.clock import FakeClock
from tests.fakes.ledger import Ledger
from tests.fakes.queues import MemoryQueues
from tests.fakes.secrets import MemorySecrets
from tests.fakes.store import MemoryStore
from tests.redelivery.complete import CANONICAL
from tests.redelivery.feed import ADDRESS, HOUR, Body, Feed, Person, completing, secret_of, signed
from tests.simulation.handlers import Handler
from tests.unit.use_cases.world import World, a_policy
from usher.domain.invitation import Invitation, State
from usher.domain.messages import PlanningMessage, SendingWakeUp
from usher.domain.notice import NoticeState
from usher.domain.policy import Connection, Grant, Policy, Rule, When
from usher.ports import Source, SourceSettings
from usher.sources.registry import all_sources
from usher.use_cases.receive_notice import ReceiveNotice

NOON = datetime(2026, 9, 8, 12, 0, tzinfo=UTC)
CONNECTIONS = ("first", "second")
QUEUE = "https://sqs.example/123456789012/NoticeQueue"

_numbers = count(1)


def two_connections(provider: Ledger) -> Policy:
    """Everybody gets two organizations of one provider."""
    base = a_policy(provider)
    main = base.connections["main"]
    connections: dict[str, Connection] = {
        name: main.model_copy(update={"name": name, "organization": name}) for name in CONNECTIONS
    }
    rules = tuple(
        Rule(name=name, when=When(everyone=True), connection=name, grant=Grant(role="member")) for name in CONNECTIONS
    )
    return base.model_copy(update={"connections": connections, "rules": rules})


class Kit:
    """One stack and one HR system. Deliver, `work`, and look at the ledger."""

    def __init__(self, feed: Feed) -> None:
        self.feed = feed
        self.person = Person()
        self.tampers: Callable[[Any], Any] = lambda body: body
        self.asked: list[httpx.Request] = []
        self.handled: list[tuple[str, list[str]]] = []
        self.clock = FakeClock(NOON)
        self.store = MemoryStore()
        self.queues = MemoryQueues()
        names = {feed.source, "canonical"}
        values = {f"sources/{name}": secret_of(name) for name in names}
        values |= {f"hr-api/{name}": "key:secret" for name in names}
        self.secrets = MemorySecrets(values | {f"sentry/{name}": "token" for name in CONNECTIONS})
        self.ledger = Ledger.like_sentry(self.clock)
        self.ledger.mails_again = True  # Sentry would hide a second request.
        settings = {name: SourceSettings(name) for name in names}
        settings[feed.source] = SourceSettings(feed.source, **feed.settings)
        http = httpx.Client(transport=httpx.MockTransport(self._hr_answers))
        known: dict[str, Source] = {source.name: source for source in all_sources(http)}
        listened_to = {name: known[name].configured(settings[name]) for name in names}
        self.world = World(
            provider=self.ledger,
            policy=two_connections(self.ledger),
            details={name: source.details for name, source in listened_to.items() if source.details},
            store=self.store,
            queues=self.queues,
            clock=self.clock,
            secrets=self.secrets,
            joins={"canonical": (feed.source,)},
            settings=settings,
        )
        self.receive = ReceiveNotice(listened_to, self.secrets, self.queues, self.clock)
        self.handlers: Mapping[str, Handler] = {}

    @property
    def stack(self) -> SimpleNamespace:
        """What `bootstrap.stack` gives."""
        return SimpleNamespace(
            environment=SimpleNamespace(notice_queue_url=QUEUE),
            receive_notice=self.receive,
            plan_invites=self.world.plan,
            send_invites=self.world.sender,
            sweep=self.world.sweep,
        )

    def _hr_answers(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        assert self.feed.api is not None, "nobody is asked of a system that sends everything"
        answer = self.feed.api(request, self.person)
        return httpx.Response(answer.status_code, json=self.tampers(answer.json())) if answer.content else answer

    # --- what vendors do ---

    def event(self, body: Body, *, secret: str | None = None) -> dict[str, Any]:
        """Make the gateway's event of a body, signed now."""
        return signed(self.feed, body, self.clock.now(), secret)

    def send(self, event: dict[str, Any]) -> int:
        """Send it, and give the answer's status."""
        status: int = self.handlers["hr_webhook"](event, None)["statusCode"]
        return status

    def receives(self, event: dict[str, Any]) -> None:
        """Send it, and check that its sender is thanked."""
        assert 200 <= self.send(event) < 300

    def deliver(self, *bodies: Body) -> None:
        """Deliver bodies one after the other, each to its end."""
        for body in bodies:
            if body is self.feed.cancelled:
                body = self._gone(body)
            self.receives(self.event(body))
            self.work()
            self.clock.advance(1)

    def _gone(self, body: Body) -> Body:
        self.person.gone_at = self.person.gone_at or self.clock.now()
        return self.feed.gone(body, self.person.gone_at) if self.feed.gone else body

    def complete(self) -> None:
        """Let the HR system bring the address, where this one never knows it."""
        if not self.feed.knows_address:
            self.receives(signed(CANONICAL, completing(self.feed), self.clock.now()))
            self.work()

    def rotate(self, old: str, new: str, until: datetime) -> None:
        """Exchange the webhook's secret; the old one holds for a while."""
        both = [{"value": new}, {"value": old, "not_after": until.isoformat()}]
        self.secrets.values[f"sources/{self.feed.source}"] = json.dumps(both)

    # --- what the stack does ---

    def work(self) -> None:
        """Let the functions handle whatever is queued, and what their work queues."""
        queues = self.queues
        while queues.announced or queues.notices_woken or queues.hires_woken or queues.woken:
            messages = [PlanningMessage(notice=notice) for notice in queues.announced]
            if queues.notices_woken or queues.hires_woken:
                hires = tuple(str(key) for key in queues.hires_woken)
                messages.append(PlanningMessage(notices=tuple(queues.notices_woken), hires=hires))
            wake_ups = queues.woken
            queues.announced, queues.notices_woken, queues.hires_woken, queues.woken = [], [], [], []
            self.handle("plan_invites", [message.model_dump_json() for message in messages])
            self.handle("send_invites", [SendingWakeUp.of(keys).model_dump_json() for _, keys in wake_ups])

    def wait(self, time: timedelta) -> None:
        """Let time pass, an hour at a time, with the sweep at the end of each."""
        for _ in range(time // HOUR):
            self.clock.advance(HOUR.total_seconds())
            self.handlers["sweep"]({}, None)
            self.work()

    def handle(self, function: str, bodies: list[str]) -> None:
        """Hand messages to a function, as one batch."""
        if not bodies:
            return
        self.handled.append((function, bodies))
        arn = "arn:aws:sqs:eu-west-1:123456789012:NoticeQueue"
        records = [{"messageId": f"m-{next(_numbers)}", "body": body, "eventSourceARN": arn} for body in bodies]
        context = SimpleNamespace(get_remaining_time_in_millis=lambda: 60_000)
        assert self.handlers[function]({"Records": records}, context) == {"batchItemFailures": []}

    # --- what came of it ---

    @property
    def mails(self) -> Counter[tuple[str, str]]:
        """How many mails each connection sent to each address."""
        return Counter((mail.connection, mail.address) for mail in self.ledger.ledger)

    @property
    def rows(self) -> list[Invitation]:
        """Every row, whatever its state."""
        keys = [key for state in State for key in self.store.rows_in_state(state, 1000)]
        return list(self.store.invitations(keys).values())

    @property
    def parked(self) -> list[str]:
        """The problems of every parked notice."""
        records = [self.store.notice(name) for name in self.store.notices_in_state(NoticeState.PARKED, 1000)]
        return [str(problem) for record in records if record for problem in record.problems]

    def check_rows_against_ledger(self) -> None:
        """Check that every row says what the provider did, and nobody was mailed twice by one connection."""
        assert set(self.mails.values()) <= {1}, self.mails
        said = {(row.connection, row.sent_address) for row in self.rows if row.mailed}
        assert said == self.mails.keys()
        for row in self.rows:
            was_mailed = (row.connection, row.address) in self.mails
            assert (row.state is State.INVITED) == was_mailed, (row.key, row.state, row.reason)

    def check_one_invitation_each(self) -> None:
        """Check on top that every connection has invited her, and once."""
        self.check_rows_against_ledger()
        assert self.mails == dict.fromkeys(((name, ADDRESS) for name in CONNECTIONS), 1), self.parked
