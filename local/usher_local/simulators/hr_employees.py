"""Systems that keep a company's employees: BambooHR, HiBob, Personio and Gusto (contract, sections 5.1 to 5.3, 5.6)."""

import zlib
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from usher_local.simulators.exchange import Answer, Request
from usher_local.simulators.hr_people import Company, Person, Question, by_id, token

HISTORY = ("jobTitle", "department", "location", "employmentHistoryStatus")
"""BambooHR's fields with a history: a value that takes effect later is hidden unless onlyCurrent=false."""
LOGGED_FOR = timedelta(days=30)
COMPANY_ID = "77120"


# --- BambooHR ---


def bamboohr_employee(asked: Question) -> dict[str, Any]:
    """Give the fields that were asked for, and the id."""
    person = asked.person
    told = {
        **person.custom_fields,
        "firstName": person.given_name,
        "lastName": person.family_name,
        "workEmail": person.work_email,
        "homeEmail": person.personal_email,
        "hireDate": person.start_date,
        "jobTitle": person.title,
        "department": person.department,
        "location": person.location,
        "employmentHistoryStatus": "Full-Time",
        "status": "Inactive" if person.status == "left" else "Active",
    }
    only_current = asked.request.query.get("onlyCurrent", "true").lower() not in ("false", "0")
    hidden = HISTORY if asked.company.is_ahead(person) and only_current else ()
    names = [name for name in asked.request.query.get("fields", "").split(",") if name]
    given = {name: None if name in hidden else told.get(name) for name in names}
    if asked.company.switch("job_title_name") and "jobTitle" in given:
        given["jobTitleName"] = given.pop("jobTitle")
    return {"id": asked.number} | given


# --- HiBob ---


def hibob_search(company: Company, request: Request) -> Answer:
    """Find employees by their ids; those that are not there, or may not be seen, are left out in silence."""
    match request.fields:
        case {"fields": [*fields], "filters": [{"fieldPath": "root.id", "operator": "equals", "values": [*wanted]}]}:
            found = {str(number): company.person("hibob", str(number)) for number in wanted}
        case _:
            return Answer(400)
    shape = _with_paths if company.switch("hibob_paths") else _nested
    is_readable = request.fields.get("humanReadable") == "APPEND"
    employees = []
    for number, person in found.items():
        if person is None:
            continue
        told = _hibob_fields(company, number, person)
        # Entries of the customer's lists are told by an id of their own, and by their label if that is asked for.
        ids = {name: str(zlib.crc32(value.encode())) for name, value in told.items() if name in _LISTED and value}
        employee = shape({name: ids.get(name, told.get(name)) for name in fields})
        if is_readable:
            employee["humanReadable"] = _nested({name: told[name] for name in fields if name in ids})
        employees.append(employee)
    return Answer(200, {"employees": employees})


_LISTED = ("work.title", "work.department", "work.site")


def _hibob_fields(company: Company, number: str, person: Person) -> dict[str, Any]:
    states = {"draft": "pending", "left": "terminated"}
    return {
        "root.id": number,
        "root.firstName": person.given_name,
        "root.surname": person.family_name,
        "root.email": person.work_email,
        "work.startDate": person.start_date,
        "work.title": person.title,
        "work.department": person.department,
        "work.site": person.location,
        "internal.lifecycleStatus": states.get(person.status, "hired" if company.is_ahead(person) else "employed"),
    }


def _nested(told: dict[str, Any]) -> dict[str, Any]:
    shaped: dict[str, Any] = {}
    for name, value in told.items():
        category, _, field = name.partition(".")
        place = shaped if category == "root" else shaped.setdefault(category, {})
        place[field] = value
    return shaped


def _with_paths(told: dict[str, Any]) -> dict[str, Any]:
    return {f"/{name.replace('.', '/')}": {"value": value} for name, value in told.items()}


# --- Personio ---


def personio_person(asked: Question) -> dict[str, Any]:
    """Give who a person is; what they do is asked for on its own."""
    person = asked.person
    told = {
        "id": asked.number,
        "email": person.work_email,
        "first_name": person.given_name,
        "last_name": person.family_name,
        "status": "INACTIVE" if person.status == "left" else "ACTIVE",
    }
    return {"_data": told}


def personio_employments(company: Company, request: Request) -> Answer:
    """Give the one employment of a person; its attributes are missing where the credentials may not see them."""
    person = company.known("personio", request.match["id"])
    if person is None:
        return Answer(404)
    number = request.match["id"]
    later = {
        "person": {"id": number},
        "employment_start_date": person.start_date,
        "position": {"title": person.title},
        "office": {"name": person.location},
        "org_units": [{"type": "department", "id": "401", "name": person.department}],
        "type": "INTERNAL",
    }
    status = "INACTIVE" if person.status == "left" else "ONBOARDING" if company.is_ahead(person) else "ACTIVE"
    told = {"id": f"employment-{number}", "status": status}
    return Answer(200, {"_data": [told | later if company.switch("personio_attributes") else told]})


def personio_events(company: Company, request: Request) -> Answer:
    """List a page of what the webhook was sent, in the last 30 days and under one name if that is asked for."""
    since = max(request.query.get("occurred_at.gte", ""), f"{company.now() - LOGGED_FOR:%Y-%m-%dT%H:%M:%SZ}")
    entries = [
        {
            "event_name": f"{model}.{what}",
            "occurred_at": person.moment,
            "company_id": COMPANY_ID,
            "payload": {"person": {"id": person.ids["personio"]}},
        }
        for what, person in company.history("personio")
        for model in ("person", "employment")
        if person.moment[:19] >= since[:19] and request.query.get("event_name", f"{model}.{what}") == f"{model}.{what}"
    ]
    cursor = request.query.get("cursor", "0")
    if not cursor.isdecimal():
        return Answer(400)
    start = int(cursor)
    end = start + int(company.switch("page_size"))
    links = {}
    if end < len(entries):
        query = urlencode({**request.query, "cursor": str(end)})
        links = {"next": {"href": f"https://api.personio.de{request.path.removeprefix('/personio')}?{query}"}}
    return Answer(200, {"_data": entries[start:end], "_meta": {"links": links}})


# --- Gusto ---


def gusto_employee(asked: Question) -> dict[str, Any]:
    """Give an employee with their one job; `email` is the private address."""
    person = asked.person
    has_left = person.status == "left"
    job = {"title": person.title, "hire_date": person.start_date, "location": {"city": person.location}}
    return {
        "uuid": asked.number,
        "first_name": person.given_name,
        "last_name": person.family_name,
        "email": person.personal_email,
        "work_email": person.work_email,
        "department": person.department,
        "title": person.title,
        "hired_at": person.start_date,
        "current_employment_status": "full_time",
        "terminated": has_left,
        # Of an end before the first day, Usher would think that it was of an earlier time in the company.
        "terminations": [{"effective_date": max(person.moment[:10], person.start_date)}] if has_left else [],
        "jobs": [job | {"primary": True}],
    }


ROUTES = (
    ("GET", r"/bamboohr/api/v1/employees/(?P<id>[^/]+)", by_id("bamboohr", bamboohr_employee)),
    ("POST", r"/hibob/v1/people/search", hibob_search),
    ("POST", r"/personio/v2/auth/token", token),
    ("GET", r"/personio/v2/persons/(?P<id>[^/]+)", by_id("personio", personio_person)),
    ("GET", r"/personio/v2/persons/(?P<id>[^/]+)/employments", personio_employments),
    ("GET", r"/personio/v2/webhooks/[^/]+/events", personio_events),
    ("GET", r"/gusto/v1/employees/(?P<id>[^/]+)", by_id("gusto", gusto_employee)),
)
