"""A door's jobs by their place in its list, and how many there are."""

from datetime import datetime
from typing import Any

from framemill.jobs.model import Job
from framemill.jobs.states import JobState
from framemill.store.database import Database
from framemill.store.jobs import add_job
from framemill.store.tally import nth_jobs, tally_jobs


def add(database: Database, now: datetime, *ids: str, **fields: Any) -> None:
    with database.writing() as conn:
        for one in ids:
            add_job(conn, Job(**{"id": one, "account": "a", "door": "d", "created_at": now, **fields}), [], [])


def test_jobs_are_counted_by_state_and_whether_they_are_tried_again(database: Database, now: datetime) -> None:
    add(database, now, "1", "2")
    add(database, now, "3", attempt=2)
    add(database, now, "4", state=JobState.COMPLETED, attempt=3)
    add(database, now, "5", account="b")
    add(database, now, "6", door="e")
    with database.reading() as conn:
        assert tally_jobs(conn, "a", "d") == {("queued", False): 2, ("queued", True): 1, ("completed", True): 1}
        assert tally_jobs(conn, None, "d") == {("queued", False): 3, ("queued", True): 1, ("completed", True): 1}
        assert tally_jobs(conn, "c", "d") == {}


def test_a_page_is_so_many_behind_so_many_newest_first(database: Database, now: datetime) -> None:
    add(database, now, *"12345")
    add(database, now, "6", account="b")
    add(database, now, "7", door="e")
    with database.reading() as conn:
        assert [job.id for job in nth_jobs(conn, "a", "d", 0, 2)] == ["5", "4"]
        assert [job.id for job in nth_jobs(conn, "a", "d", 4, 2)] == ["1"]
        assert [job.id for job in nth_jobs(conn, None, "d", 0, 2)] == ["6", "5"]
        assert nth_jobs(conn, "a", "d", 5, 2) == []
