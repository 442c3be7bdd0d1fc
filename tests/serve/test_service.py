"""A farm that stays, used as its users do: by `framemill up`, the command line, and the API's client."""

import contextlib
import hashlib
import json
import os
import signal
import sqlite3
import tarfile
import time
from pathlib import Path
from typing import Any

import clips
import psutil
import pytest
from service_farm import Service, last_seen, until

from framemill.config import DataFolder

pytestmark = [pytest.mark.farm, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Long enough to be caught in the middle."""
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    noise = "testsrc2=size=640x360:rate=25:duration=30,noise=alls=20:allf=t"
    clips.ffmpeg("-f", "lavfi", "-i", noise, "-f", "lavfi", "-i", "sine=duration=30", "-c:v", "libx264",
                 "-preset", "ultrafast", "-c:a", "aac", str(path))  # fmt: skip
    return path


def job_of(film: Path, target: Path, **more: Any) -> dict[str, Any]:
    settings = {"encoder_preset": "medium", "crf": 28, **more.pop("settings", {})}
    run = {"chunk_frames": 60, **more.pop("run", {})}
    return {
        "inputs": [{"uri": str(film)}],
        "outputs": [{"target": str(target), "settings": settings}],
        "run": run,
        **more,
    }


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def committed(service: Service, job_id: str) -> dict[str, str]:
    """Chunks that are committed, and when they were."""
    with contextlib.closing(sqlite3.connect(f"file:{DataFolder(service.folder).database}?mode=ro", uri=True)) as conn:
        query = "SELECT key, committed_at FROM chunks WHERE job_id = ? AND state = 'committed'"
        return dict(conn.execute(query, (job_id,)).fetchall())


def test_encode_uses_the_farm_that_runs(service: Service, film: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.mp4"
    ran = service.run("encode", str(film), "-o", str(target), "--set", "encoder_preset=ultrafast", "--json")
    report = json.loads(ran.stdout)

    assert report["state"] == "completed"
    assert report["outputs"][0]["files"][0]["sha256"] == sha256(target)
    listed = json.loads(service.run("jobs", "list", "--json").stdout)
    assert report["job"]["id"] in [job["id"] for job in listed["data"]]
    assert not list((service.folder / "work").iterdir())


def test_a_cancelled_job_leaves_nothing_and_comes_back_under_its_id(
    service: Service, film: Path, tmp_path: Path
) -> None:
    target = tmp_path / "out.mp4"
    client = service.client
    job = client.submit(job_of(film, target, run={"reuse": "off"}))
    until(lambda: len(service.encoders) > 0, "the first encode")
    client.cancel(job.id)
    cancelled = time.monotonic()
    assert last_seen(lambda: service.encoders, "an encode") < cancelled + 2
    ended = client.wait(job.id)

    assert ended.state == "cancelled"
    told = {event.kind: event.at for event in client.events(job.id)}  # how long we took to ask is no matter
    assert (told["cancelled"] - told["cancelling"]).total_seconds() < 5
    assert not target.exists()
    assert not list((service.folder / "work").iterdir())
    again = client.retry(job.id)
    assert (again.id, again.attempt) == (job.id, 2)
    assert client.wait(job.id).state == "completed"
    assert target.exists()


def test_a_held_job_is_fetched_edited_and_started(service: Service, film: Path, tmp_path: Path) -> None:
    client = service.client
    job = client.submit(job_of(film, tmp_path / "a.mp4", start="held", settings={"encoder_preset": "ultrafast"}))
    until(lambda: client.inputs(job.id).data[0].state == "ready", "the reading of the source")

    assert client.why(job.id).waiting is not None
    client.edit(job.id, {"priority": 7, "metadata": {"for": "me"}})
    client.start(job.id)
    ended = client.wait(job.id)
    assert (ended.state, ended.priority, ended.metadata) == ("completed", 7, {"for": "me"})


def test_a_paused_farm_begins_nothing_and_says_so(service: Service, film: Path, tmp_path: Path) -> None:
    client = service.client
    service.run("pause")
    job = client.submit(job_of(film, tmp_path / "p.mp4", settings={"encoder_preset": "ultrafast", "crf": 33}))
    why = json.loads(service.run("why", job.id, "--json").stdout)

    assert why["waiting"]["code"] == "paused"
    assert "resume" in why["next"]
    assert client.get(job.id).state == "queued"
    service.run("resume")
    assert client.wait(job.id).state == "completed"


def test_an_equal_job_takes_the_chunks_that_are_there(service: Service, film: Path, tmp_path: Path) -> None:
    client = service.client
    first, second = (
        client.wait(
            client.submit(job_of(film, tmp_path / name, settings={"encoder_preset": "ultrafast", "crf": 35})).id
        )
        for name in ("1.mp4", "2.mp4")
    )
    assert first.state == second.state == "completed"
    assert sha256(tmp_path / "1.mp4") == sha256(tmp_path / "2.mp4")
    assert "encode" not in client.report(second.id)["stages"]


def test_a_chunk_whose_bytes_have_changed_is_encoded_again(service: Service, film: Path, tmp_path: Path) -> None:
    client = service.client
    wanted = {"settings": {"encoder_preset": "ultrafast", "crf": 36}}
    first = client.wait(client.submit(job_of(film, tmp_path / "1.mp4", **wanted)).id)
    key = min(committed(service, first.id))
    blob = service.folder / "blobs" / "chunks" / f"{key}.mp4"
    data = bytearray(blob.read_bytes())
    data[len(data) // 2] ^= 1
    blob.write_bytes(data)
    second = client.wait(client.submit(job_of(film, tmp_path / "2.mp4", **wanted)).id)

    assert second.state == "completed"
    assert sha256(tmp_path / "1.mp4") == sha256(tmp_path / "2.mp4")


def test_an_input_that_is_not_there_any_more_fails_the_job_with_a_reason(
    service: Service, film: Path, tmp_path: Path
) -> None:
    gone = tmp_path / "gone.mp4"
    gone.write_bytes(film.read_bytes())
    client = service.client
    job = client.submit(job_of(gone, tmp_path / "out.mp4", start="held", settings={"crf": 37}))
    until(lambda: client.inputs(job.id).data[0].state == "ready", "the reading of the source")
    gone.unlink()
    client.start(job.id)
    ended = client.wait(job.id)

    assert (ended.state, ended.reason) == ("failed", "source_missing")
    assert "bring it back" in (ended.message or "").lower()


def test_what_nobody_needs_is_counted_and_thrown_away(service: Service) -> None:
    told = json.loads(service.run("gc", "--dry-run", "--json").stdout)
    assert told["dry_run"] is True
    assert told["kept_files"] > 0


def test_jobs_go_on_after_down_and_up(service: Service, film: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.mp4"
    job = service.client.submit(job_of(film, target, settings={"crf": 26}))
    until(lambda: len(committed(service, job.id)) >= 2, "two commits")
    service.down()
    before = committed(service, job.id)
    assert not DataFolder(service.folder).farm_file.exists()
    service.up()
    ended = service.client.wait(job.id)

    assert ended.state == "completed"
    assert before.items() <= committed(service, job.id).items()


def test_jobs_go_on_after_everything_was_killed(service: Service, film: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.mp4"
    job = service.client.submit(job_of(film, target, settings={"crf": 25}))
    until(lambda: len(committed(service, job.id)) >= 2, "two commits")
    processes = [psutil.Process(service.facts["supervisor"]["pid"]), *service.processes]
    before = committed(service, job.id)
    for process in processes:
        try:
            os.kill(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    service.up()
    ended = service.client.wait(job.id)

    assert ended.state == "completed"
    assert before.items() <= committed(service, job.id).items()
    until(lambda: not service.encoders, "the end of all encodes", 10)


def test_the_support_bundle_holds_no_key(service: Service, tmp_path: Path) -> None:
    path = tmp_path / "bundle.tar.gz"
    service.run("support-bundle", "-o", str(path))
    key = DataFolder(service.folder).admin_key.read_bytes().strip()
    with tarfile.open(path) as bundle:
        for member in bundle.getmembers():
            file = bundle.extractfile(member)
            assert file is None or key not in file.read()
