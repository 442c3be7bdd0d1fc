"""Outputs where they were asked for: whole, or not at all."""

from pathlib import Path

import pytest

from framemill.errors import OutputError
from framemill.storage.delivery import deliver


def tree(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in sorted(folder.rglob("*")) if path.is_file()}


def write(folder: Path, **files: str) -> Path:
    """Files by name; `__` in a name stands for a folder, `_` before the suffix for the dot."""
    for name, text in files.items():
        path = folder / ".".join(name.replace("__", "/").rsplit("_", 1))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


@pytest.fixture
def package(tmp_path: Path) -> Path:
    return write(
        tmp_path / "work",
        **{"720p__00000_m4s": "new", "720p__init_mp4": "new", "720p__playlist_m3u8": "new"},
        **{"video_mp4": "new", "master_m3u8": "new"},
    )


WHOLE = dict.fromkeys(["720p/00000.m4s", "720p/init.mp4", "720p/playlist.m3u8", "master.m3u8", "video.mp4"], "new")


def test_a_file_is_put_into_a_folder_that_was_not_there(tmp_path: Path) -> None:
    folder = write(tmp_path / "work", output_mp4="new")
    deliver(folder, str(tmp_path / "a" / "b" / "out.mp4"), package=False)
    assert tree(tmp_path / "a") == {"b/out.mp4": "new"}
    assert tree(folder) == {}


def test_a_file_is_replaced_in_one_step(tmp_path: Path) -> None:
    """Whoever reads the old one reads on in it: it was replaced by name, and never written to."""
    target = tmp_path / "out.mp4"
    target.write_text("old and longer")
    with target.open() as reader:
        deliver(write(tmp_path / "work", output_mp4="new"), str(target), package=False)
        assert reader.read() == "old and longer"
    assert target.read_text() == "new"
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["out.mp4"]


def test_a_package_becomes_a_folder(tmp_path: Path, package: Path) -> None:
    deliver(package, str(tmp_path / "a" / "out"), package=True)
    assert tree(tmp_path / "a" / "out") == WHOLE


def test_a_package_replaces_the_one_before(tmp_path: Path, package: Path) -> None:
    target = write(tmp_path / "out", **{"720p__00000_m4s": "old", "master_m3u8": "old", "notes_txt": "mine"})
    deliver(package, str(target), package=True)
    assert tree(target) == WHOLE | {"notes.txt": "mine"}


def test_playlists_come_last_and_the_master_last_of_all(tmp_path: Path, package: Path) -> None:
    """A folder stands where one playlist goes, so the rest of the way is not gone: what was before it is seen."""
    target = write(tmp_path / "out", **{"master_m3u8": "old", "720p__00000_m4s": "old"})
    (target / "720p" / "playlist.m3u8").mkdir()
    with pytest.raises(OutputError):
        deliver(package, str(target), package=True)
    assert tree(target) == {
        "720p/00000.m4s": "new",
        "720p/init.mp4": "new",
        "video.mp4": "new",
        "master.m3u8": "old",
    }


def test_a_parent_that_is_a_file_is_an_error(tmp_path: Path, package: Path) -> None:
    (tmp_path / "file").write_text("mine")
    target = tmp_path / "file" / "out.mp4"
    with pytest.raises(OutputError) as refused:
        deliver(write(tmp_path / "film", output_mp4="new"), str(target), package=False)
    assert refused.value.message == f"The output could not be put at {target}: File exists."
    with pytest.raises(OutputError):
        deliver(package, str(tmp_path / "file" / "a" / "out"), package=True)
    assert (tmp_path / "file").read_text() == "mine"


def test_a_package_does_not_go_where_a_file_is(tmp_path: Path, package: Path) -> None:
    (tmp_path / "out").write_text("mine")
    with pytest.raises(OutputError):
        deliver(package, str(tmp_path / "out"), package=True)
    assert (tmp_path / "out").read_text() == "mine"


def test_a_file_does_not_go_where_a_folder_is(tmp_path: Path) -> None:
    target = write(tmp_path / "out.mp4", notes_txt="mine")
    folder = write(tmp_path / "work", output_mp4="new")
    with pytest.raises(OutputError):
        deliver(folder, str(target), package=False)
    assert tree(target) == {"notes.txt": "mine"}
    assert tree(folder) == {"output.mp4": "new"}


def test_an_output_that_is_gone_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    with pytest.raises(OutputError):
        deliver(tmp_path / "work", str(tmp_path / "out.mp4"), package=False)
