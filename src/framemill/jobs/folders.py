"""Folders of sources: how much of one is taken."""

MOST_FILES = 1000
"""Files of a folder that one request may turn into jobs."""
