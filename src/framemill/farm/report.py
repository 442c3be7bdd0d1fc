"""The job's report: what was asked for, what the source is, how it was cut, what came out, and the proof."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from framemill import __version__
from framemill.farm.grouping import GroupEncode, in_turn
from framemill.farm.muxing import progressive_name
from framemill.farm.orders import Stitched
from framemill.jobs.model import ChunkRow, Input, Job, Output
from framemill.jobs.usage import Usage
from framemill.media import ffmpeg
from framemill.media.images import picture_commands
from framemill.media.ladder import Picture
from framemill.media.options import encoder_of
from framemill.media.plan import Group
from framemill.media.title import Title
from framemill.secrets import mask_url

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
    source = next((one for one in inputs if one.sha256 == title.source.sha256), inputs[0])
    return {
        "report_version": REPORT_VERSION,
        "framemill": __version__,
        "ffmpeg": title.build,
        "job": {"id": job.id, "attempt": job.attempt, "metadata": job.metadata},
        "warnings": [warned.message for warned in job.warnings],
        "source": source_facts(source.uri, title),
        "inputs": [_input(one) for one in inputs],
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


def _input(source: Input) -> dict[str, Any]:
    facts = {"uri": mask_url(source.uri), "sha256": source.sha256, "state": source.state.value}
    clip = {name: value for name, value in (("start", source.start), ("end", source.end)) if value is not None}
    return {**facts, **clip}


def plan_facts(title: Title, rows: Sequence[ChunkRow] = ()) -> dict[str, Any]:
    """How an output is cut, and why there."""
    facts: dict[str, Any] = {"zero_seconds": float(title.zero), "settings": title.settings.model_dump(mode="json")}
    if title.film is None:
        return facts | {"chunks": []}
    film = title.film
    index, plan = film.index, film.plan
    groups = plan.groups if title.settings.encodes_video else ()  # pictures are drawn, and have no chunks
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
        "edit": None if film.edit is None else film.edit.model_dump(mode="json"),
        "frames": len(film.shown.pts),
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
            for group in groups
        ],
        "chunks": [
            {
                "number": chunk.number,
                "first": chunk.first,
                "end": chunk.end,
                "start_seconds": float(film.shown.seconds(chunk.first) - title.zero),
                "why": chunk.why,
                "group": group.number,
                "encode_seconds": seconds.get(chunk.number),
                **({"bitrates": list(chunk.shares)} if chunk.shares else {}),
            }
            for group in groups
            for chunk in plan.group_chunks(group)
        ],
        **_parts(title),
    }


def _parts(title: Title) -> dict[str, Any]:
    """How each of several inputs that are joined is cut, in its own frames; `first_frame`: which of the title's is its
    first."""
    told = []
    for part, begin in zip(title.parts, title.begins, strict=False):
        facts = plan_facts(part)
        own = {name: facts[name] for name in ("index", "edit", "frames", "trim_by", "renditions", "groups")}
        told.append({"source": mask_url(part.source.name), "sha256": part.source.sha256, "first_frame": begin, **own})
    return {"parts": told} if told else {}


def with_commands(title: Title, facts: dict[str, Any]) -> dict[str, Any]:
    """The plan's facts with the full command of each chunk's processes."""
    if title.film is None:
        return facts
    if title.settings.kind == "picture":
        argvs, _ = picture_commands(title, Path())
        return {**facts, "commands": [ffmpeg.quoted([ffmpeg.binary(), *argv]) for argv in argvs]}
    commands: dict[int, list[str]] = {}
    for group in title.film.plan.groups:
        commands[group.number] = [command_of(title, batch.start, group) for batch in title.film.batches]
    return {**facts, "chunks": [{**chunk, "commands": commands[chunk["group"]]} for chunk in facts["chunks"]]}


def command_of(title: Title, rendition: int, group: Group) -> str:
    """The ffmpeg command that encodes a group's chunks in that rendition, and in those that one decode serves with it,
    into files of the folder it runs in; of two passes both."""
    part, own = title.part_of(group.number)
    film = part.pictured
    batch = in_turn(film, next(batch for batch in film.batches if rendition in batch))
    outputs = [
        Path(f"{film.pictures[one].name}-{number:05d}.mp4")
        for one in batch
        for number in range(group.first_chunk, group.end_chunk)
    ]
    encode = GroupEncode(part, batch, own, outputs, Path(f"group-{group.number:05d}.framehash"))
    return " && ".join(ffmpeg.quoted([ffmpeg.binary(), *argv]) for argv in encode.commands(Path()))


def _output(output: Output, title: Title, rows: Sequence[ChunkRow], written: Stitched) -> dict[str, Any]:
    pictures = title.film.pictures if title.film is not None and title.settings.encodes_video else ()
    mine = [row for row in rows if row.output_id == output.id]
    return {
        "name": output.name,
        "path": output.targets[0].uri if output.targets else None,
        "targets": [mask_url(target.uri) for target in output.targets],
        "preset": output.preset,
        "files": [file.model_dump() for file in written.files],
        "renditions": [
            _rendition(title, picture, [row for row in mine if row.rendition == number])
            for number, picture in enumerate(pictures)
        ],
        "proof": dict(written.proof),
    }


def _rendition(title: Title, picture: Picture, rows: Sequence[ChunkRow]) -> dict[str, Any]:
    index = title.pictured.shown
    size = sum(row.size or 0 for row in rows)
    shown = float((index.pts[-1] - index.pts[0] + index.last_duration) * index.time_base)
    return {
        **picture.model_dump(),
        "codec": title.settings.video_codec,
        "encoder": encoder_of(title.settings).name,
        "maxrate": picture.rate.maxrate,
        "progressive": progressive_name(picture.name) if title.settings.progressive else None,
        "frames": sum(row.end_frame - row.first_frame for row in rows),
        "video_bytes": size,
        "bitrate": round(size * 8 / shown) if shown > 0 else None,
        "encode_seconds": round(sum(row.seconds or 0.0 for row in rows), 3),
        "encode_cpu_seconds": round(sum(row.cpu_seconds or 0.0 for row in rows), 3),
    }
