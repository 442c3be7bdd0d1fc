"""The doors over a store of their own, asked without a socket, with the admin's key unless told otherwise."""

import asyncio
from collections.abc import Mapping
from typing import Any

import httpx
import pytest
from doors.openencoder_jobs import settle
from front_door import KEY, FrontDoor

from framemill.store.database import Database


class AskedDoor(FrontDoor):
    """Asked one request at a time."""

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        key: str | None = KEY,
        bearer: str | None = None,
        headers: Mapping[str, str] | None = None,
        **more: Any,
    ) -> httpx.Response:
        """`key`: sent as X-API-Key; `bearer`: instead, as a bearer token; `body`: as JSON."""
        shown = {} if key is None else {"X-API-Key": key}
        if bearer is not None:
            shown = {"Authorization": f"Bearer {bearer}"}
        if body is not None:
            more["json"] = body

        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(app=self.whole, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://farm.example") as client:
                return await client.request(method, path, headers={**shown, **(headers or {})}, **more)

        return asyncio.run(ask())

    def get(self, path: str, **more: Any) -> httpx.Response:
        return self.ask("GET", path, **more)

    def post(self, path: str, body: Any = None, **more: Any) -> httpx.Response:
        return self.ask("POST", path, body, **more)


@pytest.fixture
def door(database: Database) -> AskedDoor:
    return AskedDoor(database)


@pytest.fixture
def named_store(door: AskedDoor) -> None:
    """The settings of Open Encoder have a key, so its usual buckets are somebody's."""
    settle(door, S3_ACCESS_KEY="a key")
