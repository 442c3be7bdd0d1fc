"""What was done with the farm, its accounts, keys and users: added to, never changed."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert, select

from framemill.jobs.accounts import Audited
from framemill.store.account_tables import audit
from framemill.store.rows import from_row


def add_audited(
    conn: Connection,
    *,
    at: datetime,
    account: str,
    actor: str,
    action: str,
    subject: str,
    request_id: str | None,
    data: Mapping[str, Any],
) -> None:
    """Write that it was done."""
    told = {"at": at, "account": account, "actor": actor, "action": action, "subject": subject}
    conn.execute(insert(audit).values(**told, request_id=request_id, data=dict(data)))


def list_audited(conn: Connection, account: str | None, before: int | None, limit: int) -> list[Audited]:
    """What was done to things of an account (none: to any), newest first, before that number."""
    page = select(audit).order_by(audit.c.seq.desc()).limit(limit)
    if account is not None:
        page = page.where(audit.c.account == account)
    if before is not None:
        page = page.where(audit.c.seq < before)
    return [from_row(Audited, row) for row in conn.execute(page).mappings()]
