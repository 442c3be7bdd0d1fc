"""`test_store_events.py` on PostgreSQL."""

from unit.store.test_store_events import *  # noqa: F403
