"""`test_store_versions.py` on PostgreSQL."""

from unit.store.test_store_versions import *  # noqa: F403
