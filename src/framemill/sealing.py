"""What the farm's secret is good for: sealing what only the farm may read, and signing what it hands out.

Each purpose has a key of its own, so that what was signed for one opens nothing for another.
"""

import base64
import contextlib
import os
import secrets
from pathlib import Path
from typing import Any

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from itsdangerous import BadData, SignatureExpired, URLSafeTimedSerializer

from framemill.errors import KeyRefused, LinkExpired

_KEY_BYTES = 32
_OWNER_ONLY = 0o600


class Seals:
    """Seals and signs with keys derived from one secret (RFC 5869)."""

    def __init__(self, secret: str) -> None:
        if not secret:
            raise ValueError("an empty secret seals nothing")
        self._secret = secret.encode()
        self._fernet = Fernet(base64.urlsafe_b64encode(self.key("seal")))

    def key(self, purpose: str) -> bytes:
        """32 bytes that serve that purpose alone."""
        return HKDF(hashes.SHA256(), _KEY_BYTES, salt=None, info=f"framemill {purpose}".encode()).derive(self._secret)

    def seal(self, text: str) -> str:
        """The text, for the farm's eyes only."""
        return self._fernet.encrypt(text.encode()).decode("ascii")

    def opened(self, sealed: str) -> str:
        """What was sealed. Raises `KeyRefused` where it was sealed with another secret, or changed since."""
        try:
            return self._fernet.decrypt(sealed.encode()).decode()
        except InvalidToken:
            raise KeyRefused(
                "What was sealed cannot be opened: the farm's secret is not the one it was sealed with. Put the old "
                "secret.key back into the data folder (or FRAMEMILL_SECRET_KEY)."
            ) from None

    def signed(self, purpose: str, value: Any) -> str:
        """The value (JSON) as a token that is good in a URL; anybody can read it, nobody can change it."""
        return self._signer(purpose).dumps(value)

    def read(self, purpose: str, token: str, *, seconds: int | None = None) -> Any:
        """What was signed for that purpose, at most so many seconds ago.

        Raises `LinkExpired`, or `KeyRefused` where it was not signed by this farm for this purpose.
        """
        try:
            return self._signer(purpose).loads(token, max_age=seconds)
        except SignatureExpired:
            raise LinkExpired("This link has expired: ask for a new one.") from None
        except BadData:
            raise KeyRefused("This link is not one that the farm has signed: ask for a new one.") from None

    def _signer(self, purpose: str) -> URLSafeTimedSerializer:
        return URLSafeTimedSerializer(self.key("sign"), salt=purpose)


def make_secret(path: Path) -> str:
    """The secret in that file, made at random where there is none yet. Raises OSError."""
    with contextlib.suppress(FileExistsError):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _OWNER_ONLY)
        with open(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(32))
    secret = path.read_text("ascii").strip()
    if secret:
        return secret
    path.unlink()  # whoever made it was cut off before it wrote
    return make_secret(path)
