"""Bounded requests to an HR system's API, and what each ending means for a thin notice."""

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Annotated, Any, ClassVar

import httpx
from pydantic import BaseModel, Field, ValidationError

from usher.domain.errors import BadEvent, DetailsUnavailable
from usher.domain.hire import Change, HireKey, NewHire
from usher.domain.json_text import parse
from usher.domain.notice import Notice
from usher.domain.outcomes import Ambiguous, NotSent
from usher.http import Answer, Deadline, bearer, is_token, retry_after, send, url_of
from usher.ports import SourceSettings
from usher.sources.webhook import hired_if_new, problems_of, unknown_settings

LONGEST_CALL = 5.0
"""Seconds for asking about one person; the five notices of one batch must fit into an invocation."""

SPARE = timedelta(minutes=1)
"""How long before its end a token is bought anew."""


class HrApi:
    """
    What all share that ask an HR system who somebody is.

    `hosts` are the vendor's own, `default_url` is where everybody's API is (None: the stage must say it), `options`
    are those that a stage may set. With `can_join`, a stage may also name a field of the system that holds the id of
    the same person at another source (docs/completing.md).
    """

    hosts: ClassVar[re.Pattern[str]]
    default_url: ClassVar[str | None] = None
    options: ClassVar[frozenset[str]] = frozenset()
    can_join: ClassVar[bool] = False
    stale_for: timedelta = timedelta(0)

    def __init__(self, client: httpx.Client, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._monotonic = monotonic
        self._tokens: dict[str, _Token] = {}

    def settings_errors(self, settings: SourceSettings) -> Sequence[str]:
        """Ask for an address where the vendor has one for each customer, and for no unknown option."""
        missing = settings.base_url is None and self.default_url is None
        errors = [f"base_url: is missing; write https:// and a host like {self.hosts.pattern}"] if missing else []
        known = self.options | (_JOIN if self.can_join else frozenset())
        errors += unknown_settings(settings.name, settings, known)
        if self.can_join:
            errors += _join_errors(settings)
        return errors

    def is_vendor_host(self, host: str) -> bool:
        """Say whether a host is the vendor's own."""
        return self.hosts.fullmatch(host) is not None

    def _deadline(self) -> Deadline:
        """Begin the seconds that one fetch may take, however many requests it makes."""
        return Deadline(LONGEST_CALL, self._monotonic)

    def _ask(
        self,
        settings: SourceSettings,
        *path: str,
        authorization: str,
        deadline: Deadline,
        now: datetime,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: object = None,
        names_person: bool = True,
    ) -> Any:
        """
        Give the JSON of a 200 to a GET, or to a POST of `body`; never follows a redirect, never asks twice.

        Raises DetailsUnavailable: final for a 404 where the path names the person, worth asking again for everything
        else, after the seconds that the system itself named. The reason repeats nothing of the answer.
        """
        answer = send(
            self._client,
            "GET" if body is None else "POST",
            url_of(settings.base_url or self.default_url or "", *path, query=query),
            authorization=authorization,
            deadline=deadline,
            headers=headers,
            body=body,
            read=_parsed,
        )
        if isinstance(answer, Answer) and answer.status == 401:
            self._tokens.clear()  # Taken back before its time: the next question buys another.
        return _json_of(answer, now, names_person=names_person)

    def _token(self, url: str, secret: str, *, deadline: Deadline, now: datetime, **further: str) -> str:
        """
        Give the authorization by an OAuth 2 token, bought with client credentials and kept while it is good.

        `secret` is ``client_id:client_secret``; `further` are fields of the form. Raises DetailsUnavailable.
        """
        held = self._tokens.get(url)
        if held is not None and held.secret == secret and now < held.until:
            return bearer(held.token)
        name, password = pair_of(secret)
        form = {"grant_type": "client_credentials", "client_id": name, "client_secret": password, **further}
        answer = send(self._client, "POST", url, authorization="", deadline=deadline, form=form, read=_parsed)
        try:
            given = _Given.model_validate(_json_of(answer, now, names_person=False))
        except ValidationError:
            raise DetailsUnavailable("the HR system answered with no token") from None
        until = now + timedelta(seconds=given.expires_in) - SPARE
        self._tokens[url] = _Token(given.access_token, secret, until)
        return bearer(given.access_token)


def joined(hire: NewHire, settings: SourceSettings, record: Any) -> NewHire:
    """Let a hire complete another source's, where the field that the stage names holds an id of it."""
    name = settings.options.get("same_as_field")
    value = record.get(name) if name and isinstance(record, dict) else None
    if isinstance(value, bool) or not isinstance(value, str | int):
        return hire
    try:
        key = HireKey.parse(f"{settings.options['same_as']}/{str(value).strip()}")
    except ValueError:
        return hire  # Empty, or a note of somebody's: the person stands for themselves.
    return hire.model_copy(update={"same_as": str(key)})


_JOIN = frozenset({"same_as", "same_as_field"})
_FIELD = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")


def _join_errors(settings: SourceSettings) -> list[str]:
    given = [settings.options[name] for name in sorted(_JOIN) if name in settings.options]
    if len(given) == 1:
        return ["options.same_as and options.same_as_field: one of them means nothing without the other"]
    if given and not _FIELD.fullmatch(settings.options["same_as_field"]):
        return ["options.same_as_field: is not the name of a field"]
    return []


@contextmanager
def fitting(prefix: str) -> Iterator[None]:
    """Read an answer: what of it does not fit raises BadEvent, with the places below `prefix`."""
    try:
        yield
    except ValidationError as error:
        raise BadEvent(*problems_of(error, prefix)) from None


def check_is_asked_for(hire_id: str, notice: Notice) -> None:
    """Raise DetailsUnavailable, for good, where an answer is about somebody else than the notice."""
    if hire_id != notice.subject:
        raise DetailsUnavailable("the HR system answered with another person than was asked for", final=True)


def bearer_of(secret: str) -> str:
    """Give the authorization by a token that an operator keeps; raises DetailsUnavailable for what is none."""
    if not is_token(secret):
        raise DetailsUnavailable("the secret for the HR system is no token")
    return bearer(secret)


def pair_of(secret: str) -> tuple[str, str]:
    """Give the two parts of a secret with a colon between; raises DetailsUnavailable for what is no pair."""
    name, _, password = secret.partition(":")
    if not name or not password:
        raise DetailsUnavailable("the secret for the HR system is no pair with a colon between")
    return name, password


def change_of(notice: Notice, start_date: date | None, *, left: bool) -> Change:
    """
    Say what a thin notice means, now that its details are known.

    Whoever has left is taken back, whatever the event was. Whoever started long ago is staff: a company that moves in
    announces everybody. Of all others the first day decides, and not whether the event was the creation: a mistyped day
    is corrected later, and who comes back may come as an update. Where the day is not known, the event is believed, and
    so is one that tells of an end that is yet to come: it hires nobody.
    """
    if left or notice.change is Change.CANCELLED:
        return Change.CANCELLED
    if start_date is not None and "terminated" not in notice.event:
        return hired_if_new(start_date, notice.received_at)
    return notice.change or Change.CHANGED


class _Given(BaseModel):
    access_token: Annotated[str, Field(max_length=8192, pattern=r"^[!-~]+$")]
    expires_in: Annotated[int, Field(ge=0, le=10**6)] = 300


@dataclass(frozen=True, slots=True)
class _Token:
    token: str = field(repr=False)
    secret: str = field(repr=False)
    until: datetime


def _json_of(answer: Answer | NotSent | Ambiguous, now: datetime, *, names_person: bool) -> Any:
    if not isinstance(answer, Answer):
        raise DetailsUnavailable(f"the HR system did not answer: {answer.reason}")
    match answer.status:
        case 200 if answer.json is not None:
            return answer.json
        case 200:
            raise DetailsUnavailable("the HR system answered 200 with no JSON, or with more than can be read")
        case 404 if names_person:
            raise DetailsUnavailable("the HR system does not know the person (404)", final=True)
        case 401 | 403 as status:
            raise DetailsUnavailable(f"the HR system refused our key ({status})")
        case status:
            moment = retry_after(answer.header("retry-after"), now)
            seconds = (moment - now).total_seconds() if moment else None
            raise DetailsUnavailable(f"the HR system answered {status}", retry_after=seconds)


def _parsed(raw: bytes) -> Any:
    try:
        return parse(raw)
    except BadEvent:
        return None
