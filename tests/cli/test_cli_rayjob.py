"""`framemill encode` as the entrypoint of a Ray job, without a Ray: paths, lines of progress, and the last line."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from framemill.cli.afar import their_path
from framemill.cli.encode import Bar
from framemill.cli.lines import EVERY_SECONDS, Lines, line_of
from framemill.cli.rayjob import as_from_afar, hinting, job_metadata, of_the_job, tell_end, tell_kept
from framemill.config import environment, farm_mark, program_path, ray_job
from framemill.errors import SourceMissing

CONFIG = "RAY_JOB_CONFIG_JSON_ENV_VAR"
JOB = json.dumps({"runtime_env": {"env_vars": {}}, "metadata": {"job_submission_id": "raysubmit_7", "job_name": "x"}})


@pytest.fixture
def in_a_job() -> Iterator[None]:
    with environment({CONFIG: JOB}):
        yield


@pytest.mark.parametrize("config", ["", "{", "[]", "{}", '{"metadata": null}', '{"metadata": {"job_name": "x"}}'])
def test_whatever_else_stands_there_is_no_ray_job(config: str) -> None:
    with environment({CONFIG: config}):
        assert ray_job() is None
        assert job_metadata() == {}
        assert not of_the_job(["a.mp4"])


def test_our_programs_are_found_first_and_once() -> None:
    own = str(Path(sys.executable).parent)
    with environment({"PATH": "/usr/bin"}):
        assert program_path().split(":") == [own, "/usr/bin"]
    with environment({"PATH": f"{own}:/usr/bin"}):
        assert program_path().split(":") == [own, "/usr/bin"]


def test_a_farms_mark_is_known() -> None:
    with environment({"FRAMEMILL_FARM": "abc"}):
        assert farm_mark() == "abc"
    with environment({"FRAMEMILL_FARM": ""}):
        assert farm_mark() is None


@pytest.mark.usefixtures("in_a_job")
def test_a_job_is_remembered_by_its_id() -> None:
    assert ray_job() == "raysubmit_7"
    assert job_metadata() == {"metadata": {"ray_job": "raysubmit_7"}}


@pytest.mark.usefixtures("in_a_job")
@pytest.mark.parametrize(
    ("paths", "of_job"),
    [
        (["/a/b.mp4", "/c.mp4"], False),
        (["s3://bucket/a.mp4", "https://host/b.mp4"], False),
        (["file:///a.mp4", "/b.mp4"], False),
        (["/a.mp4", "b.mp4"], True),
        (["../a.mp4", "/b.mp4"], True),
    ],
)
def test_a_relative_path_is_the_jobs(paths: list[str], of_job: bool) -> None:
    assert of_the_job(paths) is of_job


def test_the_farms_own_paths_are_its_own_from_afar() -> None:
    source, target, join = as_from_afar("/with space/%41ä.mp4", "out.mp4", ["/b.mp4"])
    assert [their_path(one) for one in (source, *join)] == ["/with space/%41ä.mp4", "/b.mp4"]
    assert target == "out.mp4"


def test_sources_are_sent_together() -> None:
    assert as_from_afar("/a.mp4", "b.mp4", ["s3://bucket/b.mp4"]) == ("/a.mp4", "b.mp4", ["s3://bucket/b.mp4"])
    assert as_from_afar("a.mp4", "/out/b.mp4", ["/c.mp4"]) == ("a.mp4", "file:///out/b.mp4", ["/c.mp4"])


@pytest.mark.usefixtures("in_a_job")
def test_who_gives_a_relative_path_is_told_where_it_leads(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SourceMissing, match=r"no file a\.mp4.*--working-dir"), hinting():
        raise SourceMissing("There is no file a.mp4.")
    tell_kept("out.mp4", "01a2")
    assert "out.mp4 lies in the folder of this Ray job, which Ray removes" in capsys.readouterr().err


@pytest.mark.usefixtures("in_a_job")
@pytest.mark.parametrize(
    ("code", "line"), [(0, "exit 0 (done)"), (1, "exit 1 (failed)"), (2, "exit 2 (wrong use)"), (9, "exit 9")]
)
def test_the_last_line_tells_the_exit_code(code: int, line: str, capsys: pytest.CaptureFixture[str]) -> None:
    tell_end(code)
    assert capsys.readouterr().err == f"framemill: {line}\n"


def test_without_a_ray_job_nothing_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with environment({CONFIG: ""}), Bar(show=True) as bar:
        tell_end(1)
        tell_kept("out.mp4", "01a2")
        bar.update({"state": "encoding", "frames": 1, "frames_planned": 2})
    assert capsys.readouterr().err == ""


ENCODING = {"state": "encoding", "frames": 105, "frames_planned": 250}


@pytest.mark.parametrize(
    ("told", "line"),
    [
        (ENCODING, "Encoding: 42.0 % (105 of 250 frames)"),
        (
            {**ENCODING, "frames_per_second": 50.0, "remaining_seconds": 2.9, "film_seconds": 10.0},
            "Encoding: 42.0 % (105 of 250 frames), 50.0 fps, 2.00x, 3 s left",
        ),
        ({"state": "fetching", "bytes": 500, "bytes_planned": 1000}, "Encoding: 50.0 % (500 bytes of 1.0 kB)"),
        ({"state": "encoding", "share": 0.25}, "Encoding: 25.0 %"),
        ({"state": "queued"}, "Encoding"),
        ({**ENCODING, "state": "stitching"}, "Encoding"),
    ],
)
def test_a_line_tells_what_is_known(told: dict[str, Any], line: str) -> None:
    assert line_of("Encoding", told) == line


@pytest.mark.usefixtures("in_a_job")
def test_a_log_has_a_line_a_stage_and_one_every_few_seconds(capsys: pytest.CaptureFixture[str]) -> None:
    now = [0.0]
    lines = Lines(clock=lambda: now[0])
    for second in range(12):
        now[0] = second
        lines.update("Encoding" if second else "Planning", {**ENCODING, "frames": second})
    told = capsys.readouterr().err.splitlines()
    assert EVERY_SECONDS == 5
    assert [line.partition(" (")[2].partition(" of")[0] for line in told] == ["0", "1", "6", "11"]


def test_in_a_ray_job_of_a_farm_that_is_gone_no_other_farm_is_started(tmp_path: Path) -> None:
    source = tmp_path / "a.mp4"
    source.write_bytes(b"something")
    words = [sys.executable, "-m", "framemill", "encode", str(source), "-o", str(tmp_path / "b.mp4")]
    with environment({CONFIG: JOB, "FRAMEMILL_FARM": "gone", "FRAMEMILL_DATA_DIR": str(tmp_path / "none")}):
        done = subprocess.run(words, capture_output=True, text=True, check=False)
    first, last = done.stderr.splitlines()
    assert done.returncode == 1
    assert first.startswith("framemill: No farm runs")
    assert last == "framemill: exit 1 (failed)"


def test_who_speaks_to_a_farm_carries_little() -> None:
    """Twenty entrypoints at once are twenty of these processes."""
    heavy = "ray numpy sqlalchemy av boto3 obstore fastapi nicegui"
    program = (
        "import sys, framemill.cli.main, framemill.cli.finding, framemill.cli.onfarm, framemill.cli.afar\n"
        f"print([name for name in {heavy.split()!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
