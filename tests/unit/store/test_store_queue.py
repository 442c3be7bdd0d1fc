"""What a coordinator asks of all jobs at once."""

from collections.abc import Callable
from datetime import datetime, timedelta

from framemill.jobs.model import Input, Job
from framemill.jobs.states import InputState, JobState
from framemill.store.database import Database
from framemill.store.events import add_event
from framemill.store.jobs import add_job
from framemill.store.queue import QueuedJob, WorkingJob, changed_since, newest_seq, queued, those, unread, working

MakeJob = Callable[..., Job]


def add(database: Database, *jobs: Job) -> None:
    with database.writing() as conn:
        for job in jobs:
            add_job(conn, job, [], [])


def test_the_queue_holds_what_admission_needs(database: Database, make_job: MakeJob, now: datetime) -> None:
    late = make_job(id="2", account="b", priority=-1, fairness_key="phone", deadline=now + timedelta(hours=1))
    add(database, late, make_job(id="1"))
    with database.reading() as conn:
        assert queued(conn) == [
            QueuedJob("1", "a", "", 0, None, now, JobState.QUEUED, "cli"),
            QueuedJob("2", "b", "phone", -1, now + timedelta(hours=1), now, JobState.QUEUED, "cli"),
        ]
        assert [type(job.state) for job in queued(conn)] == [JobState, JobState]


def test_the_queue_goes_on_where_the_reader_stopped(database: Database, make_job: MakeJob) -> None:
    states = [JobState.QUEUED, JobState.HELD, JobState.ENCODING, JobState.COMPLETED]
    add(database, *(make_job(id=str(number), state=states[number % 4]) for number in range(8)))
    with database.reading() as conn:
        assert [job.id for job in queued(conn)] == ["0", "4"]
        assert [job.id for job in queued(conn, after="0")] == ["4"]
        assert [job.id for job in queued(conn, states=[JobState.QUEUED, JobState.HELD])] == ["0", "1", "4", "5"]
        assert [job.id for job in queued(conn, "1", [JobState.QUEUED, JobState.HELD])] == ["4", "5"]
        assert queued(conn, states=[]) == []


def test_working_is_whatever_was_admitted_and_has_not_ended(
    database: Database, make_job: MakeJob, now: datetime
) -> None:
    add(database, *(make_job(id=f"{number:02}", state=state) for number, state in enumerate(JobState)))
    add(database, make_job(id="x", state=JobState.CANCELLING, attempt=2, started_at=now, priority=1))
    with database.reading() as conn:
        found = working(conn)
    assert [job.state.value for job in found] == [
        *("ingesting", "planning", "encoding", "stitching", "packaging", "delivering", "cancelling", "cancelling")
    ]
    assert [job.id for job in found] == sorted(job.id for job in found)
    assert found[-1] == WorkingJob("x", "a", "", 1, None, now, JobState.CANCELLING, 2, now, "cli")


def test_jobs_are_found_by_their_ids_however_many(database: Database, make_job: MakeJob) -> None:
    add(database, *(make_job(id=f"{number:04}", state=JobState.FAILED) for number in range(3)))
    with database.reading() as conn:
        assert [job.id for job in those(conn, [f"{number:04}" for number in reversed(range(40_000))])] == [
            *("0000", "0001", "0002")
        ]
        assert [job.state for job in those(conn, ["0001"])] == [JobState.FAILED]
        assert those(conn, []) == []


def test_what_has_changed_is_told_once(database: Database, make_job: MakeJob, now: datetime) -> None:
    with database.reading() as conn:
        assert newest_seq(conn) == 0
        assert changed_since(conn, 0) == (0, [])
    add(database, make_job(id="a"), make_job(id="b"))
    with database.reading() as conn:
        start = newest_seq(conn)
        assert changed_since(conn, 0) == (start, ["a", "b"])
        assert changed_since(conn, start) == (start, [])
    with database.writing() as conn:
        last = [add_event(conn, job_id, "edited", {}, now).seq for job_id in ("b", "a", "b")][-1]
    with database.reading() as conn:
        assert changed_since(conn, start) == (last, ["b", "a"])


def test_unread_are_jobs_with_an_input_that_is_not_ready(database: Database, make_job: MakeJob) -> None:
    states = {
        "none": [],
        "ready": [InputState.READY, InputState.READY],
        "waits": [InputState.READY, InputState.WAITING],
        "comes": [InputState.FETCHING],
        "failed": [InputState.FAILED],
    }
    with database.writing() as conn:
        for name, its in states.items():
            add_job(
                conn,
                make_job(id=name),
                [Input(id=f"{name}{n}", job_id=name, uri="/a", state=one) for n, one in enumerate(its)],
                [],
            )
    with database.reading() as conn:
        assert unread(conn, [*states, "no such job"]) == {"waits", "comes", "failed"}
        assert unread(conn, ["waits", "ready"]) == {"waits"}
        assert unread(conn, []) == set()
