"""Scenes on a clock that nobody waits for, and a store that is lost to whoever dies in the scene."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, TypeVar

from benchmarks.scale_clock import VirtualLoop
from sqlalchemy import Connection

from framemill.store.database import Database

MOST_SECONDS = 900.0
"""Of the virtual clock: longer than that no test waits for anything."""

T = TypeVar("T")


class Killed(Exception):
    """This coordinator is dead: it reads nothing and writes nothing any more."""


Fate = Callable[[Connection | None], bool]
"""Whether it dies now: inside a transaction that is about to be committed, or (none) after one was."""


class MortalDatabase(Database):
    """A store that is lost to its coordinator in the moment that its fate says."""

    def __init__(self, like: Database) -> None:
        self.url, self._write, self._read = like.url, like._write, like._read
        self.death = asyncio.Event()
        self.fate: Fate = lambda _: False
        self.writes = 0

    @contextlib.contextmanager
    def writing(self) -> Iterator[Connection]:
        self._live()
        with super().writing() as conn:
            yield conn
            self._meet(conn)
        self.writes += 1
        self._meet(None)

    @contextlib.contextmanager
    def reading(self) -> Iterator[Connection]:
        self._live()
        with super().reading() as conn:
            yield conn

    @property
    def dead(self) -> bool:
        return self.death.is_set()

    def _live(self) -> None:
        if self.dead:
            raise Killed

    def _meet(self, conn: Connection | None) -> None:
        if not self.dead and self.fate(conn):
            self.death.set()
        self._live()


def play(scene: Coroutine[Any, Any, T]) -> T:
    """Run a scene on a clock of its own; whatever it leaves behind ends with it."""

    async def timed() -> T:
        async with asyncio.timeout(MOST_SECONDS):
            return await scene

    unforeseen: list[dict[str, Any]] = []
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.get_loop().set_exception_handler(lambda _, context: unforeseen.append(context))
        result = runner.run(timed())
    # What a dead coordinator still says is of no interest.
    assert [told for told in unforeseen if not isinstance(told.get("exception"), Killed)] == []
    return result
