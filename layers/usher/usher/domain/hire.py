"""The canonical, versioned person, and the record that Usher keeps of one."""

import re
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Annotated, NamedTuple, Self
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

SCHEMA_VERSION = 1
"""Written into every item; code that meets a newer one leaves the item alone."""

LATEST_VERSION = 2**53 - 1
"""Versions stay exact in every JSON reader."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def plain_text(value: str) -> str:
    """Refuse control, zero-width and direction characters."""
    if _CONTROL.search(value):
        raise ValueError("has a control, zero-width or direction character")
    return value


def known_zone(value: str) -> str:
    """Refuse what is not the name of a time zone."""
    # The pattern has kept paths out; ZoneInfo itself refuses the rest with several error types.
    try:
        ZoneInfo(value)
    except (KeyError, ValueError, OSError) as error:
        raise ValueError("is not an IANA time zone name") from error
    return value


def written_day(value: object) -> object:
    """Take a day as ISO 8601 writes it, and no other text; a lax reader would take seconds since 1970 as well."""
    if not isinstance(value, str):
        return value
    if not _DAY.fullmatch(value):
        raise ValueError("is not a day of the form YYYY-MM-DD")
    return date.fromisoformat(value)


_HIRE_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")

HireId = Annotated[str, StringConstraints(pattern=f"^{_HIRE_ID.pattern}$")]
Name = Annotated[str, StringConstraints(pattern=f"^{_NAME.pattern}$")]
Text = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=256), AfterValidator(plain_text)
]
Zone = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_+/-]{1,64}$"), AfterValidator(known_zone)]
Version = Annotated[int, Field(ge=1, le=LATEST_VERSION)]
# The bounds keep every sum of days and every change of zone within the calendar.
Day = Annotated[date, Field(ge=date(1900, 1, 1), le=date(2199, 12, 31)), BeforeValidator(written_day)]


class Change(StrEnum):
    """What a notice means for the person."""

    HIRED = "hired"
    CHANGED = "changed"
    CANCELLED = "cancelled"


class HireKey(NamedTuple):
    """Which hire: a source and the source's own id."""

    source: str
    hire_id: str

    def __str__(self) -> str:
        return f"{self.source}/{self.hire_id}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what `str` wrote; raises ValueError."""
        source, hire_id = text.split("/")
        if not _NAME.fullmatch(source) or not _HIRE_ID.fullmatch(hire_id):
            raise ValueError("is not the key of a hire")
        return cls(source, hire_id)


class NewHire(BaseModel):
    """A person that a source announced. Fields of an event can choose a rule, never a grant: there is none here."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: Name = Field(description="The system that says so; the sender must be allowed to speak for it.")
    hire_id: HireId = Field(description="The source's own id of the person; always text.")
    version: Version = Field(
        description="Orders what the source says of one person: the highest wins, in whatever order they arrive. "
        "The time of the change in milliseconds serves well."
    )
    change: Change = Field(default=Change.HIRED, description="What happened.")
    work_email: Annotated[str, StringConstraints(max_length=320)] | None = Field(
        default=None, description="The company address, once it is known."
    )
    given_name: Text | None = None
    family_name: Text | None = None
    start_date: Day | None = Field(default=None, description="The first day of work.")
    time_zone: Zone | None = Field(default=None, description="IANA name; default is the company's.")
    department: Text | None = None
    title: Text | None = None
    location: Text | None = None
    employment_type: Text | None = None

    @property
    def key(self) -> HireKey:
        """Which hire this is."""
        return HireKey(self.source, self.hire_id)


class Result(StrEnum):
    """What the newest version of a hire led to."""

    ROWS = "rows"
    NO_RULE = "no_rule"
    CANCELLED = "cancelled"
    AWAITING_ADDRESS = "awaiting_address"
    INVALID = "invalid"
    UNANNOUNCED = "unannounced"
    """The source told of a change, but has never said that the person was hired: most of a company is so."""


class HireRecord(BaseModel):
    """What the table holds of a hire: the newest version, the newest known address, and what it led to."""

    model_config = ConfigDict(frozen=True)

    hire: NewHire
    hired_version: int = 0
    """The newest version that said that the person was hired."""
    cancelled_version: int = 0
    """The newest version that took the person back."""
    had_rows: bool = False
    """Whether there ever were rows; settled ones are forgotten after a long time, the provider's memory is longer."""
    work_email: str | None = None
    work_email_version: int = 0
    policy_version: str = ""
    result: Result
    revision: int = 0
    notices: tuple[str, ...] = ()
    announced_at: datetime
    updated_at: datetime

    @property
    def key(self) -> HireKey:
        """Which hire this is."""
        return self.hire.key

    @property
    def is_hired(self) -> bool:
        """Say whether the person counts as hired: a change alone hires nobody, nor does it after a cancel."""
        return self.hired_version > self.cancelled_version

    @property
    def effective(self) -> NewHire:
        """The hire as planning sees it: an address, once known, is not lost to a later notice without one."""
        return self.hire.model_copy(update={"work_email": self.work_email})


def as_version(moment: datetime) -> int:
    """Make a version of a moment: milliseconds since 1970."""
    return max(1, int(moment.astimezone(UTC).timestamp() * 1000))
