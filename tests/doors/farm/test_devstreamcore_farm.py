"""Videos of DevStreamCore through a real farm: uploaded or fetched, encoded, told, deleted. The numbers are those of
the checks."""

import hashlib
import threading
import time
import uuid
from pathlib import Path
from typing import Any

import clips
import httpx
import pytest
from doors.around import Customer, DoorFarm, awaited, got
from doors.devstreamcore import V1, fits, refused
from servers.scripted import Scripted

pytestmark = pytest.mark.timeout(300)
_LOOK = threading.Event()  # never set: a farm tells nobody


class Viewer:
    """A client, and what it has seen of its videos."""

    def __init__(self, http: httpx.Client, customer: Customer) -> None:
        self.http = http
        self.headers = customer.bearer

    def ask(self, method: str, path: str, body: Any = None) -> httpx.Response:
        return self.http.request(method, V1 + path, json=body, headers=self.headers)

    def uploaded(self, path: Path, mime: str, **said: Any) -> dict[str, Any]:
        """The video of that file, sent in one go."""
        made = self.ask("POST", "/uploads", {"filename": path.name, **said})
        assert made.status_code == 201, made.text
        sent = httpx.put(made.json()["upload_url"], content=path.read_bytes(), timeout=60, trust_env=False)
        assert sent.is_success, sent.text
        body = {"mime_type": mime, "file_size_bytes": path.stat().st_size}
        answer = self.ask("POST", f"/uploads/{made.json()['id']}/finalize", body)
        assert answer.status_code == 200, answer.text
        fits(answer.json())
        video: dict[str, Any] = answer.json()
        return video

    def fetched(self, url: str, **said: Any) -> dict[str, Any]:
        """The video of that URL."""
        answer = self.ask("POST", "/videos", {"input": [{"url": url}], **said})
        assert answer.status_code == 201, answer.text
        video: dict[str, Any] = answer.json()
        return video

    def seen(self, video_id: str, until: set[str], seconds: float = 240.0) -> list[dict[str, Any]]:
        """What is told of it, look by look, until it has one of these statuses."""
        end = time.monotonic() + seconds
        found: list[dict[str, Any]] = []
        while not found or found[-1]["status"] not in until:
            assert time.monotonic() < end, f"it is not {until}: {found[-1]}"
            answer = self.ask("GET", f"/videos/{video_id}")
            assert answer.status_code == 200, answer.text
            fits(answer.json())
            found.append(answer.json())
            _LOOK.wait(0.2)
        return found

    def ended(self, video_id: str) -> dict[str, Any]:
        return self.seen(video_id, {"ready", "errored"})[-1]

    def bytes_of(self, url: str) -> bytes:
        """What is at a URL, without a key."""
        answer = got(url, follow_redirects=True)
        assert answer.status_code == 200, (url, answer.text)
        return answer.content


@pytest.fixture
def viewer(farm: DoorFarm, http: httpx.Client) -> Viewer:
    return Viewer(http, farm.customer())


def test_check_12_a_video_gets_ready_step_by_step(viewer: Viewer, film: Path) -> None:
    made = viewer.uploaded(film, "video/mp4", title="Mine")
    assert (made["status"], made["source_url"], made["ingest"]["kind"]) == ("preparing", None, "direct_upload")

    seen = [made, *viewer.seen(made["id"], {"ready", "errored"})]

    video = seen[-1]
    assert video["status"] == "ready", video["errors"]
    percents = [one["progress"] for one in seen]
    assert percents == sorted(percents)
    assert percents[-1] == 100
    assert all(one["progress"] < 100 for one in seen if one["status"] != "ready")
    assert abs(video["duration"] - 6) < 0.1
    assert (video["source_width"], video["source_height"]) == (640, 360)
    assert (video["fps"], video["video_codec"]) == (30.0, "h264")
    assert video["transcode_attempts"] == 1
    assert video["file_size_bytes"] == film.stat().st_size
    assert hashlib.sha256(viewer.bytes_of(video["source_url"])).digest() == hashlib.sha256(film.read_bytes()).digest()
    sizes = [(one["height"], one["bitrate_kbps"]) for one in video["playback"]["mp4"]]
    assert sizes == [(360, 900), (240, 450)]
    assert viewer.bytes_of(video["thumbnail_url"])[:3] == b"\xff\xd8\xff"
    assert viewer.bytes_of(video["playback"]["hls"]).startswith(b"#EXTM3U")
    assert b"<MPD" in viewer.bytes_of(video["playback"]["dash"])
    for one in video["playback"]["mp4"]:
        assert viewer.bytes_of(one["url"])[4:8] == b"ftyp"


def test_check_14_what_is_no_film_is_errored(viewer: Viewer, broken_src: str, tmp_path: Path) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"This is no film, whatever its name says. " * 500)
    for made in (viewer.uploaded(broken, "video/mp4"), viewer.fetched(broken_src)):
        video = viewer.ended(made["id"])
        assert (video["status"], video["errors"][0]["type"]) == ("errored", "invalid_input")
        assert video["playback"] == {"hls": None, "dash": None, "mp4": []}
        assert video["thumbnail_url"] is None


def test_check_15_sound_alone_gets_ready(viewer: Viewer, tmp_path: Path) -> None:
    song = tmp_path / "song.m4a"
    clips.encode(song, *clips.sound(3), *clips.AAC)

    video = viewer.ended(viewer.uploaded(song, "audio/mp4")["id"])

    assert video["status"] == "ready", video["errors"]
    assert [video[name] for name in ("video_codec", "fps", "source_width", "source_height")] == [None] * 4
    assert (video["playback"]["mp4"], video["thumbnail_url"]) == ([], None)
    assert viewer.bytes_of(video["playback"]["hls"]).startswith(b"#EXTM3U")


def test_check_17_a_quality_is_the_most_that_is_made(viewer: Viewer, web: Scripted, tmp_path: Path) -> None:
    film = tmp_path / "hd.mp4"
    clips.encode(film, *clips.picture(2, "25", "1280x720"), *clips.x264("keyint=50"))
    name = f"/{uuid.uuid4().hex}.mp4"
    web.files[name] = film.read_bytes()

    made = viewer.fetched(f"{web.url}{name}", quality="480p", playback_policy="signed", passthrough="x")
    video = viewer.ended(made["id"])

    assert video["status"] == "ready", video["errors"]
    assert [one["height"] for one in video["playback"]["mp4"]] == [480, 360, 240]
    assert (video["ingest"]["kind"], video["policy"], video["passthrough"]) == ("url", "signed", "x")


def test_reprocessing_ends_with_the_same_urls(viewer: Viewer, src: str) -> None:
    made = viewer.fetched(src, quality="480p")
    ready = viewer.ended(made["id"])

    answer = viewer.ask("POST", f"/videos/{made['id']}/reprocess")

    assert answer.status_code == 202
    assert answer.json()["status"] == "reprocessing"
    assert viewer.bytes_of(answer.json()["playback"]["hls"]).startswith(b"#EXTM3U")
    again = viewer.ended(made["id"])
    assert (again["status"], again["transcode_attempts"]) == ("ready", 2)
    assert (again["playback"], again["playback_ids"]) == (ready["playback"], ready["playback_ids"])
    assert viewer.bytes_of(again["playback"]["mp4"][0]["url"])[4:8] == b"ftyp"


def test_check_20_deleting_a_video_ends_the_work_on_it(viewer: Viewer, farm: DoorFarm, long_src: str) -> None:
    made = viewer.fetched(long_src)
    play = made["playback_ids"][0]["id"]
    awaited(lambda: viewer.ask("GET", f"/videos/{made['id']}").json()["progress"] > 8, "an encoded frame", 120)

    assert viewer.ask("DELETE", f"/videos/{made['id']}").status_code == 204

    refused(viewer.ask("GET", f"/videos/{made['id']}"), 404, "not_found")
    refused(got(f"{farm.url}{V1}/play/{play}.m3u8"), 404, "not_found")
    awaited(lambda: not farm.native("GET", "/farm")["busy"], "rest")


def test_check_20_a_ready_video_is_played_no_more_when_it_is_deleted(viewer: Viewer, src: str) -> None:
    video = viewer.ended(viewer.fetched(src, quality="480p")["id"])
    files = [video["playback"]["hls"], video["playback"]["mp4"][0]["url"], video["thumbnail_url"], video["source_url"]]
    there = [got(url).headers["Location"] for url in files]
    assert viewer.ask("DELETE", f"/videos/{video['id']}").status_code == 204
    for url in (*files, *there):
        assert got(url).status_code in {403, 404}, url
