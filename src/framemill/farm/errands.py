"""A job's orders while they are carried out: what is sent for each task, and what the store is told of it."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from sqlalchemy import Connection

from framemill.farm.counting import TALLY
from framemill.farm.jobstore import JobStore
from framemill.farm.orders import Encoded, EncodedChunk, ExtraOrder, GroupOrder, Order, Result
from framemill.jobs.model import Failure, Job, new_id
from framemill.jobs.reasons import Reason
from framemill.jobs.usage import Usage
from framemill.policy.tasks import STITCH, Standing, Task
from framemill.store import chunks as chunk_rows
from framemill.store import jobs as job_rows
from framemill.store.epochs import require_epoch


def standing_of(job: Job) -> Standing:
    """The job among the others."""
    deadline = float("inf") if job.deadline is None else job.deadline.timestamp()
    return Standing(job.id, job.account, job.fairness_key, job.priority, deadline)


class Errands:
    """Orders that leave no row of their own behind."""

    behind: float | None = None
    """Effort that was done of it before; none: these tasks are not what the job's share is told of."""

    def __init__(self, job: Job, orders: Mapping[str, Order]) -> None:
        self.standing = standing_of(job)
        self._orders = orders

    def order(self, task: Task) -> Order:
        """What is sent for a task."""
        return self._orders[task.id]

    def frames(self, task: Task) -> int:
        """Frames of the job's chunks that a task encodes."""
        return 0

    def bytes(self, task: Task) -> int:
        """Bytes that a task moves over the network."""
        return 0

    async def begun(self, task: Task, token: str, worker: str) -> None:
        """Nothing to note."""

    async def done(self, task: Task, token: str, worker: str, result: Result, *, pays: bool) -> None:
        """Nothing to note."""

    async def undone(self, task: Task, token: str, failure: Failure | None) -> None:
        """Nothing to note."""


class Question(Errands):
    """An order that belongs to no job: somebody waits for its answer, before all others."""

    def __init__(self, order: Order) -> None:
        name = f"question-{new_id()}"
        self.standing = Standing(name, account="", priority=_BEFORE_ALL)
        self.task = Task(id=name, standing=self.standing, lane=STITCH)
        self._orders = {name: order}


_BEFORE_ALL = 1 << 30


class Piece(NamedTuple):
    """A group of chunks that is still to be encoded."""

    title_keys: tuple[str, ...]
    """Of the outputs that have the very same chunks."""
    renditions: tuple[int, ...]
    """That one decode serves."""
    group: int
    frames: int
    """Over all those outputs and renditions."""
    keys: tuple[str, ...]
    left: tuple[str, ...]
    """Those that are not committed."""

    @property
    def title_key(self) -> str:
        """Any plan that it can be encoded by."""
        return self.title_keys[0]


class ChunkErrands(Errands):
    """Groups of chunks: leased when they begin, committed when they are done, released when they come to nothing."""

    def __init__(
        self,
        job: Job,
        orders: Mapping[str, Order],
        pieces: Sequence[Piece],
        store: JobStore,
        behind: float = 0.0,
    ) -> None:
        super().__init__(job, orders)
        self.behind = behind
        self._job = job
        self._pieces = pieces
        self._store = store
        self._tokens: dict[int, str] = {}

    def order(self, task: Task) -> Order:
        """What is sent for a task; made when it is sent, since very many may wait."""
        if task.id in self._orders:
            return self._orders[task.id]
        piece = self._pieces[task.number]
        return GroupOrder(title_key=piece.title_key, renditions=piece.renditions, group=piece.group)

    def frames(self, task: Task) -> int:
        """Frames that its group holds."""
        return 0 if task.id in self._orders else self._pieces[task.number].frames

    async def begun(self, task: Task, token: str, worker: str) -> None:
        """Lease its chunks; a second copy of the task shares the lease of the first."""

        def lease(conn: Connection) -> None:
            if not self._lease(conn, task.number, token, worker):
                require_epoch(conn, self._store.epoch)

        if task.id not in self._orders:
            await self._store.write(lease)

    async def done(self, task: Task, token: str, worker: str, result: Result, *, pays: bool) -> None:
        """Commit its chunks, under whichever lease they have by now: the result is good, whoever brings it."""
        extra = self._orders.get(task.id)
        if isinstance(extra, ExtraOrder) and pays:
            await self._store.account(extra.kind, result.usage)
        if not isinstance(result, Encoded) or extra is not None:
            return
        chunks = result.chunks

        def commit(conn: Connection) -> None:
            held = self._tokens.get(task.number)
            # Another job may have leased its own chunks under that token; or the lease was released meanwhile.
            if held is None or not commit_all(conn, chunks, held, self._store.epoch, result.usage):
                require_epoch(conn, self._store.epoch)
                self._lease(conn, task.number, token, worker)
                commit_all(conn, chunks, self._tokens[task.number], self._store.epoch, result.usage)
            if pays:
                job_rows.add_usage(conn, self._job.id, "encode", result.usage, self._store.epoch)

        await self._store.write(commit)
        if pays:
            TALLY.encoded(len(chunks), sum(chunk.facts.frames for chunk in chunks), result.usage.seconds)

    async def undone(self, task: Task, token: str, failure: Failure | None) -> None:
        """Release its chunks, with what is known of the failure."""
        if task.id in self._orders:
            return
        if failure is not None:
            TALLY.chunks_retried += len(self._pieces[task.number].left)

        def release(conn: Connection) -> None:
            if failure is not None and failure.reason is not Reason.WORKER_LOST:
                chunk_rows.note_failure(conn, token, self._store.epoch, failure)
            chunk_rows.release_chunks(conn, token, self._store.epoch)

        await self._store.write(release)

    def _lease(self, conn: Connection, number: int, token: str, worker: str) -> bool:
        job, epoch = self._job, self._store.epoch
        keys = self._pieces[number].left
        leased = chunk_rows.lease_chunks(
            conn, job.id, job.attempt, keys, token=token, worker=worker, epoch=epoch, now=datetime.now(UTC)
        )
        if leased:
            self._tokens[number] = token
        self._tokens.setdefault(number, token)
        return leased


def commit_all(conn: Connection, chunks: Sequence[EncodedChunk], token: str, epoch: int, usage: Usage) -> bool:
    """Commit chunks of one lease that were encoded together; each has its share of what that took.

    False when any was not under that lease.
    """
    pixels = sum(chunk.facts.frames * chunk.pixels for chunk in chunks)
    committed = []
    for chunk in chunks:
        used = usage.share(chunk.facts.frames * chunk.pixels / pixels)
        committed.append(chunk_rows.commit_chunk(
            conn, chunk.key, token, epoch, blob=chunk.blob, size=chunk.facts.size, sha256=chunk.facts.sha256,
            seconds=used.seconds, cpu_seconds=used.cpu_seconds, now=datetime.now(UTC),
        ))  # fmt: skip
    return all(committed)
