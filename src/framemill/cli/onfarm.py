"""`framemill encode` on the running farm: the same bar, the same result, and the same end when it is interrupted."""

import contextlib
import signal
import time
from collections.abc import Iterator, Sequence
from typing import Any

import click

from framemill.api.native.schemas import Job
from framemill.cli.encode import Bar, show_result, terminated_as_interrupted
from framemill.cli.farm import speak_to
from framemill.cli.finding import Address
from framemill.cli.printing import print_json
from framemill.cli.rayjob import as_from_afar, hinting, job_metadata, of_the_job
from framemill.client import Framemill
from framemill.errors import Conflict, WrongUse
from framemill.services.requests import EncodeRequest, Openers, encode_request
from framemill.storage.address import is_remote

_LOOK_SECONDS = 0.2


def encode_on_farm(
    address: Address,
    source: str,
    destination: str,
    preset: str | None,
    assignments: dict[str, str],
    *,
    as_json: bool,
    detach: bool,
    words: Sequence[str] = (),
    join: Sequence[str] = (),
    openers: Openers = Openers(),  # noqa: B008 (immutable)
) -> int:
    """Submit the job, and see it to its end unless `detach`; the exit code.

    The farm of this machine runs as the same user, so its paths are ours. To another one the source is sent, and from
    there the result is fetched, but for paths that are written as `file:///…`: those are the farm's own. So it is with
    relative paths of a Ray job.
    """
    of_job = address.here and of_the_job((source, destination, *join))
    if of_job:
        source, destination, join = as_from_afar(source, destination, join)
    if of_job or not address.here:
        from framemill.cli.afar import encode_afar  # noqa: PLC0415 - not paid for where the farm is here

        where = (address, source, destination, preset, assignments)
        with hinting() if of_job else contextlib.nullcontext():
            return encode_afar(*where, as_json=as_json, detach=detach, words=words, join=join, openers=openers)
    request = encode_request(source, destination, preset, assignments, words, join=join, openers=openers)
    with speak_to(address) as farm:
        if detach:
            job = farm.submit(new_job(request))
            print_json(job.model_dump(mode="json")) if as_json else click.echo(job.id)
            return 0
        with terminated_as_interrupted(), Bar(show=not as_json) as bar:
            row = seen_through(farm, new_job(request), bar)
        show_result(row, as_json=as_json)
    return 0 if row["state"] == "completed" else 1


def new_job(request: EncodeRequest) -> dict[str, Any]:
    """The request in the words of the farm. Raises `WrongUse` for a name that JSON cannot carry."""
    for path in (request.source, *request.join, request.destination):
        try:
            path.encode()
        except UnicodeEncodeError:
            raise WrongUse(f"{path!r} is not written in UTF-8, so no farm can be told of it; use --local.") from None
    output = {
        **target_of(request),
        "preset": request.preset,
        "settings": request.output.model_dump(mode="json"),
    }
    inputs = [input_of(request, uri) for uri in (request.source, *request.join)]
    return {"inputs": inputs, "outputs": [output], "run": request.run.model_dump(mode="json"), **job_metadata()}


def input_of(request: EncodeRequest, uri: str) -> dict[str, Any]:
    """One of its sources, in the words of the farm."""
    opener = request.source_credentials if is_remote(uri) else None
    return {"uri": uri} if opener is None else {"uri": uri, "credentials": opener}


def target_of(request: EncodeRequest) -> dict[str, Any]:
    """Its destination, in the words of the farm."""
    # A folder's name may look like a file's.
    package = request.output.container == "package"
    uri = request.destination.rstrip("/") + "/" if package else request.destination
    if request.credentials is None:
        return {"target": uri}
    return {"targets": [{"uri": uri, "credentials": request.credentials}]}


def seen_through(farm: Framemill, asked: dict[str, Any], bar: Bar) -> dict[str, Any]:
    """The job, submitted and ended, as a row with its report. When it is interrupted, the job is cancelled first."""
    began = time.monotonic()
    job: Job | None = None
    try:
        with _uninterrupted():  # a job whose id nobody has heard could not be cancelled
            job = farm.submit(asked)
        job = farm.wait(job.id, lambda now: bar.update(_told(now)), poll_seconds=_LOOK_SECONDS)
    except KeyboardInterrupt:
        if job is not None:
            # Whoever ends a group of processes may tell each of them twice.
            with contextlib.suppress(Conflict), _uninterrupted():  # it has just ended
                farm.cancel(job.id)
            farm.wait(job.id, lambda now: bar.update(_told(now)), poll_seconds=_LOOK_SECONDS)
        raise
    row: dict[str, Any] = {"state": job.state, "reason": job.reason, "message": job.message, "report": None}
    row["id"], row["output_id"] = job.id, job.outputs[0].id
    if job.state == "completed":
        report = farm.report(job.id)
        total = {"total": round(time.monotonic() - began, 3)}
        row["report"] = {**report, "seconds": {**report.get("seconds", {}), **total}}
    return row


def _told(job: Job) -> dict[str, Any]:
    """What the bar shows of it."""
    progress = job.progress
    if job.state == "ingesting" and progress.bytes_fetched is not None:
        return {"state": "fetching", "bytes": progress.bytes_fetched, "bytes_planned": progress.bytes_planned}
    waiting = None if job.waiting is None else job.waiting.sentence
    if job.state == "delivering" and progress.bytes_to_deliver:
        done, total = progress.bytes_delivered, progress.bytes_to_deliver
        return {"state": job.state, "waiting": waiting, "bytes": done or 0, "bytes_planned": total}
    return {
        "state": job.state,
        "waiting": waiting,
        "frames": progress.frames,
        "frames_planned": progress.frames_planned,
        "frames_per_second": progress.frames_per_second,
        "remaining_seconds": progress.remaining_seconds,
        "film_seconds": sum(one.duration_seconds or 0.0 for one in job.inputs),
    }


@contextlib.contextmanager
def _uninterrupted() -> Iterator[None]:
    """Signals that would end the command come after the block."""
    signals = {signal.SIGINT, signal.SIGTERM}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
