"""What clients ask to be told, checked and made fit to be kept: addresses and keys that are secret are sealed."""

from collections.abc import Sequence

from framemill.errors import WrongUse
from framemill.jobs.model import Callback
from framemill.secrets import MASK
from framemill.services.desk import Desk
from framemill.services.fields import about
from framemill.services.signing import checked_secret


class CallbackRequest(Callback):
    """Whom to tell, as a client asks for it."""

    secret: str | None = None
    """What to sign with; none: the account's own."""
    secret_path: bool = False
    """Whoever has the URL may send there: of it nothing but the host is shown."""


def taken(requests: Sequence[Callback], desk: Desk | None) -> tuple[Callback, ...]:
    """The callbacks of a job. No desk: nothing can be sealed, so no secret is taken.

    Raises `WrongUse` about the field that cannot be.
    """
    return tuple(_taken(one, rank, desk) for rank, one in enumerate(requests))


def _taken(request: Callback, rank: int, desk: Desk | None) -> Callback:
    kept = {**request.model_dump(exclude=_ASKED_ONLY), "trusted": desk is not None and desk.trusted}
    secret = request.secret if isinstance(request, CallbackRequest) else None
    if desk is not None:
        with about(f"callbacks.{rank}.url"):
            kept["url"], kept["sealed_url"] = desk.address(request.url)
            if isinstance(request, CallbackRequest) and request.secret_path:
                kept["url"], kept["sealed_url"] = _host_alone(request.url), desk.seals.seal(request.url)
    if secret is not None:
        with about(f"callbacks.{rank}.secret"):
            if desk is None:
                raise WrongUse("There is nobody here who could seal a secret.")
            kept["sealed_secret"] = desk.seals.seal(checked_secret(secret))
    return Callback.model_validate(kept)


_ASKED_ONLY = {"secret", "secret_path"}


def _host_alone(url: str) -> str:
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.partition('/')[0].rpartition('@')[2]}/{MASK}"
