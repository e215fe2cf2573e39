"""Who plays the HR system: it reads a body from a file, signs it and sends it."""

import json
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from tests.unit.local.provider_client import asked
from usher.ports import WebhookRequest
from usher.sources.hibob import HiBob
from usher_local.cases import CASES, Case
from usher_local.errors import LocalSystemError
from usher_local.places import ROOT
from usher_local.simulators.hr_systems import HrSystems
from usher_local.webhook import body_of, send

SAMPLES = ROOT / "events" / "hr_webhook"


def test_a_body_is_a_file_or_stands_in_a_sample_request(tmp_path: Path) -> None:
    """
    As text or base64; what nobody can read goes as it is.
    """
    bodies = [body_of(SAMPLES / f"bamboohr_created{kind}.json") for kind in ("", "_base64")]
    assert [json.loads(body)["type"] for body in bodies] == ["employee.created"] * 2
    for content in (b'{"hello": "there"}', b"[1, 2]", b"Ping test"):
        (tmp_path / "body").write_bytes(content)
        assert body_of(tmp_path / "body") == content
    with pytest.raises(LocalSystemError, match="cannot read"):
        body_of(tmp_path / "missing")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.title)
def test_every_case_of_the_demo_has_its_event(case: Case) -> None:
    """
    And a title that fits into its column.
    """
    assert body_of(ROOT / "events" / case.file)
    assert len(case.title) <= 36


def test_what_is_sent_is_believed() -> None:
    """
    The body arrives as it was, under a signature of this moment.
    """
    body = body_of(SAMPLES / "hibob_created.json")
    with asked(HrSystems, {}) as anybody:
        assert send(f"{anybody.simulator.url}/hr", "hibob", body, {"sources/hibob": "secret"}) == 404
        (request,) = anybody.control("GET", "ledger")

    assert (request["method"], request["path"], request["body"]) == ("POST", "/hr/hibob", json.loads(body))
    headers = {name: (value,) for name, value in request["headers"].items()}
    with httpx.Client() as client:
        HiBob(client).verify(WebhookRequest("POST", "hibob", headers, body), ["secret"], datetime.now(UTC))


@pytest.mark.parametrize("source", ["lever", "okta", "unheard-of"])
def test_what_cannot_be_signed_is_not_sent(source: str) -> None:
    """
    For want of a secret, or because it stands in the body.
    """
    with pytest.raises(LocalSystemError, match=source):
        send("http://127.0.0.1:1/hr", source, b"{}", {"sources/lever": "secret"})
