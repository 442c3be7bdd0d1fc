"""One writer at a time, over all processes: each `Turns` stands for one."""

import threading
from pathlib import Path

from framemill.store.turns import Turns

LONG = 10.0


def test_a_second_writer_waits_for_the_first_and_goes_on_at_once(tmp_path: Path) -> None:
    one, other = Turns(tmp_path / "turn"), Turns(tmp_path / "turn")
    asked, has_it, done = threading.Event(), threading.Event(), threading.Event()

    def second() -> None:
        asked.set()
        with other.mine():
            has_it.set()
        done.set()

    waiting = threading.Thread(target=second)
    with one.mine():
        waiting.start()
        assert asked.wait(LONG)
        assert not has_it.wait(0.05)
    assert done.wait(LONG)
    waiting.join()
    one.close()
    other.close()


def test_a_turn_is_given_back_whatever_happens_in_it(tmp_path: Path) -> None:
    one, other = Turns(tmp_path / "turn"), Turns(tmp_path / "turn")
    try:
        with one.mine():
            raise ValueError("the change cannot be made")
    except ValueError:
        pass
    with other.mine():
        pass
    one.close()
    other.close()


def test_who_dies_gives_the_turn_back(tmp_path: Path) -> None:
    dead, other = Turns(tmp_path / "turn"), Turns(tmp_path / "turn")
    held = dead.mine()
    held.__enter__()
    dead.close()  # as the kernel does
    with other.mine():
        pass
    other.close()


def test_where_there_are_no_locks_nobody_is_held_up(tmp_path: Path) -> None:
    with Turns(tmp_path / "no such folder" / "turn").mine():
        pass
