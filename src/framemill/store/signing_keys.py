"""Public keys of accounts, by which they let others play their videos."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, func, select, update

from framemill.jobs.accounts import SigningKey
from framemill.store.account_tables import signing_keys
from framemill.store.rows import from_row, upsert


def save_signing_key(conn: Connection, key: SigningKey) -> None:
    """Write a key, new or over the one of that id."""
    upsert(conn, signing_keys, [key])


def load_signing_key(conn: Connection, key_id: str) -> SigningKey | None:
    """The key of that id, unless it was revoked."""
    row = conn.execute(_GOOD.where(signing_keys.c.id == key_id)).mappings().first()
    return None if row is None else from_row(SigningKey, row)


def list_signing_keys(conn: Connection, account: str) -> Sequence[SigningKey]:
    """An account's, oldest first, but for those that were revoked."""
    mine = _GOOD.where(signing_keys.c.account == account).order_by(signing_keys.c.created_at, signing_keys.c.id)
    return [from_row(SigningKey, row) for row in conn.execute(mine).mappings()]


def count_signing_keys(conn: Connection, account: str) -> int:
    """How many an account has that are good."""
    mine = select(func.count()).select_from(signing_keys)
    mine = mine.where(signing_keys.c.account == account, signing_keys.c.revoked_at.is_(None))
    return int(conn.execute(mine).scalar_one())


def revoke_signing_key(conn: Connection, key_id: str, now: datetime) -> bool:
    """The key lets nobody in any more; False where that was so before."""
    mine = update(signing_keys).where(signing_keys.c.id == key_id, signing_keys.c.revoked_at.is_(None))
    return conn.execute(mine.values(revoked_at=now)).rowcount == 1


_GOOD = select(signing_keys).where(signing_keys.c.revoked_at.is_(None))
