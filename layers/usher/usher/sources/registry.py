"""Every source there is. A new one: its module, and its line here."""

import httpx

from usher.ports import Source
from usher.sources.ashby import Ashby
from usher.sources.bamboohr import BambooHr
from usher.sources.canonical import Canonical
from usher.sources.cloudevents import CloudEvents
from usher.sources.deel import Deel
from usher.sources.entra_graph import EntraGraph
from usher.sources.factorial import Factorial
from usher.sources.finch import Finch
from usher.sources.greenhouse import Greenhouse
from usher.sources.gusto import Gusto
from usher.sources.hibob import HiBob
from usher.sources.lever import Lever
from usher.sources.merge import Merge
from usher.sources.okta import Okta
from usher.sources.personio import Personio
from usher.sources.workable import Workable
from usher.sources.workday import Workday


def all_sources(http: httpx.Client) -> tuple[Source, ...]:
    """Give every source; `http` asks the HR systems of those whose notices are thin."""
    return (
        Canonical(),
        Greenhouse(),
        BambooHr(http),
        Ashby(),
        CloudEvents(),
        Deel(http),
        EntraGraph(http),
        Factorial(),
        Finch(http),
        Gusto(http),
        HiBob(http),
        Lever(http),
        Merge(http),
        Okta(http),
        Personio(http),
        Workable(http),
        Workday(),
    )
