"""Placeholder until the real handler lands."""

from typing import Any


def lambda_handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Answer nothing in particular."""
    del event, context
    return {}
