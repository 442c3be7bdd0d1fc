"""The job's report: what was asked for, what the source is, how it was cut, what came out, and the proof."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from framemill import __version__
from framemill.farm.orders import Stitched
from framemill.jobs.model import ChunkRow, Input, Job, Output
from framemill.jobs.usage import Usage
from framemill.media import ffmpeg
from framemill.media.encode import group_command
from framemill.media.ladder import Picture
from framemill.media.options import ENCODERS
from framemill.media.plan import Group
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
        **_costs(job),
    }


def _costs(job: Job) -> dict[str, Any]:
    """What each stage took: wall seconds (chunks are encoded side by side), CPU seconds, memory of a process."""
    stages = {name: _rounded(usage) for name, usage in job.usage.items()}
    if "encode" in stages:
        side_by_side = stages["encode"]["seconds"]
        stages["encode"] |= {"seconds": round(job.timings.get("encoding", 0.0), 3), "process_seconds": side_by_side}
    return {"stages": stages, **_totals(stages)}


def _totals(stages: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    cpu = sum(stage["cpu_seconds"] for stage in stages.values())
    gate = stages.get("verify", {}).get("cpu_seconds", 0.0)
    return {"cpu_seconds": round(cpu, 3), "gate_cpu_share": round(gate / cpu, 4) if cpu else 0.0}


def with_farm(report: dict[str, Any], start: Usage, whole: Usage) -> dict[str, Any]:
    """The report of a job that had a farm of its own: what starting it took, and what it took beside the stages."""
    stages = {"farm_start": _rounded(start), **report["stages"]}
    rest = whole.cpu_seconds - sum(stage["cpu_seconds"] for stage in stages.values())
    stages["coordinate"] = _rounded(Usage(cpu_seconds=max(rest, 0.0)))
    seconds = report["seconds"] | {"farm_start": round(start.seconds, 3), "total": round(whole.seconds, 3)}
    return {**report, "stages": stages, **_totals(stages), "seconds": seconds}


def _rounded(usage: Usage) -> dict[str, Any]:
    return {
        "seconds": round(usage.seconds, 3),
        "cpu_seconds": round(usage.cpu_seconds, 3),
        "peak_bytes": usage.peak_bytes,
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
            "damage": None if index.damage is None else index.damage.model_dump(),
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
        commands[group.number] = [command_of(title, rendition, group) for rendition in range(len(title.film.pictures))]
    return {**facts, "chunks": [{**chunk, "commands": commands[chunk["group"]]} for chunk in facts["chunks"]]}


def command_of(title: Title, rendition: int, group: Group) -> str:
    """The ffmpeg command that encodes a group's chunks of one rendition into files of the folder it runs in."""
    name = title.pictured.pictures[rendition].name
    outputs = [Path(f"{name}-{number:05d}.mp4") for number in range(group.first_chunk, group.end_chunk)]
    argv = group_command(title, rendition, group, outputs, Path(f"group-{group.number:05d}.framehash"))
    return ffmpeg.quoted([ffmpeg.binary(), *argv])


def _output(output: Output, title: Title, rows: Sequence[ChunkRow], written: Stitched) -> dict[str, Any]:
    pictures = title.film.pictures if title.film is not None else ()
    mine = [row for row in rows if row.output_id == output.id]
    return {
        "name": output.name,
        "path": output.target,
        "preset": output.preset,
        "files": [file.model_dump() for file in written.files],
        "renditions": [
            _rendition(title, picture, [row for row in mine if row.rendition == number])
            for number, picture in enumerate(pictures)
        ],
        "proof": dict(written.proof),
    }


def _rendition(title: Title, picture: Picture, rows: Sequence[ChunkRow]) -> dict[str, Any]:
    index = title.pictured.index
    size = sum(row.size or 0 for row in rows)
    shown = float((index.pts[-1] - index.pts[0] + index.last_duration) * index.time_base)
    return {
        **picture.model_dump(),
        "encoder": ENCODERS[title.settings.video_codec].name,
        "frames": sum(row.end_frame - row.first_frame for row in rows),
        "video_bytes": size,
        "bitrate": round(size * 8 / shown) if shown > 0 else None,
        "encode_seconds": round(sum(row.seconds or 0.0 for row in rows), 3),
        "encode_cpu_seconds": round(sum(row.cpu_seconds or 0.0 for row in rows), 3),
    }
