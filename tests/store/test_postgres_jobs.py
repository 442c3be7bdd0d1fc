"""`test_store_jobs.py` on PostgreSQL."""

from unit.store.test_store_jobs import *  # noqa: F403
