"""BambooHR's employee endpoint: GET /api/v1/employees/{id}, Basic auth with the API key as the user."""

import base64
from collections.abc import Mapping
from typing import Any, ClassVar

from usher_local.simulators.exchange import Answer, Request
from usher_local.simulators.faults import Fault
from usher_local.simulators.server import Simulator
from usher_local.simulators.switches import Switch

HISTORY = (
    "jobTitle",
    "department",
    "division",
    "location",
    "employmentHistoryStatus",
    "supervisor",
    "supervisorEId",
    "supervisorEmail",
)
"""Fields with a history: a value that only takes effect later is hidden unless onlyCurrent=false."""


class Company:
    """One company's employees."""

    def __init__(self, simulator: Simulator["Company"]) -> None:
        self._simulator = simulator
        self._key: str | None = None
        self._employees: dict[str, dict[str, Any]] = {}

    def seed(self, data: Mapping[str, Any]) -> None:
        """Take the API key and employees; one who is known already is replaced."""
        self._key = data.get("api_key", self._key)
        self._employees |= {str(name): dict(employee) for name, employee in data.get("employees", {}).items()}

    def state(self) -> Any:
        """Give the employees."""
        return {"employees": self._employees}

    def knows(self, request: Request) -> bool:
        """Say whether the API key is right; the password is not looked at."""
        kind, _, value = request.headers.get("authorization", "").partition(" ")
        try:
            user = base64.b64decode(value, validate=True).decode().partition(":")[0]
        except ValueError:
            return False
        return kind == "Basic" and bool(user) and user == self._key

    def employee(self, request: Request) -> Answer:
        """Give the fields that were asked for."""
        if not self.knows(request):
            return Answer(401)
        employee = self._employees.get(request.match["id"])
        if employee is None:
            return Answer(404)
        is_future = (employee.get("hireDate") or "") > self._simulator.clock().date().isoformat()
        only_current = request.query.get("onlyCurrent", "true").lower() not in ("false", "0")
        hidden = HISTORY if is_future and only_current else ()
        asked = [name for name in request.query.get("fields", "").split(",") if name]
        given = {name: None if name in hidden else employee.get(name) for name in asked}
        if self._simulator.switches["job_title_name"] and "jobTitle" in given:
            given["jobTitleName"] = given.pop("jobTitle")
        return Answer(200, {"id": request.match["id"]} | given)


class BambooHr(Simulator[Company]):
    """
    One company.

    Seed: ``{"api_key": "...", "employees": {"1042": {"firstName": ..., "hireDate": "2026-10-05"}}}``.
    """

    name = "bamboohr"
    routes: ClassVar = (("GET", r"/api/v1/employees/(?P<id>[^/]+)", Company.employee),)
    switch_table: ClassVar = (Switch("job_title_name", False, (), "newer answers call the job title jobTitleName"),)

    def new_world(self) -> Company:
        """Make a company without employees."""
        return Company(self)

    def failed(self, status: int) -> Answer:
        """Answer without a body, as for every error."""
        return Answer(status)

    def faulty(self, fault: Fault, request: Request) -> Answer:
        """Answer a refused key, or a limit."""
        del request
        if fault.kind == "wrong_token":
            return Answer(401)
        return Answer(429, headers={"Retry-After": str(int(fault.seconds))} if fault.seconds else {})

    def unknown(self, request: Request, status: int) -> Answer:
        """Answer without a body."""
        del request
        return Answer(status)
