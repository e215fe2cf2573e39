"""
Gusto (contract, section 5.6): says which employee was created, hired again or taken back, and no more.

The key of its signatures is a token that Gusto itself sends when a subscription is made, in a request that nothing
signs. Such a request is let in only while the operator waits for it. docs/sources/gusto.md.
"""

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from typing import Annotated, Any

import httpx
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, ValidationError

from usher.domain.errors import BadEvent, Problem, Unauthentic
from usher.domain.hire import Change, NewHire, as_version
from usher.domain.json_text import parse
from usher.domain.notice import Notice, notice_id_of, unusable
from usher.ports import SourceSettings, WebhookRequest
from usher.sources.hr_api import HrApi, bearer_of, change_of, check_is_asked_for, fitting
from usher.sources.moments import version_of
from usher.sources.signatures import Hmac
from usher.sources.webhook import (
    JsonWebhook,
    PathId,
    TheirDay,
    Theirs,
    TheirText,
    Told,
    at_most,
    event_name,
    hired_if_new,
)

API_VERSION = "2025-06-15"
PENDING = "pending"
"""Stands for the secret that is still to come; it is no key."""
LONGEST_VERIFICATION = 1024
MOST_JOBS = 100

# A termination may be set long before it takes effect, so the employee is asked for.
_CHANGES = {
    "employee.created": Change.HIRED,
    "employee.onboarded": Change.HIRED,
    "employee.self_onboarding_completed": Change.HIRED,
    "employee.rehired": Change.HIRED,
    "employee.rehire_effective": Change.HIRED,
    "employee.termination_cancelled": Change.HIRED,
    "employee.updated": Change.CHANGED,
    "employee.terminated": Change.CHANGED,
    "employee.terminated_effective": Change.CANCELLED,
    "employee.rehire_cancelled": Change.CANCELLED,
    "employee.deleted": Change.CANCELLED,
}
_REHIRES = {"employee.rehired", "employee.rehire_effective"}

_Plain = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{16,128}$")]


class _Verification(BaseModel):
    model_config = ConfigDict(extra="forbid")

    verification_token: _Plain
    webhook_subscription_uuid: _Plain = ""


class _Event(Theirs):
    uuid: TheirText = None
    event_type: str


class _EmployeeEvent(Theirs):
    entity_uuid: PathId


class _Departure(_EmployeeEvent):
    timestamp: Annotated[int, Field(strict=True, ge=1, lt=7_258_118_400)] | None = None
    """Seconds since 1970, before 2200."""


def _city(value: Any) -> Any:
    return value.get("city") if isinstance(value, dict) else value


class _Job(Theirs):
    hire_date: TheirDay = None
    title: TheirText = None
    location: Annotated[TheirText, BeforeValidator(_city)] = None


class _Termination(Theirs):
    effective_date: TheirDay = None


class _Employee(Theirs):
    uuid: PathId
    first_name: TheirText = None
    last_name: TheirText = None
    work_email: TheirText = None
    department: TheirText = None
    title: TheirText = None
    hired_at: TheirDay = None
    current_employment_status: TheirText = None
    terminated: bool | None = None
    jobs: Annotated[tuple[_Job | None, ...] | None, at_most(MOST_JOBS)] = None
    terminations: Annotated[tuple[_Termination | None, ...] | None, at_most(MOST_JOBS)] = None

    @property
    def newest_job(self) -> _Job:
        """The job that the person was hired or hired again for last; `hired_at` alone would be the first hire."""
        jobs = [job for job in self.jobs or () if job]
        return max(jobs, key=lambda job: job.hire_date or date.min, default=_Job())

    @property
    def start_date(self) -> date | None:
        """The first day of the newest job."""
        return self.newest_job.hire_date or self.hired_at

    def has_left(self, notice: Notice) -> bool:
        """
        Say whether they are terminated, and not on account of an earlier time in the company.

        Until a rehire takes effect they may still count as terminated. Where no termination is dated, a rehire is
        believed whose job is new; one whose job is gone was cancelled meanwhile.
        """
        ends = [entry.effective_date for entry in self.terminations or () if entry and entry.effective_date]
        if ends and self.start_date:
            return bool(self.terminated) and max(ends) >= self.start_date
        is_new = hired_if_new(self.newest_job.hire_date, notice.received_at) is Change.HIRED
        return bool(self.terminated) and not (notice.event in _REHIRES and is_new)


class Gusto(JsonWebhook):
    """The source ``gusto``; who comes is a thin notice, who goes is a complete one. Contractors are no hires."""

    name = "gusto"
    scheme = Hmac(header="x-gusto-signature")

    def __init__(self, client: httpx.Client) -> None:
        self.details = GustoEmployees(client)

    def verify(self, request: WebhookRequest, secrets: Sequence[str], now: datetime) -> None:
        """Check the raw bytes; while a subscription is pending, its verification passes, which is never signed."""
        keys = [secret for secret in secrets if secret.strip().lower() != PENDING]
        if len(keys) < len(secrets) and self.secret_in(request.body) is not None:
            return
        if not keys:
            raise Unauthentic("the subscription is pending, and there is no key yet")
        self.scheme.verify(request, keys, now)

    def read(self, request: WebhookRequest, received_at: datetime) -> tuple[Notice, ...]:
        """Read one event; the verification of a subscription is parked, and says what the operator has to do."""
        if self.secret_in(request.body) is None:
            return super().read(request, received_at)
        notice_id = notice_id_of(self.name, request.body)
        to_do = f"the subscription asks to be verified: usher secrets take sources/{self.name} {notice_id}"
        problems = (Problem("verification_token", to_do),)
        return (unusable(notice_id, self.name, request.body, problems, received_at, event="verification"),)

    def secret_in(self, body: bytes) -> str | None:
        """Give the token of a request that verifies a subscription; None for any other body."""
        if len(body) > LONGEST_VERIFICATION:
            return None
        try:
            return _Verification.model_validate(parse(body)).verification_token
        except (BadEvent, ValidationError):
            return None

    def told(self, body: Any, received_at: datetime) -> Iterator[Told]:
        """Read one event, named by its own id."""
        event = _Event.model_validate(body)
        name = event_name(event.event_type)
        change = _CHANGES.get(name)
        if change is Change.CANCELLED:
            # Complete, for the sake of its version: a replay must not end a later hire.
            yield Told.of(_taken_back(_Departure.model_validate(body), received_at), name, event.uuid)
            return
        subject = _EmployeeEvent.model_validate(body).entity_uuid if change else None
        yield Told(name, subject, change, delivery=event.uuid)


def _taken_back(departure: _Departure, received_at: datetime) -> NewHire:
    """Make the end of a hire; raises BadEvent."""
    moment = datetime.fromtimestamp(departure.timestamp, UTC) if departure.timestamp else None
    version = version_of(moment, received_at, "timestamp")
    return NewHire(source=Gusto.name, hire_id=departure.entity_uuid, version=version, change=Change.CANCELLED)


class GustoEmployees(HrApi):
    """Asks Gusto for one employee, by the company's token."""

    hosts = re.compile(r"api\.gusto(-demo)?\.com")
    default_url = "https://api.gusto.com"

    def fetch(self, notice: Notice, settings: SourceSettings, secret: str, now: datetime) -> NewHire:
        """Give the employee as they stand now; raises DetailsUnavailable or BadEvent."""
        body = self._ask(
            settings,
            *("v1", "employees", notice.subject or ""),
            authorization=bearer_of(secret),
            headers={"x-gusto-api-version": API_VERSION},
            deadline=self._deadline(),
            now=now,
        )
        with fitting("employee."):
            employee = _Employee.model_validate(body)
            check_is_asked_for(employee.uuid, notice)
            return NewHire(
                source=notice.source,
                hire_id=employee.uuid,
                version=as_version(now),
                change=change_of(notice, employee.start_date, left=employee.has_left(notice)),
                work_email=employee.work_email,
                given_name=employee.first_name,
                family_name=employee.last_name,
                start_date=employee.start_date,
                title=employee.title or employee.newest_job.title,
                department=employee.department,
                location=employee.newest_job.location,
                employment_type=employee.current_employment_status,
            )
