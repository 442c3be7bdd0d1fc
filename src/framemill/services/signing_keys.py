"""Signing keys: whoever holds one says by it who may play an account's videos, and for how long.

The farm makes the pair, hands out the private key once and keeps the public one, so that nobody who reads its database
can let anybody in.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from framemill.errors import Conflict, Forbidden, NotFound
from framemill.jobs.accounts import SigningKey
from framemill.jobs.model import could_be_id
from framemill.jobs.videos import short_id
from framemill.services import audit
from framemill.services.callers import Caller
from framemill.services.idempotency import Ids
from framemill.store import signing_keys as rows
from framemill.store.accounts import ensure_account
from framemill.store.database import Database

MOST = 100
"""Signing keys of one account."""
ALGORITHM = "RS256"
LEEWAY_SECONDS = 2
"""How far clocks may be apart."""
_BITS = 2048
_EXPONENT = 65537
_LAST = datetime(9999, 1, 1, tzinfo=UTC)


class SigningKeys:
    """The signing keys of the caller's account. Plain functions: an event loop calls them in threads."""

    def __init__(
        self,
        database: Database,
        *,
        caller: Caller,
        ids: Ids | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._database = database
        self._caller = caller
        self._ids = ids or Ids()
        self._clock = clock

    def made(self) -> tuple[SigningKey, str]:
        """A new key, and its private half (PEM), which is told this once. Raises `Conflict` for too many."""
        private = rsa.generate_private_key(_EXPONENT, _BITS)
        public = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        now = self._clock()
        key = SigningKey(
            id=short_id(self._ids()), account=self._caller.account, public_key=public.decode(), created_at=now
        )
        with self._database.writing() as conn:
            ensure_account(conn, key.account, now)
            if rows.count_signing_keys(conn, key.account) >= MOST:
                raise Conflict(f"This account has {MOST} signing keys: revoke one first.")
            rows.save_signing_key(conn, key)  # of a lost try, nobody has heard the private half
            audit.note(conn, self._caller, "signing_key.created", key.id, now=now, account=key.account)
        return key, private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()

    def listed(self) -> Sequence[SigningKey]:
        """Those that are good, oldest first."""
        with self._database.reading() as conn:
            return rows.list_signing_keys(conn, self._caller.account)

    def revoked(self, key_id: str) -> None:
        """What it has signed opens nothing any more. Raises `NotFound`, also for one that was revoked before."""
        with self._database.writing() as conn:
            key = rows.load_signing_key(conn, key_id) if could_be_id(key_id) else None
            if key is None or self._caller.sees not in {None, key.account}:
                raise NotFound(f"There is no signing key {key_id!r}.")
            rows.revoke_signing_key(conn, key.id, now := self._clock())
            audit.note(conn, self._caller, "signing_key.revoked", key.id, now=now, account=key.account)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """What a viewer shows, and what it has to be for, in the words of the door that they came to."""

    token: str | None
    """A JSON web token."""
    subject: str
    """Its `sub`."""
    audience: str
    """Its `aud`."""
    key_prefix: str = ""
    """What ids of signing keys begin with there."""


def signed_with(ticket: Ticket) -> str:
    """The id of the key that a token says it was signed with. Raises `Forbidden`; nothing of it is proved by that."""
    token = ticket.token
    if not token:
        raise Forbidden("This takes a token: add ?token=, a JSON web token signed with a signing key of the account.")
    try:
        header = jwt.get_unverified_header(token)
    except jwt.InvalidTokenError:
        raise Forbidden("The token is no JSON web token.") from None
    kid = header.get("kid")
    if header.get("alg") != ALGORITHM or not isinstance(kid, str) or not kid.startswith(ticket.key_prefix):
        raise Forbidden(f"The token's header has to say alg {ALGORITHM}, and kid: the id of a signing key.")
    key_id = kid.removeprefix(ticket.key_prefix)
    if not could_be_id(key_id):
        raise Forbidden("The token is signed with no signing key of this account.")
    return key_id


def allowed_until(ticket: Ticket, key: SigningKey | None, now: datetime) -> datetime:
    """Until when whoever has that token may play. `key`: the one that it names, where there is one of the account.

    Raises `Forbidden` where the token is not signed with the key, is for something else, or its time is over.
    """
    if key is None:
        raise Forbidden("The token is signed with no signing key of this account.")
    try:
        claims: dict[str, Any] = jwt.decode(
            ticket.token or "",
            key.public_key,
            [ALGORITHM],
            audience=ticket.audience,
            # The time is ours to compare: it is a value here, too.
            options={"require": ["exp", "sub", "aud"], "verify_exp": False, "verify_nbf": False, "verify_iat": False},
        )
    except jwt.InvalidAudienceError:
        raise Forbidden(f"The token is for something else: its aud has to be {ticket.audience!r} here.") from None
    except jwt.InvalidTokenError:
        raise Forbidden(f"The token is not signed with the signing key {key.id}, or lacks exp, sub or aud.") from None
    if claims["sub"] != ticket.subject:
        raise Forbidden("The token is for something else: its sub is the id of another playback.")
    end, begin = _seconds(claims["exp"]), _seconds(claims.get("nbf", 0))
    if end is None or begin is None:
        raise Forbidden("The token's exp and nbf have to be seconds since 1970.")
    if not begin - LEEWAY_SECONDS <= now.timestamp() < end + LEEWAY_SECONDS:
        raise Forbidden("The token has expired, or its time has not come yet.")
    return datetime.fromtimestamp(min(end + LEEWAY_SECONDS, _LAST.timestamp()), UTC)


def _seconds(said: Any) -> float | None:
    if isinstance(said, bool) or not isinstance(said, int | float):
        return None
    try:
        seconds = float(said)
    except OverflowError:  # a whole number that is larger than any other
        return None
    return seconds if math.isfinite(seconds) else None
