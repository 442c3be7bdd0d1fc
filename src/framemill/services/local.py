"""Runs jobs on an embedded farm: it starts beside the reading of the source, and ends with the block."""

import asyncio
import contextlib
import errno
import tempfile
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from framemill.errors import DiskFull, FarmError, FramemillError
from framemill.farm.embedded import Farm, Paths, embedded_farm, workspace
from framemill.farm.fetching import fetched
from framemill.farm.footprint import farm_cpu_seconds, tree_cpu_seconds
from framemill.farm.report import with_farm
from framemill.farm.titles import Ingested, ingest
from framemill.jobs.reasons import reason_of
from framemill.jobs.usage import Usage
from framemill.media import isolate
from framemill.media.capabilities import require_encoders
from framemill.services.callers import DEFAULT_ACCOUNT, OWNER
from framemill.services.desk import Desk, way_of
from framemill.services.requests import EncodeRequest
from framemill.services.submission import JobRequest, new_job, submit_read_source
from framemill.storage.address import is_remote
from framemill.storage.keyring import local_keyring, local_seals
from framemill.store import jobs as job_rows
from framemill.store.database import Database

OnProgress = Callable[[dict[str, Any]], None]
_LOOK_SECONDS = 1.0  # the end of a job wakes at once; each look costs the farm 2 ms


class LocalSession:
    """An embedded farm that takes one job after another."""

    def __init__(self, paths: Paths, farm: Farm) -> None:
        self.paths = paths
        self._farm = farm

    def encode(self, request: EncodeRequest, on_progress: OnProgress, read: "Reading | None" = None) -> dict[str, Any]:
        """Run one job to its end; the job's row as plain values, with `report` when it completed.

        A `KeyboardInterrupt` cancels the job and waits until its children are dead.
        """
        try:
            found = read() if read is not None else asyncio.run(_read(request, self.paths, on_progress))
            with contextlib.closing(Database(self.paths.database)) as database:
                job_id = submit_read_source(database, request, found, local_desk(self.paths), datetime.now(UTC))
            return self.driven(job_id, on_progress)
        except FramemillError as error:
            return {"state": "failed", "reason": reason_of(error).value, "message": error.message, "report": None}

    def run(self, request: JobRequest, on_progress: OnProgress) -> dict[str, Any]:
        """The same of a job as clients of a farm ask for it, whose sources the farm fetches."""
        fresh = new_job(request, caller=OWNER, door="cli", now=datetime.now(UTC), desk=local_desk(self.paths))
        with contextlib.closing(Database(self.paths.database)) as database, database.writing() as conn:
            job_rows.add_job(conn, *fresh)
        return self.driven(fresh[0].id, on_progress)

    def driven(self, job_id: str, on_progress: OnProgress) -> dict[str, Any]:
        """See a job that is written to its end; its row."""
        running = self._farm.start(job_id)
        try:
            while (row := self._farm.wait(running, _LOOK_SECONDS)) is None:
                on_progress(self._farm.progress(job_id))
        except BaseException:
            with contextlib.suppress(FarmError):
                self._farm.cancel(job_id)
            raise
        return row


Reading = Callable[[], Ingested]


@contextlib.contextmanager
def local_session(beside: Path, slots: int, *, verbose: bool = False) -> Iterator[LocalSession]:
    """An embedded farm whose files lie in a hidden folder of `beside` while it runs."""
    isolate.warm()
    with workspace(beside) as paths, embedded_farm(paths, slots, verbose=verbose) as farm:
        yield LocalSession(paths, farm)


def encode_once(
    request: EncodeRequest,
    slots: int,
    on_progress: OnProgress,
    on_end: Callable[[dict[str, Any]], None],
    *,
    verbose: bool = False,
) -> None:
    """One job on a farm of its own. `on_end` hears the result before the farm is taken down."""
    started = time.monotonic()
    isolate.warm()  # from this thread: it lives as long as whoever started it
    with (
        workspace(_beside(request.destination)) as paths,
        _Beside(_read(request, paths, on_progress)) as reading,
        embedded_farm(paths, slots, verbose=verbose) as farm,
    ):
        start = Usage(seconds=time.monotonic() - started, cpu_seconds=farm_cpu_seconds())
        row = LocalSession(paths, farm).encode(request, on_progress, reading.result)
        if row.get("report"):
            whole = Usage(seconds=time.monotonic() - started, cpu_seconds=tree_cpu_seconds())
            row["report"] = with_farm(row["report"], start, whole)
        on_end(row)


def _beside(destination: str) -> Path:
    """Where there is room for what is on its way there."""
    return Path(tempfile.gettempdir()) if is_remote(destination) else Path(destination).parent


class _Beside:
    """A coroutine on a thread and event loop of its own while the block runs; the end of the block ends it."""

    def __init__(self, work: Coroutine[Any, Any, Ingested]) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._work = work

    def __enter__(self) -> "_Beside":
        self._thread.start()
        self._future = asyncio.run_coroutine_threadsafe(self._work, self._loop)
        return self

    def result(self) -> Ingested:
        """Wait for it; raises what it raised."""
        return self._future.result()

    def __exit__(self, *_: object) -> None:
        self._future.cancel()
        asyncio.run_coroutine_threadsafe(_rest_of_loop(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


async def _rest_of_loop() -> None:
    """Wait for everything else on this loop: what was cancelled kills its children first."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    await asyncio.gather(*others, return_exceptions=True)


async def _read(request: EncodeRequest, paths: Paths, on_progress: OnProgress) -> Ingested:
    try:
        return await _fetched_and_read(request, paths, on_progress)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise DiskFull(f"The disk is full: there is no room for {request.source} in {paths.root.parent}.") from None


async def _fetched_and_read(request: EncodeRequest, paths: Paths, on_progress: OnProgress) -> Ingested:
    on_progress({"state": "ingesting"})
    await require_encoders(request.output)
    way = way_of(request.source, request.source_credentials, DEFAULT_ACCOUNT, local_desk(paths))

    def heard(done: int, total: int | None) -> None:
        on_progress({"state": "fetching", "bytes": done, "bytes_planned": total})

    here = await fetched(way, local_keyring(paths.root), paths.root / "sources", heard)
    return await ingest(here.path, way.uri, paths.blobs, here.sha256)


def local_desk(paths: Paths) -> Desk:
    """Where the local user's own requests are taken."""
    return Desk(local_seals(paths.root), trusted=True)
