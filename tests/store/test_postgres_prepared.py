"""`test_store_prepared.py` on PostgreSQL."""

from unit.store.test_store_prepared import *  # noqa: F403
