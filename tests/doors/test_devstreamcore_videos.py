"""Videos: made from a URL, listed, changed, deleted, made again. The numbers are those of the checks."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from doors.devstreamcore import Client, customer, fits, refused
from front_door import FACTS, FrontDoor

from framemill.errors import Conflict
from framemill.jobs.reasons import Reason
from framemill.jobs.states import (
    ChunksCommitted,
    Delivered,
    Failed,
    InputsReady,
    InputState,
    JobEvent,
    JobState,
    Packaged,
    Planned,
    RetryAsked,
    Started,
    Stitched,
    WorkStopped,
)
from framemill.services.callers import ADMIN
from framemill.services.jobs import Jobs
from framemill.store.jobs import list_jobs, load_job, save_input
from framemill.store.schema import jobs, outputs
from framemill.store.video_tables import videos

REPORT: dict[str, Any] = {
    "outputs": [
        {
            "name": "video",
            "renditions": [
                {"name": "720p", "width": 1280, "height": 720, "maxrate": 3_000_000, "progressive": "720p.mp4"},
                {"name": "480p", "width": 854, "height": 480, "maxrate": 1_500_000, "progressive": "480p.mp4"},
            ],
        },
        {"name": "poster.jpg", "renditions": []},
    ]
}
DONE: tuple[JobEvent, ...] = (InputsReady(), Planned(), ChunksCommitted(), Stitched(), Packaged(REPORT), Delivered())


@pytest.fixture
def client(door: FrontDoor) -> Client:
    return Client(door)


def job_of(door: FrontDoor) -> str:
    with door.database.reading() as conn:
        (job,) = list_jobs(conn)
    return job.id


def read(door: FrontDoor, facts: dict[str, Any] = FACTS) -> None:
    """The one job's source was fetched and read."""
    with door.database.writing() as conn:
        found = load_job(conn, job_of(door))
        assert found is not None
        known = {"state": InputState.READY, "facts": facts, "blob": "/in.mp4", "size": 5}
        save_input(conn, found[1][0].model_copy(update=known))


def made_ready(door: FrontDoor) -> None:
    read(door)
    door.moved(job_of(door), Started(), *DONE)


def test_check_17_a_video_is_made_from_a_url(client: Client, door: FrontDoor) -> None:
    video = client.made(quality="480p", playback_policy="signed", passthrough="x")

    assert (video["ingest"], video["policy"], video["passthrough"]) == ({"kind": "url"}, "signed", "x")
    assert (video["status"], video["title"], video["source_url"]) == ("preparing", "film", None)
    assert video["playback_ids"][0]["policy"] == "signed"
    found = Jobs(door.database, lambda _: None, door="devstreamcore").shown(job_of(door))
    assert [rung.height for rung in found.outputs[0].settings.ladder] == [480, 360, 240]
    assert all(rung.maxrate for rung in found.outputs[0].settings.ladder)
    assert found.outputs[0].settings.progressive
    assert [one.name for one in found.outputs] == ["video", "poster.jpg"]
    assert found.job.on_output_error == "extras"


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"input": []}, "input"),
        ({}, "input"),
        ({"input": [{}]}, "input[0].url"),
        ({"input": [{"url": "https://a.example/a"}, {"url": "https://a.example/b"}]}, "input"),
        ({"input": [{"url": "/etc/passwd"}]}, "input[0].url"),
        ({"input": [{"url": "file:///etc/passwd"}]}, "input[0].url"),
        ({"input": [{"url": "https://[x"}]}, "input[0].url"),
        ({"input": [{"url": "http://127.0.0.1/a.mp4"}]}, "input[0].url"),
        ({"title": "x" * 256}, "title"),
        ({"title": "a\0b"}, "title"),
        ({"description": "x" * 4097}, "description"),
        ({"passthrough": "x" * 2049}, "passthrough"),
        ({"playback_policy": "drm"}, "playback_policy"),
        ({"quality": "8k"}, "quality"),
    ],
)
def test_check_17_what_does_not_fit_is_refused(door: FrontDoor, body: dict[str, Any], param: str) -> None:
    client = customer(door)
    whole = body if "input" in body or not body else {"input": [{"url": "https://a.example/a.mp4"}], **body}
    refused(client.post("/videos", whole), 400, "invalid_request_error", param)
    assert client.videos()["data"] == []


def test_half_a_character_is_refused(client: Client) -> None:
    body = rb'{"input": [{"url": "https://a.example/a.mp4"}], "title": "a\ud800b"}'
    answer = client.post("/videos", content=body, headers={"Content-Type": "application/json"})
    refused(answer, 400, "invalid_request_error", "title")


def test_unknown_fields_are_passed_over(client: Client) -> None:
    assert client.made(colour="blue", meta={"title": 5})["status"] == "preparing"


def test_a_video_under_an_idempotency_key_is_made_once(client: Client) -> None:
    body = {"input": [{"url": "https://a.example/a.mp4"}]}
    first, again = (client.post("/videos", body, headers={"Idempotency-Key": "k"}) for _ in range(2))
    assert first.json()["id"] == again.json()["id"]
    assert len(client.videos()["data"]) == 1


def test_check_12_progress_never_falls_and_is_100_when_the_video_is_ready(client: Client, door: Any) -> None:
    video_id = client.made()["id"]
    job_id = job_of(door)
    seen = [client.video(video_id)["progress"]]

    def look() -> None:
        for told in (client.video(video_id), client.videos()["data"][0]):
            fits(told)
            seen.append(told["progress"])

    door.moved(job_id, Started())
    look()
    read(door)
    door.moved(job_id, InputsReady())
    look()
    door.moved(job_id, Planned())
    for frames in (0, 20, 60, 40, 100):  # a lease that is lost takes its frames along
        door.farm.progress_told = {"frames": frames, "frames_planned": 100}
        look()
    door.moved(job_id, ChunksCommitted())
    look()
    door.moved(job_id, Stitched(), Packaged(REPORT))
    look()
    assert 90 < seen[-1] < 100
    door.moved(job_id, Delivered())
    look()

    assert seen == sorted(seen), seen
    assert len(set(seen)) > 6
    assert seen[-1] == 100
    assert client.video(video_id)["status"] == "ready"


def test_a_ready_video_tells_where_it_is_played(client: Client, door: FrontDoor) -> None:
    made = client.made()
    made_ready(door)

    video = client.video(made["id"])

    play = f"http://farm.example/devstreamcore/v1/play/{made['playback_ids'][0]['id']}"
    assert video["playback"] == {
        "hls": f"{play}.m3u8",
        "dash": f"{play}.mpd",
        "mp4": [
            {"height": 720, "url": f"{play}/720p.mp4", "bitrate_kbps": 3000, "hls": None},
            {"height": 480, "url": f"{play}/480p.mp4", "bitrate_kbps": 1500, "hls": None},
        ],
    }
    assert video["thumbnail_url"] == f"{play}/thumbnail.jpg"
    assert video["source_url"] == f"{play}/source"
    assert (video["duration"], video["fps"], video["video_codec"]) == (60.0, 25.0, "h264")
    assert (video["source_width"], video["source_height"], video["file_size_bytes"]) == (1920, 1080, 5)
    assert video["updated_at"] > made["updated_at"]


def test_a_signed_videos_renditions_have_playlists_of_their_own(client: Client, door: FrontDoor) -> None:
    made = client.made(playback_policy="signed")
    made_ready(door)
    play = f"http://farm.example/devstreamcore/v1/play/{made['playback_ids'][0]['id']}"
    assert [one["hls"] for one in client.video(made["id"])["playback"]["mp4"]] == [
        f"{play}/720p.m3u8",
        f"{play}/480p.m3u8",
    ]


def test_check_15_of_sound_alone_there_are_no_pictures_facts(client: Client, door: FrontDoor) -> None:
    video_id = client.made()["id"]
    cover = {"codec_type": "video", "codec_name": "mjpeg", "width": 300, "height": 300, "avg_frame_rate": "0/0"}
    read(door, {**FACTS, "streams": [{**cover, "disposition": {"attached_pic": 1}}, FACTS["streams"][1]]})
    report = {"outputs": [{"name": "video", "renditions": []}]}
    door.moved(job_of(door), Started(), *DONE[:4], Packaged(report), Delivered())

    video = client.video(video_id)

    assert (video["status"], video["progress"]) == ("ready", 100)
    assert [video[name] for name in ("video_codec", "fps", "source_width", "source_height")] == [None] * 4
    assert (video["thumbnail_url"], video["playback"]["mp4"], video["duration"]) == (None, [], 60.0)
    assert video["playback"]["hls"]


def test_check_14_a_video_that_failed_tells_why(client: Client, door: FrontDoor) -> None:
    video_id = client.made()["id"]
    message = "https://user:hunter2two@example.org/film.mp4 is no media file that can be read."
    door.moved(job_of(door), Started(), Failed(Reason.UNREADABLE_SOURCE, message))

    video = client.video(video_id)

    assert (video["status"], video["errors"][0]["type"]) == ("errored", "invalid_input")
    assert "no media file" in video["errors"][0]["messages"][0]
    assert "hunter2two" not in str(video)
    assert video["playback"] == {"hls": None, "dash": None, "mp4": []}


def test_reprocessing_keeps_what_is_played_and_so_does_its_failure(client: Client, door: FrontDoor) -> None:
    made = client.made()
    refused(client.post(f"/videos/{made['id']}/reprocess"), 409, "invalid_request_error")
    made_ready(door)
    ready = client.video(made["id"])

    again = client.post(f"/videos/{made['id']}/reprocess")

    assert again.status_code == 202
    fits(again.json())
    told = again.json()
    assert (told["status"], told["progress"], told["transcode_attempts"]) == ("reprocessing", 0, 2)
    assert (told["playback"], told["playback_ids"]) == (ready["playback"], ready["playback_ids"])
    assert (told["id"], told["thumbnail_url"]) == (ready["id"], ready["thumbnail_url"])
    assert [one["id"] for one in client.videos(status="reprocessing")["data"]] == [made["id"]]
    assert client.videos(status="preparing")["data"] == []
    door.moved(job_of(door), Started(), Failed(Reason.FFMPEG_FAILED, "It broke."))
    failed = client.video(made["id"])
    assert (failed["status"], failed["errors"][0]["messages"]) == ("errored", ["It broke."])
    assert failed["playback"] == ready["playback"]
    door.moved(job_of(door), RetryAsked(), Started(), *DONE)
    assert client.video(made["id"])["status"] == "ready"


def test_check_19_the_list_is_walked_by_its_cursor(client: Client, door: FrontDoor) -> None:
    ids = [client.made(title=f"Film {number}")["id"] for number in range(60)]
    at = datetime(2030, 5, 17, 12, tzinfo=UTC)
    with door.database.writing() as conn:  # several of one moment
        for number, video_id in enumerate(ids):
            mine = videos.c.id == video_id.removeprefix("vid_")
            conn.execute(videos.update().where(mine).values(created_at=at + timedelta(seconds=number // 7)))

    pages, cursor = [], None
    while True:
        page = client.videos(limit=25, **({} if cursor is None else {"cursor": cursor}))
        pages.append([one["id"] for one in page["data"]])
        cursor = page["next_cursor"]
        if cursor is None:
            break

    assert [len(page) for page in pages] == [25, 25, 10]
    walked = [one for page in pages for one in page]
    assert sorted(walked) == sorted(ids)
    assert len(set(walked)) == 60
    times = {video_id: number // 7 for number, video_id in enumerate(ids)}
    assert [times[one] for one in walked] == sorted(times.values(), reverse=True)
    assert len(client.videos()["data"]) == 25


@pytest.mark.parametrize(
    ("params", "param"),
    [
        ({"limit": 0}, "limit"),
        ({"limit": 101}, "limit"),
        ({"limit": "x"}, "limit"),
        ({"status": "done"}, "status"),
        ({"cursor": "x"}, "cursor"),
        ({"cursor": "2030-01-01T00:00:00Z|vid_x"}, "cursor"),
        ({"cursor": "2030-01-01T00:00:00|vid_" + "0a" * 10}, "cursor"),
        ({"cursor": "0001-01-01T00:00:00+14:00|vid_" + "0a" * 10}, "cursor"),
        ({"cursor": "9999-12-31T23:59:59-14:00|vid_" + "0a" * 10}, "cursor"),
        ({"cursor": "\0"}, "cursor"),
        ({"q": "\0"}, "q"),
        ({"q": "a film\0"}, "q"),
    ],
)
def test_check_19_a_wrong_question_names_its_parameter(client: Client, params: dict[str, Any], param: str) -> None:
    refused(client.get("/videos", params=params), 400, "invalid_request_error", param)


def test_check_19_the_list_is_sifted_by_status(client: Client, door: FrontDoor) -> None:
    done = client.made()["id"]
    made_ready(door)
    waiting = client.made()["id"]
    assert [one["id"] for one in client.videos(status="ready")["data"]] == [done]
    assert [one["id"] for one in client.videos(status="preparing")["data"]] == [waiting]
    assert client.videos(status="errored") == {"data": [], "next_cursor": None}


def test_check_19_words_are_looked_for_on_one_page(client: Client) -> None:
    client.made(title="Ein Müller und 100% Mühle")
    client.made(title="x", description="A RIVER runs")
    client.made(title="y", tags=["Alps", "snow_day"])
    for number in range(3):
        client.made(title=f"river {number}")

    def titles(q: str, **more: Any) -> list[str]:
        page = client.videos(q=q, **more)
        assert page["next_cursor"] is None
        return sorted(one["title"] for one in page["data"])

    assert titles("MÜLLER") == ["Ein Müller und 100% Mühle"]
    assert titles("mühle ein") == ["Ein Müller und 100% Mühle"]
    assert titles("river") == ["river 0", "river 1", "river 2", "x"]
    assert len(titles("river", limit=2)) == 2
    assert titles("alps") == ["y"]
    assert titles("snow_day") == ["y"]
    assert titles("snow%day") == []
    assert titles("100%") == ["Ein Müller und 100% Mühle"]
    assert titles("nothing such") == []
    assert len(titles(" ")) == 6


def test_check_20_a_video_gets_other_words(client: Client) -> None:
    made = client.made(title="a", description="b", passthrough="c", tags=["d"])
    path = f"/videos/{made['id']}"
    refused(client.ask("PATCH", path, {"tags": ["x"] * 21}), 400, "invalid_request_error", "tags")
    refused(client.ask("PATCH", path, {"title": ""}), 400, "invalid_request_error", "title")
    refused(client.ask("PATCH", path, {"title": None}), 400, "invalid_request_error", "title")

    answer = client.ask("PATCH", path, {"tags": ["x"] * 20, "description": None, "unknown": 1})

    assert answer.status_code == 200
    video = answer.json()
    fits(video)
    assert video["updated_at"] > made["updated_at"]
    assert (video["tags"], video["description"]) == (["x"] * 20, None)
    assert (video["title"], video["passthrough"], video["created_at"]) == ("a", "c", made["created_at"])
    assert client.video(made["id"]) == video
    assert [one["id"] for one in client.videos(q="x")["data"]] == [made["id"]]


def test_check_20_a_deleted_video_is_gone_and_nobody_works_on_it(client: Client, door: FrontDoor) -> None:
    upload_id = client.uploaded()
    made = client.finalized(upload_id)
    job_id = job_of(door)
    door.moved(job_id, Started())

    assert client.ask("DELETE", f"/videos/{made['id']}").status_code == 204

    refused(client.get(f"/videos/{made['id']}"), 404, "not_found")
    for method, path in (("DELETE", ""), ("PATCH", ""), ("POST", "/reprocess")):
        answer = client.ask(method, f"/videos/{made['id']}{path}", {} if method == "PATCH" else None)
        refused(answer, 404, "not_found")
    assert client.videos()["data"] == []
    refused(client.finalize(upload_id), 404, "not_found")
    with door.database.reading() as conn:
        assert conn.execute(jobs.select()).mappings().one()["state"] == JobState.CANCELLING
        assert all(row["withdrawn_at"] for row in conn.execute(outputs.select()).mappings())
    assert door.nudged[-1] == [job_id]
    door.moved(job_id, WorkStopped())
    with pytest.raises(Conflict, match="Its video was deleted"):
        Jobs(door.database, lambda _: None, caller=ADMIN).retried(job_id)


def test_check_20_with_a_video_go_its_files(client: Client, door: FrontDoor) -> None:
    upload_id = client.uploaded()
    video_id = client.finalized(upload_id)["id"]
    job_id = job_of(door)
    made_ready(door)
    published = door.parts.files.work / job_id / "1" / "o"
    published.mkdir(parents=True)
    (published / "a.mp4").write_bytes(b"1")
    (body,) = [path for path in door.parts.files.blobs.path("uploads").rglob("*") if path.is_file()]

    assert client.ask("DELETE", f"/videos/{video_id}").status_code == 204

    assert not body.exists()
    assert not published.exists()
    assert client.get(f"/uploads/{upload_id}").json()["status"] == "cancelled"


def test_videos_are_an_accounts_own(door: FrontDoor) -> None:
    mine, theirs = customer(door, "mine"), customer(door, "theirs")
    video_id = mine.made()["id"]
    for method, path in (("GET", ""), ("DELETE", ""), ("PATCH", ""), ("POST", "/reprocess")):
        refused(theirs.ask(method, f"/videos/{video_id}{path}", {"title": "x"}), 404, "not_found")
    assert theirs.videos()["data"] == []
    assert mine.video(video_id)["id"] == video_id
    assert Client(door).video(video_id)["id"] == video_id  # the farm's admin sees all
