"""Files on their way to a farm and from it: over real connections that are cut."""

import random
import threading
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from front_door import KEY, FrontDoor, laid_down, served

from framemill.client import Framemill
from framemill.errors import Conflict, FarmError, NotFound, OutputError, SourceMissing, WrongUse
from framemill.jobs.model import Job, Output
from framemill.jobs.settings import OutputSettings
from framemill.store.deliveries import save_deliveries
from framemill.store.jobs import add_job
from framemill.store.uploads import load_upload

MIB = 1 << 20
BODY = random.Random(0).randbytes(20 * MIB)  # noqa: S311 - bytes that no other part has
PARTS = 3


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "in.mov"
    path.write_bytes(BODY)
    return path


def arrived(door: FrontDoor, upload_id: str) -> bytes:
    with door.database.reading() as conn:
        upload = load_upload(conn, upload_id)
    assert upload is not None
    assert upload.blob is not None
    return (door.parts.files.blobs.root / upload.blob).read_bytes()


def published(door: FrontDoor, files: dict[str, bytes], **fields: Any) -> Output:
    """An output with these files, as a coordinator would have left them."""
    job = Job(account="default", door="native", created_at=datetime.now(UTC))
    output = Output(**{"job_id": job.id, "name": "film.mp4", **fields})
    rows = [laid_down(door, output, path, body) for path, body in files.items()]
    with door.database.writing() as conn:
        add_job(conn, job, [], [output])
        save_deliveries(conn, rows)
    return output


def test_a_file_arrives_whole_and_tells_how_far_it_is(farm: Framemill, door: FrontDoor, source: Path) -> None:
    told: list[tuple[int, int]] = []
    begun: list[str] = []

    upload = farm.upload(source, lambda *now: told.append(now), on_begun=begun.append, content_type="video/quicktime")

    assert (upload.state, upload.filename, upload.size_bytes) == ("completed", "in.mov", len(BODY))
    assert (begun, upload.content_type) == ([upload.id], "video/quicktime")
    assert arrived(door, upload.id) == BODY
    assert told == sorted(told)
    assert told[-1] == (len(BODY), len(BODY))
    job = farm.submit({"inputs": [{"upload_id": upload.id}], "outputs": [{}]})
    assert job.inputs[0].filename == "in.mov"


@pytest.mark.parametrize("size", [0, 1, 8 * MIB, 8 * MIB + 1])
def test_small_files_and_odd_ends(size: int, farm: Framemill, door: FrontDoor, tmp_path: Path) -> None:
    (tmp_path / "a.mov").write_bytes(BODY[:size])
    assert arrived(door, farm.upload(tmp_path / "a.mov").id) == BODY[:size]


def test_a_part_that_is_cut_is_sent_again(farm: Framemill, door: FrontDoor, source: Path, wire: Any) -> None:
    cuts = iter([MIB, 3 * MIB, 100])
    wire.cut = lambda request: next(cuts, None) if request.method == "PUT" else None
    told: list[int] = []

    upload = farm.upload(source, lambda sent, _: told.append(sent))

    assert arrived(door, upload.id) == BODY
    assert len(wire.of("PUT")) == PARTS + 3
    assert told[-1] == len(BODY)


def test_what_has_arrived_is_not_sent_again_by_a_later_process(
    farm: Framemill, door: FrontDoor, source: Path, wire: Any, url: str
) -> None:
    wire.cut = lambda request: 100 if request.url.path.endswith("/parts/2") else None
    begun: list[str] = []
    with pytest.raises(FarmError, match="cut"):
        farm.upload(source, on_begun=begun.append, at_once=1)
    before = len(wire.of("PUT"))
    wire.cut = lambda _: None
    with Framemill(url, KEY, transport=wire) as later:
        upload = later.upload(source, upload_id=begun[0])
        assert arrived(door, upload.id) == BODY
        assert [path[-1] for path, _ in wire.of("PUT")[before:]] in (["2", "3"], ["3", "2"])
        assert later.upload(source, upload_id=begun[0]).state == "completed"
    assert len(wire.of("PUT")) == before + 2


def test_a_file_that_has_changed_meanwhile_is_sent_as_it_is_now(
    farm: Framemill, door: FrontDoor, source: Path, wire: Any
) -> None:
    wire.cut = lambda request: 100 if request.url.path.endswith("/parts/3") else None
    begun: list[str] = []
    with pytest.raises(FarmError):
        farm.upload(source, on_begun=begun.append, at_once=1)
    wire.cut = lambda _: None
    changed = BODY[:100] + b"!" + BODY[101:]
    source.write_bytes(changed)
    assert arrived(door, farm.upload(source, upload_id=begun[0]).id) == changed


def test_another_file_is_not_gone_on_with(farm: Framemill, source: Path, tmp_path: Path) -> None:
    upload = farm.upload(source)
    (tmp_path / "b.mov").write_bytes(b"another")
    with pytest.raises(WrongUse, match="is not the file"):
        farm.upload(tmp_path / "b.mov", upload_id=upload.id)
    farm._line.asked("DELETE", f"/uploads/{upload.id}")
    with pytest.raises((Conflict, NotFound)):
        farm.upload(source, upload_id=upload.id)
    with pytest.raises(SourceMissing):
        farm.upload(tmp_path / "nothing.mov")


# From it


def test_an_output_is_fetched_and_checked(farm: Framemill, door: FrontDoor, tmp_path: Path) -> None:
    output = published(door, {"film.mp4": BODY})
    told: list[tuple[int, int | None]] = []

    path = farm.download(output.id, tmp_path / "out" / "a.mp4", lambda *now: told.append(now))

    assert path.read_bytes() == BODY
    assert told[-1] == (len(BODY), len(BODY))
    assert [one.name for one in path.parent.iterdir()] == ["a.mp4"]
    assert farm.download(output.id, tmp_path) == tmp_path / "film.mp4"
    url = farm.output(output.id).url
    assert url is not None
    assert farm.download(url, tmp_path / "b.mp4").read_bytes() == BODY


def test_a_download_that_is_cut_goes_on_where_it_was(
    farm: Framemill, door: FrontDoor, tmp_path: Path, wire: Any
) -> None:
    output = published(door, {"film.mp4": BODY})
    cuts = iter([5 * MIB, 7 * MIB, 0, MIB])
    wire.cut = lambda request: next(cuts, None) if "/files/" in request.url.path and request.method == "GET" else None

    farm.download(output.id, tmp_path / "a.mp4")

    assert (tmp_path / "a.mp4").read_bytes() == BODY
    begins = [int(asked.removeprefix("bytes=").rstrip("-")) for _, asked in wire.of("GET") if asked]
    assert begins == sorted(begins)
    assert begins[0] >= 4 * MIB


def test_a_later_process_goes_on_and_another_file_begins_anew(
    farm: Framemill, door: FrontDoor, tmp_path: Path, wire: Any, url: str
) -> None:
    output = published(door, {"film.mp4": BODY})
    first = iter([6 * MIB])
    wire.cut = lambda request: next(first, 0) if "/files/" in request.url.path and request.method == "GET" else None
    with pytest.raises(FarmError):
        farm.download(output.id, tmp_path / "a.mp4")
    assert not (tmp_path / "a.mp4").exists()
    wire.cut = lambda _: None
    wire.asked.clear()
    with Framemill(url, KEY, transport=wire) as later:
        later.download(output.id, tmp_path / "a.mp4")
    assert (tmp_path / "a.mp4").read_bytes() == BODY
    ((_, asked),) = [one for one in wire.of("GET") if "/files/" in one[0]]
    assert int(asked.removeprefix("bytes=").rstrip("-")) >= 5 * MIB


def test_what_does_not_arrive_as_it_was_sent_is_refused(
    farm: Framemill, door: FrontDoor, tmp_path: Path, wire: Any
) -> None:
    output = published(door, {"film.mp4": BODY})
    first = iter([6 * MIB])
    wire.cut = lambda request: next(first, 0) if "/files/" in request.url.path and request.method == "GET" else None
    with pytest.raises(FarmError):
        farm.download(output.id, tmp_path / "a.mp4")
    wire.cut = lambda _: None
    (part,) = tmp_path.glob(".a.mp4.*.part")
    part.write_bytes(b"!" + part.read_bytes()[1:])
    with pytest.raises(OutputError, match="fetch it again"):
        farm.download(output.id, tmp_path / "a.mp4")
    assert farm.download(output.id, tmp_path / "a.mp4").read_bytes() == BODY


def test_where_only_so_much_is_sent_at_a_time_it_is_fetched_in_pieces(door: FrontDoor, tmp_path: Path) -> None:
    door.parts = replace(door.parts, files=replace(door.parts.files, body_bytes=3 * MIB))
    output = published(door, {"film.mp4": BODY})
    with served(door) as url, Framemill(url, KEY) as farm:
        assert farm.download(output.id, tmp_path / "a.mp4").read_bytes() == BODY


def test_a_package_becomes_a_folder(farm: Framemill, door: FrontDoor, tmp_path: Path) -> None:
    files = {"master.m3u8": b"#EXTM3U", "720p/0.m4s": BODY[:MIB], "720p/1.m4s": BODY[MIB : 3 * MIB]}
    output = published(door, files, name="film", settings=OutputSettings(container="package"))
    told: list[tuple[int, int | None]] = []
    farm.download(output.id, tmp_path / "film", lambda *now: told.append(now))
    assert {
        path.relative_to(tmp_path / "film").as_posix(): path.read_bytes()
        for path in (tmp_path / "film").rglob("*")
        if path.is_file()
    } == files
    assert told[-1] == (3 * MIB + 7, 3 * MIB + 7)
    assert told == sorted(told)


def test_parts_become_a_folder_and_an_archive_is_one_file(farm: Framemill, door: FrontDoor, tmp_path: Path) -> None:
    parts = published(door, {"0001.mp4": b"1", "0002.mp4": b"2"}, name="film", settings=OutputSettings(cut_count=2))
    farm.download(parts.id, tmp_path / "film")
    assert [path.read_bytes() for path in sorted((tmp_path / "film").iterdir())] == [b"1", b"2"]

    packed = OutputSettings(container="package", archive=True)
    output = published(door, {"output.zip": b"PK"}, name="film.zip", settings=packed)
    assert farm.output(output.id).url is not None
    assert farm.download(output.id, tmp_path) == tmp_path / "film.zip"
    assert (tmp_path / "film.zip").read_bytes() == b"PK"


def test_a_package_puts_nothing_outside_its_folder(farm: Framemill, door: FrontDoor, tmp_path: Path) -> None:
    output = published(door, {"master.m3u8": b"x"}, name="film", settings=OutputSettings(container="package"))
    found = farm.output(output.id)
    evil = found.model_copy(update={"files": (found.files[0].model_copy(update={"path": "../../evil"}),)})
    with pytest.raises(OutputError, match="not fetched"):
        farm.download(evil, tmp_path / "film")


def test_what_is_not_there_cannot_be_fetched(farm: Framemill, door: FrontDoor, tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        farm.download("00000000-0000-7000-8000-000000000000", tmp_path / "a.mp4")
    with pytest.raises(NotFound, match="has no files"):
        farm.download(published(door, {}).id, tmp_path / "a.mp4")


def test_threads_share_a_client(farm: Framemill, door: FrontDoor, tmp_path: Path) -> None:
    output = published(door, {"film.mp4": BODY[:MIB]})
    failed: list[BaseException] = []

    def work(number: int) -> None:
        try:
            (tmp_path / f"{number}.mov").write_bytes(BODY[: number * 1000])
            assert arrived(door, farm.upload(tmp_path / f"{number}.mov").id) == BODY[: number * 1000]
            assert farm.download(output.id, tmp_path / f"{number}.mp4").read_bytes() == BODY[:MIB]
        except BaseException as error:  # noqa: BLE001 - told below
            failed.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(1, 6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
