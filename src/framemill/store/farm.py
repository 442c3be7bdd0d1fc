"""The farm as a whole: what its operator wants, and what its coordinator says of it."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, select, update

from framemill.store.epochs import require_epoch
from framemill.store.schema import farm


def read_paused(conn: Connection) -> bool:
    """Whether the operator has paused the farm: what runs goes on, nothing more is started."""
    paused: bool = conn.execute(select(farm.c.paused)).scalar_one()
    return paused


def set_paused(conn: Connection, paused: bool) -> None:
    """Note the operator's wish; the coordinator follows it, the one that runs and any later one."""
    conn.execute(update(farm).values(paused=paused))


def read_condition(conn: Connection) -> dict[str, Any]:
    """What a coordinator last said of the farm; empty when none has said anything."""
    condition: dict[str, Any] = conn.execute(select(farm.c.condition)).scalar_one()
    return condition


def set_condition(conn: Connection, condition: Mapping[str, Any], epoch: int) -> None:
    """Say how the farm is, in JSON. Raises `StaleWrite` when the epoch is over."""
    require_epoch(conn, epoch)
    conn.execute(update(farm).values(condition=dict(condition)))
