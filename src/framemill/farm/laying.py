"""Brings what an output lays over its pictures here, and has it made ready, before anything is encoded."""

import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeAlias

from framemill.errors import InvalidSetting, SourceMissing
from framemill.jobs.settings import OutputSettings
from framemill.media.index import FrameIndex
from framemill.media.laid import BITMAPS, Laid, read_file, read_stamp, read_track
from framemill.media.source import Source
from framemill.secrets import mask_url
from framemill.storage.http import is_web

Bring: TypeAlias = Callable[[str, Path], Awaitable[str]]
"""Brings what is at a URL into that folder: the path of its file there. Raises `SourceError`s."""


async def laid_over(
    source: Source, index: FrameIndex | None, settings: OutputSettings, stem: Path, bring: Bring
) -> Laid:
    """What the settings ask to lay over the source's frames, in files beside `stem`.

    Raises `InvalidSetting` where the source has no such text track, `SourceError`s where a file is not there or cannot
    be read.
    """
    if index is None or not (settings.overlays or settings.burn_subtitles):
        return Laid()
    with tempfile.TemporaryDirectory(dir=stem.parent, prefix=".laid-") as folder:
        stamps = []
        for number, overlay in enumerate(settings.overlays):
            path = await _here(overlay.uri, Path(folder, f"{number}"), bring)
            stamps.append(await read_stamp(path, overlay, stem.with_name(f"{stem.name}.{number}.png")))
        laid = Laid(stamps=tuple(stamps))
        wanted = settings.burn_subtitles
        if wanted is None:
            return laid
        target = stem.with_name(f"{stem.name}.mks")
        if not wanted.isdecimal():
            # Like every time of the settings, those of a file count from the first picture.
            path = await _here(wanted, Path(folder, "texts"), bring)
            lines = await read_file(path, wanted, index.seconds(0), target)
            return laid.model_copy(update={"lines": lines})
        rank, codec = _track(source, int(wanted))
        if codec in BITMAPS:
            return laid.model_copy(update={"bitmaps": rank})
        return laid.model_copy(update={"lines": await read_track(source.path, rank, codec, target)})


async def _here(uri: str, folder: Path, bring: Bring) -> str:
    """The path of that file; a remote one is brought. Raises `SourceMissing` and what `bring` does."""
    if is_web(uri):
        return await bring(uri, folder)
    if not await asyncio.to_thread(Path(uri).is_file):
        name = mask_url(uri)
        raise SourceMissing(f"{name} is not there, and shall be laid over the pictures; bring it, or take it away.")
    return uri


def _track(source: Source, rank: int) -> tuple[int, str]:
    streams = [one for one in source.inspection.facts["streams"] if one["codec_type"] == "subtitle"]
    if rank >= len(streams):
        raise InvalidSetting(f"burn_subtitles={rank}: {source.name} has {len(streams)} text tracks, counted from 0.")
    return rank, str(streams[rank].get("codec_name", "unknown"))
