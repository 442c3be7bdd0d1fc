"""Rows as they stand, of a store that may be ill."""

from collections.abc import Callable

from sqlalchemy import text

from framemill.jobs.model import ChunkRow, Event, Input, Job
from framemill.jobs.states import JobState
from framemill.store.chunks import replace_chunks
from framemill.store.database import Database
from framemill.store.events import add_event
from framemill.store.history import History
from framemill.store.jobs import add_job


def url_of(database: Database) -> str:
    return database.url.render_as_string(hide_password=False)


def test_a_job_is_told_with_all_its_rows(
    database: Database, stored: Job, make_chunks: Callable[..., list[ChunkRow]]
) -> None:
    with database.writing() as conn:
        replace_chunks(conn, "j", 1, make_chunks("k1", "k2", "k3"))
        last: Event = add_event(conn, "j", "warned", {"message": "so so"}, stored.created_at)
    with History(url_of(database)) as history:
        told = history.of_job("j", limit=2)

    assert {name: len(rows) for name, rows in told.items()} == {
        **{"job": 1, "inputs": 1, "outputs": 2, "deliveries": 0},
        **{"events": 2, "chunks": 2},
    }
    assert (told["job"][0]["id"], told["job"][0]["limits"]["max_spend"]) == ("j", None)
    assert told["outputs"][0]["settings"]["container"] == "mp4"
    assert (told["events"][0]["seq"], told["events"][0]["data"]) == (last.seq, {"message": "so so"})


def test_a_job_that_is_not_there_has_no_rows(database: Database) -> None:
    with History(url_of(database)) as history:
        assert history.of_job("j", limit=2)["job"] == []


def test_the_newest_jobs_and_those_that_failed_last(database: Database, make_job: Callable[..., Job]) -> None:
    with database.writing() as conn:
        for number in range(6):
            state = JobState.FAILED if number % 2 else JobState.QUEUED
            add_job(conn, make_job(id=f"j{number}", state=state), [], [])
    with History(url_of(database)) as history:
        assert [row["id"] for row in history.newest_jobs(4)] == ["j5", "j4", "j3", "j2"]
        assert history.last_failed(2) == ["j5", "j3"]
        found, missing = history.of_farm()

    assert found["jobs"] == [{"state": "failed", "jobs": 3}, {"state": "queued", "jobs": 3}]
    assert (len(found["farm"]), len(found["migration"]), found["untold"][0]["events"], missing) == (1, 1, 6, {})


def test_a_clients_own_words_are_left_out(database: Database, make_job: Callable[..., Job]) -> None:
    with database.writing() as conn:
        source = Input(job_id="j", uri="/in.mp4", metadata={"their": "own"})
        add_job(conn, make_job(id="j", metadata={"a": "hunter2", "b": [1]}), [source], [])
    with History(url_of(database)) as history:
        told = history.of_job("j", limit=2)

    assert (told["job"][0]["metadata"], told["inputs"][0]["metadata"]) == ("(2 left out)", "(1 left out)")


def test_another_versions_tables_are_read_as_they_are(database: Database, stored: Job) -> None:
    with database.writing() as conn:
        conn.execute(text("ALTER TABLE jobs ADD COLUMN mood VARCHAR(8) DEFAULT 'fair'"))
        conn.execute(text("DROP TABLE machines"))
        conn.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with History(url_of(database)) as history:
        assert history.newest_jobs(1)[0]["mood"] == "fair"
        found, missing = history.of_farm()

    assert found["migration"] == [{"version_num": "9999"}]
    assert list(missing) == ["machines"]
    assert "machines" in missing["machines"]
