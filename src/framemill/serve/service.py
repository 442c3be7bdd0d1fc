"""A farm in the foreground: from the lock on its folder to the last process."""

import asyncio
import logging
from collections.abc import Sequence

from framemill.config import Settings
from framemill.errors import FarmError, OutputError
from framemill.serve.leftovers import end_leftovers
from framemill.serve.lock import farm_lock
from framemill.serve.ports import is_free
from framemill.serve.supervisor import DEPLOYER, Patience, Say, Supervisor
from framemill.storage.credentials import named_credentials

log = logging.getLogger(__name__)


def run_farm(
    settings: Settings,
    say: Say,
    *,
    deployer: Sequence[str] = DEPLOYER,
    patience: Patience | None = None,
    dashboard: bool = True,
) -> None:
    """Run a farm until a signal ends it: SIGTERM, SIGINT or SIGHUP when chunks may come to their end, SIGUSR1 at once.

    What an earlier supervisor left behind is ended first. Raises `FarmLocked` when there is a supervisor, `FarmError`
    when the farm cannot be started, `OutputError` when its folder cannot be used, `InvalidSetting` for credentials that
    cannot be, and for host names and prices of APIs that there are not.
    """
    named_credentials(settings.credentials)  # said here, where somebody reads it, and not in a log
    _refuse_unfit_doors(settings)
    with farm_lock(settings.folder.lock):
        try:
            end_leftovers(settings.folder)
            _refuse_taken(settings.host, settings.port, "--port")
            if settings.ray_dashboard_port:
                _refuse_taken(settings.host, settings.ray_dashboard_port, "FRAMEMILL_RAY_DASHBOARD_PORT")
            supervisor = Supervisor(settings, say, deployer=deployer, patience=patience, dashboard=dashboard)
            asyncio.run(supervisor.run())
        except OSError as error:
            raise OutputError(f"The farm in {settings.data_dir} cannot run: {error}.") from error


def _refuse_unfit_doors(settings: Settings) -> None:
    if settings.hosts or settings.tariffs or settings.doors:  # the supervisor stays small where nobody names any
        from framemill.api.door import mounts_of, refuse_unfit_settings, refuse_unfit_tariffs  # noqa: PLC0415
        from framemill.api.doors import DOORS  # noqa: PLC0415

        mounts_of(settings.hosts, DOORS)
        refuse_unfit_tariffs(settings.tariffs, DOORS)
        refuse_unfit_settings(settings.doors, DOORS)


def _refuse_taken(host: str, port: int, setting: str) -> None:
    try:
        free = is_free(port, host)
    except OSError as error:
        raise FarmError(f"Nobody can listen at {host}:{port}: {error.strerror}. Choose others with --host.") from None
    if not free:
        raise FarmError(f"Port {port} is taken. Choose another with {setting}, or end what listens there.")
