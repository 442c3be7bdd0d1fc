"""What is told, in which order, and until when."""

from datetime import datetime, timedelta

from framemill.jobs.model import Job
from framemill.store.database import Database
from framemill.store.events import add_event, drop_untold, events_after, events_of, untold

MINUTE = timedelta(minutes=1)


def test_a_reader_goes_on_where_it_stopped(database: Database, stored: Job, now: datetime) -> None:
    with database.writing() as conn:
        first = add_event(conn, "j", "ingesting", {"from": "queued"}, now)
        second = add_event(conn, "j", "planning", {}, now)
    with database.reading() as conn:
        assert [event.kind for event in events_of(conn, "j")] == ["created", "ingesting", "planning"]
        assert events_of(conn, "j", first.seq - 1) == [first, second]
        assert events_of(conn, "j", second.seq) == []


def test_an_event_is_untold_until_it_is_dropped(database: Database, stored: Job, now: datetime) -> None:
    with database.writing() as conn:
        later = add_event(conn, "j", "ingesting", {}, now + MINUTE)
        created, *rest = untold(conn)
        assert (created.kind, rest) == ("created", [later])
        assert untold(conn, limit=1) == [created]
        drop_untold(conn, [created.seq])
        drop_untold(conn, [created.seq])
        assert untold(conn) == [later]
        assert events_of(conn, "j") == [created, later]


def test_the_news_of_all_jobs_come_with_their_accounts(database: Database, stored: Job, now: datetime) -> None:
    with database.writing() as conn:
        event = add_event(conn, "j", "ingesting", {}, now)
        assert events_after(conn, event.seq - 1, 10) == [(stored.account, event)]
        assert [one.kind for _, one in events_after(conn, 0, 1)] == ["created"]
        assert events_after(conn, event.seq, 10) == []
