"""The door to the database: one way to write, one way to read, and the rules that SQLite needs to serve a farm."""

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, create_engine, event, insert, make_url, select
from sqlalchemy.exc import OperationalError

from framemill.errors import DiskFull, WrongUse
from framemill.store.schema import farm, metadata

BUSY_SECONDS = 30


class Database:
    """Two engines on one database. Safe to share between threads; not to be carried into another process.

    SQLite stands in WAL mode, so readers and the writer do not wait for each other. A write transaction takes the
    write lock at its start: one that begins by reading and asks for the lock later is refused at once when somebody
    else has written in between, whatever the busy timeout says. Keep it short and wait for nothing inside.
    """

    def __init__(self, url: str | URL) -> None:
        self.url = make_url(url)
        if self._is_sqlite and self.url.database in {None, "", ":memory:"}:
            raise WrongUse(f"{self.url} is a database in memory, which two engines cannot share; name a file.")
        if self._is_sqlite:
            self._write = _sqlite_engine(self.url, begin="BEGIN IMMEDIATE", writes=True)
            self._read = _sqlite_engine(self.url, begin="BEGIN", writes=False)
        else:
            self._write = create_engine(self.url, pool_pre_ping=True)
            self._read = self._write.execution_options(postgresql_readonly=True)

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A write transaction: committed at the end of the block, taken back when it raises.

        Raises `DiskFull`. With SQLite a thread that opens a second one inside the first waits for itself, and fails in
        the end.
        """
        try:
            with self._write.begin() as conn:
                yield conn
        except OperationalError as error:
            if "disk is full" not in str(error.orig):  # SQLITE_FULL
                raise
            raise DiskFull(f"The disk is full: nothing can be written to {self.url.database}.") from None

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A read transaction on one state of the database (SQLite) or of each query (PostgreSQL); it cannot write."""
        with self._read.connect() as conn, conn.begin():
            yield conn

    def create(self) -> None:
        """Make the file, its folder and the tables where they are missing; harmless when several do it at once."""
        if self._is_sqlite:
            _create_file(Path(self.url.database or ""))
        with self.writing() as conn:
            metadata.create_all(conn)
            if conn.execute(select(farm.c.epoch)).first() is None:
                conn.execute(insert(farm).values(id=1, epoch=0))

    def close(self) -> None:
        """Close every connection that is not in use."""
        self._write.dispose()
        self._read.dispose()

    @property
    def _is_sqlite(self) -> bool:
        return self.url.get_backend_name() == "sqlite"


def _create_file(path: Path) -> None:
    """Make the file in WAL mode, which stays with it. No busy timeout holds for that switch, hence the lock."""
    path.parent.mkdir(parents=True, exist_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        with closing(sqlite3.connect(path, timeout=BUSY_SECONDS)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
    finally:
        os.close(folder)


def _sqlite_engine(url: URL, begin: str, writes: bool) -> Engine:
    # One writing connection a process: its threads take turns in order, where SQLite's own waiting is a lottery.
    pool: dict[str, Any] = {"pool_size": 1, "max_overflow": 0, "pool_timeout": 2 * BUSY_SECONDS} if writes else {}
    # mode=rw: a file that is not there is an error, and not an empty database.
    file = url.set(
        database=f"file:{quote(str(Path(url.database or '').absolute()))}", query={"mode": "rw", "uri": "true"}
    )
    engine = create_engine(file, **pool)

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: Any) -> None:
        # The driver opens no transactions of its own: `begin` below does.
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000}")
        cursor.execute("PRAGMA foreign_keys = ON")
        # What was committed is there after a power cut.
        cursor.execute("PRAGMA synchronous = FULL" if writes else "PRAGMA query_only = ON")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(conn: Connection) -> None:
        conn.exec_driver_sql(begin)

    return engine
