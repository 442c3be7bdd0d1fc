"""Bodies in a replica, and whether HAProxy stands in front: decisions that need no farm."""

import asyncio
import os
import subprocess
import warnings
from pathlib import Path
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from framemill.serve.fronting import lacking, not_fronted, write_wrapper

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Serve's own, of what it imports
    from ray.serve._private.direct_ingress_http_util import ASGIDIReceiveProxy

    from framemill.serve.unhurried import Unhurried

SCOPE: dict[str, Any] = {"type": "http", "method": "PUT", "path": "/", "headers": []}
FIGURES = """# pxname,svname,status,act,bck
http-api,SERVE_REPLICA_api,UP,1,0
http-api,SERVE_PROXY_ACTOR-fallback,UP,0,1
http-bytes,SERVE_REPLICA_bytes,{bytes},1,0
http-bytes,SERVE_PROXY_ACTOR-fallback,UP,0,1
http-bytes,BACKEND,UP,0,1
"""


def test_a_body_waits_until_it_is_written() -> None:
    """A thousand messages could come at once; only a few are taken until somebody reads them."""
    taken = 0

    async def network() -> Message:
        nonlocal taken
        taken += 1
        return {"type": "http.request", "body": b"x", "more_body": taken < 1000}

    async def run() -> tuple[int, int]:
        receive = ASGIDIReceiveProxy(SCOPE, network, asyncio.get_running_loop())
        read = 0
        ahead = []

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            nonlocal read
            more = True
            while more:
                for _ in range(10):
                    await asyncio.sleep(0)
                more = (await receive())["more_body"]
                read += 1
                ahead.append(taken - read)

        fetching: list[asyncio.Task[None]] = []

        async def served() -> None:
            fetching.append(receive.fetch_until_disconnect_task())
            await Unhurried(app, haproxy=True)(SCOPE, receive, _ignored)
            fetching[0].cancel()

        await served()
        return read, max(ahead)

    read, ahead = asyncio.run(run())

    assert read == 1000
    assert ahead < 40


@pytest.mark.parametrize(("length", "status"), [(b"100", 200), (b"100000000", 503)])
def test_a_large_body_that_comes_round_by_the_proxy_is_told_to_come_back(length: bytes, status: int) -> None:
    told: list[Message] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def keep(message: Message) -> None:
        told.append(message)

    async def nothing() -> Message:
        raise AssertionError("the body was read")

    scope = {**SCOPE, "headers": [(b"content-length", length)]}
    asyncio.run(Unhurried(app, haproxy=True)(scope, nothing, keep))

    assert told[0]["status"] == status


async def _ignored(message: Message) -> None:
    """Nobody reads the answer."""


@pytest.mark.parametrize(
    ("status", "missing"), [("UP", []), ("UP 1/3", []), ("DOWN", ["bytes"]), ("no check", ["bytes"])]
)
def test_an_application_is_fronted_when_one_of_its_own_replicas_is_up(status: str, missing: list[str]) -> None:
    assert lacking(FIGURES.format(bytes=status), ("api", "bytes")) == missing


def test_of_nothing_all_is_missing() -> None:
    assert lacking("", ("bytes", "api")) == ["api", "bytes"]
    assert "does not answer yet" in not_fronted(1)


def test_the_figures_are_closed_to_other_hosts_and_the_socket_to_other_users(tmp_path: Path) -> None:
    config = tmp_path / "haproxy.cfg"
    config.write_text(
        "    stats socket /x/admin.sock mode 666 level admin expose-fd listeners\n"
        "frontend prometheus\n    bind :9101\nfrontend http_frontend\n    bind 0.0.0.0:8000\n"
        "listen stats\n  bind *:8404\n"
    )
    program = tmp_path / "it's haproxy"
    program.write_text('#!/bin/sh\necho "$@"\n')
    program.chmod(0o700)

    wrapper = write_wrapper(tmp_path, str(program))
    said = subprocess.run([wrapper, "-db", "-f", config, "-sf", "12"], capture_output=True, text=True, check=True)

    assert said.stdout == f"-db -f {config} -sf 12\n"
    assert config.read_text() == (
        "    stats socket /x/admin.sock mode 600 level admin expose-fd listeners\n"
        "frontend prometheus\n    bind 127.0.0.1:9101\nfrontend http_frontend\n    bind 0.0.0.0:8000\n"
        "listen stats\n  bind 127.0.0.1:8404\n"
    )
    assert os.stat(wrapper).st_mode & 0o777 == 0o700
