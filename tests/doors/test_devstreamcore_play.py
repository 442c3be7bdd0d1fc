"""Playback over raw HTTP: who is sent on to what, how long that holds, and what counts (checks 12, 13, 18, 20)."""

import re
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx
import m3u8
import pytest
from doors.devstreamcore import V1, Client, refused
from doors.watched import FILES, ORIGINAL, POSTER, SEGMENT, growing, job_of, landed, ready, signing_key, token
from front_door import FrontDoor

from framemill.jobs.reasons import Reason
from framemill.jobs.states import CancelAsked, Failed

FARM = "http://farm.example"


@pytest.fixture
def client(door: FrontDoor) -> Client:
    return Client(door)


def fetched(door: Any, url: str, method: str = "GET", **headers: str) -> httpx.Response:
    """As a player does, without a key, one step of the way; `url`: relative ones are the farm's."""
    answer: httpx.Response = door.ask(method, urljoin(FARM, url), key=None, headers=headers)
    return answer


def followed(door: Any, url: str, method: str = "GET", **headers: str) -> httpx.Response:
    """The same, to its end."""
    answer = fetched(door, url, method, **headers)
    if answer.status_code == 302:
        assert answer.headers["cache-control"] == "no-store"
        return fetched(door, answer.headers["location"], method, **headers)
    return answer


def play(video: dict[str, Any]) -> str:
    """What its playback's URLs begin with."""
    return f"{V1}/play/{video['playback_ids'][0]['id']}"


def views(client: Client, video: dict[str, Any]) -> int:
    count: int = client.video(video["id"])["view_count"]
    return count


def test_check_13_at_ready_all_urls_of_a_video_lead_to_its_bytes(door: FrontDoor, client: Client) -> None:
    video = client.made()
    assert (video["playback"], video["thumbnail_url"], video["source_url"]) == (
        {"hls": None, "dash": None, "mp4": []},
        None,
        None,
    )
    ready(door, video["id"])

    told = client.video(video["id"])
    playback = told["playback"]
    hls = followed(door, playback["hls"])
    assert (hls.status_code, hls.content) == (200, FILES["master.m3u8"])
    assert hls.headers["content-type"].startswith("application/vnd.apple.mpegurl")
    dash = fetched(door, playback["dash"])  # told here, with where it lies: ffmpeg forgets that it was sent on
    assert (dash.status_code, dash.headers["content-type"]) == (200, "application/dash+xml")
    base, own = re.search(r"<BaseURL>(.*)</BaseURL><Location>(.*)</Location>", dash.text).groups()  # type: ignore[union-attr]
    assert fetched(door, own).content == FILES["manifest.mpd"]
    assert fetched(door, urljoin(base, "360p/00000.m4s")).content == SEGMENT
    assert [(one["height"], one["bitrate_kbps"]) for one in playback["mp4"]] == [(360, 900), (240, 450)]
    assert [followed(door, one["url"]).content for one in playback["mp4"]] == [FILES["360p.mp4"], FILES["240p.mp4"]]
    assert followed(door, told["thumbnail_url"]).content == POSTER
    assert followed(door, told["source_url"]).content == ORIGINAL


def test_check_12_source_url_comes_when_the_original_is_here_and_is_sent_as_files_are(
    door: FrontDoor, client: Client
) -> None:
    video = client.made()
    assert client.video(video["id"])["source_url"] is None
    refused(fetched(door, f"{play(video)}/source"), 404, "not_found")

    landed(door, video["id"])
    url = client.video(video["id"])["source_url"]
    assert url.startswith(f"{FARM}{V1}/play/")
    whole = followed(door, url)
    assert (whole.status_code, whole.content) == (200, ORIGINAL)
    part = followed(door, url, Range="bytes=5-9")
    assert (part.status_code, part.content) == (206, b"film!")
    assert part.headers["content-range"] == f"bytes 5-9/{len(ORIGINAL)}"
    assert followed(door, url, **{"If-None-Match": whole.headers["etag"]}).status_code == 304
    asked = followed(door, url, "HEAD")
    assert (asked.status_code, asked.content, asked.headers["content-length"]) == (200, b"", str(len(ORIGINAL)))
    assert views(client, video) == 0


def test_a_public_playback_is_open_and_its_link_carries_variants_and_segments(door: FrontDoor, client: Client) -> None:
    video = client.made()
    ready(door, video["id"])

    sent = fetched(door, f"{play(video)}.m3u8")
    assert sent.status_code == 302
    master = sent.headers["location"]
    assert urlsplit(master).path.startswith("/files/outputs/")
    variant = urljoin(master, "360p/playlist.m3u8")
    assert fetched(door, variant).status_code == 200
    assert fetched(door, urljoin(variant, "00000.m4s")).content == SEGMENT


def test_it_plays_while_it_is_encoded(door: FrontDoor, client: Client) -> None:
    video = client.made()
    refused(fetched(door, f"{play(video)}.m3u8"), 404, "not_found")
    growing(door, video["id"])
    assert client.video(video["id"])["playback"] == {
        "hls": f"{FARM}{play(video)}.m3u8",
        "dash": None,
        "mp4": [],
    }

    master = followed(door, f"{play(video)}.m3u8")
    assert (master.status_code, master.headers["cache-control"]) == (200, "no-cache")
    assert followed(door, f"{play(video)}.mpd").status_code == 200
    refused(fetched(door, f"{play(video)}/360p.mp4"), 404, "not_found")
    assert views(client, video) == 2


def test_of_what_has_failed_or_was_stopped_nothing_is_told_to_play(door: FrontDoor, client: Client) -> None:
    for event in (Failed(Reason.STALLED, "It stands still."), CancelAsked()):
        video = client.made()
        landed(door, video["id"])
        assert client.video(video["id"])["playback"]["hls"] is None
        growing(door, video["id"], begun=True)
        assert client.video(video["id"])["playback"]["hls"] is not None
        door.moved(job_of(door, video["id"])[0].id, event)
        assert client.video(video["id"])["playback"]["hls"] is None


@pytest.mark.parametrize("origin", ["https://player.example", "null"])
def test_players_live_on_other_pages(door: FrontDoor, client: Client, origin: str) -> None:
    video = client.made(playback_policy="signed")
    ready(door, video["id"])
    url = f"{play(video)}.m3u8"

    preflight = fetched(
        door, url, "OPTIONS", Origin=origin, **{"Access-Control-Request-Method": "GET",
                                               "Access-Control-Request-Headers": "range"}
    )  # fmt: skip
    assert (preflight.status_code, preflight.headers["access-control-allow-origin"]) == (200, "*")
    no = fetched(door, url, Origin=origin)
    assert (no.status_code, no.headers["access-control-allow-origin"]) == (403, "*")
    given = token(signing_key(client), video["playback_ids"][0]["id"])
    sent = fetched(door, f"{url}?token={given}", Origin=origin)
    assert (sent.status_code, sent.headers["access-control-allow-origin"]) == (302, "*")
    there = fetched(door, sent.headers["location"], Origin=origin)
    assert (there.status_code, there.headers["access-control-allow-origin"]) == (200, "*")


def test_a_view_is_a_playback_that_starts(door: FrontDoor, client: Client) -> None:
    video = client.made()
    ready(door, video["id"])
    place = play(video)

    begins = [f"{place}.m3u8", f"{place}.mpd", f"{place}/360p.mp4"]
    for number, url in enumerate(begins, start=1):
        assert followed(door, url).status_code == 200
        assert views(client, video) == number
    assert followed(door, f"{place}/360p.mp4", Range="bytes=0-").status_code == 206
    assert views(client, video) == 4

    for method, url, headers in (
        ("HEAD", f"{place}.m3u8", {}),
        ("GET", f"{place}/360p.mp4", {"Range": "bytes=100-"}),
        ("GET", f"{place}/thumbnail.jpg", {}),
        ("GET", f"{place}/source", {}),
        ("GET", f"{place}/999p.mp4", {}),
    ):
        followed(door, url, method, **headers)
    assert views(client, video) == 4
    used = client.ask("GET", "/videos")  # an admin's; the sum of all is in the farm's own usage
    assert used.status_code == 200


def test_check_20_a_deleted_video_is_found_nowhere_and_its_links_lead_nowhere(door: FrontDoor, client: Client) -> None:
    video = client.made()
    ready(door, video["id"])
    urls = [f"{play(video)}{rest}" for rest in (".m3u8", ".mpd", "/360p.mp4", "/thumbnail.jpg", "/source")]
    links = [fetched(door, url).headers["location"] for url in urls if not url.endswith(".mpd")]
    assert [fetched(door, link).status_code for link in links] == [200] * 4

    assert client.ask("DELETE", f"/videos/{video['id']}").status_code == 204
    assert [fetched(door, url).status_code for url in urls] == [404] * 5
    assert [fetched(door, link).status_code for link in links] == [404] * 4
    refused(fetched(door, urls[0]), 404, "not_found")


def test_a_withdrawn_playback_ends_at_once_and_others_go_on(door: FrontDoor, client: Client) -> None:
    video = client.made()
    ready(door, video["id"])
    made = client.post(f"/videos/{video['id']}/playback-ids", {"policy": "public"})
    assert made.status_code == 201
    other = made.json()
    assert set(other) == {"id", "policy", "created_at"}
    told = client.video(video["id"])
    assert [one["id"] for one in told["playback_ids"]] == [video["playback_ids"][0]["id"], other["id"]]

    first, second = (fetched(door, f"{V1}/play/{one['id']}.m3u8").headers["location"] for one in told["playback_ids"])
    gone = f"/videos/{video['id']}/playback-ids/{other['id']}"
    assert client.ask("DELETE", gone).status_code == 204
    refused(client.ask("DELETE", gone), 404, "not_found")
    refused(fetched(door, f"{V1}/play/{other['id']}.m3u8"), 404, "not_found")
    assert fetched(door, urljoin(second, "360p/00000.m4s")).status_code == 404
    assert fetched(door, urljoin(first, "360p/00000.m4s")).status_code == 200


def test_the_policy_of_a_video_is_that_of_its_first_playback(door: FrontDoor, client: Client) -> None:
    video = client.made(playback_policy="signed")
    assert client.post(f"/videos/{video['id']}/playback-ids", {"policy": "public"}).json()["policy"] == "public"
    assert client.video(video["id"])["policy"] == "signed"
    refused(client.post(f"/videos/{video['id']}/playback-ids", {"policy": "secret"}), 400, "invalid_request_error",
            "policy")  # fmt: skip


def test_per_resolution_playlists_are_told_of_signed_videos_alone(door: FrontDoor, client: Client) -> None:
    """`mp4[].hls` is "null when ungated"."""
    public, signed = client.made(), client.made(playback_policy="signed")
    for video in (public, signed):
        ready(door, video["id"])
    assert [one["hls"] for one in client.video(public["id"])["playback"]["mp4"]] == [None, None]
    given = token(signing_key(client), signed["playback_ids"][0]["id"])
    urls = [one["hls"] for one in client.video(signed["id"])["playback"]["mp4"]]
    assert [urlsplit(url).path for url in urls] == [f"{play(signed)}/360p.m3u8", f"{play(signed)}/240p.m3u8"]
    refused(fetched(door, urls[0]), 403, "permission_error")
    playlist = fetched(door, f"{urls[0]}?token={given}")
    assert (playlist.status_code, playlist.headers["cache-control"]) == (200, "no-store")
    master = m3u8.loads(playlist.text)
    assert [one.stream_info.resolution for one in master.playlists] == [(640, 360)]
    assert [one.group_id for one in master.media] == ["audio"]  # it is not silent
    assert fetched(door, master.playlists[0].uri).content == FILES["360p/playlist.m3u8"]
    assert master.media[0].uri.endswith("/sound/playlist.m3u8")
    assert fetched(door, urljoin(master.playlists[0].uri, "00000.m4s")).content == SEGMENT


@pytest.mark.parametrize("play_id", ["play_" + "0a" * 10, "play_x", "vid_" + "0a" * 10, "play_" + "0A" * 10])
def test_an_unknown_playback_is_not_found(door: FrontDoor, play_id: str) -> None:
    refused(fetched(door, f"{V1}/play/{play_id}.m3u8"), 404, "not_found")


def test_heights_that_are_none(door: FrontDoor, client: Client) -> None:
    video = client.made()
    ready(door, video["id"])
    refused(fetched(door, f"{play(video)}/719p.mp4"), 404, "not_found")
    refused(fetched(door, f"{play(video)}/xp.mp4"), 400, "invalid_request_error", "height")
