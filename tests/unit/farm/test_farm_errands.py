"""What the store is told of a job's orders: leased when they begin, committed when they are done, whoever brings it."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime

import pytest
from fake_farm import Farm
from fake_hands import make_title
from mortal import play

from framemill.errors import EpochOver
from framemill.farm.errands import ChunkErrands, Errands
from framemill.farm.jobstore import JobStore
from framemill.farm.orders import Encoded, EncodedChunk, ExtraOrder, GroupOrder, PlanOrder, Result
from framemill.farm.titles import places_of
from framemill.farm.work import piece_tasks, pieces_of
from framemill.jobs.model import ChunkRow, Failure
from framemill.jobs.reasons import Reason
from framemill.jobs.settings import OutputSettings, RunSettings
from framemill.jobs.states import ChunkState
from framemill.jobs.usage import Usage
from framemill.media.chunkfile import ChunkFacts
from framemill.policy.tasks import Standing, Task
from framemill.store import chunks as chunk_rows
from framemill.store.epochs import take_epoch
from framemill.store.writer import Writer

NOON = datetime(2030, 5, 17, 12, 0, tzinfo=UTC)
FIRST, SECOND = "1.0", "1.1"  # tokens
STANDING = Standing("j", "a")
SOUND = Task("sound", STANDING)
SOUND_ORDER = ExtraOrder(title_key="t", kind="sound", key="sounds/s")
USAGE = Usage(seconds=12.0, cpu_seconds=24.0)


class Scene:
    """A job with chunks of seven frames in four groups: 0; 1 and 2; 3; 4 and 5. And whoever writes for it."""

    def __init__(self, farm: Farm) -> None:
        self.farm = farm
        farm.submit()
        run = RunSettings(chunk_frames=7)
        order = PlanOrder(title_key="t", source_key="s", settings=OutputSettings(), run=run, decode=False, linear=False)
        self.title = make_title(order)
        self.places = places_of(self.title)
        with farm.database.writing() as conn:
            self.epoch = take_epoch(conn)
            rows = [
                ChunkRow(
                    job_id="j",
                    output_id="j-o0",
                    number=place.number,
                    group_number=place.group,
                    key=place.key,
                    first_frame=place.first,
                    end_frame=place.end,
                )
                for place in self.places
            ]
            chunk_rows.replace_chunks(conn, "j", 1, rows, epoch=self.epoch)
        self.take_up()

    def take_up(self) -> None:
        """Look at what is left."""
        with self.farm.database.reading() as conn:
            left = chunk_rows.unfinished_chunks(conn, "j", 1)
        pieces = pieces_of(left, {"j-o0": self.title}, {"j-o0": "t"})
        self.tasks = piece_tasks(pieces, {"t": self.title}, STANDING, alone=False)
        self.store = JobStore("j", self.farm.database, Writer(self.farm.database, inline=True), self.epoch)
        self.errands = ChunkErrands(self.farm.job, {"sound": SOUND_ORDER}, pieces, self.store)

    def task_of(self, group: int) -> Task:
        wanted = GroupOrder(title_key="t", renditions=(0,), group=group)
        return next(task for task in self.tasks if self.errands.order(task) == wanted)

    async def begun(self, number: int, token: str = FIRST, worker: str = "w") -> None:
        await self.errands.begun(self.task_of(number), token, worker)

    async def done(self, number: int, token: str = FIRST, *, pays: bool = True) -> None:
        group = self.title.pictured.plan.groups[number]
        chunks = []
        for chunk in self.title.pictured.plan.group_chunks(group):
            key = self.title.chunk_key(0, chunk)
            facts = ChunkFacts(frames=chunk.frames, size=70, sha256="5", parameter_sets="p", reorder=0)
            chunks.append(EncodedChunk(number=chunk.number, key=key, blob=f"chunks/{key}", facts=facts))
        await self.errands.done(self.task_of(number), token, "w", Encoded(chunks=tuple(chunks), usage=USAGE), pays=pays)

    async def undone(self, number: int, token: str = FIRST, reason: Reason = Reason.STALLED) -> None:
        failure = Failure(machine="m", reason=reason, digest="why", at=NOON)
        await self.errands.undone(self.task_of(number), token, failure)

    @property
    def rows(self) -> Sequence[tuple[ChunkState, str | None]]:
        return [(row.state, row.lease_token) for row in self.farm.chunks]


Row = tuple[ChunkState, str | None]
WAITING: Row = ChunkState.WAITING, None
COMMITTED: Row = ChunkState.COMMITTED, None
LEASED: Row = ChunkState.LEASED, FIRST
LEASED_AGAIN: Row = ChunkState.LEASED, SECOND


@pytest.fixture
def at(farm: Farm) -> Scene:
    return Scene(farm)


def scene(of: Callable[[Scene], Awaitable[None]]) -> Callable[[Scene], None]:
    def test(at: Scene) -> None:
        async def timed() -> None:
            await of(at)

        play(timed())

    test.__name__ = of.__name__
    return test


@scene
async def test_a_group_that_begins_is_leased_as_a_whole(at: Scene) -> None:
    await at.begun(1, worker="w1")
    assert at.rows == [WAITING, LEASED, LEASED, WAITING, WAITING, WAITING]
    assert [row.worker for row in at.farm.chunks[1:3]] == ["w1", "w1"]


@scene
async def test_what_is_done_is_committed_and_each_chunk_has_its_share(at: Scene) -> None:
    await at.begun(3)
    await at.done(3)
    assert at.rows == [WAITING, WAITING, WAITING, WAITING, COMMITTED, COMMITTED]
    assert [(row.seconds, row.cpu_seconds, row.size) for row in at.farm.chunks[4:]] == [
        (7.0, 14.0, 70),
        (5.0, 10.0, 70),
    ]
    assert at.farm.job.usage == {"encode": USAGE}


@scene
async def test_whoever_shares_it_has_not_used_anything(at: Scene) -> None:
    await at.done(1, pays=False)
    assert at.rows[1:3] == [COMMITTED, COMMITTED]
    assert at.farm.chunks[1].seconds == 6.0
    assert at.farm.job.usage == {}


@scene
async def test_a_copy_shares_the_lease_of_the_first_and_either_may_commit(at: Scene) -> None:
    await at.begun(0, FIRST, "w1")
    await at.begun(0, SECOND, "w2")
    assert at.rows[0] == LEASED
    await at.done(0, SECOND)
    assert at.rows[0] == COMMITTED


@scene
async def test_a_copy_that_comes_to_nothing_leaves_the_first_its_lease(at: Scene) -> None:
    await at.begun(0, FIRST)
    await at.begun(0, SECOND)
    await at.undone(0, SECOND)
    assert at.rows[0] == LEASED
    assert at.farm.chunks[0].failures == ()


@scene
async def test_when_the_first_comes_to_nothing_its_copy_commits_all_the_same(at: Scene) -> None:
    await at.begun(0, FIRST)
    await at.begun(0, SECOND)
    await at.undone(0, FIRST)
    assert at.rows[0] == WAITING
    await at.done(0, SECOND)
    assert at.rows[0] == COMMITTED


@scene
async def test_what_comes_to_nothing_waits_again_with_what_is_known_of_it(at: Scene) -> None:
    await at.begun(1)
    await at.undone(1)
    assert at.rows[1:3] == [WAITING, WAITING]
    (failure,) = at.farm.chunks[1].failures
    assert (failure.machine, failure.reason, failure.digest) == ("m", Reason.STALLED, "why")
    assert [row.tries for row in at.farm.chunks] == [0, 1, 1, 0, 0, 0]


@scene
async def test_a_lease_that_was_lost_with_its_worker_is_no_failure(at: Scene) -> None:
    await at.begun(0)
    await at.undone(0, reason=Reason.WORKER_LOST)
    assert (at.rows[0], at.farm.chunks[0].failures, at.farm.chunks[0].tries) == (WAITING, (), 1)


@scene
async def test_what_a_lost_worker_brings_late_counts(at: Scene) -> None:
    await at.begun(0, FIRST)
    await at.undone(0, FIRST, Reason.WORKER_LOST)
    await at.begun(0, SECOND)
    assert at.rows[0] == LEASED_AGAIN
    await at.done(0, FIRST)
    assert at.rows[0] == COMMITTED
    await at.done(0, SECOND)
    assert at.rows[0] == COMMITTED


@scene
async def test_of_a_group_that_is_committed_in_part_the_rest_is_leased_and_committed(at: Scene) -> None:
    """One chunk of it proved damaged at the join; the others stay as they are."""
    await at.begun(1)
    await at.done(1)
    with at.farm.database.writing() as conn:
        chunk_rows.return_chunks(conn, "j", 1, [at.places[2].key], at.epoch)
    at.take_up()
    await at.begun(1, SECOND)
    assert at.rows[1:3] == [COMMITTED, LEASED_AGAIN]
    await at.done(1, SECOND)
    assert at.rows[1:3] == [COMMITTED, COMMITTED]


@scene
async def test_a_coordinator_that_is_the_last_no_more_leases_and_commits_nothing(at: Scene) -> None:
    await at.begun(0)
    with at.farm.database.writing() as conn:
        take_epoch(conn)
    for late in (at.begun(1), at.done(0), at.done(0, pays=False)):
        with pytest.raises(EpochOver):
            await late
    await at.undone(0)
    assert at.rows == [LEASED, *[WAITING] * 5]


@scene
async def test_sound_and_text_have_no_lease(at: Scene) -> None:
    await at.errands.begun(SOUND, FIRST, "w")
    await at.errands.undone(SOUND, FIRST, None)
    await at.errands.done(SOUND, FIRST, "w", Encoded(usage=USAGE), pays=False)
    assert at.farm.job.usage == {}
    await at.errands.done(SOUND, FIRST, "w", Encoded(usage=USAGE), pays=True)
    assert at.farm.job.usage == {"sound": USAGE}
    assert at.rows == [WAITING] * 6


@scene
async def test_what_is_sent_for_a_task(at: Scene) -> None:
    assert at.errands.order(at.tasks[1]) == GroupOrder(title_key="t", renditions=(0,), group=1)
    assert at.errands.order(SOUND) == SOUND_ORDER
    assert [at.errands.frames(task) for task in (*at.tasks, SOUND)] == [7, 14, 7, 12, 0]
    assert at.errands.standing == STANDING


@scene
async def test_other_orders_leave_nothing_behind(at: Scene) -> None:
    errands = Errands(at.farm.job, {"sound": SOUND_ORDER})
    await errands.begun(SOUND, FIRST, "w")
    await errands.done(SOUND, FIRST, "w", Result(), pays=True)
    await errands.undone(SOUND, FIRST, None)
    assert (errands.order(SOUND), errands.frames(SOUND), errands.standing) == (SOUND_ORDER, 0, STANDING)
    assert at.farm.job.usage == {}
