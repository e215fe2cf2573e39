"""Stage files: what is refused at load, and what the message says."""

import re
import tomllib
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.provider import FakeProvider
from usher.config import STAGES, Environment, Stage, load_stage, parse_stage, url_errors
from usher.domain.errors import BadPolicy
from usher.domain.rate import Rate
from usher.ports import Source
from usher.sources.registry import all_sources

STAGE = """
version = 3
allowed_hosts = ["127.0.0.1:4611"]
[company]
email_domains = ["example.com"]
time_zone = "Europe/Berlin"
mode = "live"
[connections.main]
provider = "sentry"
organization = "acme"
base_url = "https://provider.example"
roles = ["member"]
[[rules]]
name = "everybody"
when = { everyone = true }
connection = "main"
grant = { role = "member" }
[sources.bamboohr]
base_url = "https://examplecorp.bamboohr.com"
[[senders]]
id = "AROAEXAMPLE"
sources = ["bamboohr"]
"""

SOURCES: dict[str, Source] = {source.name: source for source in all_sources(httpx.Client())}


def parsed(text: str) -> Stage:
    """Parse a stage with one known provider and the sources there are."""
    return parse_stage(tomllib.loads(text), "test.toml", {"sentry": FakeProvider()}, SOURCES)


def test_a_stage_gets_the_timings_of_its_provider_where_it_says_nothing_else() -> None:
    """And may change each of them."""
    assert parsed(STAGE).policy.connections["main"].timings.settle == 90
    changed = STAGE.replace("[[rules]]", "timings = { settle = 120 }\n[[rules]]")
    assert parsed(changed).policy.connections["main"].timings.settle == 120


def test_a_stage_gets_the_rate_and_the_daily_budget_of_its_provider_where_it_says_nothing_else() -> None:
    """And may set each of them, and the company's guard."""
    provider = FakeProvider(rate=Rate(requests=30, per=1), invites_per_day=100)
    stage = parse_stage(tomllib.loads(STAGE), "test.toml", {"sentry": provider}, SOURCES)
    main = stage.policy.connections["main"]
    assert (main.rate, main.invites_per_day) == (Rate(requests=30, per=1), 100)
    assert stage.policy.company.guard.most_per_hour == 200

    changed = STAGE.replace("[[rules]]", "invites_per_day = 7\nrate = { requests = 5, per = 60 }\n[[rules]]").replace(
        "[company]", "[company]\nguard = { most_per_hour = 50 }"
    )
    stage = parse_stage(tomllib.loads(changed), "test.toml", {"sentry": provider}, SOURCES)
    main = stage.policy.connections["main"]
    assert (main.rate, main.invites_per_day) == (Rate(requests=5, per=60), 7)
    assert stage.policy.company.guard.most_per_hour == 50


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('provider = "sentry"', 'provider = "senty"', "test.toml: connection 'main': provider: is not one of sentry"),
        ('role = "member" }', 'role = "owner" }', "test.toml: rule 'everybody': grant: role 'owner' is not listed"),
        ("everyone = true", 'dept = ["x"]', "test.toml: rule 'everybody': when.dept: Extra inputs are not permitted"),
        ("everyone = true", "", "test.toml: rule 'everybody': when: Value error, says nothing"),
        ('mode = "live"', 'mode = "lively"', "test.toml: company.mode: Input should be 'plan' or 'live'"),
        ('organization = "acme"', 'organization = "../../users"', "test.toml: connection 'main': organization: "),
        ('organization = "acme"', 'organisation = "acme"', "test.toml: connection 'main': organi"),
        ("version = 3", "version = 0", "test.toml: version: Input should be greater than or equal to 1"),
        ('"Europe/Berlin"', '"Europe/Berlinn"', "test.toml: company.time_zone: Value error, is not an IANA"),
        (
            "[[rules]]",
            "timings = { settle = 60 }\n[[rules]]",
            "timings: settle + (absent_reads - 1) x read_gap is 22 s",
        ),
        ("https://provider.example", "https://evil.example", "base_url: its host 'evil.example' is not the vendor's"),
        ('["example.com"]', '["Example.com"]', "company: email_domains: 'Example.com' is not a lower-case"),
        ('["example.com"]', "[]", "company: email_domains: is empty"),
        (
            "[[rules]]",
            "rate = { requests = 2, per = 1 }\n[[rules]]",
            "connection 'main': rate.requests: Input should be",
        ),
        ("[[rules]]", "invites_per_day = 0\n[[rules]]", "connection 'main': invites_per_day: Input should be"),
        ("[company]", "[company]\nguard = { per_hour = 9 }", "test.toml: company.guard.per_hour: Extra inputs"),
        ("[[rules]]", "[limits]\nmost_atempts = 3\n[[rules]]", "test.toml: limits"),
        (
            'base_url = "https://provider.example"',
            'base_url = "https://["',
            "connection 'main': base_url: is not a URL",
        ),
        ("https://examplecorp.bamboohr.com", "https://[", "test.toml: source 'bamboohr': base_url: is not a URL"),
        (
            "https://examplecorp.bamboohr.com",
            "https://hr.example",
            "test.toml: source 'bamboohr': base_url: its host 'hr.example' is not the vendor's own",
        ),
        ("https://examplecorp.bamboohr.com", "https://evil.example%2f.bamboohr.com", "is not the vendor's own"),
        ("https://examplecorp.bamboohr.com", "http://examplecorp.bamboohr.com", "is not https"),
        ("version = 3", "version = 3\npolicy = {}", "test.toml: policy: is no table of a stage file"),
        ("version = 3", 'version = 3\nname = "prod"', "test.toml: name: is no table of a stage file"),
        (
            'provider = "sentry"',
            'provider = ["sentry"]',
            "test.toml: connection 'main': provider: is not one of sentry",
        ),
    ],
)
def test_a_stage_that_is_wrong_is_refused_naming_file_rule_and_field(old: str, new: str, message: str) -> None:
    """Everything that is wrong, in words of the file."""
    with pytest.raises(BadPolicy) as refused:
        parsed(STAGE.replace(old, new, 1))
    assert message in str(refused.value)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"connections": []}, "test.toml: connections: Input should be a valid dictionary"),
        ({"connections": "main"}, "test.toml: connections: Input should be a valid dictionary"),
        ({"connections": {"main": "sentry"}}, "test.toml: connection 'main': Input should be a valid dictionary"),
        (
            {"connections": {"main": {"provider": "sentry", "timings": [1]}}},
            "connection 'main': timings: Input should be",
        ),
        ({"rules": "everybody"}, "test.toml: rules: Input should be a valid tuple"),
        ({"rules": ["everybody"]}, "test.toml: rule 1: Input should be a valid dictionary"),
        ({"rules": [{"name": {}, "when": {}}]}, "test.toml: rule 1: name: Input should be a valid string"),
        ({"company": 1}, "test.toml: company: Input should be a valid dictionary"),
        ({"sources": ["bamboohr"]}, "test.toml: sources: Input should be a valid dictionary"),
        ({"sources": {"bamboohr": 1}}, "test.toml: sources.bamboohr: Input should be a valid dictionary"),
        ({"senders": {}}, "test.toml: senders: Input should be a valid tuple"),
    ],
)
def test_a_table_of_another_kind_is_refused_naming_file_and_place(table: dict[str, Any], message: str) -> None:
    """TOML lets any key be anything."""
    with pytest.raises(BadPolicy) as refused:
        parse_stage(tomllib.loads(STAGE) | table, "test.toml", {"sentry": FakeProvider()}, SOURCES)
    assert message in str(refused.value)


_ANYTHING: st.SearchStrategy[Any] = st.recursive(
    st.integers() | st.floats() | st.booleans() | st.text() | st.datetimes() | st.times(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


def _places(value: Any) -> list[tuple[Any, ...]]:
    """Give the path of every value of a file."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [(), *((key, *path) for key, item in inner for path in _places(item))]


def _with(value: Any, path: tuple[Any, ...], other: Any) -> Any:
    """Give the file with another value at one place."""
    if not path:
        return other
    copy = value.copy()
    copy[path[0]] = _with(copy[path[0]], path[1:], other)
    return copy


_FILE = tomllib.loads(STAGE.replace("[[rules]]", "timings = { settle = 120 }\n[limits]\nmost_reads = 20\n[[rules]]"))


@given(st.sampled_from(_places(_FILE)[1:]), _ANYTHING)
def test_whatever_a_stage_file_holds_it_is_a_stage_or_refused_with_its_name(path: tuple[Any, ...], value: Any) -> None:
    """No other error: it would tell nobody which file to mend."""
    lines: list[str] = []
    try:
        parse_stage(_with(_FILE, path, value), "test.toml", {"sentry": FakeProvider()}, SOURCES)
    except BadPolicy as refused:
        lines = str(refused).splitlines()
    assert all(line.startswith("test.toml: ") for line in lines)


def test_a_file_that_is_no_toml_is_refused_with_its_name(tmp_path: Path) -> None:
    """Not with a stack trace."""
    path = tmp_path / "broken.toml"
    for value in ("", "9" * 5000, "[" * 100_000, "\x00", "nan", "1e999"):
        path.write_text(f"version = {value}")
        with pytest.raises(BadPolicy, match=r"broken\.toml"):
            load_stage(path, {}, {})
    with pytest.raises(BadPolicy, match=r"missing\.toml"):
        load_stage(tmp_path / "missing.toml", {}, {})


@pytest.mark.parametrize(
    "url",
    [
        "http://provider.example",
        "https://provider.example:8443",
        "https://user@provider.example",
        "https://provider.example@evil.io",
        "https://evil.io",
        "https://provider.example.evil.io",
        "https://127.0.0.1",
        "http://127.0.0.1:9001",
        "http://169.254.169.254",
        "http://[::1]:4611",
        "http://2130706433",
        "http://0x7f.1:4611",
        "http://localhost:4611",
        "file:///etc/passwd",
        "ftp://provider.example",
        "https://",
        "https://[",
        "https://[::1",
        "https://provider.example?x=1",
        "https://provider.example#x",
        "https://provider.example\\@evil.io",
        "https://provider.example\r\nX: y",
        "https://pr\u043evider.example",
        "https://provider.example:port",
        "",
    ],
)
def test_a_base_url_is_https_to_the_vendor_or_a_listed_host_and_nothing_else(url: str) -> None:
    """Nothing in an event can change it, and nothing in a stage file opens more than it lists."""
    assert url_errors(url, ["127.0.0.1:4611"], FakeProvider().is_vendor_host)


@pytest.mark.parametrize("url", ["https://provider.example", "https://provider.example/x", "http://127.0.0.1:4611"])
def test_the_vendor_and_listed_hosts_may_be_called(url: str) -> None:
    """With the port that is listed."""
    assert url_errors(url, ["127.0.0.1:4611"], FakeProvider().is_vendor_host) == []


@pytest.mark.parametrize("name", ["dev", "prod"])
def test_the_shipped_stages_are_in_plan_mode(name: str) -> None:
    """On install everything runs and nothing is sent."""
    raw: dict[str, Any] = tomllib.loads((STAGES / f"{name}.toml").read_text())

    assert raw["company"]["mode"] == "plan"


def test_the_environment_may_lack_what_a_function_does_not_need() -> None:
    """Each function gets only its own variables."""
    environment = Environment.of({"USHER_TABLE": "t", "USHER_PROVIDER_QUEUES": '{"sentry": "url"}'})

    assert (environment.table, environment.provider_queues, environment.provider) == ("t", {"sentry": "url"}, "")


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("reconcile = true", "source 'bamboohr': reconcile: this system gives no list of recent hires"),
        ("silent_days = 0", "sources.bamboohr.silent_days: Input should be greater than or equal to 1"),
        (
            'fields = { hire_id = "id" }',
            "source 'bamboohr': fields.hire_id: the fields of bamboohr are not for a stage",
        ),
        (
            'options = { same_as = "greenhouse", same_as_field = "customId" }',
            "source 'bamboohr': options.same_as: joins.bamboohr does not list 'greenhouse'",
        ),
    ],
)
def test_a_source_that_cannot_do_what_the_stage_asks_is_refused(table: str, message: str) -> None:
    """At start-up, with the place."""
    with pytest.raises(BadPolicy, match=re.escape(message)):
        parsed(STAGE.replace("[[senders]]", f"{table}\n[[senders]]"))


def test_a_stage_may_look_after_feeds_and_join_sources() -> None:
    """As docs/completing.md shows it."""
    text = STAGE.replace(
        "[[senders]]",
        'silent_days = 14\noptions = { same_as = "greenhouse", same_as_field = "customId" }\n'
        '[sources.personio]\nreconcile = true\noptions = { webhook_id = "7" }\n'
        '[joins]\nbamboohr = ["greenhouse"]\n[[senders]]',
    )
    stage = parsed(text)
    assert stage.joins == {"bamboohr": ("greenhouse",)}
    assert [settings.is_looked_after for settings in stage.source_settings.values()] == [True, True]


def test_joins_that_lead_in_a_circle_are_refused() -> None:
    """A person would stand nowhere."""
    with pytest.raises(BadPolicy, match=re.escape("joins.a: leads back to itself, or over more than 3")):
        parsed(STAGE.replace("[[senders]]", '[joins]\na = ["b"]\nb = ["a"]\n[[senders]]'))
