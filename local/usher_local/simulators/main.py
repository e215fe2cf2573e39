"""Runs the simulators of a local system in one process."""

import argparse
import json
import signal
import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from usher_local.places import ATLASSIAN_PORT, HR_PORT, SECRETS, SENTRY_PORT
from usher_local.simulators.atlassian import Atlassian
from usher_local.simulators.hr_systems import HrSystems
from usher_local.simulators.sentry import Sentry
from usher_local.simulators.server import Simulator

_SECRETS: Mapping[str, str] = json.loads(SECRETS.read_text(encoding="utf-8"))
_HR_API = "hr-api/"

# The organizations of the stage file `local`, and the secrets of local/secrets.json.
SHIPPED: Mapping[str, Any] = {
    "atlassian": {
        "tokens": ["local-atlassian-token"],
        "orgs": {
            "2f7c1d9e-5b1a-4c7e-9a53-0c6d1e8f4a01": {
                "resources": ["ari:cloud:jira-software::site/70ef3a32-d0da-4e09-b35e-0109f91969c3"],
                "groups": [{"id": "ddcc4cea-cf43-4241-8f68-015a6c11ae14", "name": "jira-engineers"}],
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
    "hr": {
        "secrets": {name.removeprefix(_HR_API): key for name, key in _SECRETS.items() if name.startswith(_HR_API)},
    },
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until SIGTERM or SIGINT; gives the exit status."""
    parser = argparse.ArgumentParser(prog="python -m usher_local.simulators", description=__doc__)
    parser.add_argument("--atlassian-port", type=int, default=ATLASSIAN_PORT)
    parser.add_argument("--sentry-port", type=int, default=SENTRY_PORT)
    parser.add_argument("--hr-port", type=int, default=HR_PORT)
    parser.add_argument("--seed", type=Path, help="JSON by simulator, instead of the shipped seed")
    asked = parser.parse_args(arguments)
    seed: Mapping[str, Any] = json.loads(asked.seed.read_text(encoding="utf-8")) if asked.seed else SHIPPED
    ended = threading.Event()
    for request in (signal.SIGINT, signal.SIGTERM):
        signal.signal(request, lambda *_: ended.set())
    simulators: list[tuple[Simulator[Any], int]] = [
        (Atlassian(seed.get("atlassian")), asked.atlassian_port),
        (Sentry(seed.get("sentry")), asked.sentry_port),
        (HrSystems(seed.get("hr")), asked.hr_port),
    ]
    with ExitStack() as started:
        for simulator, port in simulators:
            simulator.start(port)
            started.callback(simulator.stop)
        where = ", ".join(f"{simulator.name} {simulator.url}" for simulator, _ in simulators)
        print(f"simulators ready: {where}", flush=True)
        ended.wait()
    return 0
