"""
Microsoft Entra ID by Graph change notifications (contract, section 5.18): says that users changed, and no more.

A new user is told as a change like any other, so the hire date decides who is new. docs/sources/entra-graph.md.
"""

import re
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Annotated, Any
from urllib.parse import urlsplit

import httpx
from pydantic import Field, StringConstraints, ValidationError

from usher.domain.errors import BadEvent, DetailsUnavailable, Unauthentic
from usher.domain.hire import Change, NewHire, as_version
from usher.domain.json_text import parse
from usher.domain.notice import Notice
from usher.http import url_of
from usher.ports import Reply, SourceSettings, WebhookRequest
from usher.sources.hr_api import HrApi, check_is_asked_for, fitting, joined
from usher.sources.signatures import one_of
from usher.sources.webhook import (
    JsonWebhook,
    TheirDay,
    Theirs,
    TheirText,
    Told,
    at_most,
    each,
    event_name,
    hired_if_new,
    problems_of,
)

MOST_NOTIFICATIONS = 1000
SPREADS_WITHIN = timedelta(minutes=10)
"""How long a new user may be unknown to some part of the directory."""

_VALIDATION_TOKEN = re.compile(r"[ -~]{1,2048}")
_TENANT = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]|\.(?!\.|$)){0,127}")
_CHANGES = {"users.created": Change.CHANGED, "users.updated": Change.CHANGED, "users.deleted": Change.CANCELLED}
_LOGIN = "https://login.microsoftonline.com"
_SCOPE = "https://graph.microsoft.com/.default"
# Not otherMails, which are private; nor userPrincipalName, which is no mailbox.
_FIELDS = "id,accountEnabled,mail,givenName,surname,employeeHireDate,employeeType,jobTitle,department,officeLocation"

_GUID = r"^[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$"
_UserId = Annotated[str, StringConstraints(pattern=_GUID, to_lower=True)]


class _User(Theirs):
    id: _UserId


class _Notification(Theirs):
    id: TheirText = None
    subscription_id: TheirText = Field(None, alias="subscriptionId")
    change_type: str = Field(alias="changeType")
    resource: str
    resource_data: Any = Field(None, alias="resourceData")


class _Body(Theirs):
    value: Annotated[tuple[Any, ...], at_most(MOST_NOTIFICATIONS)]


class _Details(_User):
    account_enabled: bool | None = Field(None, alias="accountEnabled")
    mail: TheirText = None
    given_name: TheirText = Field(None, alias="givenName")
    surname: TheirText = None
    hire_date: TheirDay = Field(None, alias="employeeHireDate")
    employee_type: TheirText = Field(None, alias="employeeType")
    job_title: TheirText = Field(None, alias="jobTitle")
    department: TheirText = None
    office_location: TheirText = Field(None, alias="officeLocation")


class _ClientState:
    """The secret in every entry of the body: whoever has seen one request can make others."""

    def verify(self, request: WebhookRequest, secrets: Sequence[str], now: datetime) -> None:
        """Compare the state of each entry with each of the secrets; raises Unauthentic."""
        del now
        try:
            entries = _Body.model_validate(parse(request.body)).value
        except (BadEvent, ValidationError):
            raise Unauthentic("the body holds no list of notifications") from None
        if not entries:
            raise Unauthentic("nothing vouches for the request")
        for entry in entries:
            state = entry.get("clientState") if isinstance(entry, dict) else None
            one_of([state.encode()] if isinstance(state, str) else [], secrets)


class EntraGraph(JsonWebhook):
    """The source ``entra-graph``; every notice is thin."""

    name = "entra-graph"
    scheme = _ClientState()

    def __init__(self, client: httpx.Client) -> None:
        self.details = EntraUsers(client)

    def handshake(self, request: WebhookRequest) -> Reply | None:
        """Repeat the validation token, whoever asks: it opens nothing, and no browser takes it for a page."""
        token = request.query.get("validationToken")
        if request.method != "POST" or token is None or not _VALIDATION_TOKEN.fullmatch(token):
            return None
        return Reply(HTTPStatus.OK, token, headers={"x-content-type-options": "nosniff"})

    def told(self, body: Any, received_at: datetime) -> Iterable[Told]:
        """Read every notification of a request."""
        return each(_Body.model_validate(body).value, lambda one: _told(one, received_at), lambda one: {"value": [one]})

    def thanks(self) -> Reply:
        """Say that the notifications are taken."""
        return Reply(HTTPStatus.ACCEPTED)


def _told(entry: Any, received_at: datetime) -> Told:
    """Read one notification; raises ValidationError."""
    lifecycle = entry.get("lifecycleEvent") if isinstance(entry, dict) else None
    if lifecycle is not None:
        return Told(event_name(lifecycle))
    notification = _Notification.model_validate(entry)
    kind = notification.resource.strip("/").partition("/")[0].lower()
    event = event_name(f"{kind}.{notification.change_type.lower()}")
    change = _CHANGES.get(event)
    if change is None:
        return Told(event, delivery=notification.id)
    try:
        user = _User.model_validate(notification.resource_data).id
    except ValidationError as error:
        return Told(event, problems=problems_of(error))
    # Without an id, the next change of the same user comes in the same bytes, and must not pass for this one again.
    made_up = f"{notification.subscription_id} {event} {user} {received_at.isoformat()}"
    return Told(event, user, change, delivery=notification.id or made_up)


class EntraUsers(HrApi):
    """Asks Graph for one user, as an application of the tenant that the stage names."""

    hosts = re.compile(r"graph\.microsoft\.com")
    default_url = "https://graph.microsoft.com"
    options = frozenset({"tenant"})
    can_join = True

    def settings_errors(self, settings: SourceSettings) -> Sequence[str]:
        """Ask for the tenant on top."""
        named = _TENANT.fullmatch(settings.options.get("tenant", ""))
        errors = [] if named else ["options.tenant: is missing, or neither the id nor a domain of a tenant"]
        return [*super().settings_errors(settings), *errors]

    def fetch(self, notice: Notice, settings: SourceSettings, secret: str, now: datetime) -> NewHire:
        """Give the user as they stand now; raises DetailsUnavailable or BadEvent."""
        body, is_deleted = self._look_up(notice, settings, secret, now)
        with fitting("user."):
            user = _Details.model_validate(body)
            check_is_asked_for(user.id, notice)
            # An account that is not open yet is hired by the change that opens it.
            left = is_deleted or user.account_enabled is False
            hire = NewHire(
                source=notice.source,
                hire_id=user.id,
                version=as_version(now),
                change=Change.CANCELLED if left else hired_if_new(user.hire_date, notice.received_at),
                work_email=user.mail,
                given_name=user.given_name,
                family_name=user.surname,
                start_date=user.hire_date,
                title=user.job_title,
                department=user.department,
                location=user.office_location,
                employment_type=user.employee_type,
            )
            return joined(hire, settings, body)

    def _look_up(self, notice: Notice, settings: SourceSettings, secret: str, now: datetime) -> tuple[Any, bool]:
        """Give the user, and whether they are among the deleted: deleting is told as a change for 30 days."""
        deadline = self._deadline()
        login = url_of(self._login(settings), settings.options["tenant"], "oauth2", "v2.0", "token")

        def ask(*path: str, fields: str) -> Any:
            return self._ask(
                settings,
                *("v1.0", *path, notice.subject or ""),
                query={"$select": fields},
                authorization=self._token(login, secret, deadline=deadline, now=now, scope=_SCOPE),
                deadline=deadline,
                now=now,
            )

        try:
            fields = ",".join(filter(None, (_FIELDS, settings.options.get("same_as_field"))))
            return ask("users", fields=fields), False
        except DetailsUnavailable as error:
            if not error.final:
                raise
        try:
            return ask("directory", "deletedItems", fields="id"), True
        except DetailsUnavailable as error:
            if error.final and now - notice.received_at < SPREADS_WITHIN:
                raise DetailsUnavailable("graph does not know the user (404), who may be new") from None
            raise

    def _login(self, settings: SourceSettings) -> str:
        """Say who gives tokens: the vendor for its own API, anything else for itself."""
        host = urlsplit(settings.base_url or self.default_url or "").hostname or ""
        return _LOGIN if self.is_vendor_host(host) else settings.base_url or _LOGIN
