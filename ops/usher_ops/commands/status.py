"""`usher status`: who is invited where, what waits and why; one person with the whole explanation."""

import json
from typing import Any

import click
from rich.console import Console
from rich.text import Text

from usher.domain.hire import HireKey
from usher.domain.invitation import State
from usher.domain.notice import NoticeState
from usher_ops import documents, lookup, render
from usher_ops.system import System, on_system, screen


@click.command()
@click.argument("person", required=False, metavar="[PERSON]")
@click.option("--state", type=click.Choice([str(state) for state in State]), help="Only rows in this state.")
@click.option("--connection", metavar="NAME", help="Only rows of this connection.")
@click.option(
    "--limit", type=click.IntRange(1, 5000), default=200, show_default=True, help="Rows of each state to list."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")
@on_system
def status(
    system: System, person: str | None, state: str | None, connection: str | None, limit: int, as_json: bool
) -> None:
    """
    Show invitations: who, where, in what state, and why.

    PERSON is a work address, a hire id, or source/hire_id, and is shown with the whole explanation and history. An
    address is only found among the rows and the parked notices that are listed (raise --limit to look further): by
    design no key of the table holds one.
    """
    check_connection(system, connection)
    if person is not None:
        if state or connection:
            raise click.UsageError("--state and --connection are for the table; PERSON shows everything")
        _show_people(_people(system, person, limit), as_json=as_json)
        return
    states = [State(state)] if state else list(State)
    listing = lookup.list_rows(system.store, states, connection, limit)
    if as_json:
        _print_json(_documents(listing))
        return
    console = screen()
    if listing.rows:
        title = f"Invitations of {system.name}"
        console.print(render.outcome_table(listing.rows, listing.hires, title=title))
    else:
        console.print("There are no rows of invitations.")
    if listing.cut:
        console.print(f"There are more rows {', '.join(listing.cut)}; raise --limit, or choose by --connection.")
    connections = [c for c in system.stage.policy.connections.values() if connection in (None, c.name)]
    holds = system.store.holds({c.name for c in connections})
    if holds:
        console.print(render.hold_table(holds))
    forecasts = lookup.forecasts(system.store, connections, system.clock.now())
    if waited_for := {name: found for name, found in forecasts.items() if found.waiting}:
        console.print(render.forecast_table(waited_for))
    guard = system.store.counters(()).guard
    if guard.stopped_at is not None:
        console.print(render.guard_line(guard))
    if connection is None and state is None:
        _tell_incomplete(system, console)


def _tell_incomplete(system: System, console: Console) -> None:
    """Say that there is more than rows: somebody who has no work address yet has none."""
    told = []
    for state in (NoticeState.WAITING, NoticeState.PARKED):
        count = len(system.store.notices_in_state(state, lookup.MOST_NOTICES))
        if count:
            told.append(f"{count}{'+' if count == lookup.MOST_NOTICES else ''} {state}")
    if told:
        console.print(f"Notices without rows: {', '.join(told)}; `usher notices` says why.")


def check_connection(system: System, connection: str | None) -> None:
    """Refuse a connection that the stage does not have."""
    known = sorted(system.stage.policy.connections)
    if connection is not None and connection not in known:
        raise click.BadParameter(f"this stage has {', '.join(known) or 'no connection'}", param_hint="--connection")


def _documents(listing: lookup.Listing) -> list[dict[str, Any]]:
    return [documents.row_document(row, listing.hires.get(row.key.hire)) for row in listing.rows]


def _people(system: System, person: str, limit: int) -> list[lookup.Person]:
    if "@" in person:
        keys = lookup.keys_by_address(system.store, person, limit)
        if not keys:
            raise lookup.NotRecorded(
                f"nobody with this work address is among the first {limit} rows of each state and the newest "
                f"{lookup.MOST_NOTICES} parked and waiting notices; raise --limit, or ask by hire id"
            )
    elif "/" in person:
        try:
            keys = [HireKey.parse(person)]
        except ValueError:
            raise click.BadParameter("is not of the form source/hire_id", param_hint="PERSON") from None
    else:
        keys = [HireKey(source, person) for source in _source_names(system)]
    people = lookup.find_by_key(system.store, keys)
    if not people:
        raise lookup.NotRecorded("nothing is recorded of such a hire; `usher notices` lists what could not be used")
    return people


def _source_names(system: System) -> list[str]:
    """Every source that may have announced somebody: by webhook, or by a sender on the queue."""
    senders = (name for names in system.stage.senders_by_id.values() for name in names)
    return sorted({*system.stage.sources, *senders})


def _show_people(people: list[lookup.Person], *, as_json: bool) -> None:
    if as_json:
        _print_json([documents.person_document(p.file, notices=p.notices, holds=p.holds) for p in people])
        return
    console = screen()
    for number, person in enumerate(people):
        if number:
            console.print(Text())
        console.print(render.person_view(person.file, notices=person.notices, holds=person.holds))


def _print_json(value: list[dict[str, Any]]) -> None:
    click.echo(json.dumps(value, indent=2))
