"""Whether what a viewer was let in by is there still: asked for every file that a player fetches."""

from sqlalchemy import Connection, bindparam, exists, select

from framemill.store.account_tables import signing_keys
from framemill.store.video_tables import playbacks, videos


def may_play(conn: Connection, playback_id: str, signing_key_id: str | None) -> bool:
    """Whether the playback is there, its video was not withdrawn, and the key (none: it took none) was not revoked."""
    if not conn.execute(_PLAYBACK, {"of_playback": playback_id}).scalar_one():
        return False
    return signing_key_id is None or bool(conn.execute(_KEY, {"of_key": signing_key_id}).scalar_one())


# A player asks for each segment: building a statement takes longer than executing it.
_PLAYBACK = select(
    exists().where(
        playbacks.c.id == bindparam("of_playback"),
        videos.c.id == playbacks.c.video_id,
        videos.c.withdrawn_at.is_(None),
    )
)
_KEY = select(exists().where(signing_keys.c.id == bindparam("of_key"), signing_keys.c.revoked_at.is_(None)))
