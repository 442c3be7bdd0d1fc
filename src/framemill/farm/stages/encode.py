"""Gets every chunk of an attempt committed, and the sound and texts encoded."""

import asyncio
import contextlib
import functools
import logging
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from sqlalchemy import Connection

from framemill.farm.counting import TALLY
from framemill.farm.errands import ChunkErrands, Piece, commit_all
from framemill.farm.intact import chunk_blob, facts_blob, intact_chunk, intact_extra, note_use
from framemill.farm.job import OneJob
from framemill.farm.orders import Encoded, EncodedChunk, ExtraOrder, Result
from framemill.farm.stages.bisect import smallest_failure
from framemill.farm.titles import extras_of
from framemill.farm.work import extra_tasks, holders_of, piece_tasks, pieces_of
from framemill.jobs.model import Failure, Job, Output
from framemill.jobs.reasons import Reason
from framemill.jobs.states import ChunksCommitted, Failed, IndexRefuted, JobEvent
from framemill.jobs.usage import Usage
from framemill.media.damage import KEEP_HINT, Complaints, lost_packets
from framemill.media.title import Title
from framemill.policy.tasks import Task
from framemill.storage.local import LocalBlobs
from framemill.store import chunks as chunk_rows

log = logging.getLogger(__name__)

_AT_ONCE = 500

_EXTRAS = {"sound": "The sound of {name}", "text": "Text track {rank} of {name}", "remux": "{name}"}


async def encode_chunks(one: OneJob, on_chunk: Callable[[], None] = lambda: None) -> JobEvent:
    """Have everything encoded that is not there yet; the event that this leads to.

    `on_chunk`: told when more has become whole.
    """
    return await _Stage(one, on_chunk).run()


class _About(NamedTuple):
    """What stays known of an output's plan while it is encoded."""

    extras: tuple[ExtraOrder, ...]


class _Left(NamedTuple):
    """What is still to be done."""

    pieces: Sequence[Piece]
    extras: Mapping[str, ExtraOrder]
    """By task."""
    tasks: Sequence[Task]
    """Of the extras, and of the pieces by their number."""
    holders: Mapping[str, str]
    failures: Mapping[str, Sequence[Failure]]


class _Stage:
    def __init__(self, one: OneJob, on_chunk: Callable[[], None]) -> None:
        self._one = one
        self._on_chunk = on_chunk
        self._store = one.store
        self._outputs: dict[str, Output] = {}
        self._about: dict[str, _About] = {}
        """Both by title key; those that were not given up."""
        self._names: dict[str, str] = {}
        """Of the sources, by title key."""
        self._complaints: list[tuple[ExtraOrder, Complaints]] = []
        """About extras that are there already."""

    async def run(self) -> JobEvent:
        self._job, _, outputs = await self._store.load()
        await self._return_lost()
        self._todo = await self._left(self._one.live(outputs))
        event = await self._damaged_before()
        if event is None:
            event = await self._answered()
        await self._one.release_leases(self._job)  # of what nobody wants any more
        return event or ChunksCommitted()

    async def _answered(self) -> JobEvent | None:
        """Have it all done; what that leads to, if it ends early."""
        pieces, extras, tasks, holders, failures = self._todo
        errands = ChunkErrands(self._job, extras, pieces, self._store)
        answers = self._one.answers(errands, tasks, holders, failures)
        async with contextlib.aclosing(answers):
            async for task, result, quarantined in answers:
                if result.reason is None:
                    self._on_chunk()
                if task.id in extras:
                    event = await self._extra(extras[task.id], result)
                elif result.reason is None:
                    continue
                else:
                    event = await self._piece_failed(pieces[task.number], result, quarantined=quarantined)
                if event is not None:
                    return event
        return None

    async def _left(self, outputs: Sequence[Output]) -> _Left:
        """What the store and the blobs do not have yet.

        The plans are let go with this call: each names every frame, and hundreds of jobs may wait for hours.
        """
        job, one = self._job, self._one
        titles: dict[str, Title] = {}
        for output in outputs:
            key = one.title_key(job, output)
            titles[key] = title = await one.title(job, output)
            self._outputs[key] = output
            self._about[key] = _About(tuple(extras_of(title, key)))
            self._names[key] = title.source.name
        rows = await self._store.read(lambda conn: chunk_rows.unfinished_chunks(conn, job.id, job.attempt))
        by_output = {output.id: titles[key] for key, output in self._outputs.items()}
        pieces = pieces_of(rows, by_output, {output.id: key for key, output in self._outputs.items()})
        await one.release_leases(job)
        if job.run.reuse == "on":
            pieces = await self._left_over(pieces)
        standing = one.standing(job)
        tasks = piece_tasks(pieces, titles, standing, alone=job.run.reuse == "off")
        orders = await self._extras()
        beside = extra_tasks(orders, titles, standing)
        extras = {task.id: order for task, order in zip(beside, orders, strict=True)}
        failures = await self._failures(pieces, tasks)
        return _Left(pieces, extras, [*beside, *tasks], holders_of(rows, pieces, tasks), failures)

    async def _failures(self, pieces: Sequence[Piece], tasks: Sequence[Task]) -> dict[str, Sequence[Failure]]:
        """How tasks have failed under coordinators before this one."""
        job = self._job
        known = await self._store.read(lambda conn: chunk_rows.failures_of(conn, job.id, job.attempt))
        return {
            task.id: known[piece.keys[0]] for task, piece in zip(tasks, pieces, strict=True) if piece.keys[0] in known
        }

    async def _return_lost(self) -> None:
        """Committed chunks whose blobs are gone wait again."""
        job, blobs = self._job, self._one.blobs
        committed = await self._store.read(lambda conn: chunk_rows.committed_keys(conn, job.id, job.attempt))
        lost = await asyncio.to_thread(_lost, blobs, committed)
        if lost:
            self._one.require_blobs()
        await return_chunks(self._one, job, lost)

    async def _left_over(self, pieces: Sequence[Piece]) -> list[Piece]:
        """Commit the groups that are in the blobs already, whole and undamaged; what is left.

        A key says everything that a chunk's bytes depend on, so it does not matter who has encoded it.
        """
        left: list[Piece] = []
        for first in range(0, len(pieces), _AT_ONCE):
            some = pieces[first : first + _AT_ONCE]
            known = await asyncio.to_thread(_known, self._one.blobs, some)
            left += [piece for piece, chunks in zip(some, known, strict=True) if chunks is None]
            pairs = zip(some, known, strict=True)
            await asyncio.gather(*(self._reuse(piece, chunks) for piece, chunks in pairs if chunks is not None))
        return left

    async def _reuse(self, piece: Piece, chunks: Sequence[EncodedChunk]) -> None:
        job, epoch, token = self._job, self._store.epoch, uuid.uuid4().hex

        def commit(conn: Connection) -> None:
            chunk_rows.lease_chunks(
                conn, job.id, job.attempt, piece.left, token=token, worker="", epoch=epoch, now=datetime.now(UTC)
            )
            commit_all(conn, chunks, token, epoch, Usage())

        await self._store.write(commit)
        TALLY.chunks_reused += len(chunks)

    async def _extras(self) -> list[ExtraOrder]:
        """What is encoded whole and is not there yet; equal outputs share it."""
        orders = {order.key: order for about in self._about.values() for order in reversed(about.extras)}
        left = []
        for order in orders.values():
            facts = await asyncio.to_thread(intact_extra, self._one.blobs, order.key)
            if facts is None:
                left.append(order)
            elif facts.complaints != Complaints():
                self._complaints.append((order, facts.complaints))
        return left

    async def _damaged_before(self) -> JobEvent | None:
        """Extras that are there already, and are not all that the source promised."""
        for order, complaints in self._complaints:
            event = await self._judged(order, Encoded(complaints=complaints))
            if event is not None:
                return event
        return None

    async def _extra(self, order: ExtraOrder, result: Result) -> JobEvent | None:
        """What comes of one; what it took is counted where it was done, by whoever pays for it."""
        if result.reason is not None:
            await self._store.account(order.kind, result.usage)
        return await self._judged(order, result)

    async def _judged(self, order: ExtraOrder, result: Result) -> JobEvent | None:
        """Sound or text that ffmpeg can make nothing of is left out, with a warning: the pictures are still good."""
        what = _EXTRAS[order.kind].format(name=self._names[order.title_key], rank=order.rank)
        if result.reason is Reason.FFMPEG_FAILED and order.kind != "remux":
            if order.kind == "sound" and self._job.run.on_damage == "refuse":
                said = f"{what} cannot be converted: {result.message} {KEEP_HINT}"
                return await self._fail(order, Reason.SOURCE_DAMAGED, said)
            await self._store.warn(f"{what} could not be converted and is left out: {result.message}")
            return None
        if result.reason is not None:
            return await self._fail(order, result.reason, result.message)
        lost = lost_packets(result.complaints) if isinstance(result, Encoded) else ""
        if not lost or order.kind == "text":
            return None
        if self._job.run.on_damage == "refuse":
            return await self._fail(order, Reason.SOURCE_DAMAGED, f"{what} is damaged: {lost}. {KEEP_HINT}")
        await self._store.warn(f"{what} is damaged: {lost}.")
        return None

    async def _fail(self, order: ExtraOrder, reason: Reason, message: str) -> Failed | None:
        """Every output that would have had it fails."""
        for key, about in list(self._about.items()):
            if any(other.key == order.key for other in about.extras):
                failed = await self._fail_output(key, reason, message)
                if failed is not None:
                    return failed
        return None

    async def _piece_failed(self, piece: Piece, result: Result, *, quarantined: bool) -> JobEvent | None:
        if result.reason is Reason.CHUNK_MISMATCH:
            return IndexRefuted(result.message)
        hit = [key for key in piece.title_keys if key in self._about]
        if not hit:
            return None  # its outputs were given up
        reason, message = result.reason or Reason.INTERNAL, result.message
        log.warning("failed: %s", result.command, extra={"action": "order_failed", "job": self._job.id})
        self._drop(self._about if self._job.on_output_error == "fail" else hit)
        if quarantined:
            title = await self._one.title(self._job, self._outputs[hit[0]])
            message = await smallest_failure(self._one, self._job, title, piece, result)
            await self._quarantine(piece, reason, message)
        for key in hit:
            failed = await self._fail_output(key, reason, message)
            if failed is not None:
                return failed
        return None

    async def _quarantine(self, piece: Piece, reason: Reason, message: str) -> None:
        job, epoch, token = self._job, self._store.epoch, uuid.uuid4().hex

        def aside(conn: Connection) -> None:
            chunk_rows.lease_chunks(
                conn, job.id, job.attempt, piece.left, token=token, worker="", epoch=epoch, now=datetime.now(UTC)
            )
            for key in piece.left:
                chunk_rows.quarantine_chunk(conn, key, token, epoch, reason=reason, message=message)

        await self._store.write(aside)

    async def _fail_output(self, title_key: str, reason: Reason, message: str) -> Failed | None:
        """The job's end, or None when it goes on without that output; then nothing more of it is done."""
        output = self._outputs[title_key]
        failed = await self._one.fail_output(output, reason, message)
        if failed is None:
            self._drop([title_key])
            del self._outputs[title_key], self._about[title_key]
        return failed

    def _drop(self, title_keys: Collection[str]) -> None:
        """Nothing is done any more for those outputs alone."""
        pieces, extras, tasks, _, _ = self._todo
        rest = self._about.keys() - set(title_keys)
        kept = {order.key for key in rest for order in self._about[key].extras}
        doomed = [
            task.id
            for task in tasks
            if (
                extras[task.id].key not in kept
                if task.id in extras
                else rest.isdisjoint(pieces[task.number].title_keys)
            )
        ]
        self._one.dispatcher.drop(self._job.id, doomed)


async def return_chunks(one: OneJob, job: Job, keys: Sequence[str]) -> None:
    """Let committed chunks wait again."""
    epoch = one.store.epoch
    for first in range(0, len(keys), _AT_ONCE):
        some = keys[first : first + _AT_ONCE]
        await one.store.write(functools.partial(_return_some, job=job, keys=some, epoch=epoch))


def _return_some(conn: Connection, *, job: Job, keys: Sequence[str], epoch: int) -> None:
    chunk_rows.return_chunks(conn, job.id, job.attempt, keys, epoch)


def _lost(blobs: LocalBlobs, keys: Sequence[str]) -> list[str]:
    return [key for key in keys if not (blobs.has(chunk_blob(key)) and blobs.has(facts_blob(key)))]


def _known(blobs: LocalBlobs, pieces: Sequence[Piece]) -> list[list[EncodedChunk] | None]:
    """The chunks of each piece, where all of them are there; they count as used from now on."""
    found: list[list[EncodedChunk] | None] = []
    for piece in pieces:
        chunks = [
            EncodedChunk(number=number, key=key, blob=chunk_blob(key), facts=facts)
            for number, key in enumerate(piece.keys)
            if (facts := intact_chunk(blobs, key)) is not None
        ]
        whole = len(chunks) == len(piece.keys)
        found.append(chunks if whole else None)
        for chunk in chunks if whole else ():
            note_use(blobs, chunk.blob, facts_blob(chunk.key))
    return found
