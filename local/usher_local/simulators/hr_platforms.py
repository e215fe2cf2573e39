"""Platforms in front of many companies or HR systems: Deel, Finch and Merge (contract, sections 5.7, 5.9, 5.10)."""

from collections.abc import Callable
from typing import Any

from usher_local.simulators.exchange import Answer, Request
from usher_local.simulators.hr_people import Company, Person, Question, by_id


def _addresses(person: Person) -> list[tuple[str, str]]:
    found = {"personal": person.personal_email, "work": person.work_email}
    return [(kind, address) for kind, address in found.items() if address]


# --- Deel ---


def deel_contract(asked: Question) -> dict[str, Any]:
    """Give a contract, by which somebody works as a contractor or through Deel."""
    person = asked.person
    states = {"draft": "waiting_for_worker_sign", "left": "terminated"}
    told = {
        "id": asked.number,
        "title": f"{person.name}, {person.title}",
        "type": "eor",
        "status": states.get(person.status, "in_progress"),
        "start_date": f"{person.start_date}T00:00:00.000Z",
        "job_title": person.title,
        "worker": {"first_name": person.given_name, "last_name": person.family_name},
        "emails": [{"type": kind, "value": address} for kind, address in _addresses(person)],
        "client": {"team": {"id": 7, "name": person.department}},
    }
    return {"data": told}


def deel_person(asked: Question) -> dict[str, Any]:
    """Give a person of Deel HR."""
    person = asked.person
    states = {"draft": "onboarding", "left": "inactive"}
    told = {
        "id": asked.number,
        "first_name": person.given_name,
        "last_name": person.family_name,
        "hiring_type": "direct",
        "hiring_status": states.get(person.status, "onboarding" if asked.company.is_ahead(person) else "active"),
        "start_date": person.start_date,
        "job_title": person.title,
        "department": {"name": person.department},
        "work_location": person.location,
        "emails": [{"type": kind, "value": address} for kind, address in _addresses(person)],
    }
    return {"data": told}


# --- Finch ---


def finch_individual(company: Company, request: Request) -> Answer:
    """Give who several people are."""

    def told(number: str) -> dict[str, Any] | None:
        person = company.person("finch", number)
        if person is None:
            return None
        return {
            "first_name": person.given_name,
            "last_name": person.family_name,
            "preferred_name": None,
            "emails": [{"data": address, "type": kind} for kind, address in _addresses(person)],
        }

    return _each(request, told)


def finch_employment(company: Company, request: Request) -> Answer:
    """Give what several people do."""

    def told(number: str) -> dict[str, Any] | None:
        person = company.known("finch", number)
        if person is None:
            return None
        has_left, is_ahead = person.status == "left", company.is_ahead(person)
        return {
            "title": person.title,
            "department": {"name": person.department},
            "employment": {"type": "employee", "subtype": "full_time"},
            "employment_status": "terminated" if has_left else "prehire" if is_ahead else "active",
            "start_date": person.start_date,
            "latest_rehire_date": None,
            "is_active": not has_left and not is_ahead,
            "location": {"city": person.location},
        }

    return _each(request, told)


def _each(request: Request, told: Callable[[str], dict[str, Any] | None]) -> Answer:
    """Answer for each on their own: the whole is 200, also where nobody is known."""
    match request.fields:
        case {"requests": [{"individual_id": str()}, *_] as asked}:
            numbers = [str(one["individual_id"]) for one in asked]
        case _:
            return Answer(400)
    responses = []
    for number in numbers:
        found = told(number)
        code, body = (404, {"message": "not found"}) if found is None else (200, {"id": number} | found)
        responses.append({"individual_id": number, "code": code, "body": body})
    return Answer(200, {"responses": responses})


# --- Merge ---


def merge_employee(company: Company, request: Request) -> Answer:
    """Give an employee; what is not expanded is told by its id."""
    number = request.match["id"]
    person = company.seen("merge", number)  # Merge goes on to tell of those who are gone from the HR system.
    person = person if person is not None and person.status == "deleted" else company.person("merge", number)
    if person is None:
        return Answer(404)
    expanded = request.query.get("expand", "").split(",")
    status = "INACTIVE" if person.status == "left" else "PENDING" if company.is_ahead(person) else "ACTIVE"
    job = {
        "job_title": person.title,
        "employment_type": "FULL_TIME",
        "effective_date": f"{person.start_date}T00:00:00Z",
    }
    related = {
        "employments": [job],
        "groups": [{"name": person.department, "type": "DEPARTMENT"}],
        "team": {"name": person.department},
        "work_location": {"name": None, "city": person.location},
    }
    ids: dict[str, Any] = {
        "employments": [f"employment-{number}"],
        "groups": [f"group-{number}"],
        "team": f"team-{number}",
        "work_location": f"location-{number}",
    }
    told = {
        "id": number,
        "modified_at": person.moment,
        "first_name": person.given_name,
        "last_name": person.family_name,
        "work_email": person.work_email,
        "personal_email": person.personal_email,
        "start_date": f"{person.start_date}T00:00:00Z",
        "employment_status": status,
        "remote_was_deleted": person.status == "deleted",
    }
    return Answer(200, told | {name: (related if name in expanded else ids)[name] for name in ids})


ROUTES = (
    ("GET", r"/deel/rest/v2/contracts/(?P<id>[^/]+)", by_id("deel", deel_contract)),
    ("GET", r"/deel/rest/v2/people/(?P<id>[^/]+)", by_id("deel", deel_person)),
    ("POST", r"/finch/employer/individual", finch_individual),
    ("POST", r"/finch/employer/employment", finch_employment),
    ("GET", r"/merge/api/hris/v1/employees/(?P<id>[^/]+)", merge_employee),
)
