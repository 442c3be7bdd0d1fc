"""What a door may keep for its clients beside jobs: made, read, changed, forgotten."""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection

from framemill.errors import Conflict, NotFound, TooLarge
from framemill.jobs.keepsakes import Keepsake
from framemill.jobs.model import could_be_id
from framemill.sealing import Seals
from framemill.services.callers import Caller
from framemill.services.idempotency import Ids
from framemill.store import keepsakes as rows
from framemill.store.database import Database

MOST = 100
"""Of one kind that an account may have kept."""
MOST_BYTES = 64 << 10
"""Of what is kept of one of them, as JSON; of what is secret likewise."""


class Keepsakes:
    """Those of one kind that a caller has at a door. Plain functions: an event loop calls them in threads.

    All raise `NotFound` for what is not there, or is another account's, another door's or of another kind.
    """

    def __init__(
        self,
        database: Database,
        seals: Seals,
        *,
        caller: Caller,
        door: str,
        kind: str,
        ids: Ids | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._database = database
        self._seals = seals
        self._account = caller.account
        self._door = door
        self._kind = kind
        self._ids = ids or Ids()
        self._clock = clock

    def made(self, name: str, data: Mapping[str, Any], secrets: Mapping[str, Any] | None = None) -> Keepsake:
        """A new one. Raises `Conflict` where the account has too many, and `TooLarge` where it is too large."""
        kept = self._new(name, data, secrets)
        with self._database.writing() as conn:
            if rows.count_keepsakes(conn, self._account, self._door, self._kind) >= MOST:
                raise Conflict(f"There are {MOST} of them already: remove one first.")
            rows.save_keepsake(conn, kept)
        return kept

    def only(self, name: str, data: Mapping[str, Any], secrets: Mapping[str, Any]) -> Keepsake:
        """The one that an account has of this kind, written whole and over what there was, which nobody reads: its
        secrets may be lost. Raises `TooLarge` where it is too large."""
        kept = self._new(name, data, secrets)
        with self._database.writing() as conn:
            for before in rows.keepsakes_of(conn, self._account, self._door, self._kind)[:1]:
                kept = kept.model_copy(update={"id": before.id, "created_at": before.created_at})
            rows.save_keepsake(conn, kept)
        return kept

    def listed(self) -> list[Keepsake]:
        """All of them, oldest first."""
        with self._database.reading() as conn:
            return rows.keepsakes_of(conn, self._account, self._door, self._kind)

    def shown(self, kept_id: str) -> Keepsake:
        """One of them."""
        with self._database.reading() as conn:
            return self._loaded(conn, kept_id)

    def secrets(self, kept: Keepsake) -> dict[str, Any]:
        """What is sealed of it. Raises `KeyRefused` where the farm's secret has changed."""
        found: dict[str, Any] = {} if kept.sealed is None else json.loads(self._seals.opened(kept.sealed))
        return found

    def changed(
        self,
        kept_id: str,
        *,
        name: str | None = None,
        data: Mapping[str, Any] | None = None,
        secrets: Mapping[str, Any] | None = None,
    ) -> Keepsake:
        """What is named is laid over what there was, field by field. Raises `TooLarge` where that becomes too large."""
        with self._database.writing() as conn:
            before = self._loaded(conn, kept_id)
            changes: dict[str, Any] = {"updated_at": self._clock(), "data": _small({**before.data, **(data or {})})}
            if name is not None:
                changes["name"] = name
            if secrets:
                changes["sealed"] = self._sealed({**self.secrets(before), **secrets})
            after = before.model_copy(update=changes)
            rows.save_keepsake(conn, after)
        return after

    def removed(self, kept_id: str) -> None:
        """Forget one."""
        with self._database.writing() as conn:
            rows.remove_keepsake(conn, self._loaded(conn, kept_id).id)

    def _new(self, name: str, data: Mapping[str, Any], secrets: Mapping[str, Any] | None) -> Keepsake:
        now = self._clock()
        return Keepsake(
            id=self._ids(),
            account=self._account,
            door=self._door,
            kind=self._kind,
            name=name,
            data=_small(data),
            sealed=self._sealed(secrets),
            created_at=now,
            updated_at=now,
        )

    def _sealed(self, secrets: Mapping[str, Any] | None) -> str | None:
        return self._seals.seal(json.dumps(_small(secrets))) if secrets else None

    def _loaded(self, conn: Connection, kept_id: str) -> Keepsake:
        found = rows.load_keepsake(conn, kept_id) if could_be_id(kept_id) else None
        mine = (self._account, self._door, self._kind)
        if found is None or (found.account, found.door, found.kind) != mine:
            raise NotFound(f"There is no {kept_id!r}.")
        return found


def _small(said: Mapping[str, Any]) -> dict[str, Any]:
    if len(json.dumps(dict(said), ensure_ascii=False).encode()) > MOST_BYTES:
        raise TooLarge(f"What is kept under one name takes up to {MOST_BYTES >> 10} KiB: leave something out.")
    return dict(said)
