"""Who asks: the key that a request carries."""

import hmac
from typing import Annotated

from fastapi import Depends, Request, Security
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer

from framemill.errors import KeyRefused

_BEARER = HTTPBearer(auto_error=False, scheme_name="bearer", description="The key, as `Authorization: Bearer KEY`.")
_HEADER = APIKeyHeader(
    name="X-API-Key", auto_error=False, scheme_name="key", description="The same key, as `X-API-Key: KEY`."
)


class Keys:
    """The keys that the farm takes: for now its admin's alone."""

    def __init__(self, admin_key: str) -> None:
        if not admin_key:
            raise ValueError("an empty admin key would let everybody in")
        self._admin = admin_key.encode()

    def is_admin(self, key: str) -> bool:
        """Whether it is the admin's; how long that takes does not tell how much of it is right."""
        return hmac.compare_digest(key.encode(), self._admin)


def require_key(
    request: Request,
    bearer: Annotated[HTTPAuthorizationCredentials | None, Security(_BEARER)],
    header: Annotated[str | None, Security(_HEADER)],
) -> None:
    """Let the request pass, or raise `KeyRefused`."""
    key = bearer.credentials if bearer is not None else header
    if not key:
        raise KeyRefused("A key is needed: send `Authorization: Bearer KEY` or `X-API-Key: KEY`.")
    keys: Keys = request.app.state.keys
    if not keys.is_admin(key):
        raise KeyRefused("The farm does not take this key; its own is in admin.key in its data folder.")


KeyRequired = Depends(require_key)
