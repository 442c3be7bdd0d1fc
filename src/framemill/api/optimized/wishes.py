"""What a URL of the media server asks for, and where that is reached from the farm. Pure."""

import re
from collections.abc import Mapping
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from framemill.errors import WrongUse
from framemill.jobs.settings import Value

_FILM = re.compile(
    r"(?P<before>(?:/[^/]+)*?)(?P<path>/(?:videos/(?P<id>[0-9A-Za-z-]{1,64})/[^/]+|items/(?P<item>[0-9A-Za-z-]{1,64})/"
    r"(?:download|file))(?:/[^/]+)*)",
    re.IGNORECASE,
)


class Wish(Value):
    """A URL, taken apart."""

    before: str
    """Path below which the server is, as its clients reach it: `/jellyfin`, or nothing."""
    path: str
    """Behind that, with the query: as they stand in the URL."""
    item_id: str
    said: Mapping[str, str]
    """What the query says, by its names in small letters."""

    @property
    def is_playlist(self) -> bool:
        """Whether it is HLS."""
        return self.path.partition("?")[0].lower().endswith(".m3u8")

    @property
    def is_original(self) -> bool:
        """Whether the file itself is asked for, as it lies there."""
        return self.said.get("static", "").lower() == "true" or self.path.lower().startswith("/items/")

    @property
    def media_source(self) -> str:
        """Of the item's versions the one that is meant."""
        return self.said.get("mediasourceid") or self.item_id

    def at(self, server: str) -> str:
        """The same at the address where the farm reaches the server; a path below which it is there counts more."""
        return f"{_base(server, self.before)}{self.path}"

    def original_at(self, server: str) -> str:
        """Where the original of it is; nothing in it is secret."""
        source = quote(self.media_source, safe="")
        return f"{_base(server, self.before)}/Videos/{self.item_id}/stream?static=true&mediaSourceId={source}"

    def number(self, *names: str) -> float | None:
        """The first of these that the query has as a number above 0."""
        for name in names:
            text = self.said.get(name, "")
            if re.fullmatch(r"[0-9]{1,15}(\.[0-9]{1,9})?", text) and float(text) > 0:
                return float(text)
        return None

    def words(self, name: str) -> list[str]:
        """What the query lists under that name, in small letters."""
        return [word.strip().lower() for word in self.said.get(name, "").split(",") if word.strip()]


def wish_of(url: str) -> Wish:
    """What a URL asks for. Raises `WrongUse` for one that is none of a film's."""
    try:
        parts = urlsplit(url)
        named = bool(parts.hostname) and parts.port != 0
    except ValueError:
        raise WrongUse("url: this is no URL.") from None
    if not named or parts.scheme not in {"http", "https"} or any(not one.isprintable() or one == " " for one in url):
        raise WrongUse("url: it is an http:// or https:// URL of a film of the media server.")
    match = _FILM.fullmatch(parts.path)
    plain = unquote(parts.path)
    if match is None or "\\" in plain or {".", ".."} & set(plain.split("/")):
        raise WrongUse("url: it is no URL of a film: there are /videos/ID/master.m3u8, /videos/ID/stream and the like.")
    said = {name.lower(): value for name, value in parse_qsl(parts.query, keep_blank_values=True)}
    query = f"?{parts.query}" if parts.query else ""
    return Wish(before=match["before"], path=f"{match['path']}{query}", item_id=match["id"] or match["item"], said=said)


def _base(server: str, before: str) -> str:
    parts = urlsplit(server)
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/') or before}"
