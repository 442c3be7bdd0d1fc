"""Engines: what each of the two databases has to be told before it serves a farm."""

import os
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, NullPool, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DisconnectionError

from framemill.errors import WrongUse

BUSY_SECONDS = 30
"""How long a writer waits for another one."""

_PAGES_KILOBYTES = 256

_POSTGRESQL_NAMES = {"postgres", "postgresql"}
_DRIVER = "postgresql+psycopg"
# A server that went away without a word is noticed in half a minute, not in hours (libpq's words, seconds, ms).
_PATIENCE = {
    "connect_timeout": 10,
    "keepalives_idle": 15,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}


def parse_url(text: str | URL) -> URL:
    """The database's address, with the driver that is meant; raises `WrongUse`."""
    try:
        url = make_url(text)
    except ArgumentError:  # whose message would show a password
        raise WrongUse(
            "The database's address cannot be read; it looks like postgresql://user:password@host/name"
            " or sqlite:////path/of/farm.db (set FRAMEMILL_DATABASE_URL)."
        ) from None
    if url.drivername in _POSTGRESQL_NAMES:
        url = url.set(drivername=_DRIVER)
    if url.get_backend_name() not in {"sqlite", "postgresql"}:
        raise WrongUse(f"{url} is neither SQLite nor PostgreSQL: name a database of one of these two.")
    if url.get_backend_name() == "sqlite" and url.database in {None, "", ":memory:"}:
        raise WrongUse(f"{url} is a database in memory, which two engines cannot share; name a file.")
    return url


def postgresql_engine(url: URL) -> Engine:
    """An engine whose connections give up in the end. Raises `WrongUse` where the driver is missing."""
    patience = {name: value for name, value in _PATIENCE.items() if name not in url.query}
    try:
        engine = create_engine(url, pool_pre_ping=True, connect_args=patience)
    except ImportError:
        raise WrongUse(f"{url} needs the PostgreSQL driver: pip install 'framemill[postgres]'.") from None
    any_text = _any_text()

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: Any) -> None:
        # Whoever is cut off in the middle of a transaction must not hold its locks for ever.
        with connection.cursor() as cursor:
            cursor.execute(f"SET idle_in_transaction_session_timeout = '{2 * BUSY_SECONDS}s'")
            cursor.execute(f"SET lock_timeout = '{2 * BUSY_SECONDS}s'")
        connection.commit()
        connection.adapters.register_dumper(str, any_text)

    return engine


def _any_text() -> type[Any]:
    """How texts are sent: PostgreSQL refuses a statement with a NUL in one, where SQLite finds or keeps it, so it gets
    another character. Names in an address may have one, and what a broken file makes ffmpeg say."""
    from psycopg.types.string import StrDumperUnknown  # noqa: PLC0415 - only who has the driver comes here

    class AnyText(StrDumperUnknown):
        def dump(self, obj: str) -> Any:
            return super().dump(obj.replace("\0", "\N{REPLACEMENT CHARACTER}"))

    return AnyText


def sqlite_engine(url: URL, *, begin: str, writes: bool, rebuilds: bool = False) -> Engine:
    """An engine whose transactions begin as said. `rebuilds`: for a migration, which copies whole tables."""
    path = Path(url.database or "").absolute()
    # One writing connection a process: its threads take turns in order, where SQLite's own waiting is a lottery.
    pool: dict[str, Any] = {"pool_size": 1, "max_overflow": 0, "pool_timeout": 2 * BUSY_SECONDS} if writes else {}
    # mode=rw: a file that is not there is an error, and not an empty database.
    file = url.set(database=f"file:{quote(str(path))}", query={"mode": "rw", "uri": "true"})
    engine = create_engine(file, **({"poolclass": NullPool} if rebuilds else pool))

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, record: Any) -> None:
        # The driver opens no transactions of its own: `begin` below does.
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000}")
        # A rebuilt table is dropped under its old name, and would take along whatever refers to it.
        cursor.execute(f"PRAGMA foreign_keys = {'OFF' if rebuilds else 'ON'}")
        # What was committed is there after a power cut.
        cursor.execute("PRAGMA synchronous = FULL" if writes else "PRAGMA query_only = ON")
        # Of each connection: as the store grows, each would hold 2 MB of pages that the system has in memory anyway.
        cursor.execute(f"PRAGMA cache_size = -{_PAGES_KILOBYTES}")
        cursor.close()
        record.info["file"] = _identity(path)

    @event.listens_for(engine, "checkout")
    def _same_file(_connection: Any, record: Any, _proxy: Any) -> None:
        # A file that was deleted goes on taking writes, for nobody: the pool then opens what is there now.
        if record.info["file"] != _identity(path):
            raise DisconnectionError(f"{path} is not the file that was opened")

    @event.listens_for(engine, "begin")
    def _begin(conn: Connection) -> None:
        conn.exec_driver_sql(begin)

    return engine


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino
