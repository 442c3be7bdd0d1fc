"""What only SQLite has: a file, its switches, and plans of queries that can be read."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import URL, Connection, create_mock_engine, text
from sqlalchemy.exc import OperationalError

from framemill.errors import DiskFull, FarmError, WrongUse
from framemill.store.columns import metadata
from framemill.store.database import Database
from framemill.store.epochs import current_epoch, take_epoch
from framemill.store.writer import Writer


def test_sqlite_is_set_to_keep_what_was_committed(database: Database) -> None:
    with database.writing() as conn:
        asked = {name: conn.execute(text(f"PRAGMA {name}")).scalar() for name in ("journal_mode", "synchronous")}
        assert asked | {"busy": conn.execute(text("PRAGMA busy_timeout")).scalar()} == {
            "journal_mode": "wal",
            "synchronous": 2,
            "busy": 30_000,
        }
        assert conn.execute(text("PRAGMA foreign_keys")).scalar() == 1


def test_a_database_that_was_never_made_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OperationalError, match="unable to open"), Database(f"sqlite:///{tmp_path}/no.db").reading():
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_path_may_hold_any_character(tmp_path: Path) -> None:
    odd = tmp_path / "a farm? 100% #1.db"
    database = Database(URL.create("sqlite", database=str(odd)))
    database.create()
    with database.reading() as conn:
        assert current_epoch(conn) == 0
    database.close()
    assert odd.exists()


def test_a_database_in_memory_is_refused() -> None:
    with pytest.raises(WrongUse, match="name a file"):
        Database("sqlite://")


def test_the_schema_compiles_for_postgresql() -> None:
    made: list[str] = []

    def note(ddl: Any, *_args: object, **_more: object) -> None:
        made.append(str(ddl.compile(dialect=engine.dialect)))

    engine = create_mock_engine("postgresql://", note)
    metadata.create_all(engine, checkfirst=False)
    ddl = "\n".join(made)
    for word in ("JSONB", "TIMESTAMP WITH TIME ZONE", "seq BIGSERIAL", "WHERE lease_token IS NOT NULL"):
        assert word in ddl


def test_a_file_that_was_taken_away_is_not_written_to(database: Database, tmp_path: Path) -> None:
    """An open file goes on taking writes after it was deleted: they would be lost without a word."""
    with database.writing() as conn:
        take_epoch(conn)
    here, away = tmp_path / "data", tmp_path / "away"
    here.rename(away)
    for transaction in (database.writing, database.reading):
        with pytest.raises(OperationalError, match="unable to open"), transaction() as conn:
            current_epoch(conn)
    away.rename(here)
    with database.writing() as conn:
        assert take_epoch(conn) == 2


def test_another_file_in_its_place_is_the_database_now(database: Database, tmp_path: Path) -> None:
    other = Database(f"sqlite:///{tmp_path / 'restored' / 'farm.db'}")
    other.create()
    with other.writing() as conn:
        conn.execute(text("UPDATE farm SET epoch = 41"))
    other.close()
    (tmp_path / "data").rename(tmp_path / "old")
    (tmp_path / "restored").rename(tmp_path / "data")
    with database.writing() as conn:
        assert take_epoch(conn) == 42


def test_a_full_disk_is_named(database: Database) -> None:
    with database.writing() as conn:
        conn.execute(text("PRAGMA max_page_count = 1"))
    with pytest.raises(DiskFull, match=r"data/farm\.db"), database.writing() as conn:
        conn.execute(text("INSERT INTO foreign_ids VALUES ('d', 'k', hex(zeroblob(100000)), 'o')"))
    with database.writing() as conn:
        assert take_epoch(conn) == 1


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(FarmError, match=r"file/farm\.db cannot be opened"):
        Database(f"sqlite:///{tmp_path / 'file' / 'farm.db'}").create()


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "farm.db").write_bytes(b"holiday pictures" * 100)
    with pytest.raises(FarmError, match="not a database"):
        Database(f"sqlite:///{tmp_path / 'farm.db'}").create()


def test_what_finds_no_room_waits_for_it(database: Database) -> None:
    """Also when the disk is full in the middle of a batch: nothing of it is lost, and nothing is there twice."""
    told: list[BaseException | None] = []

    def fill(conn: Connection) -> int:
        conn.execute(text("INSERT INTO foreign_ids VALUES ('d', 'k', hex(zeroblob(100000)), 'o')"))
        return take_epoch(conn)

    def make_room(trouble: BaseException | None) -> None:
        told.append(trouble)
        with database.writing() as conn:
            conn.execute(text("PRAGMA max_page_count = 100000"))

    async def ask() -> list[int]:
        return await asyncio.gather(*(writer.write(change) for change in (take_epoch, fill, take_epoch)))

    with database.writing() as conn:
        conn.execute(text("PRAGMA max_page_count = 1"))
    writer = Writer(database, patient=True, on_trouble=make_room, retry_seconds=0.01)
    assert asyncio.run(ask()) == [1, 2, 3]
    writer.close()
    assert [type(trouble) for trouble in told] == [DiskFull, type(None)]
