"""Sends the files of an output to one target, in turns, and notes of each how far it is."""

import asyncio
import contextlib
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from sqlalchemy import Connection

from framemill.farm.errands import Errands
from framemill.farm.job import OneJob
from framemill.farm.orders import DeliverOrder, Order, Result, TargetOrder, TargetSeen, WrittenFile
from framemill.jobs.model import Delivery, Failure, Job, Output, Target, Waiting
from framemill.jobs.reasons import Reason
from framemill.jobs.states import (
    DELIVERY_TRANSITIONS,
    DeliveryState,
    Failed,
    UploadAgain,
    Uploaded,
    UploadFailed,
    UploadStarted,
    advance,
)
from framemill.policy.tasks import DELIVER, Task
from framemill.policy.waiting import Code
from framemill.storage.address import address_of, is_remote
from framemill.storage.content import content_type
from framemill.storage.delivery import free_number
from framemill.storage.keyring import Way, way_to
from framemill.storage.putting import in_turns, path_numbered
from framemill.store import deliveries as delivery_rows
from framemill.store import jobs as job_rows
from framemill.store.epochs import require_epoch

_BATCH_FILES, _BATCH_BYTES = 32, 64 << 20
"""What one order sends: when it is done it is written down, and is not sent again."""
_LITTLE_EFFORT = 0.1  # a slow network says nothing of how quickly this machine encodes
_PATIENCE_SECONDS = 5.0


@dataclass(slots=True)
class Consignment:
    """An output's files on their way to its targets."""

    one: OneJob
    job: Job
    output: Output
    place: str
    """The folder where they lie."""
    rows: dict[str, Delivery]
    """Of this attempt, by id; as they are by now."""
    earlier: frozenset[str] = field(default_factory=frozenset)
    """Addresses where earlier attempts have put something: that may be replaced."""

    def of(self, number: int | None) -> list[Delivery]:
        """The files for one target; none: those that stay here."""
        return [row for row in self.rows.values() if row.target == number]

    def left(self, number: int | None) -> list[Delivery]:
        """Those that are not there yet."""
        return [row for row in self.of(number) if row.state is not DeliveryState.COMPLETED]

    def policy(self, number: int) -> Literal["replace", "fail"]:
        """What is done where something is there already; what an earlier attempt has put there is replaced."""
        own = any(row.uri in self.earlier for row in self.of(number))
        return "replace" if own or self.output.targets[number].if_exists == "replace" else "fail"

    async def save(self, changed: Sequence[Delivery]) -> None:
        """Write them."""
        self.rows.update({row.id: row for row in changed})

        def write(conn: Connection) -> None:
            require_epoch(conn, self.one.store.epoch)
            delivery_rows.save_deliveries(conn, changed)

        await self.one.store.write(write)

    async def completed(self, number: int | None) -> None:
        """All of its files are there."""
        await self.save([_completed(row) for row in self.left(number)])

    async def failed(self, number: int, reason: Reason, message: str) -> None:
        """Those that are not there will not be."""
        event = UploadFailed(reason, message)
        said = {"reason": reason, "message": message}
        await self.save(
            [
                row.model_copy(update={"state": advance(DELIVERY_TRANSITIONS, row.state, event), **said})
                for row in self.left(number)
                if row.state is not DeliveryState.FAILED
            ]
        )

    async def named(self, number: int) -> Failed | None:
        """Find a name for it that is free, where that was asked for; why there is none."""
        target = self.output.targets[number]
        if target.if_exists != "rename" or target.number is not None:
            return None
        if not is_remote(target.uri):
            free = await asyncio.to_thread(free_number, target.uri, self.output.settings.folder)
        else:
            way, folder = way_of(self.job, self.output, target), self.output.settings.folder
            order = TargetOrder(way=way, name=self.output.name, folder=folder, rename=True)
            seen = await asked(self.one, self.job, f"name:{self.output.id}:{self.job.attempt}:{number}", order)
            if not isinstance(seen, TargetSeen) or seen.reason is not None:
                return Failed(seen.reason or Reason.INTERNAL, seen.message)
            free = seen.number
        targets = list(self.output.targets)
        targets[number] = target.model_copy(update={"number": free})
        self.output = self.output.model_copy(update={"targets": tuple(targets)})
        uris = {row.id: uri_of(self.output, number, row.path) for row in self.of(number)}
        rows = [row.model_copy(update={"uri": uris[row.id]}) for row in self.of(number)]
        self.rows.update({row.id: row for row in rows})
        output, epoch = self.output, self.one.store.epoch

        def write(conn: Connection) -> None:
            require_epoch(conn, epoch)
            job_rows.save_output(conn, output)
            delivery_rows.save_deliveries(conn, rows)

        await self.one.store.write(write)
        return None

    async def sent(self, number: int) -> Failed | None:
        """Have a worker put what is left of its files there; why that cannot be."""
        refused = await self.named(number)
        while refused is None and self.left(number):
            refused = await self._turns(number)
            if refused is None or refused.reason is not Reason.TARGET_FULL or not self._waits(number):
                break
            await self.one.store.wait_for(Waiting(code=Code.DISK, sentence=refused.message))
            await asyncio.sleep(_PATIENCE_SECONDS)
            refused = None
        if refused is not None:
            await self.failed(number, refused.reason, refused.message)
        return refused

    def _waits(self, number: int) -> bool:
        """Whether a full disk is waited for: one of this machine's, where the farm stays."""
        return self.one.patient and not is_remote(self.output.targets[number].uri)

    async def _turns(self, number: int) -> Failed | None:
        rows = {row.path: row for row in self.of(number)}
        turns = in_turns(rows) if self.output.settings.folder else [list(rows)]
        for turn in turns:
            batches = dict(self._batches(number, [rows[path] for path in turn]))
            refused = await self._batch(batches)
            if refused is not None:
                return refused
        return None

    async def _batch(self, batches: Mapping[str, "_Batch"]) -> Failed | None:
        standing = self.one.standing(self.job)
        tasks = [Task(id=task, standing=standing, lane=DELIVER, effort=_LITTLE_EFFORT) for task in batches]
        errands = _Deliveries(self, batches)
        async with contextlib.aclosing(self.one.answers(errands, tasks)) as answers:
            async for _, result, _ in answers:
                if result.reason is not None:
                    return Failed(result.reason, result.message)
        return None

    def _batches(self, number: int, rows: Sequence[Delivery]) -> Iterator[tuple[str, "_Batch"]]:
        """The same ones whoever makes them; those that are done are left out, and so are files that are there."""
        target = self.output.targets[number]
        for batch in _cut(rows):
            left = [row for row in batch if self.rows[row.id].state is not DeliveryState.COMPLETED]
            if left:
                order = DeliverOrder(
                    way=way_of(self.job, self.output, target),
                    folder=self.output.settings.folder,
                    number=target.number or 1,
                    place=self.place,
                    files=tuple(file_of(row) for row in left),
                    if_exists=self.policy(number),
                    acl=target.acl,
                )
                yield f"deliver:{batch[0].id}", _Batch(order, tuple(row.id for row in left))


@dataclass(frozen=True, slots=True)
class _Batch:
    order: DeliverOrder
    ids: tuple[str, ...]
    """Of its files' rows."""


class _Deliveries(Errands):
    """Each row tells how far its file is."""

    def __init__(self, consignment: Consignment, batches: Mapping[str, _Batch]) -> None:
        orders: dict[str, Order] = {task: batch.order for task, batch in batches.items()}
        super().__init__(consignment.job, orders)
        self._consignment, self._batches = consignment, batches

    def bytes(self, task: Task) -> int:
        """Bytes that a task sends."""
        return sum(file.size for file in self._batches[task.id].order.files)

    async def begun(self, task: Task, token: str, worker: str) -> None:
        """They are on their way."""
        await self._consignment.save([_started(row) for row in self._rows(task)])

    async def done(self, task: Task, token: str, worker: str, result: Result, *, pays: bool) -> None:
        """They are there."""
        await self._consignment.save([_completed(row) for row in self._rows(task)])

    async def undone(self, task: Task, token: str, failure: Failure | None) -> None:
        """They are not; perhaps they are sent again."""
        await self._consignment.save([_again(row) for row in self._rows(task)])

    def _rows(self, task: Task) -> list[Delivery]:
        rows = [self._consignment.rows[row_id] for row_id in self._batches[task.id].ids]
        return [row for row in rows if row.state is not DeliveryState.COMPLETED]


async def asked(one: OneJob, job: Job, task_id: str, order: TargetOrder) -> Result:
    """What a worker sees at a target."""
    task = Task(id=task_id, standing=one.standing(job), lane=DELIVER, effort=_LITTLE_EFFORT)
    async with contextlib.aclosing(one.answers(Errands(job, {task_id: order}), [task])) as answers:
        async for _, result, _ in answers:
            return result
    return Result(reason=Reason.INTERNAL, message="Nobody has looked at the target.")


def expected_deliveries(
    job: Job, outputs: Sequence[Output], written: Mapping[str, Sequence[WrittenFile]]
) -> list[Delivery]:
    """One for each file of each output and each of its targets; the same ids whoever writes them, and however often."""
    return [
        Delivery(
            id=str(uuid.uuid5(uuid.NAMESPACE_OID, f"{output.id}/{job.attempt}/{number}/{file.path}")),
            job_id=job.id,
            attempt=job.attempt,
            output_id=output.id,
            target=number,
            path=file.path,
            uri="" if number is None else uri_of(output, number, file.path),
            size=file.size,
            sha256=file.sha256,
            md5=file.md5,
            content_type=content_type(file.path),
        )
        for output in outputs
        for number in (*((None,) if output.stays else ()), *range(len(output.targets)))
        for file in written[output.id]
    ]


def uri_of(output: Output, number: int, path: str) -> str:
    """Where a file of an output goes."""
    target, folder = output.targets[number], output.settings.folder
    address = address_of(target.uri)
    place = path_numbered(address.path.rstrip("/"), target.number or 1, folder=folder)
    address = address.model_copy(update={"path": place})
    return str(address.below(path) if folder else address)


def way_of(job: Job, output: Output, target: Target) -> Way:
    """The way to a target of an output."""
    return way_to(target, job.account).model_copy(update={"trusted": output.trusted})


def _cut(rows: Sequence[Delivery]) -> Iterator[list[Delivery]]:
    batch: list[Delivery] = []
    for row in rows:
        if batch and (
            len(batch) >= _BATCH_FILES or sum(one.size or 0 for one in batch) + (row.size or 0) > _BATCH_BYTES
        ):
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch


def file_of(row: Delivery) -> WrittenFile:
    """The file that it delivers."""
    return WrittenFile(path=row.path, size=row.size or 0, sha256=row.sha256 or "", md5=row.md5 or "")


def _started(row: Delivery) -> Delivery:
    if row.state is DeliveryState.UPLOADING:  # of a coordinator before this one
        return row
    if row.state is DeliveryState.FAILED:
        row = _again(row)
    return row.model_copy(update={"state": advance(DELIVERY_TRANSITIONS, row.state, UploadStarted())})


def _again(row: Delivery) -> Delivery:
    if row.state is DeliveryState.WAITING:
        return row
    fresh = {"state": advance(DELIVERY_TRANSITIONS, row.state, UploadAgain()), "reason": None, "message": None}
    return row.model_copy(update=fresh)


def _completed(row: Delivery) -> Delivery:
    return row.model_copy(update={"state": advance(DELIVERY_TRANSITIONS, _started(row).state, Uploaded())})
