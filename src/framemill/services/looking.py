"""What can be known of a source, and of its plan, without encoding anything."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from framemill.farm.report import plan_facts, with_commands
from framemill.media import ffmpeg
from framemill.media.inspect import INSPECT, InspectRequest
from framemill.media.source import index_source, read_source
from framemill.media.title import plan_title
from framemill.services.requests import encode_request, existing
from framemill.storage.http import fetch, is_remote

_PROBE_SECONDS = 120.0


async def probe_source(source: str) -> dict[str, Any]:
    """Facts in ffprobe's JSON shape; a remote source is fetched first."""
    with tempfile.TemporaryDirectory(prefix="framemill-") as folder:
        path = await _local(source, Path(folder))
        inspection = await INSPECT(InspectRequest(path=path, packets=False), timeout=_PROBE_SECONDS)
    facts = inspection.facts
    return {**facts, "format": {**facts["format"], "filename": source}}


async def plan_source(
    source: str, destination: str, preset: str | None, assignments: Mapping[str, str]
) -> dict[str, Any]:
    """The plan of one output, with the full command of every chunk's process."""
    request = encode_request(source, destination, preset, assignments)
    with tempfile.TemporaryDirectory(prefix="framemill-") as folder:
        read = await read_source(await _local(request.source, Path(folder)))
        decode = request.run.index == "decode"
        index = await index_source(read, decode=decode, linear=False) if request.output.encodes_video else None
        title = plan_title(read, index, request.output, request.run, await ffmpeg.build_id())
        return with_commands(title, plan_facts(title))


async def _local(source: str, folder: Path) -> str:
    if not is_remote(source):
        return existing(source)
    path = folder / "source"
    await fetch(source, path)
    return str(path)
