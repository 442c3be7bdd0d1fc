"""Open Encoder's jobs through a real farm, by the numbers of its specification's checks; those of who comes in and of
settings are in `tests/doors/test_openencoder_*.py`, which need no farm."""

import io
import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import clips
import httpx
import pytest
from doors.around import S3, DoorFarm, Receiver, awaited
from servers.ftp import PASSWORD, USER, ftp_server

from framemill.api.openencoder.built_in import BUILT_IN

ORDER = ["queued", "restarting", "downloading", "probing", "encoding", "uploading", "completed"]
ENDED = {"completed", "error", "cancelled"}
QUICK = json.dumps({"raw": ["-c:v libx264", "-preset ultrafast", "-crf 30", "-g 60"]})
HLS = json.dumps({"raw": ["-c:v libx264 -preset ultrafast -crf 30 -g 60 -sc_threshold 0", "-f hls -hls_time 2"]})


class Encoder:
    """An admin's client, whose films are in buckets of the settings."""

    def __init__(self, http: httpx.Client, farm: DoorFarm, s3: S3) -> None:
        self._http = http
        self._farm = farm
        self.s3 = s3
        self.inbound, self.outbound = s3.bucket(), s3.bucket()

    def ask(self, method: str, path: str, body: Any = None) -> httpx.Response:
        return self._http.request(method, f"/api{path}", json=body, headers=self._farm.bearer)

    def told(self, method: str, path: str, body: Any = None) -> Any:
        answer = self.ask(method, path, body)
        assert answer.is_success, answer.text
        return answer.json()

    def settle(self, **said: str) -> None:
        """The settings are these, and else what they are usually."""
        known = {one["name"]: one["value"] for one in self.told("GET", "/settings")["settings"]}
        mine = {
            **{"S3_PROVIDER": "custom", "S3_ENDPOINT": self.s3.endpoint, "S3_OUTBOUND_BUCKET_REGION": S3.region},
            **{"S3_ACCESS_KEY": S3.key, "S3_SECRET_KEY": S3.secret, "STORAGE_DRIVER": "s3", "SLACK_WEBHOOK": ""},
            **{"S3_INBOUND_BUCKET": self.inbound, "S3_OUTBOUND_BUCKET": self.outbound},
        }
        assert self.told("PUT", "/settings", {**known, **mine, **said}) == {"settings": "updated"}

    def preset(self, name: str, data: str, output: str) -> str:
        said = {"name": name, "description": name, "data": data, "output": output, "active": True}
        return str(self.told("POST", "/presets", said)["name"])

    def submit(self, preset: str, source: str, dest: str) -> int:
        job = self.told("POST", "/jobs", {"preset": preset, "source": source, "dest": dest})["job"]
        return int(job["id"])

    def job(self, number: int) -> dict[str, Any]:
        job: dict[str, Any] = self.told("GET", f"/jobs/{number}")["job"]
        return job

    def seen(self, number: int, seconds: float = 200.0) -> list[str]:
        """Every status until its end, as `jobs/:id/status` tells it, each once."""
        found: list[str] = []

        def look() -> bool:
            found.append(self.told("GET", f"/jobs/{number}/status")["job_status"])
            return found[-1] in ENDED

        awaited(look, f"the end of {number}", seconds)
        return [status for status, _ in itertools.groupby(found)]

    def done(self, number: int) -> dict[str, Any]:
        self.seen(number)
        job = self.job(number)
        assert job["status"] == "completed", job
        return job

    def failed(self, number: int) -> str:
        assert self.seen(number)[-1] == "error"
        why: str = self.job(number)["error"]
        return why

    def count(self, status: str) -> int:
        rows = self.told("GET", "/stats")["stats"]["jobs"]
        return int(next(row["count"] for row in rows if row["status"] == status))


class Film:
    """What was delivered, all of it decoded."""

    def __init__(self, film: bytes) -> None:
        with av.open(io.BytesIO(film), "r") as container:
            stream = container.streams.video[0]
            self.profile = stream.codec_context.profile
            self.codec = stream.codec_context.codec.name
            self.size = (stream.codec_context.width, stream.codec_context.height)
            self.frames = sum(1 for _ in container.decode(stream))


@pytest.fixture(scope="module")
def made(farm: DoorFarm, http: httpx.Client, s3: S3, film: Path, tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    second = tmp_path_factory.mktemp("second") / "second.mp4"
    clips.encode(second, *clips.picture(1, "30", "640x360"), *clips.sound(1), *clips.x264("keyint=30"), *clips.AAC)
    encoder = Encoder(http, farm, s3)
    s3.put(encoder.inbound, {"src/a.mp4": film.read_bytes(), "src/second.mp4": second.read_bytes()})
    encoder.settle()
    encoder.preset("quick", QUICK, "quick.mp4")
    return encoder


@pytest.fixture
def encoder(made: Encoder) -> Iterator[Encoder]:
    """What a test changes of the settings is as before behind it."""
    yield made
    made.settle()


def test_check_2_somebody_works(encoder: Encoder) -> None:
    found = encoder.told("GET", "/health")
    assert (found["api"], found["db"], found["redis"]) == ("OK", "OK", "OK")
    assert found["workers"] >= 1


def test_checks_12_and_13_a_film_goes_all_the_way_and_comes_out_whole(encoder: Encoder, film: Path) -> None:
    bucket = encoder.s3.bucket()
    encoder.settle(S3_OUTBOUND_BUCKET=bucket)
    number = encoder.submit("h264_baseline_360p_600", "s3:///src/a.mp4", "s3:///dst/a/")
    seen = encoder.seen(number)
    job = encoder.job(number)
    assert seen == [status for status in ORDER if status in seen], "a subsequence, and no step back"
    assert (seen[-1], job["progress"]) == ("completed", 100), job
    assert json.loads(job["probe"])["streams"][0]["codec_type"] in {"video", "audio"}
    assert json.loads(job["options"]) == json.loads(BUILT_IN[0].data)
    assert job["speed"].endswith("x")
    assert job["fps"] > 0

    assert encoder.s3.keys(bucket) == ["dst/a/h264_baseline_360p_600.mp4"]
    found = Film(encoder.s3.get(bucket, "dst/a/h264_baseline_360p_600.mp4"))
    assert (found.size[1], found.profile) in {(360, "Constrained Baseline"), (360, "Baseline")}
    assert found.frames == Film(film.read_bytes()).frames == 180


@pytest.mark.parametrize("preset", BUILT_IN, ids=[one.name for one in BUILT_IN])
def test_each_preset_of_the_farm_makes_what_it_says(encoder: Encoder, preset: Any) -> None:
    encoder.done(encoder.submit(preset.name, "src/second.mp4", "five/"))
    found = Film(encoder.s3.get(encoder.outbound, f"five/{preset.output}"))
    assert f"{found.size[1]}p" in preset.name
    assert found.frames == 30
    assert found.codec in {"h264", "vp9", "libvpx-vp9"}


def test_check_14_a_source_is_the_same_however_it_is_named(encoder: Encoder, src: str, film: Path) -> None:
    sources = ("src/a.mp4", "s3:///src/a.mp4", f"s3://{encoder.inbound}/src/a.mp4", src, film.as_uri())
    numbers = [encoder.submit("quick", source, f"same/{rank}/") for rank, source in enumerate(sources)]
    glued = encoder.submit("quick", "src/a.mp4", "s3:///same/glued")
    for number in (*numbers, glued):
        encoder.done(number)
    films = [encoder.s3.get(encoder.outbound, f"same/{rank}/quick.mp4") for rank in range(len(sources))]
    assert {len(one) for one in films} == {len(films[0])}
    assert encoder.s3.get(encoder.outbound, "same/gluedquick.mp4") == films[0], "a name behind a name, as there"


def test_a_result_may_lie_on_the_farms_machine(encoder: Encoder, tmp_path: Path) -> None:
    encoder.done(encoder.submit("quick", "src/second.mp4", f"{tmp_path.as_uri()}/"))
    assert Film((tmp_path / "quick.mp4").read_bytes()).frames == 30


def test_check_15_one_that_runs_is_cancelled_stays_so_and_is_done_again(
    encoder: Encoder, farm: DoorFarm, long_src: str
) -> None:
    slow = encoder.preset("slow", json.dumps({"raw": ["-c:v libx264 -preset slow -crf 27"]}), "slow.mp4")
    number = encoder.submit(slow, long_src, "s3:///cancelled/")
    before = encoder.job(number)
    awaited(lambda: farm.encoders, "the first encode")
    assert encoder.ask("POST", f"/jobs/{number}/cancel").status_code == 200
    awaited(lambda: encoder.job(number)["status"] == "cancelled", "its end", 6)
    awaited(lambda: not farm.encoders, "the end of all encodes", 20)
    assert not [key for key in encoder.s3.keys(encoder.outbound) if key.startswith("cancelled/")]
    assert encoder.job(number)["status"] == "cancelled"

    assert encoder.ask("POST", f"/jobs/{number}/restart").status_code == 200
    first = encoder.job(number)
    assert (first["id"], first["guid"]) == (number, before["guid"])
    assert (first["status"], first["progress"] < 100) != ("completed", False)
    encoder.done(number)
    assert [key for key in encoder.s3.keys(encoder.outbound) if key.startswith("cancelled/")] == ["cancelled/slow.mp4"]


def test_check_16_what_cannot_be_had_or_put_is_an_error_and_the_farm_goes_on(encoder: Encoder) -> None:
    workers, errors = encoder.told("GET", "/health")["workers"], encoder.count("error")
    numbers = [
        encoder.submit("quick", "src/nothing.mp4", "none/"),
        encoder.submit("nobody's", "src/second.mp4", "none/"),
        encoder.submit("quick", "src/second.mp4", "s3://no-such-bucket-at-all/none/"),
    ]
    for number in numbers:
        assert encoder.failed(number).endswith((".", "!"))
    assert encoder.count("error") == errors + 3
    assert encoder.told("GET", "/health")["workers"] == workers
    encoder.done(encoder.submit("quick", "src/second.mp4", "after/"))


def test_check_16_a_store_that_is_put_right_takes_what_is_done_again(encoder: Encoder) -> None:
    encoder.settle(S3_OUTBOUND_BUCKET="no-such-bucket-at-all")
    number = encoder.submit("quick", "src/second.mp4", "right/")
    encoder.failed(number)
    encoder.settle()
    assert encoder.ask("POST", f"/jobs/{number}/restart").status_code == 200
    encoder.done(number)
    assert "right/quick.mp4" in encoder.s3.keys(encoder.outbound)


def test_check_17_the_store_is_looked_through(encoder: Encoder) -> None:
    top = encoder.told("GET", "/storage/list?prefix=")["data"]
    assert top["folders"] == ["src/"]
    below = encoder.told("GET", "/storage/list?prefix=src/")["data"]
    assert {one["name"] for one in below["files"]} == {"src/a.mp4", "src/second.mp4"}
    assert all(one["size"] > 0 for one in below["files"])


def test_check_18_who_works_and_what_waits(encoder: Encoder, farm: DoorFarm, long_src: str) -> None:
    slow = encoder.preset("slower", json.dumps({"raw": ["-c:v libx264 -preset slow -crf 26"]}), "slow.mp4")
    numbers = [encoder.submit(slow, long_src, f"busy/{rank}/") for rank in range(2)]
    awaited(lambda: farm.encoders, "the first encode")
    (queue,) = encoder.told("GET", "/worker/queue")
    assert queue.keys() == {"job_name", "count", "latency"}
    pools = encoder.told("GET", "/worker/pools")
    assert pools[0].keys() == {
        *("worker_pool_id", "started_at", "heartbeat_at", "job_names", "concurrency", "host", "pid", "worker_ids"),
    }
    busy = awaited(lambda: encoder.told("GET", "/worker/busy"), "somebody at work")
    assert busy[0]["is_busy"] is True
    for number in numbers:
        encoder.told("POST", f"/jobs/{number}/cancel")
    awaited(lambda: not farm.encoders, "the end of all encodes", 20)
    assert encoder.told("GET", "/worker/queue")[0]["job_name"] == "encode"


def test_a_raw_preset_of_hls_brings_all_of_its_files(encoder: Encoder) -> None:
    encoder.preset("hls", HLS, "index.m3u8")
    encoder.done(encoder.submit("hls", "src/a.mp4", "s3:///hls/a/"))
    keys = [key.removeprefix("hls/a/") for key in encoder.s3.keys(encoder.outbound) if key.startswith("hls/a/")]
    assert "master.m3u8" in keys
    assert len([key for key in keys if key.endswith(".ts")]) >= 3
    master = encoder.s3.get(encoder.outbound, "hls/a/master.m3u8").decode()
    playlists = [line for line in master.splitlines() if line and not line.startswith("#")]
    assert playlists
    assert set(playlists) <= set(keys), "all that it names is there"


def test_the_channel_of_the_settings_hears_of_both_ends(encoder: Encoder, receiver: Receiver) -> None:
    encoder.settle(SLACK_WEBHOOK=receiver.url)
    done = encoder.submit("quick", "src/second.mp4", "told/")
    encoder.done(done)
    failed = encoder.submit("quick", "src/nothing.mp4", "told/")
    encoder.failed(failed)
    for number, word in ((done, "Successful"), (failed, "Failed")):
        guid = encoder.job(number)["guid"].encode()
        assert word in _heard(receiver, guid)


def test_films_may_lie_on_an_ftp_server(encoder: Encoder, tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "a.mp4").write_bytes(encoder.s3.get(encoder.inbound, "src/second.mp4"))
    with ftp_server(tmp_path) as server:
        user = {"FTP_USERNAME": USER, "FTP_PASSWORD": PASSWORD, "FTP_ADDR": f"127.0.0.1:{server.port}"}
        encoder.settle(STORAGE_DRIVER="ftp", **user)
        encoder.done(encoder.submit("quick", "src/a.mp4", "dst/"))
    assert Film((tmp_path / "dst" / "quick.mp4").read_bytes()).frames == 30


def _heard(receiver: Receiver, guid: bytes) -> str:
    """What the channel was told of a job, once."""
    (body,) = awaited(lambda: [one.body for one in list(receiver.heard) if guid in one.body], "a message")
    text: str = json.loads(body)["text"]
    return text
