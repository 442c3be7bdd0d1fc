"""How a database comes to have this release's schema, and which ones are left alone."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData, Table, insert, inspect, select, text

from framemill.errors import ForeignDatabase
from framemill.jobs.model import Job, Target
from framemill.jobs.states import ChunkState, JobState
from framemill.store import versions
from framemill.store.chunks import load_chunks
from framemill.store.columns import metadata
from framemill.store.database import Database
from framemill.store.deliveries import load_deliveries
from framemill.store.epochs import current_epoch
from framemill.store.events import events_of
from framemill.store.jobs import load_job

MIGRATIONS = Path(versions.__file__).with_name("migrations")


NOON = datetime(2030, 5, 17, 12, 0, tzinfo=UTC)
# As the first release wrote them. Never changed: whoever changes the schema makes a migration.
FIRST_ROWS: dict[str, dict[str, Any]] = {
    "jobs": {
        **{"id": "j", "account": "a", "door": "cli", "priority": 3, "start": "auto", "run": {"chunks": 4}},
        **{"limits": {}, "callbacks": [], "metadata": {}, "fairness_key": "", "on_input_error": "fail"},
        **{"on_output_error": "fail", "attempt": 1, "state": "encoding", "warnings": [], "refuted": 0, "version": 4},
        **{"created_at": NOON, "entered_at": NOON, "spent": 0, "timings": {}, "usage": {}},
    },
    "inputs": {
        **{"id": "i", "job_id": "j", "position": 0, "uri": "file:///in.mp4", "read_once": False, "state": "ready"},
        "metadata": {},
    },
    "outputs": {
        **{"id": "o", "job_id": "j", "position": 0, "input_ids": [], "name": "a.mp4", "settings": {"crf": 20}},
        **{"download_count": 0, "password_hashes": [], "metadata": {}},
    },
    "chunks": {
        **{"job_id": "j", "attempt": 1, "output_id": "o", "rendition": 0, "number": 0, "group_number": 0, "key": "k"},
        **{"first_frame": 0, "end_frame": 10, "state": "waiting", "tries": 1, "frames_done": 0},
        "failures": [{"machine": "m", "reason": "ffmpeg_failed", "digest": "d", "at": "2030-05-17T12:00:00Z"}],
    },
    "events": {"job_id": "j", "at": NOON, "kind": "created", "data": {}},
    "farm": {"id": 1, "epoch": 7, "paused": False, "condition": {}},
}


def walk(database: Database, to: str = "head") -> None:
    """Make its tables migration by migration, as `create` does with an older database."""
    if database.is_sqlite:
        database.create()  # makes the file; its tables go away again
        with database.writing() as conn:
            drop_everything(conn)
    with database.migrating() as conn:
        versions.upgrade(conn, database.name, versions.version_of(conn, database.name), to=to)


def drop_everything(conn: Connection) -> None:
    there = MetaData()
    there.reflect(conn)
    there.drop_all(conn)


def everything(database: Database) -> dict[str, Any]:
    """The tables of a database with their rows."""
    there = MetaData()
    with database.reading() as conn:
        there.reflect(conn)
        return {name: [tuple(row) for row in conn.execute(select(table))] for name, table in there.tables.items()}


def schema_of(database: Database) -> list[Any]:
    """The whole schema in the database's own words."""
    words = (
        "SELECT type, name, sql FROM sqlite_master ORDER BY name"
        if database.is_sqlite
        else """
        SELECT table_name, column_name, data_type, character_maximum_length, is_nullable, column_default
          FROM information_schema.columns WHERE table_schema = 'public'
        UNION ALL SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid), 0, '', ''
          FROM pg_constraint WHERE connamespace = 'public'::regnamespace
        UNION ALL SELECT tablename, indexname, indexdef, 0, '', '' FROM pg_indexes WHERE schemaname = 'public'
        ORDER BY 1, 2, 3
        """
    )
    with database.reading() as conn:
        # SQLite writes the name of a table that was copied in quotes.
        return [
            tuple(re.sub(r'^CREATE TABLE "(\w+)"', r"CREATE TABLE \1", " ".join(str(word).split())) for word in row)
            for row in conn.execute(text(words))
        ]


def test_the_newest_migration_is_the_schema() -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("path_separator", "os")
    assert ScriptDirectory.from_config(config).get_heads() == [versions.HEAD]


@pytest.mark.parametrize("made", [Database.create, walk])
def test_the_models_and_the_migrations_agree(empty: Database, made: Callable[[Database], None]) -> None:
    made(empty)
    with empty.reading() as conn:
        assert compare_metadata(MigrationContext.configure(conn), metadata) == []


def test_both_ways_lead_to_the_same_schema(empty: Database) -> None:
    empty.create()
    if not empty.is_sqlite:  # where `create` walks the migrations itself
        with empty.writing() as conn:
            drop_everything(conn)
            versions.make(conn)
    made = schema_of(empty)
    if not empty.is_sqlite:
        with empty.writing() as conn:
            drop_everything(conn)
    walk(empty)
    assert schema_of(empty) == made
    assert len(made) > 2 * len(metadata.tables)


def test_an_upgrade_keeps_every_row(database: Database, stored: Job, tmp_path: Path) -> None:
    """Even one that copies a table which others refer to: with SQLite any change of a column does."""
    before = everything(database)
    (tmp_path / "next.py").write_text(
        "import sqlalchemy as sa\n"
        "from alembic import op\n"
        f"revision, down_revision = 'next', {versions.HEAD!r}\n"
        "def upgrade():\n"
        "    with op.batch_alter_table('jobs') as jobs:\n"
        "        jobs.alter_column('priority', type_=sa.BigInteger())\n"
        "        jobs.add_column(sa.Column('mood', sa.Text(), server_default='fine', nullable=False))\n"
    )
    with database.migrating() as conn:
        versions.upgrade(conn, database.name, versions.HEAD, folders=[tmp_path])
    after = everything(database)
    assert after.pop("alembic_version") == [("next",)]
    assert before.pop("alembic_version") == [(versions.HEAD,)]
    assert after.pop("jobs") == [(*row, "fine") for row in before.pop("jobs")]
    assert after == before
    with database.reading() as conn:
        assert load_job(conn, "j") is not None


def test_an_upgrade_that_fails_changes_nothing(database: Database, stored: Job, tmp_path: Path) -> None:
    before = everything(database)
    (tmp_path / "next.py").write_text(
        "from alembic import op\n"
        f"revision, down_revision = 'next', {versions.HEAD!r}\n"
        "def upgrade():\n"
        "    op.drop_table('foreign_ids')\n"
        "    raise ZeroDivisionError\n"
    )
    with pytest.raises(ZeroDivisionError), database.migrating() as conn:
        versions.upgrade(conn, database.name, versions.HEAD, folders=[tmp_path])
    assert everything(database) == before


def test_what_the_first_release_wrote_is_still_read(empty: Database) -> None:
    walk(empty, to="0001")
    with empty.writing() as conn:
        for table, row in FIRST_ROWS.items():
            conn.execute(insert(Table(table, MetaData(), autoload_with=conn)), row)
    empty.create()
    with empty.reading() as conn:
        assert versions.version_of(conn, empty.name) == versions.HEAD
        job, its_inputs, its_outputs = load_job(conn, "j") or (None, [], [])
        assert job is not None
        assert (job.state, job.run.chunks, job.priority) == (JobState.ENCODING, 4, 3)
        assert [one.uri for one in its_inputs] == ["file:///in.mp4"]
        assert [(one.name, one.settings.crf) for one in its_outputs] == [("a.mp4", 20)]
        (chunk,) = load_chunks(conn, "j", 1)
        assert (chunk.state, chunk.key, chunk.failures[0].machine) == (ChunkState.WAITING, "k", "m")
        assert [event.kind for event in events_of(conn, "j")] == ["created"]
        assert current_epoch(conn) == 7


def test_the_target_of_an_earlier_release_becomes_the_first_of_several(empty: Database) -> None:
    walk(empty, to="0003")
    package = {"container": "package"}
    film, folder, stays = (
        FIRST_ROWS["outputs"] | {"id": name, **more}
        for name, more in (
            ("film", {"target": "/out/a.mp4", "sealed_target": "sealed"}),
            ("folder", {"target": "/out/hls", "settings": package}),
            ("stays", {"settings": package}),
        )
    )
    files = [("film", "a.mp4", "/out/a.mp4"), ("folder", "720p/1.m4s", "/out/hls"), ("stays", "master.m3u8", "")]
    with empty.writing() as conn:
        for table, rows in {
            "jobs": [FIRST_ROWS["jobs"]],
            "outputs": [film, folder, stays],
            "deliveries": [
                {
                    **{"id": output, "job_id": "j", "attempt": 1, "output_id": output, "path": path, "uri": uri},
                    "state": "completed",
                }
                for output, path, uri in files
            ],
        }.items():
            there = Table(table, MetaData(), autoload_with=conn)
            for row in rows:
                conn.execute(insert(there), row)
    empty.create()
    with empty.reading() as conn:
        _, _, outputs = load_job(conn, "j") or (None, [], [])
        found = {one.id: one for one in outputs}
        assert [one.targets for one in (found["film"], found["folder"], found["stays"])] == [
            (Target(uri="/out/a.mp4", sealed_uri="sealed"),),
            (Target(uri="/out/hls"),),
            (),
        ]
        assert [found[name].stays for name in ("film", "folder", "stays")] == [False, False, True]
        put = {row.output_id: (row.target, row.uri) for row in load_deliveries(conn, "j")}
    assert put == {"film": (0, "/out/a.mp4"), "folder": (0, "/out/hls/720p/1.m4s"), "stays": (None, "")}


def test_a_database_of_a_newer_release_is_refused(database: Database, stored: Job) -> None:
    with database.writing() as conn:
        conn.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    before = everything(database)
    with pytest.raises(ForeignDatabase, match=r"newer framemill.*'9999'.*FRAMEMILL_DATABASE_URL"):
        database.create()
    assert everything(database) == before


def test_tables_that_no_release_made_are_refused(empty: Database, database: Database) -> None:
    with database.writing() as conn:
        conn.execute(text("DROP TABLE alembic_version"))
    with pytest.raises(ForeignDatabase, match="no release of framemill made it"):
        database.create()


def test_somebody_elses_tables_are_left_alone(database: Database) -> None:
    with database.writing() as conn:
        drop_everything(conn)
        conn.execute(text("CREATE TABLE songs (name TEXT)"))
        conn.execute(text("INSERT INTO songs VALUES ('x')"))
    database.create()
    with database.reading() as conn:
        assert set(inspect(conn).get_table_names()) == {*metadata.tables, "alembic_version", "songs"}
        assert current_epoch(conn) == 0
        assert conn.execute(text("SELECT name FROM songs")).scalar_one() == "x"
