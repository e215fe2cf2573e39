"""What an API key can be used on: organizations, directories, and the apps in them."""

import re
from http import HTTPStatus
from typing import Any

from usher_local.simulators.atlassian_answers import admin
from usher_local.simulators.atlassian_directory import READ_DIRECTORIES, READ_WORKSPACES
from usher_local.simulators.atlassian_organization import Organizations
from usher_local.simulators.exchange import Answer, Request


def list_orgs(world: Organizations, request: Request) -> Answer:
    """GET v1/orgs: the organizations of the key."""
    if refused := world.refusal(request, READ_DIRECTORIES):
        return refused
    base = f"{world.sim.url}/admin/v1/orgs"
    rows = [
        {
            "id": org.id,
            "type": "orgs",
            "attributes": {"name": org.name},
            "relationships": {
                "domains": {"links": {"related": f"{base}/{org.id}/domains"}},
                "users": {"links": {"related": f"{base}/{org.id}/users"}},
            },
            "links": {"self": f"{base}/{org.id}"},
        }
        for org in world.managed(request)
    ]
    return Answer(200, {"data": rows, "links": {"self": base}})


def list_directories(world: Organizations, request: Request) -> Answer:
    """GET directories: the one that an organization has here."""
    org = world.entered(request, READ_DIRECTORIES)
    if isinstance(org, Answer):
        return org
    row = {"directoryId": org.directory, "name": "Primary Directory", "icon": f"{world.sim.url}/icon.png"}
    return Answer(200, {"data": [row], "links": {}})


def search_workspaces(world: Organizations, request: Request) -> Answer:
    """POST workspaces: the apps, whose ids are the resources that an invitation names."""
    org = world.entered(request, READ_WORKSPACES)
    if isinstance(org, Answer):
        return _alone(admin("403-1") if org.status == HTTPStatus.FORBIDDEN else org)
    asked = request.fields
    limit, cursor = asked.get("limit", 20), asked.get("cursor")
    is_alone = cursor is None or asked.keys() == {"cursor"}
    if not is_alone or not isinstance(limit, int) or not 1 <= limit <= 1000:
        return _alone(admin("400-1"))
    if cursor is not None and not re.fullmatch(r"\d+-\d+", str(cursor)):
        return _alone(admin("400-1"))
    start, size = (int(part) for part in cursor.split("-")) if cursor else (0, limit)
    end = start + min(size, int(world.sim.switches["page_size"]))
    rows = [_workspace(resource, offline=resource in org.unlicensed) for resource in org.resources[start:end]]
    total = len(org.resources)
    links = {"next": f"{end}-{size}"} if end < total else {}
    return Answer(200, {"data": rows, "links": links, "meta": {"pageSize": size, "total": total}})


def _alone(answer: Answer) -> Answer:
    """Take an error out of its list: those of the workspaces stand in none."""
    return Answer(answer.status, answer.body["errors"][0] if "errors" in answer.body else answer.body)


def _workspace(resource: str, *, offline: bool) -> dict[str, Any]:
    app = resource.split(":")[2]
    attributes = {"name": app, "typeKey": app, "type": app, "status": "offline" if offline else "online"}
    return {"id": resource, "type": "workspace", "attributes": attributes | {"capacity": None, "usage": None}}
