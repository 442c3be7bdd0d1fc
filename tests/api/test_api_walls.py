"""What is another account's is nowhere to be found, and what a key may not do it can do by no route.

Walks through every route that the application has, so a route that is added tomorrow is walked through, too.
"""

import asyncio
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from fastapi.routing import APIRoute
from front_door import wanted

from framemill.services.callers import SCOPES

Door = Any

OPEN = frozenset(
    {
        *("/healthz", "/readyz", "/v1/sessions", "/v1/sessions/refresh"),
        *("/v1", "/v1/openapi.json", "/v1/docs", "/v1/docs/", "/v1/docs/{name}"),
    }
)
"""Routes that need no key, each for a reason: they tell whether the farm lives, let somebody in, describe the API."""
PLACEHOLDER = re.compile(r"\{(\w+)(?::\w+)?\}")


def routes(door: Door) -> list[tuple[str, str]]:
    """Method and path of each route, as it is mounted."""
    return sorted(
        (method, path) for path, methods in _flat(door.app.routes) for method in methods - {"HEAD", "OPTIONS"}
    )


def _flat(found: Any, prefix: str = "") -> Iterator[tuple[str, set[str]]]:
    for route in found:
        if isinstance(route, APIRoute):
            yield prefix + route.path, route.methods or set()
        elif hasattr(route, "original_router"):
            yield from _flat(route.original_router.routes, prefix + route.include_context.prefix)


def walked(door: Door, key: str | None, paths: list[tuple[str, str, str]]) -> list[tuple[str, str, httpx.Response]]:
    """What that key is answered: by method, path, and the path with its ids in."""

    async def walk() -> list[tuple[str, str, httpx.Response]]:
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        transport = httpx.ASGITransport(app=door.app)
        answers = []
        async with httpx.AsyncClient(transport=transport, base_url="http://farm.example", headers=headers) as client:
            for method, path, with_ids in paths:
                answer = await asyncio.wait_for(client.request(method, with_ids, json=_body(path)), 20)
                answers.append((method, path, answer))
        return answers

    return asyncio.run(walk())


def keys(door: Door, account: str) -> str:
    door.post("/v1/accounts", {"name": account, "id": account})
    key: str = door.post("/v1/keys", {"name": account, "account": account}).json()["key"]
    return key


@pytest.fixture
def theirs(door: Door) -> dict[str, str]:
    """Ids of somebody's things, by the name of the placeholder they go into."""
    key = keys(door, "owner")
    job = door.post("/v1/jobs", wanted(), key=key).json()
    user = door.post("/v1/users", {"name": "u", "account": "owner"}).json()
    found = {
        "job_id": job["id"],
        "input_id": job["inputs"][0]["id"],
        "output_id": door.get(f"/v1/jobs/{job['id']}/outputs", key=key).json()["data"][0]["id"],
        "key_id": door.get("/v1/keys", key=key).json()["data"][0]["id"],
        "account_id": "owner",
        "user_id": user["id"],
    }
    upload = door.post("/v1/uploads", {"filename": "a.mp4", "size": 10}, key=key)
    found["upload_id"] = upload.json().get("id", "none")
    hook = door.post("/v1/webhooks", {"url": "https://example.org/hook"}, key=key)
    found["webhook_id"] = hook.json().get("id", "none")
    return found


def filled(path: str, ids: dict[str, str]) -> str:
    return PLACEHOLDER.sub(lambda hole: ids.get(hole[1], "01900000-0000-7000-8000-000000000000"), path)


def test_there_are_routes_to_walk_through(door: Door) -> None:
    found = {path for _, path in routes(door)}
    assert {"/v1/jobs/{job_id}", "/v1/keys/{key_id}", "/v1/accounts/{account_id}/ledger", "/healthz"} <= found


def test_another_accounts_id_leads_nowhere(door: Door, theirs: dict[str, str]) -> None:
    stranger = keys(door, "stranger")
    asked = [
        (method, path, filled(path, theirs))
        for method, path in routes(door)
        if "{" in path and "{preset" not in path and path not in OPEN
    ]
    assert len(asked) > 25
    for method, path, answer in walked(door, stranger, asked):
        assert answer.status_code in {403, 404}, f"{method} {path}: {answer.status_code} {answer.text}"
        assert "error" in answer.json(), f"{method} {path}"
    for path in ("/v1/jobs", "/v1/keys", "/v1/accounts", "/v1/usage", "/v1/uploads", "/v1/webhooks"):
        told = door.get(path, key=stranger).text
        assert not [one for one in theirs.values() if one != "none" and one in told], path


def _body(path: str) -> Any:
    for end, body in BODIES.items():
        if path.endswith(end):
            return body
    return {}


BODIES: dict[str, Any] = {
    "/inputs": {"uri": "https://example.org/a.mp4"},
    "/outputs": {"name": "a.mp4"},
    "/deposit": {"amount": 1},
    "/withdraw": {"amount": 1},
    "/reserve": {"amount": 1, "reference": "r"},
    "/release": {"amount": 1, "reference": "r"},
    "/deduct": {"amount": 1, "reference": "r"},
    "/password": {"current": "x", "new": "y" * 8},
    "/complete": {"parts": [{"number": 1, "etag": "x"}]},
}


def test_without_a_key_only_the_open_doors_open(door: Door, theirs: dict[str, str]) -> None:
    asked = [(method, path, filled(path, theirs)) for method, path in routes(door) if path not in OPEN]
    opened = [f"{method} {path}" for method, path, answer in walked(door, None, asked) if answer.status_code != 401]
    assert not opened, "\n".join(opened)


def test_a_key_with_one_scope_opens_what_it_is_for(door: Door) -> None:
    """Nothing that writes opens to a key that only reads; nothing at all to one that is for something else."""
    asked = [
        (method, path, filled(path, {"account_id": "default"})) for method, path in routes(door) if path not in OPEN
    ]
    wrong = []
    for scope in SCOPES:
        key = door.post("/v1/keys", {"name": scope, "scopes": [scope]}).json()["key"]
        for method, path, answer in walked(door, key, asked):
            assert answer.status_code < 500, f"{method} {path}: {answer.text}"
            if answer.status_code not in {401, 403} and not ALLOWED[scope].match(f"{method} {path}"):
                wrong.append(f"{scope} opens {method} {path}")
    assert not wrong, "\n".join(wrong)


_SELF = r"|\S+ /v1/users/.*|GET /v1/presets.*|DELETE /v1/sessions/current"
ALLOWED = {
    name: re.compile(f"({pattern}{_SELF})$")
    for name, pattern in {
        "jobs:read": r"GET /v1/(jobs|outputs|stats|presets|events|accounts|probe|estimate).*|POST /v1/(probe|estimate)",
        "jobs:write": r"POST /v1/(probe|estimate)",
        "uploads": r"\S+ /v1/uploads.*",
        "webhooks": r"\S+ /v1/webhooks.*|\S+ /v1/deliveries.*",
        "keys": r"\S+ /v1/keys.*",
        "usage": r"GET /v1/(accounts|usage).*",
        "farm:read": r"GET /v1/farm|GET /v1/metrics|GET /metrics|GET /v1/stats",
        "farm:write": r"-",
    }.items()
}
