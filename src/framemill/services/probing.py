"""What a source holds, and what a job would take: asked of the farm, whose workers alone look into files."""

import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from framemill import errors
from framemill.errors import Conflict, FarmError, FramemillError
from framemill.jobs.model import Input, Job, Output
from framemill.jobs.reasons import Reason
from framemill.jobs.settings import OutputSettings
from framemill.jobs.uploads import UploadState, uri_of
from framemill.services.callers import Caller
from framemill.services.desk import Desk
from framemill.services.fields import about
from framemill.services.inputs import InputRequest, input_of
from framemill.services.paths import open_source
from framemill.services.sources import usable
from framemill.storage.keyring import Way, way_to
from framemill.store.database import Database

Ask = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]
"""`FarmFacts.probe`."""

_ERRORS: Mapping[str, type[FramemillError]] = {
    Reason.SOURCE_MISSING: errors.SourceMissing,
    Reason.SOURCE_REFUSED: errors.SourceRefused,
    Reason.SOURCE_UNREACHABLE: errors.SourceUnreachable,
    Reason.SOURCE_ENCRYPTED: errors.SourceEncrypted,
    Reason.SOURCE_TOO_LARGE: errors.SourceTooLarge,
    Reason.SOURCE_DAMAGED: errors.SourceUnreadable,
    Reason.UNREADABLE_SOURCE: errors.SourceUnreadable,
    Reason.DISK_FULL: errors.DiskFull,
}


@dataclass(frozen=True, slots=True)
class Facts:
    """What is in a source."""

    uri: str
    """With every secret masked."""
    size: int
    """Bytes."""
    facts: dict[str, Any]
    """In the shape of ffprobe's JSON."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a job would take, output by output (`media.estimate.OutputEstimate`), and what it would be made of."""

    source: Facts
    outputs: Sequence[tuple[Output, dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a source is."""

    way: Way
    """For the farm; of an upload to its file."""
    name: str
    """For the client."""


def asked_place(database: Database, caller: Caller, wanted: InputRequest, desk: Desk) -> Place:
    """Where the source is that a client asks about; a local one is looked at. Raises as `input_of` and `place_of`."""
    with about("uri"):
        opened = wanted.model_copy(update={"uri": open_source(wanted.uri, caller, desk)})
    return place_of(database, caller, input_of("", opened, 0, account=caller.account, desk=desk))


def place_of(database: Database, caller: Caller, source: Input) -> Place:
    """Where a source is that a client names.

    Raises for an upload `NotFound`, and `Conflict` while it is not complete; `SourceRefused` where there is none.
    """
    if source.unusable:
        raise errors.SourceRefused(source.message or "There is nothing to fetch.")
    if source.upload_id is None:
        return Place(way_to(source, caller.account), source.uri)
    with about("upload_id"), database.reading() as conn:
        upload = usable(conn, source.upload_id, caller)
        if upload.state is not UploadState.COMPLETED or upload.blob is None:
            raise Conflict(f"The upload {upload.id} is not complete yet: send the rest of it first.")
        # As in farm/stages/ingest.py: not trusted, whoever asks, and without links on the way there.
        return Place(Way(uri=os.path.realpath(upload.blob), account=caller.account), uri_of(upload.id))


def places_of(database: Database, caller: Caller, inputs: Sequence[Input]) -> list[tuple[Input, Place]]:
    """Where each of a job's inputs is. Raises as `place_of` does."""
    found = []
    for position, one in enumerate(inputs):
        with about(f"inputs.{position}"):
            found.append((one, place_of(database, caller, one)))
    return found


async def probed(ask: Ask, place: Place) -> Facts:
    """What is in the source there. Raises `SourceError`'s kinds, and `FarmError`."""
    return _facts(place, await _answered(ask, {**place.way.model_dump(), "name": place.name}))


async def estimate(ask: Ask, job: Job, sources: Sequence[tuple[Input, Place]], outputs: Sequence[Output]) -> Estimate:
    """What that job, which need not be written, would take: of an output that joins several sources, with each.

    Raises as `probed` does.
    """
    taken: dict[str, dict[str, Any]] = {}
    looked: list[Facts] = []
    for position, (source, place) in enumerate(sources):
        mine = [output for output in outputs if not output.input_ids or source.id in output.input_ids]
        settings = [_settings(output, source, taken.get(output.id)).model_dump(mode="json") for output in mine]
        asked = {"name": place.name, "outputs": settings, "run": job.run.model_dump(mode="json")}
        order = {**place.way.model_dump(), **asked}
        with about(f"inputs.{position}"):
            answer = await _answered(ask, order)
        looked.append(_facts(place, answer))
        for output, found in zip(mine, answer["estimates"], strict=True):
            before = taken.get(output.id)
            taken[output.id] = (
                found if before is None else {**before, **{name: before[name] + found[name] for name in _SUMS}}
            )
    return Estimate(looked[0], [(output, taken[output.id]) for output in outputs])


_SUMS = ("frames", "chunks", "duration_seconds", "slot_seconds", "size_bytes", "credits_milli")


def _settings(output: Output, source: Input, before: Mapping[str, Any] | None) -> OutputSettings:
    """What one source becomes in an output; `before`: what the first one does, whose size the others get."""
    settings = output.settings.within(source.start, source.end)
    if before is None or len(before["renditions"]) != 1:
        return settings
    ((width, height),) = before["renditions"]
    box = {"size": None, "width": width, "height": height, "fit": "pad", "upscale": True, "ladder": ()}
    return settings.model_copy(update=box)


def _facts(place: Place, answer: Mapping[str, Any]) -> Facts:
    return Facts(place.name, answer["size"], answer["facts"])


async def _answered(ask: Ask, order: dict[str, Any]) -> dict[str, Any]:
    answer = await ask(order)
    if answer["reason"] is not None:
        raise _ERRORS.get(answer["reason"], FarmError)(answer["message"])
    return answer
