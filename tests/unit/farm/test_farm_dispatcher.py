"""The shell around the dispatch: who is told what, in which order, and what is stopped when nobody waits any more."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from mortal import play

from framemill.errors import DiskFull, EpochOver, StaleOrder, WorkerLost
from framemill.farm.dispatcher import Answered, Dispatcher
from framemill.farm.orders import ExtraOrder, Order, Result
from framemill.jobs.model import Failure
from framemill.jobs.reasons import Reason
from framemill.policy.dispatch import Dispatch
from framemill.policy.fleet import LOST_SECONDS, Report, Running
from framemill.policy.tasks import Standing, Task

NOON = datetime(2030, 5, 17, 12, 0, tzinfo=UTC)
Said = tuple[Any, ...]


def order(name: str) -> ExtraOrder:
    return ExtraOrder(title_key="t", kind="sound", key=name)


def task(name: str, job: str = "j", **fields: Any) -> Task:
    return Task(name, Standing(job, "a"), **fields)


def report(worker: str = "w1", *running: str, slots: int = 4, incarnation: str = "1") -> Report:
    machine = worker.replace("w", "m")
    return Report(worker, incarnation, machine, slots, running=tuple(Running(name, 0.5) for name in running))


class Hands:
    """Does what it is told to; everything takes a second."""

    def __init__(self, said: list[Said]) -> None:
        self.said = said
        self.results: dict[str, list[Result | Exception]] = {}
        self.stop_error: Exception | None = None
        self.stop_seconds = 0.5
        self.doing: dict[str, asyncio.Task[Any]] = {}

    async def do(self, worker: str, name: str, order: Order, epoch: int) -> Result:
        self.said.append(("do", worker, name, epoch))
        mine = asyncio.ensure_future(asyncio.sleep(1))
        self.doing[name] = mine
        try:
            await asyncio.shield(mine)
        except asyncio.CancelledError:
            if mine.cancelled():
                raise StaleOrder(f"{name} was stopped") from None
            raise
        result = self.results[name].pop(0) if self.results.get(name) else Result(message=f"{name} is done")
        if isinstance(result, Exception):
            raise result
        return result

    async def stop(self, worker: str, name: str, epoch: int) -> None:
        self.said.append(("stop", worker, name))
        await asyncio.sleep(self.stop_seconds)
        if self.stop_error is not None:
            raise self.stop_error
        if name in self.doing:
            self.doing[name].cancel()
        self.said.append(("stopped", name))

    async def renew(self, report: Report) -> None:
        self.said.append(("renew", report.worker))
        raise OSError("no such process")


class Errands:
    """A job that writes down what it is told."""

    def __init__(self, said: list[Said], job: str = "j") -> None:
        self.said = said
        self.behind: float | None = None
        self.standing = Standing(job, "a")
        self.errors: dict[str, Exception] = {}
        """What it raises, by what it is told."""
        self.seconds: dict[str, float] = {}

    def order(self, task: Task) -> Order:
        assert task.job == self.standing.job
        return order(task.id)

    def frames(self, task: Task) -> int:
        return 40

    def bytes(self, task: Task) -> int:
        return 0

    async def begun(self, task: Task, token: str, worker: str) -> None:
        await self._note("begun", task, token)

    async def done(self, task: Task, token: str, worker: str, result: Result, *, pays: bool) -> None:
        await self._note("done", task, token, pays)

    async def undone(self, task: Task, token: str, failure: Failure | None) -> None:
        await self._note("undone", task, token, failure and failure.reason.value)

    async def _note(self, what: str, task: Task, *more: Any) -> None:
        assert task.job == self.standing.job
        self.said.append((what, task.job, task.id, *more))
        await asyncio.sleep(self.seconds.get(what, 0.0))
        if what in self.errors:
            raise self.errors[what]


class Scene:
    def __init__(self) -> None:
        self.said: list[Said] = []
        self.hands = Hands(self.said)
        self.jobs = {job: Errands(self.said, job) for job in "jk"}
        self.stale = asyncio.Event()
        self.dispatcher = self.make(patient=True)

    def make(self, *, patient: bool) -> Dispatcher:
        made = Dispatcher(Dispatch(3, NOON), self.hands, patient=patient, on_stale=self.stale.set)
        self.dispatcher = made
        return made

    def ask(self, *tasks: Task, job: str = "j") -> AsyncGenerator[Answered, None]:
        return self.dispatcher.answers(self.jobs[job], tasks)

    async def all(self, *tasks: Task, job: str = "j") -> list[Answered]:
        return [answered async for answered in self.ask(*tasks, job=job)]

    def begin(self, *tasks: Task, job: str = "j") -> "asyncio.Task[list[Answered]]":
        return asyncio.ensure_future(self.all(*tasks, job=job))

    def told(self, *kinds: str) -> list[Said]:
        return [said for said in self.said if said[0] in kinds]

    def hear(self, *reports: Report) -> None:
        for each in reports:
            self.dispatcher.heard(each)


@pytest.fixture
def at() -> Scene:
    return Scene()


def scene(of: Callable[[Scene], Awaitable[None]]) -> Callable[[Scene], None]:
    def test(at: Scene) -> None:
        async def timed() -> None:
            at.hear(report())
            await of(at)
            await at.dispatcher.close()

        play(timed())

    test.__name__ = of.__name__
    return test


def done(name: str, job: str = "j", **fields: Any) -> Answered:
    return task(name, job, **fields), Result(message=f"{name} is done"), False


# Asked and answered


@scene
async def test_each_task_is_begun_carried_out_and_written_down(at: Scene) -> None:
    assert await at.all(task("x")) == [done("x")]
    assert at.said == [
        ("begun", "j", "x", "3.0"),
        ("do", "w1", "x", 3),
        ("done", "j", "x", "3.0", True),
    ]


@scene
async def test_answers_come_as_they_come(at: Scene) -> None:
    at.hands.results = {"x": [WorkerLost("gone")]}
    asked = at.begin(task("x"), task("y"), task("z"))
    await asyncio.sleep(1.5)
    at.hear(report("w1"))
    assert await asked == [done("y"), done("z"), done("x")]


@scene
async def test_to_ask_for_nothing_is_answered_at_once(at: Scene) -> None:
    assert await at.all() == []


@scene
async def test_whoever_leaves_early_waits_until_what_is_left_has_ended(at: Scene) -> None:
    async with contextlib.aclosing(at.ask(task("a"), task("b"))) as answers:
        asking = asyncio.ensure_future(anext(answers))
        await asyncio.sleep(0.25)
        asking.cancel()
        await asyncio.wait([asking])
    assert at.dispatcher.now == 0.75
    assert sorted(at.said[4:]) == [
        ("stop", "w1", "a"),
        ("stop", "w1", "b"),
        ("stopped", "a"),
        ("stopped", "b"),
    ]
    await asyncio.sleep(5)
    assert at.told("done", "undone") == []


@scene
async def test_a_job_may_ask_for_something_else_while_it_waits(at: Scene) -> None:
    """1. A chunk fails, while others of the job run.  2. Its job tries some of its frames, to see which.
    3. That took the others' answers, and withdrew them all when it was over."""
    found = []
    async for answered in at.ask(task("x"), task("long"), task("longer")):
        found.append(answered)
        if len(found) == 1:
            assert await at.all(task("trial")) == [done("trial")]
    assert found == [done("x"), done("long"), done("longer")]
    assert at.told("stop", "undone") == []


@scene
async def test_what_is_dropped_is_not_waited_for(at: Scene) -> None:
    found = []
    async for answered in at.ask(*(task(name) for name in "abcde")):
        found.append(answered[0].id)
        if len(found) == 1:
            at.dispatcher.drop("j", ["e", "d", "of nobody"])
    assert found == ["a", "b", "c"]
    at.dispatcher.drop("nobody", ["x"])


# Shared


@scene
async def test_what_two_jobs_want_is_done_once_and_the_first_one_pays(at: Scene) -> None:
    mine, theirs = task("x", number=3), task("x", "k", number=5)
    both = await asyncio.gather(at.all(mine), at.all(theirs, job="k"))
    assert list(both) == [[done("x", number=3)], [done("x", "k", number=5)]]
    assert at.told("do") == [("do", "w1", "x", 3)]
    assert at.told("done") == [("done", "j", "x", "3.0", True), ("done", "k", "x", "3.0", False)]


@scene
async def test_whoever_comes_to_want_it_while_it_is_written_down_writes_it_down_too(at: Scene) -> None:
    at.jobs["j"].seconds["done"] = 1.0
    first = at.begin(task("x"))
    await asyncio.sleep(1.5)
    assert await at.all(task("x", "k"), job="k") == [done("x", "k")]
    assert await first == [done("x")]
    assert at.told("do", "done") == [
        ("do", "w1", "x", 3),
        ("done", "j", "x", "3.0", True),
        ("done", "k", "x", "3.0", False),
    ]


@scene
async def test_when_its_first_job_is_gone_the_other_one_pays(at: Scene) -> None:
    first, second = at.begin(task("x")), at.begin(task("x", "k"), job="k")
    await asyncio.sleep(0.5)
    first.cancel()
    assert await second == [done("x", "k")]
    assert at.told("done", "stop") == [("done", "k", "x", "3.0", True)]


# Withdrawn in between


@scene
async def test_what_is_withdrawn_before_it_was_sent_is_not_sent(at: Scene) -> None:
    """1. A task is given to a worker, and that is being written down.  2. Its job is cancelled: the worker is told to
    stop what it has never heard of.  3. It was sent, and went on for nobody."""
    at.jobs["j"].seconds["begun"] = 1.0
    asked = at.begin(task("x"))
    await asyncio.sleep(0.5)
    asked.cancel()
    await asyncio.sleep(5)
    assert [said[0] for said in at.said] == ["begun", "stop", "stopped"]
    assert at.dispatcher.dispatch.running == 0


@scene
async def test_what_cannot_be_stopped_is_not_waited_for_long(at: Scene) -> None:
    for error, seconds in ((WorkerLost("gone"), 0.5), (StaleOrder("old"), 0.5), (None, 10.0)):
        at.hands.stop_error, at.hands.stop_seconds = error, seconds if error else 1e6
        asked = at.begin(task("x"))
        await asyncio.sleep(0.25)
        began = at.dispatcher.now
        asked.cancel()
        await asyncio.wait([asked])
        assert at.dispatcher.now - began == seconds


@scene
async def test_a_coordinator_that_lets_go_stops_nothing(at: Scene) -> None:
    asked = at.begin(task("x"))
    await asyncio.sleep(0.25)
    at.dispatcher.let_go()
    asked.cancel()
    await asyncio.wait([asked])
    assert at.told("stop") == []


# Failures


@scene
async def test_what_fails_is_noted_and_tried_again(at: Scene) -> None:
    at.hands.results = {"x": [Result(reason=Reason.STALLED)]}
    asked = at.begin(task("x"))
    await asyncio.sleep(2)
    at.dispatcher.tick()
    assert await asked == [done("x")]
    assert at.told("begun", "undone", "done") == [
        ("begun", "j", "x", "3.0"),
        ("undone", "j", "x", "3.0", "stalled"),
        ("begun", "j", "x", "3.1"),
        ("done", "j", "x", "3.1", True),
    ]


@scene
async def test_what_fails_for_good_is_answered_at_once(at: Scene) -> None:
    refused = Result(reason=Reason.NO_DECODER, message="no such codec")
    at.hands.results = {"x": [refused]}
    assert await at.all(task("x")) == [(task("x"), refused, False)]
    assert at.told("undone") == [("undone", "j", "x", "3.0", None)]


@scene
async def test_what_fails_alike_twice_is_put_aside(at: Scene) -> None:
    failed = Result(reason=Reason.FFMPEG_FAILED, message="frame 17 of /in/1.mp4 at 0x1234abcd")
    again = Result(reason=Reason.FFMPEG_FAILED, message="frame 99 of /in/2.mp4 at 0xdeadbeef")
    at.hands.results = {"x": [failed, again]}
    asked = at.begin(task("x"))
    await asyncio.sleep(2)
    at.dispatcher.tick()
    assert await asked == [(task("x"), again, True)]


@scene
async def test_what_was_lost_with_its_worker_is_given_out_again_when_that_is_back(at: Scene) -> None:
    at.hands.results = {"x": [WorkerLost("gone")]}
    asked = at.begin(task("x"))
    await asyncio.sleep(4)
    assert at.told("begun", "undone") == [
        ("begun", "j", "x", "3.0"),
        ("undone", "j", "x", "3.0", "worker_lost"),
    ]
    at.hear(report(incarnation="2"))
    assert await asked == [done("x")]


@scene
async def test_the_lease_of_a_silent_worker_ends_before_it_is_given_out_again(at: Scene) -> None:
    slow = at.begin(task("x"))
    await asyncio.sleep(0.5)
    at.dispatcher.dispatch.members["w1"].heard -= LOST_SECONDS + 1
    at.hear(report("w2"))
    at.dispatcher.tick()
    assert await slow == [done("x")]
    assert at.told("begun", "undone", "done", "renew", "stop") == [
        ("begun", "j", "x", "3.0"),
        ("undone", "j", "x", "3.0", "worker_lost"),
        ("renew", "w1"),
        ("begun", "j", "x", "3.1"),
        ("done", "j", "x", "3.0", True),  # it was alive after all, and sooner
        ("stop", "w2", "x"),
    ]


@scene
async def test_a_full_disk_holds_a_farm_that_stays(at: Scene) -> None:
    at.hands.results = {"x": [Result(reason=Reason.DISK_FULL)]}
    asked = at.begin(task("x"))
    await asyncio.sleep(60)
    assert at.dispatcher.dispatch.held == "disk"
    at.hear(report())
    at.dispatcher.hold("")
    assert await asked == [done("x")]


def test_a_full_disk_ends_what_a_farm_of_one_job_does(at: Scene) -> None:
    at.make(patient=False)
    full = Result(reason=Reason.DISK_FULL, message="The disk is full.")
    at.hands.results = {"x": [full]}

    async def timed() -> None:
        at.hear(report())
        assert await at.all(task("x")) == [(task("x"), full, False)]

    play(timed())


@scene
async def test_errors_of_ours_are_results_too(at: Scene) -> None:
    """Nobody shall wait for ever."""
    for what in ("begun", "done"):
        at.jobs["j"].errors = {what: DiskFull("The disk is full.")}
        asked = at.begin(task(what))
        await asyncio.sleep(3)
        assert at.dispatcher.dispatch.held == "disk"
        at.jobs["j"].errors = {}
        at.hear(report())
        at.dispatcher.hold("")
        assert await asked == [done(what)]


@pytest.mark.parametrize("what", ["begun", "done"])
def test_what_nobody_foresaw_fails_the_task(at: Scene, what: str) -> None:
    at.jobs["j"].errors = {what: ZeroDivisionError("unforeseen")}

    async def timed() -> None:
        at.hear(report())
        ((_, result, quarantined),) = await at.all(task("x"))
        assert (result.reason, result.message) == (Reason.INTERNAL, "ZeroDivisionError: unforeseen")
        assert not quarantined
        assert at.dispatcher.dispatch.running == 0

    play(timed())


def test_an_error_while_a_failure_is_noted_fails_the_task(at: Scene) -> None:
    at.jobs["j"].errors = {"undone": ZeroDivisionError("unforeseen")}
    at.hands.results = {"x": [Result(reason=Reason.STALLED)]}

    async def timed() -> None:
        at.hear(report())
        ((_, result, _),) = await at.all(task("x"))
        assert result.reason is Reason.INTERNAL

    play(timed())


@pytest.mark.parametrize("what", ["begun", "done", "undone"])
def test_a_coordinator_hears_that_it_is_the_last_no_more(at: Scene, what: str) -> None:
    at.jobs["j"].errors = {what: EpochOver("over")}
    at.hands.results = {"x": [Result(reason=Reason.STALLED)]} if what == "undone" else {}

    async def timed() -> None:
        at.hear(report())
        asked = at.begin(task("x"))
        await at.stale.wait()
        assert not asked.done()
        assert at.told("do") == ([] if what == "begun" else [("do", "w1", "x", 3)])

    play(timed())


@scene
async def test_a_worker_that_cannot_be_ended_ends_nothing_here(at: Scene) -> None:
    await asyncio.sleep(LOST_SECONDS + 1)
    at.dispatcher.tick()
    at.hear(report("w2"))
    assert await at.all(task("x")) == [done("x")]
    assert at.told("renew") == [("renew", "w1")]


# What is known


@scene
async def test_the_pace_of_a_worker_is_that_of_its_last_tasks(at: Scene) -> None:
    await at.all(task("short", effort=0.25))
    assert at.dispatcher.rates == {}
    await at.all(task("x", effort=2.0))
    assert at.dispatcher.rates == {"w1": 0.5}
    await at.all(task("y", effort=1.0))
    assert at.dispatcher.rates == {"w1": 0.625}


@scene
async def test_frames_under_way_are_those_that_workers_are_past(at: Scene) -> None:
    assert at.dispatcher.frames_under_way("j") == 0
    asked = [at.begin(task("x"), task("y")), at.begin(task("x", "k"), job="k")]
    await asyncio.sleep(0.5)
    assert at.dispatcher.frames_under_way("j") == 0
    at.hear(report("w1", "x", "y"))
    assert [at.dispatcher.frames_under_way(job) for job in "jk"] == [40, 20]
    await asyncio.gather(*asked)
    assert at.dispatcher.frames_under_way("j") == 0


@scene
async def test_what_is_fetched_is_told_where_its_worker_knows_the_size(at: Scene) -> None:
    asked = [at.begin(task("x"), task("y"), task("z"))]
    await asyncio.sleep(0.5)
    at.hear(
        report("w1", "x", "y", "z")._replace(
            running=(Running("x", 0.5, 1.0, 80), Running("y", 0.1, 1.0, 1000), Running("z"))
        )
    )
    assert at.dispatcher.fetched_under_way("j") == (140, 1080)
    assert at.dispatcher.fetched_under_way("k") == (0, 0)
    await asyncio.gather(*asked)
    assert at.dispatcher.fetched_under_way("j") == (0, 0)


@scene
async def test_a_jobs_share_goes_by_what_each_task_takes(at: Scene) -> None:
    """Of a task that another job asked for as well, each has its own share."""
    assert at.dispatcher.share_of("j") is None
    asked = [at.begin(task("x", effort=3.0), task("y")), at.begin(task("x", "k"), job="k")]
    await asyncio.sleep(0.5)
    assert at.dispatcher.share_of("j") is None  # nobody said that these count
    at.jobs["j"].behind, at.jobs["k"].behind = 4.0, 0.0
    assert [at.dispatcher.share_of(job) for job in "jk"] == [0.5, 0.0]
    at.hear(report("w1", "x", "y"))
    assert [at.dispatcher.share_of(job) for job in "jk"] == [0.75, 0.5]
    await asyncio.gather(*asked)
    assert at.dispatcher.share_of("j") is None


@scene
async def test_nothing_is_begun_while_the_farm_is_held_or_paused(at: Scene) -> None:
    at.dispatcher.pause(True)
    at.dispatcher.hold("store_away")
    asked = at.begin(task("x"))
    await asyncio.sleep(5)
    at.hear(report())
    at.dispatcher.hold("")
    await asyncio.sleep(1)
    assert at.said == []
    at.hear(report())
    at.dispatcher.pause(False)
    assert await asked == [done("x")]


@scene
async def test_a_barred_machine_gets_nothing(at: Scene) -> None:
    at.dispatcher.bar("m1", True)
    asked = at.begin(task("x"))
    await asyncio.sleep(1)
    assert at.said == []
    at.dispatcher.bar("m1", False)
    assert await asked == [done("x")]


@scene
async def test_a_copy_is_run_beside_the_first(at: Scene) -> None:
    at.hear(report("w2"))
    asked = at.begin(task("x"))
    await asyncio.sleep(0.25)
    ((token, *_),) = at.dispatcher.dispatch.copies()
    at.dispatcher.copy([(token, "w2")])
    assert await asked == [done("x")]
    assert at.told("do", "stop") == [("do", "w1", "x", 3), ("do", "w2", "x", 3), ("stop", "w2", "x")]
