"""What a worker does with an order: one ffmpeg child, its result checked against the plan and put into the blobs."""

import asyncio
import errno
import os
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

from framemill.errors import ChunkMismatch, FfmpegFailed, FramemillError, SourceMissing
from framemill.farm.grouping import GroupEncode, in_turn
from framemill.farm.growing import growing_sound
from framemill.farm.intact import chunk_blob, keep_chunk, keep_extra
from framemill.farm.orders import Encoded, EncodedChunk, ExtraOrder, GroupOrder, TrialOrder, Tried
from framemill.farm.titles import load_title
from framemill.farm.work import title_seconds
from framemill.jobs.reasons import Reason, reason_of
from framemill.jobs.usage import Usage
from framemill.media import ffmpeg, sound
from framemill.media.ceiling import chunk_bytes, extra_bytes
from framemill.media.chunkfile import ChunkFacts, check_chunk
from framemill.media.damage import complaints
from framemill.media.encode import SEAM_FRAMES, expected_times, group_command, seams, watched_frames, witnessed
from framemill.media.index import parse_framehash
from framemill.media.joinencode import encode_joined
from framemill.media.listening import prepare
from framemill.media.plan import Chunk, Group
from framemill.media.process import files_of_at_most, metered
from framemill.media.title import Film, Title
from framemill.media.whole import write_whole
from framemill.storage.blobs import Blobs


async def encode_group(order: GroupOrder, blobs: Blobs, on_share: Callable[[float], None]) -> Encoded:
    """Encode the chunks of a group; `on_share` hears how much of it is done. Failures are results, too."""
    title, group = load_title(blobs, order.title_key).part_of(order.group)
    film = title.pictured
    chunks = film.plan.group_chunks(group)
    renditions = in_turn(film, order.renditions)
    places = [(rendition, chunk) for rendition in renditions for chunk in chunks]
    keys = [title.chunk_key(rendition, chunk) for rendition, chunk in places]
    drafts = [blobs.draft(chunk_blob(key)) for key in keys]
    witness = blobs.draft(f"witnesses/{keys[0]}")
    encode = GroupEncode(title, renditions, group, drafts, witness)
    argv = encode.commands(witness.parent)[-1]
    planned = chunks[-1].end - chunks[0].first
    with metered() as meter, files_of_at_most(chunk_bytes(film, renditions, chunks)):
        try:
            await asyncio.to_thread(_still_the_same, title)
            # ffmpeg counts the frames of its first output alone
            said = await encode.run(lambda block: on_share(_frame(block) * len(chunks) / planned))
            facts = await asyncio.to_thread(_checked, film, [chunk for _, chunk in places], drafts)
            _trusted(film, said)
            seen = _witnessed(film, group, witness)
            done = []
            for (rendition, chunk), key, draft, fact in zip(places, keys, drafts, facts, strict=True):
                told = fact.model_copy(update={"seam_hashes": _at_seams(film, chunk, seen)})
                known = await asyncio.to_thread(keep_chunk, blobs, draft, key, told)
                picture = film.pictures[rendition]
                pixels = picture.width * picture.height
                done.append(
                    EncodedChunk(number=chunk.number, key=key, blob=chunk_blob(key), facts=known, pixels=pixels)
                )
            return Encoded(chunks=tuple(done), usage=meter.usage)
        except FramemillError as error:
            failure = _failure(error, argv, meter.usage)
            if failure.reason is Reason.FFMPEG_FAILED and (film.index.source == "packets" or group.seek is not None):
                # Perhaps for want of frames that the index promised: with more care they may come.
                return failure.model_copy(update={"reason": Reason.CHUNK_MISMATCH})
            return failure
        finally:
            for draft in (*drafts, witness):
                draft.unlink(missing_ok=True)


def _still_the_same(title: Title) -> None:
    """Raise `SourceMissing` where the source is not the file any more that was read."""
    source, size = title.source, title.source.inspection.facts.get("format", {}).get("size")
    try:
        found = os.stat(source.path).st_size
    except OSError as error:
        raise SourceMissing(
            f"{source.name} is not there any more: {error.strerror}. Bring it back, and retry."
        ) from None
    if size is not None and found != int(size):
        raise SourceMissing(f"{source.name} has changed since it was read: {found} bytes, not {size}. Retry the job.")


def _frame(block: dict[str, str]) -> int:
    return int(block.get("frame", 0))


def _told(block: dict[str, str], seconds: float) -> float:
    """How much of a title of that length is written. With `-copyts`, ffmpeg counts from where it first told."""
    if block.get("progress") == "end":
        return 1.0
    written = block.get("out_time_us", "")
    return min(1.0, int(written) / 1e6 / seconds) if seconds and written.isdigit() else 0.0


def _at_seams(film: Film, chunk: Chunk, seen: dict[int, str]) -> dict[int, str]:
    """The hashes of the source's frames that a neighbour may have seen, too."""
    first, end = seams(film, [chunk])
    both = (*range(first, first + SEAM_FRAMES), *range(end, end + SEAM_FRAMES))
    return {frame: seen[frame] for frame in both if frame in seen}


def _checked(film: Film, chunks: Sequence[Chunk], drafts: Sequence[Path]) -> list[ChunkFacts]:
    return [
        check_chunk(draft, expected_times(film.shown, chunk), film.shown.time_base)
        for draft, chunk in zip(drafts, chunks, strict=True)
    ]


def _trusted(film: Film, stderr: str) -> None:
    """Raise `ChunkMismatch` where the decoder complains and only the packets vouch for the frames.

    After a seek it may complain of pictures before the chunk, so this is no proof of damage: a whole decode tells.
    """
    said = complaints(stderr)
    if film.index.source == "packets" and (said.lines or said.patched):
        raise ChunkMismatch(f"The decoder complains: {next(iter(said.lines), 'a frame was decoded in part')}.")


_NO_ROOM = "The disk is full: there is no room for the chunks. Free some, or write to another disk."


def _failure(error: FramemillError, argv: list[str], usage: Usage) -> Encoded:
    full = isinstance(error, FfmpegFailed) and os.strerror(errno.ENOSPC) in error.stderr
    said = error.command if isinstance(error, FfmpegFailed) else ""
    return Encoded(
        usage=usage,
        reason=Reason.DISK_FULL if full else reason_of(error),
        message=_NO_ROOM if full else error.message,
        command=ffmpeg.quoted([ffmpeg.binary(), *argv]) if argv else said,
    )


def _witnessed(film: Film, group: Group, path: Path) -> dict[int, str]:
    """The hashes of the decoded frames that this group watched; raises `ChunkMismatch` where the index knows better."""
    watched = watched_frames(film, group)
    if not watched:
        return {}
    _, rows = parse_framehash(path.read_text())
    seen = witnessed(film.index, rows)
    expected = [frame for frames in watched for frame in frames]
    if sorted(seen) != expected or len(rows) != len(expected):
        raise ChunkMismatch(f"The decode delivered {len(rows)} of the {len(expected)} frames that were watched.")
    if film.index.hashes:
        wrong = next((frame for frame in expected if film.index.hashes[frame] != seen[frame]), None)
        if wrong is not None:
            raise ChunkMismatch(f"Frame {wrong} decodes to other pixels after seeking than in a whole decode.")
    return seen


def torn_seam(facts: list[ChunkFacts], starts: list[int]) -> int | None:
    """The first of the source's frames that two neighbouring decodes saw differently, or None.

    `starts`: the source's frame at which each begins; both are in order.
    """
    for (before, after), start in zip(pairwise(facts), starts[1:], strict=True):
        for frame in range(start, start + SEAM_FRAMES):
            both = before.seam_hashes.get(frame), after.seam_hashes.get(frame)
            if None not in both and both[0] != both[1]:
                return frame
    return None


async def encode_extra(order: ExtraOrder, blobs: Blobs, on_share: Callable[[float], None]) -> Encoded:
    """Encode the sound, convert a text track, copy the packets, or write the whole output."""
    title = load_title(blobs, order.title_key)
    if order.part is not None:
        title = title.parts[order.part]
    growing = order.kind == "sound" and title.settings.container == "package"
    draft = blobs.draft(growing_sound(title.sound_keys[order.rank])) if growing else blobs.draft(order.key)
    argv: list[str] = []
    seconds = title_seconds(title)
    with metered() as meter, files_of_at_most(extra_bytes(title, order.kind, seconds)):
        try:
            for part in title.reels:
                for read in {part.source.path: part, part.speaker.source.path: part.speaker}.values():
                    await asyncio.to_thread(_still_the_same, read)
            if order.kind == "whole":
                stderr = await write_whole(title, draft, on_share)
            elif title.parts:
                voices = [
                    await prepare(one.source, one.voices[0], one.settings) if one.voices else None
                    for one in (part.speaker for part in title.parts)
                ]
                stderr = await encode_joined(title, voices, draft, lambda block: on_share(_told(block, seconds)))
            else:
                argv = await _extra_command(order, title, draft)
                stderr = (await ffmpeg.ffmpeg(argv, on_progress=lambda block: on_share(_told(block, seconds)))).stderr
            if not draft.exists() or not draft.stat().st_size:
                return Encoded(reason=Reason.FFMPEG_FAILED, message=f"ffmpeg wrote no {order.kind}.")
            said = complaints(stderr)
            await asyncio.to_thread(keep_extra, blobs, draft, order.key, said)
            return Encoded(usage=meter.usage, complaints=said)
        except FramemillError as error:
            return _failure(error, argv, meter.usage)
        finally:
            draft.unlink(missing_ok=True)


async def _extra_command(order: ExtraOrder, title: Title, draft: Path) -> list[str]:
    """Raises `SourceEncrypted` where the sound takes a key."""
    source, settings = title.source, title.settings
    if order.kind == "text":
        return sound.text_command(source, order.rank, settings, title.zero, title.text_end, draft)
    voices = title.voices[order.rank : order.rank + 1] if order.kind == "sound" else title.voices
    prepared = [await prepare(source, voice, settings) for voice in voices]
    if order.kind == "sound":
        return sound.sound_command(source, prepared[0], settings, draft)
    return sound.remux_command(source, prepared, settings, draft)


async def try_frames(order: TrialOrder, blobs: Blobs) -> Tried:
    """Encode those frames as their chunk would, and throw the result away."""
    title, begin = load_title(blobs, order.title_key).part_at(order.first)
    film = title.pictured
    first, end = order.first - begin, order.end - begin
    place = next(chunk for chunk in film.plan.chunks if chunk.first <= first < chunk.end)
    part = place.model_copy(update={"first": first, "end": end, "idrs": ()})
    group = film.plan.groups[next(g.number for g in film.plan.groups if place in film.plan.group_chunks(g))]
    plan = film.plan.model_copy(update={"chunks": (part,), "groups": (group.model_copy(update=_ONLY),)})
    small = title.model_copy(update={"film": film.model_copy(update={"plan": plan})})
    draft, witness = blobs.draft("trials/trial.mp4"), blobs.draft("trials/witness")
    argv = group_command(small, [order.rendition], plan.groups[0], [draft], witness)
    with metered() as meter:
        try:
            await ffmpeg.ffmpeg(argv)
            await asyncio.to_thread(check_chunk, draft, expected_times(film.shown, part), film.shown.time_base)
            return Tried(usage=meter.usage)
        except FramemillError as error:
            failed = _failure(error, argv, meter.usage)
            return Tried(usage=meter.usage, reason=failed.reason, message=failed.message, command=failed.command)
        finally:
            for path in (draft, witness):
                path.unlink(missing_ok=True)


_ONLY = {"number": 0, "first_chunk": 0, "end_chunk": 1}
