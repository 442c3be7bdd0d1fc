"""How a film stands, in the words of the document. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple, TypeAlias

from framemill.api.optimized.note import note_of
from framemill.jobs.states import JobState
from framemill.services.jobs import Shown

Status: TypeAlias = Literal[
    "queued", "optimizing", "pending downloads limit", "completed", "failed", "cancelled", "ready-for-removal"
]

STATUSES: Mapping[JobState, Status] = {
    JobState.HELD: "pending downloads limit",
    JobState.QUEUED: "queued",
    JobState.INGESTING: "optimizing",
    JobState.PLANNING: "optimizing",
    JobState.ENCODING: "optimizing",
    JobState.STITCHING: "optimizing",
    JobState.PACKAGING: "optimizing",
    JobState.DELIVERING: "optimizing",
    JobState.COMPLETED: "completed",
    JobState.FAILED: "failed",
    JobState.CANCELLING: "cancelled",
    JobState.CANCELLED: "cancelled",
}

GONE = frozenset({JobState.CANCELLING, JobState.CANCELLED})
"""What nobody is told of any more."""

_FETCHED_OF_COPY, _FETCHED_OF_ENCODE, _ENCODED = 90.0, 20.0, 95.0
"""Per cent that are told when the source is here, and when all is encoded."""
_BEHIND = {JobState.STITCHING: 96.0, JobState.PACKAGING: 98.0, JobState.DELIVERING: 99.0}
NEARLY = 99.9
"""Of a film that is done, and that its client has not seen under way yet."""


class Made(NamedTuple):
    """The file of a film that is done."""

    path: str
    size: int
    sha256: str


def status_of(shown: Shown, *, room: bool = False) -> Status:
    """In one of its words. `room`: its device's shelf is not full, so that it waits as any other does."""
    state = shown.job.state
    if room and state is JobState.HELD:
        return "queued"
    return "ready-for-removal" if state is JobState.COMPLETED and note_of(shown.job).left else STATUSES[state]


def full(films: Iterable[Shown], most: int) -> frozenset[str]:
    """Devices with as many films done or under way as may be (0: any number): what waits there, waits for its client to
    fetch one."""
    there = Counter(note_of(one.job).device for one in films if status_of(one) in {"completed", "optimizing"})
    return frozenset(device for device, count in there.items() if 0 < most <= count)


def made_of(shown: Shown) -> Made | None:
    """What came of it; none: nothing yet."""
    outputs = (shown.job.report or {}).get("outputs", ()) if shown.job.state is JobState.COMPLETED else ()
    file = next((file for one in outputs for file in one.get("files", ())), None)
    return None if file is None else Made(file["path"], file["size"], file["sha256"])


def is_over(shown: Shown, kept_seconds: float, now: datetime) -> bool:
    """Whether its time here is over. `kept_seconds`: of one of which there is no file."""
    until = expiry_of(shown)
    if until is not None:
        return now >= until
    ended = shown.job.ended_at
    return ended is not None and (now - ended).total_seconds() >= kept_seconds


def expiry_of(shown: Shown) -> datetime | None:
    """Until when its file stays."""
    return next((one.expires_at for one in shown.outputs), None) if shown.job.state is JobState.COMPLETED else None


def told(
    shown: Shown, item: Any, done: float, now: datetime, *, first: bool = False, room: bool = False
) -> dict[str, Any]:
    """A film as its client reads it. `item`: what that has posted along; `done`: per cent, of one that is under way;
    `first`: that it is done is kept back, since its client begins to fetch only what it has seen under way before;
    `room`: as in `status_of`."""
    job, note, made = shown.job, note_of(shown.job), made_of(shown)
    status: Status = "optimizing" if first else status_of(shown, room=room)
    progress = NEARLY if first else 100.0 if made is not None else done
    answer: dict[str, Any] = {
        "id": job.id,
        "status": status,
        "progress": progress,
        "outputPath": _name(shown),
        "inputUrl": note.url,
        "itemId": note.item_id,
        "item": item if isinstance(item, dict) else _stand_in(shown),
        "deviceId": note.device,
        "timestamp": job.created_at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "size": 0 if made is None or first else made.size,
    }
    pace = speed(shown, progress, now) if status == "optimizing" else 0.0
    if pace > 0:  # its app draws a bare 0, and fails
        answer["speed"] = pace
    if made is not None and not first:
        answer["checksum"] = made.sha256
    if job.message and status == "failed":
        answer["error"] = job.message
    return answer


def _stand_in(shown: Shown) -> dict[str, str]:
    """What its app can draw: it fails, with all of its page, where an item has no id."""
    return {"Id": _name(shown).partition(".")[0] or shown.job.id, "Name": "?", "Type": "Movie"}


def _name(shown: Shown) -> str:
    """The file's: the item's id, as the URL has it, and what it ends in."""
    return next((one.name for one in shown.outputs), "")


def percent(shown: Shown, live: Mapping[str, Any]) -> float:
    """How much of it is done, 0 to below 100: first it is fetched, then encoded, then put together."""
    state, note = shown.job.state, note_of(shown.job)
    fetched = _FETCHED_OF_COPY if note.copies else _FETCHED_OF_ENCODE
    if state is JobState.INGESTING:
        return round(fetched * _share(live.get("bytes", 0), live.get("bytes_planned", 0)), 1)
    if state is JobState.PLANNING:
        return fetched
    if state is JobState.ENCODING:
        done = live.get("frames", shown.frames), live.get("frames_planned", shown.frames_planned)
        return round(fetched + (_ENCODED - fetched) * _share(*done), 1)
    return _BEHIND.get(state, 0.0)


def speed(shown: Shown, progress: float, now: datetime) -> float:
    """Seconds of the film that are done in a second; 0: nobody can tell. The app reckons from it how long is left."""
    begun, seconds = shown.job.started_at, note_of(shown.job).seconds
    taken = 0.0 if begun is None else (now - begun).total_seconds()
    return round(seconds * progress / 100 / taken, 2) if seconds is not None and taken > 0 else 0.0


def figures(films: list[Shown]) -> dict[str, Any]:
    """The statistics of all films of somebody."""
    statuses = [status_of(one) for one in films]
    stored = sum(made.size for made in map(made_of, films) if made is not None)
    return {
        "cacheSize": written(stored),
        "totalTranscodes": len(films),
        "activeJobs": statuses.count("optimizing"),
        "completedJobs": statuses.count("completed") + statuses.count("ready-for-removal"),
        "uniqueDevices": len({note_of(one.job).device for one in films}),
    }


def written(size: float) -> str:
    """Bytes for people: `6.63 MB`, by 1024."""
    unit, *larger = "B", "KB", "MB", "GB", "TB"
    while larger and size >= 1024:  # noqa: PLR2004
        size, (unit, *larger) = size / 1024, larger
    return f"{size:.2f} {unit}"


def _share(done: float, planned: float) -> float:
    return min(1.0, max(0.0, done / planned)) if planned else 0.0
