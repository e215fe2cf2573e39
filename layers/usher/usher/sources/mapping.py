"""
Which fields are ours in a JSON that the customer builds; the stage file says it (contract, section 5.4).

Only what a hire has can be filled, so an event chooses no role and no group. Nothing is guessed: what the stage does
not name is not read, and a private address becomes the work address only where the stage says so.
"""

import json
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Annotated, Any, ClassVar, Self

from pydantic import BeforeValidator, TypeAdapter, ValidationError

from usher.domain.address import canonical
from usher.domain.errors import BadAddress, BadEvent, Problem
from usher.domain.event import SCHEMA, read_event
from usher.domain.hire import Change, NewHire, as_version
from usher.ports import SourceSettings
from usher.sources.moments import FURTHEST_AHEAD
from usher.sources.webhook import (
    TheirDay,
    TheirId,
    TheirMoment,
    Theirs,
    TheirText,
    Told,
    Webhook,
    event_name,
    hired_if_new,
    problems_of,
)

DEEPEST_PATH = 8
LONGEST_PATH = 200

Path = tuple[str, ...]

_OPTIONS = frozenset({"event", "version", *Change})
_NUMBER = re.compile(r"[0-9]{1,16}")
_DAY_AND_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ].+")
_MOMENT: TypeAdapter[Any] = TypeAdapter(TheirMoment)
_A_TIME = 10**12
"""From here on a version is taken for milliseconds since 1970; it was the year 2001."""
_NO_OBJECT: tuple[()] = ()
"""Stands for what cannot be reached, and is no value of any field: it must not pass for one that is left out."""


def _number(value: Any) -> Any:
    """Take a version as a whole number, or the milliseconds of a time; a day alone would order nothing within it."""
    text = value.strip() if isinstance(value, str) else ""
    if _NUMBER.fullmatch(text):
        return int(text)
    if _DAY_AND_TIME.fullmatch(text):
        with suppress(ValidationError):  # Its own words repeat the value.
            return as_version(_MOMENT.validate_python(text))
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError("is neither a day with a time nor a whole number")
    return value


class _Person(Theirs):
    hire_id: TheirId
    version: Annotated[int, BeforeValidator(_number)]
    work_email: TheirText = None
    given_name: TheirText = None
    family_name: TheirText = None
    start_date: TheirDay = None
    time_zone: TheirText = None
    department: TheirText = None
    title: TheirText = None
    location: TheirText = None
    employment_type: TheirText = None
    same_as: TheirText = None


FIELDS = frozenset(_Person.model_fields) - {"version"}
"""What a stage can name a field for."""


@dataclass(frozen=True, slots=True)
class FieldMap:
    """
    The path of each of our fields in a body, of the event's name and of the version.

    Where no event is named, the start date tells a hire from a change (`hired_if_new`); where no version is, the time
    of arrival orders what is said.
    """

    fields: Mapping[str, Path] = field(default_factory=dict)
    event: Path | None = None
    changes: Mapping[str, Change] = field(default_factory=dict)
    version: Path | None = None

    @classmethod
    def of(cls, settings: SourceSettings) -> Self:
        """Take it from settings without errors."""
        paths = {name: _path(text) for name, text in settings.options.items() if name in ("event", "version")}
        return cls(
            fields={name: _path(text) for name, text in settings.fields.items()},
            event=paths.get("event"),
            changes={value: change for change in Change for value in _values(settings, change)},
            version=paths.get("version"),
        )

    def told(self, source: str, body: Any, received_at: datetime) -> Told:
        """Read a body: a hire, or an event that the stage does not list and is none, or every problem."""
        event, change = "message", None
        if self.event is not None:
            named = _at(body, self.event)
            if not isinstance(named, str):
                return Told("unnamed", problems=(Problem("event", "is missing, or no text"),))
            event, change = event_name(named), self.changes.get(named)
            if change is None:
                return Told(event)
        try:
            values = {name: _at(body, path) for name, path in self.fields.items()}
            values["version"] = _at(body, self.version) if self.version else as_version(received_at)
            person = _Person.model_validate(values)
            if person.version > max(_A_TIME, as_version(received_at + FURTHEST_AHEAD)):
                return Told(event, problems=(Problem("version", "is a time that is yet to come"),))
            change = change or hired_if_new(person.start_date, received_at)
            # Without a version, a second HIRE may come in the bytes of the first, and must not pass for it again.
            delivery = None if self.version else f"{received_at.isoformat()} {json.dumps(body)}"
            return Told.of(NewHire(source=source, change=change, **person.model_dump()), event, delivery)
        except ValidationError as error:
            return Told(event, problems=problems_of(error))


class MappedWebhook(Webhook):
    """A source whose sender builds the body; a stage says what is where in it."""

    needs_fields: ClassVar[bool] = False
    """Whether there is no body of its own that it could read without."""

    def __init__(self, field_map: FieldMap | None = None) -> None:
        self._field_map = field_map

    def settings_errors(self, settings: SourceSettings) -> Sequence[str]:
        """Check the paths and options, where there are or must be any."""
        errors = super().settings_errors(replace(settings, options={}, fields={}))
        is_mapped = self.needs_fields or settings.fields or settings.options
        return [*errors, *(mapping_errors(settings) if is_mapped else ())]

    def configured(self, settings: SourceSettings) -> Self:
        """Give the source with the stage's paths."""
        return type(self)(FieldMap.of(settings)) if settings.fields else self

    def _event(self, body: Any, received_at: datetime) -> Told:
        """Read an event as the stage describes it, else as our own; raises BadEvent with every problem."""
        if self._field_map is None:
            # The secret is the one of this source, so the event cannot speak for another.
            return Told.of(read_event(body, sources=(self.name,)).hire, SCHEMA)
        told = self._field_map.told(self.name, body, received_at)
        problems = [*told.problems, *_address_problems(told)]
        if problems:
            raise BadEvent(*problems)
        return told


def _address_problems(told: Told) -> list[Problem]:
    """Say that an address is none, as it is said of our own event; of vendors' hires planning says it."""
    try:
        if told.hire is not None and told.hire.work_email is not None:
            canonical(told.hire.work_email)
    except BadAddress as error:
        return [Problem("work_email", str(error))]
    return []


def mapping_errors(settings: SourceSettings) -> list[str]:
    """Say what is wrong with a stage's fields and options."""
    options = settings.options
    errors = [f"options.{name}: is not an option of {settings.name}" for name in options if name not in _OPTIONS]
    errors += [f"fields.{name}: is not a field of a hire" for name in settings.fields if name not in FIELDS]
    paths = {f"fields.{name}": text for name, text in settings.fields.items()}
    paths |= {f"options.{name}": options[name] for name in ("event", "version") if name in options}
    form = f"is not a path like worker.id, of at most {DEEPEST_PATH} names and {LONGEST_PATH} characters"
    errors += [f"{name}: {form}" for name, text in paths.items() if not _is_path(text)]
    if "hire_id" not in settings.fields:
        errors.append("fields.hire_id: is missing; it names the person, today and tomorrow")
    return errors + _value_errors(settings)


def _value_errors(settings: SourceSettings) -> list[str]:
    given = [change for change in Change if change in settings.options]
    if "event" not in settings.options:
        errors = [f"options.{change}: has no meaning without options.event" for change in given]
        if "start_date" not in settings.fields:
            errors.append("options.event: is missing, and so is fields.start_date; nobody would be hired")
        return errors
    errors = [f"options.{change}: names no value" for change in given if not _values(settings, change)]
    if Change.HIRED not in given:
        errors.append("options.hired: is missing; nobody would be hired")
    values = [value for change in given for value in _values(settings, change)]
    if len(set(values)) < len(values):
        errors.append("options: a value of the event stands twice")
    return errors


def _values(settings: SourceSettings, change: Change) -> list[str]:
    return [value for text in settings.options.get(change, "").split(",") if (value := text.strip())]


def _path(text: str) -> Path:
    return tuple(text.split("."))


def _is_path(text: str) -> bool:
    return len(text) <= LONGEST_PATH and len(_path(text)) <= DEEPEST_PATH and all(name.strip() for name in _path(text))


def _at(body: Any, path: Path) -> Any:
    """Follow a path; None where it ends early."""
    for name in path:
        if not isinstance(body, dict):
            return None if body is None else _NO_OBJECT
        body = body.get(name)
    return body
