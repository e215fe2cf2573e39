"""`python -m usher_local.simulators`: all of them in one process, until it is told to end."""

import argparse
import json
import signal
import sys
import threading
from pathlib import Path
from typing import Any

from usher_local.places import ATLASSIAN_PORT, BAMBOOHR_PORT, SENTRY_PORT
from usher_local.simulators.atlassian import Atlassian
from usher_local.simulators.bamboohr import BambooHr
from usher_local.simulators.sentry import Sentry
from usher_local.simulators.server import Simulator

# The organizations of the stage file `local`, and the secrets of local/secrets.json.
SHIPPED: dict[str, Any] = {
    "atlassian": {
        "tokens": ["local-atlassian-token"],
        "orgs": {
            "2f7c1d9e-5b1a-4c7e-9a53-0c6d1e8f4a01": {
                "resources": ["ari:cloud:jira-software::site/70ef3a32-d0da-4e09-b35e-0109f91969c3"],
                "groups": ["ddcc4cea-cf43-4241-8f68-015a6c11ae14"],
            }
        },
    },
    "sentry": {
        "tokens": {
            "local-sentry-token": {
                "organizations": ["acme"],
                "scopes": ["member:read", "member:invite", "member:write", "member:admin"],
            },
            "local-sentry-labs-token": {"organizations": ["acme-labs"]},
        },
        "organizations": {"acme": {"teams": ["platform"]}, "acme-labs": {}},
    },
    "bamboohr": {"api_key": "local-bamboohr-key"},
}


def main() -> int:
    """Run until SIGTERM or SIGINT; gives the exit status."""
    parser = argparse.ArgumentParser(prog="python -m usher_local.simulators", description=__doc__)
    parser.add_argument("--atlassian-port", type=int, default=ATLASSIAN_PORT)
    parser.add_argument("--sentry-port", type=int, default=SENTRY_PORT)
    parser.add_argument("--bamboohr-port", type=int, default=BAMBOOHR_PORT)
    parser.add_argument("--seed", type=Path, help="JSON by simulator, instead of the shipped seed")
    asked = parser.parse_args()
    seed = json.loads(asked.seed.read_text(encoding="utf-8")) if asked.seed else SHIPPED
    simulators: list[tuple[Simulator, int]] = [
        (Atlassian(seed.get("atlassian")), asked.atlassian_port),
        (Sentry(seed.get("sentry")), asked.sentry_port),
        (BambooHr(seed.get("bamboohr", {}).get("api_key", "")), asked.bamboohr_port),
    ]
    ended = threading.Event()
    for request in (signal.SIGINT, signal.SIGTERM):
        signal.signal(request, lambda *_: ended.set())
    for simulator, port in simulators:
        simulator.start(port)
    print(
        "simulators ready: " + ", ".join(f"{simulator.name} {simulator.url}" for simulator, _ in simulators), flush=True
    )
    ended.wait()
    for simulator, _ in simulators:
        simulator.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
