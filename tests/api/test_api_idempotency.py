"""`Idempotency-Key`: the same request is carried out once, whoever is killed in between."""

import asyncio
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from front_door import KEY
from sqlalchemy import func, select, update
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from framemill.api import idempotency
from framemill.errors import FarmError, WrongUse
from framemill.jobs.model import new_id
from framemill.services.idempotency import HELD_FOR, Ids, Kept, Once, nth
from framemill.store.account_tables import idempotency as claims
from framemill.store.account_tables import keys as key_table
from framemill.store.database import Database
from framemill.store.schema import jobs
from framemill.store.writer import Writer

Door = Any
Want = Callable[..., dict[str, Any]]


def count(database: Database, table: Any) -> int:
    with database.reading() as conn:
        return int(conn.execute(select(func.count()).select_from(table)).scalar_one())


def under(key: str) -> dict[str, str]:
    return {"Idempotency-Key": key}


def test_a_second_try_is_told_what_came_of_the_first(door: Door, want: Want, database: Database) -> None:
    first = door.post("/v1/jobs", want(), headers=under("k"))
    again = door.post("/v1/jobs", want(), headers=under("k"))
    assert (again.status_code, again.content) == (first.status_code, first.content) == (201, first.content)
    assert again.headers["Location"] == first.headers["Location"]
    assert again.headers["Idempotency-Replayed"] == "true"
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["X-Request-Id"] != first.headers["X-Request-Id"]
    assert count(database, jobs) == 1
    assert door.nudged == [[first.json()["id"]]]
    other = door.post("/v1/jobs", want(), headers=under("another"))
    assert other.json()["id"] != first.json()["id"]
    plain = door.post("/v1/jobs", want(), headers=under(""))
    assert plain.status_code == 201
    assert count(database, jobs) == 3


def test_a_key_belongs_to_one_request(door: Door, want: Want) -> None:
    assert door.post("/v1/jobs", want(), headers=under("k")).status_code == 201
    for path, body in (("/v1/jobs", want(priority=1)), ("/v1/jobs?x=1", want()), ("/v1/keys", {"name": "x"})):
        answer = door.post(path, body, headers=under("k"))
        assert (answer.status_code, answer.json()["error"]["code"]) == (409, "idempotency_conflict")
    for wrong in ("ü", "x" * 256, "a\tb"):
        answer = door.ask("POST", "/v1/jobs", headers={"Idempotency-Key": wrong.encode("latin-1")})
        assert answer.status_code == 422, answer.text
    huge = door.ask("POST", "/v1/jobs", content=b"x" * (5 << 20), headers=under("big"))
    assert (huge.status_code, huge.json()["error"]["code"]) == (413, "too_large")
    assert door.post("/v1/jobs", want(), headers=under("k"), key="wrong").status_code == 401


def test_each_account_has_its_own_keys(door: Door, want: Want, database: Database) -> None:
    door.post("/v1/accounts", {"name": "a", "id": "a"})
    key = door.post("/v1/keys", {"name": "a", "account": "a"}).json()["key"]
    mine = door.post("/v1/jobs", want(), headers=under("k"), key=key)
    theirs = door.post("/v1/jobs", want(), headers=under("k"))
    assert mine.json()["id"] != theirs.json()["id"]
    assert count(database, jobs) == 2


def test_a_new_key_is_told_again_and_nowhere_to_be_read(door: Door, database: Database) -> None:
    first = door.post("/v1/keys", {"name": "ci"}, headers=under("k"))
    again = door.post("/v1/keys", {"name": "ci"}, headers=under("k"))
    secret = first.json()["key"]
    assert again.json()["key"] == secret
    assert count(database, key_table) == 1
    with database.reading() as conn:
        row = conn.execute(select(claims)).one()
    assert secret.encode() not in bytes(row.body)
    assert secret not in str(row)


def test_refusals_are_kept_but_not_those_that_say_later(door: Door, want: Want, database: Database) -> None:
    door.post("/v1/accounts", {"name": "a", "id": "a", "quotas": {"queued_jobs": 0}})
    key = door.post("/v1/keys", {"name": "a", "account": "a"}).json()["key"]
    assert door.post("/v1/jobs", want(), headers=under("k"), key=key).status_code == 429
    door.ask("PATCH", "/v1/accounts/a", json={"quotas": {"queued_jobs": 1}})
    later = door.post("/v1/jobs", want(), headers=under("k"), key=key)
    assert later.status_code == 201
    assert "Idempotency-Replayed" not in later.headers
    wrong = [door.post("/v1/jobs", {"inputs": 5}, headers=under("w")) for _ in range(2)]
    assert [one.status_code for one in wrong] == [422, 422]
    assert wrong[1].headers["Idempotency-Replayed"] == "true"


@pytest.mark.parametrize("lost", ["before", "after"])
def test_whoever_was_killed_has_made_it_once(door: Door, want: Want, database: Database, lost: str) -> None:
    """1. A replica claims the request, and maybe writes the job. 2. It is killed before it keeps the answer. 3. The
    client asks again, of another replica: not at once, but soon, and is told of one job."""
    first = door.post("/v1/jobs", want(), headers=under("k"))
    forgotten: dict[str, Any] = {"status": None, "body": None, "headers": []}
    with database.writing() as conn:
        conn.execute(update(claims).values(**forgotten, held_at=datetime.now(UTC) - HELD_FOR - timedelta(seconds=1)))
        if lost == "before":
            conn.execute(jobs.delete())
    again = door.post("/v1/jobs", want(), headers=under("k"))
    assert (again.status_code, again.json()["id"]) == (201, first.json()["id"])
    assert again.json()["outputs"] == first.json()["outputs"] or lost == "before"
    assert count(database, jobs) == 1
    with database.reading() as conn:
        assert conn.execute(select(claims.c.status)).scalar_one() == 201


def test_a_key_whose_answer_was_lost_is_made_anew_in_its_place(door: Door, database: Database) -> None:
    lost = door.post("/v1/keys", {"name": "ci"}, headers=under("k")).json()
    with database.writing() as conn:
        past = datetime.now(UTC) - HELD_FOR * 2
        conn.execute(update(claims).values(status=None, body=None, headers=[], held_at=past))
    again = door.post("/v1/keys", {"name": "ci"}, headers=under("k")).json()
    assert again["id"] == lost["id"]
    assert again["key"] != lost["key"]
    assert door.get("/v1/jobs", key=again["key"]).status_code == 200
    assert door.get("/v1/jobs", key=lost["key"]).status_code == 401
    assert count(database, key_table) == 1


def test_twins_at_the_same_time_make_one(door: Door, want: Want, database: Database) -> None:
    async def ask() -> list[httpx.Response]:
        transport = httpx.ASGITransport(app=door.app)
        headers = {"Authorization": f"Bearer {KEY}", **under("k")}
        async with httpx.AsyncClient(transport=transport, base_url="http://farm.example") as client:
            return await asyncio.gather(*(client.post("/v1/jobs", json=want(), headers=headers) for _ in range(8)))

    answers = asyncio.run(ask())
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert count(database, jobs) == 1


class Held:
    """An application that answers when it is told to."""

    def __init__(self, answer: Callable[[], Response]) -> None:
        self.go = threading.Event()
        self.begun = threading.Event()
        self.answer = answer
        self.served = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.served += 1
        self.begun.set()
        body = await Request(scope, receive).body()
        assert body == b"{}"
        await asyncio.to_thread(self.go.wait, 10)
        await self.answer()(scope, receive, send)


def behind(door: Door, app: Held) -> idempotency.Idempotency:
    return idempotency.Idempotency(app, once=Once(door.database, door.parts.seals, Writer(door.database)))


async def asked(door: Door, guard: idempotency.Idempotency) -> httpx.Response:
    async def with_app(scope: Any, receive: Any, send: Any) -> None:
        scope["app"] = door.app
        scope["state"] = {}
        await guard(scope, receive, send)

    transport = httpx.ASGITransport(app=with_app)
    async with httpx.AsyncClient(transport=transport, base_url="http://farm.example") as client:
        headers = {"Authorization": f"Bearer {KEY}", **under("k")}
        return await client.post("/v1/x", content=b"{}", headers=headers)


def test_a_twin_that_has_waited_long_enough_is_told_to_come_back(door: Door) -> None:
    app = Held(lambda: JSONResponse({}, 201))
    guard = behind(door, app)
    guard.wait_seconds = 0.2

    async def both() -> tuple[httpx.Response, httpx.Response, httpx.Response]:
        first = asyncio.ensure_future(asked(door, guard))
        await asyncio.to_thread(app.begun.wait, 10)
        twin = await asked(door, guard)
        app.go.set()
        return await first, twin, await asked(door, guard)

    first, twin, third = asyncio.run(both())
    assert (first.status_code, third.status_code) == (201, 201)
    assert (twin.status_code, twin.json()["error"]["code"]) == (409, "idempotency_in_progress")
    assert twin.headers["Retry-After"] == "1"
    assert third.headers["Idempotency-Replayed"] == "true"
    assert app.served == 1


def test_a_request_that_takes_long_is_not_taken_over(door: Door) -> None:
    noon = datetime(2030, 5, 17, 12, tzinfo=UTC)
    times = [noon]
    once = Once(door.database, door.parts.seals, Writer(door.database), clock=lambda: times[-1])
    app = Held(lambda: JSONResponse({}, 201))
    guard = idempotency.Idempotency(app, once=once)
    guard.wait_seconds, guard.beat_seconds = 0.2, 0.02

    def said_at(moment: datetime) -> bool:
        with door.database.reading() as conn:
            held_at = conn.execute(select(claims.c.held_at)).scalar_one()
        return bool(held_at == moment)

    async def both() -> tuple[httpx.Response, httpx.Response]:
        first = asyncio.ensure_future(asked(door, guard))
        await asyncio.to_thread(app.begun.wait, 10)
        for _ in range(3):
            times.append(times[-1] + HELD_FOR * 0.9)
            async with asyncio.timeout(10):
                while not await asyncio.to_thread(said_at, times[-1]):
                    await asyncio.to_thread(threading.Event().wait, 0.01)
        twin = await asked(door, guard)
        app.go.set()
        return await first, twin

    first, twin = asyncio.run(both())
    assert (first.status_code, twin.status_code, app.served) == (201, 409, 1)


def test_an_answer_of_the_farms_own_fault_is_not_kept(door: Door) -> None:
    answers = [JSONResponse({"error": 1}, 503), JSONResponse({"fine": 1}, 201)]
    app = Held(lambda: answers.pop(0))
    app.go.set()
    guard = behind(door, app)

    async def twice() -> list[int]:
        return [(await asked(door, guard)).status_code for _ in range(3)]

    assert asyncio.run(twice()) == [503, 201, 201]
    assert app.served == 2


def test_whoever_goes_away_leaves_the_request_to_the_next(door: Door) -> None:
    def fail() -> Response:
        raise FarmError("cut off")

    app = Held(fail)
    app.go.set()
    guard = behind(door, app)

    async def twice() -> int:
        with pytest.raises(FarmError):
            await asked(door, guard)
        app.answer = lambda: JSONResponse({}, 201)
        return (await asked(door, guard)).status_code

    assert asyncio.run(twice()) == 201


def test_what_is_kept_is_forgotten_after_a_day(door: Door) -> None:
    noon = datetime(2030, 5, 17, 12, tzinfo=UTC)
    times = [noon]
    once = Once(door.database, door.parts.seals, Writer(door.database), clock=lambda: times[-1])

    async def ask() -> None:
        mine = await once.begun("a", "k", [b"POST", b"/", b"body"])
        assert mine is not None
        assert not isinstance(mine, Kept)
        await once.answered(mine, 201, [("a", "b")], bytes(range(256)))
        times.append(noon + timedelta(hours=23))
        assert await once.begun("a", "k", [b"POST", b"/", b"body"]) == Kept(201, [("a", "b")], bytes(range(256)))
        with pytest.raises(WrongUse):
            await once.begun("a", "k", [b"POST", b"/b", b"ody"])
        times.append(noon + timedelta(hours=25))
        assert not isinstance(await once.begun("a", "k", [b"POST", b"/", b"body"]), Kept)

    asyncio.run(ask())


def test_ids_under_a_key_follow_from_it_and_sort() -> None:
    seed = new_id()
    ids, again = Ids(seed), Ids(seed)
    made = [ids() for _ in range(50)]
    assert made == [again() for _ in range(50)] == sorted(made)
    assert len(set(made)) == 50
    assert {one[:13] for one in made} == {seed[:13]}
    assert {one[14] for one in made} == {"7"}
    assert nth(new_id(), 0) != made[0]
    again.turn_to("b")
    of_b = [again(), again()]
    later = Ids(seed)
    later.turn_to("b")
    assert [later(), later()] == of_b
    assert len({*made, *of_b}) == 52
    later.turn_to("a")
    assert later() not in of_b
    later.turn_to("b")  # another one of that name
    assert later() not in of_b
    assert Ids()() != Ids()()
    assert not Ids().again
