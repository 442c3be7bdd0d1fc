"""Files of an FTP server, by `ftp://` and, with TLS, by `ftps://`.

Paths begin in the folder that the user begins in; one that begins with a slash (`ftp://host/%2Fsrv/file`) begins at
the root. `ftps://` asks for TLS in the way of RFC 4217, but at port 990 speaks it from the first byte on.
"""

import contextlib
import secrets
import ssl
import threading
from collections.abc import Generator, Iterator
from pathlib import Path
from socket import socket
from typing import Literal, NoReturn
from urllib.parse import urlsplit

from framemill.errors import StorageBroken, StorageError, StorageExists, StorageMissing, StorageRefused
from framemill.storage.access import Access, FtpAccess
from framemill.storage.address import Address
from framemill.storage.base import OnBytes, Sending, Stat
from framemill.storage.ftplisting import Entry, entries_of_facts, entries_of_list, entry_of_facts, time_of
from framemill.storage.ftpwire import UnknownCommand, Wire, ended
from framemill.storage.guard import Reach
from framemill.storage.opening import Patience
from framemill.storage.resuming import resumed

_BLOCK_BYTES = 256 << 10
_DEEPEST = 32  # folders below each other: a link to a folder above makes them endless
_PORT = 21


def opened(address: Address, access: Access | None, reach: Reach | None, patience: Patience) -> "FtpStorage":
    """As `storage.opening.opened`."""
    assert access is None or isinstance(access, FtpAccess)  # noqa: S101 - as it was opened
    return FtpStorage(address, access, reach, patience)


class FtpStorage:
    """As `storage.base.Storage`; any number of threads may use it, each transfer has its own connection.

    FTP knows no condition: whether something is there already is looked at before a file is sent and again before it
    gets its name, and somebody else may be quicker in between.
    """

    def __init__(
        self,
        address: Address,
        access: FtpAccess | None,
        reach: Reach | None,
        patience: Patience,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """`tls`: whose certificates are good; the system's by itself. It is used for `ftps://` only."""
        parts = urlsplit(f"//{address.host}")
        self._host, self._port = parts.hostname or "", parts.port or _PORT
        self._root = address.model_copy(update={"path": "", "user": "", "password": ""})
        named = FtpAccess(user=address.user, password=address.password) if address.user else FtpAccess()
        self._login = access or named
        self._tls = (tls or ssl.create_default_context()) if address.scheme == "ftps" else None
        self._reach, self._patience = reach, patience
        self._idle: list[Wire] = []
        self._lock = threading.Lock()

    def stat(self, path: str) -> Stat:
        """What is known of it. Raises as in `storage.base`."""
        with self._wire(path) as wire:
            return _stat(wire, path)

    def read(self, path: str, start: int, end: int) -> bytes:
        """Bytes `start` to `end`, fewer at its end."""
        size = self.stat(path).size
        wanted = (end if size is None else min(end, size)) - start
        read = bytearray()
        if wanted > 0:
            with contextlib.closing(self._blocks(path, start, None)) as blocks:
                for block in blocks:
                    read += block
                    if len(read) >= wanted:
                        return bytes(read[:wanted])
        if size is not None and len(read) < wanted:
            self._short(path, start + len(read), size)
        return bytes(read)

    def stream(self, path: str, start: int = 0) -> Iterator[bytes]:
        """Its bytes, from there on; where it breaks off it is gone on with, if it is still the same file."""
        first = self.stat(path)

        def blocks(at: int) -> Generator[bytes, None, None]:
            if at != start and self.stat(path) != first:
                raise StorageBroken(f"{self._named(path)} was changed while it was read. Try again.")
            return self._blocks(path, at, first.size)

        if first.size is None or start < first.size:
            yield from resumed(blocks, start, self._patience.retries)

    def write(self, path: str, source: Path, sending: Sending, on_bytes: OnBytes | None = None) -> Stat:
        """Send it under another name, compare how much has come, and rename it; folders on the way are made."""
        if sending.acl is not None:
            raise StorageRefused("FTP has no access control lists: leave the ACL away.")
        folder, slash, name = path.rpartition("/")
        beside = f"{folder}{slash}.{name}.{secrets.token_hex(4)}.part"
        begun = False
        try:
            with self._wire(path) as wire:
                self._require_free(wire, path, sending)
                begun = True
                self._send(wire, beside, source, on_bytes)
                came = _stat(wire, beside).size
                if came is not None and came != source.stat().st_size:
                    self._short(path, came, source.stat().st_size)
                self._require_free(wire, path, sending)
                _rename(wire, beside, path, replace=sending.if_exists == "replace")
                return _stat(wire, path)
        except BaseException:
            if begun:
                with contextlib.suppress(StorageError):
                    self.delete(beside)
            raise

    def list(self, prefix: str) -> Iterator[Stat]:
        """Everything below a folder, in the order of their paths; nothing below one that is not there."""
        yield from self._below(prefix, 0)

    def level(self, prefix: str) -> Iterator[Stat]:
        """What is directly in a folder; folders end with a slash."""
        with self._wire(prefix) as wire:
            found = _entries(wire, prefix)
        for entry in found:
            path = f"{prefix}{entry.name}{'/' * entry.folder}"
            yield Stat(path=path, size=None if entry.folder else entry.size, modified=entry.modified)

    def delete(self, path: str) -> None:
        """Remove it."""
        with contextlib.suppress(StorageMissing), self._wire(path) as wire:
            wire.delete(wire.there(path))

    def presign(self, path: str, method: Literal["GET", "PUT"], seconds: int) -> str | None:
        """FTP cannot."""
        return None

    def close(self) -> None:
        """Close every connection that nobody uses."""
        with self._lock:
            idle, self._idle = self._idle, []
        for wire in idle:
            wire.close()

    @contextlib.contextmanager
    def _wire(self, path: str) -> Iterator[Wire]:
        """A connection for this alone; it is kept for the next, unless something stranger than a refusal came."""
        wire = self._kept() or self._new()
        clean = False
        try:
            with wire.told(self._named(path)):
                yield wire
            clean = True
        except (StorageMissing, StorageRefused, StorageExists, UnknownCommand):
            clean = not wire.out_of_step
            raise
        finally:
            if clean:
                with self._lock:
                    self._idle.append(wire)
            else:
                wire.close()

    def _new(self) -> Wire:
        return Wire(
            self._host,
            self._port,
            login=self._login,
            tls=self._tls,
            reach=self._reach,
            silence=self._patience.silence_seconds,
        )

    def _kept(self) -> Wire | None:
        """One that still answers."""
        while True:
            with self._lock:
                if not self._idle:
                    return None
                wire = self._idle.pop()
            try:
                with wire.told(self._host):
                    wire.voidcmd("NOOP")
            except StorageError:
                wire.close()
            else:
                return wire

    def _blocks(self, path: str, start: int, size: int | None) -> Generator[bytes, None, None]:
        """All from `start` on; `size` none: however much comes. Whoever stops early costs the connection."""
        at = start
        with self._wire(path) as wire:
            data, skip = _reading(wire, path, start)
            with data:
                while block := data.recv(_BLOCK_BYTES):
                    cut, skip = min(skip, len(block)), max(0, skip - len(block))
                    if cut < len(block):
                        at += len(block) - cut
                        yield block[cut:]
                ended(data)
            wire.voidresp()
            if size is not None and at != size:
                self._short(path, at, size)

    def _send(self, wire: Wire, path: str, source: Path, on_bytes: OnBytes | None) -> None:
        size, sent = source.stat().st_size, 0
        with source.open("rb") as file, _writing(wire, path) as data:
            while block := file.read(_BLOCK_BYTES):
                try:
                    data.sendall(block)
                except ConnectionError:
                    data.close()
                    wire.voidresp()  # says why
                    raise
                sent += len(block)
                if on_bytes is not None:
                    on_bytes(sent, size)
            ended(data)
        wire.voidresp()

    def _require_free(self, wire: Wire, path: str, sending: Sending) -> None:
        if sending.if_exists == "replace":
            return
        with contextlib.suppress(StorageMissing), wire.told(self._named(path)):
            _stat(wire, path)
            raise StorageExists(f"{self._named(path)}: there is one already. Name another, or have it replaced.")

    def _below(self, prefix: str, depth: int) -> Iterator[Stat]:
        if depth > _DEEPEST:
            raise StorageBroken(f"{self._named(prefix)} is more than {_DEEPEST} folders deep: does a link lead back?")
        try:
            with self._wire(prefix) as wire:
                found = _entries(wire, prefix)
        except StorageMissing:
            return
        # In the order of whole paths, a folder's name goes on with a slash.
        for entry in sorted(found, key=lambda entry: entry.name + "/" * entry.folder):
            if entry.folder:
                yield from self._below(f"{prefix}{entry.name}/", depth + 1)
            else:
                yield Stat(path=prefix + entry.name, size=entry.size, modified=entry.modified)

    def _named(self, path: str) -> str:
        return str(self._root.model_copy(update={"path": path}))

    def _short(self, path: str, came: int, size: int) -> NoReturn:
        raise StorageBroken(f"{self._named(path)}: {came} of {size} bytes came through. Try again.")


def _stat(wire: Wire, path: str) -> Stat:
    """By one of the three commands that a server may know. Raises `StorageMissing` for a folder, too."""
    there = wire.there(path)
    if wire.has("MLST"):
        answer = wire.sendcmd(f"MLST {there}").split("\n")
        entry = entry_of_facts(answer[1]) if len(answer) > 1 else None
        if entry is not None and not entry.folder:
            return Stat(path=path, size=entry.size, modified=entry.modified)
        raise StorageMissing(f"{path} on {wire.host} is no file. Check the path.")
    try:
        with wire.told(path):
            size = wire.size(there)
    except UnknownCommand:
        return _listed(wire, path)
    modified = None
    with contextlib.suppress(UnknownCommand, StorageMissing), wire.told(path):
        modified = time_of(wire.sendcmd(f"MDTM {there}").removeprefix("213 "))
    return Stat(path=path, size=size, modified=modified)


def _listed(wire: Wire, path: str) -> Stat:
    """From the listing of its folder."""
    folder, _, name = path.rpartition("/")
    for entry in _entries(wire, folder):
        if entry.name == name and not entry.folder:
            return Stat(path=path, size=entry.size, modified=entry.modified)
    raise StorageMissing(f"{path} on {wire.host} is not there. Check the path.")


def _entries(wire: Wire, folder: str) -> list[Entry]:
    """From inside the folder: as an argument, some servers would read it as options, or as a pattern."""
    wire.cwd(wire.there(folder))
    if wire.has("MLST"):
        return list(entries_of_facts(wire.lines("MLSD")))
    return list(entries_of_list(wire.lines("LIST")))


def _reading(wire: Wire, path: str, start: int) -> tuple[socket, int]:
    """The data, and how many bytes of them come before `start`: not every server can begin in the middle."""
    command = f"RETR {wire.there(path)}"
    if start:
        try:
            with wire.told(path):
                return wire.transfercmd(command, start), 0
        except UnknownCommand:
            pass
    return wire.transfercmd(command), start


def _writing(wire: Wire, path: str) -> socket:
    command = f"STOR {wire.there(path)}"
    try:
        with wire.told(path):
            return wire.transfercmd(command)
    except (StorageMissing, StorageRefused):
        folders = path.strip("/").split("/")[:-1]
        if not folders:
            raise
    lead = "/" if path.startswith("/") else ""
    for depth in range(1, len(folders) + 1):
        with contextlib.suppress(StorageError), wire.told(path):  # most are there; the next command tells
            wire.mkd(wire.there(lead + "/".join(folders[:depth])))
    return wire.transfercmd(command)


def _rename(wire: Wire, old: str, new: str, *, replace: bool) -> None:
    """Where the server does not rename over what is there, that goes first."""
    try:
        with wire.told(new):
            wire.rename(wire.there(old), wire.there(new))
    except (StorageMissing, StorageRefused, StorageBroken):
        if not replace:
            raise
        with contextlib.suppress(StorageMissing), wire.told(new):
            wire.delete(wire.there(new))
        wire.rename(wire.there(old), wire.there(new))
