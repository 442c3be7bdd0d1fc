"""A store without jobs at the price of a copy: to make its tables takes longer than most tests."""

import functools
import tempfile
from pathlib import Path

from framemill.store.database import Database


def made_store(path: Path) -> Database:
    """A new store in that file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_template())
    return Database(f"sqlite:///{path}")


@functools.cache
def _template() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "farm.db"
        database = Database(f"sqlite:///{file}")
        database.create()
        database.close()  # which brings all of it into that one file
        return file.read_bytes()
