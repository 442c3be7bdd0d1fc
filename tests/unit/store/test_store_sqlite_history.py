"""Looking into a store that is a file, wherever that lies."""

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import DatabaseError, OperationalError

from framemill.errors import WrongUse
from framemill.jobs.model import Job
from framemill.store.database import Database
from framemill.store.history import History


def url_of(database: Database) -> str:
    return database.url.render_as_string(hide_password=False)


def files(folder: Path) -> dict[str, Any]:
    return {path.name: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.iterdir()}


def test_looking_changes_nothing(tmp_path: Path, database: Database, stored: Job) -> None:
    database.close()
    before = files(tmp_path / "data")
    with History(url_of(database)) as history:
        history.newest_jobs(1)

    assert files(tmp_path / "data") == before


def test_a_folder_that_cannot_be_written_to_is_read(tmp_path: Path, database: Database, stored: Job) -> None:
    database.close()
    # SQLite wants to make a file of that name; this stops it even where we may do anything.
    (tmp_path / "data" / "farm.db-shm").mkdir()
    with History(url_of(database)) as history:
        assert [row["id"] for row in history.newest_jobs(1)] == ["j"]
        assert history.stale == ""


def test_what_was_written_last_may_be_missing_then(tmp_path: Path, database: Database, stored: Job) -> None:
    database.close()
    (tmp_path / "data" / "farm.db-wal" / "not to be read").mkdir(parents=True)
    with History(url_of(database)) as history:
        assert [row["id"] for row in history.newest_jobs(1)] == ["j"]
        assert "was read without farm.db-wal" in history.stale


def test_what_is_no_store_is_an_error_and_nothing_is_made(tmp_path: Path) -> None:
    with pytest.raises(OperationalError), History(f"sqlite:///{tmp_path}/none.db"):
        pass
    (tmp_path / "odd.db").write_bytes(b"no database at all, only some text" * 100)
    with pytest.raises(DatabaseError), History(f"sqlite:///{tmp_path}/odd.db"):
        pass
    with pytest.raises(WrongUse), History("mysql://db/farm"):
        pass

    assert [path.name for path in tmp_path.iterdir()] == ["odd.db"]
