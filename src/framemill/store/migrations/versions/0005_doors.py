"""What front doors other than the native one keep."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0005"
down_revision = "0004"

JSON = sa.JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Jobs that are there came through doors that keep nothing."""
    with op.batch_alter_table("jobs") as jobs:
        jobs.add_column(sa.Column("door_data", JSON))
        jobs.add_column(sa.Column("tariff", JSON))
    table = sa.table("jobs", sa.column("door_data", JSON))
    op.get_bind().execute(sa.update(table).values(door_data={}))
    with op.batch_alter_table("jobs") as jobs:
        jobs.alter_column("door_data", existing_type=JSON, nullable=False)
    _make_videos()
    _make_signing_keys()
    _make_keepsakes()


def _make_videos() -> None:
    op.create_table(
        "videos",
        sa.Column("id", sa.String(20), nullable=False),
        sa.Column("account", sa.String(200), nullable=False),
        sa.Column("door", sa.String(40), nullable=False),
        sa.Column("job_id", sa.String(36), nullable=False),
        sa.Column("upload_id", sa.String(36)),
        sa.Column("origin", sa.String(20), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("description", sa.Text()),
        sa.Column("passthrough", sa.Text()),
        sa.Column("tags", JSON, nullable=False),
        sa.Column("creator", sa.Text()),
        sa.Column("policy", sa.String(10), nullable=False),
        sa.Column("view_count", sa.BigInteger(), nullable=False),
        sa.Column("progress", sa.Integer(), nullable=False),
        sa.Column("progress_attempt", sa.Integer(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.Column("withdrawn_at", MOMENT),
        sa.Column("words", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_videos"),
        sa.UniqueConstraint("job_id", name="uq_videos_job_id"),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_videos_job_id", ondelete="CASCADE"),
        sa.UniqueConstraint("upload_id", name="uq_videos_upload_id"),
    )
    op.create_index("videos_by_account", "videos", ["account", "created_at", "id"])
    op.create_index("videos_by_withdrawal", "videos", ["withdrawn_at"])
    op.create_table(
        "playbacks",
        sa.Column("id", sa.String(20), nullable=False),
        sa.Column("video_id", sa.String(20), nullable=False),
        sa.Column("policy", sa.String(10), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_playbacks"),
        sa.ForeignKeyConstraint(["video_id"], ["videos.id"], name="fk_playbacks_video_id", ondelete="CASCADE"),
    )
    op.create_index("ix_playbacks_video_id", "playbacks", ["video_id"])


def _make_keepsakes() -> None:
    """What doors keep for their clients; and what keys may do that were made at one."""
    with op.batch_alter_table("keys") as keys:
        keys.add_column(sa.Column("narrowed", JSON))
    op.create_table(
        "keepsakes",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("account", sa.String(200), nullable=False),
        sa.Column("door", sa.String(40), nullable=False),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("data", JSON, nullable=False),
        sa.Column("sealed", sa.Text()),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_keepsakes"),
    )
    op.create_index("keepsakes_by_account", "keepsakes", ["account", "door", "kind", "id"])


def _make_signing_keys() -> None:
    op.create_table(
        "signing_keys",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("account", sa.String(200), nullable=False),
        sa.Column("public_key", sa.Text(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("revoked_at", MOMENT),
        sa.PrimaryKeyConstraint("id", name="pk_signing_keys"),
        sa.ForeignKeyConstraint(["account"], ["accounts.id"], name="fk_signing_keys_account", ondelete="CASCADE"),
    )
    op.create_index("ix_signing_keys_account", "signing_keys", ["account"])
