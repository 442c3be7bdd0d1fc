"""An output's pictures encoded by the very commands that workers run, one after the other and without a farm."""

import asyncio
import subprocess
import tempfile
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from framemill.errors import ChunkMismatch
from framemill.farm.fetching import fetched
from framemill.farm.laying import laid_over
from framemill.jobs.settings import OutputSettings, RunSettings
from framemill.media import ffmpeg
from framemill.media.chunkfile import check_chunk
from framemill.media.encode import expected_times, group_command, output_times, watched_frames, witnessed
from framemill.media.index import parse_framehash
from framemill.media.laid import Laid
from framemill.media.source import index_source, read_source, with_sounds
from framemill.media.title import Title, plan_title
from framemill.media.tracks import asked_ranks
from framemill.storage.keyring import Keyring, Way

#: What keeps every pixel, and the pictures alone.
LOSSLESS: dict[str, Any] = {
    "video_codec": "h264",
    "qp": 0,
    "encoder_preset": "ultrafast",
    "pix_fmt": "yuv420p",
    "audio_codec": "none",
    "subtitles": "none",
}


@dataclass(frozen=True)
class Shown:
    """What a player would see."""

    hashes: list[str]
    times: list[Fraction]
    """Seconds from the first."""
    chunks: int


async def brought(uri: str, folder: Path) -> str:
    """From wherever it is."""
    return (await fetched(Way(uri=uri), Keyring(guarded=False), folder)).path


def planned(path: Path, settings: dict[str, Any], aside: Path | None = None, **run: Any) -> Title:
    """The plan of an output of that file; what is laid over its pictures is made ready beside `aside`."""

    async def plan() -> Title:
        source = await read_source(str(path))
        output = OutputSettings.model_validate(settings)
        source = await with_sounds(source, asked_ranks(source, output))
        index = await index_source(source, decode=run.get("index") == "decode", linear=False)
        laid = Laid() if aside is None else await laid_over(source, index, output, aside, brought)
        return plan_title(source, index, output, RunSettings(**run), await ffmpeg.build_id(), laid=laid)

    return asyncio.run(plan())


def encoded(path: Path, settings: dict[str, Any], rendition: int = 0, **run: Any) -> Shown:
    """Every chunk encoded and decoded again, each checked as a worker does it."""
    with tempfile.TemporaryDirectory() as folder:
        return carried_out(planned(path, settings, Path(folder, "title"), **run), rendition)


def carried_out(title: Title, rendition: int = 0) -> Shown:
    """The same of a plan."""
    film = title.pictured
    hashes: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        for group in film.plan.groups:
            chunks = film.plan.group_chunks(group)
            files = [Path(folder, f"{chunk.number}.mp4") for chunk in chunks]
            witness = Path(folder, "witness")
            argv = group_command(title, [rendition], group, files, witness)
            ran = subprocess.run([ffmpeg.binary(), *argv], capture_output=True, text=True, check=False)
            assert ran.returncode == 0, ran.stderr
            if watched := watched_frames(film, group):
                seen = witnessed(film.index, parse_framehash(witness.read_text())[1])
                if sorted(seen) != [number for frames in watched for number in frames]:
                    raise ChunkMismatch("The decode delivered other frames than those that were watched.")
            for chunk, file in zip(chunks, files, strict=True):
                check_chunk(file, expected_times(film.shown, chunk), film.shown.time_base)
                hashes += frame_hashes(file)
    times, base = output_times(film.shown, film.shown.seconds(0))
    return Shown(hashes, [time * base for time in times], len(film.plan.chunks))


def frame_hashes(path: Path, *options: str) -> list[str]:
    """The hash of every frame of a file."""
    return [row[1] for row in _rows(path, options)]


def plain(path: Path, graph: str, pix_fmt: str, *, steady: bool = False) -> tuple[list[str], list[Fraction]]:
    """Hashes and times, from the first, of one plain ffmpeg run of that graph over the whole file.

    `steady`: the graph stays where the source changes its size, lest filters that count begin anew.
    """
    before = ("-copyts", "-reinit_filter", "0") if steady else ("-copyts",)
    rows = _rows(path, ("-vf", f"{graph},format={pix_fmt}"), before)
    return [row[1] for row in rows], [row[0] - rows[0][0] for row in rows]


def _rows(path: Path, options: tuple[str, ...], before: tuple[str, ...] = ()) -> list[tuple[Fraction, str]]:
    argv = [ffmpeg.binary(), "-nostdin", "-v", "error", *before, "-threads", "1", "-i", str(path), "-map", "0:V:0"]
    argv += [*options, "-fps_mode", "passthrough", "-enc_time_base", "filter", "-f", "framehash", "-hash", "murmur3"]
    ran = subprocess.run([*argv, "-"], capture_output=True, text=True, check=True)
    header, rows = parse_framehash(ran.stdout)
    base = Fraction(header["tb"])
    return [(row.pts * base, row.digest) for row in rows]
