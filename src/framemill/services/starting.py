"""Whether a job may begin as it is, and what a new attempt forgets of the last one."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection

from framemill.errors import Conflict, WrongUse
from framemill.jobs.model import Input, Job, Output
from framemill.jobs.states import (
    INPUT_TRANSITIONS,
    CancelAsked,
    FetchAgain,
    InputState,
    JobEvent,
    JobState,
    StartAsked,
    advance,
)
from framemill.services.parts import refuse_misfit
from framemill.store import deliveries as delivery_rows
from framemill.store import jobs as job_rows
from framemill.store.videos import video_of_job


def refuse_unready(job: Job, inputs: Sequence[Input], outputs: Sequence[Output]) -> None:
    """Raise `Conflict` where a held job has nothing to do yet, or an output that its inputs do not fit."""
    for name, parts in (("input", inputs), ("output", outputs)):
        if job.state is JobState.HELD and not parts:
            raise Conflict(f"Job {job.id} has no {name} yet: POST one to /v1/jobs/{job.id}/{name}s, then start it.")
    for output in outputs if job.state is JobState.HELD else ():  # its inputs may have changed since
        try:
            refuse_misfit(output, inputs)
        except WrongUse as error:
            raise Conflict(f"Job {job.id} cannot be started as it is: {error.message}") from None


def refuse_deleted(conn: Connection, job: Job) -> None:
    """Raise `Conflict` where the video that a job makes was deleted: nobody would find what is made once more."""
    video = video_of_job(conn, job.id, withdrawn=True)
    if video is not None and video.withdrawn_at is not None:
        raise Conflict(f"Job {job.id} is not tried again. Its video was deleted: make a new one.")


def forgive(conn: Connection, inputs: Sequence[Input], outputs: Sequence[Output]) -> None:
    """What went wrong with the parts in the last attempt does not count in the next; what is unusable stays so.

    Outputs that were withdrawn are made again, and charged: so they are there again, but not the files of before.
    """
    fresh: dict[str, Any] = {"reason": None, "message": None}
    for one in inputs:
        if one.state is InputState.FAILED and not one.unusable:
            waits = advance(INPUT_TRANSITIONS, one.state, FetchAgain())
            job_rows.save_input(conn, one.model_copy(update={**fresh, "state": waits}))
    delivery_rows.forget_here(conn, [output.id for output in outputs if output.withdrawn_at is not None])
    for output in outputs:
        targets = tuple(target.model_copy(update={"number": None}) for target in output.targets)
        again = output.model_copy(update={**fresh, "targets": targets, "withdrawn_at": None})
        if again != output:
            job_rows.save_output(conn, again)


def refusal(job: Job, event: JobEvent) -> str:
    """Why a job in its state does not take that event."""
    match event:
        case StartAsked():
            return f"Job {job.id} is {job.state}: only a job that is held is started."
        case CancelAsked():
            return f"Job {job.id} is {job.state}: there is nothing left to cancel."
        case _:
            return f"Job {job.id} is {job.state}: only a job that has ended is tried again; cancel it first."
