"""How systems announce Noor whose events say who and no more: the events, and what each API says of her."""

from datetime import datetime
from typing import Any

import httpx

from tests.redelivery.feed import Body, Feed, Person, after, answer_of, body_of

START = "2026-10-05"


def _json(body: object) -> httpx.Response:
    return httpx.Response(200, json=body)


def _token_or(request: httpx.Request, body: object) -> httpx.Response:
    """Give a token to who asks for one, and the body to who asks for anything else."""
    is_login = request.url.path.endswith("/token")
    return _json({"access_token": "example-token", "expires_in": 3600} if is_login else body)


# --- BambooHR ---


def _bamboohr_api(request: httpx.Request, person: Person) -> httpx.Response:
    status = "Inactive" if person.is_gone else "Active"
    return _json(answer_of("bamboohr")["body"] | {"workEmail": person.work_email, "status": status})


def _bamboohr(action: str, second: int) -> Body:
    return body_of("bamboohr") | {"type": f"employee.{action}", "timestamp": f"2026-09-08T11:59:{second}Z"}


BAMBOOHR = Feed(
    source="bamboohr",
    hire_id="1042",
    hired=_bamboohr("created", 10),
    others=(_bamboohr("updated", 20), _bamboohr("updated", 30)),
    cancelled=_bamboohr("deleted", 40),
    api=_bamboohr_api,
    retries=after(5, 15, 35, 75, 155),
    restamps=False,
    settings={"base_url": "https://example.bamboohr.com"},
)

# --- Deel: the person, and the contract of the same human, which is another hire and has no address ---

_DEEL_PERSON = "a4f91c16-2104-4841-ba4e-77fdcb5b0001"
_DEEL_CONTRACT = "ctr_example_0001"


def _deel_api(request: httpx.Request, person: Person) -> httpx.Response:
    if "/contracts/" in request.url.path:
        status = "terminated" if person.is_gone else "in_progress"
        return _json({"data": {"id": _DEEL_CONTRACT, "type": "eor", "status": status, "start_date": START}})
    found: Body = {
        "id": _DEEL_PERSON,
        "first_name": "Noor",
        "emails": [{"type": "work", "value": person.work_email}],
        "start_date": START,
        "department": {"id": "d1", "name": "Engineering"},
        "hiring_status": "inactive" if person.is_gone else "onboarding",
    }
    return _json({"data": found})


def _deel(name: str, resource_id: str = _DEEL_PERSON) -> Body:
    meta = {"event_type": name, "organization_id": "org_example_001", "event_id": f"evt_{name}"}
    return {"data": {"meta": meta, "resource": [{"id": resource_id}]}, "timestamp": "2026-09-08T11:59:31.070Z"}


DEEL = Feed(
    source="deel",
    hire_id=_DEEL_PERSON,
    hired=_deel("employee.created.eor"),
    others=(_deel("onboarding.status.updated"), _deel("employee.updated"), _deel("contract.signed", _DEEL_CONTRACT)),
    cancelled=_deel("employee.updated.direct"),
    api=_deel_api,
    retries=after(1, 5, 20, 60, 240, 720),
)

# --- Entra ID ---

_USER = "87d349ed-44d7-43e1-9a83-5f2406de0001"


def _entra_api(request: httpx.Request, person: Person) -> httpx.Response:
    if "/deletedItems/" in request.url.path:
        return httpx.Response(404)
    user: Body = {"id": _USER, "accountEnabled": not person.is_gone, "mail": person.work_email}
    return _token_or(request, user | {"givenName": "Noor", "employeeHireDate": f"{START}T00:00:00Z"})


def _entra_seal(body: Body, secret: str, now: datetime) -> Body:
    return {"value": [entry | {"clientState": secret} for entry in body["value"]]}


def _entra(notification: str | None, change: str = "updated") -> Body:
    (entry,) = body_of("entra-graph")["value"]
    return {"value": [entry | {"id": notification, "changeType": change}]}


ENTRA_GRAPH = Feed(
    source="entra-graph",
    hire_id=_USER,
    hired=_entra("n-1"),
    # One without an id is another one each time that it comes.
    others=(_entra("n-2"), _entra(None), _entra("n-3", "created")),
    cancelled=_entra("n-4", "deleted"),
    api=_entra_api,
    retries=after(1, 10, 60, 240),
    restamps=False,
    seal=_entra_seal,
    settings={"options": {"tenant": "84bd8158-6d4d-4958-8b9f-9d6445540001"}},
)

# --- Finch ---


def _finch_api(request: httpx.Request, person: Person) -> httpx.Response:
    half = request.url.path.rpartition("/")[2]
    found: Body = dict(answer_of("finch")[half])
    if half == "individual":
        found["emails"] = [{"data": person.work_email, "type": "work"}]
    elif person.is_gone:
        found["employment_status"] = "terminated"
    return _json({"responses": [{"individual_id": found["id"], "code": 200, "body": found}]})


def _finch(name: str) -> Body:
    return body_of("finch") | {"event_type": name}


FINCH = Feed(
    source="finch",
    hire_id="59dcedb1-75a4-446c-8ece-4f9ccd530001",
    hired=_finch("individual.created"),
    others=(_finch("directory.created"), _finch("employment.created"), _finch("individual.updated")),
    cancelled=_finch("employment.updated"),
    api=_finch_api,
    retries=after(0.1, 5, 35, 155),
)

# --- Gusto ---


def _gusto_api(request: httpx.Request, person: Person) -> httpx.Response:
    return _json(answer_of("gusto")["body"] | {"work_email": person.work_email, "terminated": person.is_gone})


def _gusto(name: str) -> Body:
    return body_of("gusto") | {"event_type": name, "uuid": f"uuid-{name}"}


def _gusto_gone(body: Body, moment: datetime) -> Body:
    return body | {"timestamp": int(moment.timestamp())}


GUSTO = Feed(
    source="gusto",
    hire_id="bcfc9744-0ab3-4ef3-ab0d-e728255d0001",
    hired=_gusto("employee.created"),
    others=tuple(_gusto(f"employee.{name}") for name in ("updated", "onboarded", "self_onboarding_completed")),
    cancelled=_gusto("employee.terminated_effective"),
    gone=_gusto_gone,
    api=_gusto_api,
    retries=after(1, 3, 7, 15, 31, 63, 127, 255, 511, 1023, 2047, 4095),
)

# --- HiBob ---


def _hibob_api(request: httpx.Request, person: Person) -> httpx.Response:
    status = "terminated" if person.is_gone else "hired"
    employee = {
        "id": HIBOB_ID,
        "firstName": "Noor",
        "email": person.work_email,
        "work": {"startDate": START},
        "internal": {"lifecycleStatus": status},
    }
    return _json({"employees": [employee]})


def _hibob(action: str, second: int) -> Body:
    return body_of("hibob") | {"type": f"employee.{action}", "triggeredAt": f"2026-09-08T11:59:{second}.915906"}


HIBOB_ID = "3332883854254930001"
HIBOB = Feed(
    source="hibob",
    hire_id=HIBOB_ID,
    hired=_hibob("created", 10),
    others=(_hibob("joined", 20), _hibob("updated", 30), _hibob("updated", 35)),
    cancelled=_hibob("deleted", 40),
    api=_hibob_api,
    retries=after(1, 10, 20, 40, 80, 160, 1440, 4320),
)

# --- Merge ---


def _merge_api(request: httpx.Request, person: Person) -> httpx.Response:
    status = "INACTIVE" if person.is_gone else "PENDING"
    return _json(body_of("merge")["data"] | {"work_email": person.work_email, "employment_status": status})


def _merge(name: str, second: int, **changes: Any) -> Body:
    body = body_of("merge")
    data = body["data"] | {"modified_at": f"2026-09-08T11:59:{second}Z"} | changes
    return body | {"hook": body["hook"] | {"event": name}, "data": data}


def _merge_gone(body: Body, moment: datetime) -> Body:
    return body | {"data": body["data"] | {"modified_at": moment.isoformat()}}


MERGE = Feed(
    source="merge",
    hire_id="0958cbc6-6040-430a-848e-aafacbad0001",
    hired=_merge("Employee.changed", 10),
    others=(_merge("employee.created", 10), _merge("Employee.changed", 20), _merge("LinkedAccount.synced", 20)),
    cancelled=_merge("Employee.changed", 50, employment_status="INACTIVE"),
    gone=_merge_gone,
    api=_merge_api,
    retries=after(1, 5, 20, 60),
)

# --- Okta ---


def _okta_api(request: httpx.Request, person: Person) -> httpx.Response:
    user = {
        "id": OKTA_ID,
        "status": "DEPROVISIONED" if person.is_gone else "STAGED",
        "lastUpdated": "2026-09-08T11:59:50.000Z" if person.is_gone else "2026-09-08T11:59:40.000Z",
        "profile": {"email": person.work_email, "firstName": "Noor", "hireDate": START},
    }
    return _json(user)


def _okta(name: str, second: int) -> Body:
    body = body_of("okta")
    (event,) = body["data"]["events"]
    moment = f"2026-09-08T11:59:{second}.159Z"
    return body | {"data": {"events": [event | {"eventType": name, "uuid": f"uuid-{name}", "published": moment}]}}


OKTA_ID = "00u0example0000000042"
OKTA = Feed(
    source="okta",
    hire_id=OKTA_ID,
    hired=_okta("user.lifecycle.create", 10),
    others=(
        _okta("user.lifecycle.activate", 20),
        _okta("user.account.update_profile", 30),
        _okta("application.user_membership.add", 35),
    ),
    cancelled=_okta("user.lifecycle.deactivate", 50),
    api=_okta_api,
    retries=after(0.1),
    settings={"base_url": "https://example.okta.com", "options": {"start_date_field": "hireDate"}},
)

# --- Personio ---


def _personio_api(request: httpx.Request, person: Person) -> httpx.Response:
    if request.url.path.endswith("/employments"):
        status = "INACTIVE" if person.is_gone else "ACTIVE"
        return _json({"_data": [{"id": "1", "status": status, "employment_start_date": START}]})
    return _token_or(request, {"id": "9000123", "email": person.work_email, "first_name": "Noor"})


def _personio(name: str, second: int) -> Body:
    return body_of("personio") | {"event_name": name, "occurred_at": f"2026-09-08T11:59:{second}Z"}


PERSONIO = Feed(
    source="personio",
    hire_id="9000123",
    hired=_personio("person.created", 10),
    others=(_personio("employment.created", 10), _personio("person.updated", 20), _personio("employment.started", 30)),
    cancelled=_personio("person.deleted", 40),
    api=_personio_api,
    retries=after(1, 10, 120, 1440, 4320),
    settings={"options": {"webhook_id": "2e4324b0-1b0e-11ee-a7f7-e37ffd9b3a44"}},
)

# --- Workable ---


def _workable_api(request: httpx.Request, person: Person) -> httpx.Response:
    state = "inactive" if person.is_gone else "published"
    employee: Body = {"id": "4d30001", "state": state, "firstname": "Noor", "start_date": START}
    return _json({"employee": employee | {"work_email": person.work_email}})


def _workable(name: str, second: int) -> Body:
    moment = f"2026-09-08T11:59:{second}.120Z"
    return {"id": f"evt-{second}", "event_type": name, "fired_at": moment, "data": {"id": "4d30001"}}


WORKABLE = Feed(
    source="workable",
    hire_id="4d30001",
    hired=_workable("employee_published", 20),
    others=(_workable("employee_created", 10), _workable("employee_updated", 30), _workable("employee_updated", 35)),
    cancelled=_workable("employee_updated", 50),
    api=_workable_api,
    retries=after(5, 60, 480),
    settings={"base_url": "https://example.workable.com"},
)
