"""The API's OpenAPI file, and whether the handler answers as it says."""

import re
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import schemathesis
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS, load_all_checks

from functions.hr_webhook.handler import _REFUSALS
from tests.contracts.hr_systems import Api, HrSystem
from tests.fakes.clock import FakeClock
from tests.fakes.queues import MemoryQueues
from tests.fakes.secrets import MemorySecrets
from tests.functions.front import Front
from usher import bootstrap
from usher.domain.hire import NewHire
from usher.sources.registry import all_sources
from usher.sources.signatures import Hmac, StaticSecret
from usher.use_cases.receive_notice import ReceiveNotice
from usher_local.sign import sign

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "openapi.yaml"
DOCUMENT: dict[str, Any] = yaml.safe_load(PAGE.read_text(encoding="utf-8"))
NOON = datetime(2026, 9, 8, 12, 0, tzinfo=UTC)
SECRET = "whsec_ZXhhbXBsZS1zZWNyZXQtb2YtZXZlcnlib2R5"
NAMES = [source.name for source in all_sources(Api().client())]
SCHEMA = schemathesis.openapi.from_path(PAGE)
OPERATIONS = [(path, verb) for path, item in DOCUMENT["paths"].items() for verb in item if verb != "parameters"]

load_all_checks()
PROMISES: list[Any] = [
    CHECKS.get_one(name)
    for name in (
        "not_a_server_error",
        "status_code_conformance",
        "content_type_conformance",
        "response_headers_conformance",
        "response_schema_conformance",
    )
]
CHECKED_ON_TOP = NewHire.model_fields.keys() - {"source", "hire_id", "change"} | {"body"}
"""
What is asked of a field beyond its schema: an address, a zone, a day of our time, no control characters, no 1.0; and of
the body, that no text in it has a NUL.
"""

by_operation = pytest.mark.parametrize(("path", "verb"), OPERATIONS)
by_mode = pytest.mark.parametrize("mode", GenerationMode, ids=lambda mode: mode.value)


def test_the_file_is_valid() -> None:
    """By OpenAPI's own schema."""
    SCHEMA.validate()


def test_the_file_names_the_header_by_which_each_source_is_believed() -> None:
    """Those whose proof stands in the body have none."""
    named = str(DOCUMENT["components"]["securitySchemes"])
    schemes = [getattr(source, "scheme", None) for source in all_sources(Api().client())]
    headers = {scheme.header for scheme in schemes if isinstance(scheme, Hmac | StaticSecret)}
    assert len(headers) > 8
    assert {header for header in headers if header not in named} == set()


def test_it_names_every_source_and_no_other() -> None:
    """In the order of the alphabet."""
    (parameter,) = DOCUMENT["paths"]["/hr/{source}"]["parameters"]
    assert parameter["schema"]["enum"] == sorted(NAMES)


def test_it_has_the_verbs_of_the_template() -> None:
    """At the one path that there is."""
    template = (ROOT / "template.yaml").read_text(encoding="utf-8")
    routes = re.findall(r'Path: "(/hr/\{source\})", Method: (\w+)', template)
    assert {(path, verb.upper()) for path, verb in OPERATIONS} == {*routes, ("/hr/canonical", "POST")}


def test_it_declares_every_refusal() -> None:
    """Of a request that announces something."""
    for path in DOCUMENT["paths"]:
        declared = DOCUMENT["paths"][path]["post"]["responses"]
        assert {str(status.value) for status in _REFUSALS.values()} - {"405"} <= set(declared)


@pytest.fixture
def queues(monkeypatch: pytest.MonkeyPatch) -> MemoryQueues:
    """What the handler announces; it listens to every source, and all of them have one secret."""
    made = MemoryQueues()
    sources = {name: HrSystem.of(name).source(Api().client()) for name in NAMES}
    secrets = MemorySecrets({f"sources/{name}": SECRET for name in NAMES})
    receive = ReceiveNotice(sources, secrets, made, FakeClock(NOON))
    monkeypatch.setattr(bootstrap, "receive_notice", lambda: receive)
    return made


def as_the_sender(source: str, body: bytes) -> dict[str, str]:
    """Sign whatever is sent; who has the secret in the body has written it there, or is not believed."""
    with suppress(KeyError):
        return sign(source, body, SECRET, NOON, "msg_1")
    return {}


@cache
def cases(
    path: str, verb: str, mode: GenerationMode = GenerationMode.POSITIVE, source: str | None = None
) -> st.SearchStrategy[schemathesis.Case[Any]]:
    """Give the requests that the file allows, or those that it does not; to one source or to any."""
    fixed = {"source": source} if source else None
    found: st.SearchStrategy[schemathesis.Case[Any]] = SCHEMA[path][verb].as_strategy(
        generation_mode=mode, path_parameters=fixed
    )
    return found


few = settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


@by_mode
@by_operation
@given(data=st.data())
@few
def test_an_unsigned_request_is_answered_as_declared(
    queues: MemoryQueues, path: str, verb: str, mode: GenerationMode, data: st.DataObject
) -> None:
    """Nothing is taken, and only handshakes succeed."""
    case = data.draw(cases(path, verb, mode))
    case.call_and_validate(app=Front(), checks=PROMISES)
    assert queues.announced == []


@by_mode
@by_operation
@given(data=st.data())
@few
def test_a_signed_request_is_answered_as_declared(
    queues: MemoryQueues, path: str, verb: str, mode: GenerationMode, data: st.DataObject
) -> None:
    """Whatever is in it."""
    case = data.draw(cases(path, verb, mode))
    answer = case.call_and_validate(app=Front(as_the_sender), checks=PROMISES)
    if mode is GenerationMode.POSITIVE:
        assert answer.status_code not in (403, 404)


@pytest.mark.parametrize("verb", ["post", "get", "options"])
@pytest.mark.parametrize("source", NAMES)
@given(data=st.data())
@settings(few, max_examples=5)
def test_every_source_answers_as_declared(queues: MemoryQueues, source: str, verb: str, data: st.DataObject) -> None:
    """What it is sent, and handshakes, whether or not they are its own."""
    case = data.draw(cases("/hr/{source}", verb, source=source))
    answer = case.call_and_validate(app=Front(as_the_sender), checks=PROMISES)
    assert answer.status_code != 404


@given(data=st.data())
@few
def test_an_event_that_the_file_allows_is_taken_or_its_errors_are_told(
    queues: MemoryQueues, data: st.DataObject
) -> None:
    """Of its own source; what is told is about fields of which the file cannot say everything."""
    case = data.draw(cases("/hr/canonical", "post"))
    assert isinstance(case.body, dict)
    case.body = {**case.body, "source": "canonical"}
    queues.announced.clear()
    answer = case.call_and_validate(app=Front(as_the_sender), checks=PROMISES)
    if answer.status_code == 422:
        fields = {error["field"] for error in answer.json()["errors"]}
        assert fields <= CHECKED_ON_TOP
    else:
        assert (answer.status_code, len(queues.announced)) == (202, 1)
