"""`test_store_tally.py` on PostgreSQL."""

from unit.store.test_store_tally import *  # noqa: F403
