"""What holds at every door, whoever has built it: who must show a key, and whose words a refusal is told in."""

import uuid
from typing import Any

import pytest
from fastapi.routing import APIRoute

from framemill.api.door import Door
from framemill.api.doors import DOORS

Asked = Any

OPEN = {
    "POST /convertrilo/auth/login",  # whoever logs in has no key yet
    "GET /convertrilo/files/{token}/{path:path}",  # links that carry their own permission
    "GET /devstreamcore/v1/play/*",  # what is public is played by everybody
    *(f"GET /v2/{name}" for name in ("conversions", "statuses", "schema", "openapi.json")),  # what there is
    *("GET /v2/presets", "GET /v2/presets/{preset_id}"),  # the farm's own are everybody's
    "GET /api/",  # what it is, and whether it is well
    "GET /api/health",
    "POST /api/register",  # where that is open, or whoever knows the password
    "POST /api/update-password",
}
"""Operations, or what their paths begin with where a star ends them, that take no key."""


def operations() -> list[Any]:
    """Each method of each route of each door."""
    return [
        pytest.param(door, method, route.path, id=f"{method} {door.mount}{route.path}")
        for door in DOORS
        for router in door.routers
        for route in router.routes
        if isinstance(route, APIRoute)
        for method in sorted((route.methods or set()) - {"HEAD", "OPTIONS"})
    ]


def path_of(door: Door, template: str) -> str:
    """A path as such, of nothing that there is."""
    parts = template.split("/")
    some = [str(uuid.UUID(int=7)) if part.startswith("{") else part for part in parts]
    return door.mount + "/".join(some).replace("{", "").replace("}", "")


def is_open(operation: str) -> bool:
    return any(operation.startswith(one.rstrip("*")) if one.endswith("*") else operation == one for one in OPEN)


@pytest.mark.parametrize(("api", "method", "template"), operations())
def test_no_operation_is_open_without_a_key(door: Asked, api: Door, method: str, template: str) -> None:
    answer = door.ask(method, path_of(api, template), {}, key=None)
    expected = is_open(f"{method} {api.mount}{template}")
    assert (answer.status_code == 401) is not expected, answer.text
    assert "detail" not in answer.json(), "that is FastAPI's word, and no API's"


@pytest.mark.parametrize("api", DOORS, ids=[one.name for one in DOORS])
def test_what_goes_wrong_is_told_in_the_same_shape_whoever_noticed_it(door: Asked, api: Door) -> None:
    nowhere = door.get(f"{api.mount}/nowhere/at/all")
    forbidden = door.get(f"{api.mount}/nowhere/at/all", key="wrong-key-of-nobody")
    asked = next(
        route.path
        for router in api.routers
        for route in router.routes
        if isinstance(route, APIRoute) and route.methods == {"POST"} and route.body_field and "{" not in route.path
    )
    broken = door.ask("POST", f"{api.mount}{asked}", headers={"Content-Type": "application/json"}, content=b"{no JSON")
    wrong = door.ask("PUT", f"{api.mount}{asked}", {})

    assert (nowhere.status_code, broken.status_code, wrong.status_code) == (404, 400, 405)
    shapes = {frozenset(answer.json().keys() - {"issues"}) for answer in (nowhere, forbidden, broken, wrong)}
    assert len(shapes) == 1
    assert all(answer.headers["x-request-id"] for answer in (nowhere, broken, wrong))


@pytest.mark.parametrize("api", DOORS, ids=[one.name for one in DOORS])
def test_a_door_is_named_as_it_is_written_in_settings_and_urls(api: Door) -> None:
    assert api.name == api.name.lower()
    assert api.name.isalnum()
    assert api.mount == (api.path or f"/{api.name}")
    assert api.mount.removeprefix("/").isalnum()
    assert all(scheme.startswith(api.name) for scheme in api.schemes)
