"""How a group of chunks is encoded: by one process, or by two passes where chunks have a share of the title's bits."""

import asyncio
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from framemill.media import ffmpeg
from framemill.media.encode import group_command
from framemill.media.options import TWO_PASSES, Pass, encoder_of
from framemill.media.plan import Chunk, Group
from framemill.media.title import Film, Title
from framemill.media.twopass import EASED, MOST_TRIES, TOLERANCE, asked_next, fared, packet_sizes

Progress = Callable[[dict[str, str]], None]


def in_turn(film: Film, renditions: Sequence[int]) -> tuple[int, ...]:
    """Those whose chunks have a share first: the first pass is over them alone, and ffmpeg counts its outputs."""
    shares = film.plan.chunks[0].shares
    return tuple(sorted(renditions, key=lambda rendition: (not (shares and shares[rendition]), rendition)))


@dataclass(frozen=True, slots=True)
class GroupEncode:
    """A group's chunks on their way into files."""

    title: Title
    renditions: Sequence[int]
    """In turn."""
    group: Group
    drafts: Sequence[Path]
    """All chunks of the first rendition, of the second…"""
    witness: Path

    def commands(self, notes: Path) -> list[list[str]]:
        """What ffmpeg is told, one run after the other; `notes`: the folder in which a first pass leaves its own."""
        places = self._places
        told = [Pass(2, str(notes / str(n)), share) if share else None for n, (_, _, share) in enumerate(places)]
        last = group_command(self.title, self.renditions, self.group, self.drafts, self.witness, told)
        first = [Pass(1, one.log, one.bitrate) for one in told if one is not None]
        if not first or encoder_of(self.title.settings).name not in TWO_PASSES:
            return [last]
        shared = [rendition for rendition in self.renditions if places[0][1].shares[rendition]]
        looked = [notes / f"{number}.mp4" for number in range(len(first))]
        return [group_command(self.title, shared, self.group, looked, None, first), last]

    async def run(self, on_progress: Progress) -> str:
        """Encode; what ffmpeg had to say of the last run. Raises `FfmpegFailed`."""
        with tempfile.TemporaryDirectory(dir=self.drafts[0].parent, prefix=".passes-") as folder:
            *before, last = self.commands(Path(folder))
            for argv in before:
                await ffmpeg.ffmpeg(argv)
            said = (await ffmpeg.ffmpeg(last, on_progress=on_progress)).stderr
            for number, (rendition, chunk, share) in enumerate(self._places):
                if share:
                    await self._kept_to(Path(folder), number, rendition, chunk, share)
        return said

    @property
    def _places(self) -> list[tuple[int, Chunk, int]]:
        """Rendition, chunk and share of each output."""
        chunks = self.title.pictured.plan.group_chunks(self.group)
        return [(n, chunk, chunk.shares[n] if chunk.shares else 0) for n in self.renditions for chunk in chunks]

    async def _kept_to(self, folder: Path, number: int, rendition: int, chunk: Chunk, share: int) -> None:
        """Encode a chunk again that missed its share, with as much more or less asked for, or one that would run a
        player dry, with a smaller maximum; the best one is kept."""
        film, draft, rate = self.title.pictured, self.drafts[number], self.title.pictured.pictures[rendition].rate
        best = now = fared(await asyncio.to_thread(packet_sizes, draft), chunk, film, share, rate)
        place = film.plan.chunks.index(chunk)
        alone = self.group.model_copy(update={"first_chunk": place, "end_chunk": place + 1})
        tried, asked, maxrate = [(share, now.off)], share, rate.maxrate
        for trial in range(1, MOST_TRIES):
            if best.well:
                return
            if now.missed > TOLERANCE:
                asked = asked_next(tried, share)
            if now.dry and maxrate is not None:
                maxrate = round(maxrate * EASED)
            log, again = folder / f"{number}-{trial}", folder / f"{number}-{trial}.mp4"
            _link(folder / f"{number}-{number}.log", Path(f"{log}-0.log"))
            told = [Pass(2, str(log), asked, maxrate)]
            await ffmpeg.ffmpeg(group_command(self.title, [rendition], alone, [again], None, told))
            now = fared(await asyncio.to_thread(packet_sizes, again), chunk, film, share, rate)
            tried.append((asked, now.off))
            if now < best:
                best = now
                again.replace(draft)


def _link(notes: Path, name: Path) -> None:
    """The encoder's notes under the name by which another process looks for them; x264 and x265 have a second file."""
    for path in notes.parent.glob(f"{notes.name}*"):
        Path(f"{name}{path.name.removeprefix(notes.name)}").hardlink_to(path)
