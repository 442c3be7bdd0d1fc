"""Credentials that the operator has named in the settings: what they open, who may use them, and for what."""

import json
from collections.abc import Collection, Mapping
from fnmatch import fnmatchcase
from typing import Any, TypeAlias

from pydantic import SecretStr, ValidationError

from framemill.errors import InvalidSetting, WrongUse
from framemill.jobs.accounts import DEFAULT_ACCOUNT
from framemill.jobs.settings import Value
from framemill.storage.access import ACCESS, KIND_OF, Access
from framemill.storage.address import Address, address_of

_TO_ANY_HOST = frozenset({"ftp", "sftp", "http"})
"""Kinds that are shown to whichever host the address names: whoever names it would get to know them."""


class Credentials(Value):
    """What opens stores of one kind, under a name."""

    name: str
    access: Access
    allowed_buckets: tuple[str, ...] = ()
    """Buckets, containers or hosts that it may be used for, `*` standing for any letters; empty: all."""
    accounts: tuple[str, ...] = (DEFAULT_ACCOUNT,)
    """Who may use it; `*`: everybody."""

    def serves(self, account: str) -> bool:
        """Whether that account may use it."""
        return account in self.accounts or "*" in self.accounts

    def refuse(self, address: Address, account: str) -> None:
        """Raise `WrongUse` where that account may not use it for that address."""
        if not self.serves(account):
            raise _unknown(self.name)
        if KIND_OF.get(address.scheme) != self.access.kind:
            raise WrongUse(f"The credentials {self.name!r} are of {self.access.kind}, and open no {address.scheme}://.")
        if not self._allows(address.host):
            allowed = ", ".join(self.allowed_buckets)
            raise WrongUse(f"The credentials {self.name!r} are not for {address.host}: they are for {allowed}.")

    @property
    def private(self) -> bool:
        """Whether the operator has said where it is used, so that this may be in a private network, too."""
        if self.access.kind == "http":  # who answers there may send the farm elsewhere
            return False
        if self.access.kind in _TO_ANY_HOST:
            return "*" not in self.allowed_buckets
        return bool(getattr(self.access, "endpoint", "") or getattr(self.access, "base_url", ""))

    def _allows(self, host: str) -> bool:
        bare = host.rpartition(":")[0] if not host.endswith("]") and ":" in host else host
        return not self.allowed_buckets or any(
            fnmatchcase(one, pattern) for pattern in self.allowed_buckets for one in (host, bare)
        )


Named: TypeAlias = Mapping[str, Credentials]
"""The credentials of the settings, by name."""


def named_credentials(settings: Mapping[str, Mapping[str, Any]]) -> Named:
    """The credentials of the settings. Raises `InvalidSetting`, which repeats none of their values."""
    return {name: _credentials(name, fields) for name, fields in settings.items()}


def credentials_called(name: str, named: Named, account: str) -> Credentials:
    """Those that are called so. Raises `WrongUse`, and lists what that account may use."""
    found = named.get(name)
    if found is None or not found.serves(account):
        raise _unknown(name, sorted(one.name for one in named.values() if one.serves(account)))
    return found


def credentials_for(uri: str, named: Named, account: str) -> Credentials | None:
    """The first of them whose `allowed_buckets` name the bucket of that URI, and which the account may use."""
    address = address_of(uri)
    fitting = (
        one
        for one in named.values()
        if one.serves(account) and one.access.kind == KIND_OF.get(address.scheme) and one.allowed_buckets
    )
    return next((one for one in fitting if one._allows(address.host)), None)


def _unknown(name: str, usable: Collection[str] = ()) -> WrongUse:
    there = f"there are {', '.join(usable)}" if usable else "there are none for this account"
    return WrongUse(f"There are no credentials {name!r} to be used by this account: {there}.")


def _credentials(name: str, fields: Mapping[str, Any]) -> Credentials:
    plain = {field: _revealed(value) for field, value in fields.items()}
    own = {field: plain.pop(field) for field in ("allowed_buckets", "accounts") if field in plain}
    for field in {"keyfile", "headers"} & plain.keys():
        try:
            plain[field] = json.loads(plain[field])
        except ValueError:
            raise InvalidSetting(f"Setting credentials.{name}.{field}: it is no JSON.") from None
    try:
        found = Credentials.model_validate({"name": name, "access": ACCESS.validate_python(plain), **own})
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(str(part) for part in first["loc"] if part not in KIND_OF.values())
        raise InvalidSetting(f"Setting credentials.{name}.{where}: {first['msg']}.".replace("..", ".")) from None
    strangers = set(found.accounts) - {DEFAULT_ACCOUNT}
    if not found.allowed_buckets and (strangers or found.access.kind in _TO_ANY_HOST):
        what = "hosts" if found.access.kind in _TO_ANY_HOST else "buckets"
        raise InvalidSetting(
            f"Setting credentials.{name}.allowed_buckets: say for which {what} clients may use them, or ['*'] for all."
        )
    return found


def _revealed(value: Any) -> Any:
    return value.get_secret_value() if isinstance(value, SecretStr) else value
