"""`test_store_farm.py` on PostgreSQL."""

from unit.store.test_store_farm import *  # noqa: F403
