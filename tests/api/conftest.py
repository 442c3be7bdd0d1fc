"""The API over a store of its own, asked without a socket."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from front_door import KEY, FrontDoor, wanted

from framemill.store.database import Database


class Door(FrontDoor):
    """Asked one request at a time, with the admin's key unless told otherwise."""

    def ask(self, method: str, path: str, *, key: str | None = KEY, **more: Any) -> httpx.Response:
        headers = {**({} if key is None else {"Authorization": f"Bearer {key}"}), **more.pop("headers", {})}

        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(app=self.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://farm.example") as client:
                return await client.request(method, path, headers=headers, **more)

        return asyncio.run(ask())

    def get(self, path: str, **more: Any) -> httpx.Response:
        return self.ask("GET", path, **more)

    def post(self, path: str, body: Any = None, **more: Any) -> httpx.Response:
        if body is None:
            return self.ask("POST", path, **more)
        headers = {"Content-Type": "application/json", **more.pop("headers", {})}
        return self.ask("POST", path, content=json.dumps(body), headers=headers, **more)

    def submitted(self, **more: Any) -> str:
        """The id of a new job."""
        answer = self.post("/v1/jobs", wanted(**more))
        assert answer.status_code == 201, answer.text
        job_id: str = answer.json()["id"]
        return job_id


@pytest.fixture
def door(database: Database) -> Door:
    return Door(database)


@pytest.fixture
def want() -> Callable[..., dict[str, Any]]:
    """The body of a new job."""
    return wanted
