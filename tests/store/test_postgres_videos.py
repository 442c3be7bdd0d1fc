"""`test_store_videos.py` on PostgreSQL."""

from unit.store.test_store_videos import *  # noqa: F403
