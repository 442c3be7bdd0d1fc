"""Which farm is meant: the one that is named, else the one that runs in the data folder; it costs reading a file."""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field

from framemill.config import Settings, load_settings
from framemill.storage.http import is_loopback


@dataclass(frozen=True, slots=True)
class Address:
    """A farm to speak to."""

    url: str
    key: str | None
    here: bool = True
    """It is on this machine: its paths are ours."""
    starting: bool = False
    """It will answer in a while."""
    proof: Callable[[], str | None] = field(default=lambda: None, compare=False)
    """Makes what shows that we are its own user; none: we are not."""


def find_farm(server: str | None = None, key: str | None = None, data_dir: str | None = None) -> Address | None:
    """The farm that is meant; None where none is named and none runs. Raises `WrongUse` for settings that are wrong.

    A farm is named by `--server` or FRAMEMILL_SERVER. Its key is that of `--key` or FRAMEMILL_ADMIN_KEY; a farm on this
    machine is opened by the key in the data folder, too, which no other machine is ever sent.
    """
    settings = load_settings(server=server, admin_key=key, data_dir=data_dir)
    if settings.server is not None:
        here = is_loopback(settings.server)
        return Address(settings.server, _key(settings, here=here), here, proof=_proof(settings, here=here))
    if not settings.folder.farm_file.exists():
        return None
    from framemill.serve.farmfile import read_farm  # noqa: PLC0415 - not paid for where no farm runs

    farm = read_farm(settings.folder)
    if farm is None or farm.state == "stopping" or not farm.supervisor.alive:
        return None
    starting, key = farm.state == "starting", _key(settings, here=True)
    return Address(farm.url, key, here=True, starting=starting, proof=_proof(settings, here=True))


def _key(settings: Settings, *, here: bool) -> str | None:
    if settings.admin_key is not None:
        return settings.admin_key.get_secret_value()
    with contextlib.suppress(OSError):
        return settings.folder.admin_key.read_text("ascii").strip() if here else None
    return None


def _proof(settings: Settings, *, here: bool) -> Callable[[], str | None]:
    """By the secret of the farm in the data folder, which no other machine is ever sent anything of."""

    def made() -> str | None:
        from framemill.sealing import Seals  # noqa: PLC0415 - not paid for by who only looks
        from framemill.services.proof import proof  # noqa: PLC0415

        with contextlib.suppress(OSError):
            said = settings.secret_key
            secret = settings.folder.secret_key.read_text("ascii") if said is None else said.get_secret_value()
            return proof(Seals(secret.strip())) if secret.strip() else None
        return None

    return made if here else lambda: None
