"""What clients ask to be told, checked and made fit to be kept: addresses and keys that are secret are sealed."""

from collections.abc import Sequence
from dataclasses import dataclass

from framemill.config import Network
from framemill.errors import WrongUse
from framemill.jobs.model import Callback
from framemill.sealing import Seals
from framemill.secrets import mask_url
from framemill.services.callers import DEFAULT_ACCOUNT
from framemill.services.parts import about
from framemill.services.signing import checked_secret
from framemill.storage.guard import Reach, refuse_plainly_private


class CallbackRequest(Callback):
    """Whom to tell, as a client asks for it."""

    secret: str | None = None
    """What to sign with; none: the account's own."""


@dataclass(frozen=True, slots=True)
class Desk:
    """Where requests to be told are taken."""

    seals: Seals
    networks: tuple[Network, ...] = ()
    """Networks that any account's messages may go to, private ones among them."""

    def reach_of(self, account: str) -> Reach:
        """Where that account's messages may go: the owner's anywhere, others' not into private networks."""
        return Reach(private=account == DEFAULT_ACCOUNT, networks=self.networks)

    def address(self, url: str, account: str) -> tuple[str, str | None]:
        """A URL as it may be shown, and sealed where that hides anything. Raises `WrongUse` where it cannot be."""
        refuse_plainly_private(url, self.reach_of(account))
        shown = mask_url(url)
        return shown, None if shown == url else self.seals.seal(url)


def taken(requests: Sequence[Callback], account: str, desk: Desk | None) -> tuple[Callback, ...]:
    """The callbacks of a job. No desk: nothing can be sealed, so no secret is taken.

    Raises `WrongUse` about the field that cannot be.
    """
    return tuple(_taken(one, rank, account, desk) for rank, one in enumerate(requests))


def _taken(request: Callback, rank: int, account: str, desk: Desk | None) -> Callback:
    kept = request.model_dump(exclude={"secret"})
    secret = request.secret if isinstance(request, CallbackRequest) else None
    if desk is not None:
        with about(f"callbacks.{rank}.url"):
            kept["url"], kept["sealed_url"] = desk.address(request.url, account)
    if secret is not None:
        with about(f"callbacks.{rank}.secret"):
            if desk is None:
                raise WrongUse("There is nobody here who could seal a secret.")
            kept["sealed_secret"] = desk.seals.seal(checked_secret(secret))
    return Callback.model_validate(kept)
