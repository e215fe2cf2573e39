"""BambooHR's employee endpoint: GET /api/v1/employees/{id}, Basic auth with the API key as the user."""

import base64
from typing import Any, ClassVar

from usher_local.simulators.server import Answer, Request, Simulator

HISTORY = ("jobTitle", "department", "location", "employmentHistoryStatus", "division", "supervisor")
"""Fields with a history: a value that only takes effect later is hidden unless onlyCurrent=false."""


class BambooHr(Simulator):
    """
    One company. Seed: ``{"api_key": "...", "employees": {"1042": {"firstName": ..., "hireDate": "2026-10-05"}}}``.
    """

    name = "bamboohr"

    def __init__(self, api_key: str = "local-bamboohr-key", **options: Any) -> None:
        super().__init__(**options)
        self._default_key = self._key = api_key
        self.clear()

    def seed(self, data: dict[str, Any]) -> None:
        """Take employees, and the API key if one is given."""
        self._key = data.get("api_key", self._key)
        self._employees |= data.get("employees", {})

    def state(self) -> Any:
        """Give the employees."""
        return {"employees": self._employees}

    def clear(self) -> None:
        """Forget every employee."""
        self._key = self._default_key
        self._employees: dict[str, dict[str, Any]] = {}

    def knows(self, request: Request) -> bool:
        """Say whether the API key is right; the password is not looked at."""
        kind, _, value = request.headers.get("authorization", "").partition(" ")
        try:
            user = base64.b64decode(value, validate=True).decode().partition(":")[0]
        except ValueError:
            return False
        return kind == "Basic" and user == self._key

    def _employee(self, request: Request) -> Answer:
        if not self.knows(request):
            return Answer(401)
        employee = self._employees.get(request.match["id"])
        if employee is None:
            return Answer(404)
        current = request.query.get("onlyCurrent", "true") != "false"
        hidden = HISTORY if current and employee.get("hireDate", "") > self.clock().date().isoformat() else ()
        asked = [name for name in request.query.get("fields", "").split(",") if name]
        return Answer(
            200,
            {"id": request.match["id"]} | {name: None if name in hidden else employee.get(name) for name in asked},
        )

    routes: ClassVar = (("GET", r"/api/v1/employees/(?P<id>[^/]+)", _employee),)
