"""Small things that doors keep for their clients."""

from sqlalchemy import ColumnElement, Connection, delete, func, select

from framemill.jobs.keepsakes import Keepsake
from framemill.store.exchange_tables import keepsakes
from framemill.store.rows import from_row, upsert


def save_keepsake(conn: Connection, kept: Keepsake) -> None:
    """Write one, new or over the one of that id."""
    upsert(conn, keepsakes, [kept])


def load_keepsake(conn: Connection, kept_id: str) -> Keepsake | None:
    """The one of that id, whoever's it is."""
    row = conn.execute(select(keepsakes).where(keepsakes.c.id == kept_id)).mappings().first()
    return None if row is None else from_row(Keepsake, row)


def keepsakes_of(conn: Connection, account: str, door: str, kind: str) -> list[Keepsake]:
    """Those of an account of that kind, oldest first."""
    mine = _of(account, door, kind)
    found = conn.execute(select(keepsakes).where(*mine).order_by(keepsakes.c.id)).mappings()
    return [from_row(Keepsake, row) for row in found]


def count_keepsakes(conn: Connection, account: str, door: str, kind: str) -> int:
    """How many there are of those."""
    counted: int = conn.execute(
        select(func.count()).select_from(keepsakes).where(*_of(account, door, kind))
    ).scalar_one()
    return counted


def remove_keepsake(conn: Connection, kept_id: str) -> None:
    """Forget it."""
    conn.execute(delete(keepsakes).where(keepsakes.c.id == kept_id))


def _of(account: str, door: str, kind: str) -> tuple[ColumnElement[bool], ...]:
    return (keepsakes.c.account == account, keepsakes.c.door == door, keepsakes.c.kind == kind)
