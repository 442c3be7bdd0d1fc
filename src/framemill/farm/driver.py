"""Drives one job: performs the instructions that its state asks for and feeds the results back as events.

Deciding is `jobs.lifecycle`'s; truth is in the store. Everything here can be cut off at any line and done again.
"""

import asyncio
import logging
import shutil
import uuid
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from framemill.errors import FarmError, FramemillError, InvalidTransition
from framemill.farm.crew import Crew
from framemill.farm.encoding import chunk_blob, facts_blob
from framemill.farm.jobstore import JobStore
from framemill.farm.orders import (
    ChunkPlace,
    Encoded,
    EncodedChunk,
    ExtraOrder,
    GroupOrder,
    PlanOrder,
    StitchOrder,
    WrittenFile,
)
from framemill.farm.report import build_report
from framemill.farm.titles import extras_of, load_title
from framemill.jobs import lifecycle
from framemill.jobs.model import ChunkRow, Delivery, Input, Job, Output
from framemill.jobs.reasons import Reason, reason_of
from framemill.jobs.states import (
    ENDED_JOB,
    ChunksCommitted,
    ChunkState,
    Delivered,
    DeliveryState,
    Failed,
    IndexRefuted,
    InputsReady,
    InputState,
    JobEvent,
    JobState,
    Packaged,
    Planned,
    Started,
    Stitched,
    WorkStopped,
)
from framemill.jobs.usage import Usage
from framemill.media.chunkfile import ChunkFacts
from framemill.media.damage import KEEP_HINT, lost_packets
from framemill.media.plan import VideoPlan
from framemill.storage.delivery import deliver
from framemill.storage.local import LocalBlobs
from framemill.store import chunks as chunk_rows
from framemill.store import deliveries as delivery_rows
from framemill.store import jobs as job_rows
from framemill.store.database import Database

log = logging.getLogger(__name__)

MOST_TRIES = 3
"""Leases of a group that may end without a result."""


class Driver:
    """One job on its way; one instance at a time drives it."""

    def __init__(
        self, job_id: str, *, database: Database, blobs: LocalBlobs, crew: Crew, epoch: int, work: Path
    ) -> None:
        self._store = JobStore(job_id, database, epoch)
        self._blobs = blobs
        self._crew = crew
        self._epoch = epoch
        self._work = work / job_id
        self._written: dict[str, Any] = {}
        self._in_order = asyncio.Lock()
        self._same: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def run(self) -> Job:
        """Drive the job until it has ended, and return it."""
        job, _, _ = await self._store.load()
        if job.state is JobState.QUEUED:
            job = await self._store.apply(Started())
        while job.state not in ENDED_JOB:
            event = await self._perform(job)
            log.info("%s", type(event).__name__, extra={"action": "job_event", "job": job.id})
            try:
                job = await self._store.apply(event)
            except InvalidTransition:  # it was cancelled meanwhile: the result comes too late
                job, _, _ = await self._store.load()
        return job

    async def apply(self, event: JobEvent) -> Job:
        """Feed an event from outside (a cancellation) to the job."""
        return await self._store.apply(event)

    async def _perform(self, job: Job) -> JobEvent:
        steps: dict[type, Callable[[Any], Awaitable[JobEvent]]] = {
            lifecycle.FetchInputs: self._inputs,
            lifecycle.MakePlan: self._plan,
            lifecycle.EncodeChunks: self._encode,
            lifecycle.Stitch: self._stitch,
            lifecycle.Package: self._package,
            lifecycle.Deliver: self._deliver,
            lifecycle.StopWork: self._stopped,
        }
        (instruction,) = lifecycle.instructions_for(job)
        try:
            return await steps[type(instruction)](instruction)
        except FramemillError as error:
            return Failed(reason_of(error), error.message)
        except Exception as error:
            log.exception("unforeseen", extra={"action": "job_failed", "job": job.id})
            return Failed(reason_of(error), f"{type(error).__name__}: {error}")

    # What each instruction asks for

    async def _stopped(self, _: Any) -> JobEvent:
        job, _, _ = await self._store.load()
        rows = await self._store.read(lambda conn: chunk_rows.load_chunks(conn, job.id, job.attempt))
        await self._release_all(rows)
        return WorkStopped()

    async def _inputs(self, _: Any) -> JobEvent:
        _, inputs, _ = await self._store.load()
        for source in inputs:
            if source.state is InputState.FAILED:
                return Failed(source.reason or Reason.INTERNAL, source.message or "The source failed.")
            if source.state is not InputState.READY:
                return Failed(Reason.SOURCE_MISSING, f"{source.uri} was not fetched before the job was started.")
        return InputsReady()

    async def _plan(self, instruction: lifecycle.MakePlan) -> JobEvent:
        job, inputs, outputs = await self._store.load()
        rows = []
        for output in outputs:
            order = PlanOrder(
                title_key=self._title_key(job, output),
                source_key=_source_key(inputs[0]),
                settings=output.settings,
                run=job.run,
                decode=instruction.decode_index,
                linear=instruction.linear,
            )
            planned = await self._crew.plan(order)
            await self._account("plan", planned.usage)
            if planned.warning:
                await self._store.warn(planned.warning)
            rows += [_row(job, output, place) for place in planned.chunks]
        await self._store.write(
            lambda conn: chunk_rows.replace_chunks(conn, job.id, job.attempt, rows, epoch=self._epoch)
        )
        return Planned()

    async def _encode(self, _: Any) -> JobEvent:
        job, _, outputs = await self._store.load()
        rows = await self._store.read(lambda conn: chunk_rows.load_chunks(conn, job.id, job.attempt))
        await self._release_all(rows)  # leases that a coordinator before this one gave: its workers went with it
        committed = [row for row in rows if row.state is ChunkState.COMMITTED]
        here = {row.key for row in committed if self._blobs.has(chunk_blob(row.key))}
        lost = {row.key for row in committed} - here
        if lost:
            await self._store.write(lambda conn: chunk_rows.return_chunks(conn, job.id, job.attempt, lost, self._epoch))
        groups: dict[tuple[str, int, int], list[ChunkRow]] = defaultdict(list)
        for row in rows:
            if row.state is not ChunkState.COMMITTED or row.key in lost:
                groups[row.output_id, row.rendition, row.group_number].append(row)
        keys = {output.id: self._title_key(job, output) for output in outputs}
        work: list[asyncio.Task[Encoded]] = []
        for key in keys.values():
            work += [asyncio.ensure_future(self._extra(job, order)) for order in extras_of(self._blobs, key)]
        plans = {output.id: self._plan_of(job, output) for output in outputs}
        for (output_id, rendition, group), members in sorted(groups.items(), key=lambda item: _turn(item[1], plans)):
            order = GroupOrder(title_key=keys[output_id], rendition=rendition, group=group)
            work.append(asyncio.ensure_future(self._group(job, order, members)))
        try:
            for done in asyncio.as_completed(work):
                result = await done
                if result.reason is Reason.CHUNK_MISMATCH:
                    return IndexRefuted(result.message)
                if result.reason is not None:
                    log.warning("failed: %s", result.command, extra={"action": "order_failed", "job": job.id})
                    return Failed(result.reason, result.message)
        finally:
            for task in work:
                task.cancel()
            await asyncio.gather(*work, return_exceptions=True)
        return ChunksCommitted()

    async def _release_all(self, rows: Sequence[ChunkRow]) -> None:
        tokens = {row.lease_token for row in rows if row.lease_token}

        def release(conn: Connection) -> None:
            for token in tokens:
                chunk_rows.release_chunks(conn, token, self._epoch)

        await self._store.write(release)

    async def _extra(self, job: Job, order: ExtraOrder) -> Encoded:
        """Sound or text that ffmpeg can make nothing of is left out, with a warning: the pictures are still good."""
        if self._blobs.has(order.key):
            return Encoded()
        result = await self._tried(order)
        await self._account(order.kind, result.usage)
        what = _EXTRAS[order.kind].format(name=load_title(self._blobs, order.title_key).source.name, rank=order.rank)
        if result.reason is Reason.FFMPEG_FAILED and order.kind != "remux":
            if order.kind == "sound" and job.run.on_damage == "refuse":
                return Encoded(
                    reason=Reason.SOURCE_DAMAGED, message=f"{what} cannot be converted: {result.message} {KEEP_HINT}"
                )
            await self._store.warn(f"{what} could not be converted and is left out: {result.message}")
            return Encoded()
        lost = lost_packets(result.complaints)
        if not lost or order.kind == "text":
            return result
        if job.run.on_damage == "refuse":
            self._blobs.remove(order.key)
            return Encoded(reason=Reason.SOURCE_DAMAGED, message=f"{what} is damaged: {lost}. {KEEP_HINT}")
        await self._store.warn(f"{what} is damaged: {lost}.")
        return result

    async def _group(self, job: Job, order: GroupOrder, members: list[ChunkRow]) -> Encoded:
        """Lease a group's chunks, have them encoded, commit what came; the lease ends either way."""
        token = uuid.uuid4().hex
        keys = [row.key for row in members]

        def lease(conn: Connection) -> bool:
            now = datetime.now(UTC)
            return chunk_rows.lease_chunks(
                conn, job.id, job.attempt, keys, token=token, worker="worker", epoch=self._epoch, now=now
            )

        def commit(conn: Connection) -> None:
            frames = sum(chunk.facts.frames for chunk in result.chunks)
            for chunk in result.chunks:
                used = result.usage.share(chunk.facts.frames / frames)
                chunk_rows.commit_chunk(
                    conn, chunk.key, token, self._epoch, blob=chunk.blob, size=chunk.facts.size,
                    sha256=chunk.facts.sha256, seconds=used.seconds, cpu_seconds=used.cpu_seconds,
                    now=datetime.now(UTC),
                )  # fmt: skip
            job_rows.add_usage(conn, job.id, "encode", result.usage, self._epoch)

        try:
            async with self._in_order:  # in the order of the film: groups queue for slots as they got their lease
                await self._store.write(lease)
            async with self._same[keys[0]]:  # equal outputs share one encode
                result = self._encoded_before(members) or await self._tried(order.model_copy(update={"token": token}))
            await self._store.write(commit)
        finally:
            await self._store.write(lambda conn: chunk_rows.release_chunks(conn, token, self._epoch))
        return result

    def _encoded_before(self, members: Sequence[ChunkRow]) -> Encoded | None:
        """The chunks, when all of them are in the blobs already: a key says everything that its bytes depend on."""
        if not all(self._blobs.has(chunk_blob(row.key)) and self._blobs.has(facts_blob(row.key)) for row in members):
            return None
        chunks = []
        for row in members:
            facts = ChunkFacts.model_validate_json(self._blobs.read(facts_blob(row.key)))
            chunks.append(EncodedChunk(number=row.number, key=row.key, blob=chunk_blob(row.key), facts=facts))
        return Encoded(chunks=tuple(chunks))

    async def _tried(self, order: GroupOrder | ExtraOrder) -> Encoded:
        for left in reversed(range(MOST_TRIES)):
            try:
                return await self._crew.encode(order)
            except FarmError as error:  # the worker is gone, not the order wrong: somebody else may do it
                if not left:
                    return Encoded(reason=Reason.WORKER_LOST, message=error.message)
        raise AssertionError("unreachable")

    async def _account(self, stage: str, usage: Usage) -> None:
        job_id, epoch = self._store.job_id, self._epoch
        await self._store.write(lambda conn: job_rows.add_usage(conn, job_id, stage, usage, epoch))

    async def _stitch(self, _: Any) -> JobEvent:
        job, _, outputs = await self._store.load()
        for output in outputs:
            folder = self._work / output.id
            await asyncio.to_thread(_emptied, folder)
            order = StitchOrder(
                title_key=self._title_key(job, output),
                folder=str(folder),
                name=_file_name(output),
                verify=job.run.verify,
            )
            result = await self._crew.finish(order)
            for stage, usage in result.usage.items():
                await self._account(stage, usage)
            if result.reason is Reason.CHUNK_MISMATCH:
                return IndexRefuted(result.message)
            if result.reason is not None:
                return Failed(result.reason, result.message)
            self._written[output.id] = result
        return Stitched()

    async def _package(self, _: Any) -> JobEvent:
        job, inputs, outputs = await self._store.load()
        if any(output.id not in self._written for output in outputs):  # a coordinator that took over
            again = await self._stitch(None)
            if not isinstance(again, Stitched):
                message = again.message if isinstance(again, Failed | IndexRefuted) else ""
                return again if isinstance(again, Failed) else Failed(Reason.CHUNK_MISMATCH, message)
        rows = await self._store.read(lambda conn: chunk_rows.load_chunks(conn, job.id, job.attempt))
        titles = {output.id: load_title(self._blobs, self._title_key(job, output)) for output in outputs}
        report = build_report(job, inputs=inputs, outputs=outputs, titles=titles, rows=rows, written=self._written)
        deliveries = [
            _delivery(job, output, file) for output in outputs for file in self._written[output.id].files
        ]  # fmt: skip
        await self._store.write(lambda conn: delivery_rows.save_deliveries(conn, deliveries))
        return Packaged(report)

    async def _deliver(self, _: Any) -> JobEvent:
        job, _, outputs = await self._store.load()
        for output in outputs:
            folder = self._work / output.id
            if output.target is not None and folder.exists():
                await asyncio.to_thread(deliver, folder, output.target, output.settings.container == "package")
        if all(output.target is not None for output in outputs):
            await asyncio.to_thread(_removed, self._work)
        done = await self._store.read(lambda conn: delivery_rows.load_deliveries(conn, job.id))
        moved = [row.model_copy(update={"state": DeliveryState.COMPLETED}) for row in done]
        await self._store.write(lambda conn: delivery_rows.save_deliveries(conn, moved))
        return Delivered()

    def _plan_of(self, job: Job, output: Output) -> VideoPlan | None:
        film = load_title(self._blobs, self._title_key(job, output)).film
        return None if film is None else film.plan

    def _title_key(self, job: Job, output: Output) -> str:
        return f"titles/{job.id}-{job.attempt}-{job.refuted}-{output.position}.json"


_EXTRAS = {"sound": "The sound of {name}", "text": "Text track {rank} of {name}", "remux": "{name}"}


def _turn(members: Sequence[ChunkRow], plans: Mapping[str, VideoPlan | None]) -> tuple[int, int]:
    """Of a package the first segments first: they are shown first. Of a file what takes longest: it would end last."""
    plan = plans[members[0].output_id]
    first = members[0].first_frame
    if plan is None or plan.segments:
        return 0, first
    return -sum(plan.chunks[row.number].effort for row in members), first


def _source_key(source: Input) -> str:
    if source.index_key is None:
        raise FarmError(f"{source.uri} is ready but what was found in it is not; fetch it again.")
    return source.index_key


def _row(job: Job, output: Output, place: ChunkPlace) -> ChunkRow:
    return ChunkRow(
        job_id=job.id,
        attempt=job.attempt,
        output_id=output.id,
        rendition=place.rendition,
        number=place.number,
        group_number=place.group,
        key=place.key,
        first_frame=place.first,
        end_frame=place.end,
    )


def _file_name(output: Output) -> str:
    """The file's name; of a package, the stem of its MP4."""
    return "video" if output.settings.container == "package" else f"output.{output.settings.container}"


def _delivery(job: Job, output: Output, file: WrittenFile) -> Delivery:
    # The same id whoever writes it, and however often.
    same = str(uuid.uuid5(uuid.NAMESPACE_OID, f"{output.id}/{job.attempt}/{file.path}"))
    return Delivery(
        id=same, job_id=job.id, attempt=job.attempt, output_id=output.id, path=file.path, uri=output.target or "",
        size=file.size, sha256=file.sha256, md5=file.md5,
    )  # fmt: skip


def _emptied(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)


def _removed(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
