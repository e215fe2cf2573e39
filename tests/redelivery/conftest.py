"""The handlers, wired to the kit of the test that runs."""

import os
from collections.abc import Callable, Iterator

import pytest

from tests.redelivery.feed import Feed
from tests.redelivery.kit import Kit
from tests.simulation.handlers import Logged, handlers

# Powertools reads its settings when a handler is imported.
os.environ.setdefault("POWERTOOLS_METRICS_NAMESPACE", "Usher")
os.environ.setdefault("POWERTOOLS_SERVICE_NAME", "tests")

Start = Callable[[Feed], Kit]


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Give what starts a stack; the newest one is that of the handlers."""
    from functions.hr_webhook import handler

    monkeypatch.setattr(handler, "logger", Logged())
    current: list[Kit] = []
    with handlers(lambda: current[-1].stack, Logged()) as found:

        def begin(feed: Feed) -> Kit:
            kit = Kit(feed)
            kit.handlers = found | {"hr_webhook": handler.lambda_handler}
            current.append(kit)
            return kit

        yield begin
