"""The route that deletes what was made of a job (`deleteJobFiles` of Convertrilo's client of 0.2.8)."""

import asyncio
from typing import Any

from fastapi import APIRouter, Depends

from framemill.api.asked import Parts
from framemill.api.convertrilo.asked import TheJobs
from framemill.api.convertrilo.refused import Refused
from framemill.api.convertrilo.scopes import needs
from framemill.errors import Conflict
from framemill.services.withdrawing import withdrawn

routes = APIRouter(prefix="/jobs", dependencies=[Depends(needs("jobs:cancel"))])


@routes.delete("/{job_id}")
async def delete(job_id: str, jobs: TheJobs, parts: Parts) -> dict[str, Any]:
    """Links to it open nothing any more; the job itself is still told of. Harmless the second time."""
    try:
        count = await asyncio.to_thread(withdrawn, parts.database, jobs, job_id)
    except Conflict as error:
        raise Refused(409, "job_active", error.message) from None
    return {"ok": True, "jobId": job_id, "objectsDeleted": count, "jobRetained": True}
