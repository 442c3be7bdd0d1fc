"""How fast bytes come in and go out, and what memory that takes: single PUTs, parts, ten downloads at once.

Each upload runs beside one into a bare uvicorn that does the same work (write, SHA-256, fsync), turn by turn; the ratio
counts, since the machine is the same. Memory is the PSS of all of the farm's processes, at its peak over before.

    uv run python benchmarks/bytes.py --sizes 2 4 --get-gb 1 --runs 3
    uv run python benchmarks/bytes.py --sizes 0.25 --get-gb 0.1 --gets 4 --data-dir DIR    (a farm that runs there)

What it writes is removed when it ends. Wanted: growth under 200 MB, 500 MB/s, 0.6 of the bare server.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import http.client
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import psutil
from benchmarks.chaos_farm import TestedFarm, free_port
from benchmarks.measuring import ratios, spread
from rich.console import Console
from rich.table import Table

from framemill.config import DataFolder
from framemill.jobs.model import Delivery, Job, Output
from framemill.jobs.states import DeliveryState, JobState
from framemill.serve.farmfile import FarmFile, read_farm
from framemill.serve.processes import marked, members
from framemill.store.database import Database
from framemill.store.deliveries import save_deliveries
from framemill.store.jobs import add_job

MB = 1e6
GB = 1e9
WANTED_SHARE, WANTED_SPEED, WANTED_GROWTH = 0.6, 500.0, 200.0
_BLOCK = os.urandom(1 << 20)
_LOOK_SECONDS = 0.1

SINK = """
import asyncio, hashlib, os, sys, uvicorn

async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    hashed, blocks, waiting = hashlib.sha256(), [], 0
    file = os.open(sys.argv[1] + "/sink", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)

    def write(blocks):
        for block in blocks:
            hashed.update(block)
        os.writev(file, blocks)

    more = True
    while more:
        message = await receive()
        more = message.get("more_body", False)
        blocks.append(message.get("body", b""))
        waiting += len(blocks[-1])
        if waiting >= 1 << 20 or not more:
            await asyncio.to_thread(write, blocks)
            blocks, waiting = [], 0
    await asyncio.to_thread(os.fsync, file)
    os.close(file)
    os.unlink(sys.argv[1] + "/sink")
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": hashed.hexdigest().encode()})

uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[2]), log_level="warning", lifespan="off")
"""


@dataclass(frozen=True)
class Row:
    """What one kind of transfer took."""

    name: str
    speeds: tuple[float, ...]
    """MB/s, run by run."""
    sink: tuple[float, ...]
    """MB/s of the bare server, in the same turns; empty: it was not asked."""
    growth: float
    """MB, at the peak over before."""

    @property
    def missed(self) -> bool:
        """Whether a figure is not as wanted."""
        share = ratios(self.speeds, self.sink).median if self.sink else 1.0
        return share < WANTED_SHARE or spread(self.speeds).median < WANTED_SPEED or self.growth > WANTED_GROWTH


class Bench:
    """One farm, and a bare server beside it."""

    def __init__(self, folder: DataFolder, sink: str) -> None:
        farm = read_farm(folder)
        if farm is None:
            raise SystemExit(f"No farm runs in {folder.root}.")
        self.folder, self.sink = folder, sink
        self.farm: FarmFile = farm
        self._key = folder.admin_key.read_text().strip()

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """A question to the API."""
        headers = {"Authorization": f"Bearer {self._key}", "Content-Type": "application/json"}
        with _connected(self.farm.url) as connection:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            text = answer.read()
        if answer.status >= 400:
            raise SystemExit(f"{method} {path}: {answer.status} {text!r}")
        return json.loads(text) if text else None

    def uploads(self, name: str, size: int, runs: int, send: Callable[[int], str]) -> Row:
        """Uploads of that size, each beside one to the bare server."""
        ours, theirs, growths = [], [], []
        for run in range(runs):
            for turn in (0, 1) if run % 2 else (1, 0):
                if turn:
                    theirs.append(size / MB / _timed(lambda: put(self.sink, size)))
                    continue
                with self.watched() as growth:
                    began = time.perf_counter()
                    upload = send(size)
                    ours.append(size / MB / (time.perf_counter() - began))
                growths.append(growth[0])
                self.ask("DELETE", f"/v1/uploads/{upload}")
        return Row(name, tuple(ours), tuple(theirs), max(growths))

    def single(self, size: int) -> str:
        """One PUT."""
        made = self.ask("POST", "/v1/uploads", {"filename": "bench.bin", "size": size})
        put(made["url"], size)
        return str(made["id"])

    def in_parts(self, size: int) -> str:
        """Parts, four at a time, put together."""
        made = self.ask("POST", "/v1/uploads", {"filename": "bench.bin", "size": size, "multipart": True})
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda part: put(part["url"], part["size_bytes"]), made["parts"]))
        self.ask("POST", f"/v1/uploads/{made['id']}/complete")
        return str(made["id"])

    def downloads(self, size: int, count: int, runs: int) -> Row:
        """So many at once of an output of that size."""
        output, place = self._output(size)
        try:
            url = self.ask("GET", f"/v1/outputs/{output}")["url"]
            speeds, growths = [], []
            for _ in range(runs):
                with self.watched() as growth:
                    began = time.perf_counter()
                    with ThreadPoolExecutor(count) as pool:
                        list(pool.map(lambda _: get(url, size), range(count)))
                    speeds.append(count * size / MB / (time.perf_counter() - began))
                growths.append(growth[0])
        finally:
            shutil.rmtree(place, ignore_errors=True)
        return Row(f"{count} GETs of {size / GB:g} GB", tuple(speeds), (), max(growths))

    def _output(self, size: int) -> tuple[str, Path]:
        """An output as a coordinator would have published it."""
        job = Job(account="default", door="native", created_at=datetime.now(UTC))
        output = Output(job_id=job.id, name="bench.mp4")
        place = self.folder.work / job.id
        file = place / "1" / output.id / "output.mp4"
        file.parent.mkdir(parents=True)
        hashed = hashlib.sha256()
        with file.open("wb") as out:
            for block in blocks(size):
                out.write(block)
                hashed.update(block)
        row = Delivery(
            job_id=job.id,
            output_id=output.id,
            path="output.mp4",
            uri="",
            size=size,
            sha256=hashed.hexdigest(),
            state=DeliveryState.COMPLETED,
        )
        with contextlib.closing(Database(self.folder.database_url)) as database, database.writing() as conn:
            # It has ended: nobody is to encode it.
            add_job(conn, job.model_copy(update={"state": JobState.COMPLETED}), [], [output])
            save_deliveries(conn, [row])
        return output.id, place

    @contextlib.contextmanager
    def watched(self) -> Iterator[list[float]]:
        """What the farm's memory grows by while the block runs, in MB."""
        growth = [0.0]
        before, over = self.memory(), threading.Event()

        def look() -> None:
            while not over.wait(_LOOK_SECONDS):
                growth[0] = max(growth[0], self.memory() - before)

        thread = threading.Thread(target=look)
        thread.start()
        try:
            yield growth
        finally:
            over.set()
            thread.join()

    def memory(self) -> float:
        """MB, shared pages counted once."""
        found = {process.pid: process for process in marked(self.farm.farm_id)}
        if self.farm.session is not None:
            found |= {process.pid: process for process in members(self.farm.session)}
        total = 0
        for process in found.values():
            with contextlib.suppress(psutil.Error):
                total += process.memory_full_info().pss
        return total / MB


def put(url: str, size: int) -> None:
    """Send so many bytes."""
    with _connected(url) as connection:
        connection.request("PUT", urlsplit(url).path or "/", blocks(size), {"Content-Length": str(size)})
        answer = connection.getresponse()
        text = answer.read()
    if answer.status != 200:
        raise SystemExit(f"PUT: {answer.status} {text!r}")


def get(url: str, size: int) -> None:
    """Fetch so many bytes, and throw them away."""
    with _connected(url) as connection:
        connection.request("GET", urlsplit(url).path)
        answer = connection.getresponse()
        come, buffer = 0, memoryview(bytearray(1 << 20))
        while read := answer.readinto(buffer):
            come += read
    if come != size:
        raise SystemExit(f"GET: {answer.status}, {come} bytes instead of {size}")


def blocks(size: int) -> Iterator[bytes]:
    """So many bytes."""
    for _ in range(size // len(_BLOCK)):
        yield _BLOCK
    yield _BLOCK[: size % len(_BLOCK)]


@contextlib.contextmanager
def _connected(url: str) -> Iterator[http.client.HTTPConnection]:
    at = urlsplit(url)
    connection = http.client.HTTPConnection(at.hostname or "127.0.0.1", at.port, timeout=600)
    try:
        yield connection
    finally:
        connection.close()


def _timed(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


@contextlib.contextmanager
def bare_server(folder: Path) -> Iterator[str]:
    """A bare uvicorn that does the same work."""
    port = free_port()
    server = subprocess.Popen([sys.executable, "-c", SINK, str(folder), str(port)])
    try:
        url = f"http://127.0.0.1:{port}"
        for _ in range(200):
            with contextlib.suppress(OSError):
                put(url, 1)
                break
            time.sleep(0.05)
        yield url
    finally:
        server.terminate()
        server.wait()


def show(console: Console, rows: Sequence[Row]) -> bool:
    """The table; whether all is as wanted."""
    table = Table("transfer", "MB/s", "bare server", "share", "growth, MB")
    for row in rows:
        share = ratios(row.speeds, row.sink).show() if row.sink else "–"
        bare = spread(row.sink).show(0) if row.sink else "–"
        colour = "red" if row.missed else ""
        table.add_row(row.name, spread(row.speeds).show(0), bare, share, f"{row.growth:.0f}", style=colour)
    console.print(table)
    return not any(row.missed for row in rows)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=float, nargs="+", default=[2.0, 4.0], metavar="GB", help="of single PUTs")
    parser.add_argument("--parts-gb", type=float, help="of an upload in parts; the first of the sizes otherwise")
    parser.add_argument("--get-gb", type=float, default=1.0, help="of each download")
    parser.add_argument("--gets", type=int, default=10, help="downloads at once")
    parser.add_argument("--runs", type=int, default=2)
    parser.add_argument("--data-dir", type=Path, help="of a farm that runs; one is started otherwise")
    options = parser.parse_args()
    console = Console()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="fm-bytes-")))
        root = options.data_dir
        if root is None:
            root = folder / "farm"
            root.mkdir()
            farm = TestedFarm(root, gcs="rocksdb")
            farm.start()
            stack.callback(farm.end)
        bench = Bench(DataFolder(root), stack.enter_context(bare_server(folder)))
        bench.uploads("warm-up", 1 << 20, 2, bench.single)
        rows = []
        for gigabytes in options.sizes:
            size = int(gigabytes * GB)
            rows.append(bench.uploads(f"PUT {gigabytes:g} GB", size, options.runs, bench.single))
        size = int((options.parts_gb or options.sizes[0]) * GB)
        rows.append(bench.uploads(f"parts, {size / GB:g} GB", size, options.runs, bench.in_parts))
        rows.append(bench.downloads(int(options.get_gb * GB), options.gets, options.runs))
        return 0 if show(console, rows) else 1


if __name__ == "__main__":
    sys.exit(main())
