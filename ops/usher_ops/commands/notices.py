"""`usher notices`: what sources said that did not become rows at once, and replaying it."""

import click

from usher.domain.errors import QueueUnavailable
from usher.domain.notice import NoticeState
from usher_ops import lookup, render
from usher_ops.commands.actor import actor_option, reason_option, who
from usher_ops.system import System, choice_of_system, on_system, screen

MOST_LISTED = 200

_state_option = click.option(
    "--state",
    type=click.Choice([str(state) for state in NoticeState]),
    help="Only notices in this state; without it, those that are parked or wait.",
)


@click.group(invoke_without_command=True)
@choice_of_system()
@_state_option
@click.pass_context
def notices(context: click.Context, state: str | None) -> None:
    """List, show and replay notices that did not become rows at once."""
    if context.invoked_subcommand is None:
        context.invoke(list_notices, state=state)
    elif state is not None:
        raise click.UsageError("--state belongs after the word list")


@notices.command("list")
@_state_option
@on_system
def list_notices(system: System, state: str | None) -> None:
    """List notices, the newest first, with every reason."""
    states = [NoticeState(state)] if state else [NoticeState.PARKED, NoticeState.WAITING]
    records = lookup.list_notices(system.store, states, MOST_LISTED)
    console = screen()
    if not records:
        console.print(f"No notice is {' or '.join(states)}.")
        return
    console.print(render.notice_table(records, title=f"Notices of {system.name}"))
    if len(records) >= MOST_LISTED:
        console.print(f"The newest {MOST_LISTED} of each state are listed.")


@notices.command()
@click.argument("notice_id", metavar="ID")
@on_system
def show(system: System, notice_id: str) -> None:
    """Show one notice: every reason, and the fields that could be read."""
    record = system.store.notice(notice_id)
    if record is None:
        raise lookup.NotRecorded("no notice of this id is recorded; `usher notices` lists them")
    screen().print(render.notice_view(record))


@notices.command()
@click.argument("notice_id", metavar="ID")
@reason_option
@actor_option
@on_system
def replay(system: System, notice_id: str, reason: str, actor: str | None) -> None:
    """
    Plan a parked or waiting notice again now.

    For example after the policy was mended and deployed, or when an address has been entered in the HR system.
    """
    try:
        system.take_up_again.notice(notice_id, actor=who(system, actor), reason=reason)
    except QueueUnavailable:
        # It is due in the table by now; the wake-up would only have been faster.
        click.echo("The notice waits to be planned again. The queue took no wake-up; the next sweep does it.")
        return
    click.echo("The notice is being planned again; `usher notices show` tells what became of it.")
