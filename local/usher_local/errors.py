"""What may go wrong with the local system.

LocalSystemError
├── AlreadyRunning   another run holds the ports and files
├── PortTaken        a program of somebody else listens where we must
├── StepFailed       a program we ran ended badly
└── NotReady         a program we started did not answer in time
"""

from pathlib import Path


class LocalSystemError(Exception):
    """Base of all; the message says what to do."""


class AlreadyRunning(LocalSystemError):
    """Another run of the local system is up or coming up."""


class PortTaken(LocalSystemError):
    """A port of ours is in use."""

    def __init__(self, port: int) -> None:
        super().__init__(f"port {port} is in use by another program; end it, or find it with: lsof -i :{port}")


class StepFailed(LocalSystemError):
    """A program we ran to its end answered with an error."""

    def __init__(self, what: str, output: str) -> None:
        super().__init__(f"{what} failed:\n{output.strip()[-4000:]}")


class NotReady(LocalSystemError):
    """A program we started ended, or did not answer in time."""

    def __init__(self, what: str, log: Path) -> None:
        tail = log.read_text(errors="replace")[-2000:] if log.exists() else ""
        super().__init__(f"{what} did not come up; the end of {log.name}:\n{tail}")
