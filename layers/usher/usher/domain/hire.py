"""The canonical, versioned person, and the record that Usher keeps of one."""

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Annotated, Any, NamedTuple, Self
from unicodedata import category
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

SCHEMA_VERSION = 1
"""Written into every item; code that meets a newer one leaves the item alone."""

LATEST_VERSION = 2**53 - 1
"""Versions stay exact in every JSON reader."""

_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Unicode's categories of characters that control, format, or are half of another."""

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def plain_text(value: str) -> str:
    """Refuse control, zero-width and direction characters."""
    if any(category(character) in _UNSEEN for character in value):
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


def _key_text(value: str) -> str:
    HireKey.parse(value)
    return value


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
    same_as: Annotated[str, AfterValidator(_key_text)] | None = Field(
        default=None,
        description="The person as another system announced them, source/hire_id: what is said here completes that "
        "hire. The stage must let this source do so.",
    )

    @property
    def key(self) -> HireKey:
        """Which hire this is."""
        return HireKey(self.source, self.hire_id)


def unspoken_of(key: HireKey) -> NewHire:
    """Stand for the word of a source that has not spoken of a person whom others speak of already."""
    return NewHire(source=key.source, hire_id=key.hire_id, version=1, change=Change.CHANGED)


class Result(StrEnum):
    """What the newest version of a hire led to."""

    ROWS = "rows"
    NO_RULE = "no_rule"
    CANCELLED = "cancelled"
    AWAITING_ADDRESS = "awaiting_address"
    INVALID = "invalid"
    JOINED = "joined"
    """The person is the hire of another source, and stands there."""
    UNANNOUNCED = "unannounced"
    """The source told of a change, but has never said that the person was hired: most of a company is so."""


MOST_FIRST_DAYS = 10
"""How many days are kept of those named before the newest cancel, and of those named since."""


class Said(BaseModel):
    """What one source has said of a person: the newest of it, in the source's own order, whatever came first."""

    model_config = ConfigDict(frozen=True)

    hire: NewHire
    hired_version: int = 0
    """The newest version that said that the person was hired."""
    cancelled_version: int = 0
    """The newest version that took the person back."""
    first_days: dict[int, date] = Field(default_factory=dict)
    """The first day of work as each of the newest versions that named one has it."""
    work_email: str | None = None
    """The newest known address: neither a later word without one nor an earlier one loses it."""
    work_email_version: int = 0
    same_as: str | None = None
    """The hire of another source that this person is, as the newest word that can know it says."""
    same_as_version: int = 0

    def news(self, said: NewHire) -> dict[str, Any]:
        """Give what one more word changes; nothing where it is old."""
        news: dict[str, Any] = {}
        if said.version > self.hire.version or self.hire == unspoken_of(self.hire.key):
            news["hire"] = said
        if said.change is Change.HIRED and said.version > self.hired_version:
            news["hired_version"] = said.version
        if said.change is Change.CANCELLED and said.version > self.cancelled_version:
            news["cancelled_version"] = said.version
        if said.start_date is not None and said.change is not Change.CANCELLED and said.version not in self.first_days:
            news["first_days"] = self.first_days | {said.version: said.start_date}
        if said.work_email is not None and said.version > self.work_email_version:
            news |= {"work_email": said.work_email, "work_email_version": said.version}
        # Who takes a person back often knows nothing but an id.
        knows = said.change is not Change.CANCELLED or said.same_as is not None
        if knows and said.version > self.same_as_version and (said.same_as or self.same_as):
            news |= {"same_as": said.same_as, "same_as_version": said.version}
        if "first_days" in news or "cancelled_version" in news:
            days = news.get("first_days", self.first_days)
            news["first_days"] = _telling(days, news.get("cancelled_version", self.cancelled_version))
        return news

    @property
    def takes_back(self) -> bool:
        """Say whether the person was taken back, and not hired again since: by a hire, or by a later first day."""
        if self.cancelled_version <= self.hired_version:
            return False
        before = [day for version, day in self.first_days.items() if version < self.cancelled_version]
        since = [day for version, day in sorted(self.first_days.items()) if version > self.cancelled_version]
        # Of a person of whom only changes were told, no hire was taken back.
        return not (self.hired_version and before and since and since[-1] > max(before))


def _telling(days: Mapping[int, date], cancelled_version: int) -> dict[int, date]:
    """Keep the newest days on both sides of a cancel: which is the later one must not be forgotten by mere talk."""
    ordered = sorted(days.items())
    before = [item for item in ordered if item[0] < cancelled_version][-MOST_FIRST_DAYS:]
    return dict(before + [item for item in ordered if item[0] > cancelled_version][-MOST_FIRST_DAYS:])


class HireRecord(Said):
    """What the table holds of a hire: what its source has said, what others have added, and what it led to."""

    joined: tuple[str, ...] = ()
    """The keys of the hires of other sources that complete this one, in the order in which they joined."""
    others: dict[str, Said] = Field(default_factory=dict)
    """What those had said when this hire was planned last, by their keys; each keeps its own record."""
    joined_to: str | None = None
    """The key of the hire that this one completes; its rows stand there."""
    had_rows: bool = False
    """Whether there ever were rows; settled ones are forgotten after a long time, the provider's memory is longer."""
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
    def is_cancelled(self) -> bool:
        """Say whether a source has taken the person back."""
        return any(said.takes_back for said in self._all)

    @property
    def is_hired(self) -> bool:
        """Say whether the person counts as hired: a change alone hires nobody, nor does it after a cancel."""
        return not self.is_cancelled and any(said.hired_version for said in self._all)

    @property
    def effective(self) -> NewHire:
        """The hire as planning sees it: each field from the source that joined last and knows it."""
        found: dict[str, Any] = {"work_email": None}
        for said in self._all:
            known = said.hire.model_copy(update={"work_email": said.work_email})
            found |= {name: value for name, value in known if name in _OF_THE_PERSON and value is not None}
        if self.hire == unspoken_of(self.key) and self.others:
            # A rule that trusts this source has not heard it yet.
            found["source"] = next(iter(self.others.values())).hire.source
        return self.hire.model_copy(update=found)

    @property
    def own(self) -> Said:
        """What its source alone has said."""
        return Said.model_validate({name: getattr(self, name) for name in Said.model_fields})

    @property
    def _all(self) -> tuple[Said, ...]:
        return (self, *self.others.values())


_OF_THE_PERSON = NewHire.model_fields.keys() - {"source", "hire_id", "version", "change", "same_as"}


def as_version(moment: datetime) -> int:
    """Make a version of a moment: milliseconds since 1970."""
    return max(1, int(moment.astimezone(UTC).timestamp() * 1000))
