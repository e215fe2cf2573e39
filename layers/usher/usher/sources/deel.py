"""
Deel (contract, section 5.7): contracts by their id, and people of Deel HR by the id of their profile.

A contract that was only created can still be cancelled, so a hire begins when it is signed. The address in an event is
where the worker was invited to, mostly a private one, and is never read. docs/sources/deel.md.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any

import httpx
from pydantic import AliasChoices, AliasPath, BeforeValidator, Field

from usher.domain.hire import Change, NewHire, as_version
from usher.domain.notice import Notice
from usher.ports import SourceSettings
from usher.sources.hr_api import HrApi, bearer_of, change_of, check_is_asked_for, fitting
from usher.sources.moments import version_of
from usher.sources.signatures import Hmac
from usher.sources.webhook import (
    JsonWebhook,
    PathId,
    TheirDay,
    TheirId,
    TheirMoment,
    Theirs,
    TheirText,
    Told,
    at_most,
    each,
    event_name,
)

MOST_RESOURCES = 100
MOST_EMAILS = 20

# What is about a contract, and what is about a person of Deel HR: each has ids of its own.
_CONTRACTS = {
    "contract.signed": Change.HIRED,
    "contract.amended": Change.CHANGED,
    "contract.terminated": Change.CANCELLED,
    "employee.created.contractor": Change.HIRED,
}
_PEOPLE = {
    "employee.created.direct": Change.HIRED,
    "employee.created.eor": Change.HIRED,
    "employee.created": Change.HIRED,
    "employee.updated.direct": Change.CHANGED,
    "employee.updated": Change.CHANGED,
    "onboarding.status.updated": Change.CHANGED,
}
_BY_STATUS = "contract.status.updated"
_BEGUN = ("signed", "onboarding", "onboarded", "in_progress", "active")
_LEFT = ("cancelled", "canceled", "user_cancelled", "rejected", "terminated", "completed", "inactive")
_STATUSES = dict.fromkeys(_BEGUN, Change.HIRED) | dict.fromkeys(_LEFT, Change.CANCELLED)


def _name_of(value: Any) -> Any:
    """Take the name of a thing that is written as an object or as its name."""
    return value.get("name") if isinstance(value, dict) else value


_Name = Annotated[TheirText, BeforeValidator(_name_of)]


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, dict) else value


class _Meta(Theirs):
    event_type: str
    event_id: TheirId | None = None
    tracking_id: TheirId | None = None
    is_simulation: bool | None = None


class _Event(Theirs):
    meta: _Meta = Field(validation_alias=AliasPath("data", "meta"))


_Resources = Annotated[tuple[Any, ...], Field(min_length=1), at_most(MOST_RESOURCES), BeforeValidator(_as_list)]


class _Body(Theirs):
    resources: _Resources = Field(validation_alias=AliasPath("data", "resource"))


class _Dated(Theirs):
    at: TheirMoment = Field(None, validation_alias=AliasChoices(AliasPath("data", "meta", "occurred_at"), "timestamp"))


class _ContractResource(Theirs):
    id: PathId = Field(validation_alias=AliasChoices("contract_id", "id"))


class _StatusResource(Theirs):
    status: str


class _PersonResource(Theirs):
    id: PathId = Field(validation_alias=AliasChoices("hris_profile_id", "id"))


class _Email(Theirs):
    type: TheirText = None
    value: TheirText = None


class _Named(Theirs):
    first_name: TheirText = None
    last_name: TheirText = None


class _Worker(_Named):
    """A contract or a person: the fields of the one are missing in the other."""

    id: PathId
    type: TheirText = Field(None, validation_alias=AliasChoices("hiring_type", "type"))
    status: TheirText = Field(None, validation_alias=AliasChoices("hiring_status", "status"))
    start_date: TheirDay = None
    job_title: _Name = None
    department: _Name = None
    work_location: _Name = None
    emails: Annotated[tuple[_Email | None, ...] | None, at_most(MOST_EMAILS)] = None
    worker: _Named | None = None
    team: _Name = Field(None, validation_alias=AliasPath("client", "team"))

    @property
    def work_email(self) -> str | None:
        """The address that is marked as the work's; the others are the worker's own."""
        emails = filter(None, self.emails or ())
        return next((email.value for email in emails if email.value and email.type == "work"), None)


class _Answer(Theirs):
    data: _Worker


class Deel(JsonWebhook):
    """The source ``deel``; who comes is a thin notice, whose contract ends is a complete one."""

    name = "deel"
    scheme = Hmac(header="x-deel-signature", signed="POST{body}")

    def __init__(self, client: httpx.Client) -> None:
        self.details = DeelApi(client)

    def told(self, body: Any, received_at: datetime) -> Iterator[Told]:
        """Read one event, about one resource or several; a simulation tells nothing."""
        meta = _Event.model_validate(body).meta
        if meta.is_simulation:
            return
        event = event_name(meta.event_type)
        delivery = meta.event_id or meta.tracking_id
        if event != _BY_STATUS and event not in _CONTRACTS and event not in _PEOPLE:
            yield Told(event, delivery=delivery)
            return
        for told in each(
            _Body.model_validate(body).resources,
            lambda resource: _one(event, resource, body, received_at),
            named=lambda _: event,
            alone=lambda resource: body | {"data": body["data"] | {"resource": [resource]}},
        ):
            # What traces a chain of events may be the same for all of it.
            name = None if delivery is None or told.problems else f"{delivery}/{event}/{told.subject}"
            yield replace(told, delivery=name)


def _one(event: str, resource: Any, body: Any, received_at: datetime) -> Told:
    """Read one resource of a body; raises BadEvent or ValidationError."""
    if event in _PEOPLE:
        return Told(event, _PersonResource.model_validate(resource).id, _PEOPLE[event])
    contract = _ContractResource.model_validate(resource)
    change = _CONTRACTS.get(event) or _STATUSES.get(_StatusResource.model_validate(resource).status.lower())
    if change is not Change.CANCELLED:
        return Told(event, contract.id, change)
    # Complete, for the sake of its version: a replay must not end what was signed after it.
    version = version_of(_Dated.model_validate(body).at, received_at, "data.meta.occurred_at")
    return Told.of(NewHire(source=Deel.name, hire_id=contract.id, version=version, change=change), event)


class DeelApi(HrApi):
    """Asks Deel for a contract, or for a person of Deel HR."""

    hosts = re.compile(r"api(-staging)?\.letsdeel\.com")
    default_url = "https://api.letsdeel.com"

    def fetch(self, notice: Notice, settings: SourceSettings, secret: str, now: datetime) -> NewHire:
        """Give the worker as they stand now; raises DetailsUnavailable or BadEvent."""
        body = self._ask(
            settings,
            *("rest", "v2", "people" if notice.event in _PEOPLE else "contracts", notice.subject or ""),
            authorization=bearer_of(secret),
            deadline=self._deadline(),
            now=now,
        )
        with fitting("worker."):
            worker = _Answer.model_validate(body).data
            check_is_asked_for(worker.id, notice)
            names = worker.worker or worker
            # What is amended may have yet to be signed.
            is_draft = notice.event == "contract.amended" and (worker.status or "active").lower() not in _STATUSES
            change = change_of(notice, worker.start_date, left=(worker.status or "").lower() in _LEFT)
            return NewHire(
                source=notice.source,
                hire_id=worker.id,
                version=as_version(now),
                change=Change.CHANGED if is_draft else change,
                work_email=worker.work_email,
                given_name=names.first_name,
                family_name=names.last_name,
                start_date=worker.start_date,
                title=worker.job_title,
                department=worker.department or worker.team,
                location=worker.work_location,
                employment_type=worker.type,
            )
