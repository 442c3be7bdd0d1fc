"""Jobs from requests: written to the store, where the coordinator finds them."""

from collections.abc import Sized
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import AwareDatetime, Field

from framemill.errors import WrongUse
from framemill.jobs.metering import Tariff
from framemill.jobs.model import Input, Job, Keep, KeepOutputs, Limits, Output, Target, new_id
from framemill.jobs.settings import RunSettings, Value
from framemill.jobs.states import InputState
from framemill.services.callbacks import CallbackRequest, taken
from framemill.services.callers import DEFAULT_ACCOUNT, Caller
from framemill.services.desk import Desk, Opener, way_of
from framemill.services.fields import about
from framemill.services.inputs import InputRequest, inputs_of
from framemill.services.parts import OutputRequest, outputs_of
from framemill.services.paths import open_inputs, open_outputs, refuse_closed
from framemill.services.requests import EncodeRequest, place_of
from framemill.services.targets import name_at
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
    door_data: dict[str, Any] = Field(default_factory=dict)
    tariff: Tariff | None = None
    fairness_key: str = ""
    start: Literal["auto", "held"] = "auto"
    on_input_error: Keep = "fail"
    on_output_error: KeepOutputs = "fail"


class JobChanges(Value):
    """What is to be changed of a job; fields that are not set stay."""

    inputs: tuple[InputRequest, ...] = ()
    outputs: tuple[OutputRequest, ...] = ()
    run: RunSettings = RunSettings()
    limits: Limits = Limits()
    callbacks: tuple[CallbackRequest, ...] = ()
    fairness_key: str = ""
    on_input_error: Keep = "fail"
    on_output_error: KeepOutputs = "fail"
    priority: int = 0
    deadline: AwareDatetime | None = None
    metadata: dict[str, Any] = Field(default_factory=dict)
    door_data: dict[str, Any] = Field(default_factory=dict)
    tariff: Tariff | None = None


#: What may be changed at any time; the rest only while the job is held.
ALWAYS_CHANGED = frozenset({"priority", "deadline", "metadata", "door_data"})


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
    wanted_inputs = open_inputs(request.inputs, caller, desk)
    wanted_outputs = open_outputs(request.outputs, caller, desk)
    asked: dict[str, Any] = {name: value for name, value in request if name not in {"inputs", "outputs"}}
    asked["callbacks"] = taken(request.callbacks, desk)
    job = Job(id=job_id or new_id(), account=caller.account, door=door, created_at=now, **asked)
    inputs = inputs_of(job.id, wanted_inputs, account=job.account, desk=desk, limits=job.limits)
    outputs = outputs_of(job.id, wanted_outputs, inputs, account=job.account, desk=desk)
    refuse_closed(outputs, caller, desk)
    return job, inputs, outputs


def refuse_incomplete(inputs: Sized, outputs: Sized) -> None:
    """Raise `WrongUse` where a job has not all that it takes to begin; a held one may lack it until it is started."""
    for name, parts in (("inputs", inputs), ("outputs", outputs)):
        if not len(parts):
            with about(name):
                raise WrongUse(f"A job takes one of the {name} at the least; one with start: held may get it later.")


def submit_read_source(database: Database, request: EncodeRequest, read: "Ingested", desk: Desk, now: datetime) -> str:
    """Write a job whose source was read already; its id. Sources that are joined to it are read by the farm."""

    def placed(uri: str, opener: Opener | None) -> dict[str, Any]:
        return way_of(uri, opener, DEFAULT_ACCOUNT, desk).model_dump(exclude={"account"})

    job = Job(account=DEFAULT_ACCOUNT, door="cli", run=request.run, created_at=now, usage={"read": read.usage})
    source, inspection = read.source, read.source.inspection
    found = Input(
        job_id=job.id,
        **placed(request.source, request.source_credentials),
        state=InputState.READY,
        blob=source.path,
        size=Path(source.path).stat().st_size,
        sha256=inspection.sha256,
        fingerprint=inspection.sha256,
        facts=inspection.facts,
        index_key=read.key,
    )
    there = placed(place_of(request.output, request.destination), request.credentials)
    trusted = there.pop("trusted")
    target = Target(**there)
    output = Output(
        id=new_id(),
        job_id=job.id,
        name=name_at(target),
        preset=request.preset,
        settings=request.output,
        targets=(target,),
        trusted=trusted,
    )
    others = [
        Input(job_id=job.id, position=place, **placed(uri, request.source_credentials))
        for place, uri in enumerate(request.join, 1)
    ]
    with database.writing() as conn:
        job_rows.add_job(conn, job, [found, *others], [output])
    return job.id
