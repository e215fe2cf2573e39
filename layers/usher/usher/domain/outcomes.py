"""
What a provider's adapter may answer: a closed type.

An `Outcome` ends an attempt; a `Finding` ends a read. What each does to the row stands in `usher.domain.invitation`.
"""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a grant that the person does not have yet: a role on a resource, a group or a team."""

    kind: str
    name: str
    role: str | None = None

    def __str__(self) -> str:
        return f"{self.kind} {self.name}" + (f" ({self.role})" if self.role else "")


@dataclass(frozen=True, slots=True)
class Accepted:
    """The provider has the invitation and everything that was asked with it."""

    ref: str | None
    mailed: bool | None


@dataclass(frozen=True, slots=True)
class PartlyAccepted:
    """The provider has the person, but some parts of the grant failed; only these may be repaired."""

    ref: str | None
    mailed: bool | None
    open: tuple[Part, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class AlreadyMember:
    """The person was in the organization before; `drift` says in what the grant differs."""

    ref: str | None
    drift: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AlreadyInvited:
    """An invitation was there before this attempt."""

    ref: str | None
    expired: bool
    drift: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RefusedPerson:
    """The provider will not invite this person; asking again changes nothing."""

    reason: str


@dataclass(frozen=True, slots=True)
class RefusedBatch:
    """The whole request was refused, perhaps because of one of its people."""

    reason: str


@dataclass(frozen=True, slots=True)
class RefusedGrant:
    """
    A role, team, group or resource of the policy is not accepted; nobody's fault but the policy's.

    `perhaps_acted`: the provider may have acted for some people before it refused, so the next claim reads first.
    """

    reason: str
    perhaps_acted: bool = False


@dataclass(frozen=True, slots=True)
class RefusedConnection:
    """
    The organization cannot be used: token, plan, seats, permission.

    `unauthorized`: a fresh secret may help. `perhaps_acted`: as in `RefusedGrant` (seats may run out midway).
    """

    reason: str
    unauthorized: bool = False
    perhaps_acted: bool = False


@dataclass(frozen=True, slots=True)
class LimitedUntil:
    """A limit of the connection; `until` as told, or None where nothing was told. `perhaps_acted`: read first."""

    reason: str
    until: datetime | None = None
    perhaps_acted: bool = False


@dataclass(frozen=True, slots=True)
class NotSent:
    """Certainly not one byte of the request reached the provider."""

    reason: str


@dataclass(frozen=True, slots=True)
class Ambiguous:
    """Nobody knows whether the provider acted; only a read may decide."""

    reason: str


Outcome = (
    Accepted
    | PartlyAccepted
    | AlreadyMember
    | AlreadyInvited
    | RefusedPerson
    | RefusedBatch
    | RefusedGrant
    | RefusedConnection
    | LimitedUntil
    | NotSent
    | Ambiguous
)


class Standing(StrEnum):
    """How the provider's directory shows a person."""

    MEMBER = "member"
    INVITED = "invited"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Present:
    """
    The directory shows the person.

    `open` lists the parts of the asked grant that are missing, `drift` what else differs, `since` when the
    provider made the entry (None where it does not say), `blocked` why the person cannot use it (suspended).
    """

    ref: str | None
    standing: Standing
    open: tuple[Part, ...] = ()
    drift: tuple[str, ...] = ()
    since: datetime | None = None
    blocked: str | None = None


@dataclass(frozen=True, slots=True)
class Absent:
    """The directory does not show the person."""


@dataclass(frozen=True, slots=True)
class ReadFailed:
    """The directory did not answer; says nothing about the person. `refused`: the connection itself is at fault."""

    reason: str
    until: datetime | None = None
    refused: RefusedConnection | None = field(default=None)


Finding = Present | Absent | ReadFailed
