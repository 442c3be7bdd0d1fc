"""Links that the farm signs: whoever has one needs no key. A token goes into a URL's path, so that what lies beside a
playlist is found by a relative address."""

import base64
import hashlib
import hmac
from datetime import UTC, datetime
from typing import Any, NamedTuple

from framemill.errors import KeyRefused, LinkExpired
from framemill.sealing import Seals

MOUNT = "/files"
"""Where the application of bytes is."""

_LASTING = "lasting output"
_MARK_LETTERS = 22  # of base64: 132 bits
_UPLOAD, _OUTPUT, _SOURCE = "upload", "output", "source"


class Grant(NamedTuple):
    """By what somebody plays a video: a link that was made for them is good as long as that is there."""

    playback_id: str
    signing_key_id: str | None = None
    """What their permission was signed with; none: everybody may play it."""


class Opened(NamedTuple):
    """What a link is for."""

    id: str
    until: datetime
    """When it ends."""
    grant: Grant | None = None
    """None: its owner has made it."""


def upload_token(seals: Seals, upload_id: str) -> str:
    """Lets its bearer send that upload. It is good for as long as the upload is open."""
    return seals.signed(_UPLOAD, upload_id)


def upload_url(seals: Seals, base: str, upload_id: str) -> str:
    """Where that upload is sent to; `base`: what URLs of the farm begin with."""
    return f"{base}{MOUNT}/uploads/{upload_token(seals, upload_id)}"


def uploaded_by(seals: Seals, token: str) -> str:
    """The upload that the token is for. Raises `KeyRefused`."""
    return _text(seals.read(_UPLOAD, token))


def output_token(seals: Seals, output_id: str, until: datetime, grant: Grant | None = None) -> str:
    """Lets its bearer read all files of that output until then."""
    return _token(seals, _OUTPUT, output_id, until, grant)


def output_place(seals: Seals, base: str, output_id: str, until: datetime, grant: Grant | None = None) -> str:
    """The URL below which all files of that output are until then, without a slash at its end."""
    return f"{base}{MOUNT}/outputs/{output_token(seals, output_id, until, grant)}"


def output_of(seals: Seals, token: str, now: datetime) -> Opened:
    """The output that the token is for. Raises `KeyRefused`, and `LinkExpired` when its time is over."""
    return _opened(seals, _OUTPUT, token, now)


def lasting_token(seals: Seals, output_id: str) -> str:
    """Lets its bearer read all files of that output as long as these are here; it is the same whenever it is asked."""
    return f"{output_id}.{_mark(seals, output_id)}"


def lasting_of(seals: Seals, token: str) -> str:
    """The output that the token is for. Raises `KeyRefused`."""
    output_id, _, mark = token.partition(".")
    if not hmac.compare_digest(mark.encode(), _mark(seals, output_id).encode()):
        raise KeyRefused("This link is not one that the farm has signed: ask for a new one.")
    return output_id


def _mark(seals: Seals, output_id: str) -> str:
    digest = hmac.new(seals.key(_LASTING), output_id.encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest).decode()[:_MARK_LETTERS]


def source_token(seals: Seals, input_id: str, until: datetime, grant: Grant) -> str:
    """Lets its bearer read that input of a job until then."""
    return _token(seals, _SOURCE, input_id, until, grant)


def source_of(seals: Seals, token: str, now: datetime) -> Opened:
    """The input that the token is for. Raises as `output_of` does."""
    return _opened(seals, _SOURCE, token, now)


def _token(seals: Seals, purpose: str, what: str, until: datetime, grant: Grant | None) -> str:
    return seals.signed(purpose, [what, int(until.timestamp()), *(grant or ())])


def _opened(seals: Seals, purpose: str, token: str, now: datetime) -> Opened:
    match seals.read(purpose, token):
        case [str() as what, int() as until, *rest]:
            end = datetime.fromtimestamp(until, UTC)
            if now >= end:
                raise LinkExpired(f"This link to the {purpose} {what} has expired: ask for a new one.")
            return Opened(what, end, Grant(*rest) if rest else None)
    raise KeyRefused("This link is not one that the farm has signed: ask for a new one.")


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise KeyRefused("This link is not one that the farm has signed: ask for a new one.")
    return value
