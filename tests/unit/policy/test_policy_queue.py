"""Who goes next: priority, accounts, deadlines, turns, length – and at the end the length of the chain alone."""

import math
import random
from collections import Counter
from collections.abc import Sized
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from framemill.policy.queue import Shares, WorkQueue
from framemill.policy.tasks import Standing, Task


def standing(job: str = "j", account: str = "a", **fields: Any) -> Standing:
    return Standing(job, account, **fields)


def task(name: str, of: Standing | None = None, **fields: Any) -> Task:
    return Task(name, of or standing(), **fields)


class Desk:
    """A queue whose takers hold their slots until they give them back."""

    def __init__(self, slots: int = 1) -> None:
        self.shares = Shares()
        self.queue = WorkQueue(self.shares)
        self.slots = slots

    def add(self, *tasks: Task) -> None:
        for each in tasks:
            self.queue.add(each)

    def take(self) -> str | None:
        """The next one; it has its slot from here on."""
        found = self.queue.take(self.slots)
        if found is None:
            return None
        self.count(found, 1)
        return found.id

    def count(self, of: Task, change: int) -> None:
        self.shares.count(of.standing, change)
        self.queue.renew(of.standing.account)

    def take_all(self) -> list[str]:
        """Everything, in order; nobody gives a slot back."""
        found = []
        while (name := self.take()) is not None:
            found.append(name)
        return found

    def run(self) -> list[str]:
        """Everything, in order, each task over before the next one begins."""
        found = []
        while (one := self.queue.take(self.slots)) is not None:
            found.append(one.id)
        return found


@pytest.fixture
def desk() -> Desk:
    return Desk()


def filler(count: int = 100, of: Standing | None = None) -> list[Task]:
    """So much that the end is far away."""
    return [task(f"z{number:03}", of or standing("zzz"), effort=0.5) for number in range(count)]


# Order


def test_nothing_comes_out_of_nothing(desk: Desk) -> None:
    assert desk.take() is None
    assert (len(desk.queue), desk.queue.effort) == (0, 0.0)


def test_what_waits_is_known(desk: Desk) -> None:
    desk.add(task("x", effort=2.0), task("y", effort=0.5), task("read", turn=-1, effort=1.0))

    assert "x" in desk.queue
    assert "q" not in desk.queue
    assert [each.id for each in desk.queue] == ["x", "y", "read"]
    assert (len(desk.queue), desk.queue.effort) == (3, 3.5)


def test_what_waits_already_is_not_added_twice(desk: Desk) -> None:
    desk.add(task("x"), task("x", effort=9.0))

    assert desk.queue.effort == 1.0
    assert desk.run() == ["x"]


def test_openers_go_before_all_else(desk: Desk) -> None:
    """However urgent the others are: they are short, and slots would idle for want of what they open up."""
    desk.add(task("urgent", standing("u", priority=9), effort=50.0), task("plan", turn=-1), task("read", turn=-2))

    assert desk.run() == ["plan", "read", "urgent"]


def test_among_openers_priority_then_deadline_then_age(desk: Desk) -> None:
    desk.add(
        task("later", turn=-1),
        task("soon", standing("k", deadline=5.0), turn=-1),
        task("latest", turn=-2),
        task("high", standing("h", priority=1), turn=-1),
    )

    assert desk.run() == ["high", "soon", "later", "latest"]


def test_at_the_end_what_is_awaited_goes_before_what_is_long(desk: Desk) -> None:
    """In its turn; and nothing idles for it."""
    desk.slots = 8
    desk.add(
        task("late", turn=9, effort=3.0),
        task("long", effort=5.0),
        task("second", turn=2, effort=0.5, awaited=True),
        task("first", turn=1, effort=0.5, awaited=True),
    )

    assert desk.run() == ["first", "second", "long", "late"]


def test_what_is_awaited_is_no_reason_to_pass_over_a_higher_priority(desk: Desk) -> None:
    desk.slots = 8
    desk.add(task("awaited", turn=1, awaited=True), task("high", standing("h", priority=1), effort=3.0))

    assert desk.run() == ["high", "awaited"]


def test_what_is_awaited_waits_for_its_account_while_there_is_much_to_do(desk: Desk) -> None:
    desk.add(*filler(of=standing("z", "b")), task("mine", turn=1, awaited=True), task("more", turn=2, awaited=True))

    taken = [desk.take() for _ in range(4)]
    assert [name for name in taken if name in {"mine", "more"}] == ["mine", "more"]
    assert sum(name is not None and name.startswith("z") for name in taken) == 2  # the accounts take turns


def test_priority_is_strict(desk: Desk) -> None:
    low, high = standing("a", priority=-1), standing("b", "other", priority=3)
    desk.add(*filler(), task("low", low, effort=90.0), *(task(f"h{n}", high, effort=0.1) for n in range(3)))

    assert [desk.take() for _ in range(3)] == ["h0", "h1", "h2"]
    assert desk.run()[-1] == "low"


def test_inside_a_job_turn_decides_and_then_length(desk: Desk) -> None:
    desk.add(*filler(of=standing("b", "b")))
    desk.add(
        task("second", turn=2, effort=9.0),
        task("first short", turn=1, effort=1.0),
        task("first long", turn=1, effort=3.0),
        task("first long too", turn=1, effort=3.0),
    )

    taken = [name for name in desk.run() if not name.startswith("z")]
    assert taken == ["first long", "first long too", "first short", "second"]


def test_accounts_share_alike_however_much_each_wants(desk: Desk) -> None:
    many, few = standing("1", "many"), standing("2", "few")
    desk.add(*filler(200, many), *(task(f"few{n}", few, effort=0.5) for n in range(50)))

    taken = Counter("few" if str(desk.take()).startswith("few") else "many" for _ in range(60))
    assert taken == {"few": 30, "many": 30}


def test_whoever_has_fewer_slots_in_use_goes_next(desk: Desk) -> None:
    one, other = standing("1", "one"), standing("2", "other")
    desk.add(*filler(80, one), *(task(f"o{n}", other, effort=0.5) for n in range(80)))
    first = task("somewhere else", other)
    desk.count(first, 3)

    assert [str(desk.take())[0] for _ in range(5)] == ["z", "z", "z", "z", "o"]
    desk.count(first, -3)  # 1 of o, 4 of z
    assert [str(desk.take())[0] for _ in range(5)] == ["o", "o", "o", "z", "o"]


def test_inside_an_account_the_most_urgent_goes_first_and_keys_share_alike(desk: Desk) -> None:
    phone, tv = standing("1", fairness_key="phone"), standing("2", fairness_key="tv")
    urgent = standing("3", fairness_key="tv", deadline=7.0)
    desk.add(*filler(80, phone), *(task(f"tv{n}", tv, effort=0.5) for n in range(80)))
    desk.add(*(task(f"urgent{n}", urgent, effort=0.5) for n in range(2)))

    assert [desk.take() for _ in range(2)] == ["urgent0", "urgent1"]
    assert [str(desk.take())[:2] for _ in range(6)] == ["z0", "z0", "z0", "tv", "z0", "tv"]


def test_among_equals_the_oldest_job_goes_first(desk: Desk) -> None:
    desk.add(*filler(of=standing("2")), *(task(f"old{n}", standing("1"), effort=0.5) for n in range(3)))

    assert [desk.take() for _ in range(4)] == ["old0", "old1", "old2", "z000"]


# The end


def test_at_the_end_length_decides_over_all_jobs() -> None:
    """A long task that began last would end last, alone."""
    desk = Desk(slots=4)
    old, young = standing("1"), standing("2", "b")
    desk.add(*(task(f"short{n}", old, effort=1.0) for n in range(3)), task("long", young, effort=5.0))

    assert desk.take() == "long"


def test_at_the_end_the_join_of_a_long_title_counts() -> None:
    """However short its last chunks are: until they are encoded the join cannot begin."""
    desk = Desk(slots=4)
    film = standing("2", "b")
    desk.add(*(task(f"short{n}", effort=1.0 + n) for n in range(3)))
    desk.add(task("last", film, effort=0.5, after=9.0), task("last but one", film, effort=0.6, after=9.0))

    assert desk.run() == ["last but one", "last", "short2", "short1", "short0"]


def test_the_end_begins_with_the_longest_chain() -> None:
    """Early enough for the join, too."""
    desk = Desk(slots=4)
    desk.add(*(task(f"short{n:02}", standing("1"), effort=1.0) for n in range(16)))
    desk.add(task("last", standing("2", fairness_key="b"), effort=1.0, after=4.0))

    assert desk.take() == "last"  # 17 waits, and four slots have 20 to do with the longest


def test_before_the_end_it_does_not() -> None:
    desk = Desk(slots=4)
    desk.add(*(task(f"short{n:02}", standing("1"), effort=1.0) for n in range(16)))
    desk.add(task("long", standing("2", fairness_key="b"), effort=5.0))

    assert desk.take() == "short00"  # 21 waits, and four slots have 20 to do with the longest
    assert desk.take() == "long"


def test_at_the_end_priority_is_still_strict() -> None:
    desk = Desk(slots=100)
    desk.add(task("long", standing("1"), effort=50.0), task("short", standing("2", priority=1), effort=0.1))

    assert desk.run() == ["short", "long"]


# Taken out of turn


def test_what_is_removed_never_comes(desk: Desk) -> None:
    desk.add(task("x"), task("y"), task("plan", turn=-1))

    removed = desk.queue.remove("x")
    assert removed is not None
    assert removed.id == "x"
    assert desk.queue.remove("plan") is not None
    assert desk.queue.remove("x") is None
    assert desk.run() == ["y"]
    assert desk.queue.effort == 0.0


def test_what_is_added_again_comes_as_it_now_stands(desk: Desk) -> None:
    desk.add(*filler(), task("x", standing("x", priority=-5)))
    desk.queue.remove("x")
    desk.add(task("x", standing("x", priority=5)))

    assert desk.take() == "x"
    assert "x" not in desk.run()


def test_a_job_that_stands_lower_now_is_passed_over(desk: Desk) -> None:
    desk.add(*filler(), task("x", standing("x", "b", priority=5), effort=0.5))
    desk.queue.remove("x")
    desk.add(task("x", standing("x", "b", priority=-5), effort=0.5))

    assert desk.run()[-1] == "x"


def test_the_first_job_of_a_flow_may_go_while_others_wait(desk: Desk) -> None:
    """Its flow stands where the next job of it does."""
    desk.add(*filler(), task("first", standing("1", "b", priority=9)), task("next", standing("2", "b", priority=-1)))
    desk.queue.remove("first")

    assert desk.run()[-1] == "next"


# What is left of it


def entries(queue: WorkQueue) -> int:
    """Everything that its heaps hold, stale or not."""
    flows = [lines.jobs for lines in queue._by_flow.values()]
    lines = [line.entries for line in queue._by_job.values()]
    heaps: list[Sized] = [queue._longest, queue._openers, queue._flows, queue._flows_of, *flows, *lines]
    return sum(map(len, heaps))


MOST_ENTRIES = 400


def test_heaps_do_not_grow_with_the_jobs_that_have_gone() -> None:
    """Small jobs are always taken by length: nobody ever looks at the heaps of their accounts."""
    desk = Desk(slots=8)
    for number in range(3000):
        of = standing(f"{number:05}", f"account {number % 7}", fairness_key=str(number % 3))
        desk.add(task(f"read {number}", of, turn=-1), task(f"a {number}", of), task(f"b {number}", of))
        while (one := desk.queue.take(8)) is not None:
            desk.count(one, 1)
            desk.count(one, -1)
        assert entries(desk.queue) < MOST_ENTRIES

    assert (desk.shares.by_account, desk.shares.by_flow) == ({}, {})


@pytest.mark.parametrize("turn", [0, -1])
def test_heaps_do_not_grow_while_something_stays(turn: int) -> None:
    """What waits for ever keeps what is behind it from being seen."""
    desk = Desk()
    desk.add(task("stays", standing("s", priority=9), turn=turn))
    for number in range(3000):
        of = standing("j", priority=number % 2, fairness_key=str(number % 50))
        desk.add(task("comes and goes", of, turn=turn))
        desk.queue.remove("comes and goes")
        assert entries(desk.queue) < MOST_ENTRIES

    assert desk.run() == ["stays"]


def test_heaps_shrink_with_what_waits(desk: Desk) -> None:
    desk.add(*filler(5000), *(task(f"o{n}", standing("o"), turn=-1) for n in range(1000)))
    for number in range(4990):
        desk.queue.remove(f"z{number:03}")
    for number in range(1000):
        desk.queue.remove(f"o{number}")

    assert entries(desk.queue) < MOST_ENTRIES


def test_effort_does_not_drift(desk: Desk) -> None:
    dice = random.Random(1)  # noqa: S311
    for number in range(2000):
        desk.add(task(f"{number}", effort=dice.uniform(0.001, 1000)))
        desk.queue.take(1)

    assert desk.queue.effort == 0.0


# Whatever comes

STANDINGS = st.builds(
    Standing,
    job=st.sampled_from(["1", "2", "3"]),
    account=st.sampled_from("ab"),
    fairness_key=st.sampled_from(["", "k"]),
    priority=st.integers(-1, 1),
    deadline=st.sampled_from([1.0, 2.0, float("inf")]),
)
TASKS = st.builds(
    Task,
    id=st.text("xyz", min_size=1, max_size=3),
    standing=STANDINGS,
    turn=st.integers(-1, 2),
    effort=st.floats(0.1, 10),
    after=st.sampled_from([0.0, math.pi]),  # which no sum of efforts comes to: at the limit rounding would decide
    awaited=st.booleans(),
)
STEPS = st.lists(
    st.one_of(
        TASKS,
        st.just("take"),
        st.just("end"),
        st.text("xyz", min_size=1, max_size=3).map(lambda name: ("remove", name)),
    ),
    max_size=60,
)


@given(STEPS, st.integers(1, 5))
def test_every_task_comes_out_once_and_nobody_idles_while_one_waits(steps: list[Any], slots: int) -> None:
    desk = Desk(slots)
    waiting: dict[str, Task] = {}
    running: list[Task] = []
    for step in steps:
        match step:
            case Task():
                waiting.setdefault(step.id, step)
                desk.add(step)
            case ("remove", name):
                assert desk.queue.remove(name) is waiting.pop(name, None)
            case "end" if running:
                desk.count(running.pop(0), -1)
            case "take":
                best = max((each.standing.priority for each in waiting.values() if each.turn >= 0), default=None)
                found = desk.queue.take(slots)
                assert (found is None) == (not waiting)
                if found is not None:
                    assert waiting.pop(found.id) is found
                    assert found.turn < 0 or found.standing.priority == best
                    desk.count(found, 1)
                    running.append(found)
        assert len(desk.queue) == len(waiting)
        assert desk.queue.effort == pytest.approx(sum(each.effort for each in waiting.values()))
    while (left := desk.queue.take(slots)) is not None:
        assert waiting.pop(left.id) is left
    assert waiting == {}
    for each in running:
        desk.count(each, -1)
    assert (desk.shares.by_account, desk.shares.by_flow) == ({}, {})


@given(st.lists(TASKS, unique_by=lambda each: each.id, min_size=1, max_size=40), st.randoms())
def test_the_order_is_that_of_the_rules(tasks: list[Task], dice: random.Random) -> None:
    """Against the rules said plainly, with slots taken as it goes and now and then given back."""
    desk = Desk()
    desk.add(*tasks)
    left, running = list(tasks), list[Task]()
    while left:
        used = Counter(each.standing.account for each in running)
        used_of_flow = Counter((each.standing.account, each.standing.fairness_key) for each in running)
        expected = expected_next(left, used, used_of_flow)
        found = desk.queue.take(1)
        assert found is not None
        assert found.id == expected.id
        left.remove(found)
        desk.count(found, 1)
        running.append(found)
        if dice.random() < 0.5:
            desk.count(running.pop(dice.randrange(len(running))), -1)


def expected_next(left: list[Task], used: Counter[str], used_of_flow: Counter[tuple[str, str]]) -> Task:
    openers = [each for each in left if each.turn < 0]
    if openers:
        return min(openers, key=lambda each: (-each.standing.priority, each.standing.deadline))
    lengthy = (each for each in left if not each.awaited)
    longest = min(lengthy, key=lambda each: (-each.standing.priority, -each.chain), default=None)
    if longest is not None and sum(each.effort for each in left) <= longest.chain:
        watched = [each for each in left if each.awaited and each.standing.priority >= longest.standing.priority]
        return min(watched, key=lambda each: (-each.standing.priority, each.turn), default=longest)

    def first_of_flow(of: Standing) -> Standing:
        flow = of.account, of.fairness_key
        those = (each.standing for each in left if (each.standing.account, each.standing.fairness_key) == flow)
        return min(those, key=lambda each: (-each.priority, each.deadline, each))

    def rank(of: Standing) -> tuple[Any, ...]:
        return -of.priority, used[of.account], of.deadline, used_of_flow[of.account, of.fairness_key], of.job

    chosen = min(
        {first_of_flow(each.standing) for each in left}, key=lambda of: (rank(of), of.account, of.fairness_key)
    )
    mine = [each for each in left if each.standing == chosen]
    return min(mine, key=lambda each: (each.turn, -each.chain))
