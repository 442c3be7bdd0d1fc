"""Where a job's film lies and where its results go, in this door's words and with the stores of its settings. Pure.

A path, `s3:///key` and `ftp:///path` mean the store that the settings name; `s3://bucket/key` another bucket that the
same keys open. No other FTP server is named so: it would be shown the password of the settings. What is on the web, or
on the farm's machine, says so: `https://…`, `file:///…`.
"""

from typing import NamedTuple
from urllib.parse import quote, unquote

from framemill.errors import WrongUse
from framemill.jobs.settings import OutputSettings, Value
from framemill.secrets import mask_url
from framemill.services.inputs import InputRequest
from framemill.services.targets import TargetRequest
from framemill.storage.access import FtpAccess, S3Access


class Stores(Value):
    """Where the settings say that films lie, and that results go."""

    access: S3Access | FtpAccess
    """What opens them; its kind is the driver."""
    elsewhere: S3Access | FtpAccess | None = None
    """What opens where films lie, where that is in another region; none: the same."""
    inbound: str
    """Bucket, or `host[:port]` of the FTP server; empty: nobody has set it."""
    outbound: str
    streaming: bool = False
    """Whether the settings ask for films not to be copied first: it is told, and changes nothing."""


class _Place(NamedTuple):
    host: str
    """The bucket or server that is named; empty: that of the settings."""
    path: str


_ELSEWHERE = ("http", "https", "file")


def shown(said: str) -> str:
    """A place as it may be kept and told: without the secrets of a URL. A key is a name, whatever stands in it."""
    return said if _scheme(said) in {"", "s3", "file"} else mask_url(said)


def source_of(source: str, stores: Stores) -> InputRequest:
    """The film that is named. Raises `WrongUse` where that is none, or where the settings name no store."""
    if _scheme(source) in _ELSEWHERE:
        return InputRequest(uri=source)
    place = _place(source, stores)
    if not place.path or place.path.endswith("/"):
        raise WrongUse(f"The source {source!r} names no file: give its key, such as src/film.mp4.")
    uri = _uri(stores, place.host or stores.inbound, place.path, "S3_INBOUND_BUCKET")
    return InputRequest(uri=uri, credentials=stores.elsewhere or stores.access)


def target_of(dest: str, output: str, settings: OutputSettings, stores: Stores) -> TargetRequest:
    """Where the file of that name goes: its name behind `dest`, with nothing between them, as it is done there. A
    package is a folder of many files. Raises `WrongUse` likewise."""
    scheme = _scheme(dest)
    if scheme == "file":
        return _target(f"{dest.rstrip('/')}/" if settings.folder else dest + quote(output), settings)
    if scheme in _ELSEWHERE:
        raise WrongUse(
            f"The destination {scheme}://… is on the web, which takes no results: name a folder in the store."
        )
    place = _place(dest, stores)
    path = f"{place.path.rstrip('/')}/" if settings.folder and place.path else place.path
    path = path if settings.folder else path + output
    uri = _uri(stores, place.host or stores.outbound, path, "S3_OUTBOUND_BUCKET")
    return _target(uri, settings, stores.access)


def _target(uri: str, settings: OutputSettings, access: S3Access | FtpAccess | None = None) -> TargetRequest:
    return TargetRequest(uri=uri, credentials=access, container=settings.container)


def _scheme(place: str) -> str:
    scheme, mark, _ = place.partition("://")
    return scheme.lower() if mark else ""


def _place(said: str, stores: Stores) -> _Place:
    scheme, rest = _scheme(said), said.partition("://")[2]
    if not scheme:
        return _Place("", unquote(said).lstrip("/"))
    if scheme not in {"s3", stores.access.kind}:
        known = "a key, s3://bucket/key, https://… and file:///…"
        raise WrongUse(f"{scheme}:// is no place that is known here: there are {known}.")
    host, _, path = rest.partition("/")
    if scheme == "ftp":
        _require_ours(host, stores)
    # A bucket cannot be on an FTP server: there the path alone counts, as it always does there.
    return _Place(host if scheme == stores.access.kind == "s3" else "", unquote(path).lstrip("/"))


def _require_ours(host: str, stores: Stores) -> None:
    """An FTP server is told the password in clear, so none is but the one of the settings."""
    if host and _server(host) not in {_server(stores.inbound), _server(stores.outbound)}:
        raise WrongUse(
            "That is another FTP server than FTP_ADDR of the settings, whose password it is not to hear: "
            "name a path there, or have the settings name this server."
        )


def _server(host: str) -> str:
    return host.lower().removesuffix(":21")


def _uri(stores: Stores, host: str, path: str, setting: str) -> str:
    if not host:
        setting = setting if stores.access.kind == "s3" else "FTP_ADDR"
        raise WrongUse(
            f"The settings do not say where that is: fill in {setting} and what opens it, then have the job done again."
        )
    if stores.access.kind == "ftp":
        return f"ftp://{host}/{quote(path)}"
    return f"s3://{host}/{path}"
