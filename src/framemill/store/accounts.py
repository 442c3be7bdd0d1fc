"""Accounts, and what of theirs counts against their quotas. Balance and reserves are the ledger's alone to change."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, and_, bindparam, case, delete, exists, func, insert, select, update

from framemill.errors import Conflict, StaleWrite
from framemill.jobs.accounts import Account
from framemill.jobs.states import ACTIVE_JOB
from framemill.jobs.uploads import UploadState
from framemill.policy.quotas import JobsSoFar, UploadsSoFar
from framemill.store.account_tables import accounts
from framemill.store.exchange_tables import keepsakes, uploads, webhooks
from framemill.store.rows import dialect_insert, from_row, to_row
from framemill.store.schema import jobs
from framemill.store.usage import used_on

SUBMITTED = "jobs_submitted"
UPLOADED = "uploaded_bytes"

#: Uploads whose bytes lie here, or come.
_HERE = sorted({UploadState.OPEN, UploadState.COMPLETED})
_LEDGERS = frozenset({"balance", "reserved"})


def ensure_account(conn: Connection, account_id: str, now: datetime) -> Account:
    """The account of that id, made where there is none: a door's users come without an introduction."""
    found = load_account(conn, account_id)
    if found is not None:
        return found
    fresh = Account(id=account_id, name=account_id, created_at=now)
    conn.execute(dialect_insert(conn, accounts).values(to_row(fresh, accounts)).on_conflict_do_nothing())
    return load_account(conn, account_id) or fresh


def add_account(conn: Connection, account: Account) -> None:
    """Write a new account. Raises `Conflict` where there is one of that id."""
    if load_account(conn, account.id) is not None:
        raise Conflict(f"There is an account {account.id!r} already.")
    conn.execute(insert(accounts).values(to_row(account, accounts)))


def load_account(conn: Connection, account_id: str) -> Account | None:
    """The account of that id; none where there is none."""
    row = conn.execute(_ACCOUNT, {"of_account": account_id}).mappings().first()
    return None if row is None else from_row(Account, row)


# Every job asks for its account: building a statement takes longer than executing it.
_ACCOUNT = select(accounts).where(accounts.c.id == bindparam("of_account"))


def list_accounts(conn: Connection, after: str | None, limit: int) -> list[Account]:
    """Accounts in the order of their ids, behind that one."""
    page = select(accounts).order_by(accounts.c.id).limit(limit)
    if after is not None:
        page = page.where(accounts.c.id > after)
    return [from_row(Account, row) for row in conn.execute(page).mappings()]


def limited_accounts(conn: Connection) -> dict[str, int]:
    """How many jobs of each account may be worked on at once, where its quotas say so."""
    most = accounts.c.quotas["active_jobs"].as_integer()
    return {
        row.id: int(row.most)
        for row in conn.execute(select(accounts.c.id, most.label("most")).where(most.is_not(None)))
    }


def save_account(conn: Connection, account: Account, expected_version: int) -> None:
    """Write an account over its expected version, but for its money. Raises `StaleWrite`."""
    written = {name: value for name, value in to_row(account, accounts).items() if name not in _LEDGERS}
    mine = update(accounts).where(accounts.c.id == account.id, accounts.c.version == expected_version)
    if conn.execute(mine.values(written)).rowcount != 1:
        raise StaleWrite(f"Account {account.id} is not at version {expected_version} any more: read it again.")


def remove_account(conn: Connection, account_id: str) -> None:
    """Drop an account with its keys, users, money, webhooks, keepsakes and ended jobs.

    Raises `Conflict` while something of it is under way: jobs that have not ended, or uploads.
    """
    if jobs_unfinished(conn, account_id):
        raise Conflict(f"Account {account_id} has jobs that have not ended: cancel them first.")
    here = and_(uploads.c.account == account_id, uploads.c.state.in_(_HERE))
    if conn.execute(select(exists().where(here))).scalar_one():
        raise Conflict(f"Account {account_id} has uploads: remove them first.")
    conn.execute(delete(jobs).where(jobs.c.account == account_id))
    conn.execute(delete(webhooks).where(webhooks.c.account == account_id))
    conn.execute(delete(keepsakes).where(keepsakes.c.account == account_id))
    conn.execute(delete(accounts).where(accounts.c.id == account_id))


def jobs_unfinished(conn: Connection, account_id: str) -> int:
    """How many of its jobs have not ended."""
    mine = select(func.count()).select_from(jobs)
    mine = mine.where(jobs.c.account == account_id, jobs.c.state.in_(sorted(ACTIVE_JOB)))
    return int(conn.execute(mine).scalar_one())


def jobs_so_far(conn: Connection, account_id: str, day: str) -> JobsSoFar:
    """What counts against its quotas of jobs."""
    return JobsSoFar(used_on(conn, account_id, day, SUBMITTED), jobs_unfinished(conn, account_id))


def uploads_so_far(
    conn: Connection, account_id: str, day: str, under_way: Sequence[str], without: str | None = None
) -> UploadsSoFar:
    """What counts against its quotas of uploads; `under_way`: their states while bytes come; `without`: not that one.

    What was announced and has not arrived yet counts as if it had.
    """
    going = case((uploads.c.state.in_(sorted(under_way)), 1), else_=0)
    announced = func.coalesce(uploads.c.size, 0)
    size = case((announced > uploads.c.received, announced), else_=uploads.c.received)
    mine = select(func.coalesce(func.sum(going), 0), func.coalesce(func.sum(size), 0))
    mine = mine.where(uploads.c.account == account_id, uploads.c.state.in_(_HERE))
    if without is not None:
        mine = mine.where(uploads.c.id != without)
    count, stored = conn.execute(mine).one()
    return UploadsSoFar(int(count), int(stored), used_on(conn, account_id, day, UPLOADED))
