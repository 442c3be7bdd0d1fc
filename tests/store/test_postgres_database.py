"""`test_store_database.py` on PostgreSQL."""

from unit.store.test_store_database import *  # noqa: F403
