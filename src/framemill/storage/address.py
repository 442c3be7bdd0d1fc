"""Where bytes are, as a URI says it: which store, which bucket or host, and the path there. Pure."""

from typing import Literal, TypeAlias, get_args
from urllib.parse import quote, unquote, urlsplit

from framemill.errors import WrongUse
from framemill.jobs.settings import Value
from framemill.secrets import mask_url

Scheme: TypeAlias = Literal["file", "http", "https", "s3", "gs", "az", "ftp", "ftps", "sftp", "gdrive"]

_OBJECTS = {"s3", "gs", "az"}
_USERS = {"ftp", "ftps", "sftp"}
_BUCKET_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-$")


class Address(Value):
    """A place in a store. What it takes to get in is an `Access`."""

    scheme: Scheme
    host: str = ""
    """Bucket, container, or `host[:port]` of a server; of http(s) the whole URL's."""
    path: str = ""
    """Key of an object, or path on a server, without its first slash; of a file: the absolute path. As it is, not
    quoted. Of http(s): path and query, as they stand in the URL."""
    user: str = ""
    """Of `ftp://user:password@host/`, and of http likewise."""
    password: str = ""

    @property
    def remote(self) -> bool:
        """Whether it is on another machine than the farm's."""
        return self.scheme != "file"

    @property
    def folder(self) -> bool:
        """Whether it names a folder or a prefix, and no single thing."""
        return self.path == "" or self.path.endswith("/")

    def below(self, name: str) -> "Address":
        """The thing of that name in this folder."""
        return self.model_copy(update={"path": f"{self.path.rstrip('/')}/{name}" if self.path else name})

    def __str__(self) -> str:
        """The URI, without user and password."""
        if self.scheme == "file":
            return self.path
        written = quote(self.path) if self.scheme in _USERS else self.path
        return (
            f"{self.scheme}://{self.host}/{written}" if written or self.scheme != "gdrive" else f"gdrive://{self.host}"
        )


def is_remote(uri: str) -> bool:
    """Whether that is a URI of something on another machine than the farm's."""
    scheme, mark, _ = uri.partition("://")
    return bool(mark) and scheme.lower() != "file" and scheme.lower() in get_args(Scheme)


def name_of(uri: str) -> str:
    """What the thing is called there; empty where the URI does not say."""
    try:
        address = address_of(uri)
    except WrongUse:
        return ""
    path = address.path
    if address.scheme in {"http", "https"}:
        path = unquote(path.partition("?")[0].partition("#")[0])
    return path.rstrip("/").rpartition("/")[2]


def address_of(uri: str) -> Address:
    """What a URI means; an absolute path is a file. Raises `WrongUse` for anything else, and says what there is.

    The keys of `s3://bucket/key`, `gs://` and `az://container/key` are taken as they stand, as those stores' own tools
    take them: a `%` or a `?` in them is a letter. The paths of `ftp://` and `sftp://` are quoted, as in every URL.
    `gdrive://ID` is a file of Google Drive, `gdrive://FOLDER/name` one that is to be made there.
    """
    scheme, mark, rest = uri.partition("://")
    scheme = scheme.lower()
    if uri.startswith("/"):
        return Address(scheme="file", path=uri)
    if not mark:
        raise WrongUse(f"{uri[:200]} is a path on the farm's machine: write it from the root.")
    if scheme not in get_args(Scheme):
        known = ", ".join(f"{one}://" for one in get_args(Scheme))
        raise WrongUse(f"{_said(uri)} is neither an absolute path nor a URI that the farm knows ({known}).")
    if any(not character.isprintable() for character in uri):
        raise WrongUse("The URI holds control characters.")
    if scheme in _OBJECTS or scheme == "gdrive":
        bucket, _, key = rest.partition("/")
        if not bucket or not set(bucket) <= _BUCKET_LETTERS:
            raise WrongUse(f"{_said(uri)} names no bucket, container or id behind {scheme}://.")
        return Address.model_validate({"scheme": scheme, "host": bucket, "path": key})
    try:
        parts = urlsplit(uri)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise WrongUse(f"{_said(uri)} is no URI: {error}.") from None
    if scheme == "file":
        if host not in {None, "", "localhost"} or not parts.path.startswith("/"):
            raise WrongUse(f"{_said(uri)} names no file of the farm's machine: write file:///path.")
        if "\0" in (path := unquote(parts.path)):
            raise WrongUse("The URI holds a quoted NUL, which no file has in its name.")
        return Address(scheme="file", path=path)
    if not host:
        raise WrongUse(f"{_said(uri)} names no host.")
    named = f"[{host}]" if ":" in host else host
    place = named if port is None else f"{named}:{port}"
    path = parts.path.removeprefix("/")
    query = f"?{parts.query}" if parts.query else ""
    if scheme in _USERS and not unquote(f"{path}{parts.username}").isprintable():
        raise WrongUse("The URI holds quoted control characters.")
    return Address.model_validate(
        {
            "scheme": scheme,
            "host": place,
            "path": unquote(path) if scheme in _USERS else path + query,
            "user": unquote(parts.username or ""),
            "password": unquote(parts.password or ""),
        }
    )


def _said(uri: str) -> str:
    """As a message may repeat it."""
    return repr(mask_url(uri)[:200])
