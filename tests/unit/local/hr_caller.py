"""One person whom every simulated HR system knows, and the sources of Usher as they would ask about them."""

from dataclasses import replace
from functools import cache
from typing import Any

from tests.contracts.hr_systems import Api, HrSystem, all_systems, as_answers
from tests.unit.local.provider_client import NOW, Asked
from usher.domain.hire import NewHire
from usher.domain.notice import Notice

ASKED = tuple(system for system in all_systems() if system.details)
"""Every system that is asked for details."""


@cache
def thin_notice(system: HrSystem) -> Notice:
    """Give a notice of the contract's example, or of a sample event, about the person in the contract's answers."""
    source = system.source(Api().client())
    notices = [notice for request in system.requests for notice in source.read(request, NOW)]
    known = str(system.details)
    return next(notice for notice in notices if notice.is_thin and notice.subject and notice.subject in known)


def noor(**changes: Any) -> dict[str, Any]:
    """Give Noor as a seed, with her id in every system."""
    person = {
        "ids": {system.settings.name: thin_notice(system).subject for system in ASKED},
        "given_name": "Noor",
        "family_name": "Haddad",
        "start_date": "2026-10-05",
        "work_email": "noor.haddad@example.com",
        "personal_email": "noor.haddad.private@example.com",
        "title": "Platform Engineer",
        "department": "Engineering",
        "location": "Lisbon",
    }
    return person | changes


def seed(*people: dict[str, Any]) -> dict[str, Any]:
    """Give a seed with everybody's secrets and some people."""
    return {"secrets": {system.settings.name: system.secret for system in ASKED}, "people": list(people)}


def told_by(hr: Asked, system: HrSystem, secret: str | None = None, notice: Notice | None = None) -> NewHire:
    """Let the source ask the simulator, at the simulator's time; raises DetailsUnavailable or BadEvent."""
    settings = replace(system.settings, base_url=f"{hr.simulator.url}/{system.settings.name}")
    details = system.source(hr.client).details
    assert details is not None
    return details.fetch(notice or thin_notice(system), settings, secret or system.secret, hr.now)


def told_by_contract(system: HrSystem) -> NewHire:
    """Let the source read the answers of the contract."""
    api = Api()
    api.set(as_answers(system.details))
    details = system.source(api.client()).details
    assert details is not None
    return details.fetch(thin_notice(system), system.settings, system.secret, NOW)
