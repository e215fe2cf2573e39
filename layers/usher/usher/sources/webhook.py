"""What sources share: a signed webhook whose sender wants 200 and nothing else, and a liberal eye for its fields."""

import re
from collections.abc import Sequence
from datetime import date, datetime
from http import HTTPStatus
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, BeforeValidator, ConfigDict

from usher.domain.hire import written_day
from usher.ports import Details, Reply, WebhookRequest
from usher.sources.signatures import Hmac

LONGEST_EVENT_NAME = 64

_DAY_WITH_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ].*")


class SignedWebhook:
    """A source whose every request is signed. What is said here holds for most vendors; each module says the rest."""

    name: ClassVar[str]
    scheme: ClassVar[Hmac]
    details: Details | None = None
    tells_problems: bool = False

    def handshake(self, request: WebhookRequest) -> Reply | None:
        """Know no request that comes without a signature."""
        del request
        return None

    def verify(self, request: WebhookRequest, secrets: Sequence[str], now: datetime) -> None:
        """Check the raw bytes; raises Unauthentic."""
        self.scheme.verify(request, secrets, now)

    def thanks(self) -> Reply:
        """Answer 200 with an empty body: some count anything else as a failure."""
        return Reply(HTTPStatus.OK)


class Theirs(BaseModel):
    """The fields of a vendor's object that we rely on; it may send more, and null for any."""

    model_config = ConfigDict(frozen=True, extra="ignore", str_strip_whitespace=True)


def _blank_is_none(value: Any) -> Any:
    return None if isinstance(value, str) and not value.strip() else value


def _id_as_text(value: Any) -> Any:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _day_as_written(value: Any) -> Any:
    """Take the day of a date-time as it is written, whatever its zone; vendors write no day as nothing or zeros."""
    value = _blank_is_none(value)
    if not isinstance(value, str):
        return value
    text = value.strip()
    if text == "0000-00-00":
        return None
    return written_day(text[:10] if _DAY_WITH_TIME.fullmatch(text) else text)


TheirText = Annotated[str | None, BeforeValidator(_blank_is_none)]
TheirDay = Annotated[date | None, BeforeValidator(_day_as_written)]
TheirId = Annotated[str, BeforeValidator(_id_as_text)]
"""An id is always text: numbers may be larger than a float holds, and texts may begin with zeros."""


def at_most(most: int) -> BeforeValidator:
    """Refuse a longer list before any of its entries is looked at: half a million bad ones would cost seconds."""

    def bounded(value: Any) -> Any:
        if isinstance(value, list) and len(value) > most:
            raise ValueError(f"has more than {most} entries")
        return value

    return BeforeValidator(bounded)


def event_name(value: object) -> str:
    """Give a vendor's name of an event as far as it can be shown."""
    if isinstance(value, str) and 0 < len(value) <= LONGEST_EVENT_NAME and value.isascii() and value.isprintable():
        return value
    return "unnamed"
