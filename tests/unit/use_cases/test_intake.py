"""The event intake: one event in any of its envelopes, and only in the name of whom its sender may speak for."""

import base64
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from usher.domain.hire import Change
from usher.domain.notice import MOST_SEALED, Notice
from usher.use_cases.intake import read_intake

NOON = datetime(2026, 9, 8, 12, 0, tzinfo=UTC)
EVENTS = Path(__file__).parents[3] / "events" / "plan_invites"
SENDERS = {
    "AROAEXAMPLEHRSYSTEM": ("canonical", "greenhouse"),
    "AIDAEXAMPLEEVENTBRIDGE": ("canonical",),
    "AIDAEXAMPLESNS": ("canonical",),
}
EVENT = {"schema": "usher.new-hire/1", "source": "canonical", "hire_id": "E-1", "version": 5}


def read(body: object, *, message: str = "m-1", sender: str = "AROAEXAMPLEHRSYSTEM:session") -> Notice:
    """Read a message."""
    text = body if isinstance(body, str) else json.dumps(body)
    return read_intake(text, message, sender, SENDERS, NOON)


def read_file(name: str) -> Notice:
    """Read a sample event's one message."""
    (record,) = json.loads((EVENTS / f"{name}.json").read_text())["Records"]
    return read_intake(record["body"], record["messageId"], record["attributes"]["SenderId"], SENDERS, NOON)


def fields(notice: Notice) -> set[str]:
    """Name the fields with problems."""
    return {problem.field for problem in notice.problems}


@pytest.mark.parametrize("name", ["bare", "cloudevents", "cloudevents_base64", "eventbridge", "sns", "sns_cloudevents"])
def test_an_event_is_the_same_in_every_envelope(name: str) -> None:
    """What the envelope says of itself changes nothing."""
    notice = read_file(name)
    assert notice.problems == ()
    assert notice.hire == read_file("bare").hire
    assert (notice.source, notice.subject, notice.change) == ("canonical", "E-1042", Change.HIRED)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("invalid", {"hire_id", "version", "work_email", "start_date", "orgRole"}),
        ("invalid_json", {"body"}),
        ("foreign_sender", {"source"}),
        ("foreign_source", {"source"}),
        ("future_schema", {"schema"}),
    ],
)
def test_what_cannot_be_used_is_parked_with_every_reason(name: str, expected: set[str]) -> None:
    """Sealed, and in nobody's name: the one it claims is not believed."""
    notice = read_file(name)
    assert fields(notice) == expected
    assert (notice.source, notice.hire, notice.change) == ("intake", None, None)
    (record,) = json.loads((EVENTS / f"{name}.json").read_text())["Records"]
    assert base64.b64decode(notice.sealed_body or "").decode() == record["body"]


@pytest.mark.parametrize("name", ["greenhouse_address", "changed", "cancelled", "personal_address"])
def test_the_other_samples_are_whole(name: str) -> None:
    """What the policy makes of them is planning's."""
    assert read_file(name).hire is not None


@pytest.mark.parametrize(
    "sender", ["AROAEXAMPLESTRANGER:session", "AROAEXAMPLE", "", ":AROAEXAMPLEHRSYSTEM", "x:AROAEXAMPLEHRSYSTEM"]
)
def test_a_sender_that_is_not_listed_speaks_for_nobody(sender: str) -> None:
    """The name of a session is anybody's choice; only the part before the colon is AWS's word."""
    assert fields(read(EVENT, sender=sender)) == {"source"}


def test_a_listed_sender_may_have_any_session() -> None:
    """And users have none."""
    assert read(EVENT, sender="AROAEXAMPLEHRSYSTEM:another").problems == ()
    assert read(EVENT, sender="AIDAEXAMPLESNS").problems == ()


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ([EVENT], {"body"}),
        ("text", {"body"}),
        ("null", {"body"}),
        ({"hello": "world"}, {"body"}),
        ({"hire_id": "E-1"}, {"schema", "source", "version"}),
        ({"specversion": "0.3", "id": "1", "source": "s", "type": "t", "data": EVENT}, {"specversion"}),
        ({"specversion": "1.0", "id": "", "source": 5, "data": EVENT}, {"id", "source", "type"}),
        ({"specversion": "1.0", "id": "1", "source": "s", "type": "t"}, {"event"}),
        ({"specversion": "1.0", "id": "1", "source": "s", "type": "t", "data_base64": "!"}, {"data_base64"}),
        ({"specversion": "1.0", "id": "1", "source": "s", "type": "t", "data_base64": "e30"}, {"data_base64"}),
        ({"specversion": "1.0", "id": "1", "source": "s", "type": "t", "data_base64": "eyI="}, {"data_base64"}),
        ({"detail-type": "x", "detail": EVENT}, {"id"}),
        ({"detail-type": "x", "id": "1"}, {"event"}),
        ({"Type": "Notification", "MessageId": "1", "Message": EVENT}, {"Message"}),
        ({"Type": "Notification", "MessageId": "1", "Message": "hello"}, {"Message"}),
        ({"Type": "Notification", "Message": json.dumps(EVENT)}, {"MessageId"}),
        ({"Type": "SubscriptionConfirmation", "Message": "x", "SubscribeURL": "https://evil.example"}, {"body"}),
    ],
)
def test_an_envelope_that_does_not_hold_is_parked(body: Any, expected: set[str]) -> None:
    """With words of the envelope."""
    assert fields(read(body)) == expected


def test_a_redelivery_has_the_same_name_by_what_its_envelope_says() -> None:
    """Buses deliver more than once, each time as another message; a bare event is as often as its message."""
    cloud = {"specversion": "1.0", "id": "1", "source": "s", "type": "t", "data": EVENT}
    assert read(cloud, message="m-1").notice_id == read(cloud, message="m-2").notice_id
    assert read(cloud).notice_id != read(cloud | {"id": "2"}).notice_id
    assert read(EVENT, message="m-1").notice_id == read(EVENT, message="m-1").notice_id
    assert read(EVENT, message="m-1").notice_id != read(EVENT, message="m-2").notice_id


def test_an_envelope_id_that_is_used_twice_hides_nothing() -> None:
    """A correction is another notice, whoever forgot to number it; so is another event that cannot be used."""
    cloud = {"specversion": "1.0", "id": "1", "source": "s", "type": "t"}
    said = [EVENT, EVENT | {"version": 6}, EVENT | {"version": 0}, EVENT | {"version": 0, "hire_id": "E-2"}]
    assert len({read(cloud | {"data": event}).notice_id for event in said}) == 4


def test_nobody_can_take_the_name_of_another_senders_notice() -> None:
    """A stranger's parked message never stands where ours would."""
    cloud = {"specversion": "1.0", "id": "1", "source": "s", "type": "t", "data": EVENT}
    assert read(cloud).notice_id != read(cloud, sender="AIDAEXAMPLESNS").notice_id


def test_a_body_too_long_to_keep_is_kept_in_part_and_says_so() -> None:
    """A notice must fit where notices stand."""
    notice = read("[" * (MOST_SEALED + 1))
    assert len(base64.b64decode(notice.sealed_body or "")) == MOST_SEALED
    assert "kept without" in notice.problems[-1].reason


@given(st.text())
def test_no_text_raises(body: str) -> None:
    """Whatever a queue lets through."""
    assert read(body).problems


@given(
    st.dictionaries(
        st.sampled_from(
            [
                "schema",
                "specversion",
                "Type",
                "Message",
                "MessageId",
                "detail-type",
                "detail",
                "id",
                "source",
                "data",
                "type",
            ]
        ),
        st.sampled_from(["1.0", "Notification", json.dumps(EVENT), "usher.new-hire/1"])
        | st.none()
        | st.just(EVENT)
        | st.text(),
    )
)
def test_no_envelope_raises(body: dict[str, Any]) -> None:
    """Whatever its parts are."""
    notice = read(body)
    assert notice.problems or notice.hire
