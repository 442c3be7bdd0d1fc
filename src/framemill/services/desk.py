"""Where requests are taken: what clients hand over with them is checked, and what is secret in it is sealed."""

from dataclasses import dataclass, field
from typing import TypeAlias

from framemill.config import Network
from framemill.errors import WrongUse
from framemill.sealing import Seals
from framemill.secrets import mask_url
from framemill.storage.access import ACCESS, KIND_OF, Access
from framemill.storage.address import Address, address_of
from framemill.storage.credentials import Named, credentials_called
from framemill.storage.guard import Reach, refuse_closed, refuse_plainly_private
from framemill.storage.keyring import Keyring, Way
from framemill.storage.roots import Roots

Opener: TypeAlias = str | Access
"""What opens a store, as clients say it: the name of credentials in the settings, or these themselves."""


@dataclass(frozen=True, slots=True)
class Desk:
    """Where requests are taken."""

    seals: Seals
    networks: tuple[Network, ...] = ()
    """Private networks that clients may have the farm connect to."""
    credentials: Named = field(default_factory=dict)
    """Those of the settings."""
    trusted: bool = False
    """Whoever asks is the farm's own user on its machine: private networks are open to them."""
    roots: Roots | None = None
    """Folders of the farm's machine that clients may name paths in; none: all of them."""

    @property
    def keyring(self) -> Keyring:
        """What opens the stores that clients name."""
        return Keyring(seals=self.seals, named=self.credentials, networks=self.networks)

    @property
    def reach(self) -> Reach | None:
        """Where whoever asks may have the farm connect to; none: anywhere."""
        return None if self.trusted else Reach(networks=self.networks)

    def address(self, url: str) -> tuple[str, str | None]:
        """A URL as it may be shown, and sealed where that hides anything. Raises `WrongUse` where it cannot be."""
        refuse_plainly_private(url, self.reach)
        return self.hidden(url)

    def hidden(self, uri: str) -> tuple[str, str | None]:
        """A URI as it may be shown, and sealed where that hides anything."""
        shown = mask_url(uri)
        return shown, None if shown == uri else self.seals.seal(uri)


def way_of(uri: str, opener: Opener | None, account: str, desk: Desk | None) -> Way:
    """The way to what a client names, with nothing in it that is secret. No desk: nothing can be sealed.

    Raises `WrongUse` for a URI that is none, and for credentials that are not there, are not for that account, or do
    not open what the URI names.
    """
    address = address_of(uri)
    if desk is None:
        if opener is not None or mask_url(uri) != uri:
            raise WrongUse("There is nobody here who could seal a secret.")
        return Way(uri=uri, account=account)
    shown, sealed_uri = desk.hidden(uri)
    way = Way(uri=shown, sealed_uri=sealed_uri, account=account, trusted=desk.trusted)
    if opener is None:
        refuse_closed(uri, address, desk.reach)
        return way
    kind = KIND_OF.get(address.scheme)
    if kind is None:
        raise WrongUse("A file on the farm's machine takes no credentials: leave them away.")
    if isinstance(opener, str):
        found = credentials_called(opener, desk.credentials, account)
        found.refuse(address, account)
        refuse_closed(uri, address, None if found.private else desk.reach)
        return way.model_copy(update={"credentials": opener})
    refuse_closed(uri, address, desk.reach)
    _refuse_misfit(opener, address, kind, desk.reach)
    return way.model_copy(update={"sealed_access": desk.seals.seal(ACCESS.dump_json(opener).decode())})


def _refuse_misfit(access: Access, address: Address, kind: str, reach: Reach | None) -> None:
    if access.kind != kind:
        raise WrongUse(f"Credentials of kind {access.kind} do not open {address.scheme}://: that takes kind {kind}.")
    for url in (getattr(access, "endpoint", ""), getattr(access, "base_url", "")):
        if url:
            refuse_plainly_private(url, reach)
