"""Ashby: a hire without a work address, a department or two names."""

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.contracts.hr_webhooks import Example
from usher.domain.errors import Unauthentic
from usher.domain.hire import as_version
from usher.domain.notice import Notice
from usher.ports import SourceSettings, WebhookRequest
from usher.sources.ashby import Ashby

NOON = datetime(2026, 9, 8, 12, 0, tzinfo=UTC)
UPDATED = datetime(2026, 9, 8, 11, 59, 45, tzinfo=UTC)
EXAMPLE = Example.load("ashby")
APPLICATION = "11111111-0000-4000-8000-000000000001"


def body(**changes: Any) -> dict[str, Any]:
    """Give the body of the contract's example, with its application or offer changed."""
    found: dict[str, Any] = json.loads(EXAMPLE.request.body)
    found["data"]["application"] |= changes.pop("application", {})
    found["data"] |= changes.pop("data", {})
    return found | changes


def read(sent: object, at: datetime = NOON) -> tuple[Notice, ...]:
    """Read a body as Ashby."""
    return Ashby().read(WebhookRequest("POST", "ashby", {}, json.dumps(sent).encode()), at)


def test_a_hired_candidate_is_a_hire_without_a_work_address() -> None:
    """The candidate's address is not read, and neither are the ids of department and location."""
    (notice,) = Ashby().read(EXAMPLE.request, NOON)
    hire = notice.hire
    assert hire is not None
    assert (notice.event, notice.change, notice.subject, notice.problems) == ("candidateHire", "hired", APPLICATION, ())
    assert (hire.source, hire.hire_id, hire.version) == ("ashby", APPLICATION, as_version(UPDATED))
    assert (hire.start_date, hire.title) == (date(2026, 10, 5), "Platform Engineer")
    assert (hire.work_email, hire.department, hire.location, hire.employment_type) == (None, None, None, None)
    assert "example.com" not in notice.model_dump_json()
    assert "66666666" not in notice.model_dump_json()


@pytest.mark.parametrize("kind", ["Work", "Personal", "Other", None])
def test_no_address_of_the_candidate_is_the_work_address(kind: str | None) -> None:
    """One of type Work is the previous employer's."""
    candidate = {"name": "Noor Haddad", "primaryEmailAddress": {"value": "noor@example.com", "type": kind}}
    (notice,) = read(body(application={"candidate": candidate}))
    assert notice.hire is not None
    assert notice.hire.work_email is None
    assert "noor@example.com" not in notice.model_dump_json()


def test_the_one_name_is_not_split() -> None:
    """Nobody knows where; who has a single name has it as the family's."""
    (notice,) = read(body(application={"candidate": {"name": "María del Carmen Ruiz Santos"}}))
    assert notice.hire is not None
    assert (notice.hire.given_name, notice.hire.family_name) == (None, "María del Carmen Ruiz Santos")


@pytest.mark.parametrize("position", range(0, len(EXAMPLE.request.body), 97))
def test_a_flipped_bit_is_not_believed(position: int) -> None:
    """All bytes are signed."""
    with pytest.raises(Unauthentic):
        Ashby().verify(EXAMPLE.flipped(position), (EXAMPLE.secret,), NOON)


def test_only_the_secret_signs() -> None:
    """The example is believed by either of two secrets, whenever it comes; without its prefix it is not."""
    Ashby().verify(EXAMPLE.request, ("another", EXAMPLE.secret), NOON + timedelta(days=200))
    with pytest.raises(Unauthentic):
        Ashby().verify(EXAMPLE.request, ("another",), NOON)
    bare = EXAMPLE.request.headers["ashby-signature"][0].removeprefix("sha256=")
    with pytest.raises(Unauthentic):
        Ashby().verify(replace(EXAMPLE.request, headers={"ashby-signature": (bare,)}), (EXAMPLE.secret,), NOON)


def test_a_ping_is_signed_and_says_nothing() -> None:
    """Ashby saves a hook whose ping was not answered as disabled."""
    ping = WebhookRequest("POST", "ashby", {}, b'{"action":"ping","data":{"webhookType":"candidateHire"}}')
    with pytest.raises(Unauthentic):
        Ashby().verify(ping, (EXAMPLE.secret,), NOON)
    signature = Ashby.scheme.sign(ping, EXAMPLE.secret)
    Ashby().verify(replace(ping, headers={"ashby-signature": (signature,)}), (EXAMPLE.secret,), NOON)
    assert Ashby().read(ping, NOON) == ()
    assert Ashby().handshake(ping) is None
    assert (Ashby().thanks().status, Ashby().thanks().body) == (200, "")


@pytest.mark.parametrize("action", ["applicationUpdate", "candidateStageChange", "pushToHRIS", "offerCreate", "new"])
def test_other_events_are_no_hire(action: str) -> None:
    """Also those that the same hire fires."""
    (notice,) = read(body(action=action))
    assert (notice.event, notice.change, notice.hire, notice.problems) == (action, None, None, ())


@pytest.mark.parametrize(
    "changes",
    [
        {"data": {"offer": None}},
        {"data": {"offer": {}}},
        {"data": {"offer": {"id": None, "latestVersion": None}}},
        {"data": {"offer": {"latestVersion": {"startDate": None}}}},
        {"data": {"offer": {"latestVersion": {"startDate": ""}}}},
        {"data": {"offer": None}, "application": {"candidate": None, "job": None, "updatedAt": None}},
    ],
)
def test_what_ashby_leaves_out_is_nothing(changes: dict[str, Any]) -> None:
    """Offer and start date may be null."""
    (notice,) = read(body(**changes))
    assert notice.hire is not None
    assert (notice.problems, notice.hire.start_date) == ((), None)


def test_a_hire_without_a_time_is_ordered_by_its_arrival() -> None:
    """The best there is."""
    (notice,) = read(body(application={"updatedAt": None}))
    assert notice.hire is not None
    assert notice.hire.version == as_version(NOON)


def test_a_redelivery_has_the_same_name_wherever_the_action_stands() -> None:
    """And whatever else changed in the body since."""
    apart = body()
    action_id = apart.pop("webhookActionId")
    inside = body(data={"webhookActionId": action_id})
    del inside["webhookActionId"]
    names = {read(sent)[0].notice_id for sent in (body(), inside, body(application={"updatedAt": None}))}
    assert len(names) == 1
    assert read(apart)[0].notice_id not in names


def test_the_events_and_the_candidates_of_one_action_are_told_apart() -> None:
    """They share the id of the action, and a notice that is no hire must not stand in the place of the hire."""
    sent = [body(), body(action="applicationUpdate"), body(application={"id": "another"})]
    assert len({read(each)[0].notice_id for each in sent}) == 3


@pytest.mark.parametrize("action_id", [None, "", 7, {}, []])
def test_without_the_id_of_the_action_application_and_offer_name_the_delivery(action_id: object) -> None:
    """A new offer is another delivery."""
    first, again = body(webhookActionId=action_id), body(webhookActionId=action_id, application={"customFields": [1]})
    other = body(webhookActionId=action_id, data={"offer": {"id": "another"}})
    assert read(first)[0].notice_id == read(again)[0].notice_id != read(other)[0].notice_id


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"application": {"id": None}}, "data.application.id"),
        ({"application": {"id": True}}, "data.application.id"),
        ({"application": {"id": "a/b"}}, "hire_id"),
        ({"application": {"id": "x" * 65}}, "hire_id"),
        ({"application": {"updatedAt": "yesterday"}}, "data.application.updatedAt"),
        ({"application": {"updatedAt": 1788868785}}, "data.application.updatedAt"),
        ({"application": {"updatedAt": "2026-09-08T12:05:01Z"}}, "data.application.updatedAt"),
        ({"application": {"candidate": "Noor Haddad"}}, "data.application.candidate"),
        ({"application": {"candidate": {"name": ["Noor"]}}}, "data.application.candidate.name"),
        ({"application": {"candidate": {"name": "Noor\u202e"}}}, "family_name"),
        ({"application": {"job": {"title": "x" * 300}}}, "title"),
        ({"data": {"offer": {"latestVersion": {"startDate": "10/05/2026"}}}}, "data.offer.latestVersion.startDate"),
        ({"data": {"offer": {"latestVersion": {"startDate": 1}}}}, "data.offer.latestVersion.startDate"),
        ({"data": {"application": None}}, "data.application"),
    ],
)
def test_what_cannot_be_used_is_a_notice_that_says_why(changes: dict[str, Any], field: str) -> None:
    """With the body sealed, and without its values."""
    (notice,) = read(body(**changes))
    assert field in {problem.field for problem in notice.problems}
    assert (notice.hire, notice.event) == (None, "candidateHire")
    assert notice.sealed_body
    assert "Noor" not in str(notice.problems)


def test_ids_stay_text() -> None:
    """Also those that a float would not hold."""
    (notice,) = read(body(application={"id": 2**63 - 1}))
    assert notice.subject == "9223372036854775807"


def test_there_is_nothing_to_set() -> None:
    """Ashby's API is not asked."""
    assert Ashby().details is None
    assert not Ashby.is_experimental
    assert len(Ashby().settings_errors(SourceSettings("ashby", base_url="https://api.ashbyhq.com"))) == 1


KEYS = ["action", "data", "application", "id", "candidate", "name", "job", "offer", "latestVersion", "startDate"]


@given(
    st.binary()
    | st.recursive(
        st.none() | st.text() | st.integers() | st.just("candidateHire"),
        lambda c: st.lists(c) | st.dictionaries(st.sampled_from([*KEYS, "updatedAt", "webhookActionId"]), c),
    ).map(lambda value: json.dumps(value).encode())
)
def test_no_body_raises(sent: bytes) -> None:
    """Ashby is always answered 200 for what it signed."""
    request = WebhookRequest("POST", "ashby", {}, sent)
    assert Ashby().handshake(request) is None
    for notice in Ashby().read(request, NOON):
        assert notice.problems or notice.change is None or notice.hire
