"""The commands that ask a running farm, against an API on loopback: words, tables, JSON and exit codes."""

import functools
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import pytest
from front_door import KEY, FakeFarm, FrontDoor, served, wanted
from made_store import made_store

from framemill.api.native.mapping import job_request
from framemill.api.native.schemas import NewJob
from framemill.cli import main
from framemill.cli.finding import Address, find_farm
from framemill.cli.onfarm import new_job
from framemill.client import Framemill
from framemill.errors import WrongUse
from framemill.jobs.model import Job
from framemill.jobs.presets import PRESETS
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
from framemill.serve.ports import Ports
from framemill.services.jobs import Jobs
from framemill.services.requests import encode_request
from framemill.store.jobs import add_job

REPORT: dict[str, Any] = {
    "warnings": [],
    "source": {},
    "seconds": {"encoding": 1.5},
    "plan": {"chunks": [{}, {}]},
    "outputs": [
        {
            "path": "/out/a.mp4",
            "files": [{"size": 2000}],
            "proof": {"frames": 48, "frames_planned": 48, "audio_packets": 9},
        }
    ],
}


class WorkingFarm(FakeFarm):
    """Does the jobs it is nudged for: each look at one takes it a step on."""

    def __init__(self, door: FrontDoor) -> None:
        super().__init__()
        self._door = door
        self.looks = 0
        self.on_look: Callable[[int], None] = lambda look: None
        self.last_look = 3  # at which the job is done
        self.end: tuple[Any, ...] = (ChunksCommitted(), Stitched(), Packaged(REPORT), Delivered())

    def nudged(self, job_ids: Sequence[str]) -> None:
        for job_id in job_ids:
            state = Jobs(self._door.database, lambda _: None).shown(job_id).job.state
            if state is JobState.QUEUED:
                self._door.moved(job_id, Started(), InputsReady(), Planned())

    async def progress(self, job_id: str) -> dict[str, Any]:
        self.looks += 1
        self.on_look(self.looks)
        state = Jobs(self._door.database, lambda _: None).shown(job_id).job.state
        if state is JobState.CANCELLING:
            self._door.moved(job_id, WorkStopped())
        elif self.looks >= self.last_look:
            self._door.moved(job_id, *self.end)
        return {"frames": 10 * self.looks, "frames_planned": 48}

    async def progress_of(self, job_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
        return {job_id: await self.progress(job_id) for job_id in job_ids}


class Shell:
    """Runs the command as a shell would, and keeps what it says."""

    def __init__(self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self._capsys = capsys
        self._monkeypatch = monkeypatch

    def __call__(self, *words: str) -> tuple[int, str, str]:
        """The exit code, stdout and stderr."""
        self._monkeypatch.setattr(sys, "argv", ["framemill", *words])
        self._capsys.readouterr()
        try:
            main.run()
            code = 0
        except SystemExit as leave:
            code = int(leave.code or 0)
        out, err = self._capsys.readouterr()
        return code, out, err


@pytest.fixture
def shell(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Shell:
    """Its data folder is empty, and nothing is set."""
    for name in [name for name in os.environ if name.startswith("FRAMEMILL_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("FRAMEMILL_DATA_DIR", str(tmp_path / "data"))
    return Shell(capsys, monkeypatch)


@pytest.fixture
def door(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[FrontDoor]:
    """The farm behind it does what it is asked, where a test takes `working`."""
    database = made_store(tmp_path / "farm.db")
    yield FrontDoor(database, WorkingFarm if "working" in request.fixturenames else None)
    database.close()


@pytest.fixture
def working(door: FrontDoor) -> WorkingFarm:
    assert isinstance(door.farm, WorkingFarm)
    return door.farm


@pytest.fixture
def url(door: FrontDoor) -> Iterator[str]:
    with served(door) as url:
        yield url


@pytest.fixture
def farm(url: str) -> Iterator[Framemill]:
    with Framemill(url, KEY) as client:
        yield client


@pytest.fixture
def here(url: str, shell: Shell, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """A shell that knows the farm."""
    monkeypatch.setenv("FRAMEMILL_SERVER", url)
    monkeypatch.setenv("FRAMEMILL_ADMIN_KEY", KEY)
    return shell


def farm_json(folder: Path, url: str, **changes: Any) -> None:
    """What a supervisor writes; this very process is its supervisor."""
    me = {"pid": os.getpid(), "started": psutil.Process().create_time()}
    ports = dict.fromkeys(Ports.model_fields, 1)
    told = {
        **{"farm_id": "f", "version": "0", "state": "running", "supervisor": me, "session": 1, "host": "127.0.0.1"},
        **{"port": 1, "url": url, "gcs_address": "127.0.0.1:1", "ports": ports, "temp_dir": str(folder)},
        **{"boot_id": "b", "log_dir": str(folder), **changes},
    }
    folder.mkdir(exist_ok=True)
    (folder / "farm.json").write_text(json.dumps(told))
    (folder / "admin.key").write_text(KEY + "\n")


# Which farm


def test_the_farm_is_named_or_runs_in_the_data_folder(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "data"
    assert find_farm() is None
    farm_json(folder, "http://127.0.0.1:7")
    assert find_farm() == Address("http://127.0.0.1:7", KEY)
    assert find_farm(data_dir=str(tmp_path / "other")) is None
    assert find_farm(key="another key") == Address("http://127.0.0.1:7", "another key")
    assert find_farm("http://localhost:9/") == Address("http://localhost:9", KEY)
    farm_json(folder, "http://127.0.0.1:7", state="starting")
    assert find_farm() == Address("http://127.0.0.1:7", KEY, starting=True)
    monkeypatch.setenv("FRAMEMILL_SERVER", "http://127.0.0.1:8")
    assert find_farm() == Address("http://127.0.0.1:8", KEY)


def test_another_machine_is_never_sent_this_ones_key(shell: Shell, tmp_path: Path) -> None:
    farm_json(tmp_path / "data", "http://127.0.0.1:7")
    assert find_farm("https://farm.example") == Address("https://farm.example", None, here=False)
    assert find_farm("https://farm.example", "their own key") == Address(
        "https://farm.example", "their own key", here=False
    )


def test_a_farm_that_is_gone_or_going_is_none(shell: Shell, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    for gone in (
        {"state": "stopping"},
        {"supervisor": {"pid": os.getpid(), "started": 1.0}},
        {"supervisor": {"pid": 2**22 + 1, "started": 1.0}},
    ):
        farm_json(folder, "http://127.0.0.1:7", **gone)
        assert find_farm() is None
    (folder / "farm.json").write_text("{")
    assert find_farm() is None


def test_what_nobody_needs_is_thrown_away_without_a_farm_too(shell: Shell, tmp_path: Path) -> None:
    code, _, err = shell("gc")
    assert (code, err) == (1, f"framemill: No farm has left anything in {tmp_path / 'data'}.\n")


def test_where_no_farm_runs_it_is_said(shell: Shell, tmp_path: Path) -> None:
    for words in (["jobs", "list"], ["jobs", "show", "019aaaaa"], ["why", "019aaaaa"], ["pause"], ["resume"]):
        code, out, err = shell(*words)
        assert (code, out) == (1, "")
        told = f"No farm runs in {tmp_path / 'data'}. Start one with `framemill up`, or name one with --server."
        assert err == f"framemill: {told}\n"
    code, _, err = shell("encode", "https://x.example/in.mp4", "-o", "/out/a.mp4", "--detach")
    assert (code, "framemill up" in err) == (1, True)


def test_a_farm_of_its_own_and_one_that_runs_exclude_each_other(shell: Shell) -> None:
    for words in (["--local", "--detach"], ["--slots", "2", "--server", "http://127.0.0.1:7"]):
        code, _, err = shell("encode", "in.mp4", "-o", "a.mp4", *words)
        assert (code, "for a farm of its own" in err) == (2, True)


def test_a_wrong_key_is_told(here: Shell) -> None:
    code, out, err = here("jobs", "list", "--key", "not the key")
    assert (code, out) == (2, "")
    assert err.startswith("framemill: The farm does not take this key")


# Jobs


def test_jobs_are_listed_for_people_and_for_programs(here: Shell, farm: Framemill, door: FrontDoor) -> None:
    assert here("jobs", "list") == (0, "There are no jobs.\n", "")
    first = farm.submit(wanted("https://x.example/films/one%20[b].mov", metadata={"k": 1}))
    second = farm.submit(wanted(start="held"))
    door.moved(first.id, Started(), Failed(Reason.SOURCE_UNREACHABLE, "It is silent."))

    code, out, _ = here("jobs", "list")
    assert code == 0
    head, newest, oldest = out.splitlines()
    assert head.split() == ["job", "state", "done", "made", "source", "why"]
    assert newest.split()[:2] == [second.id, "held"]
    assert oldest.split()[:2] == [first.id, "failed"]
    assert "one [b].mov" in oldest
    assert "It is silent." in oldest
    code, out, err = here("jobs", "list", "--json", "--limit", "1", "--state", "failed", "--state", "completed")
    assert (code, err) == (0, "")
    assert [job["id"] for job in json.loads(out)["data"]] == [first.id]
    code, out, err = here("jobs", "list", "--limit", "1")
    assert (len(out.splitlines()), err) == (2, "There are more: --limit 2.\n")
    assert here("jobs", "list", "--state", "completed")[1] == "There are no jobs that are completed.\n"
    assert here("jobs", "list", "--state", "done")[0] == 2


def test_more_jobs_than_a_page_are_listed(here: Shell, door: FrontDoor) -> None:
    ids = [f"019aaaaa-0000-7000-8000-{number:012}" for number in range(103)]
    with door.database.writing() as conn:
        for job_id in ids:
            add_job(conn, Job(id=job_id, account="a", door="native", created_at=datetime.now(UTC)), [], [])

    _, out, _ = here("jobs", "list", "--json", "--limit", "102")

    assert [job["id"] for job in json.loads(out)["data"]] == ids[:0:-1]


def test_a_job_is_shown(here: Shell, farm: Framemill, door: FrontDoor) -> None:
    job = farm.submit(wanted(priority=3, deadline="2031-01-01T00:00:00Z"))
    door.moved(job.id, Started(), InputsReady(), Planned())
    door.farm.progress_told = {"frames": 12, "frames_planned": 48}

    code, out, _ = here("jobs", "show", job.id[:-2])

    shown = {line.split()[0]: line.split(maxsplit=1)[1].strip() for line in out.splitlines()}
    assert code == 0
    assert shown["job"] == job.id
    assert shown["state"].startswith("encoding, since 20")
    assert shown["frames"] == "12 of 48 (25%)"
    assert shown["source"] == "https://example.org/in.mov  (waiting)"
    assert shown["output"] == "/out/a.mp4  (preset h264)"
    assert shown["priority"] == "3"
    assert shown["took"].startswith("queued ")
    code, out, err = here("jobs", "show", job.id, "--json")
    assert (code, err, json.loads(out)["outputs"][0]["files"]) == (0, "", [])


def test_jobs_are_moved_and_explained(here: Shell, farm: Framemill) -> None:
    job_id = farm.submit(wanted(start="held")).id

    assert here("why", job_id)[1].splitlines()[:2] == [
        f"Job {job_id} is held.",
        "It is held until its owner starts it (0 of 1 input here). (held)",
    ]
    assert here("jobs", "start", job_id) == (0, f"Job {job_id} is queued.\n", "")
    assert here("jobs", "cancel", job_id) == (0, f"Job {job_id} is cancelled.\n", "")
    assert here("jobs", "retry", job_id) == (0, f"Job {job_id} is queued (attempt 2).\n", "")
    code, out, _ = here("jobs", "why", job_id, "--json")
    assert (code, json.loads(out)["state"]) == (0, "queued")
    code, out, _ = here("jobs", "cancel", job_id, "--json")
    assert json.loads(out)["state"] == "cancelled"
    code, out, err = here("jobs", "start", job_id)
    assert (code, out) == (2, "")
    assert err == f"framemill: Job {job_id} is cancelled: only a job that is held is started.\n"
    assert here("jobs", "show", "019")[0] == 2
    assert here("why", "00000000-0000-7000-8000-000000000000")[0] == 2


def test_why_a_job_failed(here: Shell, farm: Framemill, door: FrontDoor) -> None:
    job_id = farm.submit(wanted()).id
    door.moved(job_id, Started(), Failed(Reason.DISK_FULL, "No room."))
    _, out, _ = here("why", job_id)
    assert out.splitlines() == [
        f"Job {job_id} is failed.",
        "No room. (disk_full)",
        f"→ Try it again: framemill jobs retry {job_id}",
    ]


def test_the_farm_is_paused_resumed_and_cleaned(here: Shell, door: FrontDoor) -> None:
    assert here("pause")[1].startswith("The farm is paused: what runs goes on")
    assert json.loads(here("pause", "--json")[1])["paused"] is True
    assert here("resume") == (0, "The farm goes on.\n", "")
    assert here("gc", "--dry-run")[1] == "bytes: 12 bytes\ndry run: yes\n"
    assert json.loads(here("gc", "--json")[1]) == {"bytes": 12, "dry_run": False}
    door.farm.silent = True
    code, _, err = here("pause")
    assert (code, "The coordinator is away." in err) == (0, True)


# Encoding on the farm


@pytest.fixture
def film(tmp_path: Path) -> Path:
    path = tmp_path / "film.mov"
    path.write_bytes(b"film")
    return path


@pytest.mark.usefixtures("working")
def test_a_job_runs_on_the_farm_as_it_would_here(
    here: Shell, farm: Framemill, film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["film.mov", "-o", "a.mkv", "--preset", "h265", "--set", "chunks=2", "--", "-crf", "20"]

    code, out, err = here("encode", *words)

    assert (code, err) == (0, "")
    path, proof = out.splitlines()
    assert path.startswith("/out/a.mp4  (2.0 kB, ")
    assert proof == "Verified: 48 frames in 2 chunks, each at its own time; sound whole."
    (job,) = farm.list().data
    assert (job.inputs[0].uri, job.outputs[0].target) == (str(film), str(tmp_path / "a.mkv"))
    assert (job.outputs[0].preset, job.outputs[0].settings["crf"], job.run["chunks"]) == ("h265", 20, 2)
    assert job.outputs[0].settings["container"] == "mkv"


@pytest.mark.usefixtures("working")
def test_the_report_is_the_same_too(here: Shell, film: Path) -> None:
    code, out, err = here("encode", str(film), "-o", "/out/a.mp4", "--json")

    assert (code, err) == (0, "")
    told = json.loads(out)
    assert told.pop("seconds").keys() == {"encoding", "total"}
    assert told == {
        **{"state": "completed", "reason": None, "message": None},
        **{name: value for name, value in REPORT.items() if name != "seconds"},
    }


def test_a_job_that_fails_there_fails_here(working: WorkingFarm, here: Shell, film: Path) -> None:
    working.end = (Failed(Reason.UNREADABLE_SOURCE, "It is no media file."),)
    assert here("encode", str(film), "-o", "/out/a.mp4") == (1, "", "framemill: It is no media file.\n")


def test_a_job_may_be_left_to_the_farm(working: WorkingFarm, here: Shell, farm: Framemill, film: Path) -> None:
    code, out, err = here("encode", str(film), "-o", "/out/folder/", "--detach")
    assert (code, err, working.looks) == (0, "", 0)
    job = farm.get(out.strip())
    assert (job.outputs[0].target, job.outputs[0].preset) == ("/out/folder", "hls")
    code, out, _ = here("encode", str(film), "-o", "/out/b.mp4", "--detach", "--json")
    assert json.loads(out)["outputs"][0]["target"] == "/out/b.mp4"


def test_an_interrupted_command_cancels_its_job_and_waits_for_that(
    working: WorkingFarm, here: Shell, farm: Framemill, film: Path
) -> None:
    working.on_look = lambda look: os.kill(os.getpid(), signal.SIGINT) if look == 2 else None
    working.last_look = 1000  # others look, too, and may be quicker than the signal

    code, out, err = here("encode", str(film), "-o", "/out/a.mp4")

    assert (code, out, err.strip()) == (130, "", "Interrupted.")
    assert [job.state for job in farm.list().data] == ["cancelled"]


def test_what_is_wrong_is_told_before_a_job_is_made(here: Shell, farm: Framemill, tmp_path: Path) -> None:
    assert here("encode", str(tmp_path / "none.mov"), "-o", "/out/a.mp4")[0] == 1
    assert here("encode", "https://x.example/a.mov", "-o", "/out/a.mp4", "--set", "crff=1")[0] == 2
    assert here("encode", "https://x.example/a.mov", "-o", "/out/\udcff.mp4")[0] == 2
    assert farm.list().data == ()


def test_paths_elsewhere_are_not_looked_at_here() -> None:
    theirs = functools.partial(encode_request, source_here=False, destination_here=False)
    request = theirs("/theirs/in.mov", "/theirs/out.mp4")
    assert (request.source, request.destination) == ("/theirs/in.mov", "/theirs/out.mp4")
    for source, destination in (("in.mov", "/out.mp4"), ("/in.mov", "out.mp4")):
        with pytest.raises(WrongUse, match="write it from the root"):
            theirs(source, destination)
    assert theirs("https://x.example/a", "/out.mp4").source == "https://x.example/a"


@pytest.mark.parametrize("preset", PRESETS)
def test_the_farm_understands_a_preset_as_it_was_meant(preset: str, door: FrontDoor) -> None:
    destination = {"hls": "/out/folder.mp4/", "vp9": "/out/a.webm"}.get(preset, "/out/a.mp4")
    request = encode_request("https://x.example/a.mov", destination, preset, {"crf": "30"} if preset == "av1" else {})
    made = Jobs(door.database, lambda _: None).submit(job_request(NewJob.model_validate(new_job(request))))

    (output,) = Jobs(door.database, lambda _: None).shown(made.id).outputs
    assert (output.settings, output.preset, output.targets[0].uri) == (request.output, preset, request.destination)
    assert made.run == request.run
