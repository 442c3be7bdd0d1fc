"""What follows a failure: each kind by example; totality, an end, and recognition for any history."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from framemill.jobs.model import Failure
from framemill.jobs.reasons import Reason
from framemill.policy.retry import (
    KINDS,
    Again,
    Decision,
    GiveUp,
    Hold,
    Kind,
    Quarantine,
    RetryRules,
    decide,
    digest,
)
from framemill.policy.waiting import Code

NOON = datetime(2030, 5, 17, 12, 0, tzinfo=UTC)
GB = 1 << 30
ONE = {"m1": 8 * GB}
TWO = {"m1": 8 * GB, "m2": 8 * GB}
THREE = {"m1": 8 * GB, "m2": 8 * GB, "m3": 64 * GB}


def failures(reason: Reason, *machines: str, said: str = "") -> list[Failure]:
    """The same failure on each of those machines, in order."""
    return [
        Failure(machine=machine, reason=reason, digest=said, at=NOON + timedelta(minutes=minute))
        for minute, machine in enumerate(machines)
    ]


def test_every_reason_is_of_a_kind() -> None:
    assert set(KINDS) == set(Reason)
    assert set(KINDS.values()) == set(Kind)


def test_what_never_changes_is_not_tried_again_and_what_may_pass_is() -> None:
    tried_again = {reason for reason, kind in KINDS.items() if kind in {Kind.PASSING, Kind.LOST, Kind.MEMORY}}
    given_up = {reason for reason, kind in KINDS.items() if kind is Kind.FINAL}
    # A job that timed out had all its time; whatever else was tried again may do at another time.
    assert {reason for reason in tried_again if not reason.retryable} == {Reason.TIMED_OUT}
    assert {reason for reason in given_up if reason.retryable} == {
        Reason.BALANCE_TOO_LOW,
        Reason.QUOTA_EXCEEDED,
        Reason.NEVER_STARTED,
        Reason.CANCELLED_BY_CLIENT,
    }


@pytest.mark.parametrize("reason", [Reason.CHILD_FAILED, Reason.STALLED, Reason.TIMED_OUT])
def test_what_passes_is_tried_elsewhere_after_a_pause_that_doubles(reason: Reason) -> None:
    history = failures(reason, "m1", "m2", "m3", "m1", "m2")
    seen = [decide(history[: count + 1], THREE) for count in range(5)]
    assert seen == [
        Again(1, frozenset({"m1"})),
        Again(2, frozenset({"m1", "m2"})),
        Again(4, frozenset({"m3"})),  # it failed everywhere: not where it failed last
        Again(8, frozenset({"m1"})),
        GiveUp(reason),
    ]


def test_on_the_only_machine_it_is_tried_there() -> None:
    assert decide(failures(Reason.STALLED, "m1"), ONE) == Again(1)


def test_a_pause_ends() -> None:
    rules = RetryRules(most_tries=3000, longest_pause_seconds=30)
    assert decide(failures(Reason.CHILD_FAILED, *["m1"] * 2000), ONE, rules) == Again(30)


def test_a_lost_worker_is_no_try_and_its_machine_no_bad_one() -> None:
    history = failures(Reason.WORKER_LOST, "m1", "m2") + failures(Reason.CHILD_FAILED, "m2")
    assert decide(history[:1], TWO) == Again(0)
    assert decide(history[:2], TWO) == Again(0)
    assert decide(history, TWO) == Again(1, frozenset({"m2"}))


def test_a_machine_that_lost_it_twice_is_avoided() -> None:
    assert decide(failures(Reason.WORKER_LOST, "m1", "m1"), TWO) == Again(0, frozenset({"m1"}))


def test_what_was_under_way_on_lost_workers_runs_alone_and_is_then_put_aside() -> None:
    """A chunk that kills its worker takes down whatever runs beside it, and looks as innocent as that does."""
    history = failures(Reason.WORKER_LOST, *["m1"] * 5)
    seen = [decide(history[: count + 1], ONE) for count in range(5)]
    assert seen == [Again(0), Again(0), Again(0, alone=True), Again(0, alone=True), Quarantine()]


def test_without_memory_it_runs_alone_then_on_a_bigger_machine_then_no_more() -> None:
    history = failures(Reason.OUT_OF_MEMORY, "m1", "m1", "m3")
    assert decide(history[:1], THREE) == Again(1, alone=True)
    assert decide(history[:2], THREE) == Again(2, frozenset({"m1", "m2"}), alone=True)
    assert decide(history, THREE) == GiveUp(Reason.OUT_OF_MEMORY)
    assert decide(history[:2], TWO) == GiveUp(Reason.OUT_OF_MEMORY)


def test_a_machine_of_unknown_size_may_be_bigger() -> None:
    history = failures(Reason.OUT_OF_MEMORY, "m1", "m1")
    assert decide(history, {"m1": 0, "m2": 0}) == Again(2, frozenset({"m1"}), alone=True)
    assert decide(history, {"m1": 0}) == GiveUp(Reason.OUT_OF_MEMORY)


def test_a_bigger_machine_that_is_gone_may_come_back() -> None:
    history = failures(Reason.OUT_OF_MEMORY, "m1", "m1") + failures(Reason.WORKER_LOST, "m3")
    assert decide(history, TWO) == Again(0, frozenset({"m1", "m2"}), alone=True)


def test_what_ran_out_of_memory_stays_alone_whatever_fails_next() -> None:
    history = failures(Reason.OUT_OF_MEMORY, "m1") + failures(Reason.WORKER_LOST, "m2")
    assert decide(history, TWO) == Again(0, alone=True)


@pytest.mark.parametrize("machines", [("m1", "m2"), ("m1", "m1")])
def test_the_same_failure_twice_is_no_accident(machines: tuple[str, str]) -> None:
    history = failures(Reason.FFMPEG_FAILED, *machines, said="no such filter")
    assert decide(history[:1], TWO) == Again(1, frozenset({"m1"}))
    assert decide(history, TWO) == Quarantine()


def test_the_same_failure_is_known_again_after_other_ones() -> None:
    same = failures(Reason.FFMPEG_FAILED, "m1", "m2", said="no such filter")
    assert decide([same[0], *failures(Reason.WORKER_LOST, "m2"), same[1]], TWO) == Quarantine()


def test_other_words_are_another_failure() -> None:
    history = [failures(Reason.FFMPEG_FAILED, "m1", said=f"{count}")[0] for count in range(5)]
    assert decide(history[:4], ONE) == Again(8)
    assert decide(history, ONE) == GiveUp(Reason.FFMPEG_FAILED)


def test_a_machine_without_the_encoder_is_not_asked_again() -> None:
    history = failures(Reason.NO_ENCODER, "m1", "m2")
    assert decide(history[:1], TWO) == Again(0, frozenset({"m1"}))
    assert decide(history, TWO) == GiveUp(Reason.NO_ENCODER)
    later = [history[0], *failures(Reason.STALLED, "m2")]
    assert decide(later, TWO) == Again(2, frozenset({"m1"}))  # no other machine can: the same once more


def test_an_index_that_is_wrong_is_not_tried_again() -> None:
    assert decide(failures(Reason.CHUNK_MISMATCH, "m1"), TWO) == GiveUp(Reason.CHUNK_MISMATCH)


def test_a_full_disk_is_nobodys_fault() -> None:
    history = failures(Reason.CHILD_FAILED, *["m1"] * 4) + failures(Reason.DISK_FULL, *["m1"] * 9)
    assert decide(history, TWO) == Hold(Code.DISK)


@pytest.mark.parametrize("reason", list(Reason))
def test_while_the_store_is_away_nothing_is_the_tasks_fault(reason: Reason) -> None:
    assert decide(failures(reason, *["m1"] * 9), TWO, trouble=Code.STORE_AWAY) == Hold(Code.STORE_AWAY)


# For any history

histories = st.lists(
    st.builds(
        Failure,
        machine=st.sampled_from(["m1", "m2", "m3"]),
        reason=st.sampled_from(list(Reason)),
        digest=st.sampled_from(["x", "y"]),
        at=st.just(NOON),
    ),
    min_size=1,
    max_size=12,
)
fleets = st.dictionaries(st.sampled_from(["m1", "m2", "m3"]), st.sampled_from([0, 8 * GB, 64 * GB]), min_size=1)


@given(histories, fleets)
def test_there_is_always_an_answer_that_can_be_followed(history: list[Failure], machines: dict[str, int]) -> None:
    decision = decide(history, machines)
    if isinstance(decision, Again):
        small = any(KINDS[failure.reason] in {Kind.MEMORY, Kind.MACHINE} for failure in history)
        assert machines.keys() - decision.avoid or small
        assert 0 <= decision.after_seconds <= RetryRules().longest_pause_seconds


@given(st.lists(st.sampled_from([reason for reason in Reason if KINDS[reason] is not Kind.FARM])), fleets, st.data())
def test_it_comes_to_an_end(reasons: list[Reason], machines: dict[str, int], data: st.DataObject) -> None:
    history: list[Failure] = []
    rules = RetryRules()
    decision: Decision = Again(0)
    for reason in [*reasons, *[Reason.CHILD_FAILED] * 20]:
        assert isinstance(decision, Again)
        machine = data.draw(st.sampled_from(sorted(machines.keys() - decision.avoid or machines)))
        history += failures(reason, machine, said=data.draw(st.sampled_from("xyz")))
        decision = decide(history, machines)
        if not isinstance(decision, Again):
            break
    assert not isinstance(decision, Again)
    assert len(history) < rules.most_tries + rules.lost_then_aside


# Recognition

SAID = "[h264 @ 0x55d0c8a0b2c0] Error at frame 1042, pts 12.50 in /tmp/fm-x8f2/work/part-0001.mp4: Invalid data"


@pytest.mark.parametrize(
    "again",
    [
        "[h264 @ 0x7f11a0b2c0] error at frame 7, pts 3 in /var/spool/other file.mp4: Invalid data".replace(" file", ""),
        "[h264 @ 0x1]  Error at frame 1, pts 00:00:03.5 in ../drafts/9b1c.mp4:\n Invalid data",
        "[h264 @ 0X1] Error at frame 1, pts 3 in file:/srv/9b1c.mp4: Invalid data",
    ],
)
def test_a_failure_is_known_again(again: str) -> None:
    assert digest(again) == digest(SAID)


@pytest.mark.parametrize(
    "other",
    [
        "[hevc @ 0x55d0c8a0b2c0] Error at frame 1042, pts 12.50 in /tmp/x.mp4: Invalid data",
        "[h264 @ 0x55d0c8a0b2c0] Error at frame 1042, pts 12.50 in /tmp/x.mp4: No such file",
        "",
    ],
)
def test_another_failure_is_not(other: str) -> None:
    assert digest(other) != digest(SAID)


def test_ids_hashes_and_paths_in_quotes_are_passed_over() -> None:
    assert digest("chunk 0198f2ab-77aa-7000-8000-00ff01234567 died") == digest("chunk 9a7b3c5d died")
    assert digest("cannot open '/tmp/my films/a b.mp4'") == digest("cannot open '/home/x.mp4'")


@given(st.text(), st.integers(0, 10**12), st.integers(0, 10**12))
def test_numbers_make_no_difference(words: str, one: int, two: int) -> None:
    assume("/" not in words)
    assert digest(f"{words} {one} failed") == digest(f"{words} {two} failed")


def test_a_long_message_is_read_quickly() -> None:
    assert digest("a" * 1_000_000) == digest("a" * 5000)
