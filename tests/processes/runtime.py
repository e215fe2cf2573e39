"""One execution environment: a built function under the Lambda runtime emulator, which can be killed at any moment."""

import http.client
import json
import os
import platform
import signal
import socket
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from usher_local.places import LOOPBACK, ROOT

PROCESSOR = "arm64" if platform.machine().lower() in {"arm64", "aarch64"} else "x86_64"
PYTHON = ROOT / ".venv-runtime" / "bin" / "python"
PATH = "/2015-03-31/functions/function/invocations"
DIE_WITH_PARENT = ("/usr/bin/setpriv", "--pdeathsig", "KILL")
PATIENCE = 20.0


class FunctionFailed(Exception):
    """The platform would call this a function error: the process died, ran out of time, or raised."""


class Runtime:
    """
    A built function in an environment of its own; `invoke` is for one thread, `kill` for any.

    The emulator takes one invocation at a time and starts the function's process again after it died.
    """

    def __init__(self, name: str, built: Path, variables: Mapping[str, str], folder: Path, timeout: int) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        self.timeout = timeout
        self.is_busy = False
        self.endings: Counter[str] = Counter()
        self._built = built
        self._variables = dict(variables)
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self._guard = threading.Lock()
        self._port = 0

    def invoke(self, event: Any) -> Any:
        """Give the function's answer; raises FunctionFailed, after which the next call finds a fresh process."""
        self._be_up()
        self.is_busy = True
        try:
            answer = self._asked(json.dumps(event).encode())
        except FunctionFailed as failure:
            self.endings[str(failure)] += 1
            raise
        finally:
            self.is_busy = False
        self.endings["answered"] += 1
        return answer

    def kill(self) -> bool:
        """SIGKILL the function's process, not the emulator; False where there is none at this moment."""
        with self._guard:
            children = _children(self._process.pid) if self._process is not None else []
            return sum(_killed(child) for child in children) > 0

    def kill_environment(self) -> bool:
        """SIGKILL the emulator; the kernel ends the function's process with it."""
        with self._guard:
            return self._process is not None and self._process.poll() is None and _killed(self._process.pid)

    def stop(self) -> None:
        """End the emulator and the function's process."""
        with self._guard:
            if self._process is not None:
                self._process.kill()
                self._process.wait(timeout=PATIENCE)
                self._process = None

    def _asked(self, body: bytes) -> Any:
        connection = http.client.HTTPConnection(LOOPBACK, self._port, timeout=self.timeout + PATIENCE)
        try:
            connection.request("POST", PATH, body)
            response = connection.getresponse()
            status, text = response.status, response.read()
        except (OSError, http.client.HTTPException):
            raise FunctionFailed("the environment died") from None
        finally:
            connection.close()
        if status != http.HTTPStatus.OK:
            raise FunctionFailed("the process died")
        try:
            answer = json.loads(text)
        except ValueError:  # The emulator tells a timeout in plain words, with status 200.
            raise FunctionFailed("timed out" if b"timed out" in text else "no JSON") from None
        if isinstance(answer, dict) and "errorType" in answer:
            raise FunctionFailed(str(answer["errorType"]))
        return answer

    def _be_up(self) -> None:
        with self._guard:
            if self._process is not None and self._process.poll() is None:
                return
            with socket.socket() as one, socket.socket() as two:
                one.bind((LOOPBACK, 0))
                two.bind((LOOPBACK, 0))
                self._port, api_port = one.getsockname()[1], two.getsockname()[1]
            self._process = self._started(api_port)
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until and self._process.poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex((LOOPBACK, self._port)) == 0:
                    return
            time.sleep(0.02)  # Another process comes up; there is nothing else to wait for.

    def _started(self, api_port: int) -> "subprocess.Popen[bytes]":
        command = [
            *DIE_WITH_PARENT,
            str(_emulator()),
            *("--runtime-interface-emulator-address", f"{LOOPBACK}:{self._port}"),
            *("--runtime-api-address", f"{LOOPBACK}:{api_port}"),
            *DIE_WITH_PARENT,
            *(str(PYTHON), "-m", "awslambdaric", "handler.lambda_handler"),
        ]
        variables = {
            "PATH": "/usr/bin:/bin",
            "HOME": str(self._folder),
            "LAMBDA_TASK_ROOT": str(self._built),
            "AWS_LAMBDA_FUNCTION_NAME": self._built.name,
            "AWS_LAMBDA_FUNCTION_TIMEOUT": str(self.timeout),
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        with self.log.open("ab") as log:
            return subprocess.Popen(
                command,
                cwd=self._built,
                env=variables | self._variables,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )


def _emulator() -> Path:
    """The runtime emulator's binary, which comes with the SAM CLI."""
    (found,) = (ROOT / ".venv-sam").glob(f"lib/python3.*/site-packages/samcli/local/rapid/aws-lambda-rie-{PROCESSOR}")
    return found


def _children(pid: int) -> list[int]:
    """The processes that a process has started, by any of its threads."""
    found: list[int] = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = stat.read_text().rpartition(")")[2].split()[:2]
        except OSError:  # It ended while we were looking.
            continue
        if int(parent) == pid and state != "Z":
            found.append(int(stat.parent.name))
    return found


def _killed(pid: int) -> bool:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


def left_behind(folder: Path) -> list[int]:
    """The processes that still run with a folder in their environment, as everything does that is started here."""
    found: list[int] = []
    for environ in Path("/proc").glob("[0-9]*/environ"):
        try:
            holds = os.fsencode(folder) in environ.read_bytes()
        except OSError:  # It ended while we were looking, or is somebody else's.
            continue
        if holds and int(environ.parent.name) != os.getpid():
            found.append(int(environ.parent.name))
    return found
