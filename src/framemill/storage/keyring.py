"""What opens the stores that clients name: it is put together where bytes are moved, and nowhere before."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import BaseModel

from framemill.config import DataFolder, Network
from framemill.errors import KeyRefused
from framemill.jobs.accounts import DEFAULT_ACCOUNT
from framemill.jobs.model import Input, Target
from framemill.jobs.settings import Value
from framemill.sealing import Seals, make_secret
from framemill.secrets import secrets_of
from framemill.storage.access import ACCESS, Access
from framemill.storage.address import Address, address_of
from framemill.storage.credentials import Named, credentials_called
from framemill.storage.guard import Reach


class Way(Value):
    """The way to a thing in a store, as it is kept and as it travels: there is no secret to be read in it."""

    uri: str
    """With every secret masked."""
    sealed_uri: str | None = None
    """The same with its secrets, sealed; none: it has none."""
    credentials: str | None = None
    """Name of the credentials in the settings that open it."""
    sealed_access: str | None = None
    """What opens it, sealed, where the client gave that."""
    account: str = DEFAULT_ACCOUNT
    """Whose wish it is."""
    trusted: bool = False
    """They are the farm's own user on its machine, or it is the farm's own file: nothing is closed to them."""


def way_to(part: Input | Target, account: str) -> Way:
    """The way to a source, or a target, of a job of that account."""
    same = Way.model_fields.keys() & type(part).model_fields.keys()
    return Way(account=account, **{name: getattr(part, name) for name in same})


class Entrance(NamedTuple):
    """What `storage.opening.opened` takes, and what no message may repeat."""

    address: Address
    access: Access | None
    reach: Reach | None
    secrets: frozenset[str]


@dataclass(frozen=True, slots=True)
class Keyring:
    """What the farm opens stores with, on behalf of its clients."""

    seals: Seals | None = None
    """None: nothing that is sealed can be opened."""
    named: Named = field(default_factory=dict)
    networks: tuple[Network, ...] = ()
    """Private networks that any account may have the farm connect to."""
    guarded: bool = True
    """Not where all that is asked for is the local user's own wish."""

    def uri(self, way: Way) -> str:
        """The URI with its secrets. Raises `KeyRefused`."""
        return way.uri if way.sealed_uri is None else self._unsealed(way.sealed_uri)

    def access(self, way: Way) -> Access | None:
        """What opens it, as the client gave it. Raises `KeyRefused`."""
        return None if way.sealed_access is None else ACCESS.validate_json(self._unsealed(way.sealed_access))

    def entrance(self, way: Way) -> Entrance:
        """How to get there. Raises `KeyRefused`, and `WrongUse` for credentials that are not there any more."""
        uri = self.uri(way)
        address = address_of(uri)
        access, reach = self.access(way), None if way.trusted else self.reach
        if way.credentials is not None:
            found = credentials_called(way.credentials, self.named, way.account)
            found.refuse(address, way.account)
            access, reach = found.access, None if found.private else reach
        secrets = secrets_of(uri) | ({address.password} if address.password else set())
        if access is not None:
            secrets |= set(secrets_in(access))
        return Entrance(address, access, reach, frozenset(secrets))

    @property
    def reach(self) -> Reach | None:
        """Where clients may have the farm connect to; none: anywhere."""
        return Reach(networks=self.networks) if self.guarded else None

    def _unsealed(self, sealed: str) -> str:
        if self.seals is None:
            raise KeyRefused("What was sealed cannot be opened here: there is no secret of the farm's.")
        return self.seals.opened(sealed)


def local_keyring(root: Path) -> Keyring:
    """What opens what the local user has named to a farm of their own in that folder: nothing is closed to them."""
    return Keyring(seals=local_seals(root), guarded=False)


def local_seals(root: Path) -> Seals:
    """What is sealed with for such a farm: its secret goes with its folder."""
    return Seals(make_secret(DataFolder(root).secret_key))


def secrets_in(access: Access) -> Iterator[str]:
    """Every text in it that no message may repeat."""
    for name, value in access:
        if not type(access).model_fields[name].repr:
            yield from _texts(value)


def _texts(value: Any) -> Iterator[str]:
    match value:
        case str() if value:
            yield value
        case Mapping():
            for name, part in value.items():
                # Of a key file only that is secret; its address and project stand in every message of its store.
                if not isinstance(part, str) or name in _OF_KEYFILE or "type" not in value:
                    yield from _texts(part)
        case BaseModel():
            yield from _texts(value.model_dump())


_OF_KEYFILE = frozenset({"private_key", "private_key_id", "client_secret", "refresh_token"})
