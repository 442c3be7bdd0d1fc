"""Users: people with a password and a role. Admins make and change them; everybody changes their own password."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection

from framemill.errors import Conflict, Forbidden, NotFound, WrongUse
from framemill.jobs.accounts import DEFAULT_ACCOUNT, Role, User
from framemill.jobs.model import new_id
from framemill.services import audit
from framemill.services.callers import Caller
from framemill.services.limits import FailedLogins
from framemill.services.passwords import SHORTEST, fits, hashed
from framemill.store import users as rows
from framemill.store.accounts import load_account
from framemill.store.database import Database

FIRST = "admin"
"""Name of the first admin, which no one else may take, however it is written."""


class Users:
    """The users that a caller may see: an admin all, a user themselves. Plain functions, called in threads.

    All raise `NotFound` for a user who is not there or whom they may not see; what changes one, `Forbidden` unless an
    admin asks. A new name raises `WrongUse` where it is none that can be read, and `Conflict` for that of the first
    admin, unless it is an admin's.
    """

    def __init__(
        self,
        database: Database,
        caller: Caller,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        *,
        failed: FailedLogins | None = None,
    ) -> None:
        """`failed`: who has guessed passwords, wherever they did."""
        self._database = database
        self._caller = caller
        self._clock = clock
        self._failed = failed or FailedLogins()

    def create(
        self,
        name: str,
        *,
        password: str | None = None,
        email: str | None = None,
        role: Role = "guest",
        account: str = DEFAULT_ACCOUNT,
        metadata: dict[str, Any] | None = None,
        user_id: str | None = None,
        shortest: int = SHORTEST,
    ) -> User:
        """A new user. Raises `Conflict` for a name or an address that is taken, `NotFound` for an unknown account.

        `user_id`: of an earlier try whose answer nobody has seen, if there was one: it is written over. `shortest`:
        letters that a password has at the least.
        """
        self._caller.need_admin()
        _require_name(name, role)
        kept, now = None if password is None else hashed(password, shortest), self._clock()
        user = User(
            id=user_id or new_id(),
            account=account,
            name=name,
            email=email,
            role=role,
            password_hash=kept,
            sessions_from=now,
            created_at=now,
            metadata=metadata or {},
        )
        with self._database.writing() as conn:
            if load_account(conn, account) is None:
                raise NotFound(f"There is no account {account!r}.")
            rows.save_user(conn, user)
            self._note(conn, "user.created", user, name=name, role=role)
        return user

    def listed(self, limit: int, cursor: str | None = None) -> tuple[Sequence[User], str | None]:
        """All users, newest first, and where to go on. Raises `Forbidden` unless an admin asks."""
        self._caller.need_admin()
        with self._database.reading() as conn:
            found = rows.list_users(conn, None, cursor, limit + 1)
        return found[:limit], found[limit - 1].id if len(found) > limit else None

    def paged(self, offset: int, limit: int, *, last: str | None = None) -> tuple[Sequence[User], int]:
        """So many users, newest first, after those that are passed over, with the one of the id `last` last; and how
        many there are of all. Raises likewise."""
        self._caller.need_admin()
        with self._database.reading() as conn:
            return rows.page_of_users(conn, offset, limit, last=last), rows.count_users(conn)

    def ids(self, *, but: str | None = None) -> Sequence[str]:
        """Those of all users but that one, oldest first. Raises likewise."""
        self._caller.need_admin()
        with self._database.reading() as conn:
            return rows.user_ids(conn, but=but)

    def first(self) -> User:
        """The first admin, by their name: a user of that name who is no admin, as there may be from before, is not.
        Raises `NotFound` as long as there is none, and `Forbidden` unless an admin asks."""
        self._caller.need_admin()
        with self._database.reading() as conn:
            found = rows.find_user(conn, FIRST)
        if found is None or (found.name, found.role) != (FIRST, "admin"):
            raise NotFound("Nobody is the first admin yet.")
        return found

    def shown(self, user_id: str) -> User:
        """One user."""
        with self._database.reading() as conn:
            return self._loaded(conn, user_id)

    def changed(self, user_id: str, *, disabled: bool | None = None, **changes: Any) -> User:
        """Change `name`, `email`, `role`, `account`, `metadata` or `password`; a disabled user is logged out."""
        said = dict(changes)
        self._caller.need_admin()
        if "password" in said:
            said["password_hash"] = hashed(said.pop("password"))
        now = self._clock()
        with self._database.writing() as conn:
            user = self._loaded(conn, user_id)
            if load_account(conn, said.get("account", user.account)) is None:
                raise NotFound(f"There is no account {said['account']!r}.")
            if disabled is not None:
                said["disabled_at"] = (user.disabled_at or now) if disabled else None
            if "password_hash" in said or disabled:
                said["sessions_from"] = now
            after = User.model_validate({**dict(user), **said})
            if after.name != user.name:
                _require_name(after.name, after.role)
            rows.save_user(conn, after)
            self._note(conn, "user.changed", after, changed=sorted(said))
        return after

    def changed_by_themselves(
        self,
        user_id: str,
        current: str,
        *,
        password: str | None = None,
        name: str | None = None,
        shortest: int = SHORTEST,
        place: str = "",
    ) -> User:
        """Change one's own password, or name; another password ends every session that began before. `place`: the
        client's address.

        Raises `Forbidden` where `current` is not their password, `TooMany` where too many were not, `Conflict` for a
        name that is taken.
        """
        user = self.shown(user_id)
        self._failed.allow(user.name, place)
        if not fits(current, user.password_hash):
            self._failed.failed(user.name, place)
            raise Forbidden("The current password is another one.")
        if name is not None and name != user.name:
            _require_name(name, user.role)
        changes: dict[str, Any] = {} if name is None else {"name": name}
        if password is not None:
            changes |= {"password_hash": hashed(password, shortest), "sessions_from": self._clock()}
        with self._database.writing() as conn:
            after = User.model_validate({**dict(self._loaded(conn, user_id)), **changes})
            rows.save_user(conn, after)
            self._note(conn, "user.renamed" if password is None else "user.password_changed", after)
        return after

    def removed(self, user_id: str) -> None:
        """Drop a user; what they made stays their account's."""
        self._caller.need_admin()
        with self._database.writing() as conn:
            user = self._loaded(conn, user_id)
            rows.remove_user(conn, user_id)
            self._note(conn, "user.removed", user, name=user.name)

    def _note(self, conn: Connection, action: str, user: User, **data: Any) -> None:
        audit.note(conn, self._caller, action, user.id, now=self._clock(), account=user.account, **data)

    def _loaded(self, conn: Connection, user_id: str) -> User:
        mine = self._caller.admin or self._caller.actor == f"user:{user_id}"
        user = rows.load_user(conn, user_id) if mine else None
        if user is None:
            raise NotFound(f"There is no user {user_id!r}.")
        return user


def _require_name(name: str, role: Role) -> None:
    if not name.isprintable() or name != name.strip() or not name:
        raise WrongUse("A name is of letters that can be seen, and neither begins nor ends with a blank.")
    if name.casefold() == FIRST and role != "admin":
        raise Conflict(f"The name {FIRST} is the first admin's: choose another.")
