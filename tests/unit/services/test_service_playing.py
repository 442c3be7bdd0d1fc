"""Which file of an output is served, and that no path leads out of it."""

from pathlib import Path

import pytest

from framemill.errors import NotFound
from framemill.services.playing import playable_file
from framemill.storage.workplace import growing_folder

JOB, OUTPUT = "0192-job", "0192-output"


@pytest.fixture
def attempt(tmp_path: Path) -> Path:
    """An attempt's folder, with something secret beside and above it."""
    folder = tmp_path / "work" / JOB / "1"
    folder.mkdir(parents=True)
    (folder.parent / "secret").write_text("secret")
    (folder / "secret").write_text("secret")
    return folder


def put(root: Path, path: str, text: str) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)


def read(attempt: Path, path: str, number: int = 1) -> tuple[str, bool]:
    found = playable_file(attempt.parents[1], JOB, number, OUTPUT, path)
    return found.path.read_text(), found.growing


def test_the_growing_package_is_served_until_the_finished_one_is_there(attempt: Path) -> None:
    put(growing_folder(attempt, OUTPUT), "720p/00000.m4s", "early")
    assert read(attempt, "720p/00000.m4s") == ("early", True)
    put(attempt / OUTPUT, "720p/00000.m4s", "finished")
    assert read(attempt, "720p/00000.m4s") == ("finished", False)


def test_a_player_that_is_past_what_grew_finds_the_finished_segments(attempt: Path) -> None:
    put(growing_folder(attempt, OUTPUT), "720p/00000.m4s", "early")
    put(attempt / OUTPUT, "720p/00009.m4s", "finished")
    assert read(attempt, "720p/00009.m4s") == ("finished", False)


def test_each_attempt_and_output_has_its_own(attempt: Path) -> None:
    put(attempt / OUTPUT, "out.mp4", "mine")
    with pytest.raises(NotFound):
        read(attempt, "out.mp4", 2)
    with pytest.raises(NotFound, match=r"The output has no file 'out.mp4'\."):
        playable_file(attempt.parents[1], JOB, 1, "another", "out.mp4")


@pytest.mark.parametrize(
    "path",
    [
        "../secret",
        "720p/../../secret",
        "720p/../720p/00000.m4s",
        "/secret",
        "./720p/00000.m4s",
        "720p//00000.m4s",
        "720p/00000.m4s/",
        "",
        ".",
        "..",
        "720p",
        ".state.json",
        "720p/.00001.m4s",
        "720p\\00000.m4s",
        "720p/00000.m4s\0",
        "720p/00000.m4s/x",
        "a" * 5000,
        "link.mp4",
        "linked/secret",
    ],
)
def test_no_path_leads_out_of_the_output(attempt: Path, path: str) -> None:
    for root in (attempt / OUTPUT, growing_folder(attempt, OUTPUT)):
        put(root, "720p/00000.m4s", "segment")
        put(root, "720p/.00001.m4s", "half")
        put(root, ".state.json", "state")
        (root / "link.mp4").symlink_to(attempt / "secret")
        (root / "linked").symlink_to(attempt, target_is_directory=True)
    if path != "":
        assert (attempt / OUTPUT / "link.mp4").read_text() == "secret"  # what must not be reached is there
    with pytest.raises(NotFound):
        read(attempt, path)


@pytest.mark.parametrize("name", ["..", ".", "", "a/b", ".live-0192-output"])
def test_ids_are_names(attempt: Path, name: str) -> None:
    put(growing_folder(attempt, OUTPUT), "master.m3u8", "early")
    for job, output in ((name, OUTPUT), (JOB, name)):
        with pytest.raises(NotFound):
            playable_file(attempt.parents[1], job, 1, output, "master.m3u8")
