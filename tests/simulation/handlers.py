"""The real handlers of the functions behind queues and schedule, each loaded once."""

import importlib.util
import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from usher import bootstrap
from usher.use_cases import call_provider

ROOT = Path(__file__).parents[2]
FUNCTIONS = ("plan_invites", "send_invites", "sweep")
ENVIRONMENT = {
    "POWERTOOLS_METRICS_DISABLED": "true",
    "POWERTOOLS_METRICS_NAMESPACE": "Usher",
    "POWERTOOLS_SERVICE_NAME": "simulation",
}

Handler = Callable[[dict[str, Any], Any], dict[str, Any]]


class Logged:
    """A logger that keeps what is logged."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, dict[str, Any]]] = []

    def info(self, message: str, **values: Any) -> None:
        """Keep a line."""
        self.lines.append((message, values))

    warning = info
    error = info


class PoolOfOne:
    """Runs each call at once, in order: requests side by side would make a schedule depend on the machine."""

    def __init__(self, workers: int) -> None:
        self.workers = workers

    def submit(self, call: Callable[..., Any], *arguments: Any) -> "Future[Any]":
        """Run now; what ends the process ends it here."""
        future: Future[Any] = Future()
        future.set_result(call(*arguments))
        return future

    def shutdown(self) -> None:
        """Nothing is left to wait for."""


@cache
def _module(function: str) -> Any:
    spec = importlib.util.spec_from_file_location(f"simulated_{function}", ROOT / "functions" / function / "handler.py")
    assert spec is not None
    assert spec.loader is not None
    module: Any = importlib.util.module_from_spec(spec)
    with patch.dict(os.environ, ENVIRONMENT):
        spec.loader.exec_module(module)
    # A tracer of counts is no part of the protocol; the metrics of a handler have tests of their own.
    module.metrics = SimpleNamespace(add_metric=lambda **_: None)
    module.lambda_handler = getattr(module.lambda_handler, "__wrapped__", module.lambda_handler)
    return module


@contextmanager
def handlers(current: Callable[[], Any], logged: Logged) -> Iterator[dict[str, Handler]]:
    """Give the handlers, wired to what `current` says is the stack of the process that runs."""
    modules = {name: _module(name) for name in FUNCTIONS}
    for module in modules.values():
        module.logger = logged
    with (
        patch.object(bootstrap, "stack", current),
        patch.object(call_provider, "ThreadPoolExecutor", PoolOfOne),
    ):
        yield {name: module.lambda_handler for name, module in modules.items()}
