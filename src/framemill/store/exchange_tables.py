"""The tables of what goes in and out beside jobs: uploads, webhooks and what became of each message, and what doors
keep for their clients."""

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Integer, String, Table, Text

from framemill.store.columns import Json, UtcDateTime, explained_columns, id_column, metadata

uploads = Table(
    "uploads",
    metadata,
    id_column(),
    Column("account", String(200), nullable=False),
    Column("door", String(40), nullable=False),
    Column("filename", Text, nullable=False),
    Column("content_type", String(200)),
    # `put`: one body; `multipart`: numbered parts; `tus`: a body that is gone on with.
    Column("protocol", String(12), nullable=False),
    Column("part_bytes", BigInteger),
    # Bytes: as announced, and as they came.
    Column("size", BigInteger),
    Column("received", BigInteger, nullable=False),
    Column("state", String(20), nullable=False),
    *explained_columns(),
    Column("blob", Text),
    Column("sha256", String(64)),
    Column("md5", String(32)),
    Column("version", Integer, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("completed_at", UtcDateTime),
    # Retention's question.
    Column("expires_at", UtcDateTime, index=True),
    Column("metadata", Json, nullable=False),
    Index("uploads_by_account", "account", "id"),
)

upload_parts = Table(
    "upload_parts",
    metadata,
    Column("upload_id", String(36), ForeignKey("uploads.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("size", BigInteger, nullable=False),
    Column("etag", String(64), nullable=False),
    Column("received_at", UtcDateTime, nullable=False),
)

webhooks = Table(
    "webhooks",
    metadata,
    id_column(),
    Column("account", String(200), nullable=False, index=True),
    Column("door", String(40), nullable=False),
    Column("url", Text, nullable=False),
    Column("sealed_url", Text),
    Column("sealed_secret", Text, nullable=False),
    # Signs beside the new one until then.
    Column("sealed_old_secret", Text),
    Column("old_secret_until", UtcDateTime),
    # Kinds of events, or `*`.
    Column("kinds", Json, nullable=False),
    # `jobs.model.CallbackPolicy`.
    Column("policy", Json, nullable=False),
    Column("description", Text),
    # Tries that failed, one after the other, and since when.
    Column("failures", Integer, nullable=False),
    Column("failing_since", UtcDateTime),
    Column("disabled_at", UtcDateTime),
    *explained_columns(),
    Column("created_at", UtcDateTime, nullable=False),
    Column("metadata", Json, nullable=False),
)

# A message to one receiver; its id is the message's, which stays the same at every try.
messages = Table(
    "messages",
    metadata,
    id_column(),
    Column("account", String(200), nullable=False),
    # The webhook that asked for it; none: a callback of the job.
    Column("webhook_id", String(36), ForeignKey("webhooks.id", ondelete="CASCADE")),
    Column("job_id", String(36)),
    # Of one key there is never more than one on its way: first tries go out in order.
    Column("stream", String(250), nullable=False),
    Column("kind", String(60), nullable=False),
    # Host and port: a slow one is not to hold up the others.
    Column("host", String(270), nullable=False),
    Column("url", Text, nullable=False),
    Column("sealed_url", Text),
    Column("policy", Json, nullable=False),
    Column("body", Text, nullable=False),
    # waiting, delivered, failed, dropped
    Column("state", String(20), nullable=False),
    Column("tries", Integer, nullable=False),
    # Of each try: when, which status or error, how long.
    Column("story", Json, nullable=False),
    Column("by_hand", Boolean, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("due_at", UtcDateTime),
    Column("ended_at", UtcDateTime),
    # What is to be sent next; a webhook's and a job's messages, newest last; what is thrown away.
    Index("messages_by_due", "state", "due_at"),
    Index("messages_by_webhook", "webhook_id", "id"),
    Index("messages_by_job", "job_id", "id"),
    Index("messages_by_end", "ended_at"),
)

# Small things under a name; only their door knows what they mean.
keepsakes = Table(
    "keepsakes",
    metadata,
    id_column(),
    Column("account", String(200), nullable=False),
    Column("door", String(40), nullable=False),
    Column("kind", String(40), nullable=False),
    Column("name", Text, nullable=False),
    Column("data", Json, nullable=False),
    Column("sealed", Text),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    Index("keepsakes_by_account", "account", "door", "kind", "id"),
)
