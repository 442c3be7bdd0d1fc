"""Where the files of a farm lie whose store is given, and what is written in that store, in whichever database."""

from pathlib import Path

from sqlalchemy import URL, select

from framemill.store.columns import metadata
from framemill.store.database import Database


class Placed(Database):
    """On a server; its farm has a folder all the same."""

    def __init__(self, url: str | URL, folder: Path) -> None:
        super().__init__(url)
        self.folder = folder


def folder_of(database: Database) -> Path:
    """The farm's: a file of SQLite is in it."""
    return database.folder if isinstance(database, Placed) else Path(database.url.database or "").parent


def stored_in(database: Database) -> bytes:
    """All that is written there, to be looked through for what must not be."""
    if database.is_sqlite:
        return b"".join(file.read_bytes() for file in folder_of(database).glob("farm.db*"))
    with database.reading() as conn:
        rows = [row for table in metadata.sorted_tables for row in conn.execute(select(table))]
    return repr(rows).encode()
