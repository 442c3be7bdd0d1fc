"""Files of an SSH server, by `sftp://`.

Paths begin at the root; one that begins with `~/` begins in the folder that the user begins in. Takes the extra
`sftp`: asyncssh speaks on an event loop of its own, in a thread of its own, and whoever asks waits for it.
"""

import asyncio
import contextlib
import functools
import secrets
import stat as modes
import threading
from collections.abc import Awaitable, Callable, Generator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, TypeVar
from urllib.parse import urlsplit

import asyncssh
from anyio.from_thread import BlockingPortal, start_blocking_portal

from framemill.errors import (
    StorageBroken,
    StorageError,
    StorageExists,
    StorageFull,
    StorageMissing,
    StorageRefused,
    StorageUnreachable,
)
from framemill.secrets import mask
from framemill.storage.access import Access, SftpAccess
from framemill.storage.address import Address
from framemill.storage.base import OnBytes, Sending, Stat
from framemill.storage.guard import Reach, connected
from framemill.storage.opening import Patience
from framemill.storage.resuming import NO_ROOM, resumed

_BLOCK_BYTES = 1 << 20  # asked for in many packets at once
_DEEPEST = 32  # folders below each other
_PORT = 22
_LONGEST_TOLD = 200  # letters of what the server says

T = TypeVar("T")


def opened(address: Address, access: Access | None, reach: Reach | None, patience: Patience) -> "SftpStorage":
    """As `storage.opening.opened`."""
    assert access is None or isinstance(access, SftpAccess)  # noqa: S101 - as it was opened
    return SftpStorage(address, access, reach, patience)


class SftpStorage:
    """As `storage.base.Storage`; any number of threads may use it, over one connection.

    A file appears whole, by its name; whether something is there already the server itself decides when it is renamed.
    """

    def __init__(self, address: Address, access: SftpAccess | None, reach: Reach | None, patience: Patience) -> None:
        parts = urlsplit(f"//{address.host}")
        self._host, self._port = parts.hostname or "", parts.port or _PORT
        self._root = address.model_copy(update={"path": "", "user": "", "password": ""})
        self._access = access or SftpAccess(user=address.user, password=address.password)
        self._reach, self._patience = reach, patience
        self._lock = threading.Lock()
        self._running = contextlib.ExitStack()
        self._portal: BlockingPortal | None = None
        self._connecting = asyncio.Lock()
        self._ssh: asyncssh.SSHClientConnection | None = None
        self._sftp: asyncssh.SFTPClient | None = None

    def stat(self, path: str) -> Stat:
        """What is known of it. Raises as in `storage.base`; a folder is missing, too."""
        found = self._ask(path, lambda sftp: sftp.stat(_there(path)))
        if found.type not in {asyncssh.FILEXFER_TYPE_REGULAR, asyncssh.FILEXFER_TYPE_UNKNOWN}:
            raise StorageMissing(f"{self._named(path)} is no file. Check the path.")
        return _stat(path, found)

    def read(self, path: str, start: int, end: int) -> bytes:
        """Bytes `start` to `end`, fewer at its end."""
        read = bytearray()
        with contextlib.closing(self._blocks(path, start, min(end, self.stat(path).size or 0))) as blocks:
            for block in blocks:
                read += block
        return bytes(read)

    def stream(self, path: str, start: int = 0) -> Iterator[bytes]:
        """Its bytes, from there on; where it breaks off it is gone on with, if it is still the same file."""
        first = self.stat(path)

        def blocks(at: int) -> Generator[bytes, None, None]:
            if at != start:
                self._require_same(first)
            yield from self._blocks(path, at, first.size or 0)
            self._require_same(first)

        yield from resumed(blocks, start, self._patience.retries)

    def write(self, path: str, source: Path, sending: Sending, on_bytes: OnBytes | None = None) -> Stat:
        """Send it under another name, and rename it; folders on the way are made."""
        if sending.acl is not None:
            raise StorageRefused("SFTP has no access control lists: leave the ACL away.")
        if sending.if_exists == "fail":  # before anything is sent; the renaming decides
            self._require_free(path)
        folder, slash, name = path.rpartition("/")
        beside = f"{folder}{slash}.{name}.{secrets.token_hex(4)}.part"
        try:
            self._send(beside, source, on_bytes)
            came, size = self.stat(beside).size, source.stat().st_size
            if came != size:
                raise StorageBroken(f"{self._named(path)}: {came} of {size} bytes came through. Try again.")
            self._rename(beside, path, sending)
        except BaseException:
            with contextlib.suppress(StorageError):
                self.delete(beside)
            raise
        return self.stat(path)

    def list(self, prefix: str) -> Iterator[Stat]:
        """Everything below a folder, in the order of their paths; nothing below one that is not there."""
        yield from self._below(prefix, 0)

    def delete(self, path: str) -> None:
        """Remove it."""
        with contextlib.suppress(StorageMissing):
            self._ask(path, lambda sftp: sftp.remove(_there(path)))

    def presign(self, path: str, method: Literal["GET", "PUT"], seconds: int) -> str | None:
        """SFTP cannot."""
        return None

    def close(self) -> None:
        """Close the connection, and end the thread."""
        with self._lock:
            portal, self._portal = self._portal, None
            if portal is not None:
                portal.call(self._disconnected)
                self._running.close()

    def _blocks(self, path: str, start: int, end: int) -> Generator[bytes, None, None]:
        if start >= end:
            return
        file = self._ask(path, lambda sftp: sftp.open(_there(path), "rb"))
        try:
            while start < end:
                length = min(_BLOCK_BYTES, end - start)
                block: bytes = self._ask(path, functools.partial(_read, file, length, start))
                if not block:
                    raise StorageBroken(f"{self._named(path)} ended at {start} of {end} bytes. Try again.")
                start += len(block)
                yield block
        finally:
            with contextlib.suppress(StorageError):
                self._ask(path, lambda _: file.close())

    def _send(self, path: str, source: Path, on_bytes: OnBytes | None) -> None:
        size, sent = source.stat().st_size, 0
        folder = path.rpartition("/")[0]
        if folder:
            self._ask(path, lambda sftp: sftp.makedirs(_there(folder), exist_ok=True))
        target = self._ask(path, lambda sftp: sftp.open(_there(path), "xb"))
        try:
            with source.open("rb") as file:
                while block := file.read(_BLOCK_BYTES):
                    try:
                        self._ask(path, functools.partial(_write, target, block, sent))
                    except StorageBroken:
                        self._require_room(path, size - sent)
                        raise
                    sent += len(block)
                    if on_bytes is not None:
                        on_bytes(sent, size)
        finally:
            with contextlib.suppress(StorageError):
                self._ask(path, lambda _: target.close())

    def _require_room(self, path: str, wanted: int) -> None:
        """The protocol that most servers speak knows no word for a full disk; some can be asked for the room."""
        with contextlib.suppress(StorageRefused, StorageBroken, StorageMissing):
            room = self._ask(path, lambda sftp: sftp.statvfs(_there(path)))
            if room.bavail * (room.frsize or room.bsize) < wanted:
                raise StorageFull(f"{self._named(path)}: the server has no room for {wanted} bytes more.")

    def _rename(self, old: str, new: str, sending: Sending) -> None:
        if sending.if_exists == "fail":
            try:  # which, by itself, replaces nothing
                self._ask(new, lambda sftp: sftp.rename(_there(old), _there(new)))
            except StorageBroken:
                self._require_free(new)
                raise
            return
        try:
            self._ask(new, lambda sftp: sftp.posix_rename(_there(old), _there(new)))
        except StorageBroken:  # a server that cannot rename over what is there
            self.delete(new)
            self._ask(new, lambda sftp: sftp.rename(_there(old), _there(new)))

    def _require_free(self, path: str) -> None:
        with contextlib.suppress(StorageMissing):
            self._ask(path, lambda sftp: sftp.stat(_there(path)))
            raise StorageExists(f"{self._named(path)}: there is one already. Name another, or have it replaced.")

    def _require_same(self, first: Stat) -> None:
        if self.stat(first.path) != first:
            raise StorageBroken(f"{self._named(first.path)} was changed while it was read. Try again.")

    def _below(self, prefix: str, depth: int) -> Iterator[Stat]:
        if depth > _DEEPEST:
            raise StorageBroken(f"{self._named(prefix)} is more than {_DEEPEST} folders deep.")
        try:
            found = self._ask(prefix, lambda sftp: sftp.readdir(_there(prefix)))
        except StorageMissing:
            return
        names = {str(one.filename): one.attrs for one in found}
        # In the order of whole paths, a folder's name goes on with a slash.
        for name in sorted(names, key=lambda name: name + "/" * _is_folder(names[name])):
            if name in {".", ".."} or "/" in name:  # a server might name what lies elsewhere
                continue
            if _is_folder(names[name]):
                yield from self._below(f"{prefix}{name}/", depth + 1)
            else:  # what is linked to is asked for; links to folders are not followed, they might lead back
                with contextlib.suppress(StorageMissing):
                    is_file = names[name].type == asyncssh.FILEXFER_TYPE_REGULAR
                    yield _stat(prefix + name, names[name]) if is_file else self.stat(prefix + name)

    def _named(self, path: str) -> str:
        return str(self._root.model_copy(update={"path": path}))

    def _ask(self, path: str, asking: Callable[[asyncssh.SFTPClient], Awaitable[T]]) -> T:
        """What the server answers to that, at last after so long a silence."""

        async def answer() -> T:
            sftp = await self._connected()
            try:
                async with asyncio.timeout(self._patience.silence_seconds):
                    return await asking(sftp)
            except TimeoutError:
                await self._disconnected()
                raise

        with self._lock:
            if self._portal is None:
                self._portal = self._running.enter_context(start_blocking_portal("asyncio"))
            portal = self._portal
        try:
            return portal.call(answer)
        except (OSError, asyncssh.Error) as error:
            raise self._meaning(self._named(path), error) from None

    async def _connected(self) -> asyncssh.SFTPClient:
        async with self._connecting:
            if self._ssh is not None and self._ssh.is_closed():
                await self._disconnected()
            if self._sftp is None:
                self._sftp = await self._connect()
            return self._sftp

    async def _connect(self) -> asyncssh.SFTPClient:
        silence = self._patience.silence_seconds
        options = self._options()
        try:
            sock = await asyncio.to_thread(connected, self._host, self._port, self._reach, silence)
        except OSError as error:
            raise StorageUnreachable(
                f"{self._host}:{self._port} takes no connection: {error.strerror or error}. Check the address, or try"
                " again later."
            ) from None
        sock.setblocking(False)
        async with asyncio.timeout(silence):
            self._ssh = await asyncssh.connect(self._host, self._port, sock=sock, **options)
            try:
                return await self._ssh.start_sftp_client(path_errors="replace")
            except asyncssh.ChannelOpenError:
                raise StorageRefused(f"{self._host}:{self._port} lets us in, but serves no files by SFTP.") from None

    def _options(self) -> dict[str, Any]:
        """Nothing of the machine's own: no configuration, agent, key or known host of whoever runs the farm."""
        access = self._access
        keys = []
        known: Any = None
        try:
            if access.private_key:
                keys = [asyncssh.import_private_key(access.private_key, access.passphrase or None)]
            if access.host_key:
                known = ([asyncssh.import_public_key(access.host_key)], [], [])
        except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError) as error:
            raise StorageRefused(f"{self._host}: a key cannot be read: {error}. Check it and its passphrase.") from None
        return {
            "username": access.user,
            "password": access.password or None,
            "client_keys": keys or None,
            "known_hosts": known,
            "config": None,
            "agent_path": None,
            "gss_host": None,
            "keepalive_interval": self._patience.silence_seconds / 3,
            "login_timeout": self._patience.silence_seconds,
        }

    async def _disconnected(self) -> None:
        ssh, self._ssh, self._sftp = self._ssh, None, None
        if ssh is not None:
            ssh.abort()
            await ssh.wait_closed()

    def _meaning(self, what: str, error: Exception) -> StorageError:
        known = {self._access.password, self._access.passphrase} - {""}
        said = mask(" ".join(str(error).split()), known)[:_LONGEST_TOLD] or type(error).__name__
        kind, why = next((kind, why) for errors, kind, why in _MEANINGS if isinstance(error, errors))
        if isinstance(error, asyncssh.SFTPFailure) and NO_ROOM.search(said):
            kind, why = StorageFull, "the server has no room"
        if isinstance(error, TimeoutError):
            said = f"silent for {self._patience.silence_seconds:g} s"
        return kind(f"{what}: {why} ({said}).")


_MEANINGS: tuple[tuple[tuple[type[Exception], ...], type[StorageError], str], ...] = (
    ((asyncssh.PermissionDenied,), StorageRefused, "the server does not let us in: check user, password and key"),
    ((asyncssh.HostKeyNotVerifiable,), StorageRefused, "the server shows another host key than the one given"),
    (
        (asyncssh.SFTPNoSuchFile, asyncssh.SFTPNoSuchPath, asyncssh.SFTPFileIsADirectory, asyncssh.SFTPNotADirectory),
        StorageMissing,
        "it is not there. Check the path",
    ),
    ((asyncssh.SFTPPermissionDenied, asyncssh.SFTPWriteProtect), StorageRefused, "the server does not allow it"),
    ((asyncssh.SFTPNoSpaceOnFilesystem, asyncssh.SFTPQuotaExceeded), StorageFull, "the server has no room"),
    ((asyncssh.SFTPFileAlreadyExists,), StorageExists, "there is one already"),
    (
        (asyncssh.SFTPConnectionLost, asyncssh.SFTPNoConnection, asyncssh.ConnectionLost),
        StorageBroken,
        "the connection broke off, try again",
    ),
    ((TimeoutError,), StorageUnreachable, "the server does not answer, try again later"),
    ((asyncssh.DisconnectError,), StorageUnreachable, "the server ended the connection, try again later"),
    ((OSError,), StorageBroken, "the connection failed, try again"),
    ((Exception,), StorageBroken, "something has gone wrong there, try again later"),
)
"""The first that fits."""


async def _read(file: asyncssh.SFTPClientFile, length: int, at: int, _: asyncssh.SFTPClient) -> bytes:
    block: bytes = await file.read(length, at)
    return block


async def _write(file: asyncssh.SFTPClientFile, block: bytes, at: int, _: asyncssh.SFTPClient) -> int:
    return await file.write(block, at)


def _there(path: str) -> str:
    """As the server is asked for it."""
    if path == "~" or path.startswith("~/"):
        return path[2:] or "."
    return path if path.startswith("/") else f"/{path}"


def _stat(path: str, found: asyncssh.SFTPAttrs) -> Stat:
    modified = None if found.mtime is None else datetime.fromtimestamp(found.mtime, UTC)
    return Stat(path=path, size=found.size, modified=modified)


def _is_folder(found: asyncssh.SFTPAttrs) -> bool:
    return modes.S_ISDIR(found.permissions) if found.permissions else found.type == asyncssh.FILEXFER_TYPE_DIRECTORY
