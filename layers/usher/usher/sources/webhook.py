"""What sources share: a webhook whose sender wants 200 and nothing else, and a liberal eye for its fields."""

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from http import HTTPStatus
from typing import Annotated, Any, ClassVar, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, StringConstraints, ValidationError

from usher.domain.errors import BadEvent, Problem
from usher.domain.event import problems_in
from usher.domain.hire import Change, NewHire, written_day
from usher.domain.json_text import parse
from usher.domain.notice import Notice, notice_id_of, unusable
from usher.ports import Details, Listing, Reply, SourceSettings, WebhookRequest
from usher.sources.signatures import Scheme

LONGEST_EVENT_NAME = 64

# A time, or the zone alone, as XML writes a day.
_DAY_AND_MORE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[T ].*|Z|[+-][0-9]{2}:[0-9]{2})")


@dataclass(frozen=True, slots=True)
class Told:
    """
    One thing that a request says: of whom, and what it means; see `Notice`.

    `delivery` is the vendor's own name of it, which must be the same when it is sent again; without one, the bytes of
    the body are its name.
    """

    event: str
    subject: str | None = None
    change: Change | None = None
    hire: NewHire | None = None
    delivery: str | None = None
    problems: tuple[Problem, ...] = ()
    sealed: bytes | None = None
    """The body that a replay reads in place of the whole, where the request says more than this; see `each`."""

    @classmethod
    def of(cls, hire: NewHire, event: str, delivery: str | None = None) -> Self:
        """Make it of a whole person."""
        return cls(event, hire.hire_id, hire.change, hire, delivery)


class Webhook:
    """A source by webhook. What is said here holds for most vendors; each module says the rest."""

    name: ClassVar[str]
    scheme: ClassVar[Scheme]
    details: Details | None = None
    listing: Listing | None = None
    tells_problems: bool = False
    is_experimental: ClassVar[bool] = False
    """Whether what is known of the vendor's events is too weak to rely on."""

    def settings_errors(self, settings: SourceSettings) -> Sequence[str]:
        """Leave settings to the details; who sends everything itself, under names of its own, knows none."""
        if self.details is not None:
            return self.details.settings_errors(settings)
        errors = [] if settings.base_url is None else ["base_url: this source sends everything itself"]
        return [*errors, *unknown_settings(self.name, settings)]

    def configured(self, settings: SourceSettings) -> Self:
        """Be the same in every stage."""
        del settings
        return self

    def handshake(self, request: WebhookRequest) -> Reply | None:
        """Know no request that comes without a signature."""
        del request
        return None

    def verify(self, request: WebhookRequest, secrets: Sequence[str], now: datetime) -> None:
        """Check the raw bytes; raises Unauthentic."""
        self.scheme.verify(request, secrets, now)

    def secret_in(self, body: bytes) -> str | None:
        """Know no secret but those that an operator sets."""
        del body
        return None

    def thanks(self) -> Reply:
        """Answer 200 with an empty body: some count anything else as a failure."""
        return Reply(HTTPStatus.OK)

    def _notice(self, told: Told, index: int, request: WebhookRequest, received_at: datetime) -> Notice:
        name = (self.name, request.body, str(index)) if told.delivery is None else (self.name, told.delivery)
        notice_id = notice_id_of(*name)
        if told.problems:
            body = request.body if told.sealed is None else told.sealed
            return unusable(notice_id, self.name, body, told.problems, received_at, event=told.event)
        return Notice(
            notice_id=notice_id,
            source=self.name,
            received_at=received_at,
            event=told.event,
            subject=told.subject,
            change=told.change,
            hire=told.hire,
        )


class JsonWebhook(Webhook, ABC):
    """A source whose every request is a JSON body that tells something, and that is known by the body alone."""

    def read(self, request: WebhookRequest, received_at: datetime) -> tuple[Notice, ...]:
        """Give a notice for everything that a verified request tells; what cannot be used says why."""
        try:
            all_told = tuple(self.told(parse(request.body), received_at))
        except (BadEvent, ValidationError) as error:
            all_told = (Told("unreadable", problems=problems_of(error)),)
        return tuple(self._notice(told, index, request, received_at) for index, told in enumerate(all_told))

    @abstractmethod
    def told(self, body: Any, received_at: datetime) -> Iterable[Told]:
        """Read a JSON body; a ping tells nothing. Raises BadEvent or ValidationError."""


def each(
    entries: Iterable[Any],
    read: Callable[[Any], Told],
    alone: Callable[[Any], Any],
    named: Callable[[Any], str] = lambda _: "unreadable",
) -> Iterator[Told]:
    """
    Read the entries of one request; one that cannot be used costs the others nothing.

    `alone` gives the body that holds this entry and no other, as a replay reads it: were the whole body sealed with
    each of many bad entries, no queue would take them. `named` gives the event of an entry that cannot be read.
    """
    for entry in entries:
        try:
            told = read(entry)
        except (BadEvent, ValidationError) as error:
            told = Told(named(entry), problems=problems_of(error))
        yield replace(told, sealed=json.dumps(alone(entry)).encode()) if told.problems else told


def problems_of(error: BadEvent | ValidationError, prefix: str = "") -> tuple[Problem, ...]:
    """Say what is wrong with an event, whoever found it."""
    return error.problems if isinstance(error, BadEvent) else problems_in(error, prefix)


def unknown_settings(name: str, settings: SourceSettings, known: Collection[str] = ()) -> list[str]:
    """Name the options and fields that a source does not have."""
    errors = [f"options.{option}: is not an option of {name}" for option in settings.options if option not in known]
    return errors + [f"fields.{given}: the fields of {name} are not for a stage to name" for given in settings.fields]


MOST_DAYS_SINCE_START = 30
"""Who started longer ago is staff, not a new hire."""


def hired_if_new(start_date: date | None, received_at: datetime) -> Change:
    """
    Tell a hire from a change, for systems that do not.

    They tell of everybody whenever anything changes, and of the whole company at the first sync: somebody is a new hire
    who has yet to start or started at most 30 days ago.
    """
    if start_date is None or start_date < received_at.date() - timedelta(days=MOST_DAYS_SINCE_START):
        return Change.CHANGED
    return Change.HIRED


class Theirs(BaseModel):
    """The fields of a vendor's object that we rely on; it may send more, and null for any."""

    model_config = ConfigDict(frozen=True, extra="ignore", str_strip_whitespace=True)


def _blank_is_none(value: Any) -> Any:
    return None if isinstance(value, str) and not value.strip() else value


def _id_as_text(value: Any) -> Any:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _day_as_written(value: Any) -> Any:
    """Take the day as it is written, whatever the time and zone after it; vendors write no day as nothing or zeros."""
    value = _blank_is_none(value)
    if value is None:
        return None
    if not isinstance(value, str):
        raise ValueError("is no text")  # A lax reader would take a number as seconds since 1970.
    text = value.strip()
    if text == "0000-00-00":
        return None
    return written_day(text[:10] if _DAY_AND_MORE.fullmatch(text) else text)


def _in_utc(moment: datetime) -> datetime:
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    if not 1970 <= moment.year < 2200:
        raise ValueError("is not a moment of our time")
    return moment


def _no_number(value: Any) -> Any:
    if value is not None and not isinstance(value, str):
        raise ValueError("is not a date and time")
    return _blank_is_none(value)


TheirText = Annotated[str | None, BeforeValidator(_blank_is_none)]
TheirDay = Annotated[date | None, BeforeValidator(_day_as_written)]
TheirMoment = Annotated[Annotated[datetime, AfterValidator(_in_utc)] | None, BeforeValidator(_no_number)]
"""A date and time as ISO 8601 writes it; one without a zone is in UTC."""
TheirId = Annotated[str, BeforeValidator(_id_as_text)]
"""An id is always text: numbers may be larger than a float holds, and texts may begin with zeros."""
PathId = Annotated[TheirId, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
"""An id that is asked for: nothing that would lead the request elsewhere."""


def at_most(most: int) -> BeforeValidator:
    """Refuse a longer list before any of its entries is looked at: half a million bad ones would cost seconds."""

    def bounded(value: Any) -> Any:
        if isinstance(value, list) and len(value) > most:
            raise ValueError(f"has more than {most} entries")
        return value

    return BeforeValidator(bounded)


def event_name(value: object) -> str:
    """Give a vendor's name of an event as far as it can be shown."""
    if isinstance(value, str) and 0 < len(value) <= LONGEST_EVENT_NAME and value.isascii() and value.isprintable():
        return value
    return "unnamed"


def media_type(request: WebhookRequest) -> str:
    """Give the content type without its parameters; empty where there is none, or more than one."""
    return (request.header("content-type") or "").partition(";")[0].strip().lower()


def is_json(kind: str) -> bool:
    """Say whether a media type is JSON's."""
    return kind == "application/json" or kind.endswith("+json")
