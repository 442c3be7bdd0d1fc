"""The pages behind a proxy that has taken a path away."""

import asyncio
from ipaddress import ip_network
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route

from framemill.config import load_settings
from framemill.serve.prefixed import Prefixed, believed_proxies

NEAR = (ip_network("127.0.0.1/32"),)


async def page(request: Request) -> JSONResponse:
    told = request.headers.get("x-forwarded-prefix")
    return JSONResponse({"root": request.scope["root_path"], "url": str(request.url_for("page")), "told": told})


def asked(headers: dict[str, str], *, public_url: str | None = None, client: str = "127.0.0.1") -> Any:
    """What the page at `/dashboard/jobs` sees."""
    inner = Starlette(routes=[Mount("/", routes=[Route("/jobs", page, name="page")])])
    app = Prefixed(inner, trusted=NEAR, public_url=public_url)

    async def ask() -> Any:
        transport = httpx.ASGITransport(app, root_path="/dashboard", client=(client, 5))
        async with httpx.AsyncClient(transport=transport, base_url="http://farm") as browser:
            answer = await browser.get("/dashboard/jobs", headers=headers)
            assert answer.status_code == 200, answer.text
            return answer.json()

    return asyncio.run(ask())


@pytest.mark.parametrize(
    ("headers", "public_url", "client", "prefix"),
    [
        ({}, None, "127.0.0.1", ""),
        ({"x-forwarded-prefix": "/farm"}, None, "127.0.0.1", "/farm"),
        ({"x-forwarded-prefix": "/farm"}, None, "10.0.0.9", ""),  # no proxy of ours
        ({"x-forwarded-prefix": '/"><script>'}, None, "127.0.0.1", ""),
        ({"host": "videos.example"}, "https://videos.example/all/films/", "10.0.0.9", "/all/films"),
        ({"host": "127.0.0.1:8000"}, "https://videos.example/films", "127.0.0.1", ""),  # past the proxy
    ],
)
def test_a_page_knows_the_path_that_was_taken_away(
    headers: dict[str, str], public_url: str | None, client: str, prefix: str
) -> None:
    seen = asked(headers, public_url=public_url, client=client)
    assert seen["root"] == f"{prefix}/dashboard"
    assert seen["url"].endswith(f"{prefix}/dashboard/jobs")
    assert seen["told"] is None


def test_headers_count_only_where_nobody_but_this_machine_reaches_the_farm() -> None:
    said: dict[str, Any] = {"trusted_proxies": "10.0.0.0/8"}
    assert believed_proxies(load_settings(**said, host="127.0.0.1")) == (ip_network("10.0.0.0/8"),)
    assert believed_proxies(load_settings(**said, host="0.0.0.0")) == ()  # noqa: S104 - told, not bound
