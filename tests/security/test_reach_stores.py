"""Stores whose host, endpoint, or place of tokens a client names: none is a way into a closed network, whichever
library speaks to it."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from reached import CLOSED, OPEN, OPENED, Answer, Heard, Names, serving
from servers.started import free_port

from framemill.errors import AddressRefused, StorageError
from framemill.storage.access import Access, AzureAccess, DriveAccess, FtpAccess, GcsAccess, S3Access, SftpAccess
from framemill.storage.address import address_of
from framemill.storage.base import Sending
from framemill.storage.guard import Reach
from framemill.storage.opening import Patience, opened

HASTE = Patience(silence_seconds=5.0, retries=1, pause_seconds=0.01)


class Trap:
    """A port in a closed network, and how often somebody has come."""

    def __init__(self, listener: socket.socket) -> None:
        self.port = listener.getsockname()[1]
        self.caught = 0


@pytest.fixture
def trap() -> Iterator[Trap]:
    """Nobody is at its port in the open network, where a name may lead first."""
    with socket.create_server((CLOSED, free_port())) as listener:
        made = Trap(listener)

        def caught() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    made.caught += 1
                    connection.close()

        thread = threading.Thread(target=caught)
        thread.start()
        yield made
        listener.shutdown(socket.SHUT_RDWR)
    thread.join()


@cache
def private_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def keyfile(token_uri: str) -> dict[str, str]:
    return {
        **{"type": "service_account", "client_email": "us@example.org", "token_uri": token_uri},
        **{"private_key": private_key(), "private_key_id": "1", "project_id": "p", "client_id": "2"},
    }


HOSTS = [f"http://{CLOSED}", "http://inside.example", "http://rebinds.example", "http://2130706434"]
"""By its number, by a name, by a name that is open when it is looked at first, and written oddly."""
REBINDS = HOSTS[2]


def where() -> Reach:
    names = {"inside_example": [[CLOSED]], "rebinds_example": [[OPEN], [CLOSED]]}
    names["bucket_inside_example"] = [[CLOSED]]
    return Reach(networks=OPENED, resolve=Names(**names))


def refused(uri: str, access: Access | None, reach: Reach, tmp_path: Path) -> None:
    """Reading and writing are. Where it meant another address at first, nobody was there."""
    kind = StorageError if "rebinds.example" in f"{uri} {access!r}" else AddressRefused
    film = tmp_path / "film.mp4"
    film.write_bytes(b"film")
    path = address_of(uri).path
    with pytest.raises(kind), contextlib.closing(opened(address_of(uri), access, reach, HASTE)) as storage:
        b"".join(storage.stream(path))
    if not uri.startswith("http"):
        with pytest.raises(kind), contextlib.closing(opened(address_of(uri), access, reach, HASTE)) as storage:
            storage.write(path or "film.mp4", film, Sending())


@pytest.mark.parametrize("host", HOSTS)
def test_the_endpoint_of_s3(host: str, trap: Trap, tmp_path: Path) -> None:
    access = S3Access(endpoint=f"{host}:{trap.port}", access_key_id="a", secret_access_key="b")  # noqa: S106
    refused("s3://bucket/film.mp4", access, where(), tmp_path)
    assert trap.caught == 0


@pytest.mark.parametrize("host", HOSTS[:2])
def test_the_endpoint_of_azure(host: str, trap: Trap, tmp_path: Path) -> None:
    access = AzureAccess(account="ours", key="a2V5", endpoint=f"{host}:{trap.port}/ours")
    refused("az://container/film.mp4", access, where(), tmp_path)
    assert trap.caught == 0


@pytest.mark.parametrize("host", HOSTS[:2])
def test_the_endpoint_of_google(host: str, trap: Trap, tmp_path: Path) -> None:
    pytest.importorskip("google.cloud.storage", reason="google-cloud-storage is not installed")
    refused("gs://bucket/film.mp4", GcsAccess(endpoint=f"{host}:{trap.port}"), where(), tmp_path)
    assert trap.caught == 0


def test_where_a_key_file_says_that_tokens_are_got(trap: Trap, tmp_path: Path) -> None:
    pytest.importorskip("google.cloud.storage", reason="google-cloud-storage is not installed")
    with serving() as server:
        access = GcsAccess(endpoint=server.url, keyfile=keyfile(f"http://{CLOSED}:{trap.port}/token"))
        refused("gs://bucket/film.mp4", access, where(), tmp_path)
    assert trap.caught == 0


@pytest.mark.parametrize("host", HOSTS[:2])
def test_the_base_of_google_drive(host: str, trap: Trap, tmp_path: Path) -> None:
    refused("gdrive://abcdef", DriveAccess(token="t", base_url=f"{host}:{trap.port}"), where(), tmp_path)  # noqa: S106
    assert trap.caught == 0


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("scheme", ["ftp", "ftps", "http", "https"])
def test_the_host_of_a_server(scheme: str, host: str, trap: Trap, tmp_path: Path) -> None:
    access = FtpAccess() if scheme.startswith("ftp") else None
    refused(f"{scheme}://{host.removeprefix('http://')}:{trap.port}/film.mp4", access, where(), tmp_path)
    assert trap.caught == 0


@pytest.mark.parametrize("host", HOSTS)
def test_the_host_of_an_ssh_server(host: str, trap: Trap, tmp_path: Path) -> None:
    pytest.importorskip("asyncssh", reason="asyncssh is not installed")
    access = SftpAccess(user="u", password="p")  # noqa: S106
    refused(f"sftp://{host.removeprefix('http://')}:{trap.port}/film.mp4", access, where(), tmp_path)
    assert trap.caught == 0


def test_a_store_that_leads_elsewhere_is_not_followed_into_a_closed_network(trap: Trap, tmp_path: Path) -> None:
    """S3 answers 301 and 307 with the address of another endpoint; so may whoever plays S3."""

    def elsewhere(heard: Heard) -> Answer:
        return Answer(307, {"Location": f"http://{CLOSED}:{trap.port}{heard.path}", "x-amz-bucket-region": "eu-x-1"})

    access = S3Access(access_key_id="a", secret_access_key="b")  # noqa: S106
    with serving(elsewhere) as server:
        mine = access.model_copy(update={"endpoint": server.url})
        storage = opened(address_of("s3://bucket/a"), mine, where(), HASTE)
        with contextlib.closing(storage), pytest.raises(StorageError):
            b"".join(storage.stream("a"))
    assert server.heard
    assert trap.caught == 0


def test_the_data_connection_of_ftp_goes_to_the_server_itself(trap: Trap) -> None:
    """A server may name any address in its answer to PASV."""
    numbers = CLOSED.replace(".", ",")

    def speaks(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with contextlib.suppress(OSError), connection, connection.makefile("rb") as lines:
            connection.sendall(b"220 ready\r\n")
            for line in lines:
                word = line.split()[0].upper()
                answer = {
                    b"USER": b"230 in",
                    b"TYPE": b"200 ok",
                    b"SIZE": b"213 4",
                    b"MDTM": b"213 20260101000000",
                    b"PASV": f"227 ({numbers},{trap.port // 256},{trap.port % 256})".encode(),
                    b"EPSV": b"500 no",
                }.get(word, b"200 ok")
                connection.sendall(answer + b"\r\n")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=speaks, args=(listener,), daemon=True).start()
        uri = f"ftp://127.0.0.1:{listener.getsockname()[1]}/film.mp4"
        storage = opened(address_of(uri), FtpAccess(), Reach(networks=OPENED), HASTE)
        with contextlib.closing(storage), pytest.raises(StorageError):  # nobody takes the data connection
            b"".join(storage.stream("film.mp4"))
    assert trap.caught == 0
