"""
Whatever a source or its API sends, what comes of it is one of the endings that the port names.

No other error, no notice that is neither usable nor says why, and no value of a stranger's in a problem.
"""

import json
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.contracts.hr_systems import Answer, Api, HrSystem, all_systems, as_answers, faults_of, faults_of_hire
from tests.contracts.json_parts import DROPPED, NUMBER, STRANGE, WORD, changed, places
from usher.domain.errors import BadEvent, BodyNotUnderstood, DetailsUnavailable, SecretUnavailable, Unauthentic
from usher.domain.hire import NewHire
from usher.domain.notice import Notice
from usher.ports import Reply, Source, WebhookRequest

NOON = datetime(2026, 9, 8, 12, 0, tzinfo=UTC)
SYSTEMS = all_systems()
ASKED = tuple(system for system in SYSTEMS if system.source(Api().client()).details is not None)
LISTED = tuple(system for system in SYSTEMS if system.source(Api().client()).listing is not None)

json_values: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(STRANGE)
    | st.text(max_size=20).map(lambda text: WORD + text),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
headers = st.dictionaries(
    st.sampled_from(
        [
            *("authorization", "content-type", "webhook-id", "webhook-timestamp", "webhook-signature", "signature"),
            *("x-okta-verification-challenge", "webhook-request-origin", "webhook-request-rate", "ce-id", "ce-type"),
            *("ce-source", "ce-specversion", "finch-event-id", "finch-timestamp", "finch-signature", "bob-signature"),
        ]
    ),
    st.lists(st.text() | st.sampled_from(["1788868800", "v1,AAAA", "application/json", "%00%ff", "1.0"]), max_size=2),
)
queries = st.dictionaries(st.sampled_from(["validationToken", "access_token", "x"]), st.text(), max_size=2)

few = settings(max_examples=settings().max_examples * 3 // 10)
"""So many sources share what one property has elsewhere; a nightly profile makes it more here too."""

by_name = pytest.mark.parametrize("system", SYSTEMS, ids=lambda system: system.title)
by_name_asked = pytest.mark.parametrize("system", ASKED, ids=lambda system: system.title)


@cache
def source_of(system: HrSystem) -> Source:
    """Give a source whose API knows nobody."""
    api = Api()
    api.set([Answer(b"", 404)])
    return system.source(api.client())


def bodies_of(system: HrSystem) -> list[tuple[WebhookRequest, Any]]:
    """Give the requests of a system that have a body of JSON, with what it holds."""
    found = []
    for request in system.requests:
        with suppress(ValueError):
            found.append((request, json.loads(request.body)))
    return found


def read(source: Source, request: WebhookRequest) -> list[str]:
    """Read a request, see that every notice is one, and give the text of every problem."""
    try:
        notices = source.read(request, NOON)
    except (BadEvent, BodyNotUnderstood) as error:
        assert source.tells_problems
        return [str(error)]
    assert [fault for notice in notices for fault in faults_of(notice)] == []
    return [str(problem) for notice in notices for problem in notice.problems]


def repeats_a_value(problems: Collection[str]) -> bool:
    """Say whether a problem holds what only a value can hold."""
    text = " ".join(problems).lower()
    return any(part in text for part in (WORD.lower(), str(NUMBER), "noor", "haddad", "example.com"))


@st.composite
def several_parts_changed(draw: st.DrawFn, values: list[Any]) -> Any:
    """Draw one of some values, up to four parts of it changed or dropped."""
    value = draw(st.sampled_from(values))
    for _ in range(draw(st.integers(1, 4))):
        path = draw(st.sampled_from(list(places(value))))
        value = changed(value, path, draw(json_values | st.just(DROPPED)))
    return value


def as_json(value: Any) -> bytes:
    """Write a value, NaN and lone surrogates too."""
    return json.dumps(value).encode()


@by_name
@given(
    method=st.sampled_from(["POST", "GET", "OPTIONS"]),
    body=st.binary() | json_values.map(as_json),
    headers=headers,
    query=queries,
)
@few
def test_any_request_is_answered_refused_or_read(
    system: HrSystem, method: str, body: bytes, headers: dict[str, list[str]], query: dict[str, str]
) -> None:
    """A handshake has no error at all; a signature has one for every cause, and one for a secret that is none."""
    request = WebhookRequest(method, system.settings.name, {k: tuple(v) for k, v in headers.items()}, body, query)
    source = source_of(system)
    assert isinstance(source.handshake(request), Reply | None)
    assert isinstance(source.secret_in(request.body), str | None)
    for secrets in (("d2hzZWM=", "another"), ("whsec_d2hzZWM=",), ("pending",)):
        with suppress(Unauthentic, SecretUnavailable):
            source.verify(request, secrets, NOON)
    assert not repeats_a_value(read(source, request))


@by_name
def test_a_request_with_any_one_part_dropped_or_strange_is_read(system: HrSystem) -> None:
    """Every part of every example, however deep; of two examples of one shape the first will do."""
    source = source_of(system)
    for request, sample in {str(list(places(body))): (request, body) for request, body in bodies_of(system)}.values():
        for path in places(sample):
            for part in (DROPPED, *STRANGE):
                body = as_json(changed(sample, path, part))
                assert not repeats_a_value(read(source, replace(request, body=body))), body


@by_name
@given(data=st.data())
@few
def test_a_request_with_several_parts_changed_is_read_and_whom_it_names_can_be_asked_about(
    system: HrSystem, data: st.DataObject
) -> None:
    """Whatever the id is, asking about it ends with a name: here nobody is known."""
    source = source_of(system)
    request, sample = data.draw(st.sampled_from(bodies_of(system)))
    varied = replace(request, body=as_json(data.draw(several_parts_changed([sample]))))
    assert not repeats_a_value(read(source, varied))
    for notice in thin_notices(system, [varied]):
        with pytest.raises(DetailsUnavailable):
            fetched(system, notice, [Answer(b"", 404)])


def thin_notices(system: HrSystem, requests: Iterable[WebhookRequest]) -> list[Notice]:
    """Give what must be asked about, of some requests."""
    source = source_of(system)
    notices: list[Notice] = []
    for request in requests:
        with suppress(BadEvent, BodyNotUnderstood):
            notices += [notice for notice in source.read(request, NOON) if notice.is_thin]
    return notices


def fetched(system: HrSystem, notice: Notice, answers: list[Answer]) -> NewHire:
    """Ask about a notice where the API answers so."""
    api = Api()
    api.set(answers)
    details = system.source(api.client()).details
    assert details is not None
    hire = details.fetch(notice, system.settings, system.secret, NOON)
    assert faults_of_hire(hire, notice) == []
    return hire


def ending(ask: Callable[..., Any], *given: Any) -> list[str]:
    """Ask, and give the text of every problem; only what the port names may be raised."""
    try:
        ask(*given)
    except (BadEvent, DetailsUnavailable) as error:
        return [str(error)]
    return []


@by_name_asked
def test_the_answers_that_are_varied_here_are_understood(system: HrSystem) -> None:
    """Or nothing would be tested by varying them."""
    notice = next(
        notice
        for notice in thin_notices(system, system.requests)
        if notice.change == "hired" or system.title == "entra-graph"
    )
    hire = fetched(system, notice, as_answers(system.details))
    assert hire.family_name


@by_name_asked
def test_an_answer_with_any_one_part_dropped_or_strange_is_a_hire_or_an_error_with_a_name(system: HrSystem) -> None:
    """Every part of every answer, however deep."""
    notice = thin_notices(system, system.requests)[0]
    for index, answer in enumerate(system.details):
        for path in places(answer):
            for part in (DROPPED, *STRANGE):
                answers = as_answers(system.details)
                answers[index] = Answer(as_json(changed(answer, path, part)))
                assert not repeats_a_value(ending(fetched, system, notice, answers)), answers


@by_name_asked
@given(data=st.data(), status=st.sampled_from([200, 200, 200, 204, 301, 404, 429, 500]), body=st.binary())
@few
def test_any_answer_is_a_hire_or_an_error_with_a_name(
    system: HrSystem, data: st.DataObject, status: int, body: bytes
) -> None:
    """Any bytes, any status and several parts changed; whoever is found can be planned for."""
    notice = data.draw(st.sampled_from(thin_notices(system, system.requests)))
    answers = as_answers(system.details)
    index = data.draw(st.integers(0, len(answers) - 1))
    made = data.draw(several_parts_changed(list(system.details)).map(as_json) | st.just(body))
    wait = data.draw(st.sampled_from([b"", b"30", b"-1", b"\xff", b"Thu, 01 Jan 1970 00:00:00 -0000", b"9" * 30]))
    answers[index] = Answer(made, status, ((b"retry-after", wait), (b"content-type", b"application/json")))
    assert not repeats_a_value(ending(fetched, system, notice, answers))


@pytest.mark.parametrize("system", LISTED, ids=lambda system: system.title)
@given(data=st.data())
@few
def test_any_list_gives_notices_or_an_error_with_a_name(system: HrSystem, data: st.DataObject) -> None:
    """One part of one page is another."""
    api = Api()
    listing = system.source(api.client()).listing
    assert listing is not None
    answers = as_answers(system.listing)
    index = data.draw(st.integers(0, len(answers) - 1))
    answers[index] = Answer(as_json(data.draw(several_parts_changed([system.listing[index]]))))
    api.set(answers)
    problems = ending(listing.recent, system.settings, system.secret, NOON)
    assert not repeats_a_value(problems)


@pytest.mark.parametrize("system", LISTED, ids=lambda system: system.title)
def test_the_list_that_is_varied_here_is_understood(system: HrSystem) -> None:
    """Its notices are thin or whole, and each is about somebody."""
    api = Api()
    api.set(as_answers(system.listing))
    listing = system.source(api.client()).listing
    assert listing is not None
    notices = listing.recent(system.settings, system.secret, NOON)
    assert notices
    assert [fault for notice in notices for fault in faults_of(notice)] == []
