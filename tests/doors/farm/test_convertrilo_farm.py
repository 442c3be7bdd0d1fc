"""Convertrilo's jobs through a real farm, by the numbers of the checks in its specification."""

import contextlib
import io
import os
import signal
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import av
import httpx
import psutil
import pytest
from doors.around import LONG_SECONDS, Customer, DoorFarm, awaited, got
from oracle import audio_samples, is_clean

pytestmark = pytest.mark.timeout(400)
_LOOK = threading.Event()  # never set: a farm tells nobody
BASE = "/convertrilo"
ENDED = {"success", "failed", "canceled"}


class Client:
    """A client with an API key."""

    def __init__(self, http: httpx.Client, customer: Customer) -> None:
        self.http = http
        self.headers = {"X-API-Key": customer.key}

    def ask(self, method: str, path: str, body: Any = None, **more: Any) -> httpx.Response:
        headers = {**self.headers, **more.pop("headers", {})}
        return self.http.request(method, BASE + path, json=body, headers=headers, **more)

    def told(self, method: str, path: str, body: Any = None, **more: Any) -> dict[str, Any]:
        answer = self.ask(method, path, body, **more)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def created(self, **more: Any) -> dict[str, Any]:
        return self.told("POST", "/jobs", {"codec": "h264", "resolution": "480p", "fps": 30, **more})

    def status(self, job_id: str) -> dict[str, Any]:
        return self.told("GET", f"/jobs/{job_id}/status")

    def seen(self, job_id: str, seconds: float = 200) -> list[dict[str, Any]]:
        """What is told of a job, look by look, until it has ended."""
        end, found = time.monotonic() + seconds, [self.status(job_id)]
        while found[-1]["status"] not in ENDED:
            assert time.monotonic() < end, f"it has not ended: {found[-1]}"
            _LOOK.wait(0.2)
            found.append(self.status(job_id))
        return found

    def succeeded(self, job_id: str) -> dict[str, Any]:
        last = self.seen(job_id)[-1]
        assert last["status"] == "success", last
        return last


class Film(NamedTuple):
    """What was downloaded."""

    container: str
    codec: str
    height: int
    rate: float
    seconds: float
    sounds: int


@pytest.fixture
def client(farm: DoorFarm, http: httpx.Client) -> Client:
    return Client(http, farm.customer())


def downloaded(url: str) -> bytes:
    answer = got(url)
    assert answer.status_code == 200, answer.text
    return answer.content


def looked_at(body: bytes) -> Film:
    """A film, all of it decoded."""
    with av.open(io.BytesIO(body), "r") as container:
        stream = container.streams.video[0]
        rate = stream.average_rate
        assert rate is not None
        frames = sum(1 for _ in container.decode(stream))
        return Film(
            container.format.name,
            stream.codec_context.name,
            stream.height,
            float(rate),
            frames / float(rate),
            len(container.streams.audio),
        )


def test_checks_05_to_09_a_film_goes_all_the_way(client: Client, film: Path, tmp_path: Path) -> None:
    job = client.created(externalId="e1", metadata={"k": 1}, quality="good", scalePolicy="allow-upscale")
    job_id = job["jobId"]
    body = film.read_bytes()

    def pieces() -> Iterator[bytes]:
        for at in range(0, len(body), 10_000):
            yield body[at : at + 10_000]

    assert httpx.put(job["upload"]["url"], content=pieces(), trust_env=False, timeout=60).status_code == 200
    probed = client.told("GET", f"/jobs/{job_id}/probe-duration")  # check 6
    assert abs(probed["durationSec"] - 6) < 0.2
    assert abs(probed["durationMinutes"] - probed["durationSec"] / 60) < 0.01
    approved = client.told("POST", f"/jobs/{job_id}/approve-unified")  # check 7
    assert approved["ok"] is True
    assert approved["estimate"]["totalNeu"] > 0
    end = time.monotonic() + 2
    while time.monotonic() < end:
        assert client.status(job_id)["status"] == "created"
        _LOOK.wait(0.3)
    assert client.told("POST", f"/jobs/{job_id}/confirm")["ok"] is True  # check 8
    seen = client.seen(job_id)
    assert seen[-1]["status"] == "success", seen[-1]
    shares = [one["pct"] for one in seen]
    assert shares == sorted(shares)
    assert shares[-1] == 100
    assert [one for one in seen if one["downloadUrl"] is not None] == seen[-1:]
    assert seen[-1]["encoder"] == "libx264"
    assert (seen[-1]["externalId"], seen[-1]["metadata"]) == ("e1", {"k": 1})
    whole = downloaded(seen[-1]["downloadUrl"])
    found = looked_at(whole)  # check 9
    assert found[1:4] == ("h264", 480, 30)
    assert abs(found.seconds - 6) < 0.2
    assert found.sounds == 1
    out = tmp_path / "out.mp4"
    out.write_bytes(whole)
    assert is_clean(out)
    assert audio_samples(out) is not None
    assert client.told("POST", f"/jobs/{job_id}/cancel")["ok"] is True  # check 16
    assert client.status(job_id)["status"] == "success"


def test_check_10_every_pair_of_codec_and_container(client: Client, src: str) -> None:
    pairs = {
        **{("h264", container): name for container, name in (("mp4", "mov"), ("mkv", "matroska"), ("mov", "mov"))},
        **{("h265", container): name for container, name in (("mp4", "mov"), ("mkv", "matroska"), ("mov", "mov"))},
        **{("av1", container): name for container, name in (("mp4", "mov"), ("mkv", "matroska"), ("webm", "webm"))},
    }
    body = {
        "jobs": [
            {
                **{"codec": codec, "resolution": "480p", "fps": 30, "container": container},
                **{"sourceUrl": src, "scalePolicy": "allow-upscale"},
            }
            for codec, container in pairs
        ],
        "settings": {"confirm": True},
    }
    made = client.told("POST", "/jobs/bulk", body)["jobs"]
    for one, ((codec, _), name) in zip(made, pairs.items(), strict=True):
        found = looked_at(downloaded(client.succeeded(one["jobId"])["downloadUrl"]))
        wanted = {"h264": {"h264"}, "h265": {"hevc"}, "av1": {"libdav1d", "av1"}}[codec]
        assert found.codec in wanted
        assert name in found.container
        assert found.height == 480
        assert found.sounds == 1


def test_check_14_a_batch_is_confirmed_and_ends_well(client: Client, src: str) -> None:
    one = {"codec": "h264", "resolution": "480p", "fps": 30, "sourceUrl": src}
    made = client.told("POST", "/jobs/bulk", {"jobs": [one, {**one, "passes": 2}]})
    ids = [each["jobId"] for each in made["jobs"]]
    assert client.told("POST", "/jobs/bulk/confirm", {"jobIds": ids})["queued"] == 2

    def statuses() -> set[str]:
        said = client.told("GET", f"/jobs/bulk/status?ids={','.join(ids)}")["jobs"]
        return {each["status"] for each in said}

    awaited(lambda: statuses() <= ENDED, "the end of both", 200)
    assert statuses() == {"success"}
    strange = str(uuid.uuid4())
    assert client.told("GET", f"/jobs/bulk/status?ids={ids[0]},{strange}")["missing"] == [strange]


def test_check_15_a_film_in_chunks(client: Client, film: Path) -> None:
    job_id = client.created()["jobId"]
    body = film.read_bytes()
    half = len(body) // 2
    client.told("POST", f"/jobs/{job_id}/stream/init")
    kind = {"Content-Type": "application/octet-stream"}
    client.told("PUT", f"/jobs/{job_id}/stream/chunk/2", content=body[half:], headers=kind)
    client.told("PUT", f"/jobs/{job_id}/stream/chunk/1", content=body[:half], headers=kind)
    for index in (0, 10001):
        answer = client.ask("PUT", f"/jobs/{job_id}/stream/chunk/{index}", content=b"x", headers=kind)
        assert answer.status_code == 400
    client.told("POST", f"/jobs/{job_id}/stream/finalize")
    client.told("POST", f"/jobs/{job_id}/confirm")
    found = looked_at(downloaded(client.succeeded(job_id)["downloadUrl"]))
    assert abs(found.seconds - 6) < 0.2


def test_check_16_a_job_that_runs_is_canceled_once_and_again(client: Client, long_src: str) -> None:
    job_id = client.created(sourceUrl=long_src, confirm=True)["jobId"]
    awaited(lambda: client.status(job_id)["status"] == "running", "its start")
    for _ in range(2):
        assert client.told("POST", f"/jobs/{job_id}/cancel")["ok"] is True
    assert client.status(job_id)["status"] == "canceled"


def test_what_is_told_before_is_what_is_charged(farm: DoorFarm, http: httpx.Client, src: str) -> None:
    customer = farm.customer(credits=10_000)
    client = Client(http, customer)
    job_id = client.created(sourceUrl=src, preset="slow", bitrateTier="high")["jobId"]
    approved = client.told("POST", f"/jobs/{job_id}/approve-unified")["estimate"]
    assert client.told("GET", "/tokens/balance")["reserved"] == approved["totalNeu"]
    client.told("POST", f"/jobs/{job_id}/confirm")
    client.succeeded(job_id)
    after = client.told("GET", "/tokens/balance")
    assert after["reserved"] == 0
    assert after["available"] == pytest.approx(10 - approved["totalNeu"])


def test_check_25b_a_worker_that_is_killed_costs_no_job(farm: DoorFarm, client: Client, long_src: str) -> None:
    job_id = client.created(sourceUrl=long_src, confirm=True)["jobId"]
    worker = awaited(lambda: _at_work(farm.encoders), "the first encode")
    os.kill(worker.pid, signal.SIGKILL)
    seen = client.seen(job_id, 300)
    assert seen[-1]["status"] == "success", seen[-1]
    shares = [one["pct"] for one in seen]
    assert shares == sorted(shares)
    assert abs(looked_at(downloaded(seen[-1]["downloadUrl"])).seconds - LONG_SECONDS) < 0.2


def _at_work(encoders: Sequence[psutil.Process]) -> psutil.Process | None:
    """A worker that has started one of them: the nearest of its ancestors that is a Ray actor. Some are short-lived."""
    for encoder in encoders:
        with contextlib.suppress(psutil.Error):
            # One that ends meanwhile has no words any more.
            actors = [one for one in encoder.parents() if "".join(one.cmdline()[:1]).startswith("ray::")]
            if actors:
                return actors[0]
    return None
