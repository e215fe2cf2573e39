"""
BambooHR (contract, section 5.1): says that an employee was created, updated or deleted, and no more.

Both families of its webhooks are read: one employee per event, and the older lists of employees with fields, whose
names are labels that each customer chooses. Either way the details are asked for. docs/sources/bamboohr.md.
"""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Annotated, Any

import httpx
from pydantic import AliasChoices, Field, StringConstraints

from usher.domain.hire import Change, NewHire, as_version
from usher.domain.notice import Notice
from usher.http import basic
from usher.ports import SourceSettings
from usher.sources.hr_api import HrApi, change_of, check_is_asked_for, fitting, joined
from usher.sources.signatures import Hmac
from usher.sources.webhook import (
    JsonWebhook,
    TheirDay,
    TheirId,
    Theirs,
    TheirText,
    Told,
    at_most,
    each,
    event_name,
)

MOST_EMPLOYEES = 1000

_CHANGES = {"created": Change.HIRED, "updated": Change.CHANGED, "deleted": Change.CANCELLED}
_FIELDS = "firstName,lastName,workEmail,hireDate,jobTitle,department,location,employmentHistoryStatus,status"

# Ids are numbers; zero would be the owner of the API key.
_EmployeeId = Annotated[TheirId, StringConstraints(pattern=r"^[1-9][0-9]{0,18}$")]


class _Data(Theirs):
    employee_id: _EmployeeId = Field(alias="employeeId")


class _Event(Theirs):
    data: _Data


class _ListedEmployee(Theirs):
    id: _EmployeeId
    action: str


class _List(Theirs):
    employees: Annotated[tuple[Any, ...], at_most(MOST_EMPLOYEES)]


class _Details(Theirs):
    id: _EmployeeId
    first_name: TheirText = Field(None, alias="firstName")
    last_name: TheirText = Field(None, alias="lastName")
    work_email: TheirText = Field(None, alias="workEmail")
    hire_date: TheirDay = Field(None, alias="hireDate")
    job_title: TheirText = Field(None, validation_alias=AliasChoices("jobTitle", "jobTitleName"))
    department: TheirText = None
    location: TheirText = None
    employment: TheirText = Field(None, alias="employmentHistoryStatus")
    status: TheirText = None


class BambooHr(JsonWebhook):
    """The source ``bamboohr``; every notice is thin."""

    name = "bamboohr"
    scheme = Hmac(
        header="x-bamboohr-signature",
        signed="{body}{x-bamboohr-timestamp}",
        timestamp_header="x-bamboohr-timestamp",
        # The last retry comes after 155 minutes, and may carry the time of the first attempt.
        tolerance=timedelta(hours=3),
    )

    def __init__(self, client: httpx.Client) -> None:
        self.details = BambooHrEmployees(client)

    def told(self, body: Any, received_at: datetime) -> Iterator[Told]:
        """Read one event, or each employee of a list; BambooHR gives its deliveries no id."""
        del received_at
        if isinstance(body, dict) and "employees" in body:
            employees = _List.model_validate(body).employees
            yield from each(employees, _listed, lambda one: {"employees": [one]}, _listed_event)
            return
        event = event_name(body.get("type") if isinstance(body, dict) else None)
        family, _, action = event.rpartition(".")
        change = _CHANGES.get(action) if family == "employee" else None
        yield Told(event, _Event.model_validate(body).data.employee_id, change) if change else Told(event)


def _listed(entry: Any) -> Told:
    """Read one employee of a list; raises ValidationError."""
    employee = _ListedEmployee.model_validate(entry)
    change = _CHANGES.get(employee.action.lower())
    return Told(_listed_event(entry), employee.id, change)


def _listed_event(entry: Any) -> str:
    action = entry.get("action") if isinstance(entry, dict) else None
    return event_name(f"employee_with_fields.{action.strip().lower()}") if isinstance(action, str) else "unnamed"


class BambooHrEmployees(HrApi):
    """Asks BambooHR for one employee, with everything that only takes effect later."""

    hosts = re.compile(r"[a-z0-9-]{1,63}\.bamboohr\.com")
    can_join = True

    def fetch(self, notice: Notice, settings: SourceSettings, secret: str, now: datetime) -> NewHire:
        """Give the employee as they stand now; raises DetailsUnavailable or BadEvent."""
        fields = ",".join(filter(None, (_FIELDS, settings.options.get("same_as_field"))))
        body = self._ask(
            settings,
            *("api", "v1", "employees", notice.subject or ""),
            query={"fields": fields, "onlyCurrent": "false"},
            authorization=basic(secret, "x"),
            deadline=self._deadline(),
            now=now,
        )
        with fitting("employee."):
            employee = _Details.model_validate(body)
            check_is_asked_for(employee.id, notice)
            left = (employee.status or "").lower() == "inactive"
            hire = NewHire(
                source=notice.source,
                hire_id=employee.id,
                version=as_version(now),
                change=change_of(notice, employee.hire_date, left=left),
                work_email=employee.work_email,
                given_name=employee.first_name,
                family_name=employee.last_name,
                start_date=employee.hire_date,
                title=employee.job_title,
                department=employee.department,
                location=employee.location,
                employment_type=employee.employment,
            )
            return joined(hire, settings, body)
