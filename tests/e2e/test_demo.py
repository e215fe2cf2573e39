"""The whole system on this machine, as `make demo` and `make up` run it."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from usher_local.places import ATLASSIAN_PORT, GATEWAY_PORT, HOME, HR_PORT, ROOT, RUN, SENTRY_PORT, STATE
from usher_local.processes import answers, group_runs

pytestmark = pytest.mark.e2e

PORTS = (GATEWAY_PORT, ATLASSIAN_PORT, SENTRY_PORT, HR_PORT)
COMMAND = [sys.executable, "-m", "usher_local"]
MINUTES = 5 * 60


def nothing_is_left() -> bool:
    """No port, no state, no temporary file of a run."""
    return not any(answers(port) for port in PORTS) and not STATE.exists() and not RUN.exists()


@pytest.fixture(autouse=True)
def _not_beside_a_system_that_is_up() -> None:
    """The demo would join it, and these tests would stop it."""
    if STATE.exists() and any(answers(port) for port in PORTS):
        pytest.fail("a local system is up; stop it first with: make down")


def test_the_demo_ends_as_its_events_call_for_and_leaves_nothing_behind() -> None:
    """Every row, every parked notice and every mail, counted; then no process, port or file is left."""
    done = subprocess.run([*COMMAND, "demo"], cwd=ROOT, capture_output=True, text=True, timeout=MINUTES, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "every row, every parked notice and every mail is what the events call for" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    assert nothing_is_left()


def test_a_system_that_is_kept_up_is_joined_and_ctrl_c_leaves_nothing_behind(tmp_path: Path) -> None:
    """The command line reads it, a second start joins it, and one signal ends all of it."""
    log = tmp_path / "up.log"
    with log.open("w") as output:
        # A session of its own, as a terminal gives: the signal must reach the launcher alone.
        up = subprocess.Popen([*COMMAND, "up"], cwd=ROOT, stdout=output, stderr=output, start_new_session=True)
    try:
        until = time.monotonic() + MINUTES
        while "Ctrl-C stops it" not in log.read_text() and time.monotonic() < until and up.poll() is None:
            time.sleep(0.2)  # Another process comes up; there is nothing else to wait for.
        assert up.poll() is None, log.read_text()

        again = subprocess.run([*COMMAND, "up"], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
        assert again.returncode == 0, again.stderr
        assert re.search(r"using the local system that process \d+ keeps up", again.stdout)
        status = subprocess.run(
            [sys.executable, "-m", "usher_ops", "--local", "status"],
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(str(ROOT / part) for part in ("layers/usher", "ops"))},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert status.returncode == 0, status.stderr
    finally:
        os.kill(up.pid, signal.SIGINT)
        up.wait(timeout=60)
    assert nothing_is_left()
    assert not group_runs(up.pid)
    assert HOME.exists()
