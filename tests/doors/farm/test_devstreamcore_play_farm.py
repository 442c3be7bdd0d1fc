"""Playback of DevStreamCore's videos from a real farm: read by ffmpeg over HTTP, while they are encoded and afterwards;
what webhooks hear of them, and what quotas end. The numbers are those of the checks."""

import subprocess
from typing import Any

import av
import httpx
import pytest
from doors.around import DoorFarm, Receiver, awaited, got
from doors.devstreamcore import V1, refused
from doors.farm.test_devstreamcore_farm import Viewer
from doors.test_devstreamcore_webhooks import holds
from doors.watched import token
from reached import Heard

from framemill.media import ffmpeg

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def viewer(farm: DoorFarm, http: httpx.Client) -> Viewer:
    return Viewer(http, farm.customer())


def decoded(url: str, *options: str) -> int:
    """How many pictures ffmpeg's own players find there, as it opens and decodes it."""
    argv = [ffmpeg.binary(), "-v", "error", *options, "-i", url]
    argv += ["-map", "0:v:0", "-map", "0:a:0", "-f", "framehash", "-"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return sum(line.startswith("0,") for line in done.stdout.splitlines())


def views(viewer: Viewer, video: dict[str, Any]) -> int:
    found: int = viewer.ask("GET", f"/videos/{video['id']}").json()["view_count"]
    return found


def test_check_13_and_18_what_is_ready_plays_in_hls_dash_and_mp4_with_a_token_and_without(
    viewer: Viewer, src: str
) -> None:
    public, signed = viewer.fetched(src), viewer.fetched(src, playback_policy="signed")
    videos = [viewer.ended(one["id"]) for one in (public, signed)]
    assert [one["status"] for one in videos] == ["ready", "ready"]
    key = viewer.ask("POST", "/signing-keys").json()
    given = token(key, signed["playback_ids"][0]["id"], seconds=900)  # longer than all of them take to be decoded

    for video, query in zip(videos, ("", f"?token={given}"), strict=True):
        playback = video["playback"]
        assert decoded(playback["hls"] + query) == 180
        assert decoded(playback["dash"] + query) == 180
        heights = [one["height"] for one in playback["mp4"]]
        assert heights == sorted(set(heights), reverse=True)
        for one in playback["mp4"]:
            assert one["height"] <= video["source_height"]
            assert isinstance(one["bitrate_kbps"], int)
            with av.open(one["url"] + query) as container:
                assert container.streams.video[0].codec_context.height == one["height"]
    for one in videos[1]["playback"]["mp4"]:
        assert decoded(f"{one['hls']}?token={given}") == 180
    assert got(videos[1]["playback"]["hls"]).status_code == 403
    assert views(viewer, videos[0]) >= 4


def test_it_plays_before_it_is_encoded(viewer: Viewer, farm: DoorFarm, long_src: str) -> None:
    video = viewer.fetched(long_src)
    url = f"{farm.url}{V1}/play/{video['playback_ids'][0]['id']}"

    def there(kind: str) -> bool:
        return got(f"{url}.{kind}", follow_redirects=True).status_code == 200

    awaited(lambda: there("m3u8"), "a growing playlist", 120)
    assert viewer.ask("GET", f"/videos/{video['id']}").json()["status"] == "preparing"
    # Not from its live edge on, and not for longer than there is anything yet.
    assert decoded(f"{url}.m3u8", "-live_start_index", "0", "-t", "2") >= 59
    assert viewer.ask("DELETE", f"/videos/{video['id']}").status_code == 204
    refused(got(f"{url}.m3u8"), 404, "not_found")


def test_check_16_a_film_that_is_longer_than_the_quota_is_errored(farm: DoorFarm, http: httpx.Client, src: str) -> None:
    viewer = Viewer(http, farm.customer(encode_minutes_per_month=0.05))  # 3 s, of 6
    video = viewer.ended(viewer.fetched(src)["id"])
    assert video["status"] == "errored"
    assert [one["type"] for one in video["errors"]] == ["quota_exceeded"]
    assert viewer.fetched(src)["status"] == "preparing"  # nothing was used up


def test_check_21_created_and_ready_arrive(viewer: Viewer, src: str, receiver: Receiver) -> None:
    made = viewer.ask("POST", "/webhooks", {"url": receiver.url})
    assert made.status_code == 201, made.text
    receiver.answers = [500]
    video = viewer.fetched(src, quality="480p")

    ready = receiver.wait_for(lambda one: b'"video.ready"' in one.body)

    def created() -> list[Heard]:
        return [one for one in receiver.heard if b'"video.created"' in one.body]

    awaited(lambda: len(created()) == 2, "the second try of what was refused", 120)
    assert len({one.body for one in created()}) == 1
    for one in (ready, *created()):
        assert holds(one, made.json()["secret"])
        assert not holds(one, made.json()["secret"], one.body + b" ")
    told = next(one for one in receiver.bodies() if one["type"] == "video.ready")["data"]
    assert told == {**viewer.ended(video["id"]), "view_count": told["view_count"]}
    assert got(told["playback"]["hls"]).status_code == 302
