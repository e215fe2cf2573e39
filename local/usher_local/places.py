"""Where the local system keeps its files, and the ports it listens on: fixed, so that a person can type them."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HOME = ROOT / ".local"  # Ignored by git; everything the local system writes is below it.
RUN = HOME / "run"  # Lives and dies with one run: code of the emulated functions, objects, temporary files.
LOGS = HOME / "logs"
BUILD = HOME / "build"  # Not .aws-sam/build: what is rewritten for this machine must never be deployed elsewhere.
STATE = HOME / "state.json"
LOCK = HOME / "lock"
SECRETS = ROOT / "local" / "secrets.json"  # Of this machine alone, and of nobody: they are in the repository.

LOOPBACK = "127.0.0.1"
GATEWAY_PORT = 4566
ATLASSIAN_PORT = 4610
SENTRY_PORT = 4611
HR_PORT = 4612

ENDPOINT = f"http://{LOOPBACK}:{GATEWAY_PORT}"
REGION = "eu-west-1"
STACK = "usher-local"
STAGE = "local"
BUCKET = "usher-artifacts"  # Also named in samconfig.toml.


def program(environment: str, name: str) -> str:
    """Path of a program in one of the project's virtual environments."""
    return str(ROOT / environment / "bin" / name)
