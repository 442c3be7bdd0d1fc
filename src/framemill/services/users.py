"""Users: people with a password and a role. Admins make and change them; everybody changes their own password."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection

from framemill.errors import Forbidden, NotFound
from framemill.jobs.accounts import DEFAULT_ACCOUNT, Role, User
from framemill.jobs.model import new_id
from framemill.services import audit
from framemill.services.callers import Caller
from framemill.services.passwords import fits, hashed
from framemill.store import users as rows
from framemill.store.accounts import load_account
from framemill.store.database import Database


class Users:
    """The users that a caller may see: an admin all, a user themselves. Plain functions, called in threads.

    All raise `NotFound` for a user who is not there or whom they may not see; what changes one, `Forbidden` unless an
    admin asks.
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
        password: str | None = None,
        email: str | None = None,
        role: Role = "guest",
        account: str = DEFAULT_ACCOUNT,
        metadata: dict[str, Any] | None = None,
        user_id: str | None = None,
    ) -> User:
        """A new user. Raises `Conflict` for a name or an address that is taken, `NotFound` for an unknown account.

        `user_id`: of an earlier try whose answer nobody has seen, if there was one: it is written over.
        """
        self._caller.need_admin()
        kept, now = None if password is None else hashed(password), self._clock()
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
            rows.save_user(conn, after)
            self._note(conn, "user.changed", after, changed=sorted(said))
        return after

    def password_changed(self, user_id: str, current: str, new: str) -> User:
        """Change one's own password: every session that began before is over. Raises `Forbidden` for a wrong one."""
        user = self.shown(user_id)
        if not fits(current, user.password_hash):
            raise Forbidden("The current password is another one.")
        kept, now = hashed(new), self._clock()
        with self._database.writing() as conn:
            after = self._loaded(conn, user_id).model_copy(update={"password_hash": kept, "sessions_from": now})
            rows.save_user(conn, after)
            self._note(conn, "user.password_changed", after)
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
