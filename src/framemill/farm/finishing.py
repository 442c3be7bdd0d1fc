"""What the stitcher does: chunks become files and packages in a folder, and are read back before anybody sees them."""

import asyncio
import contextlib
import hashlib
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeAlias

from framemill.errors import ChunkMismatch, FramemillError, VerificationFailed
from framemill.farm.encoding import torn_seam
from framemill.farm.intact import chunk_blob, facts_blob, intact_chunk, intact_extra
from framemill.farm.orders import Stitched, StitchOrder, WrittenFile
from framemill.farm.titles import extras_of, load_title
from framemill.jobs.reasons import Reason, reason_of
from framemill.jobs.usage import Usage
from framemill.media.chunkfile import ChunkFacts
from framemill.media.growing import SOUND
from framemill.media.layout import layout
from framemill.media.package import SEGMENT, SegmentRequest, decode_delay
from framemill.media.playlists import Segments, Variant, master_playlist, media_playlist
from framemill.media.process import account, metered
from framemill.media.sound import MUXERS
from framemill.media.stitch import JOIN, JoinRequest, SoundTrack, VideoTrack
from framemill.media.title import Title
from framemill.media.verify import VERIFY, VerifyRequest, decode_back
from framemill.storage.local import LocalBlobs

_CHILD_SECONDS = 6 * 3600.0  # a joined terabyte is read and written twice
_BLOCK = 1 << 20


async def finish(order: StitchOrder, blobs: LocalBlobs) -> Stitched:
    """Write and verify one output, and put it into its folder as a whole. Failures come back as values."""
    title = load_title(blobs, order.title_key)
    damaged = await asyncio.to_thread(_damaged, title, order.title_key, blobs)
    if damaged:
        return Stitched(reason=Reason.CHUNK_MISMATCH, message="Bytes on the disk have changed.", damaged=damaged)
    folder = Path(order.folder)
    # Another stitcher may be at it, too: one that was given up too soon, or that a coordinator before this one asked.
    draft = folder.with_name(f".{folder.name}-{os.urandom(4).hex()}")
    finisher = _Finisher(title, blobs, draft, full=order.verify == "full")
    try:
        draft.mkdir()
        proof = await finisher.write(order.name)
        with finisher.stage("checksum"):
            files = await asyncio.to_thread(_checksums, finisher.folder)
        await asyncio.to_thread(_put, draft, folder)
    except (FramemillError, OSError) as error:
        message = error.message if isinstance(error, FramemillError) else str(error)
        return Stitched(reason=reason_of(error), message=message, stages=finisher.used)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return Stitched(files=tuple(files), proof=proof, stages=finisher.used)


def _put(draft: Path, folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    draft.replace(folder)


def _damaged(title: Title, title_key: str, blobs: LocalBlobs) -> tuple[str, ...]:
    """Blobs of the plan that are not what was written. An extra that is not there was left out."""
    film = title.film
    keys = [
        title.chunk_key(rendition, chunk)
        for rendition in range(len(film.pictures) if film is not None else 0)
        for chunk in (film.plan.chunks if film is not None else ())
    ]
    chunks = [chunk_blob(key) for key in keys if intact_chunk(blobs, key) is None]
    extras = [order.key for order in extras_of(title, title_key)]
    return (*chunks, *(key for key in extras if blobs.has(key) and not intact_extra(blobs, key)))


Tracks: TypeAlias = tuple[list[VideoTrack], SoundTrack | None, dict[str, Any]]


def _tracks(title: Title, blobs: LocalBlobs) -> Tracks:
    """The encoded tracks, and what is known of them before they are joined. Raises `ChunkMismatch` at a torn seam."""
    audio = None
    if title.sound and title.source.first_sound is not None and blobs.has(f"sounds/{title.sound_key}"):
        start = title.source.first_sound.seconds - title.zero
        audio = SoundTrack(path=str(blobs.path(f"sounds/{title.sound_key}")), offset=start)
    videos = []
    proof: dict[str, Any] = {}
    if title.film is not None:
        chunks = title.film.plan.chunks
        # Sound that could not be converted does not say where time begins.
        shown = layout(title, heard=audio is not None)
        for rendition, _ in enumerate(title.film.pictures):
            keys = [title.chunk_key(rendition, chunk) for chunk in chunks]
            facts = [ChunkFacts.model_validate_json(blobs.read(facts_blob(key))) for key in keys]
            proof = _agreed(facts, [chunk.first for chunk in chunks])
            videos.append(
                VideoTrack(
                    chunks=[str(blobs.path(chunk_blob(key))) for key in keys],
                    time_base=shown.time_base,
                    times=shown.times,
                    last_duration=shown.last_duration,
                    reorder=max(fact.reorder for fact in facts),
                )
            )
    return videos, audio, proof


def _agreed(facts: list[ChunkFacts], starts: list[int]) -> dict[str, Any]:
    """What the chunks say of each other. Raises `ChunkMismatch` when they cannot be joined."""
    torn = torn_seam(facts, starts)
    if torn is not None:
        raise ChunkMismatch(f"Frame {torn} decodes to other pixels on the two sides of a seam.")
    sets = {fact.parameter_sets for fact in facts}
    if len(sets) > 1:
        raise ChunkMismatch(f"The chunks have {len(sets)} different parameter sets.")
    both = [bool(before.seam_hashes.keys() & after.seam_hashes.keys()) for before, after in pairwise(facts)]
    return {"seams": len(both), "seams_seen_from_both_sides": sum(both), "parameter_sets": sets.pop()}


@dataclass(frozen=True, slots=True)
class _Finisher:
    """One output on its way from chunks to a verified folder."""

    title: Title
    blobs: LocalBlobs
    folder: Path
    full: bool
    """Decode what was written as well."""
    used: dict[str, Usage] = field(default_factory=dict)
    """By stage."""

    @contextlib.contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """What the block's children use goes to that stage."""
        with metered() as meter:
            yield
        self.used[name] = self.used.get(name, Usage()) + meter.usage

    async def write(self, name: str) -> dict[str, Any]:
        """The output under that name (of a package: the stem of its MP4), and its proof."""
        if self.title.settings.video_codec == "copy":
            return await self._moved(self.folder / name)
        tracks = _tracks(self.title, self.blobs)
        if self.title.settings.container == "package":
            return await self._package(tracks, name)
        return await self._file(tracks, self.folder / name)

    async def _file(self, tracks: Tracks, path: Path) -> dict[str, Any]:
        title, (videos, audio, proof) = self.title, tracks
        if not videos and audio is None:
            raise VerificationFailed(
                "Nothing is left to write: the sound could not be converted, and there are no pictures."
            )
        video = videos[0] if videos else None
        container = title.settings.container if title.settings.container != "package" else "mp4"
        tags = title.source.inspection.facts["format"].get("tags", {})
        joining = JoinRequest(
            video=video,
            audio=audio,
            texts=_texts(title, self.blobs, heard=audio is not None),
            path=str(path),
            format=MUXERS[container],
            metadata={key: tags[key] for key in ("title", "artist", "comment") if key in tags},
        )
        with self.stage("join"):
            await JOIN(joining, timeout=_CHILD_SECONDS)
        boxes = container in {"mp4", "mov"}
        found = await self._gate(
            VerifyRequest(path=str(path), video=video, audio=audio, starts_from_boxes=boxes, player=self._player())
        )
        planned = len(title.film.index.pts) if title.film is not None else 0
        return proof | {"frames_planned": planned, **found}

    async def _package(self, tracks: Tracks, stem: str) -> dict[str, Any]:
        videos, audio, _ = tracks
        proof = await self._file(tracks, self.folder / f"{stem}.mp4")
        film = self.title.film
        starts = list(film.plan.segments) if film is not None else []
        pictures = film.pictures if film is not None else ()
        shown = layout(self.title, heard=audio is not None) if film is not None else None
        variants = []
        spoken: Variant | None = None
        with self.stage("package"):
            for video, picture in zip(videos, pictures, strict=True):
                delay = decode_delay(video.times, video.reorder)
                request = SegmentRequest(folder="", video=video, starts=starts, delay=delay)
                segments = await self._segmented(picture.name, request, shown.target if shown is not None else 1)
                variants.append(
                    Variant(folder=picture.name, segments=segments, width=picture.width, height=picture.height)
                )
            if audio is not None:
                request = SegmentRequest(folder="", audio=audio, segment_seconds=self.title.settings.segment_seconds)
                if shown is not None:
                    request = SegmentRequest(folder="", audio=audio, cuts=shown.cuts)
                target = shown.sound_target if shown is not None else 1
                spoken = Variant(folder=SOUND, segments=await self._segmented(SOUND, request, target))
            await asyncio.to_thread((self.folder / "master.m3u8").write_text, master_playlist(variants, spoken))
        playlists = {}
        for video, picture in zip(videos, pictures, strict=True):
            path = str(self.folder / picture.name / "playlist.m3u8")
            playlists[picture.name] = await self._gate(
                VerifyRequest(path=path, video=video, segment_starts=starts, player=self._player())
            )
        if audio is not None:
            path = str(self.folder / SOUND / "playlist.m3u8")
            playlists[SOUND] = await self._gate(VerifyRequest(path=path, audio=audio))
        return proof | {"segments": len(starts), "playlists": playlists}

    def _player(self) -> tuple[int, int] | None:
        rate, buffer = self.title.settings.maxrate, self.title.settings.bufsize
        return None if rate is None or buffer is None else (rate, buffer)

    async def _segmented(self, name: str, request: SegmentRequest, target: int) -> Segments:
        folder = self.folder / name
        await asyncio.to_thread(folder.mkdir)
        segments = await SEGMENT(request.model_copy(update={"folder": str(folder)}), timeout=_CHILD_SECONDS)
        await asyncio.to_thread((folder / "playlist.m3u8").write_text, media_playlist(segments, target=target))
        return segments

    async def _moved(self, path: Path) -> dict[str, Any]:
        await asyncio.to_thread(path.hardlink_to, self.blobs.path(f"remuxes/{self.title.remux_key}"))
        return await self._gate(VerifyRequest(path=str(path)))

    async def _gate(self, request: VerifyRequest) -> dict[str, Any]:
        """Read one file or playlist back: its packets always, its frames and samples where that was asked for."""
        with self.stage("verify"):
            proof = await VERIFY(request, timeout=_CHILD_SECONDS)
            told = proof.model_dump()
            if self.full:
                told["decoded"] = (await decode_back(request.path, proof)).model_dump()
        return told


def _texts(title: Title, blobs: LocalBlobs, *, heard: bool) -> list[SoundTrack]:
    """The converted text tracks. Their times count from the title's zero, which sound that is left out may have set."""
    offset = Fraction(0)
    if not heard and title.film is not None:
        offset = title.zero - title.film.index.seconds(0)
    return [
        SoundTrack(path=str(blobs.path(f"texts/{title.text_key(rank)}")), offset=offset, language=language)
        for rank, language in title.texts
        if blobs.has(f"texts/{title.text_key(rank)}")
    ]


def _checksums(folder: Path) -> list[WrittenFile]:
    began = time.thread_time()
    found = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        sha256, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                sha256.update(block)
                md5.update(block)
        found.append(
            WrittenFile(
                path=str(path.relative_to(folder)),
                size=path.stat().st_size,
                sha256=sha256.hexdigest(),
                md5=md5.hexdigest(),
            )
        )
    account(Usage(cpu_seconds=time.thread_time() - began))
    return found
