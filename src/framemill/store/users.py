"""Users and their sessions."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, delete, func, or_, select, update

from framemill.errors import Conflict
from framemill.jobs.accounts import Session, User
from framemill.store.account_tables import sessions, users
from framemill.store.rows import dialect_insert, from_row, to_row, upsert


def save_user(conn: Connection, user: User) -> None:
    """Write a user, new or over the one of that id. Raises `Conflict` where another has the name or the address that
    this one comes by, as either: people log in by both."""
    before = conn.execute(select(users.c.name, users.c.email).where(users.c.id == user.id)).first()
    new = {user.name, user.email} - {None, *(before or ())}
    same = or_(users.c.name.in_(new), users.c.email.in_(new))
    if new and conn.execute(select(users.c.id).where(same, users.c.id != user.id)).first() is not None:
        raise Conflict("Another user has that name or that address.")
    upsert(conn, users, [user])


def load_user(conn: Connection, user_id: str) -> User | None:
    """The user of that id."""
    row = conn.execute(select(users).where(users.c.id == user_id)).mappings().first()
    return None if row is None else from_row(User, row)


def find_user(conn: Connection, name: str) -> User | None:
    """The user of that name, else of that address."""
    for column in (users.c.name, users.c.email):
        row = conn.execute(select(users).where(column == name)).mappings().first()
        if row is not None:
            return from_row(User, row)
    return None


def has_admin(conn: Connection) -> bool:
    """Whether any user is an admin."""
    return conn.execute(select(users.c.id).where(users.c.role == "admin").limit(1)).first() is not None


def list_users(conn: Connection, account: str | None, before: str | None, limit: int) -> Sequence[User]:
    """Users of an account (none: of all), newest first."""
    page = select(users).order_by(users.c.id.desc()).limit(limit)
    if account is not None:
        page = page.where(users.c.account == account)
    if before is not None:
        page = page.where(users.c.id < before)
    return [from_row(User, row) for row in conn.execute(page).mappings()]


def page_of_users(conn: Connection, offset: int, limit: int, *, last: str | None) -> Sequence[User]:
    """So many users of all accounts after those that are passed over, newest first; the one of the id `last` comes
    last."""
    page = select(users).order_by(users.c.id == last, users.c.id.desc()).offset(offset).limit(limit)
    return [from_row(User, row) for row in conn.execute(page).mappings()]


def count_users(conn: Connection) -> int:
    """How many there are of all."""
    counted: int = conn.execute(select(func.count()).select_from(users)).scalar_one()
    return counted


def user_ids(conn: Connection, *, but: str | None) -> Sequence[str]:
    """The ids of all users but that one, oldest first."""
    return conn.execute(select(users.c.id).where(users.c.id != (but or "")).order_by(users.c.id)).scalars().all()


def remove_user(conn: Connection, user_id: str) -> bool:
    """Drop a user and their sessions; False where there is none."""
    conn.execute(delete(sessions).where(sessions.c.subject == f"user:{user_id}"))
    return conn.execute(delete(users).where(users.c.id == user_id)).rowcount == 1


def add_session(conn: Connection, session: Session) -> bool:
    """Write a new session; False, and nothing written, where there is or was one of that id."""
    first = dialect_insert(conn, sessions).values(to_row(session, sessions)).on_conflict_do_nothing()
    return conn.execute(first.returning(sessions.c.id)).first() is not None


def load_session(conn: Connection, session_id: str) -> Session | None:
    """The session of that id, ended or not."""
    row = conn.execute(select(sessions).where(sessions.c.id == session_id)).mappings().first()
    return None if row is None else from_row(Session, row)


def end_session(conn: Connection, session_id: str, now: datetime) -> bool:
    """The session is over; False where it was before."""
    mine = update(sessions).where(sessions.c.id == session_id, sessions.c.ended_at.is_(None))
    return conn.execute(mine.values(ended_at=now)).rowcount == 1
