"""Uploads become videos, to the letter of the page that says how; the numbers are those of the checks."""

import hashlib
import json
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from doors.devstreamcore import MIB, V1, Client, customer, fits, refused
from doors.watched import ready
from front_door import FrontDoor
from sqlalchemy import update

from framemill.jobs.reasons import Reason
from framemill.jobs.states import Failed
from framemill.jobs.videos import long_id
from framemill.store.accounts import SUBMITTED
from framemill.store.exchange_tables import uploads
from framemill.store.jobs import list_jobs
from framemill.store.schema import jobs
from framemill.store.uploads import list_uploads
from framemill.store.usage import used_between

UNKNOWN = "up_" + "0a" * 10


@pytest.fixture
def client(door: FrontDoor) -> Client:
    return Client(door)


def jobs_of(door: FrontDoor) -> list[str]:
    with door.database.reading() as conn:
        return [job.id for job in list_jobs(conn)]


def stored(door: FrontDoor) -> bytes:
    """The bytes of the one upload."""
    with door.database.reading() as conn:
        (upload,) = list_uploads(conn)
    assert upload.blob is not None
    return Path(upload.blob).read_bytes()


@pytest.mark.parametrize("key", [None, "nobody's"])
def test_check_01_finalize_takes_a_key(door: Any, key: str | None) -> None:
    answer = door.ask(
        "POST", f"{V1}/uploads/{UNKNOWN}/finalize", {"mime_type": "video/mp4", "file_size_bytes": 5},
        key=None, bearer=key,
    )  # fmt: skip
    refused(answer, 401, "authentication_error")


@pytest.mark.parametrize("upload_id", [UNKNOWN, "up_x", "019aaaaa-0000-7000-8000-000000000001", "vid_" + "0a" * 10])
def test_check_02_an_unknown_upload_is_not_found(client: Client, upload_id: str) -> None:
    refused(client.finalize(upload_id), 404, "not_found")


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"mime_type": "application/pdf"}, "mime_type"),
    ({"mime_type": None}, "mime_type"),
    ({"mime_type": "video/mp4; codecs=avc1"}, "mime_type"),
    ({"mime_type": "video/mp4\n"}, "mime_type"),
    ({"mime_type": "video/"}, "mime_type"),
    ({"file_size_bytes": 0}, "file_size_bytes"),
    ({"file_size_bytes": "5"}, "file_size_bytes"),
    ({"file_size_bytes": True}, "file_size_bytes"),
    ({"file_size_bytes": 1.5}, "file_size_bytes"),
    ({"file_size_bytes": 5.0}, "file_size_bytes"),
    ({"file_size_bytes": None}, "file_size_bytes"),
    ({"file_size_bytes": 1 << 70}, "file_size_bytes"),
    ({"duration_secs": "3"}, "duration_secs"),
    ({"duration_secs": True}, "duration_secs"),
    ({"source_height": 16385}, "source_height"),
    ({"source_width": 0}, "source_width"),
    ({"upload_id": 7}, "upload_id"),
    ({"parts": {}}, "parts"),
    ({"parts": [{"partNumber": 0, "etag": "x"}]}, "parts[0].partNumber"),
    ({"parts": [{"partNumber": True, "etag": "x"}]}, "parts[0].partNumber"),
    ({"parts": [{"partNumber": 1, "etag": ""}]}, "parts[0].etag"),
    ({"parts": [{"partNumber": 1, "etag": "x"}, {"partNumber": 2}]}, "parts[1].etag"),
]


@pytest.mark.parametrize(("said", "param"), WRONG)
def test_check_03_what_does_not_fit_is_refused_by_its_field(client: Client, said: dict[str, Any], param: str) -> None:
    upload_id = client.uploaded()
    body = {"mime_type": "video/mp4", "file_size_bytes": 5, **said}

    answer = client.post(f"/uploads/{upload_id}/finalize", {k: v for k, v in body.items() if v is not None})

    refused(answer, 400, "invalid_request_error", param)
    assert client.videos()["data"] == []
    client.finalized(upload_id)


def test_check_04_the_type_is_taken_in_any_letters_and_the_largest_height(client: Client) -> None:
    video = client.finalized(client.uploaded(), mime_type="VIDEO/MP4", source_height=16384, duration_secs=1)
    assert (video["source_height"], video["duration"]) == (16384, 1)  # its sender's word, until it is read


def test_check_05_an_upload_in_one_go_becomes_a_video(client: Client, door: FrontDoor) -> None:
    made = client.announced(filename="My film.mp4", mime_type="video/mp4", file_size_bytes=5, title="Mine")
    assert re.fullmatch(r"up_[0-9a-f]{20}", made["id"])
    assert (made["status"], made["method"], made["video_id"]) == ("waiting", "single", None)
    assert (made["upload_id"], made["parts"], made["headers"]) == (None, [], {})
    client.sent(made["upload_url"], b"film!")
    assert client.get(f"/uploads/{made['id']}").json()["status"] == "uploading"

    video = client.finalized(made["id"])

    assert (video["status"], video["progress"], video["transcode_attempts"]) == ("preparing", 0, 1)
    assert (video["ingest"], video["policy"], video["title"]) == ({"kind": "direct_upload"}, "public", "Mine")
    (playback,) = video["playback_ids"]
    assert playback["policy"] == "public"
    assert (video["source_url"], video["thumbnail_url"]) == (None, None)
    assert video["playback"] == {"hls": None, "dash": None, "mp4": []}
    assert (video["errors"], video["tags"], video["view_count"], video["file_size_bytes"]) == ([], [], 0, 5)
    told = client.get(f"/uploads/{made['id']}").json()
    assert (told["status"], told["video_id"]) == ("finalized", video["id"])
    assert door.nudged[-1] == jobs_of(door)


def test_check_06_finalize_and_get_tell_the_same_video_with_every_key(client: Client) -> None:
    video = client.finalized(client.uploaded(title="T", description="D", passthrough="p", tags=["a", "b"]))
    fits(video)
    assert client.video(video["id"]) == video
    assert (video["description"], video["passthrough"], video["tags"]) == ("D", "p", ["a", "b"])


def test_check_07_finalized_ten_times_at_once_there_is_one_video(door: FrontDoor) -> None:
    client = customer(door, jobs_per_day=1)
    upload_id = client.uploaded()

    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda _: client.finalize(upload_id), range(10)))
    answers.append(client.finalize(upload_id, 999, mime_type="audio/mp4", source_height=7))

    assert [answer.status_code for answer in answers] == [200] * 11, [answer.text for answer in answers]
    assert len({answer.json()["id"] for answer in answers}) == 1
    (job_id,) = jobs_of(door)
    with door.database.reading() as conn:
        used = used_between(conn, "customer", date(2000, 1, 1), date(2999, 1, 1))
    assert [one.amount for one in used if one.kind == SUBMITTED] == [1]
    assert [one["id"] for one in client.videos()["data"]] == [answers[0].json()["id"]]
    assert door.nudged[-1] == [job_id]


def test_check_07_parts_finalized_ten_times_at_once_are_one_video(client: Client, door: FrontDoor) -> None:
    made, parts = client.in_parts([b"a" * MIB, b"b" * MIB, b"c"])

    with ThreadPoolExecutor(10) as pool:
        answers = list(
            pool.map(
                lambda _: client.finalize(made["id"], 2 * MIB + 1, upload_id=made["upload_id"], parts=parts), range(10)
            )
        )

    assert [answer.status_code for answer in answers] == [200] * 10, [answer.text for answer in answers]
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert len(jobs_of(door)) == 1


def test_check_08_parts_come_in_any_order_and_etags_with_quotes_or_without(client: Client, door: FrontDoor) -> None:
    film = bytes(range(256)) * (12 * MIB // 256)
    pieces = [film[: 5 * MIB], film[5 * MIB : 10 * MIB], film[10 * MIB :]]
    made, parts = client.in_parts(pieces, file_size_bytes=len(film))
    assert made["method"] == "multipart"
    assert made["upload_id"] not in {None, made["id"]}
    assert made["part_size_bytes"] >= 5 * MIB
    assert made["upload_url"] is None
    parts[1]["etag"] = parts[1]["etag"].strip('"')
    assert parts[0]["etag"].startswith('"')

    client.finalized(made["id"], len(film), upload_id=made["upload_id"], parts=parts[::-1])

    assert hashlib.sha256(stored(door)).digest() == hashlib.sha256(film).digest()


def test_check_09_what_is_wrong_with_parts_leaves_the_upload_open(client: Client) -> None:
    made, parts = client.in_parts([b"a" * MIB, b"b"])
    name, size = made["upload_id"], MIB + 1

    def ask(said_size: int = size, **said: Any) -> Any:
        return client.finalize(made["id"], said_size, **said)

    refused(ask(parts=parts), 400, "invalid_request_error", "upload_id")
    refused(ask(parts=parts, upload_id="another"), 400, "invalid_request_error", "upload_id")
    refused(ask(parts=parts, upload_id=made["id"]), 400, "invalid_request_error", "upload_id")
    refused(ask(upload_id=name), 400, "invalid_request_error", "parts")
    refused(ask(upload_id=name, parts=[]), 400, "invalid_request_error", "parts")
    wrong = [parts[0], {**parts[1], "etag": "0" * 64}]
    refused(ask(upload_id=name, parts=wrong), 400, "invalid_request_error", "parts")
    refused(ask(upload_id=name, parts=[*parts, parts[0]]), 400, "invalid_request_error", "parts")
    more = [*parts, {"partNumber": 3, "etag": "x"}]
    refused(ask(upload_id=name, parts=more), 400, "invalid_request_error", "parts")
    refused(ask(size - 1, upload_id=name, parts=parts), 400, "invalid_request_error", "file_size_bytes")
    assert client.videos()["data"] == []
    again = client.post(f"/uploads/{made['id']}/parts", {"part_numbers": [2]}).json()["parts"]
    etag = client.sent(again[0]["url"], b"B").headers["ETag"]

    client.finalized(made["id"], size, upload_id=name, parts=[parts[0], {"partNumber": 2, "etag": etag}])


def test_check_09_an_upload_in_one_go_takes_no_parts(client: Client) -> None:
    upload_id = client.uploaded()
    refused(client.finalize(upload_id, parts=[{"partNumber": 1, "etag": "x"}]), 400, "invalid_request_error", "parts")
    client.finalized(upload_id, parts=[], upload_id=None)


def test_check_10_another_size_is_refused_and_the_right_one_taken_then(client: Client) -> None:
    for upload_id in (client.uploaded(), client.uploaded(file_size_bytes=5)):
        for size in (4, 6):
            refused(client.finalize(upload_id, size), 400, "invalid_request_error", "file_size_bytes")
        client.finalized(upload_id)


def test_what_has_not_come_is_not_finalized(client: Client) -> None:
    made = client.announced()
    refused(client.finalize(made["id"]), 400, "invalid_request_error")
    client.sent(made["upload_url"], b"film!")
    client.finalized(made["id"])


def test_what_was_given_up_is_not_there(client: Client) -> None:
    upload_id = client.uploaded()
    assert client.ask("DELETE", f"/uploads/{upload_id}").status_code == 204
    assert client.get(f"/uploads/{upload_id}").json()["status"] == "cancelled"
    refused(client.finalize(upload_id), 404, "not_found")


def test_an_upload_that_is_a_videos_original_is_not_given_up(client: Client) -> None:
    upload_id = client.uploaded()
    client.finalized(upload_id)
    refused(client.ask("DELETE", f"/uploads/{upload_id}"), 409, "invalid_request_error")


@pytest.mark.parametrize("completed", [True, False])
def test_nor_is_it_when_the_job_has_ended(door: Any, client: Client, completed: bool) -> None:
    upload_id = client.uploaded()
    video = client.finalized(upload_id)
    (job_id,) = jobs_of(door)
    if completed:
        ready(door, video["id"])
    else:
        door.moved(job_id, Failed(Reason.STALLED, "It stands still."))
    native = f"/v1/uploads/{long_id(upload_id.removeprefix('up_'))}"
    refused(client.ask("DELETE", f"/uploads/{upload_id}"), 409, "invalid_request_error")
    assert door.ask("DELETE", native).status_code == 409
    assert client.get(f"/uploads/{upload_id}").json()["status"] == "finalized"
    assert stored(door) == b"film!"

    assert client.ask("DELETE", f"/videos/{video['id']}").status_code == 204
    assert client.get(f"/uploads/{upload_id}").json()["status"] == "cancelled"
    assert door.ask("DELETE", native).status_code == 204


def test_an_original_that_was_thrown_away_is_told_as_such(door: FrontDoor, client: Client) -> None:
    upload_id = client.uploaded()
    client.finalized(upload_id)
    with door.database.writing() as conn:
        conn.execute(update(uploads).values(state="aborted"))
    assert client.get(f"/uploads/{upload_id}").json()["status"] == "cancelled"


def test_uploads_are_an_accounts_own(door: FrontDoor) -> None:
    mine, theirs = customer(door, "mine"), customer(door, "theirs")
    upload_id = mine.uploaded()
    for answer in (
        theirs.get(f"/uploads/{upload_id}"),
        theirs.finalize(upload_id),
        theirs.ask("DELETE", f"/uploads/{upload_id}"),
        theirs.post(f"/uploads/{upload_id}/parts", {"part_numbers": [1]}),
    ):
        refused(answer, 404, "not_found")
    mine.finalized(upload_id)


def test_large_uploads_come_in_parts_and_few_links_are_told(client: Client) -> None:
    made = client.announced(file_size_bytes=101 * MIB)
    assert made["method"] == "multipart"
    assert [one["partNumber"] for one in made["parts"]] == list(range(1, 14))
    assert client.announced(file_size_bytes=100 * MIB)["method"] == "single"
    assert client.announced(file_size_bytes=500 * MIB, multipart=False)["method"] == "single"
    assert len(client.announced(part_count=101)["parts"]) == 100
    asked = client.post(f"/uploads/{made['id']}/parts", {"part_numbers": [14, 2, 2]}).json()
    assert [one["partNumber"] for one in asked["parts"]] == [2, 14]
    refused(
        client.post(f"/uploads/{made['id']}/parts", {"part_numbers": [0]}), 400, "invalid_request_error",
        "part_numbers[0]",
    )  # fmt: skip
    single = client.announced()["id"]
    refused(client.post(f"/uploads/{single}/parts", {"part_numbers": [1]}), 409, "invalid_request_error")


@pytest.mark.parametrize(
    ("said", "param"),
    [
        ({"mime_type": "text/plain"}, "mime_type"),
        ({"file_size_bytes": 0}, "file_size_bytes"),
        ({"title": "x" * 256}, "title"),
        ({"title": ""}, "title"),
        ({"playback_policy": "private"}, "playback_policy"),
        ({"quality": "4320p"}, "quality"),
        ({"multipart": "yes"}, "multipart"),
        ({"part_count": 10_001}, "part_count"),
        ({"filename": "/"}, "filename"),
        ({"tags": ["x"] * 21}, "tags"),
    ],
)
def test_an_upload_that_does_not_fit_is_refused(client: Client, said: dict[str, Any], param: str) -> None:
    refused(client.post("/uploads", said), 400, "invalid_request_error", param)


def test_an_upload_under_an_idempotency_key_is_made_once(client: Client) -> None:
    first, again = (client.post("/uploads", {"title": "x"}, headers={"Idempotency-Key": "k"}) for _ in range(2))
    assert first.json() == again.json()


def test_an_idempotency_key_is_this_doors_own(door: Any, client: Client) -> None:
    headers = {"Idempotency-Key": "k"}
    native = door.post("/v1/uploads", {"filename": "film.mp4"}, headers=headers)
    mine = client.post("/uploads", {"filename": "film.mp4"}, headers=headers)
    assert (native.status_code, mine.status_code) == (201, 201)
    assert mine.json()["id"].startswith("up_")
    assert "Idempotency-Replayed" not in mine.headers


def test_a_video_is_called_after_its_file_or_itself(client: Client) -> None:
    named = client.finalized(client.uploaded(filename="films/My Film.final.mp4"))
    assert named["title"] == "My Film.final"
    unnamed = client.finalized(client.uploaded())
    assert unnamed["title"]
    assert json.dumps(unnamed["title"]) != "null"


def test_the_job_makes_what_the_quality_allows(client: Client, door: FrontDoor) -> None:
    client.finalized(client.uploaded(quality="480p"))
    with door.database.reading() as conn:
        row = conn.execute(jobs.select()).mappings().one()
    assert row["door"] == "devstreamcore"
    assert row["door_data"]["quality"] == "480p"
