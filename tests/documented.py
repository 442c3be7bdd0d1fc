"""The OpenAPI document, operation by operation, and an API to ask for what it promises."""

import asyncio
import functools
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx
from front_door import KEY, FrontDoor, wanted
from made_store import made_store
from sqlalchemy import Connection

from framemill.api.document import describe
from framemill.errors import DiskFull
from framemill.store.database import Database

NOWHERE = "019aaaaa-0000-7000-8000-000000000001"


class Operation(NamedTuple):
    method: str
    path: str
    told: Mapping[str, Any]

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def body(self) -> Any:
        """An example of what is sent."""
        content = self.told.get("requestBody", {}).get("content", {}).get("application/json")
        if content is None:
            return None
        return content["example"] if "example" in content else next(iter(content["examples"].values()))["value"]

    def codes(self) -> dict[str, int]:
        """The documented errors, and their status."""
        found = {}
        for status, response in self.told["responses"].items():
            for code in response.get("content", {}).get("application/json", {}).get("examples", {}):
                if status >= "400":
                    found[code] = int(status)
        return found


@functools.cache
def document() -> dict[str, Any]:
    """Once for all tests: to write it takes longer than most of them."""
    return describe(FrontDoor(Database("sqlite:////nowhere/farm.db")).app)


@functools.cache
def operations() -> tuple[Operation, ...]:
    return tuple(
        Operation(method.upper(), path, told)
        for path, methods in document()["paths"].items()
        for method, told in methods.items()
    )


class FullDatabase(Database):
    """One on a disk that is full."""

    full = False

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        if self.full:
            raise DiskFull("The disk is full.")
        with super().writing() as conn:
            yield conn


class Scene:
    """An API with a job in every state that a test needs, and keys that may do little."""

    def __init__(self, folder: Path) -> None:
        made_store(folder / "farm.db").close()
        self.database = FullDatabase(f"sqlite:///{folder / 'farm.db'}")
        self.door = FrontDoor(self.database)
        (folder / "empty.mov").touch()
        self.empty = str(folder / "empty.mov")
        self.operations = operations()
        self.client = httpx.AsyncClient(
            transport=httpx.ASGITransport(app=self.door.app), base_url="http://farm.example"
        )

    async def ask(
        self, operation: Operation, *, ids: Mapping[str, str] | None = None, key: str | None = KEY, **more: Any
    ) -> httpx.Response:
        """The answer, which the document has to tell of."""
        path = re.sub(r"\{(\w+)\}", lambda found: (ids or {}).get(found[1], NOWHERE), operation.path)
        headers = {**({} if key is None else {"X-API-Key": key}), **more.pop("headers", {})}
        if "json" not in more and "content" not in more and operation.body is not None:
            more["json"] = operation.body
        answer = await self.client.request(operation.method, path, headers=headers, **more)
        assert str(answer.status_code) in operation.told["responses"], (operation.name, answer.text)
        return answer

    async def made(self, path: str, body: Any) -> Any:
        answer = await self.client.post(path, json=body, headers={"X-API-Key": KEY})
        assert answer.is_success, answer.text
        return answer.json()

    async def changed(self, path: str, body: Any) -> Any:
        answer = await self.client.patch(path, json=body, headers={"X-API-Key": KEY})
        assert answer.is_success, answer.text
        return answer.json()

    async def held(self) -> dict[str, str]:
        """The ids of a held job with an input and an output."""
        job = await self.made("/v1/jobs", wanted(start="held"))
        return {"job_id": job["id"], "input_id": job["inputs"][0]["id"], "output_id": job["outputs"][0]["id"]}

    async def queued(self) -> dict[str, str]:
        job = await self.made("/v1/jobs", wanted())
        return {"job_id": job["id"], "input_id": job["inputs"][0]["id"], "output_id": job["outputs"][0]["id"]}

    async def close(self) -> None:
        await self.client.aclose()
        self.database.close()


def play(folder: Path, scene: Callable[[Scene], Any]) -> None:
    async def run() -> None:
        made = Scene(folder)
        try:
            await scene(made)
        finally:
            await made.close()

    asyncio.run(run())


def reached(operation: Operation, answer: httpx.Response, code: str) -> str | None:
    """What is wrong with the answer; none: it is the documented one."""
    told = answer.json().get("error", {}).get("code") if answer.content else None
    if (answer.status_code, told) == (operation.codes()[code], code):
        return None
    return f"{operation.name} should answer {code}, and answers {answer.status_code} {told}: {answer.text[:200]}"
