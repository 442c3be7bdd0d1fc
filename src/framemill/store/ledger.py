"""The money of accounts, in thousandths of a credit. Every change is one guarded write with one entry beside it.

Entries are only added, so the balance of an account is the sum of its entries' amounts, and what is reserved of it the
sum of theirs, at any time, whoever was killed. An account without a balance is not counted: it may do everything, and
no entry is written; what is set aside of it is only noted.
"""

from datetime import datetime

from sqlalchemy import ColumnElement, Connection, and_, delete, insert, select, true, update

from framemill.errors import NotFound
from framemill.jobs.accounts import Entry, EntryKind, Reservation
from framemill.store.account_tables import accounts, ledger, reservations
from framemill.store.rows import dialect_insert, from_row


def deposit(
    conn: Connection, account: str, amount: int, *, now: datetime, reference: str | None = None, note: str | None = None
) -> None:
    """Put so much on an account; the first deposit, be it 0, begins the counting. Raises `NotFound`."""
    begin = update(accounts).where(accounts.c.id == account, accounts.c.balance.is_(None))
    if conn.execute(begin.values(balance=0)).rowcount:
        conn.execute(delete(reservations).where(reservations.c.account == account))
    if not _changed(conn, account, "deposit", amount, 0, reference=reference, note=note, now=now):
        raise NotFound(f"There is no account {account!r}.")


def close(conn: Connection, account: str, *, now: datetime) -> None:
    """Count no longer: what was reserved is released, and what was left is gone."""
    for held in _reserved(conn, account):
        release(conn, account, held.reference, now=now)
    left = conn.execute(select(accounts.c.balance).where(accounts.c.id == account)).scalar()
    if left is not None:
        _changed(conn, account, "close", -left, 0, now=now)
        conn.execute(update(accounts).where(accounts.c.id == account).values(balance=None))


def deduct(
    conn: Connection,
    account: str,
    amount: int,
    *,
    now: datetime,
    reference: str | None = None,
    note: str | None = None,
    kind: EntryKind = "deduct",
) -> bool:
    """Take so much from an account: first from what is reserved under that reference, the rest from what is free.

    False, and nothing taken, where that is not there.
    """
    held = 0 if reference is None else _amount(conn, account, reference)
    mine = min(held, amount)
    there = accounts.c.balance - accounts.c.reserved + mine >= amount
    if _changed(conn, account, kind, -amount, -mine, there, reference=reference, note=note, now=now):
        _hold(conn, account, reference, held - mine)
        return True
    if counts(conn, account):
        return False
    _hold(conn, account, reference, held - mine)
    return True


def charge(conn: Connection, account: str, job_id: str, amount: int, *, now: datetime) -> bool:
    """Take what an output of a job costs. False, and nothing taken, where the account does not have it."""
    return deduct(conn, account, amount, reference=job_id, kind="charge", now=now)


def can_pay(conn: Connection, account: str, reference: str, amount: int) -> bool:
    """Whether so much is there for that reference: what is reserved for it, and what is free."""
    free = conn.execute(select(accounts.c.balance - accounts.c.reserved).where(accounts.c.id == account)).scalar()
    return free is None or free + _amount(conn, account, reference) >= amount


def refund(conn: Connection, account: str, job_id: str, amount: int, *, now: datetime) -> None:
    """Give back what a job was charged."""
    if amount:
        _changed(conn, account, "refund", amount, 0, reference=job_id, now=now)


def reserve(
    conn: Connection, account: str, reference: str, amount: int, *, now: datetime, expires_at: datetime | None = None
) -> bool:
    """Set so much aside, beside what is set aside under that reference already.

    False, and nothing set aside, where that is not there.
    """
    there = accounts.c.balance - accounts.c.reserved >= amount
    reserved = _changed(conn, account, "reserve", 0, amount, there, reference=reference, now=now)
    if not reserved and counts(conn, account):
        return False
    statement = dialect_insert(conn, reservations)
    row = {"account": account, "reference": reference, "amount": amount, "created_at": now, "expires_at": expires_at}
    more = statement.values(row).on_conflict_do_update(
        index_elements=["account", "reference"],
        set_={"amount": reservations.c.amount + amount, "expires_at": expires_at},
    )
    conn.execute(more)
    return True


def reserve_up_to(conn: Connection, account: str, reference: str, wanted: int, *, now: datetime) -> int:
    """Have so much set aside under that reference, or as much as there is; what is missing."""
    free = conn.execute(select(accounts.c.balance - accounts.c.reserved).where(accounts.c.id == account)).scalar()
    if free is None:
        return 0
    more = max(wanted - _amount(conn, account, reference), 0)
    mine = min(more, max(int(free), 0))
    if mine:
        reserve(conn, account, reference, mine, now=now)
    return more - mine


def release(
    conn: Connection,
    account: str,
    reference: str,
    amount: int | None = None,
    *,
    now: datetime,
    kind: EntryKind = "release",
) -> int:
    """Set aside no longer what is under that reference, or so much of it; how much that was."""
    held = _amount(conn, account, reference)
    mine = held if amount is None else min(amount, held)
    if mine:
        _changed(conn, account, kind, 0, -mine, reference=reference, now=now)
    if amount is None or mine:
        _hold(conn, account, reference, held - mine)
    return mine


def expire(conn: Connection, now: datetime, account: str | None = None) -> int:
    """Release what was reserved until now at most, of an account (none: of all); how many reservations that were."""
    due = select(reservations.c.account, reservations.c.reference).where(reservations.c.expires_at <= now)
    if account is not None:
        due = due.where(reservations.c.account == account)
    found = conn.execute(due).all()
    for row in found:
        release(conn, row.account, row.reference, now=now, kind="expire")
    return len(found)


def counts(conn: Connection, account: str) -> bool:
    """Whether the account has a balance at all."""
    return conn.execute(select(accounts.c.balance).where(accounts.c.id == account)).scalar() is not None


def entries(conn: Connection, account: str, before: int | None, limit: int) -> list[Entry]:
    """The account's entries, newest first, before that one."""
    page = select(ledger).where(ledger.c.account == account).order_by(ledger.c.seq.desc()).limit(limit)
    if before is not None:
        page = page.where(ledger.c.seq < before)
    return [from_row(Entry, row) for row in conn.execute(page).mappings()]


def reserved_in_all(conn: Connection, account: str) -> int:
    """What is set aside of an account under any reference, also where it is not counted."""
    return sum(held.amount for held in _reserved(conn, account))


def reserved_for(conn: Connection, account: str, reference: str) -> Reservation | None:
    """What is reserved under that reference; none: nothing."""
    row = conn.execute(select(reservations).where(_under(account, reference))).mappings().first()
    return None if row is None else from_row(Reservation, row)


def _changed(  # noqa: PLR0917
    conn: Connection,
    account: str,
    kind: EntryKind,
    amount: int,
    reserved: int,
    there: ColumnElement[bool] | None = None,
    *,
    now: datetime,
    reference: str | None = None,
    note: str | None = None,
) -> bool:
    mine = and_(accounts.c.id == account, accounts.c.balance.is_not(None), true() if there is None else there)
    change = update(accounts).where(mine).values(
        balance=accounts.c.balance + amount, reserved=accounts.c.reserved + reserved
    )  # fmt: skip
    after = conn.execute(change.returning(accounts.c.balance)).scalar()
    if after is None:
        return False
    told = {"account": account, "at": now, "kind": kind, "amount": amount, "reserved": reserved}
    conn.execute(insert(ledger).values(**told, balance_after=after, reference=reference, note=note))
    return True


def _hold(conn: Connection, account: str, reference: str | None, amount: int) -> None:
    if reference is None:
        return
    if amount:
        conn.execute(update(reservations).where(_under(account, reference)).values(amount=amount))
    else:
        conn.execute(delete(reservations).where(_under(account, reference)))


def _amount(conn: Connection, account: str, reference: str) -> int:
    return conn.execute(select(reservations.c.amount).where(_under(account, reference))).scalar() or 0


def _reserved(conn: Connection, account: str) -> list[Reservation]:
    mine = select(reservations).where(reservations.c.account == account)
    return [from_row(Reservation, row) for row in conn.execute(mine).mappings()]


def _under(account: str, reference: str) -> ColumnElement[bool]:
    return and_(reservations.c.account == account, reservations.c.reference == reference)
