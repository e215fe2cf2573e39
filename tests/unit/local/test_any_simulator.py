"""What all simulators share: faults, the ledger, the control API, and the program that runs them."""

import json
import re
import signal
import socket
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.unit.local.provider_client import NOW, Asked, asked
from usher_local.places import ROOT
from usher_local.simulators.sentry import Sentry

ANN = "ann@example.com"
SEED = {
    "tokens": {"token": {"scopes": ["member:read", "member:write"]}},
    "organizations": {"acme": {"teams": ["platform"]}},
}
MEMBERS = "/api/0/organizations/acme/members/"


@pytest.fixture
def sentry() -> Iterator[Asked]:
    """A running simulator: one with rows and mails."""
    with asked(Sentry, SEED) as caller:
        yield caller


def invited(sentry: Asked, email: str = ANN) -> httpx.Response:
    """An invitation."""
    return sentry("POST", MEMBERS, {"email": email})


def rows(sentry: Asked) -> list[str]:
    """Who is in the state of the organization."""
    return [row["email"] for row in sentry.control("GET", "state")["acme"]]


@pytest.mark.parametrize("kind", ["status_after", "reset_after", "truncate", "html", "delay"])
def test_after_these_faults_the_effect_has_happened(sentry: Asked, kind: str) -> None:
    """
    Row and mail are there, once, whatever the caller got to see.
    """
    sentry.fault(kind=kind, status=502)

    try:
        answer = invited(sentry)
    except httpx.TransportError:
        assert kind in ("reset_after", "truncate")
    else:
        assert (kind, answer.status_code) in [("status_after", 502), ("html", 201), ("delay", 201)]
        assert answer.headers["content-type"].startswith("application/json") == (kind == "delay")
    assert rows(sentry) == [ANN]
    assert sentry.mails == [(ANN, "invite")]


@pytest.mark.parametrize("kind", ["status_before", "reset_before", "rate_limit", "quota", "concurrency", "wrong_token"])
def test_before_these_faults_nothing_has_happened(sentry: Asked, kind: str) -> None:
    """
    And the next request goes through.
    """
    sentry.fault(kind=kind, status=503)

    try:
        assert invited(sentry).status_code in (503, 429, 401)
    except httpx.TransportError:
        assert kind == "reset_before"
    assert (rows(sentry), sentry.mails) == ([], [])
    assert invited(sentry).status_code == 201


def test_a_reset_is_a_reset_and_no_polite_end(sentry: Asked) -> None:
    """
    As from a host that died.
    """
    sentry.fault(kind="reset_before")
    with socket.create_connection(("127.0.0.1", int(sentry.simulator.url.rpartition(":")[2]))) as connection:
        connection.sendall(f"GET {MEMBERS} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())

        with pytest.raises(ConnectionResetError):
            connection.recv(1)


def test_a_fault_is_for_those_whom_its_rule_names(sentry: Asked) -> None:
    """
    By method, path and address, which may stand in the body or in the query.
    """
    sentry.fault(kind="status_before", times=9, match={"method": "POST", "path": "*/members/", "address": "Ann@"})
    sentry.fault(kind="status_before", times=9, status=502, match={"method": "GET", "address": "bob@"})

    assert invited(sentry).status_code == 500
    assert invited(sentry, "bob@example.com").status_code == 201
    assert sentry("GET", f"{MEMBERS}?query=email:{ANN}").status_code == 200
    assert sentry("GET", f"{MEMBERS}?query=email:bob@example.com").status_code == 502


def test_a_fault_may_bring_its_own_body_and_headers(sentry: Asked) -> None:
    """
    A redirect, or the words of an error that the provider knows.
    """
    sentry.fault(kind="status_before", status=307, headers={"Location": "http://127.0.0.1:9/"})
    sentry.fault(kind="status_after", status=500, body={"detail": "Internal Error", "errorId": None})

    assert invited(sentry).headers["location"] == "http://127.0.0.1:9/"
    assert invited(sentry).json() == {"detail": "Internal Error", "errorId": None}


def test_the_ledger_has_every_request_and_no_secret(sentry: Asked) -> None:
    """
    Those that met a fault as well.
    """
    sentry.fault(kind="reset_before")
    with pytest.raises(httpx.TransportError):
        invited(sentry)
    sentry("POST", MEMBERS, {"email": ANN}, caller="a-secret-that-is-wrong")
    sentry("GET", f"{MEMBERS}?query=email:{ANN}")

    ledger = sentry.control("GET", "ledger")

    told = [(line["method"], line["path"], line["authorized"], line["status"]) for line in ledger]
    assert told == [("POST", MEMBERS, True, None), ("POST", MEMBERS, False, 401), ("GET", MEMBERS, True, 200)]
    assert ledger[0]["body"] == {"email": ANN}
    assert ledger[2]["query"] == {"query": f"email:{ANN}"}
    assert ledger[0]["at"] == NOW.isoformat()
    assert "token" not in json.dumps(ledger)
    assert "a-secret" not in json.dumps(ledger)


def test_a_mail_is_remembered_with_all_that_was_in_it(sentry: Asked) -> None:
    """
    Who, from whom, why and when.
    """
    invited(sentry, "Ann@example.com")

    assert sentry.control("GET", "mails") == [
        {
            "provider": "sentry",
            "organization": "acme",
            "address": ANN,
            "kind": "invite",
            "at": NOW.isoformat(),
            "text": None,
        }
    ]


def test_a_reset_leaves_the_first_seed_alone(sentry: Asked) -> None:
    """
    Later seeds, mails, faults and switches are gone.
    """
    sentry.seed({"organizations": {"acme": {"members": [{"email": "max@example.com"}]}}})
    sentry.switch(rate_limit_headers=False)
    invited(sentry)
    sentry.fault(kind="status_before")

    sentry.control("POST", "reset")

    assert (rows(sentry), sentry.mails, sentry.control("GET", "ledger")) == ([], [], [])
    assert "x-sentry-rate-limit-limit" in invited(sentry).headers


@pytest.mark.parametrize(
    ("what", "body"),
    [
        ("faults", [{"kind": "mystery"}]),
        ("faults", [{"kind": "delay", "minutes": 1}]),
        ("faults", [{"kind": "delay", "match": {"email": ANN}}]),
        ("switches", {"mystery": True}),
        ("switches", []),
        ("seed", []),
    ],
)
def test_a_rule_that_would_do_nothing_is_refused(sentry: Asked, what: str, body: Any) -> None:
    """
    Silence would look like a fault that did no harm.
    """
    assert sentry.client.post(f"{sentry.simulator.url}/_sim/{what}", json=body).status_code == 400


def test_a_path_or_method_that_the_provider_does_not_have(sentry: Asked) -> None:
    """
    Of the provider and of the control API.
    """
    assert sentry("GET", "/elsewhere").status_code == 404
    assert sentry("DELETE", MEMBERS).status_code == 405
    assert sentry("PATCH", MEMBERS).status_code == 405
    assert sentry("GET", "/_sim/elsewhere").status_code == 404


def test_a_connection_is_kept_and_ends_with_the_simulator() -> None:
    """
    A stopped provider answers nobody, also not over a connection that was open; it then comes back as it was.
    """
    with asked(Sentry, SEED) as sentry:
        assert invited(sentry).headers.get("connection") != "close"
        url, port = sentry.simulator.url, int(sentry.simulator.url.rpartition(":")[2])
        sentry.simulator.stop()
        with pytest.raises(httpx.TransportError):
            sentry.client.get(f"{url}/_sim/mails")

        sentry.simulator.start(port)

        assert sentry.mails == [(ANN, "invite")]


@pytest.fixture
def all_of_them() -> Iterator[dict[str, str]]:
    """The program, on free ports: where each simulator listens."""
    command = [sys.executable, "-m", "usher_local.simulators"]
    ports = [f"--{name}-port=0" for name in ("atlassian", "sentry", "hr")]
    program = subprocess.Popen([*command, *ports], stdout=subprocess.PIPE, text=True, cwd=ROOT / "local")
    try:
        assert program.stdout is not None
        yield dict(re.findall(r"(\w+) (http://\S+?)(?:,|$)", program.stdout.readline().strip()))
    finally:
        program.send_signal(signal.SIGTERM)
        program.communicate(timeout=30)
    assert program.returncode == 0


def test_the_program_serves_the_local_stage_without_a_seed(all_of_them: dict[str, str]) -> None:
    """
    Its organizations, teams, groups, resources and secrets are those of the shipped files.
    """
    stage = tomllib.loads((ROOT / "layers/usher/usher/stages/local.toml").read_text(encoding="utf-8"))
    secrets = json.loads((ROOT / "local/secrets.json").read_text(encoding="utf-8"))
    assert sorted(all_of_them) == ["atlassian", "hr", "sentry"]
    for name, connection in stage["connections"].items():
        base, provider = all_of_them[connection["provider"]], connection["provider"]
        headers = {"authorization": f"Bearer {secrets[f'{provider}/{name}']}"}
        if provider == "sentry":
            url = f"{base}/api/0/organizations/{connection['organization']}/members/"
            teams = [{"teamSlug": team, "role": None} for team in connection.get("teams", [])]
            bodies: list[dict[str, Any]] = [{"email": ANN, "teamRoles": teams, "orgRole": connection["roles"][0]}]
        else:
            url = f"{base}/admin/v2/orgs/{connection['organization']}/users/invite"
            rules = [{"resource": one, "role": connection["roles"][0]} for one in connection["resources"]]
            bodies = [{"emails": [ANN], "permissionRules": rules, "additionalGroups": connection["plain_groups"]}]
        for body in bodies:
            assert httpx.post(url, json=body, headers=headers, trust_env=False).status_code in (200, 201), name
    key = secrets["hr-api/bamboohr"]
    answer = httpx.get(f"{all_of_them['hr']}/bamboohr/api/v1/employees/1", auth=(key, "x"), trust_env=False)
    assert answer.status_code == 404
