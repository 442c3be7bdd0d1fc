"""Cloud storage as clients name it: a URI and what opens it, from `parameters` and `credentials`. Pure.

Names of fields are flat and in lower case, and stand here exactly as clients send them.
"""

import json
import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple
from urllib.parse import quote

from framemill.errors import WrongUse
from framemill.secrets import MASK
from framemill.services.fields import about
from framemill.storage.access import Access, AzureAccess, FtpAccess, GcsAccess, S3Access

REGION = "eu-central-1"
"""Of Amazon, where none is named."""
FTP_PORT = 21
_HIGHEST_PORT = 65535
_PORT = re.compile(r"[0-9]{1,5}")

Said = Mapping[str, Any]


class Place(NamedTuple):
    """Something in a store."""

    uri: str
    access: Access


def place_of(provider: str, parameters: Said, credentials: Said) -> Place:
    """What is meant. Raises `WrongUse` about `parameters.NAME`, `credentials.NAME` or the provider."""
    if provider not in PROVIDERS:
        raise WrongUse(f"There is no cloud storage {provider[:60]!r} here; there are {', '.join(PROVIDERS)}.")
    return PROVIDERS[provider](parameters, credentials)


def _s3(parameters: Said, credentials: Said) -> Place:
    bucket, file = _parameter(parameters, "bucket"), _file(parameters)
    access = S3Access(
        access_key_id=_credential(credentials, "accesskeyid"),
        secret_access_key=_credential(credentials, "secretaccesskey"),
        session_token=_credential(credentials, "sessiontoken", ""),
        region=_parameter(parameters, "region", REGION),
        endpoint=_server(parameters, "endpoint", ""),
    )
    return Place(f"s3://{bucket}/{file}", access)


def _google(parameters: Said, credentials: Said) -> Place:
    bucket, file = _parameter(parameters, "bucket"), _file(parameters)
    access = GcsAccess(
        project=_parameter(parameters, "projectid"),
        keyfile=_keyfile(credentials),
        endpoint=_server(parameters, "endpoint", ""),
    )
    return Place(f"gs://{bucket}/{file}", access)


def _azure(parameters: Said, credentials: Said) -> Place:
    container, file = _parameter(parameters, "container"), _file(parameters)
    access = AzureAccess(
        account=_credential(credentials, "accountname"),
        key=_credential(credentials, "accountkey"),
        endpoint=_server(parameters, "endpoint", ""),
    )
    return Place(f"az://{container}/{file}", access)


def _ftp(parameters: Said, credentials: Said) -> Place:
    host = _server(parameters, "host").removeprefix("ftp://").strip("/")
    port = _port(parameters.get("port"))
    access = FtpAccess(user=_credential(credentials, "username"), password=_credential(credentials, "password"))
    place = host if port == FTP_PORT else f"{host}:{port}"
    return Place(f"ftp://{place}/{quote(_file(parameters))}", access)


PROVIDERS: Mapping[str, Callable[[Said, Said], Place]] = MappingProxyType(
    {"amazons3": _s3, "azure": _azure, "ftp": _ftp, "googlecloud": _google}
)
"""By the word for them."""


def _file(parameters: Said) -> str:
    file = _parameter(parameters, "file").lstrip("/")
    if not file or file.endswith("/"):
        with about("parameters.file"):
            raise WrongUse("file: it names a folder; name a file in it.")
    return file


def _keyfile(credentials: Said) -> dict[str, Any]:
    """A service account's key: as an object, or as the JSON of one."""
    said = credentials.get("keyfile")
    try:
        found = json.loads(said) if isinstance(said, str) else said
    except ValueError:
        found = None
    if not isinstance(found, dict) or not found:
        with about("credentials.keyfile"):
            raise WrongUse("keyfile: it takes the JSON of a service account's key.")
    return found


def _port(said: Any) -> int:
    text = str(FTP_PORT) if said is None or said == "" else str(said)
    if _PORT.fullmatch(text) is None or not 1 <= int(text) <= _HIGHEST_PORT:
        with about("parameters.port"):
            raise WrongUse(f"port: it is a number from 1 to {_HIGHEST_PORT}.")
    return int(text)


def told(parameters: Said) -> dict[str, Any]:
    """Parameters as they may be told again: users and passwords belong into `credentials`, and are seen by nobody."""
    return {
        name: f"{MASK}@{said.rpartition('@')[2]}"
        if name in _SERVERS and isinstance(said, str) and "@" in said
        else said
        for name, said in parameters.items()
    }


_SERVERS = frozenset({"endpoint", "host"})


def _server(parameters: Said, name: str, usual: str | None = None) -> str:
    found = _parameter(parameters, name, usual)
    if "@" in found:
        with about(f"parameters.{name}"):
            raise WrongUse(f"{name}: users and passwords belong into credentials.")
    return found


def _parameter(parameters: Said, name: str, usual: str | None = None) -> str:
    return _text(parameters, "parameters", name, usual)


def _credential(credentials: Said, name: str, usual: str | None = None) -> str:
    return _text(credentials, "credentials", name, usual)


def _text(said: Said, where: str, name: str, usual: str | None) -> str:
    found = said.get(name)
    if found is None or found == "":
        if usual is not None:
            return usual
        with about(f"{where}.{name}"):
            raise WrongUse(f"{name} is missing.")
    if not isinstance(found, str):
        with about(f"{where}.{name}"):
            raise WrongUse(f"{name}: it is a text.")
    return found
