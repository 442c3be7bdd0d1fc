"""The client of Google Cloud Storage, made of what somebody gave us: nothing of the machine's own goes into it."""

import http.client
import ipaddress
from typing import Any
from urllib.parse import urlsplit

import google.auth.credentials
import requests
import urllib3.exceptions
from google.auth.exceptions import TransportError
from google.auth.transport.requests import AuthorizedSession, Request
from google.cloud.storage import Client
from google.oauth2 import service_account

from framemill.errors import StorageRefused, StorageUnreachable, WrongUse
from framemill.storage.access import GcsAccess
from framemill.storage.guard import Reach, addresses_of
from framemill.storage.hosts import place_of
from framemill.storage.opening import Patience

_ENDPOINT = "https://storage.googleapis.com"
_UNIVERSE = "googleapis.com"
_SCOPE = "https://www.googleapis.com/auth/devstorage.read_write"
_ACL_SCOPE = "https://www.googleapis.com/auth/devstorage.full_control"
PASSING = (
    *(requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError),
    *(ConnectionError, http.client.HTTPException, urllib3.exceptions.HTTPError),
)
"""What comes of a line that breaks."""
_PASSING_STATUSES = {408, 429, 500, 502, 503, 504}
"""https://cloud.google.com/storage/docs/retry-strategy"""
_TOKEN_HOSTS = {"oauth2.googleapis.com", "accounts.google.com", "www.googleapis.com"}
"""Where Google's own key files point: https://developers.google.com/identity/protocols/oauth2/service-account"""


def client_of(access: GcsAccess, reach: Reach | None, proxy: str | None, patience: Patience) -> Client:
    """A client; making it connects to nothing, except to look up a token host that is not Google's.

    Raises `StorageRefused` for a key file that cannot be used, and `AddressRefused` where it points.
    """
    credentials = _credentials(access, reach)
    session = requests.Session()
    if access.keyfile:
        tokens = _Patient(_through(requests.Session(), proxy), patience.silence_seconds)
        session = AuthorizedSession(credentials, auth_request=tokens)  # type: ignore[no-untyped-call]
    client = Client(
        project=access.project or "none",  # only buckets belong to one, and none are made
        credentials=credentials,
        _http=_through(session, proxy),
        client_options={"api_endpoint": access.endpoint or _ENDPOINT},
    )
    client._bucket_metadata_cache = None  # which asks about the bucket on its own, in a thread, for traces that we lack
    return client


class Again:
    """Whether a request is made once more: a few times one after the other, until something has got through."""

    def __init__(self, retries: int) -> None:
        self._retries = self._left = retries

    def __call__(self, error: Exception) -> bool:
        """Asked by the library."""
        self._left -= 1
        cause = error.args[0] if isinstance(error, TransportError) and error.args else error
        status = getattr(getattr(cause, "response", None), "status_code", None)
        return self._left >= 0 and (isinstance(cause, PASSING) or status in _PASSING_STATUSES)

    def through(self) -> None:
        """Something has got through."""
        self._left = self._retries


class _Patient(Request):
    """Asks for tokens, and is as patient as everything else."""

    def __init__(self, session: requests.Session, silence: float) -> None:
        super().__init__(session)
        self._silence = silence

    def __call__(self, *given: Any, **named: Any) -> Any:
        return super().__call__(*given, **{**named, "timeout": self._silence})  # type: ignore[no-untyped-call]


def _through(session: Any, proxy: str | None) -> Any:
    if proxy is not None:
        session.trust_env = False
        session.proxies = {"http": proxy, "https": proxy}
    return session


def _credentials(access: GcsAccess, reach: Reach | None) -> google.auth.credentials.Credentials:
    """Of a service account's key, and of no other kind: some of the others name files to read and programs to run."""
    keyfile = access.keyfile
    if not keyfile:
        return google.auth.credentials.AnonymousCredentials()  # type: ignore[no-untyped-call]
    if keyfile.get("type") != "service_account":
        raise StorageRefused(
            f"The key file is of type {str(keyfile.get('type'))[:40]!r}, and has to be one of a service account."
        )
    if keyfile.get("universe_domain", _UNIVERSE) != _UNIVERSE:
        raise StorageRefused("The key file is of another cloud than Google's own (universe_domain).")
    _require_token_host(str(keyfile.get("token_uri", "")), reach)
    try:
        found: google.auth.credentials.Credentials = service_account.Credentials.from_service_account_info(  # type: ignore[no-untyped-call]
            keyfile, scopes=[_SCOPE, _ACL_SCOPE]
        )
    except (ValueError, TypeError, KeyError):  # whose messages hold parts of the key
        raise StorageRefused(
            "The key file cannot be read: paste it whole, as it was downloaded (client_email, private_key, token_uri)."
        ) from None
    return found


def _require_token_host(url: str, reach: Reach | None) -> None:
    """Raise where the key file sends us to a host that is neither Google's nor opened by the operator, by name."""
    try:
        host, port = place_of(url)
    except WrongUse as error:
        raise StorageRefused(f"The key file's token_uri is no URL: {error.message}") from None
    if reach is None or (host in _TOKEN_HOSTS and urlsplit(url).scheme == "https"):
        return
    try:
        found = [ipaddress.ip_address(one.partition("%")[0]) for one in addresses_of(host, port, reach)]
    except OSError as error:
        raise StorageUnreachable(f"{host}, of the key file's token_uri, has no address: {error}.") from None
    if not all(reach.named(address) for address in found):
        raise StorageRefused(
            f"The key file's token_uri is at {host}, which is not Google's. The farm's operator opens it by"
            f" FRAMEMILL_ALLOWED_NETWORKS={','.join(map(str, found))}"
        )
