"""`test_store_accounts.py` on PostgreSQL."""

from unit.store.test_store_accounts import *  # noqa: F403
