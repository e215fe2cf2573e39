"""Stage files with other base URLs: what `make up` needs to point a provider at another machine."""

import json
import re
import tomllib
from collections.abc import Mapping
from urllib.parse import urlsplit

from usher_local.errors import LocalSystemError

_HEADER = re.compile(r"^\[(?P<table>connections|sources)\.(?P<name>[^\].]+)\]\s*(#.*)?$")
_ANY_HEADER = re.compile(r"^\[")
_BASE_URL = re.compile(r"^(?P<key>base_url\s*=\s*)(\"[^\"]*\"|'[^']*')")
_ALLOWED_HOSTS = re.compile(r"^allowed_hosts\s*=\s*\[", re.MULTILINE)


def with_addresses(text: str, addresses: Mapping[str, str], name: str) -> str:
    """
    Give the stage file with the base URLs of providers (of all their connections) and sources replaced.

    Only the lines concerned change, so comments and order stay. The hosts given are added to `allowed_hosts`: whoever
    names a host on the command line means it.
    """
    stage = tomllib.loads(text)
    connections: Mapping[str, Mapping[str, object]] = stage.get("connections", {})
    found: set[str] = set()
    current: str | None = None
    lines: list[str] = []
    for line in text.splitlines(keepends=True):
        if header := _HEADER.match(line.strip()):
            section, key = header["table"], header["name"].strip("\"'")
            current = str(connections[key].get("provider")) if section == "connections" else key
        elif _ANY_HEADER.match(line):
            current = None
        changed = line
        address = addresses.get(current) if current else None
        if current and address and (setting := _BASE_URL.match(line)):
            found.add(current)
            changed = setting["key"] + json.dumps(address) + line[setting.end() :]
        lines.append(changed)
    if missing := sorted(addresses.keys() - found):
        raise LocalSystemError(f"{name} sets no base_url for {', '.join(missing)}, so there is none to replace")
    return _with_hosts("".join(lines), [urlsplit(address).netloc for address in addresses.values()])


def _with_hosts(text: str, hosts: list[str]) -> str:
    permitted = tomllib.loads(text).get("allowed_hosts", ())
    others = sorted({host for host in hosts if host not in permitted})
    if not others:
        return text
    listed = ", ".join(json.dumps(host) for host in others)
    if _ALLOWED_HOSTS.search(text):
        return _ALLOWED_HOSTS.sub(lambda match: f"{match[0]}{listed}, ", text, count=1)
    return f"allowed_hosts = [{listed}]\n{text}"  # Ahead of every table, or it would belong to the last one.
