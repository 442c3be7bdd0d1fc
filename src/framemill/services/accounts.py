"""Accounts: made, looked at, changed, suspended, removed by admins; and what their quotas say to a job or an upload."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection

from framemill.errors import BalanceTooLow, Conflict, Forbidden, NotFound
from framemill.jobs.accounts import DEFAULT_ACCOUNT, Account, Quotas
from framemill.jobs.model import Job, new_id
from framemill.policy import quotas as policy
from framemill.services import audit
from framemill.services.callers import Caller
from framemill.store import accounts as rows
from framemill.store import ledger
from framemill.store.database import Database
from framemill.store.material import material_so_far
from framemill.store.usage import add_used


class Accounts:
    """The accounts that a caller may see: an admin all, anybody else their own. Plain functions, called in threads.

    All raise `NotFound` for an account that is not there or not theirs; whatever changes one raises `Forbidden` unless
    an admin asks.
    """

    def __init__(
        self, database: Database, caller: Caller, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._database = database
        self._caller = caller
        self._clock = clock

    def create(
        self,
        name: str,
        *,
        account_id: str | None = None,
        quotas: Quotas | None = None,
        balance: int | None = None,
        metadata: dict[str, Any] | None = None,
        made_id: str | None = None,
    ) -> Account:
        """A new account. `made_id`: the id where none is named; found again by the same request, tried twice.

        `balance`: thousandths of a credit; none: nobody counts. Raises `Conflict` for an id that is taken.
        """
        self._caller.need_admin()
        now = self._clock()
        account = Account(
            id=account_id or made_id or new_id(),
            name=name,
            quotas=quotas or Quotas(),
            created_at=now,
            metadata=metadata or {},
        )
        with self._database.writing() as conn:
            known = rows.load_account(conn, account.id)
            if known is not None and account.id == made_id:
                return known
            rows.add_account(conn, account)
            if balance is not None:
                ledger.deposit(conn, account.id, balance, now=now, note="opening balance")
            audit.note(conn, self._caller, "account.created", account.id, now=now, account=account.id, name=name)
            return rows.load_account(conn, account.id) or account

    def listed(self, limit: int, cursor: str | None = None) -> tuple[Sequence[Account], str | None]:
        """Accounts by id, and where to go on."""
        with self._database.reading() as conn:
            if self._caller.sees is not None:
                own = rows.load_account(conn, self._caller.sees)
                return ([] if own is None else [own]), None
            found = rows.list_accounts(conn, cursor, limit + 1)
        return found[:limit], found[limit - 1].id if len(found) > limit else None

    def shown(self, account_id: str) -> Account:
        """One account."""
        with self._database.reading() as conn:
            return self._loaded(conn, account_id)

    def changed(self, account_id: str, **changes: Any) -> Account:
        """Change `name`, `state`, `quotas` (of which only what is named, as a mapping) or `metadata`."""
        now = self._clock()
        with self._database.writing() as conn:
            account = self._loaded(conn, account_id)
            self._caller.need_admin()
            said = dict(changes)
            if "quotas" in said:
                said["quotas"] = Quotas.model_validate({**account.quotas.model_dump(), **said["quotas"]})
            if said.get("state") == "suspended" and account_id == DEFAULT_ACCOUNT:
                raise Conflict("The default account is the farm's owner's: it is not suspended.")
            after = Account.model_validate({**dict(account), **said, "version": account.version + 1})
            rows.save_account(conn, after, account.version)
            audit.note(
                conn, self._caller, "account.changed", account_id, now=now, account=account_id, changed=sorted(said)
            )
        return after

    def removed(self, account_id: str) -> None:
        """Drop an account with all its keys, users, money and ended jobs. Raises `Conflict` while one has not ended."""
        with self._database.writing() as conn:
            self._loaded(conn, account_id)
            self._caller.need_admin()
            if account_id == DEFAULT_ACCOUNT:
                raise Conflict("The default account is there from the start, and stays.")
            rows.remove_account(conn, account_id)
            audit.note(conn, self._caller, "account.removed", account_id, now=self._clock(), account=account_id)

    def _loaded(self, conn: Connection, account_id: str) -> Account:
        account = rows.load_account(conn, account_id) if self._caller.sees in {None, account_id} else None
        if account is None:
            raise NotFound(f"There is no account {account_id!r}.")
        return account


def ensure_account(
    database: Database, account_id: str, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
) -> Account:
    """The account of that id, made where there is none yet: a door's own users (`media:…`) come unannounced."""
    with database.reading() as conn:
        found = rows.load_account(conn, account_id)
    if found is not None:
        return found
    with database.writing() as conn:
        return rows.ensure_account(conn, account_id, clock())


def admit_job(conn: Connection, caller: Caller, job: Job, *, outputs: int, estimate: int | None, now: datetime) -> Job:
    """The job within its account's limits, counted, its estimate reserved; asked in the transaction that adds it.

    `estimate`: thousandths of a credit; none: nobody can tell yet, and then some balance has to be there.
    Raises `Forbidden`, `QuotaExceeded` and `TooMany` for what the quotas do not allow (an admin's are not asked), and
    `BalanceTooLow` where the account cannot pay.
    """
    account = rows.ensure_account(conn, job.account, now)
    if account.state == "suspended":
        raise Forbidden("The account is suspended: ask whoever runs the farm.")
    day = policy.day_of(now)
    if not caller.admin and account.quotas != Quotas():
        so_far = rows.jobs_so_far(conn, job.account, day)
        policy.allow_job(account.quotas, so_far, priority=job.priority, outputs=outputs, now=now)
        if policy.limits_material(account.quotas):
            policy.allow_material(account.quotas, material_so_far(conn, job.account, now))
        job = job.model_copy(update={"limits": policy.tightened(job.limits, account.quotas)})
    if account.balance is not None:
        _set_aside(conn, account, job, estimate, now)
    add_used(conn, job.account, day, {rows.SUBMITTED: 1})
    return job


def _set_aside(conn: Connection, account: Account, job: Job, estimate: int | None, now: datetime) -> None:
    ledger.expire(conn, now, account.id)
    if estimate is None:
        if not ledger.can_pay(conn, account.id, job.id, 1):
            raise BalanceTooLow("The account has no credits left: add some first.", 1, account.available or 0)
        return
    most = estimate if job.limits.max_spend is None else min(estimate, job.limits.max_spend)
    if not ledger.reserve(conn, account.id, job.id, most, now=now):
        told = f"The job costs about {most / 1000:g} credits, more than the account has left."
        raise BalanceTooLow(told, most, account.available or 0)


def within_quotas(conn: Connection, caller: Caller, job: Job) -> Job:
    """A changed job within its account's limits. Raises `Forbidden` for a priority that is too high."""
    account = rows.load_account(conn, job.account)
    if caller.admin or account is None:
        return job
    policy.allow_priority(account.quotas, job.priority)
    return job.model_copy(update={"limits": policy.tightened(job.limits, account.quotas)})


def admit_upload(
    conn: Connection,
    caller: Caller,
    *,
    size: int | None,
    under_way: Sequence[str],
    now: datetime,
    upload_id: str | None = None,
) -> None:
    """Ask whether the caller's account may upload so many bytes; in the transaction that adds the upload.

    `under_way`: the states of uploads whose bytes still come; `upload_id`: one that is known already, asked for again
    with what has arrived of it. Raises `TooLarge`, `TooMany` and `Forbidden`; an admin's quotas are not asked.
    """
    account = rows.ensure_account(conn, caller.account, now)
    if account.state == "suspended":
        raise Forbidden("The account is suspended: ask whoever runs the farm.")
    if caller.admin or account.quotas == Quotas():
        return
    so_far = rows.uploads_so_far(conn, account.id, policy.day_of(now), under_way, upload_id)
    policy.allow_upload(account.quotas, so_far, size, now)


def count_upload(conn: Connection, account_id: str, size: int, now: datetime) -> None:
    """So many bytes were uploaded; in the transaction that ends the upload."""
    add_used(conn, account_id, policy.day_of(now), {rows.UPLOADED: size})
