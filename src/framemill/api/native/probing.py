"""Routes that look and begin nothing: presets, what is in a source, what a job would take."""

import asyncio

from fastapi import APIRouter, Depends

from framemill.api.asked import Parts, TheJobs, live_status
from framemill.api.auth import TheCaller, needs
from framemill.api.documented import MISSING, codes_in, documented
from framemill.api.native import mapping, schemas
from framemill.api.native import probe_schemas as told
from framemill.api.native.jobs import ASKED_WRONG
from framemill.errors import NotFound, UnknownPreset
from framemill.jobs.presets import PRESETS, Preset, preset_named
from framemill.services import probing

routes = APIRouter(dependencies=[Depends(needs("jobs:read"))])

SOURCE_WRONG = documented(
    *("not_found", "conflict"),  # of uploads
    *("wrong_use", "source_missing", "source_refused", "source_unreachable", "source_encrypted", "unreadable_source"),
    *("source_too_large", "disk_full", "farm_unavailable"),
)


@routes.get("/presets", summary="List the presets", tags=["presets"])
async def presets() -> told.Presets:
    """In the order in which somebody would look for one."""
    return told.Presets(data=tuple(_preset(preset) for preset in PRESETS.values()))


@routes.get("/presets/{name}", summary="Show a preset", tags=["presets"], responses=MISSING)
async def preset(name: str) -> told.Preset:
    """With all its settings."""
    try:
        return _preset(preset_named(name))
    except UnknownPreset as error:
        raise NotFound(error.message) from None


@routes.post(
    "/probe",
    summary="Look into a source",
    tags=["probe"],
    responses=SOURCE_WRONG,
    dependencies=[Depends(needs("jobs:write"))],
)
async def probe(asked: told.ProbeAsked, parts: Parts, caller: TheCaller) -> told.Probe:
    """On a worker of the farm, which fetches a remote one whole for it; within 45 s, else 503. Nothing is kept."""
    wanted = mapping.probe_request(asked)
    place = await asyncio.to_thread(probing.asked_place, parts.database, caller, wanted, parts.desk_of(caller))
    return mapping.probe(await probing.probed(parts.farm.probe, place))


@routes.post(
    "/estimate",
    summary="What a job would take",
    tags=["probe"],
    responses=documented(*codes_in(ASKED_WRONG), *codes_in(SOURCE_WRONG)),
    dependencies=[Depends(needs("jobs:write"))],
)
async def estimate(asked: schemas.NewJob, jobs: TheJobs, parts: Parts, caller: TheCaller) -> told.Estimate:
    """The body is a job's. It is checked as if it were submitted, and its sources looked into; nothing is written."""
    job, inputs, outputs = await asyncio.to_thread(jobs.tried, mapping.job_request(asked))
    places = await asyncio.to_thread(probing.places_of, parts.database, caller, inputs)
    found, (status, _) = await asyncio.gather(
        probing.estimate(parts.farm.probe, job, places, outputs), live_status(parts)
    )
    return mapping.estimate(found, int((status or {}).get("slots") or 0))


def _preset(found: Preset) -> told.Preset:
    return told.Preset(name=found.name, summary=found.summary, settings=found.output.model_dump(mode="json"))
