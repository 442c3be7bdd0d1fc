"""What the stitcher does: chunks become files and packages in a folder, and are read back before anybody sees them."""

import asyncio
import hashlib
import time
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeAlias

from framemill.errors import ChunkMismatch, FramemillError, VerificationFailed
from framemill.farm.encoding import chunk_blob, facts_blob, torn_seam
from framemill.farm.orders import Stitched, StitchOrder, WrittenFile
from framemill.farm.titles import load_title
from framemill.jobs.reasons import reason_of
from framemill.media.chunkfile import ChunkFacts
from framemill.media.encode import output_times
from framemill.media.package import SEGMENT, SegmentRequest
from framemill.media.playlists import Segments, Variant, master_playlist, media_playlist
from framemill.media.sound import MUXERS
from framemill.media.stitch import JOIN, JoinRequest, SoundTrack, VideoTrack
from framemill.media.title import Title
from framemill.media.verify import VERIFY, Proof, VerifyRequest
from framemill.storage.local import LocalBlobs

_CHILD_SECONDS = 6 * 3600.0  # a joined terabyte is read and written twice
_BLOCK = 1 << 20


async def finish(order: StitchOrder, blobs: LocalBlobs) -> Stitched:
    """Write and verify one output. Failures come back as values."""
    title = load_title(blobs, order.title_key)
    folder = Path(order.folder)
    clock = _Clock()
    try:
        if title.settings.video_codec == "copy":
            proof = await _moved(title, blobs, folder / order.name, clock)
        elif title.settings.container == "package":
            proof = await _package(title, blobs, folder, order.name, clock)
        else:
            proof = await _file(title, blobs, _tracks(title, blobs), folder / order.name, clock)
        files = await asyncio.to_thread(_checksums, folder)
    except (FramemillError, OSError) as error:
        message = error.message if isinstance(error, FramemillError) else str(error)
        return Stitched(reason=reason_of(error), message=message, seconds=clock.seconds)
    return Stitched(files=tuple(files), proof=proof, seconds=clock.seconds)


class _Clock:
    """Seconds by stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._since = time.monotonic()

    def lap(self, stage: str) -> None:
        now = time.monotonic()
        self.seconds[stage] = self.seconds.get(stage, 0.0) + now - self._since
        self._since = now


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
        index, chunks = title.film.index, title.film.plan.chunks
        # Sound that could not be converted does not say where time begins.
        times, time_base = output_times(index, title.zero if audio is not None else index.seconds(0))
        for rendition, _ in enumerate(title.film.pictures):
            keys = [title.chunk_key(rendition, chunk) for chunk in chunks]
            facts = [ChunkFacts.model_validate_json(blobs.read(facts_blob(key))) for key in keys]
            proof = _agreed(facts, [chunk.first for chunk in chunks])
            videos.append(
                VideoTrack(
                    chunks=[str(blobs.path(chunk_blob(key))) for key in keys],
                    time_base=time_base,
                    times=times,
                    last_duration=max(1, round(index.last_duration * index.time_base / time_base)),
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


async def _file(title: Title, blobs: LocalBlobs, tracks: Tracks, path: Path, clock: _Clock) -> dict[str, Any]:
    videos, audio, proof = tracks
    if not videos and audio is None:
        raise VerificationFailed(
            "Nothing is left to write: the sound could not be converted, and there are no pictures."
        )
    video = videos[0] if videos else None
    text_offset = Fraction(0)
    if audio is None and title.film is not None:
        text_offset = title.zero - title.film.index.seconds(0)
    texts = [
        SoundTrack(path=str(blobs.path(f"texts/{title.text_key(rank)}")), offset=text_offset, language=language)
        for rank, language in title.texts
        if blobs.has(f"texts/{title.text_key(rank)}")
    ]
    container = title.settings.container if title.settings.container != "package" else "mp4"
    tags = title.source.inspection.facts["format"].get("tags", {})
    await JOIN(
        JoinRequest(
            video=video,
            audio=audio,
            texts=texts,
            path=str(path),
            format=MUXERS[container],
            metadata={key: tags[key] for key in ("title", "artist", "comment") if key in tags},
        ),
        timeout=_CHILD_SECONDS,
    )
    clock.lap("stitch")
    boxes = container in {"mp4", "mov"}
    found = await VERIFY(
        VerifyRequest(path=str(path), video=video, audio=audio, starts_from_boxes=boxes), timeout=_CHILD_SECONDS
    )
    clock.lap("verify")
    return proof | _told(title, found)


def _told(title: Title, found: Proof) -> dict[str, Any]:
    planned = len(title.film.index.pts) if title.film is not None else 0
    return {"frames_planned": planned, **found.model_dump()}


async def _package(title: Title, blobs: LocalBlobs, folder: Path, stem: str, clock: _Clock) -> dict[str, Any]:
    videos, audio, _ = tracks = _tracks(title, blobs)
    proof = await _file(title, blobs, tracks, folder / f"{stem}.mp4", clock)
    starts = list(title.film.plan.segments) if title.film is not None else []
    pictures = title.film.pictures if title.film is not None else ()
    variants = []
    for video, picture in zip(videos, pictures, strict=True):
        segments = await _segmented(folder / picture.name, SegmentRequest(folder="", video=video, starts=starts))
        variants.append(Variant(folder=picture.name, segments=segments, width=picture.width, height=picture.height))
    spoken: Variant | None = None
    if audio is not None:
        request = SegmentRequest(folder="", audio=audio, segment_seconds=title.settings.segment_seconds)
        if videos:
            cuts = [videos[0].times[start] * videos[0].time_base for start in starts[1:]]
            request = SegmentRequest(folder="", audio=audio, cuts=cuts)
        spoken = Variant(folder="audio", segments=await _segmented(folder / "audio", request))
    await asyncio.to_thread((folder / "master.m3u8").write_text, master_playlist(variants, spoken))
    clock.lap("package")
    for video, picture in zip(videos, pictures, strict=True):
        playlist = str(folder / picture.name / "playlist.m3u8")
        await VERIFY(VerifyRequest(path=playlist, video=video, segment_starts=starts), timeout=_CHILD_SECONDS)
    if audio is not None:
        await VERIFY(VerifyRequest(path=str(folder / "audio" / "playlist.m3u8"), audio=audio), timeout=_CHILD_SECONDS)
    clock.lap("verify")
    return proof | {"renditions": len(variants), "segments": len(starts)}


async def _segmented(folder: Path, request: SegmentRequest) -> Segments:
    await asyncio.to_thread(folder.mkdir)
    segments = await SEGMENT(request.model_copy(update={"folder": str(folder)}), timeout=_CHILD_SECONDS)
    await asyncio.to_thread((folder / "playlist.m3u8").write_text, media_playlist(segments))
    return segments


async def _moved(title: Title, blobs: LocalBlobs, path: Path, clock: _Clock) -> dict[str, Any]:
    await asyncio.to_thread(path.hardlink_to, blobs.path(f"remuxes/{title.remux_key}"))
    clock.lap("stitch")
    found = await VERIFY(VerifyRequest(path=str(path)), timeout=_CHILD_SECONDS)
    clock.lap("verify")
    return found.model_dump()


def _checksums(folder: Path) -> list[WrittenFile]:
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
    return found
