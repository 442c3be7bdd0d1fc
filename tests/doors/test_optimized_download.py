"""The file of an optimized version, as download managers ask for it (checks 11 to 14)."""

import hashlib
import random
import time
from collections.abc import Iterator

import httpx
import pytest
from doors.conftest import AskedDoor
from doors.optimized import ITEM, App, done, set_up
from servers.jellyfin import running_jellyfin
from sqlalchemy import update

from framemill.store.schema import deliveries

T = "token-4711"
BODY = random.Random(7).randbytes(300_001)  # noqa: S311 - any bytes
N = len(BODY)


class Film:
    """A film that is done, and its app."""

    def __init__(self, app: App, job_id: str) -> None:
        self.app, self.id = app, job_id

    def get(self, method: str = "GET", **headers: str) -> httpx.Response:
        return self.app.ask(
            method, f"/download/{self.id}", headers={k.replace("_", "-"): v for k, v in headers.items()}
        )

    @property
    def status(self) -> str:
        return str(self.app.ask("GET", f"/job-status/{self.id}").json()["status"])


@pytest.fixture
def film(door: AskedDoor) -> Iterator[Film]:
    with running_jellyfin() as server:
        server.users[T] = "a" * 32
        set_up(door, server)
        app = App(door, T)
        job_id = app.post(ITEM)
        done(door, job_id, BODY)
        yield Film(app, job_id)


def test_check_11_head_tells_all_and_takes_nothing_away(film: Film) -> None:
    answer, told = film.get("HEAD"), film.app.ask("GET", f"/job-status/{film.id}").json()
    headers = answer.headers

    assert (answer.status_code, answer.content, headers["content-length"]) == (200, b"", str(N))
    assert (headers["accept-ranges"], headers["content-type"], headers["x-file-size"]) == ("bytes", "video/mp4", str(N))
    assert headers["x-file-checksum"] == hashlib.sha256(BODY).hexdigest() == told["checksum"]
    assert headers["etag"].startswith('"')
    assert (film.status, told["size"]) == ("completed", N)


def test_check_11_what_is_sent_is_what_was_told(film: Film) -> None:
    answer = film.get()
    assert (answer.status_code, answer.headers["content-length"]) == (200, str(N))
    assert hashlib.sha256(answer.content).hexdigest() == answer.headers["x-file-checksum"]


def test_check_12_ranges_are_those_of_rfc_9110(film: Film) -> None:
    first, rest, last = film.get(range="bytes=0-99"), film.get(range="bytes=100-"), film.get(range="bytes=-500")

    assert (first.status_code, first.headers["content-length"]) == (206, "100")
    assert first.headers["content-range"] == f"bytes 0-99/{N}"
    assert rest.status_code == 206
    assert hashlib.sha256(first.content + rest.content).hexdigest() == first.headers["x-file-checksum"]
    assert (last.status_code, last.content) == (206, BODY[-500:])
    beyond = film.get(range=f"bytes={N}-")
    assert (beyond.status_code, beyond.headers["content-range"]) == (416, f"bytes */{N}")
    assert beyond.json()["statusCode"] == 416
    stale = film.get(range="bytes=0-99", if_range='"of-another"')
    assert (stale.status_code, stale.content) == (200, BODY)
    fresh = film.get(range="bytes=0-99", if_range=first.headers["etag"])
    assert fresh.status_code == 206


def test_check_13_what_was_broken_off_is_gone_on_with(film: Film) -> None:
    begun = film.get(range=f"bytes=0-{N // 2}")
    rest = film.get(range=f"bytes={N // 2 + 1}-", if_range=begun.headers["etag"])

    assert begun.headers["etag"] == rest.headers["etag"]
    assert begun.content + rest.content == BODY


def test_check_13_nothing_is_hashed_again_for_a_range(film: Film, door: AskedDoor) -> None:
    """Twenty ranges of a file of a gigabyte, of which the disk has next to nothing."""
    (path,) = (door.parts.files.work / film.id).rglob("*.mp4")
    with path.open("r+b") as file:
        file.truncate(1 << 30)  # a hole: to hash it would take seconds
    with door.database.writing() as conn:
        conn.execute(update(deliveries).values(size=1 << 30))
    film.get(range="bytes=0-99")
    began = time.process_time()
    hashlib.sha256(bytes(1 << 26))
    before = time.process_time()
    answers = [film.get(range=f"bytes={1000 * number}-{1000 * number + 999}") for number in range(20)]

    assert [one.status_code for one in answers] == [206] * 20
    assert (time.process_time() - before) / 20 < 16 * (before - began) / 4, "a quarter of what it takes to hash it"


def test_check_14_a_film_stays_until_its_client_gives_it_up(film: Film) -> None:
    assert film.get().status_code == 200
    assert film.get(range=f"bytes=100-{N - 1}").status_code == 206
    film.app.poll()

    assert (film.status, film.app.statuses()) == ("completed", {film.id: "completed"})
    assert film.get().content == BODY
    film.app.cancel(film.id)
    assert film.get().status_code == 404


def test_what_is_not_done_cannot_be_fetched(film: Film) -> None:
    answer = film.app.ask("GET", f"/download/{film.app.post(ITEM)}")
    assert (answer.status_code, answer.json()["error"]) == (404, "Not Found")
    assert answer.json()["message"] == "File not found or job not completed"
