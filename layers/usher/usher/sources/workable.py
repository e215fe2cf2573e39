"""
Workable (contract, section 5.11), experimental: an employee was published or updated, and no more is said.

A draft is no hire. Names outside the employee's own fields are unverified, so each is looked for under several.
docs/sources/workable.md.
"""

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import httpx
from pydantic import AliasChoices, Field, ValidationError

from usher.domain.errors import DetailsUnavailable
from usher.domain.hire import Change, NewHire, as_version
from usher.domain.notice import Notice
from usher.ports import SourceSettings
from usher.sources.hr_api import HrApi, bearer_of, change_of, check_is_asked_for, fitting
from usher.sources.signatures import Hmac
from usher.sources.webhook import (
    JsonWebhook,
    PathId,
    TheirDay,
    TheirId,
    Theirs,
    TheirText,
    Told,
    event_name,
    problems_of,
)

# What is created is a draft, which nobody may ever publish.
_CHANGES = {"employee_published": Change.HIRED, "employee_updated": Change.CHANGED}
_LEFT = ("inactive", "terminated")


class _Data(Theirs):
    id: PathId


class _Event(Theirs):
    id: TheirId | None = None
    fired_at: TheirId | None = None
    data: _Data


class _Employee(Theirs):
    id: PathId
    state: TheirText = None
    status: TheirText = None
    first_name: TheirText = Field(None, validation_alias=AliasChoices("firstname", "first_name"))
    last_name: TheirText = Field(None, validation_alias=AliasChoices("lastname", "last_name"))
    work_email: TheirText = None
    start_date: TheirDay = None
    hire_date: TheirDay = None
    job_title: TheirText = Field(None, validation_alias=AliasChoices("job_title", "title"))
    department: TheirText = None


class Workable(JsonWebhook):
    """The source ``workable``; every notice is thin."""

    name = "workable"
    scheme = Hmac(header="x-workable-signature")
    is_experimental = True

    def __init__(self, client: httpx.Client) -> None:
        self.details = WorkableEmployees(client)

    def told(self, body: Any, received_at: datetime) -> Iterator[Told]:
        """Read one event."""
        del received_at
        event = event_name((body.get("event_type") or body.get("event")) if isinstance(body, dict) else None)
        change = _CHANGES.get(event)
        if change is None:
            yield Told(event)
            return
        try:
            found = _Event.model_validate(body)
        except ValidationError as error:
            yield Told(event, problems=problems_of(error))
            return
        # Nobody has verified that the id is the event's own, so it alone names nothing.
        named = f"{event} {found.data.id} {found.id} {found.fired_at}" if found.id or found.fired_at else None
        yield Told(event, found.data.id, change, delivery=named)


class WorkableEmployees(HrApi):
    """Asks Workable for one employee."""

    hosts = re.compile(r"[a-z0-9-]{1,63}\.workable\.com")
    options = frozenset({"member_id"})

    def fetch(self, notice: Notice, settings: SourceSettings, secret: str, now: datetime) -> NewHire:
        """Give the employee as they stand now; raises DetailsUnavailable or BadEvent."""
        body = self._ask(
            settings,
            *("spi", "v3", "employees", notice.subject or ""),
            query=settings.options,
            authorization=bearer_of(secret),
            deadline=self._deadline(),
            now=now,
        )
        with fitting("employee."):
            employee = _Employee.model_validate(body.get("employee", body) if isinstance(body, dict) else body)
            check_is_asked_for(employee.id, notice)
            states = {text.lower().removeprefix("status_") for text in (employee.state, employee.status) if text}
            start_date = employee.start_date or employee.hire_date
            change = change_of(notice, start_date, left=not states.isdisjoint(_LEFT))
            if change is Change.HIRED and "draft" in states:
                if notice.change is Change.HIRED:
                    raise DetailsUnavailable("workable says that the employee is a draft")
                change = Change.CHANGED  # Not published yet, whenever they start.
            return NewHire(
                source=notice.source,
                hire_id=employee.id,
                version=as_version(now),
                change=change,
                work_email=employee.work_email,
                given_name=employee.first_name,
                family_name=employee.last_name,
                start_date=start_date,
                title=employee.job_title,
                department=employee.department,
            )
