"""
Typed settings: the stage file (policy and settings, reviewed like code) and the environment of a function.

A stage file that is wrong is refused at load, with a message that names file, rule or connection, and field.
"""

import json
import math
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from usher.domain.errors import BadPolicy
from usher.domain.hire import Name
from usher.domain.hold import HoldRules
from usher.domain.invitation import Limits
from usher.domain.planning import MOST_JOINS
from usher.domain.policy import Policy, policy_errors
from usher.ports import Provider, Source, SourceSettings

STAGES = Path(__file__).parent / "stages"

SenderId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]{4,128}$")]


class _Ours(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _SourceTable(_Ours):
    base_url: str | None = None
    options: dict[str, str] = Field(default_factory=dict)
    fields: dict[str, str] = Field(default_factory=dict)
    reconcile: bool = False
    silent_days: Annotated[int, Field(ge=1, le=366)] | None = None


class _Sender(_Ours):
    id: SenderId
    sources: tuple[Name, ...] = Field(min_length=1)


class Stage(_Ours):
    """One stage file. `allowed_hosts` lists hosts (with port) other than the vendors' own that may be called."""

    name: str
    policy: Policy
    limits: Limits = Limits()
    holds: HoldRules = HoldRules()
    allowed_hosts: tuple[str, ...] = ()
    sources: dict[Name, _SourceTable] = Field(default_factory=dict)
    senders: tuple[_Sender, ...] = ()
    joins: dict[Name, tuple[Name, ...]] = Field(default_factory=dict)
    """Which sources may complete hires of which others."""

    @property
    def source_settings(self) -> dict[str, SourceSettings]:
        """The settings of each source that this stage listens to."""
        return {
            name: SourceSettings(name, table.base_url, table.options, table.fields, table.reconcile, table.silent_days)
            for name, table in self.sources.items()
        }

    @property
    def senders_by_id(self) -> dict[str, tuple[str, ...]]:
        """Which source names each sender on the intake queue may use."""
        return {sender.id: sender.sources for sender in self.senders}


_POLICY_TABLES = ("version", "company", "connections", "rules")


def load_stage(path: Path, providers: Mapping[str, Provider], sources: Mapping[str, Source]) -> Stage:
    """Read a stage file; raises BadPolicy with everything that is wrong in it."""
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"), parse_float=_finite)
    except (OSError, ValueError, RecursionError) as error:
        raise BadPolicy(f"{path.name}: {error}") from error
    return parse_stage(raw, path.name, providers, sources)


def _finite(text: str) -> float:
    # A wait of `nan` or `inf` seconds would pass comparisons, and raise where it is added to a time.
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is not a finite number")
    return number


def parse_stage(
    raw: dict[str, Any], file: str, providers: Mapping[str, Provider], sources: Mapping[str, Source]
) -> Stage:
    """Make a stage of a parsed file; `file` is named in every error."""
    policy = {key: raw[key] for key in _POLICY_TABLES if key in raw}
    policy["connections"] = _connections(raw.get("connections", {}), file, providers)
    rest = {key: value for key, value in raw.items() if key not in _POLICY_TABLES}
    for key in ("name", "policy"):
        if key in rest:
            raise BadPolicy(f"{file}: {key}: is no table of a stage file")
    try:
        stage = Stage.model_validate({"name": file.removesuffix(".toml"), "policy": policy, **rest})
    except ValidationError as error:
        raise BadPolicy("\n".join(f"{file}: {_place(raw, item)}" for item in error.errors())) from error
    errors = [
        *_join_errors(stage.joins),
        *policy_errors(stage.policy),
        *_connection_errors(stage, providers),
        *_source_errors(stage, sources),
    ]
    if errors:
        raise BadPolicy("\n".join(f"{file}: {error}" for error in errors))
    return stage


def _join_errors(joins: Mapping[str, Sequence[str]]) -> list[str]:
    """Refuse joins that lead back to where they began, or over too many: a person would stand nowhere."""

    def leads_on(name: str, passed: Sequence[str]) -> bool:
        others = joins.get(name, ())
        return len(passed) > MOST_JOINS or any(leads_on(other, (*passed, name)) for other in others)

    reason = f"leads back to itself, or over more than {MOST_JOINS} sources"
    return [f"joins.{name}: {reason}" for name in joins if leads_on(name, ())]


def _connections(tables: Any, file: str, providers: Mapping[str, Provider]) -> Any:
    """Complete each connection with its name and its provider's defaults; what is no table is left to validation."""
    if not isinstance(tables, dict):
        return tables
    connections = {}
    for name, table in tables.items():
        connections[name] = table
        if not isinstance(table, dict):
            continue
        named = table.get("provider")
        provider = providers.get(named) if isinstance(named, str) else None
        if provider is None:
            known = ", ".join(sorted(providers))
            raise BadPolicy(f"{file}: connection {name!r}: provider: is not one of {known}")
        timings = table.get("timings", {})
        if isinstance(timings, dict):
            timings = provider.timings.model_dump() | timings
        limits = {"rate": provider.rate, "invites_per_day": provider.invites_per_day}
        limits["invitation_days"] = provider.invitation_days
        connections[name] = {**limits, **table, "name": name, "timings": timings}
    return connections


def _connection_errors(stage: Stage, providers: Mapping[str, Provider]) -> list[str]:
    errors: list[str] = []
    for connection in stage.policy.connections.values():
        where, provider = f"connection {connection.name!r}", providers[connection.provider]
        errors += [f"{where}: {error}" for error in provider.connection_errors(connection)]
        errors += [
            f"{where}: base_url: {error}"
            for error in url_errors(connection.base_url, stage.allowed_hosts, provider.is_vendor_host)
        ]
        if connection.timings.shortfall > 0:
            errors.append(
                f"{where}: timings: settle + (absent_reads - 1) x read_gap is {connection.timings.shortfall:g} s too "
                "short for http_budget + provider_tail + read_lag + 2 x clock_skew: a read could decide too early"
            )
    for rule in stage.policy.rules:
        named = stage.policy.connections.get(rule.connection)  # One that does not exist is an error of the policy.
        found = providers[named.provider].grant_errors(rule.grant, named) if named else ()
        errors += [f"rule {rule.name!r}: grant: {error}" for error in found]
    return errors


def _source_errors(stage: Stage, sources: Mapping[str, Source]) -> list[str]:
    errors: list[str] = []
    for name, settings in stage.source_settings.items():
        source = sources.get(name)
        if source is None:
            errors.append(f"source {name!r}: is not one of {', '.join(sorted(sources))}")
            continue
        errors += [f"source {name!r}: {error}" for error in source.settings_errors(settings)]
        same_as = settings.options.get("same_as")
        if same_as is not None and same_as not in stage.joins.get(name, ()):
            errors.append(f"source {name!r}: options.same_as: joins.{name} does not list {same_as!r}")
        if settings.reconcile and source.listing is None:
            errors.append(f"source {name!r}: reconcile: this system gives no list of recent hires")
        if settings.base_url is not None and source.details is not None:
            found = url_errors(settings.base_url, stage.allowed_hosts, source.details.is_vendor_host)
            errors += [f"source {name!r}: base_url: {error}" for error in found]
    return errors


def url_errors(url: str, allowed_hosts: Sequence[str], is_vendor_host: Callable[[str], bool]) -> list[str]:
    """Say why a base URL may not be called: only https to known hosts; others where the stage lists host and port."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return ["is not a URL"]
    if not url.isascii() or any(character.isspace() or ord(character) < 32 for character in url):
        return ["has a character that no URL has"]
    if parts.scheme not in ("http", "https") or not host:
        return ["is not an http(s) URL with a host"]
    if "@" in parts.netloc or parts.query or parts.fragment or "\\" in url:
        return ["carries a user, a query or a fragment"]
    authority = f"{host}:{port}" if port else host
    if authority in allowed_hosts:
        return []
    if parts.scheme != "https":
        return [f"is not https; list {authority!r} in allowed_hosts if it may be called in the clear"]
    if port not in (None, 443) or not is_vendor_host(host):
        return [f"its host {authority!r} is not the vendor's own; list it in allowed_hosts if it may be called"]
    return []


def _place(raw: Mapping[str, Any], item: Any) -> str:
    """Turn a validation error's location into words; values are never repeated, they may be secret."""
    where = [str(part) for part in item["loc"]]
    if where[:1] == ["policy"]:
        where = where[1:]
    prefix = ""
    if where[:1] == ["rules"] and len(where) > 1 and where[1].isdigit():
        rule = raw["rules"][int(where[1])]
        name = rule.get("name") if isinstance(rule, dict) else None
        prefix, where = f"rule {name if isinstance(name, str) else int(where[1]) + 1!r}: ", where[2:]
    elif where[:1] == ["connections"] and len(where) > 1:
        prefix, where = f"connection {where[1]!r}: ", where[2:]
    place = ".".join(part if part and part.isprintable() else repr(part) for part in where)
    return f"{prefix}{place}: {item['msg']}" if place else f"{prefix}{item['msg']}"


@dataclass(frozen=True, slots=True)
class Environment:
    """What the template tells a function."""

    stage: str
    table: str
    secrets_prefix: str
    notice_queue_url: str
    provider_queues: Mapping[str, str]
    provider: str

    @classmethod
    def of(cls, variables: Mapping[str, str]) -> "Environment":
        """Read it from a process's variables; what a function does not need may be missing."""
        return cls(
            stage=variables.get("USHER_STAGE", "dev"),
            table=variables.get("USHER_TABLE", ""),
            secrets_prefix=variables.get("USHER_SECRETS_PREFIX", ""),
            notice_queue_url=variables.get("USHER_NOTICE_QUEUE_URL", ""),
            provider_queues=json.loads(variables.get("USHER_PROVIDER_QUEUES") or "{}"),
            provider=variables.get("USHER_PROVIDER", ""),
        )
