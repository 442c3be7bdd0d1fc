"""Signs a blob's URL with the account's key: obstore's own signature is wrong for names that a URL has to quote."""

import base64
import hashlib
import hmac
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, urlencode

_VERSION = "2023-11-03"
_EARLIER = timedelta(minutes=5)
"""Clocks differ."""


def signed_url(endpoint: str, path: str, *, account: str, key: str, permissions: str, seconds: int) -> str:
    """The URL of `container/blob` (`path`), good for so long; `permissions`: `r` to read, `cw` to put.

    https://learn.microsoft.com/en-us/rest/api/storageservices/create-service-sas, since version 2020-12-06.
    """
    now = datetime.now(UTC)
    begin, end = (f"{at:%Y-%m-%dT%H:%M:%SZ}" for at in (now - _EARLIER, now + timedelta(seconds=seconds)))
    resource = f"/blob/{account}/{path}"
    nothing = [""] * 3  # no stored policy, address or protocol
    rest = [""] * 7  # no snapshot, no scope of encryption, no headers of the answer
    signed = "\n".join([permissions, begin, end, resource, *nothing, _VERSION, "b", *rest])
    signature = hmac.digest(base64.b64decode(key), signed.encode(), hashlib.sha256)
    query = {
        **{"sv": _VERSION, "sr": "b", "sp": permissions, "st": begin, "se": end},
        "sig": base64.b64encode(signature).decode(),
    }
    return f"{endpoint.rstrip('/')}/{quote(path)}?{urlencode(query)}"
