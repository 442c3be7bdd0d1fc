"""Messages to receivers: what is to be sent, and what became of it."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, delete, insert, select, update

from framemill.jobs.telling import Message, Try
from framemill.store.exchange_tables import messages
from framemill.store.rows import from_row, to_row

STORY = 50
"""Tries that are remembered of a message."""


class Due(NamedTuple):
    """What is to be known of a message to choose it."""

    id: str
    stream: str
    host: str


def add_messages(conn: Connection, new: Sequence[Message]) -> None:
    """Write new messages."""
    if new:
        conn.execute(insert(messages), [to_row(message, messages) for message in new])


def load_message(conn: Connection, message_id: str) -> Message | None:
    """A message; none where there is none of that id."""
    row = conn.execute(select(messages).where(messages.c.id == message_id)).mappings().first()
    return None if row is None else from_row(Message, row)


def due_messages(
    conn: Connection, now: datetime, *, busy_hosts: Collection[str], busy_streams: Collection[str], limit: int
) -> list[Due]:
    """What is to be sent by now and is for none of the busy hosts and streams: the first due first, in their order."""
    query = (
        select(messages.c.id, messages.c.stream, messages.c.host)
        .where(messages.c.state == "waiting", messages.c.due_at <= now)
        .order_by(messages.c.due_at, messages.c.id)
        .limit(limit)
    )
    if busy_hosts:
        query = query.where(messages.c.host.not_in(sorted(busy_hosts)))
    if busy_streams:
        query = query.where(messages.c.stream.not_in(sorted(busy_streams)))
    return [Due(*row) for row in conn.execute(query)]


def next_due(conn: Connection, after: datetime) -> datetime | None:
    """When the next message is due after that time; none: there is none."""
    query = select(messages.c.due_at).where(messages.c.state == "waiting", messages.c.due_at > after)
    found: datetime | None = conn.execute(query.order_by(messages.c.due_at).limit(1)).scalar_one_or_none()
    return found


def note_try(conn: Connection, message: Message, tried: Try, state: str, due_at: datetime | None) -> bool:
    """Write what came of a try; False, and nothing written, where the message is gone or somebody else wrote it."""
    story = [one.model_dump(mode="json") for one in (*message.story, tried)[-STORY:]]
    written = (
        update(messages)
        .where(messages.c.id == message.id, messages.c.tries == message.tries, messages.c.state == "waiting")
        .values(
            tries=message.tries + 1,
            story=story,
            state=state,
            due_at=due_at,
            ended_at=None if state == "waiting" else tried.at,
        )
    )
    return conn.execute(written).rowcount == 1


def drop_message(conn: Connection, message_id: str, now: datetime) -> None:
    """Nobody wants it any more."""
    mine = update(messages).where(messages.c.id == message_id, messages.c.state == "waiting")
    conn.execute(mine.values(state="dropped", due_at=None, ended_at=now))


def send_again(conn: Connection, message_id: str, now: datetime) -> None:
    """Have it sent now, once more: one that waits keeps its further tries, one that has ended is tried once."""
    mine = update(messages).where(messages.c.id == message_id)
    conn.execute(mine.where(messages.c.state == "waiting").values(due_at=now))
    ended = mine.where(messages.c.state != "waiting")
    conn.execute(ended.values(state="waiting", due_at=now, ended_at=None, by_hand=True))


def list_messages(  # noqa: PLR0917
    conn: Connection,
    account: str | None,
    webhook_id: str | None = None,
    job_id: str | None = None,
    before: str | None = None,
    limit: int = 50,
) -> list[Message]:
    """Messages, newest first: of an account (none: all), to a webhook, about a job, older than the one of that id."""
    query = select(messages).order_by(messages.c.id.desc()).limit(limit)
    for column, value in (
        (messages.c.account, account),
        (messages.c.webhook_id, webhook_id),
        (messages.c.job_id, job_id),
    ):
        if value is not None:
            query = query.where(column == value)
    if before is not None:
        query = query.where(messages.c.id < before)
    return [from_row(Message, row) for row in conn.execute(query).mappings()]


def forget_messages(conn: Connection, ended_before: datetime, keep: int, limit: int) -> int:
    """Delete up to `limit` messages that ended before that time, or are not among the `keep` that ended last."""
    newest = select(messages.c.ended_at).where(messages.c.ended_at.is_not(None)).order_by(messages.c.ended_at.desc())
    past_keeping = conn.execute(newest.offset(keep).limit(1)).scalar_one_or_none() or ended_before
    old = messages.c.ended_at <= max(past_keeping, ended_before)
    doomed = select(messages.c.id).where(old).order_by(messages.c.ended_at).limit(limit)
    return conn.execute(delete(messages).where(messages.c.id.in_(doomed))).rowcount
