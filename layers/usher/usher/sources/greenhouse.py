"""
Greenhouse Recruiting (contract, section 5.8): everything about a hire but the work address.

The candidate's addresses belong to the person and to the previous employer, so none of them is read. The hire waits
for its address until another event about the same application brings one. docs/sources/greenhouse.md.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, ValidationError

from usher.domain.errors import BadEvent
from usher.domain.hire import Change, NewHire, as_version
from usher.sources.moments import version_of
from usher.sources.signatures import Hmac
from usher.sources.webhook import (
    JsonWebhook,
    TheirDay,
    TheirId,
    TheirMoment,
    Theirs,
    TheirText,
    Told,
    at_most,
    event_name,
    problems_of,
)

# An application is for one job as a rule; a job's lists are those of a large company.
MOST_JOBS = 20
MOST_DEPARTMENTS = 50
MOST_OFFICES = 100

_CHANGES = {"hire_candidate": Change.HIRED, "unhire_candidate": Change.CANCELLED}


def _no_nulls(value: Any) -> Any:
    return [item for item in value if item is not None] if isinstance(value, list) else value or ()


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
    resolved_at: TheirMoment = None


class _Application(Theirs):
    id: TheirId
    candidate: _Candidate | None = None
    jobs: Annotated[tuple[_Job, ...], at_most(MOST_JOBS), BeforeValidator(_no_nulls)] = ()
    offer: _Offer | None = None


class _Payload(Theirs):
    application: _Application


class _Body(Theirs):
    payload: _Payload


class Greenhouse(JsonWebhook):
    """The source ``greenhouse``. Its hires are applications: a person who is hired twice has two."""

    name = "greenhouse"
    scheme = Hmac(header="signature", prefix="sha256 ")

    def told(self, body: Any, received_at: datetime) -> Iterator[Told]:
        """Read one action; a ping tells nothing."""
        # Known by its bytes, not by the header Greenhouse-Event-ID: that is unsigned, and a replay may bring a new one.
        action = event_name(body.get("action") if isinstance(body, dict) else None)
        change = _CHANGES.get(action)
        if change is not None:
            try:
                yield Told.of(_hire(_Body.model_validate(body).payload.application, change, received_at), action)
            except (BadEvent, ValidationError) as error:
                yield Told(action, problems=problems_of(error))
        elif action != "ping":
            yield Told(action)


def _hire(application: _Application, change: Change, received_at: datetime) -> NewHire:
    """Make the hire; raises BadEvent or ValidationError."""
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
    accepted = version_of(offer.resolved_at, received_at, "payload.application.offer.resolved_at")
    return max(as_version(received_at), accepted + 1) if change is Change.CANCELLED else accepted
