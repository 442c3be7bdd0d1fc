"""Where a client reaches the API: at both its paths, behind proxies that are trusted and others that are not."""

import dataclasses
from ipaddress import ip_network
from typing import Any

import pytest
from starlette.requests import Request

from framemill.api.app import create_app
from framemill.api.urls import asked_as, client_address

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
