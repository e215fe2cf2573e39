"""How each simulated HR system knows its caller: a key in the vendor's way, or a token that was bought with one."""

import base64
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl

from usher_local.simulators.exchange import Request

TOKEN_SECONDS = 3599


class Secrets:
    """One secret for each system, as Usher keeps it under `hr-api/<source>`, and the tokens that were given for it."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._secrets: dict[str, str] = {}
        self._tokens: dict[str, tuple[str, datetime]] = {}
        self._given = 0

    def take(self, secrets: Mapping[str, str]) -> None:
        """Take secrets by the names of systems; tokens that were bought with others end."""
        self._secrets |= secrets
        self._tokens = {token: held for token, held in self._tokens.items() if held[0] not in secrets}

    def fit(self, request: Request) -> bool:
        """Say whether a request carries the secret of the system that it asks, where that wants it."""
        system = system_of(request)
        secret = self._secrets.get(system)
        if not secret:
            return False
        name, _, password = secret.partition(":")
        match system:
            case "bamboohr" | "lever":
                return _basic(request)[0] == secret  # The password is not looked at.
            case "hibob":
                return _basic(request) == (name, password)
            case "okta":
                return request.headers.get("authorization") == f"SSWS {secret}"
            case "merge":
                return (request.token, request.headers.get("x-account-token")) == (name, password)
            case "personio" | "entra-graph" if request.path.endswith("/token"):
                form = dict(parse_qsl(request.body.decode(errors="replace")))
                wanted = {"grant_type": "client_credentials", "client_id": name, "client_secret": password}
                return wanted.items() <= form.items()
            case "personio" | "entra-graph":
                issuer, until = self._tokens.get(request.token or "", ("", self._clock()))
                return issuer == system and self._clock() < until
            case _:
                return request.token == secret

    def new_token(self, request: Request) -> dict[str, Any]:
        """Give a token of the system that is asked, as OAuth 2 does."""
        system = system_of(request)
        self._given += 1
        token = f"{system}-token-{self._given}"
        self._tokens[token] = (system, self._clock() + timedelta(seconds=TOKEN_SECONDS))
        return {"access_token": token, "token_type": "Bearer", "expires_in": TOKEN_SECONDS}


def system_of(request: Request) -> str:
    """Say which system a request is for: each has its own base URL."""
    return request.path.removeprefix("/").partition("/")[0]


def _basic(request: Request) -> tuple[str, str]:
    kind, _, value = request.headers.get("authorization", "").partition(" ")
    try:
        user, _, password = base64.b64decode(value, validate=True).decode().partition(":")
    except ValueError:
        return "", ""
    return (user, password) if kind == "Basic" else ("", "")
