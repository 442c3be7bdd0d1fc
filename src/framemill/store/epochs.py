"""Which coordinator is the last one: two can be alive at once, and the older must change nothing."""

from sqlalchemy import BindParameter, ColumnElement, Connection, select, update

from framemill.errors import EpochOver
from framemill.store.prepared import Prepared
from framemill.store.schema import farm


def take_epoch(conn: Connection) -> int:
    """The next epoch, now the farm's; whoever held the last one is stale from here on."""
    taken: int = conn.execute(update(farm).values(epoch=farm.c.epoch + 1).returning(farm.c.epoch)).scalar_one()
    return taken


def current_epoch(conn: Connection) -> int:
    """The farm's epoch."""
    current: int = conn.execute(select(farm.c.epoch)).scalar_one()
    return current


def require_epoch(conn: Connection, epoch: int) -> None:
    """Hold the epoch for the rest of the transaction; raises `EpochOver` when another one was taken."""
    current = _HOLDING.run(conn, {}).scalar_one()
    if current != epoch:
        raise EpochOver(f"Epoch {epoch} is over: a coordinator with epoch {current} has taken over; this one ends.")


def in_epoch(epoch: int | BindParameter[int]) -> ColumnElement[bool]:
    """Condition of an UPDATE: the epoch is the farm's, and stays so till the end of the transaction."""
    return _HOLD.scalar_subquery() == epoch


_HOLD = select(farm.c.epoch).with_for_update(read=True)
_HOLDING = Prepared(_HOLD)
