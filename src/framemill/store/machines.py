"""Machines: which there are, and which of them are trusted."""

from collections.abc import Iterable

from sqlalchemy import Connection, select

from framemill.jobs.model import Machine
from framemill.store.rows import dialect_insert, from_row, upsert
from framemill.store.schema import canaries, machines


def save_machines(conn: Connection, changed: Iterable[Machine]) -> None:
    """Write machines, new or changed."""
    upsert(conn, machines, changed)


def list_machines(conn: Connection) -> list[Machine]:
    """Every machine that was ever seen and not forgotten, by name."""
    known = select(machines).order_by(machines.c.name, machines.c.id)
    return [from_row(Machine, row) for row in conn.execute(known).mappings()]


def forget_machines(conn: Connection, ids: Iterable[str]) -> None:
    """Drop machines that do not come back; harmless when they are gone."""
    conn.execute(machines.delete().where(machines.c.id.in_(list(ids))))


def known_canary(conn: Connection, build: str, architecture: str, sha256: str) -> str:
    """The farm's canary of that build and architecture: the one given here, where none was known."""
    first = dialect_insert(conn, canaries).values(build=build, architecture=architecture, sha256=sha256)
    conn.execute(first.on_conflict_do_nothing())
    mine = (canaries.c.build == build, canaries.c.architecture == architecture)
    known: str = conn.execute(select(canaries.c.sha256).where(*mine)).scalar_one()
    return known
