"""`test_store_writer.py` on PostgreSQL."""

from unit.store.test_store_writer import *  # noqa: F403
