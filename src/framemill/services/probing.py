"""What a source holds, and what a job would take: asked of the farm, whose workers alone look into files."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from framemill import errors
from framemill.errors import Conflict, FarmError, FramemillError
from framemill.jobs.model import Job, Output
from framemill.jobs.reasons import Reason
from framemill.jobs.uploads import UploadState, uri_of
from framemill.secrets import mask_url
from framemill.services.callers import Caller
from framemill.services.parts import about, source_uri
from framemill.services.uploads import usable
from framemill.store.database import Database

Ask = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]
"""`FarmFacts.probe`."""

_ERRORS: Mapping[str, type[FramemillError]] = {
    Reason.SOURCE_MISSING: errors.SourceMissing,
    Reason.SOURCE_REFUSED: errors.SourceRefused,
    Reason.SOURCE_UNREACHABLE: errors.SourceUnreachable,
    Reason.SOURCE_ENCRYPTED: errors.SourceEncrypted,
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

    uri: str
    """For the farm: with its secrets, or the file of an upload."""
    name: str
    """For the client."""


def place_of(database: Database, caller: Caller, uri: str, upload_id: str | None = None) -> Place:
    """Where the source is that a client names; a local one is looked at.

    Raises as `source_uri` does, and for an upload `NotFound`, and `Conflict` while it is not complete.
    """
    if upload_id is None:
        with about("uri"):
            return Place(source_uri(uri), mask_url(uri))
    with about("upload_id"), database.reading() as conn:
        upload = usable(conn, upload_id, caller)
        if upload.state is not UploadState.COMPLETED or upload.blob is None:
            raise Conflict(f"The upload {upload_id} is not complete yet: send the rest of it first.")
        return Place(upload.blob, uri_of(upload_id))


async def probed(ask: Ask, place: Place) -> Facts:
    """What is in the source there. Raises `SourceError`'s kinds, and `FarmError`."""
    return _facts(place, await _answered(ask, {"uri": place.uri, "name": place.name}))


async def estimate(ask: Ask, job: Job, place: Place, outputs: Sequence[Output]) -> Estimate:
    """What that job, which need not be written, would take. Raises as `probed` does."""
    order = {
        "uri": place.uri,
        "name": place.name,
        "outputs": [output.settings.model_dump(mode="json") for output in outputs],
        "run": job.run.model_dump(mode="json"),
    }
    with about("inputs.0"):
        answer = await _answered(ask, order)
    return Estimate(_facts(place, answer), list(zip(outputs, answer["estimates"], strict=True)))


def _facts(place: Place, answer: Mapping[str, Any]) -> Facts:
    return Facts(place.name, answer["size"], answer["facts"])


async def _answered(ask: Ask, order: dict[str, Any]) -> dict[str, Any]:
    answer = await ask(order)
    if answer["reason"] is not None:
        raise _ERRORS.get(answer["reason"], FarmError)(answer["message"])
    return answer
