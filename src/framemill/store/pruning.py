"""Drops what is only kept for a while: answers, sessions, what is reserved until a time, old lines of the audit."""

from datetime import datetime, timedelta

from sqlalchemy import Connection, delete

from framemill.store import ledger
from framemill.store.account_tables import audit, idempotency, sessions

KEEP_ANSWERS = timedelta(hours=24)
"""How long an `Idempotency-Key` is remembered."""
KEEP_SESSIONS = timedelta(days=1)
"""Behind their end; a login link must be over by then, since it is the session's row that makes it open only once."""
KEEP_AUDIT = timedelta(days=400)
"""A year, and time to look at it."""


def prune(conn: Connection, now: datetime) -> None:
    """Drop what is too old, and release what was reserved until now at most."""
    conn.execute(delete(idempotency).where(idempotency.c.created_at < now - KEEP_ANSWERS))
    conn.execute(delete(sessions).where(sessions.c.expires_at < now - KEEP_SESSIONS))
    conn.execute(delete(audit).where(audit.c.at < now - KEEP_AUDIT))
    ledger.expire(conn, now)
