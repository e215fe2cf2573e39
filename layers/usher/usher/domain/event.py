"""
``usher.new-hire/1``: the event with which any system can announce a hire, in an envelope or bare.

``python -m usher.domain.event`` prints its JSON Schema, which stands in ``docs/usher.new-hire.schema.json``.
"""

import json
import re
import sys
from collections.abc import Collection
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from usher.domain.address import canonical
from usher.domain.errors import BadAddress, BadEvent, Problem
from usher.domain.hire import NewHire

SCHEMA = "usher.new-hire/1"
LARGEST_EVENT = 64 * 1024
MOST_PROBLEMS = 50

_OTHER_VERSION = re.compile(r"usher\.new-hire/[0-9]{1,9}")
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")


def _usable(address: str) -> str:
    try:
        canonical(address)
    except BadAddress as error:
        raise ValueError(str(error)) from None
    return address


class NewHireEvent(NewHire):
    """A new hire, a change of one, or its end, as another system says it."""

    # Strict: a number is no text and a text is no number; whoever writes "3" for 3 is told so.
    model_config = ConfigDict(title="usher.new-hire/1", strict=True, populate_by_name=False)

    schema_: Literal["usher.new-hire/1"] = Field(alias="schema", description="Name and version of this schema.")
    work_email: Annotated[str, StringConstraints(max_length=320), AfterValidator(_usable)] | None = Field(
        default=None, description="The company address, once it is known; plain local@domain in ASCII."
    )

    @field_validator("source")
    @classmethod
    def _may_be_named(cls, source: str, info: ValidationInfo) -> str:
        allowed = (info.context or {}).get("sources")
        if allowed is not None and source not in allowed:
            raise ValueError("this sender may not speak for it")
        return source

    @property
    def hire(self) -> NewHire:
        """The hire without the envelope's words."""
        return NewHire.model_validate(self.model_dump(exclude={"schema_"}))


def read_event(value: object, sources: Collection[str]) -> NewHireEvent:
    """
    Read an event that `json_text.parse` gave; `sources` are the names that its sender may use.

    Raises BadEvent with every problem at once. A schema version that is not known is the only problem told: the other
    fields may mean something else there.
    """
    if not isinstance(value, dict):
        raise BadEvent(Problem("event", "is not an object"))
    named = value.get("schema")
    if isinstance(named, str) and named != SCHEMA and _OTHER_VERSION.fullmatch(named):
        raise BadEvent(Problem("schema", f"{named} is not known to this version of Usher, which reads {SCHEMA}"))
    text = json.dumps(value)
    if len(text) > LARGEST_EVENT:
        raise BadEvent(Problem("event", f"has more than {LARGEST_EVENT // 1024} KiB"))
    try:
        # From text, because only there a strict reader takes a day that is written as text.
        return NewHireEvent.model_validate_json(text, context={"sources": sources})
    except ValidationError as error:
        raise BadEvent(*problems_in(error)) from None


def problems_in(error: ValidationError, prefix: str = "") -> tuple[Problem, ...]:
    """Say what a model found wrong, with paths and without values."""
    found = [
        Problem(prefix + ".".join(_name(part) for part in item["loc"]), item["msg"].removeprefix("Value error, "))
        for item in error.errors(include_url=False, include_context=False, include_input=False)
    ]
    if len(found) > MOST_PROBLEMS:
        found[MOST_PROBLEMS:] = [Problem("event", f"and {len(found) - MOST_PROBLEMS} more problems")]
    return tuple(found)


def json_schema() -> dict[str, Any]:
    """Give the event's JSON Schema. What it cannot say (addresses, time zones, senders) is checked on top."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **NewHireEvent.model_json_schema()}


def schema_text() -> str:
    """Give the schema as the file holds it."""
    return json.dumps(json_schema(), indent=2) + "\n"


def _name(part: int | str) -> str:
    # The names of unknown fields are the sender's own words, and could be anything.
    text = str(part)
    return text if _PLAIN_NAME.fullmatch(text) else "(a name that is not repeated)"


if __name__ == "__main__":
    sys.stdout.write(schema_text())
