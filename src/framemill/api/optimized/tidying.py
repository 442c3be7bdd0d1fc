"""What was made of films that nobody wants any more goes from the disk soon, and not when the farm happens to tidy."""

import asyncio
import contextlib

from framemill.api.parts import ApiParts
from framemill.errors import FarmError
from framemill.jobs.states import ENDED_JOB
from framemill.store.database import Database
from framemill.store.jobs import load_job

_SECONDS = 60.0
"""A worker may be slow to stop; after that the farm tidies as it always does."""
_LOOK_SECONDS = 0.25


async def tidied_soon(parts: ApiParts, job_id: str | None = None) -> None:
    """Have the farm throw away what nobody needs, once that job has ended."""
    with contextlib.suppress(FarmError, TimeoutError):
        async with asyncio.timeout(_SECONDS):
            # Whoever ends it is another process.
            while job_id is not None and not await asyncio.to_thread(_has_ended, parts.database, job_id):  # noqa: ASYNC110
                await asyncio.sleep(_LOOK_SECONDS)
            await parts.farm.gc(False)


def _has_ended(database: Database, job_id: str) -> bool:
    with database.reading() as conn:
        found = load_job(conn, job_id)
    return found is None or found[0].state in ENDED_JOB
