"""Logging in: a password or a one-time link becomes a token that is good for an hour and can be made to last.

A token is a JSON web token (HS256) whose session stands in the store, so that it can be ended before its time: by
logging out, by another password, by disabling its user. A user's role is read anew each time; no token carries it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import jwt
from sqlalchemy import Connection

from framemill.errors import Forbidden, KeyRefused, LinkExpired
from framemill.jobs.accounts import Account, Session, User
from framemill.jobs.model import new_id
from framemill.sealing import Seals
from framemill.services import audit
from framemill.services.callers import ADMIN, ROLE_SCOPES, Caller
from framemill.services.invitations import LINK_SECONDS, PURPOSE, login_link
from framemill.services.limits import FailedLogins
from framemill.services.passwords import fits, hashed, is_outdated
from framemill.store import users as rows
from framemill.store.accounts import load_account
from framemill.store.database import Database

TOKEN_LASTS = timedelta(hours=1)
SESSION_LASTS = timedelta(days=14)
"""How long a session can be refreshed."""

_ALGORITHM = "HS256"
_ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Opened:
    """A session, and what opens the farm in its name."""

    session: Session
    token: str
    token_expires_at: datetime
    refresh_token: str
    """For another token, as long as the session lasts."""
    caller: Caller


class Sessions:
    """Sessions over the store. Plain functions, called in threads. `failed`: who has guessed passwords."""

    def __init__(
        self,
        database: Database,
        seals: Seals,
        *,
        failed: FailedLogins | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._database = database
        self._seals = seals
        self._key = seals.key("session")
        self.failed = failed or FailedLogins()
        self._clock = clock

    def opened(self, name: str, password: str, place: str = "") -> Opened:
        """Log in by name or address; `place`: the client's address. Raises `KeyRefused`, `Forbidden` and `TooMany`."""
        self.failed.allow(name, place)
        with self._database.reading() as conn:
            user = rows.find_user(conn, name)
        if not fits(password, None if user is None else user.password_hash) or user is None:
            self.failed.failed(name, place)
            raise KeyRefused("There is no user of that name with that password.")
        outdated = user.password_hash is not None and is_outdated(user.password_hash)
        fresh = user.model_copy(update={"password_hash": hashed(password)}) if outdated else None
        with self._database.writing() as conn:
            if fresh is not None:
                rows.save_user(conn, fresh)
            return self._begun(conn, new_id(), f"user:{user.id}")

    def refreshed(self, refresh_token: str) -> Opened:
        """Another token of the same session. Raises `KeyRefused` and `Forbidden` as `caller_of` does."""
        session, caller = self._read(refresh_token, "refresh")
        return self._tokens(session, caller)

    def ended(self, token: str) -> None:
        """Log out: none of this session's tokens is good any more. Raises `KeyRefused` for one that was none."""
        session, caller = self._read(token, "access", "refresh")
        with self._database.writing() as conn:
            if rows.end_session(conn, session.id, self._clock()):
                audit.note(conn, caller, "session.ended", session.id, now=self._clock())

    def caller_of(self, token: str) -> tuple[Caller, Account]:
        """Whose token that is, and their account. Raises `KeyRefused`, and `Forbidden` for a suspended account."""
        return self.caller_in(self._claimed(token, "access"))

    def caller_in(self, session_id: str) -> tuple[Caller, Account]:
        """Whose session that is, for doors that sign tokens of their own. Raises as `caller_of` does."""
        with self._database.reading() as conn:
            _, caller = self._living(conn, session_id)
            account = load_account(conn, caller.account)
        if account is None:
            raise _over()
        return caller, account

    def login_link(self, subject: str = _ADMIN) -> str:
        """A token for a link that logs in once, within ten minutes: `admin`, or `user:ID`."""
        return login_link(self._seals, subject)

    def redeemed(self, link: str) -> Opened:
        """Log in by such a token. Raises `LinkExpired` for one that is too old or was used, else `KeyRefused`."""
        told = self._seals.read(PURPOSE, link, seconds=LINK_SECONDS)
        with self._database.writing() as conn:
            return self._begun(conn, told["id"], told["subject"])

    def _begun(self, conn: Connection, session_id: str, subject: str) -> Opened:
        now = self._clock()
        session = Session(id=session_id, subject=subject, created_at=now, expires_at=now + SESSION_LASTS)
        caller = self._caller(conn, session)
        # The session has the link's id: it is there at most once.
        if not rows.add_session(conn, session):
            raise LinkExpired("This link was used already: ask for a new one.")
        audit.note(conn, caller, "session.begun", session.id, now=now)
        return self._tokens(session, caller)

    def _tokens(self, session: Session, caller: Caller) -> Opened:
        now = self._clock()
        expires = min(now + TOKEN_LASTS, session.expires_at)
        token = self._signed(session, "access", expires)
        return Opened(session, token, expires, self._signed(session, "refresh", session.expires_at), caller)

    def _signed(self, session: Session, use: Literal["access", "refresh"], expires: datetime) -> str:
        claims = {"sid": session.id, "sub": session.subject, "use": use, "iat": self._clock(), "exp": expires}
        return jwt.encode({**claims, "jti": new_id()}, self._key, _ALGORITHM)

    def _read(self, token: str, *uses: Literal["access", "refresh"]) -> tuple[Session, Caller]:
        session_id = self._claimed(token, *uses)
        with self._database.reading() as conn:
            return self._living(conn, session_id)

    def _claimed(self, token: str, *uses: Literal["access", "refresh"]) -> str:
        """The session that a token of ours is of."""
        try:
            # The time is ours to compare: it is a value here, too.
            claims: dict[str, Any] = jwt.decode(
                token,
                self._key,
                [_ALGORITHM],
                options={"require": ["sid", "use", "exp"], "verify_exp": False, "verify_iat": False},
            )
        except jwt.InvalidTokenError:
            raise _over() from None
        if claims["use"] not in uses or claims["exp"] <= self._clock().timestamp():
            raise _over()
        session_id: str = claims["sid"]
        return session_id

    def _living(self, conn: Connection, session_id: str) -> tuple[Session, Caller]:
        session = rows.load_session(conn, session_id)
        if session is None or session.ended_at is not None or session.expires_at <= self._clock():
            raise _over()
        return session, self._caller(conn, session)

    def _caller(self, conn: Connection, session: Session) -> Caller:
        if session.subject == _ADMIN:
            return ADMIN
        user = rows.load_user(conn, session.subject.removeprefix("user:"))
        if user is None or user.disabled_at is not None or session.created_at < user.sessions_from:
            raise _over()
        account = load_account(conn, user.account)
        if account is None or account.state == "suspended":
            raise Forbidden("The account is suspended: ask whoever runs the farm.")
        return caller_for(user)


def caller_for(user: User) -> Caller:
    """What a user may do, by their role."""
    return Caller(
        account=user.account,
        scopes=ROLE_SCOPES[user.role],
        admin=user.role == "admin",
        actor=f"user:{user.id}",
    )


def _over() -> KeyRefused:
    return KeyRefused("The session is over, or was none: log in again.")
