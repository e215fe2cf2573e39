"""
HiBob (contract, section 5.2): says that an employee was created, joined, changed or deleted, and no more.

Bodies of the older version 1 hold a whole employee; only the id is taken of it, and the details are asked for either
way. docs/sources/hibob.md.
"""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Annotated, Any

import httpx
from pydantic import Field, TypeAdapter

from usher.domain.errors import BadEvent, DetailsUnavailable
from usher.domain.hire import Change, NewHire, as_version
from usher.domain.json_text import parse
from usher.domain.notice import Notice
from usher.http import basic
from usher.ports import Reply, SourceSettings, WebhookRequest
from usher.sources.hr_api import HrApi, change_of, fitting, pair_of
from usher.sources.signatures import Encoding, Hmac
from usher.sources.webhook import (
    JsonWebhook,
    PathId,
    TheirDay,
    Theirs,
    TheirText,
    Told,
    at_most,
    event_name,
)

LONGEST_PING = 64
MOST_EMPLOYEES = 10

_CHANGES = {
    "employee.created": Change.HIRED,
    "employee.joined": Change.HIRED,
    "employee.updated": Change.CHANGED,
    "employee.deleted": Change.CANCELLED,
}

_ID = TypeAdapter(PathId)


class _Data(Theirs):
    employee_id: PathId = Field(alias="employeeId")


class _Event(Theirs):
    data: _Data


class _Whole(Theirs):
    id: PathId


class _OldEvent(Theirs):
    employee: _Whole


class _Found(Theirs):
    employees: Annotated[tuple[dict[str, Any], ...], at_most(MOST_EMPLOYEES)]


class _Details(Theirs):
    first_name: TheirText = Field(None, alias="root.firstName")
    surname: TheirText = Field(None, alias="root.surname")
    email: TheirText = Field(None, alias="root.email")
    start_date: TheirDay = Field(None, alias="work.startDate")
    title: TheirText = Field(None, alias="work.title")
    department: TheirText = Field(None, alias="work.department")
    site: TheirText = Field(None, alias="work.site")
    status: TheirText = Field(None, alias="internal.lifecycleStatus")


_FIELDS = [str(field.alias) for field in _Details.model_fields.values()]
# Fields whose plain value is the id of an entry in one of the customer's lists.
_LISTED = {"work.title", "work.department", "work.site"}


class HiBob(JsonWebhook):
    """The source ``hibob``; every notice is thin."""

    name = "hibob"
    scheme = Hmac(header="bob-signature", hash="sha512", encoding=Encoding.BASE64)

    def __init__(self, client: httpx.Client) -> None:
        self.details = HiBobPeople(client)

    def handshake(self, request: WebhookRequest) -> Reply | None:
        """Answer the ping of a webhook that is being saved, signed or not: it does nothing."""
        return self.thanks() if request.method == "POST" and _is_ping(request.body) else None

    def told(self, body: Any, received_at: datetime) -> Iterator[Told]:
        """Read one event; HiBob gives its deliveries no id, and every body has a time of its own."""
        del received_at
        event = event_name(body.get("type") if isinstance(body, dict) else None)
        change = _CHANGES.get(event)
        if change is None:
            yield Told(event)
        elif "employee" in body and "data" not in body:
            yield Told(event, _OldEvent.model_validate(body).employee.id, change)
        else:
            yield Told(event, _Event.model_validate(body).data.employee_id, change)


def _is_ping(body: bytes) -> bool:
    """Know the text, and the JSON that is sent where the text was refused."""
    if len(body) > LONGEST_PING:
        return False
    if body.strip() == b"Ping test":
        return True
    try:
        return bool(parse(body) == {"text": "Ping test"})
    except BadEvent:
        return False


class HiBobPeople(HrApi):
    """Asks HiBob for one employee, as a service user."""

    hosts = re.compile(r"api(\.sandbox)?\.hibob\.com")
    default_url = "https://api.hibob.com"
    stale_for = timedelta(seconds=20)

    def fetch(self, notice: Notice, settings: SourceSettings, secret: str, now: datetime) -> NewHire:
        """Give the employee as they stand now; raises DetailsUnavailable or BadEvent."""
        user, token = pair_of(secret)
        body = self._ask(
            settings,
            *("v1", "people", "search"),
            authorization=basic(user, token),
            deadline=self._deadline(),
            now=now,
            names_person=False,
            body={
                "showInactive": True,
                "humanReadable": "APPEND",
                "fields": ["root.id", *_FIELDS],
                "filters": [{"fieldPath": "root.id", "operator": "equals", "values": [notice.subject]}],
            },
        )
        with fitting("employee."):
            hire_id, employee = _employee(_Found.model_validate(body), notice)
            return NewHire(
                source=notice.source,
                hire_id=hire_id,
                # An answer may be this old, and must not win over a deletion that was announced since.
                version=as_version(now - self.stale_for),
                change=change_of(notice, employee.start_date, left=(employee.status or "").lower() == "terminated"),
                work_email=employee.email,
                given_name=employee.first_name,
                family_name=employee.surname,
                start_date=employee.start_date,
                title=employee.title,
                department=employee.department,
                location=employee.site,
            )


def _employee(found: _Found, notice: Notice) -> tuple[str, _Details]:
    """Find the employee of a notice; raises ValidationError or DetailsUnavailable."""
    if not found.employees:
        # Just created and not yet to be read, or outside of what the service user may see: time or a person mends it.
        raise DetailsUnavailable("hibob shows no such employee to the service user")
    for record in found.employees:
        hire_id = _ID.validate_python(_field(record, "root.id"))
        if hire_id == notice.subject:
            return hire_id, _Details.model_validate({name: _shown(record, name) for name in _FIELDS})
    raise DetailsUnavailable("hibob answered with another employee than was asked for", final=True)


def _shown(record: dict[str, Any], name: str) -> Any:
    """Prefer the label of a list's entry to its id."""
    label = _field(record.get("humanReadable"), name) if name in _LISTED else None
    return _field(record, name) if label is None else label


def _field(record: Any, name: str) -> Any:
    """Find a field wherever HiBob is known to put it: nested, under its path with slashes, or at the top."""
    if not isinstance(record, dict):
        return None
    category, _, field = name.partition(".")
    nested = record.get(category)
    places = [nested.get(field)] if isinstance(nested, dict) else []
    places += [record.get(f"/{category}/{field}"), record.get(name)]
    places += [record.get(field)] if category == "root" else []
    value = next((place for place in places if place is not None), None)
    return value["value"] if isinstance(value, dict) and "value" in value else value
