"""The support bundle: what is in it, whatever is broken, and that no secret is."""

import json
import tarfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from made_store import made_store

from framemill.config import Settings, environment, load_settings
from framemill.errors import OutputError
from framemill.jobs.model import Callback, ChunkRow, Delivery, Input, Job, Output, Target, Waiting, Warned
from framemill.jobs.reasons import Reason
from framemill.jobs.states import JobState
from framemill.services.supporting import LOG_BYTES, PLAN_BYTES, Written, write_bundle
from framemill.store.chunks import replace_chunks
from framemill.store.database import Database
from framemill.store.deliveries import save_deliveries
from framemill.store.events import add_event
from framemill.store.jobs import add_job

NOON = datetime(2030, 5, 17, 12, 0, tzinfo=UTC)
SECRET = "hunter2"  # noqa: S105 – it is in every secret below, and in nothing else


@pytest.fixture(autouse=True)
def _nothing_set() -> Iterator[None]:
    with environment({f"FRAMEMILL_{name.upper()}": "" for name in Settings.model_fields}):
        yield


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


def bundle(data: Path, out: Path, **more: Any) -> tuple[Written, dict[str, bytes]]:
    written = write_bundle(load_settings(data_dir=data), out, ffmpeg_build="9.0.2 (/ffmpeg)", now=NOON, **more)
    with tarfile.open(written.path) as archive:
        held = {name: archive.extractfile(name) for name in archive.getnames()}
        members = {
            name.removeprefix("framemill-support/"): file.read() for name, file in held.items() if file is not None
        }
    assert list(written.members) == list(members)
    return written, members


def read(members: dict[str, bytes], name: str) -> Any:
    return json.loads(members[name])


def store(data: Path, *jobs: Job) -> Database:
    database = made_store(data / "framemill.db")
    with database.writing() as conn:
        for job in jobs:
            add_job(conn, job, [], [])
    return database


def job(number: int, state: JobState = JobState.QUEUED, **more: Any) -> Job:
    return Job(id=f"job-{number:03}", account="a", door="cli", created_at=NOON, state=state, **more)


def a_farm_full_of_secrets(data: Path, temporary: Path) -> None:
    """A secret of its own wherever one may stand."""

    def url(where: str) -> str:
        return (
            f"https://user-{SECRET}-{where}:pass-{SECRET}-{where}@host.example/{where}?X-Amz-Signature={SECRET}-{where}"
        )

    data.mkdir()
    (data / "admin.key").write_text(f"{SECRET}-admin\n")
    (data / "ray.token").write_text(f"{SECRET}-ray")
    (data / "admin.password").write_text(f"{SECRET}-first")
    (data / "framemill.toml").write_text(
        f'admin_key = "{SECRET}-set"\nserver = "{url("server")}"\npublic_url = "{url("public")}"\n'
    )
    farm = {
        "supervisor": {"pid": 1, "started": 0.0}, "session": 1, "url": url("farm"), "token": f"{SECRET}-farm",
        "temp_dir": str(temporary), "gcs_address": "127.0.0.1:6379",
    }  # fmt: skip
    (data / "farm.json").write_text(json.dumps(farm))
    logs = temporary / "session_latest" / "logs"
    logs.mkdir(parents=True)
    (logs / "gcs_server.out").write_text(f"started with RAY_AUTH_TOKEN={SECRET}-env and {SECRET}-ray\n")
    (logs / "odd").symlink_to(data / "admin.key")
    lines = [
        json.dumps({"message": f"cannot read {url('log')}", "key": f'{SECRET}-admin"'}),
        f"plain text with {SECRET}-admin, {SECRET}-first, {SECRET}-set and Authorization: Bearer {SECRET}-header",
        f"+ ffmpeg -decryption_key {SECRET}-option -headers 'X-API-Key: {SECRET}-header' -i {url('command')}",
    ]
    (data / "logs").mkdir()
    (data / "logs" / "worker.log").write_text("\n".join(lines) + "\nthe last line\n")
    (data / "logs" / "worker.log.1").write_text(url("old") + "\n")
    (data / "logs" / "link.log").symlink_to(data / "admin.key")

    made = job(
        1,
        JobState.FAILED,
        callbacks=(Callback(url=url("callback"), sealed_secret=f"{SECRET}-sealed"),),
        metadata={f"{SECRET}-name": f"{SECRET}-value"},
        waiting=Waiting(code="source_away", sentence=f"{url('waiting')} does not answer."),
        warnings=(Warned(about="job", about_id="j", reason=Reason.INTERNAL, message=url("warning")),),
        reason=Reason.SOURCE_DAMAGED,
        message=f"{url('message')} cannot be read.",
        report={"outputs": [{"target": url("report"), "password": f"{SECRET}-report"}]},
    )
    source = Input(
        id="i", job_id=made.id, uri=url("input"), sealed_uri=f"{SECRET}-sealed", filename="film.mp4",
        facts={"format": {"filename": url("facts")}}, metadata={"their": f"{SECRET}-own"}, message=url("input-message"),
    )  # fmt: skip
    output = Output(
        id="o", job_id=made.id, name="a.mp4", targets=(Target(uri=url("target"), sealed_uri=f"{SECRET}-sealed"),),
        password_hashes=(f"{SECRET}-hash",), metadata={"their": f"{SECRET}-own"},
    )  # fmt: skip
    chunk = ChunkRow(
        job_id=made.id, output_id="o", number=0, key="9f86", first_frame=0, end_frame=10, lease_token=f"{SECRET}-lease",
        message=f"ffmpeg -i {url('chunk')}",
    )  # fmt: skip
    database = store(data)
    with database.writing() as conn:
        add_job(conn, made, [source], [output])
        replace_chunks(conn, made.id, 1, [chunk])
        save_deliveries(conn, [Delivery(id="d", job_id=made.id, output_id="o", path="a.mp4", uri=url("delivery"))])
        add_event(conn, made.id, "failed", {"message": url("event"), "token": f"{SECRET}-event"}, NOON)
    database.close()
    title = {"source": {"path": url("plan"), "sha256": "9f86"}, "film": {"plan": {"groups": [[0, 1]]}}}
    (data / "blobs" / "titles").mkdir(parents=True)
    (data / "blobs" / "titles" / f"{made.id}-1-0-0.json").write_text(json.dumps(title))
    (data / "blobs" / "chunks").mkdir()
    (data / "blobs" / "chunks" / "9f86.mp4").write_bytes(b"these are media")


def test_no_secret_and_no_media_are_in_it(data: Path, tmp_path: Path) -> None:
    a_farm_full_of_secrets(data, tmp_path / "ray")
    database_url = f"sqlite:///{data}/framemill.db?password={SECRET}-database"
    with environment({"FRAMEMILL_DATABASE_URL": database_url, "FRAMEMILL_ADMIN_KEY": f"{SECRET}-environment"}):
        written, members = bundle(data, tmp_path)

    assert {name: data for name, data in members.items() if SECRET.encode() in data or b"are media" in data} == {}
    assert SECRET not in " ".join([*written.missing, *written.missing.values(), *written.members])
    assert set(members) == {
        *("versions.json", "settings.json", "machine.json", "farm.json", "processes.json", "ray/gcs_server.out"),
        *("logs/worker.log", "logs/worker.log.1", "store.json", "jobs.json", "manifest.json"),
        *(f"jobs/job-001/{name}.json" for name in ("job", "inputs", "outputs", "deliveries", "events", "chunks")),
        "jobs/job-001/plan-job-001-1-0-0.json",
    }


def test_it_says_what_there_is(data: Path, tmp_path: Path) -> None:
    a_farm_full_of_secrets(data, tmp_path / "ray")
    written, members = bundle(data, tmp_path)

    assert written.path == tmp_path / "framemill-support-20300517T120000Z.tar.gz"
    assert written.path.stat().st_mode & 0o777 == 0o600
    assert written.size == written.path.stat().st_size
    assert written.missing == {}
    versions = read(members, "versions.json")
    assert versions["ffmpeg"] == "9.0.2 (/ffmpeg)"
    assert {"framemill", "python", "system", "sqlite", "ray", "sqlalchemy"} <= set(versions)
    settings = {one["name"]: (one["value"], one["from"]) for one in read(members, "settings.json")}
    assert settings["admin_key"] == ("***", str(data / "framemill.toml"))
    assert settings["port"] == (8000, "default")
    assert read(members, "machine.json")["disk"]["free"] > 0
    assert read(members, "farm.json")["gcs_address"] == "127.0.0.1:6379"
    assert b"the last line\n" in members["logs/worker.log"]
    assert read(members, "store.json")["jobs"] == [{"state": "failed", "jobs": 1}]
    assert [(row["id"], row["reason"]) for row in read(members, "jobs.json")] == [("job-001", "source_damaged")]
    assert read(members, "jobs/job-001/inputs.json")[0]["uri"] == ("https://***@host.example/input?X-Amz-Signature=***")
    assert [event["kind"] for event in read(members, "jobs/job-001/events.json")] == ["failed", "created"]
    assert read(members, "jobs/job-001/chunks.json")[0]["key"] == "9f86"
    assert read(members, "jobs/job-001/plan-job-001-1-0-0.json")["film"] == {"plan": {"groups": [[0, 1]]}}


def test_no_farm_and_no_database_is_no_reason(data: Path, tmp_path: Path) -> None:
    written, members = bundle(data, tmp_path)

    assert set(members) == {"versions.json", "settings.json", "machine.json", "manifest.json"}
    assert set(written.missing) == {"farm.json", "logs", "store"}
    assert read(members, "manifest.json")["missing"] == dict(written.missing)
    assert not data.exists()


def test_what_is_broken_is_named_and_the_rest_is_there(data: Path, tmp_path: Path) -> None:
    a_farm_full_of_secrets(data, tmp_path / "ray")
    (data / "farm.json").write_text('{"half a')
    (data / "logs" / "odd.log").mkdir()
    (data / "blobs" / "titles" / "job-001-1-1-0.json").write_bytes(b"\xff")
    written, members = bundle(data, tmp_path)

    assert set(written.missing) == {"farm", "jobs/job-001/plan-job-001-1-1-0.json"}
    assert written.missing["farm"].startswith("JSONDecodeError: ")
    assert {"logs/worker.log", "jobs/job-001/chunks.json", "manifest.json"} <= set(members)


def test_a_store_that_is_none_is_named(data: Path, tmp_path: Path) -> None:
    data.mkdir()
    (data / "framemill.db").write_bytes(b"no database at all, only some text" * 100)
    written, _members = bundle(data, tmp_path)

    assert "file is not a database" in written.missing["store"]


def test_the_newest_jobs_and_the_last_failed_ones(data: Path, tmp_path: Path) -> None:
    store(data, *(job(n, JobState.FAILED if n % 10 == 5 else JobState.QUEUED) for n in range(70))).close()
    _written, members = bundle(data, tmp_path)

    assert [row["id"] for row in read(members, "jobs.json")] == [f"job-{n:03}" for n in range(69, 19, -1)]
    told = sorted({name.split("/")[1] for name in members if name.startswith("jobs/")})
    assert told == ["job-045", "job-055", "job-065"]


def test_a_named_job_is_told_in_full(data: Path, tmp_path: Path) -> None:
    store(data, job(1), job(2, JobState.FAILED)).close()
    _written, members = bundle(data, tmp_path, job_id="job-001")

    assert {name.split("/")[1] for name in members if name.startswith("jobs/")} == {"job-001"}
    assert read(members, "manifest.json")["job"] == "job-001"


@pytest.mark.parametrize("job_id", ["job-404", "../../etc/passwd", "*"])
def test_a_job_that_is_not_there_is_named(data: Path, tmp_path: Path, job_id: str) -> None:
    store(data, job(1)).close()
    written, members = bundle(data, tmp_path, job_id=job_id)

    assert [name for name in members if name.startswith("jobs/")] == []
    assert list(written.missing.values())[-1] == "the store has no such job"


def test_the_end_of_a_long_log_begins_with_a_whole_line(data: Path, tmp_path: Path) -> None:
    line = f"password=12345 {'x' * 84}\n"
    (data / "logs").mkdir(parents=True)
    (data / "logs" / "worker.log").write_text(line * (LOG_BYTES // 50) + "the last\n")
    _written, members = bundle(data, tmp_path)
    *lines, last = members["logs/worker.log"].decode().splitlines()

    assert (set(lines), last) == ({line.replace("12345", "***").strip()}, "the last")
    assert len(lines) == (LOG_BYTES - len("the last\n")) // len(line)


def test_a_large_plan_is_left_out(data: Path, tmp_path: Path) -> None:
    a_farm_full_of_secrets(data, tmp_path / "ray")
    with (data / "blobs" / "titles" / "job-001-1-0-0.json").open("r+b") as file:
        file.truncate(PLAN_BYTES + 1)
    written, members = bundle(data, tmp_path)

    assert "jobs/job-001/plan-job-001-1-0-0.json" not in members
    assert written.missing["jobs/job-001/plan-job-001-1-0-0.json"].startswith("it is large: ")


def test_nothing_but_the_bundle_is_written(data: Path, tmp_path: Path) -> None:
    a_farm_full_of_secrets(data, tmp_path / "ray")
    (tmp_path / "out").mkdir()

    def everything() -> dict[Path, int]:
        return {path: path.lstat().st_mtime_ns for path in tmp_path.rglob("*") if path != tmp_path / "out"}

    before = everything()
    written, _members = bundle(data, tmp_path / "out" / "mine.tgz")
    after = everything()

    assert set(after) - set(before) == {written.path} == {tmp_path / "out" / "mine.tgz"}
    assert {path for path in before if before[path] != after[path] and path.is_file()} == set()


def test_a_destination_that_cannot_be_written_to_is_told(data: Path, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"cannot be written to .*none/a\.tar\.gz: No such file"):
        bundle(data, tmp_path / "none" / "a.tar.gz")


def test_a_bundle_takes_the_place_of_the_last_one(data: Path, tmp_path: Path) -> None:
    (tmp_path / "a.tar.gz").write_bytes(b"the last one")
    written, members = bundle(data, tmp_path / "a.tar.gz")

    assert "manifest.json" in members
    assert [path.name for path in tmp_path.iterdir()] == [written.path.name]
