"""The webhook's handler behind a front like API Gateway's, as a WSGI application."""

import json
import re
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl

from functions.hr_webhook.handler import lambda_handler

_PATH = re.compile(r"/live/hr/([^/]+)")
_METHODS = ("POST", "GET", "OPTIONS")
_PLAIN_NAMES = {"CONTENT_TYPE": "content-type", "CONTENT_LENGTH": "content-length"}

Sign = Callable[[str, bytes], dict[str, str]]


class Front:
    """Makes the gateway's event of a request. `sign`, where there is one, signs what the sender has written."""

    def __init__(self, sign: Sign | None = None) -> None:
        self._sign = sign

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer one request."""
        found = _PATH.fullmatch(environ["PATH_INFO"].encode("latin-1").decode(errors="replace"))
        if found is None or environ["REQUEST_METHOD"] not in _METHODS:
            answer = _gateways_own("Missing Authentication Token")
        else:
            answer = lambda_handler(self._event(environ, found[1]), None)
        body = answer["body"].encode()
        status = HTTPStatus(answer["statusCode"])
        start_response(f"{status.value} {status.phrase}", list(answer["headers"].items()))
        return [b64decode(body) if answer["isBase64Encoded"] else body]

    def _event(self, environ: dict[str, Any], source: str) -> dict[str, Any]:
        raw: bytes = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        headers = {
            _PLAIN_NAMES.get(name, name.removeprefix("HTTP_").replace("_", "-").lower()): value
            for name, value in environ.items()
            if name.startswith("HTTP_") or (name in _PLAIN_NAMES and value)
        }
        if self._sign is not None:
            # Only the content type stays the sender's own.
            headers |= {name: value for name, value in self._sign(source, raw).items() if name != "content-type"}
        return {
            "httpMethod": environ["REQUEST_METHOD"],
            "pathParameters": {"source": source},
            "headers": headers,
            "multiValueHeaders": {name: [value] for name, value in headers.items()},
            "queryStringParameters": dict(parse_qsl(environ["QUERY_STRING"], keep_blank_values=True)) or None,
            "body": b64encode(raw).decode(),
            "isBase64Encoded": True,
        }


def _gateways_own(message: str) -> dict[str, Any]:
    return {
        "statusCode": HTTPStatus.FORBIDDEN,
        "headers": {"content-type": "application/json"},
        "body": json.dumps({"message": message}),
        "isBase64Encoded": False,
    }
