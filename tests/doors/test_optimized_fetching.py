"""What a worker fetches for the door of optimized versions: from the media server itself, and from nobody else (checks
4, 7 and 8)."""

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from doors.conftest import AskedDoor
from doors.optimized import ITEM, App, set_up
from servers.jellyfin import Jellyfin, Movie, running_jellyfin
from servers.scripted import scripted
from sqlalchemy import update

from framemill.errors import SourceError, SourceRefused, SourceUnreachable
from framemill.farm.fetching import Bounds, Fetched, fetched
from framemill.farm.ingesting import ingest_source
from framemill.farm.orders import IngestOrder
from framemill.storage.keyring import way_to
from framemill.storage.local import LocalBlobs
from framemill.store.jobs import load_job
from framemill.store.schema import inputs

T = "token-4711"
PIECES = [bytes([number]) * 1000 for number in range(10)]


@pytest.fixture(params=["", "/jellyfin"], ids=["at its root", "below a path"])
def jellyfin(request: pytest.FixtureRequest) -> Iterator[Jellyfin]:
    with running_jellyfin(base=request.param) as server:
        server.users[T] = "a" * 32
        server.movies[ITEM] = Movie(original=b"film" * 1000, pieces=PIECES, original_status=403)
        yield server


class Worker:
    """Fetches what jobs have been told to."""

    def __init__(self, door: AskedDoor, folder: Path) -> None:
        self.door, self.folder = door, folder
        self.shares: list[float] = []

    def fetched(self, job_id: str) -> Fetched:
        """As a worker does of a farm that opens no network to its clients."""
        with self.door.database.reading() as conn:
            found = load_job(conn, job_id)
        assert found is not None
        (source,) = found[1]
        assert not self.door.parts.allowed_networks
        bounds = Bounds(once="attempt-1" if source.read_once else "")
        way = way_to(source, found[0].account)
        return asyncio.run(fetched(way, self.door.parts.desk.keyring, self.folder, self._heard, bounds))

    def _heard(self, done: int, total: int | None) -> None:
        if total:
            self.shares.append(done / total)


@pytest.fixture
def worker(door: AskedDoor, jellyfin: Jellyfin, tmp_path: Path) -> Worker:
    set_up(door, jellyfin)
    return Worker(door, tmp_path / "fetched")


def test_check_4_hls_is_fetched_piece_by_piece_in_order_by_one_reader(
    door: AskedDoor, jellyfin: Jellyfin, worker: Worker
) -> None:
    here = worker.fetched(App(door, T).post())

    assert Path(here.path).read_bytes() == b"".join(PIECES)
    assert jellyfin.encoders == [0]
    assert len(jellyfin.asked_for("hls1/main")) == len(PIECES)
    assert worker.shares == sorted(worker.shares)
    assert len(set(worker.shares)) == len(PIECES)
    assert {one.token for one in jellyfin.asked} == {T}


def test_check_4_the_original_is_fetched_by_the_users_own_token(
    door: AskedDoor, jellyfin: Jellyfin, worker: Worker
) -> None:
    jellyfin.movies[ITEM].original_status = 200
    here = worker.fetched(App(door, T).post())

    assert Path(here.path).read_bytes() == b"film" * 1000
    assert all(T not in one.target for one in jellyfin.asked), "it goes by a header, which no log of a server has"


def test_check_7_a_long_stream_is_asked_for_once(door: AskedDoor, jellyfin: Jellyfin, worker: Worker) -> None:
    here = worker.fetched(App(door, T).post(kind="stream"))

    assert Path(here.path).read_bytes() == b"".join(PIECES)
    assert [one.method for one in jellyfin.asked_for("/stream") if "static" not in one.target] == ["GET"]


def test_check_7_how_far_it_is_is_told_by_what_is_expected(door: AskedDoor, worker: Worker, tmp_path: Path) -> None:
    job_id = App(door, T).post(kind="stream")
    with door.database.reading() as conn:
        found = load_job(conn, job_id)
    assert found is not None
    (source,) = found[1]
    way = way_to(source, found[0].account)
    order = IngestOrder(
        **way.model_dump(), name="a film", folder=str(tmp_path / "f"), about_bytes=20_000, once="attempt-1"
    )
    told: list[tuple[float, int]] = []

    def heard(share: float, size: int = 0) -> None:
        told.append((share, size))

    asyncio.run(ingest_source(order, heard, LocalBlobs(tmp_path / "blobs"), door.parts.desk.keyring))
    assert {size for _, size in told} == {20_000}
    assert [share for share, _ in told][-1] == 0.5


def test_check_8_a_piece_that_fails_is_not_passed_over(door: AskedDoor, jellyfin: Jellyfin, worker: Worker) -> None:
    jellyfin.movies[ITEM].broken = {4}
    with pytest.raises(SourceUnreachable, match=r"4\.ts answered 500") as caught:
        worker.fetched(App(door, T).post())
    assert T not in caught.value.message
    assert not jellyfin.asked_for(r"main/5\.ts")


@pytest.mark.parametrize("status", [401, 404])
def test_check_9_a_playlist_that_is_not_handed_out_is_told(
    door: AskedDoor, jellyfin: Jellyfin, worker: Worker, status: int
) -> None:
    jellyfin.movies[ITEM].playlist_status = status
    with pytest.raises(SourceError, match=f"answered {status}") as caught:
        worker.fetched(App(door, T).post())
    assert T not in caught.value.message


def test_a_playlist_leads_nowhere_else(door: AskedDoor, jellyfin: Jellyfin, worker: Worker) -> None:
    with scripted(secret=b"of the inner network") as other:
        jellyfin.movies[ITEM].leads_to = f"{other.url}/bucket/secret"
        with pytest.raises(SourceRefused, match="another server"):
            worker.fetched(App(door, T).post())
        assert not other.asked


def test_a_server_that_sends_the_farm_elsewhere_is_not_followed(door: AskedDoor, tmp_path: Path) -> None:
    with scripted() as inner, scripted() as jellyfin, contextlib.ExitStack() as opened:
        inner.files["/secret"] = b"of the inner network"
        known = opened.enter_context(running_jellyfin())
        known.users[T] = "a" * 32
        set_up(door, known, mode="offload")
        job_id = App(door, T).post()
        jellyfin.elsewhere[f"/Videos/{ITEM}/stream"] = f"{inner.url}/secret"
        worker = Worker(door, tmp_path / "fetched")
        with door.database.writing() as conn:
            sealed = door.parts.seals.seal(f"{jellyfin.url}/Videos/{ITEM}/stream?static=true")
            conn.execute(update(inputs).values(sealed_uri=sealed, uri="http://jf/"))
        with pytest.raises(SourceRefused, match="another server"):
            worker.fetched(job_id)
        assert jellyfin.asked
        assert not inner.asked
