"""The source for every system that can choose."""

import json
import re
import tomllib
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.contracts.hr_webhooks import Example
from usher.domain.errors import BadEvent, BodyNotUnderstood, Unauthentic
from usher.domain.hire import Change, as_version
from usher.ports import SourceSettings, WebhookRequest
from usher.sources.canonical import Canonical
from usher.sources.mapping import FieldMap

NOON = datetime(2026, 9, 8, 12, 0, tzinfo=UTC)
EXAMPLE = Example.load("standard-webhooks")
PAGE = (Path(__file__).parents[3] / "docs" / "sources" / "canonical.md").read_text(encoding="utf-8")
(SHOWN,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
SETTINGS = SourceSettings("canonical", **tomllib.loads(SHOWN)["sources"]["canonical"])
MAP = FieldMap.of(SETTINGS)


def a_request(delivery: str = "msg_1", **changes: Any) -> WebhookRequest:
    """Make a verified request about Ann."""
    event = {"schema": "usher.new-hire/1", "source": "canonical", "hire_id": "E-1", "version": 5} | changes
    return WebhookRequest("POST", "canonical", {"webhook-id": (delivery,)}, json.dumps(event).encode())


def test_an_event_is_a_complete_notice() -> None:
    """Nothing has to be fetched."""
    (notice,) = Canonical().read(a_request(work_email="ann@example.com"), NOON)
    assert notice.hire is not None
    assert (notice.source, notice.subject, notice.change) == ("canonical", "E-1", Change.HIRED)
    assert (notice.hire.work_email, notice.hire.version) == ("ann@example.com", 5)
    assert Canonical().thanks().status == 202


def test_a_redelivery_has_the_same_name_and_another_delivery_another() -> None:
    """The id of the delivery is signed, and stays the same over retries."""
    names = [Canonical().read(a_request(delivery), NOON)[0].notice_id for delivery in ("msg_1", "msg_1", "msg_2")]
    assert names[0] == names[1] != names[2]


def test_an_id_that_is_used_twice_hides_nothing() -> None:
    """Else planning would take the correction for the notice that it has seen."""
    first, second = (Canonical().read(a_request(version=version), NOON)[0] for version in (5, 6))
    assert first.notice_id != second.notice_id


def test_the_sender_is_told_every_problem_and_may_speak_for_itself_alone() -> None:
    """Its secret belongs to this source."""
    with pytest.raises(BadEvent) as refused:
        Canonical().read(a_request(source="bamboohr", version=0), NOON)
    assert {problem.field for problem in refused.value.problems} == {"source", "version"}
    assert Canonical.tells_problems


def is_believed(request: WebhookRequest, example: Example = EXAMPLE, secret: str | None = None) -> bool:
    """Say whether a request is believed at the time of an example, by its secret or another."""
    try:
        Canonical().verify(request, [secret or example.secret], example.received_at)
    except Unauthentic:
        return False
    return True


@pytest.mark.parametrize("name", ["standard-webhooks", "standard-webhooks-official", "svix-official"])
def test_both_families_of_headers_verify_by_the_same_rules(name: str) -> None:
    """The official vectors among them; with and without the key's prefix and padding."""
    example = Example.load(name)
    bare = example.secret.removeprefix("whsec_")
    for secret in (example.secret, bare, bare.rstrip("="), example.secret.rstrip("=")):
        assert is_believed(example.request, example, secret)
    for position in range(len(example.request.body)):
        assert not is_believed(example.flipped(position), example)
    assert not is_believed(example.request, example, "whsec_ZXhhbXBsZS1zdGFuZGFyZC13ZWJob29rcy1rZXktMDI=")
    late = replace(example, received_at=example.received_at + timedelta(seconds=301))
    assert not is_believed(example.request, late)


def as_svix(request: WebhookRequest) -> WebhookRequest:
    """Give the request under the other family's names."""
    return replace(request, headers={name.replace("webhook-", "svix-"): v for name, v in request.headers.items()})


def test_a_delivery_is_the_same_under_either_familys_names() -> None:
    """What is signed is the same, so a captured request sent again under other names is a redelivery."""
    assert is_believed(as_svix(EXAMPLE.request))
    read = Canonical(MAP).read
    assert read(EXAMPLE.request, NOON)[0].notice_id == read(as_svix(EXAMPLE.request), NOON)[0].notice_id


@pytest.mark.parametrize("part", ["id", "timestamp", "signature"])
def test_headers_of_both_families_are_refused(part: str) -> None:
    """Only one of them would be checked, and the other might be believed later; an empty one is one too."""
    headers, other = EXAMPLE.request.headers, as_svix(EXAMPLE.request).headers
    for value in (other[f"svix-{part}"], ("",), ("a", "b")):
        assert not is_believed(replace(EXAMPLE.request, headers={**headers, f"svix-{part}": value}))
    swapped = {name: value for name, value in headers.items() if name != f"webhook-{part}"}
    assert not is_believed(replace(EXAMPLE.request, headers={**swapped, f"svix-{part}": other[f"svix-{part}"]}))
    assert not is_believed(replace(EXAMPLE.request, headers=swapped))


def test_no_headers_are_no_family() -> None:
    """One refusal, as for a wrong signature."""
    assert not is_believed(replace(EXAMPLE.request, headers={}))


def test_a_body_of_the_senders_own_is_read_as_the_stage_says() -> None:
    """The contract's example; the private address is not read."""
    (notice,) = Canonical().configured(SETTINGS).read(EXAMPLE.request, NOON)
    said = EXAMPLE.raw["extract"]
    assert notice.hire is not None
    assert (notice.event, notice.change, notice.subject) == ("employee.created", "hired", said["source_employee_id"])
    assert (notice.hire.given_name, notice.hire.family_name) == (said["first_name"], said["last_name"])
    assert notice.hire.start_date == date(2026, 10, 5)
    assert notice.hire.version == as_version(NOON) - 10_000
    assert said["personal_email"] not in notice.model_dump_json()


@pytest.mark.parametrize(
    ("data", "field"),
    [
        ({}, "hire_id"),
        ({"id": "1", "startDate": "10/05/2026"}, "start_date"),
        ({"id": "1", "mail": "ann"}, "work_email"),
        ({"id": "1", "mail": "\u212aim@example.com"}, "work_email"),
        ([], "hire_id"),
    ],
)
def test_the_sender_of_such_a_body_is_told_what_is_wrong(data: object, field: str) -> None:
    """As of our own event, addresses and all."""
    body = {"type": "employee.created", "timestamp": "2026-09-08T11:59:50Z", "data": data}
    with pytest.raises(BadEvent) as refused:
        Canonical(MAP).read(replace(EXAMPLE.request, body=json.dumps(body).encode()), NOON)
    assert field in {problem.field for problem in refused.value.problems}


def test_an_event_that_the_stage_does_not_list_is_taken_and_is_no_hire() -> None:
    """Senders have many."""
    (notice,) = Canonical(MAP).read(replace(EXAMPLE.request, body=b'{"type": "employee.birthday"}'), NOON)
    assert (notice.event, notice.change, notice.hire) == ("employee.birthday", None, None)


def test_a_stage_without_fields_reads_our_own_event() -> None:
    """And one that has options for fields which it does not name is refused."""
    source = Canonical().configured(SourceSettings("canonical"))
    assert source.read(a_request(), NOON)[0].subject == "E-1"
    assert source.settings_errors(SourceSettings("canonical")) == []
    assert source.settings_errors(SETTINGS) == []
    errors = source.settings_errors(replace(SETTINGS, fields={}))
    assert [error.partition(":")[0] for error in errors] == ["fields.hire_id"]
    assert Canonical().settings_errors(replace(SETTINGS, base_url="https://example.com"))


def test_a_content_type_that_is_not_json_is_said_so() -> None:
    """It becomes 415; a sender that names none is taken at its word."""
    for kind in ("application/json; charset=utf-8", "application/vnd.example+json", ""):
        headers = dict(a_request().headers) | ({"content-type": (kind,)} if kind else {})
        assert Canonical().read(replace(a_request(), headers=headers), NOON)
    for kind in ("text/plain", "application/x-www-form-urlencoded", "application/jsonp"):
        headers = dict(a_request().headers) | {"content-type": (kind,)}
        with pytest.raises(BodyNotUnderstood):
            Canonical().read(replace(a_request(), headers=headers), NOON)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["type", "data", "id", "timestamp"]), inner),
)


@given(st.binary() | JSON.map(lambda value: json.dumps(value).encode()), st.booleans())
def test_no_body_raises_anything_but_what_it_says(body: bytes, is_mapped: bool) -> None:
    """A sender is told, and nothing else happens."""
    with suppress(BadEvent):
        assert len(Canonical(MAP if is_mapped else None).read(replace(EXAMPLE.request, body=body), NOON)) == 1
