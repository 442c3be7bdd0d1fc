"""What happened to a job, and what has still to be told."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, insert, select

from framemill.jobs.model import Event
from framemill.store.rows import from_row
from framemill.store.schema import events, jobs, outbox


def add_event(conn: Connection, job_id: str, kind: str, data: Mapping[str, Any], now: datetime) -> Event:
    """Write an event of a job and, in the same transaction, the notice that it has to be told."""
    row = {"job_id": job_id, "at": now, "kind": kind, "data": dict(data)}
    seq = conn.execute(_ADD, row).scalar_one()
    conn.execute(_TELL, {"seq": seq})
    return Event(seq=seq, job_id=job_id, at=now, kind=kind, data=dict(data))


# Built once: building a statement takes longer than executing it.
_ADD, _TELL = insert(events).returning(events.c.seq), insert(outbox)


def events_of(conn: Connection, job_id: str, after_seq: int = 0) -> list[Event]:
    """A job's events after that number, oldest first."""
    mine = select(events).where(events.c.job_id == job_id, events.c.seq > after_seq).order_by(events.c.seq)
    return [from_row(Event, row) for row in conn.execute(mine).mappings()]


def happened(conn: Connection, job_id: str, kind: str, data: Mapping[str, Any]) -> bool:
    """Whether a job has an event of that kind that says just that."""
    mine = select(events.c.data).where(events.c.job_id == job_id, events.c.kind == kind)
    return dict(data) in conn.execute(mine).scalars()


def untold(conn: Connection, limit: int = 100) -> list[Event]:
    """The events that have still to be told, oldest first; each stays so until it is dropped."""
    query = select(events).join(outbox, outbox.c.seq == events.c.seq).order_by(outbox.c.seq).limit(limit)
    return [from_row(Event, row) for row in conn.execute(query).mappings()]


def drop_untold(conn: Connection, seqs: Collection[int]) -> None:
    """The events were told, or nobody wants to know; harmless when they were dropped before."""
    conn.execute(delete(outbox).where(outbox.c.seq.in_(list(seqs))))


def events_after(conn: Connection, seq: int, limit: int, account: str | None = None) -> list[tuple[str, Event]]:
    """The events of an account's jobs (none: of all) after that number, oldest first, each with its account."""
    query = select(jobs.c.account, events).join(jobs, jobs.c.id == events.c.job_id).where(events.c.seq > seq)
    if account is not None:
        query = query.where(jobs.c.account == account)
    rows = conn.execute(query.order_by(events.c.seq).limit(limit)).mappings()
    return [(row["account"], from_row(Event, row)) for row in rows]
