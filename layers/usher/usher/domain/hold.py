"""
Why a connection, or a grant in it, is not used for now.

A hold is advisory: it saves useless calls and says what is wrong. Safety never depends on it.
"""

from datetime import datetime, timedelta

from pydantic import BaseModel, ConfigDict


class Hold(BaseModel):
    """One connection (`grant_digest` None) or one grant in it, held until a probe succeeds."""

    model_config = ConfigDict(frozen=True)

    connection: str
    grant_digest: str | None = None
    reason: str
    since: datetime
    next_probe: datetime
    probes: int = 0

    def extended(self, reason: str, now: datetime, pause: timedelta, until: datetime | None = None) -> "Hold":
        """The probe failed too: hold on, and ask less often."""
        return self.model_copy(
            update={"reason": reason, "probes": self.probes + 1, "next_probe": until or now + pause * 2**self.probes}
        )
