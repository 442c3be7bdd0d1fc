"""Who begins: priority, then near deadlines, then fair shares; by example, and against a slow and obvious model."""

import itertools
import math
import time
from collections import Counter
from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from framemill.policy.admission import Limits, Queued, WaitingRoom

NOON = 1_900_000_000.0
HOUR = 3600.0


def room(*jobs: Queued, active: int = 100, each: int | None = None) -> WaitingRoom:
    made = WaitingRoom(Limits(active_jobs=active, jobs_per_account=each))
    for job in jobs:
        made.add(job)
    return made


def queued(job_id: str, account: str = "a", key: str = "", *, priority: int = 0, due: float | None = None) -> Queued:
    return Queued(job_id, account, key, priority, due)


def one_by_one(waiting: WaitingRoom, most: int = 1000) -> list[str]:
    """Each job ends before the next one begins."""
    begun: list[str] = []
    while (admitted := waiting.admit(NOON)) and len(begun) < most:
        begun += admitted
        for job_id in admitted:
            waiting.ended(job_id)
    return begun


def test_priority_goes_before_everything() -> None:
    waiting = room(queued("1"), queued("2", due=NOON), queued("3", "b", priority=-1), queued("4", priority=5))

    assert waiting.admit(NOON) == ["4", "2", "1", "3"]


def test_priority_is_strict_however_long_one_waits() -> None:
    waiting = room(queued("old", "b"), active=1)

    for number in range(20):
        waiting.add(queued(f"new{number}", priority=1))
        assert waiting.admit(NOON + number * 1e6) == [f"new{number}"]
        waiting.ended(f"new{number}")


def test_a_near_deadline_goes_before_a_fair_share_and_the_nearest_first() -> None:
    waiting = room(
        queued("1", "other"),
        queued("2", due=NOON + 60),
        queued("3", due=NOON + 30),
        queued("4", "late", due=NOON - 5),
    )

    assert waiting.admit(NOON) == ["4", "3", "2", "1"]


def test_a_far_deadline_counts_when_it_has_come_near() -> None:
    waiting = room(*(queued(f"{number}") for number in range(3)), queued("9", due=NOON + 2 * HOUR), active=1)

    assert waiting.admit(NOON) == ["0"]
    waiting.ended("0")
    assert waiting.admit(NOON + HOUR) == ["9"]


def test_a_deadline_that_was_put_off_is_urgent_no_longer() -> None:
    waiting = room(queued("1"), queued("2", due=NOON), active=1)
    assert waiting.admit(NOON, trouble="paused") == []
    waiting.add(queued("2", due=NOON + 10 * HOUR))

    assert waiting.admit(NOON) == ["1"]


def test_the_account_with_the_fewest_running_goes_first() -> None:
    waiting = room(queued("3", "b"), queued("4", "b"), queued("5", "b"), queued("1"), queued("2"), active=4)
    waiting.began(queued("0", "b"))

    assert waiting.admit(NOON) == ["1", "3", "2"]


def test_within_an_account_the_key_with_the_fewest_running_goes_first() -> None:
    waiting = room(queued("2", key="tv"), queued("3", key="tv"), queued("4", key="phone"), queued("5", key="phone"))
    waiting.began(queued("1", key="tv"))

    assert waiting.admit(NOON) == ["4", "2", "5", "3"]


def test_jobs_of_one_key_begin_as_they_were_made() -> None:
    waiting = room(queued("3"), queued("1"), queued("2"))

    assert waiting.admit(NOON) == ["1", "2", "3"]


def test_whoever_comes_while_anothers_job_runs_is_next() -> None:
    """Also where the other one has had more in the queue for longer."""
    late: list[dict[str, str]] = [{"account": "late"}, {"key": "late"}]
    for fields in late:
        waiting = room(queued("1"), active=1)
        assert waiting.admit(0.0) == ["1"]
        for number in "23":
            waiting.add(queued(number))
        waiting.add(queued("4", fields.get("account", "a"), fields.get("key", "")))
        begun = []
        for running in ("1", "4", "2"):
            waiting.ended(running)
            begun += waiting.admit(0.0)
        assert begun == ["4", "2", "3"], fields


def test_where_one_job_runs_at_a_time_accounts_take_turns() -> None:
    """1. One account has queued a thousand jobs. 2. Another one queues later. 3. It is next, and not last."""
    waiting = room(*(queued(f"{number:04}") for number in range(1000)), active=1)
    assert waiting.admit(NOON) == ["0000"]
    waiting.add(queued("9000", "b"))
    waiting.add(queued("9001", "b"))
    waiting.ended("0000")

    assert one_by_one(waiting, most=4) == ["9000", "0001", "9001", "0002"]


def test_who_comes_again_and_again_with_one_job_does_not_push_in() -> None:
    waiting = room(queued("1"), queued("2"), queued("3"), active=1)
    begun = []
    for number in range(6):
        waiting.add(queued(f"b{number}", "b"))
        (job_id,) = waiting.admit(NOON)
        waiting.ended(job_id)
        begun.append(job_id)

    assert begun == ["1", "b0", "2", "b1", "3", "b2"]


def test_an_account_at_its_limit_is_passed_over() -> None:
    waiting = room(queued("1"), queued("2"), queued("3"), queued("4", "b", priority=-1), each=2)

    assert waiting.admit(NOON) == ["1", "2", "4"]
    assert (waiting.held_back("3"), waiting.held_back("4"), len(waiting)) == ("account_limit", None, 1)
    waiting.ended("1")
    assert waiting.held_back("3") is None
    assert waiting.admit(NOON) == ["3"]


def test_the_farm_has_a_limit() -> None:
    waiting = room(queued("1"), queued("2"), active=1)

    assert (waiting.admit(NOON), waiting.admit(NOON)) == (["1"], [])
    assert (waiting.held_back("2"), waiting.running, waiting.running_of("a")) == ("farm_limit", 1, 1)


def test_in_trouble_nothing_begins() -> None:
    waiting = room(queued("1"))

    assert waiting.admit(NOON, trouble="disk") == []
    assert waiting.admit(NOON) == ["1"]


def test_a_removed_job_does_not_begin() -> None:
    waiting = room(queued("1", due=NOON), queued("2"))
    waiting.remove("1")
    waiting.remove("unknown")
    waiting.ended("unknown")

    assert "1" not in waiting
    assert waiting.admit(NOON) == ["2"]


def test_a_job_that_was_edited_stands_where_it_stands_now() -> None:
    waiting = room(queued("1"), queued("2"), queued("3"))
    waiting.add(queued("3", "b", priority=1))

    assert waiting.admit(NOON) == ["3", "1", "2"]


def test_a_job_that_is_worked_on_does_not_wait_as_well() -> None:
    waiting = room(queued("1"))
    waiting.admit(NOON)

    assert not waiting.add(queued("1"))
    waiting.began(queued("1"))
    assert (len(waiting), waiting.running) == (0, 1)
    waiting.ended("1")
    assert waiting.add(queued("1"))


# Against a model


@dataclass
class Model:
    """The same by looking through everything each time."""

    limits: Limits
    waiting: dict[str, Queued] = field(default_factory=dict)
    running: dict[str, Queued] = field(default_factory=dict)
    turns: dict[str | tuple[str, str], int] = field(default_factory=dict)
    turn: "itertools.count[int]" = field(default_factory=itertools.count)
    last: dict[str, str] = field(default_factory=dict)
    """Who began last: of all (""), and key of each account."""
    most_of: dict[str, int] = field(default_factory=dict)
    """Limits of accounts."""

    def flow(self, job: Queued) -> tuple[str, str]:
        """Whose turn it takes; a door with a limit is as one account."""
        if job.door in self.limits.jobs_per_door:
            return f"door {job.door}", f"{job.account} {job.fairness_key}"
        return job.account, job.fairness_key

    def lines(self, jobs: dict[str, Queued]) -> Counter[str | tuple[str, str]]:
        flows = [self.flow(job) for job in jobs.values()]
        return Counter([*flows, *(account for account, _ in flows)])

    def has_room(self, job: Queued) -> bool:
        """In its account, and in its door."""
        of_account = sum(job.account == other.account for other in self.running.values())
        of_door = sum(job.door == other.door for other in self.running.values())
        each = self.limits.jobs_per_account or math.inf
        most = self.limits.jobs_per_door.get(job.door, math.inf)
        return of_account < min(each, self.most_of.get(job.account, math.inf)) and of_door < most

    def forget(self) -> None:
        here = self.lines(self.waiting)
        self.turns = {line: turn for line, turn in self.turns.items() if line in here}

    def add(self, job: Queued) -> None:
        if job.id in self.running:
            return
        self.remove(job.id)
        self.waiting[job.id] = job
        for line in (self.flow(job)[0], self.flow(job)):
            if line not in self.turns:
                self.turns[line] = next(self.turn)

    def remove(self, job_id: str) -> None:
        self.waiting.pop(job_id, None)
        self.forget()

    def ended(self, job_id: str) -> None:
        self.running.pop(job_id, None)

    def admit(self, now: float) -> list[str]:
        begun = []
        while len(self.running) < self.limits.active_jobs and (job := self.first(now)) is not None:
            del self.waiting[job.id]
            self.running[job.id] = job
            begun.append(job.id)
            name, key = self.flow(job)
            for line in (name, (name, key)):
                self.turns[line] = next(self.turn)
            self.last |= {"": name, name: key}
            self.forget()
        return begun

    def first(self, now: float) -> Queued | None:
        used = self.lines(self.running)

        def rank(job: Queued) -> tuple[float | str, ...]:
            due = math.inf if job.deadline is None else job.deadline
            urgency = due if due - self.limits.urgent_seconds <= now else math.inf
            flow = name, own = self.flow(job)
            account = (used[name], self.last.get("") == name, self.turns[name])
            key = (used[flow], self.last.get(name) == own, self.turns[flow])
            return (-job.priority, urgency, *account, *key, job.id)

        return min(filter(self.has_room, self.waiting.values()), key=rank, default=None)


jobs = st.builds(
    Queued,
    id=st.integers(0, 30).map(lambda number: f"{number:02}"),
    account=st.sampled_from("abc"),
    fairness_key=st.sampled_from("xyz"),
    priority=st.integers(0, 2),
    deadline=st.none() | st.integers(0, 20).map(float),
    door=st.sampled_from("de"),
)
equals = st.builds(
    Queued,
    id=st.integers(0, 60).map(lambda number: f"{number:02}"),
    account=st.sampled_from("abc"),
    fairness_key=st.sampled_from("xyz"),
    priority=st.just(0),
    deadline=st.none(),
)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("add"), jobs),
        st.tuples(st.just("remove"), jobs),
        st.tuples(st.just("ended"), jobs),
        st.tuples(st.just("admit"), jobs),
        st.tuples(st.just("limit"), jobs),
    ),
    max_size=60,
)
of_doors = st.dictionaries(st.sampled_from("de"), st.integers(1, 3))


@given(steps, st.integers(1, 6), st.none() | st.integers(1, 3), of_doors)
def test_it_admits_whom_the_model_admits(
    steps: list[tuple[str, Queued]], active: int, each: int | None, doors: dict[str, int]
) -> None:
    limits = Limits(active_jobs=active, jobs_per_account=each, jobs_per_door=doors, urgent_seconds=5)
    waiting, model = WaitingRoom(limits), Model(limits)
    for now, (what, job) in enumerate(steps):
        if what == "add":
            waiting.add(job)
            model.add(job)
        elif what == "remove":
            waiting.remove(job.id)
            model.remove(job.id)
        elif what == "ended":
            waiting.ended(job.id)
            model.ended(job.id)
        elif what == "limit":
            model.most_of = {job.account: job.priority + 1}
            waiting.limit_accounts(model.most_of)
        else:
            assert waiting.admit(now) == model.admit(now)
        assert (len(waiting), waiting.running) == (len(model.waiting), len(model.running))


@given(st.lists(jobs, max_size=60), st.integers(1, 20), st.none() | st.integers(1, 5), st.data())
def test_nobody_idles_while_somebody_may_begin(
    some: list[Queued], active: int, each: int | None, data: st.DataObject
) -> None:
    waiting = room(*some, active=active, each=each)
    running: list[str] = []
    for _ in range(5):
        running += waiting.admit(NOON)
        left = {job.id: job.account for job in some if job.id in waiting}
        may_begin = [account for account in left.values() if each is None or waiting.running_of(account) < each]
        assert waiting.running == active or not may_begin
        assert all(each is None or waiting.running_of(account) <= each for account in "abc")
        assert all(waiting.held_back(job_id) for job_id in left)
        for job_id in data.draw(st.sets(st.sampled_from(running)) if running else st.just(set())):
            waiting.ended(job_id)
            running.remove(job_id)


@given(st.lists(equals, max_size=60, unique_by=lambda job: job.id), st.integers(1, 60))
def test_among_equals_shares_differ_by_one_at_most(some: list[Queued], active: int) -> None:
    waiting = room(*some, active=active)
    begun = set(waiting.admit(NOON))

    used = Counter(job.account for job in some if job.id in begun)
    waits = {job.account for job in some if job.id in waiting}
    assert all(used[account] + 1 >= max(used.values()) for account in waits)
    for account in waits:
        mine = [job for job in some if job.account == account]
        used = Counter(job.fairness_key for job in mine if job.id in begun)
        waiting_keys = {job.fairness_key for job in mine if job.id in waiting}
        assert all(used[key] + 1 >= max(used.values(), default=0) for key in waiting_keys)


def test_ten_thousand_jobs_of_a_thousand_accounts() -> None:
    """Under a millisecond for each admission; a tenth of that is usual."""
    many = [
        queued(f"{number:05}", f"a{number % 1000}", f"k{number % 7}", priority=number % 3) for number in range(10_000)
    ]
    waiting = room(*many, active=64, each=4)
    running = waiting.admit(NOON)
    started = time.thread_time()  # whatever else runs on this machine
    for _ in range(2000):
        waiting.ended(running.pop(0))
        running += waiting.admit(NOON)
    taken = time.thread_time() - started

    assert len(running) == 64
    assert taken < 2.0


def test_nothing_is_left_behind_by_who_has_come_and_gone() -> None:
    waiting = room(active=1)
    for number in range(3000):
        waiting.add(queued(f"{number}", f"account {number}", "key", due=NOON + 1e9))
        waiting.admit(NOON)
        waiting.ended(f"{number}")

    words = {"_last", "_last_of"}  # of who was last: of some accounts, and no more
    assert len(waiting._last_of) == 1000
    held = {name: value for name, value in vars(waiting).items() if hasattr(value, "__len__") and name not in words}
    assert {name: len(value) for name, value in held.items()} == dict.fromkeys(held, 0)
    orders = [value for value in vars(waiting).values() if hasattr(value, "first")]
    assert all(len(order._heap) < 200 for order in orders)


def test_what_is_edited_over_and_over_leaves_nothing_behind() -> None:
    waiting = room(queued("1", priority=9), queued("2", "b", due=NOON))
    for number in range(3000):
        waiting.add(queued("3", "c", priority=number % 5, due=NOON + 1e6 + number))

    assert len(waiting._order._heap) < 200
    assert len(waiting._until_urgent._heap) < 200


def test_of_a_door_with_a_limit_no_more_jobs_are_worked_on_and_its_devices_take_turns() -> None:
    waiting = WaitingRoom(Limits(jobs_per_door={"d": 1}))
    for job_id, account, key in (("1", "a", "x"), ("2", "a", "x"), ("3", "a", "x"), ("4", "a", "y"), ("5", "b", "x")):
        waiting.add(queued(job_id, account, key)._replace(door="d"))
    waiting.add(queued("6", "a")._replace(door="another"))

    assert waiting.admit(NOON) == ["1", "6"]
    assert waiting.admit(NOON) == []
    begun = []
    for ended in ("1", "4", "5", "2"):
        waiting.ended(ended)
        begun += waiting.admit(NOON)
    assert begun == ["4", "5", "2", "3"]


def test_a_doors_limit_outlives_the_news_of_accounts_and_counts_what_another_coordinator_has_begun() -> None:
    waiting = WaitingRoom(Limits(jobs_per_door={"d": 2}))
    waiting.limit_accounts({"a": 1})
    waiting.began(queued("1", "b")._replace(door="d"))
    for number in "234":
        waiting.add(queued(number, f"account {number}")._replace(door="d"))

    assert waiting.admit(NOON) == ["2"]
    waiting.limit_accounts({})
    assert waiting.admit(NOON) == []
    waiting.remove("3")
    waiting.ended("1")
    assert waiting.admit(NOON) == ["4"]


def test_jobs_of_a_door_with_a_limit_count_for_their_accounts_limits_too() -> None:
    """One account's job of another door runs already, and it may have two: the door gives the others their turn."""
    waiting = WaitingRoom(Limits(jobs_per_door={"d": 3}))
    waiting.limit_accounts({"a": 2})
    waiting.began(queued("0", "a"))
    for job_id, account in (("1", "a"), ("2", "a"), ("3", "b"), ("4", "c"), ("5", "e")):
        waiting.add(queued(job_id, account, "key")._replace(door="d"))

    assert waiting.admit(NOON) == ["1", "3", "4"]
    assert (waiting.running_of("a"), waiting.held_back("2"), waiting.held_back("5")) == (
        2,
        "account_limit",
        "door_limit",
    )
    waiting.ended("4")
    assert (waiting.held_back("2"), waiting.admit(NOON)) == ("account_limit", ["5"])
    waiting.ended("0")
    assert (waiting.held_back("2"), waiting.admit(NOON)) == ("door_limit", [])
    waiting.ended("5")
    assert waiting.admit(NOON) == ["2"]


def test_what_every_account_may_have_is_no_limit_of_a_door() -> None:
    waiting = WaitingRoom(Limits(jobs_per_account=1, jobs_per_door={"d": 3}))
    for number, account in enumerate("aabbc"):
        waiting.add(queued(f"{number}", account)._replace(door="d"))

    assert waiting.admit(NOON) == ["0", "2", "4"]
    waiting.limit_accounts({"a": 1})
    waiting.ended("2")
    assert waiting.admit(NOON) == ["3"]
