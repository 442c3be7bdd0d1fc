"""What a worker does at targets in real stores of every kind: what is there in the end, or why it is not."""

import asyncio
import hashlib
import random
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pytest

pytest.importorskip("google.cloud.storage", reason="package missing: pip install framemill[gcs]")

from servers.ftp import PASSWORD, USER, FtpServer, ftp_server
from servers.ftp import Manners as FtpManners
from servers.gcs import GcsServer, running_gcs
from servers.sftp import Manners as SftpManners
from servers.sftp import SftpServer, asyncssh_server
from storage.places import Place

from framemill.farm.delivering import at_target
from framemill.farm.orders import (
    Delivered,
    DeliverOrder,
    Result,
    TargetOrder,
    TargetSeen,
    Withdrawn,
    WithdrawOrder,
    WrittenFile,
)
from framemill.jobs.reasons import Reason
from framemill.sealing import Seals
from framemill.storage.access import ACCESS, Access, FtpAccess, GcsAccess, SftpAccess
from framemill.storage.address import address_of
from framemill.storage.keyring import Keyring, Way

BYTES = random.Random(11).randbytes(9_000_001)  # noqa: S311
SMALL = b"#EXTM3U\n"
SECRET = "hunter2two"  # noqa: S105 - wherever something is opened with it

KEYRING = Keyring(seals=Seals("a secret of the farm's own"), guarded=False)

STORES = [
    "in_folder",
    "in_moto",
    "in_gcs",
    "in_ftp",
    "in_sftp",
    "in_drive",
    pytest.param("in_openssh", marks=pytest.mark.servers),
    pytest.param("in_ceph", marks=pytest.mark.servers),
    pytest.param("in_azurite", marks=pytest.mark.servers),
]

R = TypeVar("R", bound=Result)


def gcs(server: GcsServer) -> Place:
    return Place(address_of("gs://box/"), GcsAccess(keyfile=server.keyfile, endpoint=server.endpoint))


def ftp(server: FtpServer, password: str = PASSWORD) -> Place:
    return Place(address_of(f"ftp://127.0.0.1:{server.port}/"), FtpAccess(user=USER, password=password))


def sftp(server: SftpServer) -> Place:
    access = SftpAccess(user=server.user, private_key=server.private_key, host_key=server.host_key)
    return Place(address_of(f"sftp://127.0.0.1:{server.port}/"), access)


@pytest.fixture
def place(request: pytest.FixtureRequest) -> Place:
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Place)
    return found


everywhere = pytest.mark.parametrize("place", STORES, indirect=True)


@dataclass
class Worker:
    """Carries out orders with files of a folder."""

    folder: Path
    shares: list[float] = field(default_factory=list)

    def file(self, path: str, body: bytes) -> WrittenFile:
        place = self.folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(body)
        md5 = hashlib.md5(body, usedforsecurity=False).hexdigest()
        return WrittenFile(path=path, size=len(body), sha256=hashlib.sha256(body).hexdigest(), md5=md5)

    def sends(self, place: Place, name: str, files: Mapping[str, bytes], **more: Any) -> Result:
        written = tuple(self.file(path, body) for path, body in files.items())
        order = DeliverOrder(way=way(place, name), folder=len(files) > 1, place=str(self.folder), files=written, **more)
        return asyncio.run(at_target(order, self.shares.append, KEYRING))

    def sees(self, place: Place, name: str, **more: Any) -> Result:
        order = TargetOrder(way=way(place, name), name="film", **{"folder": False, **more})
        return asyncio.run(at_target(order, self.shares.append, KEYRING))


def way(place: Place, name: str) -> Way:
    sealed = None if place.access is None else sealed_access(place.access)
    uri = str(place.root).rstrip("/") + f"/{name}"
    return Way(uri=uri, sealed_access=sealed)


def sealed_access(access: Access) -> str:
    assert KEYRING.seals is not None
    return KEYRING.seals.seal(ACCESS.dump_json(access).decode())


def content(place: Place, name: str) -> bytes:
    storage = place.storage()
    try:
        return b"".join(storage.stream(place.path(name)))
    finally:
        storage.close()


def names(place: Place) -> list[str]:
    storage = place.storage()
    try:
        return [one.path.removeprefix(place.root.path) for one in storage.list(place.root.path)]
    finally:
        storage.close()


@pytest.fixture
def worker(tmp_path: Path) -> Worker:
    return Worker(tmp_path / "output")


@everywhere
def test_a_file_and_a_package_are_put_there(place: Place, worker: Worker) -> None:
    assert worker.sends(place, "a/film (1) ü.mp4", {"output.mp4": BYTES}) == Delivered()
    package = {"720p/0.m4s": BYTES[:100_000], "720p/playlist.m3u8": SMALL, "master.m3u8": SMALL}
    assert worker.sends(place, "hls/", package) == Delivered()
    assert content(place, "a/film (1) ü.mp4") == BYTES
    assert content(place, "hls/720p/0.m4s") == BYTES[:100_000]
    assert names(place) == sorted(["a/film (1) ü.mp4", *(f"hls/{path}" for path in package)])
    assert max(worker.shares) == 1.0


@everywhere
def test_a_target_is_seen_and_left_as_it_was(place: Place, worker: Worker) -> None:
    assert worker.sees(place, "a/film.mp4", prove=True) == TargetSeen()
    assert worker.sees(place, "a/hls/", prove=True, folder=True) == TargetSeen()
    assert names(place) == []
    worker.sends(place, "a/film.mp4", {"output.mp4": SMALL})
    worker.sends(place, "a/film (2).mp4", {"output.mp4": SMALL})
    assert worker.sees(place, "a/film.mp4", prove=True) == TargetSeen(there=True)
    assert worker.sees(place, "a/", prove=True, folder=True) == TargetSeen(there=True)
    assert worker.sees(place, "a/film.mp4", rename=True) == TargetSeen(there=True, number=3)
    assert worker.sees(place, "a/", rename=True, folder=True) == TargetSeen(there=True, number=2)
    assert worker.sees(place, "b/", rename=True, folder=True) == TargetSeen()
    assert names(place) == ["a/film (2).mp4", "a/film.mp4"]


@everywhere
def test_what_is_there_is_replaced_or_stays(place: Place, worker: Worker) -> None:
    worker.sends(place, "film.mp4", {"output.mp4": b"theirs"})
    refused = worker.sends(place, "film.mp4", {"output.mp4": SMALL}, if_exists="fail")
    assert (refused.reason, content(place, "film.mp4")) == (Reason.TARGET_REFUSED, b"theirs")
    assert "already" in refused.message
    assert worker.sends(place, "film.mp4", {"output.mp4": SMALL}) == Delivered()
    assert content(place, "film.mp4") == SMALL
    # An earlier try has put it there, and nobody was told.
    assert worker.sends(place, "film.mp4", {"output.mp4": SMALL}, if_exists="fail") == Delivered()


@everywhere
def test_what_is_ours_is_taken_back_and_nothing_else(place: Place, worker: Worker) -> None:
    worker.sends(place, "hls/", {"0.m4s": BYTES[:1000], "1.m4s": b"theirs"})
    files = (worker.file("0.m4s", BYTES[:1000]), worker.file("1.m4s", b"ours!!"), worker.file("2.m4s", b"never came"))
    order = WithdrawOrder(way=way(place, "hls/"), folder=True, files=files)
    assert asyncio.run(at_target(order, worker.shares.append, KEYRING)) == Withdrawn()
    assert names(place) == ["hls/1.m4s"]


def test_a_number_is_part_of_the_name(in_folder: Place, worker: Worker) -> None:
    worker.sends(in_folder, "film.mp4", {"output.mp4": SMALL}, number=2)
    worker.sends(in_folder, "v1.2/", {"a.m4s": SMALL, "b.m4s": SMALL}, number=3)
    assert names(in_folder) == ["film (2).mp4", "v1.2 (3)/a.m4s", "v1.2 (3)/b.m4s"]


# What goes wrong


def wrong(place: Place, **access: Any) -> Place:
    assert place.access is not None
    return Place(place.root, place.access.model_copy(update=access))


def elsewhere(place: Place, host: str) -> Place:
    return Place(place.root.model_copy(update={"host": host}), place.access)


def refusals(worker: Worker, place: Place) -> list[Result]:
    """Of the look before, and of the delivery."""
    return [worker.sees(place, "film.mp4", prove=True), worker.sends(place, "film.mp4", {"output.mp4": BYTES})]


@pytest.mark.parametrize("place", [STORES[1], STORES[2], *STORES[-2:]], indirect=True)
def test_a_bucket_that_is_not_there(place: Place, worker: Worker) -> None:
    for result in refusals(worker, elsewhere(place, "no-such-bucket")):
        assert result.reason is Reason.TARGET_REFUSED
        assert "no-such-bucket" in result.message


@pytest.mark.parametrize(
    ("place", "access"),
    [
        ("in_ftp", {"password": SECRET}),
        ("in_sftp", {"private_key": "", "password": SECRET}),
        ("in_drive", {"token": SECRET}),
        pytest.param("in_ceph", {"secret_access_key": SECRET}, marks=pytest.mark.servers),
        pytest.param("in_ceph", {"access_key_id": SECRET}, marks=pytest.mark.servers),
        pytest.param("in_azurite", {"key": "aHVudGVyMnR3bw=="}, marks=pytest.mark.servers),
    ],
    indirect=["place"],
)
def test_credentials_that_do_not_open_it(place: Place, worker: Worker, access: Mapping[str, str]) -> None:
    for result in refusals(worker, wrong(place, **access)):
        assert result.reason is Reason.TARGET_REFUSED
        assert result.message.startswith("film.mp4 could not be put at ")
        assert not any(secret in result.message for secret in access.values() if secret)


def test_a_key_that_was_withdrawn(worker: Worker) -> None:
    with running_gcs() as server:
        server.make_bucket("box")
        place = gcs(server)
        assert worker.sees(place, "film.mp4", prove=True) == TargetSeen()
        server.manners.withdrawn = True
        assert [result.reason for result in refusals(worker, place)] == [Reason.TARGET_REFUSED] * 2


def test_a_server_without_room(tmp_path: Path, worker: Worker) -> None:
    (tmp_path / "served").mkdir()
    with ftp_server(tmp_path / "served", FtpManners(room=100_000)) as server:
        assert worker.sends(ftp(server), "film.mp4", {"output.mp4": BYTES}).reason is Reason.TARGET_FULL
        assert names(ftp(server)) == []
    (tmp_path / "full").mkdir()
    with asyncssh_server(tmp_path / "full", SftpManners(room=100_000)) as server:
        assert worker.sends(sftp(server), "film.mp4", {"output.mp4": BYTES}).reason is Reason.TARGET_FULL


def test_nobody_answers(in_moto: Place, worker: Worker) -> None:
    for result in refusals(worker, wrong(in_moto, endpoint="http://127.0.0.1:1")):
        assert result.reason is Reason.TARGET_UNREACHABLE


@everywhere
def test_a_stopped_delivery_leaves_nothing(place: Place, worker: Worker) -> None:
    file = worker.file("output.mp4", BYTES * 4)
    order = DeliverOrder(way=way(place, "film.mp4"), folder=False, place=str(worker.folder), files=(file,))

    async def scene() -> float:
        begun = asyncio.Event()
        loop = asyncio.get_running_loop()

        def told(_: float) -> None:
            loop.call_soon_threadsafe(begun.set)

        sending = asyncio.ensure_future(at_target(order, told, KEYRING))
        await asyncio.wait_for(begun.wait(), 30)
        began = time.monotonic()
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        return time.monotonic() - began

    assert asyncio.run(scene()) < 10  # it waits for the store for a second; a busy machine may take some more
    pause = threading.Event()  # whoever is slow to notice clears away after that
    assert any(not names(place) or pause.wait(0.1) for _ in range(200))
