"""
Finch (contract, section 5.9): one connection to one of many HR systems; says that somebody appeared or changed.

One hire raises `individual.created`, `directory.created` and `employment.created`, in any order. The first hires; the
third only completes; the second is recorded. Finch knows no rehire and, at a first sync, no new hire either, so the day
of the start decides. docs/sources/finch.md.
"""

import re
from collections.abc import Iterator
from datetime import date, datetime
from functools import partial
from http import HTTPStatus
from typing import Annotated, Any

import httpx
from pydantic import Field

from usher.domain.errors import DetailsUnavailable
from usher.domain.hire import Change, NewHire, as_version
from usher.domain.notice import Notice, notice_id_of
from usher.ports import SourceSettings, WebhookRequest
from usher.sources.hr_api import HrApi, bearer_of, fitting
from usher.sources.signatures import Encoding, Hmac, KeyForm
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

API_VERSION = "2020-09-17"
MOST_EMAILS = 20
MOST_ANSWERS = 10

_CHANGES = {
    "individual.created": Change.HIRED,
    "individual.updated": Change.CHANGED,
    "employment.created": Change.CHANGED,
    "employment.updated": Change.CHANGED,
}
_GONE = {"terminated", "deceased", "retired"}


class _Data(Theirs):
    individual_id: PathId


class _Event(Theirs):
    data: _Data


class _Answer(Theirs):
    individual_id: PathId
    code: Annotated[int, Field(ge=100, le=599)]
    body: Any = None


class _Answers(Theirs):
    responses: Annotated[tuple[_Answer, ...], at_most(MOST_ANSWERS)]


class _Email(Theirs):
    data: TheirText = None
    type: TheirText = None


class _Individual(Theirs):
    first_name: TheirText = None
    last_name: TheirText = None
    emails: Annotated[tuple[_Email | None, ...] | None, at_most(MOST_EMAILS)] = None

    @property
    def work_email(self) -> str | None:
        """The address that is marked as the work's; one that is not marked may be private."""
        return next((email.data for email in self.emails or () if email and email.data and email.type == "work"), None)


class _Named(Theirs):
    name: TheirText = None


class _Kind(Theirs):
    type: TheirText = None
    subtype: TheirText = None


class _Place(Theirs):
    city: TheirText = None


class _Employment(Theirs):
    title: TheirText = None
    department: _Named | None = None
    kind: _Kind | None = Field(None, alias="employment")
    status: TheirText = Field(None, alias="employment_status")
    start_date: TheirDay = None
    latest_rehire_date: TheirDay = None
    location: _Place | None = None
    is_active: bool | None = None

    @property
    def start(self) -> date | None:
        """The first day, of the latest time that somebody came."""
        return max((day for day in (self.start_date, self.latest_rehire_date) if day), default=None)

    def is_over(self, notice: Notice) -> bool:
        """Say whether it has ended. Not to be active is no sign of that before the first day."""
        if self.status is not None:
            return self.status in _GONE
        return self.is_active is False and (self.start is None or self.start <= notice.received_at.date())


class Finch(JsonWebhook):
    """The source ``finch``; every notice is thin."""

    name = "finch"
    scheme = Hmac(
        header="finch-signature",
        signed="{finch-event-id}.{finch-timestamp}.{body}",
        key_form=KeyForm.WHSEC,
        prefix="v1,",
        encoding=Encoding.BASE64,
        many=True,
        timestamp_header="finch-timestamp",
    )

    def __init__(self, client: httpx.Client) -> None:
        self.details = FinchPeople(client)

    def read(self, request: WebhookRequest, received_at: datetime) -> tuple[Notice, ...]:
        """Read the event, named by its delivery: two updates of one person have the same body."""
        # The id is signed, and stays the same over retries.
        name = notice_id_of(self.name, request.header("finch-event-id") or "", request.body)
        return tuple(notice.model_copy(update={"notice_id": name}) for notice in super().read(request, received_at))

    def told(self, body: Any, received_at: datetime) -> Iterator[Told]:
        """Read one event; the dashboard's test tells nothing."""
        del received_at
        event = event_name(body.get("event_type") if isinstance(body, dict) else None)
        change = _CHANGES.get(event)
        if change is not None:
            yield Told(event, _Event.model_validate(body).data.individual_id, change)
        elif event != "test":
            yield Told(event)


class FinchPeople(HrApi):
    """Asks Finch who somebody is and what they do, by the token of the one connection."""

    hosts = re.compile(r"api\.tryfinch\.com")
    default_url = "https://api.tryfinch.com"

    def fetch(self, notice: Notice, settings: SourceSettings, secret: str, now: datetime) -> NewHire:
        """Give the person as they stand now; raises DetailsUnavailable or BadEvent."""
        ask = partial(
            self._ask,
            settings,
            "employer",
            authorization=bearer_of(secret),
            deadline=self._deadline(),
            now=now,
            headers={"finch-api-version": API_VERSION},
            body={"requests": [{"individual_id": notice.subject}]},
            names_person=False,
        )
        with fitting("person."):
            person = _Individual.model_validate(_answered(ask("individual"), notice))
            work = _Employment.model_validate(_answered(ask("employment"), notice))
            return NewHire(
                source=notice.source,
                hire_id=notice.subject or "",
                version=as_version(now),
                change=Change.CANCELLED if work.is_over(notice) else hired_if_new(work.start, notice.received_at),
                work_email=person.work_email,
                given_name=person.first_name,
                family_name=person.last_name,
                start_date=work.start,
                title=work.title,
                department=work.department.name if work.department else None,
                location=work.location.city if work.location else None,
                employment_type=work.kind.subtype or work.kind.type if work.kind else None,
            )


def _answered(body: Any, notice: Notice) -> dict[str, Any]:
    """Give the one answer of a batch of one; raises ValidationError or DetailsUnavailable."""
    answers = _Answers.model_validate(body).responses
    answer = next((answer for answer in answers if answer.individual_id == notice.subject), None)
    if answer is not None and answer.code == HTTPStatus.NOT_FOUND:
        raise DetailsUnavailable("finch does not know the person (404)", final=True)
    if answer is not None and (answer.code != HTTPStatus.OK or not isinstance(answer.body, dict)):
        raise DetailsUnavailable(f"finch answered {answer.code} for the person, or with nothing")
    if answer is None or answer.body.get("id") not in (notice.subject, None):
        raise DetailsUnavailable("finch answered with another person than was asked for", final=True)
    found: dict[str, Any] = answer.body
    return found
