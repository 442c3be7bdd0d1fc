"""What the local user opens stores with, where no farm stands between: their own settings and environment."""

import secrets

from framemill.config import load_settings
from framemill.environment import own_credentials
from framemill.errors import WrongUse
from framemill.sealing import Seals
from framemill.services.callers import DEFAULT_ACCOUNT
from framemill.services.desk import Desk, way_of
from framemill.storage.access import ACCESS, KIND_OF, Access
from framemill.storage.address import address_of, is_remote
from framemill.storage.credentials import named_credentials
from framemill.storage.keyring import Keyring, Way


def own_way(uri: str, name: str | None = None) -> tuple[Way, Keyring]:
    """The way to what the local user names, and what opens it; no network is closed to them. Raises as `own_access`."""
    seals = Seals(secrets.token_hex())  # for as long as this takes
    way = way_of(uri, own_access(uri, name), DEFAULT_ACCOUNT, Desk(seals, trusted=True))
    return way, Keyring(seals=seals, guarded=False)


def own_access(uri: str, name: str | Access | None = None) -> Access | None:
    """What opens that URI: the credentials of that name in the user's settings, else what the variables say that the
    stores' own tools read (AWS_…, GOOGLE_APPLICATION_CREDENTIALS, AZURE_STORAGE_…); none: nothing is said.

    Raises `WrongUse` where there are none of that name, or they are of another kind than the URI takes.
    """
    if not is_remote(uri):
        return None
    if name is not None and not isinstance(name, str):
        return name
    kind = KIND_OF[address_of(uri).scheme]
    if name is None:
        fields = own_credentials().get(kind)
        return None if fields is None else ACCESS.validate_python({"kind": kind, **fields})
    named = named_credentials(load_settings().credentials)
    found = named.get(name)
    if found is None:
        there = f"there are {', '.join(named)}" if named else "there are none"
        raise WrongUse(f"There are no credentials {name!r} in your settings: {there}.")
    if found.access.kind != kind:
        raise WrongUse(f"The credentials {name!r} are of {found.access.kind}, and {kind} is needed.")
    return found.access
