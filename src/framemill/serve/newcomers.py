"""What settings say of those who are not known yet."""

from typing import Literal

from framemill.config import Settings
from framemill.storage.http import is_loopback


def registration(settings: Settings) -> Literal["open", "here", "closed"]:
    """Whether people may make themselves users. Behind a proxy everybody seems to be on this machine, so where one is
    to be expected nobody is taken to be."""
    if settings.registration != "auto":
        return settings.registration
    proxied = settings.trusted_proxies or settings.public_url
    return "here" if is_loopback(f"//{settings.host}") and not proxied else "closed"
