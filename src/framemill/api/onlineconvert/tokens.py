"""Tokens of single jobs: 32 letters that open one job, made of its id and kept nowhere."""

import base64
import hmac
from uuid import UUID

from framemill.errors import KeyRefused
from framemill.sealing import Seals

_ID_BYTES, _SEAL_BYTES = 16, 8
_LETTERS = 32


def token_of(seals: Seals, job_id: str) -> str:
    """What opens that job."""
    name = UUID(job_id).bytes
    return base64.urlsafe_b64encode(name + _seal(seals, name)).decode("ascii")


def job_of(seals: Seals, token: str) -> str:
    """The id of the job that it opens. Raises `KeyRefused`."""
    try:
        said = base64.b64decode(token.encode("ascii"), altchars=b"-_", validate=True)
    except ValueError:
        said = b""
    name, seal = said[:_ID_BYTES], said[_ID_BYTES:]
    if (
        len(token) != _LETTERS
        or len(said) != _ID_BYTES + _SEAL_BYTES
        or not hmac.compare_digest(seal, _seal(seals, name))
    ):
        raise KeyRefused("Invalid token: send the one that came with the job.")
    return str(UUID(bytes=name))


def _seal(seals: Seals, name: bytes) -> bytes:
    return hmac.digest(seals.key("tokens of single jobs"), name, "sha256")[:_SEAL_BYTES]
