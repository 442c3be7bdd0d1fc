"""What the OpenAPI document promises: every example fits, every error that it tells of is reached, and no other."""

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from documented import Scene, document, play, reached
from front_door import KEY, wanted, within_a_minute
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from framemill.services.keys import new_key

JSON = {"Content-Type": "application/json"}
TOO_LARGE = b'"' + b"x" * (5 << 20) + b'"'


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

    with within_a_minute():
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
        first = await made.client.post("/v1/jobs", json=wanted(), headers={"X-API-Key": KEY, **headers})
        assert first.status_code == 201
        wrong = []
        for operation in made.operations:
            if "idempotency_conflict" in operation.codes():
                wrong.append(reached(operation, await made.ask(operation, headers=headers), "idempotency_conflict"))
                answer = await made.ask(operation, headers={"Idempotency-Key": "k" * 300})
                wrong.append(reached(operation, answer, "wrong_use"))
        assert [one for one in wrong if one] == []

    play(tmp_path, scene)


# The document itself


def test_every_body_and_every_answer_has_an_example_that_fits(tmp_path: Path) -> None:
    async def scene(made: Scene) -> None:
        whole = json.loads(json.dumps(document()))
        registry: Any = Registry().with_resource(
            "urn:api", Resource.from_contents(whole, default_specification=DRAFT202012)
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
        whole = document()
        tags = {tag["name"] for tag in whole["tags"]}
        assert whole["openapi"].startswith("3.1")
        assert set(whole["components"]["securitySchemes"]) == {"bearer", "key"}
        for operation in made.operations:
            assert operation.told.get("summary"), operation.name
            assert set(operation.told["tags"]) <= tags, operation.name
            for status, response in operation.told["responses"].items():
                assert "X-Request-Id" in response["headers"], (operation.name, status)
                assert response["description"], (operation.name, status)
                for code in response.get("content", {}).get("application/json", {}).get("examples", {}):
                    if status >= "400":
                        assert code in whole["components"]["examples"], code
            for parameter in operation.told.get("parameters", ()):
                usual = r"[A-Z][A-Za-z-]*" if parameter["in"] == "header" else r"[a-z][a-z0-9_]*"
                assert re.fullmatch(usual, parameter["name"]), (operation.name, parameter["name"])
        names = {name for one in whole["components"]["schemas"].values() for name in one.get("properties", {})}
        assert [name for name in names if not re.fullmatch(r"[a-z][a-z0-9_]*", name)] == []

    play(tmp_path, scene)
