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
from framemill.cli.look import print_json
from framemill.client import Framemill
from framemill.errors import Conflict, WrongUse
from framemill.services.requests import EncodeRequest, encode_request

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
) -> int:
    """Submit the job, and see it to its end unless `detach`; the exit code.

    The farm of this machine runs as the same user, so its paths are ours. To another one the source is sent, and from
    there the result is fetched, but for paths that are written as `file:///…`: those are the farm's own.
    """
    if not address.here:
        from framemill.cli.afar import encode_afar  # noqa: PLC0415 - not paid for where the farm is here

        where = (address, source, destination, preset, assignments)
        return encode_afar(*where, as_json=as_json, detach=detach, words=words)
    request = encode_request(source, destination, preset, assignments, words)
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
    package = request.output.container == "package"
    for path in (request.source, request.destination):
        try:
            path.encode()
        except UnicodeEncodeError:
            raise WrongUse(f"{path!r} is not written in UTF-8, so no farm can be told of it; use --local.") from None
    output = {
        # A folder's name may look like a file's.
        "target": request.destination.rstrip("/") + "/" if package else request.destination,
        "preset": request.preset,
        "settings": request.output.model_dump(mode="json"),
    }
    return {"inputs": [{"uri": request.source}], "outputs": [output], "run": request.run.model_dump(mode="json")}


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
            with contextlib.suppress(Conflict):  # it has just ended
                farm.cancel(job.id)
            farm.wait(job.id, lambda now: bar.update(_told(now)), poll_seconds=_LOOK_SECONDS)
        raise
    row: dict[str, Any] = {"state": job.state, "reason": job.reason, "message": job.message, "report": None}
    row["output_id"] = job.outputs[0].id
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
    return {
        "state": job.state,
        "waiting": waiting,
        "frames": progress.frames,
        "frames_planned": progress.frames_planned,
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
