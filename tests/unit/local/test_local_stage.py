"""The stage of one machine listens to every source, and the shipped secrets open all that it needs."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import boto3
import pytest

from tests.contracts.hr_systems import HrSystem
from tests.unit.local.hr_caller import ASKED, thin_notice, told_by
from tests.unit.local.provider_client import asked
from usher.aws.clients import Clients
from usher.bootstrap import Stack
from usher.config import STAGES, Environment, load_stage
from usher.domain.errors import DetailsUnavailable
from usher.ports import WebhookRequest
from usher_local.places import HR_PORT, LOOPBACK, SECRETS
from usher_local.sign import sign
from usher_local.simulators.hr_systems import HrSystems
from usher_local.simulators.main import SHIPPED

STACK = Stack(Environment.of({}), Clients(boto3.Session("test", "test", region_name="eu-west-1")))
SOURCES = STACK.sources
LOCAL = load_stage(STAGES / "local.toml", STACK.providers, SOURCES)
SHIPPED_SECRETS = json.loads(SECRETS.read_text(encoding="utf-8"))
IN_THE_BODY = {"entra-graph", "lever"}
"""Whose secret stands in the body."""


def test_it_listens_to_every_source() -> None:
    """
    Each has a secret; a file for another stage or run would be incomplete as well.
    """
    assert LOCAL.sources.keys() == SOURCES.keys()
    assert {f"sources/{name}" for name in SOURCES} <= SHIPPED_SECRETS.keys()


@pytest.mark.parametrize("name", sorted(SOURCES.keys() - IN_THE_BODY))
def test_a_body_signed_with_the_shipped_secret_is_believed(name: str) -> None:
    """
    So it has the form that its source wants.
    """
    now, body, secret = datetime.now(UTC), b'{"type": "anything"}', SHIPPED_SECRETS[f"sources/{name}"]
    headers = sign(name, body, secret, now, delivery_id="msg_1")
    request = WebhookRequest("POST", name, {header: (value,) for header, value in headers.items()}, body)

    SOURCES[name].verify(request, [secret], now)


@pytest.mark.parametrize("system", ASKED, ids=lambda system: system.title)
def test_who_must_be_asked_for_details_is_the_simulator(system: HrSystem) -> None:
    """
    Under the system's own name, where the shipped secret opens it.
    """
    name = system.settings.name
    settings = LOCAL.source_settings[name]
    assert settings.base_url == f"http://{LOOPBACK}:{HR_PORT}/{name}"
    with asked(HrSystems, dict(SHIPPED["hr"])) as hr, pytest.raises(DetailsUnavailable, match=r"404|no such employee"):
        told_by(
            hr, replace(system, settings=settings, secret=SHIPPED_SECRETS[f"hr-api/{name}"]), notice=thin_notice(system)
        )
