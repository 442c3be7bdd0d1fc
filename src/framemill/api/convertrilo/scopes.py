"""What a key may do, in Convertrilo's words, and what of that the farm's own scopes allow."""

from collections.abc import Awaitable, Callable, Collection, Mapping
from types import MappingProxyType
from typing import Literal, TypeAlias, get_args

from framemill.api.auth import TheCaller
from framemill.errors import Forbidden
from framemill.services.callers import Caller
from framemill.services.callers import Scope as Native

Scope: TypeAlias = Literal[
    "jobs:create", "jobs:read", "jobs:cancel", "tokens:read", "tokens:write", "webhooks:manage", "credentials:manage"
]
SCOPES: tuple[Scope, ...] = get_args(Scope)

NATIVE: Mapping[Scope, frozenset[Native]] = MappingProxyType(
    {
        "jobs:create": frozenset({"jobs:write", "uploads"}),
        "jobs:read": frozenset({"jobs:read"}),
        "jobs:cancel": frozenset({"jobs:write"}),
        "tokens:read": frozenset({"usage"}),
        "tokens:write": frozenset({"usage", "jobs:write"}),
        "webhooks:manage": frozenset({"webhooks"}),
        "credentials:manage": frozenset({"jobs:write"}),
    }
)
"""What it takes of the farm's own scopes. Several of ours are one of those, so a key that is made here also keeps its
scopes as they were asked for."""


class ScopeMissing(Forbidden):
    """A key may not do that."""

    def __init__(self, scope: Scope) -> None:
        super().__init__(f"This API key lacks the scope {scope}: ask for one that has it.")
        self.required_scope = scope


def allowed(caller: Caller) -> tuple[Scope, ...]:
    """What whoever asks may do."""
    return tuple(scope for scope in SCOPES if may(caller, scope))


def may(caller: Caller, scope: Scope) -> bool:
    """Whether whoever asks may do that."""
    return caller.scopes >= NATIVE[scope] and (caller.narrowed is None or scope in caller.narrowed)


def native_of(scopes: Collection[Scope]) -> frozenset[Native]:
    """The farm's own scopes that a key needs for these."""
    return frozenset[Native]().union(*(NATIVE[scope] for scope in scopes))


def meant_by(scopes: Collection[str], narrowed: Collection[str] | None) -> tuple[Scope, ...]:
    """What a key may do: as it was asked for here, or what the scopes of one that was made elsewhere come to."""
    if narrowed is not None:
        return tuple(scope for scope in SCOPES if scope in narrowed)
    return tuple(scope for scope in SCOPES if NATIVE[scope] <= set(scopes))


def needs(scope: Scope) -> Callable[[Caller], Awaitable[None]]:
    """A dependency that lets callers with that scope pass. Others: `ScopeMissing`."""

    async def check(caller: TheCaller) -> None:
        if not may(caller, scope):
            raise ScopeMissing(scope)

    return check
