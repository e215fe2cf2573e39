"""
The providers' own OpenAPI documents, asked whether a request or a response body is what they declare.

A path may be a template of the document, or a real path, with or without the path of the document's server.
"""

import json
import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from jsonschema import Draft202012Validator, FormatChecker

FOLDER = Path(__file__).parent

_FORMATS = FormatChecker(["email"])


@_FORMATS.checks("date-time", raises=ValueError)
def _is_date_time(value: object) -> bool:
    return not isinstance(value, str) or datetime.fromisoformat(value).tzinfo is not None


@dataclass(frozen=True)
class Spec:
    """One OpenAPI 3.0 document, its schemas rewritten as JSON Schema."""

    document: dict[str, Any]
    prefix: str

    @classmethod
    def load(cls, name: str, *, not_required: Collection[str] = ()) -> Self:
        """Read a document by the name of its file; some properties are required there that no server sends."""
        document = json.loads((FOLDER / f"{name}.openapi.json").read_text(encoding="utf-8"))
        return cls(_as_json_schema(document, not_required), urlsplit(document["servers"][0]["url"]).path)

    def operation(self, method: str, path: str) -> dict[str, Any] | None:
        """Find the operation of a path; where several templates fit, the one with the fewest parameters."""
        short = path.removeprefix(self.prefix)
        fitting = [
            template
            for template, operations in self.document["paths"].items()
            if method.lower() in operations and re.fullmatch(re.sub(r"\{[^/]+\}", "[^/]+", template), short)
        ]
        if not fitting:
            return None
        found: dict[str, Any] = self.document["paths"][min(fitting, key=lambda t: t.count("{"))][method.lower()]
        return found

    def response(self, operation: dict[str, Any], status: int) -> dict[str, Any] | None:
        """Find what an operation declares for a status."""
        declared: dict[str, Any] | None = operation["responses"].get(str(status))
        if declared and "$ref" in declared:
            declared = self.document["components"]["responses"][declared["$ref"].rpartition("/")[2]]
        return declared

    def errors(self, content: dict[str, Any], body: object) -> list[str]:
        """Say where a body departs from the JSON schema of a request's or response's content."""
        schema = content["application/json"]["schema"] | {"components": self.document.get("components", {})}
        found = Draft202012Validator(schema, format_checker=_FORMATS).iter_errors(body)
        return [f"{error.json_path}: {error.message}" for error in found]


def request_errors(spec: Spec, method: str, path: str, body: object = None) -> list[str]:
    """Say what a request body has that its operation does not declare, or lacks; empty where it is as declared."""
    operation = spec.operation(method, path)
    if operation is None:
        return [f"{method} {path} is not in the document"]
    declared = operation.get("requestBody")
    if declared is None:
        return [] if body is None else [f"{method} {path} takes no body"]
    if body is None and not declared.get("required", False):
        return []
    return spec.errors(declared["content"], body)


def response_errors(spec: Spec, method: str, path: str, status: int, body: object = None) -> list[str]:
    """Say how a response departs from what its operation declares; a status without a schema takes any body."""
    operation = spec.operation(method, path)
    if operation is None:
        return [f"{method} {path} is not in the document"]
    declared = spec.response(operation, status)
    if declared is None:
        return [f"{method} {path} does not declare the status {status}"]
    if status == 204:
        return [] if body is None else [f"{method} {path} answers 204 without a body"]
    return spec.errors(declared["content"], body) if declared.get("content") else []


def _as_json_schema(node: Any, not_required: Collection[str]) -> Any:
    """OpenAPI 3.0 says `nullable` where JSON Schema has a type of its own for null."""
    if isinstance(node, list):
        return [_as_json_schema(item, not_required) for item in node]
    if not isinstance(node, dict):
        return node
    schema = {key: _as_json_schema(value, not_required) for key, value in node.items()}
    if isinstance(schema.get("required"), list):
        schema["required"] = [name for name in schema["required"] if name not in not_required]
    return {"anyOf": [schema, {"type": "null"}]} if schema.get("nullable") is True else schema


ATLASSIAN = Spec.load("atlassian-invite")

# The server's own tests assert that both are absent (sentry-members.md, section 1).
SENTRY = Spec.load("sentry-members", not_required={"emails", "invite_link"})
