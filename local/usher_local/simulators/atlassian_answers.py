"""The words of Atlassian's admin API: its error codes, and the envelopes that they come in (contract, section 6)."""

import uuid
from collections.abc import Mapping

from usher_local.simulators.exchange import Answer

TITLES: Mapping[str, str] = {
    "400-1": "Bad Request",
    "400-2": "Inactive user",
    "400-3": "Invalid Role for Resource",
    "400-4": "Product not licensed",
    "400-5": "Cloud Resource is empty",
    "401-1": "Unauthenticated",
    "401-2": "Unauthorized",
    "402-1": "Payment Required",
    "403-1": "Forbidden",
    "403-2": "Not allowed to manage the org",
    "404-1": "Unknown Resource",
    "404-2": "Organization not found",
    "404-3": "Group Not Found",
    "405-1": "Method Not Supported",
    "409-2": "Resource Conflicts",
    "409-3": "Product License Limit Exceeded",
    "415-1": "Unsupported Media Type",
    "500-1": "Internal Error",
}
"""Codes of the family ADMIN-UAM."""

_OTHER_TITLES: Mapping[str, str] = {
    "400-1": "Bad Request",
    "401-1": "Unauthorized",
    "401-2": "INSUFFICIENT_SCOPE",
    "403-1": "Forbidden",
    "404-2": "Organization Not Found",
    "404-8": "User Not Found",
    "404-10": "Group Not Found",
    "429-1": "Too Many Requests",
    "500-1": "Internal Error",
}
_NAMESPACE = uuid.UUID("6f1b3a52-7c3d-4f0e-9a55-0b8b7a1c2d3e")


def uam(code: str) -> Answer:
    """Answer with a code of ADMIN-UAM, in the envelope of the applications."""
    return _enveloped(f"ADMIN-UAM-{code}", TITLES[code], None)


def detailed(code: str) -> Answer:
    """Answer with a code of ADMIN-UAM where, other than for an invitation, the detail is never null."""
    return _enveloped(f"ADMIN-UAM-{code}", TITLES[code], TITLES[code])


def admin(code: str) -> Answer:
    """Answer with a code of ADMIN; there the detail is never null."""
    return _enveloped(f"ADMIN-{code}", _OTHER_TITLES[code], _OTHER_TITLES[code])


def proxy(status: int, message: str) -> Answer:
    """Answer as the proxy in front of version 1 and of the workspaces does."""
    return Answer(status, {"code": status, "message": message})


def gateway(status: int, path: str, at: str) -> Answer:
    """Answer as the gateway does, before anything knows the operation."""
    error = {403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed"}.get(status, "Error")
    body = {"timestamp": at, "path": path, "status": status, "error": error, "message": error}
    return Answer(status, body | {"requestId": _id(path)})


def is_behind_the_proxy(path: str) -> bool:
    """Say whether a path's 401 and 429 come from the proxy."""
    return path.startswith("/admin/v1/") or path.endswith("/workspaces")


def has_no_bodies(path: str) -> bool:
    """Say whether a path declares no body for its errors."""
    return "/memberships" in path


def account_id(address: str) -> str:
    """Give the account of an address: the same in every run and organization."""
    return f"712020:{_id(address.lower())}"


def _id(name: str) -> str:
    return str(uuid.uuid5(_NAMESPACE, name))


def _enveloped(code: str, title: str, detail: str | None) -> Answer:
    status = code.removeprefix("ADMIN-UAM-").removeprefix("ADMIN-").partition("-")[0]
    error = {"id": _id(code), "status": status, "code": code, "title": title, "detail": detail}
    return Answer(int(status), {"errors": [error]})
