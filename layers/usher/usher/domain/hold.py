"""
Why a connection, or a grant in it, is not used for now.

A hold is advisory: it saves useless calls and says what is wrong. Safety never depends on it.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from pydantic import BaseModel, ConfigDict

UNSETTLED = "unsettled"
"""Stands in place of a grant's digest where only new invitations of a connection are held: too many are unsettled."""

MOST_UNSETTLED = 50
FEW_UNSETTLED = 25
"""So many are lost with one request of a batching provider, and say nothing about the provider."""


class Hold(BaseModel):
    """
    One connection (`grant_digest` None) or one grant in it, held until a probe succeeds.

    With UNSETTLED in place of the grant: new invitations of the connection, held until enough of the others are
    settled by reads, which go on.
    """

    model_config = ConfigDict(frozen=True)

    connection: str
    grant_digest: str | None = None
    reason: str
    since: datetime
    next_probe: datetime
    probes: int = 0


@dataclass(frozen=True)
class HoldRules:
    """How long a held connection or grant rests before a probe, in seconds; doubles with each failed probe."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    first_pause: float = 300
    longest_pause: float = 3600
    behind_probe: float = 30
    """How long rows wait for the answer to a probe that is under way."""

    def next_probe(self, probes: int, now: datetime) -> datetime:
        """Say when to ask again."""
        return now + timedelta(seconds=min(self.longest_pause, self.first_pause * 2 ** min(probes, 16)))


def too_many_unsettled(ambiguous: int, live: int) -> bool:
    """Say whether new invitations must wait: more than fifty ambiguous rows, or, beyond a few, a tenth of the live."""
    return ambiguous > MOST_UNSETTLED or (ambiguous > FEW_UNSETTLED and ambiguous * 10 > live)
