"""The tables of videos: what viewers know of jobs' outputs."""

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, String, Table, Text

from framemill.store.columns import Json, UtcDateTime, job_id_column, metadata

videos = Table(
    "videos",
    metadata,
    Column("id", String(20), primary_key=True),
    Column("account", String(200), nullable=False),
    Column("door", String(40), nullable=False),
    job_id_column(unique=True),
    # Uploads are forgotten in time; that one has become a video is not.
    Column("upload_id", String(36), unique=True),
    Column("origin", String(20), nullable=False),
    Column("title", Text, nullable=False),
    Column("description", Text),
    Column("passthrough", Text),
    Column("tags", Json, nullable=False),
    Column("creator", Text),
    Column("policy", String(10), nullable=False),
    Column("view_count", BigInteger, nullable=False),
    Column("progress", Integer, nullable=False),
    Column("progress_attempt", Integer, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    Column("withdrawn_at", UtcDateTime),
    # Title, description and tags in small letters: what is searched.
    Column("words", Text, nullable=False),
    # An account's list; what is to be thrown away.
    Index("videos_by_account", "account", "created_at", "id"),
    Index("videos_by_withdrawal", "withdrawn_at"),
)

playbacks = Table(
    "playbacks",
    metadata,
    Column("id", String(20), primary_key=True),
    Column("video_id", String(20), ForeignKey("videos.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("policy", String(10), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
)
