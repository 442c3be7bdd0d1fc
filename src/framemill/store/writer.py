"""Writing from an event loop: what waits at the same time is written in one transaction."""

import asyncio
import logging
import threading
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import Connection

from framemill.errors import FarmError
from framemill.store.batches import Batch, Change, Outcome
from framemill.store.database import Database
from framemill.store.trouble import is_trouble

log = logging.getLogger(__name__)

Result = TypeVar("Result")

MOST_AT_ONCE = 500
"""Changes of one transaction: other processes wait for its end."""

IDLE_SECONDS = 10.0
"""How long a writer's thread waits for more."""


class _Answer(asyncio.Future[Any]):
    """Comes in any case: a task that is cancelled while it waits for it is cancelled when it has come."""

    def cancel(self, msg: Any | None = None) -> bool:
        """Never: what was asked for is made."""
        return False


class _Asked(NamedTuple):
    change: Change
    loop: asyncio.AbstractEventLoop
    answer: _Answer


class _Round(NamedTuple):
    asked: list[_Asked]
    batch: Batch


class Writer:
    """Group commit. Changes are made in the order in which they were asked for, each for itself: all of it or nothing.

    `patient`: while the database as a whole fails (a full disk, a lost server, a missing file), nothing is refused:
    `on_trouble` hears the error once, the changes are tried again every `retry_seconds`, and `on_trouble` hears None as
    soon as they are written. It is called in the thread that writes. Without `patient`, the error goes to those who
    asked.

    Its thread begins with the first wish and ends when there was none for a while: a writer that is not closed leaves
    nothing behind.

    `inline`: no thread of its own; the event loop writes, after its turn. For a simulation, whose loop has a clock of
    its own.
    """

    def __init__(
        self,
        database: Database,
        *,
        patient: bool = False,
        on_trouble: Callable[[BaseException | None], None] | None = None,
        inline: bool = False,
        retry_seconds: float = 1.0,
        idle_seconds: float = IDLE_SECONDS,
    ) -> None:
        self._database = database
        self._patient = patient
        self._on_trouble = on_trouble
        self._retry_seconds = retry_seconds
        self._idle_seconds = idle_seconds
        self._in_trouble = False
        self._asked: list[_Asked] = []
        self._more = threading.Condition()
        self._closed = threading.Event()
        self._inline = inline
        self._thread: threading.Thread | None = None
        # Inline: what is being written, and when it goes on.
        self._round: _Round | None = None
        self._turn: asyncio.Handle | None = None

    async def write(self, change: Callable[[Connection], Result]) -> Result:
        """The change's result, once it is committed; raises what the change raised, and has then written nothing.

        A change that was asked for is made, also when its caller is cancelled: the caller then ends when that is done.
        It may be made more than once before it is written, so it touches nothing but the database.
        Raises `FarmError` after `close`; `DiskFull` and SQLAlchemy's errors, where not patient.
        """
        loop = asyncio.get_running_loop()
        answer = _Answer(loop=loop)
        with self._more:
            if self._closed.is_set():
                raise FarmError("The farm is stopping, and nothing more is written: ask again when it is up.")
            self._asked.append(_Asked(change, loop, answer))
            if self._thread is None and not self._inline:
                self._thread = threading.Thread(target=self._run, name="writer", daemon=True)
                self._thread.start()
            self._more.notify()
        if self._inline and self._turn is None:
            self._turn = loop.call_soon(self._take_turn, loop)
        try:
            result: Result = await answer
        except asyncio.CancelledError:
            if answer.done():
                answer.exception()  # nobody else will ask for it
            raise
        return result

    def close(self) -> None:
        """Write what was asked for, and end; what is in trouble is tried once more, and then refused."""
        with self._more:
            self._closed.set()
            self._more.notify()
            thread = self._thread
        if thread is not None:
            thread.join()
        elif self._turn is not None:
            self._turn.cancel()
            while mine := self._round or self._next():
                self._write_inline(mine)

    def _run(self) -> None:
        while True:
            with self._more:
                if not self._more.wait_for(lambda: self._asked or self._closed.is_set(), self._idle_seconds):
                    self._thread = None  # whoever comes next begins another one
                    return
            mine = self._next()
            if mine is None:
                return
            while (outcomes := self._tried(mine)) is None:
                self._closed.wait(self._retry_seconds)
            waiting = defaultdict(list)
            for asked, outcome in zip(mine.asked, outcomes, strict=True):
                waiting[asked.loop].append((asked.answer, outcome))
            for loop, answers in waiting.items():
                with suppress(RuntimeError):  # the loop is closed, and nobody waits any more
                    loop.call_soon_threadsafe(_give, answers)

    def _take_turn(self, loop: asyncio.AbstractEventLoop) -> None:
        self._turn = None
        mine = self._round or self._next()
        if mine is None:
            return
        if self._write_inline(mine):
            self._turn = loop.call_soon(self._take_turn, loop) if self._asked else None
        else:
            self._turn = loop.call_later(self._retry_seconds, self._take_turn, loop)

    def _write_inline(self, mine: _Round) -> bool:
        self._round = mine
        outcomes = self._tried(mine)
        if outcomes is None:
            return False
        self._round = None
        _give([(asked.answer, outcome) for asked, outcome in zip(mine.asked, outcomes, strict=True)])
        return True

    def _next(self) -> _Round | None:
        """What waits, oldest first."""
        with self._more:
            some, self._asked = self._asked[:MOST_AT_ONCE], self._asked[MOST_AT_ONCE:]
        return _Round(some, Batch(self._database, [asked.change for asked in some])) if some else None

    def _tried(self, mine: _Round) -> list[Outcome] | None:
        """What became of the changes; none: nothing yet, they are to be tried again."""
        try:
            outcomes = mine.batch.write()
        except BaseException as error:  # noqa: BLE001 (whoever asked gets it; this thread serves others, too)
            if self._patient and is_trouble(error) and not self._closed.is_set():
                self._tell(error)
                return None
            return [Outcome(error=error)] * len(mine.asked)
        self._tell(None)
        return outcomes

    def _tell(self, trouble: BaseException | None) -> None:
        if self._in_trouble == (trouble is not None):
            return
        self._in_trouble = trouble is not None
        if trouble is None:
            log.warning("the database takes writes again", extra={"action": "store_back"})
        else:
            log.error("nothing can be written: %s", trouble, extra={"action": "store_trouble"})
        if self._on_trouble is None:
            return
        try:
            self._on_trouble(trouble)
        except Exception:  # or nothing would ever be written again
            log.exception("whoever hears of trouble is in trouble", extra={"action": "store_trouble"})


def _give(answers: list[tuple[_Answer, Outcome]]) -> None:
    for answer, outcome in answers:
        if outcome.error is None:
            answer.set_result(outcome.result)
        elif isinstance(outcome.error, StopIteration):  # a future takes any error but this
            answer.set_exception(RuntimeError(f"the change raised {outcome.error!r}"))
        else:
            answer.set_exception(outcome.error)
