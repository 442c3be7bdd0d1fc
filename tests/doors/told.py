"""What a farm's courier would tell the world of a door's jobs: a real one over its store, for as long as it has to."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from front_door import FrontDoor
from sqlalchemy import Connection

from framemill.serve.telling import SCHEMES
from framemill.services.courier import Courier
from framemill.services.sending import HttpSend
from framemill.storage.guard import Reach
from framemill.store.database import Database
from framemill.store.epochs import take_epoch
from framemill.store.events import untold
from framemill.store.messages import due_messages

_PATIENCE = 60.0


class _Writes:
    """A coordinator's writer, on the spot."""

    def __init__(self, database: Database) -> None:
        self._database = database
        with database.writing() as conn:
            self.epoch = take_epoch(conn)

    async def write(self, change: Callable[[Connection], Any]) -> Any:
        with self._database.writing() as conn:
            return change(conn)


def tell(door: FrontDoor, later_seconds: float = 0.0) -> None:
    """Have everything sent that is due in so many seconds, and wait until it was."""

    def clock() -> datetime:
        return datetime.now(UTC) + timedelta(seconds=later_seconds)

    def quiet() -> bool:
        with door.database.reading() as conn:
            due = due_messages(conn, clock(), busy_hosts=(), busy_streams=(), limit=1)
            return not untold(conn, 1) and not due

    async def scene() -> None:
        send = HttpSend()
        courier = Courier(
            database=door.database,
            writes=_Writes(door.database),
            schemes=SCHEMES,
            seals=door.parts.seals,
            reach=Reach(),
            send=send,
            clock=clock,
            chance=lambda: 0.0,
        )
        running = asyncio.ensure_future(courier.run())
        try:
            async with asyncio.timeout(_PATIENCE):
                while not quiet():
                    await asyncio.sleep(0.02)
                    courier.wake()
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            await send.close()

    asyncio.run(scene())
