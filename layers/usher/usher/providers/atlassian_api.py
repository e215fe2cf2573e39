"""The requests that Usher makes to an Atlassian organization: paths and bodies, and nothing about what comes back."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import httpx

from usher.domain.outcomes import Ambiguous, NotSent, Part
from usher.domain.policy import Access, Grant
from usher.http import Answer, Deadline, bearer, send, url_of
from usher.ports import Call

EVERY_DIRECTORY = "-"
"""In a path: all directories that the key may manage."""

PAGE = 100

Sending = Answer | NotSent | Ambiguous


@dataclass(frozen=True, slots=True)
class Organization:
    """One organization for the time of one call; the deadline is that of all its requests together."""

    client: httpx.Client
    call: Call
    deadline: Deadline

    def invite(
        self, addresses: Sequence[str], access: Collection[Access], groups: Collection[str], grant: Grant
    ) -> Sending:
        """POST v2 users/invite: the same rules and groups for up to 25 addresses."""
        body: dict[str, object] = {"emails": list(addresses), "sendNotification": grant.notify}
        if access:
            body["permissionRules"] = [{"resource": rule.resource, "role": rule.role} for rule in access]
        if groups:
            body["additionalGroups"] = list(groups)
        if grant.message is not None:
            body["notificationText"] = grant.message
        return self._send("POST", "v2", "users", "invite", body=body)

    def search(self, addresses: Sequence[str], *, groups: bool, cursor: str | None) -> Sending:
        """POST v2 users/search: the directory's rows of up to 100 addresses, with their groups where asked."""
        body: dict[str, object] = {"emails": list(addresses), "limit": PAGE}
        if groups:
            body["expand"] = ["groups"]
        if cursor is not None:
            body["cursor"] = cursor
        return self._send("POST", "v2", "directories", EVERY_DIRECTORY, "users", "search", body=body)

    def role_assignments(self, account: str, *, cursor: str | None) -> Sending:
        """GET v2 role-assignments: one person's roles by resource."""
        query = {"limit": str(PAGE)} | ({"cursor": cursor} if cursor is not None else {})
        path = ("v2", "directories", EVERY_DIRECTORY, "users", account, "role-assignments")
        return self._send("GET", *path, query=query)

    def assign_role(self, account: str, part: Part) -> Sending:
        """POST v1 roles/assign: one role on one resource for one person."""
        body = {"role": part.role, "resource": part.name}
        return self._send("POST", "v1", "users", account, "roles", "assign", body=body)

    def join_group(self, account: str, part: Part) -> Sending:
        """POST v2 memberships: one group for one person."""
        path = ("v2", "directories", EVERY_DIRECTORY, "groups", part.name, "memberships")
        return self._send("POST", *path, body={"accountId": account})

    def _send(
        self, method: str, version: str, *path: str, body: object = None, query: Mapping[str, str] | None = None
    ) -> Sending:
        connection = self.call.connection
        url = url_of(connection.base_url, version, "orgs", connection.organization, *path, query=query)
        authorization = bearer(self.call.secret)
        return send(self.client, method, url, authorization=authorization, deadline=self.deadline, body=body)
