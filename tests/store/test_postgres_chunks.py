"""`test_store_chunks.py` on PostgreSQL."""

from unit.store.test_store_chunks import *  # noqa: F403
