"""The job's report: what was asked for, what the source is, how it was cut, what came out, and the proof."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from framemill import __version__
from framemill.farm.orders import Stitched
from framemill.jobs.model import ChunkRow, Input, Job, Output
from framemill.media import ffmpeg
from framemill.media.encode import group_command
from framemill.media.title import Title

#: Version of the report's shape; grows when a field changes its meaning.
REPORT_VERSION = 1


def build_report(
    job: Job,
    *,
    inputs: Sequence[Input],
    outputs: Sequence[Output],
    titles: Mapping[str, Title],
    rows: Sequence[ChunkRow],
    written: Mapping[str, Stitched],
) -> dict[str, Any]:
    """The report as plain JSON values."""
    title = titles[outputs[0].id]
    return {
        "report_version": REPORT_VERSION,
        "framemill": __version__,
        "ffmpeg": title.build,
        "job": {"id": job.id, "attempt": job.attempt, "metadata": job.metadata},
        "warnings": [warned.message for warned in job.warnings],
        "source": source_facts(inputs[0].uri, title),
        "plan": plan_facts(title, [row for row in rows if row.output_id == outputs[0].id]),
        "outputs": [_output(output, titles[output.id], rows, written[output.id]) for output in outputs],
        "seconds": {state: round(seconds, 3) for state, seconds in job.timings.items()},
    }


def source_facts(uri: str, title: Title) -> dict[str, Any]:
    """What is known of the source."""
    inspection = title.source.inspection
    return {
        "uri": uri,
        "sha256": inspection.sha256,
        "video_stream": inspection.video,
        "audio_stream": inspection.audio,
        **inspection.facts,
    }


def plan_facts(title: Title, rows: Sequence[ChunkRow] = ()) -> dict[str, Any]:
    """How an output is cut, and why there."""
    facts: dict[str, Any] = {"zero_seconds": float(title.zero), "settings": title.settings.model_dump(mode="json")}
    if title.film is None:
        return facts | {"chunks": []}
    index, plan = title.film.index, title.film.plan
    seconds = {row.number: row.seconds for row in rows if row.rendition == 0}
    return facts | {
        "index": {
            "frames": len(index.pts),
            "time_base": str(index.time_base),
            "source": index.source,
            "why": index.why,
            "seek_points": len(index.seek_points),
            "complaints": list(index.complaints),
        },
        "trim_by": plan.trim_by,
        "segments": list(plan.segments),
        "renditions": [picture.model_dump() for picture in title.film.pictures],
        "groups": [
            {
                "number": group.number,
                "chunks": [group.first_chunk, group.end_chunk],
                "seek_seconds": None if group.seek is None else float(group.seek * index.time_base),
                "frames_decoded": group.decoded,
            }
            for group in plan.groups
        ],
        "chunks": [
            {
                "number": chunk.number,
                "first": chunk.first,
                "end": chunk.end,
                "start_seconds": float(index.seconds(chunk.first) - title.zero),
                "why": chunk.why,
                "group": group.number,
                "encode_seconds": seconds.get(chunk.number),
            }
            for group in plan.groups
            for chunk in plan.group_chunks(group)
        ],
    }


def with_commands(title: Title, facts: dict[str, Any]) -> dict[str, Any]:
    """The plan's facts with the full command of each chunk's process, for every rendition."""
    if title.film is None:
        return facts
    commands: dict[int, list[str]] = {}
    for group in title.film.plan.groups:
        witness = Path(f"group-{group.number:05d}.framehash")
        for rendition, picture in enumerate(title.film.pictures):
            numbers = range(group.first_chunk, group.end_chunk)
            outputs = [Path(f"{picture.name}-{number:05d}.mp4") for number in numbers]
            argv = group_command(title, rendition, group, outputs, witness)
            commands.setdefault(group.number, []).append(ffmpeg.quoted([ffmpeg.binary(), *argv]))
    return {**facts, "chunks": [{**chunk, "commands": commands[chunk["group"]]} for chunk in facts["chunks"]]}


def _output(output: Output, title: Title, rows: Sequence[ChunkRow], written: Stitched) -> dict[str, Any]:
    sizes: Counter[int] = Counter()
    for row in rows:
        if row.output_id == output.id:
            sizes[row.rendition] += row.size or 0
    pictures = title.film.pictures if title.film is not None else ()
    return {
        "name": output.name,
        "path": output.target,
        "preset": output.preset,
        "files": [file.model_dump() for file in written.files],
        "renditions": [
            {**picture.model_dump(), "video_bytes": sizes[number]} for number, picture in enumerate(pictures)
        ],
        "proof": dict(written.proof),
        "seconds": {stage: round(seconds, 3) for stage, seconds in written.seconds.items()},
    }
