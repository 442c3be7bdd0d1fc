"""Who is killed, and when: looks as values, time as a number."""

from dataclasses import replace

import pytest

from framemill.serve.watch import DOOR_SECONDS, HOPELESS_SECONDS, Kill, Memory, Seen, Sign, Snapshot, Verdict, judge

COORDINATOR = Seen(10, 1.0, "coordinator")
WORKER = Seen(11, 1.0, "worker")
FFMPEG = Seen(12, 2.0, "ffmpeg")
HAPROXY, MANAGER = Seen(20, 1.0, "proxy"), Seen(21, 1.0, "proxy")
REPLICA, CONTROLLER = Seen(22, 1.0, "replica"), Seen(23, 1.0, "controller")
FRONT = (HAPROXY, MANAGER, REPLICA, CONTROLLER, WORKER)


def looks(*snapshots: Snapshot) -> list[Verdict]:
    """What each of several looks leads to."""
    memory, verdicts = Memory(), []
    for snapshot in snapshots:
        memory, verdict = judge(memory, snapshot)
        verdicts.append(verdict)
    return verdicts


def killed(verdict: Verdict) -> list[int]:
    return [kill.process.pid for kill in verdict.kills]


def test_who_is_well_lives() -> None:
    quiet = [Snapshot(at, (COORDINATOR, WORKER, FFMPEG), Sign(10, at), True) for at in range(0, 100, 2)]
    assert set(looks(*quiet)) == {Verdict()}


def test_a_stopped_process_is_given_six_seconds() -> None:
    stopped = replace(WORKER, stopped=True)
    verdicts = looks(*(Snapshot(at, (stopped,)) for at in (0, 2, 4, 6)))
    assert [killed(verdict) for verdict in verdicts] == [[], [], [], [11]]
    assert verdicts[-1].kills == (Kill(stopped, "it has been stopped for 6 s"),)


def test_a_process_that_goes_on_in_between_is_given_them_anew() -> None:
    stopped = replace(WORKER, stopped=True)
    verdicts = looks(
        Snapshot(0, (stopped,)),
        Snapshot(4, (stopped,)),
        Snapshot(6, (WORKER,)),
        Snapshot(8, (stopped,)),
        Snapshot(13, (stopped,)),
    )
    assert [killed(verdict) for verdict in verdicts] == [[]] * 5


def test_another_process_of_the_same_number_is_another_one() -> None:
    verdicts = looks(
        Snapshot(0, (replace(WORKER, stopped=True),)), Snapshot(7, (replace(WORKER, stopped=True, started=5.0),))
    )
    assert killed(verdicts[-1]) == []


def test_a_coordinator_without_a_sign_of_life_for_15_seconds_hangs() -> None:
    sign = Sign(10, 1000.0)
    verdicts = looks(*(Snapshot(at, (COORDINATOR, WORKER), sign) for at in (0, 15, 16)))
    assert [killed(verdict) for verdict in verdicts] == [[], [], [10]]


def test_a_clock_that_is_set_is_no_silence() -> None:
    verdicts = looks(
        Snapshot(0, (COORDINATOR,), Sign(10, 1000.0)),
        Snapshot(14, (COORDINATOR,), Sign(10, 9000.0)),
        Snapshot(28, (COORDINATOR,), Sign(10, 50.0)),
    )
    assert [killed(verdict) for verdict in verdicts] == [[], [], []]


def test_the_sign_of_one_that_is_gone_kills_nobody() -> None:
    taken_over = replace(FFMPEG, pid=10)
    verdicts = looks(*(Snapshot(at, (taken_over, WORKER), Sign(10, 1000.0)) for at in (0, 60)))
    assert killed(verdicts[-1]) == []


def test_an_ffmpeg_alone_in_the_world_is_killed_at_once() -> None:
    assert killed(looks(Snapshot(0, (WORKER, FFMPEG, replace(FFMPEG, pid=13, alone=True))))[0]) == [13]


def test_only_ffmpegs_may_not_be_alone() -> None:
    """HAProxy outlives its manager, and serves on."""
    assert killed(looks(Snapshot(0, (replace(HAPROXY, alone=True),)))[0]) == []


def test_a_closed_door_is_cleared_layer_after_layer() -> None:
    steps = [at * DOOR_SECONDS for at in range(5)]
    verdicts = looks(*(Snapshot(at, FRONT, door=False) for at in steps))
    assert [killed(verdict) for verdict in verdicts] == [[], [20, 21], [20, 21, 22], [20, 21, 22, 23], []]


def test_a_layer_is_cleared_once() -> None:
    verdicts = looks(*(Snapshot(at, FRONT, door=False) for at in (0, 20, 22, 24)))
    assert [len(verdict.kills) for verdict in verdicts] == [0, 2, 0, 0]


def test_a_door_that_opened_again_is_given_its_time_anew() -> None:
    verdicts = looks(
        Snapshot(0, FRONT, door=False),
        Snapshot(18, FRONT, door=True),
        Snapshot(20, FRONT, door=False),
        Snapshot(38, FRONT, door=False),
    )
    assert [len(verdict.kills) for verdict in verdicts] == [0, 0, 0, 0]


def test_a_door_that_nobody_opened_yet_is_not_waited_for() -> None:
    verdicts = looks(*(Snapshot(at, FRONT, door=None) for at in range(0, 300, 20)))
    assert set(verdicts) == {Verdict()}


def test_when_nothing_helps_the_head_is_started_again() -> None:
    verdicts = looks(*(Snapshot(at, FRONT, door=False) for at in range(0, int(HOPELESS_SECONDS) + 4, 2)))
    assert [bool(verdict.restart) for verdict in verdicts].index(True) == len(verdicts) - 1


def test_without_those_that_carry_the_others_the_head_is_started_again() -> None:
    carriers = (Seen(30, 1.0, "gcs_server"), Seen(31, 1.0, "raylet"))
    starting, standing, lost = Snapshot(0, carriers[:1]), Snapshot(2, carriers), Snapshot(4, carriers[:1])
    verdicts = looks(Snapshot(0), starting, standing, lost)
    assert [verdict.restart for verdict in verdicts] == ["", "", "", "raylet ended"]


def test_one_process_is_killed_for_one_reason() -> None:
    stopped = replace(COORDINATOR, stopped=True)
    verdicts = looks(*(Snapshot(at, (stopped,), Sign(10, 1.0)) for at in (0, 20)))
    assert [kill.why for kill in verdicts[-1].kills] == ["it has been stopped for 20 s"]


@pytest.mark.parametrize("at", [0.0, 1e9])
def test_time_may_begin_anywhere(at: float) -> None:
    assert looks(Snapshot(at, FRONT, Sign(10, 5.0), False))[0] == Verdict()
