"""Conversions that make several files of one input: one zip, or an output for each of them."""

from typing import Any

import pytest
from doors.conftest import AskedDoor
from doors.onlineconvert_jobs import REMOTE, Client, parts_of, refused, told, was_read
from front_door import laid_down

from framemill.jobs.states import (
    ChunksCommitted,
    Delivered,
    InputsReady,
    Packaged,
    Planned,
    Started,
    Stitched,
)
from framemill.store.deliveries import save_deliveries

TO_THE_END = (Started(), InputsReady(), Planned(), ChunksCommitted(), Stitched(), Packaged(), Delivered())


@pytest.fixture
def client(door: AskedDoor) -> Client:
    return Client(door)


def made(client: Client, door: AskedDoor, files: dict[str, bytes], **conversion: Any) -> dict[str, Any]:
    """A job that is done, with those files as its output."""
    job_id = client.post("/jobs", {"input": [REMOTE], "conversion": [conversion]})["id"]
    was_read(door, job_id)
    (output,) = parts_of(door, job_id)[2]
    rows = [laid_down(door, output, name, body) for name, body in files.items()]
    with door.database.writing() as conn:
        save_deliveries(conn, rows)
    door.moved(job_id, *TO_THE_END)
    job: dict[str, Any] = client.get(f"/jobs/{job_id}")
    return job


def fetched(door: AskedDoor, uri: str) -> bytes:
    answer = door.get(uri.removeprefix("http://farm.example"), key=None)
    assert answer.status_code == 200, answer.text
    return answer.content


CUT = {"target": "cut-video", "options": {"number_of_parts": 2, "allow_multiple_outputs": True}}
PARTS = {"0001.mov": b"one", "0002.mov": b"two, which is longer"}


def test_each_part_is_an_output_where_several_are_allowed(client: Client, door: AskedDoor) -> None:
    job = made(client, door, PARTS, **CUT)
    assert [one["filename"] for one in job["output"]] == ["in-0001.mov", "in-0002.mov"]
    assert [one["size"] for one in job["output"]] == [len(body) for body in PARTS.values()]
    assert len({one["id"] for one in job["output"]}) == len({one["checksum"] for one in job["output"]}) == 2
    assert [client.get(f"/jobs/{job['id']}/output/{one['id']}") for one in job["output"]] == job["output"]
    assert [fetched(door, one["uri"]) for one in job["output"]] == list(PARTS.values())


def test_what_is_done_to_one_of_them_is_done_to_all_of_its_conversion(client: Client, door: AskedDoor) -> None:
    job = made(client, door, PARTS, **CUT)
    path = f"/jobs/{job['id']}/output/{job['output'][1]['id']}"
    assert client.patch(path, {"filename": "holiday"})["filename"] == "holiday-0002.mov"
    assert client.ask("DELETE", path).status_code == 204
    assert [one["status"] for one in client.get(f"/jobs/{job['id']}/output")] == ["disabled", "disabled"]
    refused(client.ask("GET", f"/jobs/{job['id']}/output/{job['id']}"), 404)


def test_beyond_the_threshold_they_are_one_zip(client: Client, door: AskedDoor) -> None:
    options = {**CUT["options"], "number_of_parts": 3, "allow_multiple_outputs_threshold": 2}  # type: ignore[dict-item]
    job = made(client, door, {"output.zip": b"PK"}, target="cut-video", options=options)
    (one,) = job["output"]
    assert (one["filename"], fetched(door, one["uri"])) == ("in.zip", b"PK")


@pytest.mark.parametrize(
    ("target", "options"), [("cut-video", {"length": 5}), ("hls", {}), ("thumbnail", {"count": 3})]
)
def test_several_files_are_one_zip_of_the_inputs_name(
    client: Client, door: AskedDoor, target: str, options: dict[str, Any]
) -> None:
    job = made(client, door, {"output.zip": b"PK"}, target=target, options=options)
    (one,) = job["output"]
    assert (one["filename"], fetched(door, one["uri"])) == ("in.zip", b"PK")
    assert one["downloads_counter"] == 0
    assert client.get(f"/jobs/{job['id']}")["output"][0]["downloads_counter"] == 1


def test_a_package_begins_with_its_playlist(client: Client, door: AskedDoor) -> None:
    files = {"180p/00000.ts": b"ts", "180p/playlist.m3u8": b"#EXTM3U", "master.m3u8": b"#EXTM3U 180p/playlist.m3u8"}
    job = made(client, door, files, target="hls", options={"allow_multiple_outputs": True})
    assert [one["filename"] for one in job["output"]] == ["master.m3u8", "180p-00000.ts", "180p-playlist.m3u8"]
    beside = job["output"][0]["uri"].removesuffix("master.m3u8") + "180p/playlist.m3u8"
    assert beside in {one["uri"] for one in job["output"]}


def test_a_download_of_all_parts_counts_once(client: Client, door: AskedDoor) -> None:
    job = made(client, door, PARTS, **CUT)
    for one in job["output"]:
        fetched(door, one["uri"])
    assert {one["downloads_counter"] for one in told(client.ask("GET", f"/jobs/{job['id']}/output"))} == {1}
