"""Whatever happens, in whatever order: no slot is given twice, no task is lost or told twice, all comes to an end."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from framemill.jobs.model import Failure
from framemill.jobs.reasons import Reason
from framemill.policy.dispatch import Dispatch
from framemill.policy.fleet import Report, Running
from framemill.policy.instructions import Done, Ended, Failed, Instruction, Release, Renew, Send, Settle, Stop, Unknown
from framemill.policy.tasks import ENCODE, STITCH, Lane, Standing, Task

NOON = datetime(2030, 5, 17, 12, 0, tzinfo=UTC)
GPU = frozenset({"gpu"})

JOBS = ("j", "k", "l")
PLAIN = ("a", "b", "c", "d", "e")
NEEDY, JOIN, OPENER = "needs a gpu", "join", "read"
NAMES = (*PLAIN, NEEDY, JOIN, OPENER)
PASSING = (Reason.CHILD_FAILED, Reason.FFMPEG_FAILED, Reason.OUT_OF_MEMORY, Reason.NO_ENCODER, Reason.DISK_FULL)


def failure(reason: Reason, machine: str) -> Failure:
    return Failure(machine=machine, reason=reason, digest="why", at=NOON)


@dataclass
class Worker:
    """What really goes on there, whatever the coordinator thinks."""

    name: str
    machine: str
    slots: int
    lane: Lane = ENCODE
    encoders: frozenset[str] = frozenset()
    incarnation: int = 1
    up: bool = True
    """Its process lives, or nobody has noticed yet that it was started anew."""
    reachable: bool = True
    unheard: list[Send | Stop] = field(default_factory=list)
    """What was said to it while it could not be reached: it hears that later, in order."""
    running: dict[str, set[str]] = field(default_factory=dict)
    """Tasks, and the tokens under which they were asked for."""
    began: dict[str, float] = field(default_factory=dict)

    def report(self, now: float) -> Report:
        listed = tuple(Running(task, 0.5, now - self.began[task]) for task in self.running)
        return Report(
            self.name, str(self.incarnation), self.machine, self.slots, 8, self.lane, self.encoders, running=listed
        )


def fleet() -> list[Worker]:
    return [
        Worker("w1", "m1", 2),
        Worker("w2", "m2", 1, encoders=GPU),
        Worker("w3", "m1", 1),
        Worker("s1", "m1", 1, lane=STITCH),
    ]


class Farm(RuleBasedStateMachine):
    """A dispatch, workers that do as they are told when they hear it, and all that may go wrong between them."""

    def __init__(self) -> None:
        super().__init__()
        self.dispatch = Dispatch(epoch=1, zero=NOON)
        self.now = 0.0
        self.workers = {worker.name: worker for worker in fleet()}
        self.wanted: dict[str, set[str]] = {job: set() for job in JOBS}
        self.standing = {job: Standing(job, "account" if job == "l" else "other") for job in JOBS}
        self.answers: list[tuple[str, str, Ended]] = []
        """On their way to the coordinator: token, task, and what came of it."""
        self.writing: list[tuple[str, str]] = []

    # What the shell does

    def perform(self, instructions: list[Instruction]) -> None:
        for instruction in instructions:
            match instruction:
                case Send(_, _, worker) | Stop(worker, _):
                    self.tell(self.workers[worker], instruction)
                case Settle(tasks, _, _):
                    for task in tasks:
                        self.wanted[task.job].remove(task.id)
                case Release(token, tasks, _):
                    assert all(task.id in self.wanted[task.job] for task in tasks)
                    assert not self.dispatch.holds(token)
                case Renew(report):
                    if str(self.workers[report.worker].incarnation) == report.incarnation:
                        self.die(self.workers[report.worker])

    def tell(self, worker: Worker, instruction: Send | Stop) -> None:
        match instruction:
            case _ if not worker.reachable:
                worker.unheard.append(instruction)
            case Stop(_, name):
                self.stop(worker, name)
            case Send(token, task, _) if worker.up:
                worker.began.setdefault(task.id, self.now)
                worker.running.setdefault(task.id, set()).add(token)
                assert len(worker.running) <= worker.slots, "a slot was given twice"
            case Send(token, task, _):
                lost = Unknown(failure(Reason.WORKER_LOST, worker.machine), "lost")
                self.answers.append((token, task.id, lost))

    def stop(self, worker: Worker, name: str, ended: Ended | None = None) -> None:
        worker.began.pop(name, None)
        for token in sorted(worker.running.pop(name, ())):
            gone = Failed("stopped", failure(Reason.WORKER_LOST, worker.machine))
            self.answers.append((token, name, ended or gone))

    def die(self, worker: Worker) -> None:
        for name in list(worker.running):
            self.stop(worker, name, Unknown(failure(Reason.WORKER_LOST, worker.machine), "lost"))
        worker.incarnation += 1
        worker.up = False
        self.network_is_cut_or_mended(worker.name, reachable=True)

    def tasks(self, job: str, names: list[str]) -> list[Task]:
        return [
            Task(
                name,
                self.standing[job],
                turn=-1 if name == OPENER else 0,
                effort=1.0 + number,
                lane=STITCH if name == JOIN else ENCODE,
                needs="gpu" if name == NEEDY else "",
                number=number,
            )
            for number, name in enumerate(names)
        ]

    # What may happen

    @initialize()
    def somebody_is_there(self) -> None:
        self.perform(self.dispatch.heard(self.workers["w1"].report(self.now), self.now))

    @rule(
        job=st.sampled_from(JOBS),
        names=st.lists(st.sampled_from(NAMES), unique=True, min_size=1),
        holder=st.sampled_from(["w1", "w2", "w9"]),
        held=st.sets(st.sampled_from(NAMES), max_size=2),
    )
    def submit(self, job: str, names: list[str], holder: str, held: set[str]) -> None:
        self.wanted[job].update(names)
        holders = dict.fromkeys(held, holder)
        self.perform(self.dispatch.submit(self.tasks(job, names), self.now, holders=holders))

    @rule(job=st.sampled_from(JOBS), names=st.none() | st.lists(st.sampled_from(NAMES), max_size=3))
    def withdraw(self, job: str, names: list[str] | None) -> None:
        self.wanted[job].difference_update(NAMES if names is None else names)
        self.perform(self.dispatch.withdraw(job, self.now, names))

    @rule(job=st.sampled_from(JOBS), priority=st.integers(-1, 1), key=st.sampled_from(["", "tv"]))
    def restand(self, job: str, priority: int, key: str) -> None:
        self.standing[job] = self.standing[job]._replace(priority=priority, fairness_key=key)
        self.dispatch.restand(self.standing[job])

    @rule(name=st.sampled_from([worker.name for worker in fleet()]))
    def report(self, name: str) -> None:
        worker = self.workers[name]
        if worker.reachable:
            worker.up = True
            self.perform(self.dispatch.heard(worker.report(self.now), self.now))

    @precondition(lambda self: any(worker.running for worker in self.workers.values()))
    @rule(data=st.data(), reason=st.none() | st.sampled_from(PASSING), final=st.booleans())
    def work_ends(self, data: st.DataObject, reason: Reason | None, final: bool) -> None:
        there = [(name, task) for name, worker in self.workers.items() for task in worker.running]
        name, task = data.draw(st.sampled_from(there))
        worker = self.workers[name]
        failed = None if reason is None or final else failure(reason, worker.machine)
        self.stop(worker, task, Done("result") if reason is None else Failed("why", failed))

    @precondition(lambda self: self.answers)
    @rule(data=st.data(), writing=st.booleans())
    def answer_comes(self, data: st.DataObject, writing: bool) -> None:
        token, task, ended = self.answers.pop(data.draw(st.integers(0, len(self.answers) - 1)))
        if isinstance(ended, Done) and writing:
            self.perform(self.dispatch.answered(token, self.now))
            self.writing.append((token, task))
        else:
            self.perform(self.dispatch.ended(token, task, ended, self.now))

    @precondition(lambda self: self.writing)
    @rule()
    def result_is_written(self) -> None:
        token, task = self.writing.pop(0)
        self.perform(self.dispatch.ended(token, task, Done("result"), self.now))

    @rule(name=st.sampled_from(["w1", "w2"]))
    def process_dies(self, name: str) -> None:
        self.die(self.workers[name])

    @rule(name=st.sampled_from(["w1", "w3"]), reachable=st.booleans())
    def network_is_cut_or_mended(self, name: str, reachable: bool) -> None:
        worker = self.workers[name]
        worker.reachable = reachable
        while worker.reachable and worker.unheard:
            self.tell(worker, worker.unheard.pop(0))

    @rule(seconds=st.sampled_from([0.5, 1.0, 2.0, 5.0, 9.0, 30.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        self.perform(self.dispatch.tick(self.now))

    @precondition(lambda self: any(True for _ in self.dispatch.copies()))
    @rule(data=st.data(), worker=st.sampled_from([worker.name for worker in fleet()]))
    def copy(self, data: st.DataObject, worker: str) -> None:
        token, task, *_ = data.draw(st.sampled_from(list(self.dispatch.copies())))
        if task.lane == self.workers[worker].lane and (not task.needs or self.workers[worker].encoders):
            self.perform(self.dispatch.copy(token, worker, self.now))

    @rule(why=st.sampled_from(["", "disk"]))
    def hold(self, why: str) -> None:
        self.perform(self.dispatch.hold(why, self.now))

    @rule(paused=st.booleans())
    def pause(self, paused: bool) -> None:
        self.perform(self.dispatch.pause(paused, self.now))

    @rule(machine=st.sampled_from(["m1", "m2"]), barred=st.booleans())
    def bar(self, machine: str, barred: bool) -> None:
        self.perform(self.dispatch.bar(machine, barred, self.now))

    # What always holds

    @invariant()
    def every_wanted_task_is_in_one_place(self) -> None:
        dispatch = self.dispatch
        assert {job: ids for job, ids in self.wanted.items() if ids} == dict(dispatch._of_job)
        assert set().union(*self.wanted.values()) == set(dispatch._wanted)
        for name, wanted in dispatch._wanted.items():
            queued = [name in queue for queue in dispatch._queues.values()]
            places = [*queued, name in dispatch._picky, name in dispatch._reserved, bool(wanted.copies)]
            assert places.count(True) == 1, (name, wanted)
            assert {task.job for task in wanted.asked} == {job for job, ids in self.wanted.items() if name in ids}
            assert all(task.standing == self.standing[task.job] for task in wanted.asked)
        assert dispatch.waiting + sum(bool(one.copies) for one in dispatch._wanted.values()) == len(dispatch._wanted)

    @invariant()
    def slots_are_counted(self) -> None:
        dispatch = self.dispatch
        held = {token: copy for token, copy in dispatch._copies.items() if not copy.answered}
        assert Counter(token for member in dispatch.members.values() for token in member.tokens) == Counter(held.keys())
        for lane in (ENCODE, STITCH):
            used = Counter[str]()
            for copy in held.values():
                task = dispatch._wanted[copy.task].task
                used[task.standing.account] += task.lane == lane
            assert dict(dispatch._shares[lane].by_account) == {name: count for name, count in used.items() if count}
            members = [member.report for member in dispatch.members.values() if member.report.lane == lane]
            assert dispatch.slots(lane) == sum(report.slots for report in members)

    @invariant()
    def nobody_idles_while_there_is_work(self) -> None:
        dispatch = self.dispatch
        due = [picky for picky in dispatch._picky.values() if picky.due <= self.now]
        if dispatch.held or any(picky.alone for picky in due):  # somebody empties itself
            return
        for member in dispatch.members.values():
            kinds = [(member.report.lane, encoder) for encoder in (*member.report.encoders, "")]
            assert member.free <= 0 or not any(dispatch._queues.get(kind) for kind in kinds)

    def teardown(self) -> None:
        """When all is well again everything comes to its end, and nothing is left of it."""
        self.pause(paused=False)
        for machine in ("m1", "m2"):
            self.bar(machine, barred=False)
        for worker in self.workers.values():
            self.network_is_cut_or_mended(worker.name, reachable=True)
        for _ in range(60):
            self.hold("")
            while self.writing:
                self.result_is_written()
            for worker in self.workers.values():
                self.report(worker.name)
                for task in list(worker.running):
                    self.stop(worker, task, Done("result"))
            while self.answers:
                token, name, ended = self.answers.pop(0)
                self.perform(self.dispatch.ended(token, name, ended, self.now))
            self.every_wanted_task_is_in_one_place()
            self.time_passes(2.0)
        dispatch: Any = self.dispatch
        left = (dispatch._wanted, dispatch._of_job, dispatch._picky, dispatch._reserved, dispatch._copies)
        assert [len(each) for each in left] == [0] * 5, left
        assert all(not shares.by_account and not shares.by_flow for shares in dispatch._shares.values())
        assert all(not member.tokens and not member.alone for member in dispatch.members.values())
        super().teardown()


TestFarm = Farm.TestCase
TestFarm.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
