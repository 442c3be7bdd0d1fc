"""Why a job does not move: one code and one sentence with its figures, and the next thing that the reader can do.

Of several causes the first is told without which the others would not matter: a farm that is paused is paused, however
many slots are busy. A job for which anything is being done moves, and has none.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

from framemill.jobs.model import Waiting
from framemill.jobs.states import ENDED_JOB, JobState
from framemill.policy.retention import GO_ON_FACTOR


class Code(StrEnum):
    """What a job waits for."""

    HELD = "held"  # its owner's start
    PAUSED = "paused"  # the operator's resume
    ACCOUNT_LIMIT = "account_limit"  # another job of its account to end
    FARM_LIMIT = "farm_limit"  # another job to end
    DISK = "disk"  # room
    STORE_AWAY = "store_away"  # the folder, bucket or database to be there again
    NO_WORKER = "no_worker"  # a worker to report
    NO_SLOT = "no_slot"  # a slot
    NO_ENCODER = "no_encoder"  # a machine that has the encoder
    NO_GPU_SLOT = "no_gpu_slot"  # a slot on a machine that has the encoder
    SOURCE_WAITING = "source_waiting"  # an input that somebody has to bring
    SOURCE_AWAY = "source_away"  # an input whose host does not answer
    RETRYING = "retrying"  # the pause after a failure
    QUARANTINED = "quarantined"  # the search for the frames that fail
    CANCELLING = "cancelling"  # whoever works on it, to stop


STEPS: Mapping[Code, str] = {
    Code.HELD: "Start it: POST /v1/jobs/JOB/start.",
    Code.PAUSED: "Let the farm go on: `framemill resume`.",
    Code.ACCOUNT_LIMIT: "Wait for one of them to end or cancel one; FRAMEMILL_JOBS_PER_ACCOUNT sets the limit.",
    Code.FARM_LIMIT: "Wait, or give it a higher priority; FRAMEMILL_ACTIVE_JOBS sets the limit.",
    Code.DISK: "Free some room, or let `framemill gc` do it; the farm goes on by itself. FRAMEMILL_CACHE_BYTES sets "
    "how much is kept, FRAMEMILL_MIN_FREE_BYTES how much is left free.",
    Code.STORE_AWAY: "Bring it back: mount the folder, start the server, look at its access rights. The farm goes on "
    "by itself, and nothing that was committed is lost.",
    Code.NO_WORKER: "See `framemill status`; workers come back by themselves, and the log says why one does not.",
    Code.NO_SLOT: "Wait, give the job a higher priority, or add slots: FRAMEMILL_SLOTS, or another machine.",
    Code.NO_ENCODER: "Ask for another video codec, or add a machine that has the encoder: `framemill doctor` shows "
    "which ones a machine has.",
    Code.NO_GPU_SLOT: "Wait, ask for an encoder that every machine has, or add a machine with this one.",
    Code.SOURCE_WAITING: "Bring what is missing: finish the upload, or give the job another source.",
    Code.SOURCE_AWAY: "See whether its host is up and the address right; it is asked again by itself.",
    Code.RETRYING: "Nothing: it is tried again by itself. `framemill jobs show JOB` tells what failed.",
    Code.QUARANTINED: "Wait for the range, then run the command beside it to see it fail; with a mended source, "
    "`framemill jobs retry JOB`.",
    Code.CANCELLING: "Nothing: it ends by itself, in seconds.",
}


class Capacity(NamedTuple):
    """Slots of some workers."""

    slots: int
    busy: int


@dataclass(frozen=True, kw_only=True)
class FarmFacts:
    """What holds for every job."""

    trouble: Code | None = None
    """`paused` (by the operator), `disk` or `store_away`."""
    intake_only: bool = False
    """The trouble keeps new jobs from beginning; those that are worked on go on."""
    trouble_seconds: float = 0.0
    """How long it has lasted."""
    free_bytes: int = 0
    min_free_bytes: int = 0
    active_jobs: int = 0
    most_active_jobs: int = 64
    workers: int = 1
    """Those that report."""
    slots: int = 1
    """Of all of them."""
    busy: int = 0
    """Of those slots."""
    encoders: Mapping[str, Capacity] = field(default_factory=dict)
    """Of those workers that have an encoder which not every machine has, by its name."""


def farm_facts(told: Mapping[str, Any], now: datetime) -> FarmFacts:
    """The facts as a coordinator has left them in the store; what is missing is as usual."""
    since = told.get("trouble_since")
    trouble = told.get("trouble")
    return FarmFacts(
        trouble=Code(trouble) if trouble in set(Code) else None,
        intake_only=bool(told.get("intake_only")),
        trouble_seconds=max(0.0, (now - datetime.fromisoformat(since)).total_seconds()) if since else 0.0,
        **{name: told[name] for name in _FIGURES if name in told},
    )


_FIGURES = ("free_bytes", "min_free_bytes", "active_jobs", "most_active_jobs", "workers", "slots", "busy")


@dataclass(frozen=True, kw_only=True)
class JobFacts:
    """What holds for the job."""

    state: JobState
    account_jobs: int = 0
    """Jobs of its account that are worked on."""
    account_limit: int | None = None
    running: int = 0
    """What is being done for it: encodes, fetches, joins, uploads."""
    ready: int = 0
    """Its tasks that only wait for a slot."""
    needs: str = ""
    """An encoder that those take and not every machine has."""
    alone: bool = False
    """Those shall run with nothing beside them."""
    delayed: int = 0
    """Its tasks that failed and are tried again later."""
    delayed_seconds: float = 0.0
    """Until the first of them is."""
    inputs: int = 1
    missing: tuple[str, ...] = ()
    """Names of the inputs that nobody has brought yet, with secrets masked."""
    away: str = ""
    """Name of an input whose host does not answer, with secrets masked."""
    away_seconds: float = 0.0
    """Until it is asked again."""
    quarantined: tuple[int, int] | None = None
    """Frames that fail wherever they are encoded, as far as it is known: first, and the one after the last."""


def waiting(job: JobFacts, farm: FarmFacts) -> Waiting | None:
    """Why the job does not move; None: it does, or has ended."""
    if job.state in ENDED_JOB:
        return None
    if job.state is JobState.CANCELLING:
        return _because(Code.CANCELLING, f"{_count(job.running, 'task')} of it {_are(job.running)} being stopped.")
    if job.state is JobState.HELD:
        here = f" ({job.inputs - len(job.missing)} of {_count(job.inputs, 'input')} here)" if job.missing else ""
        return _because(Code.HELD, f"It is held until its owner starts it{here}.")
    if job.state is JobState.QUEUED:
        return _in_trouble(farm) or _over_limit(job, farm)
    if job.running:
        return None
    stuck = _source(job) or _aside(job)
    if stuck is None and not farm.intake_only:
        stuck = _in_trouble(farm)
    return stuck or _no_room(job, farm) or _delayed(job)


def next_step(code: str) -> str:
    """The next thing that the reader can do about it; `JOB` stands for the job's id."""
    try:
        return STEPS[Code(code)]
    except ValueError:  # written by another version
        return "See `framemill status` and the farm's log."


def _because(code: Code, sentence: str) -> Waiting:
    return Waiting(code=code.value, sentence=sentence)


def _in_trouble(farm: FarmFacts) -> Waiting | None:
    if farm.trouble is None:
        return None
    since = _time(farm.trouble_seconds)
    if farm.trouble is Code.DISK:
        enough = _size(math.ceil(farm.min_free_bytes * GO_ON_FACTOR))
        return _because(Code.DISK, f"The disk has {_size(farm.free_bytes)} free; the farm goes on at {enough}.")
    if farm.trouble is Code.STORE_AWAY:
        return _because(Code.STORE_AWAY, f"The store has been away for {since}.")
    return _because(farm.trouble, f"The farm was paused by its operator {since} ago.")


def _over_limit(job: JobFacts, farm: FarmFacts) -> Waiting | None:
    if job.account_limit is not None and job.account_jobs >= job.account_limit:
        worked_on = f"{_count(job.account_jobs, 'job')} of this account {_are(job.account_jobs)} worked on"
        return _because(Code.ACCOUNT_LIMIT, f"{worked_on}, and its limit is {job.account_limit}.")
    if not farm.workers:
        return _no_worker()
    if farm.active_jobs >= farm.most_active_jobs:
        worked_on = f"{_count(farm.active_jobs, 'job')} {_are(farm.active_jobs)} worked on"
        return _because(Code.FARM_LIMIT, f"{worked_on}, and the farm's limit is {farm.most_active_jobs}.")
    return None


def _source(job: JobFacts) -> Waiting | None:
    if job.missing:
        lacking = f"{len(job.missing)} of {_count(job.inputs, 'input')} {_are(len(job.missing))} not here yet"
        return _because(Code.SOURCE_WAITING, f"{lacking}: {', '.join(job.missing)}.")
    if job.away:
        again = _time(job.away_seconds)
        return _because(Code.SOURCE_AWAY, f"{job.away} does not answer; it is asked again in {again}.")
    return None


def _aside(job: JobFacts) -> Waiting | None:
    if job.quarantined is None:
        return None
    first, end = job.quarantined
    frames = f"Frames {first} to {end - 1} fail" if end - first > 1 else f"Frame {first} fails"
    return _because(Code.QUARANTINED, f"{frames} wherever encoded; the smallest range that does is looked for.")


def _no_room(job: JobFacts, farm: FarmFacts) -> Waiting | None:
    """Why a task that is ready has no slot."""
    if not job.ready:
        return None
    if not farm.workers:
        return _no_worker()
    if job.needs and job.needs not in farm.encoders:
        return _because(Code.NO_ENCODER, f"None of {_count(farm.workers, 'worker')} has the encoder {job.needs}.")
    return _busy(job, farm)


def _busy(job: JobFacts, farm: FarmFacts) -> Waiting | None:
    slots, busy = farm.encoders[job.needs] if job.needs else (farm.slots, farm.busy)
    tasks = f"{_count(job.ready, 'task')} {'wait' if job.ready > 1 else 'waits'}"
    if busy >= slots:
        all_busy = f"all {slots} slots are busy" if slots > 1 else "the only slot is busy"
        if job.needs:
            return _because(Code.NO_GPU_SLOT, f"{tasks} for the encoder {job.needs}: {all_busy}.")
        return _because(Code.NO_SLOT, f"{tasks}: {all_busy}.")
    if job.alone and busy:
        return _because(Code.NO_SLOT, f"{tasks} for a machine without other work; {busy} of {slots} slots are busy.")
    return None


def _no_worker() -> Waiting:
    return _because(Code.NO_WORKER, "No worker reports.")


def _delayed(job: JobFacts) -> Waiting | None:
    if not job.delayed:
        return None
    failed = f"{_count(job.delayed, 'task')} failed and {_are(job.delayed)} tried again"
    return _because(Code.RETRYING, f"{failed} in {_time(job.delayed_seconds)}.")


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def _are(number: int) -> str:
    return "is" if number == 1 else "are"


def _time(seconds: float) -> str:
    """In the largest unit of which it is two or more; never less than it is."""
    for unit, length in (("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{math.ceil(seconds / length)} {unit}"
    return f"{math.ceil(max(seconds, 0.0))} s"


def _size(size: int) -> str:
    return f"{size / (1 << 30):.2f} GiB"
