"""A proxy that speaks TLS under a name of its own, and passes on what it hears as it is."""

import asyncio
import contextlib
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import trustme


class Tls(NamedTuple):
    """One that is up."""

    port: int
    authority: Path
    """The certificate, as PEM, of who vouches for its name."""


@contextlib.contextmanager
def tls_before(port: int, name: str, folder: Path) -> Iterator[Tls]:
    """In front of who listens at a port of this machine."""
    trusted, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trusted.issue_cert(name).configure_cert(context)
    authority = folder / "authority.pem"
    trusted.cert_pem.write_to_path(str(authority))

    async def passed_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            behind, before = await asyncio.open_connection("127.0.0.1", port)
            await asyncio.gather(_copied(reader, before), _copied(behind, writer))

    async def serve() -> None:
        server = await asyncio.start_server(passed_on, "127.0.0.1", 0, ssl=context)
        taken.append(server.sockets[0].getsockname()[1])
        ready.set()
        async with server:
            await over.wait()

    loop, over, ready, taken = asyncio.new_event_loop(), asyncio.Event(), threading.Event(), list[int]()
    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    try:
        assert ready.wait(10)
        yield Tls(taken[0], authority)
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join()
        loop.close()


async def _copied(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while block := await reader.read(1 << 16):
            writer.write(block)
            await writer.drain()
    writer.close()
