"""The audit trail: who did what with the farm, its accounts, keys and users."""

import logging
from datetime import datetime
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from framemill.errors import FramemillError
from framemill.jobs.accounts import Audited
from framemill.services.callers import Caller
from framemill.store.audit import add_audited, list_audited
from framemill.store.database import Database

log = logging.getLogger(__name__)


def note(
    conn: Connection,
    caller: Caller,
    action: str,
    subject: str,
    *,
    now: datetime,
    account: str | None = None,
    **data: Any,
) -> None:
    """Write that the caller did it, beside what was done; `account`: whose the subject is (none: the caller's)."""
    add_audited(
        conn,
        at=now,
        account=caller.account if account is None else account,
        actor=caller.actor,
        action=action,
        subject=subject,
        request_id=caller.request_id,
        data={name: list(value) if isinstance(value, tuple) else value for name, value in data.items()},
    )


def noted(database: Database, caller: Caller, action: str, subject: str, *, now: datetime, **data: Any) -> None:
    """The same of what was done elsewhere, and is done: a store that takes no writes is logged, and nothing raised."""
    try:
        with database.writing() as conn:
            note(conn, caller, action, subject, now=now, **data)
    except (FramemillError, SQLAlchemyError) as error:
        log.warning("%s did %s to %s: %s", caller.actor, action, subject, error, extra={"action": "not_audited"})


def listed(
    database: Database, caller: Caller, limit: int, before: int | None = None, account: str | None = None
) -> tuple[list[Audited], int | None]:
    """What was done, newest first, and where to go on. Raises `Forbidden` unless an admin asks."""
    caller.need_admin()
    with database.reading() as conn:
        found = list_audited(conn, account, before, limit + 1)
    return found[:limit], found[limit - 1].seq if len(found) > limit else None
