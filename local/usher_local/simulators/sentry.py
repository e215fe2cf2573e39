"""Sentry's member API, with the order of its checks, its six shapes of errors and its two kinds of 429."""

from http import HTTPStatus
from typing import Any, ClassVar

from usher_local.simulators import sentry_members as members
from usher_local.simulators import sentry_teams as teams
from usher_local.simulators.exchange import Answer, Request, page
from usher_local.simulators.faults import Fault
from usher_local.simulators.limits import FixedWindow, Limit
from usher_local.simulators.sentry_invite import failed, invite
from usher_local.simulators.sentry_organization import NOT_FOUND, TOO_MANY_INVITATIONS, Organizations
from usher_local.simulators.server import Simulator
from usher_local.simulators.switches import Switch

USUAL_REQUESTS, USUAL_CONCURRENCY = 40, 25

_BASE = r"/api/0/organizations/(?P<org>[^/]+)"
_MEMBER = rf"{_BASE}/members/(?P<id>[^/]+)/"
_PLACE = rf"{_MEMBER}teams/(?P<team>[^/]+)/"


class Sentry(Simulator[Organizations]):
    """
    Seed: ``{"organizations": {"acme": {"teams": ["platform"], "may_invite": true, "member_invites": true,
    "open_membership": true, "team_roles": true, "billing_invites": false, "sso": false, "members": [{"email": ...,
    "role": "member", "pending": true, "expired": false, "request": "requested_to_join", "teams": ["platform"],
    "addresses": [], "inviter": null, "flags": {"sso:linked": true}}]}}, "tokens": {"secret": {"role": "owner",
    "integration": false, "scopes": [...], "organizations": ["acme"], "user": "Maria Owner", "email": "", "teams": [],
    "fault": "Token expired"}}, "address_rules": {"x@example.com": {"mail": "lost", "fails_after": "row"}}}``.

    A rule holds once: the mail is lost though the answer is 201, or the invitation fails after its `row` or its
    `teams`. A token without settings is an internal integration that may read, invite and write.
    """

    name = "sentry"
    switch_table: ClassVar = (
        Switch("rate_limit_headers", True, (), "whether the limiter's headers are there; not when self-hosted"),
        Switch("limit_body", "object", ("string",), "the body of the limiter's 429; older servers sent a text"),
        Switch("limit_content_type", "text/html", ("application/json",), "what that body is called"),
        Switch("request_limit", None, (), "requests a second for a caller and method; None for no limit"),
        Switch("concurrency_limit", None, (), "requests at the same time; None for no limit"),
        Switch("quota", 100, (), "invitations in 24 hours, by inviter and by organization"),
        Switch("address_quota", 10, (), "invitations of one address in 24 hours"),
        Switch("quota_window", "rolling", ("day",), "the last 24 hours, or the day in UTC"),
        Switch("retired_roles", [], (), "roles that may no longer be given"),
        Switch("team_scopes", "any", ("published",), "whether scopes of members open the requests about teams too"),
        Switch("invites_disabled", False, (), "a self-hosted server that adds people directly, without mail"),
        Switch("page_size", 100, (), "the most rows of a page"),
    )
    routes: ClassVar = (
        ("POST", rf"{_BASE}/members/", invite),
        ("GET", rf"{_BASE}/members/", members.list_members),
        ("GET", _MEMBER, members.read_member),
        ("PUT", _MEMBER, members.change_member),
        ("DELETE", _MEMBER, members.remove_member),
        ("GET", rf"{_BASE}/teams/", teams.list_teams),
        ("POST", _PLACE, teams.join_team),
        ("PUT", _PLACE, teams.change_team_role),
        ("DELETE", _PLACE, teams.leave_team),
    )

    def new_world(self) -> Organizations:
        """Make Sentry without an organization, and with fresh counters."""
        self._window = FixedWindow(1)
        return Organizations(self)

    def failed(self, status: int) -> Answer:
        """Answer 500 in Sentry's words; the other statuses come from something in front of it."""
        return failed() if status == HTTPStatus.INTERNAL_SERVER_ERROR else page(status)

    def faulty(self, fault: Fault, request: Request) -> Answer:
        """Answer a refused token, or one of the limits."""
        del request
        match fault.kind:
            case "wrong_token":
                return Answer(401, {"detail": "Invalid token"})
            case "quota":
                return Answer(429, TOO_MANY_INVITATIONS)
            case "concurrency":
                return self._too_much_at_once()
            case _:
                return self._too_often()

    def unknown(self, request: Request, status: int) -> Answer:
        """Answer a path that Sentry does not have."""
        if status == HTTPStatus.NOT_FOUND:
            return Answer(404, NOT_FOUND)
        return Answer(status, {"detail": f'Method "{request.method}" not allowed.'})

    def limit(self, request: Request) -> Limit:
        """Count a request of a caller and method, before anything else is looked at."""
        allowed, at_once = self.switches["request_limit"], self.switches["concurrency_limit"]
        used = self._window.count((request.method, self.world.counted_as(request)), self.clock())
        most = USUAL_REQUESTS if allowed is None else int(allowed)
        headers: dict[str, str] = {}
        if self.switches["rate_limit_headers"]:
            headers = {
                "X-Sentry-Rate-Limit-Limit": str(most),
                "X-Sentry-Rate-Limit-Remaining": str(max(0, most - used)),
                "X-Sentry-Rate-Limit-Reset": str(int(self._window.end(self.clock()).timestamp())),
            }
            if at_once is not None:
                headers["X-Sentry-Rate-Limit-ConcurrentLimit"] = str(at_once)
                headers["X-Sentry-Rate-Limit-ConcurrentRemaining"] = str(max(0, int(at_once) - self.in_flight))
        if at_once is not None and self.in_flight > at_once:
            return Limit(headers, self._too_much_at_once())
        return Limit(headers, self._too_often() if allowed is not None and used > most else None)

    def _too_often(self) -> Answer:
        most = self.switches["request_limit"] or USUAL_REQUESTS
        text = f"You are attempting to use this endpoint too frequently. Limit is {most} requests in 1 seconds"
        return self._limited(text)

    def _too_much_at_once(self) -> Answer:
        most = self.switches["concurrency_limit"] or USUAL_CONCURRENCY
        text = "You are attempting to go above the allowed concurrency for this endpoint. "
        return self._limited(f"{text}Concurrency limit is {most}")

    def _limited(self, text: str) -> Answer:
        body: Any = text if self.switches["limit_body"] == "string" else {"detail": text}
        return Answer(429, body, content_type=self.switches["limit_content_type"])
