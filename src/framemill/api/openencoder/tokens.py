"""The door's tokens: JSON web tokens with the claims that its clients read. Pure."""

from datetime import datetime, timedelta
from typing import Any, NamedTuple

import jwt

from framemill.api.openencoder.refused import Unknown
from framemill.jobs.accounts import User

LASTS = timedelta(hours=1)
"""How long a token is good, and can be changed for a fresh one."""
PURPOSE = "door token"
"""What the key is for that they are signed with."""
NOT_VALID = "The token is not valid; log in again."

_ALGORITHM = "HS256"


class Token(NamedTuple):
    """A token, and until when it is good."""

    text: str
    expires_at: datetime


def written(key: bytes, user: User, session_id: str, now: datetime) -> Token:
    """A user's token, as of now. The role is told for clients to read: what a user may do is looked up each time."""
    issued = now.replace(microsecond=0)
    expires = issued + LASTS
    claims = {"id": user.name, "role": user.role, "sid": session_id}
    times = {"orig_iat": int(issued.timestamp()), "exp": int(expires.timestamp())}
    return Token(jwt.encode({**claims, **times}, key, _ALGORITHM), expires)


def session_of(key: bytes, text: str, now: datetime) -> str:
    """The session that a token stands for. Raises `Unknown` for one that is none, or was good once."""
    try:
        # The time is ours to compare: it is a value here, too.
        claims: dict[str, Any] = jwt.decode(
            text, key, [_ALGORITHM], options={"require": ["sid", "exp"], "verify_exp": False, "verify_iat": False}
        )
    except jwt.InvalidTokenError:
        raise Unknown(NOT_VALID) from None
    if claims["exp"] <= now.timestamp():
        raise Unknown("Token is expired")
    session_id: str = claims["sid"]
    return session_id
