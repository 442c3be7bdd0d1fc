"""The client itself: what can be asked of a farm, and what takes long."""

import contextlib
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import date, datetime
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Any
from urllib.parse import quote

import httpx

from framemill.api.native import schemas
from framemill.api.native.account_schemas import Usage
from framemill.api.native.exchange_schemas import LinkedOutput, Upload
from framemill.api.native.folder_schemas import FolderJobs, FolderOfJobs
from framemill.api.native.probe_schemas import Estimate, Preset, Presets, Probe
from framemill.api.native.schemas import EditedJob, Event, Farm, Inputs, Job, Jobs, NewJob, Outputs, Progress, Why
from framemill.client import downloading, uploading
from framemill.client.asking import Line, body_of, object_of
from framemill.client.streaming import Happened, NoStream, stream
from framemill.client.subjects import Accounts, Keys, Users, Webhooks
from framemill.errors import Conflict, FarmError, NotFound, OutputError, WrongUse
from framemill.storage.http import is_web

SHORTEST_PREFIX = 8
"""Characters that an id may be cut short to."""
_WHOLE_ID = 36


class Framemill:
    """A farm at a URL, opened by `key`. While it restarts, questions are asked again for `patience_seconds`.

    `proof`: makes what shows that its own user asks, on its own machine (`services.proof`); none: somebody else does.
    """

    def __init__(
        self,
        url: str,
        key: str | None = None,
        *,
        timeout_seconds: float = 30.0,
        patience_seconds: float = 5.0,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
        proof: Callable[[], str | None] = lambda: None,
    ) -> None:
        self._line = Line(
            url,
            key,
            timeout_seconds=timeout_seconds,
            patience_seconds=patience_seconds,
            transport=transport,
            sleep=sleep,
            proof=proof,
        )
        self.webhooks = Webhooks(self._line)
        self.keys = Keys(self._line)
        self.accounts = Accounts(self._line)
        self.users = Users(self._line)

    @property
    def url(self) -> str:
        """The farm's."""
        return self._line.url

    def __enter__(self) -> "Framemill":
        """Use it for a while."""
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        """Close the connections."""
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._line.close()

    # Jobs

    def submit(self, job: NewJob | Mapping[str, Any]) -> Job:
        """Submit a job, once, however often it has to be asked.

        Raises `WrongUse` and `SourceError`'s kinds; the error's `param` names the field.
        """
        return self._line.told(Job, "POST", "/jobs", body_of(NewJob, job), once=True)

    def submit_all(self, jobs: Sequence[NewJob | Mapping[str, Any]]) -> tuple[Job, ...]:
        """Submit several jobs, all or none of them."""
        body = {"jobs": [body_of(NewJob, one) for one in jobs]}
        return self._line.told(schemas.JobsMade, "POST", "/jobs/batch", body, once=True).data

    def submit_folder(self, wanted: FolderOfJobs | Mapping[str, Any]) -> FolderJobs:
        """Submit a job for each file of a folder, once, however often it has to be asked. Raises as `submit`."""
        body = body_of(FolderOfJobs, wanted)
        return self._line.told(FolderJobs, "POST", "/jobs/from-folder", body, once=True)

    def get(self, job_id: str) -> Job:
        """A job as it stands."""
        return self._line.told(Job, "GET", _job(job_id))

    def find(self, prefix: str) -> Job:
        """The one job whose id begins so. Raises `NotFound`, or `Conflict` where several do."""
        if len(prefix) >= _WHOLE_ID:
            return self.get(prefix)
        if len(prefix) < SHORTEST_PREFIX:
            raise WrongUse(f"{prefix!r} is too short for a job's id: give at least {SHORTEST_PREFIX} characters.")
        try:
            found = self._line.told(Jobs, "GET", "/jobs", params={"id": prefix.lower(), "limit": 5}).data
        except WrongUse as error:
            if error.param != "id":
                raise
            raise NotFound(f"{prefix!r} is no id of a job: see `framemill jobs list`.") from None
        if not found:
            raise NotFound(f"There is no job whose id begins with {prefix}.")
        if len(found) > 1:
            raise Conflict(f"{prefix} may be any of {', '.join(job.id for job in found)}: give more of the id.")
        return found[0]

    def list(self, states: Collection[str] = (), limit: int = 50, cursor: str | None = None) -> Jobs:
        """A page of jobs, newest first; `cursor` is what the page before said."""
        asked = {"state": sorted(states), "limit": limit, **({} if cursor is None else {"cursor": cursor})}
        return self._line.told(Jobs, "GET", "/jobs", params=asked)

    def edit(self, job_id: str, changes: EditedJob | Mapping[str, Any]) -> Job:
        """Change what is named: anything while the job is held; priority, deadline and metadata at any time."""
        return self._line.told(Job, "PATCH", _job(job_id), body_of(EditedJob, changes))

    def start(self, job_id: str) -> Job:
        """Start a held job."""
        return self._line.told(Job, "POST", _job(job_id, "start"))

    def cancel(self, job_id: str) -> Job:
        """Cancel a job; `wait` tells when nobody works on it any more."""
        return self._line.told(Job, "POST", _job(job_id, "cancel"))

    def retry(self, job_id: str) -> Job:
        """Do a job that has ended once more."""
        return self._line.told(Job, "POST", _job(job_id, "retry"))

    def remove(self, job_id: str) -> None:
        """Forget a job that has ended."""
        self._line.asked("DELETE", _job(job_id))

    def why(self, job_id: str) -> Why:
        """Why a job does not move, and what to do about it."""
        return self._line.told(Why, "GET", _job(job_id, "why"))

    def inputs(self, job_id: str) -> Inputs:
        """A job's inputs, with all that is known of them."""
        return self._line.told(Inputs, "GET", _job(job_id, "inputs"))

    def outputs(self, job_id: str) -> Outputs:
        """A job's outputs, with their files."""
        return self._line.told(Outputs, "GET", _job(job_id, "outputs"))

    def report(self, job_id: str) -> dict[str, Any]:
        """What was proved about a job's outputs. Raises `NotFound` until there is something."""
        return object_of(self._line.asked("GET", _job(job_id, "report")))

    def events(self, job_id: str, after: int = 0) -> Sequence[Event]:
        """What happened to a job after the event of that number, oldest first."""
        return self._line.told(schemas.Events, "GET", _job(job_id, "events"), params={"after": after}).data

    def follow(self, job_id: str, after: int = 0, *, patience_seconds: float = 120.0) -> Iterator[Happened]:
        """What happens to a job after the event of that number, as it happens, until the job has ended.

        Between the events are `progress`, about one a second. A stream that is cut is taken up again. Raises as `get`
        does, and `FarmError` when the farm has not answered for so long, or does not stream.
        """
        return self._streamed(_job(job_id, "events"), after, patience_seconds)

    def happenings(self, after: int | None = None, *, patience_seconds: float = 120.0) -> Iterator[Happened]:
        """What happens to all jobs of the account, without an end; each is what a webhook is told.

        `after`: the number of the last event that is known; none: from now.
        """
        return self._streamed("/events", after, patience_seconds)

    def wait(
        self,
        job_id: str,
        on_progress: Callable[[Job], None] | None = None,
        *,
        poll_seconds: float = 0.25,
        patience_seconds: float = 120.0,
    ) -> Job:
        """The job once it has ended; `on_progress` hears how it stands whenever that has changed.

        A farm that restarts meanwhile is waited for. Where no stream comes through, the farm is asked every
        `poll_seconds`. Raises `FarmError` when it has not answered for `patience_seconds`.
        """
        hear = on_progress or (lambda _: None)
        job = self._patiently(job_id, poll_seconds, patience_seconds)
        hear(job)
        if job.ended:
            return job
        with contextlib.suppress(NoStream):
            for told in stream(self._line, _job(job_id, "events"), 0, patience_seconds):
                before = job
                if told.kind == "progress":
                    job = job.model_copy(update={"progress": Progress.model_validate(told.data)})
                elif _moment(told.data) >= job.entered_at:  # else it is an old story
                    job = self._patiently(job_id, poll_seconds, patience_seconds)
                if job != before:
                    hear(job)
                if job.ended:
                    return job
        while not job.ended:
            self._line.sleep(poll_seconds)
            job = self._patiently(job_id, poll_seconds, patience_seconds)
            hear(job)
        return job

    # Files

    def upload(
        self,
        path: str | Path,
        progress: uploading.Progress | None = None,
        *,
        upload_id: str | None = None,
        on_begun: Callable[[str], None] | None = None,
        content_type: str | None = None,
        at_once: int = uploading.AT_ONCE,
    ) -> Upload:
        """Send a file in parts, some at once; its `id` is for `{"upload_id": …}` of a job's input.

        A part that is cut is sent again. `on_begun` hears the upload's id as soon as there is one: given as `upload_id`
        later, also by another process, only what is missing is sent. `progress` hears bytes sent and in all. Raises
        `SourceMissing`, what the farm refuses, and `FarmError` where it does not answer any more.
        """
        return uploading.Sending(self._line, Path(path), progress, at_once).run(upload_id, content_type, on_begun)

    def output(self, output_id: str) -> LinkedOutput:
        """An output with links to its files."""
        return self._line.told(LinkedOutput, "GET", f"/outputs/{quote(output_id, safe='')}")

    def download(
        self,
        output: str | LinkedOutput,
        path: str | Path,
        progress: downloading.Progress | None = None,
    ) -> Path:
        """Fetch an output, by its id, or a URL; where it is now. Several files become a folder.

        What was fetched before is gone on with, and everything is checked against its SHA-256. `progress` hears bytes
        so far and in all. Raises `OutputError`, `NotFound`, and `FarmError` where the farm does not answer any more.
        """
        target = Path(path)
        if isinstance(output, str) and is_web(output):
            downloading.Fetching(self._line, output, target, progress).run()
            return target
        found = self.output(output) if isinstance(output, str) else output
        files = [(file, url) for file in found.files if (url := file.url) is not None]
        if not files:
            raise NotFound(f"The output {found.name} has no files here: it is {found.state}, or lies elsewhere.")
        several = downloading.is_folder(found)
        if not several and target.is_dir():
            target /= found.name
        total = sum(file.size_bytes or 0 for file, _ in files)
        done = 0
        for file, url in files:
            place = _inside(target, file.path) if several else target

            def hear(so_far: int, _: int | None, before: int = done) -> None:
                if progress is not None:
                    progress(before + so_far, total)

            downloading.Fetching(self._line, url, place, hear, file.sha256).run()
            done += file.size_bytes or 0
        return target

    # Looking

    def probe(self, uri: str) -> Probe:
        """What is in a source that the farm can reach."""
        return self._line.told(Probe, "POST", "/probe", {"uri": uri})

    def estimate(self, job: NewJob | Mapping[str, Any]) -> Estimate:
        """What a job would take; nothing is begun."""
        return self._line.told(Estimate, "POST", "/estimate", body_of(NewJob, job))

    def presets(self) -> tuple[Preset, ...]:
        """All presets."""
        return self._line.told(Presets, "GET", "/presets").data

    def usage(self, first: date | None = None, last: date | None = None) -> Usage:
        """What was used, by day and account."""
        days = {"from": first, "to": last}
        params = {name: day.isoformat() for name, day in days.items() if day is not None}
        return self._line.told(Usage, "GET", "/usage", params=params)

    # The farm

    def farm(self) -> Farm:
        """How the farm stands."""
        return self._line.told(Farm, "GET", "/farm")

    def pause(self) -> Farm:
        """Start nothing more; what runs goes on."""
        return self._line.told(Farm, "POST", "/farm/pause")

    def resume(self) -> Farm:
        """Go on."""
        return self._line.told(Farm, "POST", "/farm/resume")

    def gc(self, *, dry_run: bool = False) -> dict[str, Any]:
        """Throw away what nobody needs, or tell what would be."""
        return object_of(self._line.asked("POST", "/farm/gc", {"dry_run": dry_run}, seconds=600.0))

    def drain(self, seconds: float = 30.0) -> dict[str, Any]:
        """Start nothing more, and wait that long for what runs."""
        return object_of(
            self._line.asked("POST", "/farm/drain", {"seconds": seconds}, seconds=seconds + self._line.timeout)
        )

    def _streamed(self, path: str, after: int | None, patience_seconds: float) -> Iterator[Happened]:
        try:
            yield from stream(self._line, path, after, patience_seconds)
        except NoStream:
            raise FarmError(f"{self.url} answers, but sends no stream of events: is a newer farm behind it?") from None

    def _patiently(self, job_id: str, poll_seconds: float, patience_seconds: float) -> Job:
        """The job; a farm that does not answer is asked again for so long."""
        until = time.monotonic() + patience_seconds
        while True:
            try:
                return self.get(job_id)
            except FarmError:
                if time.monotonic() > until:
                    raise
            self._line.sleep(poll_seconds)


def _moment(event: Mapping[str, Any]) -> datetime:
    return datetime.fromisoformat(str(event["at"]))


def _job(job_id: str, what: str = "") -> str:
    return f"/jobs/{quote(job_id, safe='')}" + (f"/{what}" if what else "")


def _inside(folder: Path, name: str) -> Path:
    """Where a file of a package goes. Raises `OutputError` for one that would go elsewhere."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not path.parts:
        raise OutputError(f"The package holds a file {name!r}, which would not lie in {folder}: it is not fetched.")
    return folder.joinpath(*path.parts)
