"""
How the command finds rows and people without reading the whole table.

Rows are found by the index of states, in order of start dates; people by their key. No key or index holds an address,
by design, so a person is found by address only among the rows and notices that are listed.
"""

from collections.abc import Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, datetime

from usher.domain.budget import Forecast, all_come_again_by, forecast
from usher.domain.errors import UsherError
from usher.domain.hire import HireKey, HireRecord
from usher.domain.hold import Hold
from usher.domain.invitation import SETTLED, Invitation, InvitationKey, State
from usher.domain.notice import NoticeRecord, NoticeState
from usher.domain.planning import HireFile
from usher.domain.policy import Connection
from usher.ports import Store

MOST_KEYS = 10_000
"""Keys of one state that are read from the index; they are small, and only those listed are read whole."""

MOST_NOTICES = 200
"""Parked and waiting notices, of each the newest, that are searched for a person."""

_READERS = 8
"""Hires read at once; the clients keep ten connections."""


class NotRecorded(UsherError):
    """Nothing is recorded of the person or the notice that was asked for; the message says where to look instead."""


@dataclass(frozen=True, slots=True)
class Listing:
    """Rows in order of start dates, their hires, and the states of which there are more than were listed."""

    rows: tuple[Invitation, ...]
    files: dict[HireKey, HireFile]
    cut: tuple[State, ...]

    @property
    def hires(self) -> dict[HireKey, HireRecord]:
        """The records that there are."""
        return {key: file.record for key, file in self.files.items() if file.record is not None}


@dataclass(frozen=True, slots=True)
class Person:
    """One person: the hire with its rows, recorded notices about it, and the holds on its connections."""

    file: HireFile
    notices: tuple[NoticeRecord, ...]
    holds: tuple[Hold, ...]


def list_rows(store: Store, states: Iterable[State], connection: str | None, limit: int) -> Listing:
    """
    List up to `limit` rows of each state, each as it stands now.

    Of rows that wait, those of the earliest start dates; of settled ones, which pile up, those of the latest.
    """
    wanted = tuple(states)
    keys: list[InvitationKey] = []
    cut: list[State] = []
    for state in wanted:
        found = store.rows_in_state(state, MOST_KEYS)
        of_connection = [key for key in found if connection in (None, key.connection)]
        if len(of_connection) > limit or len(found) == MOST_KEYS:
            cut.append(state)
        keys += of_connection[-limit:] if state in SETTLED else of_connection[:limit]
    files = _read(store, dict.fromkeys(key.hire for key in keys))
    chosen = set(keys)
    # The index lags: a row that has left the states that were asked for is not listed.
    rows = [row for file in files.values() for row in file.rows if row.key in chosen and row.state in wanted]
    return Listing(tuple(sorted(rows, key=_by_start)), files, tuple(cut))


def find_by_key(store: Store, keys: Iterable[HireKey]) -> list[Person]:
    """Give the people of these keys that anything is recorded of; those unknown are left out."""
    recorded = list_notices(store, (NoticeState.PARKED, NoticeState.WAITING), MOST_NOTICES)
    people = []
    for key in keys:
        file = store.hire(key)
        while file.record is not None and file.record.joined_to is not None:
            key = HireKey.parse(file.record.joined_to)
            file = store.hire(key)
        about = {r.notice.notice_id: r for r in recorded if (r.notice.source, r.notice.subject) == key}
        if file.record is not None:
            named = (store.notice(notice_id) for notice_id in file.record.notices if notice_id not in about)
            about |= {record.notice.notice_id: record for record in named if record is not None}
        if file.record is not None or about:
            holds = store.holds({row.connection for row in file.rows})
            people.append(Person(file, tuple(about.values()), tuple(holds)))
    return people


def keys_by_address(store: Store, address: str, limit: int) -> list[HireKey]:
    """Give the hires with this address among up to `limit` rows of each state, and among parked and waiting notices."""
    wanted = address.strip().lower()
    listing = list_rows(store, State, None, limit)
    found = [
        row.key.hire
        for row in listing.rows
        if wanted in (row.address, row.sent_address) or _has(listing.hires.get(row.key.hire), wanted)
    ]
    for record in list_notices(store, (NoticeState.PARKED, NoticeState.WAITING), MOST_NOTICES):
        hire = record.notice.hire
        if hire is not None and hire.work_email is not None and hire.work_email.strip().lower() == wanted:
            found.append(hire.key)
    return list(dict.fromkeys(found))


def forecasts(store: Store, connections: Collection[Connection], now: datetime) -> dict[str, Forecast]:
    """Say of connections with a daily budget how far it goes for the rows that wait for it."""
    budgeted = {c.name: c.invites_per_day for c in connections if c.invites_per_day is not None}
    paces = store.counters(budgeted).paces if budgeted else {}
    found = {}
    for name, limit in budgeted.items():
        waiting = len(store.due(name, all_come_again_by(now), MOST_KEYS))
        found[name] = forecast(paces[name].budget, limit, waiting, now)
    return found


def list_notices(store: Store, states: Iterable[NoticeState], limit: int) -> list[NoticeRecord]:
    """List up to `limit` recorded notices of each state, newest first, each as it stands now."""
    wanted = tuple(states)
    names = [name for state in wanted for name in store.notices_in_state(state, limit)]
    with ThreadPoolExecutor(_READERS) as readers:
        records = list(readers.map(store.notice, dict.fromkeys(names)))
    found = [record for record in records if record is not None and record.state in wanted]
    return sorted(found, key=lambda record: record.updated_at, reverse=True)


def _read(store: Store, keys: Collection[HireKey]) -> dict[HireKey, HireFile]:
    with ThreadPoolExecutor(_READERS) as readers:
        return dict(zip(keys, readers.map(store.hire, keys), strict=True))


def _has(record: HireRecord | None, address: str) -> bool:
    return record is not None and record.work_email is not None and record.work_email.strip().lower() == address


def _by_start(row: Invitation) -> tuple[date, InvitationKey]:
    return row.start_date or date.max, row.key
