"""What the operator sets of this door: `[doors.optimized]` in framemill.toml, `FRAMEMILL_DOORS__OPTIMIZED__…` else. The
names are those of the server that its clients know, in small letters."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import httpx
from pydantic import AfterValidator, Field

from framemill.api.tables import read_table
from framemill.jobs.model import LONGEST_KEPT_SECONDS
from framemill.jobs.settings import Value
from framemill.written import web_address

_KEPT_HOURS, _LEFT_HOURS = 168.0, 8.0


def _server(url: str) -> str:
    """An address that a path can be put behind, and that is asked for as it stands."""
    try:
        parts, asked = urlsplit(url), httpx.URL(url)
        sound = bool(parts.hostname and asked.host) and parts.port != 0
    except (ValueError, httpx.InvalidURL):
        sound = False
    if not sound or {"?", "#", " ", "\\"} & set(url) or not url.isprintable():
        raise ValueError("should be http://HOST:PORT, with a path where it has one, and nothing behind that")
    return url


class Options(Value):
    """The settings."""

    jellyfin_url: Annotated[str, AfterValidator(web_address), AfterValidator(_server)] | None = None
    """Where the farm reaches Jellyfin, in a private network too; none: nobody is let in."""
    mode: Literal["auto", "offload", "plain"] = "auto"
    """`offload`: the original is fetched and encoded here; `plain`: Jellyfin's own stream is fetched, and put into the
    container; `auto`: the former where the original can be had and the farm can do what is asked."""
    max_cached_per_user: int = Field(default=10, ge=0)
    """Films that a device has here, done or under way; further ones wait. 0: any number."""
    remove_file_after_right_download: bool = True
    """Whether a film goes when its client says that it has it; else it goes with its time."""
    time_to_keep_files: float | None = Field(default=None, gt=0, le=LONGEST_KEPT_SECONDS / 3600)
    """Hours; none: as below."""

    @property
    def kept_seconds(self) -> float:
        """How long a film stays that nobody fetches, or that has failed."""
        return 3600 * (self.time_to_keep_files or _KEPT_HOURS)

    @property
    def left_seconds(self) -> float:
        """How long one stays that its client has left, counted from then on."""
        return 3600 * (self.time_to_keep_files or _LEFT_HOURS)


def options_of(said: Mapping[str, Any]) -> Options:
    """The operator's table, completed with what is usual; `active_jobs` in it is the farm's own. Raises
    `InvalidSetting`."""
    mine = {name: value for name, value in said.items() if name != "active_jobs"}
    return read_table(Options, mine, "doors.optimized")
