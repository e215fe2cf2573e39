"""Models to items and back: keys, index attributes, times as text of one width, and when an item may expire."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, is_dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Any

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from pydantic import BaseModel, ValidationError

from usher.domain.hire import SCHEMA_VERSION, HireKey, HireRecord
from usher.domain.hold import Hold
from usher.domain.invitation import SETTLED, GuardKey, Invitation, InvitationKey, State
from usher.domain.mass_guard import MassGuard
from usher.domain.notice import NoticeRecord, NoticeState
from usher.domain.pace import Pace
from usher.ports import NOTICE_LANE, AuditEntry

Item = dict[str, Any]
"""Attributes as plain Python values."""

Key = tuple[str, str]
"""pk and sk."""

NO_START_DATE = "9999-12-31"
SETTLED_FOR = timedelta(days=400)
PLANNED_FOR = timedelta(days=90)
NOTICE_FOR = timedelta(days=30)

_MAY_BE_ABSENT = frozenset(
    name for name, field in Invitation.model_fields.items() if not field.is_required() and field.default is None
) | {"mailed"}

_serialize = TypeSerializer().serialize
_deserialize = TypeDeserializer().deserialize


def hire_key(key: HireKey) -> Key:
    """Where a hire's record stands."""
    return f"HIRE#{key.source}#{key.hire_id}", "HIRE"


def row_key(key: InvitationKey) -> Key:
    """Where an invitation stands: beside its hire, so that one query reads both."""
    return f"HIRE#{key.source}#{key.hire_id}", f"INV#{key.connection}#{key.generation:04d}"


def row_key_in(pk: str, sk: str) -> InvitationKey:
    """Read an invitation's key out of an index."""
    _, source, hire_id = pk.split("#")
    _, connection, generation = sk.split("#")
    return InvitationKey(source, hire_id, connection, int(generation))


def guard_key(key: GuardKey) -> Key:
    """Where a mailbox guard stands."""
    return f"GUARD#{key.connection}#{key.digest}", "GUARD"


def notice_key(notice_id: str) -> Key:
    """Where a recorded notice stands."""
    return f"NOTICE#{notice_id}", "NOTICE"


def body_key(notice_id: str) -> Key:
    """Where the sealed body of a notice stands."""
    return f"NOTICE#{notice_id}", "BODY"


def hold_key(connection: str, grant_digest: str | None) -> Key:
    """Where a hold stands."""
    return f"CONN#{connection}", f"HOLD#{grant_digest}" if grant_digest else "HOLD"


def pace_key(connection: str) -> Key:
    """Where a connection's pace stands."""
    return f"CONN#{connection}", "PACE"


MASS_GUARD_KEY: Key = ("COMPANY", "MASS_GUARD")
"""Where the company's guard stands."""


def feed_key(source: str) -> Key:
    """Name the item that says when a source last announced anything."""
    return f"SOURCE#{source}", "FEED"


def moment(value: datetime) -> str:
    """Write a time so that text order is time order."""
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def plain(value: Any) -> Any:
    """Make a model's value one that an item holds."""
    match value:
        case StrEnum():
            return str(value)
        case datetime():
            return moment(value)
        case date():
            return value.isoformat()
        case BaseModel():
            return {name: plain(getattr(value, name)) for name in type(value).model_fields}
        case tuple() | list():
            return [plain(item) for item in value]
        case dict():
            return {str(name): plain(item) for name, item in value.items()}  # A version is a name too, as text.
        case _ if is_dataclass(value) and not isinstance(value, type):
            return plain(asdict(value))
        case _:
            return value


def wire(item: Item) -> dict[str, Any]:
    """Put an item into the form of the API; attributes that are None are left out."""
    return {name: _serialize(value) for name, value in item.items() if value is not None}


def wire_value(value: Any) -> Any:
    """Put one value into the form of the API."""
    return _serialize(value)


def unwired(item: Mapping[str, Any]) -> Item:
    """Read an item out of the form of the API."""
    return {name: _whole(_deserialize(value)) for name, value in item.items()}


def _whole(value: Any) -> Any:
    """The API gives decimals; every number of ours is an integer."""
    match value:
        case list():
            return [_whole(item) for item in value]
        case dict():
            return {name: _whole(item) for name, item in value.items()}
        case _ if hasattr(value, "as_integer_ratio") and not isinstance(value, (bool, int, float)):
            return int(value)
        case _:
            return value


def read[Model](reader: Callable[[Item], Model], item: Item) -> Model | None:
    """
    Read an item with its reader; None for one that this code must leave alone.

    That is an item of a newer schema, and one that somebody has edited by hand into what is no model: its error would
    repeat the values of a person, and one such item must not stop its neighbours.
    """
    schema = item.get("schema")
    if not isinstance(schema, int) or schema > SCHEMA_VERSION:
        return None
    try:
        return reader(item)
    except ValidationError:
        return None


def row_item(row: Invitation) -> Item:
    """Make the item of a new invitation."""
    pk, sk = row_key(row.key)
    fields = {name: plain(getattr(row, name)) for name in Invitation.model_fields}
    return {"pk": pk, "sk": sk, "schema": SCHEMA_VERSION} | fields | row_index(row)


def row_index(row: Invitation) -> Item:
    """Give the attributes that follow from state, due time and start date; None where the attribute goes."""
    expires = None
    if row.state in SETTLED:
        expires = int((row.updated_at + SETTLED_FOR).timestamp())
    elif row.state is State.PLANNED:
        expires = int((row.updated_at + PLANNED_FOR).timestamp())
    return {
        "due_lane": row.connection if row.due_at else None,
        "state_key": f"row#{row.state}",
        "start_date": row.start_date.isoformat() if row.start_date else NO_START_DATE,
        "expires_at": expires,
    }


def row_in(item: Item) -> Invitation:
    """Read an invitation."""
    fields: Item = {name: item.get(name) for name in _MAY_BE_ABSENT}
    fields |= {name: value for name, value in item.items() if name in Invitation.model_fields}
    if fields.get("start_date") == NO_START_DATE:
        fields["start_date"] = None
    return Invitation.model_validate(fields)


def hire_item(record: HireRecord) -> Item:
    """Make the item of a hire's record."""
    pk, sk = hire_key(record.key)
    return {"pk": pk, "sk": sk, "schema": SCHEMA_VERSION, **plain(record)}


def hire_in(item: Item) -> HireRecord:
    """Read a hire's record."""
    return HireRecord.model_validate({name: item[name] for name in HireRecord.model_fields if name in item})


def notice_item(record: NoticeRecord) -> Item:
    """Make the item of a recorded notice; a sealed body stands in an item of its own, which expires."""
    pk, sk = notice_key(record.notice.notice_id)
    expires = record.state in (NoticeState.IGNORED, NoticeState.DONE)
    return {
        "pk": pk,
        "sk": sk,
        "schema": SCHEMA_VERSION,
        **plain(record.model_copy(update={"notice": record.notice.model_copy(update={"sealed_body": None})})),
        "due_lane": NOTICE_LANE if record.due_at else None,
        "state_key": f"notice#{record.state}",
        "start_date": moment(record.updated_at),
        "expires_at": int((record.updated_at + NOTICE_FOR).timestamp()) if expires else None,
    }


def sealed_item(record: NoticeRecord) -> Item | None:
    """Make the item of a body that could not be parsed; None where there is none."""
    if record.notice.sealed_body is None:
        return None
    return {
        **dict(zip(("pk", "sk"), body_key(record.notice.notice_id), strict=True)),
        "schema": SCHEMA_VERSION,
        "body": record.notice.sealed_body,
        "expires_at": int((record.updated_at + NOTICE_FOR).timestamp()),
    }


def notice_in(item: Item) -> NoticeRecord:
    """Read a recorded notice, without its sealed body."""
    return NoticeRecord.model_validate({name: item[name] for name in NoticeRecord.model_fields if name in item})


def hold_item(hold: Hold) -> Item:
    """Make the item of a hold."""
    pk, sk = hold_key(hold.connection, hold.grant_digest)
    return {"pk": pk, "sk": sk, "schema": SCHEMA_VERSION, **plain(hold)}


def hold_in(item: Item) -> Hold:
    """Read a hold."""
    return Hold.model_validate({name: item[name] for name in Hold.model_fields if name in item})


def pace_item(pace: Pace) -> Item:
    """Make the item of a connection's pace."""
    pk, sk = pace_key(pace.connection)
    return {"pk": pk, "sk": sk, "schema": SCHEMA_VERSION, **plain(pace)}


def pace_in(item: Item) -> Pace:
    """Read a connection's pace."""
    return Pace.model_validate({name: item[name] for name in Pace.model_fields if name in item})


def mass_guard_item(guard: MassGuard) -> Item:
    """Make the item of the company's guard."""
    pk, sk = MASS_GUARD_KEY
    return {"pk": pk, "sk": sk, "schema": SCHEMA_VERSION, **plain(guard)}


def mass_guard_in(item: Item) -> MassGuard:
    """Read the company's guard."""
    return MassGuard.model_validate({name: item[name] for name in MassGuard.model_fields if name in item})


def audit_item(entry: AuditEntry) -> Item:
    """Make the item of what an operator did."""
    key = {"pk": f"AUDIT#{entry.subject}", "sk": f"{moment(entry.at)}#{entry.action}", "schema": SCHEMA_VERSION}
    return key | {"actor": entry.actor, "action": entry.action, "reason": entry.reason}
