"""Passwords: hashed by Argon2, a few at a time, so that logins do not take the machine's memory from its encodes."""

import threading

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from framemill.errors import WrongUse

SHORTEST, LONGEST = 8, 1024
"""Letters of a password; Argon2 takes any number, but a body of megabytes is no password."""

# OWASP's password storage cheat sheet: 19 MiB, two passes, one lane.
_HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
_AT_ONCE = threading.BoundedSemaphore(4)
# Compared with where there is no such user, so that the time it takes does not tell.
_NOBODY = "$argon2id$v=19$m=19456,t=2,p=1$+IPYJp5pkdOpKf0q2gZwYg$L//X4zbV5yUcXp5FyQaemKH13e+6fyVRXYfk4GSwq/4"


def hashed(password: str) -> str:
    """What is kept of a password. Raises `WrongUse` for one that is too short or too long."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise WrongUse(f"A password has {SHORTEST} to {LONGEST} letters, not {len(password)}.")
    with _AT_ONCE:
        return _HASHER.hash(password)


def fits(password: str, kept: str | None) -> bool:
    """Whether it is the password; as slow where there is none."""
    with _AT_ONCE:
        try:
            return _HASHER.verify(kept or _NOBODY, password) and kept is not None
        except (VerificationError, InvalidHashError):
            return False


def is_outdated(kept: str) -> bool:
    """Whether it was hashed with other parameters than are used today."""
    return _HASHER.check_needs_rehash(kept)
