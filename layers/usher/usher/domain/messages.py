"""
What Usher's own queues carry.

A wake-up names rows, hires or notices and nothing about a person. Only a webhook's notice carries one, on a queue that
is encrypted and short-lived.
"""

from collections.abc import Sequence
from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from usher.domain.errors import BadEvent, Problem
from usher.domain.hire import HireKey, Name
from usher.domain.invitation import InvitationKey
from usher.domain.notice import Notice, NoticeId

_Key = Annotated[str, StringConstraints(max_length=256)]


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SendingWakeUp(_Message):
    """Rows of one provider that are due."""

    rows: tuple[_Key, ...]

    @classmethod
    def of(cls, keys: Sequence[InvitationKey]) -> "SendingWakeUp":
        """Name these rows."""
        return cls(rows=tuple(str(key) for key in keys))

    @classmethod
    def keys_in(cls, body: str) -> list[InvitationKey]:
        """Read a message's body; raises BadEvent."""
        try:
            return [InvitationKey.parse(text) for text in cls.model_validate_json(body).rows]
        except ValueError as error:
            raise BadEvent(Problem("rows", "is not a list of rows")) from error


class PlanningMessage(_Message):
    """A notice, or what is to be planned again (recorded notices that are due, hires), or feeds to look after."""

    notice: Notice | None = None
    notices: tuple[NoticeId, ...] = ()
    hires: tuple[_Key, ...] = ()
    feeds: tuple[Name, ...] = ()

    @property
    def hire_keys(self) -> list[HireKey]:
        """The hires to plan again."""
        return [HireKey.parse(text) for text in self.hires]

    @classmethod
    def read(cls, body: str) -> "PlanningMessage":
        """Read a message's body; raises BadEvent, which repeats no value."""
        try:
            message = cls.model_validate_json(body)
            _ = message.hire_keys
        except ValidationError as error:
            fields = sorted({".".join(str(part) for part in item["loc"]) for item in error.errors()})
            raise BadEvent(*(Problem(name, "does not fit") for name in fields)) from None
        except ValueError:
            raise BadEvent(Problem("hires", "is not a list of hires")) from None
        return message
