"""`test_store_ledger.py` on PostgreSQL."""

from unit.store.test_store_ledger import *  # noqa: F403
