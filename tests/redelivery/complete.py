"""How systems announce Noor whose events hold everything, and applicant systems, whose events hold no address."""

import hmac
import tomllib
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx

from tests.redelivery.feed import ADDRESS, Body, Feed, Person, after, body_of
from usher.domain.hire import as_version

STAGE = tomllib.loads((Path(__file__).parents[2] / "events/hr_webhook/stage.toml").read_text(encoding="utf-8"))
START = "2026-10-05"


# --- applicant systems, which know no work address ---

GREENHOUSE = Feed(
    source="greenhouse",
    hire_id="46190001",
    hired=body_of("greenhouse"),
    others=({"action": "offer_created", "payload": {"application_id": 46190001}},),
    cancelled=body_of("greenhouse") | {"action": "unhire_candidate"},
    knows_address=False,
    retries=after(1, 16, 76, 196, 436, 916),
)

ASHBY = Feed(
    source="ashby",
    hire_id="11111111-0000-4000-8000-000000000001",
    hired=body_of("ashby"),
    others=tuple(body_of("ashby") | {"action": action} for action in ("applicationUpdate", "candidateStageChange")),
    knows_address=False,
    retries=after(5, 60, 1440),
)

FACTORIAL = Feed(
    source="factorial",
    hire_id="4210001",
    hired=body_of("factorial"),
    others=(body_of("factorial") | {"updated_at": "2026-09-08T11:59:30Z"},),
    knows_address=False,
    retries=after(5, 60, 480, 2880),
)


def _lever_api(request: httpx.Request, person: Person) -> httpx.Response:
    if "archive_reasons" in request.url.path:
        return httpx.Response(200, json={"data": {"id": "reason-1", "type": "hired"}})
    archived = {"reason": "reason-1", "archivedAt": 1788868790000}
    opportunity = {"id": LEVER_ID, "name": "Noor Haddad", "updatedAt": 1788868791000, "archived": archived}
    return httpx.Response(200, json={"data": opportunity})


def _lever_seal(body: Body, secret: str, now: datetime) -> Body:
    moment = as_version(now)
    signature = hmac.digest(secret.encode(), f"{body['token']}{moment}".encode(), "sha256").hex()
    return body | {"triggeredAt": moment, "signature": signature}


LEVER_ID = "b0000000-0000-4000-8000-000000000001"
LEVER = Feed(
    source="lever",
    hire_id=LEVER_ID,
    hired=body_of("lever"),
    others=(body_of("lever") | {"event": "candidateStageChange", "token": "example-delivery-token-0002"},),
    api=_lever_api,
    knows_address=False,
    # Nobody knows whether a retry is stamped anew, so it comes as it was.
    retries=after(5, 60, 170),
    restamps=False,
    seal=_lever_seal,
)

# --- systems whose events hold everything ---


def _ours(version: int, source: str = "canonical", **changes: Any) -> Body:
    base = {"schema": "usher.new-hire/1", "source": source, "hire_id": "E-1042", "version": version, "change": "hired"}
    return base | {"work_email": ADDRESS, "start_date": START, "department": "Engineering"} | changes


CANONICAL = Feed(
    source="canonical",
    hire_id="E-1042",
    hired=_ours(10),
    others=(_ours(11, change="changed", title="Platform Engineer"), _ours(12, change="changed", department="Data")),
    cancelled=_ours(13, change="cancelled"),
    unaddressed=_ours(10, work_email=None),
    learns=_ours(11, change="changed"),
    retries=after(0.1, 5, 30, 120, 300, 600, 840, 1200, 1440),
)


def _enveloped(name: str, data: Body) -> Body:
    return {"specversion": "1.0", "type": f"hr.{name}", "source": "/hr", "id": f"A-{name}", "data": data}


CLOUDEVENTS = Feed(
    source="cloudevents",
    hire_id="E-1042",
    hired=_enveloped("hired", _ours(10, "cloudevents")),
    others=(
        _enveloped("changed", _ours(11, "cloudevents", change="changed", title="Platform Engineer")),
        _enveloped("moved", _ours(12, "cloudevents", change="changed", department="Data")),
    ),
    cancelled=_enveloped("cancelled", _ours(13, "cloudevents", change="cancelled")),
    unaddressed=_enveloped("hired", _ours(10, "cloudevents", work_email=None)),
    learns=_enveloped("changed", _ours(11, "cloudevents", change="changed")),
    content_type="application/cloudevents+json",
)

# The bodies are the customer's own, so they can say when something happened; without that, arrival would order them.
_WORKDAY = STAGE["sources"]["workday"]
_WORKDAY_OPTIONS = _WORKDAY["options"] | {"version": "changedAt"}


def _workday(event: str, second: int, **changes: Any) -> Body:
    moment = f"2026-09-08T11:59:{second}Z"
    return body_of("workday") | {"event": event, "changedAt": moment, "workEmail": ADDRESS} | changes


WORKDAY = Feed(
    source="workday",
    hire_id="21508",
    hired=_workday("HIRE", 10),
    others=(_workday("CHANGE_JOB", 20, location="Porto"), _workday("CHANGE_JOB", 30, businessTitle="Engineer")),
    cancelled=_workday("RESCIND", 40),
    unaddressed=_workday("HIRE", 10, workEmail=""),
    learns=_workday("CHANGE_JOB", 20),
    settings={"fields": _WORKDAY["fields"], "options": _WORKDAY_OPTIONS},
)


def _without_offer(body: Body) -> Body:
    return body | {"payload": body["payload"] | {"application": body["payload"]["application"] | {"offer": None}}}


# What does not say when it happened is ordered by its arrival: only its own words tell that it has come before, and
# where a second hire may come in the words of the first, nothing does.
UNDATED = (
    replace(
        GREENHOUSE,
        hired=_without_offer(GREENHOUSE.hired),
        cancelled=_without_offer(body_of("greenhouse") | {"action": "unhire_candidate"}),
        is_dated=False,
    ),
    replace(
        WORKDAY,
        settings={"fields": _WORKDAY["fields"], "options": _WORKDAY["options"]},
        is_dated=False,
        knows_repetition=False,
    ),
)
