"""Keys: made, shown once, found again by what is kept of them, revoked."""

import hashlib
import secrets
import string
import zlib
from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime, timedelta

from framemill.errors import Forbidden, KeyRefused, NotFound, WrongUse
from framemill.jobs.accounts import Account, Key
from framemill.jobs.model import new_id
from framemill.services import audit
from framemill.services.callers import ACCOUNT_SCOPES, SCOPES, Caller, Scope
from framemill.store import keys as rows
from framemill.store.accounts import load_account
from framemill.store.database import Database

PREFIX = "fm_"
"""Every key begins so, and ends with a checksum: whoever looks for keys that leaked finds them, and nothing else."""

_LETTERS = string.digits + string.ascii_uppercase + string.ascii_lowercase
_RANDOM, _CHECK = 40, 6  # letters: 238 bits, and 32
_HINT = 9
_LONGEST_DAYS = 3650


def new_key() -> str:
    """A key at random."""
    body = "".join(secrets.choice(_LETTERS) for _ in range(_RANDOM))
    return f"{PREFIX}{body}{_checksum(body)}"


def is_whole(key: str) -> bool:
    """Whether this may be a key of ours at all; a slip of the pen, or a half of one, is not looked for."""
    body, check = key[len(PREFIX) : -_CHECK], key[-_CHECK:]
    return key.startswith(PREFIX) and key.isascii() and len(body) == _RANDOM and check == _checksum(body)


def hash_of(key: str) -> str:
    """What is kept of a key: SHA-256, since keys are long and random."""
    return hashlib.sha256(key.encode()).hexdigest()


def _checksum(body: str) -> str:
    value, letters = zlib.crc32(body.encode("ascii", "replace")), ""
    for _ in range(_CHECK):
        value, rest = divmod(value, len(_LETTERS))
        letters = _LETTERS[rest] + letters
    return letters


class Keys:
    """The keys that a caller may see and make, over the store. Plain functions, called in threads.

    All raise `NotFound` for a key that is not there, or is another account's.
    """

    def __init__(
        self, database: Database, caller: Caller, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._database = database
        self._caller = caller
        self._clock = clock

    def create(
        self,
        name: str,
        *,
        account: str | None = None,
        scopes: Collection[Scope] | None = None,
        days: float | None = None,
        key_id: str | None = None,
        narrowed: Sequence[str] | None = None,
    ) -> tuple[Key, str]:
        """A new key, and what it is: told now, and never again.

        `scopes`: none: whatever an account may do, as far as the caller may. `narrowed`: what of that, as a door says
        it, which alone asks for it. `days`: until it expires; none: never.
        `key_id`: of an earlier try whose answer nobody has seen, if there was one; what it made opens nothing any more.
        Raises `Forbidden` where the key could do more than its maker, and `NotFound` for an account that is not there.
        """
        whose = self._caller.account if account is None else account
        if self._caller.sees not in {None, whose}:
            raise NotFound(f"There is no account {whose!r}.")
        wanted = frozenset(ACCOUNT_SCOPES & self._caller.scopes if scopes is None else scopes)
        if not wanted:
            raise WrongUse(f"A key needs a scope: one of {', '.join(SCOPES)}.")
        if wanted - self._caller.scopes:
            raise Forbidden(
                f"A key can do no more than its maker, who lacks {', '.join(sorted(wanted - self._caller.scopes))}."
            )
        if days is not None and not 0 < days <= _LONGEST_DAYS:
            raise WrongUse(
                f"A key lasts up to {_LONGEST_DAYS} days, not {days:g}; leave it out for one without an end."
            )
        now, secret = self._clock(), new_key()
        key = Key(
            id=key_id or new_id(),
            account=whose,
            name=name,
            hash=hash_of(secret),
            hint=secret[:_HINT],
            scopes=tuple(scope for scope in SCOPES if scope in wanted),
            narrowed=None if narrowed is None else tuple(narrowed),
            expires_at=None if days is None else now + timedelta(days=days),
            created_at=now,
        )
        with self._database.writing() as conn:
            if load_account(conn, whose) is None:
                raise NotFound(f"There is no account {whose!r}.")
            rows.save_key(conn, key)
            audit.note(conn, self._caller, "key.created", key.id, now=now, account=whose, name=name, scopes=key.scopes)
        return key, secret

    def listed(
        self, limit: int, cursor: str | None = None, account: str | None = None
    ) -> tuple[Sequence[Key], str | None]:
        """Keys, newest first, and where to go on."""
        whose = account if self._caller.sees is None else self._caller.sees
        with self._database.reading() as conn:
            found = rows.list_keys(conn, whose, cursor, limit + 1)
        return found[:limit], found[limit - 1].id if len(found) > limit else None

    def shown(self, key_id: str) -> Key:
        """One key."""
        with self._database.reading() as conn:
            key = rows.load_key(conn, key_id)
        if key is None or self._caller.sees not in {None, key.account}:
            raise NotFound(f"There is no key {key_id!r}.")
        return key

    def revoke(self, key_id: str) -> None:
        """The key opens nothing any more, at every replica within `auth.KNOWN_SECONDS`; harmless when it did not."""
        key, now = self.shown(key_id), self._clock()
        with self._database.writing() as conn:
            if rows.revoke_key(conn, key_id, now):
                audit.note(conn, self._caller, "key.revoked", key_id, now=now, account=key.account, name=key.name)


def opened_by(database: Database, secret: str, now: datetime) -> tuple[Key, Account]:
    """The key, and the account that it opens. Raises `KeyRefused`, and `Forbidden` while the account is suspended."""
    found = None
    if is_whole(secret):
        with database.reading() as conn:
            found = rows.find_key(conn, hash_of(secret))
    if found is None:
        raise KeyRefused("The farm does not take this key; its own is in admin.key in its data folder.")
    key, account = found
    if key.revoked_at is not None:
        raise KeyRefused(f"The key {key.hint}… was revoked: ask for another one.")
    if key.expires_at is not None and key.expires_at <= now:
        raise KeyRefused(f"The key {key.hint}… has expired: ask for another one.")
    if account.state == "suspended":
        raise Forbidden("The account is suspended: ask whoever runs the farm.")
    if key.used_at is None or key.used_at < now - rows.USED_EVERY:
        with database.writing() as conn:
            rows.note_use(conn, key.id, now)
    return key, account
