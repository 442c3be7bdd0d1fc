from framemill.media.watchdog import FRUITLESS_SECONDS, STILL_SECONDS, STOPPED_SECONDS, Look, Watchdog


def look(at: float, cpu: float, *, stopped: bool = False, progress: str = "") -> Look:
    return Look(at=at, stopped=stopped, cpu_seconds=cpu, progress=progress)


def test_a_child_that_works_gets_on() -> None:
    watchdog = Watchdog(look(0, 0))
    assert not any(watchdog.sees(look(at, at / 10)) for at in range(2, 400, 2))


def test_a_stopped_child_is_noticed_in_seconds() -> None:
    watchdog = Watchdog(look(0, 1))
    assert not watchdog.sees(look(STOPPED_SECONDS - 1, 1, stopped=True))
    assert "stopped" in watchdog.sees(look(STOPPED_SECONDS, 1, stopped=True))


def test_a_child_that_was_stopped_and_goes_on_has_all_its_time_again() -> None:
    watchdog = Watchdog(look(0, 1))
    assert not watchdog.sees(look(4, 1, stopped=True))
    assert not watchdog.sees(look(6, 1))
    assert not watchdog.sees(look(10, 1, stopped=True))
    assert not watchdog.sees(look(6 + STILL_SECONDS - 1, 1))


def test_a_child_that_waits_for_what_does_not_come_stands_still() -> None:
    watchdog = Watchdog(look(0, 1))
    assert not watchdog.sees(look(STILL_SECONDS - 1, 1))
    assert "stood still" in watchdog.sees(look(STILL_SECONDS, 1))


def test_a_child_that_works_without_a_frame_is_ended_at_last() -> None:
    watchdog = Watchdog(look(0, 0, progress="7"))
    assert not watchdog.sees(look(FRUITLESS_SECONDS - 1, 10, progress="7"))
    assert "no further" in watchdog.sees(look(FRUITLESS_SECONDS, 20, progress="7"))


def test_a_child_that_never_says_how_far_it_is_may_take_its_time() -> None:
    watchdog = Watchdog(look(0, 0))
    assert not watchdog.sees(look(10 * FRUITLESS_SECONDS, 10))
