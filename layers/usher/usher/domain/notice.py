"""What a source said, verified and parsed; and the record of those that wait, are parked or were no hire."""

import base64
import hashlib
from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from usher.domain.errors import Problem
from usher.domain.hire import Change, Name, NewHire

NoticeId = Annotated[str, StringConstraints(pattern=r"^[a-f0-9]{32}$")]


class Notice(BaseModel):
    """
    One announcement of one person.

    `subject` is the source's own id of the person. `hire` is the person, where the source sent the whole; a notice
    with a `change` and a subject but no hire is *thin*: its details are fetched from the source. `problems` says why
    it cannot be used, and `change` is None where the event is not about a hire at all.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    notice_id: NoticeId
    source: Name
    received_at: datetime
    event: Annotated[str, StringConstraints(max_length=128)]
    subject: Annotated[str, StringConstraints(max_length=64)] | None = None
    change: Change | None = None
    hire: NewHire | None = None
    problems: tuple[Problem, ...] = ()
    sender: Annotated[str, StringConstraints(max_length=128)] | None = None
    """Who sent it to the intake queue, in the queue's own words."""
    sealed_body: str | None = Field(default=None, repr=False)
    """A body that could not be used, base64; kept for 30 days, shown to nobody, and read again by a replay."""

    @property
    def is_thin(self) -> bool:
        """Say whether the details must be fetched."""
        return self.change is not None and self.subject is not None and self.hire is None and not self.problems


RECONCILED = "reconciled"
"""Stands as the event of a notice that the source never sent, and a list of its hires gave."""

MOST_SEALED = 150 * 1024
"""Bytes of a body that are kept: with the rest of a notice they fit into a queue message and a table item."""


def notice_id_of(*parts: str | bytes) -> str:
    """Name a notice by what told it, so that a redelivery has the same name."""
    digest = hashlib.sha256()
    for part in parts:
        text = part.encode(errors="replace") if isinstance(part, str) else part
        digest.update(len(text).to_bytes(8) + text)
    return digest.hexdigest()[:32]


def unusable(
    notice_id: str,
    source: str,
    body: bytes,
    problems: tuple[Problem, ...],
    received_at: datetime,
    *,
    event: str = "unreadable",
    sender: str | None = None,
) -> Notice:
    """Make the notice of a body that its sender vouches for and nobody can use; it is parked, with the body sealed."""
    if len(body) > MOST_SEALED:
        problems += (Problem("body", f"is kept without what follows its first {MOST_SEALED // 1024} KiB"),)
    return Notice(
        notice_id=notice_id,
        source=source,
        received_at=received_at,
        event=event,
        problems=problems,
        sender=sender,
        sealed_body=base64.b64encode(body[:MOST_SEALED]).decode(),
    )


class NoticeState(StrEnum):
    """Where a recorded notice stands."""

    WAITING = "waiting"
    PARKED = "parked"
    IGNORED = "ignored"
    DONE = "done"


class NoticeRecord(BaseModel):
    """A notice that did not become rows at once: waiting to be asked again, parked with every reason, or no hire."""

    model_config = ConfigDict(frozen=True)

    notice: Notice
    state: NoticeState
    problems: tuple[Problem, ...] = ()
    tries: int = 0
    due_at: datetime | None = None
    failing_since: datetime | None = None
    """Since when its details could not be had, without one answer in between."""
    updated_at: datetime
    revision: int = 0
