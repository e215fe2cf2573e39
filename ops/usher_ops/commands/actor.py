"""Who does it and why: the options of every command whose doing is written down."""

import click

reason_option = click.option(
    "--reason", required=True, metavar="TEXT", help="Why; it is written down with your name and the time."
)
actor_option = click.option(
    "--actor", metavar="NAME", help="Who does it; without it, the identity that AWS knows you by (or 'local')."
)
