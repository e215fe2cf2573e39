"""
Greenhouse Recruiting (contract, section 5.8): everything about a hire but the work address.

The candidate's addresses belong to the person and to the previous employer, so none of them is read. The hire waits
for its address until another event about the same application brings one. docs/sources/greenhouse.md.
"""

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError

from usher.domain.errors import BadEvent
from usher.domain.event import problems_in
from usher.domain.hire import Change, NewHire, as_version
from usher.domain.json_text import parse
from usher.domain.notice import Notice, notice_id_of, unusable
from usher.ports import WebhookRequest
from usher.sources.signatures import Hmac
from usher.sources.webhook import SignedWebhook, TheirDay, TheirId, Theirs, TheirText, at_most, event_name

# An application is for one job as a rule; a job's lists are those of a large company.
MOST_JOBS = 20
MOST_DEPARTMENTS = 50
MOST_OFFICES = 100

_CHANGES = {"hire_candidate": Change.HIRED, "unhire_candidate": Change.CANCELLED}


def _no_nulls(value: Any) -> Any:
    return [item for item in value if item is not None] if isinstance(value, list) else value or ()


def _in_utc(moment: datetime) -> datetime:
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    if not 1970 <= moment.year < 2200:
        raise ValueError("is not a moment of our time")
    return moment


def _employment_type(fields: Any) -> Any:
    """Find the type among the fields that a customer made: each may be missing or of another kind."""
    field = fields.get("employment_type") if isinstance(fields, dict) else None
    value = field.get("value") if isinstance(field, dict) else None
    return value if isinstance(value, str) else None


class _Named(Theirs):
    name: TheirText = None


class _Job(_Named):
    departments: Annotated[tuple[_Named, ...], at_most(MOST_DEPARTMENTS), BeforeValidator(_no_nulls)] = ()
    offices: Annotated[tuple[_Named, ...], at_most(MOST_OFFICES), BeforeValidator(_no_nulls)] = ()
    employment_type: Annotated[TheirText, BeforeValidator(_employment_type)] = Field(None, alias="custom_fields")


class _Candidate(Theirs):
    first_name: TheirText = None
    last_name: TheirText = None


class _Offer(Theirs):
    starts_at: TheirDay = None
    resolved_at: Annotated[datetime, AfterValidator(_in_utc)] | None = None


class _Application(Theirs):
    id: TheirId
    candidate: _Candidate | None = None
    jobs: Annotated[tuple[_Job, ...], at_most(MOST_JOBS), BeforeValidator(_no_nulls)] = ()
    offer: _Offer | None = None


class _Payload(Theirs):
    application: _Application


class _Body(Theirs):
    payload: _Payload


class Greenhouse(SignedWebhook):
    """The source ``greenhouse``. Its hires are applications: a person who is hired twice has two."""

    name = "greenhouse"
    scheme = Hmac(header="signature", prefix="sha256 ")

    def read(self, request: WebhookRequest, received_at: datetime) -> tuple[Notice, ...]:
        """Read one action; a ping gives nothing."""
        # Not the header Greenhouse-Event-ID: it is not signed, so a replay could carry a new one.
        notice_id = notice_id_of(self.name, request.body)
        try:
            body = parse(request.body)
        except BadEvent as error:
            return (unusable(notice_id, self.name, request.body, error.problems, received_at),)
        action = event_name(body.get("action") if isinstance(body, dict) else None)
        if action == "ping":
            return ()
        common = {"notice_id": notice_id, "source": self.name, "received_at": received_at, "event": action}
        change = _CHANGES.get(action)
        if change is None:
            return (Notice.model_validate(common),)
        try:
            hire = _hire(_Body.model_validate(body).payload.application, change, received_at)
        except ValidationError as error:
            return (unusable(notice_id, self.name, request.body, problems_in(error), received_at, event=action),)
        return (Notice.model_validate(common | {"subject": hire.hire_id, "change": change, "hire": hire}),)


def _hire(application: _Application, change: Change, received_at: datetime) -> NewHire:
    """Make the hire; raises ValidationError."""
    candidate = application.candidate or _Candidate()
    job = application.jobs[0] if application.jobs else _Job()
    offer = application.offer or _Offer()
    return NewHire(
        source=Greenhouse.name,
        hire_id=application.id,
        version=_version(offer, change, received_at),
        change=change,
        given_name=candidate.first_name,
        family_name=candidate.last_name,
        start_date=offer.starts_at,
        # Not the candidate's own title: that is the job they come from.
        title=job.name,
        department=job.departments[0].name if job.departments else None,
        location=job.offices[0].name if job.offices else None,
        employment_type=job.employment_type,
    )


def _version(offer: _Offer, change: Change, received_at: datetime) -> int:
    """Order by the time when the offer was accepted; taking a hire back has no time of its own, and comes after it."""
    accepted = as_version(offer.resolved_at) if offer.resolved_at else None
    if change is Change.CANCELLED:
        return max(as_version(received_at), (accepted or 0) + 1)
    return accepted or as_version(received_at)
