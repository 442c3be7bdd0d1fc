"""SSH servers: OpenSSH's own as a process, and asyncssh's in a thread, which can be made full, strict or breaking."""

import contextlib
import functools
import getpass
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import asyncssh
import pytest
from anyio.from_thread import start_blocking_portal
from servers.started import await_port, free_port, running

USER, PASSWORD, PASSPHRASE = "ada", "o-so/secret:1", "over-the-r4inbow"


@dataclass(frozen=True)
class SftpServer:
    port: int
    root: Path
    """The folder that it is for; what its path is there, `path` tells."""
    path: str
    user: str
    private_key: str
    """The server knows it."""
    host_key: str
    """As in a line of known_hosts."""


@dataclass
class Manners:
    """How the server of asyncssh behaves."""

    room: int | None = None
    """Bytes that it still takes."""
    breaks: int | None = None
    """After how many bytes read it ends the connection, once."""
    cuts: int | None = None
    """And after how many bytes written."""
    posix: bool = True
    """Whether it renames over what is there."""
    serves_files: bool = True


def keys() -> tuple[str, str]:
    """A new private key, and its public one."""
    key = asyncssh.generate_private_key("ssh-ed25519")
    return key.export_private_key().decode(), key.export_public_key().decode().strip()


def locked(key: str) -> str:
    """The private key, with `PASSPHRASE`."""
    return asyncssh.import_private_key(key).export_private_key(passphrase=PASSPHRASE, rounds=50).decode()


@contextlib.contextmanager
def openssh(folder: Path) -> Iterator[SftpServer]:
    """Debian's sshd, as the user who runs the tests, with keys of its own; it serves the whole file system."""
    sshd = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin:/usr/bin")
    if sshd is None:
        pytest.skip("package missing: apt-get install openssh-server")
    root = folder / "served"
    root.mkdir(exist_ok=True)
    host = asyncssh.generate_private_key("ssh-ed25519")
    (folder / "host_key").write_bytes(host.export_private_key())
    (folder / "host_key").chmod(0o600)
    private, public = keys()
    (folder / "authorized_keys").write_text(public + "\n")
    port = free_port()
    (folder / "sshd_config").write_text(
        f"ListenAddress 127.0.0.1\nPort {port}\nHostKey {folder}/host_key\n"
        f"AuthorizedKeysFile {folder}/authorized_keys\n"
        f"PidFile none\nUsePAM no\nStrictModes no\nPasswordAuthentication no\nPermitRootLogin yes\n"
        "Subsystem sftp internal-sftp\nLogLevel DEBUG1\n"
    )
    if Path("/run").exists():
        with contextlib.suppress(OSError):  # where it is left alone after it was forked, as root
            Path("/run/sshd").mkdir(exist_ok=True)
    log = folder / "sshd.log"
    argv = [sshd, "-D", "-e", "-f", str(folder / "sshd_config")]
    with running(argv, log) as process:
        await_port(port, process, log)
        user = getpass.getuser()
        yield SftpServer(port, root, str(root), user, private, host.export_public_key().decode().strip())


@contextlib.contextmanager
def asyncssh_server(folder: Path, manners: Manners | None = None) -> Iterator[SftpServer]:
    """One in a thread; it serves the folder `served` as its root, to the user with the key, or with the password."""
    manners = manners or Manners()
    root = folder / "served"
    root.mkdir(exist_ok=True)
    host = asyncssh.generate_private_key("ssh-ed25519")
    private, public = keys()
    (folder / "authorized_keys").write_text(public + "\n")

    class Door(asyncssh.SSHServer):
        def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
            self.connection = conn

        def password_auth_supported(self) -> bool:
            return True

        def validate_password(self, username: str, password: str) -> bool:
            return (username, password) == (USER, PASSWORD)

    files = functools.partial(_files(manners), chroot=str(root).encode())

    async def start() -> asyncssh.SSHAcceptor:
        return await asyncssh.listen(
            "127.0.0.1",
            0,
            server_factory=Door,
            server_host_keys=[host],
            authorized_client_keys=str(folder / "authorized_keys"),
            sftp_factory=files if manners.serves_files else None,
            process_factory=None,
        )

    async def stop(server: asyncssh.SSHAcceptor) -> None:
        server.close()
        await server.wait_closed()

    with start_blocking_portal("asyncio") as portal:
        server = portal.call(start)
        try:
            yield SftpServer(server.get_port(), root, "", USER, private, host.export_public_key().decode().strip())
        finally:
            portal.call(stop, server)


def _files(manners: Manners) -> Callable[..., asyncssh.SFTPServer]:
    class Files(asyncssh.SFTPServer):
        def write(self, file_obj: object, offset: int, data: bytes) -> int:
            if manners.room is not None:
                manners.room -= len(data)
                if manners.room < 0:
                    raise asyncssh.SFTPNoSpaceOnFilesystem("no space left")
            if manners.cuts is not None:
                manners.cuts -= len(data)
                if manners.cuts < 0:
                    manners.cuts = None
                    self._break_off()
            return super().write(file_obj, offset, data)  # type: ignore[return-value]

        def read(self, file_obj: object, offset: int, size: int) -> bytes:
            if manners.breaks is not None:
                manners.breaks -= size
                if manners.breaks < 0:
                    manners.breaks = None
                    self._break_off()
            return super().read(file_obj, offset, size)  # type: ignore[return-value]

        def _break_off(self) -> None:
            self.channel.get_connection().abort()
            raise asyncssh.SFTPConnectionLost("gone")

        def posix_rename(self, oldpath: bytes, newpath: bytes) -> None:
            if not manners.posix:
                raise asyncssh.SFTPOpUnsupported("not here")
            super().posix_rename(oldpath, newpath)

    return Files
