"""Optimized versions through a real farm, by the numbers of their contract's checks: films of a media server of our
own, of which one is made at a time."""

import contextlib
import hashlib
import os
import signal
import sqlite3
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import clips
import httpx
import pytest
from doors.around import DoorFarm, as_new_film, awaited, files_below
from doors.optimized import TICKS, item, posted
from oracle import is_clean
from servers.jellyfin import Jellyfin, Movie

from framemill.config import DataFolder

AT = "/optimized"
SECONDS = 10
LONG = 40


class Phone:
    """An app on a device of its own, of a user of its own."""

    def __init__(self, http: httpx.Client, jellyfin: Jellyfin, token: str | None = None) -> None:
        self.http, self.jellyfin = http, jellyfin
        self.token = token or uuid.uuid4().hex
        self.device = str(uuid.uuid4())
        jellyfin.users.setdefault(self.token, uuid.uuid4().hex)

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        return self.http.request(method, AT + path, json=body, headers={"Authorization": self.token, **headers})

    def post(self, item_id: str, kind: str = "master.m3u8", seconds: float = SECONDS, **more: Any) -> str:
        body = posted(item_id, self.token, kind, device=self.device, item=item(item_id, seconds), **more)
        answer = self.ask("POST", "/optimize-version", body)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def poll(self) -> dict[str, dict[str, Any]]:
        """What it asks every two seconds, by id."""
        answer = self.ask("GET", f"/all-jobs?deviceId={self.device}")
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()
        for one in found:
            assert isinstance(one["progress"], int | float)
            assert one.get("speed", 1) > 0
        return {one["id"]: one for one in found}

    def seen(self, job_id: str, *statuses: str, seconds: float = 240) -> list[dict[str, Any]]:
        """All that was polled until it had one of these."""
        told: list[dict[str, Any]] = []

        def look() -> bool:
            told.append(self.poll()[job_id])
            return told[-1]["status"] in statuses

        awaited(look, f"{' or '.join(statuses)} of {job_id}", seconds)
        return told

    def completed(self, job_id: str) -> dict[str, Any]:
        last = self.seen(job_id, "completed", "failed")[-1]
        assert last["status"] == "completed", last
        return last

    def failed(self, job_id: str) -> dict[str, Any]:
        last = self.seen(job_id, "completed", "failed")[-1]
        assert last["status"] == "failed", last
        assert self.token not in str(last)
        assert self.ask("GET", f"/download/{job_id}").status_code == 404
        return last

    def fetched(self, job_id: str, folder: Path) -> Path:
        answer = self.ask("GET", f"/download/{job_id}")
        assert answer.status_code == 200
        path = folder / f"{job_id}.mp4"
        path.write_bytes(answer.content)
        return path

    def cancel(self, job_id: str) -> str:
        return str(self.ask("DELETE", f"/cancel-job/{job_id}").json()["message"])


Store = Callable[..., str]


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten seconds, a keyframe in each."""
    path = tmp_path_factory.mktemp("jellyfin") / "film.mp4"
    keyed = clips.x264("keyint=25:min-keyint=25:scenecut=0")
    clips.encode(path, *clips.picture(SECONDS, "25", "320x180"), *clips.sound(SECONDS), *keyed, *clips.AAC)
    return path


@pytest.fixture(scope="module")
def pieces(original: Path) -> list[bytes]:
    """The same as a transport stream, in pieces of a second."""
    hls = ("-f", "hls", "-hls_time", "1", "-hls_playlist_type", "vod", "-hls_segment_filename")
    clips.ffmpeg("-i", original, "-c", "copy", *hls, original.parent / "%03d.ts", original.parent / "film.m3u8")
    found = [path.read_bytes() for path in sorted(original.parent.glob("*.ts"))]
    assert len(found) == SECONDS
    return found


@pytest.fixture(scope="module")
def long_original(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """What takes long enough to be caught in the middle."""
    path = tmp_path_factory.mktemp("jellyfin") / "long.mp4"
    noise = f"testsrc2=size=640x360:rate=30:duration={LONG},noise=alls=20:allf=t"
    clips.encode(path, "-f", "lavfi", "-i", noise, *clips.sound(LONG), "-c:v", "libx264", "-preset", "ultrafast",
                 "-crf", "30", *clips.AAC)  # fmt: skip
    return path.read_bytes()


@pytest.fixture
def shelved(jellyfin: Jellyfin, original: Path, pieces: list[bytes]) -> Store:
    """Puts a film among those of the media server; its id. Of most the original cannot be had."""

    def put(**more: Any) -> str:
        item_id = uuid.uuid4().hex
        usual = {"original": original.read_bytes(), "pieces": pieces, "original_status": 403}
        jellyfin.movies[item_id] = Movie(**{**usual, **more})
        return item_id

    return put


@pytest.fixture
def phone(http: httpx.Client, jellyfin: Jellyfin) -> Phone:
    return Phone(http, jellyfin)


def looked_at(path: Path) -> tuple[str, list[str], float]:
    """The kind of file, its streams, and how long it is."""
    with av.open(str(path), "r") as container:
        assert container.duration is not None
        kinds = sorted(str(stream.type) for stream in container.streams)
        return container.format.name, kinds, container.duration / av.time_base


def rows(farm: DoorFarm, query: str, *values: str) -> list[tuple[Any, ...]]:
    """Of the farm's store."""
    uri = f"file:{DataFolder(farm.folder).database}?mode=ro"
    with contextlib.closing(sqlite3.connect(uri, uri=True)) as conn:
        return list(conn.execute(query, values))


def seconds_between(farm: DoorFarm, before: tuple[str, str], then: tuple[str, str]) -> float:
    """From what happened to a job, as (id, kind), to what happened to another, by the farm's own clock: looks from
    outside come late where much is done."""
    query = (
        "SELECT 86400 * (julianday(b.at) - julianday(a.at)) FROM events AS a, events AS b "
        "WHERE a.job_id = ? AND a.kind = ? AND b.job_id = ? AND b.kind = ?"
    )
    ((seconds,),) = rows(farm, query, *before, *then)
    return float(seconds)


def lying(farm: DoorFarm, job_id: str, input_ids: list[str]) -> list[Path]:
    """What of a job lies on the farm's disk, but for what any job may use again."""
    folder = DataFolder(farm.folder)
    places = [folder.work / job_id, *(folder.blobs / "fetched" / one for one in input_ids)]
    return [path for place in places for path in files_below(place)]


def inputs_of(farm: DoorFarm, job_id: str) -> list[str]:
    return [row[0] for row in rows(farm, "SELECT id FROM inputs WHERE job_id = ?", job_id)]


def test_check_4_and_6_hls_is_read_in_order_by_one_reader_and_put_into_an_mp4(
    jellyfin: Jellyfin, phone: Phone, shelved: Store, tmp_path: Path
) -> None:
    item_id, began = shelved(), len(jellyfin.encoders)
    job_id = phone.post(item_id)
    last = phone.completed(job_id)
    path = phone.fetched(job_id, tmp_path)
    data = path.read_bytes()

    body = posted(item_id, phone.token, device=phone.device)
    asked = jellyfin.asked_for(rf"/videos/{item_id}/master\.m3u8")
    assert {one.target for one in asked} == {body["url"].removeprefix("http://jf.public.example:8096")}
    numbers = [int(one.target.partition(".ts")[0].rpartition("/")[2]) for one in jellyfin.asked_for(f"{item_id}/hls1/")]
    assert (numbers, jellyfin.encoders[began:]) == (list(range(SECONDS)), [0])
    assert (last["progress"], last["size"], last["checksum"]) == (100, len(data), hashlib.sha256(data).hexdigest())
    name, kinds, seconds = looked_at(path)
    assert ("mp4" in name, kinds) == (True, ["audio", "video"])
    assert abs(seconds - SECONDS) <= 0.5
    assert 0 < data.index(b"moov") < data.index(b"mdat")
    assert is_clean(path)


def test_check_4_the_original_is_encoded_on_the_farm_to_what_the_url_asks_for(
    jellyfin: Jellyfin, phone: Phone, shelved: Store, tmp_path: Path
) -> None:
    item_id = shelved(original_status=200)
    job_id = phone.post(item_id)
    phone.completed(job_id)
    path = phone.fetched(job_id, tmp_path)

    assert not jellyfin.asked_for(f"{item_id}/(master|hls1)"), "the media server has nothing to do but to send it"
    assert {one.token for one in jellyfin.asked_for(item_id)} == {phone.token}
    _, kinds, seconds = looked_at(path)
    assert kinds == ["audio", "video"]
    assert abs(seconds - SECONDS) <= 0.2
    assert path.stat().st_size * 8 / SECONDS < 1.2 * (800_000 + 128_000)
    assert is_clean(path)


def test_check_7_a_long_stream_without_a_length_tells_how_far_it_is(
    jellyfin: Jellyfin, phone: Phone, shelved: Store
) -> None:
    item_id = shelved(stream_seconds=16.0)
    told = phone.seen(phone.post(item_id, "stream", fileExtension=None), "completed", "failed")

    assert told[-1]["status"] == "completed", told[-1]
    assert len({one["progress"] for one in told if 0 < one["progress"] < 99}) >= 3
    progress = [one["progress"] for one in told]
    assert progress == sorted(progress)
    streams = [one for one in jellyfin.asked_for(f"{item_id}/stream") if "static" not in one.target]
    assert len(streams) == 1


def test_check_8_a_film_whose_pieces_fail_has_failed(phone: Phone, shelved: Store) -> None:
    last = phone.failed(phone.post(shelved(broken=set(range(4, SECONDS)))))
    assert "4.ts answered 500" in last["error"]


def test_check_8_a_stream_that_ends_too_early_has_failed(phone: Phone, shelved: Store) -> None:
    last = phone.failed(phone.post(shelved(cut_after=5), "stream"))
    assert "cut off" in last["error"]


def test_check_8_a_playlist_that_leads_elsewhere_has_failed(
    jellyfin: Jellyfin, farm: DoorFarm, phone: Phone, shelved: Store
) -> None:
    last = phone.failed(phone.post(shelved(leads_to=f"{farm.url}/healthz")))
    assert "another server" in last["error"]


@pytest.mark.parametrize(
    "wrong", [{"playlist_status": 404}, {"playlist_status": 401}, {"pieces": [b"no film " * 100] * 3}]
)
def test_check_9_what_fails_lets_the_next_begin(
    farm: DoorFarm, phone: Phone, shelved: Store, wrong: dict[str, Any]
) -> None:
    first, second = phone.post(shelved(**wrong)), phone.post(shelved())
    phone.failed(first)
    phone.completed(second)

    assert seconds_between(farm, (first, "ingesting"), (first, "failed")) < 15
    assert seconds_between(farm, (first, "failed"), (second, "ingesting")) < 3


def test_check_10_what_the_cache_has_is_seen_under_way_first(phone: Phone, shelved: Store) -> None:
    item_id = shelved(original_status=200)
    phone.completed(phone.post(item_id))
    again = phone.post(item_id)
    awaited(lambda: phone.ask("GET", f"/job-status/{again}").json()["status"] == "completed", "its end", 120)

    assert [phone.poll()[again]["status"] for _ in range(2)] == ["optimizing", "completed"]


def test_check_11_to_14_the_file_is_sent_in_ranges_and_stays(phone: Phone, shelved: Store, tmp_path: Path) -> None:
    job_id = phone.post(shelved())
    last = phone.completed(job_id)
    path, size = phone.fetched(job_id, tmp_path), last["size"]
    head = phone.ask("HEAD", f"/download/{job_id}")
    rest = phone.ask("GET", f"/download/{job_id}", Range=f"bytes={size // 2}-", **{"If-Range": head.headers["etag"]})

    assert (head.status_code, head.headers["x-file-checksum"], head.headers["x-file-size"]) == (
        200, last["checksum"], str(size),
    )  # fmt: skip
    assert (rest.status_code, path.read_bytes()[size // 2 :]) == (206, rest.content)
    assert phone.poll()[job_id]["status"] == "completed"
    assert phone.cancel(job_id) == "Job cancelled successfully"
    assert job_id not in phone.poll()


@pytest.mark.parametrize("encoding", [False, True], ids=["fetching", "encoding"])
def test_check_16_who_is_given_up_leaves_nothing_behind(
    farm: DoorFarm, phone: Phone, shelved: Store, long_original: bytes, encoding: bool
) -> None:
    if encoding:
        job_id = phone.post(shelved(original=long_original, original_status=200), seconds=LONG)
        awaited(lambda: farm.encoders, "the first encode")
    else:
        job_id = phone.post(shelved(stream_seconds=120.0), "stream")
        phone.seen(job_id, "optimizing")
    following = phone.post(shelved())
    inputs = inputs_of(farm, job_id)
    assert phone.cancel(job_id) == "Job cancelled successfully"

    assert job_id not in phone.poll()
    awaited(lambda: not lying(farm, job_id, inputs), "the end of its files", 30)
    phone.completed(following)


def test_check_17_one_at_a_time_and_devices_take_turns(
    farm: DoorFarm, http: httpx.Client, jellyfin: Jellyfin, shelved: Store
) -> None:
    first = Phone(http, jellyfin)
    second = Phone(http, jellyfin, first.token)
    slow = shelved(stream_seconds=30.0)
    mine = [first.post(item_id, "stream") for item_id in (slow, *(shelved(stream_seconds=3.0) for _ in range(2)))]
    theirs = second.post(shelved(stream_seconds=3.0), "stream")
    jellyfin.movies[slow].stream_seconds = 3.0  # that it did not end before all were posted is enough
    posted_ids = {*mine, theirs}

    def ended() -> bool:
        told = {**first.poll(), **second.poll()}
        assert first.ask("GET", "/statistics").json()["activeJobs"] <= 1  # of both: one user's
        return all(told[one]["status"] == "completed" for one in posted_ids)

    awaited(ended, "the end of all", 240)
    # Looks come too rarely to see two at once, and too late to tell who began: the farm's own story is whole.
    marks = ",".join("?" * len(posted_ids))
    story = rows(farm, f"SELECT job_id, kind FROM events WHERE job_id IN ({marks}) ORDER BY seq", *posted_ids)  # noqa: S608
    worked_on = [job_id for job_id, kind in story if kind in {"ingesting", "completed"}]
    begun = worked_on[::2]
    assert worked_on[1::2] == begun  # each had ended before the next began
    assert begun[1] == theirs
    assert set(begun) == posted_ids


def test_check_19_jobs_outlive_the_api(farm: DoorFarm, phone: Phone, shelved: Store, long_original: bytes) -> None:
    done = phone.post(shelved())
    checksum = phone.completed(done)["checksum"]
    running = phone.post(shelved(original=long_original, original_status=200), seconds=LONG)
    queued = phone.post(shelved())
    phone.seen(running, "optimizing")
    replicas = farm.named("ServeReplica:api")
    assert replicas
    for one in replicas:
        with contextlib.suppress(ProcessLookupError):
            os.kill(one.pid, signal.SIGKILL)

    def back() -> bool:
        try:  # they answer in turn, and one may be there before the other
            return all(phone.ask("GET", "/statistics").status_code == 200 for _ in range(10))
        except httpx.HTTPError:
            return False

    awaited(back, "the API", 240)
    assert set(phone.poll()) == {done, running, queued}
    assert hashlib.sha256(phone.ask("GET", f"/download/{done}").content).hexdigest() == checksum
    phone.completed(running)
    phone.completed(queued)


def test_check_20_equal_wishes_of_two_users_are_two_jobs_and_one_encode(
    farm: DoorFarm, http: httpx.Client, jellyfin: Jellyfin, shelved: Store, original: Path
) -> None:
    a, b = Phone(http, jellyfin), Phone(http, jellyfin)
    item_id = shelved(original=as_new_film(original.read_bytes()), original_status=200)
    mine, theirs = a.post(item_id), b.post(item_id)
    both = [a.completed(mine), b.completed(theirs)]

    assert mine != theirs
    assert both[0]["checksum"] == both[1]["checksum"]
    query = "SELECT COUNT(*), COUNT(DISTINCT sha256), SUM(seconds > 0) FROM chunks WHERE job_id IN (?, ?) GROUP BY key"
    assert set(rows(farm, query, mine, theirs)) == {(2, 1, 1)}, "both have each chunk, and it was encoded for one"
    assert {one.token for one in jellyfin.asked_for(f"{item_id}/stream")} == {a.token, b.token}
    assert b.ask("GET", f"/job-status/{mine}").status_code == 404
    logs = "".join(path.read_text(errors="replace") for path in DataFolder(farm.folder).logs.glob("*.log"))
    assert a.token not in logs
    assert b.token not in logs


def test_the_length_of_a_film_is_in_ticks() -> None:
    assert item("x", SECONDS)["RunTimeTicks"] == SECONDS * TICKS
