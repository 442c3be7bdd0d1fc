"""What a worker does before a title's bits are shared out: it measures chunks, and writes the plan with their shares.

A measure is a blob under the address of what was encoded for it, so it is made once, whoever asks for it again.
"""

import asyncio
import json
import tempfile
from pathlib import Path

from framemill.errors import FramemillError
from framemill.farm.orders import Planned, ShareOrder, Surveyed, SurveyOrder
from framemill.farm.titles import load_title, places_of
from framemill.jobs.reasons import reason_of
from framemill.media import ffmpeg
from framemill.media.ceiling import chunk_bytes
from framemill.media.encode import group_command
from framemill.media.process import files_of_at_most, metered
from framemill.media.title import Title
from framemill.media.twopass import packet_sizes, probe_of, to_share, with_shares
from framemill.storage.blobs import Blobs


def draft_key(title_key: str) -> str:
    """Where a plan lies until its bits are shared out."""
    return f"{title_key.removesuffix('.json')}.draft.json"


def survey_blob(key: str) -> str:
    """Where the measure of a chunk is kept: the address is that of the probe's chunk."""
    return f"surveys/{key}.json"


async def survey(order: SurveyOrder, blobs: Blobs) -> Surveyed:
    """Measure what is not measured yet. Failures come back as values."""
    title, group = (await asyncio.to_thread(_probe, order.title_key, blobs)).part_of(order.group)
    chunks = title.pictured.plan.group_chunks(group)

    def missing(rendition: int) -> bool:
        return not all(blobs.has(survey_blob(title.chunk_key(rendition, chunk))) for chunk in chunks)

    renditions = [rendition for rendition in order.renditions if missing(rendition)]
    if not renditions:
        return Surveyed()
    blobs.path("surveys").mkdir(parents=True, exist_ok=True)
    most = chunk_bytes(title.pictured, renditions, chunks)
    with (
        metered() as meter,
        files_of_at_most(most),
        tempfile.TemporaryDirectory(dir=blobs.path("surveys"), prefix=".probe-") as folder,
    ):
        places = [(rendition, chunk) for rendition in renditions for chunk in chunks]
        files = [Path(folder, f"{number}.mp4") for number in range(len(places))]
        argv = group_command(title, renditions, group, files, None)
        try:
            await ffmpeg.ffmpeg(argv)
            taken = [8 * sum(await asyncio.to_thread(packet_sizes, file)) for file in files]
        except FramemillError as error:
            said = ffmpeg.quoted([ffmpeg.binary(), *argv])
            return Surveyed(usage=meter.usage, reason=reason_of(error), message=error.message, command=said)
        for (rendition, chunk), bits in zip(places, taken, strict=True):
            blobs.write(survey_blob(title.chunk_key(rendition, chunk)), json.dumps({"bits": bits}).encode())
        return Surveyed(usage=meter.usage)


def share_out(order: ShareOrder, blobs: Blobs) -> Planned:
    """Write the plan with each chunk's share."""
    title = load_title(blobs, order.draft_key)
    wanted = to_share(title)
    if not wanted:  # of what was asked for, the pictures are not there
        blobs.write(order.title_key, title.to_json())
        return Planned(chunks=tuple(places_of(title)))
    probe = probe_of(title)
    chunks = title.pictured.plan.chunks
    taken = {number: [_bits(blobs, probe.chunk_key(number, chunk)) for chunk in chunks] for number in wanted}
    shared = with_shares(title, taken)
    blobs.write(order.title_key, shared.to_json())
    return Planned(chunks=tuple(places_of(shared)))


def _probe(title_key: str, blobs: Blobs) -> Title:
    return probe_of(load_title(blobs, title_key))


def _bits(blobs: Blobs, key: str) -> int | None:
    """None: it could not be measured. Whoever encodes it will say why."""
    try:
        bits: int = json.loads(blobs.read(survey_blob(key)))["bits"]
    except FileNotFoundError:
        return None
    return bits
