"""A secret goes in by one door, and stands in nothing that the farm writes or answers.

Each row hands over a marked secret. Afterwards everything is looked through for it, as it is and as it is quoted in
URLs, in base64 and in JSON: the answers, the events, the audit trail, the log, the support bundle, and every byte of
the farm's folder.
"""

import asyncio
import base64
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import httpx
import pytest
from front_door import KEY, FrontDoor
from made_store import made_store

from framemill.logs import log_file, log_to
from framemill.store.database import Database

MARK = "mrkd-5up3r+s3cr3t/xyz="
PLAIN = "mrkd5up3rs3cr3txyz"
QUOTED = quote(MARK, safe="")
WORD = f"whsec_{base64.b64encode(MARK.encode() * 2).decode()}"


class Door(NamedTuple):
    """A way in."""

    method: str
    path: str
    body: dict[str, Any] | None = None
    headers: dict[str, str] = {}  # noqa: RUF012
    status: tuple[int, ...] = (200, 201)


def job(source: dict[str, Any] | None = None, output: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    inputs = [source or {"uri": "https://example.org/in.mov"}]
    return {"inputs": inputs, "outputs": [output or {"settings": {"container": "mp4"}}], **more}


def opened(kind: str, uri: str, **fields: Any) -> dict[str, Any]:
    return {"uri": uri, "credentials": {"kind": kind, **fields}}


CREDENTIALS: dict[str, dict[str, Any]] = {
    "s3": opened("s3", "s3://bucket/a.mov", access_key_id="AK", secret_access_key=MARK, session_token=PLAIN),
    "gcs": opened("gcs", "gs://bucket/a.mov", keyfile={"type": "service_account", "private_key": MARK}),
    "azure by key": opened("azure", "az://box/a.mov", account="me", key=MARK),
    "azure by signature": opened("azure", "az://box/a.mov", account="me", sas=f"sv=1&sig={quote(MARK)}"),
    "ftp": opened("ftp", "ftp://example.org/a.mov", user="u", password=MARK),
    "sftp": opened("sftp", "sftp://example.org/a.mov", user="u", password=MARK, passphrase=PLAIN),
    "sftp by key": opened("sftp", "sftp://example.org/a.mov", user="u", private_key=f"-----BEGIN KEY-----\n{MARK}\n"),
    "http": opened("http", "https://example.org/a.mov", headers={"Authorization": f"Bearer {MARK}"}),
    "gdrive": opened("gdrive", "gdrive://someid", token=MARK),
}
DOORS: dict[str, Door] = {
    **{f"credentials of a source: {name}": Door("POST", "/v1/jobs", job(one)) for name, one in CREDENTIALS.items()},
    **{
        f"credentials of a target: {name}": Door("POST", "/v1/jobs", job(None, {"targets": [{**one, "uri": to}]}))
        for name, one in CREDENTIALS.items()
        if (to := one["uri"].replace("a.mov", "a.mp4")).startswith(("s3", "gs", "az", "ftp", "sftp"))
    },
    "password in a source's URL": Door("POST", "/v1/jobs", job({"uri": f"https://user:{QUOTED}@example.org/in.mov"})),
    "token in a source's URL": Door("POST", "/v1/jobs", job({"uri": f"https://example.org/in.mov?token={QUOTED}"})),
    "password in an ftp URL": Door("POST", "/v1/jobs", job({"uri": f"ftp://user:{QUOTED}@example.org/in.mov"})),
    "password in a target's URL": Door(
        "POST", "/v1/jobs", job(None, {"target": f"ftp://user:{QUOTED}@example.org/out.mp4"})
    ),
    "credentials that do not fit": Door(
        "POST", "/v1/jobs", job({**CREDENTIALS["s3"], "uri": "gs://bucket/a.mov"}), status=(422,)
    ),
    "credentials with a word too many": Door(
        "POST", "/v1/jobs", job(opened("s3", "s3://bucket/a.mov", secret_access_key=MARK, colour=MARK)), status=(422,)
    ),
    "a password in a URL that is none": Door(
        "POST", "/v1/jobs", job({"uri": f"gopher://user:{QUOTED}@example.org/in.mov"}), status=(422,)
    ),
    "a callback's URL": Door("POST", "/v1/jobs", job(callbacks=[{"url": f"https://example.org/hook?key={QUOTED}"}])),
    "a callback's secret": Door(
        "POST", "/v1/jobs", job(callbacks=[{"url": "https://example.org/hook", "secret": WORD}])
    ),
    "a webhook's URL": Door(
        "POST",
        "/v1/webhooks",
        {"url": f"https://u:{QUOTED}@example.org/hook", "kinds": ["job.completed"]},
    ),
    "a user's password": Door("POST", "/v1/users", {"name": "mallory", "role": "guest", "password": MARK}),
    "a login": Door("POST", "/v1/sessions", {"name": "mallory", "password": f"{MARK}wrong"}, status=(401,)),
    "a wrong key": Door("GET", "/v1/jobs", None, {"Authorization": f"Bearer {PLAIN}"}, (401,)),
    "a probe": Door("POST", "/v1/probe", {"uri": f"https://example.org/in.mov?sig={QUOTED}"}),
    "a probe with credentials": Door("POST", "/v1/probe", CREDENTIALS["s3"]),
    "an estimate": Door("POST", "/v1/estimate", job(CREDENTIALS["ftp"])),
    "a body that is half a body": Door(
        "POST", "/v1/jobs", None, {"X-Half": f'{{"password": "{MARK}"'}, (400, 415, 422)
    ),
    "a request that is repeated": Door("POST", "/v1/jobs", job(CREDENTIALS["s3"]), {"Idempotency-Key": "once"}),
    "an unknown address with a secret in it": Door("GET", f"/v1/nothing?token={QUOTED}", status=(404,)),
}
LOOKED_AT = (
    "/v1/jobs", "/v1/audit", "/v1/webhooks", "/v1/webhooks/deliveries", "/v1/users", "/v1/keys", "/v1/openapi.json",
    "/metrics", "/v1/farm",
)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("secrets")


@pytest.fixture(scope="module")
def database(folder: Path) -> Iterator[Database]:
    made = made_store(folder / "farm.db")
    yield made
    made.close()


@pytest.fixture(scope="module")
def door(database: Database) -> FrontDoor:
    return FrontDoor(database)


@pytest.fixture
def logged(folder: Path) -> Iterator[Path]:
    """The log of a process of the farm, which tells everything."""
    root = logging.getLogger()
    before, levels = root.handlers[:], {name: logging.getLogger(name).level for name in ("", "framemill")}
    root.handlers.clear()
    path = log_file(folder / "logs", "api")
    log_to("DEBUG", "json", file=path)
    yield path
    for handler in root.handlers[:]:
        root.removeHandler(handler)
        handler.close()
    root.handlers[:] = before
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


def asked(door: FrontDoor, method: str, path: str, **more: Any) -> httpx.Response:
    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app=door.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://farm.example") as client:
            return await client.request(method, path, **more)

    return asyncio.run(ask())


def forms() -> dict[str, bytes]:
    """How a secret may be written."""
    found = {"as it is": MARK, "short": PLAIN, "in a URL": quote(MARK, safe=""), "in a path": quote(MARK)}
    coded = {f"in base64, {n} letters on": base64.b64encode(b"x" * n + MARK.encode())[4:-4] for n in range(3)}
    return {**{name: text.encode() for name, text in found.items()}, **coded}


def found_in(data: bytes) -> list[str]:
    return [name for name, text in forms().items() if text in data]


@pytest.mark.parametrize("name", DOORS)
def test_it_stands_nowhere(name: str, door: FrontDoor, folder: Path, logged: Path) -> None:
    way = DOORS[name]
    headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json", **way.headers}
    half = headers.pop("X-Half", None)
    content = half if half is not None else None if way.body is None else json.dumps(way.body)

    answers = [asked(door, way.method, way.path, headers=headers, content=content) for _ in range(2)]
    assert answers[0].status_code in way.status, answers[0].text
    made = answers[0].json().get("id") if answers[0].status_code == 201 else None
    mine = [f"{way.path}/{made}{more}" for more in ("", "/inputs", "/outputs", "/events", "/why")] if made else []
    shown = {
        path: asked(door, "GET", path, headers={"Authorization": f"Bearer {KEY}"}).content
        for path in (*LOOKED_AT, *mine)
    }
    logging.getLogger("framemill").warning("%s", answers[0].text)

    spilt = {f"answer {number}": found_in(answer.content) for number, answer in enumerate(answers)}
    spilt |= {path: found_in(data) for path, data in shown.items()}
    spilt |= {str(file): found_in(file.read_bytes()) for file in folder.rglob("*") if file.is_file()}
    assert {where: how for where, how in spilt.items() if how} == {}


def test_the_search_finds_what_is_there(door: FrontDoor, folder: Path) -> None:
    """A secret in a field that is none is kept as it is: the search would see it."""
    headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}

    answer = asked(door, "POST", "/v1/jobs", headers=headers, content=json.dumps(job(fairness_key=PLAIN)))

    assert answer.status_code == 201, answer.text
    assert any(found_in(file.read_bytes()) for file in folder.glob("farm.db*"))
