"""Sentry's API as the tests of its simulator call it: the seed, the paths, and the usual requests."""

from typing import Any

import httpx

from tests.unit.local.provider_client import Asked

ALL_SCOPES = ["member:read", "member:write", "member:admin"]
SEED: dict[str, Any] = {
    "tokens": {
        "token": {"role": "owner", "integration": False, "scopes": ALL_SCOPES},
        "manager": {"role": "manager", "integration": False, "scopes": ALL_SCOPES},
        "stranger": {"role": "none", "integration": False, "scopes": ALL_SCOPES},
        "integration": {"scopes": ALL_SCOPES},
        "writer": {"role": "manager", "integration": False, "scopes": ["member:write"]},
        "blind": {"scopes": ["project:read"]},
    },
    "organizations": {
        "acme": {
            "teams": ["platform", "mobile"],
            "members": [
                {"email": "max@example.com", "addresses": ["max.second@example.com"], "teams": ["mobile"]},
                {"email": "pia@example.com", "pending": True, "teams": ["platform"]},
                {"email": "eva@example.com", "pending": True, "expired": True},
            ],
        },
        "closed": {"may_invite": False},
    },
}
ACME = "/api/0/organizations/acme"
MEMBERS = f"{ACME}/members/"
ABOVE = "You do not have permission to set that org-level role"
PLATFORM = {"teamSlug": "platform", "role": None}


def found(sentry: Asked, address: str) -> dict[str, Any]:
    """The one row of the list for an address."""
    (row,) = sentry("GET", f"{MEMBERS}?query=email:{address}").json()
    return dict(row)


def member(sentry: Asked, address: str) -> str:
    """The path of a member."""
    return f"{MEMBERS}{found(sentry, address)['id']}/"


def invited(sentry: Asked, **body: Any) -> httpx.Response:
    """An invitation, by an owner's token."""
    return sentry("POST", MEMBERS, {"email": "ann@example.com"} | body)
