"""How SQLite finds what it is asked for: nothing that a running farm asks reads its way through the jobs that ended."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import Connection, UniqueConstraint, event, insert

from framemill.jobs.model import ChunkRow, Failure, Job
from framemill.jobs.reasons import Reason
from framemill.jobs.states import ACTIVE_JOB, ENDED_JOB, JobState
from framemill.jobs.usage import Usage
from framemill.store import chunks, messages, queue, schema, webhooks
from framemill.store.columns import metadata
from framemill.store.database import Database
from framemill.store.deliveries import load_deliveries
from framemill.store.epochs import take_epoch
from framemill.store.events import events_after, events_of, untold
from framemill.store.jobs import add_usage, charge_output, load_job, save_job
from framemill.store.listing import JobFilter, count_ended, find_jobs
from framemill.store.rows import to_row

NOON = datetime.fromisoformat("2030-05-17T12:00:00+00:00")
HELD_UNDER = "t"
Ask = Callable[[Connection], Any]

QUESTIONS: dict[str, Ask] = {
    "queued": queue.queued,
    "queued after": lambda conn: queue.queued(conn, "x"),
    "held and queued": lambda conn: queue.queued(conn, states=[JobState.HELD, JobState.QUEUED]),
    "working": queue.working,
    "changed since": lambda conn: queue.changed_since(conn, 7),
    "newest seq": queue.newest_seq,
    "all jobs": lambda conn: find_jobs(conn, JobFilter()),
    "all jobs before": lambda conn: find_jobs(conn, JobFilter(), "x"),
    "an account's jobs": lambda conn: find_jobs(conn, JobFilter(account="a"), "x"),
    "active jobs": lambda conn: find_jobs(conn, JobFilter(states=ACTIVE_JOB)),
    "ended jobs": lambda conn: find_jobs(conn, JobFilter(states=ENDED_JOB), "x"),
    "an account's ended jobs": lambda conn: find_jobs(conn, JobFilter(account="a", states=ENDED_JOB)),
    "an account's jobs of a door": lambda conn: find_jobs(conn, JobFilter(account="a", door="native"), "x"),
    "jobs of a time": lambda conn: find_jobs(conn, JobFilter(states=ENDED_JOB, created_after=NOON, oldest_first=True)),
    "jobs by prefix": lambda conn: find_jobs(conn, JobFilter(account="a", id_prefix="01")),
    "ended lately": lambda conn: count_ended(conn, None, NOON),
    "an account's that ended lately": lambda conn: count_ended(conn, "a", NOON),
    "a job": lambda conn: load_job(conn, "j"),
    "its events": lambda conn: events_of(conn, "j", 7),
    "its deliveries": lambda conn: load_deliveries(conn, "j"),
    "its chunks": lambda conn: chunks.load_chunks(conn, "j", 1),
    "its unfinished chunks": lambda conn: chunks.unfinished_chunks(conn, "j", 1),
    "its frames": lambda conn: chunks.frames_of(conn, "j", 1),
    "known chunks": lambda conn: chunks.committed_chunks(conn, ["a", "b"]),
    "untold events": untold,
    "news": lambda conn: events_after(conn, 7, 100),
    "due messages": lambda conn: messages.due_messages(conn, NOON, busy_hosts=["h"], busy_streams=["s"], limit=9),
    "next message": lambda conn: messages.next_due(conn, NOON),
    "a webhook's messages": lambda conn: messages.list_messages(conn, None, webhook_id="w", before="x"),
    "a job's messages": lambda conn: messages.list_messages(conn, "a", job_id="j", before="x"),
    "old messages": lambda conn: messages.forget_messages(conn, NOON, 5, 10),
    "whom to tell": lambda conn: webhooks.enabled_webhooks(conn, ["a", "b"]),
    "lease": lambda conn: chunks.lease_chunks(conn, "j", 1, ["a"], token=HELD_UNDER, worker="w", epoch=1, now=NOON),
    "report": lambda conn: chunks.report_progress(conn, "a", "t", 1, 5),
    "failure": lambda conn: chunks.note_failure(
        conn, "t", 1, Failure(machine="m", reason=Reason.INTERNAL, digest="", at=NOON), ["a"]
    ),
    "commit": lambda conn: chunks.commit_chunk(conn, "a", "t", 1, blob="b", size=1, sha256="", seconds=1, now=NOON),
    "release": lambda conn: chunks.release_chunks(conn, "t", 1),
    "release some": lambda conn: chunks.release_chunks(conn, "t", 1, ["a"]),
    "quarantine": lambda conn: chunks.quarantine_chunk(conn, "a", "t", 1, reason=Reason.INTERNAL, message=""),
    "return": lambda conn: chunks.return_chunks(conn, "j", 1, ["a"], 1),
    "usage": lambda conn: add_usage(conn, "j", "encode", Usage(), 1),
    "charge": lambda conn: charge_output(conn, "j", "o1", 1, 1, 1),
    "save": lambda conn: save_job(conn, moved(conn), 1, "edited", {}, now=NOON),
}

# The row of the farm is the only one of its table; a page is read in the order of an index and ends with the page.
MAY_BE_SCANNED = {"SCAN farm"}
PAGES = {"all jobs": "SCAN jobs USING INDEX sqlite_autoindex_jobs_1", "untold events": "SCAN outbox"}


def moved(conn: Connection) -> Job:
    job, _, _ = load_job(conn, "j") or (None, None, None)
    assert job is not None
    return job.model_copy(update={"version": job.version + 1})


def plan_of(conn: Connection, ask: Ask) -> list[str]:
    """What SQLite does for a question, step by step."""
    asked: list[tuple[str, Any]] = []

    def note(_conn: Any, _cursor: Any, statement: str, parameters: Any, *_rest: Any) -> None:
        asked.append((statement, parameters))

    event.listen(conn, "before_cursor_execute", note)
    ask(conn)
    event.remove(conn, "before_cursor_execute", note)
    assert asked
    return [
        row[3] for one in asked for row in conn.exec_driver_sql(f"EXPLAIN QUERY PLAN {one[0]}", one[1] or ())
    ]  # fmt: skip


@pytest.mark.parametrize("name", QUESTIONS)
@pytest.mark.usefixtures("stored")
def test_nothing_is_searched_for_row_by_row(
    database: Database, make_chunks: Callable[..., list[ChunkRow]], name: str
) -> None:
    with database.writing() as conn:
        chunks.replace_chunks(conn, "j", 1, make_chunks("a", "b"), epoch=take_epoch(conn))
        steps = plan_of(conn, QUESTIONS[name])
    allowed = MAY_BE_SCANNED | {PAGES.get(name, "")}
    assert [step for step in steps if step.startswith("SCAN") and step not in allowed] == [], steps
    if "jobs" in name:
        assert "USE TEMP B-TREE FOR ORDER BY" not in steps


@pytest.mark.usefixtures("stored")
def test_a_chunk_is_found_among_a_jobs_ten_thousands(
    database: Database, make_chunks: Callable[..., list[ChunkRow]]
) -> None:
    with database.writing() as conn:
        chunks.replace_chunks(conn, "j", 1, make_chunks("a", "b"), epoch=take_epoch(conn))
        for name in ("lease", "return", "report", "commit", "release"):
            steps = [step for step in plan_of(conn, QUESTIONS[name]) if "chunks" in step]
            assert steps
            for step in steps:
                assert "chunks_by_key (key=? AND job_id=? AND attempt=?)" in step or "(lease_token=?)" in step, step


def test_whoever_deletes_a_row_finds_what_belongs_to_it() -> None:
    """The database looks for them by itself; without an index it reads the whole table, once for every row."""
    for table in metadata.tables.values():
        unique = [one for one in table.constraints if isinstance(one, UniqueConstraint)]  # each has an index of its own
        found = [*(one.columns for one in table.indexes), *(one.columns for one in unique), table.primary_key.columns]
        firsts = {next(iter(columns)).name for columns in found}
        assert {key.parent.name for key in table.foreign_keys} <= firsts, table.name


def steps_of(conn: Connection, ask: Ask) -> int:
    """How many instructions SQLite executes for a question, in tens."""
    counted = 0

    def count() -> int:
        nonlocal counted
        counted += 1
        return 0

    driver: Any = conn.connection.dbapi_connection
    driver.set_progress_handler(count, 10)
    ask(conn)
    driver.set_progress_handler(None, 10)
    return counted


def test_no_question_takes_longer_after_many_jobs_have_ended(
    database: Database, make_job: Callable[..., Job], stored: Job
) -> None:
    """Measured in instructions: a clock would tell of the machine."""
    asked = {
        name: QUESTIONS[name]
        for name in ("queued", "held and queued", "working", "newest seq", "an account's jobs", "active jobs")
    }
    asked |= {name: QUESTIONS[name] for name in ("all jobs before", "untold events", "a job", "its events")}
    waiting = [make_job(id=f"w{number}") for number in range(150)]
    ended = [make_job(id=f"e{number}", state=sorted(ENDED_JOB)[number % 3]) for number in range(3000)]
    with database.writing() as conn:
        conn.execute(insert(schema.jobs), [to_row(job, schema.jobs) for job in waiting])
        before = {name: steps_of(conn, ask) for name, ask in asked.items()}
        conn.execute(insert(schema.jobs), [to_row(job, schema.jobs) for job in ended])
        after = {name: steps_of(conn, ask) for name, ask in asked.items()}
    assert before["queued"] > 100
    assert {name: after[name] for name in asked if after[name] > 1.1 * before[name] + 10} == {}
