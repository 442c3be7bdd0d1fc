"""A client of S3 that knows what it was told, and nothing else of this machine.

The library looks for credentials, endpoints and settings in the environment, in the user's files, in the machine's
metadata service and in tokens beside it. Those belong to whoever runs the farm: a client who names no key shall not be
signed for with the operator's, nor may the client's endpoint be shown it.
"""

import functools
import os
import threading
from typing import Any

import botocore.session
from botocore import UNSIGNED
from botocore.config import Config
from botocore.configprovider import ConfigValueStore, ConstantProvider

from framemill.storage.access import S3Access
from framemill.storage.opening import Patience

_CONNECT_SECONDS = 10.0
_CONNECTIONS = 16
_one_at_a_time = threading.Lock()
"""A session may not make two clients at once; one for all, since it reads a megabyte about S3 first."""


def client_of(access: S3Access, proxy: str | None, patience: Patience) -> Any:
    """A client for these credentials; without a key its requests are not signed. Several threads may use it.

    `proxy`: a URL through which all of it goes; none: whichever the environment names.
    """
    own = {
        "signature_version": "s3v4" if access.access_key_id else UNSIGNED,
        "s3": {"addressing_style": _addressing(access), "payload_signing_enabled": True},
        # Every store checks what it was signed for, by SHA-256; the newer check sums only some know.
        "request_checksum_calculation": "when_required",
        "response_checksum_validation": "when_required",
        "ignore_configured_endpoint_urls": True,
        "connect_timeout": min(_CONNECT_SECONDS, patience.silence_seconds),
        "read_timeout": patience.silence_seconds,
        "retries": {"mode": "standard", "total_max_attempts": 1 + patience.retries},
        "max_pool_connections": _CONNECTIONS,
    }
    if proxy is not None:
        own["proxies"] = {"http": proxy, "https": proxy}
    with _one_at_a_time:
        return _session().create_client(
            "s3",
            region_name=access.region or "us-east-1",
            endpoint_url=access.endpoint or None,
            # None of these: the library would look for others.
            aws_access_key_id=access.access_key_id,
            aws_secret_access_key=access.secret_access_key,
            aws_session_token=access.session_token or None,
            config=Config(**own),
        )


def _addressing(access: S3Access) -> str:
    in_path = bool(access.endpoint) if access.path_style is None else access.path_style
    # Not "auto", which signs URLs for Amazon's endpoint of all regions; a bucket that no host can be named after goes
    # into the path all the same.
    return "path" if in_path else "virtual"


@functools.cache
def _session() -> botocore.session.Session:
    """One for which every setting is the library's own default, whatever files and environment say."""
    session = botocore.session.Session()
    instead = {"config_file": os.devnull, "credentials_file": os.devnull}
    constant = {
        name: ConstantProvider(instead.get(name, default))
        for name, (_, _, default, _) in session.session_var_map.items()
    }
    session.register_component("config_store", ConfigValueStore(mapping=constant))
    return session
