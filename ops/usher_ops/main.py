"""The `usher` command: its groups, and how failures that one expects are told. docs/cli.md."""

from typing import Any

import click
from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

from usher.domain.errors import UsherError
from usher_ops import __version__
from usher_ops.commands.approve import approve
from usher_ops.commands.go_live import go_live
from usher_ops.commands.notices import notices
from usher_ops.commands.secrets import secrets
from usher_ops.commands.send import send
from usher_ops.commands.status import status
from usher_ops.commands.take_up import take_up
from usher_ops.connect import connect
from usher_ops.system import Asked, choice_of_system


class _Plain(click.Group):
    """Ends an expected failure with one line that says where and what, and status 1."""

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        # Before the options are read, for they write into it.
        kwargs.setdefault("obj", Asked(connect))
        return super().make_context(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except UsherError as error:
            raise click.ClickException(f"{_where(ctx)}: {error}") from None
        except (ClientError, BotoCoreError) as error:
            raise click.ClickException(f"{_where(ctx)}: {_aws(error)}") from None


@click.group(cls=_Plain, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@choice_of_system(envvar="USHER_STACK")
@click.version_option(__version__, message="usher %(version)s")
def usher() -> None:
    """
    Look after Usher, which invites new hires into the organizations they belong in.

    \b
    Say which system with --stack (or the variable USHER_STACK), or --local for the one that `make up` runs:
        usher --local status
        usher status --stack usher-prod canonical/E-1001
    """


usher.add_command(status)
usher.add_command(notices)
usher.add_command(go_live)
usher.add_command(secrets)
usher.add_command(send)
usher.add_command(take_up)
usher.add_command(approve)


def main() -> None:
    """Run the command and exit with its status: 0, 1 for a failure, 2 for a command line that is wrong."""
    usher(prog_name="usher")


def _where(context: click.Context) -> str:
    asked = context.find_object(Asked)
    return asked.where if asked else "usher"


def _aws(error: ClientError | BotoCoreError) -> str:
    """Say what AWS or the way to it refused. A service's own message may repeat what was sent, so its code must do."""
    if isinstance(error, ClientError):
        return f"AWS refused {error.operation_name}: {error.response.get('Error', {}).get('Code', 'no reason given')}"
    if isinstance(error, ParamValidationError):
        return "the request does not fit what AWS takes"
    return f"AWS cannot be asked: {error}"
