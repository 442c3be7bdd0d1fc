"""What may be asked of an account's money by hand: look, put on, take off, set aside, release. In thousandths."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection

from framemill.errors import BalanceTooLow, Conflict, NotFound
from framemill.jobs.accounts import Account, Entry
from framemill.jobs.states import ENDED_JOB, JobState
from framemill.services import audit
from framemill.services.callers import Caller
from framemill.store import ledger as rows
from framemill.store.accounts import load_account
from framemill.store.database import Database
from framemill.store.jobs import load_bare_job

RESERVED_FOR = timedelta(days=7)
"""How long something stays set aside by hand, where nothing else is said; for a job it stays until its end."""


class Ledger:
    """The money of the accounts that a caller may see. Each wish is one guarded write. Called in threads.

    All raise `NotFound` for an account that is not there or not theirs. An account without a balance is not counted:
    whatever is set aside or taken there is granted, and of what is set aside it is noted how much.
    """

    def __init__(
        self, database: Database, caller: Caller, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._database = database
        self._caller = caller
        self._clock = clock

    def account(self, account_id: str) -> Account:
        """The account, with what it has and what is reserved of it."""
        with self._database.reading() as conn:
            return self._loaded(conn, account_id)

    def reserved_in_all(self, account_id: str) -> int:
        """What is set aside of it, also where it is not counted."""
        with self._database.reading() as conn:
            self._loaded(conn, account_id)
            return rows.reserved_in_all(conn, account_id)

    def entries(self, account_id: str, limit: int, before: int | None = None) -> tuple[list[Entry], int | None]:
        """Its entries, newest first, and where to go on."""
        with self._database.reading() as conn:
            self._loaded(conn, account_id)
            found = rows.entries(conn, account_id, before, limit + 1)
        return found[:limit], found[limit - 1].seq if len(found) > limit else None

    def deposited(self, account_id: str, amount: int, note: str | None = None) -> Account:
        """Put so much on it; from then on it is counted. Raises `Forbidden` unless an admin asks."""

        def deposit(conn: Connection, now: datetime) -> None:
            self._caller.need_admin()
            rows.deposit(conn, account_id, amount, now=now, note=note)
            self._note(conn, "ledger.deposited", account_id, amount, now)

        return self._done(account_id, deposit)

    def withdrawn(self, account_id: str, amount: int, note: str | None = None) -> Account:
        """Take so much off it. Raises `Forbidden` unless an admin asks, and `BalanceTooLow`."""

        def withdraw(conn: Connection, now: datetime) -> None:
            self._caller.need_admin()
            if not rows.deduct(conn, account_id, amount, now=now, note=note):
                raise self._too_little(conn, account_id, amount)
            self._note(conn, "ledger.withdrawn", account_id, amount, now)

        return self._done(account_id, withdraw)

    def uncounted(self, account_id: str) -> Account:
        """Count no longer; what is left is gone. Raises `Forbidden` unless an admin asks."""

        def close(conn: Connection, now: datetime) -> None:
            self._caller.need_admin()
            rows.close(conn, account_id, now=now)
            self._note(conn, "ledger.closed", account_id, 0, now)

        return self._done(account_id, close)

    def reserved(self, account_id: str, reference: str, amount: int, expires_in: timedelta = RESERVED_FOR) -> Account:
        """Set so much aside under that reference, beside what is there already. Raises `BalanceTooLow`."""

        def reserve(conn: Connection, now: datetime) -> None:
            if not rows.reserve(conn, account_id, reference, amount, now=now, expires_at=now + expires_in):
                raise self._too_little(conn, account_id, amount)

        return self._done(account_id, reserve)

    def held(self, account_id: str, job_id: str, amount: int, known: int | None = None) -> Account:
        """Have so much set aside for a job, whatever was before: until it is charged, or the job ends.

        `known`: of more than that its owner has set something aside by hand, so nothing of it is released. Raises as
        `reserved` does, and `Conflict` for a job that has ended or is about to: nobody would release it any more.
        """

        def hold(conn: Connection, now: datetime) -> None:
            if not _goes_on(conn, job_id):
                raise Conflict(f"Job {job_id} has ended or is being cancelled: nothing is set aside for it.")
            self._hold(conn, account_id, job_id, amount, known, now=now)

        return self._done(account_id, hold)

    def all_held(self, account_id: str, amounts: Mapping[str, int]) -> Account:
        """The same for several jobs, by their ids, all or none of them; those that have ended are passed over."""

        def hold(conn: Connection, now: datetime) -> None:
            for job_id, amount in amounts.items():
                if _goes_on(conn, job_id):
                    self._hold(conn, account_id, job_id, amount, None, now=now)

        return self._done(account_id, hold)

    def released(self, account_id: str, reference: str, amount: int | None = None) -> Account:
        """Set aside no longer what is under that reference, or so much of it; harmless where nothing is."""

        def release(conn: Connection, now: datetime) -> None:
            rows.release(conn, account_id, reference, amount, now=now)

        return self._done(account_id, release)

    def deducted(self, account_id: str, reference: str, amount: int, note: str | None = None) -> Account:
        """Take so much, first of what is set aside under that reference. Raises `BalanceTooLow`."""

        def deduct(conn: Connection, now: datetime) -> None:
            if not rows.deduct(conn, account_id, amount, now=now, reference=reference, note=note):
                raise self._too_little(conn, account_id, amount)

        return self._done(account_id, deduct)

    def _done(self, account_id: str, change: Callable[[Connection, datetime], None]) -> Account:
        with self._database.writing() as conn:
            now = self._clock()
            self._loaded(conn, account_id)
            rows.expire(conn, now, account_id)
            change(conn, now)
            return self._loaded(conn, account_id)

    def _hold(
        self, conn: Connection, account_id: str, reference: str, amount: int, known: int | None, *, now: datetime
    ) -> None:
        before = rows.reserved_for(conn, account_id, reference)
        there = 0 if before is None else before.amount
        missing = amount - there
        if missing < 0 and known in {None, there}:
            rows.release(conn, account_id, reference, -missing, now=now)
        elif missing > 0 and not rows.reserve(conn, account_id, reference, missing, now=now):
            raise self._too_little(conn, account_id, missing)

    def _note(self, conn: Connection, action: str, account_id: str, amount: int, now: datetime) -> None:
        audit.note(conn, self._caller, action, account_id, now=now, account=account_id, amount=amount)

    def _too_little(self, conn: Connection, account_id: str, amount: int) -> BalanceTooLow:
        told = f"The account does not have {amount / 1000:g} credits left."
        return BalanceTooLow(told, amount, self._loaded(conn, account_id).available or 0)

    def _loaded(self, conn: Connection, account_id: str) -> Account:
        account = load_account(conn, account_id) if self._caller.sees in {None, account_id} else None
        if account is None:
            raise NotFound(f"There is no account {account_id!r}.")
        return account


def _goes_on(conn: Connection, job_id: str) -> bool:
    """Whether the job's end, which releases what is set aside for it, is still to come."""
    job = load_bare_job(conn, job_id)
    return job is not None and job.state not in ENDED_JOB | {JobState.CANCELLING}
