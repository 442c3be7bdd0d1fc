"""Several inputs joined into one output by the very commands that workers run, without a farm."""

import asyncio
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from one_title import frame_hashes

from framemill.jobs.settings import OutputSettings, RunSettings
from framemill.media import ffmpeg
from framemill.media.chunkfile import ChunkFacts, check_chunk
from framemill.media.encode import expected_times, group_command
from framemill.media.index import parse_framehash
from framemill.media.joinencode import encode_joined
from framemill.media.joining import Joined, Part, plan_join
from framemill.media.sound import Prepared
from framemill.media.source import index_source, read_source
from framemill.media.title import Title


def joined(
    paths: Sequence[Path | tuple[Path, float | None, float | None]], settings: dict[str, Any], **run: Any
) -> Joined:
    """The plan of an output of those files, each with the seconds at which it begins and ends, where they are said."""
    keep = run.pop("keep", False)

    async def plan() -> Joined:
        parts = []
        output = OutputSettings.model_validate(settings)
        for one in paths:
            path, start, end = one if isinstance(one, tuple) else (one, None, None)
            source = await read_source(str(path))
            index = await index_source(source, decode=False, linear=False) if output.encodes_video else None
            parts.append(Part(source, index, start, end))
        return plan_join(parts, output, RunSettings(**run), await ffmpeg.build_id(), keep=keep)

    return asyncio.run(plan())


def encoded(title: Title, rendition: int = 0) -> tuple[list[str], list[ChunkFacts]]:
    """The hash of every frame, and what is known of each chunk, in order; each chunk is checked as a worker does it."""
    hashes: list[str] = []
    facts: list[ChunkFacts] = []
    with tempfile.TemporaryDirectory() as folder:
        for whole in title.pictured.plan.groups:
            part, group = title.part_of(whole.number)
            film = part.pictured
            chunks = film.plan.group_chunks(group)
            files = [Path(folder, f"{whole.number}-{chunk.number}.mp4") for chunk in chunks]
            argv = group_command(part, [rendition], group, files, Path(folder, "witness"))
            run(argv)
            for chunk, file in zip(chunks, files, strict=True):
                facts.append(check_chunk(file, expected_times(film.shown, chunk), film.shown.time_base))
                hashes += frame_hashes(file)
    return hashes, facts


def plain(paths: Sequence[Path], graphs: Sequence[str], pix_fmt: str = "yuv420p") -> list[str]:
    """The hash of every frame of one plain ffmpeg run that concatenates what those graphs make of the files."""
    parts = [f"[{n}:V:0]{graph},setsar=1,format={pix_fmt}[v{n}]" for n, graph in enumerate(graphs)]
    labels = "".join(f"[v{n}]" for n in range(len(graphs)))
    whole = ";".join([*parts, f"{labels}concat=n={len(graphs)}:v=1:a=0[out]"])
    reads = [word for path in paths for word in ("-threads", "1", "-i", str(path))]
    shown = ["-map", "[out]", "-fps_mode", "passthrough", "-f", "framehash", "-hash", "murmur3", "-"]
    ran = run(["-nostdin", "-v", "error", *reads, "-filter_complex_threads", "1", "-filter_complex", whole, *shown])
    return [row.digest for row in parse_framehash(ran)[1]]


def samples(path: Path, rate: int) -> bytes:
    """A file's sound as stereo of 16 bits."""
    argv = [ffmpeg.binary(), "-nostdin", "-v", "error", "-i", str(path), "-map", "0:a:0"]
    shape = ["-af", f"aformat=sample_rates={rate}:channel_layouts=stereo:sample_fmts=s16", "-f", "s16le", "-"]
    return subprocess.run([*argv, *shape], capture_output=True, check=True).stdout


def sounded(title: Title, rate: int) -> bytes:
    """The joined sound, encoded as a worker does it, as stereo of 16 bits."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "sound")
        voices = [part.speaker.voices for part in title.parts]
        prepared = [Prepared(voice[0]) if voice else None for voice in voices]
        asyncio.run(encode_joined(title, prepared, path, lambda _: None))
        return samples(path, rate)


def run(argv: Sequence[str]) -> str:
    """ffmpeg's stdout; it must not fail."""
    ran = subprocess.run([ffmpeg.binary(), *argv], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout
