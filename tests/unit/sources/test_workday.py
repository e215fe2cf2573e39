"""Workday: the customer builds the message, and the stage says what it means."""

import json
import re
import tomllib
from base64 import b64encode
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.contracts.hr_webhooks import Example
from usher.domain.errors import Unauthentic
from usher.domain.hire import Change, as_version
from usher.domain.notice import Notice
from usher.ports import SourceSettings, WebhookRequest
from usher.sources.workday import Workday

NOON = datetime(2026, 9, 8, 12, 0, tzinfo=UTC)
EXAMPLE = Example.load("workday")
PAGE = (Path(__file__).parents[3] / "docs" / "sources" / "workday.md").read_text(encoding="utf-8")
(SHOWN,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
SETTINGS = SourceSettings("workday", **tomllib.loads(SHOWN)["sources"]["workday"])


def read(*, settings: SourceSettings = SETTINGS, at: datetime = NOON, **changes: Any) -> Notice:
    """Read the contract's example, changed, by the settings that the page shows."""
    body = json.dumps(json.loads(EXAMPLE.request.body) | changes).encode()
    (notice,) = Workday().configured(settings).read(replace(EXAMPLE.request, body=body), at)
    return notice


def is_believed(authorization: str, secret: str = EXAMPLE.secret) -> bool:
    """Say whether a request with this header is believed."""
    request = WebhookRequest("POST", "workday", {"authorization": (authorization,)}, b"{}")
    try:
        Workday().verify(request, ["another", secret], NOON)
    except Unauthentic:
        return False
    return True


def basic(text: str) -> str:
    """Make a header of HTTP Basic."""
    return "Basic " + b64encode(text.encode()).decode()


def test_the_settings_that_the_page_shows_read_the_contracts_example() -> None:
    """An empty work address is none, and the private one is not read."""
    assert Workday().settings_errors(SETTINGS) == []
    Workday().verify(EXAMPLE.request, [EXAMPLE.secret], EXAMPLE.received_at)
    notice = read()
    hire, said = notice.hire, EXAMPLE.raw["extract"]
    assert hire is not None
    assert (notice.event, notice.change, notice.subject) == ("HIRE", Change.HIRED, said["source_employee_id"])
    assert (hire.given_name, hire.family_name, hire.title) == (said["first_name"], said["last_name"], said["job_title"])
    assert (hire.department, hire.location, hire.employment_type) == (said["department"], said["location"], "Employee")
    assert (hire.start_date, hire.work_email) == (date(2026, 10, 5), None)
    assert hire.version == as_version(NOON)
    assert said["personal_email"] not in notice.model_dump_json()
    assert not notice.is_thin


def test_the_body_that_the_page_shows_is_read() -> None:
    """Whoever copies it gets what it says."""
    (shown,) = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    (notice,) = Workday().configured(SETTINGS).read(replace(EXAMPLE.request, body=shown.encode()), NOON)
    assert notice.hire == read().hire


@pytest.mark.parametrize(
    ("event", "change"),
    [("HIRE", "hired"), ("REHIRE", "hired"), ("CHANGE_JOB", "changed"), ("RESCIND", "cancelled"), ("TERMINATE", None)],
)
def test_the_stage_says_what_an_event_means(event: str, change: str | None) -> None:
    """A termination that it does not list is recorded as no hire."""
    notice = read(event=event)
    assert (notice.event, notice.change, notice.problems) == (event, change, ())


def test_the_secret_comes_as_basic_or_as_a_bearer_token() -> None:
    """And any of the active secrets will do."""
    assert is_believed(basic(EXAMPLE.secret))
    assert is_believed(f"Bearer {EXAMPLE.secret}")


@pytest.mark.parametrize(
    "authorization",
    [
        *("", "Basic", "Basic ", "Bearer ", "Digest x", EXAMPLE.secret, basic(EXAMPLE.secret[:-1] + "2")),
        *(basic(EXAMPLE.secret.upper()), basic(EXAMPLE.secret).replace("Basic", "Bearer"), f"Basic {EXAMPLE.secret}"),
        *("Basic !!!!", "Bearer \u00e9", basic("svc-workday:"), basic(":example-workday-password-0001")),
    ],
)
def test_any_other_header_is_one_refusal(authorization: str) -> None:
    """Whatever is wrong with it."""
    assert not is_believed(authorization)


def test_a_header_that_is_missing_or_comes_twice_is_refused() -> None:
    """Which of the two would count is nobody's guess."""
    good = EXAMPLE.request.headers["authorization"]
    for values in ((), good * 2):
        request = replace(EXAMPLE.request, headers={"authorization": values})
        with pytest.raises(Unauthentic):
            Workday().verify(request, [EXAMPLE.secret], NOON)


def test_the_same_message_twice_is_one_notice_where_it_has_a_version() -> None:
    """Nobody gives it an id, so its bytes are its name."""
    timed = replace(SETTINGS, options={**SETTINGS.options, "version": "changedAt"})
    first, again = (read(settings=timed, at=NOON + timedelta(days=days), changedAt=17) for days in (0, 1))
    assert first.notice_id == again.notice_id
    assert Workday().thanks().status == 200


def test_without_a_version_the_same_message_later_is_another() -> None:
    """HIRE, RESCIND, HIRE: the third comes in the bytes of the first, and is the newest word."""
    assert read().notice_id == read().notice_id != read(location="Porto").notice_id
    assert read(event="HIRE").notice_id != read(event="HIRE", at=NOON + timedelta(days=2)).notice_id
    told = [read(event=event, at=NOON + timedelta(days=day)) for day, event in enumerate(["HIRE", "RESCIND", "HIRE"])]
    versions = [notice.hire.version for notice in told if notice.hire]
    assert versions == sorted(set(versions))
    assert len({notice.notice_id for notice in told}) == 3


def test_ids_keep_their_zeros_and_dates_their_day() -> None:
    """As Workday writes them."""
    hire = read(workerId="00021508", hireDate="2026-11-02-08:00").hire
    assert hire is not None
    assert (hire.hire_id, hire.start_date) == ("00021508", date(2026, 11, 2))


def test_a_private_address_is_the_work_address_only_where_the_stage_says_so() -> None:
    """A conscious choice, that the company's domains still stand behind."""
    chosen = replace(SETTINGS, fields={**SETTINGS.fields, "work_email": "personalEmail"})
    found = [notice.hire and notice.hire.work_email for notice in (read(), read(settings=chosen))]
    assert found == [None, "noor.haddad.private@example.com"]


def test_a_time_of_the_change_orders_what_is_said() -> None:
    """However late a message comes."""
    timed = replace(SETTINGS, options={**SETTINGS.options, "version": "meta.changedAt"})
    hire = read(settings=timed, meta={"changedAt": "2026-09-01T00:00:00Z"}).hire
    assert hire is not None
    assert hire.version == as_version(datetime(2026, 9, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"workerId": None}, "hire_id"),
        ({"workerId": "a/b"}, "hire_id"),
        ({"hireDate": "10/05/2026"}, "start_date"),
        ({"workEmail": {"value": "a@example.com"}}, "work_email"),
        ({"businessTitle": 7}, "title"),
        ({"event": None}, "event"),
    ],
)
def test_what_cannot_be_used_is_a_notice_that_says_why(changes: dict[str, Any], field: str) -> None:
    """With the body sealed: nobody sends it again."""
    notice = read(**changes)
    assert [problem.field for problem in notice.problems] == [field]
    assert notice.hire is None
    assert notice.sealed_body
    assert "Noor" not in str(notice.problems)


def test_a_stage_must_say_what_is_where_and_nothing_of_an_address() -> None:
    """Before that, nothing is read."""
    missing = Workday().settings_errors(SourceSettings("workday"))
    assert [error.partition(":")[0] for error in missing] == ["fields.hire_id", "options.event"]
    (address,) = Workday().settings_errors(replace(SETTINGS, base_url="https://example.com"))
    assert address.startswith("base_url:")
    (notice,) = Workday().read(EXAMPLE.request, NOON)
    assert [problem.field for problem in notice.problems] == ["hire_id"]


@given(
    st.binary()
    | st.dictionaries(
        st.sampled_from(["event", "workerId", "hireDate", "workEmail", "location"]),
        st.none()
        | st.integers()
        | st.text()
        | st.sampled_from(["HIRE", "RESCIND", "2026-10-05"])
        | st.lists(st.text()),
    ).map(lambda value: json.dumps(value).encode())
)
def test_no_body_raises(body: bytes) -> None:
    """What the customer built is answered 200 once it is known who sends it."""
    request = WebhookRequest("POST", "workday", {}, body)
    assert Workday().handshake(request) is None
    for notice in Workday().configured(SETTINGS).read(request, NOON):
        assert notice.problems or notice.change is None or notice.hire
