"""Jobs from requests: written to the store, where the coordinator finds them."""

from collections.abc import Sized
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import AwareDatetime, Field

from framemill.errors import WrongUse
from framemill.jobs.model import Input, Job, Keep, Limits, Output, new_id
from framemill.jobs.settings import RunSettings, Value
from framemill.jobs.states import InputState
from framemill.services.callbacks import CallbackRequest, Desk, taken
from framemill.services.callers import DEFAULT_ACCOUNT, Caller
from framemill.services.parts import InputRequest, OutputRequest, about, inputs_of, outputs_of
from framemill.services.requests import EncodeRequest
from framemill.store import jobs as job_rows
from framemill.store.database import Database

if TYPE_CHECKING:  # a front door reads no media, so it does not load what does
    from framemill.farm.titles import Ingested


class JobRequest(Value):
    """A job as a client asks for it."""

    inputs: tuple[InputRequest, ...]
    outputs: tuple[OutputRequest, ...]
    run: RunSettings = RunSettings()
    priority: int = 0
    deadline: AwareDatetime | None = None
    limits: Limits = Limits()
    callbacks: tuple[CallbackRequest, ...] = ()
    metadata: dict[str, Any] = Field(default_factory=dict)
    fairness_key: str = ""
    start: Literal["auto", "held"] = "auto"
    on_input_error: Keep = "fail"
    on_output_error: Keep = "fail"


def new_job(
    request: JobRequest,
    *,
    caller: Caller,
    door: str,
    now: datetime,
    job_id: str | None = None,
    desk: Desk | None = None,
) -> tuple[Job, list[Input], list[Output]]:
    """The job with its parts; its inputs wait to be fetched, and nothing of them was read.

    Raises `WrongUse` and its kinds, and `SourceError`'s where a local source cannot be read; the error's `param` names
    the field.
    """
    if request.start == "auto":
        refuse_incomplete(request.inputs, request.outputs)
    asked: dict[str, Any] = {name: value for name, value in request if name not in {"inputs", "outputs"}}
    asked["callbacks"] = taken(request.callbacks, caller.account, desk)
    job = Job(id=job_id or new_id(), account=caller.account, door=door, created_at=now, **asked)
    inputs = inputs_of(job.id, request.inputs)
    return job, inputs, outputs_of(job.id, request.outputs, inputs)


def refuse_incomplete(inputs: Sized, outputs: Sized) -> None:
    """Raise `WrongUse` where a job has not all that it takes to begin; a held one may lack it until it is started."""
    for name, parts in (("inputs", inputs), ("outputs", outputs)):
        if not len(parts):
            with about(name):
                raise WrongUse(f"A job takes one of the {name} at the least; one with start: held may get it later.")


def submit_read_source(database: Database, request: EncodeRequest, read: "Ingested", now: datetime) -> str:
    """Write a job whose source was read already; its id."""
    job = Job(account=DEFAULT_ACCOUNT, door="cli", run=request.run, created_at=now, usage={"read": read.usage})
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
