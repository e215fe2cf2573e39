"""Atlassian's organization admin API: one invite request for many, results per person, role and group."""

import math
from datetime import timedelta
from http import HTTPStatus
from typing import ClassVar

from usher_local.simulators import atlassian_directory as directory
from usher_local.simulators import atlassian_places as places
from usher_local.simulators.atlassian_answers import admin, gateway, has_no_bodies, is_behind_the_proxy, proxy, uam
from usher_local.simulators.atlassian_invite import invite
from usher_local.simulators.atlassian_organization import Organizations
from usher_local.simulators.exchange import Answer, Request, page
from usher_local.simulators.faults import Fault
from usher_local.simulators.limits import FixedWindow, Limit
from usher_local.simulators.server import Simulator
from usher_local.simulators.switches import Switch

MINUTE = 60

_V2 = r"/admin/v2/orgs/(?P<org>[^/]+)"
_DIRECTORY = rf"{_V2}/directories/[^/]+"
_ROLES = r"/admin/v1/orgs/(?P<org>[^/]+)/users/(?P<account>[^/]+)/roles/(?P<change>assign|revoke)"


class Atlassian(Simulator[Organizations]):
    """
    Seed: ``{"orgs": {"<id>": {"resources": [...], "groups": ["<id>", {"id": ..., "name": ...}], "seats": 10, "paid":
    true, "unlicensed": [...], "people": [{"email": ..., "account_status": "inactive", "membership": "suspended",
    "roles": {"<resource>": [...]}, "groups": [...]}]}}, "tokens": ["key"], "address_rules": {"x@example.com": {"role":
    "ERROR", "group": "ERROR", "reason": "..."}}, "switches": {...}}``.

    A rule makes parts of an invitation fail for an address, until the part is given by a call of its own. Tokens may
    also be ``{"key": {"scopes": [...], "orgs": [...]}}``: a key with scopes is refused where an operation lists none.
    """

    name = "atlassian"
    switch_table: ClassVar = (
        Switch("existing_member", "invited_again", ("error", "409"), "an invitation of somebody who is a member"),
        Switch("existing_member_mailed", True, (), "whether that mails them"),
        Switch("deactivated", "request", ("error", "invited_again"), "an inactive account refuses request or entry"),
        Switch("suspended", "error", ("request", "invited_again"), "a suspended member refuses entry or request"),
        Switch("duplicate_address", "merged", ("error", "twice"), "the same address twice in one request"),
        Switch("too_many", "400", ("accepted",), "more than 25 addresses"),
        Switch("bad_address", "206", ("400",), "something that is no address among others"),
        Switch("unknown_group", "404", ("inner_error",), "a group that is not there"),
        Switch("unknown_resource", "404", ("inner_error",), "a resource that is not there"),
        Switch("seat_limit", "409", ("206",), "seats for some of the addresses only"),
        Switch("all_failed", "206", ("400",), "an invitation that fails for every address"),
        Switch("status_reason", "The user could not be invited", (), "the text of a failed part"),
        Switch("echoed_role", "ari", ("plain", "absent"), "how results name the role; absent leaves out the resource"),
        Switch("failed_listed", True, (), "whether a refused address stands in the results"),
        Switch("failed_id", True, (), "whether it has an id there"),
        Switch("order", "same", ("reversed",), "the order of the results"),
        Switch("letters", "same", ("upper", "lower"), "the letters in which addresses come back"),
        Switch("mail_without_text", True, (), "whether sendNotification mails without notificationText"),
        Switch("lag", 0, (), "seconds until reads show a person, role or group"),
        Switch("flapping", False, (), "every second search, the first included, shows nobody"),
        Switch("expanded_group", "ari", ("plain",), "the form of group ids in a search"),
        Switch("already_in_group", "409", ("204",), "adding somebody to a group again"),
        Switch("membership_bodies", True, (), "whether errors of memberships have bodies; none is declared"),
        Switch("retry_after", False, (), "whether a 429 says Retry-After"),
        Switch("rate_limit", None, (), "requests a minute for each endpoint; None for no limit"),
        Switch("page_size", 50, (), "the most rows of a page"),
    )
    routes: ClassVar = (
        ("POST", rf"{_V2}/users/invite", invite),
        ("POST", rf"{_DIRECTORY}/users/search", directory.search_users),
        ("GET", rf"{_DIRECTORY}/users/(?P<account>[^/]+)/role-assignments", directory.role_assignments),
        ("POST", rf"{_DIRECTORY}/groups/search", directory.search_groups),
        ("POST", rf"{_DIRECTORY}/groups/(?P<group>[^/]+)/memberships", directory.join_group),
        ("DELETE", rf"{_DIRECTORY}/groups/(?P<group>[^/]+)/memberships/(?P<account>[^/]+)", directory.leave_group),
        ("POST", _ROLES, directory.assign_role),
        ("GET", r"/admin/v1/orgs", places.list_orgs),
        ("GET", rf"{_V2}/directories", places.list_directories),
        ("POST", rf"{_V2}/workspaces", places.search_workspaces),
    )

    def new_world(self) -> Organizations:
        """Make Atlassian without an organization, and with fresh counters."""
        self._window = FixedWindow(MINUTE)
        return Organizations(self)

    def failed(self, status: int) -> Answer:
        """Answer 500 in the application's words; the other statuses come from something in front of it."""
        return uam("500-1") if status == HTTPStatus.INTERNAL_SERVER_ERROR else page(status)

    def faulty(self, fault: Fault, request: Request) -> Answer:
        """Answer a refused key, or a limit that ends after the fault's seconds."""
        if fault.kind == "wrong_token":
            if is_behind_the_proxy(request.path):
                return proxy(401, "Unauthorized")
            return uam("401-1") if request.path.endswith("/users/invite") else admin("401-1")
        return self._limited(request, fault.seconds or MINUTE)

    def unknown(self, request: Request, status: int) -> Answer:
        """Answer as the gateway does."""
        return gateway(status, request.path, self.clock().isoformat())

    def limit(self, request: Request) -> Limit:
        """Count a request of an endpoint; the headers are on every answer."""
        allowed = self.switches["rate_limit"]
        used = self._window.count(self.endpoint(request), self.clock())
        most = 200 if allowed is None else int(allowed)
        headers = {
            "X-RateLimit-Limit": str(most),
            "X-RateLimit-Remaining": str(max(0, most - used)),
            "X-RateLimit-Reset": self._window.end(self.clock()).strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        if allowed is None or used <= most:
            return Limit(headers)
        left = (self._window.end(self.clock()) - self.clock()).total_seconds()
        return Limit(headers, self._limited(request, left))

    def _limited(self, request: Request, seconds: float) -> Answer:
        reset = self.clock() + timedelta(seconds=seconds)
        headers = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": reset.isoformat(timespec="seconds")}
        if self.switches["retry_after"]:
            headers["Retry-After"] = str(math.ceil(seconds))
        answer = proxy(429, "Too many requests") if is_behind_the_proxy(request.path) else admin("429-1")
        return Answer(answer.status, answer.body, headers)

    def _routed(self, request: Request) -> Answer:
        answer = super()._routed(request)
        if answer.status >= HTTPStatus.BAD_REQUEST and has_no_bodies(request.path):
            return answer if self.switches["membership_bodies"] else Answer(answer.status, headers=answer.headers)
        return answer
