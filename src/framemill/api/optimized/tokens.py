"""Jellyfin's access tokens, in all the headers that its clients send them in. Pure."""

import hashlib
import re
from collections.abc import Mapping
from urllib.parse import unquote

from framemill.sealing import Seals

_SCHEMES = frozenset({"mediabrowser", "emby"})
_TOKEN = re.compile(r'(?:^|[,\s])token\s*=\s*(?:"([^"]*)"|([^",\s]*))', re.IGNORECASE)
_FITS = re.compile(r"[!-~]{1,512}")


def token_of(headers: Mapping[str, str]) -> str:
    """The token that a request carries; empty: none. `headers`: by their names in small letters."""
    found = (*(_said(headers.get(name, "")) for name in _AUTHORIZATIONS), *(headers.get(name, "") for name in _BARE))
    token = next((one.strip() for one in found if one.strip()), "")
    return token if _FITS.fullmatch(token) else ""


_AUTHORIZATIONS = ("authorization", "x-emby-authorization")
_BARE = ("x-emby-token", "x-mediabrowser-token")


def _said(authorization: str) -> str:
    """`MediaBrowser Client="…", Token="…"` as Jellyfin's own clients write it, or the bare token."""
    scheme, _, rest = authorization.strip().partition(" ")
    if scheme.lower() in _SCHEMES:
        match = _TOKEN.search(rest)
        return unquote(match[1] or match[2] or "") if match else ""
    return rest if scheme.lower() == "bearer" else scheme if not rest else ""


def mark_of(token: str, seals: Seals) -> str:
    """What is the same of the same token, and tells nobody which that is."""
    return hashlib.blake2b(token.encode(), key=seals.key("mark of a token"), digest_size=8).hexdigest()


def shown_as(token: str) -> dict[str, str]:
    """The headers by which Jellyfin takes it: its own, and the older one."""
    return {"Authorization": f'MediaBrowser Token="{token}"', "X-Emby-Token": token}
