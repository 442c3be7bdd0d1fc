"""Between the words of `/v1` and ours. Pure; whatever may hold a secret is masked on its way out."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, TypeVar

from framemill.api.native import folder_schemas, schemas
from framemill.api.native import probe_schemas as told
from framemill.api.native.words import Told
from framemill.errors import NotFound
from framemill.jobs import model
from framemill.jobs.facts import seconds_of
from framemill.jobs.states import DeliveryState, JobState, state_of_all
from framemill.secrets import MASK, mask, mask_url, masked, secrets_of
from framemill.services.farm import Counted, Standing
from framemill.services.folders import FolderRequest
from framemill.services.inputs import InputRequest
from framemill.services.jobs import Page, Shown
from framemill.services.parts import OutputRequest
from framemill.services.probing import Estimate, Facts
from framemill.services.submission import JobChanges, JobRequest
from framemill.services.waiting import Why
from framemill.storage.access import KIND_OF
from framemill.storage.address import address_of

Part = TypeVar("Part", schemas.ProbedInput, schemas.FiledOutput)

# In


def job_request(asked: schemas.NewJob) -> JobRequest:
    """A new job in our words."""
    said = asked.model_dump(include=set(schemas.NewJob.model_fields) - {"preset", "callback"})
    if asked.preset is not None:
        said["outputs"] = ({"preset": asked.preset},)
    if asked.callback is not None:
        said["callbacks"] = (asked.callback.model_dump(),)
    return JobRequest.model_validate(said)


def input_request(asked: schemas.NewInput | schemas.ChangedInput, input_id: str | None = None) -> InputRequest:
    """An input in our words: a new one, or changes of the one with that id."""
    said = asked.model_dump(include=asked.model_fields_set)
    return InputRequest.model_validate({"uri": "", **said} if input_id is None else {**said, "id": input_id})


def folder_request(asked: folder_schemas.FolderOfJobs) -> FolderRequest:
    """A folder of new jobs in our words."""
    own = asked.model_dump(exclude=set(schemas.NewJob.model_fields))
    return FolderRequest.model_validate({**own, "job": job_request(asked)})


def probe_request(asked: told.ProbeAsked) -> InputRequest:
    """A source that is asked about, in our words."""
    return InputRequest.model_validate(asked.model_dump())


def output_request(asked: schemas.NewOutput, output_id: str | None = None) -> OutputRequest:
    """An output in our words: a new one, or changes of the one with that id."""
    said = asked.model_dump(exclude_unset=True)
    return OutputRequest.model_validate(said if output_id is None else {**said, "id": output_id})


def job_changes(asked: schemas.EditedJob) -> JobChanges:
    """What is to be changed, in our words: what was not named stays unnamed."""
    return JobChanges.model_validate(asked.model_dump(exclude_unset=True))


# Out


def job(shown: Shown, live: Mapping[str, Any] | None = None) -> schemas.Job:
    """A job as it stands; `live` is what the coordinator tells of its progress, where it was asked and answers."""
    found = shown.job
    secrets = secrets_in(shown.inputs)
    told = {
        **_same(found, schemas.Job),
        "waiting": waiting(shown.waiting),
        "progress": progress(shown, live or {}),
        "message": _masked(found.message, secrets),
        "warnings": [{**dict(warned), "message": mask(warned.message, secrets)} for warned in found.warnings],
        "inputs": [_input(one) for one in shown.inputs],
        "outputs": [output(one, shown.deliveries) for one in shown.outputs],
        "run": found.run.model_dump(mode="json"),
        "limits": found.limits.model_dump(mode="json"),
        "callbacks": [{**dict(one), "url": mask_url(one.url)} for one in found.callbacks],
        "timings_seconds": {state: round(seconds, 3) for state, seconds in found.timings.items()},
    }
    return schemas.Job.model_validate(told)


def secrets_in(inputs: Sequence[model.Input]) -> set[str]:
    """The secrets in the addresses of these inputs, which messages may repeat: of jobs that an earlier release made."""
    return {secret for one in inputs for secret in secrets_of(one.uri)} - {MASK}


def file_job(made: Shown, size: int | None) -> folder_schemas.FileJob:
    """A file of a folder, and the job that was made of it."""
    return folder_schemas.FileJob(uri=mask_url(made.inputs[0].uri), size_bytes=size, job_id=made.job.id)


def page(found: Page) -> schemas.Jobs:
    """A page of jobs."""
    return schemas.Jobs(data=tuple(job(shown) for shown in found.jobs), next_cursor=found.next_cursor)


def progress(shown: Shown, live: Mapping[str, Any]) -> schemas.Progress:
    """How far a job is: what is committed, and beyond that what the coordinator tells."""
    planned = int(live.get("frames_planned") or shown.frames_planned)
    frames = min(max(int(live.get("frames") or 0), shown.frames), planned)
    share: float | None = live.get("share")
    if share is None and planned:
        share = frames / planned
    if shown.job.state is JobState.COMPLETED:
        frames, share = planned, 1.0
    return schemas.Progress(
        frames=frames,
        frames_planned=planned,
        share=None if share is None else round(share, 4),
        bytes_fetched=live.get("bytes"),
        bytes_planned=live.get("bytes_planned"),
        bytes_delivered=live.get("bytes_delivered"),
        bytes_to_deliver=live.get("bytes_to_deliver"),
    )


def waiting(found: model.Waiting | None) -> schemas.Waiting | None:
    """Why a job does not move."""
    return None if found is None else schemas.Waiting(code=found.code, sentence=mask(found.sentence))


def why(found: Why) -> schemas.Why:
    """Why a job does not move, and what to do."""
    return schemas.Why(
        job_id=found.job.id,
        state=found.job.state,
        waiting=waiting(found.waiting),
        next=found.next,
        facts=masked(found.facts, secrets_in(found.inputs)),
    )


def inputs(shown: Shown) -> schemas.Inputs:
    """A job's inputs with what was found in them."""
    return schemas.Inputs.model_validate({"data": [{**_input(one), "facts": one.facts} for one in shown.inputs]})


def outputs(shown: Shown) -> schemas.Outputs:
    """A job's outputs with their files."""
    told = [{**output(one, shown.deliveries), "files": _files(one, shown.deliveries)} for one in shown.outputs]
    return schemas.Outputs.model_validate({"data": told})


def input_of(shown: Shown, input_id: str) -> schemas.ProbedInput:
    """One input of a job. Raises `NotFound`."""
    return _one(inputs(shown).data, input_id, "input")


def output_of(shown: Shown, output_id: str) -> schemas.FiledOutput:
    """One output of a job. Raises `NotFound`."""
    return _one(outputs(shown).data, output_id, "output")


def _one(parts: Sequence[Part], part_id: str, kind: str) -> Part:
    found = next((one for one in parts if one.id == part_id), None)
    if found is None:
        raise NotFound(f"The job has no {kind} {part_id!r}.")
    return found


def report(found: Mapping[str, Any]) -> dict[str, Any]:
    """What was proved about the outputs; it names the sources."""
    named = {name: masked(found[name]) for name in ("source", "inputs", "warnings") if name in found}
    return {"warnings": [], **found, **named}


def events(found: Sequence[model.Event], secrets: Collection[str]) -> schemas.Events:
    """What happened, with `secrets` masked beside what looks like one."""
    told = [{**_same(one, schemas.Event), "data": masked(one.data, secrets)} for one in found]
    return schemas.Events.model_validate({"data": told})


def farm(found: Standing, live: Mapping[str, Any] | None, message: str | None) -> schemas.Farm:
    """How the farm stands."""
    known: dict[str, Any] = {
        "live": live is not None,
        "message": message,
        "paused": found.paused,
        "waiting": waiting(found.waiting),
        "jobs": found.jobs,
    }
    return schemas.Farm.model_validate({**(live or {}), **known})


def probe(found: Facts) -> told.Probe:
    """What is in a source."""
    facts = masked(found.facts)
    return told.Probe(uri=found.uri, size_bytes=found.size, duration_seconds=seconds_of(facts), facts=facts)


def estimate(found: Estimate, slots: int) -> told.Estimate:
    """What a job would take; `slots`: of the farm, 0 where nobody knows."""
    outputs = [
        told.OutputEstimate.model_validate(
            {
                **taken,
                "name": output.name,
                "preset": output.preset,
                "settings": masked(output.settings.model_dump(mode="json")),
                "renditions": [{"width": width, "height": height} for width, height in taken["renditions"]],
            }
        )
        for output, taken in found.outputs
    ]
    work = sum(one.slot_seconds for one in outputs)
    return told.Estimate(
        source=probe(found.source),
        outputs=tuple(outputs),
        frames=sum(one.frames for one in outputs),
        chunks=sum(one.chunks for one in outputs),
        slot_seconds=round(work, 3),
        wall_seconds=round(work / slots, 3) if slots else None,
        size_bytes=sum(one.size_bytes for one in outputs),
        credits_milli=sum(one.credits_milli for one in outputs),
    )


def stats(found: Counted, live: Mapping[str, Any] | None, message: str | None) -> told.Stats:
    """How much there is to do; `live`: what the coordinator tells, where the caller may know."""
    farm = None
    if live is not None:
        farm = told.FarmStats(
            slots=int(live.get("slots") or 0),
            slots_busy=int(live.get("busy") or 0),
            workers=len(live.get("workers") or ()),
            tasks_waiting=int(live.get("waiting_tasks") or 0),
            backlog_seconds=live.get("backlog_seconds"),
            jobs_active=int(live.get("active_jobs") or 0),
            jobs_queued=int(live.get("queued_jobs") or 0),
            frames_per_second=live.get("frames_per_second"),
        )
    return told.Stats(
        at=found.at,
        jobs=dict(found.jobs),
        ended_last_hour=dict(found.last_hour),
        ended_last_day=dict(found.last_day),
        paused=found.paused,
        farm=farm,
        message=message,
    )


def _input(found: model.Input) -> dict[str, Any]:
    return {
        **_same(found, schemas.Input),
        "uri": mask_url(found.uri),
        "credentials": _opener(found),
        "message": _masked(found.message, secrets_in([found])),
        "size_bytes": found.size,
        "duration_seconds": seconds_of(found.facts),
    }


def _opener(found: model.Input | model.Target) -> str | dict[str, str] | None:
    """What opens it, as far as that is told."""
    if found.sealed_access is None:
        return found.credentials
    return {"kind": KIND_OF[address_of(found.uri).scheme]}


def output(found: model.Output, deliveries: Sequence[model.Delivery] = ()) -> dict[str, Any]:
    """An output, and how far its targets are by the deliveries of its files."""
    mine = [row for row in deliveries if row.output_id == found.id]
    targets = [_target(one, [row for row in mine if row.target == number]) for number, one in enumerate(found.targets)]
    return {
        **_same(found, schemas.Output),
        "target": targets[0]["uri"] if targets else None,
        "targets": targets,
        "keep": found.stays and bool(targets),
        "settings": masked(found.settings.model_dump(mode="json")),
        "message": _masked(found.message),
    }


def _target(found: model.Target, rows: Sequence[model.Delivery]) -> dict[str, Any]:
    failed = next((row for row in rows if row.state is DeliveryState.FAILED), None)
    return {
        **_same(found, schemas.Target),
        "uri": mask_url(found.uri),
        "credentials": _opener(found),
        "state": state_of_all(row.state for row in rows),
        "reason": None if failed is None else failed.reason,
        "message": None if failed is None else _masked(failed.message),
    }


def _files(output: model.Output, deliveries: Sequence[model.Delivery]) -> list[dict[str, Any]]:
    mine = [row for row in deliveries if row.output_id == output.id]
    return [
        {
            **_same(row, schemas.File),
            "uri": mask_url(row.uri),
            "message": _masked(row.message),
            "size_bytes": row.size,
        }
        for row in mine
    ]


def _same(value: Any, told: type[Told]) -> dict[str, Any]:
    """The fields that both have under one name."""
    return {name: getattr(value, name) for name in told.model_fields.keys() & type(value).model_fields.keys()}


def _masked(message: str | None, secrets: Collection[str] = ()) -> str | None:
    return None if message is None else mask(message, secrets)
