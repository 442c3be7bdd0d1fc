"""Gets every chunk of an attempt committed, and the sound and texts encoded."""

import asyncio
import contextlib
import functools
import logging
import uuid
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from sqlalchemy import Connection

from framemill.farm.counting import TALLY
from framemill.farm.errands import ChunkErrands, Piece, commit_all
from framemill.farm.intact import chunk_blob, facts_blob, intact_chunk, intact_extra, note_use
from framemill.farm.job import OneJob
from framemill.farm.orders import Encoded, EncodedChunk, ExtraOrder, Result
from framemill.farm.stages.bisect import smallest_failure
from framemill.farm.stages.reserve import cost_of
from framemill.farm.titles import extras_of
from framemill.farm.work import batched, extra_tasks, film_seconds, holders_of, piece_tasks, pieces_of
from framemill.jobs.metering import CREDIT
from framemill.jobs.model import Failure, Job, Output
from framemill.jobs.reasons import Reason
from framemill.jobs.states import ChunksCommitted, Failed, IndexRefuted, JobEvent
from framemill.jobs.usage import Usage
from framemill.media.damage import KEEP_HINT, Complaints, lost_packets
from framemill.media.title import Title
from framemill.policy.budget import Budget
from framemill.policy.tasks import Task
from framemill.storage.blobs import Blobs
from framemill.store import chunks as chunk_rows

log = logging.getLogger(__name__)

NO_CHUNKS = datetime.min.replace(tzinfo=UTC)
"""When that was encoded which has no chunks: sound alone, a picture. It is soon done."""

TOO_LONG = "It took longer than its limit of processing time."

_AT_ONCE = 500

_EXTRAS = {"sound": "The sound of {name}", "text": "Text track {rank} of {name}", "remux": "{name}", "whole": "{name}"}


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
    behind: float
    """Effort that was done before."""


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
        self._lacking: dict[str, set[str]] = {}
        """Ids of the tasks that each output still waits for, by title key; where anybody asks for them."""
        self._complaints: list[tuple[ExtraOrder, Complaints]] = []
        """About extras that are there already."""

    async def run(self) -> JobEvent:
        self._job, _, outputs = await self._store.load()
        await self._return_lost()
        self._todo = await self._left(self._one.live(outputs))
        self._budget = await self._what_may_be_spent()
        event = await self._damaged_before() or await self._paid(await self._by_end()) or await self._given_up_late()
        if event is None:
            event = await self._answered()
        await self._one.release_leases(self._job)  # of what nobody wants any more
        return event or ChunksCommitted()

    async def _answered(self) -> JobEvent | None:
        """Have it all done; what that leads to, if it ends early."""
        pieces, extras, _, holders, failures, behind = self._todo
        errands = ChunkErrands(self._job, extras, pieces, self._store, behind)
        answers = self._one.answers(errands, self._wanted(self._about.keys()), holders, failures)
        async with contextlib.aclosing(answers):
            async for task, result, quarantined in answers:
                if result.reason is None:
                    self._on_chunk()
                event = None
                if task.id in extras:
                    event = await self._extra(extras[task.id], result)
                elif result.reason is not None:
                    event = await self._piece_failed(pieces[task.number], result, quarantined=quarantined)
                event = event or await self._paid(self._done(task))
                if event is not None:
                    return event
        return None

    async def _what_may_be_spent(self) -> Budget[str]:
        """By title key; of a job without a cap nothing is reckoned."""
        job, cap = self._job, self._job.limits.max_spend
        if cap is None:
            return Budget({}, None)
        costs = {
            key: cost_of(await self._one.title(job, output), job.tariff)
            for key, output in self._outputs.items()
            if output.charged is None
        }
        return Budget(costs, cap - job.spent)

    async def _by_end(self) -> list[str]:
        """Title keys in the order in which the outputs were encoded: so they are charged."""
        job = self._job
        if job.limits.max_spend is None:
            return list(self._about)
        done = await self._store.read(lambda conn: chunk_rows.encoded_at(conn, job.id, job.attempt))
        return sorted(self._about, key=lambda key: done.get(self._outputs[key].id, NO_CHUNKS))

    def _done(self, task: Task) -> list[str]:
        """Title keys of the outputs of which that task was the last that was left."""
        found = [key for key, left in self._lacking.items() if task.id in left]
        for key in found:
            self._lacking[key].discard(task.id)
        return [key for key in found if not self._lacking[key]]

    async def _paid(self, title_keys: Iterable[str]) -> JobEvent | None:
        """Those of them that are encoded are paid; what cannot be paid beside them any more is given up."""
        for key in title_keys:
            if key in self._about and not self._lacking.get(key):
                self._budget.encoded(key)
        for key in self._budget.beyond():
            if key in self._about:
                cap = (self._job.limits.max_spend or 0) / CREDIT
                told = f"It costs more than is left of the job's {cap:g} credits."
                failed = await self._fail_output(key, Reason.SPEND_CAP_REACHED, told)
                if failed is not None:
                    return failed
        return None

    async def _given_up_late(self) -> JobEvent | None:
        """What is not encoded when the time is over is not encoded any more."""
        lacking = [key for key in self._about if self._one.late.is_set() and self._lacking[key]]
        for key in lacking:
            failed = await self._fail_output(key, Reason.TIMED_OUT, TOO_LONG)
            if failed is not None:
                return failed
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
        pieces = batched(pieces, titles)
        standing = one.standing(job)
        tasks = piece_tasks(pieces, titles, standing, alone=job.run.reuse == "off")
        orders = await self._extras()
        beside = extra_tasks(orders, titles, standing)
        extras = {task.id: order for task, order in zip(beside, orders, strict=True)}
        if job.limits.max_spend is not None or one.late.is_set():
            self._lacking = {key: _tasks_of(key, about, pieces, tasks, extras) for key, about in self._about.items()}
        failures = await self._failures(pieces, tasks)
        done, planned = await self._store.read(lambda conn: chunk_rows.frames_of(conn, job.id, job.attempt))
        behind = sum(map(film_seconds, titles.values())) * done / planned if planned else 0.0
        return _Left(pieces, extras, [*beside, *tasks], holders_of(rows, pieces, tasks), failures, behind)

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
            await asyncio.to_thread(self._one.require_blobs)
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
        if result.reason is Reason.FFMPEG_FAILED and order.kind not in {"remux", "whole"}:
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
        rest = self._about.keys() - set(title_keys)
        wanted = {task.id for task in self._wanted(rest)}
        doomed = [task.id for task in self._todo.tasks if task.id not in wanted]
        self._one.dispatcher.drop(self._job.id, doomed)

    def _wanted(self, title_keys: Collection[str]) -> list[Task]:
        """What is to be done for those outputs."""
        pieces, extras, tasks, *_ = self._todo
        keys = frozenset(title_keys)
        beside = {order.key for key in keys for order in self._about[key].extras}
        return [
            task
            for task in tasks
            if (
                extras[task.id].key in beside
                if task.id in extras
                else not keys.isdisjoint(pieces[task.number].title_keys)
            )
        ]


def _tasks_of(
    key: str, about: _About, pieces: Sequence[Piece], tasks: Sequence[Task], extras: Mapping[str, ExtraOrder]
) -> set[str]:
    """Ids of the tasks that an output takes."""
    beside = {one.key for one in about.extras}
    of_pieces = {task.id for task, piece in zip(tasks, pieces, strict=True) if key in piece.title_keys}
    return of_pieces | {task_id for task_id, order in extras.items() if order.key in beside}


async def return_chunks(one: OneJob, job: Job, keys: Sequence[str]) -> None:
    """Let committed chunks wait again."""
    epoch = one.store.epoch
    for first in range(0, len(keys), _AT_ONCE):
        some = keys[first : first + _AT_ONCE]
        await one.store.write(functools.partial(_return_some, job=job, keys=some, epoch=epoch))


def _return_some(conn: Connection, *, job: Job, keys: Sequence[str], epoch: int) -> None:
    chunk_rows.return_chunks(conn, job.id, job.attempt, keys, epoch)


def _lost(blobs: Blobs, keys: Sequence[str]) -> list[str]:
    gone = set(blobs.lost([blob for key in keys for blob in (chunk_blob(key), facts_blob(key))]))
    return [key for key in keys if chunk_blob(key) in gone or facts_blob(key) in gone]


def _known(blobs: Blobs, pieces: Sequence[Piece]) -> list[list[EncodedChunk] | None]:
    """The chunks of each piece, where all of them are there; they count as used from now on."""
    found: list[list[EncodedChunk] | None] = []
    blobs.bring(facts_blob(key) for piece in pieces for key in piece.keys)
    for piece in pieces:
        chunks = [
            EncodedChunk(number=number, key=key, blob=chunk_blob(key), facts=facts)
            for number, key in enumerate(piece.keys)
            if blobs.has(facts_blob(key)) and (facts := intact_chunk(blobs, key)) is not None
        ]
        whole = len(chunks) == len(piece.keys)
        found.append(chunks if whole else None)
        for chunk in chunks if whole else ():
            note_use(blobs, chunk.blob, facts_blob(chunk.key))
    return found
