"""Accounts with their keys, users and money; uploads; webhooks and their messages."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"

JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
MOMENT = sa.DateTime(timezone=True)
# SQLite counts rows by itself only in a column that is declared INTEGER.
SEQUENCE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the new tables; jobs keep the names of accounts that they have."""
    _make_accounts()
    _make_keys()
    _make_users()
    _make_sessions()
    _make_ledger()
    _make_reservations()
    _make_usage()
    _make_idempotency()
    _make_audit()
    _make_uploads()
    _make_upload_parts()
    _let_inputs_be_uploads()
    _make_webhooks()
    _make_messages()
    _empty_outbox()


def _make_accounts() -> None:
    op.create_table(
        "accounts",
        sa.Column("id", sa.String(200), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("quotas", JSON, nullable=False),
        sa.Column("balance", sa.BigInteger()),
        sa.Column("reserved", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("metadata", JSON, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_accounts"),
        sa.CheckConstraint("reserved >= 0", name="accounts_reserve_what_is_there"),
    )


def _make_keys() -> None:
    op.create_table(
        "keys",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("account", sa.String(200), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("hint", sa.String(20), nullable=False),
        sa.Column("scopes", JSON, nullable=False),
        sa.Column("expires_at", MOMENT),
        sa.Column("revoked_at", MOMENT),
        sa.Column("used_at", MOMENT),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_keys"),
        sa.ForeignKeyConstraint(["account"], ["accounts.id"], name="fk_keys_account", ondelete="CASCADE"),
        sa.UniqueConstraint("hash", name="uq_keys_hash"),
    )
    op.create_index("ix_keys_account", "keys", ["account"])


def _make_users() -> None:
    op.create_table(
        "users",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("account", sa.String(200), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("email", sa.String(320)),
        sa.Column("role", sa.String(20), nullable=False),
        sa.Column("password_hash", sa.Text()),
        sa.Column("disabled_at", MOMENT),
        sa.Column("sessions_from", MOMENT, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("metadata", JSON, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_users"),
        sa.ForeignKeyConstraint(["account"], ["accounts.id"], name="fk_users_account", ondelete="CASCADE"),
    )
    op.create_index("ix_users_account", "users", ["account"])
    op.create_index("users_by_email", "users", ["email"], unique=True)
    op.create_index("users_by_name", "users", ["name"], unique=True)


def _make_sessions() -> None:
    op.create_table(
        "sessions",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("subject", sa.String(200), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.Column("ended_at", MOMENT),
        sa.PrimaryKeyConstraint("id", name="pk_sessions"),
    )
    op.create_index("ix_sessions_expires_at", "sessions", ["expires_at"])
    op.create_index("ix_sessions_subject", "sessions", ["subject"])


def _make_ledger() -> None:
    op.create_table(
        "ledger",
        sa.Column("seq", SEQUENCE, nullable=False, autoincrement=True),
        sa.Column("account", sa.String(200), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("reserved", sa.BigInteger(), nullable=False),
        sa.Column("balance_after", sa.BigInteger()),
        sa.Column("reference", sa.String(200)),
        sa.Column("note", sa.Text()),
        sa.PrimaryKeyConstraint("seq", name="pk_ledger"),
        sa.ForeignKeyConstraint(["account"], ["accounts.id"], name="fk_ledger_account", ondelete="CASCADE"),
        sqlite_autoincrement=True,
    )
    op.create_index("ledger_by_account", "ledger", ["account", "seq"])
    op.create_index("ledger_by_reference", "ledger", ["account", "reference"])


def _make_reservations() -> None:
    op.create_table(
        "reservations",
        sa.Column("account", sa.String(200), nullable=False),
        sa.Column("reference", sa.String(200), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT),
        sa.PrimaryKeyConstraint("account", "reference", name="pk_reservations"),
        sa.ForeignKeyConstraint(["account"], ["accounts.id"], name="fk_reservations_account", ondelete="CASCADE"),
    )
    op.create_index("ix_reservations_expires_at", "reservations", ["expires_at"])


def _make_usage() -> None:
    op.create_table(
        "usage",
        sa.Column("account", sa.String(200), nullable=False),
        sa.Column("day", sa.String(10), nullable=False),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("account", "day", "kind", name="pk_usage"),
    )


def _make_idempotency() -> None:
    op.create_table(
        "idempotency",
        sa.Column("account", sa.String(200), nullable=False),
        sa.Column("key", sa.String(255), nullable=False),
        sa.Column("request_hash", sa.String(64), nullable=False),
        sa.Column("holder", sa.String(36)),
        sa.Column("held_at", MOMENT, nullable=False),
        sa.Column("made_id", sa.String(36), nullable=False),
        sa.Column("status", sa.Integer()),
        sa.Column("headers", JSON, nullable=False),
        sa.Column("body", sa.LargeBinary()),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("account", "key", name="pk_idempotency"),
    )
    op.create_index("ix_idempotency_created_at", "idempotency", ["created_at"])


def _make_audit() -> None:
    op.create_table(
        "audit",
        sa.Column("seq", SEQUENCE, nullable=False, autoincrement=True),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("account", sa.String(200), nullable=False),
        sa.Column("actor", sa.String(250), nullable=False),
        sa.Column("action", sa.String(60), nullable=False),
        sa.Column("subject", sa.String(250), nullable=False),
        sa.Column("request_id", sa.String(128)),
        sa.Column("data", JSON, nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_audit"),
        sqlite_autoincrement=True,
    )
    op.create_index("audit_by_account", "audit", ["account", "seq"])
    op.create_index("ix_audit_at", "audit", ["at"])


def _make_uploads() -> None:
    op.create_table(
        "uploads",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("account", sa.String(200), nullable=False),
        sa.Column("door", sa.String(40), nullable=False),
        sa.Column("filename", sa.Text(), nullable=False),
        sa.Column("content_type", sa.String(200)),
        sa.Column("protocol", sa.String(12), nullable=False),
        sa.Column("part_bytes", sa.BigInteger()),
        sa.Column("size", sa.BigInteger()),
        sa.Column("received", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("reason", sa.String(40)),
        sa.Column("message", sa.Text()),
        sa.Column("blob", sa.Text()),
        sa.Column("sha256", sa.String(64)),
        sa.Column("md5", sa.String(32)),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("completed_at", MOMENT),
        sa.Column("expires_at", MOMENT),
        sa.Column("metadata", JSON, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_uploads"),
    )
    op.create_index("ix_uploads_expires_at", "uploads", ["expires_at"])
    op.create_index("uploads_by_account", "uploads", ["account", "id"])


def _make_upload_parts() -> None:
    op.create_table(
        "upload_parts",
        sa.Column("upload_id", sa.String(36), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("etag", sa.String(64), nullable=False),
        sa.Column("received_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("upload_id", "number", name="pk_upload_parts"),
        sa.ForeignKeyConstraint(["upload_id"], ["uploads.id"], name="fk_upload_parts_upload_id", ondelete="CASCADE"),
    )


def _let_inputs_be_uploads() -> None:
    op.add_column("inputs", sa.Column("upload_id", sa.String(36)))
    op.create_index("ix_inputs_upload_id", "inputs", ["upload_id"])


def _make_webhooks() -> None:
    op.create_table(
        "webhooks",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("account", sa.String(200), nullable=False),
        sa.Column("door", sa.String(40), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("sealed_url", sa.Text()),
        sa.Column("sealed_secret", sa.Text(), nullable=False),
        sa.Column("sealed_old_secret", sa.Text()),
        sa.Column("old_secret_until", MOMENT),
        sa.Column("kinds", JSON, nullable=False),
        sa.Column("policy", JSON, nullable=False),
        sa.Column("description", sa.Text()),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("failing_since", MOMENT),
        sa.Column("disabled_at", MOMENT),
        sa.Column("reason", sa.String(40)),
        sa.Column("message", sa.Text()),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("metadata", JSON, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_webhooks"),
    )
    op.create_index("ix_webhooks_account", "webhooks", ["account"])


def _make_messages() -> None:
    op.create_table(
        "messages",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("account", sa.String(200), nullable=False),
        sa.Column("webhook_id", sa.String(36)),
        sa.Column("job_id", sa.String(36)),
        sa.Column("stream", sa.String(250), nullable=False),
        sa.Column("kind", sa.String(60), nullable=False),
        sa.Column("host", sa.String(270), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("sealed_url", sa.Text()),
        sa.Column("policy", JSON, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("story", JSON, nullable=False),
        sa.Column("by_hand", sa.Boolean(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("due_at", MOMENT),
        sa.Column("ended_at", MOMENT),
        sa.PrimaryKeyConstraint("id", name="pk_messages"),
        sa.ForeignKeyConstraint(["webhook_id"], ["webhooks.id"], name="fk_messages_webhook_id", ondelete="CASCADE"),
    )
    op.create_index("messages_by_due", "messages", ["state", "due_at"])
    op.create_index("messages_by_end", "messages", ["ended_at"])
    op.create_index("messages_by_job", "messages", ["job_id", "id"])
    op.create_index("messages_by_webhook", "messages", ["webhook_id", "id"])


def _empty_outbox() -> None:
    """Nobody has ever read it: what stands in it is too old to be told, and everything is due at once."""
    op.drop_table("outbox")
    op.create_table(
        "outbox",
        sa.Column("seq", SEQUENCE, nullable=False, autoincrement=False),
        sa.PrimaryKeyConstraint("seq", name="pk_outbox"),
        sa.ForeignKeyConstraint(["seq"], ["events.seq"], name="fk_outbox_seq", ondelete="CASCADE"),
    )
