"""What of the settings is a secret: credentials by name, of which only what is known to be open is shown."""

import contextlib
import json
import re
from typing import Any

from pydantic import SecretStr

from framemill.written import listed


def hidden_credentials(credentials: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """What is not known to be open is a secret: it is shown as stars wherever the settings are."""
    for name in credentials:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}", name):
            raise ValueError("a name has letters, digits, - and _, and 100 of them at most")
    return {name: {field: _kept(field, value) for field, value in one.items()} for name, one in credentials.items()}


def _kept(field: str, value: Any) -> Any:
    if field in _LISTS:
        return listed(value)
    if field in _OPEN or value in (None, ""):
        return value
    return SecretStr(value if isinstance(value, str) else json.dumps(value))


_LISTS = frozenset({"allowed_buckets", "accounts"})
_OPEN = frozenset({"kind", "region", "endpoint", "path_style", "project", "account", "user", "host_key", "base_url"})
"""Fields of `storage.access` that anybody may see who may see the settings."""


def texts_in(secret: Any) -> set[str]:
    """What a field of credentials holds that nobody may see; of JSON the texts in it, since these are what is used."""
    if not isinstance(secret, SecretStr):
        return set()
    text = secret.get_secret_value()
    with contextlib.suppress(ValueError):
        inner = json.loads(text)
        if isinstance(inner, dict):
            return {text} | {str(part) for name, part in inner.items() if name not in _OF_KEYFILES}
    return {text}


_OF_KEYFILES = frozenset({"type", "project_id", "client_id", "client_email", "universe_domain"})
