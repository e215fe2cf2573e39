"""The command as a whole: which system it works on, and how failures are told."""

import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Never

import pytest
from botocore.exceptions import ClientError, NoCredentialsError, ParamValidationError

from tests.unit.ops.desk import Desk
from usher.domain.errors import StoreUnavailable
from usher_ops import __version__
from usher_ops.system import Asked, System

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("line", "asked_for"),
    [
        (("--stack", "usher-prod", "status"), ("usher-prod", False)),
        (("status", "--stack", "usher-prod"), ("usher-prod", False)),
        (("--stack", "usher-dev", "status", "--stack", "usher-prod"), ("usher-prod", False)),
        (("status",), ("usher-env", False)),
        (("--local", "status"), ("usher-env", True)),
        (("status", "--local"), ("usher-env", True)),
        (("notices", "--local"), ("usher-env", True)),
        (("notices", "list", "--local"), ("usher-env", True)),
    ],
)
def test_the_system_is_named_before_or_after_the_command_or_by_the_environment(
    line: tuple[str, ...], asked_for: tuple[str, bool]
) -> None:
    """What stands nearest to the command counts, and --local before everything."""
    desk = Desk()

    assert desk.run(*line, environment={"USHER_STACK": "usher-env"}).exit_code == 0
    assert desk.asked_for == [asked_for]


def test_without_a_system_the_command_line_is_wrong() -> None:
    """It says how to name one."""
    told = Desk().run("status")

    assert told.exit_code == 2
    assert "--stack usher-dev" in told.stderr


def refused(code: str) -> ClientError:
    """Make AWS's refusal, with a message that repeats what was sent."""
    return ClientError({"Error": {"Code": code, "Message": "ann@example.com is not valid"}}, "GetItem")


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (StoreUnavailable("the table did not answer: AccessDenied"), "the table did not answer: AccessDenied"),
        (refused("ExpiredToken"), "AWS refused GetItem: ExpiredToken"),
        (NoCredentialsError(), "AWS cannot be asked: Unable to locate credentials"),
        (ParamValidationError(report="ann@example.com"), "the request does not fit what AWS takes"),
    ],
)
def test_an_expected_failure_is_one_line_that_says_where_and_what(error: Exception, says: str) -> None:
    """No traceback, no value that was sent, and status 1."""

    class Broken(Desk):
        def connect(self, stack: str | None, *, local: bool) -> Never:
            raise error

    told = Broken()("status")
    assert (told.exit_code, told.stderr) == (1, f"Error: usher-test: {says}\n")


def test_a_stack_that_is_not_there_is_told_by_name() -> None:
    """Whoever mistyped it sees it."""
    told = Desk().run("--stack", "usher-nowhere", "status")

    assert (told.exit_code, told.stderr) == (1, "Error: usher-nowhere: there is no stack of this name\n")


def test_a_fault_of_our_own_is_not_hidden() -> None:
    """Only expected failures are told in one line."""

    class Faulty(Desk):
        def connect(self, stack: str | None, *, local: bool) -> System:
            raise ZeroDivisionError

    assert isinstance(Faulty()("status").exception, ZeroDivisionError)


def test_the_version_is_the_projects() -> None:
    """Both places are changed together."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

    assert __version__ == project["version"]
    assert Desk().run("--version").output == f"usher {__version__}\n"


@pytest.mark.parametrize("command", ["status", "notices", "go-live", "secrets", "send"])
def test_every_command_explains_itself_and_has_its_place_in_the_docs(command: str) -> None:
    """A newcomer needs no system for reading help."""
    told = Desk().run(command, "--help")

    assert told.exit_code == 0
    assert f"usher {command}" in (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")


def test_python_runs_the_package() -> None:
    """Where no `usher` is on the path."""
    told = subprocess.run([sys.executable, "-m", "usher_ops", "--version"], capture_output=True, text=True, check=True)

    assert told.stdout.startswith("usher ")


def test_asking_says_where_it_is_asked() -> None:
    """For error messages."""
    desk = Desk()

    assert Asked(desk.connect, local=True).where == "the local system"
