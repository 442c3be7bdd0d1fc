"""Which schema a database has, and how it comes to have this release's."""

from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import Column, Connection, MetaData, PrimaryKeyConstraint, String, Table, insert, inspect, select

from framemill.errors import ForeignDatabase
from framemill.store import account_tables, exchange_tables, schema, video_tables
from framemill.store.columns import metadata

HEAD = "0005"
"""The revision that the tables describe: the newest in `migrations/versions`."""

TABLES = (schema, account_tables, exchange_tables, video_tables)
"""The modules that fill `metadata`."""

_MIGRATIONS = Path(__file__).with_name("migrations")

# As Alembic makes it. Importing that takes longer than making a database, and most farms never need it.
_version = Table(
    "alembic_version",
    MetaData(),
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)


def version_of(conn: Connection, name: str) -> str | None:
    """The revision of the database of that name; none where nothing was made yet. Raises `ForeignDatabase`."""
    there = set(inspect(conn).get_table_names())
    if _version.name in there:
        found: str | None = conn.execute(select(_version.c.version_num)).scalar_one_or_none()
        if found is not None:
            return found
    if mine := sorted(there & set(metadata.tables)):
        raise ForeignDatabase(
            f"The database {name} has a table {mine[0]!r}, but says of no version that it is: no release of framemill"
            " made it. Move it away, or name another one (FRAMEMILL_DATABASE_URL), and a new one is made."
        )
    return None


def make(conn: Connection) -> None:
    """Make every table in an empty database, and say which revision that is."""
    metadata.create_all(conn)
    _version.create(conn)
    conn.execute(insert(_version).values(version_num=HEAD))


def upgrade(conn: Connection, name: str, found: str | None, *, to: str = "head", folders: Sequence[Path] = ()) -> None:
    """Bring the database from its revision (none: it is empty) to a later one, inside the caller's transaction.

    `folders` hold further migrations. Raises `ForeignDatabase` where nobody here knows the revision.
    """
    # Imported when needed: see above.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415
    from alembic.script import ScriptDirectory  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "newline")
    versions = "\n".join(str(folder) for folder in (_MIGRATIONS / "versions", *folders))
    config.set_main_option("version_locations", versions.replace("%", "%%"))
    config.attributes["connection"] = conn
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if found is not None and found not in known:
        raise ForeignDatabase(
            f"The database {name} was written by a newer framemill: it is at revision {found!r}, and this release knows"
            f" those up to {HEAD!r}. Install that release or a newer one, or name another database"
            " (FRAMEMILL_DATABASE_URL)."
        )
    command.upgrade(config, to)
