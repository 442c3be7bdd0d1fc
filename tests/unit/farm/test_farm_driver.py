"""A job on its way, on a real store, with a crew that needs no ffmpeg."""

import asyncio
import contextlib
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime
from typing import Any, Protocol

import pytest
from sqlalchemy import Connection

from framemill.errors import FarmError, MediaError, StaleWrite
from framemill.farm.driver import MOST_TRIES, Driver
from framemill.farm.encoding import chunk_blob
from framemill.farm.orders import Encoded, ExtraOrder, GroupOrder, Stitched
from framemill.jobs.model import Job
from framemill.jobs.reasons import Reason
from framemill.jobs.states import CancelAsked, ChunkState, DeliveryState, InputState, JobState, WorkStopped
from framemill.media.damage import Complaints
from framemill.store import chunks as chunk_rows
from framemill.store.database import Database
from framemill.store.epochs import take_epoch

RunUntil = Callable[..., None]
Order = GroupOrder | ExtraOrder
FILM = b"[0,10)[10,20)[20,30)[30,40)"
DECODED_FILM = b"[0,10)[10,20)[20,30)[30,39)"
OLD_LEASE = "old"
WORKING = (
    JobState.INGESTING,
    JobState.PLANNING,
    JobState.ENCODING,
    JobState.STITCHING,
    JobState.PACKAGING,
    JobState.DELIVERING,
)


class FakeFarm(Protocol):
    """What the fixture `farm` gives."""

    crew: Any
    database: Database
    blobs: Any
    target: Any
    folder: Any
    chunks: Any
    deliveries: Any
    job: Job

    def submit(self, **how: Any) -> None: ...
    def driver(self, kind: type[Driver] = ..., database: Database | None = ...) -> Driver: ...
    def run(self) -> Job: ...


def states(farm: FakeFarm) -> Counter[ChunkState]:
    return Counter(row.state for row in farm.chunks)


def group(order: Order) -> int | None:
    return order.group if isinstance(order, GroupOrder) else None


async def until(holds: Callable[[], bool]) -> None:
    """Let the others go on until that holds."""
    while not holds():  # noqa: ASYNC110 - a store tells nobody that it was written to
        await asyncio.sleep(0)


async def nothing(_: Order) -> Encoded | None:
    """Nothing stands in the way of the work."""
    return None


def failing(number: int, reason: Reason, message: str = "why", times: int = 1000) -> Callable[[Order], Any]:
    """A crew that cannot do one group, so many times."""
    left = [times]

    async def answer(order: Order) -> Encoded | None:
        if group(order) != number or not left[0]:
            return None
        left[0] -= 1
        return Encoded(reason=reason, message=message, command="ffmpeg -i /in.mp4")

    return answer


def losing(wanted: Callable[[Order], bool], times: int = 1000) -> Callable[[Order], Any]:
    """A crew whose workers die over some orders, so many times."""
    left = [times]

    async def answer(order: Order) -> Encoded | None:
        if wanted(order) and left[0]:
            left[0] -= 1
            raise FarmError("A worker was lost.")
        return None

    return answer


def test_a_job_runs_to_its_end(farm: FakeFarm) -> None:
    farm.submit()
    job = farm.run()
    assert (job.state, job.reason, job.warnings) == (JobState.COMPLETED, None, ())
    assert job == farm.job
    assert farm.target.read_bytes() == FILM
    assert states(farm) == {ChunkState.COMMITTED: 4}
    assert {(row.seconds, row.blob) for row in farm.chunks} == {(0.5, chunk_blob(row.key)) for row in farm.chunks}
    assert [(row.path, row.uri, row.state) for row in farm.deliveries] == [
        ("output.mp4", str(farm.target), DeliveryState.COMPLETED)
    ]
    assert not (farm.folder / "work" / "j").exists()


def test_the_report_tells_what_came_of_it(farm: FakeFarm) -> None:
    farm.submit()
    report = farm.run().report
    assert report is not None
    assert report["plan"]["chunks"][1] == {
        "number": 1,
        "first": 10,
        "end": 20,
        "start_seconds": 0.4,
        "why": "every 10 frames",
        "group": 1,
        "encode_seconds": 0.5,
    }
    (output,) = report["outputs"]
    assert (output["path"], output["proof"]) == (str(farm.target), {"frames": 40})
    assert output["files"] == [{"path": "output.mp4", "size": len(FILM), "sha256": "5" * 64, "md5": "5" * 32}]
    assert output["renditions"][0]["video_bytes"] == len(FILM)
    assert set(report["seconds"]) == {"queued", *WORKING} - {"packaging", "delivering"}


def test_every_group_sound_and_text_is_asked_for_once(farm: FakeFarm) -> None:
    farm.submit()
    farm.run()
    assert sorted(farm.crew.groups) == [0, 1, 2, 3]
    extras = [(order.kind, order.rank) for order in farm.crew.orders if isinstance(order, ExtraOrder)]
    assert extras == [("sound", 0), ("text", 0)]
    assert len({order.token for order in farm.crew.orders if isinstance(order, GroupOrder)}) == 4


def test_two_outputs_of_one_source_are_both_delivered(farm: FakeFarm) -> None:
    farm.submit(outputs=2)
    assert farm.run().state is JobState.COMPLETED
    assert (farm.target.read_bytes(), (farm.folder / "out-1.mkv").read_bytes()) == (FILM, FILM)
    assert states(farm) == {ChunkState.COMMITTED: 8}


def test_outputs_share_the_chunks_that_are_equal(farm: FakeFarm) -> None:
    farm.submit(outputs=2)
    farm.run()
    assert sorted(farm.crew.groups) == [0, 1, 2, 3]


def test_a_source_that_failed_fails_the_job(farm: FakeFarm) -> None:
    farm.submit(input_state=InputState.WAITING)
    job = farm.run()
    assert (job.state, job.reason) == (JobState.FAILED, Reason.SOURCE_MISSING)
    assert farm.crew.plans == []


# A plan that is refuted


def test_a_refuted_index_leads_to_a_new_plan_by_decode(farm: FakeFarm) -> None:
    farm.submit()
    farm.crew.answer = failing(1, Reason.CHUNK_MISMATCH, times=1)
    job = farm.run()
    assert (job.state, job.refuted) == (JobState.COMPLETED, 1)
    assert [(plan.decode, plan.linear) for plan in farm.crew.plans] == [(False, False), (True, False)]
    assert len({plan.title_key for plan in farm.crew.plans}) == 2
    assert farm.target.read_bytes() == DECODED_FILM
    assert states(farm) == {ChunkState.COMMITTED: 4}


def test_an_index_that_is_refuted_at_the_join_leads_to_a_new_plan(farm: FakeFarm) -> None:
    farm.submit()
    farm.crew.finished = [Stitched(reason=Reason.CHUNK_MISMATCH, message="Frame 10 decodes to other pixels.")]
    job = farm.run()
    assert (job.state, job.refuted, len(farm.crew.joins)) == (JobState.COMPLETED, 1, 2)
    assert farm.target.read_bytes() == DECODED_FILM


def test_an_index_that_is_refuted_again_and_again_fails_the_job(farm: FakeFarm) -> None:
    farm.submit()
    farm.crew.answer = failing(0, Reason.CHUNK_MISMATCH, "The chunk holds 9 frames; 10 were planned.")
    job = farm.run()
    assert (job.state, job.reason, job.message) == (
        JobState.FAILED,
        Reason.CHUNK_MISMATCH,
        "The chunk holds 9 frames; 10 were planned.",
    )
    assert [(plan.decode, plan.linear) for plan in farm.crew.plans] == [(False, False), (True, False), (True, True)]
    assert not farm.target.exists()


def test_chunks_that_a_decoded_index_proved_are_kept_by_the_linear_plan(farm: FakeFarm) -> None:
    farm.submit()
    planned: list[tuple[int, int | None]] = []

    async def answer(order: Order) -> Encoded | None:
        planned.append((len(farm.crew.plans), group(order)))
        if group(order) == 0 and len(farm.crew.plans) == 1:
            return Encoded(reason=Reason.CHUNK_MISMATCH)
        if group(order) == 3 and len(farm.crew.plans) == 2:
            await until(lambda: states(farm)[ChunkState.COMMITTED] == 3)
            return Encoded(reason=Reason.CHUNK_MISMATCH)
        return None

    farm.crew.answer = answer
    assert farm.run().state is JobState.COMPLETED
    assert [number for plan, number in planned if plan == 3 and number is not None] == [3]
    assert farm.target.read_bytes() == DECODED_FILM


# An order that fails


def test_an_order_that_fails_fails_the_job_with_its_reason(farm: FakeFarm) -> None:
    farm.submit()
    farm.crew.answer = failing(2, Reason.FFMPEG_FAILED, "ffmpeg ended with exit status 1: no such filter")
    job = farm.run()
    assert (job.state, job.reason, job.message) == (
        JobState.FAILED,
        Reason.FFMPEG_FAILED,
        "ffmpeg ended with exit status 1: no such filter",
    )
    assert farm.crew.groups.count(2) == 1
    assert not farm.target.exists()


def test_an_order_that_fails_ends_the_others(farm: FakeFarm) -> None:
    farm.submit()

    async def answer(order: Order) -> Encoded | None:
        if group(order) != 3:
            await asyncio.Event().wait()
        await until(lambda: len(farm.crew.groups) == 4)  # every group has its lease
        return Encoded(reason=Reason.OUT_OF_MEMORY)

    farm.crew.answer = answer
    assert farm.run().reason is Reason.OUT_OF_MEMORY
    assert farm.crew.under_way == 0
    assert states(farm) == {ChunkState.WAITING: 4}


def test_an_error_of_the_crew_fails_the_job_with_its_reason(farm: FakeFarm) -> None:
    farm.submit()

    async def answer(order: Order) -> Encoded | None:
        raise MediaError("This title has no pictures to encode.")

    farm.crew.answer = answer
    job = farm.run()
    assert (job.state, job.message) == (JobState.FAILED, "This title has no pictures to encode.")


def test_a_result_that_is_not_as_planned_is_not_delivered(farm: FakeFarm) -> None:
    farm.submit()
    farm.crew.finished = [Stitched(reason=Reason.VERIFICATION_FAILED, message="The result holds 39 frames.")]
    job = farm.run()
    assert (job.state, job.reason) == (JobState.FAILED, Reason.VERIFICATION_FAILED)
    assert not farm.target.exists()
    assert farm.deliveries == []


def test_a_target_that_takes_nothing_fails_the_job(farm: FakeFarm) -> None:
    farm.submit()
    farm.target.mkdir()
    job = farm.run()
    assert (job.state, job.reason) == (JobState.FAILED, Reason.TARGET_REFUSED)
    assert farm.target.is_dir()


def answering(kind: str, encoded: Encoded) -> Callable[[Order], Awaitable[Encoded | None]]:
    async def answer(order: Order) -> Encoded | None:
        return encoded if isinstance(order, ExtraOrder) and order.kind == kind else None

    return answer


@pytest.mark.parametrize(
    ("kind", "what"), [("sound", "The sound of in.mp4 could not"), ("text", "Text track 0 of in.mp4 could not")]
)
def test_sound_and_text_that_cannot_be_converted_are_left_out_with_a_warning(
    farm: FakeFarm, kind: str, what: str
) -> None:
    farm.submit(on_damage="keep")
    farm.crew.answer = answering(kind, Encoded(reason=Reason.FFMPEG_FAILED, message="no packets"))
    job = farm.run()
    assert job.state is JobState.COMPLETED
    assert [warned.message for warned in job.warnings] == [f"{what} be converted and is left out: no packets"]
    assert job.report is not None
    assert job.report["warnings"] == [warned.message for warned in job.warnings]


@pytest.mark.parametrize(
    ("encoded", "told"),
    [
        (Encoded(reason=Reason.FFMPEG_FAILED, message="no packets."), "cannot be converted: no packets."),
        (Encoded(complaints=Complaints(refused=9, lines=("why",))), "is damaged: 9 packets of it do not decode (why)."),
    ],
)
def test_sound_that_is_lost_is_refused_unless_it_was_asked_to_keep_the_rest(
    farm: FakeFarm, encoded: Encoded, told: str
) -> None:
    farm.submit()
    farm.crew.answer = answering("sound", encoded)
    job = farm.run()
    assert (job.state, job.reason) == (JobState.FAILED, Reason.SOURCE_DAMAGED)
    assert job.message is not None
    assert job.message.startswith(f"The sound of in.mp4 {told} To encode what is there, set on_damage=keep")


# A worker that is lost


def test_what_a_lost_worker_had_is_tried_again(farm: FakeFarm) -> None:
    farm.submit()
    farm.crew.answer = losing(lambda order: group(order) == 1, MOST_TRIES - 1)
    assert farm.run().state is JobState.COMPLETED
    assert Counter(farm.crew.groups) == {0: 1, 1: MOST_TRIES, 2: 1, 3: 1}
    assert farm.target.read_bytes() == FILM


def test_what_kills_every_worker_fails_the_job(farm: FakeFarm) -> None:
    farm.submit()
    farm.crew.answer = losing(lambda order: group(order) == 1)
    job = farm.run()
    assert (job.state, job.reason, job.message) == (JobState.FAILED, Reason.WORKER_LOST, "A worker was lost.")
    assert farm.crew.groups.count(1) == MOST_TRIES


def test_sound_that_a_lost_worker_had_is_tried_again_and_never_left_out(farm: FakeFarm) -> None:
    farm.submit()
    farm.crew.answer = losing(lambda order: isinstance(order, ExtraOrder) and order.kind == "sound")
    job = farm.run()
    assert (job.state, job.reason, job.warnings) == (JobState.FAILED, Reason.WORKER_LOST, ())


# A job that is cancelled


async def cancelled(driver: Driver, running: asyncio.Task[Job]) -> None:
    """As the coordinator does it."""
    await driver.apply(CancelAsked())
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
    await driver.apply(WorkStopped())


def test_a_cancel_amid_the_encode_leaves_nothing_leased(farm: FakeFarm) -> None:
    farm.submit()
    driver = farm.driver()

    async def scene() -> None:
        all_begun = asyncio.Event()

        async def answer(order: Order) -> Encoded | None:
            if group(order) == 0 or isinstance(order, ExtraOrder):
                return None
            if farm.crew.under_way == 3:
                all_begun.set()
            await asyncio.Event().wait()
            return None

        farm.crew.answer = answer
        running = asyncio.ensure_future(driver.run())
        await all_begun.wait()
        assert states(farm)[ChunkState.LEASED] >= 3
        await cancelled(driver, running)

    asyncio.run(scene())
    assert (farm.job.state, farm.job.reason) == (JobState.CANCELLED, Reason.CANCELLED_BY_CLIENT)
    assert farm.crew.under_way == 0
    assert ChunkState.LEASED not in states(farm)
    assert not farm.target.exists()


class GatedDatabase(Database):
    """A store that is slow to write: every write waits for the gate."""

    def __init__(self, like: Database) -> None:
        super().__init__(like.url)
        self.gate = threading.Event()
        self.waiting = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    @contextlib.contextmanager
    def writing(self) -> Iterator[Connection]:
        self._loop.call_soon_threadsafe(self.waiting.set)
        assert self.gate.wait(20)
        with super().writing() as conn:
            yield conn


def test_a_cancel_amid_the_lease_leaves_nothing_leased(farm: FakeFarm, run_until: RunUntil) -> None:
    """1. The driver writes the lease, in a thread.  2. It is cancelled: nobody waits for the thread, and no result is
    waited for, so nothing is released.  3. The lease is written."""
    farm.submit()
    run_until(before=JobState.ENCODING)

    async def scene() -> None:
        slow = GatedDatabase(farm.database)
        running = asyncio.ensure_future(farm.driver(database=slow).run())
        await slow.waiting.wait()
        running.cancel()
        for _ in range(20):
            await asyncio.sleep(0)
        slow.gate.set()
        with contextlib.suppress(asyncio.CancelledError):
            await running
        await asyncio.get_running_loop().shutdown_default_executor()
        slow.close()

    asyncio.run(scene())
    assert states(farm) == {ChunkState.WAITING: 4}


def test_a_result_that_comes_after_the_cancel_is_dropped(farm: FakeFarm) -> None:
    farm.submit()
    driver = farm.driver()

    async def answer(order: Order) -> Encoded | None:
        if group(order) == 3:
            await driver.apply(CancelAsked())
        return None

    farm.crew.answer = answer
    asyncio.run(driver.run())
    assert farm.job.state in {JobState.CANCELLING, JobState.CANCELLED}


# A coordinator that takes over


@pytest.mark.parametrize("state", WORKING)
def test_a_new_driver_goes_on_where_the_old_one_died(farm: FakeFarm, run_until: RunUntil, state: JobState) -> None:
    farm.submit()
    run_until(before=state)
    assert farm.job.state is state
    assert farm.run().state is JobState.COMPLETED
    assert farm.target.read_bytes() == FILM
    assert sorted(farm.crew.groups) == [0, 1, 2, 3]
    assert len(farm.crew.plans) == 1
    assert states(farm) == {ChunkState.COMMITTED: 4}


@pytest.mark.parametrize(
    "state",
    WORKING,
)
def test_work_that_nobody_knew_was_done_is_done_again_without_harm(
    farm: FakeFarm, run_until: RunUntil, state: JobState
) -> None:
    farm.submit()
    run_until(after=state)
    assert farm.job.state is state
    assert farm.run().state is JobState.COMPLETED
    assert farm.target.read_bytes() == FILM
    assert sorted(farm.crew.groups) == [0, 1, 2, 3]
    assert states(farm) == {ChunkState.COMMITTED: 4}


def test_a_delivery_is_told_once(farm: FakeFarm, run_until: RunUntil) -> None:
    farm.submit()
    run_until(after=JobState.PACKAGING)
    farm.run()
    assert [row.path for row in farm.deliveries] == ["output.mp4"]


def test_a_new_driver_encodes_no_committed_chunk(farm: FakeFarm) -> None:
    farm.submit()

    async def scene() -> None:
        driver = farm.driver()
        running = asyncio.ensure_future(driver.run())
        two_committed = asyncio.Event()

        async def answer(order: Order) -> Encoded | None:
            if group(order) in {1, 3}:
                await until(lambda: states(farm)[ChunkState.COMMITTED] == 2)
                two_committed.set()
                await asyncio.Event().wait()
            return None

        farm.crew.answer = answer
        await two_committed.wait()
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running

    asyncio.run(scene())
    assert states(farm) == {ChunkState.COMMITTED: 2, ChunkState.WAITING: 2}
    farm.crew.orders.clear()
    farm.crew.answer = nothing
    assert farm.run().state is JobState.COMPLETED
    assert sorted(farm.crew.groups) == [1, 3]
    assert farm.target.read_bytes() == FILM


def test_a_committed_chunk_whose_blob_is_gone_is_encoded_again(farm: FakeFarm, run_until: RunUntil) -> None:
    farm.submit()
    run_until(after=JobState.ENCODING)
    farm.blobs.path(chunk_blob(farm.chunks[2].key)).unlink()
    assert farm.run().state is JobState.COMPLETED
    assert (sorted(farm.crew.groups[:4]), farm.crew.groups[4:]) == ([0, 1, 2, 3], [2])
    assert farm.target.read_bytes() == FILM


def test_leases_of_a_coordinator_that_was_killed_are_ended(farm: FakeFarm, run_until: RunUntil) -> None:
    farm.submit()
    run_until(before=JobState.ENCODING)
    with farm.database.writing() as conn:
        epoch = take_epoch(conn)
        keys = [row.key for row in farm.chunks[:2]]
        assert chunk_rows.lease_chunks(
            conn, "j", 1, keys, token=OLD_LEASE, worker="w", epoch=epoch, now=datetime.now(UTC)
        )
    assert farm.run().state is JobState.COMPLETED
    assert states(farm) == {ChunkState.COMMITTED: 4}


def test_a_cancel_that_the_old_coordinator_did_not_end_is_ended(farm: FakeFarm, run_until: RunUntil) -> None:
    farm.submit()
    run_until(before=JobState.ENCODING)
    asyncio.run(farm.driver().apply(CancelAsked()))
    assert farm.run().state is JobState.CANCELLED


def test_a_join_that_is_done_again_fails_with_its_own_reason(farm: FakeFarm, run_until: RunUntil) -> None:
    farm.submit()
    run_until(before=JobState.PACKAGING)
    farm.crew.finished = [Stitched(reason=Reason.VERIFICATION_FAILED, message="The result holds 39 frames.")]
    assert farm.run().reason is Reason.VERIFICATION_FAILED


def test_a_driver_whose_epoch_is_over_changes_nothing(farm: FakeFarm) -> None:
    farm.submit()
    taken_over = False

    async def answer(order: Order) -> Encoded | None:
        nonlocal taken_over
        if not taken_over:
            taken_over = True
            farm.driver()
        return None

    farm.crew.answer = answer
    with pytest.raises(StaleWrite):
        farm.run()
    assert farm.job.state is JobState.ENCODING
    assert ChunkState.COMMITTED not in states(farm)
    assert not farm.target.exists()


def test_a_job_that_has_ended_is_left_alone(farm: FakeFarm) -> None:
    farm.submit()
    ended = farm.run()
    assert farm.run() == ended
    assert len(farm.crew.plans) == 1


def test_a_job_that_does_not_exist_is_told(farm: FakeFarm) -> None:
    with pytest.raises(FarmError, match="There is no job j"):
        farm.run()
