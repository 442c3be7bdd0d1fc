"""Who asks: the key that a request carries."""

import hmac
from collections.abc import Callable
from typing import Annotated

from fastapi import Depends, Request, Security
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer

from framemill.errors import KeyRefused
from framemill.services.callers import ADMIN, Caller, Scope

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

    def caller(self, key: str) -> Caller:
        """Whose key it is. Raises `KeyRefused`; how long that takes does not tell how much of it is right."""
        if hmac.compare_digest(key.encode(), self._admin):
            return ADMIN
        raise KeyRefused("The farm does not take this key; its own is in admin.key in its data folder.")


def require_key(
    request: Request,
    bearer: Annotated[HTTPAuthorizationCredentials | None, Security(_BEARER)],
    header: Annotated[str | None, Security(_HEADER)],
) -> Caller:
    """Who asks. Raises `KeyRefused`."""
    key = bearer.credentials if bearer is not None else header
    if not key:
        raise KeyRefused("A key is needed: send `Authorization: Bearer KEY` or `X-API-Key: KEY`.")
    keys: Keys = request.app.state.keys
    return keys.caller(key)


TheCaller = Annotated[Caller, Depends(require_key)]


def needs(scope: Scope) -> Callable[[Caller], None]:
    """A dependency that lets callers with that scope pass, and refuses others with `Forbidden`."""

    def check(caller: TheCaller) -> None:
        caller.need(scope)

    return check


def admins_only(caller: TheCaller) -> None:
    """A dependency that lets admins pass alone."""
    caller.need_admin()
