"""What the OpenAPI document promises: every example fits, every error that it tells of is reached, and no other."""

import asyncio
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
from front_door import KEY, FrontDoor, wanted
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012
from sqlalchemy import Connection

from framemill.api.document import describe
from framemill.errors import DiskFull
from framemill.services.keys import new_key
from framemill.store.database import Database

NOWHERE = "019aaaaa-0000-7000-8000-000000000001"
JSON = {"Content-Type": "application/json"}
TOO_LARGE = b'"' + b"x" * (5 << 20) + b'"'


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


def operations(document: Mapping[str, Any]) -> list[Operation]:
    return [
        Operation(method.upper(), path, told)
        for path, methods in document["paths"].items()
        for method, told in methods.items()
    ]


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
        self.database = FullDatabase(f"sqlite:///{folder / 'farm.db'}")
        self.database.create()
        self.door = FrontDoor(self.database)
        (folder / "empty.mov").touch()
        self.empty = str(folder / "empty.mov")
        self.document = describe(self.door.app)
        self.operations = operations(self.document)
        self._client = httpx.AsyncClient(
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
        answer = await self._client.request(operation.method, path, headers=headers, **more)
        assert str(answer.status_code) in operation.told["responses"], (operation.name, answer.text)
        return answer

    async def made(self, path: str, body: Any) -> Any:
        answer = await self._client.post(path, json=body, headers={"X-API-Key": KEY})
        assert answer.is_success, answer.text
        return answer.json()

    async def changed(self, path: str, body: Any) -> Any:
        answer = await self._client.patch(path, json=body, headers={"X-API-Key": KEY})
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
        await self._client.aclose()
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


GENERIC: dict[str, dict[str, Any]] = {
    "key_refused": {"key": None},
    "invalid_json": {"content": b"{", "headers": JSON},
    "unsupported_media_type": {"content": b"x", "headers": {"Content-Type": "text/plain"}},
    "too_large": {"content": TOO_LARGE, "headers": JSON},
}
"""What reaches a code on whatever route documents it, beside its usual body."""


@pytest.mark.parametrize("code", GENERIC)
def test_what_any_route_may_refuse_every_one_that_says_so_does(code: str, tmp_path: Path) -> None:
    async def scene(made: Scene) -> None:
        wrong = []
        for operation in made.operations:
            if code in operation.codes() and (code != "key_refused" or operation.told.get("security")):
                wrong.append(reached(operation, await made.ask(operation, **GENERIC[code]), code))
        assert [one for one in wrong if one] == []

    play(tmp_path, scene)


def test_a_field_that_cannot_be_is_refused_on_every_route_that_takes_one(tmp_path: Path) -> None:
    async def scene(made: Scene) -> None:
        wrong = []
        for operation in made.operations:
            if "invalid_field" not in operation.codes():
                continue
            answers = []
            if operation.body is not None:
                answers.append(await made.ask(operation, json={"no_such_field": 1}))
            for parameter in operation.told.get("parameters", ()):
                if parameter["in"] == "query":
                    answers.append(await made.ask(operation, params={parameter["name"]: "!" * 10_000}))
                elif parameter["in"] == "path":
                    answers.append(await made.ask(operation, ids={parameter["name"]: "!" * 300}))
                elif parameter["name"].lower() != "idempotency-key":
                    answers.append(await made.ask(operation, headers={parameter["name"]: "!" * 300}))
            told = [reached(operation, answer, "invalid_field") for answer in answers]
            if all(told):
                wrong.append(told)
        assert wrong == []

    play(tmp_path, scene)


def test_a_key_of_a_suspended_account_is_refused_on_every_route(tmp_path: Path) -> None:
    async def scene(made: Scene) -> None:
        account = await made.made("/v1/accounts", {"name": "small"})
        key = (await made.made("/v1/keys", {"name": "k", "account": account["id"]}))["key"]
        await made.changed(f"/v1/accounts/{account['id']}", {"state": "suspended"})
        wrong = [
            reached(operation, await made.ask(operation, key=key), "forbidden")
            for operation in made.operations
            if "forbidden" in operation.codes() and operation.told.get("security")
        ]
        assert [one for one in wrong if one] == []

    play(tmp_path, scene)


def test_more_than_the_limits_allow_is_told_on_every_route(tmp_path: Path) -> None:
    async def scene(made: Scene) -> None:
        account = await made.made("/v1/accounts", {"name": "slow", "quotas": {"requests_per_minute": 1}})
        key = (await made.made("/v1/keys", {"name": "slow", "account": account["id"]}))["key"]
        wrong = []
        for operation in made.operations:
            if "too_many_requests" in operation.codes() and operation.told.get("security"):
                await made.ask(operation, key=key)
                answer = await made.ask(operation, key=key)
                wrong.append(reached(operation, answer, "too_many_requests"))
                assert "Retry-After" in answer.headers
        assert [one for one in wrong if one] == []

    play(tmp_path, scene)


def test_a_database_that_is_away_is_told_on_every_route(tmp_path: Path) -> None:
    async def scene(made: Scene) -> None:
        made.database.close()
        file = made.database.url.database or ""
        os.rename(file, f"{file}.away")
        wrong = []
        for operation in made.operations:
            if "store_unavailable" in operation.codes() and operation.told.get("security"):
                answer = await made.ask(operation, key=new_key())
                wrong.append(reached(operation, answer, "store_unavailable"))
        os.rename(f"{file}.away", file)
        assert [one for one in wrong if one] == []

    play(tmp_path, scene)


def test_a_key_that_belongs_to_another_request_is_told_on_every_route(tmp_path: Path) -> None:
    async def scene(made: Scene) -> None:
        headers = {"Idempotency-Key": "k"}
        first = await made._client.post("/v1/jobs", json=wanted(), headers={"X-API-Key": KEY, **headers})
        assert first.status_code == 201
        wrong = []
        for operation in made.operations:
            if "idempotency_conflict" in operation.codes():
                wrong.append(reached(operation, await made.ask(operation, headers=headers), "idempotency_conflict"))
                answer = await made.ask(operation, headers={"Idempotency-Key": "k" * 300})
                wrong.append(reached(operation, answer, "wrong_use"))
        assert [one for one in wrong if one] == []

    play(tmp_path, scene)


# What is particular to some routes

IN = [{"uri": "https://example.org/in.mov"}]
BAD_OUTPUTS: dict[str, dict[str, Any]] = {
    "unknown_setting": {"settings": {"cfr": 1}},
    "invalid_setting": {"settings": {"crf": 99}},
    "unknown_preset": {"preset": "h246"},
    "wrong_use": {"target": "x.mp4"},
}
REASONS = {"source_unreachable", "source_encrypted"}


def bad_inputs(made: Scene) -> dict[str, dict[str, Any]]:
    return {
        "source_missing": {"uri": "/nowhere/in.mov"},
        "source_refused": {"uri": "/" + "x" * 300},  # longer than a file system takes
        "unreadable_source": {"uri": made.empty},
        "wrong_use": {"uri": "in.mov"},
        "not_found": {"upload_id": NOWHERE},
    }


async def gone_upload(made: Scene) -> str:
    upload = await made.made("/v1/uploads", {"filename": "a.mov"})
    await made._client.delete(f"/v1/uploads/{upload['id']}", headers={"X-API-Key": KEY})
    found: str = upload["id"]
    return found


async def of_job(made: Scene, operation: Operation, code: str) -> httpx.Response | None:
    """A request about a job, or its parts, that is answered so."""
    whole = {"POST /v1/jobs", "POST /v1/jobs/batch", "POST /v1/estimate", "PATCH /v1/jobs/{job_id}"}
    of_input = "/inputs" in operation.path or operation.path == "/v1/probe"
    ids = await (made.queued() if code == "conflict" else made.held())
    inputs, outputs = bad_inputs(made), dict(BAD_OUTPUTS)
    if code == "conflict" and operation.path in {"/v1/jobs", "/v1/jobs/batch", "/v1/estimate", "/v1/probe"}:
        inputs["conflict"] = {"upload_id": await gone_upload(made)}
    if code == "conflict" and operation.path.endswith("/cancel"):
        await made.made(f"/v1/jobs/{ids['job_id']}/cancel", None)
    body: Any = operation.body
    if operation.name in whole and (code in outputs or code in inputs):
        put = code in outputs
        body = {"inputs": IN if put else [inputs[code]], "outputs": [outputs[code] if put else {"preset": "h264"}]}
        body = {"jobs": [body]} if operation.path.endswith("/batch") else body
    elif operation.name.startswith("PATCH /v1/jobs/{job_id}") and code == "conflict":
        body = {"run": {"chunks": 2}} if operation.path == "/v1/jobs/{job_id}" else body
    elif of_input and code in inputs and body is not None:
        body = inputs[code]
        if operation.name == "POST /v1/jobs/{job_id}/inputs":
            ids = {"job_id": (await made.made("/v1/jobs", {"start": "held"}))["id"]}
    elif "/outputs" in operation.path and code in outputs:
        body = outputs[code]
    elif code == "not_found":
        ids = {}
    if code == "disk_full":
        if operation.name == "POST /v1/jobs/{job_id}/inputs":
            ids = {"job_id": (await made.made("/v1/jobs", {"start": "held"}))["id"]}
        made.database.full = True
        made.door.farm.probe_fails = {"reason": "disk_full", "message": "The disk is full."}
    if code in REASONS:
        made.door.farm.probe_fails = {"reason": code, "message": "It cannot be had."}
    return await made.ask(operation, ids=ids, **({} if body is None else {"json": body}))


async def of_farm(made: Scene, operation: Operation, code: str) -> httpx.Response | None:
    made.door.farm.silent = True
    return await made.ask(operation)


GENERAL = {
    *("key_refused", "forbidden", "too_many_requests", "store_unavailable", "invalid_json", "invalid_field"),
    *("unsupported_media_type", "too_large", "idempotency_conflict", "idempotency_in_progress"),
}
"""Tested above on every route; the last one is a matter of time, and test_api_idempotency's."""
OURS = ("/v1/jobs", "/v1/estimate", "/v1/probe", "/v1/presets", "/v1/farm", "/v1/stats", "/metrics", "/readyz")


def test_what_is_particular_to_jobs_and_the_farm_is_reached(tmp_path: Path) -> None:
    async def scene(made: Scene) -> None:
        wrong = []
        for operation in made.operations:
            if not operation.path.startswith(OURS):
                continue
            # A key of idempotency that is too long is a wrong use on every POST, and tested above.
            plain = operation.body is None or operation.path.startswith("/v1/farm")
            also = {"wrong_use"} if operation.method == "POST" and plain else set()
            for code in sorted(operation.codes().keys() - GENERAL - also):
                farm = code in {"farm_unavailable", "not_ready"}
                answer = await (of_farm if farm else of_job)(made, operation, code)
                assert answer is not None
                wrong.append(reached(operation, answer, code))
                made.database.full, made.door.farm.silent, made.door.farm.probe_fails = False, False, {}
        assert [one for one in wrong if one] == []

    play(tmp_path, scene)


def test_what_is_not_there_is_404_on_every_route_that_says_so(tmp_path: Path) -> None:
    bodies = {"POST /v1/keys": {"name": "k", "account": NOWHERE}}

    async def scene(made: Scene) -> None:
        wrong = []
        for operation in made.operations:
            if "not_found" in operation.codes() and "{" in operation.path:
                wrong.append(reached(operation, await made.ask(operation), "not_found"))
            elif operation.name in bodies:
                wrong.append(reached(operation, await made.ask(operation, json=bodies[operation.name]), "not_found"))
        assert [one for one in wrong if one] == []

    play(tmp_path, scene)


# The document itself


def test_every_body_and_every_answer_has_an_example_that_fits(tmp_path: Path) -> None:
    async def scene(made: Scene) -> None:
        document = json.loads(json.dumps(made.document))
        registry: Any = Registry().with_resource(
            "urn:api", Resource.from_contents(document, default_specification=DRAFT202012)
        )
        wrong = []
        for operation in made.operations:
            told = [("body", operation.told.get("requestBody", {})), *operation.told["responses"].items()]
            for where, one in told:
                content = one.get("content", {}).get("application/json")
                if content is None or (where != "body" and where >= "400"):
                    continue
                examples = [content["example"]] if "example" in content else []
                examples += [one["value"] for one in content.get("examples", {}).values()]
                if not examples:
                    wrong.append(f"{operation.name} {where} has no example")
                schema = json.loads(json.dumps(content["schema"]).replace('"#/', '"urn:api#/'))
                check = Draft202012Validator(schema, registry=registry)
                wrong += [
                    f"{operation.name} {where}: {bad.message}" for each in examples for bad in check.iter_errors(each)
                ]
        assert wrong == []

    play(tmp_path, scene)


def test_every_operation_is_described_in_one_manner(tmp_path: Path) -> None:
    async def scene(made: Scene) -> None:
        document = made.document
        tags = {tag["name"] for tag in document["tags"]}
        assert document["openapi"].startswith("3.1")
        assert set(document["components"]["securitySchemes"]) == {"bearer", "key"}
        for operation in made.operations:
            assert operation.told.get("summary"), operation.name
            assert set(operation.told["tags"]) <= tags, operation.name
            for status, response in operation.told["responses"].items():
                assert "X-Request-Id" in response["headers"], (operation.name, status)
                assert response["description"], (operation.name, status)
                for code in response.get("content", {}).get("application/json", {}).get("examples", {}):
                    if status >= "400":
                        assert code in document["components"]["examples"], code
            for parameter in operation.told.get("parameters", ()):
                usual = r"[A-Z][A-Za-z-]*" if parameter["in"] == "header" else r"[a-z][a-z0-9_]*"
                assert re.fullmatch(usual, parameter["name"]), (operation.name, parameter["name"])
        names = {name for one in document["components"]["schemas"].values() for name in one.get("properties", {})}
        assert [name for name in names if not re.fullmatch(r"[a-z][a-z0-9_]*", name)] == []

    play(tmp_path, scene)
