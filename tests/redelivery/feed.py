"""What a redelivery test must know of one HR system."""

import json
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import httpx

from tests.contracts.hr_webhooks import Example
from usher.domain.notice import notice_id_of
from usher_local.sign import sign

ADDRESS = "noor.haddad@example.com"
HOUR = timedelta(hours=1)


@dataclass
class Person:
    """Noor, as the HR system has her now."""

    work_email: str | None = ADDRESS
    gone_at: datetime | None = None

    @property
    def is_gone(self) -> bool:
        """Say whether she was taken back."""
        return self.gone_at is not None


Body = dict[str, Any]
Api = Callable[[httpx.Request, Person], httpx.Response]
Gone = Callable[[Body, datetime], Body]
Seal = Callable[[Body, str, datetime], Body]


@dataclass(frozen=True, kw_only=True)
class Feed:
    """
    How one system announces Noor.

    `hired` hires her, `others` are further events of the same hire, `cancelled` takes her back. A system whose events
    are thin has an `api`; one that `learns` the address by an event of its own has first said `unaddressed`; one that
    never knows it is completed by another system. `retries` is when an unanswered delivery comes again; `restamps` says
    whether it is then signed anew. `seal` puts the secret into the body, where it belongs there. `is_dated` says
    whether something orders the events; where nothing does, a hire that arrives after its cancel hires again, and so
    does one that is sent again, unless its own words tell that it has come before (`knows_repetition`). `gone` puts
    the time at which she was taken back into the cancel, where that is measured against the time of asking.
    """

    source: str
    hire_id: str
    hired: Body
    others: tuple[Body, ...] = ()
    cancelled: Body | None = None
    api: Api | None = None
    unaddressed: Body | None = None
    learns: Body | None = None
    knows_address: bool = True
    retries: tuple[timedelta, ...] = (timedelta(minutes=5), HOUR)
    restamps: bool = True
    is_dated: bool = True
    knows_repetition: bool = True
    seal: Seal | None = None
    gone: Gone | None = None
    content_type: str = "application/json"
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """The name of a test with it."""
        return self.source if self.is_dated else f"{self.source}, undated"


def completing(feed: Feed) -> Body:
    """Give what the HR system says of a hire whose source never knows the address."""
    return {
        "schema": "usher.new-hire/1",
        "source": "canonical",
        "hire_id": "E-1042",
        "version": 7,
        "change": "changed",
        "work_email": ADDRESS,
        "same_as": f"{feed.source}/{feed.hire_id}",
    }


def secret_of(source: str, generation: int = 1) -> str:
    """Give a secret that a source signs with: a text that is a key in every form."""
    key = f"example-key-of-{source}-{generation}".ljust(32, "-")
    return "whsec_" + b64encode(key.encode()).decode()


def signed(feed: Feed, body: Body, now: datetime, secret: str | None = None) -> dict[str, Any]:
    """Make the gateway's event of a body, signed now; the same body has the same id, whenever it is sent."""
    secret = secret or secret_of(feed.source)
    raw = json.dumps(feed.seal(body, secret, now) if feed.seal else body).encode()
    delivery = f"msg_{notice_id_of(json.dumps(body, sort_keys=True))}"
    headers = {} if feed.seal else sign(feed.source, raw, secret, now, delivery)
    return {
        "httpMethod": "POST",
        "pathParameters": {"source": feed.source},
        "headers": headers | {"content-type": feed.content_type},
        "body": b64encode(raw).decode(),
        "isBase64Encoded": True,
    }


def body_of(name: str) -> Body:
    """Give the body of a contract's example request."""
    found: Body = json.loads(Example.load(name).raw["raw_body"])
    return found


def answer_of(name: str) -> Any:
    """Give what the contract says that the HR system's API answers."""
    return Example.load(name).raw["detail_fetch"]["response_example"]


def after(*minutes: float) -> tuple[timedelta, ...]:
    """Say how long after the first delivery each retry comes, in minutes."""
    return tuple(timedelta(minutes=each) for each in minutes)
