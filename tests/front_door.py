"""A front door without a farm behind it: the API over a store, and a farm that says what it is told to."""

import asyncio
import contextlib
import functools
import hashlib
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import limits.storage.memory
import limits.strategies
import pytest
import uvicorn
from fastapi import FastAPI
from placed import folder_of
from starlette.applications import Starlette
from starlette.routing import Mount

from framemill.api.app import ApiParts, create_app
from framemill.api.bytes.app import create_bytes_app
from framemill.errors import FarmError
from framemill.farm.orders import Probed, ProbeOrder
from framemill.jobs import lifecycle
from framemill.jobs.model import Delivery, Job, Output
from framemill.jobs.states import DeliveryState, JobEvent
from framemill.media.estimate import estimated
from framemill.sealing import Seals
from framemill.services.fileplace import FilePlace
from framemill.services.links import MOUNT
from framemill.storage.content import content_type
from framemill.storage.local import LocalBlobs
from framemill.store.database import Database
from framemill.store.jobs import load_job, save_job

KEY = "an admin's key"


FACTS: dict[str, Any] = {
    "format": {"format_name": "mov,mp4", "duration": "60.000000", "size": "5", "bit_rate": "8000000"},
    "streams": [
        {
            "index": 0,
            "codec_type": "video",
            "codec_name": "h264",
            "width": 1920,
            "height": 1080,
            "pix_fmt": "yuv420p",
            "avg_frame_rate": "25/1",
        },
        {"index": 1, "codec_type": "audio", "codec_name": "aac", "channels": 2, "sample_rate": "48000"},
    ],
    "chapters": [],
}
"""A minute of 1080p with sound, in ffprobe's shape."""


class FakeFarm:
    """A farm that tells what it was given, or does not answer."""

    def __init__(self) -> None:
        self.told: dict[str, Any] = {"slots": 4, "backlog_seconds": 1.5}
        self.progress_told: dict[str, Any] = {"frames": 0, "frames_planned": 0}
        self.facts: dict[str, Any] = FACTS
        self.probe_fails: dict[str, Any] = {}
        """`reason` and `message`, where a source cannot be read."""
        self.silent = False
        self.hangs = False
        self.asked: list[Any] = []
        self.probed: list[ProbeOrder] = []

    def nudged(self, job_ids: Sequence[str]) -> None:
        """Told that these jobs have changed."""

    async def _answer(self, told: dict[str, Any]) -> dict[str, Any]:
        if self.hangs:
            await asyncio.Event().wait()
        if self.silent:
            raise FarmError("The coordinator is away.")
        return told

    async def status(self) -> dict[str, Any]:
        return await self._answer(self.told)

    async def progress(self, job_id: str) -> dict[str, Any]:
        self.asked.append(("progress", job_id))
        return await self._answer(self.progress_told)

    async def progress_of(self, job_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
        self.asked.append(("progress_of", sorted(job_ids)))
        return await self._answer(dict.fromkeys(job_ids, self.progress_told))

    async def probe(self, order: dict[str, Any]) -> dict[str, Any]:
        """As a worker answers who finds what `facts` says."""
        self.asked.append(("probe", order["uri"]))
        asked = ProbeOrder.model_validate(order)
        self.probed.append(asked)
        estimates = tuple(estimated(self.facts, settings, asked.run) for settings in asked.outputs)
        found = Probed(size=5, facts=self.facts, estimates=estimates, **self.probe_fails)
        return await self._answer(found.model_dump(mode="json"))

    async def gc(self, dry_run: bool) -> dict[str, Any]:
        self.asked.append(("gc", dry_run))
        return await self._answer({"bytes": 12, "dry_run": dry_run})

    async def drain(self, seconds: float) -> dict[str, Any]:
        self.asked.append(("drain", seconds))
        return await self._answer({"drained": True})


class FrontDoor:
    """The API over that store, and what it did: whom it nudged, what it asked the farm."""

    def __init__(self, database: Database, farm: "Callable[[FrontDoor], FakeFarm] | None" = None) -> None:
        self.database = database
        self.farm = FakeFarm() if farm is None else farm(self)
        self.nudged: list[list[str]] = []
        folder = folder_of(database)
        self.parts = ApiParts(
            database=database,
            nudge=self._nudge,
            admin_key=KEY,
            seals=Seals("a farm's secret"),
            farm=self.farm,
            files=FilePlace(blobs=LocalBlobs(folder / "blobs"), work=folder / "work"),
        )
        self.app: FastAPI = create_app(self.parts)

    @functools.cached_property
    def whole(self) -> Starlette:
        """The API and the application of bytes, as the farm has them at one port."""
        return Starlette(routes=[Mount(MOUNT, create_bytes_app(self.parts)), Mount("/", self.app)])

    def _nudge(self, job_ids: Sequence[str]) -> None:
        self.nudged.append(list(job_ids))
        self.farm.nudged(job_ids)

    def moved(self, job_id: str, *events: JobEvent, **amended: Any) -> Job:
        """What a coordinator would write."""
        now = datetime.now(UTC)
        with self.database.writing() as conn:
            found = load_job(conn, job_id)
            assert found is not None
            job = found[0]
            for event in events:
                after, (notice, *_) = lifecycle.handle(job, event, now)
                assert isinstance(notice, lifecycle.Notify)
                save_job(conn, after, job.version, notice.kind, notice.data, now=now)
                job = after
            if amended:
                after = lifecycle.amend(job, **amended)
                save_job(conn, after, job.version, "amended", {}, now=now)
                job = after
        return job


def wanted(uri: str = "https://example.org/in.mov", **more: Any) -> dict[str, Any]:
    """The body of a new job."""
    return {"inputs": [{"uri": uri}], "outputs": [{"target": "/out/a.mp4"}], **more}


@contextlib.contextmanager
def served(door: FrontDoor) -> Iterator[str]:
    """The farm's HTTP under uvicorn, on a port that was free."""
    config = uvicorn.Config(door.whole, host="127.0.0.1", port=0, log_level="warning", lifespan="off", ws="none")
    server = uvicorn.Server(config)
    listening = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listening.close()


@contextlib.contextmanager
def within_a_minute() -> Iterator[None]:
    """How often somebody asks is counted by the minutes of the clock: it stands still, in the middle of one.

    Where a new one begins between two requests, one more than the limit is let through.
    """
    middle = time.time() // 60 * 60 + 30
    standing = SimpleNamespace(time=lambda: middle)
    with pytest.MonkeyPatch.context() as patch:
        for counting in (limits.storage.memory, limits.strategies):
            patch.setattr(counting, "time", standing)
        yield


def place_of(door: FrontDoor, output: Output, path: str, attempt: int = 1) -> Path:
    """Where the farm keeps that file of an output."""
    return door.parts.files.work / output.job_id / str(attempt) / output.id / path


def laid_down(door: FrontDoor, output: Output, path: str, body: bytes, *, attempt: int = 1, **more: Any) -> Delivery:
    """A file of an output where the farm keeps it, and what is to be written down of it."""
    place = place_of(door, output, path, attempt)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(body)
    return Delivery(
        job_id=output.job_id,
        attempt=attempt,
        output_id=output.id,
        path=path,
        state=DeliveryState.COMPLETED,
        size=len(body),
        sha256=hashlib.sha256(body).hexdigest(),
        md5=hashlib.md5(body, usedforsecurity=False).hexdigest(),
        content_type=content_type(path),
        **{"uri": "", **more},
    )
