"""One request, one result, however often it is sent: what came of it is kept under its `Idempotency-Key` for a day.

A request is claimed before anything of it is done, in a transaction of its own, and its answer is kept before it is
sent. Between the two somebody may be killed, and then:

1. Nobody waits for a dead holder for long: a claim that is older than `HELD_FOR` is taken over by the next try.
2. Nothing is made twice: with its claim a request is given a seed, and all that it makes has ids that follow from the
   seed. The next try finds what the lost one has made, under its own id, and tells it again; where that holds a
   secret that nobody has seen (a key, whose answer was lost), it is made anew in its place.

The other way, the answer in the very transaction that makes the job, would be one write less, but every service would
have to know what its route answers, and hold the write lock while that is written.

Answers are sealed, since one may hold a new key; of requests a keyed hash is kept, since one may hold a password.
"""

import asyncio
import hashlib
import hmac
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from framemill.errors import KeyReused
from framemill.jobs.model import new_id
from framemill.sealing import Seals
from framemill.store import idempotency as rows
from framemill.store.database import Database
from framemill.store.idempotency import Claim
from framemill.store.pruning import KEEP_ANSWERS
from framemill.store.writer import Writer

HELD_FOR = timedelta(seconds=60)
"""Whoever carries a request out says more often than that that they are still at it (`Once.still_at_it`)."""

Headers = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Kept:
    """What came of the request before."""

    status: int
    headers: Headers
    body: bytes


class Ids:
    """Ids of what a request makes: new ones; with a seed, the same at every try."""

    def __init__(self, seed: str | None = None) -> None:
        self._seed = seed
        self._part = ""
        self._first = 0
        self._made: Counter[str] = Counter()

    @property
    def again(self) -> bool:
        """Whether what has such an id may be there already."""
        return self._seed is not None

    def __call__(self) -> str:
        """The next one."""
        if self._seed is None:
            return new_id()
        self._made[self._part] += 1
        return nth(self._seed, self._first + self._made[self._part] - 1, self._part)

    def turn_to(self, part: str, first: int = 0) -> None:
        """What comes next belongs to that part of the request: its ids do not depend on what other parts have made.

        `first`: the number that they sort by.
        """
        self._part = part
        self._first = first


def nth(seed: str, number: int, part: str = "") -> str:
    """A UUIDv7 of the seed's millisecond that follows from it, the part and the number.

    Those of a part sort by their numbers up to 4095.
    """
    moment = UUID(seed).int >> 80
    told = f"{seed}/{number}/{part}" if part else f"{seed}/{number}"
    rest = int.from_bytes(hashlib.sha256(told.encode()).digest()[:8]) & ((1 << 62) - 1)
    return str(UUID(int=moment << 80 | 7 << 76 | min(number, 0xFFF) << 64 | 2 << 62 | rest))


class Once:
    """Claims requests and keeps their answers: from an event loop, written with whatever else is being written."""

    def __init__(
        self,
        database: Database,
        seals: Seals,
        writer: Writer,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._database = database
        self._writer = writer
        self._seals = seals
        self._key = seals.key("idempotency")
        self._clock = clock

    async def begun(self, account: str, key: str, request: Sequence[bytes]) -> Claim | Kept | None:
        """Our claim: carry it out; or what came of it before; or none: somebody is at it, ask again.

        `request`: method, path and body. Raises `KeyReused` where the key belongs to another request.
        """
        now, holder = self._clock(), new_id()
        told = hmac.new(self._key, b"\0".join(hashlib.sha256(part).digest() for part in request), "sha256").hexdigest()
        fresh = Claim(
            account=account,
            key=key,
            request_hash=told,
            holder=holder,
            held_at=now,
            made_id=new_id(),
            created_at=now,
        )
        found = await asyncio.to_thread(self._known, account, key)  # most who come a second time come late
        if found is None or found.status is None or found.created_at < now - KEEP_ANSWERS:
            found = await self._writer.write(
                lambda conn: rows.claim(
                    conn, fresh, forgotten_before=now - KEEP_ANSWERS, given_up_before=now - HELD_FOR
                )
            )
        if found.request_hash != told:
            raise KeyReused("This Idempotency-Key belongs to another request: take a new one for each.")
        if found.status is not None:
            return Kept(found.status, [(name, value) for name, value in found.headers], self._opened(found.body))
        return found if found.holder == holder else None

    async def answered(self, mine: Claim, status: int, headers: Headers, body: bytes) -> None:
        """Keep the answer, unless somebody else has taken the request over meanwhile: theirs says the same."""
        sealed = self._seals.seal(body.decode("latin-1")).encode()
        await self._writer.write(lambda conn: rows.answered(conn, mine, status, headers, sealed))

    async def still_at_it(self, mine: Claim) -> None:
        """Nobody is to take the request over yet."""
        now = self._clock()
        await self._writer.write(lambda conn: rows.hold_on(conn, mine, now))

    async def let_go(self, mine: Claim) -> None:
        """Nothing that is worth keeping came of it: the next try begins at once."""
        await self._writer.write(lambda conn: rows.let_go(conn, mine))

    def _known(self, account: str, key: str) -> Claim | None:
        with self._database.reading() as conn:
            return rows.load_claim(conn, account, key)

    def _opened(self, sealed: bytes | None) -> bytes:
        return b"" if sealed is None else self._seals.opened(sealed.decode()).encode("latin-1")
