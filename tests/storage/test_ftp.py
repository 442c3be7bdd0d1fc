"""FTP with real servers, good ones and such as break off, lie, are full, or know only half of the commands."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from servers.ftp import PASSWORD, USER, FtpServer, Manners, ftp_server

from framemill.errors import (
    StorageBroken,
    StorageError,
    StorageExists,
    StorageFull,
    StorageMissing,
    StorageRefused,
    StorageUnreachable,
    WrongUse,
)
from framemill.storage.access import FtpAccess
from framemill.storage.address import address_of
from framemill.storage.base import Sending
from framemill.storage.ftp import FtpStorage
from framemill.storage.guard import Reach
from framemill.storage.opening import Patience

BYTES = bytes(range(256)) * 8192  # 2 MiB
OLD_SERVER = frozenset({"MLST", "MLSD", "SIZE", "MDTM", "REST", "FEAT"})

Serving = Callable[..., FtpServer]


@pytest.fixture
def serving(tmp_path: Path) -> Iterator[Serving]:
    """Starts a server of those manners, with a file in a folder."""
    with contextlib.ExitStack() as stack:

        def start(**manners: object) -> FtpServer:
            root = tmp_path / "served"
            (root / "films").mkdir(parents=True)
            (root / "films" / "a b.mov").write_bytes(BYTES)
            return stack.enter_context(ftp_server(root, Manners(**manners)))  # type: ignore[arg-type]

        yield start


def entered(server: FtpServer, *, password: str = PASSWORD, reach: Reach | None = None) -> FtpStorage:
    scheme = "ftps" if server.tls else "ftp"
    address = address_of(f"{scheme}://127.0.0.1:{server.port}/")
    access = FtpAccess(user=USER, password=password)
    return FtpStorage(address, access, reach, Patience(silence_seconds=5, retries=2), server.tls)


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "clip.mp4"
    path.write_bytes(BYTES)
    return path


def names(root: Path) -> list[str]:
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())


ALL_MANNERS = pytest.mark.parametrize(
    "manners", [{}, {"tls": True}, {"without": OLD_SERVER}, {"without": frozenset({"MLST", "MLSD"})}], ids=str
)


@ALL_MANNERS
def test_what_is_there_is_read(serving: Serving, manners: dict[str, object]) -> None:
    server = serving(**manners)
    storage = entered(server)
    assert storage.stat("films/a b.mov").size == len(BYTES)
    assert b"".join(storage.stream("films/a b.mov")) == BYTES
    assert b"".join(storage.stream("films/a b.mov", 1_000_003)) == BYTES[1_000_003:]
    assert storage.read("films/a b.mov", 255, 70_001) == BYTES[255:70_001]
    assert storage.read("films/a b.mov", len(BYTES) - 5, len(BYTES) + 5) == BYTES[-5:]
    assert storage.read("films/a b.mov", len(BYTES), len(BYTES) + 5) == b""
    assert list(storage.stream("films/a b.mov", len(BYTES))) == []
    storage.close()


@ALL_MANNERS
def test_what_is_written_is_there(serving: Serving, manners: dict[str, object], clip: Path) -> None:
    server = serving(**manners)
    storage = entered(server)
    heard: list[tuple[int, int | None]] = []
    stat = storage.write("new/deep/ü.mp4", clip, Sending(), lambda *so_far: heard.append(so_far))
    assert (stat.path, stat.size) == ("new/deep/ü.mp4", len(BYTES))
    assert (server.root / "new/deep/ü.mp4").read_bytes() == BYTES
    assert names(server.root) == ["films/a b.mov", "new/deep/ü.mp4"]
    assert heard[-1] == (len(BYTES), len(BYTES))
    storage.close()


@ALL_MANNERS
def test_all_below_a_folder_is_listed(serving: Serving, manners: dict[str, object]) -> None:
    server = serving(**manners)
    for name in ("films/a/z.mov", "films/a.mov", "films/a/b/c.mov"):
        (server.root / name).parent.mkdir(exist_ok=True, parents=True)
        (server.root / name).write_text(name)
    storage = entered(server)
    listed = [(stat.path, stat.size) for stat in storage.list("films/")]
    assert listed == [
        *[("films/a b.mov", len(BYTES)), ("films/a.mov", 11), ("films/a/b/c.mov", 15), ("films/a/z.mov", 13)]
    ]
    assert [stat.path for stat in storage.list("")] == [path for path, _ in listed]
    assert list(storage.list("nowhere/")) == []
    storage.close()


@ALL_MANNERS
def test_what_is_not_there_is_missing(serving: Serving, manners: dict[str, object]) -> None:
    storage = entered(serving(**manners))
    for path in ("films/none.mov", "nowhere/none.mov", "films"):
        with pytest.raises(StorageMissing):
            storage.stat(path)
        with pytest.raises(StorageMissing):
            b"".join(storage.stream(path))
    storage.delete("films/none.mov")
    storage.close()


def test_what_is_removed_is_gone(serving: Serving) -> None:
    server = serving()
    storage = entered(server)
    storage.delete("films/a b.mov")
    assert names(server.root) == []
    storage.close()


@pytest.mark.parametrize("renames_over", [True, False])
def test_what_was_there_is_replaced_or_stays(serving: Serving, clip: Path, renames_over: bool) -> None:
    server = serving(renames_over=renames_over)
    (server.root / "out.mp4").write_text("old")
    storage = entered(server)
    with pytest.raises(StorageExists):
        storage.write("out.mp4", clip, Sending(if_exists="fail"))
    assert (server.root / "out.mp4").read_text() == "old"
    storage.write("out.mp4", clip, Sending())
    assert (server.root / "out.mp4").read_bytes() == BYTES
    assert names(server.root) == ["films/a b.mov", "out.mp4"]
    storage.close()


@pytest.mark.parametrize("says_whole", [True, False])
@pytest.mark.parametrize("tls", [True, False])
def test_a_download_that_breaks_off_is_gone_on_with(serving: Serving, says_whole: bool, tls: bool) -> None:
    server = serving(breaks=[700_000, 500_000], says_whole=says_whole, tls=tls)
    storage = entered(server)
    assert b"".join(storage.stream("films/a b.mov")) == BYTES
    assert server.manners.breaks == []
    storage.close()


@pytest.mark.parametrize("says_whole", [True, False])
def test_a_download_that_breaks_off_too_often_is_not_taken_for_whole(serving: Serving, says_whole: bool) -> None:
    server = serving(breaks=[100_000] * 9, says_whole=says_whole)
    storage = entered(server)
    with pytest.raises(StorageBroken):
        b"".join(storage.stream("films/a b.mov"))
    assert len(server.manners.breaks) == 6
    server.manners.breaks[:] = [100_000]
    with pytest.raises(StorageBroken):
        storage.read("films/a b.mov", 0, len(BYTES))
    storage.close()


def test_a_file_that_changes_while_it_is_read_is_not_mixed(serving: Serving) -> None:
    server = serving(breaks=[700_000])
    storage = entered(server)
    blocks = storage.stream("films/a b.mov")
    next(blocks)
    (server.root / "films" / "a b.mov").write_bytes(BYTES[:-1])
    with pytest.raises(StorageBroken, match="changed"):
        list(blocks)
    storage.close()


def test_a_full_server_says_so(serving: Serving, clip: Path) -> None:
    server = serving(room=500_000)
    storage = entered(server)
    with pytest.raises(StorageFull, match="No space left"):
        storage.write("out.mp4", clip, Sending())
    server.manners.room, server.manners.full_answer = None, "552 Exceeded storage allocation."
    with pytest.raises(StorageFull, match="Exceeded"):
        storage.write("out.mp4", clip, Sending())
    server.manners.full_answer = "452 Insufficient storage space."
    with pytest.raises(StorageFull):
        storage.write("out.mp4", clip, Sending())
    assert names(server.root) == ["films/a b.mov"]
    storage.close()


def test_an_upload_that_loses_bytes_never_gets_its_name(serving: Serving, clip: Path) -> None:
    server = serving(room=500_000, loses_the_rest=True)
    storage = entered(server)
    with pytest.raises(StorageBroken, match=f"of {len(BYTES)} bytes"):
        storage.write("out.mp4", clip, Sending())
    assert names(server.root) == ["films/a b.mov"]
    storage.close()


@pytest.mark.parametrize("tls", [False, True])
def test_an_upload_that_is_cut_off_never_gets_its_name_and_can_be_begun_again(
    serving: Serving, clip: Path, tls: bool
) -> None:
    server = serving(cuts=[700_000], tls=tls)
    storage = entered(server)
    with pytest.raises((StorageBroken, StorageUnreachable)):
        storage.write("out.mp4", clip, Sending())
    assert server.manners.cuts == []
    assert names(server.root) == ["films/a b.mov"]
    assert storage.write("out.mp4", clip, Sending()).size == len(BYTES)
    assert (server.root / "out.mp4").read_bytes() == BYTES
    assert names(server.root) == ["films/a b.mov", "out.mp4"]
    storage.close()


def test_whoever_listens_can_end_an_upload(serving: Serving, clip: Path) -> None:
    class Enough(Exception):
        pass

    def ending(_sent: int, _size: int | None) -> None:
        raise Enough

    server = serving()
    storage = entered(server)
    with pytest.raises(Enough):
        storage.write("out.mp4", clip, Sending(), ending)
    assert names(server.root) == ["films/a b.mov"]
    assert storage.write("out.mp4", clip, Sending()).size == len(BYTES)
    storage.close()


def test_a_wrong_password_is_told_and_not_repeated(serving: Serving) -> None:
    storage = entered(serving(), password="wrong-and-s3cret")  # noqa: S106
    with pytest.raises(StorageRefused, match="user and password") as failed:
        storage.stat("films/a b.mov")
    assert "wrong-and-s3cret" not in str(failed.value)


def test_a_password_that_the_server_repeats_is_masked() -> None:
    with said("220 hello\r\n331 who?\r\n530 ada with wrong-and-s3cret? no\r\n") as port:
        address = address_of(f"ftp://ada:wrong-and-s3cret@127.0.0.1:{port}/x")
        with pytest.raises(StorageRefused, match=r"ada with \*\*\*") as failed:
            FtpStorage(address, None, None, Patience()).stat("x")
    assert "wrong-and-s3cret" not in str(failed.value)


def test_without_credentials_one_is_anybody(serving: Serving) -> None:
    server = serving()
    (server.root / "pub").mkdir()
    (server.root / "pub" / "free.txt").write_text("free")
    with ftp_server(server.root) as again:
        storage = FtpStorage(address_of(f"ftp://127.0.0.1:{again.port}/"), None, None, Patience())
        assert storage.read("free.txt", 0, 10) == b"free"
        with pytest.raises(StorageRefused):
            storage.delete("free.txt")
        storage.close()


def test_a_certificate_of_nobody_is_refused(serving: Serving) -> None:
    server = serving(tls=True)
    address = address_of(f"ftps://{USER}:{PASSWORD.replace('/', '%2F')}@127.0.0.1:{server.port}/")
    with pytest.raises(StorageRefused, match="certificate"):
        FtpStorage(address, None, None, Patience(silence_seconds=5)).stat("films/a b.mov")
    assert server.manners.logins == 0


def test_a_server_that_wants_tls_is_not_sent_a_password(serving: Serving) -> None:
    server = serving(tls=True)
    plain = FtpStorage(
        address_of(f"ftp://127.0.0.1:{server.port}/"), FtpAccess(user=USER, password=PASSWORD), None, Patience()
    )
    with pytest.raises(StorageRefused, match=r"(?i)tls"):
        plain.stat("films/a b.mov")


def test_data_come_from_the_server_itself_whatever_it_names(serving: Serving) -> None:
    """A server could send the farm to any address with a line of its own."""
    server = serving(named_address="192.0.2.1")
    storage = entered(server)
    assert b"".join(storage.stream("films/a b.mov")) == BYTES
    storage.close()


def test_a_closed_network_is_refused(serving: Serving) -> None:
    server = serving()
    with pytest.raises(StorageRefused, match="FRAMEMILL_ALLOWED_NETWORKS"):
        entered(server, reach=Reach()).stat("films/a b.mov")
    assert server.manners.logins == 0


def test_nobody_there_is_unreachable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(StorageUnreachable, match=f"127.0.0.1:{port}"):
        FtpStorage(address_of(f"ftp://127.0.0.1:{port}/"), None, None, Patience()).stat("x")


def test_a_silent_server_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = address_of(f"ftp://127.0.0.1:{silent.getsockname()[1]}/")
        with pytest.raises(StorageUnreachable, match=r"silent for 0.3 s"):
            FtpStorage(address, None, None, Patience(silence_seconds=0.3)).stat("x")


def test_a_path_cannot_carry_a_command(serving: Serving) -> None:
    server = serving()
    storage = entered(server)
    with pytest.raises(StorageRefused, match="control characters"):
        storage.stat("x\r\nDELE films/a b.mov")
    assert names(server.root) == ["films/a b.mov"]
    storage.close()


def test_a_user_cannot_carry_a_command() -> None:
    with said("220 hello\r\n") as port, pytest.raises(WrongUse, match="control characters"):
        address_of(f"ftp://a%0D%0ADELE%20x@127.0.0.1:{port}/")
    with said("220 hello\r\n") as port:
        address = address_of(f"ftp://127.0.0.1:{port}/").model_copy(update={"user": "a\r\nDELE x"})
        storage = FtpStorage(address, None, None, Patience())
        with pytest.raises(StorageError, match="control characters"):
            storage.stat("x")


@pytest.mark.parametrize("manners", [{}, {"without": OLD_SERVER}], ids=["links followed", "links left out"])
def test_a_folder_that_holds_itself_ends(serving: Serving, manners: dict[str, object]) -> None:
    server = serving(**manners)
    (server.root / "films" / "again").symlink_to(server.root / "films")
    storage = entered(server)
    if manners:
        assert [stat.path for stat in storage.list("")] == ["films/a b.mov"]
    else:
        with pytest.raises(StorageBroken, match="link"):
            list(storage.list(""))
    storage.close()


def test_connections_are_kept_and_one_that_died_is_replaced(serving: Serving) -> None:
    server = serving()
    storage = entered(server)
    for _ in range(3):
        storage.stat("films/a b.mov")
        with pytest.raises(StorageMissing):
            storage.stat("none")
    assert server.manners.logins == 1
    kept = storage._idle[0].sock
    assert kept is not None
    kept.shutdown(socket.SHUT_RDWR)
    assert storage.stat("films/a b.mov").size == len(BYTES)
    assert server.manners.logins == 2
    storage.close()


def test_two_may_read_at_once(serving: Serving) -> None:
    storage = entered(serving())
    first, second = storage.stream("films/a b.mov"), storage.stream("films/a b.mov")
    mixed = [next(first), next(second)]
    assert b"".join([mixed[0], *first]) == b"".join([mixed[1], *second]) == BYTES
    storage.close()


@contextlib.contextmanager
def said(script: str) -> Iterator[int]:
    """A server that says one line after the other, whatever it hears; its port."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def talk() -> None:
            with contextlib.suppress(OSError):
                there, _ = listening.accept()
                with there:
                    for line in script.splitlines(keepends=True):
                        there.sendall(line.encode())
                        there.recv(1024)

        thread = threading.Thread(target=talk, daemon=True)
        thread.start()
        yield listening.getsockname()[1]
        thread.join(5)


def test_the_system_decides_whose_certificates_are_good() -> None:
    storage = FtpStorage(address_of("ftps://127.0.0.1/"), None, None, Patience())
    assert storage._tls is not None
    assert storage._tls.verify_mode == ssl.CERT_REQUIRED
    assert storage._tls.check_hostname
