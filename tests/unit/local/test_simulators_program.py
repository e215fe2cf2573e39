"""The simulators as the local system uses them: the shipped seed, the events of the demo, and a seed of one's own."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.unit.local.provider_client import asked
from usher_local.places import ROOT
from usher_local.simulators.atlassian import Atlassian
from usher_local.simulators.hr_systems import HrSystems
from usher_local.simulators.main import SHIPPED
from usher_local.simulators.sentry import Sentry

DEMO = json.loads((ROOT / "events" / "demo" / "seed.json").read_text(encoding="utf-8"))
SIMULATORS = {"atlassian": Atlassian, "sentry": Sentry, "hr": HrSystems}


@pytest.mark.parametrize("name", sorted(SIMULATORS))
def test_the_demo_can_seed_what_is_shipped(name: str) -> None:
    """
    After a reset, as it does before each run.
    """
    with asked(SIMULATORS[name], SHIPPED[name]) as caller:
        caller.control("POST", "reset", {})
        caller.seed(DEMO["seed"].get(name, {}))
        for rule in DEMO["faults"].get(name, []):
            caller.fault(**rule)

        assert caller.control("GET", "state")


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_the_program_takes_a_seed_and_ends_when_told(tmp_path: Path, how: signal.Signals) -> None:
    """
    With status 0, after one line, and its ports are closed.
    """
    noor = {"ids": {"bamboohr": "7"}, "given_name": "Noor", "family_name": "Haddad", "start_date": "2026-10-05"}
    seed: dict[str, Any] = {"hr": {"secrets": {"bamboohr": "other"}, "people": [noor]}}
    (tmp_path / "seed.json").write_text(json.dumps(seed), encoding="utf-8")
    ports = [f"--{name}-port=0" for name in SIMULATORS]
    command = [sys.executable, "-m", "usher_local.simulators", f"--seed={tmp_path / 'seed.json'}", *ports]
    program = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT / "local")
    assert program.stdout is not None
    ready = program.stdout.readline()
    try:
        url = f"{ready.split('hr ')[1].strip()}/bamboohr/api/v1/employees/7"
        answer = httpx.get(url, params={"fields": "firstName"}, auth=("other", "x"), trust_env=False)
    finally:
        program.send_signal(how)
        rest, errors = program.communicate(timeout=30)

    assert answer.json() == {"id": "7", "firstName": "Noor"}
    assert ready.startswith("simulators ready: ")
    assert (program.returncode, rest, errors) == (0, "", "")
    with pytest.raises(httpx.ConnectError):
        httpx.get(url, trust_env=False)
