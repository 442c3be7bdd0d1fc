"""Small parts of service mode: the lock, pauses between starts, races, addresses, notes to systemd."""

import asyncio
import itertools
import os
from pathlib import Path

import pytest

from framemill.errors import FarmError, FarmLocked, OutputError
from framemill.serve.front import Answer, local_url
from framemill.serve.launch import last_lines, new_log
from framemill.serve.lock import farm_lock, is_locked
from framemill.serve.notify import notify
from framemill.serve.race import first_of
from framemill.serve.restarts import STEADY_SECONDS, failures_after, pause_before


def test_the_second_supervisor_is_told_who_is_there(tmp_path: Path) -> None:
    path = tmp_path / "farm.lock"
    with farm_lock(path):
        assert is_locked(path)
        with (
            pytest.raises(FarmLocked, match=rf"A farm runs in {tmp_path} already \(process {os.getpid()}\)"),
            farm_lock(path, patience_seconds=0.0),
        ):
            pass
    assert not is_locked(path)
    with farm_lock(path):
        pass


def test_a_lock_that_nobody_made_is_not_held(tmp_path: Path) -> None:
    assert not is_locked(tmp_path / "farm.lock")


def test_a_folder_that_cannot_be_made_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be used"), farm_lock(tmp_path / "file" / "farm.lock"):
        pass


def test_the_first_start_is_at_once_and_later_ones_wait_longer_and_longer() -> None:
    assert [pause_before(failures) for failures in range(1, 9)] == [0, 1, 2, 4, 8, 16, 30, 30]


def test_failures_are_counted_until_a_head_stands() -> None:
    assert list(itertools.accumulate([0, 0, 0], failures_after, initial=0)) == [0, 1, 2, 3]
    assert failures_after(7, STEADY_SECONDS) == 1


def test_a_race_ends_with_the_first_and_drops_the_others() -> None:
    ended: list[str] = []

    async def waits() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("dropped")

    async def loses() -> None:
        await asyncio.sleep(0)
        raise FarmError("lost")

    with pytest.raises(FarmError, match="lost"):
        asyncio.run(first_of(waits(), loses(), waits()))
    assert ended == ["dropped", "dropped"]


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8000"),
        ("0.0.0.0", "http://127.0.0.1:8000"),  # noqa: S104 - names it
        ("::", "http://[::1]:8000"),
        ("farm.example", "http://farm.example:8000"),
    ],
)
def test_a_server_is_reached_at(host: str, url: str) -> None:
    assert local_url(host, 8000) == url


def test_an_answer_that_is_no_json_is_none() -> None:
    assert Answer(200, b"<html>").json() is None
    assert Answer(204, b"").ok


def test_the_log_of_the_child_before_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "head.log"
    for text in (b"first", b"second"):
        with new_log(path) as file:
            file.write(text)
    assert (path.read_bytes(), path.with_name("head.log.1").read_bytes()) == (b"second", b"first")


def test_the_end_of_a_log(tmp_path: Path) -> None:
    path = tmp_path / "head.log"
    assert last_lines(path) == ""
    path.write_text("".join(f"{number}\n" for number in range(100)))
    assert last_lines(path, 2) == "98\n99"


def test_nobody_is_told_where_no_systemd_waits(tmp_path: Path) -> None:
    notify(None, "READY=1")
    notify(str(tmp_path / "gone"), "READY=1")
