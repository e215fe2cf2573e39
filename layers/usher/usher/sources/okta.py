"""
Okta's event hooks (contract, section 5.17): a directory that says who got an account, several at once.

The person is the target of an event; the actor is whoever did it. Details are asked for. docs/sources/okta.md.
"""

import json
import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any

import httpx
from pydantic import Field

from usher.domain.errors import BadEvent, DetailsUnavailable, Problem
from usher.domain.hire import Change, NewHire
from usher.domain.notice import Notice
from usher.http import is_token
from usher.ports import Reply, SourceSettings, WebhookRequest
from usher.sources.hr_api import HrApi, change_of, check_is_asked_for, fitting, joined
from usher.sources.moments import version_of
from usher.sources.signatures import StaticSecret
from usher.sources.webhook import (
    JsonWebhook,
    PathId,
    TheirDay,
    TheirMoment,
    Theirs,
    TheirText,
    Told,
    at_most,
    each,
    event_name,
    hired_if_new,
)

MOST_EVENTS = 1000
MOST_TARGETS = 50

_CHALLENGE = re.compile(r"[!-~]{1,256}")
_ATTRIBUTE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_OPENED = ("user.lifecycle.activate", "user.lifecycle.unsuspend")
_CHANGES = {
    "user.lifecycle.create": Change.HIRED,
    **dict.fromkeys(_OPENED, Change.HIRED),
    "user.account.update_profile": Change.CHANGED,
    # A suspension is a pause, and takes nobody back.
    "user.lifecycle.deactivate": Change.CANCELLED,
    "user.lifecycle.delete.initiated": Change.CANCELLED,
}
_LEFT = "DEPROVISIONED"


class _Target(Theirs):
    id: Any = None
    type: TheirText = None


class _Outcome(Theirs):
    result: TheirText = None


class _Event(Theirs):
    uuid: TheirText = None
    published: TheirMoment = None
    outcome: _Outcome | None = None
    target: Annotated[tuple[_Target, ...], at_most(MOST_TARGETS)]


class _User(Theirs):
    id: PathId


class _Data(Theirs):
    events: Annotated[tuple[Any, ...], at_most(MOST_EVENTS)]


class _Body(Theirs):
    data: _Data


class _Profile(Theirs):
    email: TheirText = None
    first_name: TheirText = Field(None, alias="firstName")
    last_name: TheirText = Field(None, alias="lastName")
    title: TheirText = None
    department: TheirText = None
    user_type: TheirText = Field(None, alias="userType")
    start_date: TheirDay = Field(None, alias="start_date_field")


class _Details(_User):
    status: TheirText = None
    created: TheirMoment = None
    status_changed: TheirMoment = Field(None, alias="statusChanged")
    last_updated: TheirMoment = Field(None, alias="lastUpdated")
    profile: _Profile

    @property
    def changed_at(self) -> datetime | None:
        """When Okta last changed the user."""
        return max(filter(None, (self.last_updated, self.status_changed)), default=None)

    def means(self, notice: Notice) -> Change:
        """Say what a notice means; an account that is opened tells a hire only where it or the first day is new."""
        if notice.event in _OPENED and self.profile.start_date is None and self.status != _LEFT:
            return hired_if_new(self.created.date() if self.created else None, notice.received_at)
        return change_of(notice, self.profile.start_date, left=self.status == _LEFT)


class Okta(JsonWebhook):
    """The source ``okta``; who comes is a thin notice, who goes is a complete one."""

    name = "okta"
    scheme = StaticSecret()

    def __init__(self, client: httpx.Client) -> None:
        self.details = OktaUsers(client)

    def handshake(self, request: WebhookRequest) -> Reply | None:
        """Repeat the challenge of the one-time verification, whoever asks: it opens nothing."""
        challenge = request.header("x-okta-verification-challenge")
        if request.method != "GET" or challenge is None or not _CHALLENGE.fullmatch(challenge):
            return None
        return Reply(HTTPStatus.OK, json.dumps({"verification": challenge}), "application/json")

    def told(self, body: Any, received_at: datetime) -> Iterable[Told]:
        """Read every event of a request."""
        events = _Body.model_validate(body).data.events
        return each(events, lambda one: _told(one, received_at), lambda one: {"data": {"events": [one]}}, _event_of)

    def thanks(self) -> Reply:
        """Answer 204, as Okta wants it: with nothing."""
        return Reply(HTTPStatus.NO_CONTENT)


def _event_of(body: Any) -> str:
    return event_name(body.get("eventType") if isinstance(body, dict) else None)


def _told(body: Any, received_at: datetime) -> Told:
    """Read one event; raises BadEvent or ValidationError."""
    name = _event_of(body)
    change = _CHANGES.get(name)
    if change is None:
        return Told(name)
    event = _Event.model_validate(body)
    if event.outcome is not None and event.outcome.result not in (None, "SUCCESS"):
        return Told(name, delivery=event.uuid)
    users = [target.id for target in event.target if target.type == "User"]
    if len(users) != 1:
        raise BadEvent(Problem("target", "does not name one user"))
    user = _User(id=users[0]).id
    if change is not Change.CANCELLED:
        return Told(name, user, change, delivery=event.uuid)
    # Complete, for the sake of its version: it may come late, after the account is open again.
    version = version_of(event.published, received_at, "published")
    return Told.of(NewHire(source=Okta.name, hire_id=user, version=version, change=change), name, event.uuid)


class OktaUsers(HrApi):
    """Asks Okta for one user. The stage may name the attribute of the profile that holds the first day."""

    hosts = re.compile(r"[a-z0-9-]{1,63}\.(?:okta|oktapreview|okta-emea)\.com")
    options = frozenset({"start_date_field"})
    can_join = True

    def settings_errors(self, settings: SourceSettings) -> Sequence[str]:
        """Check the attribute's name on top."""
        name = settings.options.get("start_date_field")
        wrong = name is not None and not _ATTRIBUTE.fullmatch(name)
        errors = ["options.start_date_field: is not the variable name of an attribute"] if wrong else []
        return [*super().settings_errors(settings), *errors]

    def fetch(self, notice: Notice, settings: SourceSettings, secret: str, now: datetime) -> NewHire:
        """Give the user as they stand now; raises DetailsUnavailable or BadEvent."""
        if not is_token(secret):
            raise DetailsUnavailable("the secret for the HR system is no token")
        body = self._ask(
            settings,
            *("api", "v1", "users", notice.subject or ""),
            authorization=f"SSWS {secret}",
            deadline=self._deadline(),
            now=now,
        )
        with fitting("user."):
            user = _Details.model_validate(_with_start_date(body, settings.options.get("start_date_field")))
            check_is_asked_for(user.id, notice)
            profile = user.profile
            hire = NewHire(
                source=notice.source,
                hire_id=user.id,
                version=version_of(user.changed_at, now, "user.lastUpdated"),
                change=user.means(notice),
                work_email=profile.email,
                given_name=profile.first_name,
                family_name=profile.last_name,
                start_date=profile.start_date,
                title=profile.title,
                department=profile.department,
                employment_type=profile.user_type,
            )
            return joined(hire, settings, body["profile"])


def _with_start_date(body: Any, name: str | None) -> Any:
    """Put the attribute that the stage names where the model looks for it, and nothing that Okta sent there itself."""
    profile = body.get("profile") if isinstance(body, dict) else None
    if not isinstance(profile, dict):
        return body
    return body | {"profile": profile | {"start_date_field": profile.get(name) if name else None}}
