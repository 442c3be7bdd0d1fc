"""A courier on a clock that nobody waits for, over a real store: what is sent, when, and across deaths."""

import asyncio
import contextlib
import sys
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

# Its clock is that of the benchmarks, which are no part of the package: they are found beside it.
sys.path.insert(0, str(Path(__file__).parents[3]))

from made_store import made_store
from mortal import Killed, MortalDatabase, play
from sqlalchemy import Connection, select

from framemill.jobs import lifecycle
from framemill.jobs.model import Callback, CallbackPolicy, Input, Job
from framemill.jobs.states import CancelAsked, JobEvent, StartAsked
from framemill.jobs.telling import Message, Try, Webhook
from framemill.policy.callbacks import Answer
from framemill.sealing import Seals
from framemill.services.courier import REST_AFTER, REST_SECONDS, Courier
from framemill.services.messaging import test_message as message_to_try
from framemill.services.schemes import Occasion, Scheme
from framemill.services.signing import standard_headers
from framemill.storage.guard import Reach
from framemill.store import messages as message_rows
from framemill.store import webhooks as webhook_rows
from framemill.store.database import Database
from framemill.store.epochs import take_epoch
from framemill.store.exchange_tables import messages
from framemill.store.jobs import add_job, load_job, save_job
from framemill.store.schema import outbox

NOON = datetime(2030, 5, 17, 12, 0, tzinfo=UTC)
SEALS = Seals("a farm's secret")
URL = "https://a.example/hook"


def words(occasion: Occasion) -> str:
    state = "" if occasion.shown is None else occasion.shown.job.state.value
    return f"{occasion.kind} {state}".strip()


SCHEMES = {"native": Scheme(words, standard_headers)}

Reply = Callable[[str, str], "int | BaseException | None"]


class Receivers:
    """The world: what it was told, and when; it answers by host and body, after a while."""

    def __init__(self) -> None:
        self.heard: list[tuple[float, str, str, str]] = []
        """When, host, message id, body."""
        self.replies: Reply = lambda _host, _body: 200
        self.seconds: Callable[[str], float] = lambda _host: 0.01
        self.most_at_once = 0
        self.under_way: list[str] = []

    async def __call__(
        self, url: str, body: bytes, headers: Mapping[str, str], seconds: float, reach: Reach | None
    ) -> tuple[Answer, Try]:
        host = url.split("/")[2]
        self.under_way.append(host)
        self.most_at_once = max(self.most_at_once, len(self.under_way))
        try:
            async with asyncio.timeout(seconds):
                await asyncio.sleep(self.seconds(host))
        except TimeoutError:
            return Answer(None), Try(at=clock(), error="no answer", seconds=seconds)
        finally:
            self.under_way.remove(host)
        self.heard.append((asyncio.get_running_loop().time(), host, headers["webhook-id"], body.decode()))
        reply = self.replies(host, body.decode())
        if isinstance(reply, BaseException):
            raise reply
        return Answer(reply), Try(at=clock(), status=reply, seconds=0.01)

    @property
    def bodies(self) -> list[str]:
        return [body for *_, body in self.heard]


def clock() -> datetime:
    return NOON + timedelta(seconds=asyncio.get_running_loop().time())


class Writes:
    """A coordinator's writer, on the spot."""

    def __init__(self, database: Database) -> None:
        self.database = database
        with database.writing() as conn:
            self.epoch = take_epoch(conn)

    async def write(self, change: Callable[[Connection], Any]) -> Any:
        with self.database.writing() as conn:
            return change(conn)


class Town:
    """A store with jobs, receivers, and a courier after the other."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.world = Receivers()
        self.couriers: list[Courier] = []

    def job(self, name: str = "j", *, account: str = "a", callbacks: tuple[Callback, ...] = ()) -> str:
        job = Job(id=name, account=account, door="native", created_at=NOON, callbacks=callbacks, start="held")
        with self.database.writing() as conn:
            add_job(conn, job, [Input(job_id=name, uri="https://example.org/in.mov")], [])
        return name

    def move(self, name: str, *events: JobEvent) -> None:
        with self.database.writing() as conn:
            for event in events:
                found = load_job(conn, name)
                assert found is not None
                moved, (notice, *_) = lifecycle.handle(found[0], event, NOON)
                assert isinstance(notice, lifecycle.Notify)
                save_job(conn, moved, found[0].version, notice.kind, notice.data, now=NOON)

    def hook(self, url: str = URL, **fields: Any) -> Webhook:
        made = Webhook(
            **{
                **{"account": "a", "url": url, "sealed_secret": SEALS.seal("whsec_" + "a" * 32), "kinds": ("*",)},
                **{"created_at": NOON, **fields},
            }
        )
        with self.database.writing() as conn:
            webhook_rows.add_webhook(conn, made)
        return made

    def courier(self, database: Database | None = None) -> Courier:
        store = database or self.database
        made = Courier(
            database=store,
            writes=Writes(store),
            schemes=SCHEMES,
            seals=SEALS,
            send=self.world,
            reach=Reach(),
            clock=clock,
            chance=lambda: 0.0,
        )
        self.couriers.append(made)
        return made

    @contextlib.asynccontextmanager
    async def running(self, database: Database | None = None) -> Any:
        courier = self.courier(database)
        task = asyncio.ensure_future(courier.run())
        try:
            yield courier
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def run(self, seconds: float = 10.0) -> None:
        async def scene() -> None:
            async with self.running():
                await asyncio.sleep(seconds)

        play(scene())

    @property
    def messages(self) -> list[Message]:
        with self.database.reading() as conn:
            return message_rows.list_messages(conn, None, limit=1000)[::-1]

    @property
    def untold(self) -> int:
        with self.database.reading() as conn:
            return len(conn.execute(select(outbox.c.seq)).all())

    def found(self, hook: Webhook) -> Webhook:
        with self.database.reading() as conn:
            found = webhook_rows.load_webhook(conn, hook.id)
        assert found is not None
        return found


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    database = made_store(tmp_path / "farm.db")
    yield Town(database)
    database.close()


def test_every_receiver_is_told_once_and_nothing_stays_untold(town: Town) -> None:
    town.hook()
    town.hook("https://b.example/", kinds=("job.cancelled",))
    town.hook("https://stranger.example/", account="b")
    town.job(callbacks=(Callback(url="https://c.example/", on="change"), Callback(url="https://d.example/")))
    town.move("j", StartAsked(), CancelAsked())

    town.run()

    told = {host: [body for _, at, _, body in town.world.heard if at == host] for _, host, _, _ in town.world.heard}
    all_of_it = ["job.created held", "job.queued queued", "job.cancelled cancelled"]
    assert told == {
        "a.example": all_of_it,
        "b.example": all_of_it[2:],
        "c.example": all_of_it,
        "d.example": all_of_it[2:],
    }
    assert town.untold == 0
    assert {one.state for one in town.messages} == {"delivered"}
    assert all(one.tries == 1 and one.story[0].status == 200 and one.ended_at for one in town.messages)


def test_a_job_that_nobody_hears_of_leaves_nothing(town: Town) -> None:
    town.job()
    town.run()
    assert (town.untold, town.messages, town.world.heard) == (0, [], [])


def test_a_failed_try_comes_again_under_the_same_id(town: Town) -> None:
    replies = iter([500, None, 301, 200])
    town.world.replies = lambda *_: next(replies)
    town.job(callbacks=(Callback(url=URL, on="change", retry_seconds=(10, 20, 30)),))

    town.run(100)

    assert [round(at) for at, *_ in town.world.heard] == [0, 10, 30, 60]
    assert len({message_id for _, _, message_id, _ in town.world.heard}) == 1
    (message,) = town.messages
    assert (message.state, message.tries, [one.status for one in message.story]) == (
        *("delivered", 4),
        [500, None, 301, 200],
    )


def test_first_tries_of_a_stream_go_out_in_order(town: Town) -> None:
    town.world.seconds = lambda _: 1.0 if len(town.world.heard) == 0 else 0.01
    town.job(callbacks=(Callback(url=URL, on="change"),))
    town.move("j", StartAsked(), CancelAsked())
    town.run()
    assert [body.split()[1] for body in town.world.bodies] == ["held", "queued", "cancelled"]


def test_a_slow_receiver_holds_up_nobody_else(town: Town) -> None:
    town.world.seconds = lambda host: 9.0 if host == "slow.example" else 0.01
    for number in range(50):
        town.job(f"s{number}", callbacks=(Callback(url="https://slow.example/", on="change"),))
    for number in range(20):
        town.job(f"q{number}", callbacks=(Callback(url="https://quick.example/", on="change"),))

    async def scene() -> None:
        async with town.running():
            await asyncio.sleep(1.0)

    play(scene())
    assert [host for _, host, _, _ in town.world.heard] == ["quick.example"] * 20
    assert town.world.most_at_once <= 8


def test_a_host_that_does_not_answer_for_long_is_left_alone_for_a_while(town: Town) -> None:
    silent = REST_AFTER + 1
    heard: list[float] = []

    def reply(host: str, _body: str) -> int | None:
        if host != "silent.example":
            return 404
        heard.append(asyncio.get_running_loop().time())
        return None if len(heard) <= silent else 200

    town.world.replies = reply
    for number in range(silent + 2):
        one = Callback(url="https://silent.example/", on="change", retry_seconds=(1000,))
        town.job(f"j{number:02}", callbacks=(one,))
    town.job("z", callbacks=(Callback(url="https://other.example/", on="change", retry_seconds=()),))
    town.run(4 * REST_SECONDS)

    assert len(heard) == silent + 2
    pauses = [round(after - before) for before, after in pairwise(heard) if after - before > 1]
    assert pauses == [REST_SECONDS] * (silent - REST_AFTER + 1)
    others = [at for at, host, *_ in town.world.heard if host != "silent.example"]
    assert (len(others), others[0] < REST_SECONDS) == (1, True)


def test_an_idle_courier_asks_nothing(town: Town) -> None:
    town.job(callbacks=(Callback(url=URL, on="change"),))

    async def scene() -> tuple[int, int]:
        async with town.running() as courier:
            await asyncio.sleep(10)
            before = courier.looks
            await asyncio.sleep(600)
            return before, courier.looks

    before, later = play(scene())
    assert before == later <= 4


@pytest.mark.parametrize("turns", range(4))
def test_one_that_is_ended_while_it_is_woken_ends(town: Town, turns: int) -> None:
    town.world.replies = lambda *_: 500
    town.job(callbacks=(Callback(url=URL, on="change", retry_seconds=(500,)),))

    async def scene() -> None:
        async with town.running() as courier:
            await asyncio.sleep(10)  # it waits for the next try
            courier.wake()
            for _ in range(turns):  # until what it waits for has come true, and it has not run yet
                await asyncio.sleep(0)

    async def in_time() -> None:
        async with asyncio.timeout(60):
            await scene()

    play(in_time())


def test_it_sleeps_until_a_message_is_due(town: Town) -> None:
    town.world.replies = lambda *_: 500
    town.job(callbacks=(Callback(url=URL, on="change", retry_seconds=(500,)),))
    town.run(600)
    assert [round(at) for at, *_ in town.world.heard] == [0, 500]
    assert town.couriers[0].looks <= 6


def test_a_webhook_that_fails_for_long_is_disabled_and_its_messages_dropped(town: Town) -> None:
    town.world.replies = lambda *_: 500
    policy = CallbackPolicy(retry_seconds=(10,) * 8, disable_after=3)
    hook = town.hook(policy=policy)
    town.job()
    town.run(100)
    found = town.found(hook)
    assert (found.failures, found.reason, found.disabled_at is not None) == (3, "failing", True)
    assert [(one.state, one.tries) for one in town.messages] == [("dropped", 3)]
    town.job("k")
    town.run()
    assert len(town.messages) == 1


def test_one_that_is_gone_is_told_nothing_more(town: Town) -> None:
    town.world.replies = lambda *_: 410
    hook = town.hook()
    town.job()
    town.run(100)
    assert [one.state for one in town.messages] == ["failed"]
    assert town.found(hook).reason == "gone"


def test_a_trial_is_sent_once_and_counts_for_nothing(town: Town) -> None:
    town.world.replies = lambda *_: 500
    hook = town.hook(policy=CallbackPolicy(disable_after=1))
    with town.database.writing() as conn:
        message_rows.add_messages(conn, [message_to_try(hook, SCHEMES["native"], NOON)])
    town.run(800)
    assert town.world.bodies == ["webhook.test"]
    assert town.found(hook).disabled_at is None
    assert [one.state for one in town.messages] == ["failed"]


def test_what_was_delivered_can_be_sent_once_more(town: Town) -> None:
    town.hook()
    town.job()
    town.run()
    (message,) = town.messages
    with town.database.writing() as conn:
        message_rows.send_again(conn, message.id, NOON)
    town.run()
    assert [message_id for _, _, message_id, _ in town.world.heard] == [message.id, message.id]
    assert [(one.state, one.tries) for one in town.messages] == [("delivered", 2)]


def test_a_fault_of_ours_is_a_failed_try_and_not_a_loop(town: Town) -> None:
    town.world.replies = lambda *_: ZeroDivisionError()
    town.job(callbacks=(Callback(url=URL, on="change", retry_seconds=(60,)),))
    town.run(30)
    (message,) = town.messages
    assert (len(town.world.heard), message.tries) == (1, 1)
    assert "ZeroDivisionError" in (message.story[0].error or "")


def test_an_address_that_was_sealed_with_another_secret_fails_with_the_reason(town: Town) -> None:
    sealed = Seals("another farm's").seal(URL)
    town.job(callbacks=(Callback(url=URL, sealed_url=sealed, on="change", retry_seconds=()),))
    town.run()
    (message,) = town.messages
    assert (message.state, town.world.heard) == ("failed", [])
    assert "secret.key" in (message.story[0].error or "")


@pytest.mark.parametrize("after_commit", [False, True])
@pytest.mark.parametrize("nth", range(1, 8))
def test_killed_at_any_write_nothing_is_lost_and_ids_stay(town: Town, nth: int, after_commit: bool) -> None:
    """Writes: the epoch, the messages, then the note of each try; it dies before or after one is committed."""
    town.world.seconds = lambda host: 0.01 if host == "a.example" else 0.02
    town.hook()
    town.job(callbacks=(Callback(url="https://c.example/", on="change"),))
    town.move("j", StartAsked())
    mortal = MortalDatabase(town.database)
    writes = 0

    def fate(conn: Connection | None) -> bool:
        nonlocal writes
        writes += conn is not None
        return writes == nth and (conn is None) == after_commit

    async def scene() -> None:
        mortal.fate = fate
        with contextlib.suppress(Killed):
            async with town.running(mortal):
                await asyncio.wait([asyncio.ensure_future(mortal.death.wait())], timeout=5.0)
        async with town.running():
            await asyncio.sleep(120)

    play(scene())
    assert mortal.dead == (writes >= nth)
    assert (town.untold, [one.state for one in town.messages]) == (0, ["delivered"] * 4)
    expected = {"job.created held", "job.queued queued"}
    for host in ("a.example", "c.example"):
        heard = [(message_id, body) for _, at, message_id, body in town.world.heard if at == host]
        assert {body for _, body in heard} == expected
        assert len(set(heard)) == 2


def test_killed_between_sending_and_noting_it_is_sent_again_under_the_same_id(town: Town) -> None:
    town.job(callbacks=(Callback(url=URL, on="change"),))
    mortal = MortalDatabase(town.database)

    def reply(_host: str, _body: str) -> int:
        mortal.death.set()
        return 200

    town.world.replies = reply

    async def scene() -> None:
        async with town.running(mortal):
            await mortal.death.wait()
        async with town.running():
            await asyncio.sleep(60)

    play(scene())
    assert len(town.world.heard) == 2
    assert len({message_id for _, _, message_id, _ in town.world.heard}) == 1
    assert [(one.state, one.tries) for one in town.messages] == [("delivered", 1)]


def test_one_whose_epoch_is_over_notes_nothing_more(town: Town) -> None:
    town.world.seconds = lambda _: 1.0
    town.job(callbacks=(Callback(url=URL, on="change"),))

    async def scene() -> None:
        first = asyncio.ensure_future(town.courier().run())
        await asyncio.sleep(0.5)
        with town.database.writing() as conn:
            take_epoch(conn)
        await asyncio.wait_for(first, 5.0)

    play(scene())
    assert [(one.state, one.tries) for one in town.messages] == [("waiting", 0)]


def test_one_whose_epoch_is_over_makes_no_messages(town: Town) -> None:
    town.job(callbacks=(Callback(url=URL, on="change"),))

    async def scene() -> None:
        stale = town.courier()
        with town.database.writing() as conn:
            take_epoch(conn)
        await asyncio.wait_for(stale.run(), 5.0)

    play(scene())
    assert (town.messages, town.untold) == ([], 1)


def test_old_messages_are_forgotten(town: Town) -> None:
    town.hook()
    for name in ("j", "k", "l"):
        town.job(name)
    town.run()
    with town.database.writing() as conn:
        assert message_rows.forget_messages(conn, NOON - timedelta(days=30), keep=3, limit=10) == 0
        for name, days in (("j", 31), ("k", 2), ("l", 1)):
            conn.execute(
                messages.update().where(messages.c.job_id == name).values(ended_at=NOON - timedelta(days=days))
            )
        assert message_rows.forget_messages(conn, NOON - timedelta(days=30), keep=3, limit=10) == 1
        assert message_rows.forget_messages(conn, NOON - timedelta(days=30), keep=1, limit=10) == 1
    assert [one.job_id for one in town.messages] == ["l"]
