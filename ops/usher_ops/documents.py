"""What programs read (`--json`): pure functions from the domain's models to plain values. docs/cli.md."""

from collections.abc import Collection
from typing import Any

from usher.domain.hire import HireRecord
from usher.domain.hold import Hold
from usher.domain.invitation import Invitation
from usher.domain.notice import NoticeRecord
from usher.domain.planning import HireFile


def row_document(row: Invitation, record: HireRecord | None) -> dict[str, Any]:
    """Give one line of the table of outcomes; times are ISO 8601 with a zone, `mailed` null is unknown."""
    said = row.model_dump(mode="json")
    return {
        "hire": str(row.key.hire),
        "given_name": record.effective.given_name if record else None,
        "family_name": record.effective.family_name if record else None,
        "address": row.address,
        "connection": row.connection,
        "generation": row.generation,
        "state": str(row.state),
        "since": said["updated_at"],
        "due_at": said["due_at"],
        "rule": row.explanation.rule,
        "fields": dict(row.explanation.fields),
        "reason": row.reason,
        "provider_ref": row.provider_ref,
        "mailed": row.mailed,
        "origin": said["origin"],
        "attention": row.attention,
    }


def person_document(
    file: HireFile, *, notices: Collection[NoticeRecord] = (), holds: Collection[Hold] = ()
) -> dict[str, Any]:
    """Give everything about one person: the record, the whole rows, holds of their connections, recorded notices."""
    return {
        "hire": file.record.model_dump(mode="json") if file.record else None,
        "rows": [row.model_dump(mode="json") | {"attention": row.attention} for row in file.rows],
        "holds": [hold.model_dump(mode="json") for hold in holds],
        "notices": [record.model_dump(mode="json", exclude={"notice": {"sealed_body"}}) for record in notices],
    }
