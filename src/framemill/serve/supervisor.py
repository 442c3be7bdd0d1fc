"""The supervisor: one process that starts a farm, watches it, starts it again when it is lost, and ends it.

It never imports Ray: a driver is ended together with the head that it is connected to. Ray's head runs in a session
of its own, whose id names all that belongs to the farm; the deployer is a child that puts the actors and the HTTP
application there and ends. Truth is in the store, so a head that was lost may be started again at any time.
"""

import asyncio
import contextlib
import logging
import random
import secrets
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from framemill import __version__
from framemill.api.paths import NATIVE_V1
from framemill.config import DataFolder, Settings, notify_socket, usable_cpus
from framemill.errors import FarmError
from framemill.farm.place import blobs_of, bucket_of
from framemill.sealing import make_secret
from framemill.serve import front, head, launch
from framemill.serve.farmfile import (
    FarmFile,
    admin_key_of,
    boot_id,
    make_admin_password,
    mark_of,
    remove_farm,
    this_process,
    write_farm,
)
from framemill.serve.fronting import write_wrapper
from framemill.serve.guard import Guard
from framemill.serve.leftovers import end_farm
from framemill.serve.notify import notify
from framemill.serve.ports import Ports, choose_ports, is_free
from framemill.serve.processes import end_idlers
from framemill.serve.race import first_of
from framemill.serve.restarts import failures_after, pause_before

log = logging.getLogger(__name__)

DEPLOYER = tuple(launch.python("-m", "framemill.serve.deploy"))
"""Ends with exit code 0 when the coordinator, the workers and the HTTP application stand."""

_GRACEFUL = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_AT_ONCE = signal.SIGUSR1
_READY_LOOK_SECONDS = 0.2
_DEPLOY_TRIES = 3

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long things are waited for, in seconds."""

    store: float = 90.0
    """From the start of the head until its store answers: longer, and what it found on disk is set aside."""
    head: float = 180.0
    """From then on until all of it stands; on an idle machine it takes 6 s altogether."""
    deploy: float = 180.0
    ready: float = 120.0
    end: float = 10.0
    """From SIGTERM to SIGKILL."""
    first_tries: int = 3
    """A farm that never ran is given up after so many tries; one that has run, never."""


class Supervisor:
    """One farm from its start to its end; whoever runs it holds the folder's lock."""

    def __init__(
        self,
        settings: Settings,
        say: Say,
        *,
        deployer: Sequence[str] = DEPLOYER,
        ready: Callable[[str], bool] = front.is_ready,
        patience: Patience | None = None,
        dashboard: bool = True,
    ) -> None:
        self._settings = settings
        self._folder: DataFolder = settings.folder
        self._say = say
        self._deployer = deployer
        self._is_ready = ready
        self._patience = patience or Patience()
        self._stop = asyncio.Event()
        self._now = asyncio.Event()
        self._head: asyncio.subprocess.Process | None = None
        self._store_stood = self._head_stood = self._has_run = False
        self._runs_since: float | None = None
        self._plan = self._prepare(dashboard)
        self._farm = self._describe()

    async def run(self) -> None:
        """Run the farm until a signal asks for its end. Raises `FarmError` when it cannot be started at all."""
        try:
            write_farm(self._folder, self._farm)
            with self._signals():
                await self._keep_running()
                self._tell(state="stopping", doing="")
                notify(notify_socket(), "STOPPING=1")
                if self._head is not None and not self._now.is_set():
                    await first_of(self._wind_down(self._head), self._now.wait())
        finally:
            await self._end()

    # Before the first start

    def _prepare(self, dashboard: bool) -> head.HeadPlan:
        blobs_of(self._settings).check()
        for folder in (self._folder.work, self._folder.logs, self._folder.blobs, self._folder.sign_of_life.parent):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        make_secret(self._folder.ray_token)
        admin_key_of(self._settings)
        make_admin_password(self._settings)
        head.forget(self._folder.gcs)
        haproxy = head.front_of(self._settings) == "haproxy"
        temp_dir = head.make_temp_dir()
        return head.HeadPlan(
            farm_id=secrets.token_hex(8),
            ports=self._choose_ports(),
            temp_dir=temp_dir,
            token=self._folder.ray_token,
            gcs=self._folder.gcs if self._settings.gcs_storage == "rocksdb" else None,
            cpus=self._settings.slots or usable_cpus(),
            dashboard=dashboard and self._settings.ray_dashboard_port != 0,
            dashboard_host=self._settings.host,
            haproxy=haproxy,
            haproxy_binary=write_wrapper(temp_dir.parent, head.haproxy_binary()) if haproxy else None,
        )

    def _choose_ports(self) -> Ports:
        ours = frozenset({self._settings.port})  # nobody listens there yet
        dashboard = self._settings.ray_dashboard_port or None
        return choose_ports(is_free, random.SystemRandom(), avoid=ours, dashboard=dashboard)

    def _describe(self) -> FarmFile:
        return FarmFile(
            farm_id=self._plan.farm_id,
            version=__version__,
            supervisor=this_process(),
            host=self._settings.host,
            port=self._settings.port,
            url=front.local_url(self._settings.host, self._settings.port),
            gcs_address=self._plan.address,
            ports=self._plan.ports,
            temp_dir=str(self._plan.temp_dir),
            boot_id=boot_id(),
            log_dir=str(self._folder.logs),
            front="haproxy" if self._plan.haproxy else "python",
            ray_jobs=self._ray_jobs(),
            blobs="" if (bucket := bucket_of(self._settings)) is None else str(bucket),
        )

    def _ray_jobs(self) -> str:
        ours = self._plan
        return front.local_url(ours.dashboard_host, ours.ports.dashboard) if ours.dashboard else ""

    # Keeping it up

    async def _keep_running(self) -> None:
        failures = 0
        while not self._stop.is_set():
            self._store_stood = self._head_stood = False
            self._runs_since = None
            try:
                await self._live()
            except (FarmError, OSError) as error:
                ran = 0.0 if self._runs_since is None else time.monotonic() - self._runs_since
                failures = failures_after(failures, ran)
                log.error("%s", error, extra={"action": "farm_lost", "failures": failures})
                await self._clear_away()
                if not self._has_run and failures >= self._patience.first_tries:
                    raise
                if not self._folder.lock.exists():  # nobody could find this farm, and another one may start there
                    raise FarmError(f"The data folder {self._folder.root} is gone, and the farm with it.") from error
                self._doubt(failures)
                pause = pause_before(failures)
                self._speak(f"{str(error).splitlines()[0]} Starting again{f' in {pause:.0f} s' if pause else ''}.")
                self._tell(state="starting", doing="starting again", restarts=self._farm.restarts + 1)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(pause):
                        await self._stop.wait()

    async def _live(self) -> None:
        """One life of the head: returns when the farm is to end, and raises `FarmError` when it was lost."""
        process = await self._start_head()
        guard = Guard(process.pid, self._plan.farm_id, self._farm.url, self._folder.sign_of_life)
        await first_of(
            self._stop.wait(),
            self._lost(process),
            guard.watch(lambda: self._farm.state == "running"),
            self._serve(process),
        )

    async def _start_head(self) -> asyncio.subprocess.Process:
        self._tell(state="starting", doing="starting Ray")
        head.clear_traces(self._plan.temp_dir)
        self._folder.sign_of_life.unlink(missing_ok=True)
        process = await launch.start_session(
            self._plan.command(), self._variables(), folder=self._plan.temp_dir, log=self._folder.logs / "head.log"
        )
        self._head = process
        self._tell(head=mark_of(process.pid), session=process.pid)
        return process

    async def _serve(self, process: asyncio.subprocess.Process) -> None:
        """Have everything stand, say so, and stay."""
        began = time.monotonic()
        await head.listens(self._plan.ports.gcs, process.pid, self._patience.store)
        self._store_stood = True
        await head.stands(self._plan.temp_dir, self._patience.head)
        self._head_stood = True
        end_idlers(process.pid)
        self._tell(doing="starting coordinator, workers and API")
        await self._deploy_patiently()
        self._tell(doing="waiting until it takes jobs")
        await self._wait_until_ready()
        self._has_run, self._runs_since = True, time.monotonic()
        self._tell(state="running", doing="")
        notify(notify_socket(), "READY=1", f"STATUS=Serving at {self._farm.url}")
        seconds = round(time.monotonic() - began, 1)
        log.info("the farm runs at %s", self._farm.url, extra={"action": "farm_runs", "seconds": seconds})
        self._speak(f"Framemill runs at {self._farm.url}")
        await asyncio.Event().wait()

    async def _lost(self, process: asyncio.subprocess.Process) -> None:
        status = await process.wait()
        path = self._folder.logs / "head.log"
        if not self._head_stood:
            raise FarmError(_with_log(f"Ray's head did not start; it ended with status {status}.", path))
        raise FarmError(f"Ray's head was lost: {head.who_ended(path) or f'it ended with status {status}'}.")

    async def _deploy_patiently(self) -> None:
        """Deploy; where a farm has run, more than once before its head is given up: jobs go on there meanwhile."""
        for left in reversed(range(_DEPLOY_TRIES if self._has_run else 1)):
            try:
                return await self._deploy()
            except FarmError as error:
                if not left:
                    raise
                log.warning("%s It is tried again.", error, extra={"action": "not_deployed"})

    async def _deploy(self) -> None:
        path = self._folder.logs / "deploy.log"
        child = await launch.start_child(self._deployer, self._variables(), folder=self._plan.temp_dir, log=path)
        try:
            async with asyncio.timeout(self._patience.deploy):
                status = await child.wait()
        except TimeoutError:
            raise FarmError(
                _with_log(f"The deployer did not end within {self._patience.deploy:.0f} s.", path)
            ) from None
        finally:
            with contextlib.suppress(ProcessLookupError):
                child.kill()
        if status:
            raise FarmError(_with_log(f"The deployer failed with status {status}.", path))

    async def _wait_until_ready(self) -> None:
        until = time.monotonic() + self._patience.ready
        while not await asyncio.to_thread(self._is_ready, self._farm.url):
            if time.monotonic() > until:
                raise FarmError(f"{self._farm.url} was not ready {self._patience.ready:.0f} s after it was deployed.")
            await asyncio.sleep(_READY_LOOK_SECONDS)

    def _doubt(self, failures: int) -> None:
        """What a head that did not come up found on disk or at its ports may be why. Before the farm has run for the
        first time another one may have taken a port in the moment since it was looked at; when not even Ray's store
        came up, or the head twice did not, nothing of it is used again."""
        storage = not self._store_stood or failures > 1
        if self._head_stood or (self._has_run and not storage):
            return
        if storage and self._plan.gcs is not None:
            head.set_aside(self._plan.gcs)
            self._plan = replace(self._plan, gcs=None)
            log.warning(
                "the cluster's state was set aside; it is kept in memory now", extra={"action": "gcs_set_aside"}
            )
        ports = self._choose_ports()
        self._plan = replace(self._plan, ports=ports)
        self._tell(ports=ports, gcs_address=self._plan.address, ray_jobs=self._ray_jobs())

    async def _clear_away(self) -> None:
        """End what is left of the head that was lost."""
        await asyncio.to_thread(end_farm, self._farm)
        if self._head is not None:
            await self._head.wait()
        self._head = None

    # The end

    async def _wind_down(self, process: asyncio.subprocess.Process) -> None:
        """Let chunks come to their end, then ask Ray to end."""
        if self._has_run:
            self._tell(doing=f"waiting up to {self._settings.drain_seconds:.0f} s for the chunks under way")
            self._speak("Ending: chunks under way may come to their end.")
            await first_of(asyncio.to_thread(self._drain), process.wait())
        self._tell(doing="ending Ray")
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._patience.end):
                await process.wait()

    def _drain(self) -> None:
        seconds = self._settings.drain_seconds
        try:
            answer = front.ask(
                self._farm.url,
                "POST",
                f"{NATIVE_V1}/farm/drain",
                key=admin_key_of(self._settings),
                body={"seconds": seconds},
                timeout_seconds=seconds + 5.0,
            )
        except OSError as error:
            log.warning("the farm could not be drained: %s", error, extra={"action": "not_drained"})
        else:
            log.info("drained: %s", answer.body.decode(errors="replace"), extra={"action": "drained"})

    async def _end(self) -> None:
        try:
            await self._clear_away()
        except FarmError as error:  # farm.json stays: the next to come tries again
            log.error("%s", error, extra={"action": "not_ended"})
            raise
        head.remove_temp_dir(self._plan.temp_dir)
        head.forget(self._folder.gcs)
        self._folder.sign_of_life.unlink(missing_ok=True)
        remove_farm(self._folder)
        log.info("the farm has ended", extra={"action": "farm_ended"})

    # What it knows and tells

    def _variables(self) -> dict[str, str]:
        return {**self._settings.variables(), **self._plan.variables()}

    def _speak(self, sentence: str) -> None:
        with contextlib.suppress(OSError):  # the terminal is gone
            self._say(sentence)

    def _tell(self, **changes: Any) -> None:
        self._farm = self._farm.model_copy(update=changes)
        self._write()

    def _write(self) -> None:
        try:
            write_farm(self._folder, self._farm)
        except OSError as error:  # a full disk is no reason to end what runs
            log.error("farm.json could not be written: %s", error, extra={"action": "not_told"})

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for number in _GRACEFUL:
            loop.add_signal_handler(number, self._ask_to_end)
        loop.add_signal_handler(_AT_ONCE, self._ask_to_end_now)
        try:
            yield
        finally:
            for number in (*_GRACEFUL, _AT_ONCE):
                loop.remove_signal_handler(number)

    def _ask_to_end(self) -> None:
        if self._stop.is_set():  # asked twice: at once
            self._now.set()
        self._stop.set()

    def _ask_to_end_now(self) -> None:
        self._stop.set()
        self._now.set()


def _with_log(sentence: str, path: Any) -> str:
    lines = launch.last_lines(path)
    return f"{sentence} The end of {path}:\n{lines}" if lines else sentence
