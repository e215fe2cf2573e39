"""Directories and applicant systems: Okta, Entra, Workable and Lever (contract, sections 5.11, 5.12, 5.17, 5.18)."""

from typing import Any

from usher_local.simulators.exchange import Answer, Request
from usher_local.simulators.hr_people import Company, Question, by_id, token

REASONS = {
    "16308515-dc77-4aa7-b3af-96161b2b4e9b": {"text": "Hired", "type": "hired"},
    "63dd55b2-a99f-4e7b-985f-22c7bf80ab42": {"text": "Withdrew", "type": "non-hired"},
}
"""For what an opportunity at Lever may be archived."""
HIRED, WITHDREW = REASONS


# --- Okta ---


def okta_user(asked: Question) -> dict[str, Any]:
    """Give a user; the first day is an attribute that the customer made, as others may be."""
    person = asked.person
    profile = {
        **person.custom_fields,
        "login": person.work_email,
        "email": person.work_email,
        "secondEmail": person.personal_email,
        "firstName": person.given_name,
        "lastName": person.family_name,
        "title": person.title,
        "department": person.department,
        "userType": "Full-time",
        "hireDate": person.start_date,
    }
    return {
        "id": asked.number,
        "status": {"draft": "STAGED", "left": "DEPROVISIONED"}.get(person.status, "ACTIVE"),
        "statusChanged": person.moment,
        "lastUpdated": person.moment,
        "profile": profile,
    }


# --- Entra ---


def entra_user(asked: Question) -> dict[str, Any]:
    """Give the properties that were selected, and the id."""
    person = asked.person
    told = {
        **person.custom_fields,
        "accountEnabled": person.status == "active",
        "mail": person.work_email,
        "givenName": person.given_name,
        "surname": person.family_name,
        "employeeHireDate": f"{person.start_date}T00:00:00Z",
        "employeeType": "Full-time",
        "jobTitle": person.title,
        "department": person.department,
        "officeLocation": person.location,
    }
    selected = [name for name in asked.request.query.get("$select", "").split(",") if name in told]
    return {"id": asked.number} | {name: told[name] for name in selected}


def entra_deleted(company: Company, request: Request) -> Answer:
    """Give the id of a user who was deleted."""
    number = request.match["id"]
    person = company.seen("entra-graph", number)
    is_there = person is not None and person.status == "deleted"
    return Answer(200, {"id": number}) if is_there else Answer(404)


# --- Workable ---


def workable_employee(asked: Question) -> dict[str, Any]:
    """Give an employee, who may still be a draft."""
    person = asked.person
    told = {
        "id": asked.number,
        "firstname": person.given_name,
        "lastname": person.family_name,
        "state": {"draft": "draft", "left": "inactive"}.get(person.status, "published"),
        "work_email": person.work_email,
        "start_date": person.start_date,
        "job_title": person.title,
        "department": person.department,
    }
    return {"employee": told}


# --- Lever ---


def lever_opportunity(asked: Question) -> dict[str, Any]:
    """Give an opportunity: one text for both names, and no address of the company's."""
    person = asked.person
    reason = WITHDREW if person.status == "left" else HIRED
    told = {
        "id": asked.number,
        "name": person.name,
        "emails": [person.personal_email] if person.personal_email else [],
        "updatedAt": person.millis,
        "archived": None if person.status == "draft" else {"reason": reason, "archivedAt": person.millis},
    }
    return {"data": told}


def lever_reason(company: Company, request: Request) -> Answer:
    """Say what a reason means."""
    del company
    reason = REASONS.get(request.match["id"])
    return Answer(404) if reason is None else Answer(200, {"data": {"id": request.match["id"]} | reason})


ROUTES = (
    ("GET", r"/okta/api/v1/users/(?P<id>[^/]+)", by_id("okta", okta_user)),
    ("POST", r"/entra-graph/[^/]+/oauth2/v2\.0/token", token),
    ("GET", r"/entra-graph/v1\.0/users/(?P<id>[^/]+)", by_id("entra-graph", entra_user)),
    ("GET", r"/entra-graph/v1\.0/directory/deletedItems/(?P<id>[^/]+)", entra_deleted),
    ("GET", r"/workable/spi/v3/employees/(?P<id>[^/]+)", by_id("workable", workable_employee)),
    ("GET", r"/lever/v1/opportunities/(?P<id>[^/]+)", by_id("lever", lever_opportunity)),
    ("GET", r"/lever/v1/archive_reasons/(?P<id>[^/]+)", lever_reason),
)
