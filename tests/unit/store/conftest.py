"""A database in a file of its own, and the values that go into it.

What a test here says of `database` holds for PostgreSQL, too: `tests/store` runs the same tests on it, with `empty`
replaced. What only SQLite does is in `test_store_sqlite.py`.
"""

import asyncio
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from made_store import made_store
from sqlalchemy import Connection

from framemill.jobs.model import ChunkRow, Input, Job, Output
from framemill.store.database import Database
from framemill.store.jobs import add_job
from framemill.store.writer import Writer

NOON = datetime(2030, 5, 17, 12, 0, tzinfo=UTC)


async def at_once(writer: Writer, *changes: Callable[[Connection], Any]) -> list[Any]:
    """What came of changes that were asked for before the writer took the first of them."""
    asking = [asyncio.ensure_future(writer.write(change)) for change in changes]
    with writer._more:  # so its thread takes none
        await asyncio.sleep(0)
    return await asyncio.gather(*asking, return_exceptions=True)


@pytest.fixture
def now() -> datetime:
    """When the job is made."""
    return NOON


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Database]:
    """A place for a store, and nothing there yet."""
    place = Database(f"sqlite:///{tmp_path / 'data' / 'farm.db'}")
    yield place
    place.close()


@pytest.fixture
def database(empty: Database) -> Database:
    """A store without jobs."""
    if empty.is_sqlite:
        made_store(Path(empty.name)).close()
    else:
        empty.create()
    return empty


@pytest.fixture
def break_database(tmp_path: Path) -> Callable[[], Callable[[], None]]:
    """Take the database away; what this returns brings it back."""

    def take_away() -> Callable[[], None]:
        away = (tmp_path / "data").rename(tmp_path / "away")

        def bring_back() -> None:
            away.rename(tmp_path / "data")

        return bring_back

    return take_away


@pytest.fixture
def make_job() -> Callable[..., Job]:
    """A job with everything at its default, but for what is named."""

    def make(**fields: Any) -> Job:
        return Job(**{"account": "a", "door": "cli", "created_at": NOON, **fields})

    return make


@pytest.fixture
def stored(database: Database, make_job: Callable[..., Job]) -> Job:
    """A job in the store, with one input and two outputs, `o1` and `o2`."""
    job = make_job(id="j")
    with database.writing() as conn:
        add_job(
            conn,
            job,
            [Input(id="i", job_id="j", uri="file:///in.mp4")],
            [Output(id="o1", job_id="j", name="a.mp4"), Output(id="o2", job_id="j", name="b.mp4", position=1)],
        )
    return job


@pytest.fixture
def make_chunks() -> Callable[..., list[ChunkRow]]:
    """Chunks of ten frames, one a key."""

    def make(*keys: str, **fields: Any) -> list[ChunkRow]:
        return [
            ChunkRow(
                **{
                    **{"job_id": "j", "output_id": "o1", "number": number, "key": key},
                    **{"first_frame": number * 10, "end_frame": number * 10 + 10},
                    **fields,
                }
            )
            for number, key in enumerate(keys)
        ]

    return make
