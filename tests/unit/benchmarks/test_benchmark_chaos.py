"""Schedules of faults are the same for the same seed, and a record is judged by what it proves."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
from benchmarks.chaos_farm import chunks_of, differing, make_clock, only_file, orders_of
from benchmarks.chaos_plan import CLOCKS, KINDS, Fault, Schedule, chosen, draw
from benchmarks.chaos_proof import (
    NOTICED_SECONDS,
    STEP_SECONDS,
    Done,
    Order,
    Record,
    begun_again,
    by_our_clock,
    judged,
    lines,
    noticed_after,
    under_way,
    went_on_after,
)
from benchmarks.chaos_words import rows

SLOTS = 2
KILL = Fault("kill:worker", at=1.0)
HEAD = Fault("kill:gcs_server", at=1.0)


def begun(task: str, at: float) -> Order:
    return Order(at, task, "order_begun")


def done(task: str, at: float) -> Order:
    return Order(at, task, "order_done")


def record(*faults: Done, orders: tuple[Order, ...] = (), state: str = "completed") -> Record:
    schedule = Schedule(0, package=False, faults=tuple(fault.fault for fault in faults))
    return Record(schedule, state=state, faults=list(faults), orders=list(orders))


# Drawing


def test_a_schedule_is_the_same_for_the_same_seed() -> None:
    assert draw("7", 13, KINDS, 8.0) == draw("7", 13, KINDS, 8.0)
    assert draw("7", 13, KINDS, 8.0) != draw("8", 13, KINDS, 8.0)


def test_as_many_schedules_as_kinds_know_each_kind() -> None:
    drawn = {fault.kind for number in range(len(KINDS)) for fault in draw("7", number, KINDS, 8.0).faults}

    assert drawn == set(KINDS)


@pytest.mark.parametrize("number", range(50))
def test_a_schedule_has_one_to_three_faults_while_the_job_is_encoded(number: int) -> None:
    faults = draw("7", number, KINDS, 8.0).faults

    assert 1 <= len(faults) <= 3
    assert all(0 < fault.at < 8.0 for fault in faults)
    assert list(faults) == sorted(faults, key=lambda fault: fault.at)
    assert all(3 <= fault.lasts <= 20 for fault in faults if fault.kind.startswith("late:"))


def test_kinds_are_chosen_by_patterns() -> None:
    assert chosen(["chunk:*"]) == ["chunk:cut", "chunk:flip", "chunk:gone", "chunk:twice"]
    assert chosen([]) == list(KINDS)


def test_the_clock_is_left_alone_unless_it_is_asked_for() -> None:
    assert not set(CLOCKS) & set(chosen([]))
    assert set(CLOCKS) < set(chosen([], clock=True))


def test_a_pattern_that_names_no_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="There is no fault 'kill:nobody'"):
        chosen(["kill:nobody"])


def test_several_are_killed_at_once() -> None:
    assert Fault("kill:worker+raylet", 1.0).roles == ("worker", "raylet")
    assert Fault("disk:full", 1.0).roles == ()


# Counting


def test_an_encode_counts_from_its_second_beginning_on() -> None:
    orders = [begun("a", 1), begun("b", 1), begun("a", 2), begun("a", 3), done("a", 4), done("b", 4)]

    assert begun_again(orders) == {"a": 2}


def test_what_has_begun_and_not_ended_is_under_way() -> None:
    orders = [begun("a", 1), done("a", 2), begun("b", 1), begun("c", 1), begun("d", 3)]

    assert under_way(orders, 2.5, committed={"c"}) == {"b"}


def test_a_task_is_committed_when_all_of_its_chunks_are() -> None:
    found = chunks_of([
        (0, 0, 0, 1, "second", "committed", "chunks/second.mp4"),
        (0, 0, 0, 0, "first", "committed", "chunks/first.mp4"),
        (0, 0, 1, 2, "third", "waiting", None),
    ])  # fmt: skip

    assert found.first_keys == {(0, 0, 0): "first", (0, 0, 1): "third"}
    assert found.committed == {"first"}
    assert found.blobs == {"chunks/first.mp4": "first", "chunks/second.mp4": "first"}


def test_a_line_of_a_log_becomes_an_order() -> None:
    place = {"title_key": "titles/01a1-1-0-2.json", "renditions": [0, 1], "group": 3}
    time = "2026-01-01T00:00:01.500Z"
    said = {"time": time, "action": "order_done", "reason": "ffmpeg_failed", **place}

    written = datetime.fromisoformat(time).timestamp()
    orders = orders_of(said, {(2, 0, 3): "first", (2, 1, 3): "second"}, written + 60)

    assert [(order.task, order.what, order.failed) for order in orders] == [
        ("first", "order_done", True),
        ("second", "order_done", True),
    ]
    with pytest.raises(ValueError, match="epoch"):
        orders_of({**said, "action": "epoch"}, {}, written)


@pytest.mark.parametrize("ahead", [0.0, STEP_SECONDS, -STEP_SECONDS, 2 * STEP_SECONDS])
@pytest.mark.parametrize("age", [0.0, 300.0, 1500.0])
def test_a_time_by_the_farms_clock_is_put_into_ours(ahead: float, age: float) -> None:
    now = 1_790_000_000.0
    assert by_our_clock(now - age + ahead, now) == now - age


@pytest.mark.skipif(not shutil.which("cc"), reason="there is no C compiler here")
def test_the_clock_that_a_process_sees_is_set_and_nothing_else(tmp_path: Path) -> None:
    script = (
        "import sys, threading, time\n"
        "clock = open(sys.argv[1], 'r+b', buffering=0)\n"
        "wall, steady = time.time(), time.monotonic()\n"
        "clock.write((3600).to_bytes(8, sys.byteorder))\n"
        "time.sleep(0.01)\n"
        "threading.Event().wait(0.01)\n"
        "print(time.time() - wall, time.monotonic() - steady)\n"
    )
    shift = tmp_path / "shift"
    shift.write_bytes(bytes(8))
    shown = {"LD_PRELOAD": str(make_clock(tmp_path)), "CHAOS_CLOCK": str(shift)}
    ran = subprocess.run(
        [sys.executable, "-c", script, str(shift)], env=shown, capture_output=True, text=True, check=True
    )
    stepped, steady = map(float, ran.stdout.split())
    assert 3600 < stepped < 3660
    assert 0.02 <= steady < 60


# Judging


def test_a_clean_record_is_green() -> None:
    assert judged(record(orders=(begun("a", 1), done("a", 2))), SLOTS) == []


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"state": "failed", "message": "no room"}, "the job is failed: no room"),
        ({"different": ["film.mp4"]}, "film.mp4 is not the reference's"),
        ({"orphans": [17]}, "ffmpeg 17 was left behind"),
        ({"leftovers": ["job"]}, "job was left in work/"),
        ({"troubles": ["it hangs"]}, "it hangs"),
    ],
)
def test_whatever_is_wrong_is_told(changes: dict[str, object], complaint: str) -> None:
    assert judged(replace(record(), **changes), SLOTS) == [complaint]  # type: ignore[arg-type]


def test_no_more_is_encoded_again_than_was_under_way() -> None:
    lost = [begun(task, 0) for task in "abc"] + [begun(task, 9) for task in "abc"]

    assert judged(record(Done(KILL, 8.0), orders=tuple(lost[:2] + lost[3:5])), SLOTS) == []
    assert judged(record(Done(KILL, 8.0), orders=tuple(lost)), SLOTS) == [
        "3 encodes were begun again, of 2 that may have been lost"
    ]


def test_a_fault_that_was_not_done_allows_nothing() -> None:
    skipped = Done(KILL, 8.0, skipped="the job had ended")

    assert len(judged(record(skipped, orders=(begun("a", 1), begun("a", 9))), SLOTS)) == 1


def test_what_was_committed_is_not_encoded_again_unless_its_file_was_damaged() -> None:
    orders = (begun("a", 1), done("a", 2), begun("a", 9), done("a", 10))
    fault = Done(KILL, 8.0, committed=frozenset({"a"}))
    damage = Done(Fault("chunk:cut", 3.0), 5.0, committed=frozenset({"a"}), damaged=frozenset({"a"}))

    assert judged(record(fault, orders=orders), SLOTS) == ["a was committed before kill:worker, and encoded again"]
    assert judged(record(damage, fault, orders=orders), SLOTS) == []


def test_lost_work_is_begun_again_in_time() -> None:
    late = 8.0 + NOTICED_SECONDS + 1
    fault = Done(KILL, 8.0)
    slow = record(fault, orders=(begun("a", 1), begun("a", late)))

    assert noticed_after(slow, fault) == NOTICED_SECONDS + 1
    assert judged(slow, SLOTS) == ["what kill:worker took away was begun again 16.0 s later"]


def test_a_worker_sees_that_its_ffmpeg_is_gone_before_its_work_has_its_turn_again() -> None:
    fault = Done(Fault("kill:ffmpeg", 1.0), 8.0)
    orders = (begun("a", 1), begun("b", 1), done("b", 8.5), Order(9.0, "a", "order_done", failed=True), begun("a", 30))

    assert noticed_after(record(fault, orders=orders), fault) == 1.0


def test_a_fault_beside_it_explains_why_work_was_begun_again_late() -> None:
    late = 8.0 + NOTICED_SECONDS + 1
    beside = Done(Fault("stop:coordinator", 1.0), 9.0)

    assert judged(record(Done(KILL, 8.0), beside, orders=(begun("a", 1), begun("a", late))), SLOTS) == []


def test_after_the_heads_restart_work_goes_on_in_time() -> None:
    fault = Done(HEAD, 8.0, restarted_at=10.0)
    slow = record(fault, orders=(begun("a", 1), begun("a", 71)))

    assert went_on_after(slow, fault) == 61.0
    assert judged(slow, SLOTS) == ["work went on 61.0 s after the restart that followed kill:gcs_server"]


def test_a_kind_has_a_line_over_all_its_schedules() -> None:
    first = record(Done(KILL, 8.0, back_at=9.5), orders=(begun("a", 1), begun("a", 10)))
    second = record(Done(KILL, 8.0), Done(HEAD, 9.0), state="failed")

    line = lines([first, second])[0]

    assert (line.kind, line.schedules, line.equal) == ("kill:worker", 2, 1)
    assert (line.noticed, line.back, line.again) == ((2.0,), (1.5,), 1)


# Files


def test_files_differ_by_their_bytes_and_by_being_there() -> None:
    assert differing({"a": "1", "b": "2", "d": "4"}, {"a": "1", "b": "3", "c": "3"}) == ["b", "c", "d"]


def test_a_job_is_compared_with_what_it_was_to_make() -> None:
    wanted = {"film.mp4": "1", "package/master.m3u8": "2", "package/audio/init.mp4": "3"}

    assert only_file(wanted, ["film.mp4"]) == {"film.mp4": "1"}
    assert only_file(wanted, ["film.mp4", "package"]) == wanted


def test_a_record_becomes_json() -> None:
    seen = record(Done(KILL, 8.0, pids={17: "worker"}, before={"worker": 1}), orders=(begun("a", 1),))

    assert json.loads(json.dumps(rows([seen], SLOTS, 1.0), default=sorted))["schedules"][0]["wrong"] == []
