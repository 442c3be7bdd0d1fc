"""Who asks, and what they may do: what every door makes of its own credentials."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from framemill.errors import Forbidden
from framemill.jobs import accounts
from framemill.jobs.accounts import Role

Scope: TypeAlias = Literal["jobs:read", "jobs:write", "uploads", "webhooks", "keys", "usage", "farm:read", "farm:write"]

SCOPES: tuple[Scope, ...] = (
    *("jobs:read", "jobs:write", "uploads", "webhooks", "keys", "usage", "farm:read", "farm:write"),
)
"""All there are. `farm:…` is about the farm as a whole, so only an admin's key or user carries it."""

ACCOUNT_SCOPES: frozenset[Scope] = frozenset(SCOPES) - {"farm:read", "farm:write"}
"""What a key of an account may do where nothing else was said."""

ROLE_SCOPES: Mapping[Role, frozenset[Scope]] = {
    "guest": frozenset({"jobs:read", "usage", "farm:read"}),
    "operator": ACCOUNT_SCOPES | {"farm:read", "farm:write"},
    "admin": frozenset(SCOPES),
}
"""What a user of that role may do."""

READING: Scope = "jobs:read"
"""What means the same in the words of every door, and changes nothing."""

DEFAULT_ACCOUNT = accounts.DEFAULT_ACCOUNT


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Somebody who has shown who they are."""

    account: str = DEFAULT_ACCOUNT
    """Whose the things are that they make."""
    scopes: frozenset[Scope] = ACCOUNT_SCOPES
    narrowed: frozenset[str] | None = None
    """What of that their key may do, in the words of the door that it was made at; none: all of it. Where those words
    mean nothing, it reads jobs at most."""
    admin: bool = False
    """Sees every account, and may manage them."""
    actor: str = "cli"
    """For the audit trail: `admin`, `key:ID`, `user:ID`, `cli`."""
    here: bool = False
    """They can read the farm's own data folder: they may name any path, since they need no farm to read it."""
    request_id: str | None = None
    """What they asked it with, for the audit trail."""

    @property
    def sees(self) -> str | None:
        """The account whose things they see; none: everybody's."""
        return None if self.admin else self.account

    def need(self, scope: Scope) -> None:
        """Raise `Forbidden` where they may not do that."""
        if scope not in self.scopes:
            raise Forbidden(f"This key may not do that: it lacks the scope {scope}. Ask for a key that has it.")
        if self.narrowed is not None and not (scope == READING and scope in self.narrowed):
            told = f"This key was made for another API of the farm: here it may do no more than {READING}."
            raise Forbidden(f"{told} Ask for one of the farm's own.")

    def need_admin(self) -> None:
        """Raise `Forbidden` unless they are an admin."""
        if not self.admin:
            raise Forbidden("Only an admin of the farm may do that.")


ADMIN = Caller(scopes=frozenset(SCOPES), admin=True, actor="admin")
"""Whoever holds the farm's own key."""
OWNER = Caller(scopes=frozenset(SCOPES), admin=True, actor="cli", here=True)
"""Whoever works on the farm's own data folder."""
