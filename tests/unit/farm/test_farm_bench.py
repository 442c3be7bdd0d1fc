"""An order is carried out once however often it is asked for; what came of it is not lost with whoever asked."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from mortal import play

from framemill.errors import MediaError, StaleOrder
from framemill.farm.bench import KEPT_SECONDS, Bench
from framemill.farm.orders import ExtraOrder, OnShare, Order, Result
from framemill.jobs.reasons import Reason
from framemill.policy.tasks import ENCODE

ORDER = ExtraOrder(title_key="titles/t.json", kind="sound", key="sounds/s")
DONE = Result(message="done")
FAILED = Result(reason=Reason.FFMPEG_FAILED)


class Work:
    """Takes ten seconds, and counts."""

    def __init__(self) -> None:
        self.begun = 0
        self.stopped = 0
        self.results: list[Result | Exception] = []
        """What the next ones come to, instead of being done."""
        self.dying_seconds = 0.0
        self.bench = Bench("w", "m", ENCODE, 4, self.perform)

    async def perform(self, order: Order, on_share: OnShare) -> Result:
        assert order == ORDER
        self.begun += 1
        try:
            await asyncio.sleep(4)
            on_share(0.5, 80)
            await asyncio.sleep(6)
        except asyncio.CancelledError:
            await asyncio.sleep(self.dying_seconds)
            self.stopped += 1
            raise
        result = self.results.pop(0) if self.results else DONE
        if isinstance(result, Exception):
            raise result
        return result

    async def do(self, epoch: int = 1) -> Result:
        return await self.bench.do("t", ORDER, epoch)

    def begin(self, epoch: int = 1) -> "asyncio.Task[Result]":
        return asyncio.ensure_future(self.do(epoch))

    @property
    def listed(self) -> list[tuple[str, float | None, float]]:
        return [(task, share, since) for task, share, since, _ in self.bench.report().running]


@pytest.fixture
def work() -> Work:
    return Work()


def scene(of: Callable[[Work], Awaitable[None]]) -> Callable[[Work], None]:
    """A test that runs on a clock of its own."""

    def test(work: Work) -> None:
        async def timed() -> None:
            await of(work)

        play(timed())

    test.__name__ = of.__name__
    return test


@scene
async def test_an_order_is_carried_out(work: Work) -> None:
    assert await work.do() == DONE
    assert asyncio.get_running_loop().time() == 10


@scene
async def test_how_far_it_is_and_what_it_moves_is_reported(work: Work) -> None:
    asked = work.begin()
    await asyncio.sleep(5)
    assert [(one.share, one.size) for one in work.bench.report().running] == [(0.5, 80)]
    await asked


@scene
async def test_whoever_asks_again_joins(work: Work) -> None:
    first = work.begin()
    await asyncio.sleep(3)
    assert await work.do() == DONE
    assert await first == DONE
    assert (work.begun, asyncio.get_running_loop().time()) == (1, 10)


@scene
async def test_what_was_told_and_is_asked_for_again_is_done_again(work: Work) -> None:
    """Its result was not good enough, or its blob is gone."""
    await work.do()
    await work.do()
    assert work.begun == 2


@scene
async def test_work_goes_on_when_its_coordinator_is_gone(work: Work) -> None:
    asked = work.begin()
    await asyncio.sleep(3)
    asked.cancel()
    await asyncio.wait([asked])
    assert asked.cancelled()
    assert work.listed == [("t", None, 3.0)]

    assert await work.do(epoch=2) == DONE
    assert (work.begun, asyncio.get_running_loop().time()) == (1, 10)


@scene
async def test_what_was_done_meanwhile_is_kept_for_the_next_coordinator(work: Work) -> None:
    work.begin().cancel()
    asked = work.begin()
    await asyncio.sleep(1)
    asked.cancel()
    await asyncio.sleep(20)
    assert work.listed == [("t", 1.0, 21.0)]

    assert await work.do(epoch=2) == DONE
    assert (work.begun, asyncio.get_running_loop().time()) == (1, 21)
    assert work.listed == []


@scene
async def test_what_the_last_coordinator_was_told_is_told_to_the_next_one(work: Work) -> None:
    """Perhaps it died before it could write it down."""
    await work.do(epoch=1)
    assert work.listed == []
    assert await work.do(epoch=2) == DONE
    assert work.begun == 1


@scene
async def test_it_is_listed_when_a_later_coordinator_is_heard_of(work: Work) -> None:
    await work.do(epoch=1)
    await work.bench.stop("another", 2)
    assert work.listed == [("t", 1.0, 10.0)]


@scene
async def test_a_failure_is_told_once_and_counts_once(work: Work) -> None:
    """1. A coordinator is told of a failure, writes it down, and dies.  2. The next one asks for another try.
    3. It was told of the same failure, took it for a second one, and put the chunk aside."""
    work.results = [FAILED]
    assert await work.do(epoch=1) == FAILED
    await work.bench.stop("another", 2)
    assert work.listed == []
    assert await work.do(epoch=2) == DONE
    assert work.begun == 2


@scene
async def test_a_failure_that_nobody_heard_of_is_told(work: Work) -> None:
    work.results = [FAILED]
    asked = work.begin(epoch=1)
    await asyncio.sleep(1)
    asked.cancel()
    await asyncio.sleep(20)
    assert await work.do(epoch=2) == FAILED
    assert work.begun == 1


@scene
async def test_an_error_is_raised_where_it_was_asked_for_and_not_kept(work: Work) -> None:
    work.results = [MediaError("no pictures")]
    with pytest.raises(MediaError, match="no pictures"):
        await work.do()
    assert await work.do(epoch=2) == DONE


@scene
async def test_a_result_is_not_kept_for_ever(work: Work) -> None:
    asked = work.begin()
    await asyncio.sleep(1)
    asked.cancel()
    await asyncio.sleep(10)
    assert len(work.listed) == 1
    await asyncio.sleep(KEPT_SECONDS)
    assert len(work.listed) == 1
    await asyncio.sleep(1)
    assert work.listed == []
    await work.do(epoch=2)
    assert work.begun == 2


@scene
async def test_how_far_it_is(work: Work) -> None:
    work.begin()
    await asyncio.sleep(5)
    assert work.listed == [("t", 0.5, 5.0)]


@scene
async def test_stopped_work_is_over_when_that_returns(work: Work) -> None:
    work.dying_seconds = 2.0
    asked = work.begin()
    await asyncio.sleep(3)
    await work.bench.stop("t", 1)
    assert (work.stopped, work.listed, asyncio.get_running_loop().time()) == (1, [], 5)
    with pytest.raises(StaleOrder, match="t was stopped"):
        await asked


@scene
async def test_to_stop_what_is_not_there_does_no_harm(work: Work) -> None:
    await work.bench.stop("t", 1)
    await work.do()
    await work.bench.stop("t", 1)
    assert await work.do() == DONE


@scene
async def test_what_is_being_stopped_begins_anew_when_it_is_over(work: Work) -> None:
    """Two processes of one task never run side by side."""
    work.dying_seconds = 2.0
    first = work.begin()
    await asyncio.sleep(3)
    stopping = asyncio.ensure_future(work.bench.stop("t", 1))
    await asyncio.sleep(1)
    again = [work.begin(), work.begin()]
    await asyncio.sleep(0.5)
    assert (work.begun, work.stopped) == (1, 0)
    assert await asyncio.gather(*again) == [DONE, DONE]
    await asyncio.gather(first, stopping, return_exceptions=True)
    assert (work.begun, work.stopped, asyncio.get_running_loop().time()) == (2, 1, 15)


@scene
async def test_everything_is_stopped(work: Work) -> None:
    asked = [work.begin(), asyncio.ensure_future(work.bench.do("u", ORDER, 1))]
    await asyncio.sleep(1)
    await work.bench.stop_all()
    assert (work.stopped, work.listed) == (2, [])
    await asyncio.gather(*asked, return_exceptions=True)


@scene
async def test_an_older_coordinator_is_not_obeyed(work: Work) -> None:
    asked = work.begin(epoch=2)
    await asyncio.sleep(1)
    for stale in (work.do(epoch=1), work.bench.stop("t", 1)):
        with pytest.raises(StaleOrder, match="of epoch 1, and this worker has heard of epoch 2"):
            await stale
    assert await asked == DONE


@scene
async def test_a_report_says_who_one_is(work: Work) -> None:
    report = work.bench.report()
    assert (report.worker, report.machine, report.lane, report.slots, report.running) == ("w", "m", ENCODE, 4, ())
    assert report.memory > 0
    assert report.incarnation != Work().bench.report().incarnation
    work.bench.note_canary("c0ffee", "ffmpeg 9")
    assert work.bench.report() == report._replace(canary="c0ffee", build="ffmpeg 9")
