"""What the stitcher does: chunks become files and packages in a folder, and are read back before anybody sees them."""

import asyncio
import dataclasses
import hashlib
import os
import shutil
import time
from itertools import islice, pairwise
from pathlib import Path
from typing import Any, TypeAlias

from framemill.errors import ChunkMismatch, FramemillError, VerificationFailed
from framemill.farm.bringing import bring_for
from framemill.farm.draft import CHILD_SECONDS, Draft
from framemill.farm.encoding import torn_seam
from framemill.farm.intact import chunk_blob, facts_blob, intact_chunk, intact_extra
from framemill.farm.muxing import write_file, write_progressive
from framemill.farm.orders import Stitched, StitchOrder, WrittenFile
from framemill.farm.packaging import write_package
from framemill.farm.titles import extras_of, load_title, places_of
from framemill.farm.tracks import sounds_of, texts_of
from framemill.jobs.reasons import Reason, reason_of
from framemill.jobs.settings import OutputSettings
from framemill.jobs.settings.pieces import ARCHIVE
from framemill.jobs.usage import Usage
from framemill.media.bundle import pack
from framemill.media.chunkfile import ChunkFacts
from framemill.media.encode import seams
from framemill.media.layout import layout
from framemill.media.process import account
from framemill.media.sound import tags_of
from framemill.media.stitch import SoundTrack, VideoTrack
from framemill.media.title import Title
from framemill.media.verify import VerifyRequest
from framemill.media.whole import PROVE, WHOLE_KINDS, place_whole, proof_wanted
from framemill.storage.blobs import Blobs

_BLOCK = 1 << 20


async def finish(order: StitchOrder, blobs: Blobs) -> Stitched:
    """Write and verify one output, and put it into its folder as a whole. Failures come back as values."""
    title = load_title(blobs, order.title_key)
    damaged = await asyncio.to_thread(_damaged, title, order.title_key, blobs)
    if blobs.shared and not damaged:
        await asyncio.to_thread(bring_for, order, blobs)  # again what was damaged here alone
    if damaged:
        return Stitched(reason=Reason.CHUNK_MISMATCH, message="Bytes on the disk have changed.", damaged=damaged)
    folder = Path(order.folder)
    # Another stitcher may be at it, too: one that was given up too soon, or that a coordinator before this one asked.
    hidden = folder.with_name(f".{folder.name}-{os.urandom(4).hex()}")
    draft = Draft(title, blobs, hidden, full=order.verify == "full")
    try:
        hidden.mkdir()
        proof = await _write(draft, order.name)
        with draft.stage("checksum"):
            await asyncio.to_thread(_packed, hidden, title.settings)
            files = await asyncio.to_thread(_checksums, hidden)
        await asyncio.to_thread(_put, hidden, folder)
        await asyncio.to_thread(blobs.share, folder)
    except (FramemillError, OSError) as error:
        message = error.message if isinstance(error, FramemillError) else str(error)
        return Stitched(reason=reason_of(error), message=message, stages=draft.used)
    finally:
        shutil.rmtree(hidden, ignore_errors=True)
    return Stitched(files=tuple(files), proof=proof, stages=draft.used)


def _packed(folder: Path, settings: OutputSettings) -> None:
    """Put all that was written into one zip, where that is wanted and was not done before."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    most = settings.archive_above
    too_many = most is not None and len(files) > most
    if not too_many and not (settings.archive and settings.kind not in WHOLE_KINDS):
        return
    pack(files, folder / f".{ARCHIVE}", folder)
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name != f".{ARCHIVE}":
            path.unlink()
    (folder / f".{ARCHIVE}").rename(folder / ARCHIVE)


def _put(draft: Path, folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    draft.replace(folder)


def _damaged(title: Title, title_key: str, blobs: Blobs) -> tuple[str, ...]:
    """Blobs of the plan that are not what was written. An extra that is not there was left out."""
    keys = [place.key for place in places_of(title)]
    chunks = [chunk_blob(key) for key in keys if intact_chunk(blobs, key) is None]
    extras = [order.key for order in extras_of(title, title_key)]
    return (*chunks, *(key for key in extras if blobs.has(key) and intact_extra(blobs, key) is None))


Tracks: TypeAlias = tuple[list[VideoTrack], list[SoundTrack], dict[str, Any]]


def _tracks(title: Title, blobs: Blobs) -> Tracks:
    """The encoded tracks, and what is known of them before they are joined. Raises `ChunkMismatch` at a torn seam."""
    sounds = sounds_of(title, blobs)
    videos = []
    proof: dict[str, Any] = {}
    if title.film is not None:
        chunks = title.film.plan.chunks
        # Sound that could not be converted does not say where time begins.
        shown = layout(title, heard=bool(sounds))
        for rendition, _ in enumerate(title.film.pictures):
            keys = [title.chunk_key(rendition, chunk) for chunk in chunks]
            facts = [ChunkFacts.model_validate_json(blobs.read(facts_blob(key))) for key in keys]
            proof = _agreed(facts, title)
            videos.append(
                VideoTrack(
                    chunks=[str(blobs.path(chunk_blob(key))) for key in keys],
                    time_base=shown.time_base,
                    times=shown.times,
                    last_duration=shown.last_duration,
                    reorder=max(fact.reorder for fact in facts),
                )
            )
    return videos, sounds, proof


def _agreed(facts: list[ChunkFacts], title: Title) -> dict[str, Any]:
    """What the chunks say of each other. Raises `ChunkMismatch` when they cannot be joined."""
    both: list[bool] = []
    left = iter(facts)
    for part in title.reels:  # where one input follows another nothing was decoded twice
        film = part.pictured
        starts = [seams(film, [chunk])[0] for chunk in film.plan.chunks]
        own = list(islice(left, len(starts)))
        torn = torn_seam(own, starts)
        if torn is not None:
            raise ChunkMismatch(f"Frame {torn} decodes to other pixels on the two sides of a seam.")
        both += [bool(before.seam_hashes.keys() & after.seam_hashes.keys()) for before, after in pairwise(own)]
    sets = {fact.parameter_sets for fact in facts}
    if len(sets) > 1:
        raise ChunkMismatch(f"The chunks have {len(sets)} different parameter sets.")
    return {"seams": len(facts) - 1, "seams_seen_from_both_sides": sum(both), "parameter_sets": sets.pop()}


async def _write(draft: Draft, name: str) -> dict[str, Any]:
    """The output under that name (of a package: the stem of its MP4), and its proof."""
    title = draft.title
    if title.apart:
        return await _apart(draft)
    if title.settings.video_codec == "copy":
        return await _moved(draft, draft.folder / name)
    if title.settings.kind in WHOLE_KINDS:
        return await _placed(draft, name)
    if title.settings.kind == "sound":
        return await _heard(draft, draft.folder / name)
    videos, sounds, seen = _tracks(title, draft.blobs)
    texts = texts_of(title, draft.blobs, heard=bool(sounds))
    container = title.settings.container
    if container != "package":
        return seen | await write_file(draft, draft.folder / name, container, videos, sounds, texts)
    main = draft.folder / f"{name}.mp4"
    found = await write_file(draft, main, "mp4", videos, sounds)  # a package's texts lie beside it
    told = seen | found | await write_package(draft, videos, sounds, texts)
    if title.settings.progressive:
        told["progressive"] = await write_progressive(draft, main, found, videos, sounds)
    return told


async def _apart(draft: Draft) -> dict[str, Any]:
    """Each part as a file of its own; what the gate found of them, by name, and how many frames they have together."""
    found = {}
    for number, part in enumerate(draft.title.parts, 1):
        name = f"{number:04d}.{part.settings.container}"
        found[name] = await _write(dataclasses.replace(draft, title=part), name)
    sums = {"frames_planned", "frames", "audio_packets"}
    return {**{name: sum(one.get(name) or 0 for one in found.values()) for name in sorted(sums)}, "parts": found}


async def _placed(draft: Draft, name: str) -> dict[str, Any]:
    """What one process has written, read back."""
    title, blob = draft.title, draft.blobs.path(f"wholes/{draft.title.whole_key}")
    with draft.stage("verify"):
        proof = await PROVE(proof_wanted(title, blob), timeout=CHILD_SECONDS)
    await asyncio.to_thread(place_whole, title, blob, draft.folder, name)
    return {"written": "whole, by one process", **proof.model_dump()}


async def _heard(draft: Draft, path: Path) -> dict[str, Any]:
    """A file of sound alone is what its encoder has written."""
    sounds = sounds_of(draft.title, draft.blobs)
    if not sounds:
        raise VerificationFailed("Nothing is left to write: the sound could not be converted.")
    await asyncio.to_thread(path.hardlink_to, sounds[0].path)
    tags = tags_of(draft.title.source, draft.title.settings)
    return await draft.gate(VerifyRequest(path=str(path), sounds=sounds, tags=tags))


async def _moved(draft: Draft, path: Path) -> dict[str, Any]:
    await asyncio.to_thread(path.hardlink_to, draft.blobs.path(f"remuxes/{draft.title.remux_key}"))
    return await draft.gate(VerifyRequest(path=str(path)))


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
