"""Children: they end with their time, their caller and their request, and what they used is counted."""

import asyncio
import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from pydantic import BaseModel

from framemill.errors import ChildFailed, ChildStalled, SourceMissing, SourceUnreadable
from framemill.media import process
from framemill.media.forkserver import ForkServer
from framemill.media.inspection import INSPECT, InspectRequest, inspected
from framemill.media.isolate import Task

BUSY = [sys.executable, "-c", "import time\nwhile time.process_time() < 0.3: pass"]
FOREVER = "while True: pass"
ENDLESS = [sys.executable, "-c", f"print('up', flush=True)\n{FOREVER}"]
PAUSING = "signal:pause"


def children(word: str = "") -> list[psutil.Process]:
    """What runs below this process and has that word in its command: a farm of other tests may be there, too."""
    found = []
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if child.status() != psutil.STATUS_ZOMBIE and word in " ".join(child.cmdline()):
                found.append(child)
    return found


async def until(holds: Callable[[], bool]) -> None:
    """Other processes tell nobody when they are there: look again and again, and let the loop run in between."""
    while not holds():  # noqa: ASYNC110
        await asyncio.sleep(0)


def test_what_a_child_used_is_its_own_whatever_runs_beside_it() -> None:
    async def both() -> tuple[process.Finished, process.Finished]:
        return await asyncio.gather(process.run(BUSY), process.run([sys.executable, "-c", ""]))

    busy, idle = asyncio.run(both())

    assert 0.3 <= busy.usage.cpu_seconds < 3
    assert idle.usage.cpu_seconds < 0.3
    assert busy.usage.peak_bytes > 1 << 20


def test_meters_count_what_is_started_under_them_and_nothing_else() -> None:
    async def run() -> tuple[process.Meter, process.Meter]:
        with process.metered() as outer:
            await process.run(BUSY)
            with process.metered() as inner:
                await asyncio.create_task(process.run(BUSY))
        await process.run(BUSY)
        return outer, inner

    outer, inner = asyncio.run(run())

    assert 0.6 <= outer.usage.cpu_seconds < 0.9 + 0.3
    assert 0.3 <= inner.usage.cpu_seconds < 0.6


def test_out_of_time_a_child_is_killed() -> None:
    with pytest.raises(TimeoutError):
        asyncio.run(process.run(ENDLESS, timeout=0.5))
    assert children(FOREVER) == []


def test_cancelled_a_child_is_dead_before_anybody_goes_on() -> None:
    async def cancelled() -> None:
        task = asyncio.create_task(process.run(ENDLESS))
        await until(lambda: bool(children(FOREVER)))
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        assert children(FOREVER) == []

    asyncio.run(cancelled())


def test_a_child_reads_what_it_is_given_and_its_end_is_told() -> None:
    code = "import sys\ndata = sys.stdin.read()\nsys.stderr.write(data[:3])\nsys.exit(len(data) // 100000)"
    finished = asyncio.run(process.run([sys.executable, "-c", code], stdin=b"x" * 700_000))
    assert (finished.status, finished.stdout, finished.stderr) == (7, b"", "xxx")


class Nothing(BaseModel):
    pass


class Number(BaseModel):
    number: int = 0


def test_a_task_answers_or_raises_its_own_error(tmp_path: Path) -> None:
    with pytest.raises(SourceMissing, match="There is no file"):
        asyncio.run(INSPECT(InspectRequest(path=str(tmp_path / "none.mp4")), timeout=30))


def test_a_task_of_a_function_that_is_not_there_fails_alone() -> None:
    with pytest.raises(ChildFailed, match="ended with 1"):
        asyncio.run(Task("framemill.media.inspect:nothing", Nothing, Number)(Nothing(), timeout=30))


@pytest.fixture
def server() -> Iterator[ForkServer]:
    """A server whose children sleep for ever once they have read their request."""
    found = ForkServer(PAUSING, preload=("signal",))
    yield found
    found.close()


def test_a_lost_server_is_started_again(server: ForkServer) -> None:
    async def killed() -> None:
        running = asyncio.create_task(server.run(b"", 30))
        await until(lambda: len(children(PAUSING)) == 2)
        first = children(PAUSING)[0].pid
        os.kill(first, signal.SIGKILL)
        await until(lambda: len(children(PAUSING)) == 2 and first not in [child.pid for child in children(PAUSING)])
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running

    asyncio.run(killed())


def test_a_child_of_the_server_is_killed_with_its_request(server: ForkServer) -> None:
    async def out_of_time() -> None:
        with pytest.raises(TimeoutError):
            await server.run(b"", 0.5)

    asyncio.run(out_of_time())
    assert len(children(PAUSING)) == 1  # the server itself


def test_the_server_serves_one_event_loop_after_the_other(tmp_path: Path) -> None:
    for _ in range(2):
        with pytest.raises(SourceMissing):
            asyncio.run(INSPECT(InspectRequest(path=str(tmp_path / "none.mp4")), timeout=30))


def test_a_file_that_the_prober_dies_of_twice_is_unreadable(tmp_path: Path) -> None:
    """A pipe that nobody writes to holds the prober until it is killed, each time."""
    fifo = tmp_path / "film.mp4"
    os.mkfifo(fifo)
    ended = threading.Event()

    def kill_probers() -> None:
        while not ended.is_set():
            for child in children():
                with contextlib.suppress(psutil.Error):
                    if any(Path(file.path) == fifo for file in child.open_files()) or _is_forked(child):
                        child.kill()
            ended.wait(0.05)

    killer = threading.Thread(target=kill_probers)
    killer.start()
    try:
        with pytest.raises(SourceUnreadable, match=r"film\.mp4 cannot be read: the process that opens it fails each"):
            asyncio.run(inspected(InspectRequest(path=str(fifo), name="film.mp4")))
    finally:
        ended.set()
        killer.join()


def _is_forked(child: psutil.Process) -> bool:
    parent = child.parent()
    return parent is not None and parent.pid != os.getpid() and parent.cmdline() == child.cmdline()


def test_a_child_that_was_stopped_is_ended_and_said_to_have_stood_still() -> None:
    async def stopped() -> None:
        running = asyncio.create_task(process.run(ENDLESS))
        await until(lambda: bool(children("print('up'")))
        children("print('up'")[0].suspend()
        with pytest.raises(ChildStalled, match="was stopped"):
            await running

    asyncio.run(stopped())


def test_a_child_that_somebody_has_killed_did_not_fail_by_itself() -> None:
    async def killed() -> None:
        running = asyncio.create_task(process.run(ENDLESS))
        await until(lambda: bool(children("print('up'")))
        children("print('up'")[0].kill()
        with pytest.raises(ChildFailed, match="signal 9"):
            await running

    asyncio.run(killed())


def test_a_child_is_gone_when_its_caller_is_however_often_it_is_cancelled() -> None:
    """Its end is waited for in a thread, which must find somebody to tell."""
    complaints: list[object] = []

    async def cancelled() -> bool:
        asyncio.get_running_loop().set_exception_handler(lambda _, told: complaints.append(told))
        running = asyncio.create_task(process.run([sys.executable, "-c", f"{FOREVER}  # cancelled"]))
        await until(lambda: bool(children("# cancelled")))
        (child,) = children("# cancelled")
        reaper = next(thread for thread in threading.enumerate() if thread.name == f"reaper-{child.pid}")
        child.suspend()
        while not running.done():
            running.cancel()
            await asyncio.sleep(0)
        waited = not reaper.is_alive() or not psutil.pid_exists(child.pid)
        await until(lambda: not reaper.is_alive())
        await asyncio.sleep(0)
        return waited

    assert asyncio.run(cancelled())
    assert complaints == []
