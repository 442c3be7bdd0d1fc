"""A farm of fakes in a folder of its own; see `tests/fake_farm.py`."""

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import delete, update

# Its clock is that of the benchmarks, which are no part of the package: they are found beside it.
sys.path.insert(0, str(Path(__file__).parents[3]))

from fake_farm import Farm

from framemill.store.columns import metadata
from framemill.store.database import Database
from framemill.store.schema import farm as farm_table

_MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of its own in it


@pytest.fixture(scope="session")
def _store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """One store for all tests: to make one, and to learn its statements, takes longer than most of them."""
    with _quick_folder(tmp_path_factory.mktemp("store")) as folder:
        database = Database(f"sqlite:///{folder / 'data' / 'farm.db'}")
        database.create()
        yield database
        database.close()


@pytest.fixture
def database(_store: Database) -> Database:
    """A store without jobs."""
    with _store.writing() as conn:
        for table in reversed(metadata.sorted_tables):
            if table is not farm_table:
                conn.execute(delete(table))
        conn.execute(update(farm_table).values(epoch=0, paused=False, condition={}))
    return _store


@pytest.fixture
def quick_path(tmp_path: Path) -> Iterator[Path]:
    """A folder where it costs little that everything a farm keeps is synced to the disk."""
    with _quick_folder(tmp_path) as folder:
        yield folder


@pytest.fixture
def farm(quick_path: Path, database: Database) -> Farm:
    """A farm of one machine with four slots, and no job."""
    return Farm(quick_path, database)


@contextlib.contextmanager
def _quick_folder(otherwise: Path) -> Iterator[Path]:
    """A folder in memory, where there is such a thing."""
    if not os.access(_MEMORY, os.W_OK):
        yield otherwise
        return
    with tempfile.TemporaryDirectory(prefix="framemill-test-", dir=_MEMORY) as folder:
        yield Path(folder)
