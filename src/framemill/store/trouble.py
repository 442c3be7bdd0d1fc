"""Whose fault a failed statement is: its own, the moment's, or the whole database's."""

import sqlite3

from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from framemill.errors import DiskFull

# https://www.sqlite.org/rescode.html: busy, locked, no memory, read-only (also: the file was moved), input/output,
# corrupt, full, cannot open, protocol, not a database.
_SQLITE_TROUBLE = frozenset({5, 6, 7, 8, 10, 11, 13, 14, 15, 26})
_SQLITE_FULL = sqlite3.SQLITE_FULL

# https://www.postgresql.org/docs/current/errcodes-appendix.html
_CONNECTION, _RESOURCES, _OPERATOR, _SYSTEM = "08", "53", "57P", "58"
_READ_ONLY = "25006"  # what was the primary is a standby now
_POSTGRESQL_TROUBLE = (_CONNECTION, _RESOURCES, _OPERATOR, _SYSTEM, _READ_ONLY)
_POSTGRESQL_FULL = "53100"
# Serialisation failure, deadlock, and a lock that somebody else held too long.
_POSTGRESQL_CONFLICT = ("40001", "40P01", "55P03")


def is_disk_full(error: BaseException) -> bool:
    """Whether the database has no room to write."""
    return _sqlite_code(error) == _SQLITE_FULL or _sqlstate(error) == _POSTGRESQL_FULL


def is_conflict(error: BaseException) -> bool:
    """Whether the same transaction may well succeed at once, since only another one was in its way."""
    return _sqlstate(error) in _POSTGRESQL_CONFLICT


def is_trouble(error: BaseException) -> bool:
    """Whether the database as a whole fails: no statement would do better, until somebody helps it."""
    if isinstance(error, DiskFull | PoolTimeoutError):
        return True
    if not isinstance(error, DBAPIError):
        return False
    if error.connection_invalidated or _sqlite_code(error) in _SQLITE_TROUBLE:
        return True
    state = _sqlstate(error)
    if state is None:  # the driver itself says that it cannot reach the server
        return isinstance(error, OperationalError) and not isinstance(error.orig, sqlite3.Error)
    return state.startswith(_POSTGRESQL_TROUBLE)


def _sqlite_code(error: BaseException) -> int | None:
    """SQLite's primary result code; none where the error is not SQLite's."""
    code: int | None = getattr(getattr(error, "orig", None), "sqlite_errorcode", None)
    return None if code is None else code & 0xFF


def _sqlstate(error: BaseException) -> str | None:
    state: str | None = getattr(getattr(error, "orig", None), "sqlstate", None)
    return state
