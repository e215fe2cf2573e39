"""
Merge (contract, section 5.10): one linked account in one of many HR systems; tells of everybody, whenever they change.

The event holds the employee, and only ids of the department and the job, by which policy rules choose. So whoever may
be a new hire is asked for. The first sync tells of the whole company; staff of long ago are recorded as no hire, and
nothing of them is asked or kept. docs/sources/merge.md.
"""

import re
from collections.abc import Iterator
from datetime import date, datetime
from typing import Annotated, Any

import httpx
from pydantic import BeforeValidator

from usher.domain.errors import DetailsUnavailable
from usher.domain.hire import Change, NewHire, as_version
from usher.domain.notice import Notice
from usher.http import is_token
from usher.ports import SourceSettings
from usher.sources.hr_api import HrApi, bearer_of, check_is_asked_for, fitting
from usher.sources.moments import version_of
from usher.sources.signatures import Encoding, Hmac
from usher.sources.webhook import (
    JsonWebhook,
    PathId,
    TheirDay,
    TheirMoment,
    Theirs,
    TheirText,
    Told,
    at_most,
    event_name,
    hired_if_new,
)

MOST_GROUPS = 200
_EXPAND = "employments,groups,team,work_location"


def _no_id(value: Any) -> Any:
    """Take what is expanded; a text is the id of what is not."""
    return None if isinstance(value, str) else value


def _no_ids(value: Any) -> Any:
    return [item for item in value if _no_id(item) is not None] if isinstance(value, list) else value


class _Hook(Theirs):
    event: str


class _Event(Theirs):
    hook: _Hook


class _Employee(Theirs):
    id: PathId
    modified_at: TheirMoment = None
    start_date: TheirDay = None
    employment_status: TheirText = None
    remote_was_deleted: bool | None = None

    @property
    def has_left(self) -> bool:
        """Say whether they are gone from the company, or from the HR system."""
        return bool(self.remote_was_deleted) or (self.employment_status or "").upper() == "INACTIVE"


class _EmployeeEvent(Theirs):
    data: _Employee


class _Job(Theirs):
    job_title: TheirText = None
    employment_type: TheirText = None
    effective_date: TheirDay = None


class _Group(Theirs):
    name: TheirText = None
    type: TheirText = None
    city: TheirText = None


_Expanded = Annotated[_Group | None, BeforeValidator(_no_id)]


class _Details(_Employee):
    first_name: TheirText = None
    last_name: TheirText = None
    work_email: TheirText = None
    employments: Annotated[tuple[_Job, ...] | None, at_most(MOST_GROUPS), BeforeValidator(_no_ids)] = None
    groups: Annotated[tuple[_Group, ...] | None, at_most(MOST_GROUPS), BeforeValidator(_no_ids)] = None
    team: _Expanded = None
    work_location: _Expanded = None

    @property
    def job(self) -> _Job:
        """The newest of their jobs."""
        return max(self.employments or (), key=lambda job: job.effective_date or date.min, default=_Job())

    @property
    def department(self) -> str | None:
        """The group that is a department; where the HR system has none, the team."""
        named = (group.name for group in self.groups or () if (group.type or "").upper() == "DEPARTMENT" and group.name)
        return next(named, self.team.name if self.team else None)


class Merge(JsonWebhook):
    """The source ``merge``. A delivery has no id: ``hook.id`` is that of the webhook, so the bytes are its name."""

    name = "merge"
    scheme = Hmac(header="x-merge-webhook-signature", encoding=Encoding.BASE64URL)

    def __init__(self, client: httpx.Client) -> None:
        self.details = MergeEmployees(client)

    def told(self, body: Any, received_at: datetime) -> Iterator[Told]:
        """Read one event; only those about employees can be hires."""
        event = event_name(_Event.model_validate(body).hook.event)
        model, _, what = event.lower().partition(".")
        if model != "employee":
            yield Told(event)
            return
        employee = _EmployeeEvent.model_validate(body).data
        if employee.has_left or what in ("deleted", "removed"):
            version = version_of(employee.modified_at, received_at, "data.modified_at")
            yield Told.of(
                NewHire(source=self.name, hire_id=employee.id, version=version, change=Change.CANCELLED), event
            )
            return
        change = hired_if_new(employee.start_date, received_at)
        is_staff = employee.start_date is not None and change is Change.CHANGED
        yield Told(event, employee.id, None if is_staff else change)


class MergeEmployees(HrApi):
    """Asks Merge for one employee with department and job; the secret is ``api_key:account_token``."""

    hosts = re.compile(r"api(-eu|-ap)?\.merge\.dev")
    default_url = "https://api.merge.dev"

    def fetch(self, notice: Notice, settings: SourceSettings, secret: str, now: datetime) -> NewHire:
        """Give the employee as Merge knows them now; raises DetailsUnavailable or BadEvent."""
        key, _, account = secret.partition(":")
        if not is_token(account):
            raise DetailsUnavailable("the secret for merge is not api_key:account_token")
        body = self._ask(
            settings,
            *("api", "hris", "v1", "employees", notice.subject or ""),
            query={"expand": _EXPAND},
            authorization=bearer_of(key),
            headers={"x-account-token": account},
            deadline=self._deadline(),
            now=now,
        )
        with fitting("employee."):
            employee = _Details.model_validate(body)
            check_is_asked_for(employee.id, notice)
            change = hired_if_new(employee.start_date, notice.received_at)
            place = employee.work_location or _Group()
            return NewHire(
                source=notice.source,
                hire_id=employee.id,
                # Not `modified_at`: department and job are synced later, and are other objects with times of their own.
                version=as_version(now),
                change=Change.CANCELLED if employee.has_left else change,
                work_email=employee.work_email,
                given_name=employee.first_name,
                family_name=employee.last_name,
                start_date=employee.start_date,
                title=employee.job.job_title,
                department=employee.department,
                location=place.name or place.city,
                employment_type=employee.job.employment_type,
            )
