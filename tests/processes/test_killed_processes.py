"""
Built functions, killed at random moments while providers, connections and queues misbehave.

HIRES, KILLS and SEED come from the environment (`make kill-test`); without them the size is CI's.
"""

import os
import sys
from pathlib import Path

import pytest

from tests.processes import campaign
from tests.processes.faults import ANSWERS, BREAKS
from tests.processes.runtime import left_behind
from usher_local import build
from usher_local.stack import environment

HIRES = int(os.environ.get("USHER_HIRES") or 300)
KILLS = int(os.environ.get("USHER_KILLS") or 60)
SEED = int(os.environ.get("USHER_SEED") or 1)
ENOUGH_TO_MEET_EVERYTHING = 500
"""Which trouble a connection meets is drawn, and processes are never so punctual as to meet all in a short run."""

pytestmark = [
    pytest.mark.runtime,
    pytest.mark.skipif(
        not sys.platform.startswith("linux") and "USHER_COMPULSORY_LANES" not in os.environ,
        reason="LOUD: the Lambda runtime emulator runs on Linux alone; CI runs this lane",
    ),
]


def test_killed_processes_lose_nobody_mail_nobody_twice_and_leave_every_row_true(
    tmp_path: Path, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every accepted hire ends in rows that say what the provider has, with at most one mail; nothing stays live."""
    build.build(build.sources_digest(), environment())
    tell = request.config.get_terminal_writer().line

    with capsys.disabled():  # Whoever kills by the thousand wants to see it.
        tell(f"\nkilling processes; again: make kill-test HIRES={HIRES} KILLS={KILLS} SEED={SEED}; logs: {tmp_path}")
        report = campaign.run(HIRES, KILLS, SEED, tmp_path)
        tell(str(report))

    assert report.verdict.problems == []
    assert report.killed >= KILLS
    assert left_behind(tmp_path) == []
    if KILLS >= ENOUGH_TO_MEET_EVERYTHING:
        # A run that did not meet the trouble it is about says nothing.
        assert {fault.name for fault in BREAKS} <= report.broken.keys()
        assert {rule["kind"] for rule in ANSWERS} <= report.answers.keys()
        assert report.broken["refused"]
        assert report.endings["timed out"]
