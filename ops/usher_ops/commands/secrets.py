"""`usher secrets`: a value from standard input, or from a parked notice, to the vault; shown nowhere on the way."""

import re
import sys
from collections.abc import Callable, Collection, Iterable
from datetime import datetime
from typing import BinaryIO

import click

from usher.config import Stage
from usher.domain.errors import SecretUnavailable, UsherError
from usher.use_cases.receive_notice import active_secrets
from usher_ops.commands.actor import actor_option, reason_option, who
from usher_ops.system import System, choice_of_system, on_system

LARGEST = 65_536
"""Bytes that Secrets Manager takes."""

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}/[a-z0-9][a-z0-9-]{0,39}")


class UnfitSecret(UsherError):
    """A value that is no secret; it is never repeated."""


@click.group()
@choice_of_system()
def secrets() -> None:
    """Put the secrets that the stage's connections and sources need."""


@secrets.command("set")
@click.argument("name")
@on_system
def set_secret(system: System, name: str) -> None:
    """
    Create or exchange one secret; its value comes from standard input only.

    \b
    NAME is one of
        <provider>/<connection>   e.g. sentry/sentry-main: the token that invites
        sources/<source>          e.g. sources/greenhouse: the key that signs its webhooks
        hr-api/<source>           e.g. hr-api/bamboohr: the key that reads details of a hire

    On a terminal you are asked for the value, and it does not show. One line break at its end is dropped.
    """
    if problem := name_problem(name, system.stage, system.asked):
        raise click.BadParameter(problem, param_hint="NAME")
    value = read_value(sys.stdin.buffer, ask=_ask if sys.stdin.isatty() else None)
    if name.startswith("sources/"):
        check_webhook_secret(value, system.clock.now())
    new = system.put_secret(name, value)
    click.echo(f"{name} of {system.name} was {'created' if new else 'exchanged'}; it is used within a minute.")


@secrets.command("take")
@click.argument("name")
@click.argument("notice_id", metavar="NOTICE")
@click.option("--show", is_flag=True, help="Print the value as well, for the call that confirms it to the sender.")
@reason_option
@actor_option
@on_system
def take_secret(system: System, name: str, notice_id: str, show: bool, reason: str, actor: str | None) -> None:
    """
    Put the key that a sender itself has sent in place of the secret sources/<source>.

    Gusto sends the key of its signatures when a webhook is subscribed; the request is parked as NOTICE, see `usher
    notices`. Look whether it is yours before you take it: nothing signs that request.
    """
    kind, _, source = name.partition("/")
    if (problem := name_problem(name, system.stage, system.asked)) or kind != "sources":
        raise click.BadParameter(problem or "is not of the form sources/<source>", param_hint="NAME")
    value = system.take_secret.found_in(notice_id, source)
    system.put_secret(name, value)
    system.take_secret.done(notice_id, actor=who(system, actor), reason=reason)
    click.echo(f"{name} of {system.name} was exchanged; it is used within a minute.", err=show)
    if show:
        click.echo(value)


def name_problem(name: str, stage: Stage, asked: Collection[str]) -> str | None:
    """Say why the stage has no use for a secret of this name."""
    if name == "mailbox-key":
        return "the key of the mailbox digests is made at deployment; with another, nobody's guard would be found"
    if not _NAME.fullmatch(name):
        return "is not of the form <provider>/<connection>, sources/<source> or hr-api/<source>"
    kind, _, rest = name.partition("/")
    if kind in ("sources", "hr-api"):
        if rest not in stage.sources:
            return f"stage {stage.name} listens to no source {rest!r}, but to {_list(stage.sources)}"
        if kind == "hr-api" and rest not in asked:
            return f"source {rest!r} sends everything itself, so no key reads from it"
        return None
    connection = stage.policy.connections.get(rest)
    if connection is None:
        return f"stage {stage.name} has no connection {rest!r}, but {_list(stage.policy.connections)}"
    if connection.provider != kind:
        return f"connection {rest!r} is of provider {connection.provider!r}: {connection.provider}/{rest}"
    return None


def read_value(stream: BinaryIO, *, ask: Callable[[], str] | None) -> str:
    """Read a value from a stream, or by `ask` where somebody types; raises UnfitSecret."""
    raw = ask().encode() if ask else stream.read(LARGEST + 3)
    try:
        value = raw.decode()
    except UnicodeDecodeError:
        raise UnfitSecret("the value is not UTF-8 text") from None
    value = value.removesuffix("\n").removesuffix("\r")
    if not value.strip():
        raise UnfitSecret("the value is empty; nothing was changed")
    if len(value.encode()) > LARGEST:
        raise UnfitSecret(f"the value has more than {LARGEST} bytes")
    return value


def check_webhook_secret(value: str, now: datetime) -> None:
    """Refuse a value with which the door would stay shut: a list of secrets that cannot be read or has ended."""
    try:
        active_secrets(value, now)
    except SecretUnavailable as error:
        raise UnfitSecret(f"{error}; nothing was changed") from None


def _ask() -> str:
    return str(click.prompt("Value (does not show)", hide_input=True, err=True))


def _list(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "none"
