"""Jobs from requests: written to the store, where the coordinator finds them."""

from datetime import datetime
from pathlib import Path

from framemill.farm.titles import Ingested
from framemill.jobs.model import Input, Job, Output, new_id
from framemill.jobs.states import InputState
from framemill.services.requests import EncodeRequest
from framemill.store import jobs as job_rows
from framemill.store.database import Database


def submit_read_source(database: Database, request: EncodeRequest, read: Ingested, now: datetime) -> str:
    """Write a job whose source was read already; its id."""
    job = Job(account="local", door="cli", run=request.run, created_at=now, usage={"read": read.usage})
    source, inspection = read.source, read.source.inspection
    found = Input(
        job_id=job.id,
        uri=request.source,
        state=InputState.READY,
        blob=source.path,
        size=Path(source.path).stat().st_size,
        sha256=inspection.sha256,
        fingerprint=inspection.sha256,
        facts=inspection.facts,
        index_key=read.key,
    )
    output = Output(
        id=new_id(),
        job_id=job.id,
        name=Path(request.destination).name,
        preset=request.preset,
        settings=request.output,
        target=request.destination,
    )
    with database.writing() as conn:
        job_rows.add_job(conn, job, [found], [output])
    return job.id
