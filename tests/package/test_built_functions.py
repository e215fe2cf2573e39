"""
The built functions as real Lambda processes: the runtime emulator of the SAM CLI, the built layer, and nothing else.

The interpreter has what a Lambda runtime has and no more, so an import that only worked thanks to a developer's
environment fails here.
"""

import json
import os
import platform
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from usher_local import build
from usher_local.places import BUILD, LOOPBACK, ROOT
from usher_local.stack import environment

PROCESSOR = "arm64" if platform.machine().lower() in {"arm64", "aarch64"} else "x86_64"
PYTHON = ROOT / ".venv-runtime" / "bin" / "python"
FUNCTIONS = ["HrWebhook", "PlanInvites", "SendInvitesAtlassian", "SendInvitesSentry", "Sweep"]

pytestmark = [
    pytest.mark.runtime,
    pytest.mark.skipif(
        not sys.platform.startswith("linux") and "USHER_COMPULSORY_LANES" not in os.environ,
        reason="LOUD: the Lambda runtime emulator runs on Linux alone; CI runs this lane",
    ),
]


@pytest.fixture(scope="session")
def built() -> Path:
    """Build functions and layer, unless that has been done since the last change."""
    build.build(build.sources_digest(), environment())
    return BUILD


@pytest.fixture(scope="session")
def emulator() -> Path:
    """The runtime emulator's binary, which comes with the SAM CLI."""
    (found,) = (ROOT / ".venv-sam").glob(f"lib/python3.*/site-packages/samcli/local/rapid/aws-lambda-rie-{PROCESSOR}")
    return found


class Running:
    """One built function in one execution environment; one invocation at a time."""

    def __init__(self, port: int) -> None:
        self._url = f"http://{LOOPBACK}:{port}/2015-03-31/functions/function/invocations"

    def invoke(self, event: Any) -> Any:
        """Give the function's answer, or the error that it ended with."""
        request = urllib.request.Request(self._url, json.dumps(event).encode())  # noqa: S310 - loopback.
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - loopback.
            return json.loads(answer.read())


def free_ports() -> list[int]:
    """Find two ports that nobody listens on."""
    with socket.socket() as one, socket.socket() as two:
        one.bind((LOOPBACK, 0))
        two.bind((LOOPBACK, 0))
        return [one.getsockname()[1], two.getsockname()[1]]


@pytest.fixture
def running(request: pytest.FixtureRequest, built: Path, emulator: Path, tmp_path: Path) -> Iterator[Running]:
    """Run a built function; the endpoint of AWS is a port on which nobody listens."""
    function: str = request.param
    port, api_port = free_ports()
    variables = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(tmp_path),
        "PYTHONPATH": f"{built / function}:{built / 'UsherLayer' / 'python'}",
        "LAMBDA_TASK_ROOT": str(built / function),
        "AWS_LAMBDA_FUNCTION_NAME": function,
        "AWS_LAMBDA_FUNCTION_TIMEOUT": "60",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
        "AWS_REGION": "eu-west-1",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_ENDPOINT_URL": f"http://{LOOPBACK}:9",
        "PYTHONDONTWRITEBYTECODE": "1",
        "POWERTOOLS_METRICS_NAMESPACE": "Usher",
        "POWERTOOLS_SERVICE_NAME": function,
        "USHER_STAGE": "dev",
        "USHER_TABLE": "usher",
        "USHER_SECRETS_PREFIX": "usher",
        "USHER_NOTICE_QUEUE_URL": f"http://{LOOPBACK}:9/000000000000/notices",
        "USHER_PROVIDER": function.removeprefix("SendInvites").lower(),
    }
    command = [
        str(emulator),
        "--runtime-interface-emulator-address",
        f"{LOOPBACK}:{port}",
        "--runtime-api-address",
        f"{LOOPBACK}:{api_port}",
        *("/usr/bin/setpriv", "--pdeathsig", "KILL"),
        *(str(PYTHON), "-m", "awslambdaric", "handler.lambda_handler"),
    ]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=built / function, env=variables, stdout=log, stderr=subprocess.STDOUT)
    try:
        until = time.monotonic() + 20
        while time.monotonic() < until and process.poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex((LOOPBACK, port)) == 0:
                    break
            time.sleep(0.05)  # Another process comes up; there is nothing else to wait for.
        yield Running(port)
    finally:
        process.terminate()
        process.wait(timeout=20)


@pytest.mark.parametrize("running", ["HrWebhook"], indirect=True)
def test_the_built_webhook_refuses_a_source_that_nobody_listens_to(running: Running) -> None:
    """It loads the layer, the stage file and every source, and calls nothing."""
    event = json.loads((ROOT / "events" / "hr_webhook" / "unknown_source.json").read_text(encoding="utf-8"))

    assert running.invoke(event)["statusCode"] == 404


@pytest.mark.parametrize("running", ["HrWebhook"], indirect=True)
def test_the_built_webhook_asks_the_sender_to_come_again_when_aws_is_away(running: Running) -> None:
    """Nothing is durable, so nothing is acknowledged; and a secret that cannot be read opens no door."""
    event = json.loads((ROOT / "events" / "hr_webhook" / "greenhouse_hired.json").read_text(encoding="utf-8"))

    assert running.invoke(event)["statusCode"] == 503


@pytest.mark.parametrize("running", ["PlanInvites", "SendInvitesAtlassian", "SendInvitesSentry"], indirect=True)
def test_a_built_worker_answers_an_empty_batch(running: Running) -> None:
    """It loads the layer, the policy and its adapters, and calls nothing."""
    assert running.invoke({"Records": []}) == {"batchItemFailures": []}


@pytest.mark.parametrize("running", ["Sweep"], indirect=True)
def test_the_built_sweep_names_the_table_as_the_fault_when_aws_is_away(running: Running) -> None:
    """A typed error that an alarm counts; the next tick comes anyway."""
    assert running.invoke({})["errorType"] == "StoreUnavailable"


def test_every_bytecode_file_of_the_build_is_valid_whatever_its_source_is_dated(built: Path) -> None:
    """A deployment package dates every file 1980; ordinary bytecode would be compiled again at each cold start."""
    compiled = list((built / "UsherLayer").rglob("*.pyc"))

    assert compiled
    # The flags of an unchecked, hash-based file (PEP 552).
    assert {path.read_bytes()[4:8] for path in compiled} == {b"\x01\x00\x00\x00"}


def test_the_layer_holds_what_is_locked_and_no_aws_sdk(built: Path) -> None:
    """The runtime brings its own SDK; a second one would quadruple the layer."""
    packages = {path.name.split("-")[0].lower() for path in (built / "UsherLayer" / "python").glob("*.dist-info")}
    locked = {
        line.split("==")[0].strip().lower().replace("-", "_")
        for line in (ROOT / "layers" / "usher" / "requirements.txt").read_text(encoding="utf-8").splitlines()
        if "==" in line
    }

    assert packages <= locked
    assert {"pydantic", "httpx", "tzdata"} <= packages
    assert not {"boto3", "botocore"} & packages
