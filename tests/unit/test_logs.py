"""Log lines: what is in them, whose they are, and how much of them is kept."""

import asyncio
import io
import json
import logging
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from framemill.logs import LogFile, log_context, log_file, log_to

log = logging.getLogger("framemill.tests.logs")
other = logging.getLogger("some.library")


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    """What pytest itself has put there comes back."""
    root, ours = logging.getLogger(), logging.getLogger("framemill")
    handlers, levels = [*root.handlers], (root.level, ours.level)
    root.handlers.clear()
    yield
    for handler in [*root.handlers]:
        root.removeHandler(handler)
        handler.close()
    root.handlers[:] = handlers
    root.setLevel(levels[0])
    ours.setLevel(levels[1])


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return log_file(tmp_path / "logs", "coordinator")


def lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def record(message: str) -> logging.LogRecord:
    return logging.LogRecord("framemill", logging.INFO, "", 0, message, None, None)


def test_a_line_of_json_says_when_what_and_about_what(file: Path) -> None:
    log_to("INFO", "json", file=file)
    log.warning("failed: %s", "x", extra={"action": "order_failed", "job": "j", "machine": "m", "worker": "w"})
    (line,) = lines(file)

    assert list(line)[:4] == ["time", "level", "logger", "message"]
    assert line.pop("time")[19:20] + line.get("time", "Z") == ".Z"
    assert line == {
        **{"level": "WARNING", "logger": "framemill.tests.logs", "message": "failed: x"},
        **{"action": "order_failed", "job": "j", "machine": "m", "worker": "w"},
    }


def test_a_line_of_text_is_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    log_to("INFO")
    with log_context(job="j", chunk="c"):
        log.info("begun", extra={"action": "chunk_begun"})
    said = capsys.readouterr().err

    assert said.endswith("Z INFO framemill.tests.logs begun (action=chunk_begun job=j chunk=c)\n")


def test_what_is_logged_inside_carries_the_context(file: Path) -> None:
    log_to("INFO", "json", file=file)
    with log_context(job="j"):
        with log_context(chunk="c"):
            log.info("both")
            log.info("its own", extra={"job": "another"})
        log.info("one")
    log.info("none")

    assert [(line.get("job"), line.get("chunk")) for line in lines(file)] == [
        ("j", "c"), ("another", "c"), ("j", None), (None, None),
    ]  # fmt: skip


def test_each_task_and_its_threads_have_their_own_context(file: Path) -> None:
    log_to("INFO", "json", file=file)

    async def work(job: str, turn: asyncio.Barrier) -> None:
        with log_context(job=job):
            await turn.wait()  # all are inside now
            log.info("%s", job)
            await asyncio.to_thread(log.info, "%s", job)

    async def both() -> None:
        turn = asyncio.Barrier(3)
        await asyncio.gather(*(work(job, turn) for job in ("a", "b", "c")))

    asyncio.run(both())

    assert sorted((line["message"], line["job"]) for line in lines(file)) == [(job, job) for job in "aabbcc"]


def test_an_error_brings_its_traceback(file: Path) -> None:
    log_to("INFO", "json", file=file)
    try:
        raise ValueError("token=hunter2")
    except ValueError:
        log.exception("unforeseen")
    (line,) = lines(file)

    assert "ValueError: token=***" in line["exception"]


@pytest.mark.parametrize("form", ["json", "text"])
def test_no_secret_is_logged(file: Path, form: Any) -> None:
    log_to("DEBUG", form, file=file)
    with log_context(job="https://u:hunter2@host"):
        log.debug("+ ffmpeg -i %s", "https://u:hunter2@host/a?token=hunter2", extra={"password": "hunter2"})
        log.debug("%s", {"uri": "https://host/?sig=hunter2"}, extra={"action": ["https://u:hunter2@host"]})

    assert "hunter2" not in file.read_text()
    assert len(file.read_text().splitlines()) == 2


@pytest.mark.parametrize(("level", "heard"), [("DEBUG", "diwW"), ("INFO", "iwW"), ("WARNING", "wW"), ("ERROR", "")])
def test_libraries_are_heard_when_it_is_grave(file: Path, level: str, heard: str) -> None:
    log_to(level, "json", file=file)
    for logger, letters in ((log, "diw"), (other, "DIW")):
        logger.debug(letters[0])
        logger.info(letters[1])
        logger.warning(letters[2])

    assert "".join(line["message"] for line in lines(file)) == heard


def test_asked_again_it_begins_anew(tmp_path: Path) -> None:
    log_to("INFO", "json", file=tmp_path / "a.log")
    log.info("one")
    log_to("INFO", "json", file=tmp_path / "b.log")
    log.info("two")

    assert [[line["message"] for line in lines(tmp_path / name)] for name in ("a.log", "b.log")] == [["one"], ["two"]]


def test_odd_text_is_written(file: Path) -> None:
    log_to("INFO", "json", file=file)
    log.info("%s", "film\udcff ünd\nmore", extra={"action": object})

    assert lines(file)[0]["message"] == "film\udcff ünd\nmore"


def test_a_file_that_cannot_be_written_to_ends_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "logs").write_text("in the way")
    log_to("INFO", "json", file=tmp_path / "logs" / "worker.log")
    log.info("still here")
    (tmp_path / "logs").unlink()
    log.info("in the file again")

    assert json.loads(capsys.readouterr().err)["message"] == "still here"
    assert lines(tmp_path / "logs" / "worker.log")[0]["message"] == "in the file again"


@pytest.mark.parametrize(
    ("role", "name"), [("worker-cpu", "worker-cpu.log"), ("api/1 2", "api_1_2.log"), ("../x", ".._x.log")]
)
def test_a_role_has_a_file(tmp_path: Path, role: str, name: str) -> None:
    assert log_file(tmp_path, role) == tmp_path / name


def test_the_files_of_a_role_are_bounded(tmp_path: Path) -> None:
    handler = LogFile(tmp_path / "w.log", file_bytes=1000, old_files=2)
    for number in range(100):
        handler.handle(record(f"{number:099}"))
    handler.close()
    kept = sorted(tmp_path.iterdir())

    assert [path.name for path in kept] == ["w.log", "w.log.1", "w.log.2"]
    assert [path.stat().st_size for path in kept] == [1000, 1000, 1000]
    assert [int(line) for path in reversed(kept) for line in path.read_text().splitlines()] == [*range(70, 100)]


def test_a_line_longer_than_a_file_is_kept_whole(tmp_path: Path) -> None:
    handler = LogFile(tmp_path / "w.log", file_bytes=10, old_files=1)
    handler.handle(record("a" * 50))
    handler.handle(record("b"))
    handler.close()

    assert (tmp_path / "w.log.1").read_text() == "a" * 50 + "\n"
    assert (tmp_path / "w.log").read_text() == "b\n"


def test_several_may_write_into_one_file(tmp_path: Path) -> None:
    """An actor that was replaced may live on beside the next one: no line is torn, and only whole files go."""
    handlers = [LogFile(tmp_path / "w.log", file_bytes=2000, old_files=1000) for _ in range(4)]
    begin = threading.Barrier(len(handlers))

    def write(number: int) -> None:
        begin.wait()
        for line in range(250):
            handlers[number].handle(record(f"{number} {line:096}"))

    with ThreadPoolExecutor(len(handlers)) as pool:
        assert list(pool.map(write, range(len(handlers)))) == [None] * len(handlers)
    for handler in handlers:
        handler.close()
    written = [line for path in tmp_path.iterdir() for line in path.read_text().splitlines()]

    assert sorted(written) == sorted(f"{number} {line:096}" for number in range(4) for line in range(250))
    assert max(path.stat().st_size for path in tmp_path.iterdir()) < 2000 + 4 * 100


def test_a_file_that_was_taken_away_is_made_again(tmp_path: Path) -> None:
    handler = LogFile(tmp_path / "w.log")
    handler.handle(record("one"))
    (tmp_path / "w.log").rename(tmp_path / "taken")
    handler.handle(record("two"))
    handler.close()

    assert ((tmp_path / "taken").read_text(), (tmp_path / "w.log").read_text()) == ("one\n", "two\n")


def test_standard_error_may_be_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = io.StringIO()
    gone.close()
    monkeypatch.setattr("sys.stderr", gone)
    handler = LogFile(tmp_path)  # a folder
    handler.handle(record("nobody hears it"))
    handler.close()
