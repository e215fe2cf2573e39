"""Who is hired in a campaign, what the intake queue is told of each, and what the providers know of them before."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import Any

SOURCE = "canonical"
ORGANIZATION = "2f7c1d9e-5b1a-4c7e-9a53-0c6d1e8f4a01"
RESOURCE = "ari:cloud:jira-software::site/70ef3a32-d0da-4e09-b35e-0109f91969c3"
ROLE = "atlassian/user"
GROUP = "ddcc4cea-cf43-4241-8f68-015a6c11ae14"
SLUG = "acme"
TEAM = "platform"
ATLASSIAN, SENTRY = "atlassian-main", "sentry-main"
SECRETS = {
    "mailbox-key": "a-key-of-the-process-tests",
    f"atlassian/{ATLASSIAN}": "process-atlassian-token",
    f"sentry/{SENTRY}": "process-sentry-token",
}


class Kind(StrEnum):
    """What is special about a hire; the number is how many of a hundred."""

    ORDINARY = "ordinary"
    TOLD_TWICE = "told twice"
    MEMBER = "a member already"
    HALF = "Atlassian's group fails at first"
    FAILS_AFTER_ROW = "Sentry fails between row and mail"
    CANCELLED = "cancelled later"
    CANCELLED_FIRST = "the cancel arrives first"
    PERSONAL = "a personal address"


_SHARES = {
    Kind.ORDINARY: 72,
    Kind.TOLD_TWICE: 10,
    Kind.MEMBER: 4,
    Kind.HALF: 3,
    Kind.FAILS_AFTER_ROW: 3,
    Kind.CANCELLED: 4,
    Kind.CANCELLED_FIRST: 2,
    Kind.PERSONAL: 2,
}


@dataclass(frozen=True, slots=True)
class Hired:
    """One hire."""

    hire_id: str
    address: str
    kind: Kind

    def told(self, random: Random) -> list[str]:
        """Give the messages about them, in the order in which they are sent."""
        hired = self._event(1, "hired")
        match self.kind:
            case Kind.TOLD_TWICE:
                return [hired, hired]
            case Kind.CANCELLED:
                return [hired, self._event(2, "cancelled")]
            case Kind.CANCELLED_FIRST:
                return [self._event(2, "cancelled"), hired]
            case Kind.ORDINARY if random.random() < 0.1:
                return [hired, self._event(2, "changed")]
        return [hired]

    def _event(self, version: int, change: str) -> str:
        event = {
            "schema": "usher.new-hire/1",
            "source": SOURCE,
            "hire_id": self.hire_id,
            "version": version,
            "change": change,
            "work_email": self.address,
            "given_name": "Kim",
            "start_date": "2026-09-14",
            "department": "Engineering",
        }
        return json.dumps(event)


def hires(count: int, random: Random) -> list[Hired]:
    """Draw so many hires."""
    kinds = random.choices(list(_SHARES), list(_SHARES.values()), k=count)
    return [
        Hired(f"E-{number}", f"person.{number}@{'gmail.test' if kind is Kind.PERSONAL else 'example.com'}", kind)
        for number, kind in enumerate(kinds)
    ]


def seeds(people: Sequence[Hired]) -> dict[str, dict[str, Any]]:
    """What the simulators know beforehand."""
    members = [hired.address for hired in people if hired.kind is Kind.MEMBER]
    known = [{"email": address, "roles": {RESOURCE: [ROLE]}, "groups": [GROUP]} for address in members]
    return {
        "atlassian": {
            "tokens": [SECRETS[f"atlassian/{ATLASSIAN}"]],
            "orgs": {
                ORGANIZATION: {
                    "resources": [RESOURCE],
                    "groups": [{"id": GROUP, "name": "jira-engineers"}],
                    "people": known,
                }
            },
            "address_rules": {hired.address: {"group": "ERROR"} for hired in people if hired.kind is Kind.HALF},
            "switches": {"lag": 0.2},
        },
        "sentry": {
            "tokens": {
                SECRETS[f"sentry/{SENTRY}"]: {
                    "organizations": [SLUG],
                    "scopes": ["member:read", "member:invite", "member:write", "member:admin"],
                }
            },
            "organizations": {
                SLUG: {"teams": [TEAM], "members": [{"email": address, "teams": [TEAM]} for address in members]}
            },
            "address_rules": {
                hired.address: {"fails_after": "row"} for hired in people if hired.kind is Kind.FAILS_AFTER_ROW
            },
            "switches": {"quota": 1_000_000},
        },
    }
