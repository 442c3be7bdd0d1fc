"""The door to the database: one way to write, one way to read, and the rules that SQLite needs to serve a farm."""

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import URL, Connection, insert, select, text
from sqlalchemy.exc import DBAPIError

from framemill.errors import DiskFull, FarmError
from framemill.jobs.accounts import DEFAULT_ACCOUNT
from framemill.store import versions
from framemill.store.accounts import ensure_account
from framemill.store.engines import BUSY_SECONDS, parse_url, postgresql_engine, sqlite_engine
from framemill.store.schema import farm
from framemill.store.trouble import is_disk_full
from framemill.store.turns import Turns

# Any number will do that nobody else takes in this database: "framemil", as eight letters.
_WRITE_LOCK = int.from_bytes(b"framemil")


class Database:
    """Two engines on one database. Safe to share between threads; not to be carried into another process.

    A write transaction takes the farm's write lock at its start, on both databases, so writers take turns from their
    first word to their last: none of them fails for what another one did, and events are numbered in the order in which
    they can be seen. Keep it short and wait for nothing inside. Readers and the writer do not wait for each other.
    """

    _turns: Turns | None = None

    def __init__(self, url: str | URL) -> None:
        """Nothing is opened yet. Raises `WrongUse` for an address that cannot be used."""
        self.url = parse_url(url)
        if self.is_sqlite:
            # SQLite refuses a transaction that began by reading and asks for the lock later, if somebody else has
            # written in between, whatever the busy timeout says.
            self._write = sqlite_engine(self.url, begin="BEGIN IMMEDIATE", writes=True)
            self._read = sqlite_engine(self.url, begin="BEGIN", writes=False)
            # There is one writing connection, so one thread at a time asks for a turn.
            self._turns = Turns(Path(f"{self.url.database}-turn"))
        else:
            self._write = postgresql_engine(self.url)
            self._read = self._write.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)

    @property
    def is_sqlite(self) -> bool:
        """Whether it is a file on this machine, which processes on others cannot open."""
        return self.url.get_backend_name() == "sqlite"

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A write transaction: committed at the end of the block, taken back when it raises.

        Raises `DiskFull`. A thread that opens a second one inside the first waits for itself, and fails in the end.
        """
        try:
            with self._write.connect() as conn, self._turn(), conn.begin():
                if not self.is_sqlite:
                    conn.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _WRITE_LOCK})
                yield conn
        except DBAPIError as error:
            if not is_disk_full(error):
                raise
            raise DiskFull(f"The disk is full: nothing can be written to {self.name}.") from None

    def _turn(self) -> AbstractContextManager[None]:
        return nullcontext() if self._turns is None else self._turns.mine()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A read transaction on one state of the database; it cannot write."""
        with self._read.connect() as conn, conn.begin():
            yield conn

    def create(self) -> None:
        """Make the file, its folder and the tables where they are missing, and bring older tables up to date.

        Harmless when several do it at once. Raises `ForeignDatabase`, and has changed nothing, where the database is a
        newer release's or nobody's; `DiskFull`, and `FarmError` where it cannot be opened.
        """
        try:
            self._create()
        except (DBAPIError, sqlite3.Error, OSError) as error:
            said = str(getattr(error, "orig", error)).strip().partition("\n")[0]
            hint = "look at its folder" if self.is_sqlite else "see whether its server is up"
            raise FarmError(
                f"The database {self.name} cannot be opened: {said}; {hint}, or name another one"
                " (FRAMEMILL_DATABASE_URL)."
            ) from error

    def _create(self) -> None:
        if self.is_sqlite:
            _create_file(Path(self.url.database or ""))
        with self.reading() as conn:
            if versions.version_of(conn, self.name) == versions.HEAD:
                return
        with self.migrating() as conn:
            found = versions.version_of(conn, self.name)  # somebody else may have been quicker
            if found is None and self.is_sqlite:
                versions.make(conn)
            elif found != versions.HEAD:
                versions.upgrade(conn, self.name, found)
            if conn.execute(select(farm.c.epoch)).first() is None:
                conn.execute(insert(farm).values(id=1, epoch=0, paused=False, condition={}))
            ensure_account(conn, DEFAULT_ACCOUNT, datetime.now(UTC))

    @contextmanager
    def migrating(self) -> Iterator[Connection]:
        """A write transaction in which tables may be rebuilt; it is committed if every row has still its parent."""
        if not self.is_sqlite:
            with self.writing() as conn:
                yield conn
            return
        engine = sqlite_engine(self.url, begin="BEGIN IMMEDIATE", writes=True, rebuilds=True)
        with engine.begin() as conn:
            yield conn
            if broken := conn.execute(text("PRAGMA foreign_key_check")).first():
                raise AssertionError(f"a migration left a row of {broken[0]} that belongs to nothing in {broken[2]}")

    def was_committed(self, transaction: str) -> bool | None:
        """What became of a transaction whose commit was never answered; none: it is still on its way (PostgreSQL)."""
        with self.reading() as conn:
            asked = text("SELECT pg_xact_status(CAST(:transaction AS xid8))")
            status = conn.execute(asked, {"transaction": transaction}).scalar_one()
        return None if status == "in progress" else status == "committed"

    def transaction_of(self, conn: Connection) -> str | None:
        """What to ask `was_committed` for; none with SQLite, whose commits are always answered."""
        if self.is_sqlite:
            return None
        transaction: str = conn.execute(text("SELECT CAST(pg_current_xact_id() AS text)")).scalar_one()
        return transaction

    @property
    def name(self) -> str:
        """What to call it in a message: the file, or the address without its password."""
        return self.url.database or "" if self.is_sqlite else str(self.url)

    def close(self) -> None:
        """Close every connection that is not in use."""
        if self._turns is not None:
            self._turns.close()
        self._write.dispose()
        self._read.dispose()


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
