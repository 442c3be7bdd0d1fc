"""A wire to a PostgreSQL server that can be cut at the worst moment: around a commit."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

COMMIT = b"COMMIT\0"
NAME = ".s.PGSQL.5432"


class Wire:
    """Carries bytes both ways between clients that connect to `folder` and the server in another one."""

    def __init__(self, folder: Path, server: Path) -> None:
        self.folder = folder
        self.cut: Literal["before", "after"] | None = None
        """At the next commit the client loses its connection: `before` the server hears of it, which then waits, or
        `after` it has committed."""
        self._server = server
        self._sockets: list[socket.socket] = []
        self._waiting: list[socket.socket] = []
        self._listener = self._own(socket.socket(socket.AF_UNIX))
        self._listener.bind(str(folder / NAME))
        self._listener.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def hang_up(self) -> None:
        """The server, too, learns that connections were cut."""
        for upstream in self._waiting:
            upstream.shutdown(socket.SHUT_RDWR)
        self._waiting.clear()

    def close(self) -> None:
        """End everything."""
        for each in self._sockets:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _own(self, made: socket.socket) -> socket.socket:
        self._sockets.append(made)
        return made

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client = self._own(self._listener.accept()[0])
                upstream = self._own(socket.socket(socket.AF_UNIX))
                upstream.connect(str(self._server / NAME))
                answered = threading.Event()
                threading.Thread(target=self._ask, args=(client, upstream, answered), daemon=True).start()
                threading.Thread(target=self._answer, args=(client, upstream, answered), daemon=True).start()

    def _ask(self, client: socket.socket, upstream: socket.socket, cut: threading.Event) -> None:
        with suppress(OSError):
            while data := client.recv(1 << 16):
                if COMMIT not in data or self.cut is None:
                    upstream.sendall(data)
                    continue
                when, self.cut = self.cut, None
                cut.set()
                if when == "after":
                    upstream.sendall(data)  # and `_answer` hangs up when it is done
                else:
                    self._waiting.append(upstream)
                    client.shutdown(socket.SHUT_RDWR)
                return
            upstream.shutdown(socket.SHUT_RDWR)

    def _answer(self, client: socket.socket, upstream: socket.socket, cut: threading.Event) -> None:
        with suppress(OSError):
            while data := upstream.recv(1 << 16):
                if cut.is_set():
                    break
                client.sendall(data)
            client.shutdown(socket.SHUT_RDWR)


@contextmanager
def wire(folder: Path, server: Path) -> Iterator[Wire]:
    """A wire for the length of the block."""
    made = Wire(folder, server)
    try:
        yield made
    finally:
        made.close()
