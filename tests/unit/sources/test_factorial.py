"""Factorial: an employee without a word on what happened, and no address that is known to be the company's."""

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.contracts.hr_webhooks import Example
from usher.domain.errors import Unauthentic
from usher.domain.hire import Change, NewHire, as_version
from usher.domain.notice import Notice
from usher.ports import SourceSettings, WebhookRequest
from usher.sources.factorial import Factorial

NOON = datetime(2026, 9, 8, 12, 0, tzinfo=UTC)
UPDATED = datetime(2026, 9, 8, 11, 59, tzinfo=UTC)
EXAMPLE = Example.load("factorial")
EMPLOYEE: dict[str, Any] = json.loads(EXAMPLE.request.body)


def read(body: object = None, at: datetime = NOON, **changes: Any) -> tuple[Notice, ...]:
    """Read a body, or the contract's example changed, as Factorial."""
    sent = EMPLOYEE | changes if body is None else body
    raw = sent if isinstance(sent, bytes) else json.dumps(sent).encode()
    return Factorial().read(WebhookRequest("POST", "factorial", {}, raw), at)


def test_a_created_employee_is_a_hire_without_a_work_address() -> None:
    """The event is the one of the only subscription that leads here."""
    (notice,) = Factorial().read(EXAMPLE.request, NOON)
    assert (notice.event, notice.change, notice.subject, notice.problems) == (
        "employee_created",
        "hired",
        "4210001",
        (),
    )
    assert notice.hire == NewHire(
        source="factorial",
        hire_id="4210001",
        version=as_version(UPDATED),
        given_name="Noor",
        family_name="Haddad",
        start_date=date(2026, 10, 5),
    )


@pytest.mark.parametrize("field", ["email", "login_email", "personal_email", "work_email"])
def test_no_address_is_the_work_address(field: str) -> None:
    """The login may be the company's or a private one, and nothing says which."""
    (notice,) = read(EMPLOYEE | {field: "noor.haddad@example.com"})
    assert notice.hire is not None
    assert notice.hire.work_email is None
    assert "example.com" not in notice.model_dump_json()


def test_only_the_challenge_is_believed() -> None:
    """As it was given when the subscription was made, whenever it comes."""
    Factorial().verify(EXAMPLE.request, ("another", EXAMPLE.secret), NOON + timedelta(days=200))
    name = "x-factorial-wh-challenge"
    wrong = ["", "another", EXAMPLE.secret[:-1], EXAMPLE.secret + "1", f"Bearer {EXAMPLE.secret}", "ü", "x" * 5000]
    several: list[dict[str, tuple[str, ...]]] = [{}, {name: (EXAMPLE.secret, EXAMPLE.secret)}]
    several += [{name: (value,)} for value in wrong]
    for headers in several:
        with pytest.raises(Unauthentic):
            Factorial().verify(replace(EXAMPLE.request, headers=headers), (EXAMPLE.secret,), NOON)


def test_a_byte_of_the_challenge_flipped_is_not_believed() -> None:
    """Whereas a byte of the body is: nothing vouches for it."""
    for position in range(len(EXAMPLE.secret)):
        flipped = bytearray(EXAMPLE.secret.encode())
        flipped[position] ^= 1
        headers = {"x-factorial-wh-challenge": (flipped.decode(),)}
        with pytest.raises(Unauthentic):
            Factorial().verify(replace(EXAMPLE.request, headers=headers), (EXAMPLE.secret,), NOON)
    Factorial().verify(EXAMPLE.flipped(10), (EXAMPLE.secret,), NOON)


@pytest.mark.parametrize(
    ("start", "change"),
    [("2026-10-05", "hired"), ("2026-08-09", "hired"), ("2026-08-08", "changed"), ("2019-03-01", "changed")],
)
def test_who_started_long_ago_is_no_new_hire(start: str, change: str) -> None:
    """An import, or a subscription that leads here by mistake, tells of the whole company."""
    (notice,) = read(start_date=start)
    assert notice.change == change


@pytest.mark.parametrize("start", [None, "", "0000-00-00"])
def test_without_a_first_day_nobody_knows_whether_it_is_a_hire(start: object) -> None:
    """It may be a candidate or anything else of a subscription that leads here by mistake; an operator looks."""
    (notice,) = read(start_date=start)
    assert [problem.field for problem in notice.problems] == ["start_date"]
    assert notice.hire is None
    assert notice.sealed_body


def test_what_factorial_leaves_out_is_nothing() -> None:
    """A hire without a time of its own is ordered by its arrival, and named by its bytes."""
    bare = {"id": 4210001, "start_date": "2026-10-05", "first_name": None, "updated_at": None}
    (notice,) = read(bare)
    assert notice.hire is not None
    assert (notice.hire.version, notice.hire.given_name, notice.hire.family_name) == (as_version(NOON), None, None)
    assert read(bare, at=NOON + timedelta(hours=1))[0].notice_id == notice.notice_id
    assert read(bare | {"team_ids": []})[0].notice_id != notice.notice_id


def test_a_redelivery_has_the_same_name() -> None:
    """By employee and time of the change, as Factorial names no delivery."""
    (first,), (again,) = read(), read(team_ids=[12, 13])
    (later,), (other,) = read(updated_at="2026-09-08T11:59:01Z"), read(id=4210002)
    assert first.notice_id == again.notice_id
    assert len({first.notice_id, later.notice_id, other.notice_id}) == 3


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"id": None}, "id"),
        ({"id": True}, "id"),
        ({"id": 1.5}, "id"),
        ({"id": "a/b"}, "hire_id"),
        ({"start_date": "05/10/2026"}, "start_date"),
        ({"start_date": 20261005}, "start_date"),
        ({"updated_at": "yesterday"}, "updated_at"),
        ({"updated_at": 1788868740}, "updated_at"),
        ({"updated_at": "2026-09-08T12:05:01Z"}, "updated_at"),
        ({"first_name": {"value": "Noor"}}, "first_name"),
        ({"last_name": "x" * 300}, "family_name"),
    ],
)
def test_what_cannot_be_used_is_a_notice_that_says_why(changes: dict[str, Any], field: str) -> None:
    """With the body sealed: deliveries that fail would switch the subscription off."""
    (notice,) = read(**changes)
    assert field in {problem.field for problem in notice.problems}
    assert notice.sealed_body
    assert "Noor" not in str(notice.problems)
    assert (Factorial().thanks().status, Factorial().thanks().body) == (200, "")


@pytest.mark.parametrize("body", [b"", b"id=4210001", b"[]", b'"text"', [EMPLOYEE], {"data": EMPLOYEE}, {}])
def test_what_is_no_employee_is_a_notice_that_says_why(body: object) -> None:
    """A list, an envelope, a form."""
    (notice,) = read(body)
    assert notice.problems
    assert notice.hire is None


def test_ids_stay_text() -> None:
    """Also those that a float would not hold."""
    (notice,) = read(id=2**63 - 1)
    assert notice.subject == "9223372036854775807"


def test_there_is_nothing_to_set_and_nobody_to_greet() -> None:
    """Everything is sent, and nothing but events."""
    assert Factorial().details is None
    assert Factorial.is_experimental
    assert Factorial().handshake(EXAMPLE.request) is None
    assert len(Factorial().settings_errors(SourceSettings("factorial", base_url="https://api.factorialhr.com"))) == 1


@given(
    st.binary()
    | st.recursive(
        st.none() | st.text() | st.integers() | st.sampled_from(["2026-10-05", "2026-09-08T11:59:00Z"]),
        lambda c: (
            st.lists(c)
            | st.dictionaries(st.sampled_from(["id", "first_name", "last_name", "start_date", "updated_at"]), c)
        ),
    ).map(lambda value: json.dumps(value).encode())
)
def test_no_body_raises(sent: bytes) -> None:
    """Factorial is always answered 200 once the challenge holds."""
    for notice in read(sent):
        assert notice.problems or (notice.hire is not None and notice.change in (Change.HIRED, Change.CHANGED))
