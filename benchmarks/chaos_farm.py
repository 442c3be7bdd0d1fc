"""The farm that is disturbed, as somebody outside sees it: its processes, its store, its logs, its files."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import psutil
from benchmarks.chaos_proof import Order, by_our_clock
from benchmarks.measuring import run_alone
from sqlalchemy import text

from framemill.client import Framemill
from framemill.config import DataFolder
from framemill.errors import FarmError
from framemill.media import ffmpeg
from framemill.serve.farmfile import FarmFile, read_farm
from framemill.serve.processes import Lookout, marked
from framemill.serve.roles import role_of
from framemill.serve.watch import Seen
from framemill.store.database import Database

SLOTS = 2
CHUNK_FRAMES = 40
_STANDING = frozenset({"worker", "coordinator", "stitcher", "replica", "proxy", "raylet", "gcs_server", "head"})
_START_SECONDS = 180.0
_LOOK_SECONDS = 0.2
_UP = ("-m", "framemill", "up")
_CLOCK_SOURCE = Path(__file__).with_name("chaos_clock.c")


def make_clip(folder: Path, seconds: float, height: int = 480) -> Path:
    """A moving picture in moving noise, with sound; a keyframe where each chunk begins: each is a task of its own."""
    path = folder / "clip.mp4"
    picture = f"testsrc2=size={height * 16 // 9 // 2 * 2}x{height}:rate=24,noise=alls=6:allf=t+u"
    inputs = ["-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", "sine=frequency=330:beep_factor=3:sample_rate=48000"]
    grid = ["-g", str(CHUNK_FRAMES), "-keyint_min", str(CHUNK_FRAMES), "-sc_threshold", "0", "-flags", "+cgop"]
    video = ["-c:v", "libx264", "-preset", "veryfast", "-crf", "18", "-pix_fmt", "yuv420p", *grid]
    sound = ["-c:a", "aac", "-b:a", "128k", "-ac", "2"]
    argv = [ffmpeg.binary(), "-nostdin", "-v", "error", "-y", *inputs, "-t", f"{seconds:g}", *video, *sound, str(path)]
    run_alone(argv)
    return path


def free_port() -> int:
    """One that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    return port


class TestedFarm:
    """One farm on a folder of its own."""

    def __init__(self, root: Path, *, gcs: str, clock: Path | None = None, database: str = "", blobs: str = "") -> None:
        """`clock`: the library of `make_clock`, by which `set_clock` changes what its processes see.

        `database`, `blobs`: URLs, where it is no farm on a folder alone; the environment has what opens the bucket.
        """
        self.folder = DataFolder(root)
        self._database = Database(database or self.folder.database_url)
        self._shift = root / "clock"
        self._variables = {
            "FRAMEMILL_DATA_DIR": str(root),
            "FRAMEMILL_PORT": str(free_port()),
            "FRAMEMILL_SLOTS": str(SLOTS),
            "FRAMEMILL_GCS_STORAGE": gcs,
            "FRAMEMILL_RAY_DASHBOARD_PORT": str(free_port()),  # the usual one may be another farm's
            "FRAMEMILL_MIN_FREE_BYTES": str(16 << 20),
            "FRAMEMILL_MEDIA_ROOTS": "/",
            "FRAMEMILL_CACHE_BYTES": str(64 << 20),
            "FRAMEMILL_LOG_LEVEL": "INFO",
            "FRAMEMILL_LOG_FORMAT": "json",
            **({"FRAMEMILL_DATABASE_URL": database} if database else {}),
            **({"FRAMEMILL_BLOBS_URL": blobs} if blobs else {}),
            **{name: value for name, value in os.environ.items() if blobs and name.startswith("FRAMEMILL_BLOBS_")},
            **({} if clock is None else {"LD_PRELOAD": str(clock), "CHAOS_CLOCK": str(self._shift)}),
        }
        if clock is not None:
            self._shift.write_bytes(bytes(8))
        self._process: subprocess.Popen[bytes] | None = None
        self._lookout: Lookout | None = None
        self._session: int | None = None

    def start(self, patience: float = 1.0) -> None:
        """Start its supervisor, and wait until it is whole, so many times as long as usual. Raises `FarmError`."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("FRAMEMILL_", "RAY_"))}
        with (self.folder.root / "up.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, *_UP], env={**clean, **self._variables}, stdout=log, stderr=log
            )
        self.settle(_START_SECONDS * max(1.0, patience))

    def end(self) -> None:
        """End it, and everything that is left of it."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGCONT)
        self._process.send_signal(signal.SIGUSR1)
        try:
            self._process.wait(40)
        except subprocess.TimeoutExpired:
            farm = self.farm
            self._process.kill()
            self._process.wait()
            for process in [] if farm is None else marked(farm.farm_id):
                with contextlib.suppress(psutil.Error):
                    process.kill()

    @property
    def farm(self) -> FarmFile | None:
        """What stands in farm.json."""
        return read_farm(self.folder)

    @property
    def known(self) -> FarmFile:
        """The same. Raises `FarmError` where there is none."""
        farm = self.farm
        if farm is None:
            raise FarmError("The farm has no farm.json: its supervisor has ended.")
        return farm

    def client(self) -> Framemill:
        """Its client."""
        return Framemill(self.known.url, self.folder.admin_key.read_text().strip(), timeout_seconds=10)

    # Processes

    def look(self) -> tuple[Seen, ...]:
        """Its processes but the supervisor; none while there is no head."""
        farm = self.farm
        if farm is None or farm.session is None:
            return ()
        if farm.session != self._session:
            self._lookout, self._session = Lookout(farm.session, farm.farm_id), farm.session
        assert self._lookout is not None
        return self._lookout.look()

    def head_started(self) -> float:
        """When its head was started, in seconds since the epoch; 0: there is none."""
        farm = self.farm
        return 0.0 if farm is None or farm.head is None else farm.head.started

    def whole(self) -> str:
        """What it lacks; empty: nothing."""
        if self._process is None or self._process.poll() is not None:
            return "its supervisor"
        farm = self.farm
        if farm is None or farm.state != "running":
            return f"running ({'' if farm is None else farm.doing or farm.state})"
        seen = self.look()
        missing = _STANDING - {process.role for process in seen if not process.stopped}
        stopped = [f"{process.role} going on" for process in seen if process.stopped]
        if missing or stopped:
            return ", ".join([*sorted(missing), *stopped])
        try:
            with self.client() as client:
                told = client.farm()
        except FarmError as error:
            return error.message
        extra: Mapping[str, Any] = told.model_extra or {}
        if not told.live or told.paused or told.waiting or extra.get("slots") != SLOTS:
            return f"slots: {told.message or told.waiting or extra}"
        return ""

    def set_clock(self, seconds: float = 0.0) -> None:
        """Have its processes see a wall clock that is so far ahead of ours; what is monotonic stays as it is."""
        with self._shift.open("r+b", buffering=0) as file:  # they all have this very file in their memory
            file.write(struct.pack("=q", round(seconds)))

    def settle(self, seconds: float) -> float:
        """Wait until it is whole; how many seconds that took. Raises `FarmError`."""
        began = time.monotonic()
        while lacks := self.whole():
            if lacks == "its supervisor" or time.monotonic() - began > seconds:
                raise FarmError(f"After {time.monotonic() - began:.0f} s the farm lacks {lacks}.")
            time.sleep(_LOOK_SECONDS)
        return time.monotonic() - began

    def ffmpegs(self) -> set[int]:
        """Every ffmpeg that has its mark, wherever it is."""
        found = set()
        for process in marked(self.known.farm_id):
            with contextlib.suppress(psutil.Error):
                if role_of(process.cmdline()) == "ffmpeg":
                    found.add(process.pid)
        return found

    # Store and logs

    def asked(self, query: str, **values: str) -> list[tuple[Any, ...]]:
        """Rows of the store."""
        with self._database.reading() as conn:
            return [tuple(row) for row in conn.execute(text(query), values)]

    def usurp(self) -> None:
        """Take the epoch, as another coordinator does."""
        with self._database.writing() as conn:
            conn.execute(text("UPDATE farm SET epoch = epoch + 1"))

    def job(self, job_id: str) -> tuple[str, str]:
        """State and message of a job, as the store has them."""
        rows = self.asked("SELECT state, message FROM jobs WHERE id = :id", id=job_id)
        return (rows[0][0], rows[0][1] or "") if rows else ("", "")

    def chunks(self, job_id: str) -> Chunks:
        """The chunks of a job, and which of them are committed."""
        outputs = self.asked("SELECT id, position FROM outputs WHERE job_id = :id", id=job_id)
        positions = {row[0]: row[1] for row in outputs}
        query = "SELECT output_id, rendition, group_number, number, key, state, blob FROM chunks WHERE job_id = :id"
        return chunks_of([(positions[output], *rest) for output, *rest in self.asked(query, id=job_id)])

    def orders(self, job_id: str) -> list[Order]:
        """What the workers' logs say of a job's chunks."""
        first_keys = self.chunks(job_id).first_keys
        found = []
        for path in sorted(self.folder.logs.glob("worker-*.log*")):
            for line in path.read_text(errors="replace").splitlines():
                if f"titles/{job_id}-" in line:
                    with contextlib.suppress(ValueError, KeyError):
                        found += orders_of(json.loads(line), first_keys, time.time())
        return sorted(found, key=lambda order: order.at)

    def last_words(self, since: float, count: int = 40) -> list[str]:
        """The last lines of every log since then, that are warnings or worse, or of the farm's life."""
        told = []
        for path in self.folder.logs.glob("*.log"):
            for line in path.read_text(errors="replace").splitlines()[-200:]:
                with contextlib.suppress(ValueError, KeyError, TypeError):
                    said = json.loads(line)
                    late_enough = by_our_clock(_seconds(said["time"]), time.time()) >= since
                    if late_enough and not str(said.get("action")).startswith("order_"):
                        told.append(f"{said['time']} {path.stem} {said['level']} {said['message']}"[:300])
        return sorted(told)[-count:]

    # Files

    def leftovers(self, job_id: str) -> list[str]:
        """What lies in work/ of a job that has ended."""
        return (
            [path.name for path in self.folder.work.iterdir() if path.name == job_id]
            if self.folder.work.exists()
            else []
        )


def make_clock(folder: Path) -> Path:
    """The library that shows the farm's processes another clock. Raises `FarmError` where nothing can compile it."""
    compiler, library = shutil.which("cc"), folder / "clock.so"
    if compiler is None:
        raise FarmError("Setting the farm's clock takes a C compiler, and there is no `cc` on the PATH.")
    run_alone([compiler, "-shared", "-fPIC", "-O2", "-o", str(library), str(_CLOCK_SOURCE), "-lpthread"])
    return library


class Chunks(NamedTuple):
    """The chunks of a job. What is encoded together is one task, called after the key of its first chunk."""

    first_keys: Mapping[tuple[int, int, int], str]
    """Tasks by output, rendition and group."""
    committed: frozenset[str]
    """Tasks all of whose chunks are."""
    blobs: Mapping[str, str]
    """Tasks by blob, of the chunks that are committed."""


def chunks_of(rows: Iterable[Sequence[Any]]) -> Chunks:
    """From rows of output, rendition, group, number, key, state and blob."""
    groups: dict[tuple[int, int, int], list[tuple[int, str, str, str]]] = defaultdict(list)
    for output, rendition, group, *chunk in rows:
        groups[output, rendition, group].append((chunk[0], chunk[1], chunk[2], chunk[3]))
    first_keys: dict[tuple[int, int, int], str] = {}
    committed: set[str] = set()
    blobs: dict[str, str] = {}
    for place, members in groups.items():
        task = first_keys[place] = min(members)[1]
        if all(state == "committed" for _, _, state, _ in members):
            committed.add(task)
        blobs |= {blob: task for _, _, state, blob in members if state == "committed"}
    return Chunks(first_keys, frozenset(committed), blobs)


def orders_of(said: Mapping[str, Any], first_keys: Mapping[tuple[int, int, int], str], now: float) -> list[Order]:
    """A line of a worker's log, written shortly before `now`, in seconds since the epoch: one for each rendition.

    Raises `KeyError` and `ValueError` for one of another kind.
    """
    if said["action"] not in {"order_begun", "order_done", "order_ended"}:
        raise ValueError(said["action"])
    output = int(said["title_key"].removesuffix(".json").rpartition("-")[2])
    at, failed = by_our_clock(_seconds(said["time"]), now), said.get("reason") is not None
    tasks = [first_keys[output, rendition, said["group"]] for rendition in said["renditions"]]
    return [Order(at, task, said["action"], failed=failed) for task in tasks]


def _seconds(said: str) -> float:
    return datetime.fromisoformat(said).timestamp()


def hashes(folder: Path) -> dict[str, str]:
    """SHA-256 of every file below a folder."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def differing(found: Mapping[str, str], wanted: Mapping[str, str]) -> list[str]:
    """Names of files that are missing, too many, or have other bytes."""
    return sorted(name for name in found.keys() | wanted.keys() if found.get(name) != wanted.get(name))


def only_file(wanted: Mapping[str, str], names: Collection[str]) -> dict[str, str]:
    """The part of a reference that a job has which makes those outputs only."""
    return {name: digest for name, digest in wanted.items() if name.split("/")[0] in names}
