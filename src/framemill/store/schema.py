"""The tables of jobs and of the farm. What is searched or guarded is a column of its own; what is only carried is JSON.

No query that the farm asks while it runs may grow with the number of ended jobs: each has an index named beside it.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
    text,
)

from framemill.store.columns import (
    Json,
    Sequence,
    UtcDateTime,
    explained_columns,
    id_column,
    job_id_column,
    metadata,
)

jobs = Table(
    "jobs",
    metadata,
    id_column(),
    Column("account", String(200), nullable=False),
    Column("door", String(40), nullable=False),
    Column("priority", Integer, nullable=False),
    Column("deadline", UtcDateTime),
    Column("start", String(8), nullable=False),
    Column("run", Json, nullable=False),
    Column("limits", Json, nullable=False),
    Column("callbacks", Json, nullable=False),
    Column("metadata", Json, nullable=False),
    Column("fairness_key", String(200), nullable=False),
    Column("on_input_error", String(8), nullable=False),
    Column("on_output_error", String(8), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("state", String(20), nullable=False),
    *explained_columns(),
    Column("waiting", Json),
    Column("warnings", Json, nullable=False),
    Column("refuted", Integer, nullable=False),
    Column("version", Integer, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("entered_at", UtcDateTime, nullable=False),
    Column("started_at", UtcDateTime),
    Column("ended_at", UtcDateTime),
    Column("spent", BigInteger, nullable=False),
    Column("report", Json),
    Column("timings", Json, nullable=False),
    Column("usage", Json, nullable=False),
    # A front door's own notes, and what its jobs cost where that is not the usual (`jobs.metering.Tariff`).
    Column("door_data", Json, nullable=False),
    Column("tariff", Json),
    # What moves now, over all accounts: the coordinator's question. Ids sort by time.
    Index("jobs_by_state", "state", "id"),
    # An account's list, and what it has running: a door's question and admission's.
    Index("jobs_by_account", "account", "id"),
    Index("jobs_by_account_and_state", "account", "state", "id"),
)

inputs = Table(
    "inputs",
    metadata,
    id_column(),
    job_id_column(index=True),
    Column("position", Integer, nullable=False),
    Column("uri", Text, nullable=False),
    Column("sealed_uri", Text),
    Column("filename", Text),
    Column("read_once", Boolean, nullable=False),
    Column("state", String(20), nullable=False),
    Column("blob", Text),
    Column("size", BigInteger),
    Column("sha256", String(64)),
    Column("content_type", String(200)),
    Column("fingerprint", String(128)),
    Column("facts", Json),
    Column("index_key", Text),
    Column("zero", String(60)),
    *explained_columns(),
    Column("metadata", Json, nullable=False),
    # Retention's question: which jobs need that upload.
    Column("upload_id", String(36), index=True),
    Column("start", Float),
    Column("end", Float),
    Column("credentials", String(100)),
    Column("sealed_access", Text),
    Column("trusted", Boolean, nullable=False),
)

outputs = Table(
    "outputs",
    metadata,
    id_column(),
    job_id_column(index=True),
    Column("position", Integer, nullable=False),
    Column("input_ids", Json, nullable=False),
    Column("name", Text, nullable=False),
    Column("preset", String(200)),
    Column("settings", Json, nullable=False),
    # What is to be thrown away next: retention's question.
    Column("expires_at", UtcDateTime, index=True),
    Column("download_limit", Integer),
    Column("download_count", Integer, nullable=False),
    Column("charged", BigInteger),
    Column("password_hashes", Json, nullable=False),
    Column("withdrawn_at", UtcDateTime),
    *explained_columns(),
    Column("metadata", Json, nullable=False),
    Column("targets", Json, nullable=False),
    # Its files are here for good: what is collected has to know.
    Column("stays", Boolean, nullable=False),
    Column("trusted", Boolean, nullable=False),
)

chunks = Table(
    "chunks",
    metadata,
    job_id_column(primary_key=True),
    Column("attempt", Integer, primary_key=True),
    # An output that is deleted takes its chunks along, and the database has to find them.
    Column("output_id", String(36), ForeignKey("outputs.id", ondelete="CASCADE"), primary_key=True, index=True),
    Column("rendition", Integer, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("group_number", Integer, nullable=False),
    Column("key", String(128), nullable=False),
    Column("first_frame", BigInteger, nullable=False),
    Column("end_frame", BigInteger, nullable=False),
    Column("state", String(20), nullable=False),
    Column("lease_token", String(64)),
    Column("epoch", BigInteger),
    Column("worker", String(200)),
    Column("leased_at", UtcDateTime),
    Column("tries", Integer, nullable=False),
    Column("failures", Json, nullable=False),
    Column("frames_done", BigInteger, nullable=False),
    Column("blob", Text),
    Column("size", BigInteger),
    Column("sha256", String(64)),
    Column("seconds", Float),
    Column("cpu_seconds", Float),
    Column("committed_at", UtcDateTime),
    *explained_columns(),
    CheckConstraint("end_frame > first_frame", name="chunks_hold_frames"),
    # The cache's question, over all jobs; and the lease's, which is to find one chunk among a job's ten thousands.
    Index("chunks_by_key", "key", "job_id", "attempt"),
    # Who holds what now: only rows under a lease are in it.
    Index(
        "chunks_by_lease",
        "lease_token",
        sqlite_where=text("lease_token IS NOT NULL"),
        postgresql_where=text("lease_token IS NOT NULL"),
    ),
)

deliveries = Table(
    "deliveries",
    metadata,
    id_column(),
    job_id_column(index=True),
    Column("attempt", Integer, nullable=False),
    Column("output_id", String(36), ForeignKey("outputs.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("path", Text, nullable=False),
    Column("uri", Text, nullable=False),
    Column("state", String(20), nullable=False),
    Column("size", BigInteger),
    Column("sha256", String(64)),
    Column("md5", String(32)),
    Column("content_type", String(200)),
    *explained_columns(),
    Column("target", Integer),
)

events = Table(
    "events",
    metadata,
    Column("seq", Sequence, primary_key=True, autoincrement=True),
    job_id_column(),
    Column("at", UtcDateTime, nullable=False),
    Column("kind", String(60), nullable=False),
    Column("data", Json, nullable=False),
    # A job's story, from where the reader stopped.
    Index("events_by_job", "job_id", "seq"),
    # A number is never used twice, even where the newest events were thrown away.
    sqlite_autoincrement=True,
)

# Events that were not told yet: whoever tells one deletes its row.
outbox = Table(
    "outbox",
    metadata,
    Column("seq", Sequence, ForeignKey("events.seq", ondelete="CASCADE"), primary_key=True, autoincrement=False),
)

farm = Table(
    "farm",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("epoch", BigInteger, nullable=False),
    # The operator's wish: nothing more is started.
    Column("paused", Boolean, nullable=False),
    # What the coordinator last said of itself.
    Column("condition", Json, nullable=False),
    CheckConstraint("id = 1", name="one_farm"),
)

machines = Table(
    "machines",
    metadata,
    # Ids are the cluster's, not ours.
    Column("id", String(200), primary_key=True),
    Column("name", Text, nullable=False),
    Column("state", String(20), nullable=False),
    *explained_columns(),
    Column("canary", String(64)),
    Column("build", Text, nullable=False),
    Column("architecture", String(40), nullable=False),
    Column("seen_at", UtcDateTime, nullable=False),
)

# What the same little encode comes to, once and for all: a machine that has it otherwise is not to be trusted.
canaries = Table(
    "canaries",
    metadata,
    Column("build", String(200), primary_key=True),
    Column("architecture", String(40), primary_key=True),
    Column("sha256", String(64), nullable=False),
)

foreign_ids = Table(
    "foreign_ids",
    metadata,
    Column("door", String(40), primary_key=True),
    Column("kind", String(40), primary_key=True),
    Column("their_id", String(200), primary_key=True),
    Column("our_id", String(36), nullable=False, index=True),
)
