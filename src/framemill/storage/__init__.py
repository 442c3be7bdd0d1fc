"""Bytes by URI: what the farm keeps, and what it fetches."""
