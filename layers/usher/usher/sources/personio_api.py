"""Asks Personio who somebody is; its fields are read in the spellings of both versions of its API."""

import re
from collections.abc import Callable, Sequence
from datetime import date, datetime
from functools import partial
from typing import Annotated, Any

from pydantic import AliasChoices, BeforeValidator, Field

from usher.domain.hire import NewHire, as_version
from usher.domain.notice import Notice
from usher.http import Deadline, url_of
from usher.ports import SourceSettings
from usher.sources.hr_api import HrApi, change_of, check_is_asked_for, fitting
from usher.sources.webhook import PathId, TheirDay, TheirId, Theirs, TheirText, at_most

MOST_EMPLOYMENTS = 50
MOST_UNITS = 50


def _name(value: Any) -> Any:
    """Take the name of what is sent as an object, or as its name alone."""
    return value.get("name", value.get("title")) if isinstance(value, dict) else value


_Named = Annotated[TheirText, BeforeValidator(_name)]


class _Person(Theirs):
    id: PathId
    email: TheirText = None
    first_name: TheirText = None
    last_name: TheirText = None
    status: TheirText = None


class _Unit(Theirs):
    type: TheirText = None
    id: TheirId | None = None
    name: TheirText = None


class _Employment(Theirs):
    status: TheirText = None
    start: TheirDay = Field(None, validation_alias=AliasChoices("employment_start_date", "start_date", "hire_date"))
    title: _Named = Field(None, validation_alias=AliasChoices("position", "job_title"))
    named_department: _Named = Field(None, alias="department")
    office: _Named = None
    type: TheirText = Field(None, validation_alias=AliasChoices("type", "employment_type"))
    org_units: Annotated[tuple[_Unit, ...] | None, at_most(MOST_UNITS)] = None

    @property
    def department(self) -> str | None:
        """The name of the department, or its id where Personio gives no more."""
        units = [unit for unit in self.org_units or () if (unit.type or "").lower() == "department"]
        return self.named_department or next((unit.name or unit.id for unit in units), None)


class _Employments(Theirs):
    entries: Annotated[tuple[_Employment, ...], at_most(MOST_EMPLOYMENTS)] = Field(
        validation_alias=AliasChoices("_data", "data")
    )


class PersonioApi(HrApi):
    """Asks Personio, by client credentials."""

    hosts = re.compile(r"api\.personio\.(de|com)")
    default_url = "https://api.personio.de"
    options = frozenset({"webhook_id"})

    def settings_errors(self, settings: SourceSettings) -> Sequence[str]:
        """Ask for the webhook whose log is to be listed on top."""
        missing = settings.reconcile and not settings.options.get("webhook_id", "").strip(".")
        errors = ["options.webhook_id: is missing; its log is what is listed"] if missing else []
        return [*super().settings_errors(settings), *errors]

    def fetch(self, notice: Notice, settings: SourceSettings, secret: str, now: datetime) -> NewHire:
        """Give the person as they stand now; raises DetailsUnavailable or BadEvent."""
        get = self.asking(settings, secret, now)
        path = ("v2", "persons", notice.subject or "")
        with fitting("person."):
            person = _Person.model_validate(_inner(get(*path)))
            check_is_asked_for(person.id, notice)
            work = _current(_Employments.model_validate(get(*path, "employments")).entries)
            return NewHire(
                source=notice.source,
                hire_id=person.id,
                version=as_version(now),
                change=change_of(notice, work.start, left=_is_over(work.status or person.status)),
                work_email=person.email,
                given_name=person.first_name,
                family_name=person.last_name,
                start_date=work.start,
                title=work.title,
                department=work.department,
                location=work.office,
                employment_type=work.type,
            )

    def asking(self, settings: SourceSettings, secret: str, now: datetime) -> Callable[..., Any]:
        """Give what asks for a path, with a query or without, as often as it must within one deadline."""
        return partial(self._get, settings, secret, self._deadline(), now)

    def _get(
        self,
        settings: SourceSettings,
        secret: str,
        deadline: Deadline,
        now: datetime,
        *path: str,
        query: dict[str, str] | None = None,
        names_person: bool = True,
    ) -> Any:
        url = url_of(settings.base_url or self.default_url, "v2", "auth", "token")
        token = self._token(url, secret, deadline=deadline, now=now)
        return self._ask(
            settings,
            *path,
            authorization=token,
            deadline=deadline,
            now=now,
            query=query,
            names_person=names_person,
        )


def _inner(body: Any) -> Any:
    """Take one object out of what it may be wrapped in."""
    return body.get("_data", body.get("data", body)) if isinstance(body, dict) else body


def _is_over(status: str | None) -> bool:
    return (status or "").lower() == "inactive"


def _current(employments: Sequence[_Employment]) -> _Employment:
    """Choose the employment that lasts or is to come: who comes back has the old ones too."""
    return max(employments, key=lambda one: (not _is_over(one.status), one.start or date.min), default=_Employment())
