"""What happens, as it happens, for all who listen in one process: the store is asked once a tick, and never while
nobody listens. Streams of the API and the dashboard's pages are fed from it."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from sqlalchemy import Connection

from framemill.errors import FarmError
from framemill.jobs.model import Event
from framemill.policy.callbacks import kind_of
from framemill.policy.pace import Pace, Seen, kept, pace_of
from framemill.services.messaging import shown_as_of, shown_of
from framemill.services.schemes import Occasion
from framemill.store.database import Database
from framemill.store.events import events_after
from framemill.store.queue import newest_seq

log = logging.getLogger(__name__)

TICK_SECONDS = 0.1
PROGRESS_TICKS = 10
"""Ticks between two looks at how far jobs are."""
NEWS_AT_ONCE = 500
MOST_BEHIND = 2000
"""Things that wait for one listener; one that is further behind is let go, and comes back where it stopped."""
_PROGRESS_PATIENCE_SECONDS = 2.0

Render: TypeAlias = Callable[[Occasion], str]
"""Writes what happened to a job for those who listen to a whole account."""
ProgressOf: TypeAlias = Callable[[Sequence[str]], Coroutine[Any, Any, Mapping[str, Mapping[str, Any]]]]
"""`frames`, `frames_planned` and `share` of jobs, as the coordinator knows them. Raises `FarmError`."""


@dataclass(frozen=True, slots=True)
class News:
    """Something happened to a job."""

    event: Event
    account: str
    body: str | None = None
    """As it was rendered, for those who listen to an account."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a job is, and how quickly it moves."""

    job_id: str
    frames: int
    frames_planned: int
    pace: Pace
    share: float | None = None
    """Of all that is encoded, by what it takes; none: the frames tell it."""


Told: TypeAlias = News | Progress


class Lagging(Exception):
    """A listener was too slow."""


class Listener:
    """Somebody who listens: to one job, or to an account (none: to all)."""

    def __init__(self, *, job_id: str | None, account: str | None) -> None:
        self.job_id = job_id
        self.account = account
        self.running = False
        """Whether progress of the job is of interest: its listener knows its state."""
        self._queue: asyncio.Queue[Told] = asyncio.Queue(MOST_BEHIND)
        self._lost = False

    def hear(self, told: Told) -> None:
        """Put it where `next` finds it."""
        try:
            self._queue.put_nowait(told)
        except asyncio.QueueFull:
            self._lost = True

    async def next(self, seconds: float) -> Told | None:
        """What was heard next; none: nothing within so long. Raises `Lagging`."""
        if self._lost:
            raise Lagging
        try:
            async with asyncio.timeout(seconds):
                return await self._queue.get()
        except TimeoutError:
            return None


class Feed:
    """Reads what is new while somebody listens, and tells each listener what is theirs."""

    def __init__(
        self,
        database: Database,
        render: Render | None = None,
        progress_of: ProgressOf | None = None,
        *,
        tick_seconds: float = TICK_SECONDS,
    ) -> None:
        self._database = database
        self._render = render
        self._progress_of = progress_of
        self._tick_seconds = tick_seconds
        self._listeners: set[Listener] = set()
        self._reading: asyncio.Task[None] | None = None
        self._starting = asyncio.Lock()
        self._seq = 0
        self._seen: dict[str, list[Seen]] = {}
        self.looks = 0
        """How often the store was asked."""

    @contextlib.asynccontextmanager
    async def listening(self, *, job_id: str | None = None, account: str | None = None) -> AsyncIterator[Listener]:
        """A listener that hears all that happens from now on: what was before is to be read inside the block."""
        listener = Listener(job_id=job_id, account=account)
        async with self._starting:
            if self._reading is None or self._reading.done():
                self._seq = await asyncio.to_thread(self._newest)
                self._listeners.add(listener)
                self._reading = asyncio.ensure_future(self._read())
            self._listeners.add(listener)
        try:
            yield listener
        finally:
            self._listeners.discard(listener)

    def history(self, seq: int, account: str | None, limit: int = NEWS_AT_ONCE, *, rendered: bool = True) -> list[News]:
        """What happened to an account's jobs (none: to all) after that number, oldest first. Blocks."""
        with self._database.reading() as conn:
            return self._news(conn, events_after(conn, seq, limit, account), rendered=rendered)

    async def _read(self) -> None:
        tick = 0
        while self._listeners:
            await asyncio.sleep(self._tick_seconds)
            tick += 1
            try:
                await self._tell_news()
                if tick % PROGRESS_TICKS == 0:
                    await self._tell_progress()
            except Exception:
                log.exception("what is new cannot be read; it is tried again", extra={"action": "feed_failed"})
        self._seen.clear()

    async def _tell_news(self) -> None:
        rendered = any(one.job_id is None for one in self._listeners)
        more = True
        while more:
            news = await asyncio.to_thread(self._newer, self._seq, rendered)
            for one in news:
                for listener in self._who_hears(one):
                    listener.hear(one)
                self._seq = one.event.seq
            more = len(news) == NEWS_AT_ONCE

    def _who_hears(self, news: News) -> Iterator[Listener]:
        for listener in self._listeners:
            if listener.job_id is None:
                if listener.account in {None, news.account}:
                    yield listener
            elif listener.job_id == news.event.job_id:
                yield listener

    async def _tell_progress(self) -> None:
        wanted = {one.job_id for one in self._listeners if one.job_id is not None and one.running}
        self._seen = {job_id: seen for job_id, seen in self._seen.items() if job_id in wanted}
        if not wanted or self._progress_of is None:
            return
        try:
            async with asyncio.timeout(_PROGRESS_PATIENCE_SECONDS):
                told = await self._progress_of(sorted(wanted))
        except (FarmError, TimeoutError):  # events tell what matters
            return
        now = asyncio.get_running_loop().time()
        for job_id, frames in told.items():
            if "bytes" in frames and not frames["frames_planned"]:  # nothing is encoded yet
                continue
            seen = Seen(now, int(frames["frames"]), int(frames["frames_planned"]))
            self._seen[job_id] = kept(self._seen.get(job_id, ()), seen)
            pace = pace_of(self._seen[job_id])
            progress = Progress(job_id, seen.frames, seen.planned, pace, frames.get("share"))
            for listener in self._listeners:
                if listener.job_id == job_id and listener.running:
                    listener.hear(progress)

    # In threads

    def _newest(self) -> int:
        with self._database.reading() as conn:
            return newest_seq(conn)

    def _newer(self, seq: int, rendered: bool) -> list[News]:
        self.looks += 1
        with self._database.reading() as conn:
            return self._news(conn, events_after(conn, seq, NEWS_AT_ONCE), rendered=rendered)

    def _news(self, conn: Connection, found: Sequence[tuple[str, Event]], *, rendered: bool) -> list[News]:
        shown = shown_of(conn, {event.job_id for _, event in found}) if rendered and self._render is not None else {}
        return [
            News(
                event,
                account,
                self._render(Occasion(kind_of(event), event.at, shown_as_of(shown[event.job_id], event)))
                if self._render is not None and event.job_id in shown
                else None,
            )
            for account, event in found
        ]
