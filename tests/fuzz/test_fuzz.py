"""A short run of the fuzzer, the same each time; `make fuzz` runs as long as one likes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.contracts.hr_systems import HrSystem, all_systems, as_answers
from tests.fuzz.doors import Door, all_doors, answers_of, as_answer_input, as_input, knock, request_of

ROOT = Path(__file__).parents[2]
RUNS = 20_000
DOORS = all_doors()
PLANTED = """
from tests.fuzz.__main__ import main
from usher.sources import okta

okta._with_start_date = lambda body, name: body | {"profile": body["profile"]}
main()
"""

linux = pytest.mark.skipif(
    not sys.platform.startswith("linux") and "USHER_COMPULSORY_LANES" not in os.environ,
    reason="atheris is built for Linux only",
)


def fuzz(folder: Path, *program: str) -> subprocess.CompletedProcess[str]:
    """Run the fuzzer so many times over, in a process of its own: it ends the process."""
    command = [sys.executable, *program, str(RUNS), str(folder)]
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


@linux
def test_no_input_ends_in_an_untyped_error(tmp_path: Path) -> None:
    """So many runs, and what failed is shown."""
    ended = fuzz(tmp_path, "-m", "tests.fuzz")
    assert ended.returncode == 0, ended.stdout[-4000:] + ended.stderr[-4000:]
    assert f"Done {RUNS} runs" in ended.stderr
    assert list((tmp_path / "found").iterdir())


@linux
def test_a_fault_that_no_sample_shows_is_found(tmp_path: Path) -> None:
    """Or the run above would mean little: here an answer without a profile ends in a KeyError."""
    ended = fuzz(tmp_path, "-c", PLANTED)
    assert ended.returncode != 0
    assert list(tmp_path.glob("crash-*")), ended.stderr[-4000:]


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.name)
def test_every_door_has_inputs_to_begin_with_and_none_of_them_is_a_finding(door: Door) -> None:
    """They are the contract's own."""
    assert door.seeds
    for seed in door.seeds:
        door.open(seed)


@pytest.mark.parametrize("system", all_systems(), ids=lambda system: system.title)
def test_an_input_means_the_request_that_it_was_made_of(system: HrSystem) -> None:
    """Method, query, headers and every byte of the body."""
    for request in system.requests:
        found = request_of(system, as_input(request))
        assert (found.method, found.query, found.headers, found.body) == (
            *(request.method, request.query),
            *(request.headers, request.body),
        )
    answers = as_answers([*system.details, {"a": 1}])
    assert answers_of(as_answer_input(answers)) == answers


def test_an_untyped_error_behind_a_door_is_a_finding() -> None:
    """It reaches the fuzzer as it is."""
    known: dict[bytes, None] = {}
    doors = (Door("shut", lambda data: None, ()), Door("broken", lambda data: known[data], ()))
    knock(doors, b"")
    knock(doors, b"\x02any")
    with pytest.raises(KeyError):
        knock(doors, b"\x03any")
