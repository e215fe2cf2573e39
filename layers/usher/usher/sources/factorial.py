"""
Factorial (contract, section 5.15), experimental: an employee was created, says whatever is sent here.

The body does not name its event, so one subscription alone may lead here; what has no first day of work is no employee
that can be used. No address in it is known to be the company's. docs/sources/factorial.md.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from usher.domain.errors import BadEvent, Problem
from usher.domain.hire import NewHire
from usher.sources.moments import version_of
from usher.sources.signatures import StaticSecret
from usher.sources.webhook import (
    JsonWebhook,
    TheirDay,
    TheirId,
    TheirMoment,
    Theirs,
    TheirText,
    Told,
    hired_if_new,
    problems_of,
)

EVENT = "employee_created"
"""The subscription; the body itself would not say."""


class _Employee(Theirs):
    id: TheirId
    first_name: TheirText = None
    last_name: TheirText = None
    start_date: TheirDay = None
    updated_at: TheirMoment = None


class Factorial(JsonWebhook):
    """The source ``factorial``; it switches a subscription off whose deliveries fail."""

    name = "factorial"
    scheme = StaticSecret(header="x-factorial-wh-challenge")
    is_experimental = True

    def told(self, body: Any, received_at: datetime) -> Iterator[Told]:
        """Read one employee."""
        try:
            employee = _Employee.model_validate(body)
            hire = _hire(employee, received_at)
        except (BadEvent, ValidationError) as error:
            yield Told(EVENT, problems=problems_of(error))
        else:
            yield Told.of(hire, EVENT, f"{employee.id} {hire.version}" if employee.updated_at else None)


def _hire(employee: _Employee, received_at: datetime) -> NewHire:
    """Make the hire; raises BadEvent or ValidationError."""
    if employee.start_date is None:
        raise BadEvent(Problem("start_date", "is missing; without it nobody knows whether this is a hire"))
    return NewHire(
        source=Factorial.name,
        hire_id=employee.id,
        version=version_of(employee.updated_at, received_at, "updated_at"),
        change=hired_if_new(employee.start_date, received_at),
        given_name=employee.first_name,
        family_name=employee.last_name,
        start_date=employee.start_date,
    )
