"""Every HR system that Usher asks for details: each with a base URL, a secret and a shape of its own."""

import math
from http import HTTPStatus
from typing import ClassVar

from usher_local.simulators import hr_directories, hr_employees, hr_platforms
from usher_local.simulators.exchange import Answer, Request
from usher_local.simulators.faults import Fault
from usher_local.simulators.hr_people import Company
from usher_local.simulators.hr_secrets import system_of
from usher_local.simulators.limits import FixedWindow, Limit
from usher_local.simulators.server import Simulator
from usher_local.simulators.switches import Switch

MINUTE = 60


class HrSystems(Simulator[Company]):
    """
    One list of people, told by every system under `/<source>/...` as its vendor would.

    Seed: ``{"secrets": {"bamboohr": "key"}, "people": [{"ids": {"bamboohr": "1042", "okta": "00u42"}, "given_name":
    "Noor", "family_name": "Haddad", "start_date": "2026-10-05", "work_email": ..., "title": ..., "department": ...,
    "location": ..., "personal_email": ..., "status": "active", "custom_fields": {...}}], "switches": {...}}``.

    A secret is written as Usher keeps it under `hr-api/<source>`. Whoever is seeded again under an id is changed.
    """

    name = "hr"
    switch_table: ClassVar = (
        Switch("address_after", 0, (), "how many answers about a person lack the work address"),
        Switch("lag", 0, (), "seconds until answers show what was seeded"),
        Switch("rate_limit", None, (), "requests a minute for each system; None for no limit"),
        Switch("retry_after", True, (), "whether a 429 says Retry-After"),
        Switch("page_size", 50, (), "the most entries of a page of Personio's log"),
        Switch("job_title_name", False, (), "newer answers of BambooHR call the job title jobTitleName"),
        Switch("hibob_paths", False, (), "whether HiBob tells fields under their paths, with slashes"),
        Switch(
            "personio_attributes", True, (), "whether the credentials may see more of an employment than its status"
        ),
    )
    routes: ClassVar = (*hr_employees.ROUTES, *hr_platforms.ROUTES, *hr_directories.ROUTES)

    def new_world(self) -> Company:
        """Make a company without people, and fresh counters."""
        self._window = FixedWindow(MINUTE)
        return Company(self)

    def failed(self, status: int) -> Answer:
        """Answer without a body: of those, the contract says nothing."""
        return Answer(status)

    def faulty(self, fault: Fault, request: Request) -> Answer:
        """Answer a refused secret, or a limit that ends after the fault's seconds."""
        del request
        return Answer(HTTPStatus.UNAUTHORIZED) if fault.kind == "wrong_token" else self._limited(fault.seconds)

    def limit(self, request: Request) -> Limit:
        """Count a request of a system."""
        allowed, now = self.switches["rate_limit"], self.clock()
        used = self._window.count(system_of(request), now)
        if allowed is None or used <= allowed:
            return Limit()
        return Limit(refusal=self._limited((self._window.end(now) - now).total_seconds()))

    def _limited(self, seconds: float) -> Answer:
        is_told = self.switches["retry_after"] and seconds
        headers = {"Retry-After": str(math.ceil(seconds))} if is_told else {}
        return Answer(HTTPStatus.TOO_MANY_REQUESTS, headers=headers)

    def _routed(self, request: Request) -> Answer:
        if self.endpoint(request) is not None and not self.world.knows(request):
            return Answer(HTTPStatus.UNAUTHORIZED)
        return super()._routed(request)
