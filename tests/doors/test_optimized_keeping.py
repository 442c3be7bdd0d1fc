"""How long a film stays (check 18): what is fetched, what is left, and what nobody comes for."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from doors.conftest import AskedDoor
from doors.optimized import App, done, set_up
from fastapi import Response
from fastapi.responses import StreamingResponse
from servers.jellyfin import Jellyfin, running_jellyfin
from starlette.types import Message

from framemill.api.optimized.files import Watched
from framemill.jobs.model import Output
from framemill.jobs.reasons import Reason
from framemill.jobs.states import Failed, Started
from framemill.store.jobs import load_job, save_job, save_output
from framemill.store.outputs import keep_until

T = "token-4711"
HOUR = timedelta(hours=1)


@pytest.fixture
def jellyfin() -> Iterator[Jellyfin]:
    with running_jellyfin() as server:
        server.users[T] = "a" * 32
        yield server


def finished(door: AskedDoor, jellyfin: Jellyfin, **options: str) -> tuple[App, str]:
    """A film that is done, and its app."""
    set_up(door, jellyfin, **options)
    app = App(door, T)
    job_id = app.post()
    done(door, job_id)
    return app, job_id


def output_of(door: AskedDoor, job_id: str) -> Output:
    with door.database.reading() as conn:
        found = load_job(conn, job_id)
    assert found is not None
    return found[2][0]


def left_of(door: AskedDoor, job_id: str) -> timedelta:
    """How long it has."""
    until = output_of(door, job_id).expires_at
    assert until is not None
    return until - datetime.now(UTC)


def passed(door: AskedDoor, job_id: str, time: timedelta) -> None:
    """As if so much time had gone by since its end."""
    with door.database.writing() as conn:
        found = load_job(conn, job_id)
        assert found is not None
        job, _, (output,) = found
        assert job.ended_at is not None
        older = job.model_copy(update={"ended_at": job.ended_at - time, "version": job.version + 1})
        save_job(conn, older, job.version, "made older", {}, now=datetime.now(UTC))
        if output.expires_at is not None:
            save_output(conn, output.model_copy(update={"expires_at": output.expires_at - time}))


@pytest.mark.parametrize(("options", "hours"), [({}, 168), ({"time_to_keep_files": "8"}, 8)])
def test_check_18_what_nobody_fetches_goes_with_its_time(
    door: AskedDoor, jellyfin: Jellyfin, options: dict[str, str], hours: int
) -> None:
    app, job_id = finished(door, jellyfin, **options)
    passed(door, job_id, hours * HOUR - timedelta(minutes=1))
    assert app.statuses() == {job_id: "optimizing"}
    passed(door, job_id, timedelta(minutes=1))

    assert app.ask("GET", f"/download/{job_id}").status_code == 404
    assert app.poll() == []
    with door.database.reading() as conn:
        assert load_job(conn, job_id) is None


@pytest.mark.parametrize(("options", "hours"), [({}, 168), ({"time_to_keep_files": "8"}, 8)])
def test_a_film_that_has_failed_is_told_as_long(
    door: AskedDoor, jellyfin: Jellyfin, options: dict[str, str], hours: int
) -> None:
    set_up(door, jellyfin, **options)
    app = App(door, T)
    job_id = app.post()
    door.moved(job_id, Started(), Failed(Reason.SOURCE_MISSING, "It is gone."))
    passed(door, job_id, hours * HOUR - timedelta(minutes=1))
    assert app.statuses() == {job_id: "failed"}
    passed(door, job_id, timedelta(minutes=1))
    assert app.statuses() == {}


@pytest.mark.parametrize(("options", "hours"), [({}, 8), ({"time_to_keep_files": "20"}, 20)])
def test_what_its_client_has_left_goes_with_the_time_since_then(
    door: AskedDoor, jellyfin: Jellyfin, options: dict[str, str], hours: int
) -> None:
    app, job_id = finished(door, jellyfin, remove_file_after_right_download="false", **options)
    passed(door, job_id, 6 * HOUR)
    app.cancel(job_id)
    assert abs(left_of(door, job_id) - hours * HOUR) < timedelta(minutes=1)
    passed(door, job_id, HOUR)
    app.cancel(job_id)
    assert abs(left_of(door, job_id) - (hours - 1) * HOUR) < timedelta(minutes=1), "to say so twice is nothing new"

    passed(door, job_id, (hours - 1) * HOUR)
    assert app.ask("GET", "/all-jobs").json() == []


@pytest.mark.parametrize("options", [{}, {"time_to_keep_files": "8"}])
def test_a_film_that_is_being_fetched_stays_another_hour(
    door: AskedDoor, jellyfin: Jellyfin, options: dict[str, str]
) -> None:
    app, job_id = finished(door, jellyfin, **options)
    ample = output_of(door, job_id)
    app.ask("GET", f"/download/{job_id}")
    assert output_of(door, job_id) == ample, "there is time enough, so nothing is written"
    passed(door, job_id, left_of(door, job_id) - timedelta(minutes=5))
    late = output_of(door, job_id)
    app.ask("HEAD", f"/download/{job_id}")
    app.poll()
    assert output_of(door, job_id) == late, "nothing was fetched"

    assert app.ask("GET", f"/download/{job_id}", headers={"Range": "bytes=0-1"}).status_code == 206
    assert left_of(door, job_id) > HOUR
    once = output_of(door, job_id)
    app.ask("GET", f"/download/{job_id}", headers={"Range": "bytes=2-"})
    assert output_of(door, job_id) == once, "not at every request"
    passed(door, job_id, left_of(door, job_id))
    assert app.ask("GET", f"/download/{job_id}").status_code == 404


def test_who_leaves_a_film_while_it_is_fetched_has_the_time_that_it_stays_then(
    door: AskedDoor, jellyfin: Jellyfin
) -> None:
    _, job_id = finished(door, jellyfin)
    output = output_of(door, job_id)
    with door.database.writing() as conn:
        keep_until(conn, output.id, datetime.now(UTC) + HOUR, at_least=True)
    assert output_of(door, job_id) == output
    with door.database.writing() as conn:
        keep_until(conn, output.id, datetime.now(UTC) + HOUR)
    assert left_of(door, job_id) <= HOUR


def test_a_film_that_takes_long_to_be_fetched_stays_with_every_part_of_it() -> None:
    over = datetime.now(UTC)
    sent: list[Message] = []
    renewed: list[int] = []

    def renew() -> datetime:
        renewed.append(len(sent))
        return over if len(renewed) < 3 else over + 2 * HOUR

    async def nothing() -> Message:
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    async def run(answer: Response) -> None:
        await Watched(answer, over + 2 * HOUR, renew)(SCOPE, nothing, send)
        assert not renewed
        await Watched(answer, over, renew)(SCOPE, nothing, send)

    parts = [b"a", b"", b"b", b"c", b"d"]
    asyncio.run(run(Response()))
    assert not renewed, "it has no bytes"
    asyncio.run(run(StreamingResponse(Again(parts))))
    assert len(renewed) == 3, "at each part, as long as its end is near"


class Again:
    """The same parts, as often as they are asked for."""

    def __init__(self, parts: list[bytes]) -> None:
        self.parts = parts

    def __aiter__(self) -> "Again":
        self.left = iter(self.parts)
        return self

    async def __anext__(self) -> bytes:
        for part in self.left:
            return part
        raise StopAsyncIteration


SCOPE = {"type": "http", "method": "GET", "headers": [], "asgi": {"spec_version": "2.4"}}
