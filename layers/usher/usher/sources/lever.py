"""
Lever (contract, section 5.12), experimental: a candidate was hired, says a body of which two fields are signed.

Whoever has seen one request can, while its time holds, put any other opportunity into it. So the rest of a body only
says whom to ask about, and a hire is who Lever's API says was hired, and lately. docs/sources/lever.md.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import httpx
from pydantic import BaseModel, Field, StringConstraints, ValidationError

from usher.domain.errors import BadEvent, DetailsUnavailable, Unauthentic
from usher.domain.hire import Change, NewHire
from usher.domain.json_text import parse
from usher.domain.notice import Notice
from usher.http import basic
from usher.ports import SourceSettings, WebhookRequest
from usher.sources.hr_api import HrApi, check_is_asked_for, fitting
from usher.sources.moments import version_of
from usher.sources.signatures import Hmac
from usher.sources.webhook import (
    JsonWebhook,
    PathId,
    TheirId,
    Theirs,
    TheirText,
    Told,
    event_name,
    hired_if_new,
    problems_of,
)

_Moment = Annotated[int, Field(ge=1, lt=7_258_118_400_000)]
"""Milliseconds since 1970, before 2200."""


SIGNED = Hmac(header="signature", timestamp_header="triggered-at", tolerance=timedelta(hours=3))
"""How the request is signed that `signed_part` makes. Nobody says whether a retry is stamped anew."""


class _Signed(BaseModel):
    token: Annotated[str, StringConstraints(min_length=1, max_length=256)]
    # Always 13 digits, or token and time could be split in another place.
    triggered_at: Annotated[TheirId, StringConstraints(pattern=r"^[0-9]{13}$")] = Field(alias="triggeredAt")
    signature: str


class _Data(Theirs):
    opportunity: PathId | None = Field(None, alias="opportunityId")


class _Event(Theirs):
    data: _Data | None = None


class _Archived(Theirs):
    reason: PathId
    at: _Moment = Field(alias="archivedAt")


class _Opportunity(Theirs):
    id: PathId
    name: TheirText = None
    updated_at: _Moment | None = Field(None, alias="updatedAt")
    archived: _Archived | None = None


class _Reason(Theirs):
    type: str


class _Answer(Theirs):
    data: dict[str, Any]


class Lever(JsonWebhook):
    """The source ``lever``; every notice is thin. Its hires are opportunities: a person hired twice has two."""

    name = "lever"
    is_experimental = True

    def __init__(self, client: httpx.Client) -> None:
        self.details = LeverOpportunities(client)

    def verify(self, request: WebhookRequest, secrets: Sequence[str], now: datetime) -> None:
        """Check the signature in the body; raises Unauthentic."""
        SIGNED.verify(signed_part(request), secrets, now)

    def told(self, body: Any, received_at: datetime) -> Iterator[Told]:
        """Read one event; a test names no opportunity, and tells nothing."""
        del received_at
        signed = _Signed.model_validate(body)
        # By what is signed, and the opportunity where it counts: a replay makes no more of it by changing the rest.
        delivery = f"{signed.triggered_at} {signed.token}"
        event = event_name(body.get("event"))
        if event != "candidateHired":
            yield Told(event, delivery=f"other {delivery}")
            return
        try:
            data = _Event.model_validate(body).data
        except ValidationError as error:
            yield Told(event, delivery=f"unusable {delivery}", problems=problems_of(error))
            return
        if data and data.opportunity:
            yield Told(event, data.opportunity, Change.HIRED, delivery=f"hired {data.opportunity} {delivery}")


def signed_part(request: WebhookRequest) -> WebhookRequest:
    """Give what is signed as a request of its own, signature and time in headers; raises Unauthentic."""
    try:
        signed = _Signed.model_validate(parse(request.body))
    except (BadEvent, ValidationError):
        raise Unauthentic("the body holds no signature") from None
    headers = {"signature": (signed.signature,), "triggered-at": (signed.triggered_at[:-3],)}
    return replace(request, headers=headers, body=(signed.token + signed.triggered_at).encode())


class LeverOpportunities(HrApi):
    """Asks Lever for one opportunity, and whether the reason for which it was archived is a hire."""

    hosts = re.compile(r"api(\.sandbox)?\.lever\.co")
    default_url = "https://api.lever.co"

    def fetch(self, notice: Notice, settings: SourceSettings, secret: str, now: datetime) -> NewHire:
        """Give the hired person; raises DetailsUnavailable or BadEvent."""
        deadline = self._deadline()

        def ask(*path: str) -> dict[str, Any]:
            answer = self._ask(settings, "v1", *path, authorization=basic(secret, ""), deadline=deadline, now=now)
            return _Answer.model_validate(answer).data

        with fitting("opportunity."):
            found = _Opportunity.model_validate(ask("opportunities", notice.subject or ""))
            check_is_asked_for(found.id, notice)
            archived = found.archived
            if archived is None or _Reason.model_validate(ask("archive_reasons", archived.reason)).type != "hired":
                raise DetailsUnavailable("lever does not say that the person was hired", final=True)
            return NewHire(
                source=notice.source,
                hire_id=found.id,
                version=version_of(_at(found.updated_at) if found.updated_at else None, now, "opportunity.updatedAt"),
                change=hired_if_new(_at(archived.at).date(), notice.received_at),
                # One text that nobody can split for sure; who has a single name has it as the family's.
                family_name=found.name,
            )


def _at(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
