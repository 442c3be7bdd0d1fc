"""A control connection to an FTP server, with or without TLS, and what its answers mean."""

import contextlib
import ftplib
import re
import socket
import ssl
from collections.abc import Iterator, Mapping

from framemill.errors import (
    StorageBroken,
    StorageError,
    StorageFull,
    StorageMissing,
    StorageRefused,
    StorageUnreachable,
)
from framemill.secrets import mask
from framemill.storage.access import FtpAccess
from framemill.storage.guard import Reach, connected
from framemill.storage.resuming import NO_ROOM

_TLS_AT_ONCE = 990  # the port of FTP over TLS (IANA); at any other, TLS is asked for (RFC 4217)
_DENIED = re.compile(r"(?i)denied|permission|not permitted|not allowed|privilege|read.?only|\btls\b|\bssl\b|encrypt")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_MOST_LINES = 1_000_000  # of one listing
_LONGEST_TOLD = 200  # letters of what the server says
_MOST_REPLY_LINES = 1000


class UnknownCommand(StorageBroken):
    """The server has no such command: there may be another way."""


_ENTRY = (StorageRefused, "the server does not let us in, check user and password")
_FORBIDDEN = (StorageRefused, "the server does not allow it")
_NOT_READY = (StorageUnreachable, "the server is not ready, try again later")
_MEANINGS: Mapping[str, tuple[type[StorageError], str]] = {
    **dict.fromkeys(("332", "430", "530", "532"), _ENTRY),
    **dict.fromkeys(("522", "533", "534", "535", "536", "551", "553"), _FORBIDDEN),
    "550": (StorageMissing, "it is not there. Check the path"),
    **dict.fromkeys(("500", "501", "502", "504"), (UnknownCommand, "the server cannot do that")),
    **dict.fromkeys(("421", "425"), _NOT_READY),
}
"""Of the answers of RFC 959 and RFC 2228; what is not here is an accident on the server."""


class Wire(ftplib.FTP_TLS):
    """A logged-in connection. Data connections are passive, and go to the very address that this one goes to,
    whatever the server names.

    `host` and `port` as the address names them; `tls` none: without. Raises the errors of `storage.base`.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        login: FtpAccess,
        tls: ssl.SSLContext | None,
        reach: Reach | None,
        silence: float,
    ) -> None:
        super().__init__(context=tls, timeout=silence, encoding="utf-8")
        self.host, self.port = host, port
        self.out_of_step = False
        self._tls = tls
        self._silence = silence
        self._password = login.password
        self._reply_lines = 0
        self.features: frozenset[str] = frozenset()
        self.home = "/"
        with self.told(f"{host}:{port}"):
            try:
                self._open(reach)
                self._enter(login)
            except BaseException:
                self.close()
                raise

    def _open(self, reach: Reach | None) -> None:
        try:
            self.sock = connected(self.host, self.port, reach, self._silence)
        except OSError as error:
            raise StorageUnreachable(
                f"{self.host}:{self.port} takes no connection: {error.strerror or error}. Check the address, or try"
                " again later."
            ) from None
        self.af = self.sock.family
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)  # it is idle while data flow beside it
        if self._tls is not None and self.port == _TLS_AT_ONCE:
            self.sock = self._tls.wrap_socket(self.sock, server_hostname=self.host)
        self._listen()
        self.welcome = self.getresp()
        if self._tls is not None and not isinstance(self.sock, ssl.SSLSocket):
            self.auth()
            self._listen()

    def _listen(self) -> None:
        """A server that writes another alphabet is understood where it matters."""
        assert self.sock is not None  # noqa: S101 - it is open
        self.file = self.sock.makefile("r", encoding=self.encoding, errors="replace")

    def _enter(self, login: FtpAccess) -> None:
        self.login(login.user, login.password, secure=False)  # by TLS already, where that is wanted
        if self._tls is not None:
            self.prot_p()
        with contextlib.suppress(ftplib.error_perm):
            self.features = frozenset(line.strip().upper() for line in self.sendcmd("FEAT").split("\n")[1:-1])
        if "UTF8" in self.features:
            with contextlib.suppress(ftplib.error_perm):
                self.sendcmd("OPTS UTF8 ON")
        with contextlib.suppress(ftplib.error_perm):
            self.home = self.pwd() or "/"
        self.voidcmd("TYPE I")

    def has(self, feature: str) -> bool:
        """Whether it says that it can do that: `MLST`, `SIZE`, `REST STREAM`."""
        return any(line == feature or line.startswith(f"{feature} ") for line in self.features)

    def there(self, path: str) -> str:
        """The path as the server is asked for it: below the folder that the user begins in."""
        return path if path.startswith("/") else f"{self.home.rstrip('/')}/{path}"

    def ntransfercmd(self, cmd: str, rest: int | str | None = None) -> tuple[socket.socket, int | None]:
        """A data connection, on the TLS session of this one: servers that are careful want to see the same client."""
        data, size = ftplib.FTP.ntransfercmd(self, cmd, rest)
        if self._tls is None:
            return data, size
        try:
            session = self.sock.session if isinstance(self.sock, ssl.SSLSocket) else None
            return self._tls.wrap_socket(data, server_hostname=self.host, session=session), size
        except BaseException:
            data.close()
            raise

    def putcmd(self, line: str) -> None:
        """Send a command, and no second one in its words; its answer may be of so many lines, and no more."""
        if _CONTROL.search(line):
            raise StorageRefused("A path, user or password with control characters in it: FTP cannot say it.")
        self._reply_lines = _MOST_REPLY_LINES
        super().putcmd(line)

    def getline(self) -> str:
        """A line of an answer."""
        self._reply_lines -= 1
        if not self._reply_lines:
            raise ftplib.error_proto(f"an answer of more than {_MOST_REPLY_LINES} lines")
        return super().getline()

    def lines(self, command: str) -> Iterator[str]:
        """What a command lists."""
        with self.transfercmd(command) as data, data.makefile("rb") as file:
            for _ in range(_MOST_LINES):
                line = file.readline(self.maxline + 1)
                if not line:
                    break
                if len(line) > self.maxline:
                    raise ftplib.error_proto("a line without an end")
                yield line.decode("utf-8", "replace").rstrip("\r\n")
            else:
                raise ftplib.error_proto(f"a listing of more than {_MOST_LINES} lines")
            ended(data)
        self.voidresp()

    @contextlib.contextmanager
    def told(self, what: str) -> Iterator[None]:
        """What went wrong with `what`, in the words of `storage.base`, and without the password."""
        try:
            yield
        except (ftplib.error_temp, ftplib.error_perm) as error:
            raise self._meaning(what, str(error)) from None
        except (ftplib.Error, EOFError, OSError) as error:
            self.out_of_step = True
            raise self._failure(what, error) from None

    def _failure(self, what: str, error: Exception) -> StorageError:
        if isinstance(error, ssl.SSLCertVerificationError):
            return StorageRefused(
                f"{what}: the server's certificate is not good: {error.verify_message}. Have it renewed, or name the"
                " host that it is for."
            )
        if isinstance(error, ssl.SSLError):
            return StorageBroken(f"{what}: TLS with the server failed: {error.reason or error}. Try again.")
        if isinstance(error, TimeoutError):
            return StorageUnreachable(f"{what}: the server has been silent for {self._silence:g} s. Try again later.")
        told = f": {self._said(str(error))}" if str(error) else ""
        return StorageBroken(f"{what}: the server broke off{told}. Try again.")

    def _meaning(self, what: str, reply: str) -> StorageError:
        code, said = reply[:3], self._said(reply)
        if code in {"452", "552"} or (code in {"426", "450", "451", "550", "553"} and NO_ROOM.search(reply)):
            return StorageFull(f"{what}: the server has no room: {said}")
        if code == "550" and _DENIED.search(reply):
            code = "553"
        kind, why = _MEANINGS.get(code, (StorageBroken, "something has gone wrong there, try again later"))
        return kind(f"{what}: {why}. The server says: {said}")

    def _said(self, reply: str) -> str:
        return mask(" ".join(reply.split()), {self._password} - {""})[:_LONGEST_TOLD]


def ended(data: socket.socket) -> None:
    """Say that no more comes, where TLS wants that said; some servers do not answer."""
    if isinstance(data, ssl.SSLSocket):
        with contextlib.suppress(OSError):
            data.unwrap()
