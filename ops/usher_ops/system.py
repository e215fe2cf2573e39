"""
The system that a command works on, and the choice of it.

A command sees ports and use cases; `usher_ops.connect` alone knows AWS.
"""

import functools
import sys
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any, Concatenate, Protocol

import click
from rich.console import Console

from usher.config import Stage
from usher.domain.errors import UsherError
from usher.ports import Clock, Store
from usher.use_cases.operate import Approve, GoLive, TakeSecret, TakeUpAgain

WIDE = 200
"""Columns where nobody looks: a pipe or a file is not folded to 80."""


class SystemUnavailable(UsherError):
    """There is no such stack, or the local system does not run; the message says what to do."""


@dataclass(frozen=True, slots=True)
class System:
    """
    One deployed system, as far as an operator may touch it.

    `asked` names the sources whose API is asked, for details or for a list; `put_secret` takes a name without the
    stack's prefix, and says whether the secret is new; `send` puts the body of one message on the event intake and
    gives the message's id.
    """

    name: str
    stage: Stage
    store: Store
    go_live: GoLive
    take_up_again: TakeUpAgain
    approve: Approve
    take_secret: TakeSecret
    asked: Collection[str]
    clock: Clock
    whoami: Callable[[], str]
    put_secret: Callable[[str, str], bool] = field(repr=False)
    send: Callable[[str], str]


class Connect(Protocol):
    """Finds the system that was asked for; raises SystemUnavailable, BadPolicy and botocore's errors."""

    def __call__(self, stack: str | None, *, local: bool) -> System: ...


@dataclass(slots=True)
class Asked:
    """Which system the command line asks for, and how to reach it. Tests bring a `connect` of their own."""

    connect: Connect
    stack: str | None = None
    local: bool = False

    @property
    def where(self) -> str:
        """Name the system for an error message."""
        return "the local system" if self.local else self.stack or "usher"


def choice_of_system[Command: Callable[..., Any]](*, envvar: str | None = None) -> Callable[[Command], Command]:
    """Add `--stack` and `--local`; both may stand before or after a command's name."""

    def decorate(command: Command) -> Command:
        stack = click.option(
            "--stack",
            metavar="NAME",
            envvar=envvar,
            expose_value=False,
            callback=_ask_stack,
            help="The deployed CloudFormation stack, e.g. usher-dev; default is $USHER_STACK.",
        )
        local = click.option(
            "--local",
            is_flag=True,
            expose_value=False,
            callback=_ask_local,
            help="The system that `make up` runs on this machine; your own AWS credentials play no part.",
        )
        return stack(local(command))

    return decorate


def on_system[**Rest, Answer](
    command: Callable[Concatenate[System, Rest], Answer],
) -> Callable[Rest, Answer]:
    """Give a command the system that the command line asks for, as its first argument."""

    @click.pass_context
    def connected(context: click.Context, /, *args: Rest.args, **kwargs: Rest.kwargs) -> Answer:
        asked = context.find_object(Asked)
        assert asked is not None, "the group makes it"  # noqa: S101 - for the type checker.
        if not asked.local and not asked.stack:
            raise click.UsageError("say which system: --stack usher-dev (or USHER_STACK), or --local", context)
        return command(asked.connect(asked.stack, local=asked.local), *args, **kwargs)

    return choice_of_system()(functools.update_wrapper(connected, command))


def screen() -> Console:
    """Give the console to print on."""
    console = Console(highlight=False)
    if not sys.stdout.isatty():
        console.width = max(console.width, WIDE)
    return console


def _ask_stack(context: click.Context, _: click.Parameter, value: str | None) -> None:
    asked = context.find_object(Asked)
    if value and asked is not None:
        asked.stack = value


def _ask_local(context: click.Context, _: click.Parameter, value: bool) -> None:
    asked = context.find_object(Asked)
    if value and asked is not None:
        asked.local = True
