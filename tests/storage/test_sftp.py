"""SFTP with OpenSSH's server, and with one in a thread that can be full, break off, or know no renaming over."""

import contextlib
import os
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

pytest.importorskip("asyncssh", reason="package missing: pip install framemill[sftp]")

from servers.sftp import PASSPHRASE, PASSWORD, Manners, SftpServer, asyncssh_server, keys, locked, openssh

from framemill.errors import (
    StorageBroken,
    StorageExists,
    StorageFull,
    StorageMissing,
    StorageRefused,
    StorageUnreachable,
)
from framemill.storage.access import SftpAccess
from framemill.storage.address import address_of
from framemill.storage.base import Sending
from framemill.storage.guard import Reach
from framemill.storage.opening import Patience
from framemill.storage.sftp import SftpStorage

BYTES = os.urandom(1 << 20) * 3


@pytest.fixture(params=["asyncssh", pytest.param("openssh", marks=pytest.mark.servers)])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SftpServer]:
    starting = asyncssh_server if request.param == "asyncssh" else openssh
    with starting(tmp_path) as started:
        films = started.root / "films"
        films.mkdir()
        (films / "a b.mov").write_bytes(BYTES)
        yield started


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "clip.mp4"
    path.write_bytes(BYTES)
    return path


@contextlib.contextmanager
def entered(server: SftpServer, access: Mapping[str, str] = {}, reach: Reach | None = None) -> Iterator[SftpStorage]:
    """With the key, unless `access` says something else."""
    key = {"private_key": server.private_key, "host_key": server.host_key}
    entry = SftpAccess.model_validate({"user": server.user, **key, **access})
    address = address_of(f"sftp://127.0.0.1:{server.port}/")
    patience = Patience(silence_seconds=5, retries=2)
    storage = SftpStorage(address, entry, reach, patience)
    try:
        yield storage
    finally:
        storage.close()


def names(server: SftpServer) -> list[str]:
    return sorted(path.relative_to(server.root).as_posix() for path in server.root.rglob("*") if path.is_file())


def test_what_is_there_is_read(server: SftpServer) -> None:
    film = f"{server.path}/films/a b.mov".lstrip("/")
    with entered(server) as storage:
        assert storage.stat(film).size == len(BYTES)
        assert storage.stat(film).modified is not None
        assert b"".join(storage.stream(film)) == BYTES
        assert b"".join(storage.stream(film, 1_000_003)) == BYTES[1_000_003:]
        assert storage.read(film, 255, 1_700_001) == BYTES[255:1_700_001]
        assert storage.read(film, len(BYTES) - 5, len(BYTES) + 5) == BYTES[-5:]
        assert storage.read(film, len(BYTES), len(BYTES) + 5) == b""
        assert list(storage.stream(film, len(BYTES))) == []


def test_what_is_written_is_there(server: SftpServer, clip: Path) -> None:
    heard: list[tuple[int, int | None]] = []
    with entered(server) as storage:
        path = f"{server.path}/new/deep/ü.mp4".lstrip("/")
        stat = storage.write(path, clip, Sending(), lambda *so_far: heard.append(so_far))
    assert (stat.path, stat.size) == (path, len(BYTES))
    assert (server.root / "new/deep/ü.mp4").read_bytes() == BYTES
    assert names(server) == ["films/a b.mov", "new/deep/ü.mp4"]
    assert heard[-1] == (len(BYTES), len(BYTES))


def test_all_below_a_folder_is_listed(server: SftpServer) -> None:
    for name in ("films/a/z.mov", "films/a.mov", "films/a/b/c.mov"):
        (server.root / name).parent.mkdir(exist_ok=True, parents=True)
        (server.root / name).write_text(name)
    (server.root / "films" / "again").symlink_to(server.root / "films")
    (server.root / "films" / "link.mov").symlink_to("a.mov")
    prefix = f"{server.path}/films/".lstrip("/")
    with entered(server) as storage:
        listed = [(stat.path.removeprefix(prefix), stat.size) for stat in storage.list(prefix)]
        sizes = [("a b.mov", len(BYTES)), ("a.mov", 11), ("a/b/c.mov", 15), ("a/z.mov", 13), ("link.mov", 11)]
        assert listed == sizes
        assert list(storage.list(f"{server.path}/nowhere/".lstrip("/"))) == []


def test_what_is_not_there_is_missing(server: SftpServer) -> None:
    with entered(server) as storage:
        for path in ("films/none.mov", "nowhere/none.mov", "films", "films/a b.mov/x"):
            there = f"{server.path}/{path}".lstrip("/")
            with pytest.raises(StorageMissing):
                storage.stat(there)
            with pytest.raises(StorageMissing):
                b"".join(storage.stream(there))
        storage.delete(f"{server.path}/films/none.mov")


def test_what_is_removed_is_gone(server: SftpServer) -> None:
    with entered(server) as storage:
        storage.delete(f"{server.path}/films/a b.mov")
    assert names(server) == []


def test_what_was_there_is_replaced_or_stays(server: SftpServer, clip: Path) -> None:
    out = server.root / "out.mp4"
    out.write_text("old")
    path = f"{server.path}/out.mp4"
    with entered(server) as storage:
        with pytest.raises(StorageExists):
            storage.write(path, clip, Sending(if_exists="fail"))
        assert out.read_text() == "old"
        storage.write(path, clip, Sending())
        assert out.read_bytes() == BYTES
        assert names(server) == ["films/a b.mov", "out.mp4"]


def test_somebody_who_is_quicker_is_not_replaced(server: SftpServer, clip: Path) -> None:
    out = server.root / "out.mp4"

    def quicker(_sent: int, _size: int | None) -> None:
        out.write_text("theirs")

    with entered(server) as storage, pytest.raises(StorageExists):
        storage.write(f"{server.path}/out.mp4", clip, Sending(if_exists="fail"), quicker)
    assert out.read_text() == "theirs"
    assert names(server) == ["films/a b.mov", "out.mp4"]


def test_whoever_listens_can_end_an_upload(server: SftpServer, clip: Path) -> None:
    class Enough(Exception):
        pass

    def ending(_sent: int, _size: int | None) -> None:
        raise Enough

    with entered(server) as storage, pytest.raises(Enough):
        storage.write(f"{server.path}/out.mp4", clip, Sending(), ending)
    assert names(server) == ["films/a b.mov"]


def test_a_key_of_nobody_is_refused(server: SftpServer) -> None:
    strange, _ = keys()
    with (
        entered(server, {"private_key": strange}) as storage,
        pytest.raises(StorageRefused, match="password and key"),
    ):
        storage.stat(f"{server.path}/films/a b.mov")


def test_another_host_key_than_the_one_given_is_refused(server: SftpServer) -> None:
    _, strange = keys()
    with entered(server, {"host_key": strange}) as storage, pytest.raises(StorageRefused, match="another host key"):
        storage.stat(f"{server.path}/films/a b.mov")


def test_without_a_host_key_any_is_taken(server: SftpServer) -> None:
    with entered(server, {"host_key": ""}) as storage:
        assert storage.stat(f"{server.path}/films/a b.mov").size == len(BYTES)


def test_a_key_with_a_passphrase_opens_and_only_with_it(server: SftpServer) -> None:
    key = locked(server.private_key)
    with entered(server, {"private_key": key, "passphrase": PASSPHRASE}) as storage:
        assert storage.stat(f"{server.path}/films/a b.mov").size == len(BYTES)
    for wrong in (
        {"private_key": key, "passphrase": "wrong-and-s3cret"},
        {"private_key": key},
        {"private_key": "s3cret"},
    ):
        with entered(server, wrong) as storage, pytest.raises(StorageRefused, match="passphrase") as failed:
            storage.stat("x")
        assert "s3cret" not in str(failed.value)
        assert "PRIVATE" not in str(failed.value)


def test_a_closed_network_is_refused(server: SftpServer) -> None:
    with (
        entered(server, reach=Reach()) as storage,
        pytest.raises(StorageRefused, match="FRAMEMILL_ALLOWED_NETWORKS"),
    ):
        storage.stat("x")


def test_a_connection_that_died_is_replaced(server: SftpServer) -> None:
    path = f"{server.path}/films/a b.mov"
    with entered(server) as storage:
        storage.stat(path)
        assert storage._ssh is not None
        sock: socket.socket = storage._ssh.get_extra_info("socket")
        sock.shutdown(socket.SHUT_RDWR)
        with contextlib.suppress(StorageBroken):  # where it is not known yet
            storage.stat(path)
        assert storage.stat(path).size == len(BYTES)


@pytest.fixture
def film(tmp_path: Path) -> str:
    (tmp_path / "served").mkdir()
    (tmp_path / "served" / "film.mov").write_bytes(BYTES)
    return "film.mov"


def test_a_password_opens(tmp_path: Path, film: str) -> None:
    with asyncssh_server(tmp_path) as server:
        with entered(server, {"private_key": "", "password": PASSWORD}) as storage:
            assert storage.stat(film).size == len(BYTES)
        address = address_of(f"sftp://ada:{PASSWORD.replace('/', '%2F')}@127.0.0.1:{server.port}/{film}")
        storage = SftpStorage(address, None, None, Patience())
        assert storage.stat(film).size == len(BYTES)
        storage.close()
        with (
            entered(server, {"private_key": "", "password": "wrong-and-s3cret"}) as refused,
            pytest.raises(StorageRefused, match="password and key") as failed,
        ):
            refused.stat(film)
        assert "s3cret" not in str(failed.value)


def test_a_download_that_breaks_off_is_gone_on_with(tmp_path: Path, film: str) -> None:
    manners = Manners(breaks=1_500_000)
    with asyncssh_server(tmp_path, manners) as server, entered(server) as storage:
        assert b"".join(storage.stream(film)) == BYTES
        assert manners.breaks is None
        manners.breaks = 10
        with pytest.raises(StorageBroken):
            storage.read(film, 0, len(BYTES))


def test_a_file_that_changes_while_it_is_read_is_not_mixed(tmp_path: Path, film: str) -> None:
    with asyncssh_server(tmp_path) as server, entered(server) as storage:
        blocks = storage.stream(film)
        next(blocks)
        (server.root / film).write_bytes(bytes(len(BYTES)))
        os.utime(server.root / film, (1, 1))
        with pytest.raises(StorageBroken, match="changed"):
            list(blocks)


def test_a_full_server_says_so(tmp_path: Path, film: str, clip: Path) -> None:
    manners = Manners(room=500_000)
    with asyncssh_server(tmp_path, manners) as server, entered(server) as storage:
        with pytest.raises(StorageFull):
            storage.write("out.mp4", clip, Sending())
        assert names(server) == [film]


def test_an_upload_that_is_cut_off_never_gets_its_name_and_can_be_begun_again(
    tmp_path: Path, film: str, clip: Path
) -> None:
    clip.write_bytes(BYTES)
    manners = Manners(cuts=700_000)
    with asyncssh_server(tmp_path, manners) as server, entered(server) as storage:
        with pytest.raises((StorageBroken, StorageUnreachable)):
            storage.write("out.mp4", clip, Sending())
        assert manners.cuts is None
        assert names(server) == [film]
        assert storage.write("out.mp4", clip, Sending()).size == len(BYTES)
        assert (server.root / "out.mp4").read_bytes() == BYTES
        assert names(server) == [film, "out.mp4"]


def test_a_server_that_knows_no_renaming_over(tmp_path: Path, film: str, clip: Path) -> None:
    clip.write_bytes(b"new")
    with asyncssh_server(tmp_path, Manners(posix=False)) as server, entered(server) as storage:
        storage.write(film, clip, Sending())
        assert (server.root / film).read_bytes() == b"new"


def test_a_server_without_files_is_told_from_a_wrong_password(tmp_path: Path) -> None:
    with (
        asyncssh_server(tmp_path, Manners(serves_files=False)) as server,
        entered(server) as storage,
        pytest.raises(StorageRefused, match="no files"),
    ):
        storage.stat("x")


def test_nobody_there_is_unreachable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    storage = SftpStorage(address_of(f"sftp://ada@127.0.0.1:{port}/"), None, None, Patience())
    with pytest.raises(StorageUnreachable, match=f"127.0.0.1:{port}"):
        storage.stat("x")
    storage.close()


def test_a_silent_server_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = address_of(f"sftp://ada@127.0.0.1:{silent.getsockname()[1]}/")
        storage = SftpStorage(address, None, None, Patience(silence_seconds=0.3))
        with pytest.raises(StorageUnreachable, match=r"silent for 0.3 s"):
            storage.stat("x")
        storage.close()
