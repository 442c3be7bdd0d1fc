"""Webhooks of accounts."""

from collections.abc import Collection

from sqlalchemy import Connection, delete, func, insert, select, update

from framemill.jobs.telling import Webhook
from framemill.store.exchange_tables import webhooks
from framemill.store.rows import from_row, to_row


def add_webhook(conn: Connection, webhook: Webhook) -> None:
    """Write a new webhook."""
    conn.execute(insert(webhooks).values(to_row(webhook, webhooks)))


def save_webhook(conn: Connection, webhook: Webhook) -> None:
    """Write one that has changed; one that was removed meanwhile stays removed."""
    conn.execute(update(webhooks).where(webhooks.c.id == webhook.id).values(to_row(webhook, webhooks)))


def load_webhook(conn: Connection, webhook_id: str) -> Webhook | None:
    """A webhook; none where there is none of that id."""
    row = conn.execute(select(webhooks).where(webhooks.c.id == webhook_id)).mappings().first()
    return None if row is None else from_row(Webhook, row)


def webhooks_of(conn: Connection, account: str | None, door: str | None = None) -> list[Webhook]:
    """The webhooks of an account (none: of all) that were made at that door (none: at any), oldest first."""
    query = select(webhooks).order_by(webhooks.c.id)
    if account is not None:
        query = query.where(webhooks.c.account == account)
    if door is not None:
        query = query.where(webhooks.c.door == door)
    return [from_row(Webhook, row) for row in conn.execute(query).mappings()]


def enabled_webhooks(conn: Connection, accounts: Collection[str]) -> list[Webhook]:
    """Those of these accounts that are told anything."""
    query = select(webhooks).where(webhooks.c.account.in_(sorted(accounts)), webhooks.c.disabled_at.is_(None))
    return [from_row(Webhook, row) for row in conn.execute(query.order_by(webhooks.c.id)).mappings()]


def count_webhooks(conn: Connection, account: str) -> int:
    """How many an account has."""
    counted: int = conn.execute(
        select(func.count()).select_from(webhooks).where(webhooks.c.account == account)
    ).scalar_one()
    return counted


def remove_webhook(conn: Connection, webhook_id: str) -> None:
    """Delete a webhook, and its messages with it."""
    conn.execute(delete(webhooks).where(webhooks.c.id == webhook_id))
