"""Opens the store that an address names; what only some stores take is imported when the first of them is opened."""

import importlib
from dataclasses import dataclass
from typing import cast

from framemill.errors import StorageRefused, WrongUse
from framemill.storage.access import KIND_OF, Access
from framemill.storage.address import Address
from framemill.storage.base import Storage
from framemill.storage.guard import Reach

_MODULE = {
    **{"file": "files", "http": "web", "https": "web"},
    **{"s3": "s3", "az": "azure", "gs": "gcs"},
    **{"ftp": "ftp", "ftps": "ftp", "sftp": "sftp", "gdrive": "gdrive"},
}
"""Who opens what a scheme names: a module beside this one, by its function `opened`, with the same arguments."""

_EXTRA = {"gcs": "gcs", "sftp": "sftp"}
"""Which modules take a library that comes by an extra, and that extra's name."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a store is waited for."""

    silence_seconds: float = 30.0
    """Without a byte from it, or without it taking one. A web server that was silent for so long is not asked again."""
    retries: int = 3
    """Of one request that came to nothing for a while: no answer, a broken one, or a server in trouble."""
    pause_seconds: float = 0.5
    """Before the first of them; twice as much before each further one. Where the library lets itself be told."""


def opened(address: Address, access: Access | None, reach: Reach | None, patience: Patience | None = None) -> Storage:
    """The store of that address; whoever asks for it closes it. Opening connects to nothing.

    Without `access` a store is entered as anybody may. Without `reach` every connection is allowed: that is for what
    the operator, or the caller of the local command line, has named. Raises `WrongUse` where access and scheme do not
    belong together, and `StorageRefused` where a library is missing.
    """
    kind = KIND_OF.get(address.scheme)
    if access is not None and access.kind != kind:
        raise WrongUse(f"Credentials of kind {access.kind!r} do not open {address.scheme}:// addresses.")
    name = _MODULE[address.scheme]
    try:
        module = importlib.import_module(f"framemill.storage.{name}")
    except ModuleNotFoundError as error:
        if name not in _EXTRA or (error.name or "").startswith("framemill"):
            raise
        raise StorageRefused(
            f"{address.scheme}:// takes a library that is not installed here: pip install framemill[{_EXTRA[name]}]"
        ) from None
    return cast("Storage", module.opened(address, access, reach, patience or Patience()))
