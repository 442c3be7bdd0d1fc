"""What can be known of a source, and of its plan, without encoding anything."""

import contextlib
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from framemill.farm.fetching import fetched
from framemill.farm.laying import laid_over
from framemill.farm.report import plan_facts, with_commands
from framemill.media import ffmpeg
from framemill.media.inspection import InspectRequest, inspected
from framemill.media.source import index_source, read_source, with_sounds
from framemill.media.title import plan_title
from framemill.media.tracks import asked_ranks
from framemill.secrets import mask_url
from framemill.services.own import own_way
from framemill.services.requests import encode_request, existing
from framemill.storage.address import is_remote


async def probe_source(source: str, credentials: str | None = None) -> dict[str, Any]:
    """Facts in ffprobe's JSON shape; a remote source is fetched first. `credentials`: their name in the settings."""
    name = mask_url(source)
    async with local_copy(source, credentials) as path:
        inspection = await inspected(InspectRequest(path=path, name=name, packets=False))
    facts = inspection.facts
    return {**facts, "format": {**facts["format"], "filename": name}}


async def plan_source(
    source: str,
    destination: str,
    preset: str | None,
    assignments: Mapping[str, str],
    words: Sequence[str] = (),
    *,
    credentials: str | None = None,
) -> dict[str, Any]:
    """The plan of one output, with the full command of every chunk's process."""
    request = encode_request(source, destination, preset, assignments, words)
    async with local_copy(request.source, credentials) as path:
        read = await read_source(path, mask_url(request.source))
        read = await with_sounds(read, asked_ranks(read, request.output))
        decode = request.run.index == "decode"
        index = await index_source(read, decode=decode, linear=False) if request.output.shows_pictures else None
        with tempfile.TemporaryDirectory(prefix="framemill-") as folder:
            laid = await laid_over(read, index, request.output, Path(folder, "title"), _brought)
            title = plan_title(read, index, request.output, request.run, await ffmpeg.build_id(), laid=laid)
            return with_commands(title, plan_facts(title))


@contextlib.asynccontextmanager
async def local_copy(source: str, credentials: str | None = None) -> AsyncIterator[str]:
    """The absolute path of a source; one that is remote is fetched, and goes with the block. Raises `SourceMissing`."""
    if not is_remote(source):
        yield existing(source)
        return
    with tempfile.TemporaryDirectory(prefix="framemill-") as folder:
        yield await _brought(source, Path(folder), credentials)


async def _brought(uri: str, folder: Path, credentials: str | None = None) -> str:
    """Whoever asks names it for their own machine: no network is closed to them."""
    return (await fetched(*own_way(uri, credentials), folder)).path
