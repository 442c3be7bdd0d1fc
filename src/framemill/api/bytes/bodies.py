"""A request's body on its way to the disk: while one block is hashed and written, the next one comes."""

import asyncio
import base64
import binascii
import logging
import re
from collections.abc import Awaitable, Callable, Collection, Mapping
from pathlib import Path
from typing import TypeVar

from starlette.requests import ClientDisconnect, Request

from framemill.errors import WrongUse
from framemill.storage.receiving import Bounds, Draft, Received

log = logging.getLogger(__name__)

BLOCK_BYTES = 1 << 20
"""What is collected before it is written: a thread for every 64 KiB that the network brings would cost more."""

Result = TypeVar("Result")


def content_length(request: Request) -> int | None:
    """What the client says that it sends; None: it does not (chunked). Raises `WrongUse`."""
    said = request.headers.get("content-length")
    if said is None:
        return None
    if not re.fullmatch(r"\d{1,18}", said):
        raise WrongUse(f"Content-Length: {said[:40]!r} is no number of bytes.")
    return int(said)


class DigestMismatch(WrongUse):
    """The body is not the one that its sender has hashed: it changed on its way."""


def announced_digests(request: Request) -> dict[str, str]:
    """What the body hashes to, as its sender says (RFC 9530, RFC 1864): hexadecimal, by the name of the hash."""
    said = {name: value for field in _DIGESTS for name, value in _DIGEST.findall(request.headers.get(field, ""))}
    if "content-md5" in request.headers:
        said["md5"] = request.headers["content-md5"]
    return {_HASHES[name.lower()]: hexadecimal(value) for name, value in said.items() if name.lower() in _HASHES}


_DIGESTS = ("repr-digest", "content-digest")
_DIGEST = re.compile(r"([A-Za-z0-9-]+)=:([A-Za-z0-9+/=]*):")
_HASHES = {"sha-256": "sha256", "sha-512": "sha512", "md5": "md5"}


def hexadecimal(base64_said: str) -> str:
    """Raises `WrongUse` where it is no base64."""
    try:
        return base64.b64decode(base64_said.strip(), validate=True).hex()
    except binascii.Error:
        raise WrongUse(f"{base64_said[:100]!r} is no base64.") from None


async def keep_body(
    request: Request,
    path: Path,
    bounds: Bounds,
    hashes: Collection[str] = ("sha256",),
    *,
    expected: Mapping[str, str] | None = None,
    at: int | None = None,
) -> Received:
    """Write the body to `path`; with `at` behind what is there. `expected`: what it hashes to.

    One that is cut off is dropped. Where it is gone on with (`at`), what has come of it stays, unless it can only be
    checked as a whole. Raises `ClientDisconnect`, `TooLarge`, `DiskFull`, `Conflict`, `DigestMismatch`.
    """
    expected = expected or {}
    give_up = Draft.dropped if at is None else Draft.taken_back if expected else Draft.kept
    draft = await in_thread(lambda: Draft(path, bounds, {*hashes, *expected}, at=at), give_up)
    try:
        await _pump(request, draft)
        wrong = next((name for name, digest in draft.digests().items() if expected.get(name, digest) != digest), None)
        if wrong is not None:
            raise DigestMismatch(f"The body came with another {wrong} than was announced: send it again.")
    except BaseException:
        await in_thread(lambda: give_up(draft))
        raise
    return await in_thread(draft.finished)


async def _pump(request: Request, draft: Draft) -> None:
    """From the network to the disk. Returns and raises only when no thread is at the draft any more."""
    writing: asyncio.Future[None] | None = None
    blocks: list[bytes] = []
    waiting = 0
    try:
        async for block in request.stream():
            blocks.append(block)
            waiting += len(block)
            if waiting >= BLOCK_BYTES:
                if writing is not None:
                    await asyncio.shield(writing)
                writing = asyncio.ensure_future(asyncio.to_thread(draft.write, blocks))
                blocks, waiting = [], 0
        if writing is not None:
            await asyncio.shield(writing)
            writing = None
        await in_thread(lambda: draft.write(blocks))
    except BaseException as cut:
        if writing is not None:
            await _ended(writing)
        if isinstance(cut, ClientDisconnect | asyncio.CancelledError) and blocks:
            # It came whole, as far as it goes: who goes on with it need not send it again.
            await _ended(asyncio.ensure_future(asyncio.to_thread(draft.write, blocks)))
        raise


async def in_thread(call: Callable[[], Result], give_up: Callable[[Result], None] | None = None) -> Result:
    """The call's result. Where we are cancelled meanwhile, it is waited for nevertheless: it holds a file.

    `give_up`: what is done then with the result, which nobody gets. It must not take long.
    """
    running = asyncio.ensure_future(asyncio.to_thread(call))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await _ended(running)
        if give_up is not None and not running.cancelled() and running.exception() is None:
            give_up(running.result())
        raise


async def _ended(running: Awaitable[object]) -> None:
    """Wait until it is over, whatever came of it, and however often we are told to stop."""
    future = asyncio.ensure_future(running)
    while not future.done():
        try:
            await asyncio.wait([future])
        except asyncio.CancelledError:
            continue
    if not future.cancelled() and future.exception() is not None:
        log.debug("what was cut off failed: %s", future.exception())
