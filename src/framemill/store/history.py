"""The store's rows as they stand, whichever version's tables they are in: for who looks into a farm that is ill.

Nothing is made and nothing is changed. Rows are plain values: columns that this version does not know are in them, and
those that are missing are no error.
"""

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self
from urllib.parse import quote

from sqlalchemy import URL, Connection, create_engine, text
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from framemill.store.database import Database

Rows = list[dict[str, Any]]

# What has to open the database; `SELECT 1` need not.
_ANYTHING = "SELECT count(*) FROM farm"
_OF_FARM = {
    "jobs": "SELECT state, count(*) AS jobs FROM jobs GROUP BY state ORDER BY state",
    "chunks": "SELECT state, count(*) AS chunks FROM chunks GROUP BY state ORDER BY state",
    "untold": "SELECT count(*) AS events, min(seq) AS first FROM outbox",
    "farm": "SELECT * FROM farm",
    "machines": "SELECT * FROM machines ORDER BY seen_at DESC LIMIT 200",
    "canaries": "SELECT * FROM canaries LIMIT 200",
    "migration": "SELECT * FROM alembic_version",
}
_OF_JOB = {
    "job": "SELECT * FROM jobs WHERE id = :id LIMIT :most",
    "inputs": "SELECT * FROM inputs WHERE job_id = :id ORDER BY position LIMIT :most",
    "outputs": "SELECT * FROM outputs WHERE job_id = :id ORDER BY position LIMIT :most",
    "deliveries": "SELECT * FROM deliveries WHERE job_id = :id ORDER BY id LIMIT :most",
    "events": "SELECT * FROM events WHERE job_id = :id ORDER BY seq DESC LIMIT :most",
    "chunks": (
        "SELECT * FROM chunks WHERE job_id = :id ORDER BY attempt DESC, output_id, rendition, number LIMIT :most"
    ),
}


class History:
    """A store that is only looked at. Raises `WrongUse` or SQLAlchemy's errors when it cannot be opened."""

    stale = ""
    """Why the last changes may be missing; empty: they are there."""

    def __init__(self, database_url: str) -> None:
        database = Database(database_url)
        self._store: _Readable = database
        try:
            self._rows(_ANYTHING)
        except OperationalError:
            database.close()
            file = Path(database.url.database or "")
            if not database.is_sqlite or not file.is_file():
                raise
            # SQLite makes files beside a database to read it, which it may not here.
            self._store = _Frozen(file)
            self._rows(_ANYTHING)
            log = Path(f"{file}-wal")
            if log.exists() and log.stat().st_size:
                self.stale = f"{file.parent} cannot be written to, so {file.name} was read without {log.name}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._store.close()

    def of_farm(self) -> tuple[dict[str, Rows], dict[str, str]]:
        """How many jobs and chunks are in which state, the farm's own rows – and what could not be read, and why."""
        found, missing = {}, {}
        for name, query in _OF_FARM.items():
            try:
                found[name] = self._rows(query)
            except SQLAlchemyError as error:  # a table that this store does not have yet, or no more
                missing[name] = str(error).partition("\n")[0]
        return found, missing

    def newest_jobs(self, limit: int) -> Rows:
        """Jobs, newest first."""
        return self._rows("SELECT * FROM jobs ORDER BY id DESC LIMIT :most", most=limit)

    def last_failed(self, limit: int) -> list[str]:
        """Ids of failed jobs, newest first."""
        query = "SELECT id FROM jobs WHERE state = 'failed' ORDER BY id DESC LIMIT :most"
        return [row["id"] for row in self._rows(query, most=limit)]

    def of_job(self, job_id: str, limit: int) -> dict[str, Rows]:
        """A job's rows by table, at most so many of each: its newest events, its last attempt's chunks first."""
        return {name: self._rows(query, id=job_id, most=limit) for name, query in _OF_JOB.items()}

    def _rows(self, query: str, **values: Any) -> Rows:
        with self._store.reading() as conn:
            return [_row(row) for row in conn.execute(text(query), values).mappings()]


class _Readable(Protocol):
    def reading(self) -> contextlib.AbstractContextManager[Connection]: ...

    def close(self) -> None: ...


class _Frozen:
    """A SQLite database of which nothing but its file is looked at, as if it could never change."""

    def __init__(self, file: Path) -> None:
        uri = {"mode": "ro", "immutable": "1", "uri": "true"}
        self._engine = create_engine(URL.create("sqlite", database=f"file:{quote(str(file.absolute()))}", query=uri))

    def reading(self) -> contextlib.AbstractContextManager[Connection]:
        return self._engine.connect()

    def close(self) -> None:
        self._engine.dispose()


def _row(row: Mapping[Any, Any]) -> dict[str, Any]:
    """A row with its JSON read. A client's own words are the client's: only how many there are is told."""
    found = {str(name): _read_json(value) for name, value in row.items()}
    if found.get("metadata"):
        found["metadata"] = f"({len(found['metadata'])} left out)"
    return found


def _read_json(value: Any) -> Any:
    if isinstance(value, str) and value.startswith(("{", "[")):
        with contextlib.suppress(ValueError):
            return json.loads(value)
    return value
