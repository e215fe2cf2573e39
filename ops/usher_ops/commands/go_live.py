"""`usher go-live`: planned rows become invitations, after a preview."""

from zoneinfo import ZoneInfo

import click
from rich.table import Table

from usher.domain.invitation import Invitation, NotNow, State
from usher_ops import render
from usher_ops.commands.actor import actor_option, reason_option, who
from usher_ops.commands.status import check_connection
from usher_ops.system import System, on_system, screen


@click.command("go-live")
@click.option("--connection", metavar="NAME", help="Only rows of this connection.")
@click.option("--include-started", is_flag=True, help="Also people whose first day of work has passed.")
@click.option("--yes", is_flag=True, help="Do not ask; for scripts.")
@reason_option
@actor_option
@on_system
def go_live(
    system: System, connection: str | None, include_started: bool, yes: bool, reason: str, actor: str | None
) -> None:
    """
    Send the invitations that wait in state planned, after a preview.

    The deployed policy must say mode = "live" for the company and the connection; rows of connections in plan mode stay
    planned. Without --include-started, only people who have not started yet, or who start today.
    """
    check_connection(system, connection)
    policy = system.stage.policy
    today = system.clock.now().astimezone(ZoneInfo(policy.company.time_zone)).date()
    starting_from = None if include_started else today
    planned = system.go_live.preview(connection=connection, starting_from=starting_from)
    rows = [row for row in planned if policy.is_live(row.connection)]
    console = screen()
    if not planned:
        console.print(
            "No planned row would go live." + ("" if include_started else " Have they started? --include-started")
        )
        return
    console.print(_preview(system, rows or planned, "These rows would go live"))
    stays = sorted({row.connection for row in planned if not policy.is_live(row.connection)})
    if stays and rows:
        console.print(f"In plan mode, and left as they are: the rows of {', '.join(stays)}.")
    if not rows:
        raise NotNow(
            f"{', '.join(stays)}: in plan mode in {system.stage.name}.toml (policy {policy.stamp}); "
            'set mode = "live" for company and connection, raise version, and deploy first'
        )
    if not yes and not click.confirm(f"Send {_counted(len(rows), 'invitation')} of {system.name}?"):
        console.print("Nothing was changed.")
        raise click.exceptions.Exit(1)
    _promote(system, rows, actor=who(system, actor), reason=reason)


def _promote(system: System, rows: list[Invitation], *, actor: str, reason: str) -> None:
    live = system.go_live(rows, actor=actor, reason=reason)
    after = system.store.invitations(live)
    waiting = sum(row.state is State.DUPLICATE for row in after.values())
    click.echo(f"{_counted(len(live) - waiting, 'row')} went live, to be sent when due, with the next sweep.")
    if waiting:
        click.echo(f"{_counted(waiting, 'row')} held back as a duplicate: another row has the mailbox.")
    if len(live) < len(rows):
        raise NotNow(f"{_counted(len(rows) - len(live), 'row')} changed meanwhile and left as found; run it again")


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _preview(system: System, rows: list[Invitation], title: str) -> Table:
    records = {row.key.hire: system.store.hire(row.key.hire).record for row in rows}
    hires = {key: record for key, record in records.items() if record is not None}
    return render.outcome_table(rows, hires, title=title)
