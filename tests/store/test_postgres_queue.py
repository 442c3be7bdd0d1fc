"""`test_store_queue.py` on PostgreSQL."""

from unit.store.test_store_queue import *  # noqa: F403
