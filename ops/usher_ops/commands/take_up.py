"""`usher take-up`: let a parked row try again."""

import click

from usher.domain.invitation import InvitationKey, NotNow
from usher_ops.commands.actor import actor_option, reason_option, who
from usher_ops.system import System, on_system


@click.command("take-up")
@click.argument("row", metavar="SOURCE/HIRE_ID/CONNECTION[/GENERATION]")
@reason_option
@actor_option
@on_system
def take_up(system: System, row: str, reason: str, actor: str | None) -> None:
    """
    Let a parked row try again, after what stopped it was mended.

    A row under which anything was ever posted first asks the provider; no other row is sent twice by this either.
    """
    key = _key(row)
    system.take_up_again.row(key, actor=who(system, actor), reason=reason)
    click.echo(f"{key} is live again; the next sweep takes it up.")


def _key(text: str) -> InvitationKey:
    parts = text.split("/")
    try:
        return InvitationKey.parse(text if len(parts) == 4 else f"{text}/1")
    except ValueError:
        raise NotNow(
            f"{text!r} names no row; rows are named source/hire_id/connection, e.g. canonical/E-1/main"
        ) from None
