"""`test_store_submissions.py` on PostgreSQL."""

from unit.store.test_store_submissions import *  # noqa: F403
