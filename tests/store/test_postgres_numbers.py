"""`test_store_numbers.py` on PostgreSQL."""

from unit.store.test_store_numbers import *  # noqa: F403
