"""The command as people and scripts use it: words, exit codes, and what is left behind."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import clips
import psutil
import pytest

Clip = Callable[[str], Path]
ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "framemill"]


def framemill(*words: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    return subprocess.run([*COMMAND, *words], check=False, capture_output=True, text=True, cwd=cwd)


def test_json_is_the_report_and_nothing_else(clip: Clip, tmp_path: Path) -> None:
    done = framemill(
        "encode", str(clip("cfr_29_97.mp4")), "-o", str(tmp_path / "out.mp4"), "--set", "chunks=3", "--json"
    )

    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["state"] == "completed"
    assert len(report["plan"]["chunks"]) == 3
    assert done.stderr == ""
    assert os.listdir(tmp_path) == ["out.mp4"]


def test_a_job_that_fails_is_exit_1_one_line_and_no_output(tmp_path: Path) -> None:
    (tmp_path / "noise.mp4").write_bytes(bytes(range(256)) * 100)

    done = framemill("encode", str(tmp_path / "noise.mp4"), "-o", str(tmp_path / "out.mp4"))

    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "noise.mp4 is not a media file" in done.stderr
    assert os.listdir(tmp_path) == ["noise.mp4"]


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["--set", "crff=20"], "did you mean crf or crop?"),
        (["--set", "crf=99"], "crf"),
        (["--set", "crf"], "KEY=VALUE"),
        (["--preset", "h246"], "h264"),
        (["--slots", "0"], "slots"),
        (["--unknown"], "--unknown"),
    ],
)
def test_wrong_use_is_exit_2_and_says_what_was_meant(words: list[str], hint: str, clip: Clip, tmp_path: Path) -> None:
    done = framemill("encode", str(clip("cfr_29_97.mp4")), "-o", str(tmp_path / "out.mp4"), *words)

    assert done.returncode == 2
    assert hint in done.stderr
    assert os.listdir(tmp_path) == []


def test_an_unknown_suffix_names_the_known_ones(clip: Clip, tmp_path: Path) -> None:
    done = framemill("encode", str(clip("cfr_29_97.mp4")), "-o", str(tmp_path / "out.rm"))

    assert done.returncode == 2
    assert ".mp4, .mov, .mkv, .webm" in done.stderr


def test_a_missing_source_is_exit_1(tmp_path: Path) -> None:
    done = framemill("encode", str(tmp_path / "nothing.mp4"), "-o", str(tmp_path / "out.mp4"))

    assert done.returncode == 1
    assert "There is no file" in done.stderr


@contextlib.contextmanager
def served(folder: Path) -> Iterator[str]:
    """The folder over http, on loopback."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Say nothing."""

    def handler(*args: object) -> Quiet:
        return Quiet(*args, directory=str(folder))  # type: ignore[arg-type]

    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_source_may_be_a_url(clip: Clip, tmp_path: Path) -> None:
    with served(clip("cfr_29_97.mp4").parent) as url:
        found = framemill("encode", f"{url}/cfr_29_97.mp4", "-o", str(tmp_path / "out.mp4"), "--set", "chunks=2")
        missing = framemill("encode", f"{url}/nothing.mp4", "-o", str(tmp_path / "other.mp4"))

    assert found.returncode == 0, found.stderr
    assert missing.returncode == 1
    assert "404" in missing.stderr
    assert os.listdir(tmp_path) == ["out.mp4"]


def test_probe_speaks_ffprobes_json(clip: Clip) -> None:
    done = framemill("probe", str(clip("cfr_29_97.mp4")), "--json")

    facts = json.loads(done.stdout)
    assert [stream["codec_type"] for stream in facts["streams"]] == ["video", "audio"]
    assert facts["streams"][0]["avg_frame_rate"] == "30000/1001"
    assert facts["format"]["format_name"] == "mov,mp4,m4a,3gp,3g2,mj2"


def test_plan_shows_chunks_and_commands_and_encodes_nothing(clip: Clip, tmp_path: Path) -> None:
    done = framemill("plan", str(clip("cfr_29_97.mp4")), "--set", "chunks=4", "--json", cwd=tmp_path)

    plan = json.loads(done.stdout)
    assert [chunk["first"] for chunk in plan["chunks"]] == [0, 30, 60, 90]
    assert all("libx264" in chunk["commands"][0] for chunk in plan["chunks"])
    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(shutil.which("uv") is None, reason="uv is not on the PATH")
def test_it_works_under_uv_run_beside_a_large_file(clip: Clip, tmp_path: Path) -> None:
    """Ray's hook for `uv run` would pack the working directory, and start every actor in an environment of its own."""
    with (tmp_path / "large.bin").open("wb") as large:
        large.truncate(800 << 20)  # Ray refuses to pack more than 500 MB
    words = ["uv", "run", "--no-sync", "--project", str(ROOT), "framemill", "encode", str(clip("cfr_29_97.mp4"))]

    done = subprocess.run([*words, "-o", "out.mp4"], check=False, capture_output=True, text=True, cwd=tmp_path)

    assert done.returncode == 0, done.stderr
    assert sorted(os.listdir(tmp_path)) == ["large.bin", "out.mp4"]


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Long enough to be interrupted in the middle, however late."""
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    clips.encode(path, *clips.picture(60, size="640x360"), *clips.x264("keyint=50"))
    return path


def encoders_of(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """The encoders below a run, as soon as there are any."""
    while True:
        found = []
        for child in psutil.Process(process.pid).children(recursive=True):
            with contextlib.suppress(psutil.Error):  # it ended while we looked
                found += [child] if "libx264" in child.cmdline() else []
        if found:
            return found
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=0.1)
            pytest.fail("it ended before it was interrupted")


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_stops_every_child_and_leaves_nothing(
    how: signal.Signals, film: Path, tmp_path: Path
) -> None:
    words = ["encode", str(film), "-o", str(tmp_path / "out.mp4")]
    slow = ["--set", "encoder_preset=placebo", "--set", "chunks=2"]
    with subprocess.Popen([*COMMAND, *words, *slow], stderr=subprocess.PIPE, text=True) as process:
        encoders = encoders_of(process)
        family = psutil.Process(process.pid).children(recursive=True)

        process.send_signal(how)
        _, said = process.communicate(timeout=120)

    assert process.returncode == 130
    assert said.strip() == "Interrupted."
    _, alive = psutil.wait_procs([*encoders, *family], timeout=60)
    assert alive == []
    assert os.listdir(tmp_path) == []
