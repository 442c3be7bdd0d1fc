"""What is told, in which order, and until when."""

from datetime import datetime, timedelta

from framemill.jobs.model import Job
from framemill.store.database import Database
from framemill.store.events import add_event, drop_notice, due_notices, events_of, postpone_notice

MINUTE = timedelta(minutes=1)


def test_a_reader_goes_on_where_it_stopped(database: Database, stored: Job, now: datetime) -> None:
    with database.writing() as conn:
        first = add_event(conn, "j", "ingesting", {"from": "queued"}, now)
        second = add_event(conn, "j", "planning", {}, now)
    with database.reading() as conn:
        assert [event.kind for event in events_of(conn, "j")] == ["created", "ingesting", "planning"]
        assert events_of(conn, "j", first.seq - 1) == [first, second]
        assert events_of(conn, "j", second.seq) == []


def test_a_notice_is_due_until_it_is_dropped(database: Database, stored: Job, now: datetime) -> None:
    with database.writing() as conn:
        later = add_event(conn, "j", "ingesting", {}, now + MINUTE)
        created, *rest = due_notices(conn, now)
        assert (created.kind, rest) == ("created", [])
        postpone_notice(conn, created.seq, now + 2 * MINUTE)
        assert due_notices(conn, now + MINUTE) == [later]
        assert due_notices(conn, now + 2 * MINUTE) == [later, created]
        assert due_notices(conn, now + 2 * MINUTE, limit=1) == [later]
        drop_notice(conn, later.seq)
        drop_notice(conn, later.seq)
        assert due_notices(conn, now + 2 * MINUTE) == [created]
        assert events_of(conn, "j") == [created, later]
