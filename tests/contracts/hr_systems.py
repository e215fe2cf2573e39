"""
The other sides of every source: the requests that it sends, its settings, and the answers of its API.

Requests come from the contract's examples and the sample events. ``hr-systems.json`` holds the rest: settings and the
API's secret, answers in the order of the questions, a second mapping for systems whose customer builds the body, and
bodies of a kind that no example has.
"""

import json
from base64 import b64decode
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple, Self

import httpx

from tests.contracts.hr_webhooks import NAMES, Example
from usher.domain.hire import HireKey, NewHire
from usher.domain.notice import Notice
from usher.ports import Source, SourceSettings, WebhookRequest
from usher.sources.registry import all_sources

EVENTS = Path(__file__).parents[2] / "events"
_SYSTEMS: dict[str, Any] = json.loads((Path(__file__).parent / "hr-systems.json").read_text(encoding="utf-8"))
# Both sign as the canonical source does; the contract's name for it is its format's.
_CANONICAL = {"standard-webhooks": "canonical", "svix": "canonical"}


class Answer(NamedTuple):
    """What an API answers to one question."""

    body: bytes
    status: int = 200
    headers: tuple[tuple[bytes, bytes], ...] = ()


@dataclass
class Api:
    """Plays the API of an HR system: gives its answers in turn, and the last one again and again."""

    answers: deque[Answer] = field(default_factory=deque)

    def set(self, answers: Iterable[Answer]) -> None:
        """Begin with these answers."""
        self.answers = deque(answers)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """Answer one request."""
        del request
        answer = self.answers.popleft() if len(self.answers) > 1 else self.answers[0]
        return httpx.Response(answer.status, headers=list(answer.headers), content=answer.body)

    def client(self) -> httpx.Client:
        """Give a client that asks it, and nobody else."""
        return httpx.Client(transport=httpx.MockTransport(self))


@dataclass(frozen=True, eq=False)
class HrSystem:
    """One source as a stage sets it up, and what it meets."""

    title: str
    settings: SourceSettings
    secret: str
    details: tuple[Any, ...]
    listing: tuple[Any, ...]
    further_bodies: tuple[Any, ...]

    @classmethod
    def of(cls, name: str, kind: str = "settings") -> Self:
        """Read what there is about a source; nothing for one that needs nothing."""
        known = _SYSTEMS.get(name, {})
        return cls(
            title=name if kind == "settings" else f"{name}-{kind}",
            settings=SourceSettings(name, **known.get(kind, {})),
            secret=known.get("secret", "example-token"),
            details=tuple(known.get("details", ())),
            listing=tuple(known.get("listing", ())),
            further_bodies=tuple(known.get("further_bodies", ())),
        )

    def source(self, client: httpx.Client) -> Source:
        """Give the source, which remembers nothing of another."""
        found = {source.name: source for source in all_sources(client)}[self.settings.name]
        return found.configured(self.settings)

    @property
    def requests(self) -> tuple[WebhookRequest, ...]:
        """The requests of the contract and of the sample events, forged and unusable ones too, and further ones."""
        name = self.settings.name
        examples = [Example.load(one).request for one in NAMES]
        found = [request for request in examples if _CANONICAL.get(request.source, request.source) == name]
        paths = sorted((EVENTS / "hr_webhook").glob(f"{name}_*.json"))
        found += [_request(json.loads(path.read_text(encoding="utf-8"))) for path in paths]
        return (*found, *(replace(found[0], body=json.dumps(body).encode()) for body in self.further_bodies))


def all_systems() -> tuple[HrSystem, ...]:
    """Give every source of the registry, and those that can be mapped a second time, with a mapping."""
    names = [source.name for source in all_sources(Api().client())]
    mapped = [name for name in names if "mapping" in _SYSTEMS.get(name, {})]
    return (*map(HrSystem.of, names), *(HrSystem.of(name, "mapping") for name in mapped))


def as_answers(bodies: Sequence[Any]) -> list[Answer]:
    """Make answers of JSON values."""
    return [Answer(json.dumps(body).encode()) for body in bodies]


def faults_of_hire(hire: NewHire, notice: Notice) -> list[str]:
    """Say where a hire that was fetched breaks what the port promises: the one asked for, and fit to be planned for."""
    faults = [] if hire.key == (notice.source, notice.subject) else ["the person is another than was asked for"]
    if NewHire.model_validate_json(hire.model_dump_json()) != hire:
        faults.append("the hire does not survive the table")
    return faults


def faults_of(notice: Notice) -> list[str]:
    """Say where a notice breaks what the port promises: it is no hire, a hire, thin, or says why it is none of them."""
    faults = []
    if notice.problems:
        if notice.sealed_body is None:
            faults.append("a notice that cannot be used has no body to be read again")
    elif notice.change is not None:
        if not notice.is_thin and notice.hire is None:
            faults.append("a notice with a change has neither a hire nor somebody to ask about")
        if notice.subject is None or str(HireKey(notice.source, notice.subject)) != _again(notice):
            faults.append("the subject is no id of a hire")
        if notice.hire is not None and (notice.hire.hire_id, notice.hire.change) != (notice.subject, notice.change):
            faults.append("the notice and its hire say different things")
    if Notice.model_validate_json(notice.model_dump_json()) != notice:
        faults.append("the notice does not survive the queue")
    return faults


def _again(notice: Notice) -> str | None:
    try:
        return str(HireKey.parse(f"{notice.source}/{notice.subject}"))
    except ValueError:
        return None


def _request(event: dict[str, Any]) -> WebhookRequest:
    body = event["body"] or ""
    return WebhookRequest(
        method=event["httpMethod"],
        source=event["pathParameters"]["source"],
        headers={name.lower(): (value,) for name, value in event["headers"].items()},
        body=b64decode(body) if event["isBase64Encoded"] else body.encode(),
        query=event["queryStringParameters"] or {},
    )
