"""Files of this machine, where they are none, or there is no room."""

import os
import resource
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from framemill.errors import StorageBroken, StorageFull, StorageMissing, StorageRefused
from framemill.storage.base import Sending
from framemill.storage.files import FileStore

Made = Callable[[bytes], Path]


@pytest.fixture
def files() -> Iterator[FileStore]:
    store = FileStore()
    yield store
    store.close()


def test_a_pipe_and_a_folder_are_no_files(files: FileStore, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path in (pipe, tmp_path, Path("/dev/zero")):
        with pytest.raises(StorageRefused, match="no file"):
            files.stat(str(path))
        with pytest.raises(StorageRefused, match="no file"):
            list(files.stream(str(path)))
        with pytest.raises(StorageRefused, match="no file"):
            files.read(str(path), 0, 3)
    assert list(files.list(f"{tmp_path}/")) == []


def test_a_folder_that_is_not_there_is_missing(files: FileStore, tmp_path: Path) -> None:
    with pytest.raises(StorageMissing):
        list(files.list(f"{tmp_path}/none/"))


def test_links_lead_to_files_and_never_round(files: FileStore, tmp_path: Path, made: Made) -> None:
    source = made(b"bytes")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "round").symlink_to(folder)
    (folder / "film").symlink_to(source)
    (folder / "dangling").symlink_to(tmp_path / "none")
    assert [(found.path, found.size) for found in files.list(f"{folder}/")] == [(f"{folder}/film", 5)]


def test_no_room_is_told_and_nothing_is_left(files: FileStore, tmp_path: Path, made: Made) -> None:
    source, limits = made(b"x" * 3_000_000), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, limits[1]))
    try:
        with pytest.raises(StorageFull, match="no room"):
            files.write(f"{tmp_path}/out/film", source, Sending())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list((tmp_path / "out").iterdir()) == []


def test_a_folder_that_takes_nothing_is_refused(files: FileStore, made: Made, tmp_path: Path) -> None:
    with pytest.raises(StorageRefused, match=r"may not do that there"):
        files.write(f"{made(b'x')}/below/a/file", made(b"bytes"), Sending())


def test_a_file_that_becomes_shorter_is_no_whole_file(files: FileStore, tmp_path: Path) -> None:
    path = tmp_path / "film"
    path.write_bytes(b"x" * 20_000_000)
    blocks = files.stream(str(path))
    next(blocks)
    os.truncate(path, 5_000_000)
    with pytest.raises(StorageBroken, match="shorter"):
        list(blocks)


def test_what_is_written_stays_out_of_sight_until_it_is_whole(files: FileStore, tmp_path: Path, made: Made) -> None:
    target, seen = tmp_path / "out" / "film", []

    def look(_done: int, _of: int | None) -> None:
        seen.append(target.exists())

    files.write(str(target), made(b"x" * 9_000_000), Sending(), look)
    assert seen == [False] * 3
    assert [path.name for path in target.parent.iterdir()] == ["film"]
