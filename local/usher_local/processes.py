"""Programs that run beside us: each leads a process group of its own and is ended by that group's id."""

import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self

from usher_local.errors import NotReady, PortTaken, StepFailed
from usher_local.places import LOOPBACK, ROOT

_PR_SET_PDEATHSIG = 1
_PATIENCE = 10.0  # The emulator closes its listeners and workers in about two seconds.


class Child:
    """A program we started; `stop` ends it and whatever it started, and returns when nothing of it is left."""

    def __init__(self, name: str, process: subprocess.Popen[bytes], log: Path) -> None:
        self.name = name
        self.log = log
        self._process = process

    @classmethod
    def start(cls, name: str, command: Sequence[str], environment: Mapping[str, str], log: Path) -> Self:
        """Start a program whose output goes to a log file."""
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as output:
            process = subprocess.Popen(
                command,
                cwd=ROOT,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                # A session of its own: Ctrl-C reaches us alone, and we end the others in order.
                start_new_session=True,
                preexec_fn=_die_with_parent(),
            )
        return cls(name, process, log)

    @property
    def pid(self) -> int:
        """The id of the program and of its group."""
        return self._process.pid

    def wait_until(self, ready: Callable[[], bool], patience: float = 30.0) -> None:
        """Wait for a program to answer; raises NotReady when it ended or took too long."""
        until = time.monotonic() + patience
        while not ready():
            if self._process.poll() is not None or time.monotonic() > until:
                raise NotReady(self.name, self.log)
            time.sleep(0.05)

    def wait(self) -> int:
        """Wait for the program's own end; gives its exit status."""
        return self._process.wait()

    def stop(self) -> None:
        """Ask the group to end, then make it; returns when no process of it runs."""
        for request in (signal.SIGTERM, signal.SIGKILL):
            until = time.monotonic() + _PATIENCE
            _signal_group(self.pid, request)
            while self._runs() and time.monotonic() < until:
                time.sleep(0.05)
            if not self._runs():
                break
        self._process.wait()

    def _runs(self) -> bool:
        self._process.poll()  # Reaps the leader, which would otherwise stay in its group as a zombie.
        return group_runs(self.pid)


def run(name: str, command: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
    """Run a program to its end; raises StepFailed when it fails, and ends it with its children when we are ended."""
    child = Child.start(name, command, environment, log)
    try:
        status = child.wait()
    finally:
        child.stop()
    if status:
        raise StepFailed(name, log.read_text(errors="replace"))


def group_runs(group: int) -> bool:
    """Whether a process of a group is still running."""
    if not sys.platform.startswith("linux"):
        return _signal_group(group, 0)
    # Orphans become zombies for good where process 1 does not reap, as in many containers: those do not count.
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _parent, its_group = stat.read_text().rpartition(")")[2].split()[:3]
        except OSError:  # It ended while we were looking.
            continue
        if int(its_group) == group and state != "Z":
            return True
    return False


def started_at(pid: int) -> str | None:
    """When a process was started, in the system's own words: a pid alone may have been given to another since."""
    if sys.platform.startswith("linux"):
        try:
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
        except OSError:
            return None
    answer = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return answer.stdout.strip() or None


def demand_free(*ports: int) -> None:
    """Raise PortTaken for the first port on which somebody listens."""
    for port in ports:
        if answers(port):
            raise PortTaken(port)


def answers(port: int) -> bool:
    """Whether somebody listens on a port of this machine."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        return probe.connect_ex((LOOPBACK, port)) == 0


def _signal_group(group: int, request: int) -> bool:
    try:
        os.killpg(group, request)
    except ProcessLookupError:
        return False
    return True


def _die_with_parent() -> Callable[[], None] | None:
    """
    On Linux the kernel ends a child when we die without a chance to clean up (SIGKILL, a crash).

    The library is loaded here, before the fork: between fork and exec as little as possible may happen.
    """
    if not sys.platform.startswith("linux"):
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl

    def ask_the_kernel() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)

    return ask_the_kernel
