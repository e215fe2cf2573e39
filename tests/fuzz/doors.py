"""
The doors through which a stranger's bytes come, and what may become of them.

A fuzzer's input is one byte that chooses a door, and the bytes that knock there, in the form of HTTP: lines of a head,
an empty line, a body. Behind a door only the errors that its port names are caught; every other one is a finding.
"""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

from tests.contracts.hr_systems import EVENTS, Answer, Api, HrSystem, all_systems, as_answers, faults_of, faults_of_hire
from usher.domain.errors import BadEvent, BodyNotUnderstood, DetailsUnavailable, SecretUnavailable, Unauthentic
from usher.domain.json_text import parse
from usher.domain.notice import Notice
from usher.ports import Source, WebhookRequest
from usher.use_cases.intake import read_intake
from usher.use_cases.receive_notice import active_secrets

NOON = datetime(2026, 9, 8, 12, 0, tzinfo=UTC)
MOST_ANSWERS = 6

END_OF_HEAD = b"\n\n"
END_OF_ANSWER = b"\n\n--\n"

_METHODS = ("POST", "GET", "OPTIONS")
_HEADER_NAME = re.compile(rb"[A-Za-z0-9-]{1,64}")
_STATUS = re.compile(rb"[2-5][0-9]{2}")
_REFUSALS = (
    Answer(b"{}", 401),
    Answer(b"", 404),
    Answer(b"{}", 429, ((b"retry-after", b"30"), (b"content-type", b"application/json"))),
    Answer(b"{}", 429, ((b"retry-after", b"Tue, 08 Sep 2026 12:01:00 GMT"),)),
)
_SENDERS = dict.fromkeys(("AROAEXAMPLEHRSYSTEM", "AIDAEXAMPLESNS"), ("canonical", "greenhouse"))
_SECRETS = (
    b"whsec_d2hzZWM=",
    b'[{"value": "new"}, {"value": "old", "not_after": "2026-10-01T00:00:00Z"}]',
    b'[{"value": "old", "not_after": "2026-09-08"}]',
)
_JSON = (
    b'{"a": [1, -2.5e3, true, null, "\\u00e9\\ud83d\\ude00"], "b": {}}',
    b'{"a": 1, "a": 2}',
    b"\xef\xbb\xbf{}",
    b'"\\ud800"',
    b"[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]",
    b"[NaN, Infinity, 12345678901234567890, 1e999]",
    b'"[[[[{{{{"',
)


class BrokenPromiseError(AssertionError):
    """A notice or a hire that is not what the port promises."""


class Door(NamedTuple):
    """What reads an input, and inputs to begin with."""

    name: str
    open: Callable[[bytes], None]
    seeds: tuple[bytes, ...]


def request_of(system: HrSystem, data: bytes) -> WebhookRequest:
    """Make a request of an input: method and query in the first line, headers in the others, of any characters."""
    first, *lines = (line.decode(errors="surrogateescape") for line in data.partition(END_OF_HEAD)[0].split(b"\n"))
    method, _, query = first.partition(" ")
    headers: dict[str, tuple[str, ...]] = {}
    for line in lines:
        name, _, value = line.partition(": ")
        headers[name.lower()] = (*headers.get(name.lower(), ()), value)
    pairs = (pair.partition("=") for pair in query.split("&") if pair)
    return WebhookRequest(
        method=method if method in _METHODS else "POST",
        source=system.settings.name,
        headers=headers,
        body=data.partition(END_OF_HEAD)[2],
        query={name: value for name, _, value in pairs},
    )


def as_input(request: WebhookRequest) -> bytes:
    """Write a request in the form that `request_of` reads."""
    query = "&".join(f"{name}={value}" for name, value in request.query.items())
    lines = [
        f"{request.method} {query}",
        *(f"{n}: {value}" for n, values in request.headers.items() for value in values),
    ]
    return "\n".join(lines).encode() + END_OF_HEAD + request.body


def answers_of(data: bytes) -> list[Answer]:
    """Make answers of an input: a status in the first line of each, headers in the others."""
    found = []
    for part in data.split(END_OF_ANSWER, MOST_ANSWERS - 1):
        head, _, body = part.partition(END_OF_HEAD)
        status, *lines = head.split(b"\n")
        pairs = (line.partition(b": ") for line in lines)
        # An HTTP library has refused other names, and control characters, before anybody sees the answer.
        headers = tuple(
            (name, value)
            for name, _, value in pairs
            if _HEADER_NAME.fullmatch(name) and not any(byte < 32 for byte in value)
        )
        found.append(Answer(body, int(status) if _STATUS.fullmatch(status) else 200, headers))
    return found


def as_answer_input(answers: list[Answer]) -> bytes:
    """Write answers in the form that `answers_of` reads."""
    heads = [
        b"\n".join([b"%d" % answer.status, *(name + b": " + value for name, value in answer.headers)])
        for answer in answers
    ]
    return END_OF_ANSWER.join(head + END_OF_HEAD + answer.body for head, answer in zip(heads, answers, strict=True))


@dataclass
class SourceDoors:
    """The doors of one source: its requests, the answers about a person, and the list of recent hires."""

    system: HrSystem

    def __post_init__(self) -> None:
        self.api = Api()
        self.client = self.api.client()
        self.thin = tuple(self._thin())

    def doors(self) -> Iterator[Door]:
        """Give those that the source has."""
        title, source = self.system.title, self._source()
        yield Door(f"{title}.request", self.request, tuple(map(as_input, self.system.requests)))
        if source.details is not None:
            answers = as_answers(self.system.details)
            # Which notice is asked about stands in the first byte.
            found = [bytes([index]) + as_answer_input(answers) for index in range(min(3, len(self.thin)))]
            found += [
                b"\0" + as_answer_input([*answers[:index], refusal])
                for index in range(len(answers))
                for refusal in _REFUSALS
            ]
            yield Door(f"{title}.details", self.details, tuple(found))
        if source.listing is not None:
            yield Door(f"{title}.listing", self.listing, (as_answer_input(as_answers(self.system.listing)),))

    def request(self, data: bytes) -> None:
        """Answer, refuse, and read; ask about whoever is named."""
        request, source = request_of(self.system, data), self._source()
        source.handshake(request)
        source.secret_in(request.body)
        for secret in ("whsec_d2hzZWM=", "pending"):
            with suppress(Unauthentic, SecretUnavailable):
                source.verify(request, (secret, "another"), NOON)
        notices: tuple[Notice, ...] = ()
        # Only those who tell their senders may raise.
        told = (BadEvent, BodyNotUnderstood) if source.tells_problems else ()
        with suppress(*told):
            notices = source.read(request, NOON)
        self.api.set([Answer(b"", 404)])
        for notice in notices:
            demand(faults_of(notice))
            self._ask(source, notice)

    def details(self, data: bytes) -> None:
        """Ask about one of the source's own notices."""
        self.api.set(answers_of(data[1:]))
        self._ask(self._source(), self.thin[(data[0] if data else 0) % len(self.thin)])

    def listing(self, data: bytes) -> None:
        """Ask for the recent hires."""
        self.api.set(answers_of(data))
        listing = self._source().listing
        if listing is not None:
            with suppress(DetailsUnavailable, BadEvent):
                for notice in listing.recent(self.system.settings, self.system.secret, NOON):
                    demand(faults_of(notice))

    def _ask(self, source: Source, notice: Notice) -> None:
        if notice.is_thin and source.details is not None:
            with suppress(DetailsUnavailable, BadEvent):
                hire = source.details.fetch(notice, self.system.settings, self.system.secret, NOON)
                demand(faults_of_hire(hire, notice))

    def _source(self) -> Source:
        # A new one for each input: what one remembers, a token, would make the next input's ending another one.
        return self.system.source(self.client)

    def _thin(self) -> Iterator[Notice]:
        source = self._source()
        for request in self.system.requests:
            with suppress(BadEvent, BodyNotUnderstood):
                yield from (notice for notice in source.read(request, NOON) if notice.is_thin)


def demand(faults: list[str]) -> None:
    """Raise BrokenPromiseError where there are faults."""
    if faults:
        raise BrokenPromiseError("; ".join(faults))


def intake(data: bytes) -> None:
    """Read a message of the queue; the head is who sent it, which is the queue's own word."""
    sender, _, body = data.decode(errors="surrogateescape").partition("\n\n")
    sender = sender if sender in _SENDERS else "AROASTRANGER:session"
    demand(faults_of(read_intake(body, "message-1", sender, _SENDERS, NOON)))


def secrets(data: bytes) -> None:
    """Read a secret as an operator may have written it."""
    with suppress(SecretUnavailable):
        active_secrets(data.decode(errors="surrogateescape"), NOON)


def json_text(data: bytes) -> None:
    """Read JSON; whatever is read can be written."""
    with suppress(BadEvent):
        json.dumps(parse(data), ensure_ascii=False, allow_nan=False).encode()


def all_doors() -> tuple[Door, ...]:
    """Give every door, those of each source first."""
    found = [door for system in all_systems() for door in SourceDoors(system).doors()]
    return (
        *found,
        Door("intake", intake, _messages()),
        Door("secrets", secrets, _SECRETS),
        Door("json", json_text, _JSON),
    )


def _messages() -> tuple[bytes, ...]:
    paths = sorted((EVENTS / "plan_invites").glob("*.json"))
    records = [record for path in paths for record in json.loads(path.read_text(encoding="utf-8"))["Records"]]
    return tuple(
        f"{record['attributes']['SenderId'].partition(':')[0]}\n\n{record['body']}".encode() for record in records
    )


def knock(doors: tuple[Door, ...], data: bytes) -> None:
    """Open the door that the first byte chooses, and hand the rest in."""
    if data:
        doors[data[0] % len(doors)].open(data[1:])
