"""What a read before the POST already decides about a claimed row; `usher.domain.actual` has the table of the rest."""

from typing import assert_never

from usher.domain.invitation import Invitation
from usher.domain.outcomes import (
    Absent,
    AlreadyInvited,
    AlreadyMember,
    Ambiguous,
    Finding,
    LimitedUntil,
    NotSent,
    Outcome,
    PartlyAccepted,
    Present,
    ReadFailed,
    RefusedPerson,
    Standing,
)


def first_read(row: Invitation, finding: Finding) -> Outcome | None:
    """
    Give the outcome that a read before the POST already is; None where the invitation is to go out.

    That is for somebody who is not there, and for somebody who was there before us and lacks a part of the grant: to
    give it is what an invitation of a member does.
    """
    match finding:
        case Absent():
            return None if row.may_post else Ambiguous("what was posted before may still take effect")
        case ReadFailed(reason, until, refused):
            if refused is not None:
                return refused
            return LimitedUntil(reason, until) if until is not None else NotSent(reason)
        case Present(blocked=str(blocked)):
            return RefusedPerson(blocked)
        case Present(_, Standing.EXPIRED) if not row.may_post:
            return Ambiguous("what was posted before may not show yet")
        case Present(ref, Standing.EXPIRED, _, drift):
            return AlreadyInvited(ref, expired=True, drift=drift)
        case Present(_, _, open_parts) if open_parts and not row.reads_first:
            return None
        case Present(ref, _, open_parts) if open_parts:
            mailed = False if row.posted_at is None else None
            return PartlyAccepted(ref, mailed=mailed, open=open_parts, reason="parts of the access are missing")
        case Present(ref, Standing.MEMBER, _, drift):
            return AlreadyMember(ref, drift)
        case Present(ref, _, _, drift):
            return AlreadyInvited(ref, expired=False, drift=drift)
    assert_never(finding)
