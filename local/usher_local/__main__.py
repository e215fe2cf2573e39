"""`python -m usher_local up | down | status | logs | demo | webhook`: what the Makefile runs, and a sender to try."""

import argparse
import dataclasses
import importlib
import json
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from usher_local.build import sources_digest
from usher_local.errors import LocalSystemError
from usher_local.places import STACK
from usher_local.stack import LocalSystem, Options, State, client

_DEFAULTS = Options()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; gives the exit status."""
    asked = _parser().parse_args(arguments)
    for request in (signal.SIGINT, signal.SIGTERM):
        signal.signal(request, _end_once)
    try:
        match asked.command:
            case "up":
                return _up(asked)
            case "down":
                return _down()
            case "status":
                return _status()
            case "logs":
                return _logs(asked.function)
            case "webhook":
                return _webhook(asked.source, asked.file, asked.secrets_file)
            case _:
                # Only the demo needs what the demo imports.
                demo = importlib.import_module("usher_local.demo")
                return int(demo.run(_options(asked)))
    except LocalSystemError as error:
        print(f"usher_local: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _up(asked: argparse.Namespace) -> int:
    with LocalSystem.start(_options(asked)) as system:
        _print_state(system.state)
        if system.state.pid != os.getpid():
            return 0
        print("Ctrl-C stops it.", flush=True)
        try:
            while True:
                time.sleep(3600)  # The system is in other processes; this one only waits for Ctrl-C.
        except KeyboardInterrupt:
            print("\nstopping", flush=True)
    return 0


def _down() -> int:
    state = State.load()
    if state is None:
        print("the local system is not up")
        return 0
    os.kill(state.pid, signal.SIGTERM)
    until = time.monotonic() + 30
    while State.load() is not None or _runs(state.pid):
        if time.monotonic() > until:
            raise LocalSystemError(f"process {state.pid} did not stop the local system within 30 s")
        time.sleep(0.1)  # Another process is stopping; there is nothing else to wait for.
    print("stopped")
    return 0


def _status() -> int:
    state = State.load()
    if state is None:
        print("the local system is not up; start it with: make up")
        return 1
    if state.sources != sources_digest():
        print("up, but of older sources than those of now")
    _print_state(state)
    return 0


def _logs(function: str) -> int:
    """Print what functions logged; the emulator keeps it only while it runs."""
    state = State.load()
    if state is None:
        raise LocalSystemError("the local system is not up")
    logs = client("logs")
    for group in logs.describe_log_groups()["logGroups"]:
        name = group["logGroupName"]
        if function.lower() not in name.lower() or STACK not in name:
            continue
        for event in logs.filter_log_events(logGroupName=name)["events"]:
            print(f"{name.rpartition('/')[2]}  {event['message'].rstrip()}")
    return 0


def _webhook(source: str, file: Path, secrets_file: Path) -> int:
    """Send a file to a webhook, as the HR system would."""
    state = State.load()
    if state is None:
        raise LocalSystemError("the local system is not up; start it with: make up")
    # Only this needs what signing imports.
    webhook = importlib.import_module("usher_local.webhook")
    secrets = json.loads(secrets_file.read_text(encoding="utf-8"))
    status = webhook.send(state.webhook_url, source, webhook.body_of(file), secrets)
    is_taken = status < 300
    print(f"answered {status}" + ("; `usher --local status` shows what becomes of it" if is_taken else ""))
    return 0 if is_taken else 1


def _print_state(state: State) -> None:
    print(f"local system: process {state.pid}, AWS endpoint {state.endpoint} ({state.region}), stack {state.stack}")
    print(f"  webhooks    POST {state.webhook_url}/<source>")
    print(f"  intake      {state.outputs['IntakeQueueUrl']}")
    print(f"  table       {state.outputs['TableName']}")
    for name, address in {**state.simulators, **state.addresses}.items():
        print(f"  {name:<11} {address}")
    print(f"  details     .local/state.json; took {json.dumps(dict(state.seconds))} s", flush=True)


def _options(asked: argparse.Namespace) -> Options:
    given = {"atlassian": asked.atlassian_url, "sentry": asked.sentry_url, **dict(asked.hr_url)}
    return dataclasses.replace(
        _DEFAULTS,
        stage_file=asked.stage_file,
        secrets_file=asked.secrets_file,
        addresses={name: address for name, address in given.items() if address},
    )


def _named_url(text: str) -> tuple[str, str]:
    name, _, url = text.partition("=")
    if not name or not url:
        raise argparse.ArgumentTypeError("write SOURCE=URL, like bamboohr=http://127.0.0.1:9000")
    return name, url


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _end_once(_signal: int, _frame: object) -> None:
    """End as by Ctrl-C; a second request must not cut the clean-up short."""
    for request in (signal.SIGINT, signal.SIGTERM):
        signal.signal(request, signal.SIG_IGN)
    raise KeyboardInterrupt


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m usher_local", description="Usher on this machine.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("down", help="stop the system that is up")
    commands.add_parser("status", help="say whether it is up, and where")
    logs = commands.add_parser("logs", help="print what the functions logged")
    logs.add_argument("function", nargs="?", default="", help="part of a function's name; all without it")
    webhook = commands.add_parser("webhook", help="send an event as an HR system would, signed")
    webhook.add_argument("source", help="the HR system, like okta")
    webhook.add_argument("file", type=Path, help="its body, or a sample request of events/hr_webhook")
    webhook.add_argument("--secrets-file", type=Path, default=_DEFAULTS.secrets_file, help="JSON of name to value")
    for name, says in (("up", "bring it up and keep it up"), ("demo", "send the sample events and check the outcomes")):
        command = commands.add_parser(name, help=says)
        command.add_argument("--atlassian-url", help="base URL of Atlassian instead of the simulator's")
        command.add_argument("--sentry-url", help="base URL of Sentry instead of the simulator's")
        command.add_argument(
            "--hr-url",
            action="append",
            default=[],
            type=_named_url,
            metavar="SOURCE=URL",
            help="base URL of an HR system instead of the simulator's; may be given for several",
        )
        command.add_argument("--stage-file", type=Path, default=_DEFAULTS.stage_file, help="policy and settings")
        command.add_argument("--secrets-file", type=Path, default=_DEFAULTS.secrets_file, help="JSON of name to value")
    return parser


if __name__ == "__main__":
    sys.exit(main())
