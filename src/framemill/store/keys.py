"""Keys: found by their hashes."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection, or_, select, update

from framemill.jobs.accounts import Account, Key
from framemill.store.account_tables import keys
from framemill.store.accounts import load_account
from framemill.store.rows import from_row, upsert

USED_EVERY = timedelta(minutes=5)
"""How exactly it is known when a key was used last: a write at every request would be one too many."""


def save_key(conn: Connection, key: Key) -> None:
    """Write a key, new or over the one of that id."""
    upsert(conn, keys, [key])


def find_key(conn: Connection, sha256: str) -> tuple[Key, Account] | None:
    """The key of that hash, with its account; none where there is none."""
    row = conn.execute(select(keys).where(keys.c.hash == sha256)).mappings().first()
    if row is None:
        return None
    key = from_row(Key, row)
    account = load_account(conn, key.account)
    return None if account is None else (key, account)


def load_key(conn: Connection, key_id: str) -> Key | None:
    """The key of that id."""
    row = conn.execute(select(keys).where(keys.c.id == key_id)).mappings().first()
    return None if row is None else from_row(Key, row)


def list_keys(conn: Connection, account: str | None, before: str | None, limit: int) -> Sequence[Key]:
    """Keys of an account (none: of all), newest first."""
    page = select(keys).order_by(keys.c.id.desc()).limit(limit)
    if account is not None:
        page = page.where(keys.c.account == account)
    if before is not None:
        page = page.where(keys.c.id < before)
    return [from_row(Key, row) for row in conn.execute(page).mappings()]


def revoke_key(conn: Connection, key_id: str, now: datetime) -> bool:
    """The key opens nothing any more; False where that was so before."""
    mine = update(keys).where(keys.c.id == key_id, keys.c.revoked_at.is_(None))
    return conn.execute(mine.values(revoked_at=now)).rowcount == 1


def note_use(conn: Connection, key_id: str, now: datetime) -> None:
    """The key was used about now."""
    long_ago = or_(keys.c.used_at.is_(None), keys.c.used_at < now - USED_EVERY)
    conn.execute(update(keys).where(keys.c.id == key_id, long_ago).values(used_at=now))
