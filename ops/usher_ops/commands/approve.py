"""`usher approve`: a mass of invitations is meant, and the guard lets it pass."""

from datetime import UTC, datetime, timedelta

import click

from usher_ops.commands.actor import actor_option, reason_option, who
from usher_ops.render import moment
from usher_ops.system import System, on_system

DEFAULT_LENGTH = timedelta(days=1)


@click.command()
@click.option("--invitations", type=click.IntRange(1, 1_000_000), help="How many more may go.")
@click.option(
    "--until",
    type=click.DateTime(["%Y-%m-%dT%H:%M", "%Y-%m-%d"]),
    help="Until when, UTC; default is a day from now. Without --invitations, any number may go until then.",
)
@reason_option
@actor_option
@on_system
def approve(system: System, invitations: int | None, until: datetime | None, reason: str, actor: str | None) -> None:
    """
    Let invitations go that the guard against mass mistakes holds back, or would hold back.

    Look at them first: `usher status --state pending`. The guard says when far more go out in an hour than the stage
    allows, or than usual.
    """
    if invitations is None and until is None:
        raise click.UsageError("say how much: --invitations 500, or --until 2026-12-01T18:00, or both")
    end = until.replace(tzinfo=UTC) if until else system.clock.now() + DEFAULT_LENGTH
    system.approve(invitations=invitations, until=end, actor=who(system, actor), reason=reason)
    number = "Any number of" if invitations is None else f"{invitations} more"
    click.echo(f"{number} invitations may go until {moment(end)} UTC; those that wait look again within 15 minutes.")
