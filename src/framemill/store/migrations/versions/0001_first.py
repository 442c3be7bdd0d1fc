"""The first release's tables."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None

JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
MOMENT = sa.DateTime(timezone=True)
# SQLite counts rows by itself only in a column that is declared INTEGER.
SEQUENCE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make everything."""
    _make_jobs()
    _make_inputs()
    _make_outputs()
    _make_chunks()
    _make_deliveries()
    _make_events()
    _make_outbox()
    _make_farm()
    _make_machines()
    _make_canaries()
    _make_foreign_ids()


def _make_jobs() -> None:
    op.create_table(
        "jobs",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("account", sa.String(200), nullable=False),
        sa.Column("door", sa.String(40), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("deadline", MOMENT),
        sa.Column("start", sa.String(8), nullable=False),
        sa.Column("run", JSON, nullable=False),
        sa.Column("limits", JSON, nullable=False),
        sa.Column("callbacks", JSON, nullable=False),
        sa.Column("metadata", JSON, nullable=False),
        sa.Column("fairness_key", sa.String(200), nullable=False),
        sa.Column("on_input_error", sa.String(8), nullable=False),
        sa.Column("on_output_error", sa.String(8), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("reason", sa.String(40)),
        sa.Column("message", sa.Text()),
        sa.Column("waiting", JSON),
        sa.Column("warnings", JSON, nullable=False),
        sa.Column("refuted", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("entered_at", MOMENT, nullable=False),
        sa.Column("started_at", MOMENT),
        sa.Column("ended_at", MOMENT),
        sa.Column("spent", sa.BigInteger(), nullable=False),
        sa.Column("report", JSON),
        sa.Column("timings", JSON, nullable=False),
        sa.Column("usage", JSON, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_jobs"),
    )
    op.create_index("jobs_by_account", "jobs", ["account", "id"])
    op.create_index("jobs_by_account_and_state", "jobs", ["account", "state", "id"])
    op.create_index("jobs_by_state", "jobs", ["state", "id"])


def _make_inputs() -> None:
    op.create_table(
        "inputs",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("job_id", sa.String(36), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("uri", sa.Text(), nullable=False),
        sa.Column("sealed_uri", sa.Text()),
        sa.Column("filename", sa.Text()),
        sa.Column("read_once", sa.Boolean(), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("blob", sa.Text()),
        sa.Column("size", sa.BigInteger()),
        sa.Column("sha256", sa.String(64)),
        sa.Column("content_type", sa.String(200)),
        sa.Column("fingerprint", sa.String(128)),
        sa.Column("facts", JSON),
        sa.Column("index_key", sa.Text()),
        sa.Column("zero", sa.String(60)),
        sa.Column("reason", sa.String(40)),
        sa.Column("message", sa.Text()),
        sa.Column("metadata", JSON, nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_inputs_job_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_inputs"),
    )
    op.create_index("ix_inputs_job_id", "inputs", ["job_id"])


def _make_outputs() -> None:
    op.create_table(
        "outputs",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("job_id", sa.String(36), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("input_ids", JSON, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("preset", sa.String(200)),
        sa.Column("settings", JSON, nullable=False),
        sa.Column("target", sa.Text()),
        sa.Column("sealed_target", sa.Text()),
        sa.Column("expires_at", MOMENT),
        sa.Column("download_limit", sa.Integer()),
        sa.Column("download_count", sa.Integer(), nullable=False),
        sa.Column("charged", sa.BigInteger()),
        sa.Column("password_hashes", JSON, nullable=False),
        sa.Column("withdrawn_at", MOMENT),
        sa.Column("reason", sa.String(40)),
        sa.Column("message", sa.Text()),
        sa.Column("metadata", JSON, nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_outputs_job_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_outputs"),
    )
    op.create_index("ix_outputs_expires_at", "outputs", ["expires_at"])
    op.create_index("ix_outputs_job_id", "outputs", ["job_id"])


def _make_chunks() -> None:
    op.create_table(
        "chunks",
        sa.Column("job_id", sa.String(36), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("output_id", sa.String(36), nullable=False),
        sa.Column("rendition", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("group_number", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(128), nullable=False),
        sa.Column("first_frame", sa.BigInteger(), nullable=False),
        sa.Column("end_frame", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("lease_token", sa.String(64)),
        sa.Column("epoch", sa.BigInteger()),
        sa.Column("worker", sa.String(200)),
        sa.Column("leased_at", MOMENT),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("failures", JSON, nullable=False),
        sa.Column("frames_done", sa.BigInteger(), nullable=False),
        sa.Column("blob", sa.Text()),
        sa.Column("size", sa.BigInteger()),
        sa.Column("sha256", sa.String(64)),
        sa.Column("seconds", sa.Float()),
        sa.Column("cpu_seconds", sa.Float()),
        sa.Column("committed_at", MOMENT),
        sa.Column("reason", sa.String(40)),
        sa.Column("message", sa.Text()),
        sa.CheckConstraint("end_frame > first_frame", name="chunks_hold_frames"),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_chunks_job_id", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["output_id"], ["outputs.id"], name="fk_chunks_output_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job_id", "attempt", "output_id", "rendition", "number", name="pk_chunks"),
    )
    op.create_index("chunks_by_key", "chunks", ["key", "job_id", "attempt"])
    op.create_index(
        "chunks_by_lease",
        "chunks",
        ["lease_token"],
        sqlite_where=sa.text("lease_token IS NOT NULL"),
        postgresql_where=sa.text("lease_token IS NOT NULL"),
    )
    op.create_index("ix_chunks_output_id", "chunks", ["output_id"])


def _make_deliveries() -> None:
    op.create_table(
        "deliveries",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("job_id", sa.String(36), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("output_id", sa.String(36), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("uri", sa.Text(), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("size", sa.BigInteger()),
        sa.Column("sha256", sa.String(64)),
        sa.Column("md5", sa.String(32)),
        sa.Column("content_type", sa.String(200)),
        sa.Column("reason", sa.String(40)),
        sa.Column("message", sa.Text()),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_deliveries_job_id", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["output_id"], ["outputs.id"], name="fk_deliveries_output_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_deliveries"),
    )
    op.create_index("ix_deliveries_job_id", "deliveries", ["job_id"])
    op.create_index("ix_deliveries_output_id", "deliveries", ["output_id"])


def _make_events() -> None:
    op.create_table(
        "events",
        sa.Column("seq", SEQUENCE, autoincrement=True, nullable=False),
        sa.Column("job_id", sa.String(36), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("kind", sa.String(60), nullable=False),
        sa.Column("data", JSON, nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_events_job_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("seq", name="pk_events"),
        sqlite_autoincrement=True,
    )
    op.create_index("events_by_job", "events", ["job_id", "seq"])


def _make_outbox() -> None:
    op.create_table(
        "outbox",
        sa.Column("seq", SEQUENCE, autoincrement=False, nullable=False),
        sa.Column("due_at", MOMENT, nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["seq"], ["events.seq"], name="fk_outbox_seq", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("seq", name="pk_outbox"),
    )
    op.create_index("ix_outbox_due_at", "outbox", ["due_at"])


def _make_farm() -> None:
    op.create_table(
        "farm",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("paused", sa.Boolean(), nullable=False),
        sa.Column("condition", JSON, nullable=False),
        sa.CheckConstraint("id = 1", name="one_farm"),
        sa.PrimaryKeyConstraint("id", name="pk_farm"),
    )


def _make_machines() -> None:
    op.create_table(
        "machines",
        sa.Column("id", sa.String(200), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("reason", sa.String(40)),
        sa.Column("message", sa.Text()),
        sa.Column("canary", sa.String(64)),
        sa.Column("build", sa.Text(), nullable=False),
        sa.Column("architecture", sa.String(40), nullable=False),
        sa.Column("seen_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_machines"),
    )


def _make_canaries() -> None:
    op.create_table(
        "canaries",
        sa.Column("build", sa.String(200), nullable=False),
        sa.Column("architecture", sa.String(40), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("build", "architecture", name="pk_canaries"),
    )


def _make_foreign_ids() -> None:
    op.create_table(
        "foreign_ids",
        sa.Column("door", sa.String(40), nullable=False),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("their_id", sa.String(200), nullable=False),
        sa.Column("our_id", sa.String(36), nullable=False),
        sa.PrimaryKeyConstraint("door", "kind", "their_id", name="pk_foreign_ids"),
    )
    op.create_index("ix_foreign_ids_our_id", "foreign_ids", ["our_id"])
