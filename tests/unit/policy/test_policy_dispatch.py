"""Events in, instructions out: who gets what, what becomes of it, and what happens when somebody is lost."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from framemill.jobs.model import Failure
from framemill.jobs.reasons import Reason
from framemill.policy.dispatch import MISSING_SECONDS, RESERVED_SECONDS, STRAY_SECONDS, Dispatch
from framemill.policy.fleet import LOST_SECONDS, Report, Running
from framemill.policy.instructions import (
    Done,
    Ended,
    Failed,
    Instruction,
    Release,
    Renew,
    Send,
    Settle,
    Stop,
    Unknown,
    Work,
)
from framemill.policy.tasks import ENCODE, STITCH, Standing, Task

NOON = datetime(2030, 5, 17, 12, 0, tzinfo=UTC)
DONE = Done("result")
STALE = Failed("stopped", Failure(machine="m", reason=Reason.WORKER_LOST, digest="", at=NOON))


def task(name: str, job: str = "j", **fields: Any) -> Task:
    of = fields.pop("of", None) or Standing(job, "a")
    return Task(name, of, **fields)


X, Y, Z = task("x"), task("y"), task("z")


def report(worker: str = "w1", *running: str | Running, slots: int = 1, **fields: Any) -> Report:
    listed = tuple(each if isinstance(each, Running) else Running(each) for each in running)
    given = {"incarnation": "1", "machine": worker.replace("w", "m").replace("s", "m"), **fields}
    return Report(worker, slots=slots, running=listed, **given)


def failure(reason: Reason = Reason.CHILD_FAILED, machine: str = "m1", said: str = "why") -> Failure:
    return Failure(machine=machine, reason=reason, digest=said, at=NOON)


def failed(reason: Reason = Reason.CHILD_FAILED, machine: str = "m1", said: str = "why") -> Failed:
    return Failed(said, failure(reason, machine, said))


def unknown(machine: str = "m1") -> Unknown:
    return Unknown(failure(Reason.WORKER_LOST, machine, ""), "lost")


class Scene:
    """A dispatch and its clock."""

    def __init__(self) -> None:
        self.dispatch = Dispatch(epoch=3, zero=NOON)
        self.now = 0.0

    def hear(self, *reports: Report) -> list[Instruction]:
        return [one for each in reports for one in self.dispatch.heard(each, self.now)]

    def submit(self, *tasks: Task, **known: Any) -> list[Instruction]:
        return self.dispatch.submit(tasks, self.now, **known)

    def withdraw(self, job: str = "j", tasks: Iterable[str] | None = None) -> list[Instruction]:
        return self.dispatch.withdraw(job, self.now, tasks)

    def end(self, token: str, name: str, ended: Ended = DONE) -> list[Instruction]:
        return self.dispatch.ended(token, name, ended, self.now)

    def tick(self, seconds: float = 0.0) -> list[Instruction]:
        self.now += seconds
        return self.dispatch.tick(self.now)

    def copy(self, token: str, worker: str) -> list[Instruction]:
        return self.dispatch.copy(token, worker, self.now)

    def hold(self, why: str) -> list[Instruction]:
        return self.dispatch.hold(why, self.now)

    def bar(self, machine: str, barred: bool = True) -> list[Instruction]:
        return self.dispatch.bar(machine, barred, self.now)

    def fails(self, token: str, name: str, reason: Reason, machine: str = "m1", said: str = "why") -> list[Instruction]:
        return self.end(token, name, failed(reason, machine, said))

    @property
    def work(self) -> Work:
        return self.dispatch.work_of("j", self.now)

    @property
    def shares(self) -> dict[str, int]:
        return dict(self.dispatch._shares[ENCODE].by_account)


@pytest.fixture
def scene() -> Scene:
    return Scene()


@pytest.fixture
def busy(scene: Scene) -> Scene:
    """A worker with one slot, which has `x` under the token 3.0."""
    scene.hear(report())
    assert scene.submit(X) == [Send("3.0", X, "w1")]
    return scene


@pytest.fixture
def pair(scene: Scene) -> Scene:
    """Two workers with a slot each; `w1` has `x` under the token 3.0."""
    scene.hear(report("w1"), report("w2"))
    assert scene.submit(X) == [Send("3.0", X, "w1")]
    return scene


# Given out


def test_without_workers_everything_waits(scene: Scene) -> None:
    assert scene.submit(X, Y) == []
    assert (scene.dispatch.waiting, scene.dispatch.backlog, scene.dispatch.running) == (2, 2.0, 0)


def test_a_worker_that_comes_gets_what_waits(scene: Scene) -> None:
    scene.submit(X, Y, Z)

    assert scene.hear(report(slots=2)) == [Send("3.0", X, "w1"), Send("3.1", Y, "w1")]
    assert (scene.dispatch.waiting, scene.dispatch.slots(ENCODE)) == (1, 2)
    assert scene.hear(report("w1", "x", "y", slots=2)) == []


def test_workers_take_turns(scene: Scene) -> None:
    scene.hear(report("w1", slots=3), report("w2", slots=2))

    sent = scene.submit(*(task(name) for name in "abcdef"))
    assert [(one.task.id, one.worker) for one in sent if isinstance(one, Send)] == [
        ("a", "w1"),
        ("b", "w2"),
        ("c", "w1"),
        ("d", "w2"),
        ("e", "w1"),
    ]


def test_a_worker_may_have_more_slots_than_before_or_fewer(scene: Scene) -> None:
    scene.hear(report(slots=1))
    scene.submit(X, Y, Z)

    assert scene.hear(report("w1", "x", slots=2)) == [Send("3.1", Y, "w1")]
    assert scene.hear(report("w1", "x", "y", slots=1)) == []
    assert scene.end("3.0", "x") == [Settle((X,), DONE)]
    assert scene.end("3.1", "y") == [Settle((Y,), DONE), Send("3.2", Z, "w1")]
    assert scene.dispatch.slots(ENCODE) == 1


def test_each_lane_has_its_workers(scene: Scene) -> None:
    join = task("join", lane=STITCH)
    scene.hear(report("w1"))
    assert scene.submit(join) == []

    assert scene.hear(report("s1", lane=STITCH)) == [Send("3.0", join, "s1")]
    assert (scene.dispatch.slots(ENCODE), scene.dispatch.slots(STITCH)) == (1, 1)


def test_an_encoder_that_not_everybody_has_is_needed(scene: Scene) -> None:
    gpu = task("gpu", needs="h264_nvenc")
    scene.hear(report("w1"))
    assert scene.submit(gpu) == []
    assert scene.work == Work(0, 1, 0, 0.0, False, "h264_nvenc")

    assert scene.hear(report("w2", encoders=frozenset({"av1_nvenc", "h264_nvenc"}))) == [Send("3.0", gpu, "w2")]


def test_whoever_has_the_encoder_does_that_first(scene: Scene) -> None:
    gpu = task("gpu", needs="h264_nvenc")
    scene.submit(X, gpu)

    assert scene.hear(report("w1", slots=2, encoders=frozenset({"h264_nvenc"}))) == [
        Send("3.0", gpu, "w1"),
        Send("3.1", X, "w1"),
    ]


# Done


def test_what_is_done_is_told_and_its_slot_goes_on(busy: Scene) -> None:
    busy.submit(Y)

    assert busy.end("3.0", "x") == [Settle((X,), DONE), Send("3.1", Y, "w1")]
    assert busy.end("3.1", "y") == [Settle((Y,), DONE)]
    assert (busy.dispatch.running, busy.dispatch.waiting, busy.shares) == (0, 0, {})


def test_what_was_told_is_not_told_again(busy: Scene) -> None:
    busy.end("3.0", "x")

    assert busy.end("3.0", "x") == []


def test_a_task_may_be_asked_for_again_when_it_is_over(busy: Scene) -> None:
    busy.end("3.0", "x")

    assert busy.submit(X) == [Send("3.1", X, "w1")]


def test_a_slot_is_free_as_soon_as_the_worker_has_answered(busy: Scene) -> None:
    """The result is still being written: that takes the store's time, not the worker's."""
    busy.submit(Y)

    assert busy.dispatch.answered("3.0", busy.now) == [Send("3.1", Y, "w1")]
    assert busy.dispatch.answered("3.0", busy.now) == []
    assert busy.dispatch.holds("3.0")
    assert [token for token, *_ in busy.dispatch.copies()] == ["3.1"]
    assert busy.end("3.0", "x") == [Settle((X,), DONE)]
    assert busy.dispatch.answered("3.0", busy.now) == []


def test_what_is_being_written_is_neither_missing_nor_lost_nor_taken_up_again(busy: Scene) -> None:
    """The store may be away for long."""
    busy.dispatch.answered("3.0", busy.now)
    busy.now = MISSING_SECONDS + 1
    assert busy.hear(report(), report(), report("w2"), report("w1", "x")) == []
    assert busy.tick(LOST_SECONDS + 1) == [Renew(report("w1", "x")), Renew(report("w2"))]

    assert busy.hear(report("w2")) == []
    assert busy.end("3.0", "x") == [Settle((X,), DONE)]


def test_what_cannot_be_written_is_tried_again(busy: Scene) -> None:
    busy.dispatch.answered("3.0", busy.now)

    assert busy.fails("3.0", "x", Reason.CHILD_FAILED) == []
    assert busy.tick(1.0) == [Send("3.1", X, "w1")]


# Several jobs


MINE, THEIRS = task("x", "j", number=4), task("x", "k", number=7)


@pytest.fixture
def shared(scene: Scene) -> Scene:
    """`x` is wanted by `j` and `k`; `w1` has it under 3.0."""
    scene.hear(report())
    assert scene.submit(MINE) == [Send("3.0", MINE, "w1")]
    assert scene.submit(THEIRS) == []
    return scene


def test_a_task_of_two_jobs_is_done_once_and_told_to_both(shared: Scene) -> None:
    assert shared.dispatch.jobs_of("x") == ("j", "k")
    assert shared.end("3.0", "x") == [Settle((MINE, THEIRS), DONE)]
    assert shared.dispatch.jobs_of("x") == ()


def test_one_of_two_jobs_may_want_it_no_more(shared: Scene) -> None:
    assert shared.withdraw("j") == []
    assert shared.end("3.0", "x") == [Settle((THEIRS,), DONE)]


def test_when_nobody_wants_it_any_more_it_is_stopped(shared: Scene) -> None:
    shared.withdraw("j")
    shared.submit(Y)

    assert shared.withdraw("k") == [Stop("w1", "x"), Send("3.1", Y, "w1")]
    assert not shared.dispatch.holds("3.0")
    assert shared.end("3.0", "x", STALE) == []


def test_what_waits_and_nobody_wants_is_forgotten(busy: Scene) -> None:
    busy.submit(Y, Z)

    assert busy.withdraw("j", ["y", "of another job"]) == []
    assert busy.dispatch.waiting == 1
    assert busy.end("3.0", "x") == [Settle((X,), DONE), Send("3.1", Z, "w1")]


def test_some_tasks_of_a_job_are_withdrawn_while_others_go_on(scene: Scene) -> None:
    scene.hear(report(slots=2))
    scene.submit(X, Y)

    assert scene.withdraw("j", ["y"]) == [Stop("w1", "y")]
    assert scene.end("3.0", "x") == [Settle((X,), DONE)]


def test_to_withdraw_what_is_over_does_no_harm(busy: Scene) -> None:
    busy.end("3.0", "x")

    assert busy.withdraw("j") == []
    assert busy.withdraw("nobody") == []


def test_a_shared_task_goes_as_the_most_urgent_of_its_jobs(busy: Scene) -> None:
    """Else a job of high priority would wait for its chunk behind those of the lowest."""
    low = [task(name, of=Standing("low", "a", priority=-5)) for name in "ab"]
    urgent = task("b", of=Standing("urgent", "b", priority=5))
    busy.submit(*low, Y)
    busy.submit(urgent)

    assert busy.end("3.0", "x")[-1] == Send("3.1", urgent, "w1")
    assert busy.end("3.1", "b") == [Settle((urgent, low[1]), DONE), Send("3.2", Y, "w1")]


def test_a_shared_task_whose_urgent_job_is_gone_waits_like_the_other(busy: Scene) -> None:
    low, urgent = (task("b", of=Standing(job, "b", priority=rank)) for job, rank in (("low", -5), ("urgent", 5)))
    busy.submit(low, Y)
    busy.submit(urgent)
    busy.withdraw("urgent")

    assert busy.end("3.0", "x")[-1] == Send("3.1", Y, "w1")
    assert busy.end("3.1", "y")[-1] == Send("3.2", low, "w1")


def test_whose_slot_it_is_changes_with_who_wants_it(scene: Scene) -> None:
    mine, theirs = (task("x", of=Standing(job, account)) for job, account in (("1", "a"), ("2", "b")))
    scene.hear(report())
    scene.submit(theirs)
    scene.submit(mine)
    assert scene.shares == {"a": 1}
    scene.withdraw("1")
    assert scene.shares == {"b": 1}
    scene.end("3.0", "x")
    assert scene.shares == {}


def test_accounts_share_the_slots(scene: Scene) -> None:
    scene.hear(report(slots=4))
    many = [task(f"m{n}", of=Standing("1", "many"), effort=0.1) for n in range(40)]
    few = [task(f"f{n}", of=Standing("2", "few"), effort=0.1) for n in range(40)]
    scene.submit(*many)
    scene.submit(*few)

    for token in range(4):
        scene.end(f"3.{token}", f"m{token}")
    assert scene.shares == {"many": 2, "few": 2}


# Another standing


def test_another_priority_counts_for_what_waits(busy: Scene) -> None:
    other = task("o", "k")
    busy.submit(Y)
    busy.submit(other)
    busy.dispatch.restand(Standing("k", "a", priority=1))

    assert busy.end("3.0", "x")[-1] == Send("3.1", other._replace(standing=Standing("k", "a", priority=1)), "w1")


def test_another_fairness_key_counts_for_what_runs(busy: Scene) -> None:
    busy.dispatch.restand(Standing("j", "a", fairness_key="tv"))
    assert dict(busy.dispatch._shares[ENCODE].by_flow) == {("a", "tv"): 1}
    busy.end("3.0", "x")
    assert dict(busy.dispatch._shares[ENCODE].by_flow) == {}


def test_what_is_delayed_comes_back_with_its_new_standing(busy: Scene) -> None:
    high = Standing("j", "a", priority=9)
    busy.submit(task("o", "k"), task("p", "k"))
    assert busy.fails("3.0", "x", Reason.CHILD_FAILED)[-1] == Send("3.1", task("o", "k"), "w1")
    busy.dispatch.restand(high)
    busy.tick(1.0)

    assert busy.end("3.1", "o")[-1] == Send("3.2", X._replace(standing=high), "w1")


def test_a_standing_of_nobody_does_no_harm(busy: Scene) -> None:
    busy.dispatch.restand(Standing("nobody", "a", priority=1))
    assert busy.end("3.0", "x") == [Settle((X,), DONE)]


# A coordinator that takes over


def test_what_a_worker_does_already_is_joined(scene: Scene) -> None:
    scene.submit(X, Y)

    assert scene.hear(report("w1", "y")) == [Send("3.0", Y, "w1")]


def test_what_a_worker_did_before_its_job_was_known_is_joined_and_takes_its_slot(scene: Scene) -> None:
    """The workers report at once, while the jobs are still being read."""
    assert scene.hear(report("w1", "x", slots=2), report("w2", slots=2)) == []
    other = [task(name, "k") for name in "abcd"]
    assert [one.worker for one in scene.submit(*other) if isinstance(one, Send)] == ["w1", "w2", "w2"]

    assert scene.submit(X) == [Send("3.3", X, "w1")]
    assert scene.end("3.3", "x")[-1] == Send("3.4", other[3], "w1")


def test_what_a_worker_has_done_already_takes_no_slot(scene: Scene) -> None:
    scene.hear(report("w1", Running("x", share=1.0)))

    assert scene.submit(Y) == [Send("3.0", Y, "w1")]
    assert scene.submit(X) == [Send("3.1", X, "w1")]


def test_a_worker_that_joins_what_it_did_may_begin_nothing_else(scene: Scene) -> None:
    scene.submit(X, Y)

    assert scene.hear(report("w1", "x"), report("w2")) == [Send("3.0", X, "w1"), Send("3.1", Y, "w2")]


def test_what_somebody_may_have_is_kept_for_it(scene: Scene) -> None:
    scene.hear(report("w2"))
    assert scene.submit(X, holders={"x": "w1"}) == []
    assert scene.work == Work(0, 1, 0, 0.0, False, "")

    assert scene.hear(report("w1", "x")) == [Send("3.0", X, "w1")]


def test_what_its_holder_does_not_have_is_given_out(scene: Scene) -> None:
    scene.hear(report("w2"))
    scene.submit(X, holders={"x": "w1"})

    assert scene.hear(report("w1")) == [Send("3.0", X, "w2")]


def test_what_somebody_else_turns_out_to_have_is_joined_there(scene: Scene) -> None:
    scene.submit(X, holders={"x": "w1"})

    assert scene.hear(report("w2", "x")) == [Send("3.0", X, "w2")]
    assert scene.hear(report("w1")) == []


def test_nobody_is_waited_for_longer_than_that(scene: Scene) -> None:
    scene.hear(report("w2"))
    scene.submit(X, holders={"x": "w1"})
    scene.now = RESERVED_SECONDS - 0.1
    scene.hear(report("w2"))

    assert scene.tick() == []
    assert scene.tick(0.2) == [Send("3.0", X, "w2")]


def test_a_holder_that_is_here_and_does_not_have_it_is_not_waited_for(scene: Scene) -> None:
    scene.hear(report("w1"))

    assert scene.submit(X, holders={"x": "w1"}) == [Send("3.0", X, "w1")]


def test_what_is_kept_may_be_withdrawn(scene: Scene) -> None:
    scene.submit(X, holders={"x": "w1"})
    scene.withdraw()

    assert scene.dispatch.waiting == 0
    assert scene.tick(RESERVED_SECONDS) == []
    assert scene.hear(report("w1")) == []


def test_what_nobody_has_asked_for_is_stopped_after_a_while(scene: Scene) -> None:
    assert scene.hear(report("w1", Running("x", since=STRAY_SECONDS - 1))) == []
    assert scene.submit(Y) == []
    assert scene.hear(report("w1", Running("x", since=STRAY_SECONDS + 1))) == [Stop("w1", "x")]
    assert scene.hear(report("w1")) == [Send("3.0", Y, "w1")]


def test_tokens_name_the_coordinator(scene: Scene) -> None:
    scene.dispatch.epoch = 12
    scene.hear(report())
    assert scene.submit(X) == [Send("12.0", X, "w1")]


# Somebody is lost


def test_a_process_that_was_started_anew_has_nothing_of_the_old_one(busy: Scene) -> None:
    busy.now = 5.0
    lost = Failure(machine="m1", reason=Reason.WORKER_LOST, digest="", at=NOON + timedelta(seconds=5))

    assert busy.hear(report(incarnation="2")) == [Release("3.0", (X,), lost), Send("3.1", X, "w1")]
    assert busy.dispatch.slots(ENCODE) == 1
    assert busy.end("3.0", "x", unknown()) == []
    assert busy.end("3.1", "x") == [Settle((X,), DONE)]


def test_what_is_missing_in_two_reports_is_given_out_again(busy: Scene) -> None:
    """The worker never got it, or its answer was lost."""
    busy.now = MISSING_SECONDS + 1
    lost = Failure(machine="m1", reason=Reason.WORKER_LOST, digest="", at=NOON + timedelta(seconds=busy.now))

    assert busy.hear(report()) == []
    assert busy.hear(report()) == [Release("3.0", (X,), lost), Send("3.1", X, "w1")]


def test_what_was_given_a_moment_ago_is_not_missing(busy: Scene) -> None:
    busy.now = MISSING_SECONDS
    assert busy.hear(report(), report(), report()) == []


def test_what_is_missing_once_is_on_its_way(busy: Scene) -> None:
    busy.now = MISSING_SECONDS + 1
    assert busy.hear(report(), report("w1", "x"), report(), report("w1", "x")) == []


def test_silence_ends_a_worker_and_what_it_had_is_given_out_again(pair: Scene) -> None:
    pair.now = LOST_SECONDS
    pair.hear(report("w2"))
    assert pair.tick() == []
    pair.now += 0.5
    lost = Failure(machine="m1", reason=Reason.WORKER_LOST, digest="", at=NOON + timedelta(seconds=pair.now))

    assert pair.tick() == [Release("3.0", (X,), lost), Renew(report("w1")), Send("3.1", X, "w2")]
    assert pair.tick() == []
    assert pair.dispatch.slots(ENCODE) == 1


@pytest.fixture
def deserted(pair: Scene) -> Scene:
    """`w1` was given up, and `w2` has `x` under the token 3.1."""
    pair.now = LOST_SECONDS + 1
    pair.hear(report("w2"))
    pair.tick()
    return pair


def test_a_result_that_comes_late_is_a_result(deserted: Scene) -> None:
    assert deserted.end("3.0", "x") == [Settle((X,), DONE), Stop("w2", "x")]
    assert deserted.end("3.1", "x", STALE) == []
    assert deserted.shares == {}


def test_a_failure_that_comes_late_is_nobody_s(deserted: Scene) -> None:
    assert deserted.end("3.0", "x", unknown()) == []
    assert deserted.fails("3.0", "x", Reason.FFMPEG_FAILED) == []
    assert deserted.end("3.1", "x") == [Settle((X,), DONE)]


def test_a_late_result_of_what_nobody_wants_is_nothing(deserted: Scene) -> None:
    deserted.withdraw()
    assert deserted.end("3.0", "x") == []


def test_a_worker_that_was_given_up_too_soon_goes_on_beside_the_other(deserted: Scene) -> None:
    """It may well be done before: then the other one is stopped."""
    assert deserted.hear(report("w1", "x")) == [Send("3.2", X, "w1")]
    assert deserted.end("3.2", "x") == [Settle((X,), DONE), Stop("w2", "x")]


def test_whoever_cannot_be_reached_gets_nothing_until_it_reports(busy: Scene) -> None:
    """1. A worker's process dies.  2. Every call to it fails at once.  3. What it had went to it again and again, until
    it counted as what kills workers, and was put aside."""
    assert busy.end("3.0", "x", unknown()) == []
    assert busy.tick(1.0) == []
    assert busy.submit(Y) == []

    assert busy.hear(report(incarnation="2")) == [Send("3.1", X, "w1")]


def test_whoever_is_out_of_reach_does_not_keep_others_from_it(pair: Scene) -> None:
    assert pair.end("3.0", "x", unknown()) == [Send("3.1", X, "w2")]


def test_a_worker_that_was_out_of_reach_goes_on_with_what_it_has(busy: Scene) -> None:
    busy.end("3.0", "x", unknown())

    assert busy.hear(report("w1", "x")) == [Send("3.1", X, "w1")]


def test_what_was_lost_with_three_workers_runs_alone_and_after_five_is_put_aside(scene: Scene) -> None:
    scene.hear(report("w1", slots=2))
    scene.submit(X)
    for lost in range(4):
        busy_with = [Y] if lost == 3 else []
        assert scene.end(f"3.{lost}", "x", unknown()) == []
        scene.submit(*busy_with)
        scene.hear(report("w1", slots=2, incarnation=f"{lost}'"))
    assert scene.dispatch.members["w1"].alone
    assert scene.work == Work(1, 1, 0, 0.0, False, "")

    assert scene.end("3.4", "x", unknown())[0] == Settle((X,), unknown(), quarantined=True)


def test_the_epochs_of_a_worker_do_not_mix(busy: Scene) -> None:
    """A report of the process that is gone comes after that of the new one."""
    busy.hear(report(incarnation="2"))
    busy.hear(report("w1", "x", incarnation="1"))
    assert busy.hear(report("w1", "x", incarnation="2"))[-1] == Send("3.3", X, "w1")
    assert busy.end("3.3", "x") == [Settle((X,), DONE)]


# Copies


def test_the_first_of_two_copies_counts_and_the_other_is_stopped(pair: Scene) -> None:
    assert pair.copy("3.0", "w2") == [Send("3.1", X, "w2")]
    assert [(token, copies) for token, _, _, copies in pair.dispatch.copies()] == [("3.0", 2), ("3.1", 2)]

    assert pair.end("3.1", "x") == [Settle((X,), DONE), Stop("w1", "x")]
    assert pair.end("3.0", "x") == []
    assert pair.shares == {}


def test_a_copy_that_fails_is_no_failure_of_the_task(pair: Scene) -> None:
    pair.copy("3.0", "w2")

    assert pair.fails("3.1", "x", Reason.FFMPEG_FAILED, "m2") == []
    assert pair.end("3.1", "x", Failed("for good")) == []
    assert pair.fails("3.0", "x", Reason.FFMPEG_FAILED, "m1") == []
    assert pair.tick(1.0) == [Send("3.2", X, "w2")]


def test_a_copy_of_a_lost_worker_s_goes_on(pair: Scene) -> None:
    pair.copy("3.0", "w2")
    pair.now = LOST_SECONDS + 1
    pair.hear(report("w2", "x"))

    assert [type(one) for one in pair.tick()] == [Release, Renew]
    assert pair.end("3.1", "x") == [Settle((X,), DONE)]


def test_no_copy_is_made_where_there_is_no_slot_nor_twice_in_one_place(pair: Scene) -> None:
    assert pair.copy("3.0", "w1") == []
    assert pair.copy("3.0", "w9") == []
    assert pair.copy("3.9", "w2") == []
    pair.submit(Y)
    assert pair.copy("3.0", "w2") == []
    pair.hear(report("w1", "x", slots=2))
    assert pair.copy("3.0", "w1") == []


def test_how_far_a_copy_is_and_since_when(pair: Scene) -> None:
    def seen() -> list[tuple[float | None, float]]:
        return [(copy.share, copy.moved) for _, _, copy, _ in pair.dispatch.copies()]

    assert seen() == [(None, 0.0)]
    for now, share, expected in [(2.0, 0.25, (0.25, 2.0)), (4.0, 0.25, (0.25, 2.0)), (6.0, 0.1, (0.25, 2.0))]:
        pair.now = now
        pair.hear(report("w1", Running("x", share)))
        assert seen() == [expected]
    pair.hear(report("w1", Running("x", 0.5)), report("w1", "x"))
    assert seen() == [(0.5, 6.0)]


# Held


def test_what_is_held_begins_nothing_and_what_runs_goes_on(busy: Scene) -> None:
    busy.hold("store_away")

    assert busy.submit(Y) == []
    assert busy.end("3.0", "x") == [Settle((X,), DONE)]
    assert busy.tick(1.0) == []
    assert busy.hear(report(), report("w2")) == []
    assert busy.hold("") == [Send("3.1", Y, "w1")]


def test_an_operator_s_pause_outlasts_other_troubles(scene: Scene) -> None:
    """1. The farm is paused.  2. The disk is full, and has room again.  3. It went on, paused as it was."""
    scene.hear(report())
    scene.dispatch.pause(True, scene.now)
    assert scene.submit(X) == []
    assert scene.dispatch.held == "paused"
    scene.hold("disk")
    assert scene.dispatch.held == "disk"
    assert scene.hold("") == []
    assert scene.dispatch.held == "paused"

    assert scene.dispatch.pause(False, scene.now) == [Send("3.0", X, "w1")]
    assert scene.dispatch.held == ""


def test_what_runs_already_is_joined_by_a_farm_that_is_held(scene: Scene) -> None:
    scene.hold("draining")
    scene.submit(X)
    assert scene.hear(report("w1", "x")) == [Send("3.0", X, "w1")]


def test_a_full_disk_holds_the_farm_and_is_no_failure_of_the_task(busy: Scene) -> None:
    for tried in range(9):
        assert busy.fails(f"3.{tried}", "x", Reason.DISK_FULL) == []
        assert busy.dispatch.held == "disk"
        assert busy.hear(report()) == []
        assert busy.tick(5.0) == []
        assert busy.work == Work(0, 1, 0, 0.0, False, "")
        assert busy.hold("") == [Send(f"3.{tried + 1}", X, "w1")]

    assert busy.fails("3.9", "x", Reason.FFMPEG_FAILED) == []
    assert busy.tick(1.0) == [Send("3.10", X, "w1")]


def test_what_fails_while_the_farm_is_in_trouble_is_not_at_fault(busy: Scene) -> None:
    for tried in range(4):
        busy.hold("store_away")
        assert busy.fails(f"3.{tried}", "x", Reason.FFMPEG_FAILED) == []
        assert busy.dispatch.held == "store_away"
        assert busy.hold("") == [Send(f"3.{tried + 1}", X, "w1")]

    busy.hold("draining")
    busy.fails("3.4", "x", Reason.FFMPEG_FAILED)
    assert busy.work == Work(0, 0, 1, 1.0, False, "")


# Machines


def test_a_barred_machine_gets_nothing_more(pair: Scene) -> None:
    pair.bar("m2")
    assert pair.submit(Y) == []
    assert pair.hear(report("w2"), report("w2", incarnation="2")) == []

    assert pair.bar("m2", barred=False) == [Send("3.1", Y, "w2")]


def test_what_runs_on_a_machine_that_is_barred_goes_on(busy: Scene) -> None:
    busy.submit(Y)
    busy.bar("m1")

    assert busy.end("3.0", "x") == [Settle((X,), DONE)]
    assert busy.hear(report("w2")) == [Send("3.1", Y, "w2")]


def test_a_machine_may_be_barred_before_it_is_heard_of(scene: Scene) -> None:
    scene.bar("m1")
    scene.submit(X)

    assert scene.hear(report()) == []
    assert scene.bar("m1", barred=False) == [Send("3.0", X, "w1")]


# A task that fails


def test_what_passed_by_is_tried_again_later_and_each_time_later(busy: Scene) -> None:
    for tried, pause in enumerate([1.0, 2.0, 4.0, 8.0]):
        assert busy.fails(f"3.{tried}", "x", Reason.STALLED, said=f"{tried}") == []
        assert busy.work == Work(0, 0, 1, pause, False, "")
        assert busy.dispatch.waiting == 1
        busy.hear(report())
        assert busy.tick(pause - 0.25) == []
        assert busy.tick(0.25) == [Send(f"3.{tried + 1}", X, "w1")]
    last = failed(Reason.STALLED, said="5")

    assert busy.end("3.4", "x", last) == [Settle((X,), last)]


def test_what_failed_goes_elsewhere_where_there_is_an_elsewhere(scene: Scene) -> None:
    scene.hear(report("w1", slots=2), report("w2"))
    scene.submit(X, Y)  # y is on w2
    assert scene.fails("3.0", "x", Reason.CHILD_FAILED, "m1") == []

    assert scene.tick(1.0) == []  # w1 has two slots to spare
    assert scene.end("3.1", "y") == [Settle((Y,), DONE), Send("3.2", X, "w2")]


def test_the_machine_to_avoid_does_something_else_meanwhile(scene: Scene) -> None:
    scene.hear(report("w1"), report("w2"))
    scene.submit(X, Y, Z)

    assert scene.fails("3.0", "x", Reason.CHILD_FAILED, "m1") == [Send("3.2", Z, "w1")]
    assert scene.tick(1.0) == []
    assert scene.end("3.2", "z") == [Settle((Z,), DONE)]


@pytest.mark.parametrize("event", ["lost", "barred", "no encoder"])
def test_when_there_is_no_elsewhere_any_more_it_goes_where_it_failed(scene: Scene, event: str) -> None:
    gpu = frozenset({"gpu"})
    x, y = (task(name, needs="gpu" if event == "no encoder" else "") for name in "xy")
    scene.hear(report("w1", slots=2, encoders=gpu), report("w2", encoders=gpu))
    scene.submit(x, y)
    scene.fails("3.0", "x", Reason.CHILD_FAILED, "m1")
    scene.now = 1.0
    assert scene.tick() == []

    match event:
        case "lost":
            scene.now = LOST_SECONDS + 0.5
            scene.hear(report("w1", slots=2, encoders=gpu))
            instructions = scene.tick()
        case "barred":
            instructions = [*scene.bar("m2"), *scene.tick()]
        case _:
            instructions = [*scene.hear(report("w2", "y", incarnation="2")), *scene.tick()]
    assert "x" in [one.task.id for one in instructions if isinstance(one, Send)]


def test_what_fails_alike_on_two_machines_is_put_aside(pair: Scene) -> None:
    pair.fails("3.0", "x", Reason.FFMPEG_FAILED, "m1")
    assert pair.tick(1.0) == [Send("3.1", X, "w2")]
    last = failed(Reason.FFMPEG_FAILED, "m2")

    assert pair.end("3.1", "x", last) == [Settle((X,), last, quarantined=True)]


def test_what_failed_under_an_earlier_coordinator_counts(scene: Scene) -> None:
    scene.hear(report())
    scene.submit(X, failures={"x": [failure(Reason.FFMPEG_FAILED, "m2")]})
    last = failed(Reason.FFMPEG_FAILED, "m1")

    assert scene.end("3.0", "x", last) == [Settle((X,), last, quarantined=True)]


def test_what_would_fail_everywhere_is_not_tried_again(busy: Scene) -> None:
    last = Failed("no such stream")

    assert busy.end("3.0", "x", last) == [Settle((X,), last)]


def test_what_fails_is_told_to_every_job(shared: Scene) -> None:
    last = Failed("no such stream")

    assert shared.end("3.0", "x", last) == [Settle((MINE, THEIRS), last)]


def test_what_is_delayed_may_be_withdrawn(busy: Scene) -> None:
    busy.fails("3.0", "x", Reason.CHILD_FAILED)
    busy.withdraw()

    assert busy.tick(5.0) == []
    assert busy.dispatch.waiting == 0


def test_what_needs_memory_runs_alone(scene: Scene) -> None:
    scene.hear(report("w1", slots=2, memory=8))
    scene.submit(X, Y)
    scene.submit(Z)
    assert scene.fails("3.0", "x", Reason.OUT_OF_MEMORY) == [Send("3.2", Z, "w1")]
    assert scene.tick(1.0) == []  # it waits until nothing is beside it, and nothing more is begun there
    more = task("more")
    scene.submit(more)
    assert scene.work == Work(2, 2, 0, 0.0, True, "")
    assert scene.end("3.2", "z") == [Settle((Z,), DONE)]
    assert scene.end("3.1", "y") == [Settle((Y,), DONE), Send("3.3", X, "w1")]
    assert scene.hear(report("w1", "x", slots=2, memory=8)) == []

    assert scene.end("3.3", "x") == [Settle((X,), DONE), Send("3.4", more, "w1")]


def test_the_least_busy_worker_empties_itself_for_what_runs_alone(scene: Scene) -> None:
    scene.hear(report("w1", slots=2), report("w2", slots=2))
    scene.submit(X, *(task(name) for name in "abc"))  # x and b on w1, a and c on w2
    scene.fails("3.0", "x", Reason.OUT_OF_MEMORY)
    scene.tick(1.0)
    scene.submit(Y, Z)

    assert scene.end("3.1", "a") == [Settle((task("a"),), DONE), Send("3.4", Y, "w2")]
    assert scene.end("3.2", "b") == [Settle((task("b"),), DONE), Send("3.5", X, "w1")]


def test_what_runs_alone_is_not_begun_beside_what_a_worker_does_for_nobody(scene: Scene) -> None:
    scene.hear(report("w1", slots=2))
    scene.submit(X)
    scene.fails("3.0", "x", Reason.OUT_OF_MEMORY)
    scene.hear(report("w1", "stray", slots=2))

    assert scene.tick(1.0) == []
    assert scene.hear(report("w1", slots=2)) == [Send("3.1", X, "w1")]


# What is known


def test_work_of_a_job_is_told(scene: Scene) -> None:
    scene.hear(report())
    scene.submit(X, Y, Z)
    scene.fails("3.0", "x", Reason.CHILD_FAILED)
    scene.now = 0.25

    assert scene.work == Work(running=1, ready=1, delayed=1, delayed_seconds=0.75, alone=False, needs="")
    assert scene.dispatch.work_of("nobody", 0.0) == Work(0, 0, 0, 0.0, False, "")


def test_nothing_is_left_of_what_has_ended(scene: Scene) -> None:
    scene.hear(report("w1", slots=3), report("w2"))
    for number in range(50):
        tasks = [task(f"{number} {name}", f"{number}") for name in "abcdef"]
        scene.submit(*tasks)
        for token in [token for token, *_ in scene.dispatch.copies()]:
            scene.end(token, scene.dispatch._copies[token].task)
        scene.withdraw(f"{number}")
    kept = [getattr(scene.dispatch, name) for name in ("_wanted", "_of_job", "_picky", "_reserved", "_copies")]

    assert [len(each) for each in kept] == [0] * 5
    assert scene.shares == {}
