"""
Ashby (contract, section 5.13): a hire without a work address, and with department and location as ids only.

The candidate's address is their own or the previous employer's, and is not read; what the ids mean would take calls
whose answers the contract does not describe. docs/sources/ashby.md.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from pydantic import Field, ValidationError

from usher.domain.errors import BadEvent
from usher.domain.hire import NewHire
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
    event_name,
    problems_of,
)


class _Candidate(Theirs):
    name: TheirText = None


class _Job(Theirs):
    title: TheirText = None


class _Application(Theirs):
    id: TheirId
    updated_at: TheirMoment = Field(None, alias="updatedAt")
    candidate: _Candidate | None = None
    job: _Job | None = None


class _OfferVersion(Theirs):
    start_date: TheirDay = Field(None, alias="startDate")


class _Offer(Theirs):
    id: TheirId | None = None
    latest: _OfferVersion | None = Field(None, alias="latestVersion")


class _Data(Theirs):
    application: _Application
    offer: _Offer | None = None


class _Body(Theirs):
    data: _Data


class Ashby(JsonWebhook):
    """The source ``ashby``. Its hires are applications: a person who is hired twice has two."""

    name = "ashby"
    scheme = Hmac(header="ashby-signature", prefix="sha256=")

    def told(self, body: Any, received_at: datetime) -> Iterator[Told]:
        """Read one action; a ping tells nothing."""
        action = event_name(body.get("action") if isinstance(body, dict) else None)
        if action == "candidateHire":
            try:
                data = _Body.model_validate(body).data
                yield Told.of(_hire(data, received_at), action, _delivery(action, body, data))
            except (BadEvent, ValidationError) as error:
                yield Told(action, problems=problems_of(error))
        elif action != "ping":
            yield Told(action)


def _hire(data: _Data, received_at: datetime) -> NewHire:
    """Make the hire; raises BadEvent or ValidationError."""
    application, offer = data.application, data.offer or _Offer()
    return NewHire(
        source=Ashby.name,
        hire_id=application.id,
        version=version_of(application.updated_at, received_at, "data.application.updatedAt"),
        # One text that nobody can split for sure; who has a single name has it as the family's.
        family_name=application.candidate.name if application.candidate else None,
        start_date=offer.latest.start_date if offer.latest else None,
        title=application.job.title if application.job else None,
    )


def _delivery(action: str, body: dict[str, Any], data: _Data) -> str:
    """Name the delivery. Several events of one hire share the id of the action, which may stand in either place."""
    found = [place.get("webhookActionId") for place in (body, body["data"])]
    action_id = next((text for text in found if isinstance(text, str) and text), None)
    return f"{action} {data.application.id} {action_id or (data.offer.id if data.offer else None)}"
