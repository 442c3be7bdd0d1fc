"""A client of a farm over HTTP: typed, synchronous, safe to share between threads.

    with Framemill("http://127.0.0.1:8000", key) as farm:
        job = farm.submit({"inputs": [{"uri": "/films/in.mov"}], "outputs": [{"target": "/films/out.mp4"}]})
        print(farm.wait(job.id).state)

What the farm refuses is raised as the error it is (`WrongUse`, `NotFound`, `Conflict`, `SourceMissing`…), with the
farm's own words; a farm that does not answer is a `FarmError`.
"""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from types import TracebackType
from typing import Any, TypeVar
from urllib.parse import quote

import httpx
from pydantic import ValidationError

from framemill.api.codes import ERRORS
from framemill.api.native import schemas
from framemill.api.native.schemas import EditedJob, Event, Farm, Inputs, Job, Jobs, NewJob, Outputs, Told, Why
from framemill.errors import Conflict, FarmError, FramemillError, NotFound, WrongUse
from framemill.storage.http import is_loopback

T = TypeVar("T", bound=Told)

SHORTEST_PREFIX = 8
"""Characters that an id may be cut short to."""
_WHOLE_ID = 36
_RESTARTING = {502, 503, 504}
_LASTING = (httpx.ReadTimeout, httpx.UnsupportedProtocol, httpx.InvalidURL)
_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 1.0


class Framemill:
    """A farm at a URL, opened by `key`. While it restarts, questions are asked again for `patience_seconds`."""

    def __init__(
        self,
        url: str,
        key: str | None = None,
        *,
        timeout_seconds: float = 30.0,
        patience_seconds: float = 5.0,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.url = url.rstrip("/")
        self._timeout = timeout_seconds
        self._patience = patience_seconds
        self._sleep = sleep
        self._http = httpx.Client(
            base_url=f"{self.url}/v1",
            headers={} if key is None else {"Authorization": f"Bearer {key}"},
            timeout=timeout_seconds,
            transport=transport,
            trust_env=not is_loopback(url),  # a proxy of the network has no way to this machine's own farm
        )

    def __enter__(self) -> "Framemill":
        """Use it for a while."""
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        """Close the connections."""
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    # Jobs

    def submit(self, job: NewJob | Mapping[str, Any]) -> Job:
        """Submit a job. Raises `WrongUse` and `SourceError`'s kinds; the error's `param` names the field."""
        return self._told(Job, "POST", "/jobs", _body(NewJob, job))

    def get(self, job_id: str) -> Job:
        """A job as it stands."""
        return self._told(Job, "GET", _job(job_id))

    def find(self, prefix: str) -> Job:
        """The one job whose id begins so. Raises `NotFound`, or `Conflict` where several do."""
        if len(prefix) >= _WHOLE_ID:
            return self.get(prefix)
        if len(prefix) < SHORTEST_PREFIX:
            raise WrongUse(f"{prefix!r} is too short for a job's id: give at least {SHORTEST_PREFIX} characters.")
        try:
            found = self._told(Jobs, "GET", "/jobs", params={"id": prefix.lower(), "limit": 5}).data
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
        return self._told(Jobs, "GET", "/jobs", params=asked)

    def edit(self, job_id: str, changes: EditedJob | Mapping[str, Any]) -> Job:
        """Change what is named: anything while the job is held; priority, deadline and metadata at any time."""
        return self._told(Job, "PATCH", _job(job_id), _body(EditedJob, changes))

    def start(self, job_id: str) -> Job:
        """Start a held job."""
        return self._told(Job, "POST", _job(job_id, "start"))

    def cancel(self, job_id: str) -> Job:
        """Cancel a job; `wait` tells when nobody works on it any more."""
        return self._told(Job, "POST", _job(job_id, "cancel"))

    def retry(self, job_id: str) -> Job:
        """Do a job that has ended once more."""
        return self._told(Job, "POST", _job(job_id, "retry"))

    def remove(self, job_id: str) -> None:
        """Forget a job that has ended."""
        self._asked("DELETE", _job(job_id))

    def why(self, job_id: str) -> Why:
        """Why a job does not move, and what to do about it."""
        return self._told(Why, "GET", _job(job_id, "why"))

    def inputs(self, job_id: str) -> Inputs:
        """A job's inputs, with all that is known of them."""
        return self._told(Inputs, "GET", _job(job_id, "inputs"))

    def outputs(self, job_id: str) -> Outputs:
        """A job's outputs, with their files."""
        return self._told(Outputs, "GET", _job(job_id, "outputs"))

    def report(self, job_id: str) -> dict[str, Any]:
        """What was proved about a job's outputs. Raises `NotFound` until there is something."""
        return _object(self._asked("GET", _job(job_id, "report")))

    def events(self, job_id: str, after: int = 0) -> Sequence[Event]:
        """What happened to a job after the event of that number, oldest first."""
        return self._told(schemas.Events, "GET", _job(job_id, "events"), params={"after": after}).data

    def wait(
        self,
        job_id: str,
        on_progress: Callable[[Job], None] | None = None,
        *,
        poll_seconds: float = 0.25,
        patience_seconds: float = 120.0,
    ) -> Job:
        """The job once it has ended; `on_progress` hears how it stands at each look.

        A farm that restarts meanwhile is waited for. Raises `FarmError` when it has not answered for
        `patience_seconds`.
        """
        answered = time.monotonic()
        while True:
            try:
                job = self.get(job_id)
            except FarmError:
                if time.monotonic() - answered > patience_seconds:
                    raise
            else:
                answered = time.monotonic()
                if on_progress is not None:
                    on_progress(job)
                if job.ended:
                    return job
            self._sleep(poll_seconds)

    # The farm

    def farm(self) -> Farm:
        """How the farm stands."""
        return self._told(Farm, "GET", "/farm")

    def pause(self) -> Farm:
        """Start nothing more; what runs goes on."""
        return self._told(Farm, "POST", "/farm/pause")

    def resume(self) -> Farm:
        """Go on."""
        return self._told(Farm, "POST", "/farm/resume")

    def gc(self, *, dry_run: bool = False) -> dict[str, Any]:
        """Throw away what nobody needs, or tell what would be."""
        return _object(self._asked("POST", "/farm/gc", {"dry_run": dry_run}, seconds=600.0))

    def drain(self, seconds: float = 30.0) -> dict[str, Any]:
        """Start nothing more, and wait that long for what runs."""
        return _object(self._asked("POST", "/farm/drain", {"seconds": seconds}, seconds=seconds + self._timeout))

    # Asking

    def _told(
        self, kind: type[T], method: str, path: str, body: Any = None, params: Mapping[str, Any] | None = None
    ) -> T:
        answer = self._asked(method, path, body, params)
        try:
            return kind.model_validate_json(answer.content)
        except ValidationError:
            raise FarmError(f"{self.url} answers, but is no farm of Framemill, or of a release too far off.") from None

    def _asked(
        self,
        method: str,
        path: str,
        body: Any = None,
        params: Mapping[str, Any] | None = None,
        seconds: float | None = None,
    ) -> httpx.Response:
        """The farm's answer. Reading does no harm when it is done twice, so it is tried again while nobody answers."""
        until = time.monotonic() + (self._patience if method == "GET" else 0.0)
        pause = _FIRST_PAUSE_SECONDS
        while True:
            last = time.monotonic() + pause > until
            try:
                timeout = self._timeout if seconds is None else seconds
                answer = self._http.request(method, path, json=body, params=params, timeout=timeout)
            except (httpx.TransportError, httpx.InvalidURL) as error:
                if last or isinstance(error, _LASTING):
                    raise FarmError(_silence(self.url, error)) from None
            else:
                if answer.is_success:
                    return answer
                if last or answer.status_code not in _RESTARTING:
                    raise _error(self.url, answer)
            self._sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)


def _job(job_id: str, what: str = "") -> str:
    return f"/jobs/{quote(job_id, safe='')}" + (f"/{what}" if what else "")


def _body(kind: type[NewJob | EditedJob], given: NewJob | EditedJob | Mapping[str, Any]) -> Any:
    """As JSON, with what was named only: the farm has its own defaults. A mapping is the farm's to judge."""
    if isinstance(given, Mapping):
        return dict(given)
    return given.model_dump(mode="json", exclude_unset=True)


def _object(answer: httpx.Response) -> dict[str, Any]:
    found: dict[str, Any] = answer.json()
    return found


def _silence(url: str, error: Exception) -> str:
    if isinstance(error, httpx.ReadTimeout):
        return f"The farm at {url} was asked and has not answered in time. See `framemill status`."
    why = str(error) or type(error).__name__
    return f"No farm answers at {url}: {why}. Start one with `framemill up`, or name another with --server."


def _error(url: str, answer: httpx.Response) -> FramemillError:
    """What the farm refused, as the error it is."""
    try:
        told = schemas.ErrorEnvelope.model_validate_json(answer.content).error
    except ValidationError:
        return FarmError(f"{url} answered {answer.status_code} {answer.reason_phrase}: is a farm behind it?")
    usual = WrongUse if answer.is_client_error else FarmError
    kind = ERRORS.get(told.code, usual)
    error = (usual if kind is FramemillError else kind)(told.message)
    error.param = told.param
    return error
