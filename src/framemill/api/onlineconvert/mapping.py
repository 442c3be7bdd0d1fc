"""Between this door's words about jobs and ours. Pure."""

import mimetypes
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, NamedTuple
from uuid import UUID

from framemill.api.onlineconvert import problems, statuses
from framemill.api.onlineconvert.kept import Conversion, Sent, conversion_of, note_of, sent_as
from framemill.api.onlineconvert.limits import credits_told, limits_told
from framemill.jobs.model import ChunkRow, Delivery, Input, Output
from framemill.jobs.settings.pieces import ARCHIVE
from framemill.jobs.states import ENDED_JOB, ChunkState, DeliveryState, InputState, JobState, state_of_all
from framemill.secrets import mask, mask_url
from framemill.services.jobs import Shown


class Telling(NamedTuple):
    """What there is to know of a job beside it."""

    token: str
    server: str
    """Where bytes are sent to and fetched from."""
    uri: Callable[[Output, str | None], str]
    """Where an output is fetched: the one file that it is, or one of a folder's."""
    now: datetime


INPUT_STATUSES: Mapping[InputState, str] = MappingProxyType(
    {
        InputState.WAITING: "downloading",
        InputState.FETCHING: "downloading",
        InputState.READY: "ready",
        InputState.FAILED: "failed",
    }
)
"""Of an input whose job has not been canceled."""

TARGET_STATUSES: Mapping[DeliveryState, str] = MappingProxyType(
    {
        DeliveryState.WAITING: "waiting",
        DeliveryState.UPLOADING: "uploading",
        DeliveryState.COMPLETED: "completed",
        DeliveryState.FAILED: "failed",
    }
)

THREADS: Mapping[ChunkState, tuple[int, str]] = MappingProxyType(
    {
        ChunkState.WAITING: (0, "waiting"),
        ChunkState.LEASED: (1, "processing"),
        ChunkState.COMMITTED: (2, "completed"),
        ChunkState.QUARANTINED: (3, "failed"),
    }
)
"""Of a chunk that is encoded: its number, and what that means."""


def job(shown: Shown, telling: Telling, code: statuses.Code | None = None) -> dict[str, Any]:
    """A job; `code`: its status, where it is told of as of another time."""
    found, note = shown.job, note_of(shown.job)
    return {
        "id": found.id,
        "token": telling.token,
        "type": "job",
        "status": statuses.told(code or statuses.code_of(shown)),
        "errors": problems.errors(shown),
        "warnings": problems.warnings(shown),
        "process": note.process,
        "fail_on_input_error": found.on_input_error == "fail",
        "fail_on_conversion_error": found.on_output_error == "fail",
        "conversion": [conversion(shown, one) for one in note.conversions],
        "limits": limits_told(found.limits),
        "input": [input_file(shown, one) for one in shown.inputs],
        "output": outputs(shown, telling),
        "callback": note.callback,
        "notify_status": note.notify_status,
        "server": telling.server,
        "spent": credits_told(found.spent),
        "created_at": moment(found.created_at),
        "modified_at": moment(max(found.created_at, found.entered_at)),
    }


def conversion(shown: Shown, found: Conversion) -> dict[str, Any]:
    """A conversion of a job, without what is secret."""
    return {
        "id": found.id,
        "target": found.target,
        "category": found.category,
        "options": dict(found.options),
        "metadata": dict(found.metadata),
        "output_target": [
            {
                "type": one.type,
                "parameters": dict(one.parameters),
                "credentials": {},
                "status": _target_status(shown, found, rank),
            }
            for rank, one in enumerate(found.output_target)
        ],
    }


def _target_status(shown: Shown, found: Conversion, rank: int) -> str:
    mine = {output.id for output in shown.outputs if conversion_of(output) == found.id}
    state = state_of_all(row.state for row in shown.deliveries if row.output_id in mine and row.target == rank)
    if shown.job.state is JobState.FAILED and state is not DeliveryState.COMPLETED:
        return "failed"
    return "waiting" if state is None else TARGET_STATUSES[state]


def input_file(shown: Shown, found: Input) -> dict[str, Any]:
    """An input of a job, without what opens it."""
    sent = sent_as(found)
    name = found.filename or _name_at(found, sent)
    canceled = shown.job.state in {JobState.CANCELLING, JobState.CANCELLED} and found.state is not InputState.READY
    made = moment(made_at(found.id, shown.job.created_at))
    return {
        "id": found.id,
        "type": sent.type,
        "status": "canceled" if canceled else INPUT_STATUSES[found.state],
        "source": sent.source,
        "engine": sent.engine,
        "options": dict(sent.options),
        "filename": name,
        "size": found.size or sent.size,
        "hash": sent.checksum,
        "checksum": sent.checksum,
        "content_type": found.content_type or mimetypes.guess_type(name)[0] or "",
        "created_at": made,
        "modified_at": made,
        "credentials": {},
        "parameters": dict(sent.parameters),
        "metadata": dict(sent.metadata),
    }


def _name_at(found: Input, sent: Sent) -> str:
    if sent.type == "cloud" and "://" not in found.uri:  # nothing could be made of what was said of it
        return str(sent.parameters.get("file") or "").rpartition("/")[2]
    return mask_url(found.uri).rpartition("/")[2].partition("?")[0]


def outputs(shown: Shown, telling: Telling) -> list[dict[str, Any]]:
    """The outputs of a job that is completed; those that were put elsewhere are not here."""
    return [output_file(shown, one, telling, file) for one in made_outputs(shown) for file in files_of(shown, one)]


def made_outputs(shown: Shown) -> list[Output]:
    """Likewise, in our words."""
    if shown.job.state is not JobState.COMPLETED:
        return []
    return [output for output in shown.outputs if output.stays and output.reason is None]


def output_file(shown: Shown, found: Output, telling: Telling, file: Delivery | None) -> dict[str, Any]:
    """An output of a job, or a file of one that is several; `file`: that one; none: there is none yet."""
    return {
        "id": id_of(found, file),
        "source": {
            "conversion": conversion_of(found),
            "input": list(found.input_ids) or [source.id for source in shown.inputs],
        },
        "filename": _called(found, file),
        "uri": telling.uri(found, file.path if file is not None and found.settings.folder else None),
        "size": 0 if file is None else file.size or 0,
        "status": output_status(found, telling.now),
        "content_type": "" if file is None else file.content_type or "",
        "downloads_counter": found.download_count,
        "checksum": "" if file is None else file.md5 or "",
        "created_at": moment(shown.job.ended_at or shown.job.entered_at),
        "metadata": {},
    }


def output_status(found: Output, now: datetime) -> str:
    """Whether an output can be fetched."""
    if found.withdrawn_at is not None:
        return "disabled"
    if found.expires_at is not None and found.expires_at <= now:
        return "expired"
    if found.download_limit is not None and found.download_count >= found.download_limit:
        return "overuse"
    return "enabled"


def files_of(shown: Shown, found: Output) -> Sequence[Delivery | None]:
    """The files of an output that stays here, of a package its entry first; one that is none: there are none yet."""
    mine = [row for row in shown.deliveries if row.output_id == found.id and row.target is None]
    mine.sort(key=lambda row: (row.path != _ENTRY, row.path))
    return mine or [None]


_ENTRY = "master.m3u8"


def id_of(found: Output, file: Delivery | None) -> str:
    """The id of a file of an output: where that is several files, each has its own."""
    return file.id if file is not None and found.settings.folder else found.id


def owner_of(shown: Shown, file_id: str) -> tuple[Output, Delivery | None] | None:
    """The output that is told of under that id, and which of its files is; none: there is none."""
    every = ((output, file) for output in made_outputs(shown) for file in files_of(shown, output))
    return next(((output, file) for output, file in every if file_id in {output.id, id_of(output, file)}), None)


def _called(found: Output, file: Delivery | None) -> str:
    """A file that is one of several has the name of all, and its own."""
    if file is None or not found.settings.folder:
        return found.name
    if file.path == ARCHIVE:
        return f"{found.name}.zip"
    own = file.path.replace("/", "-")
    return own if found.settings.kind == "package" else f"{found.name}-{own}"


def history(rows: Sequence[statuses.Row]) -> list[dict[str, Any]]:
    """The changes of a job's status."""
    return [
        {
            "id": str(UUID(int=row.event.seq)),
            "status": row.code,
            "info": statuses.INFO[row.code],
            "created_at": moment(row.event.at),
        }
        for row in rows
    ]


def thread(row: ChunkRow, shown: Shown) -> dict[str, Any]:
    """A chunk as what works on a job."""
    status, info = THREADS[row.state]
    made = row.leased_at or shown.job.entered_at
    frames = f"{info}, frames {row.first_frame} to {row.end_frame - 1}"
    return {
        "hash": row.key,
        "status": status,
        "info": mask(f"{frames}: {row.message}" if row.message else frames),
        "exec_time": round(row.seconds or 0),
        "created_at": moment(made),
        "modified_at": moment(row.committed_at or made),
    }


def moment(at: datetime) -> str:
    """As it writes time: UTC, without a zone."""
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds")


def made_at(part_id: str, otherwise: datetime) -> datetime:
    """When something was made, by its id (a UUIDv7); `otherwise`, where that does not tell."""
    try:
        found = UUID(part_id)
    except ValueError:
        return otherwise
    return datetime.fromtimestamp((found.int >> 80) / 1000, UTC) if found.version == 7 else otherwise  # noqa: PLR2004


def has_ended(shown: Shown) -> bool:
    """Whether nothing becomes of it any more."""
    return shown.job.state in ENDED_JOB
