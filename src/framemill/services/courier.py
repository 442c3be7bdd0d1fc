"""Tells the world: makes messages of events, and sends each until it is taken or given up.

One per farm, in the process of its coordinator and in its epoch. What is to be sent stands in the store, so one that is
killed at any instant is followed by one that goes on: a message is sent at least once, and always under the same id.
It sleeps until it is woken or a message is due; nothing is asked for in between.
"""

import asyncio
import contextlib
import logging
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from sqlalchemy import Connection

from framemill.errors import EpochOver, FramemillError
from framemill.jobs.telling import Message, Try, Webhook
from framemill.policy.callbacks import TEST, Answer, after, time_limit, verdict
from framemill.sealing import Seals
from framemill.services.messaging import next_round
from framemill.services.schemes import Scheme
from framemill.services.sending import Send
from framemill.services.signing import secrets_for
from framemill.storage.guard import Reach
from framemill.store import messages as message_rows
from framemill.store import webhooks as webhook_rows
from framemill.store.database import Database
from framemill.store.epochs import require_epoch
from framemill.store.events import drop_untold
from framemill.store.messages import Due

log = logging.getLogger(__name__)

AT_ONCE = 200
"""Messages on their way."""
PER_HOST = 4
"""Of them to one receiver; to one that failed last time: 1."""
REST_AFTER = 25
"""Tries that a host may leave unanswered, or answer by a fault of its own, one after the other, before it is left alone
for a while: whoever waits for another host is not held up by it."""
REST_SECONDS = 30.0
GATHER_SECONDS = 0.05
"""What happens within so long is looked at together."""
QUIET_SECONDS = 0.25
"""From one look to the next while much happens that nobody wants to hear of."""
_TROUBLE_SECONDS = 5.0
_FAULTS = 500
"""Statuses from there on are faults of who answers."""


class Writes(Protocol):
    """Where a coordinator writes, and in which epoch."""

    @property
    def epoch(self) -> int:
        """The coordinator's."""
        ...

    async def write(self, change: Callable[[Connection], Any]) -> Any:
        """The change's result, once it is there to stay."""
        ...


@dataclass(frozen=True, slots=True)
class _Letter:
    message: Message
    webhook: Webhook | None


class Courier:
    """Tells receivers of what happened to jobs."""

    def __init__(
        self,
        *,
        database: Database,
        writes: Writes,
        schemes: Mapping[str, Scheme],
        seals: Seals,
        reach: Reach,
        send: Send,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._database = database
        self._writes = writes
        self._schemes = schemes
        self._seals = seals
        self._reach = reach
        self._send = send
        self._clock = clock
        self._chance = chance
        self._awake = asyncio.Event()
        self._over = asyncio.Event()
        self._under_way: dict[asyncio.Task[None], Due] = {}
        self._failing: set[str] = set()
        """Hosts whose last try failed."""
        self._silent: Counter[str] = Counter()
        """Tries that hosts did not answer, or by a fault of theirs, one after the other."""
        self._resting: dict[str, float] = {}
        """Until when, on the loop's clock, hosts are left alone."""
        self._looked_at = 0.0
        self._quiet = False
        """Nothing was to be sent at the last look."""
        self.looks = 0
        """How often the store was asked; nothing is asked of it while nothing happens."""

    def wake(self) -> None:
        """Something may have happened."""
        self._awake.set()

    async def run(self) -> None:
        """Until it is cancelled, or the epoch is over. What is on its way then is sent again by the next one."""
        try:
            while not self._over.is_set():
                self._awake.clear()
                try:
                    more, seconds = await self._look()
                except EpochOver:
                    return
                except Exception:
                    log.exception("the courier is in trouble; it looks again", extra={"action": "courier_failed"})
                    more, seconds = False, _TROUBLE_SECONDS
                if not more:
                    await self._rest(seconds)
        finally:
            for task in self._under_way:
                task.cancel()
            await asyncio.gather(*self._under_way, return_exceptions=True)

    async def _look(self) -> tuple[bool, float | None]:
        """Make messages, and send what is due: whether there is more to do now, and else when (none: who knows)."""
        self.looks += 1
        self._looked_at = asyncio.get_running_loop().time()
        made = await asyncio.to_thread(self._read_round)
        if made.seqs:
            epoch = self._writes.epoch

            def write(conn: Connection) -> None:
                require_epoch(conn, epoch)
                message_rows.add_messages(conn, made.messages)
                drop_untold(conn, made.seqs)

            await self._writes.write(write)
        room = AT_ONCE - len(self._under_way)
        if room <= 0:
            return made.full, None
        busy, streams = self._busy()
        letters, window_full, due_at = await asyncio.to_thread(self._read_due, room, busy, streams)
        for letter in letters:
            self._begin(letter)
        self._quiet = not self._under_way
        seconds = None if due_at is None else max(0.0, (due_at - self._clock()).total_seconds())
        return made.full or (window_full and bool(letters)), seconds

    async def _rest(self, seconds: float | None) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._awake.wait()
        rested = asyncio.get_running_loop().time() - self._looked_at
        await asyncio.sleep(max(GATHER_SECONDS, QUIET_SECONDS - rested) if self._quiet else GATHER_SECONDS)

    # Reading, in threads

    def _read_round(self) -> Any:
        with self._database.reading() as conn:
            return next_round(conn, self._schemes, self._clock(), self._seals)

    def _read_due(self, room: int, busy: set[str], streams: set[str]) -> tuple[list[_Letter], bool, datetime | None]:
        now = self._clock()
        with self._database.reading() as conn:
            due = message_rows.due_messages(conn, now, busy_hosts=busy, busy_streams=streams, limit=room)
            letters = []
            for one in self._chosen(due, streams):
                message = message_rows.load_message(conn, one.id)
                if message is not None:
                    hook = message.webhook_id and webhook_rows.load_webhook(conn, message.webhook_id)
                    letters.append(_Letter(message, hook or None))
            return letters, len(due) == room, message_rows.next_due(conn, now)

    def _busy(self) -> tuple[set[str], set[str]]:
        """Hosts that get nothing more for now, and streams of which something is on its way."""
        hosts, now = Counter(due.host for due in self._under_way.values()), asyncio.get_running_loop().time()
        self._resting = {host: until for host, until in self._resting.items() if until > now}
        return (
            {host for host, count in hosts.items() if count >= self._room_of(host)} | self._resting.keys(),
            {due.stream for due in self._under_way.values()},
        )

    def _chosen(self, due: list[Due], streams: set[str]) -> list[Due]:
        """Of each stream the first, and of each host as many as it gets."""
        hosts = Counter(one.host for one in self._under_way.values())
        taken, chosen = set(streams), []
        for one in due:
            if one.stream not in taken and hosts[one.host] < self._room_of(one.host):
                taken.add(one.stream)
                hosts[one.host] += 1
                chosen.append(one)
        return chosen

    def _room_of(self, host: str) -> int:
        return 1 if host in self._failing else PER_HOST

    # Sending

    def _begin(self, letter: _Letter) -> None:
        message = letter.message
        task = asyncio.ensure_future(self._deliver(letter))
        self._under_way[task] = Due(message.id, message.stream, message.host)
        task.add_done_callback(self._done)

    def _done(self, task: "asyncio.Task[None]") -> None:
        self._under_way.pop(task, None)
        if not task.cancelled() and task.exception() is not None:
            if isinstance(task.exception(), EpochOver):
                self._over.set()
            else:
                log.error("a message could not be noted; it is sent again", exc_info=task.exception())
                asyncio.get_running_loop().call_later(_TROUBLE_SECONDS, self.wake)
                return
        self.wake()

    async def _deliver(self, letter: _Letter) -> None:
        message, hook = letter.message, letter.webhook
        if hook is not None and hook.disabled_at is not None and not message.by_hand:
            await self._write(lambda conn: message_rows.drop_message(conn, message.id, self._clock()))
            return
        answer, tried = await self._tried(message, hook)
        found = verdict(
            message.policy, answer, message.tries + 1, now=self._clock(), chance=self._chance(), once=message.by_hand
        )
        (self._failing.discard if found.state == "delivered" else self._failing.add)(message.host)
        self._note_silence(message.host, answer)

        def note(conn: Connection) -> Webhook | None:
            noted = message_rows.note_try(conn, message, tried, found.state, found.due_at)
            trial = message.by_hand or (message.kind == TEST and not message.policy.trials_count)
            if not noted or hook is None or (found.state != "delivered" and trial):
                return None
            before = webhook_rows.load_webhook(conn, hook.id)
            if before is None:
                return None
            now = after(before, found, tried.at)
            if now != before:
                webhook_rows.save_webhook(conn, now)
            return now if now.disabled_at != before.disabled_at else None

        disabled = await self._write(note)
        level = logging.INFO if found.state == "delivered" else logging.WARNING
        log.log(
            level,
            "%s to %s: %s",
            message.kind,
            message.host,
            tried.error or tried.status,
            extra={"action": "message_tried", "message_id": message.id, "job": message.job_id, "state": found.state},
        )
        if disabled is not None:
            log.warning("webhook %s is disabled: %s", disabled.id, disabled.message)

    def _note_silence(self, host: str, answer: Answer) -> None:
        if answer.status is not None and answer.status < _FAULTS:
            del self._silent[host]
            return
        self._silent[host] += 1
        if self._silent[host] >= REST_AFTER:
            loop = asyncio.get_running_loop()
            self._resting[host] = loop.time() + REST_SECONDS
            loop.call_later(REST_SECONDS, self.wake)

    async def _tried(self, message: Message, hook: Webhook | None) -> tuple[Answer, Try]:
        """Send it; a fault of ours is an answer, too, or the message would be sent for ever."""
        now = self._clock()
        seconds = time_limit(message.policy, message.tries)
        try:
            url = message.url if message.sealed_url is None else self._seals.opened(message.sealed_url)
            keys = secrets_for(message, hook, self._seals, now)
            headers = self._schemes[message.policy.scheme].headers(message, keys, now)
            reach = None if message.policy.trusted else self._reach
            return await self._send(url, message.body.encode(), headers, seconds, reach)
        except FramemillError as error:
            return Answer(None), Try(at=now, error=error.message, seconds=0.0)
        except Exception as error:
            log.exception("message %s cannot be sent", message.id, extra={"action": "message_failed"})
            return Answer(None), Try(at=now, error=f"a fault of the farm's: {type(error).__name__}", seconds=0.0)

    def _write(self, change: Callable[[Connection], Any]) -> Awaitable[Any]:
        epoch = self._writes.epoch

        def guarded(conn: Connection) -> Any:
            require_epoch(conn, epoch)
            return change(conn)

        return self._writes.write(guarded)
