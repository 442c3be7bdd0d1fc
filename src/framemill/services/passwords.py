"""Passwords: hashed by Argon2, a few at a time, so that logins do not take the machine's memory from its encodes."""

import threading
from collections.abc import Sequence

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from framemill.errors import WrongUse

SHORTEST, LONGEST = 8, 1024
"""Letters of a password; Argon2 takes any number, but a body of megabytes is no password."""

MOST_LOCKS = 10
"""Passwords of one output: each takes its time to try."""

# OWASP's password storage cheat sheet: 19 MiB, two passes, one lane.
_HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
_AT_ONCE = threading.BoundedSemaphore(4)
# Compared with where there is no such user, so that the time it takes does not tell.
_NOBODY = "$argon2id$v=19$m=19456,t=2,p=1$+IPYJp5pkdOpKf0q2gZwYg$L//X4zbV5yUcXp5FyQaemKH13e+6fyVRXYfk4GSwq/4"


def hashed(password: str, shortest: int = SHORTEST) -> str:
    """What is kept of a password. Raises `WrongUse` for one that is shorter than that, or too long."""
    if not shortest <= len(password) <= LONGEST:
        raise WrongUse(f"A password has {shortest} to {LONGEST} letters, not {len(password)}.")
    with _AT_ONCE:
        return _HASHER.hash(password)


def locks_of(passwords: Sequence[str]) -> tuple[str, ...]:
    """What is kept of passwords that their owner gives away with a link: short ones, too. Raises `WrongUse`."""
    if len(passwords) > MOST_LOCKS or any(not 1 <= len(one) <= LONGEST for one in passwords):
        raise WrongUse(f"An output takes up to {MOST_LOCKS} passwords of 1 to {LONGEST} letters.")
    with _AT_ONCE:
        return tuple(_HASHER.hash(one) for one in passwords)


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
