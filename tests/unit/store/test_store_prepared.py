"""A statement that is prepared says the same as one that is not."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from sqlalchemy import bindparam, select, update

from framemill.jobs.model import Job
from framemill.store.database import Database
from framemill.store.jobs import load_job
from framemill.store.prepared import Prepared
from framemill.store.schema import farm, jobs

THEN = datetime(2031, 1, 2, 3, 4, 5, 678901, tzinfo=timezone(timedelta(hours=2)))

_MINE = jobs.c.id == bindparam("of_job")
_MOVE = (
    update(jobs)
    .where(_MINE, jobs.c.version == bindparam("of_version"))
    .values(
        message=bindparam("said"), started_at=bindparam("then"), version=bindparam("of_version") + 1, fairness_key="k"
    )
)
_NOTE = update(jobs).where(_MINE).values(waiting=bindparam("waiting"))


def test_values_are_written_as_their_columns_want_them(database: Database, stored: Job) -> None:
    with database.writing() as conn:
        found = Prepared(_MOVE).run(conn, {"of_job": "j", "of_version": stored.version, "said": "it's", "then": THEN})
        assert found.rowcount == 1

    with database.reading() as conn:
        loaded = load_job(conn, "j")
    assert loaded is not None
    assert (loaded[0].message, loaded[0].started_at) == ("it's", THEN.astimezone(UTC))
    assert (loaded[0].version, loaded[0].fairness_key) == (stored.version + 1, "k")


@pytest.mark.parametrize("waiting", [{"code": "held", "sentence": "“So”"}, None])
def test_json_is_written_as_json(database: Database, stored: Job, waiting: Any) -> None:
    note = Prepared(_NOTE)
    for told in ({"code": "paused", "sentence": "-"}, waiting):
        with database.writing() as conn:
            note.run(conn, {"of_job": stored.id, "waiting": told})

    with database.reading() as conn:
        assert conn.execute(select(jobs.c.waiting)).scalar_one() == waiting


def test_what_matches_nothing_changes_nothing(database: Database, stored: Job) -> None:
    with database.writing() as conn:
        values = {"of_job": "j", "of_version": stored.version + 5, "said": None, "then": None}
        assert Prepared(_MOVE).run(conn, values).rowcount == 0


def test_a_value_that_is_missing_is_not_taken_for_none(database: Database, stored: Job) -> None:
    with database.writing() as conn, pytest.raises(KeyError, match="waiting"):
        Prepared(_NOTE).run(conn, {"of_job": stored.id})


def test_rows_come_as_they_are(database: Database) -> None:
    with database.reading() as conn:
        assert Prepared(select(farm.c.epoch)).run(conn, {}).scalar_one() == 0
