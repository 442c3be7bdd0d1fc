"""The gate for any pair of files: what a source shows, and what an output of it shows."""

import asyncio
from pathlib import Path

from framemill.media.agreement import Check, Side, agree, side_of
from framemill.media.listing import MANIFEST
from framemill.media.readable import playlists_followed
from framemill.services.looking import local_copy
from framemill.services.requests import PACKAGE_FILES, existing


async def verify_pair(source: str, output: str, *, full: bool) -> dict[str, list[Check]]:
    """The checks of each file of an output: of a package, of its MP4s and of every playlist of pictures.

    Raises `SourceError` and its kinds when one of them cannot be read.
    """
    async with local_copy(source) as path:
        original = await side_of(path, source)
        checked = {}
        for written in await asyncio.to_thread(_files, output):
            with playlists_followed():
                side = await side_of(str(written), str(written), full=full)
            checked[str(written)] = list(agree(_asked(original, side), side))
    return checked


def _asked(original: Side, output: Side) -> Side:
    """The source without the streams that the output left out: they do not say where time begins."""
    if output.sound is None:
        return original.model_copy(update={"sound": None})
    return original if output.times else original.model_copy(update={"times": ()})


def _files(output: str) -> list[Path]:
    folder = Path(output)
    if not folder.is_dir():
        return [Path(existing(output))]
    film, master = (folder / name for name in PACKAGE_FILES)
    if not (folder / MANIFEST).exists():
        existing(str(master))
    tracks = [path for path in sorted(folder.glob("*/playlist.m3u8")) if not path.parent.name.startswith(_BESIDE)]
    whole = (folder / f"{track.parent.name}{suffix}" for track in tracks for suffix in (".mp4", ".m4a"))
    return [*(path for path in (film, *whole) if path.exists()), *tracks]


#: Tracks that are not what the source shows first: its further sounds, and its texts.
_BESIDE = ("audio-", "subtitles")
