"""The door of optimized versions without a farm: what the app posts and polls (checks 4, 5, 10, 15, 17, 18, 20)."""

import dataclasses
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from doors.conftest import AskedDoor
from doors.optimized import ITEM, NOBODY, PUBLIC, App, done, item, posted, query, set_up
from servers.jellyfin import Jellyfin, Movie, running_jellyfin

from framemill.api.optimized.note import Note
from framemill.api.optimized.shelf import MOST_TOLD_BYTES, MOST_UNDER_WAY
from framemill.api.optimized.tokens import shown_as
from framemill.jobs.model import Input, Job, Output
from framemill.jobs.reasons import Reason
from framemill.jobs.states import (
    ChunksCommitted,
    Delivered,
    Failed,
    InputsReady,
    JobState,
    Packaged,
    Planned,
    Started,
    Stitched,
    WorkStopped,
)
from framemill.services.callers import Caller
from framemill.services.jobs import Jobs
from framemill.services.links import MOUNT as FILES
from framemill.services.parts import OutputRequest
from framemill.services.submission import JobRequest
from framemill.storage.access import HttpAccess
from framemill.storage.keyring import way_to
from framemill.store.jobs import load_job, save_job

A, B = "token-of-a-4711", "token-of-b-0815"
SAID = {"id", "status", "progress", "outputPath", "inputUrl", "itemId", "item", "deviceId", "timestamp", "size"}


@pytest.fixture
def jellyfin() -> Iterator[Jellyfin]:
    """It hands out no originals, unless a test has it do so."""
    with running_jellyfin() as server:
        server.users |= {A: "a" * 32, B: "b" * 32}
        server.movies[ITEM] = Movie(original=b"film", original_status=403)
        yield server


@pytest.fixture
def app(door: AskedDoor, jellyfin: Jellyfin) -> App:
    set_up(door, jellyfin)
    return App(door, A)


def stored(door: AskedDoor, job_id: str) -> tuple[Job, list[Input], list[Output]]:
    with door.database.reading() as conn:
        found = load_job(conn, job_id)
    assert found is not None
    return found


def fetched_from(door: AskedDoor, job_id: str) -> tuple[str, HttpAccess]:
    """The very URL that a worker will ask for, and what it says with it."""
    (source,) = stored(door, job_id)[1]
    keyring = door.parts.desk.keyring
    access = keyring.access(way_to(source, ""))
    assert isinstance(access, HttpAccess)
    return keyring.uri(way_to(source, "")), access


def made(door: AskedDoor, job_id: str) -> Output:
    return stored(door, job_id)[2][0]


def test_check_4_the_same_path_and_query_are_fetched_at_the_servers_own_origin(
    door: AskedDoor, jellyfin: Jellyfin, app: App
) -> None:
    job_id = app.post()
    url, access = fetched_from(door, job_id)

    assert url == f"{jellyfin.url}/videos/{ITEM}/master.m3u8?{query(A, ITEM)}"
    assert access.alone, "whereto a playlist leads besides, nobody goes"
    assert access.headers["X-Emby-Token"] == A
    source = stored(door, job_id)[1][0]
    assert A not in source.uri
    assert source.trusted, "the operator's own server may be in a private network"
    assert not source.read_once


def test_check_4_the_original_is_fetched_where_it_can_be_had(door: AskedDoor, jellyfin: Jellyfin, app: App) -> None:
    jellyfin.movies[ITEM].original_status = 200
    job_id = app.post()
    url, access = fetched_from(door, job_id)

    assert url == f"{jellyfin.url}/Videos/{ITEM}/stream?static=true&mediaSourceId={ITEM}"
    assert access.headers["X-Emby-Token"] == A
    settings = made(door, job_id).settings
    assert (settings.video_codec, settings.maxrate, settings.bufsize) == ("h264", 800_000, 1_600_000)
    assert (settings.audio_codec, settings.audio_bitrate, settings.audio_tracks) == ("aac", 128_000, (0,))


def test_the_operator_may_want_one_way_alone(door: AskedDoor, jellyfin: Jellyfin) -> None:
    jellyfin.movies[ITEM].original_status = 200
    set_up(door, jellyfin, mode="plain")
    job_id = App(door, A).post()
    assert "master.m3u8" in fetched_from(door, job_id)[0]
    assert stored(door, job_id)[0].run.on_damage == "refuse"
    jellyfin.movies[ITEM].original_status = 403
    set_up(door, jellyfin, mode="offload")
    job_id = App(door, A).post()
    assert "static=true" in fetched_from(door, job_id)[0]
    assert stored(door, job_id)[0].run.on_damage == "keep"
    assert not jellyfin.asked_for("static=true"), "nothing was to be decided"


def test_a_long_stream_is_read_once_and_what_it_has_is_guessed(door: AskedDoor, app: App) -> None:
    job_id = app.post(kind="stream")
    source = stored(door, job_id)[1][0]

    assert source.read_once
    assert source.size == 6 * (800_000 + 128_000) // 8
    assert stored(door, job_id)[0].limits.min_input_seconds == pytest.approx(0.98 * 6)


def test_check_5_a_poll_tells_all_that_the_document_has(door: AskedDoor, app: App) -> None:
    job_id = app.post()
    (told,) = app.poll()

    assert set(told) == SAID
    assert (told["id"], told["itemId"], told["deviceId"], told["size"]) == (job_id, ITEM, "D1", 0)
    assert told["item"] == item(ITEM)
    assert isinstance(told["progress"], float | int)
    assert datetime.fromisoformat(told["timestamp"]) > datetime.now(UTC) - timedelta(minutes=5)
    assert told["timestamp"].endswith("Z")
    assert "api_key=***" in told["inputUrl"]
    assert app.poll("another") == []
    assert app.ask("GET", f"/job-status/{job_id}").json() == told


def test_check_5_progress_is_a_number_and_speed_is_absent_or_above_nothing(door: AskedDoor, app: App) -> None:
    job_id = app.post()
    polled = app.poll()
    door.moved(job_id, Started())
    door.farm.progress_told = {"frames": 0, "frames_planned": 0, "bytes": 0, "bytes_planned": 1000}
    polled += app.poll()
    door.farm.progress_told |= {"bytes": 500}
    polled += app.poll()
    door.moved(job_id, InputsReady(), Planned())
    door.farm.progress_told = {"frames": 60, "frames_planned": 120}
    polled += app.poll()
    door.farm.silent = True
    polled += app.poll()
    done_of(door, job_id)
    polled += app.poll()

    progress = [one["progress"] for one in polled]
    assert progress[:5] == [0.0, 0.0, 45.0, 92.5, 92.5], "it does not go back where the farm is silent"
    assert progress[-1] == 100
    assert [one["status"] for one in polled] == ["queued", *["optimizing"] * 4, "completed"]
    assert all(one.get("speed", 1) > 0 for one in polled)
    assert any("speed" in one for one in polled)


def done_of(door: AskedDoor, job_id: str) -> None:
    """To the end, from wherever its plan is there."""
    digest = "0" * 64
    report = {"outputs": [{"name": "x.mp4", "files": [{"path": "output.mp4", "size": 7, "sha256": digest}]}]}
    door.moved(job_id, ChunksCommitted(), Stitched(), Packaged(report), Delivered())


def test_check_9_a_post_is_taken_whatever_the_playlist_will_say(jellyfin: Jellyfin, app: App) -> None:
    jellyfin.movies.clear()
    job_id = app.post()
    assert app.statuses() == {job_id: "queued"}


def test_check_10_an_instant_film_is_seen_under_way_before_it_is_done(door: AskedDoor, app: App) -> None:
    job_id = app.post()
    done(door, job_id)
    first, second = app.poll()[0], app.poll()[0]

    assert (first["status"], first["size"]) == ("optimizing", 0)
    assert 0 < first["progress"] < 100
    assert "checksum" not in first
    assert (second["status"], second["progress"], second["size"]) == ("completed", 100, 6)
    assert len(second["checksum"]) == 64
    # Whoever asks for all of the user's is another poller, and is told the same.
    everything = [app.ask("GET", "/all-jobs").json()[0]["status"] for _ in range(2)]
    assert everything == ["optimizing", "completed"]
    assert app.ask("GET", f"/job-status/{job_id}").json()["status"] == "completed"


def test_check_10_what_was_seen_under_way_is_told_to_be_done_at_once(door: AskedDoor, app: App) -> None:
    job_id = app.post()
    door.moved(job_id, Started())
    assert app.statuses() == {job_id: "optimizing"}
    done(door, job_id)
    assert app.statuses() == {job_id: "completed"}


def test_check_15_who_has_fetched_a_film_gives_it_up_and_may_say_so_twice(door: AskedDoor, app: App) -> None:
    job_id = app.post()
    done(door, job_id)

    assert app.cancel(job_id) == "Job cancelled successfully"
    assert app.poll() == []
    assert app.ask("GET", f"/download/{job_id}").status_code == 404
    for unknown in (job_id, NOBODY, "no-id"):
        assert app.cancel(unknown) == "Job not found or already completed"
    assert ("gc", False) in door.farm.asked, "its file goes now, and not when the farm happens to tidy up"


@pytest.mark.parametrize("under_way", [False, True])
def test_check_15_a_film_that_is_not_done_is_cancelled(
    door: AskedDoor, app: App, under_way: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = app.post()
    if under_way:
        door.moved(job_id, Started())
        assert app.statuses() == {job_id: "optimizing"}
        answer = cancelled_while_it_runs(app, job_id, monkeypatch)
    else:
        answer = app.ask("DELETE", f"/cancel-job/{job_id}")
    assert answer.json()["message"] == "Job cancelled successfully"
    assert app.poll() == []
    with door.database.reading() as conn:
        assert load_job(conn, job_id) is None
    assert ("gc", False) in door.farm.asked


def cancelled_while_it_runs(app: App, job_id: str, patch: pytest.MonkeyPatch) -> httpx.Response:
    """Its worker stops a moment after it was told to, however long the request took to come so far."""
    stopped = threading.Timer(0.5, app.door.moved, (job_id, WorkStopped()))

    def nudged(_: object) -> None:
        if stopped.ident is None:  # the farm is nudged again when the job is removed
            stopped.start()

    patch.setattr(app.door.farm, "nudged", nudged)
    answer = app.ask("DELETE", f"/cancel-job/{job_id}")
    stopped.join()
    return answer


def test_check_17_start_is_for_what_is_queued(door: AskedDoor, app: App) -> None:
    job_id = app.post()
    answer = app.ask("POST", f"/start-job/{job_id}")
    assert (answer.status_code, answer.json()) == (201, {"message": "Job started successfully"})
    door.moved(job_id, Started())

    again, unknown = app.ask("POST", f"/start-job/{job_id}"), app.ask("POST", f"/start-job/{NOBODY}")
    assert (again.status_code, unknown.status_code) == (400, 404)
    assert again.json()["message"] == "Job not found or already started"
    assert stored(door, job_id)[0].attempt == 1


def test_check_18_a_third_film_waits_until_one_goes(door: AskedDoor, jellyfin: Jellyfin) -> None:
    set_up(door, jellyfin, max_cached_per_user="2")
    app = App(door, A)
    one, two, three = (app.post() for _ in range(3))
    assert app.statuses() == dict.fromkeys((one, two, three), "queued"), "nothing is done or under way yet"
    assert not stored(door, three)[1], "nothing of it may be fetched yet"
    other = App(door, A, "D2")
    assert other.post()
    assert set(other.statuses().values()) == {"queued"}, "another device has a shelf of its own"
    done(door, one)
    assert app.statuses()[three] == "queued"
    assert app.ask("GET", f"/job-status/{three}").json()["status"] == "queued"
    assert app.ask("POST", f"/start-job/{three}").status_code == 201, "it begins as soon as it may, as any"
    door.moved(two, Started())

    assert app.statuses()[three] == "pending downloads limit"
    assert app.ask("GET", f"/job-status/{three}").json()["status"] == "pending downloads limit"
    assert app.ask("POST", f"/start-job/{three}").status_code == 400
    app.cancel(one)
    assert app.statuses() == {two: "optimizing", three: "queued"}
    assert stored(door, three)[0].state is JobState.QUEUED
    done(door, three)
    assert app.ask("GET", f"/download/{three}").status_code == 200


def test_check_18_of_all_that_wait_as_many_begin_as_there_is_room_for(door: AskedDoor, jellyfin: Jellyfin) -> None:
    set_up(door, jellyfin, max_cached_per_user="1")
    app, other = App(door, A), App(door, A, "D2")
    mine, others = [app.post() for _ in range(4)], [other.post() for _ in range(2)]
    app.cancel(mine[0])

    assert [stored(door, one)[0].state for one in mine[1:]] == [JobState.QUEUED, JobState.HELD, JobState.HELD]
    other.cancel(others[1])
    assert [stored(door, one)[0].state for one in mine[1:]] == [JobState.QUEUED, JobState.HELD, JobState.HELD]
    assert other.statuses() == {others[0]: "queued"}


def test_check_18_a_failed_film_takes_no_room(door: AskedDoor, jellyfin: Jellyfin) -> None:
    set_up(door, jellyfin, max_cached_per_user=1)
    app = App(door, A)
    one, two = app.post(), app.post()
    door.moved(one, Started())
    door.farm.progress_told = {"frames": 0, "frames_planned": 0, "bytes": 500, "bytes_planned": 1000}
    assert app.poll()[0]["progress"] == 45
    door.moved(one, Failed(Reason.SOURCE_MISSING, "It is gone."))

    told = {film["id"]: film for film in app.poll()}
    assert (told[one]["status"], told[one]["progress"], told[one]["error"]) == ("failed", 0, "It is gone.")
    assert stored(door, two)[0].state is JobState.QUEUED


def test_check_18_none_is_any_number(door: AskedDoor, jellyfin: Jellyfin) -> None:
    set_up(door, jellyfin, max_cached_per_user="0")
    app = App(door, A)
    assert {app.post() for _ in range(12)} == {one["id"] for one in app.poll() if one["status"] == "queued"}


@pytest.mark.parametrize(("written", "stays"), [("true", False), ("false", True)])
def test_check_18_what_is_written_in_the_environment_is_done(
    door: AskedDoor, jellyfin: Jellyfin, written: str, stays: bool
) -> None:
    set_up(door, jellyfin, remove_file_after_right_download=written, max_cached_per_user="1")
    app = App(door, A)
    job_id = app.post()
    done(door, job_id)
    assert app.cancel(job_id) == "Job cancelled successfully"

    assert app.poll() == []
    everything = app.ask("GET", "/all-jobs").json()
    assert [one["status"] for one in everything] == (["ready-for-removal"] if stays else [])
    assert app.ask("GET", f"/download/{job_id}").status_code == (200 if stays else 404)
    following = app.post()
    assert app.statuses() == {following: "queued"}, "the other takes no room any more"


def test_check_20_nobody_sees_or_touches_anothers(door: AskedDoor, app: App) -> None:
    job_id, other = app.post(), App(door, B)
    done(door, job_id)

    assert other.poll() == []
    assert other.ask("GET", "/all-jobs").json() == []
    for method, path in (("GET", "job-status"), ("GET", "download"), ("POST", "start-job"), ("DELETE", "cancel-job")):
        assert other.ask(method, f"/{path}/{job_id}").status_code == 404
    assert other.cancel(NOBODY) == "Job not found or already completed"
    assert other.ask("DELETE", "/delete-cache").json() == {"message": "Cache deleted successfully"}
    assert other.ask("GET", "/statistics").json()["totalTranscodes"] == 0
    assert app.ask("GET", f"/download/{job_id}").content == b"a film"
    assert FILES not in app.ask("GET", "/all-jobs").text


def test_check_20_the_token_is_told_nowhere(door: AskedDoor, app: App, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("DEBUG"):
        job_id = app.post()
        app.post(kind="stream")
        answers = [app.ask("GET", path) for path in ("/all-jobs", f"/job-status/{job_id}", "/statistics")]
        refused = app.ask("POST", "/optimize-version", {"url": f"ftp://jf/videos/{ITEM}/stream?api_key={A}"})

    assert refused.status_code == 400
    assert all(A not in answer.text for answer in (*answers, refused))
    assert A not in caplog.text
    with door.database.reading() as conn:
        found = load_job(conn, job_id)
    assert found is not None
    assert A not in repr(found)


@pytest.mark.parametrize(
    "url",
    [
        None,
        "",
        "nonsense",
        "file:///etc/passwd",
        f"ftp://jf/videos/{ITEM}/stream",
        "http://jf/System/Info",
        f"http://jf/videos/{ITEM}/../../System/Info",
        f"http://jf/videos/{ITEM}/%2e%2e/System/Info",
        f"http://jf:99999/videos/{ITEM}/stream",
        f"http:///videos/{ITEM}/stream",
    ],
)
def test_check_20_what_is_no_url_of_a_film_is_refused(app: App, url: str | None) -> None:
    answer = app.ask("POST", "/optimize-version", {"deviceId": "D1", **({} if url is None else {"url": url})})
    assert (answer.status_code, answer.json()["statusCode"]) == (400, 400), answer.text
    assert app.poll() == []


def test_check_20_a_large_item_is_taken_and_given_back(app: App) -> None:
    large = item(ITEM, Overview="x" * 1_000_000)
    job_id = app.post(item=large)
    (told,) = app.poll()
    assert (told["id"], told["item"]) == (job_id, large)


def test_check_20_an_item_that_is_too_large_is_refused_with_a_sentence(app: App) -> None:
    answer = app.ask("POST", "/optimize-version", posted(ITEM, A, item=item(ITEM, Overview="ä" * (1 << 20))))
    assert (answer.status_code, answer.json()["statusCode"]) == (413, 413)
    assert "2 MiB" in answer.json()["message"]
    assert app.poll() == []


def test_check_20_a_token_within_an_item_is_told_to_its_owner_alone_and_kept_sealed(door: AskedDoor, app: App) -> None:
    led = item(ITEM, TranscodingUrl=f"/videos/{ITEM}/master.m3u8?api_key={A}")
    job_id = app.post(item=led)

    assert app.poll()[0]["item"] == led
    assert A not in repr(stored(door, job_id))


def test_an_item_of_an_older_release_is_told_as_it_was_kept(door: AskedDoor, app: App) -> None:
    job_id = app.post()
    job = stored(door, job_id)[0]
    said = {**job.door_data, "item": item(ITEM)}
    del said["sealed_item"]
    older = job.model_copy(update={"door_data": said, "version": job.version + 1})
    with door.database.writing() as conn:
        save_job(conn, older, job.version, "made older", {}, now=datetime.now(UTC))

    assert app.poll()[0]["item"] == item(ITEM)


@pytest.mark.parametrize("posted_item", [None, [], "a film", 7])
def test_where_there_is_no_item_the_app_is_told_one_that_it_can_draw(app: App, posted_item: Any) -> None:
    body = {**posted(ITEM, A), "item": posted_item}
    assert app.ask("POST", "/optimize-version", body).status_code == 201
    assert app.poll()[0]["item"] == {"Id": ITEM, "Name": "?", "Type": "Movie"}


def test_an_item_that_was_sealed_with_another_secret_is_told_as_one_that_the_app_can_draw(
    door: AskedDoor, jellyfin: Jellyfin, app: App
) -> None:
    job_id = app.post()
    door.parts = dataclasses.replace(door.parts, seals=type(door.parts.seals)("another secret"))
    set_up(door, jellyfin)

    for told in (app.poll()[0], app.ask("GET", f"/job-status/{job_id}").json()):
        assert told["item"] == {"Id": ITEM, "Name": "?", "Type": "Movie"}


def test_an_item_without_anything_is_an_item(app: App) -> None:
    app.post(item={"x": None})
    assert app.poll()[0]["item"] == {"x": None}


def test_films_that_are_not_done_are_so_many_and_no_more(door: AskedDoor, jellyfin: Jellyfin) -> None:
    set_up(door, jellyfin, max_cached_per_user=1)
    app = App(door, A)
    first = app.post()
    waiting(door, first, [Note(device="D2")] * (MOST_UNDER_WAY - 1))
    answer = app.ask("POST", "/optimize-version", posted(ITEM, A))

    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) > 0
    assert f"{MOST_UNDER_WAY} films" in answer.json()["message"]
    assert App(door, B).post(), "another user's are their own"
    app.cancel(first)
    assert app.post()


def test_what_all_polls_tell_again_is_so_much_and_no_more(door: AskedDoor, app: App) -> None:
    first = app.post()
    waiting(door, first, [Note(device="D2", sealed_item="x" * (MOST_TOLD_BYTES - 500_000))])
    large = posted(ITEM, A, item=item(ITEM, Overview="x" * 400_000))
    answer = app.ask("POST", "/optimize-version", large)

    assert answer.status_code == 429
    assert "64 MiB" in answer.json()["message"]
    assert app.post(), "a smaller one has room"


def waiting(door: AskedDoor, like: str, notes: list[Note]) -> None:
    """Further films of the user whose that one is: they wait."""
    caller = Caller(account=stored(door, like)[0].account)
    jobs = Jobs(door.database, lambda _: None, caller=caller, door="optimized", desk=door.parts.desk)
    output = OutputRequest(name="x.mp4", settings={})
    jobs.submitted_all([JobRequest(inputs=(), outputs=(output,), start="held", door_data=one.data) for one in notes])


def test_an_app_that_says_next_to_nothing_is_served(door: AskedDoor, app: App) -> None:
    body = {"url": f"{PUBLIC}/Videos/{ITEM}/stream.mp4?static=true", "deviceId": None, "fileExtension": None}
    answer = app.ask("POST", "/optimize-version", body)
    assert answer.status_code == 201
    (told,) = app.ask("GET", "/all-jobs").json()
    assert (told["item"], told["itemId"], told["deviceId"]) == ({"Id": ITEM, "Name": "?", "Type": "Movie"}, None, "")
    assert made(door, told["id"]).settings.video_codec == "copy"


@pytest.mark.parametrize("said", ["ts,mp4,mkv,avi,mov,flv,m2ts,webm,ogv,3gp", "x" * 4000, 7, ["mkv"], {}, "a\0b"])
def test_an_extension_that_is_none_of_ours_is_taken_and_the_film_is_an_mp4(
    door: AskedDoor, app: App, said: Any
) -> None:
    assert made(door, app.post(fileExtension=said)).name == f"{ITEM}.mp4"


def test_the_cache_is_emptied_of_what_is_done_and_of_that_alone(door: AskedDoor, app: App) -> None:
    finished, running, queued = (app.post() for _ in range(3))
    done(door, finished)
    door.moved(running, Started())
    assert app.ask("GET", "/statistics").json() == {
        "cacheSize": "6.00 B", "totalTranscodes": 3, "activeJobs": 1, "completedJobs": 1, "uniqueDevices": 1,
    }  # fmt: skip
    assert app.ask("DELETE", "/delete-cache").json() == {"message": "Cache deleted successfully"}
    assert app.statuses() == {running: "optimizing", queued: "queued"}
    assert app.ask("GET", f"/download/{finished}").status_code == 404


def test_a_film_that_waits_for_room_when_the_farms_secret_has_changed_fails_with_a_sentence(
    door: AskedDoor, jellyfin: Jellyfin
) -> None:
    set_up(door, jellyfin, max_cached_per_user=1)
    app = App(door, A)
    one, two = app.post(), app.post()
    door.parts = dataclasses.replace(door.parts, seals=type(door.parts.seals)("another secret"))
    set_up(door, jellyfin, max_cached_per_user=1)
    app.cancel(one)

    (source,) = stored(door, two)[1]
    assert source.message is not None
    assert "secret" in source.message


def test_who_logs_in_anew_has_what_waits_fetched_by_the_new_token(door: AskedDoor, jellyfin: Jellyfin) -> None:
    set_up(door, jellyfin, max_cached_per_user=2)
    app, tablet = App(door, A), App(door, A, "D2")
    running, queued, held, elsewhere = app.post(), app.post(), app.post(), tablet.post()
    door.moved(running, Started())
    jellyfin.users["a-newer-one"] = jellyfin.users.pop(A)
    anew = App(door, "a-newer-one")
    anew.ask("GET", "/all-jobs?deviceId=of-another")
    anew.ask("GET", "/all-jobs")
    assert fetched_from(door, queued)[1].headers["X-Emby-Token"] == A, "a device has its own"
    anew.poll()

    assert fetched_from(door, queued)[1].headers["X-Emby-Token"] == "a-newer-one"
    assert fetched_from(door, queued)[0] == fetched_from(door, running)[0]
    assert [fetched_from(door, one)[1].headers["X-Emby-Token"] for one in (running, elsewhere)] == [A, A]
    before = [stored(door, one) for one in (queued, held)]
    anew.poll()
    assert [stored(door, one) for one in (queued, held)] == before, "nothing is written again"
    anew.cancel(queued)
    assert fetched_from(door, held)[1].headers == dict(shown_as("a-newer-one"))
    assert anew.poll()[-1]["item"] == item(ITEM)


def test_what_waits_is_begun_by_the_token_that_has_come_with_that_very_poll(
    door: AskedDoor, jellyfin: Jellyfin
) -> None:
    set_up(door, jellyfin, max_cached_per_user=1)
    app = App(door, A)
    app.post()
    held = app.post()
    jellyfin.users["a-newer-one"] = jellyfin.users.pop(A)
    set_up(door, jellyfin, max_cached_per_user=2)
    App(door, "a-newer-one").poll()

    assert fetched_from(door, held)[1].headers["X-Emby-Token"] == "a-newer-one"


def test_a_film_in_the_middle_of_the_queue_keeps_its_place(app: App) -> None:
    ids = [app.post() for _ in range(4)]
    assert [one["id"] for one in app.poll()] == ids


def test_posted_bodies_are_the_apps() -> None:
    body: dict[str, Any] = posted(ITEM, A)
    assert set(body) == {"url", "fileExtension", "deviceId", "itemId", "item"}
