"""What can be known of a source, and of its plan, without encoding anything."""

import contextlib
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from framemill.farm.report import plan_facts, with_commands
from framemill.media import ffmpeg
from framemill.media.inspect import InspectRequest, inspected
from framemill.media.source import index_source, read_source
from framemill.media.title import plan_title
from framemill.services.requests import encode_request, existing
from framemill.storage.http import fetch, is_remote


async def probe_source(source: str) -> dict[str, Any]:
    """Facts in ffprobe's JSON shape; a remote source is fetched first."""
    async with local_copy(source) as path:
        inspection = await inspected(InspectRequest(path=path, name=source, packets=False))
    facts = inspection.facts
    return {**facts, "format": {**facts["format"], "filename": source}}


async def plan_source(
    source: str, destination: str, preset: str | None, assignments: Mapping[str, str], words: Sequence[str] = ()
) -> dict[str, Any]:
    """The plan of one output, with the full command of every chunk's process."""
    request = encode_request(source, destination, preset, assignments, words)
    async with local_copy(request.source) as path:
        read = await read_source(path, request.source)
        decode = request.run.index == "decode"
        index = await index_source(read, decode=decode, linear=False) if request.output.encodes_video else None
        title = plan_title(read, index, request.output, request.run, await ffmpeg.build_id())
        return with_commands(title, plan_facts(title))


@contextlib.asynccontextmanager
async def local_copy(source: str) -> AsyncIterator[str]:
    """The absolute path of a source; one that is remote is fetched, and goes with the block. Raises `SourceMissing`."""
    if not is_remote(source):
        yield existing(source)
        return
    with tempfile.TemporaryDirectory(prefix="framemill-") as folder:
        path = Path(folder) / "source"
        await fetch(source, path)
        yield str(path)
