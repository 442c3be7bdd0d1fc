"""What happened to a job, and what has still to be told."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from framemill.jobs.model import Event
from framemill.store.rows import from_row
from framemill.store.schema import events, outbox


def add_event(conn: Connection, job_id: str, kind: str, data: Mapping[str, Any], now: datetime) -> Event:
    """Write an event of a job and, in the same transaction, the notice that it has to be told."""
    row = {"job_id": job_id, "at": now, "kind": kind, "data": dict(data)}
    seq = conn.execute(insert(events).values(row).returning(events.c.seq)).scalar_one()
    conn.execute(insert(outbox).values(seq=seq, due_at=now, tries=0))
    return Event(seq=seq, job_id=job_id, at=now, kind=kind, data=dict(data))


def events_of(conn: Connection, job_id: str, after_seq: int = 0) -> list[Event]:
    """A job's events after that number, oldest first."""
    mine = select(events).where(events.c.job_id == job_id, events.c.seq > after_seq).order_by(events.c.seq)
    return [from_row(Event, row) for row in conn.execute(mine).mappings()]


def due_notices(conn: Connection, now: datetime, limit: int = 100) -> list[Event]:
    """The events that are to be told by now, oldest first; each stays due until it is dropped or postponed."""
    due = (
        select(events)
        .join(outbox, outbox.c.seq == events.c.seq)
        .where(outbox.c.due_at <= now)
        .order_by(outbox.c.due_at, outbox.c.seq)
        .limit(limit)
    )
    return [from_row(Event, row) for row in conn.execute(due).mappings()]


def drop_notice(conn: Connection, seq: int) -> None:
    """The event was told, or nobody wants to know; harmless when it was dropped before."""
    conn.execute(delete(outbox).where(outbox.c.seq == seq))


def postpone_notice(conn: Connection, seq: int, due_at: datetime) -> None:
    """Tell the event again, not before `due_at`."""
    conn.execute(update(outbox).where(outbox.c.seq == seq).values(due_at=due_at, tries=outbox.c.tries + 1))
