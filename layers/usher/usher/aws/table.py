"""
The one DynamoDB table.

Rows are written in batches of 25 conditional statements, each with a verdict of its own (PartiQL
BatchExecuteStatement): BatchWriteItem takes no conditions, and a transaction fails as a whole.
"""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from itertools import batched
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from usher.aws import items
from usher.domain.errors import StoreUnavailable
from usher.domain.hire import SCHEMA_VERSION, HireKey
from usher.domain.hold import Hold
from usher.domain.invitation import GuardKey, Invitation, InvitationKey, State, Step
from usher.domain.mass_guard import MassGuard
from usher.domain.notice import NoticeRecord, NoticeState
from usher.domain.pace import Counters, Pace
from usher.domain.planning import HireFile, HirePlan
from usher.ports import NOTICE_LANE, Applied, AuditEntry

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

MOST_STATEMENTS = 25
MOST_KEYS = 100
MOST_WRITES = 100
MOST_ROUNDS = 5
"""How often keys that a batch read left out are asked for again, and a transaction that met another is tried."""

_FOREVER = frozenset({"AccessDeniedException", "ResourceNotFoundException", "ValidationException"})
"""Errors that the next try would meet too: they must be seen, not waited for."""

_FOREVER_IN_A_BATCH = frozenset({"AccessDenied", "ResourceNotFound"})
"""What a batch, itself answered 200, says of a statement in their place. A ValidationError is that one row's."""


class _Forever(StoreUnavailable):
    """The table answered what it would answer to the next try too."""


class DynamoTable:
    """`usher.ports.Store` over one table with the indexes ``due`` and ``state``."""

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client = client
        self._table = table

    # --- rows ---

    def invitations(self, keys: Collection[InvitationKey]) -> dict[InvitationKey, Invitation]:
        """Read rows."""
        found = self._get_many([items.row_key(key) for key in dict.fromkeys(keys)])
        rows = [items.read(items.row_in, item) for item in found]
        return {row.key: row for row in rows if row is not None}

    def due(self, lane: str, now: datetime, limit: int) -> list[InvitationKey]:
        """List rows of a connection that are due, soonest first."""
        return [items.row_key_in(pk, sk) for pk, sk in self._due(lane, now, limit)]

    def due_notices(self, now: datetime, limit: int) -> list[str]:
        """List waiting notices that are due."""
        return [pk.split("#")[1] for pk, _ in self._due(NOTICE_LANE, now, limit)]

    def rows_in_state(self, state: State, limit: int) -> list[InvitationKey]:
        """List rows in a state by start date."""
        return [items.row_key_in(pk, sk) for pk, sk in self._in_state(f"row#{state}", limit, forward=True)]

    def notices_in_state(self, state: NoticeState, limit: int) -> list[str]:
        """List recorded notices in a state, newest first."""
        return [pk.split("#")[1] for pk, _ in self._in_state(f"notice#{state}", limit, forward=False)]

    def apply(self, steps: Sequence[Step]) -> list[Applied]:
        """Write many steps, each on its own condition."""
        verdicts: dict[int, Applied] = {}
        plain = [(number, step) for number, step in enumerate(steps) if step.releases is None]
        for chunk in batched(plain, MOST_STATEMENTS, strict=False):
            applied = self._apply_batch([step for _, step in chunk])
            verdicts |= {number: verdict for (number, _), verdict in zip(chunk, applied, strict=True)}
        for number, step in enumerate(steps):
            if step.releases is not None:
                verdicts[number] = self._apply_with_guard(step, step.releases)
        return [verdicts[number] for number in range(len(steps))]

    # --- hires ---

    def hire(self, key: HireKey) -> HireFile:
        """Read everything about one hire."""
        pk, sk = items.hire_key(key)
        found = self._query(pk)
        record = next((items.read(items.hire_in, item) for item in found if item["sk"] == sk), None)
        rows = [items.read(items.row_in, item) for item in found if item["sk"].startswith("INV#")]
        return HireFile(record, tuple(row for row in rows if row is not None))

    def guard_holders(self, keys: Collection[GuardKey]) -> dict[GuardKey, str]:
        """Tell who holds which mailbox."""
        names = {items.guard_key(key): key for key in keys}
        found = self._get_many(list(names))
        # A guard that somebody edited by hand is not free: its row must end as a duplicate, for a person to look at.
        return {names[item["pk"], item["sk"]]: str(item.get("holder", "nobody known")) for item in found}

    def commit(self, plan: HirePlan) -> bool:
        """Write a plan in one transaction."""
        writes = [self._put_record(plan), *(self._put_new(items.row_item(row)) for row in plan.opens)]
        writes += [{"Update": self._update(step)} for step in plan.steps]
        writes += [{"Delete": self._delete_guard(key, holder)} for key, holder in plan.releases]
        writes += [{"Put": self._take_guard(key, holder)} for key, holder in plan.takes]
        if len(writes) > MOST_WRITES:
            raise StoreUnavailable(f"a plan of {len(writes)} writes is too large for one transaction")
        if self._transact(writes):
            return True
        # The condition may have failed on our own write, whose answer got lost.
        return self.hire(plan.record.key).record == plan.record

    # --- notices, holds, audit ---

    def notice(self, notice_id: str) -> NoticeRecord | None:
        """Read one recorded notice."""
        found = self._get_many([items.notice_key(notice_id)])
        return next((items.read(items.notice_in, item) for item in found), None)

    def sealed_body(self, notice_id: str) -> str | None:
        """Read the body of a notice that could not be used."""
        found = self._get_many([items.body_key(notice_id)])
        return next((str(item["body"]) for item in found), None)

    def put_notice(self, record: NoticeRecord) -> bool:
        """Write revision n of a notice over revision n-1."""
        put = self._put_revision(items.notice_item(record), record.revision - 1)
        sealed = items.sealed_item(record)
        return bool(self._transact([put, *([{"Put": self._put(sealed)}] if sealed else [])]))

    def holds(self, connections: Collection[str]) -> list[Hold]:
        """Read the holds of connections and of their grants."""
        found = [item for name in sorted(set(connections)) for item in self._query(items.hold_key(name, None)[0])]
        holds = [items.read(items.hold_in, item) for item in found if item["sk"].startswith("HOLD")]
        return [hold for hold in holds if hold is not None]

    def put_hold(self, hold: Hold, seen: Hold | None) -> bool:
        """Place or move a hold if it is still as seen."""
        put = self._put(items.hold_item(hold))
        put |= self._as_seen(seen) if seen else {"ConditionExpression": "attribute_not_exists(pk)"}
        return bool(self._transact([{"Put": put}]))

    def release_hold(self, hold: Hold) -> None:
        """End a hold, if it is still as given."""
        pk, sk = items.hold_key(hold.connection, hold.grant_digest)
        delete = {"TableName": self._table, "Key": items.wire({"pk": pk, "sk": sk})} | self._as_seen(hold)
        self._transact([{"Delete": delete}])

    def counters(self, connections: Collection[str]) -> Counters:
        """Read the company's guard and the paces of connections."""
        keys = {items.pace_key(name): name for name in connections}
        found = {(item["pk"], item["sk"]): item for item in self._get_many([items.MASS_GUARD_KEY, *keys])}
        guard = items.read(items.mass_guard_in, found.get(items.MASS_GUARD_KEY, {}))
        paces = {name: items.read(items.pace_in, found[key]) for key, name in keys.items() if key in found}
        return Counters(guard or MassGuard(), {name: paces.get(name) or Pace(connection=name) for name in connections})

    def put_counters(self, counters: Counters, seen: Counters) -> bool:
        """Write what differs, all of it or nothing."""
        puts = [
            self._put_revision(items.pace_item(pace), seen.paces[name].revision)
            for name, pace in counters.paces.items()
            if pace != seen.paces[name]
        ]
        if counters.guard != seen.guard:
            puts.append(self._put_revision(items.mass_guard_item(counters.guard), seen.guard.revision))
        return bool(self._transact(puts)) if puts else True

    def announced_at(self, source: str) -> datetime | None:
        """Read when a source last announced anything."""
        found = self._get_many([items.feed_key(source)])
        return next((datetime.fromisoformat(item["announced_at"]) for item in found), None)

    def note_announcement(self, source: str, at: datetime) -> None:
        """Write that a source has announced something, if nothing later stands there."""
        pk, sk = items.feed_key(source)
        put = self._put({"pk": pk, "sk": sk, "schema": SCHEMA_VERSION, "announced_at": items.moment(at)}) | {
            "ConditionExpression": "attribute_not_exists(pk) OR announced_at < :at",
            "ExpressionAttributeValues": items.wire({":at": items.moment(at)}),
        }
        self._transact([{"Put": put}])

    def audit(self, entry: AuditEntry) -> None:
        """Write down what an operator did."""
        with _answered():
            self._client.put_item(TableName=self._table, Item=items.wire(items.audit_item(entry)))

    # --- writes ---

    def _apply_batch(self, steps: Sequence[Step]) -> list[Applied]:
        statements = [self._statement(step) for step in steps]
        try:
            # A statement is a plain dict here; the stubs want a type of their own that boto3 does not have at run time.
            answers = self._client.batch_execute_statement(Statements=statements)["Responses"]  # type: ignore[arg-type]
        except ClientError as error:
            unavailable = _unavailable(error)
            if isinstance(unavailable, _Forever):
                raise unavailable from None
            return [Applied.FAILED] * len(steps)
        except BotoCoreError:
            return [Applied.FAILED] * len(steps)
        codes = {str(answer.get("Error", {}).get("Code")) for answer in answers}
        if never := codes & _FOREVER_IN_A_BATCH:
            raise _Forever(f"the table did not answer: {', '.join(sorted(never))}")
        return [self._verdict(step, answer) for step, answer in zip(steps, answers, strict=True)]

    def _verdict(self, step: Step, answer: Any) -> Applied:
        error = answer.get("Error")
        if error is None:
            return Applied.NOW
        if not str(error.get("Code", "")).startswith("ConditionalCheckFailed"):
            return Applied.FAILED
        if "Item" in error:
            return _judged(step, items.read(items.row_in, items.unwired(error["Item"])))
        return self._judged_by_reading(step)

    def _judged_by_reading(self, step: Step) -> Applied:
        try:
            return _judged(step, self.invitations([step.key]).get(step.key))
        except StoreUnavailable:
            return Applied.FAILED

    def _apply_with_guard(self, step: Step, guard: GuardKey) -> Applied:
        writes = [{"Update": self._update(step)}, {"Delete": self._delete_guard(guard, step.before.holder)}]
        try:
            written = self._transact(writes)
        except _Forever:
            raise
        except StoreUnavailable:
            return Applied.FAILED
        if written is None:
            return Applied.FAILED
        return Applied.NOW if written else self._judged_by_reading(step)

    def _statement(self, step: Step) -> dict[str, Any]:
        """Render a step as one PartiQL statement."""
        changes = _changes(step)
        pk, sk = items.row_key(step.key)
        sets = [(name, value) for name, value in changes.items() if value is not None]
        removes = [name for name, value in changes.items() if value is None]
        conditions = {"pk": pk, "sk": sk} | _conditions(step)
        present = [(name, value) for name, value in conditions.items() if value is not None]
        text = [f'UPDATE "{self._table}"', *(f'SET "{name}"=?' for name, _ in sets)]
        text += [f'REMOVE "{name}"' for name in removes]
        tests = [*(f'"{name}"=?' for name, _ in present), '"schema"<=?']
        tests += [f'"{name}" IS MISSING' for name, value in conditions.items() if value is None]
        return {
            "Statement": f"{' '.join(text)} WHERE {' AND '.join(tests)}",
            "Parameters": [items.wire_value(value) for _, value in [*sets, *present, ("schema", SCHEMA_VERSION)]],
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }

    def _update(self, step: Step) -> dict[str, Any]:
        """Render a step as one update of a transaction."""
        changes, conditions = _changes(step), _conditions(step)
        names = {f"#{name}": name for name in [*changes, *conditions, "schema"]}
        sets = [f"#{name} = :new_{name}" for name, value in changes.items() if value is not None]
        removes = [f"#{name}" for name, value in changes.items() if value is None]
        values = {f":new_{name}": value for name, value in changes.items() if value is not None}
        values |= {f":old_{name}": value for name, value in conditions.items() if value is not None}
        values[":schema"] = SCHEMA_VERSION
        tests = ["#schema <= :schema"]
        tests += [
            f"#{name} = :old_{name}" if value is not None else f"attribute_not_exists(#{name})"
            for name, value in conditions.items()
        ]
        pk, sk = items.row_key(step.key)
        return {
            "TableName": self._table,
            "Key": items.wire({"pk": pk, "sk": sk}),
            "UpdateExpression": f"SET {', '.join(sets)}" + (f" REMOVE {', '.join(removes)}" if removes else ""),
            "ConditionExpression": " AND ".join(tests),
            "ExpressionAttributeNames": names,
            "ExpressionAttributeValues": items.wire(values),
        }

    def _put(self, item: items.Item) -> dict[str, Any]:
        return {"TableName": self._table, "Item": items.wire(item)}

    def _put_new(self, item: items.Item) -> dict[str, Any]:
        return {"Put": self._put(item) | {"ConditionExpression": "attribute_not_exists(pk)"}}

    def _put_record(self, plan: HirePlan) -> dict[str, Any]:
        return self._put_revision(items.hire_item(plan.record), plan.seen_revision or 0)

    def _put_revision(self, item: items.Item, seen: int) -> dict[str, Any]:
        """Put an item over the revision that was seen; over none, where none was."""
        if not seen:
            return self._put_new(item)
        values = {":seen": seen, ":schema": SCHEMA_VERSION}
        condition = {
            "ConditionExpression": "#revision = :seen AND #schema <= :schema",
            "ExpressionAttributeNames": {"#revision": "revision", "#schema": "schema"},
            "ExpressionAttributeValues": items.wire(values),
        }
        return {"Put": self._put(item) | condition}

    def _take_guard(self, key: GuardKey, holder: str) -> dict[str, Any]:
        pk, sk = items.guard_key(key)
        return self._put({"pk": pk, "sk": sk, "schema": SCHEMA_VERSION, "holder": holder}) | {
            "ConditionExpression": "attribute_not_exists(pk) OR #holder = :holder",
            "ExpressionAttributeNames": {"#holder": "holder"},
            "ExpressionAttributeValues": items.wire({":holder": holder}),
        }

    def _delete_guard(self, key: GuardKey, holder: str) -> dict[str, Any]:
        pk, sk = items.guard_key(key)
        return {
            "TableName": self._table,
            "Key": items.wire({"pk": pk, "sk": sk}),
            # A guard that somebody deleted by hand must not keep its row from ending.
            "ConditionExpression": "attribute_not_exists(pk) OR #holder = :holder",
            "ExpressionAttributeNames": {"#holder": "holder"},
            "ExpressionAttributeValues": items.wire({":holder": holder}),
        }

    def _as_seen(self, hold: Hold) -> dict[str, Any]:
        seen = ("reason", "since", "next_probe", "probes")
        values = {f":{name}": items.plain(getattr(hold, name)) for name in seen} | {":schema": SCHEMA_VERSION}
        return {
            "ConditionExpression": " AND ".join([*(f"#{name} = :{name}" for name in seen), "#schema <= :schema"]),
            "ExpressionAttributeNames": {f"#{name}": name for name in (*seen, "schema")},
            "ExpressionAttributeValues": items.wire(values),
        }

    def _transact(self, writes: Sequence[dict[str, Any]]) -> bool | None:
        """Write all or nothing; False where a condition failed, None where other writes were always in the way."""
        for _ in range(MOST_ROUNDS):
            try:
                # As for statements: plain dicts, and a type of the stubs'.
                self._client.transact_write_items(TransactItems=writes)  # type: ignore[arg-type]
            except self._client.exceptions.TransactionCanceledException as error:
                reasons = error.response.get("CancellationReasons", [])
                codes = {reason.get("Code", "None") for reason in reasons} - {"None"}
                if codes == {"TransactionConflict"}:
                    continue
                if codes and codes <= {"ConditionalCheckFailed", "TransactionConflict"}:
                    return False
                raise StoreUnavailable(f"the table did not take a transaction: {', '.join(sorted(codes))}") from None
            except ClientError as error:
                raise _unavailable(error) from None
            except BotoCoreError as error:
                raise StoreUnavailable(f"the table did not answer: {type(error).__name__}") from None
            return True
        return None

    # --- reads ---

    def _get_many(self, keys: Sequence[items.Key]) -> list[items.Item]:
        found: list[items.Item] = []
        for chunk in batched(keys, MOST_KEYS, strict=False):
            wanted: Any = {
                self._table: {"Keys": [items.wire({"pk": pk, "sk": sk}) for pk, sk in chunk], "ConsistentRead": True}
            }
            for _ in range(MOST_ROUNDS):
                with _answered():
                    answer = self._client.batch_get_item(RequestItems=wanted)
                found += [items.unwired(item) for item in answer["Responses"].get(self._table, [])]
                wanted = answer.get("UnprocessedKeys")
                if not wanted:
                    break
            else:
                raise StoreUnavailable("the table is too busy to read")
        return found

    def _query(self, pk: str) -> list[items.Item]:
        found: list[items.Item] = []
        request: dict[str, Any] = {
            "TableName": self._table,
            "KeyConditionExpression": "pk = :pk",
            "ExpressionAttributeValues": items.wire({":pk": pk}),
            "ConsistentRead": True,
        }
        with _answered():
            for page in self._client.get_paginator("query").paginate(**request):
                found += [items.unwired(item) for item in page["Items"]]
        return found

    def _due(self, lane: str, now: datetime, limit: int) -> list[items.Key]:
        return self._index(
            "due",
            limit,
            KeyConditionExpression="due_lane = :lane AND due_at <= :now",
            ExpressionAttributeValues=items.wire({":lane": lane, ":now": items.moment(now)}),
        )

    def _in_state(self, state_key: str, limit: int, *, forward: bool) -> list[items.Key]:
        return self._index(
            "state",
            limit,
            KeyConditionExpression="state_key = :state",
            ExpressionAttributeValues=items.wire({":state": state_key}),
            ScanIndexForward=forward,
        )

    def _index(self, index: str, limit: int, **query: Any) -> list[items.Key]:
        keys: list[items.Key] = []
        if limit < 1:
            return keys
        paginator = self._client.get_paginator("query")
        with _answered():
            pages = paginator.paginate(
                TableName=self._table,
                IndexName=index,
                PaginationConfig={"MaxItems": limit, "PageSize": limit},
                **query,
            )
            for page in pages:
                found = [items.unwired(item) for item in page["Items"]]
                keys += [(item["pk"], item["sk"]) for item in found]
        return keys


def _judged(step: Step, found: Invitation | None) -> Applied:
    return Applied.BEFORE if found is not None and step.already_in(found) else Applied.REFUSED


def _changes(step: Step) -> items.Item:
    """What a step writes, with the attributes of the indexes that follow from it; None where one goes."""
    before, after = items.row_index(step.before), items.row_index(step.after)
    follows = {name: value for name, value in after.items() if value != before[name]}
    # Planning beside a sender knows neither the state nor the end that follows from it.
    follows.pop("expires_at", None)
    if step.after.state is not step.before.state:
        follows["expires_at"] = after["expires_at"]
    changes = {name: items.plain(value) for name, value in step.changes.items()}
    return changes | follows


def _conditions(step: Step) -> items.Item:
    return {name: items.plain(value) for name, value in step.conditions.items()}


def _unavailable(error: ClientError) -> StoreUnavailable:
    code = error.response.get("Error", {}).get("Code", "an error")
    return (_Forever if code in _FOREVER else StoreUnavailable)(f"the table did not answer: {code}")


@contextmanager
def _answered() -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        raise _unavailable(error) from None
    except BotoCoreError as error:
        raise StoreUnavailable(f"the table did not answer: {type(error).__name__}") from None
