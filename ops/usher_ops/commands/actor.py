"""Who does it and why: the options of every command whose doing is written down."""

import click

from usher_ops.system import System

reason_option = click.option(
    "--reason", required=True, metavar="TEXT", help="Why; it is written down with your name and the time."
)
actor_option = click.option(
    "--actor", metavar="NAME", help="For whom you do it; your own identity is written down beside it."
)


def who(system: System, actor: str | None) -> str:
    """Say who acts: the identity that AWS knows (or 'local'), and for whom, if that is said."""
    return f"{system.whoami()} for {actor}" if actor else system.whoami()
