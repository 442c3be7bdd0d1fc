"""What may be asked of an account's money by hand: look, put on, take off, set aside, release. In thousandths."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection

from framemill.errors import Forbidden, NotFound
from framemill.jobs.accounts import Account, Entry
from framemill.services import audit
from framemill.services.callers import Caller
from framemill.store import ledger as rows
from framemill.store.accounts import load_account
from framemill.store.database import Database

RESERVED_FOR = timedelta(days=7)
"""How long something stays set aside by hand, where nothing else is said; for a job it stays until its end."""


class Ledger:
    """The money of the accounts that a caller may see. Each wish is one guarded write. Called in threads.

    All raise `NotFound` for an account that is not there or not theirs. An account without a balance is not counted:
    whatever is set aside or taken there is granted, and nothing is written.
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
        """Take so much off it. Raises `Forbidden` unless an admin asks, and where it is not there."""

        def withdraw(conn: Connection, now: datetime) -> None:
            self._caller.need_admin()
            if not rows.deduct(conn, account_id, amount, now=now, note=note):
                raise _too_little(amount)
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
        """Set so much aside under that reference, beside what is there already. Raises `Forbidden` where it is not."""

        def reserve(conn: Connection, now: datetime) -> None:
            if not rows.reserve(conn, account_id, reference, amount, now=now, expires_at=now + expires_in):
                raise _too_little(amount)

        return self._done(account_id, reserve)

    def released(self, account_id: str, reference: str, amount: int | None = None) -> Account:
        """Set aside no longer what is under that reference, or so much of it; harmless where nothing is."""

        def release(conn: Connection, now: datetime) -> None:
            rows.release(conn, account_id, reference, amount, now=now)

        return self._done(account_id, release)

    def deducted(self, account_id: str, reference: str, amount: int, note: str | None = None) -> Account:
        """Take so much, first of what is set aside under that reference. Raises `Forbidden` where it is not there."""

        def deduct(conn: Connection, now: datetime) -> None:
            if not rows.deduct(conn, account_id, amount, now=now, reference=reference, note=note):
                raise _too_little(amount)

        return self._done(account_id, deduct)

    def _done(self, account_id: str, change: Callable[[Connection, datetime], None]) -> Account:
        with self._database.writing() as conn:
            now = self._clock()
            self._loaded(conn, account_id)
            rows.expire(conn, now, account_id)
            change(conn, now)
            return self._loaded(conn, account_id)

    def _note(self, conn: Connection, action: str, account_id: str, amount: int, now: datetime) -> None:
        audit.note(conn, self._caller, action, account_id, now=now, account=account_id, amount=amount)

    def _loaded(self, conn: Connection, account_id: str) -> Account:
        account = load_account(conn, account_id) if self._caller.sees in {None, account_id} else None
        if account is None:
            raise NotFound(f"There is no account {account_id!r}.")
        return account


def _too_little(amount: int) -> Forbidden:
    return Forbidden(f"The account does not have {amount / 1000:g} credits left.")
