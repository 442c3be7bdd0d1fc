"""Where a client reaches the API: at both its paths, behind proxies that are trusted and others that are not."""

import dataclasses
import re
from ipaddress import ip_network
from typing import Any

import pytest
from fastapi import APIRouter
from fastapi.responses import JSONResponse
from front_door import KEY
from starlette.requests import Request

from framemill.api import door as front
from framemill.api.app import create_app
from framemill.api.auth import Known, TheCaller
from framemill.api.bytes.app import create_bytes_app
from framemill.api.door import bytes_url, door_url
from framemill.api.errors import Refusal
from framemill.api.urls import asked_as, client_address
from framemill.errors import InvalidSetting, KeyRefused
from framemill.services.callers import Caller

Door = Any
NEAR = 'for="[2001:db8::1]:80";proto=https;host=b.example'
LOCAL = (ip_network("127.0.0.1/32"), ip_network("10.0.0.0/8"))


def request_from(peer: str, **headers: str) -> Request:
    named = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request(
        {
            **{"type": "http", "method": "GET", "scheme": "http", "path": "/v1", "query_string": b""},
            **{"server": ("farm", 80), "client": (peer, 1234), "headers": named},
        }
    )


@pytest.mark.parametrize(
    ("headers", "scheme", "host", "prefix", "client"),
    [
        ({"x_forwarded_proto": "https", "x_forwarded_host": "a.example"}, "https", "a.example", "", ""),
        ({"x_forwarded_host": "evil.example, a.example:8443"}, "", "a.example:8443", "", ""),
        ({"x_forwarded_prefix": "/farm/"}, "", "", "/farm", ""),
        ({"x_forwarded_prefix": "//evil.example"}, "", "", "", ""),
        ({"x_forwarded_prefix": "/a/../b"}, "", "", "", ""),
        ({"x_forwarded_host": "evil.example/x"}, "", "", "", ""),
        ({"x_forwarded_proto": "javascript"}, "", "", "", ""),
        ({"x_forwarded_for": "6.6.6.6, 9.9.9.9, 10.1.2.3"}, "", "", "", "9.9.9.9"),
        ({"forwarded": f"for=6.6.6.6, {NEAR}"}, "https", "b.example", "", "2001:db8::1"),
        ({"forwarded": "proto=https", "x_forwarded_host": "c.example"}, "https", "", "", ""),
    ],
)  # fmt: skip
def test_trusted_proxies_say_how_they_were_asked(
    headers: dict[str, str], scheme: str, host: str, prefix: str, client: str
) -> None:
    told = asked_as(request_from("127.0.0.1", **headers), LOCAL)
    assert (told.scheme, told.host, told.prefix, told.client) == (scheme, host, prefix, client)
    assert asked_as(request_from("192.0.2.1", **headers), LOCAL) == ("", "", "", "")
    assert asked_as(request_from("127.0.0.1", **headers), ()) == ("", "", "", "")
    assert asked_as(request_from("::ffff:127.0.0.1", **headers), LOCAL) == told


def test_the_client_is_the_peer_where_nobody_says_otherwise() -> None:
    forged = {"x_forwarded_for": "6.6.6.6"}
    assert client_address(request_from("192.0.2.1", **forged), LOCAL) == "192.0.2.1"
    assert client_address(request_from("127.0.0.1", **forged), LOCAL) == "6.6.6.6"
    assert client_address(request_from("127.0.0.1"), LOCAL) == "127.0.0.1"


@pytest.mark.parametrize("base", ["/v1", "/framemill/v1"])
def test_links_begin_as_the_client_has_asked(door: Door, want: Any, base: str) -> None:
    made = door.post(f"{base}/jobs", want())
    assert made.headers["Location"] == f"http://farm.example{base}/jobs/{made.json()['id']}"
    assert door.get(made.headers["Location"]).json()["id"] == made.json()["id"]
    index = door.get(base, key=None).json()
    assert index["jobs_url"] == f"http://farm.example{base}/jobs"
    assert door.get(index["openapi_url"], key=None).json()["servers"] == [
        {"url": f"http://farm.example{base.removesuffix('/v1')}"}
    ]


def with_parts(door: Door, **changes: Any) -> Door:
    door.parts = dataclasses.replace(door.parts, **changes)
    door.app = create_app(door.parts)
    return door


def test_a_public_url_goes_before_everything_and_its_path_may_be_left_there(door: Door, want: Any) -> None:
    with_parts(door, public_url="https://videos.example/farm")
    for path in ("/v1/jobs", "/farm/v1/jobs", "/farm/framemill/v1/jobs"):
        made = door.post(path, want())
        assert made.status_code == 201, made.text
        also = "/framemill" if "framemill" in path else ""
        assert made.headers["Location"] == f"https://videos.example/farm{also}/v1/jobs/{made.json()['id']}"
    assert door.get("/farmer/v1/jobs").status_code == 404


def test_headers_count_only_from_trusted_proxies(door: Door, want: Any) -> None:
    told = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "videos.example", "X-Forwarded-Prefix": "/farm"}
    assert door.post("/v1/jobs", want(), headers=told).headers["Location"].startswith("http://farm.example/v1/")
    with_parts(door, trusted_proxies=LOCAL)  # httpx asks from 127.0.0.1
    location = door.post("/v1/jobs", want(), headers=told).headers["Location"]
    assert location.startswith("https://videos.example/farm/v1/jobs/")


def the_door() -> Door:
    """A door that tells where it is, and breaks where it is asked to."""
    routes = APIRouter()

    @routes.get("/v1/where")
    async def where(request: Request, caller: TheCaller) -> dict[str, str]:
        return {"url": door_url(request, "/other"), "account": caller.account}

    @routes.get("/v1/broken")
    async def broken() -> None:
        raise RuntimeError("nobody foresaw that")

    def write(_request: Request, found: Refusal, _cause: Exception) -> JSONResponse:
        return JSONResponse({"went wrong": found.kind}, found.status, headers=dict(found.headers))

    return front.Door(name="other", title="Another API", routers=(routes,), write=write)


def test_a_door_is_below_its_path_and_at_the_root_of_its_own_host_name(door: Door) -> None:
    parts = dataclasses.replace(door.parts, hosts={"api.other.example": "other"})
    door.app = create_app(parts, doors=[the_door()])
    own = {"Host": "api.other.example:8000"}
    for path, headers, url in [
        ("/other/v1/where", {}, "http://farm.example/other"),
        ("/v1/where", own, "http://api.other.example:8000"),
        ("/other/v1/where", own, "http://api.other.example:8000/other"),
    ]:
        answer = door.get(path, headers=headers)
        assert (answer.status_code, answer.json()) == (200, {"url": url, "account": "default"}), path
    assert door.get("/v1/where").status_code == 404
    assert door.get("/v1/jobs", headers=own).status_code == 404
    assert door.get("/framemill/v1/jobs", headers=own).status_code == 200
    door.app = create_app(dataclasses.replace(parts, public_url="https://farm.example"), doors=[the_door()])
    assert door.get("/v1/where", headers=own).json()["url"] == "https://farm.example/other"


def test_a_door_of_all_host_names_leaves_the_native_api_its_other_path(door: Door) -> None:
    door.app = create_app(dataclasses.replace(door.parts, hosts={"*": "other"}), doors=[the_door()])
    assert door.get("/v1/where").json()["url"] == "http://farm.example"
    assert door.get("/framemill/v1/jobs").status_code == 200


def test_whoever_watches_the_farm_finds_what_they_look_at_under_every_host_name(door: Door) -> None:
    door.app = create_app(dataclasses.replace(door.parts, hosts={"*": "other"}), doors=[the_door()])
    for path in ("/healthz", "/readyz", "/metrics"):
        assert door.get(path).status_code == 200, path
    assert door.get("/healthz/no").json() == {"went wrong": "not_found"}


@pytest.mark.parametrize(("host", "named"), [("a.example", "a.example"), ("*", "every host name")])
def test_a_host_name_of_a_door_that_there_is_not_is_refused(door: Door, host: str, named: str) -> None:
    with pytest.raises(InvalidSetting, match=rf"{re.escape(named)} is for 'another'; there are: other\.$"):
        create_app(dataclasses.replace(door.parts, hosts={host: "another"}), doors=[the_door()])


def test_what_goes_wrong_at_a_door_is_told_in_its_words(door: Door) -> None:
    door.app = create_app(door.parts, doors=[the_door()])
    for method, path, key, status, kind in [
        ("GET", "/other/v1/where", None, 401, "authentication"),
        ("GET", "/other/v1/nowhere", KEY, 404, "not_found"),
        ("DELETE", "/other/v1/where", KEY, 405, "invalid_request"),
        ("GET", "/other/v1/broken", KEY, 500, "internal"),
    ]:
        answer = door.ask(method, path, key=key)
        assert (answer.status_code, answer.json()) == (status, {"went wrong": kind}), path
        assert answer.headers["X-Request-Id"]


async def whoever_says_so(request: Request) -> Known:
    account = request.headers.get("x-own")
    if account is None:
        raise KeyRefused("Say who you are.")
    return Known(Caller(account=account))


def test_a_door_may_have_a_path_credentials_and_routes_of_bytes_of_its_own(door: Door) -> None:
    routes, more = APIRouter(), APIRouter()

    @routes.get("/where")
    async def where(request: Request, caller: TheCaller) -> list[str]:
        return [door_url(request, "/v7"), bytes_url(request, "/v7"), caller.account]

    @more.get("/there")
    async def there(caller: TheCaller) -> list[str]:
        return [caller.account]

    given: Any = {"path": "/v7", "knows": whoever_says_so, "routers": (routes,), "bytes": (more,)}
    made = dataclasses.replace(the_door(), **given)
    door.app = create_app(dataclasses.replace(door.parts, hosts={"api.other.example": "other"}), doors=[made])
    files = create_bytes_app(door.parts, doors=[made])
    mine = {"X-Own": "somebody", "Host": "api.other.example"}

    assert door.get("/v7/where", headers=mine).json() == [
        "http://api.other.example/v7",
        "http://api.other.example/files/v7",
        "somebody",
    ]
    assert door.get("/where", headers=mine).json()[0] == "http://api.other.example"
    assert door.get("/v7/where", key=KEY).status_code == 401
    door.app = files
    assert door.get("/v7/there", headers=mine).json() == ["somebody"]
    assert door.get("/v7/there", key=KEY).json() == {"went wrong": "authentication"}
