"""Every source there is. A new one: its module, and its line here."""

import httpx

from usher.ports import Source
from usher.sources.bamboohr import BambooHr
from usher.sources.canonical import Canonical
from usher.sources.greenhouse import Greenhouse


def all_sources(http: httpx.Client) -> tuple[Source, ...]:
    """Give every source; `http` asks the HR systems of those whose notices are thin."""
    return (
        Canonical(),
        Greenhouse(),
        BambooHr(http),
    )
