"""`framemill encode` on a farm of another machine, and `framemill webhooks`: against an API on loopback."""

import hashlib
import json
import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from front_door import KEY, FakeFarm, FrontDoor, laid_down, served, wanted
from made_store import made_store
from standardwebhooks import Webhook as Verifier

from framemill.api.native import telling
from framemill.cli.afar import encode_afar, their_path
from framemill.cli.finding import Address
from framemill.cli.main import cli
from framemill.cli.webhooks import listen
from framemill.client import Framemill
from framemill.errors import FarmError, SourceMissing, WrongUse
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
)
from framemill.services.feed import Feed
from framemill.services.jobs import Jobs
from framemill.store.deliveries import save_deliveries
from framemill.store.uploads import load_upload

RESULT = b"the result" * 1000


class Encoding(FakeFarm):
    """Encodes at once: the result is always the same."""

    def __init__(self, door: FrontDoor) -> None:
        super().__init__()
        self._door = door
        self.files = {"": RESULT}
        self.fails = False

    def nudged(self, job_ids: Sequence[str]) -> None:
        for job_id in job_ids:
            shown = Jobs(self._door.database, lambda _: None).shown(job_id)
            if shown.job.state is not JobState.QUEUED:
                continue
            if self.fails:
                self._door.moved(job_id, Started(), Failed(Reason.UNREADABLE_SOURCE, "It is no media file."))
                continue
            (output,) = shown.outputs
            names = {path or output.name: body for path, body in self.files.items()}
            if not output.targets:
                rows = [laid_down(self._door, output, path, body) for path, body in names.items()]
                with self._door.database.writing() as conn:
                    save_deliveries(conn, rows)
            files = [{"path": path, "size": len(body)} for path, body in names.items()]
            told = {"path": output.name, "files": files, "proof": {}}
            report: dict[str, Any] = {"warnings": [], "source": {}, "seconds": {}, "plan": {"chunks": [{}]}}
            report["outputs"] = [told]
            moves = (InputsReady(), Planned(), ChunksCommitted(), Stitched(), Packaged(report), Delivered())
            self._door.moved(job_id, Started(), *moves)


@pytest.fixture
def door(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FrontDoor]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("FRAMEMILL_DATA_DIR", str(tmp_path / "data"))
    database = made_store(tmp_path / "farm.db")
    made = FrontDoor(database, Encoding)
    made.app.state.feed = Feed(database, telling.body, made.farm.progress_of, tick_seconds=0.02)
    yield made
    database.close()


@pytest.fixture
def address(door: FrontDoor) -> Iterator[Address]:
    with served(door) as url:
        yield Address(url, KEY, here=False)


def encode(address: Address, source: str, destination: str, **more: Any) -> int:
    return encode_afar(address, source, destination, None, {}, **{"as_json": False, "detach": False, **more})


def test_sources_that_are_joined_are_all_sent(address: Address, door: FrontDoor, tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / f"{name}.mov").write_bytes(name.encode())
    first, second = str(tmp_path / "a.mov"), str(tmp_path / "b.mov")

    assert encode(address, first, str(tmp_path / "out.mp4"), join=(second,)) == 0

    (shown,) = Jobs(door.database, lambda _: None).listed().jobs
    assert [source.filename for source in shown.inputs] == ["a.mov", "b.mov"]
    with pytest.raises(WrongUse, match="all of this machine"):
        encode(address, first, str(tmp_path / "out.mp4"), join=("file:///films/b.mov",))


def test_the_source_is_sent_and_the_result_fetched(
    address: Address, door: FrontDoor, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "in.mov").write_bytes(b"a film")

    assert encode(address, str(tmp_path / "in.mov"), str(tmp_path / "out.mp4")) == 0

    assert (tmp_path / "out.mp4").read_bytes() == RESULT
    assert str(tmp_path / "out.mp4") in capsys.readouterr().out
    (shown,) = Jobs(door.database, lambda _: None).listed().jobs
    assert (shown.inputs[0].filename, shown.outputs[0].name, shown.outputs[0].targets) == ("in.mov", "out.mp4", ())
    with door.database.reading() as conn:
        upload = load_upload(conn, shown.inputs[0].upload_id or "")
    assert upload is not None
    assert (door.parts.files.blobs.root / (upload.blob or "")).read_bytes() == b"a film"
    assert list((tmp_path / "cache" / "framemill" / "uploads").iterdir()) == []


def test_a_package_comes_with_all_its_files(address: Address, door: FrontDoor, tmp_path: Path) -> None:
    assert isinstance(door.farm, Encoding)
    door.farm.files = {"master.m3u8": b"#EXTM3U", "720p/0.m4s": RESULT}
    (tmp_path / "in.mov").write_bytes(b"a film")
    assert encode(address, str(tmp_path / "in.mov"), str(tmp_path / "film") + "/") == 0
    assert (tmp_path / "film" / "720p" / "0.m4s").read_bytes() == RESULT


def test_paths_of_the_farm_are_written_as_files(address: Address, door: FrontDoor, tmp_path: Path) -> None:
    (tmp_path / "theirs.mov").write_bytes(b"a film")
    assert encode(address, f"file://{tmp_path}/theirs.mov", "file:///out/a.mp4") == 0
    (shown,) = Jobs(door.database, lambda _: None).listed().jobs
    assert (shown.inputs[0].upload_id, shown.outputs[0].targets[0].uri) == (None, "/out/a.mp4")
    assert (their_path("file:///a%20b"), their_path("/a"), their_path("https://x.example/a")) == ("/a b", None, None)


def test_what_was_sent_before_an_interruption_is_not_sent_again(
    address: Address, door: FrontDoor, tmp_path: Path
) -> None:
    source = tmp_path / "in.mov"
    source.write_bytes(b"a film")
    with Framemill(address.url, KEY) as farm:
        begun = farm._line.asked("POST", "/uploads", {"filename": "in.mov", "size": 6, "multipart": True}).json()["id"]
    memory = tmp_path / "cache" / "framemill" / "uploads"
    memory.mkdir(parents=True)
    stat = source.stat()
    named = f"{address.url}\0{source}\0{stat.st_size}\0{stat.st_mtime_ns}"
    (memory / hashlib.sha256(named.encode()).hexdigest()[:32]).write_text(begun)
    assert encode(address, str(source), str(tmp_path / "out.mp4")) == 0
    (shown,) = Jobs(door.database, lambda _: None).listed().jobs
    assert shown.inputs[0].upload_id == begun
    assert list(memory.iterdir()) == []


def test_what_went_wrong_is_told(
    address: Address, door: FrontDoor, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert isinstance(door.farm, Encoding)
    door.farm.fails = True
    (tmp_path / "in.mov").write_bytes(b"a film")
    assert encode(address, str(tmp_path / "in.mov"), str(tmp_path / "out.mp4")) == 1
    assert capsys.readouterr().err == "framemill: It is no media file.\n"
    assert not (tmp_path / "out.mp4").exists()
    with pytest.raises(SourceMissing):
        encode(address, str(tmp_path / "none.mov"), str(tmp_path / "out.mp4"))
    with pytest.raises(FarmError):
        encode(Address("http://127.0.0.1:9", KEY, here=False), str(tmp_path / "in.mov"), str(tmp_path / "out.mp4"))


def test_what_was_only_submitted_is_fetched_later(
    address: Address, door: FrontDoor, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "in.mov").write_bytes(b"a film")
    assert encode(address, str(tmp_path / "in.mov"), str(tmp_path / "out.mp4"), detach=True) == 0
    job_id = capsys.readouterr().out.strip()
    there = ("--server", address.url, "--key", KEY)
    done = CliRunner().invoke(cli, ["jobs", "download", job_id, "-o", str(tmp_path / "later.mp4"), *there])
    assert (done.exit_code, (tmp_path / "later.mp4").read_bytes()) == (0, RESULT), done.output


# Webhooks


def run(address: Address, *words: str) -> str:
    done = CliRunner().invoke(cli, ["webhooks", *words, "--server", address.url, "--key", KEY], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def test_webhooks_are_made_listed_tried_and_removed(address: Address) -> None:
    assert run(address, "list") == "There are no webhooks.\n"
    made = json.loads(run(address, "create", "https://hooks.example/in", "--kind", "*", "--json"))
    assert made["secret"].startswith("whsec_")
    told = run(address, "create", "https://hooks.example/two")
    assert "whsec_" in told
    assert "job.completed" in told
    listed = run(address, "list")
    assert made["id"] in listed
    assert "whsec_" not in listed
    assert "is on its way" in run(address, "test", made["id"])
    assert "webhook.test" in run(address, "deliveries", made["id"])
    assert json.loads(run(address, "deliveries", made["id"], "--json"))["data"][0]["state"] == "waiting"
    assert "removed" in run(address, "remove", made["id"])


def test_what_happens_is_passed_on_signed(address: Address, door: FrontDoor) -> None:
    heard: list[tuple[dict[str, str], bytes]] = []
    two = threading.Event()

    class Hearing(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            heard.append((headers, self.rfile.read(int(headers["content-length"]))))
            self.send_response(200)
            self.end_headers()
            if len(heard) == 2:
                two.set()

        def log_message(self, *_: Any) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Hearing)
    serving = threading.Thread(target=server.serve_forever)
    serving.start()
    secret = "whsec_" + "a" * 32
    farm = Framemill(address.url, KEY, patience_seconds=0)

    def run_it() -> None:
        try:
            listen(farm, f"http://127.0.0.1:{server.server_port}/", secret, as_json=True)
        except Exception:  # noqa: BLE001 - its connections are closed below
            return

    listening = threading.Thread(target=run_it, daemon=True)
    listening.start()
    feed: Feed = door.app.state.feed
    for _ in range(1000):
        if feed._listeners:
            break
        threading.Event().wait(0.01)
    with Framemill(address.url, KEY) as owner:
        job = owner.submit(wanted(start="held"))
        owner.cancel(job.id)
    assert two.wait(20)
    server.shutdown()
    serving.join()
    server.server_close()
    farm.close()
    told = [Verifier(secret).verify(body, headers) for headers, body in heard]
    assert [one["type"] for one in told] == ["job.created", "job.cancelled"]
    assert told[0]["data"]["id"] == job.id
    assert datetime.fromisoformat(told[0]["timestamp"]) <= datetime.now(UTC)
