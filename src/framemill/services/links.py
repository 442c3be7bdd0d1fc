"""Links that the farm signs: whoever has one needs no key. A token goes into a URL's path, so that what lies beside a
playlist is found by a relative address."""

from datetime import UTC, datetime
from typing import Any

from framemill.errors import KeyRefused, LinkExpired
from framemill.sealing import Seals

MOUNT = "/files"
"""Where the application of bytes is."""

_UPLOAD, _OUTPUT = "upload", "output"


def upload_token(seals: Seals, upload_id: str) -> str:
    """Lets its bearer send that upload. It is good for as long as the upload is open."""
    return seals.signed(_UPLOAD, upload_id)


def uploaded_by(seals: Seals, token: str) -> str:
    """The upload that the token is for. Raises `KeyRefused`."""
    return _text(seals.read(_UPLOAD, token))


def output_token(seals: Seals, output_id: str, until: datetime) -> str:
    """Lets its bearer read all files of that output until then."""
    return seals.signed(_OUTPUT, [output_id, int(until.timestamp())])


def output_of(seals: Seals, token: str, now: datetime) -> str:
    """The output that the token is for. Raises `KeyRefused`, and `LinkExpired` when its time is over."""
    match seals.read(_OUTPUT, token):
        case [str() as output_id, int() as until]:
            if now >= datetime.fromtimestamp(until, UTC):
                raise LinkExpired(f"This link to the output {output_id} has expired: ask for a new one.")
            return output_id
    raise KeyRefused("This link is not one that the farm has signed: ask for a new one.")


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise KeyRefused("This link is not one that the farm has signed: ask for a new one.")
    return value
