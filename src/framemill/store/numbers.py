"""Numbers that a door gives to things whose ids its clients could not take: from 1 on, and none is used twice.

They stand among the foreign ids, written with zeros in front, so that the greatest one is the last of its index.
"""

from collections.abc import Collection

from sqlalchemy import Connection, insert, select

from framemill.store.schema import foreign_ids

MOST = 10**12 - 1
"""The greatest there is."""
_AT_ONCE = 500
"""Ids of one query: databases take so many parameters, and no more."""


def numbered(conn: Connection, door: str, kind: str, our_id: str, *, first: int = 1) -> int:
    """The number of a thing; the next one, `first` or above, where it has none yet. To be asked in a transaction that
    writes: writers take turns, so that no two of them find the same one."""
    known = numbers_of(conn, door, kind, [our_id]).get(our_id)
    if known is not None:
        return known
    all_of_kind = select(foreign_ids.c.their_id).where(foreign_ids.c.door == door, foreign_ids.c.kind == kind)
    last = conn.execute(all_of_kind.order_by(foreign_ids.c.their_id.desc()).limit(1)).scalar()
    number = max(first, 1 if last is None else int(last) + 1)
    conn.execute(insert(foreign_ids).values(door=door, kind=kind, their_id=_written(number), our_id=our_id))
    return number


def numbers_of(conn: Connection, door: str, kind: str, our_ids: Collection[str]) -> dict[str, int]:
    """The numbers of those of them that have one, by their ids."""
    mine = select(foreign_ids.c.our_id, foreign_ids.c.their_id).where(
        foreign_ids.c.door == door, foreign_ids.c.kind == kind
    )
    found: dict[str, int] = {}
    wanted = sorted(our_ids)
    for start in range(0, len(wanted), _AT_ONCE):
        some = conn.execute(mine.where(foreign_ids.c.our_id.in_(wanted[start : start + _AT_ONCE])))
        found |= {our_id: int(number) for our_id, number in some}
    return found


def with_number(conn: Connection, door: str, kind: str, number: int) -> str | None:
    """The id of the thing that has it; none: nothing has."""
    if not 0 < number <= MOST:
        return None
    mine = (foreign_ids.c.door == door, foreign_ids.c.kind == kind, foreign_ids.c.their_id == _written(number))
    found: str | None = conn.execute(select(foreign_ids.c.our_id).where(*mine)).scalar()
    return found


def _written(number: int) -> str:
    return f"{number:012d}"
