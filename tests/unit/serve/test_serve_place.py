"""A farm's folders."""

import contextlib
from pathlib import Path

from framemill.config import DataFolder, load_settings
from framemill.serve.place import make_folders, place_of
from framemill.store.database import Database
from framemill.store.epochs import take_epoch


def test_only_a_farm_that_never_ran_gets_its_folders(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path / "data")
    folder.root.mkdir()
    with contextlib.closing(Database(f"sqlite:///{folder.database}")) as database:
        database.create()
        make_folders(database, folder)
        assert all(path.is_dir() for path in (folder.blobs, folder.work, folder.logs))
        with database.writing() as conn:
            take_epoch(conn)
        folder.blobs.rmdir()  # its disk is away
        make_folders(database, folder)
        assert not folder.blobs.exists()


def test_the_farm_keeps_to_what_each_door_may_have_under_way(tmp_path: Path) -> None:
    doors = {"one": {"active_jobs": "2", "its own": "x"}, "another": {"its own": "y"}}
    settings = load_settings(data_dir=tmp_path, doors=doors)

    assert place_of(settings).limits.jobs_per_door == {"one": 2}
