"""
Workday (contract, section 5.4): whatever the customer's integration of the Hire process builds and sends.

There is no event of the vendor's own, so the stage file says what is where. docs/sources/workday.md.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from usher.sources.mapping import FieldMap, MappedWebhook
from usher.sources.signatures import Form, StaticSecret
from usher.sources.webhook import JsonWebhook, Told


class Workday(MappedWebhook, JsonWebhook):
    """The source ``workday``; every notice is complete."""

    name = "workday"
    scheme = StaticSecret(forms=(Form.BASIC, Form.BEARER))
    needs_fields = True

    def told(self, body: Any, received_at: datetime) -> Iterator[Told]:
        """Read one message, as the stage says."""
        yield (self._field_map or FieldMap()).told(self.name, body, received_at)
