"""What goes wrong on the way: lost workers, chunks that cannot be encoded, bytes that have changed, full disks."""

import asyncio
import contextlib
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fake_farm import Coordinator, Farm
from fake_hands import Answer, FakeWorker, for_ever
from mortal import MortalDatabase, play
from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from framemill.farm.intact import chunk_blob, facts_blob
from framemill.farm.orders import (
    Encoded,
    ExtraOrder,
    GroupOrder,
    IngestOrder,
    Order,
    PlanOrder,
    Result,
    SourceRead,
    Stitched,
    StitchOrder,
    TrialOrder,
    Tried,
)
from framemill.jobs.reasons import Reason
from framemill.jobs.states import ChunkState, InputState, JobState
from framemill.policy.fleet import LOST_SECONDS

FILM = b"[0,10)[10,20)[20,30)[30,40)"
NO_ROOM = Encoded(reason=Reason.DISK_FULL, message="The disk is full.")


def group(order: Order) -> int | None:
    return order.group if isinstance(order, GroupOrder) else None


def worker(farm: Farm, machine: str = "m1") -> FakeWorker:
    return farm.hands.workers[f"worker-{machine}"]


def deadly(farm: Farm, wanted: Callable[[Order], bool], times: int = 1000) -> Answer:
    """Orders over which workers die, so many times."""
    left = [times]

    async def answer(order: Order) -> Result | None:
        if wanted(order) and left[0]:
            left[0] -= 1
            await asyncio.sleep(0.5)
            farm.hands.workers[farm.hands.at[-1 - farm.hands.orders[::-1].index(order)]].die()
            await for_ever(order)
        return None

    return answer


# Workers


def test_what_a_lost_worker_had_is_done_again_and_nothing_else(farm: Farm) -> None:
    farm.submit()
    farm.hands.answer = deadly(farm, lambda order: group(order) == 1, times=1)
    farm.hands.seconds = lambda order: 0.25 if group(order) == 0 else 20.0

    assert farm.run().state is JobState.COMPLETED
    assert Counter(farm.hands.groups) == {0: 1, 1: 2, 2: 2, 3: 2}
    assert farm.target.read_bytes() == FILM
    assert worker(farm).deaths == 1
    assert [row.failures for row in farm.chunks] == [()] * 4


def test_what_a_lost_worker_had_goes_to_another_one_at_once(farm: Farm) -> None:
    farm.machines = {"m1": 2, "m2": 2}
    farm.submit()
    farm.hands.seconds = lambda _: 4.0

    async def scene() -> float:
        async with farm.running() as coordinator:
            await farm.until(lambda: len(farm.hands.groups) == 4)
            worker(farm).stays_dead = True
            worker(farm).die()
            await coordinator.jobs.ended("j")
            return asyncio.get_running_loop().time()

    assert play(scene()) < 9
    assert farm.target.read_bytes() == FILM


def test_what_kills_every_worker_is_put_aside(farm: Farm) -> None:
    """And nobody looks for the frame, at the cost of more workers."""
    farm.submit()
    farm.hands.answer = deadly(farm, lambda order: group(order) == 1)
    job = farm.run()

    assert (job.state, job.reason) == (JobState.FAILED, Reason.WORKER_LOST)
    assert job.message == ("Frames 10 to 19 of in.mp4 cannot be encoded, wherever it is tried: worker-m1 was lost.")
    assert (farm.hands.groups.count(1), worker(farm).deaths) == (5, 5)
    assert farm.hands.of(TrialOrder) == []
    assert farm.states == {ChunkState.COMMITTED: 3, ChunkState.QUARANTINED: 1}


def test_what_kills_workers_runs_alone_in_the_end(farm: Farm) -> None:
    farm.submit()
    beside: list[int] = []
    kill = deadly(farm, lambda order: group(order) == 1)

    async def answer(order: Order) -> Result | None:
        if group(order) == 1:
            beside.append(farm.hands.under_way - 1)
        return await kill(order)

    farm.hands.answer = answer
    farm.hands.seconds = lambda _: 3.0
    farm.run()
    assert beside[0] > 0
    assert beside[3:] == [0, 0]


def test_sound_that_a_lost_worker_had_is_tried_again_and_never_left_out(farm: Farm) -> None:
    farm.submit(run={"on_damage": "keep"})
    farm.hands.answer = deadly(farm, lambda order: isinstance(order, ExtraOrder) and order.kind == "sound", times=2)
    job = farm.run()
    assert (job.state, job.warnings) == (JobState.COMPLETED, ())
    farm.submit("k", inputs=["/k"], run={"on_damage": "keep"})
    farm.hands.answer = deadly(farm, lambda order: isinstance(order, ExtraOrder) and order.kind == "sound")
    job = farm.run("k")
    assert (job.state, job.reason, job.warnings) == (JobState.FAILED, Reason.WORKER_LOST, ())


@pytest.mark.parametrize("kind", [IngestOrder, PlanOrder, StitchOrder])
def test_whatever_a_worker_was_lost_over_is_done_again(farm: Farm, kind: type[Order]) -> None:
    farm.submit(input_state=InputState.WAITING)
    farm.hands.answer = deadly(farm, lambda order: isinstance(order, kind), times=2)
    assert farm.run().state is JobState.COMPLETED
    assert len(farm.hands.of(kind)) == 3
    assert farm.target.read_bytes() == FILM


def test_a_worker_that_stands_still_is_noticed_and_what_it_had_is_given_out_again(farm: Farm) -> None:
    """Like SIGSTOP: nothing says that it is lost but its silence."""
    farm.machines = {"m1": 2, "m2": 2}
    farm.submit()
    farm.hands.seconds = lambda _: 4.0

    async def scene() -> float:
        async with farm.running() as coordinator:
            await farm.until(lambda: len(farm.hands.groups) == 4)
            worker(farm).stop()
            stopped = asyncio.get_running_loop().time()
            await farm.until(lambda: len(farm.hands.groups) == 6)
            noticed = asyncio.get_running_loop().time() - stopped
            await coordinator.jobs.ended("j")
            assert worker(farm).deaths == 1
            return noticed

    assert LOST_SECONDS - 2 < play(scene()) < 15
    assert farm.job.state is JobState.COMPLETED
    assert farm.target.read_bytes() == FILM


def test_a_worker_that_stood_still_for_a_moment_loses_nothing(farm: Farm) -> None:
    farm.submit()
    farm.hands.seconds = lambda _: 10.0

    async def scene() -> None:
        async with farm.running() as coordinator:
            await farm.until(lambda: len(farm.hands.groups) == 4)
            worker(farm).stop()
            await asyncio.sleep(LOST_SECONDS - 2.5)
            worker(farm).go_on()
            await coordinator.jobs.ended("j")

    play(scene())
    assert sorted(farm.hands.groups) == [0, 1, 2, 3]
    assert worker(farm).deaths == 0


def half_written(order: StitchOrder) -> None:
    folder = Path(order.folder)
    folder.mkdir()
    (folder / order.name).write_bytes(b"[0,10)[10,2")


def test_a_stitcher_may_die_while_it_joins(farm: Farm) -> None:
    farm.submit()

    async def answer(order: Order) -> Result | None:
        if isinstance(order, StitchOrder) and len(farm.hands.joins) == 1:
            half_written(order)
            farm.hands.workers["stitcher-m1"].die()
            await for_ever(order)
        return None

    farm.hands.answer = answer
    assert farm.run().state is JobState.COMPLETED
    assert farm.target.read_bytes() == FILM


# Chunks that cannot be encoded


def broken(frames: set[int]) -> Answer:
    """Nothing that holds one of those frames can be encoded."""

    async def answer(order: Order) -> Result | None:
        match order:
            case GroupOrder() if frames & set(range(order.group * 10, order.group * 10 + 10)):
                return Encoded(reason=Reason.FFMPEG_FAILED, message="no such frame.", command=f"ffmpeg {order.group}")
            case TrialOrder() if frames & set(range(order.first, order.end)):
                said = f"ffmpeg -ss {order.first} -frames:v {order.end - order.first}"
                return Tried(reason=Reason.FFMPEG_FAILED, message="no such frame.", command=said)
        return None

    return answer


def test_what_fails_alike_is_put_aside_with_the_smallest_range_that_fails(farm: Farm) -> None:
    farm.submit()
    farm.hands.answer = broken({27})
    job = farm.run()

    assert (job.state, job.reason) == (JobState.FAILED, Reason.FFMPEG_FAILED)
    assert job.message == (
        "Frame 27 of in.mp4 cannot be encoded, wherever it is tried: no such frame. See: ffmpeg -ss 27 -frames:v 1"
    )
    (aside,) = (row for row in farm.chunks if row.state is ChunkState.QUARANTINED)
    assert (aside.number, aside.reason, aside.message) == (2, Reason.FFMPEG_FAILED, job.message)
    assert farm.hands.groups.count(2) == 2
    assert farm.hands.under_way == 0


@pytest.mark.parametrize(
    ("frames", "told"),
    [
        ({20, 21, 22}, "Frame 20"),
        ({29}, "Frame 29"),
        ({10, 39}, "Frame 10"),
    ],
)
def test_the_smallest_range_is_found_wherever_it_is(farm: Farm, frames: set[int], told: str) -> None:
    farm.submit()
    farm.hands.answer = broken(frames)
    message = farm.run().message
    assert message is not None
    assert message.startswith((f"{told} of in.mp4", "Frame 39 of in.mp4"))


def test_a_failure_that_no_part_shows_is_told_of_the_whole(farm: Farm) -> None:
    farm.submit()

    async def answer(order: Order) -> Result | None:
        return Encoded(reason=Reason.FFMPEG_FAILED, message="why.") if group(order) == 1 else None

    farm.hands.answer = answer
    assert farm.run().message == "Frames 10 to 19 of in.mp4 cannot be encoded, wherever it is tried: why."


def test_in_a_group_the_chunk_that_fails_is_found(farm: Farm) -> None:
    farm.submit(run={"chunk_frames": 7})

    async def answer(order: Order) -> Result | None:
        if group(order) == 1:  # frames 7 to 20
            return Encoded(reason=Reason.FFMPEG_FAILED, message="why.")
        if isinstance(order, TrialOrder) and order.first <= 16 < order.end:
            return Tried(reason=Reason.FFMPEG_FAILED, message="why.", command="ffmpeg")
        return None

    farm.hands.answer = answer
    message = farm.run().message
    assert message == "Frame 16 of in.mp4 cannot be encoded, wherever it is tried: why. See: ffmpeg"
    assert [row.state for row in farm.chunks[1:3]] == [ChunkState.QUARANTINED] * 2


def test_what_is_lost_anyway_is_not_encoded_while_the_frame_is_looked_for(farm: Farm) -> None:
    farm.machines = {"m1": 2}
    farm.submit(run={"chunk_frames": 2})
    farm.hands.seconds = lambda _: 5.0

    async def answer(order: Order) -> Result | None:
        if group(order) is not None and group(order) == farm.hands.groups[0]:
            return Encoded(reason=Reason.FFMPEG_FAILED, message="why.")
        if isinstance(order, TrialOrder):
            assert farm.hands.under_way == 1
        return None

    farm.hands.answer = answer
    assert farm.run().state is JobState.FAILED
    kinds = [type(order) for order in farm.hands.orders]
    assert set(kinds[kinds.index(TrialOrder) :]) == {TrialOrder}
    assert ChunkState.WAITING in farm.states


def test_an_output_that_cannot_be_encoded_is_given_up_and_the_others_go_on(farm: Farm) -> None:
    farm.submit(outputs=2, on_output_error="keep", run={"on_damage": "keep"})
    other = farm.outputs_of()[1]
    farm.replace_output(other.model_copy(update={"settings": other.settings.model_copy(update={"crf": 40.0})}))

    async def answer(order: Order) -> Result | None:
        second = isinstance(order, GroupOrder | TrialOrder) and order.title_key.endswith("-1.json")
        if second and (group(order) == 2 or isinstance(order, TrialOrder)):
            return Encoded(reason=Reason.FFMPEG_FAILED, message="why.", command="ffmpeg")
        return await for_ever(order) if second else None

    farm.hands.answer = answer
    job = farm.run()
    assert job.state is JobState.COMPLETED
    assert [(warned.about_id, warned.reason) for warned in job.warnings] == [("j-o1", Reason.FFMPEG_FAILED)]
    assert "Frame 20 of in.mp4 cannot be encoded" in job.warnings[0].message
    assert farm.target.read_bytes() == FILM
    by_output = Counter((row.output_id, row.state) for row in farm.chunks)
    assert by_output["j-o0", ChunkState.COMMITTED] == 4
    assert by_output["j-o1", ChunkState.QUARANTINED] == 1
    assert by_output["j-o1", ChunkState.WAITING] == 3
    assert farm.hands.under_way == 0


@pytest.mark.parametrize(("bad", "state"), [(0, JobState.FAILED), (1, JobState.COMPLETED)])
def test_extras_may_fail_and_the_first_output_may_not(farm: Farm, bad: int, state: JobState) -> None:
    farm.submit(outputs=2, on_output_error="extras", run={"on_damage": "keep"})
    other = farm.outputs_of()[1]
    farm.replace_output(other.model_copy(update={"settings": other.settings.model_copy(update={"crf": 40.0})}))

    async def answer(order: Order) -> Result | None:
        if isinstance(order, GroupOrder | TrialOrder) and order.title_key.endswith(f"-{bad}.json"):
            return Encoded(reason=Reason.FFMPEG_FAILED, message="why.", command="ffmpeg")
        return None

    farm.hands.answer = answer
    assert farm.run().state is state
    assert farm.hands.under_way == 0


def test_a_chunk_that_all_outputs_share_fails_them_all(farm: Farm) -> None:
    farm.submit(outputs=2, on_output_error="keep")
    farm.hands.answer = broken({5})
    job = farm.run()
    assert (job.state, job.reason) == (JobState.FAILED, Reason.FFMPEG_FAILED)
    assert [output.reason for output in farm.outputs_of()] == [Reason.FFMPEG_FAILED, None]
    assert farm.hands.groups.count(0) == 2


def test_a_chunk_that_failed_once_on_a_bad_machine_goes_to_a_good_one(farm: Farm) -> None:
    farm.machines = {"m1": 2, "m2": 2}
    farm.submit()

    async def answer(order: Order) -> Result | None:
        bad = farm.hands.at[len(farm.hands.orders) - 1] == "worker-m1"
        return Encoded(reason=Reason.CHILD_FAILED, message="segfault") if bad and group(order) is not None else None

    farm.hands.answer = answer
    assert farm.run().state is JobState.COMPLETED
    assert farm.target.read_bytes() == FILM


# Bytes


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:3])


@pytest.mark.parametrize("harm", [flip, truncate, Path.unlink])
@pytest.mark.parametrize("blob", [chunk_blob, facts_blob])
def test_a_chunk_that_proves_damaged_at_the_join_is_encoded_again_and_no_other(
    farm: Farm, harm: Callable[[Path], None], blob: Callable[[str], str]
) -> None:
    farm.submit(outputs=2)

    async def answer(order: Order) -> Result | None:
        if isinstance(order, StitchOrder) and len(farm.hands.joins) == 1:
            harm(farm.blobs.path(blob(farm.chunks[2].key)))
        return None

    farm.hands.answer = answer
    job = farm.run()
    assert (job.state, job.refuted) == (JobState.COMPLETED, 0)
    assert Counter(farm.hands.groups) == {0: 1, 1: 1, 2: 2, 3: 1}
    assert (farm.target.read_bytes(), (farm.folder / "out-1.mkv").read_bytes()) == (FILM, FILM)
    assert farm.states == {ChunkState.COMMITTED: 8}


def test_of_a_group_with_a_damaged_chunk_all_is_encoded_and_all_is_committed(farm: Farm) -> None:
    farm.submit(run={"chunk_frames": 7})

    async def answer(order: Order) -> Result | None:
        if isinstance(order, StitchOrder) and len(farm.hands.joins) == 1:
            flip(farm.blobs.path(chunk_blob(farm.chunks[2].key)))
        return None

    farm.hands.answer = answer
    assert farm.run().state is JobState.COMPLETED
    assert Counter(farm.hands.groups) == {0: 1, 1: 2, 2: 1, 3: 1}
    assert farm.states == {ChunkState.COMMITTED: 6}


def test_sound_that_proves_damaged_at_the_join_is_made_again(farm: Farm) -> None:
    farm.submit()

    async def answer(order: Order) -> Result | None:
        if isinstance(order, StitchOrder) and len(farm.hands.joins) == 1:
            (sound,) = (each.key for each in farm.hands.of(ExtraOrder) if each.kind == "sound")
            return Stitched(reason=Reason.CHUNK_MISMATCH, message="changed", damaged=(sound,))
        return None

    farm.hands.answer = answer
    assert farm.run().state is JobState.COMPLETED
    assert sorted(farm.hands.extras) == [("sound", 0), ("sound", 0), ("text", 0)]
    assert sorted(farm.hands.groups) == [0, 1, 2, 3]


# Room, and the store


def test_a_full_disk_pauses_the_farm_and_loses_nothing(farm: Farm) -> None:
    farm.submit()
    full = [True]

    async def answer(order: Order) -> Result | None:
        return NO_ROOM if full[0] and group(order) in {2, 3} else None

    async def scene() -> None:
        farm.hands.answer = answer
        async with farm.running() as coordinator:
            await asyncio.sleep(300)
            assert coordinator.jobs.dispatcher.dispatch.held == "disk"
            assert farm.states == {ChunkState.COMMITTED: 2, ChunkState.WAITING: 2}
            full[0] = False
            coordinator.jobs.dispatcher.hold("")
            await coordinator.jobs.ended("j")

    play(scene())
    assert farm.job.state is JobState.COMPLETED
    assert Counter(farm.hands.groups) == {0: 1, 1: 1, 2: 2, 3: 2}


def test_a_farm_of_one_job_says_so_instead(farm: Farm) -> None:
    farm.patient = False
    farm.submit()

    async def answer(order: Order) -> Result | None:
        return NO_ROOM if group(order) == 2 else None

    farm.hands.answer = answer
    job = farm.run()
    assert (job.state, job.reason, job.message) == (JobState.FAILED, Reason.DISK_FULL, "The disk is full.")


@pytest.mark.parametrize(
    "state", [JobState.PLANNING, JobState.ENCODING, JobState.STITCHING, JobState.PACKAGING, JobState.DELIVERING]
)
@pytest.mark.parametrize("what", ["store", "blobs"])
def test_what_is_away_for_a_while_costs_no_job(farm: Farm, state: JobState, what: str) -> None:
    """A folder that is unmounted, a server that is down: it goes as the job enters a state, and comes back."""
    farm.submit()
    gone: list[None] = []

    def unmount(conn: Connection | None) -> bool:
        if not gone and farm.entering(state)(conn):
            gone.append(None)
            back = farm.take_store_away() if what == "store" else farm.take_blobs_away()
            asyncio.get_running_loop().call_later(12, back)
        return False

    async def scene() -> None:
        farm.hire()
        coordinator = farm.coordinator()
        coordinator.database.fate = unmount
        await coordinator.start()
        job = await coordinator.jobs.ended("j")
        assert (job.state, job.warnings) == (JobState.COMPLETED, ())
        await coordinator.close()

    play(scene())
    assert gone
    assert sorted(farm.hands.groups) == [0, 1, 2, 3]
    assert farm.target.read_bytes() == FILM


def test_blobs_that_are_away_when_a_coordinator_takes_over_are_not_lost(farm: Farm) -> None:
    """Committed chunks whose blobs are gone are encoded again; but not while all of them are away."""
    farm.submit(run={"reuse": "off"})
    farm.hands.seconds = lambda order: 1.0 if group(order) in {0, 1} else 20.0

    async def scene() -> None:
        farm.hire()
        first = farm.coordinator()
        await first.start()
        await farm.until(lambda: farm.states[ChunkState.COMMITTED] == 2)
        first.kill()
        worker(farm).die()
        asyncio.get_running_loop().call_later(7, farm.take_blobs_away())
        second = farm.coordinator()
        await second.start()
        job = await second.jobs.ended("j")
        assert job.state is JobState.COMPLETED
        await second.close()

    play(scene())
    assert Counter(farm.hands.groups) == {0: 1, 1: 1, 2: 2, 3: 2}
    assert farm.target.read_bytes() == FILM


def test_a_store_that_is_away_when_jobs_are_admitted_costs_no_job(farm: Farm) -> None:
    async def scene() -> None:
        async with farm.running() as coordinator:
            await asyncio.sleep(1)
            farm.submit()
            await coordinator.jobs.wake(["j"])
            back = farm.take_store_away()  # before the job is read
            await asyncio.sleep(30)
            assert coordinator.troubles
            back()
            assert (await coordinator.jobs.ended("j")).state is JobState.COMPLETED
            assert coordinator.jobs._room.running == 0

    play(scene())


class Blinking(MortalDatabase):
    """A store of which one look fails."""

    looks_left = 0

    @contextlib.contextmanager
    def reading(self) -> Iterator[Connection]:
        self.looks_left -= 1
        if not self.looks_left:
            error = sqlite3.OperationalError("unable to open database file")
            error.sqlite_errorcode = sqlite3.SQLITE_CANTOPEN
            raise OperationalError("SELECT", {}, error)
        with super().reading() as conn:
            yield conn


def test_whichever_look_at_the_store_fails_no_job_is_overlooked(farm: Farm) -> None:
    """1. A job is written.  2. The look at what is new finds its number, and fails before the job is read.
    3. The number counted as seen, and the job was never begun."""

    async def scene() -> None:
        farm.hire()
        blinking = Blinking(farm.database)
        coordinator = Coordinator(farm, database=blinking)
        await coordinator.start()
        for number in range(1, 10):
            name = f"look {number}"
            blinking.looks_left = number
            farm.submit(name)
            await farm.until(lambda name=name: farm.state_of(name) is JobState.COMPLETED)  # type: ignore[misc]
        assert coordinator.troubles
        assert coordinator.jobs._room.running == 0
        await coordinator.close()

    play(scene())
    assert sorted(farm.hands.groups) == [0, 1, 2, 3]


def test_a_source_that_is_away_for_a_moment_is_asked_again(farm: Farm) -> None:
    farm.submit(input_state=InputState.WAITING)

    async def answer(order: Order) -> Result | None:
        away = isinstance(order, IngestOrder) and len(farm.hands.of(IngestOrder)) < 4
        return SourceRead(reason=Reason.SOURCE_UNREACHABLE, message="no answer") if away else None

    farm.hands.answer = answer
    assert farm.run().state is JobState.COMPLETED
    assert len(farm.hands.of(IngestOrder)) == 4
