"""What is peculiar to single HR systems in their simulator, asked over plain HTTP (hr-webhooks.md, section 5)."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.unit.local.hr_caller import noor
from tests.unit.local.provider_client import Asked, asked
from usher_local.simulators.hr_systems import HrSystems

NOOR = noor(ids=dict.fromkeys(("bamboohr", "hibob", "personio", "finch", "merge", "entra-graph", "okta"), "1042"))
SECRETS = {
    "bamboohr": "key",
    "hibob": "user:token",
    "personio": "client:password",
    "finch": "token",
    "merge": "key:account",
    "entra-graph": "client:password",
    "okta": "token",
}
CREDENTIALS = {"grant_type": "client_credentials", "client_id": "client", "client_secret": "password"}
BASIC = {"bamboohr": ("key", "x"), "hibob": ("user", "token")}


@pytest.fixture
def hr() -> Iterator[Asked]:
    """The systems with Noor, who starts in October; it is September."""
    with asked(HrSystems, {"secrets": SECRETS, "people": [NOOR]}) as caller:
        yield caller


def get(hr: Asked, path: str, *, token: str = SECRETS["finch"], **query: str) -> httpx.Response:
    """Ask for a path, with the secret of its system."""
    system = path.split("/")[1]
    headers = {"okta": {"authorization": "SSWS token"}, "merge": {"x-account-token": "account"}}.get(system, {})
    headers = {"authorization": f"Bearer {'key' if system == 'merge' else token}"} | headers
    basic = BASIC.get(system)
    return hr.client.get(f"{hr.simulator.url}{path}", params=query, headers={} if basic else headers, auth=basic)


def token_of(hr: Asked, path: str, **fields: str) -> httpx.Response:
    """Buy a token."""
    return hr.client.post(f"{hr.simulator.url}{path}", data=CREDENTIALS | fields)


def searched(hr: Asked, *numbers: str) -> list[dict[str, Any]]:
    """Search for employees of HiBob."""
    body = {
        "fields": ["root.id", "root.firstName", "work.title"],
        "filters": [{"fieldPath": "root.id", "operator": "equals", "values": numbers}],
        "humanReadable": "APPEND",
    }
    answer = hr.client.post(f"{hr.simulator.url}/hibob/v1/people/search", json=body, auth=BASIC["hibob"])
    found: list[dict[str, Any]] = answer.json()["employees"]
    return found


def test_bamboohr_gives_the_fields_that_are_asked_for(hr: Asked) -> None:
    """
    And the id; custom fields under their names, null for what there is not, and newer answers rename one.
    """
    hr.seed({"people": [NOOR | {"custom_fields": {"applicationId": "46190001"}}]})
    path, asked_for = "/bamboohr/api/v1/employees/1042", "firstName,jobTitle,applicationId,shoeSize"
    told = {"id": "1042", "firstName": "Noor", "applicationId": "46190001", "shoeSize": None}

    answer = get(hr, path, fields=asked_for, onlyCurrent="false")
    assert answer.json() == told | {"jobTitle": "Platform Engineer"}

    hr.switch(job_title_name=True)
    answer = get(hr, path, fields=asked_for, onlyCurrent="false")
    assert answer.json() == told | {"jobTitleName": "Platform Engineer"}


def test_bamboohr_hides_what_takes_effect_later(hr: Asked) -> None:
    """
    Unless it is asked for; on the first day it is there.
    """
    path = "/bamboohr/api/v1/employees/1042"
    assert get(hr, path, fields="department").json()["department"] is None
    assert get(hr, path, fields="department", onlyCurrent="false").json()["department"] == "Engineering"
    hr.later(days=27)
    assert get(hr, path, fields="department").json()["department"] == "Engineering"


def test_hibob_leaves_out_in_silence_whom_it_does_not_show(hr: Asked) -> None:
    """
    Entries of lists are ids, with labels beside them; fields are nested, or under their paths.
    """
    (employee,) = searched(hr, "1042", "1043")
    assert (employee["id"], employee["firstName"]) == ("1042", "Noor")
    assert employee["work"]["title"].isdecimal()
    assert employee["humanReadable"] == {"work": {"title": "Platform Engineer"}}

    hr.switch(hibob_paths=True)
    (employee,) = searched(hr, "1042")
    (path,) = (name for name in employee if name.endswith("/firstName"))
    assert (path.split("/"), employee[path]) == (["", "root", "firstName"], {"value": "Noor"})


def test_finch_answers_for_each_on_their_own(hr: Asked) -> None:
    """
    The whole is 200, whoever is unknown; somebody who is yet to start is not active.
    """
    body = {"requests": [{"individual_id": "1042"}, {"individual_id": "1"}]}
    for path in ("/finch/employer/individual", "/finch/employer/employment"):
        answers = hr("POST", path, body).json()["responses"]
        assert [(one["individual_id"], one["code"]) for one in answers] == [("1042", 200), ("1", 404)]
    assert (answers[0]["body"]["employment_status"], answers[0]["body"]["is_active"]) == ("prehire", False)
    assert hr("POST", path, {"requests": []}).status_code == 400


def test_merge_gives_ids_of_what_is_not_expanded(hr: Asked) -> None:
    """
    And goes on to tell of those whom the HR system deleted.
    """
    path = "/merge/api/hris/v1/employees/1042"
    plain, expanded = get(hr, path).json(), get(hr, path, expand="team,groups").json()
    assert isinstance(plain["team"], str)
    assert expanded["groups"] == [{"name": "Engineering", "type": "DEPARTMENT"}]

    hr.seed({"people": [NOOR | {"status": "deleted"}]})
    assert get(hr, path).json()["remote_was_deleted"] is True


def test_a_token_is_good_for_its_time_and_its_system(hr: Asked) -> None:
    """
    And is given to those alone who have the credentials.
    """
    personio, entra = "/personio/v2/auth/token", "/entra-graph/tenant/oauth2/v2.0/token"
    assert token_of(hr, personio, client_secret="wrong").status_code == 401
    token, other = (token_of(hr, path).json()["access_token"] for path in (personio, entra))

    person = "/personio/v2/persons/1042"
    assert [get(hr, person, token=one).status_code for one in (token, other, "made-up")] == [200, 401, 401]
    hr.later(seconds=3599)
    assert get(hr, person, token=token).status_code == 401


def test_personio_may_hide_everything_of_an_employment(hr: Asked) -> None:
    """
    But id and status, where the attributes are not granted to the credentials.
    """
    token = token_of(hr, "/personio/v2/auth/token").json()["access_token"]
    path = "/personio/v2/persons/1042/employments"
    assert get(hr, path, token=token).json()["_data"][0]["employment_start_date"] == "2026-10-05"

    hr.switch(personio_attributes=False)
    assert get(hr, path, token=token).json() == {"_data": [{"id": "employment-1042", "status": "ONBOARDING"}]}


def test_personio_logs_what_it_told_for_thirty_days(hr: Asked) -> None:
    """
    Page by page, and by the name of the event if that is asked for.
    """
    token = token_of(hr, "/personio/v2/auth/token").json()["access_token"]
    path = "/personio/v2/webhooks/w/events"
    hr.later(seconds=1)
    hr.seed({"people": [NOOR]})
    hr.switch(page_size=1)

    first = get(hr, path, token=token, event_name="person.created").json()
    assert [entry["payload"] for entry in first["_data"]] == [{"person": {"id": "1042"}}]
    assert first["_meta"] == {"links": {}}

    names: list[str] = []
    query: dict[str, str] | None = {}
    while query is not None:
        page = get(hr, path, token=token, **query).json()
        names += [entry["event_name"] for entry in page["_data"]]
        further = page["_meta"]["links"].get("next")
        query = dict(httpx.URL(further["href"]).params) if further else None
    assert names == ["person.created", "employment.created", "person.updated", "employment.updated"]

    hr.later(days=31)
    token = token_of(hr, "/personio/v2/auth/token").json()["access_token"]
    assert get(hr, path, token=token).json()["_data"] == []


def test_entra_gives_what_is_selected_and_keeps_the_deleted_apart(hr: Asked) -> None:
    """
    The id is always there.
    """
    token = token_of(hr, "/entra-graph/tenant/oauth2/v2.0/token").json()["access_token"]
    user, deleted = "/entra-graph/v1.0/users/1042", "/entra-graph/v1.0/directory/deletedItems/1042"
    selected = {"$select": "mail,shoeSize"}
    assert get(hr, user, token=token, **selected).json() == {"id": "1042", "mail": "noor.haddad@example.com"}
    assert get(hr, deleted, token=token).status_code == 404

    hr.seed({"people": [NOOR | {"status": "deleted"}]})
    assert [get(hr, path, token=token).status_code for path in (user, deleted)] == [404, 200]


def test_okta_shows_an_account_that_is_not_open_yet_as_staged(hr: Asked) -> None:
    """
    Attributes that the customer made stand beside the others of the profile.
    """
    hr.seed({"people": [NOOR | {"status": "draft", "custom_fields": {"applicationId": "46190001"}}]})
    user = get(hr, "/okta/api/v1/users/1042").json()
    assert (user["status"], user["profile"]["applicationId"]) == ("STAGED", "46190001")


@pytest.mark.parametrize(
    "wrong", [{"shoe_size": 38}, {"status": "retired"}, {"start_date": "05.10.2026"}, {"changed_at": "2026-09-08"}]
)
def test_a_seed_that_means_nothing_is_refused(hr: Asked, wrong: dict[str, Any]) -> None:
    """
    Silence about it would look like a person of whom nothing is told.
    """
    answer = hr.client.post(f"{hr.simulator.url}/_sim/seed", json={"people": [NOOR | wrong]})
    assert answer.status_code == 400
