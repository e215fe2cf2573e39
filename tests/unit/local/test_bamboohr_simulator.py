"""The simulator of BambooHR's employee endpoint against the contract (hr-webhooks.md, section 5.1)."""

from collections.abc import Iterator

import httpx
import pytest

from tests.unit.local.provider_client import Asked, asked
from usher_local.simulators.bamboohr import BambooHr

NOOR = {"firstName": "Noor", "hireDate": "2026-10-05", "department": "Engineering", "homeEmail": "noor@example.org"}


@pytest.fixture
def bamboohr() -> Iterator[Asked]:
    """A running simulator with one employee, who starts in October."""
    with asked(BambooHr, {"api_key": "key", "employees": {"1042": NOOR}}) as caller:
        yield caller


def employee(bamboohr: Asked, number: str = "1042", key: str = "key", **query: str) -> httpx.Response:
    """Ask for an employee."""
    url = f"{bamboohr.simulator.url}/api/v1/employees/{number}"
    return bamboohr.client.get(url, params=query, auth=(key, "x"))


def test_the_fields_that_are_asked_for_come_back(bamboohr: Asked) -> None:
    """
    And the id; a field without a value is null.
    """
    answer = employee(bamboohr, fields="firstName,workEmail", onlyCurrent="false")

    assert (answer.status_code, answer.json()) == (200, {"id": "1042", "firstName": "Noor", "workEmail": None})


def test_what_takes_effect_later_is_hidden_until_then(bamboohr: Asked) -> None:
    """
    Unless it is asked for; on the first day it is there.
    """
    assert employee(bamboohr, fields="department").json()["department"] is None
    assert employee(bamboohr, fields="department", onlyCurrent="false").json()["department"] == "Engineering"
    bamboohr.later(days=27)
    assert employee(bamboohr, fields="department").json()["department"] == "Engineering"


def test_a_wrong_key_and_an_unknown_employee(bamboohr: Asked) -> None:
    """
    The key comes first.
    """
    assert employee(bamboohr, number="1", key="other").status_code == 401
    assert bamboohr("GET", "/api/v1/employees/1042", caller="key").status_code == 401
    assert employee(bamboohr, number="1").status_code == 404


def test_faults_of_the_hr_system(bamboohr: Asked) -> None:
    """
    A limit may say for how long.
    """
    bamboohr.fault(kind="rate_limit", seconds=30)
    bamboohr.fault(kind="wrong_token")
    bamboohr.fault(kind="status_before", status=503)

    answers = [employee(bamboohr) for _ in range(4)]

    assert [answer.status_code for answer in answers] == [429, 401, 503, 200]
    assert answers[0].headers["retry-after"] == "30"
