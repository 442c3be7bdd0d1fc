"""Every error that the OpenAPI document tells of is reached: a code that nobody asks for fails here.

What any route may answer is asked for in `test_api_documented.py`, on each that says so.
"""

import contextlib
import os
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import httpx
import pytest
from documented import NOWHERE, Operation, Scene, operations, play, reached
from front_door import KEY
from sqlalchemy import update

from framemill.services.webhooks import MOST
from framemill.store.exchange_tables import uploads

IN = [{"uri": "https://example.org/in.mov"}]
BAD_OUTPUTS: dict[str, dict[str, Any]] = {
    "unknown_setting": {"settings": {"cfr": 1}},
    "invalid_setting": {"settings": {"crf": 99}},
    "unknown_preset": {"preset": "h246"},
    "wrong_use": {"target": "x.mp4"},
}
REASONS = {"source_unreachable", "source_encrypted", "source_too_large"}


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
    await made.client.delete(f"/v1/uploads/{upload['id']}", headers={"X-API-Key": KEY})
    found: str = upload["id"]
    return found


def of_folder(made: Scene, code: str) -> Any:
    """A folder of one film; what cannot be is the folder, or the output."""
    folder = Path(made.empty).with_name("films")
    folder.mkdir(exist_ok=True)
    (folder / "film.mov").write_bytes(b"film")
    made.door.app.state.parts = replace(made.door.parts, allowed_networks=(ip_network("127.0.0.1/32"),))
    named = {
        "source_missing": "/nowhere/",
        "source_refused": "/" + "x" * 300,
        "source_unreachable": "ftp://127.0.0.1:1/",
        "wrong_use": "films",
    }
    outputs = [BAD_OUTPUTS.get(code, {"preset": "h264"})]
    return {"folder": named.get(code, str(folder)), "outputs": [{}] if code in named else outputs}


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
    elif operation.path == "/v1/jobs/from-folder":
        body = of_folder(made, code)
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
    async def scene(made: Scene) -> None:
        wrong = []
        for operation in made.operations:
            if "not_found" in operation.codes() and "{" in operation.path:
                wrong.append(reached(operation, await made.ask(operation), "not_found"))
        assert [one for one in wrong if one] == []

    play(tmp_path, scene)


# What is particular to the others

Case = Callable[[Scene, Operation], Awaitable[httpx.Response]]
LOGIN = {"name": "ada", "password": "correct horse"}


def asked(**request: Any) -> Case:
    """That request is enough."""

    async def case(made: Scene, operation: Operation) -> httpx.Response:
        return await made.ask(operation, **request)

    return case


async def it_takes_one_body(made: Scene, operation: Operation) -> httpx.Response:
    upload = await made.made("/v1/uploads", {"filename": "a.mov"})
    return await made.ask(operation, ids={"upload_id": upload["id"]})


async def a_part_has_come(made: Scene, size: int) -> dict[str, str]:
    """The id of an upload in parts that was announced with so many bytes, and of which one has come."""
    upload = await made.made("/v1/uploads", {"filename": "a.mov", "size": size, "multipart": True})
    transport = httpx.ASGITransport(app=made.door.whole)
    async with httpx.AsyncClient(transport=transport) as client:
        answer = await client.put(upload["part_url"].format(number=1), content=b"x")
        assert answer.is_success, answer.text
    return {"upload_id": upload["id"]}


async def a_job_needs_it(made: Scene, operation: Operation) -> httpx.Response:
    ids = await a_part_has_come(made, 1)
    await made.made(f"/v1/uploads/{ids['upload_id']}/complete", {})
    await made.made("/v1/jobs", {"inputs": [ids], "outputs": [{"preset": "h264"}]})
    return await made.ask(operation, ids=ids)


async def its_tag_is_another(made: Scene, operation: Operation) -> httpx.Response:
    ids = await a_part_has_come(made, 1)
    return await made.ask(operation, ids=ids, json={"parts": [{"number": 1, "etag": "another"}]})


async def there_is_no_room(made: Scene, operation: Operation) -> httpx.Response:
    ids = await a_part_has_come(made, 1)
    made.database.full = True
    return await made.ask(operation, ids=ids)


async def its_time_is_over(made: Scene, operation: Operation) -> httpx.Response:
    ids = await a_part_has_come(made, 1)
    with made.database.writing() as conn:
        conn.execute(update(uploads).values(expires_at=datetime(2020, 1, 1, tzinfo=UTC)))
    return await made.ask(operation, ids=ids)


async def there_are_enough(made: Scene, operation: Operation) -> httpx.Response:
    for _ in range(MOST):
        await made.made("/v1/webhooks", operation.body)
    return await made.ask(operation)


async def it_tells_of_no_such_thing(made: Scene, operation: Operation) -> httpx.Response:
    webhook = await made.made("/v1/webhooks", {"url": "https://example.org/hook"})
    return await made.ask(operation, ids={"webhook_id": webhook["id"]}, json={"kinds": ["no.such"]})


async def somebody_has_that_name(made: Scene, operation: Operation) -> httpx.Response:
    await made.made("/v1/users", {"name": "ada"})
    if operation.method == "POST":
        return await made.ask(operation, json={"name": "ada"})
    user = await made.made("/v1/users", {"name": "bob"})
    return await made.ask(operation, ids={"user_id": user["id"]}, json={"name": "ada"})


async def it_is_anothers(made: Scene, operation: Operation) -> httpx.Response:
    account = (await made.made("/v1/accounts", {"name": "small"}))["id"]
    key = (await made.made("/v1/keys", {"name": "k", "account": account}))["key"]
    return await made.ask(operation, key=key, params={"account": "default"})


async def logged_in(made: Scene) -> tuple[str, dict[str, Any]]:
    """An account, and a session of a user of it."""
    account = (await made.made("/v1/accounts", {"name": "small"}))["id"]
    await made.made("/v1/users", {**LOGIN, "account": account})
    return account, await made.made("/v1/sessions", LOGIN)


async def again(made: Scene, operation: Operation, session: dict[str, Any]) -> httpx.Response:
    refreshes = operation.path.endswith("/refresh")
    body = {"refresh_token": session["refresh_token"]} if refreshes else LOGIN
    return await made.ask(operation, key=None, json=body)


async def its_account_is_suspended(made: Scene, operation: Operation) -> httpx.Response:
    account, session = await logged_in(made)
    await made.changed(f"/v1/accounts/{account}", {"state": "suspended"})
    return await again(made, operation, session)


async def the_store_is_away(made: Scene, operation: Operation) -> httpx.Response:
    _, session = await logged_in(made)
    with away(made):
        return await again(made, operation, session)


async def somebody_guesses(made: Scene, operation: Operation) -> httpx.Response:
    for _ in range(10):
        await made.ask(operation, key=None, json={**LOGIN, "password": "wrong horse"})
    return await made.ask(operation, key=None, json=LOGIN)


@contextlib.contextmanager
def away(made: Scene) -> Iterator[None]:
    made.database.close()
    file = made.database.url.database or ""
    os.rename(file, f"{file}.away")
    yield
    os.rename(f"{file}.away", file)


DEFAULT = {"account_id": "default"}
CASES: dict[tuple[str, str], Case] = {
    ("POST /v1/uploads", "wrong_use"): asked(json={"filename": ".."}),
    ("DELETE /v1/uploads/{upload_id}", "conflict"): a_job_needs_it,
    ("POST /v1/uploads/{upload_id}/complete", "conflict"): it_takes_one_body,
    ("POST /v1/uploads/{upload_id}/complete", "wrong_use"): its_tag_is_another,
    ("POST /v1/uploads/{upload_id}/complete", "disk_full"): there_is_no_room,
    ("POST /v1/uploads/{upload_id}/complete", "link_expired"): its_time_is_over,
    ("POST /v1/webhooks", "conflict"): there_are_enough,
    ("POST /v1/webhooks", "wrong_use"): asked(json={"url": "https://example.org/hook", "kinds": ["no.such"]}),
    ("PATCH /v1/webhooks/{webhook_id}", "wrong_use"): it_tells_of_no_such_thing,
    ("POST /v1/keys", "not_found"): asked(json={"name": "k", "account": NOWHERE}),
    ("POST /v1/accounts", "conflict"): asked(json={"name": "n", "id": "default"}),
    ("PATCH /v1/accounts/{account_id}", "conflict"): asked(ids=DEFAULT, json={"state": "suspended"}),
    ("DELETE /v1/accounts/{account_id}", "conflict"): asked(ids=DEFAULT),
    ("POST /v1/users", "conflict"): somebody_has_that_name,
    ("POST /v1/users", "not_found"): asked(json={"name": "ada", "account": NOWHERE}),
    ("PATCH /v1/users/{user_id}", "conflict"): somebody_has_that_name,
    ("POST /v1/sessions", "key_refused"): asked(key=None, json=LOGIN),
    ("POST /v1/sessions", "forbidden"): its_account_is_suspended,
    ("POST /v1/sessions", "too_many_requests"): somebody_guesses,
    ("POST /v1/sessions", "store_unavailable"): the_store_is_away,
    ("POST /v1/sessions/refresh", "key_refused"): asked(key=None, json={"refresh_token": "x"}),
    ("POST /v1/sessions/refresh", "forbidden"): its_account_is_suspended,
    ("POST /v1/sessions/refresh", "store_unavailable"): the_store_is_away,
    ("GET /v1/usage", "not_found"): it_is_anothers,
    ("GET /v1/usage", "wrong_use"): asked(params={"from": "2020-01-02", "to": "2020-01-01"}),
}
BEHIND_A_KEY = {"key_refused", "forbidden", "too_many_requests", "store_unavailable"}
"""What is tested above all on routes that take a key."""


@pytest.mark.parametrize("named", CASES, ids=" ".join)
def test_what_is_particular_to_the_others_is_reached(named: tuple[str, str], tmp_path: Path) -> None:
    (operation,) = (one for one in operations() if one.name == named[0])

    async def scene(made: Scene) -> None:
        assert reached(operation, await CASES[named](made, operation), named[1]) is None

    play(tmp_path, scene)


def has_a_case(operation: Operation, code: str) -> bool:
    if (operation.name, code) in CASES or operation.path.startswith(OURS):
        return True
    if code == "wrong_use" and "idempotency_conflict" in operation.codes():
        return True  # a key of idempotency that is too long
    if code == "not_found" and "{" in operation.path:
        return True
    return code in GENERAL and (code not in BEHIND_A_KEY or bool(operation.told.get("security")))


def test_no_documented_error_is_without_a_case() -> None:
    told = [(operation, code) for operation in operations() for code in operation.codes()]
    assert [f"{operation.name} {code}" for operation, code in told if not has_a_case(operation, code)] == []
    assert len(told) > 500  # the document is there
