"""How people become users without an admin's help: guests by themselves, and the first admin by the farm's own word."""

import hmac
from collections.abc import Callable
from datetime import UTC, datetime

from framemill.errors import Conflict, KeyRefused
from framemill.jobs.accounts import User
from framemill.services.callers import Caller
from framemill.services.limits import FailedLogins
from framemill.services.passwords import SHORTEST
from framemill.services.users import FIRST, Users
from framemill.store import users as rows
from framemill.store.database import Database

_NEWCOMER = Caller(admin=True, actor="newcomer")


class Newcomers:
    """Plain functions, called in threads.

    `first_password`: what the first admin is known by, once, to choose a password of their own; empty: there is none.
    It is a word for the door alone, and opens nothing: there is no such user before another password is chosen. Where
    there is an admin already, it means nothing.
    """

    def __init__(
        self,
        database: Database,
        first_password: str = "",
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        *,
        failed: FailedLogins | None = None,
    ) -> None:
        """`failed`: where it is counted how often somebody registers, as if it were a guess: it costs as much."""
        self._database = database
        self._first_password = first_password.encode()
        self._failed = failed or FailedLogins()
        self._users = Users(database, _NEWCOMER, clock)

    def registered(self, name: str, password: str, shortest: int = SHORTEST, place: str = "") -> User:
        """A new guest of the default account. Raises `Conflict` for a name that is taken, `WrongUse` for one that is
        none and for a password of fewer letters, `TooMany` where too many come from that place."""
        self._failed.allow(None, place)
        self._failed.failed(None, place)
        return self._users.create(name, password=password, role="guest", shortest=shortest)

    def is_first(self, name: str, password: str) -> bool:
        """Whether that is the first admin, who has yet to choose a password."""
        fits = hmac.compare_digest(password.encode(), self._first_password) and bool(self._first_password)
        if not fits or name != FIRST:
            return False
        with self._database.reading() as conn:
            return not rows.has_admin(conn)

    def claimed(self, password: str, chosen: str, shortest: int = SHORTEST) -> User:
        """The first admin, with the password that they have chosen. Raises `KeyRefused` where there is one already,
        or it is not their first password; `Conflict` where that is what they choose."""
        if not self.is_first(FIRST, password):
            raise KeyRefused("There is no user of that name with that password.")
        if chosen == password:
            raise Conflict("That is the first password: choose another.")
        return self._users.create(FIRST, password=chosen, role="admin", shortest=shortest)
